/**
 * What this host's KVM can do, found out by trying.
 *
 * @module
 */

import { type Exit, hostBackend, Kvm } from "../kvm/mod.ts";
import { type Mode, modes, startIn } from "../x86/mod.ts";

/** Whether a mode works on this host. */
export interface ModeSupport {
  /** Whether a guest that only halts got there. */
  readonly works: boolean;
  /** What happened, where it did not work. */
  readonly reason: string;
}

/**
 * Tries a mode with a guest of one instruction, HLT.
 *
 * @throws {KvmError} When KVM cannot be used at all.
 */
export function tryMode(mode: Mode): ModeSupport {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  const ramSize = 2 * 1024 * 1024;
  const HLT = 0xf4;
  vm.addMemory({ size: ramSize }).bytes[0] = HLT;
  const vcpu = vm.createVcpu();
  startIn(vm, { vcpu, mode, entry: 0, stack: ramSize, ramSize });
  const exit = vcpu.run();
  return { works: exit.reason === "hlt", reason: whyNot(mode, exit) };
}

function whyNot(mode: Mode, exit: Exit): string {
  const what = modes[mode].paging === "32-bit" ? "32-bit paging" : modes[mode].description;
  return `${hostBackend() ?? "this KVM"} cannot run ${what}: ` +
    `the first KVM_RUN of a guest that only halts ended in ${exit.reason}`;
}
