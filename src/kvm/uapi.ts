/**
 * The structs and constants of the KVM API, as `<linux/kvm.h>` and x86's `<asm/kvm.h>` declare
 * them. Each struct is an interface (its value) and a layout of the same name (its bytes).
 * `tests/kvm/uapi_test.ts` compares all of it with the installed header through the C compiler.
 *
 * @module
 */

import {
  address,
  array,
  bool8,
  bytes,
  padding,
  s16,
  s32,
  s64,
  type Struct,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "./struct.ts";
import type * as state from "./state.ts";

/**
 * Constants by their kernel names. What is newer than Linux 6.1's header says which kernel added
 * it; the values are those of that kernel's `include/uapi/linux/kvm.h`.
 */
export const uapi = {
  /** The only version there has been since Linux 2.6.22 (api.rst 4.1). */
  KVM_API_VERSION: 12,

  KVM_MEM_LOG_DIRTY_PAGES: 1 << 0,
  KVM_MEM_READONLY: 1 << 1,

  KVM_COALESCED_MMIO_PAGE_OFFSET: 2,
  KVM_DIRTY_LOG_PAGE_OFFSET: 64,

  KVM_PIT_SPEAKER_DUMMY: 1,

  KVM_IRQCHIP_PIC_MASTER: 0,
  KVM_IRQCHIP_PIC_SLAVE: 1,
  KVM_IRQCHIP_IOAPIC: 2,

  KVM_IRQ_ROUTING_IRQCHIP: 1,
  KVM_IRQ_ROUTING_MSI: 2,

  KVM_IRQFD_FLAG_DEASSIGN: 1 << 0,
  KVM_IRQFD_FLAG_RESAMPLE: 1 << 1,

  KVM_IOEVENTFD_FLAG_DATAMATCH: 1 << 0,
  KVM_IOEVENTFD_FLAG_PIO: 1 << 1,
  KVM_IOEVENTFD_FLAG_DEASSIGN: 1 << 2,

  KVM_CLOCK_TSC_STABLE: 2,
  KVM_CLOCK_REALTIME: 1 << 2,
  KVM_CLOCK_HOST_TSC: 1 << 3,

  KVM_MP_STATE_RUNNABLE: 0,
  KVM_MP_STATE_UNINITIALIZED: 1,
  KVM_MP_STATE_INIT_RECEIVED: 2,
  KVM_MP_STATE_HALTED: 3,
  KVM_MP_STATE_SIPI_RECEIVED: 4,

  KVM_GUESTDBG_ENABLE: 0x1,
  KVM_GUESTDBG_SINGLESTEP: 0x2,
  KVM_GUESTDBG_USE_SW_BP: 0x10000,
  KVM_GUESTDBG_USE_HW_BP: 0x20000,
  KVM_GUESTDBG_INJECT_DB: 0x40000,
  KVM_GUESTDBG_INJECT_BP: 0x80000,
  KVM_GUESTDBG_BLOCKIRQ: 0x100000,

  KVM_VCPUEVENT_VALID_NMI_PENDING: 0x01,
  KVM_VCPUEVENT_VALID_SIPI_VECTOR: 0x02,
  KVM_VCPUEVENT_VALID_SHADOW: 0x04,
  KVM_VCPUEVENT_VALID_SMM: 0x08,
  KVM_VCPUEVENT_VALID_PAYLOAD: 0x10,
  KVM_VCPUEVENT_VALID_TRIPLE_FAULT: 0x20,

  KVM_SREGS2_FLAGS_PDPTRS_VALID: 1,

  KVM_CPUID_FLAG_SIGNIFCANT_INDEX: 1 << 0,

  KVM_SYNC_X86_REGS: 1 << 0,
  KVM_SYNC_X86_SREGS: 1 << 1,
  KVM_SYNC_X86_EVENTS: 1 << 2,

  KVM_MSR_FILTER_READ: 1 << 0,
  KVM_MSR_FILTER_WRITE: 1 << 1,
  KVM_MSR_FILTER_DEFAULT_ALLOW: 0,
  KVM_MSR_FILTER_DEFAULT_DENY: 1 << 0,

  KVM_MSR_EXIT_REASON_INVAL: 1 << 0,
  KVM_MSR_EXIT_REASON_UNKNOWN: 1 << 1,
  KVM_MSR_EXIT_REASON_FILTER: 1 << 2,

  KVM_EXIT_IO_IN: 0,
  KVM_EXIT_IO_OUT: 1,

  KVM_INTERNAL_ERROR_EMULATION: 1,
  KVM_INTERNAL_ERROR_SIMUL_EX: 2,
  KVM_INTERNAL_ERROR_DELIVERY_EV: 3,
  KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON: 4,
  KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES: 1 << 0,

  KVM_SYSTEM_EVENT_SHUTDOWN: 1,
  KVM_SYSTEM_EVENT_RESET: 2,
  KVM_SYSTEM_EVENT_CRASH: 3,
  KVM_SYSTEM_EVENT_WAKEUP: 4,
  KVM_SYSTEM_EVENT_SUSPEND: 5,
  KVM_SYSTEM_EVENT_SEV_TERM: 6,
  /** Linux 6.16. */
  KVM_SYSTEM_EVENT_TDX_FATAL: 7,

  KVM_EXIT_HYPERV_SYNIC: 1,
  KVM_EXIT_HYPERV_HCALL: 2,
  KVM_EXIT_HYPERV_SYNDBG: 3,
  KVM_EXIT_XEN_HCALL: 1,

  KVM_NOTIFY_CONTEXT_INVALID: 1 << 0,
  /** Linux 6.8. */
  KVM_MEMORY_EXIT_FLAG_PRIVATE: 1 << 3,
} as const;

// Memory and devices of a VM.

/** `struct kvm_userspace_memory_region`: a memory slot (api.rst 4.35). */
export const kvmUserspaceMemoryRegion = struct(
  "kvm_userspace_memory_region",
  { slot: u32, flags: u32, guest_phys_addr: address, memory_size: address, userspace_addr: u64 },
);

/** `struct kvm_dirty_log` (api.rst 4.8). */
export const kvmDirtyLog = struct("kvm_dirty_log", {
  slot: u32,
  padding1: padding(4),
  dirty_bitmap: u64,
});

/** `struct kvm_irq_level`: the level of one interrupt line (api.rst 4.25). */
export const kvmIrqLevel = struct("kvm_irq_level", { irq: u32, level: u32 });

export const kvmIrqchip: Struct<state.Irqchip> = struct("kvm_irqchip", {
  chip_id: u32,
  pad: padding(4),
  chip: bytes(512),
});

/** `struct kvm_pit_config` (api.rst 4.71). */
export const kvmPitConfig = struct("kvm_pit_config", {
  flags: u32,
  pad: padding(15, u32),
});

export const kvmPitChannelState: Struct<state.PitChannelState> = struct("kvm_pit_channel_state", {
  count: u32,
  latched_count: u16,
  count_latched: u8,
  status_latched: u8,
  status: u8,
  read_state: u8,
  write_state: u8,
  write_latch: u8,
  rw_mode: u8,
  mode: u8,
  bcd: u8,
  gate: u8,
  count_load_time: s64,
});

export const kvmPitState2: Struct<state.PitState2> = struct("kvm_pit_state2", {
  channels: array(kvmPitChannelState, 3),
  flags: u32,
  reserved: padding(9, u32),
});

/** `struct kvm_irqfd` (api.rst 4.75). */
export const kvmIrqfd = struct("kvm_irqfd", {
  fd: u32,
  gsi: u32,
  flags: u32,
  resamplefd: u32,
  pad: padding(16),
});

/** `struct kvm_msi`: a message-signalled interrupt (api.rst 4.71). */
export const kvmMsi = struct("kvm_msi", {
  address_lo: u32,
  address_hi: u32,
  data: u32,
  flags: u32,
  devid: u32,
  pad: padding(12),
});

/** `struct kvm_irq_routing`, without the entries behind it (api.rst 4.52). */
export const kvmIrqRouting = struct("kvm_irq_routing", { nr: u32, flags: u32 });

/** `struct kvm_irq_routing_entry`; `u` is one of the two structs below. */
export const kvmIrqRoutingEntry = struct("kvm_irq_routing_entry", {
  gsi: u32,
  type: u32,
  flags: u32,
  pad: padding(4),
  u: padding(8, u32),
});

/** `struct kvm_irq_routing_irqchip` */
export const kvmIrqRoutingIrqchip = struct("kvm_irq_routing_irqchip", { irqchip: u32, pin: u32 });

/** `struct kvm_irq_routing_msi` */
export const kvmIrqRoutingMsi = struct("kvm_irq_routing_msi", {
  address_lo: u32,
  address_hi: u32,
  data: u32,
  devid: u32,
});

/** `struct kvm_ioeventfd` (api.rst 4.59). */
export const kvmIoeventfd = struct("kvm_ioeventfd", {
  datamatch: u64,
  addr: address,
  len: u32,
  fd: s32,
  flags: u32,
  pad: padding(36),
});

/** `struct kvm_coalesced_mmio_zone` (api.rst 4.116). */
export const kvmCoalescedMmioZone = struct("kvm_coalesced_mmio_zone", {
  addr: address,
  size: u32,
  pio: u32,
});

/** `struct kvm_coalesced_mmio`: one write in the ring. */
export const kvmCoalescedMmio = struct("kvm_coalesced_mmio", {
  phys_addr: address,
  len: u32,
  pio: u32,
  data: bytes(8),
});

/** `struct kvm_coalesced_mmio_ring`, without the entries behind it. */
export const kvmCoalescedMmioRing = struct("kvm_coalesced_mmio_ring", {
  first: u32,
  last: u32,
});

export const kvmClockData: Struct<state.ClockData> = struct("kvm_clock_data", {
  clock: u64,
  flags: u32,
  pad0: padding(4),
  realtime: u64,
  host_tsc: u64,
  pad: padding(4, u32),
});

/** `struct kvm_enable_cap` (api.rst 4.37). */
export const kvmEnableCap = struct("kvm_enable_cap", {
  cap: u32,
  flags: u32,
  args: array(u64, 4),
  pad: padding(64),
});

/** `struct kvm_stats_header` (api.rst 4.133). */
export const kvmStatsHeader = struct("kvm_stats_header", {
  flags: u32,
  name_size: u32,
  num_desc: u32,
  id_offset: u32,
  desc_offset: u32,
  data_offset: u32,
});

/** `struct kvm_stats_desc` (api.rst 4.133); its name follows. */
export const kvmStatsDesc = struct("kvm_stats_desc", {
  flags: u32,
  exponent: s16,
  size: u16,
  offset: u32,
  bucket_size: u32,
});

/** `struct kvm_msr_filter_range` (api.rst 4.97). */
export const kvmMsrFilterRange = struct("kvm_msr_filter_range", {
  flags: u32,
  nmsrs: u32,
  base: u32,
  bitmap: u64,
});

/** `struct kvm_msr_filter` (api.rst 4.97). */
export const kvmMsrFilter = struct("kvm_msr_filter", {
  flags: u32,
  ranges: array(kvmMsrFilterRange, 16),
});

// The state of a vCPU.

export const kvmRegs: Struct<state.Regs> = struct("kvm_regs", {
  rax: u64,
  rbx: u64,
  rcx: u64,
  rdx: u64,
  rsi: u64,
  rdi: u64,
  rsp: u64,
  rbp: u64,
  r8: u64,
  r9: u64,
  r10: u64,
  r11: u64,
  r12: u64,
  r13: u64,
  r14: u64,
  r15: u64,
  rip: u64,
  rflags: u64,
});

export const kvmSegment: Struct<state.Segment> = struct("kvm_segment", {
  base: u64,
  limit: u32,
  selector: u16,
  type: u8,
  present: u8,
  dpl: u8,
  db: u8,
  s: u8,
  l: u8,
  g: u8,
  avl: u8,
  unusable: u8,
  padding: padding(1),
});

export const kvmDtable: Struct<state.DescriptorTable> = struct("kvm_dtable", {
  base: u64,
  limit: u16,
  padding: padding(3, u16),
});

const systemRegisters = {
  cs: kvmSegment,
  ds: kvmSegment,
  es: kvmSegment,
  fs: kvmSegment,
  gs: kvmSegment,
  ss: kvmSegment,
  tr: kvmSegment,
  ldt: kvmSegment,
  gdt: kvmDtable,
  idt: kvmDtable,
  cr0: u64,
  cr2: u64,
  cr3: u64,
  cr4: u64,
  cr8: u64,
  efer: u64,
  apic_base: u64,
};

export const kvmSregs: Struct<state.Sregs> = struct("kvm_sregs", {
  ...systemRegisters,
  interrupt_bitmap: array(u64, 4),
});

export const kvmSregs2: Struct<state.Sregs2> = struct("kvm_sregs2", {
  ...systemRegisters,
  flags: u64,
  pdptrs: array(u64, 4),
});

export const kvmFpu: Struct<state.Fpu> = struct("kvm_fpu", {
  fpr: bytes(8 * 16),
  fcw: u16,
  fsw: u16,
  ftwx: u8,
  pad1: padding(1),
  last_opcode: u16,
  last_ip: u64,
  last_dp: u64,
  xmm: bytes(16 * 16),
  mxcsr: u32,
  pad2: padding(4),
});

export const kvmXcr: Struct<state.Xcr> = struct("kvm_xcr", {
  xcr: u32,
  reserved: padding(4),
  value: u64,
});

/** `struct kvm_xcrs`: extended control registers (api.rst 4.44). */
export const kvmXcrs = struct("kvm_xcrs", {
  nr_xcrs: u32,
  flags: u32,
  xcrs: array(kvmXcr, 16),
  padding: padding(16, u64),
});

export const kvmDebugregs: Struct<state.Debugregs> = struct("kvm_debugregs", {
  db: array(u64, 4),
  dr6: u64,
  dr7: u64,
  flags: u64,
  reserved: padding(9, u64),
});

export const kvmVcpuEvents: Struct<state.VcpuEvents> = struct("kvm_vcpu_events", {
  exception: struct("kvm_vcpu_events.exception", {
    injected: bool8,
    nr: u8,
    has_error_code: bool8,
    pending: bool8,
    error_code: u32,
  }),
  interrupt: struct("kvm_vcpu_events.interrupt", {
    injected: bool8,
    nr: u8,
    soft: bool8,
    shadow: u8,
  }),
  nmi: struct("kvm_vcpu_events.nmi", {
    injected: bool8,
    pending: bool8,
    masked: bool8,
    pad: padding(1),
  }),
  sipi_vector: u32,
  flags: u32,
  smi: struct("kvm_vcpu_events.smi", {
    smm: bool8,
    pending: bool8,
    smm_inside_nmi: bool8,
    latched_init: bool8,
  }),
  triple_fault: struct("kvm_vcpu_events.triple_fault", { pending: bool8 }),
  reserved: padding(26),
  exception_has_payload: bool8,
  exception_payload: u64,
});

/** `struct kvm_mp_state` (api.rst 4.38). */
export const kvmMpState = struct("kvm_mp_state", { mp_state: u32 });

/** `struct kvm_lapic_state`: the local APIC's register page (api.rst 4.57). */
export const kvmLapicState = struct("kvm_lapic_state", { regs: bytes(0x400) });

/** `struct kvm_xsave`: the XSAVE area (api.rst 4.42). */
export const kvmXsave = struct("kvm_xsave", { region: bytes(4096) });

export const kvmMsrEntry: Struct<state.MsrEntry> = struct("kvm_msr_entry", {
  index: u32,
  reserved: padding(4),
  data: u64,
});

/** `struct kvm_msrs`, without the entries behind it (api.rst 4.18). */
export const kvmMsrs = struct("kvm_msrs", { nmsrs: u32, pad: padding(4) });

/** `struct kvm_msr_list`, without the indices behind it (api.rst 4.3). */
export const kvmMsrList = struct("kvm_msr_list", { nmsrs: u32 });

export const kvmCpuidEntry2: Struct<state.CpuidEntry> = struct("kvm_cpuid_entry2", {
  function: u32,
  index: u32,
  flags: u32,
  eax: u32,
  ebx: u32,
  ecx: u32,
  edx: u32,
  padding: padding(3, u32),
});

/** `struct kvm_cpuid2`, without the entries behind it (api.rst 4.20). */
export const kvmCpuid2 = struct("kvm_cpuid2", { nent: u32, padding: padding(4) });

/** `struct kvm_guest_debug` (api.rst 4.87). */
export const kvmGuestDebug = struct("kvm_guest_debug", {
  control: u32,
  pad: padding(4),
  arch: struct("kvm_guest_debug_arch", { debugreg: array(u64, 8) }),
});

/** `struct kvm_translation`: a walk of the guest's page tables (api.rst 4.15). */
export const kvmTranslation = struct("kvm_translation", {
  linear_address: u64,
  physical_address: u64,
  valid: bool8,
  writeable: bool8,
  usermode: bool8,
  pad: padding(5),
});

/** `struct kvm_interrupt` (api.rst 4.16). */
export const kvmInterrupt = struct("kvm_interrupt", { irq: u32 });

/** `struct kvm_signal_mask`, without the set behind it (api.rst 4.21). */
export const kvmSignalMask = struct("kvm_signal_mask", { len: u32 });

/** `struct kvm_sync_regs`: registers shared through `kvm_run` (api.rst 5). */
export const kvmSyncRegs = struct("kvm_sync_regs", {
  regs: kvmRegs,
  sregs: kvmSregs,
  events: kvmVcpuEvents,
});
