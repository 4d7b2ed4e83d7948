/**
 * The state of a vCPU and of a VM's chips as this library gives and takes it: the values of the
 * layouts in `uapi.ts`, under the kernel's names in camelCase.
 *
 * @module
 */

/**
 * The general registers (`struct kvm_regs`, api.rst 4.11). RIP is relative to CS.base; bit 1 of
 * RFLAGS is always set (Intel SDM vol. 1 §3.4.3).
 */
export type Regs = Record<
  | "rax"
  | "rbx"
  | "rcx"
  | "rdx"
  | "rsi"
  | "rdi"
  | "rsp"
  | "rbp"
  | "r8"
  | "r9"
  | "r10"
  | "r11"
  | "r12"
  | "r13"
  | "r14"
  | "r15"
  | "rip"
  | "rflags",
  bigint
>;

/**
 * A segment register with its hidden part, the descriptor cache (`struct kvm_segment`; Intel SDM
 * vol. 3A §3.4.3 and §3.4.5). What is a bit in the descriptor is 0 or 1.
 */
export interface Segment {
  /** The linear address of the segment's first byte. */
  base: bigint;
  /** The last offset in bytes, the granularity bit already applied. */
  limit: number;
  /** The visible part. */
  selector: number;
  /** The descriptor's type field, 0 to 15. */
  type: number;
  /** P: the segment is present. */
  present: number;
  /** The descriptor's privilege level, 0 to 3. */
  dpl: number;
  /** D/B. 1: 32-bit; 0: 16-bit, or 64-bit code with `l`. */
  db: number;
  /** S. 1: code or data; 0: system. */
  s: number;
  /** L. 1: 64-bit code. */
  l: number;
  /** G. 1: the descriptor's limit counts 4 KiB pages. */
  g: number;
  /** AVL: free for the guest's use. */
  avl: number;
  /** 1: the register holds no segment. */
  unusable: number;
}

/** GDTR or IDTR (`struct kvm_dtable`). */
export interface DescriptorTable {
  /** The linear address of the table. */
  base: bigint;
  /** Its size in bytes, less one. */
  limit: number;
}

/** What {@linkcode Sregs} and {@linkcode Sregs2} have in common. */
export type SystemRegisters =
  & Record<"cs" | "ds" | "es" | "fs" | "gs" | "ss" | "tr" | "ldt", Segment>
  & Record<"gdt" | "idt", DescriptorTable>
  & Record<"cr0" | "cr2" | "cr3" | "cr4" | "cr8" | "efer" | "apicBase", bigint>;

/**
 * Segment, descriptor table and control registers (`struct kvm_sregs`, api.rst 4.13).
 * `interruptBitmap` holds the external interrupt that waits to be injected: at most one bit of 256.
 */
export type Sregs = SystemRegisters & Record<"interruptBitmap", bigint[]>;

/**
 * The system registers with the PAE page-directory pointers (`struct kvm_sregs2`, api.rst 4.131);
 * `flags` is `KVM_SREGS2_FLAGS_PDPTRS_VALID` or 0.
 */
export type Sregs2 = SystemRegisters & Record<"flags", bigint> & Record<"pdptrs", bigint[]>;

/** x87 and SSE state (`struct kvm_fpu`, api.rst 4.22). */
export interface Fpu {
  /** ST(0) to ST(7): eight registers of 16 bytes, of which 10 are used. */
  fpr: Uint8Array;
  /** The control word. */
  fcw: number;
  /** The status word. */
  fsw: number;
  /** The tag word as FXSAVE stores it: one bit a register. */
  ftwx: number;
  /** The last x87 instruction's opcode. */
  lastOpcode: number;
  /** Its address. */
  lastIp: bigint;
  /** The address of its operand. */
  lastDp: bigint;
  /** XMM0 to XMM15: sixteen registers of 16 bytes. */
  xmm: Uint8Array;
  /** The SSE control and status register; KVM leaves it out of these requests: it reads 0. */
  mxcsr: number;
}

/** An extended control register (`struct kvm_xcr`). */
export interface Xcr {
  /** Its number: 0 for XCR0. */
  xcr: number;
  /** Its value. */
  value: bigint;
}

/** The debug registers (`struct kvm_debugregs`, api.rst 4.33). */
export interface Debugregs {
  /** DR0 to DR3. */
  db: bigint[];
  /** The status. */
  dr6: bigint;
  /** The control. */
  dr7: bigint;
  /** None are defined. */
  flags: bigint;
}

/** What is under way in a vCPU (`struct kvm_vcpu_events`, api.rst 4.31). */
export interface VcpuEvents {
  /** The exception being delivered (`injected`) or about to be (`pending`). */
  exception: {
    injected: boolean;
    nr: number;
    hasErrorCode: boolean;
    pending: boolean;
    errorCode: number;
  };
  /** The interrupt being delivered; `shadow`: `KVM_X86_SHADOW_INT_*`. */
  interrupt: { injected: boolean; nr: number; soft: boolean; shadow: number };
  /** The non-maskable interrupt. */
  nmi: { injected: boolean; pending: boolean; masked: boolean };
  /** The vector of a startup IPI that was received. */
  sipiVector: number;
  /** Which fields hold a value, or are to be set: `KVM_VCPUEVENT_VALID_*`. */
  flags: number;
  /** The system-management interrupt. */
  smi: { smm: boolean; pending: boolean; smmInsideNmi: boolean; latchedInit: boolean };
  /** A triple fault. */
  tripleFault: { pending: boolean };
  /** Whether `exceptionPayload` belongs to a pending exception. */
  exceptionHasPayload: boolean;
  /** CR2 of a page fault, or the bits of DR6 of a debug exception. */
  exceptionPayload: bigint;
}

/** A model-specific register (`struct kvm_msr_entry`). */
export interface MsrEntry {
  /** Its number: ECX of RDMSR. */
  index: number;
  /** Its value. */
  data: bigint;
}

/** What the guest's CPUID answers to one leaf (`struct kvm_cpuid_entry2`, api.rst 4.20). */
export interface CpuidEntry {
  /** The leaf: EAX before CPUID. */
  function: number;
  /** The subleaf, ECX before CPUID, where `flags` has `KVM_CPUID_FLAG_SIGNIFCANT_INDEX`. */
  index: number;
  /** `KVM_CPUID_FLAG_*` */
  flags: number;
  /** EAX after CPUID. */
  eax: number;
  /** EBX after CPUID. */
  ebx: number;
  /** ECX after CPUID. */
  ecx: number;
  /** EDX after CPUID. */
  edx: number;
}

/** One chip of the in-kernel interrupt controller (`struct kvm_irqchip`, api.rst 4.26). */
export interface Irqchip {
  /** `KVM_IRQCHIP_PIC_MASTER`, `KVM_IRQCHIP_PIC_SLAVE` or `KVM_IRQCHIP_IOAPIC`. */
  chipId: number;
  /** Its registers as KVM lays them out: `kvm_pic_state` or `kvm_ioapic_state` in 512 bytes. */
  chip: Uint8Array;
}

/** One counter of the in-kernel i8254 (`struct kvm_pit_channel_state`). */
export type PitChannelState =
  & Record<
    | "count"
    | "latchedCount"
    | "countLatched"
    | "statusLatched"
    | "status"
    | "readState"
    | "writeState"
    | "writeLatch"
    | "rwMode"
    | "mode"
    | "bcd"
    | "gate",
    number
  >
  & Record<"countLoadTime", bigint>;

/** The in-kernel i8254 timer (`struct kvm_pit_state2`, api.rst 4.72). */
export interface PitState2 {
  /** Its three counters. */
  channels: PitChannelState[];
  /** `KVM_PIT_FLAGS_*` */
  flags: number;
}

/** The VM's paravirtual clock (`struct kvm_clock_data`, api.rst 4.29). */
export interface ClockData {
  /** In nanoseconds. */
  clock: bigint;
  /** Which of the other fields hold a value: `KVM_CLOCK_*`. */
  flags: number;
  /** The host's wall clock in nanoseconds, with `KVM_CLOCK_REALTIME`. */
  realtime: bigint;
  /** The host's time-stamp counter, with `KVM_CLOCK_HOST_TSC`. */
  hostTsc: bigint;
}
