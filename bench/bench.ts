// deno-lint-ignore-file no-console
/**
 * `deno task bench`: every line compares two things that are measured in turn, in the same run.
 *
 * @module
 */

import { parseOptions, refuseWords, UsageError } from "../src/cli/usage.ts";
import { hostBackend } from "../src/kvm/mod.ts";
import { type Line, measure, type Result } from "./line.ts";
import { assembler } from "./lines/assembler.ts";
import { machine } from "./lines/machine.ts";
import { start } from "./lines/start.ts";
import { test } from "./lines/test.ts";
import { vm } from "./lines/vm.ts";
import { MissingProgram, OUT } from "./programs.ts";
import { formatTable, type Skipped } from "./table.ts";

const HELP = `Measure hlt against C, QEMU, v86 and NASM.

Usage: deno task bench [OPTION…]

Options:
  --filter TEXT  only the lines with this text in them
  --pairs N      measure both sides N times, instead of as often as the line says
  --json FILE    where the results go besides, bench/out/bench.json unless said otherwise
  --help         this`;

const lines: Line[] = [...start, ...vm, ...machine, ...test, ...assembler];

/** Measures the lines that `args` choose; gives the exit code. */
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
  if (chosen.length === 0) throw new UsageError(`No line has "${filter}" in it`);

  await Deno.mkdir(OUT, { recursive: true });
  const results: (Result | Skipped)[] = [];
  for (const line of chosen) {
    console.error(`${line.what}, against ${line.against} …`);
    results.push(await measureOrSkip(line, pairs));
  }
  const report = { date: new Date().toISOString(), host: host(), results };
  const file = values.get("json") ?? OUT + "bench.json";
  await Deno.writeTextFile(file, JSON.stringify(report, null, 2) + "\n");
  console.log(formatTable(results));
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

/** What the figures depend on. */
function host(): Record<string, unknown> {
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
