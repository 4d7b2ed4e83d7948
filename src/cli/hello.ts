import longSource from "../../guests/long.asm" with { type: "text" };
import pagedSource from "../../guests/paged.asm" with { type: "text" };
import protectedSource from "../../guests/protected.asm" with { type: "text" };
import realSource from "../../guests/real.asm" with { type: "text" };
import { loadSource, type Program, type Verdict } from "../guest/mod.ts";
import { type Mode, modes } from "../x86/mod.ts";
import { eightSteps, GuestFailure, type Observer } from "./eight_steps.ts";
import { exitCode } from "./exit_code.ts";
import type { Command } from "./main.ts";
import { type Style, terminalStyle } from "./style.ts";

const sources: Record<Mode, string> = {
  real: realSource,
  protected: protectedSource,
  paged: pagedSource,
  long: longSource,
};

/** `hello`: the example. */
export const hello: Command = {
  help: `Run the example guest in a virtual machine, step by step, and prove its result.

Usage: deno run --allow-ffi main.ts [hello] [OPTION…]

Options:
  --mode MODE  the CPU mode: real (default), protected, paged, long, or all of them
  --json       print one JSON document instead
  --quiet      print the verdict alone
  --help       this

Exit codes: 0 proved; 1 an expectation failed; 2 bad usage; 3 this host cannot do it; 4 the
guest failed. With --mode all, modes that this host lacks are skipped.`,
  run: async (args) => {
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
      const result = await prove(mode, text);
      results.push(result);
      if (all && text) write("\n");
      else if (style && !all) write(`${verdictLine(result, style)}\n`);
    }
    if (json) write(JSON.stringify(all ? results : results[0], null, 2) + "\n");
    else if (all) { for (const result of results) write(`${verdictLine(result, style!)}\n`); }
    return overallCode(results, all);
  },
};

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

/** Runs the guest of a mode; a mode the host lacks and a guest that fails are results too. */
async function prove(mode: Mode, text: TextObserver | undefined): Promise<Result> {
  const result: Result = { mode, outcome: "proved", steps: [], output: "", expectations: [] };
  const decoder = new TextDecoder();
  const observer: Observer = {
    step(title, detail) {
      result.steps.push({ title, detail });
      text?.step(title, detail);
    },
    copied: (program) => text?.copied(program),
    output(bytes) {
      result.output += decoder.decode(bytes, { stream: true });
      text?.output(bytes);
    },
  };
  try {
    const program = loadSource(sources[mode], `guests/${mode}.asm`);
    result.expectations = eightSteps(program, observer);
  } catch (error) {
    if (!(error instanceof GuestFailure)) throw error;
    // A guest that failed where no guest can run did not fail: the host lacks the mode.
    const { tryMode } = await import("../machine/host.ts");
    const { works, reason } = tryMode(mode);
    return works
      ? { ...result, outcome: "crashed", reason: error.message }
      : { ...result, outcome: "unsupported", reason };
  }
  text?.verdicts(result.expectations);
  const failed = result.expectations.filter(({ holds }) => !holds);
  if (failed.length === 0) return result;
  const reason = failed.map(({ expectation, found }) => `${expectation}, found ${found}`).join(
    "; ",
  );
  return { ...result, outcome: "failed", reason };
}

function overallCode(results: readonly Result[], all: boolean): number {
  const outcomes = results.map(({ outcome }) => outcome);
  if (outcomes.includes("crashed")) return exitCode.guest;
  if (outcomes.includes("failed")) return exitCode.failed;
  if (outcomes.includes("proved")) return exitCode.proved;
  return all || outcomes.includes("unsupported") ? exitCode.host : exitCode.proved;
}

/** Prints the steps as they happen. */
class TextObserver implements Observer {
  readonly #style: Style;
  #number = 0;
  #guestLine = "";

  constructor(style: Style) {
    this.#style = style;
  }

  step(title: string, detail: string): void {
    write(`${this.#style.bold(`${++this.#number}`)}  ${title.padEnd(29)}${detail}\n`);
  }

  /** The listing: offset, bytes, source. */
  copied({ image, listing, load }: Program): void {
    const { dim } = this.#style;
    let text = "";
    for (const { offset, length, source } of listing) {
      if (length === 0) continue;
      const bytes = [...image.subarray(offset, offset + Math.min(length, 8))].map(hexByte).join("");
      const more = length > 8 ? "…" : "";
      const address = (load + offset).toString(16).padStart(4, "0");
      text += `     ${dim(address)}  ${(bytes + more).padEnd(18)} ${source.trimEnd()}\n`;
    }
    write(text);
  }

  /** What the guest prints, at once, each line behind a mark. */
  output(bytes: Uint8Array): void {
    const { green } = this.#style;
    for (const byte of bytes) {
      const mark = this.#guestLine === "" ? `   ${green("guest>")} ` : "";
      const character = byte === 10 ? "\n" : String.fromCharCode(byte);
      this.#guestLine = byte === 10 ? "" : this.#guestLine + character;
      write(mark + character);
    }
  }

  verdicts(verdicts: readonly Verdict[]): void {
    for (const { expectation, found, holds } of verdicts) {
      const verdict = holds ? this.#style.green("holds") : this.#style.red("FAILS");
      write(`     ${verdict}  ${expectation.padEnd(35)} found ${found}\n`);
    }
  }
}

function verdictLine({ mode, outcome, reason }: Result, style: Style): string {
  const words = {
    proved: style.green("proved"),
    failed: style.red("FAILED"),
    unsupported: style.yellow("skipped"),
    crashed: style.red("CRASHED"),
  };
  return `${mode.padEnd(10)} ${words[outcome]}${reason === undefined ? "" : `: ${reason}`}`;
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, "0").toUpperCase();
}

const encoder = new TextEncoder();

/** Writes all of `text` to stdout, at once. */
function write(text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}
