/**
 * Every request hlt makes of KVM, one line each, grouped by the descriptor it is made on. The
 * numbers are computed as `<asm-generic/ioctl.h>` does it, from the sizes of the struct layouts.
 *
 * @module
 */

import {
  kvmClockData,
  kvmCoalescedMmioZone,
  kvmCpuid2,
  kvmDebugregs,
  kvmDirtyLog,
  kvmEnableCap,
  kvmFpu,
  kvmGuestDebug,
  kvmInterrupt,
  kvmIoeventfd,
  kvmIrqchip,
  kvmIrqfd,
  kvmIrqLevel,
  kvmIrqRouting,
  kvmLapicState,
  kvmMpState,
  kvmMsi,
  kvmMsrFilter,
  kvmMsrList,
  kvmMsrs,
  kvmPitConfig,
  kvmPitState2,
  kvmRegs,
  kvmSignalMask,
  kvmSregs,
  kvmSregs2,
  kvmTranslation,
  kvmUserspaceMemoryRegion,
  kvmVcpuEvents,
  kvmXcrs,
  kvmXsave,
} from "./uapi.ts";
import { address } from "./struct.ts";

/** One request: its kernel name for messages, its number for the kernel. */
export interface Ioctl {
  readonly name: string;
  readonly request: bigint;
}

interface Sized {
  readonly size: number;
}

const KVMIO = 0xae;
const NONE = 0;
const WRITE = 1;
const READ = 2;

/** A request whose number is computed when it is first made, from the size of its struct. */
class Request implements Ioctl {
  name = "";
  readonly #direction: number;
  readonly #number: number;
  readonly #argument: Sized;
  #request: bigint | undefined;

  constructor(direction: number, number: number, argument: Sized = { size: 0 }) {
    this.#direction = direction;
    this.#number = number;
    this.#argument = argument;
  }

  /** `_IOC`: direction in bits 31–30, size in 29–16, type in 15–8, number in 7–0. */
  get request(): bigint {
    return this.#request ??= BigInt(
      ((this.#direction << 30) | (this.#argument.size << 16) | (KVMIO << 8) | this.#number) >>> 0,
    );
  }
}

const io = (number: number) => new Request(NONE, number);
const iow = (number: number, argument: Sized) => new Request(WRITE, number, argument);
const ior = (number: number, argument: Sized) => new Request(READ, number, argument);
const iowr = (number: number, argument: Sized) => new Request(READ | WRITE, number, argument);

function named<T extends Record<string, Request>>(requests: T): { [K in keyof T]: Ioctl } {
  for (const name in requests) requests[name]!.name = name;
  return requests;
}

/** The requests by their kernel names. */
export const ioctls = named({
  // The system: the descriptor of /dev/kvm.
  KVM_GET_API_VERSION: io(0x00),
  KVM_CREATE_VM: io(0x01),
  KVM_GET_MSR_INDEX_LIST: iowr(0x02, kvmMsrList),
  KVM_CHECK_EXTENSION: io(0x03),
  KVM_GET_VCPU_MMAP_SIZE: io(0x04),
  KVM_GET_SUPPORTED_CPUID: iowr(0x05, kvmCpuid2),
  KVM_GET_MSR_FEATURE_INDEX_LIST: iowr(0x0a, kvmMsrList),

  // A VM.
  KVM_CREATE_VCPU: io(0x41),
  KVM_GET_DIRTY_LOG: iow(0x42, kvmDirtyLog),
  KVM_SET_USER_MEMORY_REGION: iow(0x46, kvmUserspaceMemoryRegion),
  KVM_SET_TSS_ADDR: io(0x47),
  KVM_SET_IDENTITY_MAP_ADDR: iow(0x48, address),
  KVM_CREATE_IRQCHIP: io(0x60),
  KVM_IRQ_LINE: iow(0x61, kvmIrqLevel),
  KVM_GET_IRQCHIP: iowr(0x62, kvmIrqchip),
  KVM_SET_IRQCHIP: ior(0x63, kvmIrqchip),
  KVM_REGISTER_COALESCED_MMIO: iow(0x67, kvmCoalescedMmioZone),
  KVM_UNREGISTER_COALESCED_MMIO: iow(0x68, kvmCoalescedMmioZone),
  KVM_SET_GSI_ROUTING: iow(0x6a, kvmIrqRouting),
  KVM_IRQFD: iow(0x76, kvmIrqfd),
  KVM_CREATE_PIT2: iow(0x77, kvmPitConfig),
  KVM_IOEVENTFD: iow(0x79, kvmIoeventfd),
  KVM_SET_CLOCK: iow(0x7b, kvmClockData),
  KVM_GET_CLOCK: ior(0x7c, kvmClockData),
  KVM_SIGNAL_MSI: iow(0xa5, kvmMsi),
  KVM_GET_PIT2: ior(0x9f, kvmPitState2),
  KVM_SET_PIT2: iow(0xa0, kvmPitState2),
  KVM_X86_SET_MSR_FILTER: iow(0xc6, kvmMsrFilter),

  // A VM or a vCPU.
  KVM_ENABLE_CAP: iow(0xa3, kvmEnableCap),
  KVM_GET_STATS_FD: io(0xce),

  // The system or a vCPU.
  KVM_GET_MSRS: iowr(0x88, kvmMsrs),

  // A vCPU.
  KVM_RUN: io(0x80),
  KVM_GET_REGS: ior(0x81, kvmRegs),
  KVM_SET_REGS: iow(0x82, kvmRegs),
  KVM_GET_SREGS: ior(0x83, kvmSregs),
  KVM_SET_SREGS: iow(0x84, kvmSregs),
  KVM_TRANSLATE: iowr(0x85, kvmTranslation),
  KVM_INTERRUPT: iow(0x86, kvmInterrupt),
  KVM_SET_MSRS: iow(0x89, kvmMsrs),
  KVM_SET_SIGNAL_MASK: iow(0x8b, kvmSignalMask),
  KVM_GET_FPU: ior(0x8c, kvmFpu),
  KVM_SET_FPU: iow(0x8d, kvmFpu),
  KVM_GET_LAPIC: ior(0x8e, kvmLapicState),
  KVM_SET_LAPIC: iow(0x8f, kvmLapicState),
  KVM_SET_CPUID2: iow(0x90, kvmCpuid2),
  KVM_GET_CPUID2: iowr(0x91, kvmCpuid2),
  KVM_GET_MP_STATE: ior(0x98, kvmMpState),
  KVM_SET_MP_STATE: iow(0x99, kvmMpState),
  KVM_NMI: io(0x9a),
  KVM_SET_GUEST_DEBUG: iow(0x9b, kvmGuestDebug),
  KVM_GET_VCPU_EVENTS: ior(0x9f, kvmVcpuEvents),
  KVM_SET_VCPU_EVENTS: iow(0xa0, kvmVcpuEvents),
  KVM_SET_TSC_KHZ: io(0xa2),
  KVM_GET_TSC_KHZ: io(0xa3),
  KVM_GET_DEBUGREGS: ior(0xa1, kvmDebugregs),
  KVM_SET_DEBUGREGS: iow(0xa2, kvmDebugregs),
  KVM_GET_XSAVE: ior(0xa4, kvmXsave),
  KVM_SET_XSAVE: iow(0xa5, kvmXsave),
  KVM_GET_XCRS: ior(0xa6, kvmXcrs),
  KVM_SET_XCRS: iow(0xa7, kvmXcrs),
  KVM_GET_SREGS2: ior(0xcc, kvmSregs2),
  KVM_SET_SREGS2: iow(0xcd, kvmSregs2),
});
