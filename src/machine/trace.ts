import { type GuestMemory, PAGE_SIZE, type Vcpu, type WriteWatch } from "../kvm/mod.ts";
import { kvmRegs, kvmSegment, kvmSregs } from "../kvm/uapi.ts";
import * as control from "../x86/control.ts";
import { flags } from "../x86/mod.ts";
import { LONGEST_INSTRUCTION } from "./code.ts";
import { keepsStepping } from "./host.ts";
import type { Machine, RunOptions, Stop } from "./machine.ts";
import { repeatedOpcode } from "./repeat.ts";

/** A register or flag that an instruction changed. */
export interface RegisterChange {
  /** Its name, in the width of the code: `ax`, `eax`, `rax`, `zf`, `ds`, `cr0`. */
  readonly name: string;
  /** Its value after the instruction. */
  readonly value: bigint;
}

/** Memory that an instruction changed: neighbouring bytes. */
export interface MemoryChange {
  /** The guest-physical address of the first byte. */
  readonly address: number;
  /** The bytes before. */
  readonly before: Uint8Array;
  /** The bytes after. */
  readonly after: Uint8Array;
}

/** An instruction that was run. */
export interface TraceStep {
  /** Its linear address. */
  readonly address: bigint;
  /** Its guest-physical address; nothing where no page is mapped there. */
  readonly physical: number | undefined;
  /** CS and RIP at it: RIP counts from CS.base. */
  readonly cs: number;
  /** {@linkcode TraceStep.cs} */
  readonly rip: bigint;
  /** The code's width. */
  readonly bits: 16 | 32 | 64;
  /** Up to 15 bytes of memory from it on; none where that is no RAM. */
  readonly code: Uint8Array;
  /** The linear address of the next instruction. */
  readonly next: bigint;
  /** The registers and flags that it changed, RIP aside. */
  readonly registers: readonly RegisterChange[];
  /** The memory that it changed. */
  readonly memory: readonly MemoryChange[];
}

/** What is traced, and who is told. */
export interface TraceOptions extends Omit<RunOptions, "step"> {
  /** Gets every step; true ends the trace. */
  onStep: (step: TraceStep) => boolean | void;
  /** Whether changes of memory are looked for: yes unless said otherwise. */
  memory?: boolean;
}

const HLT = 0xf4;

/**
 * Runs a machine an instruction at a time, from where it is, and tells what each changed.
 *
 * Hosts differ in single-stepping. Where KVM emulates the guest, HLT is a step like any other and
 * the next step would run on behind it: the trace ends there all the same. On AMD an interrupt's
 * handler runs unstepped, and STI and `mov ss` take the next instruction with them: such a step's
 * `next` is not where the instruction alone would have led. A guest that sets TF itself gets no #DB for
 * it: the step is the host program's.
 *
 * @returns Why it stopped; `interrupted` when `onStep` ended it.
 * @throws {KvmError} When KVM cannot run the vCPU, or cannot step it.
 */
export async function trace(machine: Machine, options: TraceOptions): Promise<Stop> {
  const { onStep, memory = true, ...runOptions } = options;
  using watches = new DisposableStack();
  machine.vcpu.enableSyncRegs();
  watches.defer(() => machine.vcpu.enableSyncRegs({}));
  const registers = new RegisterWatch(machine.vcpu);
  const memories = machine.memory
    .filter(({ readOnly }) => memory && !readOnly)
    .map((region) => new MemoryWatch(region, watches.use(region.watchWrites())));
  const code = new CodeWatch(machine);
  const look = () => lookAt(machine, { registers, code });
  let instruction = look();
  let isReported = false;

  const report = (): boolean => {
    const { bits } = instruction;
    const changes = {
      registers: registers.changes(bits),
      memory: memories.flatMap((memory) => memory.changes()),
    };
    const done = instruction;
    instruction = look();
    return onStep({ ...done, ...changes, next: instruction.address }) === true;
  };
  const waitsInKvm = machine.vm.setup.irqchip === true;
  const isSteppingKept = keepsStepping();
  const step = (): Stop | undefined => {
    if (!isSteppingKept) machine.vcpu.setGuestDebug({ singleStep: true });
    const { code, address, bits } = instruction;
    // Some hosts step over a repeated string instruction at once, others at every repetition.
    if (repeatedOpcode(code, bits) !== undefined) {
      if (look().address === address) return undefined;
    }
    const isOver = report();
    // Where KVM emulates the guest, the step over HLT is one like any other.
    isReported = code[0] === HLT && instruction.address === address + 1n && !waitsInKvm;
    if (isReported) return { reason: "hlt" };
    return isOver ? { reason: "interrupted" } : undefined;
  };
  const stop = await machine.run({ ...runOptions, step });
  // Elsewhere the last instruction ends the run before it is reported as a step.
  if (!isReported && (stop.reason === "hlt" || stop.reason === "status")) report();
  return stop;
}

/** The instruction that comes next. */
function lookAt(
  machine: Machine,
  { registers, code }: { registers: RegisterWatch; code: CodeWatch },
) {
  const { rip, cs, base, bits, isPaged } = registers.position();
  const linear = bits === 64 ? rip : BigInt.asUintN(32, base + rip);
  const physical = isPaged ? machine.vcpu.translate(linear) : Number(linear);
  return { address: linear, physical, cs, rip, bits, code: code.at(physical) };
}

const NO_CODE = new Uint8Array(0);

/** The instructions met so far: most are met again and again, and copying is what costs. */
class CodeWatch {
  readonly #machine: Machine;
  readonly #known = new Map<number, Uint8Array>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** A copy of the bytes at a guest-physical address; none where there is no RAM. */
  at(address: number | undefined): Uint8Array {
    if (address === undefined) return NO_CODE;
    const known = this.#known.get(address);
    if (known !== undefined && this.#machine.holds(address, known)) return known;
    const code = this.#machine.read(address, LONGEST_INSTRUCTION) ?? NO_CODE;
    this.#known.set(address, code);
    return code;
  }
}

const generalNames = {
  16: ["ax", "bx", "cx", "dx", "si", "di", "sp", "bp"],
  32: ["eax", "ebx", "ecx", "edx", "esi", "edi", "esp", "ebp"],
  64: ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp"],
} as const;

/** The registers of `struct kvm_regs` in its order; RIP is no change worth telling. */
const names = [...kvmRegs.fields.keys()];
const RIP = kvmRegs.offsetOf("rip");
const RFLAGS = kvmRegs.offsetOf("rflags");
const CS_BASE = kvmSregs.offsetOf("cs") + kvmSegment.offsetOf("base");
const CS_SELECTOR = kvmSregs.offsetOf("cs") + kvmSegment.offsetOf("selector");
const CS_DB = kvmSregs.offsetOf("cs") + kvmSegment.offsetOf("db");
const CS_L = kvmSregs.offsetOf("cs") + kvmSegment.offsetOf("l");
const CR0 = kvmSregs.offsetOf("cr0");
const EFER = kvmSregs.offsetOf("efer");

// Both bits are in the low 32.
const CR0_PG = Number(control.CR0.PG);
const EFER_LMA = Number(control.EFER.LMA);

/** TF is the stepping's own, and RF the CPU's (Intel SDM vol. 1 §3.4.3). */
const shownFlags = Object.entries(flags).filter(([name]) => name !== "tf" && name !== "rf");

/** The registers as they were, to be compared with those that are. */
class RegisterWatch {
  readonly #vcpu: Vcpu;
  readonly #regs: Words;
  readonly #sregs: Words;

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu;
    const { regs, sregs } = vcpu.registerBytes();
    this.#regs = new Words(regs);
    this.#sregs = new Words(sregs);
  }

  /** Where the CPU is. */
  position(): { cs: number; base: bigint; rip: bigint; bits: 16 | 32 | 64; isPaged: boolean } {
    this.#vcpu.registerBytes();
    const sregs = this.#sregs.view;
    const isLong = (sregs.getUint32(EFER, true) & EFER_LMA) !== 0 && sregs.getUint8(CS_L) === 1;
    return {
      cs: sregs.getUint16(CS_SELECTOR, true),
      base: sregs.getBigUint64(CS_BASE, true),
      rip: this.#regs.view.getBigUint64(RIP, true),
      bits: isLong ? 64 : sregs.getUint8(CS_DB) === 1 ? 32 : 16,
      isPaged: (sregs.getUint32(CR0, true) & CR0_PG) !== 0,
    };
  }

  /** What changed since the last call. */
  changes(bits: 16 | 32 | 64): RegisterChange[] {
    this.#vcpu.registerBytes();
    const changes: RegisterChange[] = [];
    for (const offset of this.#regs.changed()) {
      if (offset === RFLAGS) changes.push(...this.#flagChanges());
      else if (offset !== RIP) changes.push(this.#generalChange(offset, bits));
    }
    if (this.#sregs.isChanged()) changes.push(...this.#systemChanges());
    this.#regs.accept();
    this.#sregs.accept();
    return changes;
  }

  /** A change in the width of the code, or of the whole register where more of it changed. */
  #generalChange(offset: number, bits: 16 | 32 | 64): RegisterChange {
    const index = offset / 8;
    const before = this.#regs.before.getBigUint64(offset, true);
    const value = this.#regs.view.getBigUint64(offset, true);
    const fits =
      ([16, 32, 64] as const).find((width) =>
        width >= bits && before >> BigInt(width) === value >> BigInt(width)
      ) ?? 64;
    const name = generalNames[fits][index] ??
      names[index]! + ({ 16: "w", 32: "d", 64: "" } as const)[fits];
    return { name, value: BigInt.asUintN(fits, value) };
  }

  #flagChanges(): RegisterChange[] {
    const before = this.#regs.before.getUint32(RFLAGS, true);
    const now = this.#regs.view.getUint32(RFLAGS, true);
    return shownFlags
      .filter(([, bit]) => ((before ^ now) >>> bit) & 1)
      .map(([name, bit]) => ({ name, value: BigInt((now >>> bit) & 1) }));
  }

  #systemChanges(): RegisterChange[] {
    const before = kvmSregs.read(this.#sregs.before, 0);
    const now = kvmSregs.read(this.#sregs.view, 0);
    const changes: RegisterChange[] = [];
    for (const name of ["cs", "ds", "es", "fs", "gs", "ss", "tr", "ldt"] as const) {
      if (before[name].selector === now[name].selector) continue;
      changes.push({ name, value: BigInt(now[name].selector) });
    }
    for (const name of ["gdt", "idt"] as const) {
      const isSame = before[name].base === now[name].base && before[name].limit === now[name].limit;
      if (!isSame) changes.push({ name: `${name}r`, value: now[name].base });
    }
    for (const name of ["cr0", "cr2", "cr3", "cr4", "cr8", "efer"] as const) {
      if (before[name] !== now[name]) changes.push({ name, value: now[name] });
    }
    return changes;
  }
}

/** A struct in `kvm_run` and a copy of it as it was, compared by words of 32 bits. */
class Words {
  readonly view: DataView<ArrayBuffer>;
  readonly before: DataView<ArrayBuffer>;
  readonly #now: Uint32Array<ArrayBuffer>;
  readonly #before: Uint32Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#now = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    this.#before = this.#now.slice();
    this.before = new DataView(this.#before.buffer);
  }

  isChanged(): boolean {
    for (let i = 0; i < this.#now.length; i++) {
      if (this.#now[i] !== this.#before[i]) return true;
    }
    return false;
  }

  /** The offsets of the 64-bit words that differ. */
  changed(): number[] {
    const offsets: number[] = [];
    for (let i = 0; i < this.#now.length; i += 2) {
      if (this.#now[i] !== this.#before[i] || this.#now[i + 1] !== this.#before[i + 1]) {
        offsets.push(i * 4);
      }
    }
    return offsets;
  }

  /** What is now is what was, from here on. */
  accept(): void {
    this.#before.set(this.#now);
  }
}

/** A memory slot's pages as they were, to be compared with those that the dirty log names. */
class MemoryWatch {
  readonly #memory: GuestMemory;
  readonly #writes: WriteWatch;
  /** The pages that were not all zero, or have changed since. */
  readonly #pages = new Map<number, Uint8Array<ArrayBuffer>>();

  constructor(memory: GuestMemory, writes: WriteWatch) {
    this.#memory = memory;
    this.#writes = writes;
    for (const [offset, bytes] of memory.writtenPages()) {
      this.#pages.set(offset / PAGE_SIZE, bytes.slice());
    }
  }

  #page(page: number): Uint8Array<ArrayBuffer> {
    return this.#memory.bytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  }

  /** What changed since the last call. */
  changes(): MemoryChange[] {
    const changes: MemoryChange[] = [];
    for (const page of this.#writes.take()) this.#compare(page, changes);
    return changes;
  }

  #compare(page: number, changes: MemoryChange[]): void {
    const now = this.#page(page);
    const before = this.#pages.get(page) ?? new Uint8Array(PAGE_SIZE);
    const [nowWords, beforeWords] = [wordsOf(now), wordsOf(before)];
    const address = this.#memory.guestAddress + page * PAGE_SIZE;
    for (let i = 0; i < PAGE_SIZE; i++) {
      // Most of a page is as it was: that is seen faster word by word.
      while (i % 4 === 0 && i < PAGE_SIZE && nowWords[i / 4] === beforeWords[i / 4]) i += 4;
      if (now[i] === before[i]) continue;
      const start = i;
      while (i < PAGE_SIZE && now[i] !== before[i]) i++;
      changes.push({
        address: address + start,
        before: before.slice(start, i),
        after: now.slice(start, i),
      });
    }
    before.set(now);
    this.#pages.set(page, before);
  }
}

function wordsOf(page: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(page.buffer, page.byteOffset, page.length / 4);
}
