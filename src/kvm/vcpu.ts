import { type Capability, capabilityNumber } from "./capability.ts";
import type { Descriptor } from "./descriptor.ts";
import { callFailed, errnos, KvmError } from "./error.ts";
import {
  copyExit,
  type Exit,
  ExitReader,
  exitReasons,
  PAYLOAD,
  payloads,
  Run,
  syncRegs,
} from "./exit.ts";
import { type Ioctl, ioctls } from "./ioctl.ts";
import type { Libc } from "./libc.ts";
import { type Mapping, PAGE_SIZE } from "./memory.ts";
import type { Struct } from "./struct.ts";
import type {
  CpuidEntry,
  Debugregs,
  Fpu,
  MsrEntry,
  Regs,
  Sregs,
  Sregs2,
  VcpuEvents,
  Xcr,
} from "./state.ts";
import {
  kvmCoalescedMmio,
  kvmCoalescedMmioRing,
  kvmCpuid2,
  kvmCpuidEntry2,
  kvmDebugregs,
  kvmEnableCap,
  kvmFpu,
  kvmGuestDebug,
  kvmInterrupt,
  kvmLapicState,
  kvmMpState,
  kvmMsrEntry,
  kvmMsrs,
  kvmRegs,
  kvmSignalMask,
  kvmSregs,
  kvmSregs2,
  kvmTranslation,
  kvmVcpuEvents,
  kvmXcrs,
  kvmXsave,
  uapi,
} from "./uapi.ts";

/** The ring of coalesced writes lies behind `kvm_run`, one page long (api.rst 4.116). */
const RING = uapi.KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE_SIZE;
const RING_ENTRIES = RING + kvmCoalescedMmioRing.size;
const RING_DATA_LENGTH = kvmCoalescedMmio.offsetOf("len");
const RING_PIO = kvmCoalescedMmio.offsetOf("pio");
const RING_DATA = kvmCoalescedMmio.offsetOf("data");
/** `KVM_COALESCED_MMIO_MAX` */
export const RING_LENGTH: number = Math.floor(
  (PAGE_SIZE - kvmCoalescedMmioRing.size) / kvmCoalescedMmio.size,
);

const MSR_VALUE = kvmMsrEntry.offsetOf("data");
/** One less than `MAX_IO_MSRS` of the kernel's `arch/x86/kvm/x86.c`, which is refused itself. */
const MAX_MSRS = 255;

const REQUEST_INTERRUPT_WINDOW = Run.offsetOf("request_interrupt_window");
const READY_FOR_INTERRUPT = Run.offsetOf("ready_for_interrupt_injection");
const IMMEDIATE_EXIT = Run.offsetOf("immediate_exit");
const EXIT_REASON = Run.offsetOf("exit_reason");
const CR8 = Run.offsetOf("cr8");
const SREGS_CR8 = syncRegs.sregs + kvmSregs.offsetOf("cr8");
const VALID_REGS = Run.offsetOf("kvm_valid_regs");
const DIRTY_REGS = Run.offsetOf("kvm_dirty_regs");

const KVM_RUN = ioctls.KVM_RUN.request;
const KVM_EXIT_UNKNOWN = exitReasons.indexOf("KVM_EXIT_UNKNOWN");
const KVM_EXIT_INTR = exitReasons.indexOf("KVM_EXIT_INTR");
const KVM_EXIT_SHUTDOWN = exitReasons.indexOf("KVM_EXIT_SHUTDOWN");

/** CR0.WP (Intel SDM vol. 3A §2.5). */
const CR0_WP = 1n << 16n;

/** The exits whose instruction KVM completes only at the next `KVM_RUN` (api.rst 5). */
const UNFINISHED: ReadonlySet<number> = new Set(
  ([
    "KVM_EXIT_IO",
    "KVM_EXIT_MMIO",
    "KVM_EXIT_X86_RDMSR",
    "KVM_EXIT_X86_WRMSR",
    "KVM_EXIT_HYPERCALL",
    "KVM_EXIT_HYPERV",
    "KVM_EXIT_XEN",
  ] as const).map((name) => exitReasons.indexOf(name)),
);

/** A write that KVM gathered in its ring instead of exiting. */
export interface CoalescedWrite {
  /** The port, or the guest-physical address. */
  address: number;
  /** Whether `address` is a port. */
  pio: boolean;
  /** What was written: 1, 2, 4 or 8 bytes. A copy. */
  data: Uint8Array;
}

/** What {@linkcode Vcpu.setGuestDebug} switches on (api.rst 4.87). */
export interface GuestDebugOptions {
  /** An exit after each instruction. */
  singleStep?: boolean;
  /** The guest's INT3 is an exit. */
  softwareBreakpoints?: boolean;
  /** DR0 to DR3: up to four addresses at whose instruction the guest exits. */
  hardwareBreakpoints?: bigint[];
  /** No interrupt is delivered while stepping. */
  blockInterrupts?: boolean;
}

/** Which registers {@linkcode Vcpu.enableSyncRegs} shares. */
export interface SyncRegsOptions {
  /** {@linkcode Regs} */
  regs?: boolean;
  /** {@linkcode Sregs} */
  sregs?: boolean;
}

/** How the parts of a vCPU's state are read and set, in the order in which they are set. */
const stateRequests: Record<string, { get: Ioctl; set: Ioctl; layout: { size: number } }> = {
  // Of PAE paging alone, whose pointers the CPU keeps when they change in memory.
  sregs2: { get: ioctls.KVM_GET_SREGS2, set: ioctls.KVM_SET_SREGS2, layout: kvmSregs2 },
  xcrs: { get: ioctls.KVM_GET_XCRS, set: ioctls.KVM_SET_XCRS, layout: kvmXcrs },
  xsave: { get: ioctls.KVM_GET_XSAVE, set: ioctls.KVM_SET_XSAVE, layout: kvmXsave },
  lapic: { get: ioctls.KVM_GET_LAPIC, set: ioctls.KVM_SET_LAPIC, layout: kvmLapicState },
  debugregs: { get: ioctls.KVM_GET_DEBUGREGS, set: ioctls.KVM_SET_DEBUGREGS, layout: kvmDebugregs },
  events: {
    get: ioctls.KVM_GET_VCPU_EVENTS,
    set: ioctls.KVM_SET_VCPU_EVENTS,
    layout: kvmVcpuEvents,
  },
  mpState: { get: ioctls.KVM_GET_MP_STATE, set: ioctls.KVM_SET_MP_STATE, layout: kvmMpState },
};

/** A vCPU's whole state, in KVM's own structs: to be given back to {@linkcode Vcpu.restoreState}. */
export interface VcpuState {
  /** `struct kvm_regs` */
  readonly regs: Uint8Array<ArrayBuffer>;
  /** `struct kvm_sregs` */
  readonly sregs: Uint8Array<ArrayBuffer>;
  /** The other structs, those that this KVM gives. */
  readonly parts: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  /** `struct kvm_msrs` with its entries. */
  readonly msrs: Uint8Array<ArrayBuffer>;
}

/** Where a part of the state is read, to be compared with the one that is restored. */
const scratch = new Uint8Array(64 * 1024);

/**
 * A virtual CPU (api.rst 2, "vcpu ioctls"). It belongs to the thread that made it.
 *
 * @example Run `mov ax, 42; hlt` in real mode
 * ```ts
 * import { Kvm } from "@hlt/hlt";
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * vm.addMemory({ size: 4096 }).bytes.set([0xb8, 0x2a, 0x00, 0xf4]);
 * const vcpu = vm.createVcpu();
 * const { cs } = vcpu.getSregs();
 * vcpu.setSregs({ cs: { ...cs, base: 0n, selector: 0 } });
 * vcpu.setRegs({ rip: 0n, rflags: 2n });
 * console.log(vcpu.run().reason, vcpu.getRegs().rax); // "hlt", 42n
 * ```
 */
export class Vcpu implements Disposable {
  /** Its number in the VM: the APIC ID. */
  readonly id: number;
  readonly #descriptor: Descriptor;
  readonly #runMapping: Mapping;
  readonly #run: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  readonly #checkExtension: (capability: Capability) => number;
  readonly #closed: () => void;
  readonly #ioctl: Libc["ioctl"];
  readonly #exits: ExitReader;
  /** Whether a setter came upon another exit while it completed the last: it is the next run's. */
  #isPending = false;
  readonly #registerBytes: { regs: Uint8Array<ArrayBuffer>; sregs: Uint8Array<ArrayBuffer> };
  /** `KVM_SYNC_X86_*`: the registers that are shared through `kvm_run`. */
  #shared = 0;

  /** Made by {@linkcode Vm.createVcpu}. */
  constructor(
    descriptor: Descriptor,
    options: {
      id: number;
      run: Mapping;
      checkExtension: (capability: Capability) => number;
      closed: () => void;
    },
  ) {
    this.id = options.id;
    this.#descriptor = descriptor;
    this.#runMapping = options.run;
    this.#run = options.run.bytes;
    this.#view = new DataView(this.#run.buffer);
    this.#ioctl = descriptor.libc.ioctl;
    this.#exits = new ExitReader(this.#run);
    this.#registerBytes = {
      regs: this.#run.subarray(syncRegs.regs, syncRegs.regs + kvmRegs.size),
      sregs: this.#run.subarray(syncRegs.sregs, syncRegs.sregs + kvmSregs.size),
    };
    this.#checkExtension = options.checkExtension;
    this.#closed = options.closed;
  }

  /** The number of the descriptor. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /** The mapped `struct kvm_run` and the pages behind it; length 0 after {@linkcode Vcpu.close}. */
  get kvmRun(): Uint8Array<ArrayBuffer> {
    return this.#run;
  }

  /**
   * Runs the guest until it exits (`KVM_RUN`, api.rst 4.10). The thread waits for that: a guest in
   * a loop is ended only by a signal ({@linkcode Vcpu.setSignalMask}) or, before the call, by
   * {@linkcode Vcpu.immediateExit}; either is the exit `intr`.
   *
   * @returns Why the guest stopped. Its payload is a copy and stays valid.
   * @throws {KvmError} When KVM cannot run the vCPU at all.
   */
  run(): Exit {
    return copyExit(this.runInPlace());
  }

  /**
   * As {@linkcode Vcpu.run}, for exits by the million: the exit of a port or memory access is the same
   * object each time, and its `data` lies in `kvm_run`. Both are valid until the access is completed, by
   * the next run or a setter ({@linkcode Vcpu.complete}); {@linkcode copyExit} gives one that stays. What
   * is written to the `data` of a read answers it; it holds anything before.
   */
  runInPlace(): Exit {
    if (this.#isPending) {
      this.#isPending = false;
    } else {
      const { fd, libc } = this.#descriptor;
      // Called as a mere function: as a method it takes Deno 0.05 µs longer.
      const ioctl = this.#ioctl;
      if (this.#view.getUint32(EXIT_REASON, true) === KVM_EXIT_SHUTDOWN) this.#leaveShutdown();
      this.#view.setUint32(EXIT_REASON, KVM_EXIT_UNKNOWN, true);
      while (ioctl(fd, KVM_RUN, 0n) < 0) {
        const errno = libc.errno();
        if (errno === errnos.EAGAIN) continue;
        this.#interpret(errno);
        break;
      }
    }
    return this.#exits.read();
  }

  /**
   * Makes the vCPU fit to run after a shutdown. On AMD, KVM has cleared its VMCB then, with the address of
   * the nested page tables, and puts that back only when a register that paging depends on changes: a
   * guest that began again in real mode would never come to its first instruction (seen on Linux 6.1).
   * So CR0 is changed, and changed back.
   */
  #leaveShutdown(): void {
    const sregs = kvmSregs.encode();
    this.#descriptor.ioctl(ioctls.KVM_GET_SREGS, sregs, `read the state of vCPU ${this.id}`);
    const { cr0 } = kvmSregs.decode(sregs);
    const view = new DataView(sregs.buffer);
    kvmSregs.assign(view, 0, { cr0: cr0 ^ CR0_WP });
    // Where KVM refuses that, it has not reset the vCPU.
    if (this.#descriptor.tryIoctl(ioctls.KVM_SET_SREGS, sregs) < 0) return;
    kvmSregs.assign(view, 0, { cr0 });
    this.#descriptor.ioctl(ioctls.KVM_SET_SREGS, sregs, `set the state of vCPU ${this.id}`);
  }

  /** Notes in `kvm_run` why `KVM_RUN` failed, where that is an exit of its own. */
  #interpret(errno: number): void {
    if (errno === errnos.EINTR) {
      this.#view.setUint32(EXIT_REASON, KVM_EXIT_INTR, true);
      return;
    }
    // KVM_EXIT_MEMORY_FAULT is the one exit that comes with an error (api.rst 5).
    const isFault = errno === errnos.EFAULT || errno === errnos.EHWPOISON;
    if (isFault && this.#exits.read().reason === "memoryFault") return;
    this.#view.setUint32(EXIT_REASON, KVM_EXIT_UNKNOWN, true);
    throw callFailed(`run vCPU ${this.id}`, ioctls.KVM_RUN.name, errno);
  }

  /** Whether the exit that `kvm_run` holds leaves its instruction to be completed. */
  get #isUnfinished(): boolean {
    return !this.#descriptor.closed && UNFINISHED.has(this.#view.getUint32(EXIT_REASON, true));
  }

  /**
   * Whether the guest could take an interrupt ({@linkcode Vcpu.interrupt}) at the last exit; only
   * without an in-kernel interrupt controller.
   */
  get readyForInterrupt(): boolean {
    return this.#view.getUint8(READY_FOR_INTERRUPT) !== 0;
  }

  /** The guest exits with `irqWindowOpen` as soon as it can take an interrupt. */
  get requestInterruptWindow(): boolean {
    return this.#view.getUint8(REQUEST_INTERRUPT_WINDOW) !== 0;
  }
  set requestInterruptWindow(value: boolean) {
    this.#view.setUint8(REQUEST_INTERRUPT_WINDOW, value ? 1 : 0);
  }

  /** The next {@linkcode Vcpu.run} comes back at once, with `intr`; needs `KVM_CAP_IMMEDIATE_EXIT`. */
  get immediateExit(): boolean {
    return this.#view.getUint8(IMMEDIATE_EXIT) !== 0;
  }
  set immediateExit(value: boolean) {
    this.#view.setUint8(IMMEDIATE_EXIT, value ? 1 : 0);
  }

  /**
   * Completes the instruction of the last exit without running another (api.rst 5): KVM finishes an
   * IO, MMIO, MSR or hypercall instruction only when it runs again, and registers that are set
   * before that would be overwritten. The setters of this class call it themselves.
   *
   * @returns The next part of the same access, where it has several (an MMIO access across two
   * pages); the instruction's own `debug` exit, where it was a single step; else nothing.
   */
  complete(): Exit | undefined {
    if (!this.#isUnfinished) return undefined;
    const before = this.immediateExit;
    this.immediateExit = true;
    try {
      const exit = this.run();
      return exit.reason === "intr" ? undefined : exit;
    } finally {
      this.immediateExit = before;
    }
  }

  /**
   * Completes the last exit's access with all its parts, whatever they read: for whoever replaces
   * the registers and the memory that it leaves.
   */
  abandon(): void {
    while (this.complete() !== undefined);
    this.#isPending = false;
  }

  /**
   * Answers an `in` ({@linkcode IoExit}).
   *
   * @param data `count` × `size` bytes; what is missing stays as it was.
   * @throws {RangeError} For more bytes.
   * @throws {TypeError} When the last exit is no `io`, or is complete.
   */
  replyIo(data: Uint8Array): void {
    answer(this.#awaited("port access", "io").data, data);
  }

  /**
   * Answers a memory read ({@linkcode MmioExit}).
   *
   * @param data As many bytes as the exit has; what is missing stays as it was.
   * @throws {RangeError} For more bytes.
   * @throws {TypeError} When the last exit is no `mmio`, or is complete.
   */
  replyMmio(data: Uint8Array): void {
    answer(this.#awaited("memory access", "mmio").data, data);
  }

  /**
   * Answers an MSR access ({@linkcode MsrExit}).
   *
   * @param answer The value read; nothing for a write that succeeded; `"fault"` for `#GP`.
   * @throws {RangeError} For a value of more than 64 bits.
   * @throws {TypeError} When the last exit is no access to an MSR, or is complete.
   */
  replyMsr(answer?: bigint | "fault"): void {
    this.#awaited("access to an MSR", "x86Rdmsr", "x86Wrmsr");
    payloads.msr.assign(this.#view, PAYLOAD, {
      error: answer === "fault" ? 1 : 0,
      ...(typeof answer === "bigint" && { data: answer }),
    });
  }

  /**
   * Answers a hypercall.
   *
   * @param result What the guest finds in RAX.
   * @throws {RangeError} For a value of more than 64 bits.
   * @throws {TypeError} When the last exit is no `hypercall`, or is complete.
   */
  replyHypercall(result: bigint): void {
    this.#awaited("hypercall", "hypercall");
    payloads.hypercall.assign(this.#view, PAYLOAD, { ret: result });
  }

  /** The exit that waits for an answer. */
  #awaited<R extends Exit["reason"]>(
    what: string,
    ...reasons: R[]
  ): Extract<Exit, { reason: R }> {
    const exit = this.#isUnfinished ? this.#exits.read() : undefined;
    if (!reasons.some((reason) => reason === exit?.reason)) {
      throw new TypeError(`Cannot answer vCPU ${this.id}: it does not wait for a ${what}`);
    }
    return exit as Extract<Exit, { reason: R }>;
  }

  /**
   * From the next run on, KVM keeps these registers in the mapped `kvm_run`, where reading and
   * setting them costs no request (`KVM_CAP_SYNC_REGS`, api.rst 6.74); each run then costs a little
   * more. Reading and setting stay the same for the caller.
   *
   * @returns Which of them this KVM can share; the others cost a request as before.
   */
  enableSyncRegs(wanted: SyncRegsOptions = { regs: true, sregs: true }): SyncRegsOptions {
    this.#flush();
    const offered = this.#checkExtension("KVM_CAP_SYNC_REGS");
    this.#shared = offered &
      ((wanted.regs ? uapi.KVM_SYNC_X86_REGS : 0) | (wanted.sregs ? uapi.KVM_SYNC_X86_SREGS : 0));
    // What the next run would fill in is read once, so that it is right from now on.
    if (this.#shared & uapi.KVM_SYNC_X86_REGS) this.#ioctlAt(ioctls.KVM_GET_REGS, syncRegs.regs);
    this.#refresh();
    this.#view.setBigUint64(VALID_REGS, BigInt(this.#shared), true);
    return {
      regs: (this.#shared & uapi.KVM_SYNC_X86_REGS) !== 0,
      sregs: (this.#shared & uapi.KVM_SYNC_X86_SREGS) !== 0,
    };
  }

  /**
   * The general and the system registers as they lie in `kvm_run`, for whoever reads them by the
   * million: `struct kvm_regs` and `struct kvm_sregs`, valid until the next call.
   */
  registerBytes(): { regs: Uint8Array<ArrayBuffer>; sregs: Uint8Array<ArrayBuffer> } {
    this.#loadRegs();
    this.#loadSregs();
    return this.#registerBytes;
  }

  #loadRegs(): void {
    if (this.#shared & uapi.KVM_SYNC_X86_REGS) return;
    this.#ioctlAt(ioctls.KVM_GET_REGS, syncRegs.regs);
  }

  #loadSregs(): void {
    if (this.#shared & uapi.KVM_SYNC_X86_SREGS) return;
    this.#ioctlAt(ioctls.KVM_GET_SREGS, syncRegs.sregs);
  }

  /** The general registers (`KVM_GET_REGS`, api.rst 4.11). */
  getRegs(): Regs {
    this.#loadRegs();
    return kvmRegs.read(this.#view, syncRegs.regs);
  }

  /**
   * Sets the general registers that are given; the others stay (`KVM_SET_REGS`, api.rst 4.12).
   *
   * @throws {RangeError} For a value of more than 64 bits.
   * @throws {KvmError} When the last exit's access has parts that were not run yet.
   */
  setRegs(changes: Partial<Regs>): void {
    this.#finish();
    this.#change(
      { bit: uapi.KVM_SYNC_X86_REGS, get: ioctls.KVM_GET_REGS, set: ioctls.KVM_SET_REGS },
      syncRegs.regs,
      () => kvmRegs.assign(this.#view, syncRegs.regs, changes),
    );
  }

  /** Segment, descriptor table and control registers (`KVM_GET_SREGS`, api.rst 4.13). */
  getSregs(): Sregs {
    this.#loadSregs();
    return kvmSregs.read(this.#view, syncRegs.sregs);
  }

  /**
   * Sets the system registers that are given; the others stay (`KVM_SET_SREGS`, api.rst 4.14).
   *
   * @throws {KvmError} `EINVAL` for a state no CPU can be in, such as EFER.LMA without CR0.PG;
   * where the registers are shared, the next request or run throws it.
   */
  setSregs(changes: Partial<Sregs>): void {
    this.#finish();
    this.#change(
      { bit: uapi.KVM_SYNC_X86_SREGS, get: ioctls.KVM_GET_SREGS, set: ioctls.KVM_SET_SREGS },
      syncRegs.sregs,
      () => kvmSregs.assign(this.#view, syncRegs.sregs, changes),
    );
    this.#setRunCr8(this.#view.getBigUint64(SREGS_CR8, true));
  }

  /** Without an in-kernel local APIC every run sets CR8 to what `kvm_run` has (api.rst 5). */
  #setRunCr8(cr8: bigint): void {
    this.#view.setBigUint64(CR8, cr8, true);
  }

  /** The system registers with the PAE pointers (`KVM_GET_SREGS2`, api.rst 4.131). */
  getSregs2(): Sregs2 {
    return this.#get(ioctls.KVM_GET_SREGS2, kvmSregs2);
  }

  /** Sets the system registers with the PAE pointers (`KVM_SET_SREGS2`, api.rst 4.132). */
  setSregs2(sregs: Sregs2): void {
    this.#set(ioctls.KVM_SET_SREGS2, kvmSregs2.encode(sregs));
    this.#setRunCr8(sregs.cr8);
    this.#refresh();
  }

  /** x87 and SSE registers (`KVM_GET_FPU`, api.rst 4.22). */
  getFpu(): Fpu {
    return this.#get(ioctls.KVM_GET_FPU, kvmFpu);
  }

  /**
   * Sets x87 and SSE registers (`KVM_SET_FPU`, api.rst 4.23). On a CPU with XSAVE the guest gets
   * them only where the XSAVE area already says that the part is in use: {@linkcode Vcpu.setXsave}
   * says so itself, and sets MXCSR too.
   */
  setFpu(fpu: Fpu): void {
    this.#set(ioctls.KVM_SET_FPU, kvmFpu.encode(fpu));
  }

  /** The XSAVE area, 4096 bytes laid out as CPUID leaf 0xD says (`KVM_GET_XSAVE`, api.rst 4.42). */
  getXsave(): Uint8Array {
    return this.#get(ioctls.KVM_GET_XSAVE, kvmXsave).region;
  }

  /**
   * Sets the XSAVE area (`KVM_SET_XSAVE`, api.rst 4.43).
   *
   * @param region 4096 bytes. A part whose bit in XSTATE_BV (bytes 512 to 519) is 0 is initialized,
   * whatever the area holds of it (Intel SDM vol. 1 §13.6).
   */
  setXsave(region: Uint8Array): void {
    this.#set(ioctls.KVM_SET_XSAVE, kvmXsave.encode({ region }));
  }

  /** The extended control registers, XCR0 in practice (`KVM_GET_XCRS`, api.rst 4.44). */
  getXcrs(): Xcr[] {
    const { nrXcrs, xcrs } = this.#get(ioctls.KVM_GET_XCRS, kvmXcrs);
    return xcrs.slice(0, nrXcrs);
  }

  /** Sets the extended control registers (`KVM_SET_XCRS`, api.rst 4.45). */
  setXcrs(xcrs: Xcr[]): void {
    this.#set(ioctls.KVM_SET_XCRS, kvmXcrs.encode({ nrXcrs: xcrs.length, xcrs }));
  }

  /** DR0–3, DR6 and DR7 (`KVM_GET_DEBUGREGS`, api.rst 4.33). */
  getDebugregs(): Debugregs {
    return this.#get(ioctls.KVM_GET_DEBUGREGS, kvmDebugregs);
  }

  /** Sets the debug registers (`KVM_SET_DEBUGREGS`, api.rst 4.34). */
  setDebugregs(debugregs: Debugregs): void {
    this.#set(ioctls.KVM_SET_DEBUGREGS, kvmDebugregs.encode(debugregs));
  }

  /** Exceptions, interrupts, NMIs and SMIs under way (`KVM_GET_VCPU_EVENTS`, api.rst 4.31). */
  getEvents(): VcpuEvents {
    return this.#get(ioctls.KVM_GET_VCPU_EVENTS, kvmVcpuEvents);
  }

  /** Sets the events under way (`KVM_SET_VCPU_EVENTS`, api.rst 4.32); `flags` says which count. */
  setEvents(events: VcpuEvents): void {
    this.#set(ioctls.KVM_SET_VCPU_EVENTS, kvmVcpuEvents.encode(events));
    this.#refresh();
  }

  /** Whether it runs, waits or is halted: `KVM_MP_STATE_*` (`KVM_GET_MP_STATE`, api.rst 4.38). */
  getMpState(): number {
    return this.#get(ioctls.KVM_GET_MP_STATE, kvmMpState).mpState;
  }

  /** Sets the state (`KVM_SET_MP_STATE`, api.rst 4.39). */
  setMpState(mpState: number): void {
    this.#set(ioctls.KVM_SET_MP_STATE, kvmMpState.encode({ mpState }));
  }

  /** The local APIC's registers, 1024 bytes (`KVM_GET_LAPIC`, api.rst 4.57); needs the irqchip. */
  getLapic(): Uint8Array {
    return this.#get(ioctls.KVM_GET_LAPIC, kvmLapicState).regs;
  }

  /** Sets the local APIC's registers (`KVM_SET_LAPIC`, api.rst 4.58). */
  setLapic(regs: Uint8Array): void {
    this.#set(ioctls.KVM_SET_LAPIC, kvmLapicState.encode({ regs }));
    this.#refresh();
  }

  /**
   * Reads model-specific registers (`KVM_GET_MSRS`, api.rst 4.18).
   *
   * @param indices Up to 255: KVM takes no more at once.
   * @returns Their values, in the order asked for.
   * @throws {KvmError} When KVM refuses one; the message names it.
   */
  getMsrs(indices: readonly number[]): bigint[] {
    this.#flush();
    return readMsrs(this.#descriptor, indices, "msrIndices");
  }

  /**
   * Sets model-specific registers, in this order (`KVM_SET_MSRS`, api.rst 4.19).
   *
   * @param entries Up to 255: KVM takes no more at once.
   * @throws {KvmError} When KVM refuses one; those before it are set.
   */
  setMsrs(entries: readonly MsrEntry[]): void {
    this.#finish();
    this.#flush();
    const { done } = accessMsrs(this.#descriptor, ioctls.KVM_SET_MSRS, entries);
    this.#refresh();
    if (done < entries.length) throw msrRefused("set", entries[done]!.index, "msrIndices");
  }

  /** What the guest's CPUID answers (`KVM_GET_CPUID2`, api.rst 4.20). */
  getCpuid(): CpuidEntry[] {
    // KVM_MAX_CPUID_ENTRIES, arch/x86/include/asm/kvm_host.h
    const room = 256;
    const UNTOUCHED = 0xffff_ffff;
    const buffer = new Uint8Array(kvmCpuid2.size + room * kvmCpuidEntry2.size).fill(0xff);
    const view = new DataView(buffer.buffer);
    kvmCpuid2.write(view, 0, { nent: room });
    this.#descriptor.ioctl(ioctls.KVM_GET_CPUID2, buffer, "read the CPUID");
    // Old kernels (6.1) leave the count as it was: what they did not fill in does not count.
    return Array.from(
      { length: room },
      (_, i) => kvmCpuidEntry2.read(view, kvmCpuid2.size + i * kvmCpuidEntry2.size),
    ).filter(({ flags }) => flags !== UNTOUCHED);
  }

  /**
   * Says what the guest's CPUID answers (`KVM_SET_CPUID2`, api.rst 4.20), before the first run.
   * Without it most of CPUID is zero. {@linkcode Kvm.supportedCpuid} gives what the host can.
   */
  setCpuid(entries: CpuidEntry[]): void {
    const buffer = new Uint8Array(kvmCpuid2.size + entries.length * kvmCpuidEntry2.size);
    const view = new DataView(buffer.buffer);
    kvmCpuid2.write(view, 0, { nent: entries.length });
    for (const [i, entry] of entries.entries()) {
      kvmCpuidEntry2.write(view, kvmCpuid2.size + i * kvmCpuidEntry2.size, entry);
    }
    this.#descriptor.ioctl(ioctls.KVM_SET_CPUID2, buffer, "set the CPUID");
  }

  /** How fast its time-stamp counter runs, in kHz (`KVM_GET_TSC_KHZ`, api.rst 4.56). */
  getTscKhz(): number {
    return this.#descriptor.ioctl(
      ioctls.KVM_GET_TSC_KHZ,
      0n,
      `read the TSC frequency of vCPU ${this.id}`,
    );
  }

  /**
   * Sets how fast its time-stamp counter runs (`KVM_SET_TSC_KHZ`, api.rst 4.55): a CPU that cannot
   * scale it (`KVM_CAP_TSC_CONTROL`) takes only about its own.
   *
   * @throws {RangeError} For what is no positive 32-bit number.
   */
  setTscKhz(khz: number): void {
    if (khz !== khz >>> 0 || khz === 0) {
      throw new RangeError(`Cannot set a TSC frequency of ${khz} kHz: that is none`);
    }
    this.#descriptor.ioctl(
      ioctls.KVM_SET_TSC_KHZ,
      BigInt(khz),
      `set the TSC frequency of vCPU ${this.id} to ${khz} kHz`,
    );
  }

  /**
   * Switches debugging on or off (`KVM_SET_GUEST_DEBUG`, api.rst 4.87); without options, off, which
   * leaves an unfinished access to be answered. What of it works differs between hosts.
   *
   * @throws {RangeError} For more than four hardware breakpoints.
   */
  setGuestDebug(options: GuestDebugOptions = {}): void {
    const { hardwareBreakpoints = [] } = options;
    if (hardwareBreakpoints.length > 4) {
      throw new RangeError(
        `Cannot set ${hardwareBreakpoints.length} hardware breakpoints: the CPU has four`,
      );
    }
    const control = (options.singleStep ? uapi.KVM_GUESTDBG_SINGLESTEP : 0) |
      (options.softwareBreakpoints ? uapi.KVM_GUESTDBG_USE_SW_BP : 0) |
      (hardwareBreakpoints.length > 0 ? uapi.KVM_GUESTDBG_USE_HW_BP : 0) |
      (options.blockInterrupts ? uapi.KVM_GUESTDBG_BLOCKIRQ : 0);
    if (control !== 0) this.#finish();
    this.#flush();
    this.#descriptor.ioctl(
      ioctls.KVM_SET_GUEST_DEBUG,
      kvmGuestDebug.encode({
        control: control === 0 ? 0 : control | uapi.KVM_GUESTDBG_ENABLE,
        ...(hardwareBreakpoints.length > 0 &&
          { arch: { debugreg: debugregs(hardwareBreakpoints) } }),
      }),
      `set the debugging of vCPU ${this.id}`,
    );
  }

  /**
   * Walks the guest's page tables as its CPU would now (`KVM_TRANSLATE`, api.rst 4.15).
   *
   * @returns The guest-physical address, or nothing where no page is mapped.
   */
  translate(linearAddress: bigint): number | undefined {
    this.#flush();
    const buffer = kvmTranslation.encode({ linearAddress });
    this.#descriptor.ioctl(ioctls.KVM_TRANSLATE, buffer, "translate an address");
    const { valid, physicalAddress } = kvmTranslation.decode(buffer);
    return valid ? Number(physicalAddress) : undefined;
  }

  /** Queues a non-maskable interrupt (`KVM_NMI`, api.rst 4.64). */
  nmi(): void {
    this.#descriptor.ioctl(ioctls.KVM_NMI, 0n, "queue an NMI");
  }

  /**
   * Queues an external interrupt, where there is no in-kernel interrupt controller
   * (`KVM_INTERRUPT`, api.rst 4.16). The guest must be able to take it:
   * {@linkcode Vcpu.readyForInterrupt}.
   *
   * @param vector 0 to 255.
   */
  interrupt(vector: number): void {
    this.#set(ioctls.KVM_INTERRUPT, kvmInterrupt.encode({ irq: vector }));
    this.#refresh();
  }

  /**
   * Says which signals are blocked while the guest runs, instead of those the thread blocks
   * (`KVM_SET_SIGNAL_MASK`, api.rst 4.21). One that the thread blocks and the guest does not ends
   * {@linkcode Vcpu.run} with `intr` and stays pending.
   *
   * @param signals Signal numbers, 1 to 64; nothing: those the thread blocks.
   * @throws {RangeError} For another number.
   */
  setSignalMask(signals?: number[]): void {
    const attempt = "set the signal mask";
    if (signals === undefined) {
      this.#descriptor.ioctl(ioctls.KVM_SET_SIGNAL_MASK, 0n, attempt);
      return;
    }
    let set = 0n;
    for (const signal of signals) {
      if (!Number.isInteger(signal) || signal < 1 || signal > 64) {
        throw new RangeError(`Cannot ${attempt}: there is no signal ${signal}`);
      }
      set |= 1n << BigInt(signal - 1);
    }
    const buffer = new Uint8Array(kvmSignalMask.size + 8);
    const view = new DataView(buffer.buffer);
    kvmSignalMask.write(view, 0, { len: 8 });
    view.setBigUint64(kvmSignalMask.size, set, true);
    this.#descriptor.ioctl(ioctls.KVM_SET_SIGNAL_MASK, buffer, attempt);
  }

  /** Switches a capability of the vCPU on (`KVM_ENABLE_CAP`, api.rst 4.37 and 6). */
  enableCap(capability: Capability | number, args: bigint[] = []): void {
    this.#descriptor.ioctl(
      ioctls.KVM_ENABLE_CAP,
      kvmEnableCap.encode({ cap: capabilityNumber(capability), args }),
      `enable ${capability}`,
    );
  }

  /**
   * Takes the writes out of the VM's ring ({@linkcode Vm.addCoalescedZone}), the oldest first. The
   * ring holds 169, with kernels before Linux 6.12 sometimes fewer; a write that finds it full
   * exits. To be drained before an exit is handled, so that the order is kept.
   */
  drainCoalesced(): CoalescedWrite[] {
    const view = this.#view;
    const writes: CoalescedWrite[] = [];
    let first = view.getUint32(RING, true);
    const last = view.getUint32(RING + 4, true);
    if (first === last) return writes;
    // One copy for all: a typed array of its own for each would take Deno longer than the rest.
    const entries = this.#run.slice(RING_ENTRIES, RING + PAGE_SIZE);
    for (; first !== last; first = (first + 1) % RING_LENGTH) {
      const entry = first * kvmCoalescedMmio.size;
      const data = entry + RING_DATA;
      writes.push({
        address: Number(view.getBigUint64(RING_ENTRIES + entry, true)),
        pio: view.getUint32(RING_ENTRIES + entry + RING_PIO, true) !== 0,
        data: entries.subarray(
          data,
          data + view.getUint32(RING_ENTRIES + entry + RING_DATA_LENGTH, true),
        ),
      });
    }
    view.setUint32(RING, first, true);
    return writes;
  }

  /**
   * The whole state of the vCPU, its unfinished exit completed first: general, system, FPU, extended
   * control, debug and model-specific registers, events, `mp_state`, and the local APIC where there
   * is one.
   *
   * @param msrs The MSRs that belong to it; those that this KVM refuses are left out.
   * @throws {KvmError} When the last exit's access has parts that were not run yet.
   */
  saveState(msrs: readonly number[]): VcpuState {
    this.#finish();
    this.#flush();
    const read = (ioctl: Ioctl, size: number) => {
      const bytes = new Uint8Array(size);
      return this.#descriptor.tryIoctl(ioctl, bytes) < 0 ? undefined : bytes;
    };
    const parts: Record<string, Uint8Array<ArrayBuffer>> = {};
    for (const [name, { get, layout }] of Object.entries(stateRequests)) {
      const bytes = read(get, layout.size);
      if (bytes !== undefined) parts[name] = bytes;
    }
    const { sregs2 } = parts;
    if (sregs2 && kvmSregs2.decode(sregs2).flags === 0n) delete parts["sregs2"];
    return {
      regs: read(ioctls.KVM_GET_REGS, kvmRegs.size)!,
      sregs: read(ioctls.KVM_GET_SREGS, kvmSregs.size)!,
      parts,
      msrs: this.#readableMsrs(msrs),
    };
  }

  /** `struct kvm_msrs` with those of `indices` that this KVM gives, and their values. */
  #readableMsrs(indices: readonly number[]): Uint8Array<ArrayBuffer> {
    const entries: MsrEntry[] = [];
    let rest = indices.map((index) => ({ index, data: 0n }));
    while (rest.length > 0) {
      // KVM stops at the first that it refuses.
      const { read, done } = accessMsrs(this.#descriptor, ioctls.KVM_GET_MSRS, rest);
      entries.push(...read.slice(0, done));
      rest = rest.slice(done + 1);
    }
    return encodeMsrs(entries);
  }

  /**
   * Sets the state that {@linkcode Vcpu.saveState} gave. What is already as it was is not set again:
   * reading it costs less. An unfinished access is abandoned first ({@linkcode Vcpu.abandon}).
   *
   * @throws {KvmError} When this KVM refuses a part of it.
   * @throws {RangeError} When it has a part of another size, or one that there is not.
   */
  restoreState(state: VcpuState): void {
    const problem = stateProblem(state);
    if (problem !== undefined) {
      throw new RangeError(`Cannot restore the state of vCPU ${this.id}: ${problem}`);
    }
    this.abandon();
    this.#view.setBigUint64(DIRTY_REGS, 0n, true);
    // Setting the system registers makes KVM begin its shadow of the page tables anew.
    this.#ioctlAt(ioctls.KVM_GET_SREGS, syncRegs.sregs);
    const sregs = this.#run.subarray(syncRegs.sregs, syncRegs.sregs + state.sregs.length);
    if (!sameBytes(sregs, state.sregs)) {
      sregs.set(state.sregs);
      this.#ioctlAt(ioctls.KVM_SET_SREGS, syncRegs.sregs);
    }
    this.#setRunCr8(this.#view.getBigUint64(SREGS_CR8, true));
    this.#run.set(state.regs, syncRegs.regs);
    this.#ioctlAt(ioctls.KVM_SET_REGS, syncRegs.regs);
    const { parts } = state;
    for (const [name, { get, set }] of Object.entries(stateRequests)) {
      const saved = parts[name];
      if (saved === undefined) continue;
      const now = scratch.subarray(0, saved.length);
      this.#descriptor.ioctl(get, now, `read the ${name} of vCPU ${this.id}`);
      if (sameBytes(now, saved)) continue;
      this.#descriptor.ioctl(set, saved, `restore the ${name} of vCPU ${this.id}`);
    }
    this.#restoreMsrs(state.msrs);
  }

  /** Sets those that differ: some KVMs refuse an MSR even with the value that it has. */
  #restoreMsrs(msrs: Uint8Array<ArrayBuffer>): void {
    scratch.set(msrs);
    const now = scratch.subarray(0, msrs.length);
    // KVM stops at the first that it refuses: what is behind that counts as different.
    const done = this.#descriptor.ioctl(
      ioctls.KVM_GET_MSRS,
      now,
      `read the MSRs of vCPU ${this.id}`,
    );
    const read = kvmMsrs.size + done * kvmMsrEntry.size;
    if (read === msrs.length && sameBytes(now, msrs)) return;
    const before = new DataView(msrs.buffer, msrs.byteOffset, msrs.length);
    const after = new DataView(now.buffer, now.byteOffset, now.length);
    const differ: MsrEntry[] = [];
    for (let at = kvmMsrs.size; at < msrs.length; at += kvmMsrEntry.size) {
      const value = at + MSR_VALUE;
      if (at >= read || before.getBigUint64(value, true) !== after.getBigUint64(value, true)) {
        differ.push(kvmMsrEntry.read(before, at));
      }
    }
    this.setMsrs(differ);
  }

  #get<T>(ioctl: Ioctl, layout: Struct<T>): T {
    this.#flush();
    const buffer = layout.encode();
    this.#descriptor.ioctl(ioctl, buffer, `read the state of vCPU ${this.id}`);
    return layout.decode(buffer);
  }

  #set(ioctl: Ioctl, argument: Uint8Array<ArrayBuffer>): void {
    this.#finish();
    this.#flush();
    this.#descriptor.ioctl(ioctl, argument, `set the state of vCPU ${this.id}`);
  }

  /** A request whose struct is the one at `offset` in `kvm_run`. */
  #ioctlAt(ioctl: Ioctl, offset: number): void {
    this.#descriptor.ioctl(
      ioctl,
      this.#runMapping.address + BigInt(offset),
      `access the registers of vCPU ${this.id}`,
    );
  }

  /** Changes registers in `kvm_run`, and hands them to KVM now or, if shared, with the next run. */
  #change(
    registers: { bit: number; get: Ioctl; set: Ioctl },
    offset: number,
    assign: () => void,
  ): void {
    if (this.#shared & registers.bit) {
      const dirty = this.#view.getBigUint64(DIRTY_REGS, true);
      this.#view.setBigUint64(DIRTY_REGS, dirty | BigInt(registers.bit), true);
      assign();
    } else {
      this.#ioctlAt(registers.get, offset);
      assign();
      this.#ioctlAt(registers.set, offset);
    }
  }

  /** Hands over shared registers that were set since the last run. */
  #flush(): void {
    if (this.#shared === 0) return;
    const dirty = Number(this.#view.getBigUint64(DIRTY_REGS, true));
    if (dirty === 0) return;
    if (dirty & uapi.KVM_SYNC_X86_SREGS) this.#ioctlAt(ioctls.KVM_SET_SREGS, syncRegs.sregs);
    if (dirty & uapi.KVM_SYNC_X86_REGS) this.#ioctlAt(ioctls.KVM_SET_REGS, syncRegs.regs);
    // Only now: what KVM refuses is still to be handed over, and mended before.
    this.#view.setBigUint64(DIRTY_REGS, 0n, true);
  }

  /**
   * Reads the shared system registers again after a request that may have changed them: EFER and
   * the bases of FS and GS are MSRs, CR8 belongs to the local APIC, an interrupt that waits is an event.
   */
  #refresh(): void {
    if (this.#shared & uapi.KVM_SYNC_X86_SREGS) this.#ioctlAt(ioctls.KVM_GET_SREGS, syncRegs.sregs);
  }

  /**
   * Completes the last exit's instruction, before the state is set. That it was a single step is
   * of no interest any more; everything else is left for the next run to report.
   */
  #finish(): void {
    const next = this.complete();
    if (next === undefined || next.reason === "debug") return;
    this.#isPending = true;
    if (this.#isUnfinished) {
      throw new KvmError(
        `Cannot set the state of vCPU ${this.id}: its ${next.reason} access has further parts`,
        { remedy: "Answer them and run until the access is complete" },
      );
    }
  }

  /** Closes the vCPU and unmaps its `kvm_run`; again, it does nothing. */
  close(): void {
    this.#descriptor.close();
    this.#runMapping.close();
    this.#closed();
  }

  /** {@linkcode Vcpu.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Why this can be no vCPU's state: a part of which KVM would read what lies behind it. */
export function stateProblem({ regs, sregs, parts, msrs }: VcpuState): string | undefined {
  const wrong = (name: string, { length }: Uint8Array, size: number) =>
    length === size ? undefined : `${name} has ${length} bytes instead of ${size}`;
  for (const [name, bytes] of Object.entries(parts)) {
    if (!Object.hasOwn(stateRequests, name)) return `there is a part ${name} that no vCPU has`;
    const problem = wrong(name, bytes, stateRequests[name]!.layout.size);
    if (problem !== undefined) return problem;
  }
  const count = msrs.length < kvmMsrs.size ? 0 : kvmMsrs.decode(msrs).nmsrs;
  if (count > MAX_MSRS) return `there are ${count} MSRs, of which KVM takes ${MAX_MSRS} at once`;
  return wrong("regs", regs, kvmRegs.size) ?? wrong("sregs", sregs, kvmSregs.size) ??
    wrong("msrs", msrs, kvmMsrs.size + count * kvmMsrEntry.size);
}

/**
 * Reads MSRs of a vCPU or, those that describe features, of the system.
 *
 * @param list What lists those that there are.
 */
export function readMsrs(
  descriptor: Descriptor,
  indices: readonly number[],
  list: "msrIndices" | "msrFeatureIndices",
): bigint[] {
  const { read, done } = accessMsrs(
    descriptor,
    ioctls.KVM_GET_MSRS,
    indices.map((index) => ({ index, data: 0n })),
  );
  if (done < indices.length) throw msrRefused("read", indices[done]!, list);
  return read.map(({ data }) => data);
}

/** Reads or sets MSRs: `done` of them, since KVM stops at the first that it refuses. */
function accessMsrs(
  descriptor: Descriptor,
  ioctl: Ioctl,
  entries: readonly MsrEntry[],
): { read: MsrEntry[]; done: number } {
  const buffer = encodeMsrs(entries);
  const done = descriptor.ioctl(ioctl, buffer, "access MSRs");
  const view = new DataView(buffer.buffer);
  const read = entries.map((_, i) => kvmMsrEntry.read(view, kvmMsrs.size + i * kvmMsrEntry.size));
  return { read, done };
}

/** `struct kvm_msrs` with its entries. */
function encodeMsrs(entries: readonly MsrEntry[]): Uint8Array<ArrayBuffer> {
  const buffer = new Uint8Array(kvmMsrs.size + entries.length * kvmMsrEntry.size);
  const view = new DataView(buffer.buffer);
  kvmMsrs.write(view, 0, { nmsrs: entries.length });
  for (const [i, entry] of entries.entries()) {
    kvmMsrEntry.write(view, kvmMsrs.size + i * kvmMsrEntry.size, entry);
  }
  return buffer;
}

function msrRefused(
  verb: "read" | "set",
  index: number,
  list: "msrIndices" | "msrFeatureIndices",
): KvmError {
  return new KvmError(`Cannot ${verb} MSR 0x${index.toString(16)}: this KVM refuses it`, {
    operation: verb === "read" ? "KVM_GET_MSRS" : "KVM_SET_MSRS",
    remedy: `Kvm.${list}() lists those it knows`,
  });
}

/** Compares by words: both lengths are multiples of 4, and the arrays begin at one. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  const wordsA = new Uint32Array(a.buffer, a.byteOffset, a.length / 4);
  const wordsB = new Uint32Array(b.buffer, b.byteOffset, b.length / 4);
  for (let i = 0; i < wordsA.length; i++) if (wordsA[i] !== wordsB[i]) return false;
  return true;
}

/** DR0 to DR7 that stop at the execution of up to four addresses. */
function debugregs(addresses: readonly bigint[]): bigint[] {
  const debugreg = [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n];
  for (const [i, address] of addresses.entries()) {
    debugreg[i] = address;
    // DR7.Gi, with R/Wi and LENi zero: at execution (Intel SDM vol. 3B §18.2.4).
    debugreg[7]! |= 2n << BigInt(2 * i);
  }
  return debugreg;
}

/** Puts the answer to an access into the room that `kvm_run` has for it. */
function answer(room: Uint8Array, data: Uint8Array): void {
  if (data.length > room.length) {
    throw new RangeError(`Cannot answer with ${data.length} bytes: the guest reads ${room.length}`);
  }
  room.set(data);
}
