import type { Program } from "../guest/mod.ts";
import { parseSum } from "../guest/expectation.ts";
import { Scanner } from "../guest/scanner.ts";
import {
  describeAccess,
  describePlace,
  diagnose,
  type Diagnosis,
  type Machine,
  permittedDisassembler,
  type Proof,
  prove,
  View,
} from "../machine/mod.ts";
import { countInstructions, type InstructionCounter } from "../machine/instruction_counter.ts";
import { exitCode } from "./exit_code.ts";
import { lists, readProgram, values } from "./guest_options.ts";
import type { Command } from "./main.ts";
import { terminalStyle, write } from "./output.ts";
import { openOutput, type OutputFile } from "./output_file.ts";
import { documentOf } from "./run_json.ts";
import type { Judged, RunResult } from "./run_result.ts";
import { TextReport } from "./run_text.ts";
import { type Parsed, parseOptions, UsageError } from "./usage.ts";

/** `run`: runs a guest of the user's. */
export const run: Command = {
  help: `Run a guest in a virtual machine, and prove what it did.

Usage: deno run --allow-ffi --allow-read main.ts run [OPTION…] FILE

FILE is NASM source, a flat binary or an ELF executable, which is found from its content; - is the
standard input. A boot sector goes to 0x7c00, another flat binary to 0, and both start in real mode;
an ELF file starts in protected or long mode, as its class says.

Options, which win over the guest's ;! directives of the same names:
  --mode MODE          the CPU mode: real, protected, paged, long
  --ram SIZE           the RAM: 2M (default; an ELF file gets what it needs), 64K
  --load ADDRESS       where a source or a flat binary goes
  --entry ADDRESS      where it starts: a number or a label
  --stack ADDRESS      the stack pointer
  --irqchip yes|no     an in-kernel PIC, IOAPIC and PIT; HLT then waits for an interrupt
  --cpuid LEAF[.SUB]:REG=MASK
                       the bits of CPUID that the guest sees: 1:ecx=0xfffffffe
  --set REG=VALUE      a register before the first instruction: a number, 'c', a label, label + 4
  --expect 'WHAT'      something it must prove: 'ax = 42', 'word [0x400] = 42', 'zf = 1',
                       'output = "Hi\\n"', 'exit = shutdown', 'exit = status 3'; it replaces the
                       guest's own expectation of the same register, memory, output or exit
  --io stop|log|ignore what happens to accesses that nobody answers
  --timeout TIME       how long it may run: 500ms, 5s (default), 1m

What is shown after the run:
  --regs               the registers; those that changed have a star
  --dump START:LENGTH  memory, in hex and as text; START is a number or a label
  --dump-file FILE     the dumps go there instead, as bytes (takes --allow-write)
  --stats              exits by reason, the time in the guest, and its instructions where this host
                       counts them (a virtual machine, or a user without privileges, often cannot)
  --repeat N           run it N times from a snapshot, and show the median of the guest's time
  --json               print one JSON document instead, with all of it
  --help               this

--cpuid, --set, --expect and --dump can be given again and again.

Exit codes: 0 proved; 1 an expectation failed; 2 bad usage or a bad guest; 3 this host cannot do
it; 4 the guest failed; 124 the time was up; 130 Ctrl-C.`,
  run: async (args) => {
    const parsed = parseOptions(args, {
      flags: ["regs", "stats", "json"],
      values: [...values, "dump-file", "repeat"],
      lists: [...lists, "expect", "dump"],
    });
    const program = readProgram(parsed);
    const dumps = parsed.lists.get("dump")!.map((text) => parseDump(text, program));
    using dumpFile = openDumpFile(parsed, program);
    const isJson = parsed.flags.has("json");
    const report = isJson ? undefined : new TextReport(program, {
      style: await terminalStyle(),
      talkStyle: await terminalStyle(Deno.stderr),
      shows: parsed.flags,
    });

    const result = await runProgram(program, {
      dumps,
      repeat: repeatOf(parsed),
      counts: parsed.flags.has("stats"),
      output: (bytes) => report?.output(bytes),
      judged: (judged) => report?.verdict(judged),
      log: (text) => {
        report?.endLine();
        write(`${text}\n`, Deno.stderr);
      },
    });
    for (const { bytes } of result.dumps) dumpFile?.write(bytes);
    if (report === undefined) write(JSON.stringify(documentOf(program, result), null, 2) + "\n");
    else report.rest(result, { dumps: dumpFile === undefined ? result.dumps : [] });
    return result.exitCode;
  },
};

const codes: Record<Proof["outcome"], number> = {
  proved: exitCode.proved,
  failed: exitCode.failed,
  crashed: exitCode.guest,
  unsupported: exitCode.host,
  timeout: exitCode.deadline,
  interrupted: exitCode.interrupted,
};

interface RunHooks {
  dumps: readonly { address: number; length: number }[];
  repeat: number;
  /** Whether instructions are counted. */
  counts: boolean;
  output(bytes: Uint8Array): void;
  judged(judged: Judged): void;
  log(text: string): void;
}

/** Runs a program until it ends, its time is up, or Ctrl-C. */
async function runProgram(program: Program, hooks: RunHooks): Promise<RunResult> {
  const { settings: { io }, listing } = program;
  const disassembler = io === "log" && listing.length === 0
    ? await permittedDisassembler()
    : undefined;
  const log: string[] = [];
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  Deno.addSignalListener("SIGINT", interrupt);
  let result: RunResult | undefined;
  let counter: InstructionCounter | undefined;
  try {
    await prove(program, {
      signal: interruption.signal,
      repeat: hooks.repeat,
      output: hooks.output,
      log(machine, exit) {
        const text = describeAccess(new View(machine, program), exit, disassembler);
        log.push(text);
        hooks.log(text);
      },
      begin: (machine) => counter = hooks.counts ? countInstructions(machine) : undefined,
      async inspect(machine, proof) {
        const instructions = counter?.read();
        const ending = await explain(program, { machine, proof, judged: hooks.judged });
        result = {
          ...ending,
          exitCode: codes[proof.outcome],
          dumps: hooks.dumps.map(({ address, length }) => ({
            address,
            bytes: machine.read(address, length)!,
          })),
          exits: machine.exits,
          milliseconds: machine.milliseconds,
          instructions,
          log,
        };
      },
    });
  } finally {
    counter?.[Symbol.dispose]();
    Deno.removeSignalListener("SIGINT", interrupt);
  }
  return result!;
}

/** Tells the verdict at once, and then finds out the rest. */
async function explain(
  program: Program,
  { machine, proof, judged }: { machine: Machine; proof: Proof; judged: RunHooks["judged"] },
): Promise<Judged & { diagnosis: Diagnosis | undefined }> {
  const { outcome, stop } = proof;
  const isStopped = outcome === "timeout" || outcome === "interrupted";
  const view = new View(machine, program);
  const known = { proof, place: isStopped ? describePlace(view.place()) : undefined };
  judged(known);
  const isExplained = isStopped || (outcome === "crashed" && stop.reason !== "status");
  const diagnosis = isExplained ? await diagnose(view, stop) : undefined;
  return { ...known, diagnosis };
}

function repeatOf({ values }: Parsed): number {
  const text = values.get("repeat") ?? "1";
  if (!/^[1-9]\d{0,6}$/.test(text)) {
    throw new UsageError(`The option --repeat takes a number from 1 to 9999999, not "${text}"`);
  }
  return Number(text);
}

/** `0x400:64`, `buffer:16` */
function parseDump(text: string, program: Program): { address: number; length: number } {
  const scanner = new Scanner({ file: "--dump", line: 1, text, start: 0 });
  const { value: start } = parseSum(scanner, {
    symbols: program.symbols,
    what: "an address or a label",
  });
  if (!scanner.take(":")) throw scanner.unexpected("expected : and a length: 0x400:64");
  const length = scanner.number("a length");
  scanner.end();
  const { ram } = program.settings;
  if (start < 0n || length <= 0n || start + length > BigInt(ram)) {
    throw scanner.error(`A dump is of at least one byte of the ${ram / 1024}K of RAM`, 0);
  }
  return { address: Number(start), length: Number(length) };
}

function openDumpFile({ values, lists }: Parsed, { name }: Program): OutputFile | undefined {
  const path = values.get("dump-file");
  if (path === undefined) return undefined;
  if (lists.get("dump")!.length === 0) {
    throw new UsageError("The option --dump-file says where dumps go: --dump START:LENGTH");
  }
  return openOutput(path, [name]);
}
