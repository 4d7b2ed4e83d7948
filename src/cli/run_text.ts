import type { Program, Verdict } from "../guest/mod.ts";
import { describeExit } from "../machine/describe_exit.ts";
import type { InstructionCount } from "../machine/instruction_counter.ts";
import type { Proof } from "../machine/mod.ts";
import { diagnosisText } from "./diagnosis_text.ts";
import { type Style, write } from "./output.ts";
import { registersText } from "./registers_text.ts";
import { type Dump, type Judged, type RunResult, type Spread, spread } from "./run_result.ts";

/** Prints a run for people: data to stdout, explanations to stderr. */
export class TextReport {
  readonly #program: Program;
  readonly #style: Style;
  readonly #talkStyle: Style;
  readonly #shows: ReadonlySet<string>;
  /** Whether the guest has begun a line. */
  #inLine = false;

  constructor(
    program: Program,
    options: { style: Style; talkStyle: Style; shows: ReadonlySet<string> },
  ) {
    this.#program = program;
    this.#style = options.style;
    this.#talkStyle = options.talkStyle;
    this.#shows = options.shows;
  }

  /** What the guest writes, as it is. */
  output(bytes: Uint8Array): void {
    write(bytes);
    const NEWLINE = 10;
    this.#inLine = bytes.at(-1) !== NEWLINE;
  }

  /** Ends the line that the guest has begun. */
  endLine(): void {
    if (this.#inLine) write("\n");
    this.#inLine = false;
  }

  verdict({ proof, place }: Judged): void {
    const { green, red, yellow } = this.#style;
    this.endLine();
    for (const { expectation, found, holds } of proof.verdicts) {
      const verdict = holds ? green("holds") : red("FAILS");
      write(`${verdict}  ${expectation.padEnd(30)} found ${found}\n`);
    }
    const words: Record<Proof["outcome"], string> = {
      proved: green("proved"),
      failed: red("FAILED"),
      crashed: red("CRASHED"),
      timeout: red("TIME IS UP"),
      interrupted: yellow("interrupted"),
      unsupported: yellow("unsupported"),
    };
    const reason = place === undefined ? reasonOf(proof) : `at ${place}`;
    write(`${this.#program.name} ${words[proof.outcome]}${reason === "" ? "" : `: ${reason}`}\n`);
  }

  /** What was found out besides the verdict. */
  rest(result: RunResult, { dumps }: { dumps: readonly Dump[] }): void {
    const { diagnosis, proof: { before, after } } = result;
    if (diagnosis !== undefined) {
      write(`\n${diagnosisText(diagnosis, this.#talkStyle)}`, Deno.stderr);
    }
    if (this.#shows.has("regs")) write(registersText(after, { before, style: this.#style }));
    for (const dump of dumps) write(dumpText(dump, this.#style));
    if (this.#shows.has("stats")) write(statsText(result));
    if (result.proof.milliseconds.length > 1) write(timesText(spread(result.proof.milliseconds)));
  }
}

/** In a few words, why a run was not proved. */
function reasonOf({ outcome, stop, verdicts, lacks }: Proof): string {
  const failed = verdicts.filter(({ holds }: Verdict) => !holds);
  switch (outcome) {
    case "failed":
      return `${failed.length} of ${verdicts.length} expectations`;
    case "crashed":
      return stop.reason === "unhandled"
        ? describeExit(stop.exit)
        : `it ended with ${stop.reason === "status" ? `status ${stop.status}` : "a triple fault"}`;
    case "unsupported":
      return lacks!;
    default:
      return "";
  }
}

/** `00000400  2a 00 …  |*.…|` */
function dumpText({ address, bytes }: Dump, { dim }: Style): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const characters = row.map((byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."
    );
    const place = (address + at).toString(16).padStart(8, "0");
    text += `${dim(place)}  ${digits.padEnd(47)}  |${characters.join("")}|\n`;
  }
  return text;
}

function statsText({ exits, milliseconds, instructions }: RunResult): string {
  const rows = [...exits].sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${String(count).padStart(10)}  ${reason}\n`);
  const total = [...exits.values()].reduce((sum, count) => sum + count, 0);
  return `${String(total).padStart(10)}  exits, in ${milliseconds.toFixed(2)} ms\n${
    rows.join("")
  }` +
    (instructions === undefined ? "" : instructionsText(instructions));
}

function instructionsText(instructions: InstructionCount): string {
  if (instructions.count === undefined) return `instructions not counted: ${instructions.why}\n`;
  const { count, by } = instructions;
  return `${String(count).padStart(10)}  instructions, counted by ${
    { cpu: "the CPU", emulator: "KVM's emulator" }[by]
  }\n`;
}

function timesText({ runs, median, shortest, longest }: Spread): string {
  const [middle, low, high] = [median, shortest, longest].map((time) => time.toFixed(3));
  return `${runs} runs: the guest took ${middle} ms (median), from ${low} to ${high} ms\n`;
}
