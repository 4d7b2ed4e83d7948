/**
 * `struct kvm_run`, the page a vCPU shares with this process, and the exits that KVM reports in
 * it (api.rst 5).
 *
 * @module
 */

import {
  address,
  array,
  bytes,
  padding,
  type Struct,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "./struct.ts";
import { PAGE_SIZE } from "./memory.ts";
import { kvmSyncRegs, uapi } from "./uapi.ts";

/** `struct kvm_run` around its two unions: the exit's payload (256 bytes) and the registers. */
export const Run = struct("kvm_run", {
  request_interrupt_window: u8,
  immediate_exit: u8,
  padding1: padding(6),
  exit_reason: u32,
  ready_for_interrupt_injection: u8,
  if_flag: u8,
  flags: u16,
  cr8: u64,
  apic_base: u64,
  /** The exit's payload: one of the structs below. */
  padding: padding(256),
  kvm_valid_regs: u64,
  kvm_dirty_regs: u64,
  /** {@linkcode kvmSyncRegs} */
  s: padding(2048),
});

/** Where the exit's payload begins in `kvm_run`. */
export const PAYLOAD: number = Run.offsetOf("padding");
/** Where the shared registers begin in `kvm_run`. */
const SYNC_REGS = Run.offsetOf("s");

/** The payloads, as members of `kvm_run`'s union; offsets count from {@linkcode PAYLOAD}. */
export const payloads = {
  hw: struct("kvm_run.hw", { hardware_exit_reason: u64 }),
  failEntry: struct("kvm_run.fail_entry", { hardware_entry_failure_reason: u64, cpu: u32 }),
  ex: struct("kvm_run.ex", { exception: u32, error_code: u32 }),
  io: struct("kvm_run.io", {
    direction: u8,
    size: u8,
    port: u16,
    count: u32,
    data_offset: address,
  }),
  debug: struct("kvm_run.debug.arch", {
    exception: u32,
    pad: padding(4),
    pc: u64,
    dr6: u64,
    dr7: u64,
  }),
  mmio: struct("kvm_run.mmio", { phys_addr: address, data: bytes(8), len: u32, is_write: u8 }),
  hypercall: struct("kvm_run.hypercall", { nr: u64, args: array(u64, 6), ret: u64, longmode: u32 }),
  tprAccess: struct("kvm_run.tpr_access", { rip: u64, is_write: u32, pad: padding(4) }),
  internal: struct("kvm_run.internal", { suberror: u32, ndata: u32, data: array(u64, 16) }),
  emulationFailure: struct("kvm_run.emulation_failure", {
    suberror: u32,
    ndata: u32,
    flags: u64,
    insn_size: u8,
    insn_bytes: bytes(15),
  }),
  systemEvent: struct("kvm_run.system_event", { type: u32, ndata: u32, data: array(u64, 16) }),
  eoi: struct("kvm_run.eoi", { vector: u8 }),
  hypervSynic: struct("kvm_run.hyperv.u.synic", {
    msr: u32,
    pad2: padding(4),
    control: u64,
    evt_page: u64,
    msg_page: u64,
  }),
  hypervHcall: struct("kvm_run.hyperv.u.hcall", { input: u64, result: u64, params: array(u64, 2) }),
  hypervSyndbg: struct("kvm_run.hyperv.u.syndbg", {
    msr: u32,
    pad2: padding(4),
    control: u64,
    status: u64,
    send_page: u64,
    recv_page: u64,
    pending_page: u64,
  }),
  msr: struct("kvm_run.msr", { error: u8, pad: padding(7), reason: u32, index: u32, data: u64 }),
  xenHcall: struct("kvm_run.xen.u.hcall", {
    longmode: u32,
    cpl: u32,
    input: u64,
    result: u64,
    params: array(u64, 6),
  }),
  notify: struct("kvm_run.notify", { flags: u32 }),
  /** Linux 6.8. */
  memoryFault: struct("kvm_run.memory_fault", { flags: u64, gpa: address, size: address }),
  /** Linux 6.16. */
  tdx: struct("kvm_run.tdx", { flags: u64, nr: u64 }),
  /** Linux 7.0. */
  snpReqCerts: struct("kvm_run.snp_req_certs", { gpa: address, npages: u64, ret: u64 }),
} as const;

/** `struct kvm_hyperv_exit` and `struct kvm_xen_exit` begin with the type of what follows. */
const TYPED_UNION = 8;

/**
 * Every exit reason of the kernel's header, by its number. Those above 37 are newer than Linux
 * 6.1, and the comment says which kernel added them (`include/uapi/linux/kvm.h`).
 */
export const exitReasons = [
  "KVM_EXIT_UNKNOWN",
  "KVM_EXIT_EXCEPTION",
  "KVM_EXIT_IO",
  "KVM_EXIT_HYPERCALL",
  "KVM_EXIT_DEBUG",
  "KVM_EXIT_HLT",
  "KVM_EXIT_MMIO",
  "KVM_EXIT_IRQ_WINDOW_OPEN",
  "KVM_EXIT_SHUTDOWN",
  "KVM_EXIT_FAIL_ENTRY",
  "KVM_EXIT_INTR",
  "KVM_EXIT_SET_TPR",
  "KVM_EXIT_TPR_ACCESS",
  "KVM_EXIT_S390_SIEIC",
  "KVM_EXIT_S390_RESET",
  "KVM_EXIT_DCR",
  "KVM_EXIT_NMI",
  "KVM_EXIT_INTERNAL_ERROR",
  "KVM_EXIT_OSI",
  "KVM_EXIT_PAPR_HCALL",
  "KVM_EXIT_S390_UCONTROL",
  "KVM_EXIT_WATCHDOG",
  "KVM_EXIT_S390_TSCH",
  "KVM_EXIT_EPR",
  "KVM_EXIT_SYSTEM_EVENT",
  "KVM_EXIT_S390_STSI",
  "KVM_EXIT_IOAPIC_EOI",
  "KVM_EXIT_HYPERV",
  "KVM_EXIT_ARM_NISV",
  "KVM_EXIT_X86_RDMSR",
  "KVM_EXIT_X86_WRMSR",
  "KVM_EXIT_DIRTY_RING_FULL",
  "KVM_EXIT_AP_RESET_HOLD",
  "KVM_EXIT_X86_BUS_LOCK",
  "KVM_EXIT_XEN",
  "KVM_EXIT_RISCV_SBI",
  "KVM_EXIT_RISCV_CSR",
  "KVM_EXIT_NOTIFY",
  "KVM_EXIT_LOONGARCH_IOCSR", // Linux 6.7
  "KVM_EXIT_MEMORY_FAULT", // Linux 6.8
  "KVM_EXIT_TDX", // Linux 6.16
  "KVM_EXIT_ARM_SEA", // Linux 6.19
  "KVM_EXIT_SNP_REQ_CERTS", // Linux 7.0
] as const;

/** The guest wrote a port, or wants to read one (`KVM_EXIT_IO`). */
export interface IoExit {
  /** Discriminates the cases of {@linkcode Exit}. */
  reason: "io";
  /** `in`: answer with {@linkcode Vcpu.replyIo} before the next run. */
  direction: "in" | "out";
  /** The width of one access in bytes: 1, 2 or 4. */
  size: 1 | 2 | 4;
  /** The port, 0 to 0xFFFF. */
  port: number;
  /** How many accesses: more than 1 only for `rep ins` and, on some hosts, `rep outs`. */
  count: number;
  /**
   * `count` × `size` bytes: what was written; zeros for `in`. A copy; its buffer holds the data of
   * other exits too.
   */
  data: Uint8Array;
}

/** The guest accessed memory that no slot holds (`KVM_EXIT_MMIO`). */
export interface MmioExit {
  /** Discriminates the cases of {@linkcode Exit}. */
  reason: "mmio";
  /** `read`: answer with {@linkcode Vcpu.replyMmio} before the next run. */
  direction: "read" | "write";
  /** The guest-physical address. */
  address: number;
  /** 1 to 8 bytes: what was written; zeros for `read`. A copy as {@linkcode IoExit.data} is. */
  data: Uint8Array;
}

/** KVM, or the CPU, gave up on the guest (`KVM_EXIT_INTERNAL_ERROR`). */
export interface InternalErrorExit {
  /** Discriminates the cases of {@linkcode Exit}. */
  reason: "internalError";
  /** `KVM_INTERNAL_ERROR_*` */
  suberror: number;
  /** The suberror's name; `unknown` for a number this library does not know. */
  error:
    | "emulation"
    | "simultaneousExceptions"
    | "deliveryEvent"
    | "unexpectedExitReason"
    | "unknown";
  /** What KVM adds: its meaning depends on the suberror and is not fixed. */
  data: bigint[];
  /** The instruction that could not be emulated, where KVM gives its bytes (up to 15). */
  instruction: Uint8Array | undefined;
}

/** The guest read or wrote an MSR that was handed to user space (`KVM_EXIT_X86_RDMSR`, `…_WRMSR`). */
export interface MsrExit {
  /** `x86Rdmsr`: answer with {@linkcode Vcpu.replyMsr} before the next run. */
  reason: "x86Rdmsr" | "x86Wrmsr";
  /** Why it was handed over: `KVM_MSR_EXIT_REASON_*`. */
  why: number;
  /** The number of the MSR. */
  index: number;
  /** What was written; 0 for a read. */
  data: bigint;
}

/** An exit of another architecture, or one that carries nothing. */
export interface BareExit {
  /** Discriminates the cases of {@linkcode Exit}. */
  reason:
    | "hlt"
    | "irqWindowOpen"
    | "shutdown"
    | "intr"
    | "setTpr"
    | "nmi"
    | "watchdog"
    | "dirtyRingFull"
    | "apResetHold"
    | "x86BusLock"
    | "s390Sieic"
    | "s390Reset"
    | "dcr"
    | "osi"
    | "paprHcall"
    | "s390Ucontrol"
    | "s390Tsch"
    | "epr"
    | "s390Stsi"
    | "armNisv"
    | "riscvSbi"
    | "riscvCsr"
    | "loongarchIocsr"
    | "armSea";
}

/**
 * Why `KVM_RUN` came back: one case an exit reason, with what the kernel says about it.
 *
 * @example
 * ```ts
 * import type { Exit } from "@hlt/hlt";
 *
 * function describe(exit: Exit): string {
 *   switch (exit.reason) {
 *     case "hlt":
 *       return "the guest halted";
 *     case "io":
 *       return `${exit.direction} port 0x${exit.port.toString(16)}`;
 *     default:
 *       return exit.reason;
 *   }
 * }
 * console.log(describe({ reason: "hlt" }));
 * ```
 */
export type Exit =
  | BareExit
  | IoExit
  | MmioExit
  | InternalErrorExit
  | MsrExit
  /** The CPU left the guest for a reason KVM does not handle. */
  | { reason: "unknown"; hardwareExitReason: bigint }
  | { reason: "exception"; exception: number; errorCode: number }
  | { reason: "hypercall"; nr: bigint; args: bigint[]; longMode: boolean }
  /** A breakpoint or a single step; `exception` is 1 (`#DB`) or 3 (`#BP`). */
  | { reason: "debug"; exception: number; pc: bigint; dr6: bigint; dr7: bigint }
  /** The CPU refused the guest's state: on Intel, `hardwareEntryFailureReason` is the exit reason of SDM vol. 3D appendix C. */
  | { reason: "failEntry"; hardwareEntryFailureReason: bigint; cpu: number }
  | { reason: "tprAccess"; rip: bigint; isWrite: boolean }
  | { reason: "systemEvent"; type: number; data: bigint[] }
  | { reason: "ioapicEoi"; vector: number }
  | {
    reason: "hyperv";
    type: "synic";
    msr: number;
    control: bigint;
    evtPage: bigint;
    msgPage: bigint;
  }
  | { reason: "hyperv"; type: "hcall"; input: bigint; result: bigint; params: bigint[] }
  | {
    reason: "hyperv";
    type: "syndbg";
    msr: number;
    control: bigint;
    status: bigint;
    sendPage: bigint;
    recvPage: bigint;
    pendingPage: bigint;
  }
  | { reason: "hyperv"; type: "unknown"; number: number }
  | {
    reason: "xen";
    type: "hcall";
    longmode: number;
    cpl: number;
    input: bigint;
    result: bigint;
    params: bigint[];
  }
  | { reason: "xen"; type: "unknown"; number: number }
  | { reason: "notify"; contextInvalid: boolean }
  /** KVM could not resolve an access to `size` bytes at the guest-physical address `address`. */
  | { reason: "memoryFault"; address: number; size: number; private: boolean }
  | { reason: "tdx"; flags: bigint; nr: bigint }
  | { reason: "snpReqCerts"; address: number; pages: bigint }
  /** A reason this library does not know. */
  | { reason: "unrecognized"; number: number };

const EXIT_REASON = Run.offsetOf("exit_reason");
const io = payloads.io;
const IO_DIRECTION = PAYLOAD + io.offsetOf("direction");
const IO_SIZE = PAYLOAD + io.offsetOf("size");
const IO_PORT = PAYLOAD + io.offsetOf("port");
const IO_COUNT = PAYLOAD + io.offsetOf("count");
/** The kernel puts the data on the page behind `kvm_run`: 32 bits are enough. */
const IO_DATA_OFFSET = PAYLOAD + io.offsetOf("data_offset");

const mmio = payloads.mmio;
/** Where an MMIO access has its data, up to 8 bytes. */
const MMIO_DATA = PAYLOAD + mmio.offsetOf("data");
const MMIO_LENGTH = PAYLOAD + mmio.offsetOf("len");
const MMIO_ADDRESS = PAYLOAD + mmio.offsetOf("phys_addr");
const MMIO_IS_WRITE = PAYLOAD + mmio.offsetOf("is_write");

const debug = payloads.debug;
const DEBUG_EXCEPTION = PAYLOAD + debug.offsetOf("exception");
const DEBUG_PC = PAYLOAD + debug.offsetOf("pc");
const DEBUG_DR6 = PAYLOAD + debug.offsetOf("dr6");
const DEBUG_DR7 = PAYLOAD + debug.offsetOf("dr7");

const KVM_EXIT_IO = exitReasons.indexOf("KVM_EXIT_IO");
const KVM_EXIT_MMIO = exitReasons.indexOf("KVM_EXIT_MMIO");
const KVM_EXIT_DEBUG = exitReasons.indexOf("KVM_EXIT_DEBUG");
const KVM_EXIT_HLT = exitReasons.indexOf("KVM_EXIT_HLT");

/**
 * Reads the exits of one vCPU out of its `kvm_run`. Port and memory accesses come by the million:
 * they are read without a layout, into an object and a view that are used again and again.
 */
export class ExitReader {
  readonly #run: Uint8Array;
  readonly #view: DataView;
  readonly #io: IoExit;
  readonly #mmio: MmioExit;

  /** Of the mapped `kvm_run` and the pages behind it. */
  constructor(run: Uint8Array) {
    this.#run = run;
    this.#view = new DataView(run.buffer, run.byteOffset, run.byteLength);
    const data = run.subarray(0, 0);
    this.#io = { reason: "io", direction: "in", size: 1, port: 0, count: 0, data };
    this.#mmio = { reason: "mmio", direction: "read", address: 0, data };
  }

  /** The exit that `kvm_run` reports, valid until the next run: {@linkcode Vcpu.runInPlace}. */
  read(): Exit {
    const view = this.#view;
    const number = view.getUint32(EXIT_REASON, true);
    switch (number) {
      case KVM_EXIT_IO: {
        const io = this.#io;
        io.direction = view.getUint8(IO_DIRECTION) === uapi.KVM_EXIT_IO_OUT ? "out" : "in";
        io.size = view.getUint8(IO_SIZE) as 1 | 2 | 4;
        io.port = view.getUint16(IO_PORT, true);
        io.count = view.getUint32(IO_COUNT, true);
        io.data = this.#part(io.data, view.getUint32(IO_DATA_OFFSET, true), io.size * io.count);
        return io;
      }
      case KVM_EXIT_MMIO: {
        const mmio = this.#mmio;
        mmio.direction = view.getUint8(MMIO_IS_WRITE) === 0 ? "read" : "write";
        mmio.address = Number(view.getBigUint64(MMIO_ADDRESS, true));
        mmio.data = this.#part(mmio.data, MMIO_DATA, view.getUint32(MMIO_LENGTH, true));
        return mmio;
      }
      case KVM_EXIT_DEBUG:
        return {
          reason: "debug",
          exception: view.getUint32(DEBUG_EXCEPTION, true),
          pc: view.getBigUint64(DEBUG_PC, true),
          dr6: view.getBigUint64(DEBUG_DR6, true),
          dr7: view.getBigUint64(DEBUG_DR7, true),
        };
      case KVM_EXIT_HLT:
        return { reason: "hlt" };
      default:
        return decodeRare(number, view);
    }
  }

  /** A part of `kvm_run`: accesses come in runs, whose data lies at the same place. */
  #part(last: Uint8Array, start: number, length: number): Uint8Array {
    return last.byteOffset === this.#run.byteOffset + start && last.length === length
      ? last
      : this.#run.subarray(start, start + length);
  }
}

/**
 * A copy of an exit that {@linkcode Vcpu.runInPlace} gave, which stays valid: what a read is to be
 * answered with is zeros in it.
 */
export function copyExit<E extends Exit>(exit: E): E {
  if (exit.reason !== "io" && exit.reason !== "mmio") return exit;
  const data = allocate(exit.data.length);
  if (exit.direction === "out" || exit.direction === "write") {
    // A few bytes are copied faster one by one than by set().
    for (let i = 0; i < data.length; i++) data[i] = exit.data[i]!;
  }
  return { ...exit, data };
}

/**
 * Where the data of copies is cut from. Deno keeps the bytes of a typed array outside V8's heap: one
 * of its own for each exit would take 0.7 µs, a piece of a larger one takes a tenth of that.
 */
let slab = new ArrayBuffer(0);
let slabUsed = 0;

/** `length` zero bytes. */
function allocate(length: number): Uint8Array {
  if (slabUsed + length > slab.byteLength) {
    slab = new ArrayBuffer(Math.max(length, PAGE_SIZE));
    slabUsed = 0;
  }
  const bytes = new Uint8Array(slab, slabUsed, length);
  slabUsed += length;
  return bytes;
}

function decodeRare(number: number, view: DataView): Exit {
  const read = <T>(payload: Struct<T>, offset = 0) => payload.read(view, PAYLOAD + offset);
  const name = exitReasons[number];
  switch (name) {
    case undefined:
      return { reason: "unrecognized", number };
    case "KVM_EXIT_UNKNOWN":
      return { reason: "unknown", ...read(payloads.hw) };
    case "KVM_EXIT_EXCEPTION":
      return { reason: "exception", ...read(payloads.ex) };
    case "KVM_EXIT_HYPERCALL": {
      const { nr, args, longmode } = read(payloads.hypercall);
      return { reason: "hypercall", nr, args, longMode: longmode !== 0 };
    }
    case "KVM_EXIT_FAIL_ENTRY":
      return { reason: "failEntry", ...read(payloads.failEntry) };
    case "KVM_EXIT_TPR_ACCESS": {
      const { rip, isWrite } = read(payloads.tprAccess);
      return { reason: "tprAccess", rip, isWrite: isWrite !== 0 };
    }
    case "KVM_EXIT_INTERNAL_ERROR":
      return decodeInternalError(view);
    case "KVM_EXIT_SYSTEM_EVENT": {
      const { type, ndata, data } = read(payloads.systemEvent);
      return { reason: "systemEvent", type, data: data.slice(0, ndata) };
    }
    case "KVM_EXIT_IOAPIC_EOI":
      return { reason: "ioapicEoi", ...read(payloads.eoi) };
    case "KVM_EXIT_HYPERV": {
      const type = view.getUint32(PAYLOAD, true);
      const reason = "hyperv";
      switch (type) {
        case uapi.KVM_EXIT_HYPERV_SYNIC:
          return { reason, type: "synic", ...read(payloads.hypervSynic, TYPED_UNION) };
        case uapi.KVM_EXIT_HYPERV_HCALL:
          return { reason, type: "hcall", ...read(payloads.hypervHcall, TYPED_UNION) };
        case uapi.KVM_EXIT_HYPERV_SYNDBG:
          return { reason, type: "syndbg", ...read(payloads.hypervSyndbg, TYPED_UNION) };
        default:
          return { reason, type: "unknown", number: type };
      }
    }
    case "KVM_EXIT_X86_RDMSR":
    case "KVM_EXIT_X86_WRMSR": {
      const { reason: why, index, data } = read(payloads.msr);
      return name === "KVM_EXIT_X86_WRMSR"
        ? { reason: "x86Wrmsr", why, index, data }
        : { reason: "x86Rdmsr", why, index, data: 0n };
    }
    case "KVM_EXIT_XEN": {
      const type = view.getUint32(PAYLOAD, true);
      return type === uapi.KVM_EXIT_XEN_HCALL
        ? { reason: "xen", type: "hcall", ...read(payloads.xenHcall, TYPED_UNION) }
        : { reason: "xen", type: "unknown", number: type };
    }
    case "KVM_EXIT_NOTIFY": {
      const { flags } = read(payloads.notify);
      return { reason: "notify", contextInvalid: (flags & uapi.KVM_NOTIFY_CONTEXT_INVALID) !== 0 };
    }
    case "KVM_EXIT_MEMORY_FAULT": {
      const { flags, gpa, size } = read(payloads.memoryFault);
      const isPrivate = (flags & BigInt(uapi.KVM_MEMORY_EXIT_FLAG_PRIVATE)) !== 0n;
      return { reason: "memoryFault", address: gpa, size, private: isPrivate };
    }
    case "KVM_EXIT_TDX":
      return { reason: "tdx", ...read(payloads.tdx) };
    case "KVM_EXIT_SNP_REQ_CERTS": {
      const { gpa, npages } = read(payloads.snpReqCerts);
      return { reason: "snpReqCerts", address: gpa, pages: npages };
    }
    default:
      return { reason: bareReason(name) };
  }
}

/** `KVM_EXIT_IRQ_WINDOW_OPEN` → `irqWindowOpen` */
function bareReason(name: string): BareExit["reason"] {
  return name.slice("KVM_EXIT_".length).toLowerCase().replace(
    /_([a-z])/g,
    (_, letter) => letter.toUpperCase(),
  ) as BareExit["reason"];
}

function decodeInternalError(view: DataView): InternalErrorExit {
  const { suberror, ndata, data } = payloads.internal.read(view, PAYLOAD);
  const errors = [
    "unknown",
    "emulation",
    "simultaneousExceptions",
    "deliveryEvent",
    "unexpectedExitReason",
  ] as const;
  let instruction: Uint8Array | undefined;
  // The flags are data[0]: they are there only when ndata says so.
  if (suberror === uapi.KVM_INTERNAL_ERROR_EMULATION && ndata >= 1) {
    const { flags, insnSize, insnBytes } = payloads.emulationFailure.read(view, PAYLOAD);
    const given = BigInt(uapi.KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
    if ((flags & given) !== 0n) instruction = insnBytes.slice(0, insnSize);
  }
  return {
    reason: "internalError",
    suberror,
    error: errors[suberror] ?? "unknown",
    data: data.slice(0, ndata),
    instruction,
  };
}

/** The shared registers' places in `kvm_run`. */
export const syncRegs = {
  regs: SYNC_REGS + kvmSyncRegs.offsetOf("regs"),
  sregs: SYNC_REGS + kvmSyncRegs.offsetOf("sregs"),
} as const;
