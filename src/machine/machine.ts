import {
  type CpuidMask,
  type Ending,
  GuestError,
  type Outcome,
  type Program,
} from "../guest/mod.ts";
import {
  copyExit,
  type CpuidEntry,
  type Exit,
  type GuestMemory,
  hostBackend,
  type IoExit,
  Kvm,
  KvmError,
  libc,
  type MmioExit,
  type Snapshot,
  type Vcpu,
  type Vm,
} from "../kvm/mod.ts";
import {
  IDENTITY_MAP_ADDRESS,
  type Mode,
  PAGE_TABLES_ADDRESS,
  type RegisterFile,
  startIn,
  TSS_ADDRESS,
  withApicId,
} from "../x86/mod.ts";
import { Bus } from "./bus.ts";
import { ByteBuffer } from "./byte_buffer.ts";
import { attachConsole, OUTPUT_PORTS } from "./console.ts";
import { ExitCounts } from "./exit_counts.ts";
import { Tick } from "./tick.ts";

/** The port by which a guest ends with a status of its own, as QEMU's `isa-debug-exit` has it. */
export const STATUS_PORT = 0xf4;

/**
 * After so many exits for output KVM is told to gather it. Not before: on newer kernels (seen on 6.18)
 * a VM with a gathering zone takes 14 ms longer to close, as long as these exits.
 */
const MANY_EXITS = 1024;

/**
 * RAM ends here and goes on at 4 GiB: between lie the page tables of the paged modes, the interrupt
 * controllers and KVM's own pages.
 */
const RAM_HOLE = PAGE_TABLES_ADDRESS;
const FOUR_GIB = 0x1_0000_0000;

/** What this host supports, asked once: the answer takes as long as making a VM. */
let supportedCpuid: CpuidEntry[] | undefined;

/** A range of guest-physical memory. */
export interface MemoryRegion {
  /** The guest-physical address of its first byte: a multiple of 4096. */
  guestAddress: number;
  /** Its size in bytes: a positive multiple of 4096. */
  size: number;
  /** The guest's writes become accesses that a device may answer. */
  readOnly?: boolean;
}

/** A part of a region, by offsets in it. */
interface Part {
  readonly region: GuestMemory;
  readonly start: number;
  readonly end: number;
}

/** How a machine is built. */
export interface MachineOptions {
  /**
   * Its RAM: a size in bytes, from address 0, with a hole for devices from 0xFD000000 to 4 GiB; or
   * regions, none of which begins at {@linkcode PAGE_TABLES_ADDRESS}. 2 MiB unless said otherwise.
   */
  ram?: number | readonly MemoryRegion[];
  /** Whether it has the in-kernel PIC, IOAPIC and PIT; HLT then waits for an interrupt. */
  irqchip?: boolean;
  /** What its CPUID answers, made from what the host supports. */
  cpuid?: (supported: CpuidEntry[]) => CpuidEntry[];
  /** What happens to accesses that nobody answers: `stop` ends the run. */
  io?: "stop" | "log" | "ignore";
  /** Gets what the guest writes to its console, at most a tick later. A copy. */
  output?: (bytes: Uint8Array) => void;
  /** Gets the accesses that nobody answered, with `io: "log"`. */
  log?: (exit: IoExit | MmioExit) => void;
}

/** The state of a machine at one moment: it holds a copy of the memory until it is closed. */
export interface MachineSnapshot extends Disposable {
  /** The VM's: memory and CPU. */
  readonly vm: Snapshot;
  /** Sets the devices back. */
  readonly restoreDevices: () => void;
}

/** Why a machine stopped. */
export type Stop =
  | Ending
  /** An access that nobody answers, or an exit that this machine does not handle. */
  | { reason: "unhandled"; exit: Exit }
  /** The time was up. */
  | { reason: "timeout" }
  /** The signal of {@linkcode RunOptions} was aborted, or whoever watched had seen enough. */
  | { reason: "interrupted" };

/** How long a machine runs. */
export interface RunOptions {
  /** In milliseconds, 0 or more; as long as it takes unless said otherwise. */
  timeout?: number;
  /** Stops it from outside; no instruction is run where it is aborted already. */
  signal?: AbortSignal;
  /**
   * Runs an instruction at a time and is called after each, as far as the host steps; what it returns
   * ends the run. Most hosts forget the stepping now and then: it is to be set again after each
   * ({@linkcode Vcpu.setGuestDebug}). {@linkcode trace} does all that.
   */
  step?: () => Stop | undefined;
}

/**
 * A PC of one CPU: RAM, a console, and buses for more devices. Belongs to the thread that makes it.
 *
 * @example A machine with a device of its own
 * ```ts
 * import { loadSource, Machine } from "@hlt/hlt";
 *
 * using machine = new Machine();
 * machine.ports.attach({ first: 0x42 }, {
 *   read: (_offset, data) => data.fill(7),
 *   write: (_offset, data) => console.log("the guest wrote", data[0]),
 * });
 * machine.load(loadSource("in al, 0x42\nadd al, al\nout 0x42, al\nhlt", "device.asm"));
 * console.log((await machine.run()).reason); // the guest wrote 14, "hlt"
 * ```
 */
export class Machine implements Disposable {
  /** The VM. */
  readonly vm: Vm;
  /** Its CPU. */
  readonly vcpu: Vcpu;
  /** The devices behind ports. */
  readonly ports: Bus = new Bus("ports");
  /** The devices behind guest-physical addresses that are no RAM. */
  readonly mmio: Bus = new Bus("addresses");
  /** Its RAM, in the order of the options. */
  readonly memory: readonly GuestMemory[];
  readonly #exits = new ExitCounts();
  readonly #kvm: Kvm;
  readonly #options: MachineOptions;
  readonly #tick: Tick;
  /** How many exits a guest's output has taken so far. */
  #outputExits = 0;
  #gathersOutput = false;
  readonly #output = new ByteBuffer();
  #milliseconds = 0;
  #isRunning = false;
  readonly #made: DisposableStack;
  #status: number | undefined;

  /**
   * Builds the machine.
   *
   * @throws {KvmError} When this host cannot give what it needs, or two regions of RAM overlap;
   * nothing is left open then.
   * @throws {RangeError} For a size or an address that is none.
   */
  constructor(options: MachineOptions = {}) {
    this.#options = options;
    using made = new DisposableStack();
    this.#kvm = made.use(Kvm.open());
    this.vm = this.#kvm.createVm();
    this.vm.setIdentityMapAddress(IDENTITY_MAP_ADDRESS);
    this.vm.setTssAddress(TSS_ADDRESS);
    if (options.irqchip) {
      this.vm.createIrqchip();
      this.vm.createPit({ dummySpeaker: true });
    }
    const { ram = 2 * 1024 * 1024 } = options;
    const regions = typeof ram === "number" ? ramRegions(ram) : ram;
    this.memory = regions.map((region) => this.vm.addMemory(region));
    this.vcpu = this.vm.createVcpu();
    supportedCpuid ??= withApicId(this.#kvm.supportedCpuid(), this.vcpu.id);
    this.vcpu.setCpuid(
      options.cpuid?.(supportedCpuid.map((entry) => ({ ...entry }))) ?? supportedCpuid,
    );
    this.#tick = made.use(new Tick());
    this.#tick.interrupt(this.vcpu);
    attachConsole(this.ports, (bytes) => {
      this.#output.append(bytes);
      if (++this.#outputExits === MANY_EXITS) this.#gather();
    });
    this.ports.attach({ first: STATUS_PORT, length: 4 }, {
      write: (_offset, data) => this.#status = fromLittleEndian(data),
    });
    this.#made = made.move();
  }

  /**
   * Builds the machine that a program's settings ask for, and loads the program.
   *
   * @param options What the settings say nothing of: who gets the output, and what they do say, where
   * it is to be otherwise.
   * @throws {KvmError} When this host cannot give what it needs; nothing is left open then.
   * @throws {GuestError} When no CPU can be in the state that it asks for.
   */
  static for(program: Program, options: MachineOptions = {}): Machine {
    const { ram, irqchip, io, cpuid } = program.settings;
    const machine = new Machine({
      ram,
      irqchip,
      io,
      cpuid: (supported) => maskCpuid(supported, cpuid),
      ...options,
    });
    try {
      if (cpuid.length > 0) checkHidden(machine.vcpu.getCpuid(), cpuid);
      machine.load(program);
      return machine;
    } catch (error) {
      machine.close();
      throw error;
    }
  }

  /**
   * Copies a program into RAM and sets the CPU to its first instruction. What the last program left in
   * the rest of RAM, in devices and in registers that {@linkcode startIn} does not set stays.
   *
   * @throws {RangeError} When it does not fit into RAM, or its mode cannot reach its entry point.
   * @throws {GuestError} When no CPU can be in the state that its settings ask for.
   */
  load(program: Program): void {
    const { entry, stack, settings: { mode, set } } = program;
    // What the last program left unfinished might still write to memory.
    this.vcpu.abandon();
    for (const { address, bytes, size = bytes.length } of program.segments) {
      if (this.#partsOf(address, size) === undefined) {
        throw new RangeError(
          `Cannot load ${program.name}: its ${size} bytes at 0x${address.toString(16)} do not ` +
            `fit into ${this.memory.map(describe).join(" and ")}`,
        );
      }
      this.write(address, bytes);
      const rest = this.#partsOf(address + bytes.length, size - bytes.length)!;
      for (const { region, start, end } of rest) {
        region.bytes.fill(0, start, end);
        region.markWritten(start, end - start);
      }
    }
    this.start({ mode, entry, stack });
    if (set.length === 0) return;
    const regs = this.vcpu.getRegs();
    const sregs = this.vcpu.getSregs();
    for (const { register, value } of set) register.write({ regs, sregs }, value);
    try {
      this.vcpu.setSregs(sregs);
      this.vcpu.setRegs(regs);
    } catch (error) {
      if (!(error instanceof KvmError && error.code === "EINVAL")) throw error;
      const values = set.map(({ register, value }) => `${register.name} = 0x${value.toString(16)}`);
      throw new GuestError(
        program.name,
        `No CPU can be in ${mode} mode with ${values.join(", ")}`,
        {
          cause: error,
        },
      );
    }
  }

  /**
   * Sets the CPU to an instruction in a mode ({@linkcode startIn}).
   *
   * @throws {RangeError} When the mode cannot reach it.
   */
  start(options: { mode: Mode; entry: number; stack: number }): void {
    const ramSize = Math.max(
      0,
      ...this.memory.map(({ guestAddress, size }) => guestAddress + size),
    );
    startIn(this.vm, { ...options, vcpu: this.vcpu, ramSize });
  }

  /**
   * A copy of `length` bytes at a guest-physical address; nothing where a part is not RAM.
   *
   * @throws {RangeError} For a length that is none.
   */
  read(address: number, length: number): Uint8Array | undefined {
    const parts = this.#partsOf(address, length);
    if (parts === undefined) return undefined;
    const [first] = parts;
    if (first !== undefined && parts.length === 1) {
      return first.region.bytes.slice(first.start, first.end);
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const { region, start, end } of parts) {
      bytes.set(region.bytes.subarray(start, end), at);
      at += end - start;
    }
    return bytes;
  }

  /** Whether the bytes at a guest-physical address are these. */
  holds(address: number, bytes: Uint8Array): boolean {
    let at = 0;
    return this.#partsOf(address, bytes.length)?.every(({ region, start, end }) => {
      for (let i = start; i < end; i++) if (region.bytes[i] !== bytes[at++]) return false;
      return true;
    }) ?? false;
  }

  /** Writes `bytes` to a guest-physical address; false, and nothing written, where a part is not RAM. */
  write(address: number, bytes: Uint8Array): boolean {
    const parts = this.#partsOf(address, bytes.length);
    let at = 0;
    for (const { region, start, end } of parts ?? []) {
      region.write(start, bytes.subarray(at, at + end - start));
      at += end - start;
    }
    return parts !== undefined;
  }

  /** Where a range of addresses lies in RAM: it may go from one region into the next. */
  #partsOf(address: number, length: number): Part[] | undefined {
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new RangeError(`Cannot access ${length} bytes of RAM`);
    }
    if (!Number.isSafeInteger(address)) return undefined;
    const parts: Part[] = [];
    for (let at = address; at < address + length;) {
      const region = this.memory.find(({ guestAddress, size }) =>
        guestAddress <= at && at < guestAddress + size
      );
      if (region === undefined) return undefined;
      const start = at - region.guestAddress;
      const end = Math.min(start + address + length - at, region.size);
      parts.push({ region, start, end });
      at += end - start;
    }
    return parts;
  }

  /** The registers now. */
  registers(): RegisterFile {
    return { regs: this.vcpu.getRegs(), sregs: this.vcpu.getSregs() };
  }

  /** What is known of the guest now, for its expectations. */
  outcome(ending: Ending, output: Uint8Array): Outcome {
    return {
      ending,
      output,
      ...this.registers(),
      memory: (address, length) => this.read(address, length),
    };
  }

  /**
   * Runs until something stops it; a later call goes on from there. The event loop gets a turn at
   * every tick.
   *
   * What a device or a callback throws ends the run, too. The access that it was about counts as done:
   * a read that was not answered gives the guest what happens to be there.
   *
   * @throws {KvmError} When KVM cannot run the vCPU at all.
   * @throws {RangeError} For a timeout that is none.
   * @throws {TypeError} When it is running already.
   */
  async run(options: RunOptions = {}): Promise<Stop> {
    const { timeout = Infinity, signal, step } = options;
    if (!(timeout >= 0)) throw new RangeError(`Cannot run the machine for ${timeout} ms`);
    if (this.#isRunning) throw new TypeError("Cannot run the machine: it is running already");
    this.#isRunning = true;
    const deadline = performance.now() + timeout;
    try {
      this.#tick.start(timeout);
      if (step) this.vcpu.setGuestDebug({ singleStep: true });
      while (!signal?.aborted) {
        const stop = this.#runOneTick(step);
        if (stop !== undefined) return stop;
        if (performance.now() >= deadline) return { reason: "timeout" };
        await turn();
      }
      return { reason: "interrupted" };
    } finally {
      this.#isRunning = false;
      this.#tick.stop();
      if (step) this.vcpu.setGuestDebug();
    }
  }

  /** How many exits there were, by reason. */
  get exits(): ReadonlyMap<Exit["reason"], number> {
    return this.#exits.all();
  }

  /** How long the guest has run, with what its exits took, in milliseconds. */
  get milliseconds(): number {
    return this.#milliseconds;
  }

  /** Runs until something stops it, or until the tick. */
  #runOneTick(step?: () => Stop | undefined): Stop | undefined {
    const start = performance.now();
    try {
      return this.#runExits(step);
    } finally {
      this.#milliseconds += performance.now() - start;
      this.#flush();
    }
  }

  #runExits(step?: () => Stop | undefined): Stop | undefined {
    for (;;) {
      const stop = this.#handle(this.vcpu.runInPlace(), step);
      if (stop === "tick") return undefined;
      if (stop !== undefined) return stop;
    }
  }

  /** Answers an exit; with `step`, until the instruction is complete. */
  #handle(exit: Exit, step?: () => Stop | undefined): Stop | "tick" | undefined {
    this.#exits.add(exit.reason);
    // What was gathered was written before this exit: the order is kept.
    if (this.#gathersOutput) this.#drain();
    switch (exit.reason) {
      case "intr":
        this.#tick.take();
        return "tick";
      case "io":
      case "mmio": {
        const isAnswered = exit.reason === "io" ? this.#io(exit) : this.#access(exit);
        if (!isAnswered) return { reason: "unhandled", exit: copyExit(exit) };
        if (this.#status !== undefined) return this.#ended(this.#status);
        return step && this.#completeStep(step);
      }
      case "hlt":
      case "shutdown":
        return { reason: exit.reason };
      case "setTpr":
        // CR8 was lowered (api.rst 5): here no interrupt waits for that.
        return step?.();
      case "debug":
        return step ? step() : { reason: "unhandled", exit };
      default:
        return { reason: "unhandled", exit };
    }
  }

  /**
   * An access is complete only at the next `KVM_RUN`, which would run the next instruction too: so it
   * is completed by itself. Where that is no debug exit, it was a step all the same.
   */
  #completeStep(step: () => Stop | undefined): Stop | "tick" | undefined {
    const next = this.vcpu.complete();
    return next === undefined ? step() : this.#handle(next, step);
  }

  #ended(status: number): Stop {
    this.#status = undefined;
    this.vcpu.complete();
    return { reason: "status", status };
  }

  #drain(): void {
    for (const { address, data } of this.vcpu.drainCoalesced()) this.ports.write(address, data);
  }

  /** Lets a device answer a port access, element by element. */
  #io(exit: IoExit): boolean {
    const { port, size, data, direction } = exit;
    for (let at = 0; at < data.length; at += size) {
      const element = data.length === size ? data : data.subarray(at, at + size);
      const answered = direction === "out"
        ? this.ports.write(port, element)
        : this.ports.read(port, element);
      if (answered) continue;
      // All elements are the same port's.
      if (!this.#unanswered(exit)) return false;
      break;
    }
    if (direction === "in") this.vcpu.replyIo(data);
    return true;
  }

  /** From now on KVM gathers the output in its ring: a guest that prints much takes few exits. */
  #gather(): void {
    if (this.vm.checkExtension("KVM_CAP_COALESCED_PIO") === 0) return;
    for (const port of OUTPUT_PORTS) {
      this.vm.addCoalescedZone({ address: port, size: 1, pio: true });
    }
    this.#gathersOutput = true;
  }

  #access(exit: MmioExit): boolean {
    const { address, data, direction } = exit;
    const answered = direction === "write"
      ? this.mmio.write(address, data)
      : this.mmio.read(address, data);
    if (!answered && !this.#unanswered(exit)) return false;
    if (direction === "read") this.vcpu.replyMmio(data);
    return true;
  }

  /** An access that no device takes; false where it ends the run. */
  #unanswered(exit: IoExit | MmioExit): boolean {
    const { io = "stop", log } = this.#options;
    if (io === "stop") return false;
    if (exit.direction === "in" || exit.direction === "read") exit.data.fill(0xff);
    if (io === "log") {
      this.#flush();
      log?.(copyExit(exit));
    }
    return true;
  }

  /** Hands over the output since the last time. */
  #flush(): void {
    const bytes = this.#output.take();
    if (bytes.length > 0) this.#options.output?.(bytes);
  }

  /**
   * Notes the state: memory, CPU, and that of the devices which have one ({@linkcode Device.save}).
   *
   * @throws {KvmError} When KVM does not give its part.
   */
  snapshot(): MachineSnapshot {
    const vm = this.vm.snapshot();
    try {
      const restores = [this.ports.save(), this.mmio.save()];
      return {
        vm,
        restoreDevices: () => restores.forEach((restore) => restore()),
        [Symbol.dispose]: () => vm.close(),
      };
    } catch (error) {
      vm.close();
      throw error;
    }
  }

  /**
   * Sets the machine back to a state that it was in. What it counted goes on.
   *
   * @throws {KvmError} When KVM refuses a part of the state.
   * @throws {TypeError} When the snapshot is another machine's, or memory slots were added or removed.
   */
  restore(snapshot: MachineSnapshot): void {
    snapshot.vm.restore(this.vm);
    snapshot.restoreDevices();
    this.#status = undefined;
    // What was gathered and not shown belongs to the state that is left.
    if (this.#gathersOutput) this.vcpu.drainCoalesced();
  }

  /** Closes the vCPU, the VM, its memory and `/dev/kvm`; again, it does nothing. */
  close(): void {
    this.#made.dispose();
  }

  /** {@linkcode Machine.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** RAM of `size` bytes from address 0, around the hole for devices. */
function ramRegions(size: number): MemoryRegion[] {
  const low = { guestAddress: 0, size: Math.min(size, RAM_HOLE) };
  return size <= RAM_HOLE ? [low] : [low, { guestAddress: FOUR_GIB, size: size - RAM_HOLE }];
}

/** What the host supports, without the bits that are masked. */
function maskCpuid(supported: CpuidEntry[], masks: readonly CpuidMask[]): CpuidEntry[] {
  return supported.map((entry) => {
    const masked = { ...entry };
    for (const mask of masks) {
      if (concerns(mask, entry)) {
        masked[mask.register] = (masked[mask.register] & mask.mask) >>> 0;
      }
    }
    return masked;
  });
}

/** @throws {KvmError} When this KVM shows the guest what was to be hidden, as kvm_pvm does. */
function checkHidden(entries: CpuidEntry[], masks: readonly CpuidMask[]): void {
  for (const mask of masks) {
    const { leaf, register } = mask;
    const shown = entries.find((entry) =>
      concerns(mask, entry) && (entry[register] & ~mask.mask) !== 0
    );
    if (shown === undefined) continue;
    const bits = (shown[register] & ~mask.mask) >>> 0;
    throw new KvmError(
      `Cannot hide 0x${bits.toString(16)} in ${register.toUpperCase()} of CPUID leaf 0x${
        leaf.toString(16)
      }: ${hostBackend() ?? "this KVM"} shows its own value there`,
    );
  }
}

function concerns({ leaf, subleaf }: CpuidMask, entry: CpuidEntry): boolean {
  return entry.function === leaf && (subleaf ?? entry.index) === entry.index;
}

function describe({ guestAddress, size }: GuestMemory): string {
  return `RAM 0x${guestAddress.toString(16)}–0x${(guestAddress + size - 1).toString(16)}`;
}

function fromLittleEndian(data: Uint8Array): number {
  return data.reduceRight((value, byte) => value * 256 + byte, 0);
}

/**
 * Lets the event loop take a turn: timers and signal listeners run. For that Deno has to wait for
 * something that is not there yet, if only for a moment: after `setImmediate` it looks for signals every
 * 61st time alone, and `setTimeout` waits for 1 to 2 ms.
 */
async function turn(): Promise<void> {
  await libc().usleep(1);
}
