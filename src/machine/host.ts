/**
 * What this host's KVM can do, found out by trying.
 *
 * @module
 */

import { type Exit, hostBackend, Kvm } from "../kvm/mod.ts";
import { type Mode, modes } from "../x86/mod.ts";

/** Whether a mode works on this host. */
export interface ModeSupport {
  /** Whether a guest that only halts got there. */
  readonly works: boolean;
  /** What happened, where it did not work. */
  readonly reason: string;
}

/**
 * Tries a mode with a guest of one instruction, HLT. Its page tables and control registers are
 * written out here instead of taken from {@linkcode startIn}: so that a mistake there is not taken
 * for a fault of the host.
 *
 * @throws {KvmError} When KVM cannot be used at all.
 */
export function tryMode(mode: Mode): ModeSupport {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  const { bytes } = vm.addMemory({ size: 0x5000 });
  bytes[0] = 0xf4; // hlt
  const vcpu = vm.createVcpu();
  const { cs } = vcpu.getSregs();
  const code = { ...cs, base: 0n, selector: 8, limit: 0xffff_ffff, g: 1 };
  switch (mode) {
    case "real":
      vcpu.setSregs({ cs: { ...cs, base: 0n, selector: 0 } });
      break;
    case "protected":
      vcpu.setSregs({ cs: { ...code, db: 1 }, cr0: 0x11n });
      break;
    case "paged":
      // One 4 MiB page: present, writable, user, PS.
      bytes.set([0x87, 0, 0, 0], 0x1000);
      vcpu.setSregs({ cs: { ...code, db: 1 }, cr0: 0x8000_0011n, cr3: 0x1000n, cr4: 0x10n });
      break;
    case "long":
      // PML4 → PDPT → page directory with one 2 MiB page.
      bytes.set([0x07, 0x20], 0x1000);
      bytes.set([0x07, 0x30], 0x2000);
      bytes.set([0x87, 0x00], 0x3000);
      vcpu.setSregs({
        cs: { ...code, l: 1, db: 0 },
        cr0: 0x8000_0011n,
        cr3: 0x1000n,
        cr4: 0x20n,
        efer: 0x500n,
      });
      break;
  }
  vcpu.setRegs({ rip: 0n, rflags: 2n });
  const exit = vcpu.run();
  return { works: exit.reason === "hlt", reason: whyNot(mode, exit) };
}

function whyNot(mode: Mode, exit: Exit): string {
  const what = modes[mode].paging === "32-bit" ? "32-bit paging" : modes[mode].description;
  return `${hostBackend() ?? "this KVM"} cannot run ${what}: ` +
    `the first KVM_RUN of a guest that only halts ended in ${exit.reason}`;
}
