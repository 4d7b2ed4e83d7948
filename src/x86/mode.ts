import type { Segment, Vcpu, Vm } from "../kvm/mod.ts";
import { uapi } from "../kvm/uapi.ts";
import { CR0, CR4, EFER } from "./control.ts";
import { identityMap } from "./paging.ts";

/** A CPU mode a guest can be started in. */
export type Mode = "real" | "protected" | "paged" | "long";

/** What distinguishes the modes. */
export interface ModeProperties {
  /** The size of addresses and operands where an instruction does not say. */
  bits: 16 | 32 | 64;
  /** The kind of paging that is switched on. */
  paging: "none" | "32-bit" | "4-level";
  /** In a few words, for people. */
  description: string;
  /** The highest address at which a guest can start. */
  maxEntry: number;
  /** The highest stack pointer. */
  maxStack: number;
}

/** The modes, in the order in which a PC goes through them. */
export const modes: Readonly<Record<Mode, ModeProperties>> = {
  real: {
    bits: 16,
    paging: "none",
    description: "16-bit real mode",
    maxEntry: 0xf_ffff,
    maxStack: 0xffff,
  },
  protected: {
    bits: 32,
    paging: "none",
    description: "32-bit protected mode",
    maxEntry: 0xffff_ffff,
    maxStack: 0xffff_ffff,
  },
  paged: {
    bits: 32,
    paging: "32-bit",
    description: "32-bit protected mode with paging",
    maxEntry: 0xffff_ffff,
    maxStack: 0xffff_ffff,
  },
  long: {
    bits: 64,
    paging: "4-level",
    description: "64-bit long mode",
    // The tables map 512 GiB.
    maxEntry: 0x7f_ffff_ffff,
    maxStack: 0x80_0000_0000,
  },
};

/** RFLAGS with every flag clear: bit 1 is always set (Intel SDM vol. 1 §3.4.3). */
const RFLAGS_CLEAR = 1n << 1n;

/** The segment types of descriptors (Intel SDM vol. 3A §3.4.5.1): accessed, as a load leaves them. */
const CODE_EXECUTE_READ = 0b1011;
const DATA_READ_WRITE = 0b0011;

/**
 * Where the page tables of the paged modes lie, in a memory slot of their own: so the guest's RAM is
 * all its own. It is in the range below 4 GiB that PCs keep for devices.
 */
export const PAGE_TABLES_ADDRESS = 0xfd00_0000;

/**
 * Where KVM on Intel may put three pages of its own, to run real mode on CPUs that cannot, and one
 * more for an identity map: in the same range, where no RAM is (api.rst 4.36 and 4.40).
 */
export const TSS_ADDRESS = 0xfeff_d000;
/** {@linkcode TSS_ADDRESS} */
export const IDENTITY_MAP_ADDRESS = 0xfeff_c000;

/** Where a guest starts. */
export interface StartOptions {
  /**
   * The linear address of the first instruction. In real mode one below 64 KiB starts with CS = 0
   * and IP = the address, as a BIOS enters a boot sector; a higher one with all segment registers =
   * address >> 4 and IP = address & 15.
   */
  entry: number;
  /** The stack pointer; in real mode up to 0xffff, in the 32-bit modes up to 0xffffffff. */
  stack: number;
  /** How many bytes of RAM the page tables map, from address 0. */
  ramSize: number;
}

/**
 * Puts a vCPU into a mode, at its first instruction: what firmware and a boot loader would have done.
 * All general registers but RSP and RIP are zero, interrupts are off, and there is no GDT and no
 * IDT: a guest that loads a segment register or takes an exception sets up its own. An unfinished
 * access is abandoned ({@linkcode Vcpu.abandon}), and a vCPU that waits for an interrupt or to be
 * started runs. FPU, debug and model-specific registers, TR and LDTR stay as they are.
 *
 * @param vm The vCPU's VM; the paged modes get a memory slot with page tables, made anew each time.
 * @param options The mode and the place to start.
 * @throws {RangeError} When the mode cannot reach the entry point or the stack, or map the RAM.
 */
export function startIn(vm: Vm, options: StartOptions & { vcpu: Vcpu; mode: Mode }): void {
  const { vcpu, mode, entry, stack, ramSize } = options;
  const { description, maxEntry, maxStack } = modes[mode];
  checkReach(entry, { what: `start in ${description} at`, most: maxEntry });
  checkReach(stack, { what: `put the stack of ${description} at`, most: maxStack });
  const tables = identityMap(mode, { at: PAGE_TABLES_ADDRESS, size: ramSize });
  // It might still write to memory, or over the registers.
  vcpu.abandon();
  if (tables.length > 0) placeTables(vm, tables);
  const { code, data, ip } = mode === "real"
    ? realModeSegments(entry)
    : { ...flatSegments(modes[mode].bits), ip: entry };
  const { paging } = modes[mode];
  vcpu.setSregs({
    cs: code,
    ds: data,
    es: data,
    fs: data,
    gs: data,
    ss: data,
    gdt: { base: 0n, limit: 0 },
    // In real mode 256 interrupt vectors of 4 bytes lie at address 0 (Intel SDM vol. 3B §21.1.4).
    idt: { base: 0n, limit: mode === "real" ? 0x3ff : 0 },
    cr0: CR0.ET | (mode === "real" ? 0n : CR0.PE | CR0.NE) | (paging === "none" ? 0n : CR0.PG),
    cr2: 0n,
    cr3: paging === "none" ? 0n : BigInt(PAGE_TABLES_ADDRESS),
    cr4: startingCr4(mode),
    cr8: 0n,
    efer: paging === "4-level" ? EFER.LME | EFER.LMA : 0n,
  });
  vcpu.setRegs({
    rax: 0n,
    rbx: 0n,
    rcx: 0n,
    rdx: 0n,
    rsi: 0n,
    rdi: 0n,
    rbp: 0n,
    r8: 0n,
    r9: 0n,
    r10: 0n,
    r11: 0n,
    r12: 0n,
    r13: 0n,
    r14: 0n,
    r15: 0n,
    rsp: BigInt(stack),
    rip: BigInt(ip),
    rflags: RFLAGS_CLEAR,
  });
  // Without the in-kernel interrupt controller it is never anything else.
  if (vm.setup.irqchip) vcpu.setMpState(uapi.KVM_MP_STATE_RUNNABLE);
}

/** CR4 of a guest that starts in a mode. */
export function startingCr4(mode: Mode): bigint {
  const { paging } = modes[mode];
  return paging === "32-bit" ? CR4.PSE : paging === "4-level" ? CR4.PAE : 0n;
}

/** A VM that starts again has a slot for them already; another mode's may be of another size. */
function placeTables(vm: Vm, tables: Uint8Array): void {
  const guestAddress = PAGE_TABLES_ADDRESS;
  let slot = vm.memory.find((memory) => memory.guestAddress === guestAddress);
  if (slot?.size !== tables.length) {
    slot?.remove();
    slot = vm.addMemory({ guestAddress, size: tables.length });
  }
  slot.write(0, tables);
}

function checkReach(address: number, { what, most }: { what: string; most: number }): void {
  if (Number.isInteger(address) && address >= 0 && address <= most) return;
  const limit = `an address is between 0 and 0x${most.toString(16)}`;
  throw new RangeError(`Cannot ${what} 0x${address.toString(16)}: ${limit}`);
}

interface StartSegments {
  code: Segment;
  data: Segment;
  ip: number;
}

/** In real mode a segment's base is its selector times 16 (Intel SDM vol. 3B §21.1.1). */
function realModeSegments(entry: number): StartSegments {
  const selector = entry < 0x1_0000 ? 0 : entry >> 4;
  const segment = {
    base: BigInt(selector * 16),
    limit: 0xffff,
    selector,
    present: 1,
    dpl: 0,
    db: 0,
    s: 1,
    l: 0,
    g: 0,
    avl: 0,
    unusable: 0,
  };
  return {
    code: { ...segment, type: CODE_EXECUTE_READ },
    data: { ...segment, type: DATA_READ_WRITE },
    ip: entry - selector * 16,
  };
}

/** Segments that begin at 0 and reach 4 GiB; in 64-bit mode only the code segment's bits count. */
function flatSegments(bits: 16 | 32 | 64): { code: Segment; data: Segment } {
  const segment = {
    base: 0n,
    limit: 0xffff_ffff,
    present: 1,
    dpl: 0,
    s: 1,
    g: 1,
    avl: 0,
    unusable: 0,
  };
  const is64 = bits === 64;
  return {
    code: {
      ...segment,
      selector: 0x08,
      type: CODE_EXECUTE_READ,
      db: is64 ? 0 : 1,
      l: is64 ? 1 : 0,
    },
    data: { ...segment, selector: 0x10, type: DATA_READ_WRITE, db: 1, l: 0 },
  };
}
