import { assemblePlain } from "../asm/assembler.ts";
import { isPlain } from "../asm/lines.ts";
import type { Program, Verdict } from "../guest/mod.ts";
import { fromAssembly } from "../guest/program.ts";
import { type Mode, modes } from "../x86/mode.ts";
import { eightSteps, GuestFailure, type Observer } from "./eight_steps.ts";
import { exitCode } from "./exit_code.ts";
import type { Command } from "./main.ts";
import { type Style, terminalStyle, write } from "./output.ts";

/** The example guests; each is loaded when it is run. */
const sources: Sources = {
  real: () => import("../../guests/real.asm", { with: { type: "text" } }),
  protected: () => import("../../guests/protected.asm", { with: { type: "text" } }),
  paged: () => import("../../guests/paged.asm", { with: { type: "text" } }),
  long: () => import("../../guests/long.asm", { with: { type: "text" } }),
};

/** A guest's source for each mode, as a module that is its text. */
type Sources = Readonly<Record<Mode, () => Promise<{ default: string }>>>;

/** `hello`: the example. */
export const hello: Command = helloWith(sources);

/** `hello` with other guests than those that come with it. */
export function helloWith(sources: Sources): Command {
  return {
    help: `Run the example guest in a virtual machine, step by step, and prove its result.

Usage: deno run --allow-ffi main.ts [hello] [OPTION…]

Options:
  --mode MODE  the CPU mode: real (default), protected, paged, long, or all of them
  --json       print one JSON document instead: mode, outcome, reason (where it was not proved),
               steps, output, expectations; with --mode all, an array
  --quiet      print the verdict alone
  --help       this

Exit codes: 0 proved; 1 an expectation failed; 2 bad usage; 3 this host cannot do it; 4 the
guest failed. With --mode all, modes that this host lacks are skipped.`,
    run: (args) => run(args, sources),
  };
}

async function run(args: string[], sources: Sources): Promise<number> {
  // The usual call has no words to read, and starting up is most of its time.
  const { mode, json, quiet } = args.length === 0
    ? { mode: "real" as const, json: false, quiet: false }
    : await readOptions(args);
  const all = mode === "all";
  const chosen = all ? Object.keys(modes) as Mode[] : [mode];
  const style = json ? undefined : await terminalStyle();
  const results: Result[] = [];
  for (const mode of chosen) {
    const text = style && !quiet ? new TextObserver(style) : undefined;
    if (all && text) write(`${style!.bold(`${mode}: ${modes[mode].description}`)}\n`);
    const { default: source } = await sources[mode]();
    const program = await load(source, `guests/${mode}.asm`);
    results.push(await prove(program, text));
    if (all && text) write("\n");
  }
  if (json) write(JSON.stringify(all ? results : results[0], null, 2) + "\n");
  else for (const result of results) write(`${verdictLine(result, { style: style!, all })}\n`);
  return overallCode(results);
}

interface Step {
  title: string;
  detail: string;
}

/** What came of one mode; this is also its JSON. */
interface Result {
  mode: Mode;
  outcome: "proved" | "failed" | "unsupported" | "crashed";
  /** Why not, where it was not proved. */
  reason?: string;
  steps: Step[];
  output: string;
  expectations: readonly Verdict[];
}

async function readOptions(args: string[]) {
  const { parseOptions, refuseWords, unknownWord } = await import("./usage.ts");
  const { flags, values, words } = parseOptions(args, {
    flags: ["json", "quiet"],
    values: ["mode"],
  });
  refuseWords(words);
  const mode = values.get("mode") ?? "real";
  const known = [...Object.keys(modes), "all"];
  if (!known.includes(mode)) throw unknownWord(`There is no mode "${mode}"`, mode, known);
  return { mode: mode as Mode | "all", json: flags.has("json"), quiet: flags.has("quiet") };
}

/** Starting up takes longer than all the rest: what only macros need is not loaded for a guest without. */
async function load(source: string, name: string): Promise<Program> {
  if (isPlain(source)) return fromAssembly(source, assemblePlain(source, { name }), { name });
  const { loadSource } = await import("../guest/source.ts");
  return loadSource(source, name);
}

/** Runs a guest; a mode the host lacks and a guest that fails are results too. */
async function prove(program: Program, text: TextObserver | undefined): Promise<Result> {
  const steps: Step[] = [];
  const output: number[] = [];
  const observer: Observer = {
    step(title, detail) {
      steps.push({ title, detail });
      text?.step(title, detail);
    },
    copied: (program) => text?.copied(program),
    output(bytes) {
      output.push(...bytes);
      text?.output(bytes);
    },
  };
  const { mode } = program.settings;
  const conclude = (
    outcome: Result["outcome"],
    { reason, expectations = [] }: { reason?: string; expectations?: readonly Verdict[] },
  ): Result => ({
    mode,
    outcome,
    ...(reason !== undefined && { reason }),
    steps,
    output: new TextDecoder().decode(Uint8Array.from(output)),
    expectations,
  });
  let expectations: readonly Verdict[];
  try {
    expectations = eightSteps(program, observer);
  } catch (error) {
    text?.endLine();
    if (!(error instanceof GuestFailure)) throw error;
    // A guest that failed where no guest can run did not fail: the host lacks the mode.
    const { tryMode } = await import("../machine/host.ts");
    const { works, reason } = tryMode(mode);
    if (!works) return conclude("unsupported", { reason });
    const { describeExit } = await import("../machine/describe_exit.ts");
    return conclude("crashed", { reason: `The guest failed: ${describeExit(error.exit)}` });
  }
  text?.verdicts(expectations);
  const failed = expectations.filter(({ holds }) => !holds);
  if (failed.length === 0) return conclude("proved", { expectations });
  const reason = failed.map(({ expectation, found }) => `${expectation}, found ${found}`).join(
    "; ",
  );
  return conclude("failed", { reason, expectations });
}

/** The worst that happened; modes that the host lacks count only where there is nothing else. */
function overallCode(results: readonly Result[]): number {
  const outcomes = results.map(({ outcome }) => outcome);
  if (outcomes.includes("crashed")) return exitCode.guest;
  if (outcomes.includes("failed")) return exitCode.failed;
  return outcomes.includes("proved") ? exitCode.proved : exitCode.host;
}

const NEWLINE = 10;

/** Prints the steps as they happen. */
class TextObserver implements Observer {
  readonly #style: Style;
  #number = 0;
  /** Whether the guest has begun a line. */
  #inLine = false;

  constructor(style: Style) {
    this.#style = style;
  }

  step(title: string, detail: string): void {
    this.endLine();
    write(`${this.#style.bold(`${++this.#number}`)}  ${title.padEnd(29)}${detail}\n`);
  }

  /** The listing: offset, bytes, source. */
  copied({ segments, listing }: Program): void {
    const { dim } = this.#style;
    const [{ address: load, bytes: image }] = segments;
    let text = "";
    for (const { offset, length, source } of listing) {
      if (length === 0) continue;
      const bytes = image.subarray(offset, offset + Math.min(length, 8)).toHex().toUpperCase();
      const more = length > 8 ? "…" : "";
      const address = (load + offset).toString(16).padStart(4, "0");
      text += `     ${dim(address)}  ${(bytes + more).padEnd(18)} ${source.trimEnd()}\n`;
    }
    write(text);
  }

  /** What the guest prints, at once and byte by byte as it is, each line behind a mark. */
  output(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (!this.#inLine) write(`   ${this.#style.green("guest>")} `);
      write(Uint8Array.of(byte));
      this.#inLine = byte !== NEWLINE;
    }
  }

  /** Ends the line that the guest has begun. */
  endLine(): void {
    if (this.#inLine) write("\n");
    this.#inLine = false;
  }

  verdicts(verdicts: readonly Verdict[]): void {
    for (const { expectation, found, holds } of verdicts) {
      const verdict = holds ? this.#style.green("holds") : this.#style.red("FAILS");
      write(`     ${verdict}  ${expectation.padEnd(35)} found ${found}\n`);
    }
  }
}

function verdictLine(
  { mode, outcome, reason }: Result,
  { style, all }: { style: Style; all: boolean },
): string {
  const words = {
    proved: style.green("proved"),
    failed: style.red("FAILED"),
    unsupported: style.yellow(all ? "skipped" : "unsupported"),
    crashed: style.red("CRASHED"),
  };
  return `${mode.padEnd(10)} ${words[outcome]}${reason === undefined ? "" : `: ${reason}`}`;
}
