import { parseSum } from "../guest/expectation.ts";
import { type Program, quote } from "../guest/mod.ts";
import { Scanner } from "../guest/scanner.ts";
import { Labels } from "../guest/labels.ts";
import { withNames } from "../machine/code.ts";
import { describeExit } from "../machine/describe_exit.ts";
import {
  describePlace,
  diagnose,
  type Diagnosis,
  Machine,
  type Stop,
  type Support,
  trace as traceMachine,
  type TraceStep,
  View,
} from "../machine/mod.ts";
import { keepsStepping } from "../machine/host.ts";
import { supports } from "../machine/prove.ts";
import type { Disassembler } from "../x86/mod.ts";
import { exitCode } from "./exit_code.ts";
import type { Command } from "./main.ts";
import { write } from "./output.ts";
import { requireDisassembler } from "./require_disassembler.ts";
import { lists, readProgram, values } from "./guest_options.ts";
import { diagnosisOf } from "./run_json.ts";
import { parseOptions, UsageError } from "./usage.ts";

/** `trace`: shows what each instruction of a guest did. */
export const trace: Command = {
  help: `Run a guest an instruction at a time, and show what each one did.

Usage: deno run --allow-ffi --allow-read main.ts trace [OPTION…] FILE

A line shows the address, the bytes, the source line or the disassembly, and the registers, flags
and memory that the instruction changed. On a terminal it waits after every screenful.

Options, besides those that run has for the guest, but --expect (main.ts run --help):
  --from ADDRESS  begin at this instruction: an address, linear or physical, or a label, main + 3
  --to ADDRESS    end behind this one
  --steps N       end after N lines
  --no-memory     do not look for changed memory
  --json          a JSON object a line: step, address, cs, ip, bytes, text, file and line where
                  there is a source, registers, memory, unanswered (with --io log), unseen; the last
                  one: stop, steps, output; neverReached, the address of --from, if no step was
                  there; next, the address where the last step led, and diagnosis, as of run,
                  if it did not end by itself; reason, if this host cannot run it
  --help          this

Hosts differ in stepping. A repeated string instruction is one line on each. Where a host runs
instructions unseen (on AMD an interrupt's handler, and the one behind STI or a load of SS), the
line says so. A guest that steps itself (TF) gets no exception for it while it is traced.

Exit codes: 0 traced; 1 nothing was traced, since no step was at --from; 2 bad usage or a bad guest;
3 this host cannot do it; 4 the guest failed; 124 the time was up; 130 Ctrl-C.`,
  run: async (args) => {
    const parsed = parseOptions(args, {
      flags: ["json", "no-memory"],
      values: [...values, "from", "to", "steps"],
      lists,
    });
    const { flags, values: given } = parsed;
    const program = readProgram(parsed);
    const range = {
      from: addressOf(program, "from", given.get("from")),
      to: addressOf(program, "to", given.get("to")),
      steps: countOf(given.get("steps")),
    };
    const describe = new Describer(program, await requireDisassembler());
    const printer = flags.has("json") ? new JsonPrinter(describe) : new TextPrinter(describe);
    return await run(program, { printer, range, memory: !flags.has("no-memory") });
  },
};

interface Range {
  from: bigint | undefined;
  to: bigint | undefined;
  steps: number;
}

async function run(
  program: Program,
  options: { printer: Printer; range: Range; memory: boolean },
): Promise<number> {
  const { printer, range, memory } = options;
  const output: number[] = [];
  let unanswered: string[] = [];
  using machine = Machine.for(program, {
    output: (bytes) => output.push(...bytes),
    log: (exit) => unanswered.push(describeExit(exit)),
  });
  const controller = new AbortController();
  const onInterrupt = () => controller.abort();
  Deno.addSignalListener("SIGINT", onInterrupt);
  let hasBegun = range.from === undefined;
  let count = 0;
  let isOver = false;
  let next = BigInt(program.entry);
  const onStep = (step: TraceStep): boolean => {
    next = step.next;
    const accesses = unanswered;
    unanswered = [];
    hasBegun ||= isAt(step, range.from);
    if (!hasBegun) return false;
    const isPageFull = printer.step(step, { number: ++count, unanswered: accesses });
    isOver = count >= range.steps || isAt(step, range.to);
    return isOver || isPageFull;
  };
  try {
    for (;;) {
      const { timeout } = program.settings;
      const stop = await traceMachine(machine, {
        onStep,
        memory,
        timeout,
        signal: controller.signal,
      });
      const isPaused = stop.reason === "interrupted" && !controller.signal.aborted && !isOver;
      const answer = isPaused ? printer.pause() : undefined;
      if (answer === "more") continue;
      const isCut = isOver || answer === "quit";
      const neverReached = hasBegun ? undefined : range.from;
      const rest = isCut ? { code: exitCode.proved } : await explain(machine, { program, stop });
      printer.end({
        ...rest,
        stop,
        count,
        output: Uint8Array.from(output),
        isCut,
        neverReached,
        next,
      });
      return rest.code === exitCode.proved && neverReached !== undefined
        ? exitCode.failed
        : rest.code;
    }
  } finally {
    Deno.removeSignalListener("SIGINT", onInterrupt);
  }
}

/** What the end of a guest means, and why it came where that is not plain. */
async function explain(
  machine: Machine,
  { program, stop }: { program: Program; stop: Stop },
): Promise<{ code: number; diagnosis?: Diagnosis; lacks?: string }> {
  if (stop.reason === "hlt" || stop.reason === "status") return { code: exitCode.proved };
  const isStopped = stop.reason === "timeout" || stop.reason === "interrupted";
  const support: Support = isStopped ? { works: true } : supports(machine, program);
  if (!support.works) return { code: exitCode.host, lacks: support.reason };
  const diagnosis = await diagnose(new View(machine, program), stop);
  if (!isStopped) return { code: exitCode.guest, diagnosis };
  const isTimeout = stop.reason === "timeout";
  return { code: isTimeout ? exitCode.deadline : exitCode.interrupted, diagnosis };
}

/** Whether a step is at an address. A label's is physical, and the CPU may be at another linear one. */
function isAt({ address, physical }: TraceStep, place: bigint | undefined): boolean {
  return place !== undefined && (address === place || physical === Number(place));
}

function addressOf(program: Program, option: string, text?: string): bigint | undefined {
  if (text === undefined) return undefined;
  const scanner = new Scanner({ file: `--${option}`, line: 1, text, start: 0 });
  const what = "an address or a label";
  const { value } = parseSum(scanner, { symbols: program.symbols, what });
  scanner.end();
  if (value < 0n || value >= 1n << 64n) {
    throw scanner.error("A linear address is between 0 and 2^64 - 1", 0);
  }
  return value;
}

function countOf(text?: string): number {
  if (text === undefined) return Infinity;
  if (!/^[1-9]\d*$/.test(text)) {
    throw new UsageError(`--steps takes a number from 1, not "${text}"`);
  }
  return Number(text);
}

/** An instruction in words. */
interface Description {
  readonly code: Uint8Array;
  /** The source line, or the disassembly. */
  readonly text: string;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly flow: "next" | "interrupt" | "branch";
}

/** Finds the words for instructions; most are met again and again. */
class Describer {
  readonly #program: Program;
  readonly #rows: Map<number, Program["listing"][number]>;
  readonly #labels: Labels;
  readonly #disassemble: Disassembler;
  readonly #known = new Map<bigint, Description>();

  constructor(program: Program, disassemble: Disassembler) {
    this.#program = program;
    const { listing, segments: [{ address }] } = program;
    // Labels and blank lines make no bytes, and what is reserved has none in the image.
    this.#rows = new Map(
      listing.filter(({ length, isReserved }) => length > 0 && !isReserved)
        .map((row) => [address + row.offset, row]),
    );
    this.#labels = new Labels(program);
    this.#disassemble = disassemble;
  }

  /** An address: `0x7c05 <loop>`. */
  name(address: bigint): string {
    const label = this.#labels.near(Number(address));
    return label === undefined ? hex(address) : `${hex(address)} <${label}>`;
  }

  describe(step: TraceStep): Description {
    const known = this.#known.get(step.address);
    if (known !== undefined && startsWith(step.code, known.code)) return known;
    const { physical, rip, bits } = step;
    const { text, length, flow, target } = this.#disassemble(step.code, { address: rip, bits });
    const row = physical === undefined ? undefined : this.#rows.get(physical);
    // A row of several instructions, or one that the guest has changed, is no description.
    const code = step.code.slice(0, length);
    const isSource = row?.length === length && isImage(this.#program, physical!, code);
    const description = {
      code,
      text: isSource
        ? withLabel(withoutComment(row.source), this.#labels.at(physical!))
        : withNames(text, {
          labels: this.#labels,
          address: physical,
          target: target === undefined || physical === undefined
            ? undefined
            : physical + Number(target - rip),
        }),
      file: isSource ? row.file : undefined,
      line: isSource ? row.line : undefined,
      flow,
    };
    this.#known.set(step.address, description);
    return description;
  }
}

/** Whether the image has these bytes there, by physical address. */
function isImage({ segments }: Program, address: number, code: Uint8Array): boolean {
  return segments.some(({ address: start, bytes }) =>
    start <= address && startsWith(bytes.subarray(address - start), code)
  );
}

function startsWith(code: Uint8Array, start: Uint8Array): boolean {
  for (let i = 0; i < start.length; i++) if (code[i] !== start[i]) return false;
  return true;
}

/** A source line on one blank between its words, without its comment. */
function withoutComment(source: string): string {
  const code = /^(?:[^;"'`]|"[^"]*"|'[^']*'|`(?:[^`\\]|\\.)*`)*/.exec(source)![0];
  return code.trim().replaceAll(/\s+/g, " ");
}

/** A source line with the label before it, which may stand in a line of its own. */
function withLabel(text: string, label?: string): string {
  if (label === undefined) return text;
  // A local label is written without the one that it belongs to.
  const local = label.slice(Math.max(0, label.indexOf(".")));
  return text.startsWith(label) || text.startsWith(local) ? text : `${local}: ${text}`;
}

/** What the host ran without showing it, where the step did not lead where the instruction leads. */
function unseen(step: TraceStep, { code, flow }: Description): string | undefined {
  const behind = step.address + BigInt(code.length);
  // A handler that is stepped begins with what the CPU pushed.
  const isEntered = step.registers.some(({ name }) => /^[er]?sp$/.test(name));
  if (flow === "interrupt" && !isEntered) return "the interrupt's handler";
  if (flow === "next" && step.next !== behind && step.next !== step.address) {
    return `what led to ${
      hex(step.next)
    }: an exception, an interrupt, or an instruction that this ` +
      "host runs together with this one";
  }
  return undefined;
}

interface End {
  stop: Stop;
  count: number;
  output: Uint8Array;
  /** The trace was ended, not the guest. */
  isCut: boolean;
  /** Where it was to begin, if no step was there. */
  neverReached: bigint | undefined;
  /** The linear address of the instruction that came next: what crashed, where KVM does not tell. */
  next: bigint;
  /** Why the guest did not end by itself. */
  diagnosis?: Diagnosis;
  /** What this host lacks to run it. */
  lacks?: string;
}

/** What the reader wants after a screenful; at Ctrl-C the guest is interrupted. */
type Answer = "more" | "quit" | "interrupt";

interface Printer {
  /** Prints a step; true when the reader needs a pause. */
  step(step: TraceStep, more: { number: number; unanswered: readonly string[] }): boolean;
  /** Waits for what the reader wants. */
  pause(): Answer;
  end(end: End): void;
}

/** Text is written in pieces of this size, in characters. */
const BUFFER_SIZE = 1 << 16;

class TextPrinter implements Printer {
  readonly #describer: Describer;
  readonly #rows = Deno.stdout.isTerminal() && Deno.stdin.isTerminal()
    ? Math.max(2, Deno.consoleSize().rows - 1)
    : Infinity;
  #rowsLeft = this.#rows;
  #buffer = "";

  constructor(describer: Describer) {
    this.#describer = describer;
  }

  step(step: TraceStep, { unanswered }: { unanswered: readonly string[] }): boolean {
    const description = this.#describer.describe(step);
    let line = place(step) + "  " + description.code.toHex().padEnd(20) + "  " +
      description.text.padEnd(34);
    for (const { name, value } of step.registers) {
      line += ` ${name}=${value < 10n ? value : hex(value)}`;
    }
    for (const { address, after } of step.memory) {
      const shown = after.length > 8 ? `${after.subarray(0, 8).toHex()}…` : after.toHex();
      line += ` [${hex(address)}]=${shown}`;
    }
    const missing = unseen(step, description);
    if (missing !== undefined) line += ` (not seen: ${missing})`;
    const [access, ...others] = unanswered;
    if (access !== undefined) {
      line += ` (nobody answered: ${access}${
        others.length > 0 ? `, and ${others.length} more` : ""
      })`;
    }
    this.#buffer += line.trimEnd() + "\n";
    if (this.#buffer.length >= BUFFER_SIZE) this.#flush();
    return --this.#rowsLeft === 0;
  }

  pause(): Answer {
    this.#flush();
    this.#rowsLeft = this.#rows;
    const key = new Uint8Array(1);
    // Before the question: a key that is pressed at once is an answer, too.
    Deno.stdin.setRaw(true);
    try {
      write("-- Enter: more, q: quit --", Deno.stderr);
      Deno.stdin.readSync(key);
    } finally {
      Deno.stdin.setRaw(false);
      write("\r\x1b[K", Deno.stderr);
    }
    const [CTRL_C, Q] = [3, 0x71];
    return key[0] === CTRL_C ? "interrupt" : key[0] === Q ? "quit" : "more";
  }

  end({ stop, count, output, isCut, neverReached, next, diagnosis, lacks }: End): void {
    this.#flush();
    const lines = neverReached !== undefined
      ? `Nothing was traced: no step was at ${hex(neverReached)} (--from)`
      : count === 1
      ? "1 instruction"
      : `${count} instructions`;
    const end = isCut
      ? "; the trace ends here"
      : diagnosis !== undefined
      ? `. ${diagnosis.what}`
      : `; ${lacks ?? `ended: ${words(stop)}`}`;
    write(`${lines}${end}\n`, Deno.stderr);
    if (neverReached !== undefined && !keepsStepping()) {
      write(
        "  It may have been run unseen, as an interrupt's handler is on this host\n",
        Deno.stderr,
      );
    }
    if (diagnosis?.place !== undefined) {
      write(`  Where: ${describePlace(diagnosis.place)}\n`, Deno.stderr);
    } else if (diagnosis?.registersLost) {
      write(`  Where: ${this.#describer.name(next)}, where the last step led\n`, Deno.stderr);
    }
    for (const cause of diagnosis?.causes ?? []) write(`  ${cause}\n`, Deno.stderr);
    if (output.length > 0) write(`output ${quote(output)}\n`, Deno.stderr);
  }

  #flush(): void {
    write(this.#buffer);
    this.#buffer = "";
  }
}

class JsonPrinter implements Printer {
  readonly #describer: Describer;
  #buffer = "";

  constructor(describer: Describer) {
    this.#describer = describer;
  }

  step(
    step: TraceStep,
    { number, unanswered }: { number: number; unanswered: readonly string[] },
  ): boolean {
    const description = this.#describer.describe(step);
    const { text, file, line } = description;
    this.#print({
      step: number,
      address: hex(step.address),
      cs: step.cs,
      ip: hex(step.rip),
      bytes: description.code.toHex(),
      text,
      file,
      line,
      registers: Object.fromEntries(step.registers.map(({ name, value }) => [name, hex(value)])),
      memory: step.memory.map(({ address, before, after }) => ({
        address,
        before: before.toHex(),
        after: after.toHex(),
      })),
      ...(unanswered.length > 0 && { unanswered }),
      unseen: unseen(step, description),
    });
    return false;
  }

  pause(): Answer {
    return "more";
  }

  end({ stop, count, output, isCut, neverReached, next, diagnosis, lacks }: End): void {
    this.#print({
      stop: isCut ? "traced" : words(stop),
      steps: count,
      output: new TextDecoder().decode(output),
      ...(neverReached !== undefined && { neverReached: hex(neverReached) }),
      ...(diagnosis !== undefined && { next: hex(next), diagnosis: diagnosisOf(diagnosis) }),
      reason: lacks,
    });
    write(this.#buffer);
  }

  #print(object: object): void {
    this.#buffer += JSON.stringify(object) + "\n";
    if (this.#buffer.length < BUFFER_SIZE) return;
    write(this.#buffer);
    this.#buffer = "";
  }
}

/** `0000:7c00` in 16-bit code, a linear address elsewhere. */
function place({ cs, rip, address, bits }: TraceStep): string {
  if (bits !== 16) return address.toString(16).padStart(bits / 4, "0");
  const [segment, offset] = [cs, Number(rip)].map((word) => word.toString(16).padStart(4, "0"));
  return `${segment}:${offset}`;
}

function words(stop: Stop): string {
  if (stop.reason === "status") return `status ${stop.status}`;
  return stop.reason === "unhandled" ? stop.exit.reason : stop.reason;
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
