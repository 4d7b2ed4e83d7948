import type { Ending, Outcome, Program, Verdict } from "../guest/mod.ts";
import type { IoExit, MmioExit } from "../kvm/mod.ts";
import { CR0, EFER } from "../x86/control.ts";
import type { RegisterFile } from "../x86/mod.ts";
import { ByteBuffer } from "./byte_buffer.ts";
import { isReset } from "./diagnosis.ts";
import { type Support, tryMode } from "./host.ts";
import { Machine, type MachineOptions, type MachineSnapshot, type Stop } from "./machine.ts";

/** What came of a guest. */
export interface Proof {
  /**
   * - `proved`: every expectation holds.
   * - `failed`: it ended as expected, or halted, but an expectation does not hold.
   * - `crashed`: a triple fault, an emulation failure, an access nobody answers, a status nobody
   *   expected.
   * - `timeout`, `interrupted`: it was stopped.
   * - `unsupported`: it crashed because this host lacks its CPU mode.
   */
  readonly outcome: "proved" | "failed" | "crashed" | "timeout" | "interrupted" | "unsupported";
  /** Why it stopped. */
  readonly stop: Stop;
  /** What its expectations came to; none were checked where it did not end by itself. */
  readonly verdicts: readonly Verdict[];
  /** All it wrote to its console. */
  readonly output: Uint8Array;
  /** The registers before its first instruction. */
  readonly before: RegisterFile;
  /** The registers in the end. */
  readonly after: RegisterFile;
  /** How long the guest ran, with what its exits took, in milliseconds: each of its runs. */
  readonly milliseconds: readonly number[];
  /** What this host lacks, where it is `unsupported`. */
  readonly lacks?: string;
}

/** How a guest is proved. */
export interface ProveOptions {
  /** Stops it from outside. */
  signal?: AbortSignal;
  /** How often it is run, each time from the same snapshot, until a run is not proved; 1. */
  repeat?: number;
  /** Gets what it writes to its console in its first run, at most a tick later. */
  output?: (bytes: Uint8Array) => void;
  /** Gets the accesses that nobody answered, where its settings say `io: log`. */
  log?: (machine: Machine, exit: IoExit | MmioExit) => void;
  /** Looks at the machine before its first instruction. */
  begin?: (machine: Machine) => void;
  /** Looks at the machine before it is closed. */
  inspect?: (machine: Machine, proof: Proof) => void | Promise<void>;
}

/**
 * Runs a program in a machine of its own, as its settings say, and checks what it must prove.
 *
 * @throws {KvmError} When this host cannot give what the machine needs.
 * @throws {GuestError} When no CPU can be in the state that the settings ask for.
 *
 * @example
 * ```ts
 * import { loadSource, prove } from "@hlt/hlt";
 *
 * const program = loadSource(";! expect: al = 42\nmov al, 42\nhlt", "answer.asm");
 * const { outcome, verdicts } = await prove(program);
 * console.log(outcome, verdicts[0]!.found); // "proved", "al = 42 (0x2a)"
 * ```
 */
export async function prove(program: Program, options: ProveOptions = {}): Promise<Proof> {
  const listener: Listener = {};
  using machine = Machine.for(program, listening(listener));
  return await proveIn(machine, { ...options, program, listener });
}

/**
 * Proves programs one after another, each in a machine that is as good as new. Making a VM takes
 * longer than most guests run, and setting one back does not: so a program whose machine would be as
 * the last one's was, gets that, set back to the snapshot of its booted mode. A machine whose guest
 * crashed or was stopped is not used again.
 */
export class Prover implements Disposable {
  #booted: Booted | undefined;
  #isProving = false;

  /** {@linkcode prove} */
  async prove(program: Program, options: ProveOptions = {}): Promise<Proof> {
    const { irqchip, cpuid } = program.settings;
    // Time goes on in a timer, CPUID is set once, and a machine runs one guest at a time.
    if (irqchip || cpuid.length > 0 || this.#isProving) return await prove(program, options);
    this.#isProving = true;
    let isAsNew = false;
    try {
      const { machine, listener } = this.#boot(program);
      machine.load(program);
      const proof = await proveIn(machine, { ...options, program, listener });
      isAsNew = proof.outcome === "proved" || proof.outcome === "failed";
      return proof;
    } finally {
      this.#isProving = false;
      if (!isAsNew) this.close();
    }
  }

  /** A machine in the program's mode, with nothing in its RAM. */
  #boot(program: Program): Booted {
    const { ram, io, mode } = program.settings;
    const kind = `${mode} ${ram} ${io}`;
    if (this.#booted?.kind === kind) {
      this.#booted.machine.restore(this.#booted.snapshot);
      return this.#booted;
    }
    this.close();
    using made = new DisposableStack();
    const listener: Listener = {};
    const machine = made.use(new Machine({ ram, io, ...listening(listener) }));
    machine.start({ mode, entry: 0, stack: 0 });
    const snapshot = made.use(machine.snapshot());
    return this.#booted = { kind, machine, snapshot, listener, made: made.move() };
  }

  /** Closes the machine; again, it does nothing. */
  close(): void {
    this.#booted?.made.dispose();
    this.#booted = undefined;
  }

  /** {@linkcode Prover.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}

interface Booted {
  /** What machines have in common that can take each other's place. */
  readonly kind: string;
  readonly machine: Machine;
  readonly snapshot: MachineSnapshot;
  readonly listener: Listener;
  readonly made: DisposableStack;
}

/** Who gets what a machine tells, from one program to the next. */
type Listener = Pick<MachineOptions, "output" | "log">;

function listening(listener: Listener): Required<Listener> {
  return {
    output: (bytes) => listener.output?.(bytes),
    log: (exit) => listener.log?.(exit),
  };
}

/** Runs a program that has been loaded. */
async function proveIn(
  machine: Machine,
  options: ProveOptions & { program: Program; listener: Listener },
): Promise<Proof> {
  const { program, listener, log, repeat = 1, signal } = options;
  const { timeout } = program.settings;
  const collected = new ByteBuffer();
  const milliseconds: number[] = [];
  listener.output = (bytes) => {
    collected.append(bytes);
    if (milliseconds.length === 0) options.output?.(bytes);
  };
  listener.log = (exit) => log?.(machine, exit);
  const before = machine.registers();
  options.begin?.(machine);
  using snapshot = repeat > 1 ? machine.snapshot() : undefined;
  let proof: Proof;
  do {
    if (milliseconds.length > 0) machine.restore(snapshot!);
    const start = machine.milliseconds;
    const stop = await machine.run({ timeout, ...(signal && { signal }) });
    milliseconds.push(machine.milliseconds - start);
    const output = collected.take();
    proof = judge(program, { machine, stop, before, output, milliseconds });
  } while (proof.outcome === "proved" && milliseconds.length < repeat);
  await options.inspect?.(machine, proof);
  return proof;
}

function judge(
  program: Program,
  run: { machine: Machine; stop: Stop } & Pick<Proof, "before" | "output" | "milliseconds">,
): Proof {
  const { machine, stop, output, before, milliseconds } = run;
  const rest = { stop, output, before, milliseconds, after: machine.registers() };
  if (stop.reason === "timeout" || stop.reason === "interrupted") {
    return { outcome: stop.reason, verdicts: [], ...rest };
  }
  const verdicts = stop.reason === "unhandled" ? [] : check(program, machine.outcome(stop, output));
  if (stop.reason === "unhandled" || !isExpected(program, { machine, stop, output })) {
    const support = supports(machine, program);
    return support.works
      ? { outcome: "crashed", verdicts, ...rest }
      : { outcome: "unsupported", verdicts: [], lacks: support.reason, ...rest };
  }
  const outcome = verdicts.every(({ holds }) => holds) ? "proved" : "failed";
  return { outcome, verdicts, ...rest };
}

function check(program: Program, outcome: Outcome): Verdict[] {
  const isLost = outcome.ending.reason === "shutdown" && isReset(outcome);
  return program.settings.expect.map((expectation) => {
    const verdict = expectation.check(outcome);
    return isLost && expectation.subject === "register"
      ? { ...verdict, found: `${verdict.found}, as KVM has reset it` }
      : verdict;
  });
}

/** Whether the guest may end so: HLT never is a crash, at most a failed expectation. */
function isExpected(
  program: Program,
  { machine, stop, output }: { machine: Machine; stop: Ending; output: Uint8Array },
): boolean {
  if (stop.reason === "hlt") return true;
  const outcome = machine.outcome(stop, output);
  return program.settings.expect
    .filter(({ subject }) => subject === "exit")
    .every((expectation) => expectation.check(outcome).holds);
}

/** Whether this host can run the mode that the guest started in, and the one it went to. */
export function supports(machine: Machine, program: Program): Support {
  const { mode } = program.settings;
  const started = tryMode(mode);
  return started.works && mode !== "paged" && wants32BitPaging(machine)
    ? tryMode("paged")
    : started;
}

/** Whether 32-bit paging is on, or the instruction at RIP was to switch it on. */
function wants32BitPaging(machine: Machine): boolean {
  const { regs, sregs } = machine.registers();
  if ((sregs.efer & EFER.LME) !== 0n) return false;
  if ((sregs.cr0 & CR0.PG) !== 0n) return true;
  // MOV CR0, r32: 0F 22, and C0 with the register's number (Intel SDM vol. 2B).
  const [first, second, modrm] = machine.read(Number(sregs.cs.base + regs.rip), 3) ?? [];
  if (first !== 0x0f || second !== 0x22 || modrm === undefined || (modrm & 0xf8) !== 0xc0) {
    return false;
  }
  const source = (["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] as const)[modrm & 7]!;
  return (regs[source] & CR0.PG) !== 0n;
}
