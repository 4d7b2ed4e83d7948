/**
 * The Linux KVM API: one class for each kind of file descriptor, as the kernel's documentation is
 * ordered (`Documentation/virt/kvm/api.rst` 2): {@linkcode Kvm}, {@linkcode Vm},
 * {@linkcode Vcpu}.
 *
 * @module
 */

export { capabilities, type Capability } from "./capability.ts";
export { KvmError, type KvmErrorOptions } from "./error.ts";
export {
  type BareExit,
  copyExit,
  type Exit,
  type InternalErrorExit,
  type IoExit,
  type MmioExit,
  type MsrExit,
} from "./exit.ts";
export type { Holders, Shared } from "./holders.ts";
export { type CpuFacts, type DeviceFacts, hostBackend, type HostFacts, hostFacts } from "./host.ts";
export { Kvm, type KvmOptions } from "./kvm.ts";
export { type Libc, libc } from "./libc.ts";
export { PAGE_SIZE } from "./memory.ts";
export type {
  ClockData,
  CpuidEntry,
  Debugregs,
  DescriptorTable,
  Fpu,
  Irqchip,
  MsrEntry,
  PitChannelState,
  PitState2,
  Regs,
  Segment,
  Sregs,
  Sregs2,
  SystemRegisters,
  VcpuEvents,
  Xcr,
} from "./state.ts";
export { uapi } from "./uapi.ts";
export {
  type CoalescedWrite,
  type GuestDebugOptions,
  type SyncRegsOptions,
  Vcpu,
  type VcpuState,
} from "./vcpu.ts";
export {
  type GsiRoute,
  GuestMemory,
  type IoeventfdOptions,
  type MemoryOptions,
  type Msi,
  type MsrFilterOptions,
  type SharedMemory,
  type SharedVm,
  Vm,
  type VmSetup,
} from "./vm.ts";
export { type MemoryImage, type SavedMachine, type SavedVcpu, Snapshot } from "./snapshot.ts";
export { WriteWatch } from "./write_watch.ts";
