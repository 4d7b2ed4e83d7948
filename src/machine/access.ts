import type { IoExit, MmioExit } from "../kvm/mod.ts";
import type { Disassembler } from "../x86/mod.ts";
import { instructionsBefore, LONGEST_INSTRUCTION } from "./code.ts";
import { describeExit } from "./describe_exit.ts";
import { describePlace, type View } from "./place.ts";
import { repeatedOpcode } from "./repeat.ts";

/**
 * The instruction that did an access: its RIP, the same on every host. At the exit itself RIP is at
 * the instruction or behind it, which depends on the host and on the kind of access.
 *
 * The exit must be the machine's last one. An OUT is completed, as {@linkcode Vcpu.complete} does.
 *
 * @param view The machine at the exit.
 * @param exit The access.
 * @param disassembler Finds the instruction before RIP where there is no listing.
 * @returns RIP; nothing where it cannot be told.
 */
export function accessPlace(
  view: View,
  exit: IoExit | MmioExit,
  disassembler?: Disassembler,
): bigint | undefined {
  const { rip } = view.registers.regs;
  switch (exit.direction) {
    // KVM needs the value before the instruction can go on.
    case "in":
    case "read":
      return rip;
    case "out":
      return isRepeated(view, STRING_OUTPUT) ? rip : outputPlace(view, exit);
    case "write":
      return isRepeated(view, STRING_STORE) && storesTo(view, exit)
        ? rip
        : before(view, disassembler);
  }
}

/** An access and its place: `It read port 0x60 (1 byte), at 0x7c05 <wait>, boot.asm:12: in al, 0x60`. */
export function describeAccess(
  view: View,
  exit: IoExit | MmioExit,
  disassembler?: Disassembler,
): string {
  const rip = accessPlace(view, exit, disassembler);
  const place = rip === undefined ? "" : `, at ${describePlace(view.place(rip))}`;
  return `I${describeExit(exit).slice(1)}${place}`;
}

/** OUTSB, OUTSW/OUTSD (Intel SDM vol. 2B). */
const STRING_OUTPUT: readonly number[] = [0x6e, 0x6f];
/** MOVS, STOS and INS, which store at ES:RDI. */
const STRING_STORE: readonly number[] = [0xa4, 0xa5, 0xaa, 0xab, 0x6c, 0x6d];

/** Whether RIP is at a repeated string instruction, where it stays until the last repetition. */
function isRepeated(view: View, opcodes: readonly number[]): boolean {
  const code = view.read(view.toLinear(view.registers.regs.rip), LONGEST_INSTRUCTION);
  const opcode = repeatedOpcode(code, view.bits);
  return opcode !== undefined && opcodes.includes(opcode);
}

/** Whether ES:RDI is at the address, or one element further. */
function storesTo(view: View, { address, data }: MmioExit): boolean {
  const { regs, sregs } = view.registers;
  const linear = view.bits === 64 ? regs.rdi : BigInt.asUintN(32, sregs.es.base + regs.rdi);
  const physical = view.physical(linear);
  return physical !== undefined && Math.abs(physical - address) <= data.length;
}

function outputPlace(view: View, exit: IoExit): bigint {
  const { rip } = view.registers.regs;
  view.machine.vcpu.complete();
  // Completing moved RIP over the instruction: it was at it.
  if (view.machine.vcpu.getRegs().rip !== rip) return rip;
  const length = rowLengthBefore(view) ?? outLength(view, exit);
  return rip - BigInt(length);
}

/** How long the OUT or OUTS is that ends at RIP. */
function outLength(view: View, { port, size }: IoExit): number {
  const { rip } = view.registers.regs;
  const bytes = view.read(view.toLinear(rip - 3n), 3);
  const hasPrefix = size !== 1 && (size === 2) !== (view.bits === 16);
  const isImmediate = (bytes[1] === 0xe6 || bytes[1] === 0xe7) && bytes[2] === port;
  return (isImmediate ? 2 : 1) + (hasPrefix ? 1 : 0);
}

/** The length of the source's instruction that ends at RIP. */
function rowLengthBefore(view: View): number | undefined {
  const last = view.physical(view.toLinear(view.registers.regs.rip - 1n));
  if (last === undefined) return undefined;
  const row = view.rowAt(last);
  const end = row && view.program.segments[0].address + row.offset + row.length;
  return end === last + 1 ? row!.length : undefined;
}

/** RET, IRET, JMP, HLT: what follows them is not what ran after them. */
const NEVER_FALLS_THROUGH: readonly number[] = [0xc2, 0xc3, 0xca, 0xcb, 0xcf, 0xe9, 0xeb, 0xf4];

/** The instruction that ends at RIP. */
function before(view: View, disassembler: Disassembler | undefined): bigint | undefined {
  const { rip } = view.registers.regs;
  const length = rowLengthBefore(view) ??
    (disassembler && instructionsBefore(view, { disassembler, rip }).at(-1)?.bytes.length);
  if (length === undefined) return undefined;
  const start = rip - BigInt(length);
  const [opcode] = view.read(view.toLinear(start), 1);
  return opcode === undefined || NEVER_FALLS_THROUGH.includes(opcode) ? undefined : start;
}
