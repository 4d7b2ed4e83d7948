/**
 * A guest of a few hand-assembled bytes, for the tests.
 *
 * @module
 */

import { type GuestMemory, Kvm, type Libc, type Vcpu, type Vm } from "../../src/kvm/mod.ts";
import { Tick } from "../../src/machine/tick.ts";

/** Where the code of a test's guest begins. */
export const CODE = 0x1000;

/** A VM with 64 KiB of RAM at 0 and one vCPU at the first instruction of the code, in real mode. */
export interface Guest extends Disposable {
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly memory: GuestMemory;
  /** The memory's bytes. */
  readonly ram: Uint8Array<ArrayBuffer>;
}

/** Makes a guest. All segments begin at 0, SP is 0x8000, interrupts are off. */
export function guestOf(
  code: number[],
  options: { libc?: Libc; setUp?: (vm: Vm) => void } = {},
): Guest {
  const kvm = Kvm.open(options);
  try {
    const vm = kvm.createVm();
    options.setUp?.(vm);
    const memory = vm.addMemory({ size: 0x10000 });
    memory.bytes.set(code, CODE);
    const vcpu = vm.createVcpu();
    vcpu.setCpuid(kvm.supportedCpuid());
    startAtCode(vcpu);
    return { kvm, vm, vcpu, memory, ram: memory.bytes, [Symbol.dispose]: () => kvm.close() };
  } catch (error) {
    kvm.close();
    throw error;
  }
}

/** Puts a new vCPU at the first instruction of the code, in real mode. */
export function startAtCode(vcpu: Vcpu): void {
  const { cs } = vcpu.getSregs();
  vcpu.setSregs({ cs: { ...cs, base: 0n, selector: 0 } });
  vcpu.setRegs({ rip: BigInt(CODE), rsp: 0x8000n, rflags: 2n });
}

/** Runs to the first exit, but for 20 s at most: the reason is "intr" then. */
export function runInTime(vcpu: Vcpu): string {
  using tick = new Tick();
  tick.interrupt(vcpu);
  tick.start();
  const end = performance.now() + 20_000;
  for (;;) {
    const { reason } = vcpu.run();
    if (reason !== "intr" || performance.now() > end) return reason;
    tick.take();
  }
}

/** Points the real-mode interrupt vector at an address below 64 KiB (Intel SDM vol. 3B §21.1.4). */
export function setVector(ram: Uint8Array, vector: number, address: number): void {
  ram.set([address & 0xff, address >> 8, 0, 0], 4 * vector);
}
