// deno-lint-ignore-file no-console
/**
 * `deno task bench`: every line compares two things that are measured in turn, in the same
 * run, and every plot shows how a cost grows.
 *
 * @module
 */

import { parseOptions, refuseWords, UsageError } from "../src/cli/usage.ts";
import { hostBackend } from "../src/kvm/mod.ts";
import { type Curve, curves, measureGrowth } from "./growth.ts";
import { type Line, measure, type Result } from "./line.ts";
import { assembler } from "./lines/assembler.ts";
import { machine } from "./lines/machine.ts";
import { start } from "./lines/start.ts";
import { test } from "./lines/test.ts";
import { vm } from "./lines/vm.ts";
import { type Growth, plot } from "./plot.ts";
import { MissingProgram, OUT, REPORT } from "./programs.ts";
import { formatTable, type Skipped } from "./table.ts";

const HELP = `Measure hlt against C, QEMU, v86 and NASM, and how its cost grows.

Usage: deno task bench [OPTION…]

The results go to bench/out: bench.json, and an SVG for each plot. Those of a whole run, without
options, go to bench/report, which README shows.

Options:
  --filter TEXT  only the lines and plots with this text in them
  --pairs N      measure everything N times, instead of as often as each says
  --json FILE    where the JSON goes instead
  --help         this`;

/** What a run measured; this is also its JSON. */
export interface Report {
  date: string;
  host: {
    cpu: string | undefined;
    cores: number;
    kernel: string;
    kvm: string | undefined;
    deno: string;
  };
  results: (Result | Skipped)[];
  growth: Growth[];
}

const lines: Line[] = [...start, ...vm, ...machine, ...test, ...assembler];

/** Measures the lines and plots that `args` choose; gives the exit code. */
async function bench(args: string[]): Promise<number> {
  const { values, flags, words } = parseOptions(args, {
    values: ["filter", "pairs", "json"],
    flags: ["help"],
  });
  refuseWords(words);
  if (flags.has("help")) {
    console.log(HELP);
    return 0;
  }
  const filter = values.get("filter") ?? "";
  const pairs = values.has("pairs") ? Number(values.get("pairs")) : undefined;
  if (pairs !== undefined && !(Number.isInteger(pairs) && pairs > 0)) {
    throw new UsageError("The option --pairs takes a whole number: --pairs 20");
  }
  const chosen = lines.filter(({ what, against }) => `${what}, ${against}`.includes(filter));
  const chosenCurves = curves.filter(({ what, over }) => `${what}: ${over}`.includes(filter));
  if (chosen.length + chosenCurves.length === 0) {
    throw new UsageError(`No line and no plot has "${filter}" in it`);
  }
  const folder = args.length === 0 ? REPORT : OUT;
  await Promise.all([OUT, folder].map((path) => Deno.mkdir(path, { recursive: true })));

  const results: (Result | Skipped)[] = [];
  for (const line of chosen) {
    console.error(`${line.what}, against ${line.against} …`);
    results.push(await measureOrSkip(line, pairs));
  }
  const growth: Growth[] = [];
  for (const curve of chosenCurves) {
    console.error(`${curve.what}, over ${curve.over} …`);
    const measured = await measureGrowthOrSkip(curve, pairs);
    if (measured === undefined) continue;
    growth.push(measured);
    await Deno.writeTextFile(`${folder}${curve.file}.svg`, plot(measured));
  }
  const report: Report = { date: new Date().toISOString(), host: host(), results, growth };
  const file = values.get("json") ?? `${folder}bench.json`;
  await Deno.writeTextFile(file, JSON.stringify(report) + "\n");
  if (results.length > 0) console.log(formatTable(results));
  return 0;
}

async function measureOrSkip(line: Line, pairs: number | undefined): Promise<Result | Skipped> {
  try {
    return await measure(line, pairs);
  } catch (error) {
    if (!(error instanceof MissingProgram)) throw error;
    return { what: line.what, against: line.against, skipped: error.message };
  }
}

async function measureGrowthOrSkip(
  curve: Curve,
  rounds: number | undefined,
): Promise<Growth | undefined> {
  try {
    return await measureGrowth(curve, rounds);
  } catch (error) {
    if (!(error instanceof MissingProgram)) throw error;
    console.error(`not plotted: ${error.message}`);
    return undefined;
  }
}

/** What the figures depend on. */
function host(): Report["host"] {
  const cpuinfo = Deno.readTextFileSync("/proc/cpuinfo");
  return {
    cpu: /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1],
    cores: navigator.hardwareConcurrency,
    kernel: Deno.osRelease(),
    kvm: hostBackend(),
    deno: Deno.version.deno,
  };
}

try {
  Deno.exitCode = await bench(Deno.args);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  Deno.exitCode = 2;
}
