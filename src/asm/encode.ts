import { Bytes } from "./bytes.ts";
import { level64 } from "./cpu.ts";
import { AssemblyError, type SourceLine, type Span } from "./error.ts";
import type { Base, Term, Value } from "./expression.ts";
import {
  type Bits,
  type Encoding,
  encodingOf,
  FAR,
  IMMEDIATE,
  MEMORY,
  type Row,
  type Vex,
} from "./instructions.ts";
import { findRow, isBound, type Place, targetOffset } from "./match.ts";
import type { Operand } from "./operand.ts";
import { type Instruction, OTHER, type Prefixes } from "./parser.ts";
import type { Register, RegisterClass } from "./register.ts";

/**
 * Appends an instruction's bytes. Its operands' values must be up to date.
 *
 * @param instruction The instruction.
 * @param place Where it stands.
 * @param out Where its bytes go.
 * @returns Whether the bytes would be others elsewhere, though the operands be the same.
 * @throws {AssemblyError} If no form of the instruction takes these operands.
 */
export function encode(instruction: Instruction, place: Place, out: Bytes): boolean {
  if (hasOther(instruction.prefixes)) instruction = resolvePrefixes(instruction, place.bits);
  const { mnemonic, prefixes } = instruction;
  if (mnemonic === "") {
    if (/bnd/.test(prefixes.repeatWord) || prefixes.encoding !== "") {
      throw new AssemblyError("There is no instruction behind this prefix", { line: place.line });
    }
    emitPrefixes(instruction, { place, out, repeat: prefixes.repeat });
    return false;
  }
  const found = findRow(instruction, place);
  const row = found.whole ?? found;
  if (found.whole) instruction = writeOut(instruction, row);
  if (prefixes.lock !== 0 && !isLockable(instruction)) {
    place.warn(
      "LOCK is only for some instructions with a destination in memory: the CPU refuses this",
    );
  }
  const { operands } = instruction;
  let memory: Operand | undefined;
  for (let i = 0; i < operands.length; i++) {
    const { kind } = operands[i]!;
    if (kind === MEMORY || (kind === IMMEDIATE && row.operands[i]!.isAddress)) memory = operands[i];
  }
  const address = memory && resolveAddress(memory, place, row, instruction.prefixes.addressSize);
  emit(instruction, row, address, place, out);
  return row.hasTarget || address?.isRelative === true;
}

/** The instruction with the operand that was left out: it is the one before it again. */
function writeOut(instruction: Instruction, { operands: patterns }: Row): Instruction {
  const at = patterns.findIndex(({ isOptional }) => isOptional);
  const { operands } = instruction;
  return { ...instruction, operands: operands.toSpliced(at, 0, operands[at - 1]!) };
}

/** The other modes in which an instruction that there is not in this one would assemble. */
export function modesOf(instruction: Instruction, place: Place): Bits[] {
  return ([16, 32, 64] as const).filter((bits) => {
    if (bits === place.bits) return false;
    try {
      encode(instruction, { ...place, bits, addressOf: () => 0, warn: () => {} }, new Bytes());
      return true;
    } catch (error) {
      if (!(error instanceof AssemblyError)) throw error;
      return false;
    }
  });
}

/** Whether LOCK may stand before an instruction (SDM volume 2, LOCK). */
function isLockable({ mnemonic, operands }: Instruction): boolean {
  const [first, second] = operands;
  return /^(ad[cd]|and|bt[crs]|cmpxchg(8b|16b|486)?|dec|inc|neg|not|x?or|sbb|sub|xadd|xchg)$/
    .test(mnemonic) &&
    (first?.kind === MEMORY || (mnemonic === "xchg" && second?.kind === MEMORY));
}

/** Whether `osp` or `asp` is among the prefixes. */
function hasOther({ operandSize, addressSize }: Prefixes): boolean {
  return operandSize === OTHER || addressSize === OTHER;
}

/** `osp` and `asp` are the sizes that the mode does not have by itself. */
function resolvePrefixes(instruction: Instruction, bits: Bits): Instruction {
  const { operandSize, addressSize } = instruction.prefixes;
  const prefixes = {
    ...instruction.prefixes,
    operandSize: operandSize !== OTHER ? operandSize : bits === 16 ? 32 : 16,
    addressSize: addressSize !== OTHER ? addressSize : bits === 32 ? 16 : 32,
  };
  return { ...instruction, prefixes };
}

/** A memory operand, ready to be encoded. */
interface Address {
  /** The ModR/M byte without its reg field. */
  modrm: number;
  /** The SIB byte, or −1. */
  sib: number;
  /** The displacement. */
  displacement: bigint;
  /** Its size in bytes. */
  displacementSize: number;
  /** Whether it is relative to the next instruction. */
  isRelative: boolean;
  /** REX.B and REX.X. */
  rex: number;
  /** The address size. */
  size: number;
}

const noTerms: Value["terms"] = [];

function resolveAddress(operand: Operand, place: Place, row: Row, prefixSize: number): Address {
  const fail = (reason: string) => new AssemblyError(reason, { line: place.line, span: operand });
  const { value } = operand;
  const { terms } = value;
  let count = 0;
  for (let i = 0; i < terms.length; i++) {
    const { of, factor } = terms[i]!;
    if (!("class" in of)) {
      if (Math.abs(factor) !== 1 && operand.kind === MEMORY) throw neither(place, operand);
    } else if ((of.class !== "general" && of.class !== row.index) || of.size === 8) {
      throw fail(`Register ${of.name} cannot be part of an address`);
    } else count++;
  }
  // Most addresses have registers only, or none.
  const isPure = count === terms.length;
  const registers = isPure ? terms : count === 0 ? noTerms : terms.filter(isRegister);
  const bases = isPure ? noTerms : count === 0 ? terms : terms.filter((term) => !isRegister(term));
  const roles = count === 0
    ? undefined
    : row.index
    ? assignVector(registers, row.index, fail)
    : assignRegisters(registers, operand, fail);
  const displacement = relocate(value.number, bases, place, operand);
  // A section's address that is subtracted does not keep NASM from taking the rest for a known number.
  const isKnown = !value.unknown && bases.every(({ factor }) => factor < 0);
  if (roles?.base && roles.index && !row.index && roles.base.size !== roles.index.size) {
    throw fail(`Registers ${roles.base.name} and ${roles.index.name} differ in size`);
  }
  const size = row.index && roles
    ? roles.base?.size ?? (prefixSize || place.bits)
    : (roles?.base ?? roles?.index)?.size ?? plainSize(operand, place, prefixSize);
  if (prefixSize !== 0 && prefixSize !== size) {
    throw fail(`The prefix a${prefixSize} contradicts the ${size}-bit address`);
  }
  if (roles && size === (place.bits === 64 ? 16 : 64)) {
    throw fail(`There are no ${size}-bit addresses in ${place.bits}-bit mode`);
  }
  const { displacementSize } = operand;
  if (roles && displacementSize > 8 && displacementSize !== (size === 16 ? 16 : 32)) {
    throw fail(`A ${size}-bit address has no ${displacementSize}-bit displacement`);
  }
  const address: Address = {
    modrm: 0,
    sib: -1,
    displacement,
    displacementSize: 0,
    isRelative: false,
    rex: 0,
    size,
  };
  if (row.hasOffset) {
    address.displacementSize = size / 8;
    return address;
  }
  if (!roles) return resolvePlain(address, operand, place);
  const small = size === 16 ? BigInt.asIntN(16, displacement) : BigInt.asIntN(32, displacement);
  const { base, index, scale } = roles;
  let mode = 2;
  if (size === 16) {
    const form = shortForm(base, index, scale);
    if (form < 0) throw fail("A 16-bit address is made of bx or bp, si or di, and a number");
    address.modrm = form;
    if (isKnown && small === 0n && form !== 6 && operand.displacementSize === 0) mode = 0;
  } else {
    if (index && isStackPointer(index)) throw fail(`${index.name} cannot be an index`);
    const log = [1, 2, 4, 8].indexOf(scale);
    if (index && log < 0) throw fail(`The scale is 1, 2, 4 or 8, not ${scale}`);
    const baseBits = base ? base.number & 7 : 5;
    if (index || baseBits === 4) {
      address.modrm = 4;
      address.sib = (index ? log << 6 | (index.number & 7) << 3 : 4 << 3) | baseBits;
    } else address.modrm = baseBits;
    address.rex = (base && base.number > 7 ? 1 : 0) | (index && index.number > 7 ? 2 : 0);
    if (!base) {
      address.displacementSize = 4;
      return address;
    }
    if (isKnown && small === 0n && baseBits !== 5 && operand.displacementSize === 0) mode = 0;
  }
  if (mode !== 0) {
    const isShort = operand.displacementSize === 8 ||
      (isKnown && small >= -128n && small <= 127n);
    const isByte = !operand.isWide && isShort;
    mode = isByte ? 1 : 2;
    address.displacementSize = isByte ? 1 : size === 16 ? 2 : 4;
  }
  address.modrm |= mode << 6;
  return address;
}

function isRegister({ of }: Term): boolean {
  return "class" in of;
}

/** The address size where no register tells it. */
function plainSize(operand: Operand, place: Place, prefixSize: number): number {
  const { displacementSize } = operand;
  const isOfAddress = displacementSize === 16 || (displacementSize > 16 && place.bits !== 64);
  if (isOfAddress) return displacementSize;
  return prefixSize || place.bits;
}

/** An address without registers: relative to the next instruction, or absolute. */
function resolvePlain(address: Address, operand: Operand, place: Place): Address {
  address.displacementSize = address.size === 16 ? 2 : 4;
  if (address.size === 16) {
    address.modrm = 6;
    return address;
  }
  address.modrm = 5;
  if (place.bits !== 64) return address;
  const isThread = operand.override?.name === "fs" || operand.override?.name === "gs";
  const { terms } = operand.value;
  address.isRelative = terms.length > 0 && terms.every(({ factor }) => factor > 0) &&
    (operand.relative ?? (place.isRelative && !isThread));
  if (!address.isRelative) {
    address.modrm = 4;
    address.sib = 0x25;
    if (operand.relative && terms.length === 0) {
      place.warn("A number is no address relative to RIP: it is taken as it is", operand);
    }
  }
  return address;
}

/** Which register of an address is its base, and which its index. */
interface Roles {
  readonly base: Register | undefined;
  readonly index: Register | undefined;
  readonly scale: number;
}

/**
 * Assigns the registers of an address as NASM does. Of two without a factor the first one written
 * becomes the base, unless it was multiplied, if only by one. But where the address was added up of
 * like things NASM has forgotten which came first, and takes them by their names. A single
 * register with a factor becomes base and index where that makes the address shorter:
 * `[eax*2]` is `[eax+eax]`, `[eax*5]` is `[eax+eax*4]`.
 */
function assignRegisters(
  registers: Value["terms"],
  operand: Operand,
  fail: (reason: string) => AssemblyError,
): Roles {
  const [written] = registers;
  const isSummed = operand.value.isSummed === true;
  const sorted = registers.length === 1 ? registers : registers.toSorted(byName);
  let base: Register | undefined;
  let index: Register | undefined;
  let scale = 0;
  for (const { of, factor } of sorted) {
    if (factor === 1 && !base) base = of as Register;
    else if (!index) {
      index = of as Register;
      scale = factor;
    } else throw fail("An address has at most two registers, and one with a factor");
  }
  const wantsIndex = !isSummed && written!.scaled ? written!.of : undefined;
  const wantsBase = !isSummed && !written!.scaled ? written!.of : undefined;
  if ((base ?? index)!.size === 16) {
    if (index && scale !== 1) throw fail("A 16-bit address has no factors");
    return { base: base ?? index, index: base && index, scale };
  }
  if (scale === 1 && base && base !== index && (wantsIndex === base || wantsBase === index)) {
    [base, index] = [index, base];
  }
  const keepsIndex = operand.nosplit && !isSummed;
  const isSplit = scale === 3 || scale === 5 || scale === 9 ||
    (scale === 2 && !isStackPointer(index!) && !keepsIndex);
  if (!base && isSplit) return { base: index, index, scale: scale - 1 };
  // R12 needs a SIB byte as RSP does.
  if (!index && keepsIndex && wantsIndex === base && (base!.number & 7) !== 4) {
    return { base: undefined, index: base, scale: 1 };
  }
  return index && isStackPointer(index) && scale === 1
    ? { base: index, index: base, scale }
    : { base, index, scale };
}

/** A vector register is the index, wherever it is written (SDM volume 2, §2.3.12). */
function assignVector(
  registers: Value["terms"],
  vector: RegisterClass,
  fail: (reason: string) => AssemblyError,
): Roles {
  const index = registers.find(({ of }) => (of as Register).class === vector)!;
  const others = registers.filter((term) => term !== index);
  const base = others[0]?.of as Register | undefined;
  if (others.length > 1 || (base && (base.class !== "general" || others[0]!.factor !== 1))) {
    const { name } = index.of;
    throw fail(`Beside ${name} an address has one general register, and that without a factor`);
  }
  return { base, index: index.of as Register, scale: index.factor };
}

function byName({ of: a }: Term, { of: b }: Term): number {
  return a.name < b.name ? -1 : 1;
}

function isStackPointer(register: Register): boolean {
  return register.number === 4 && register.class === "general";
}

/** The r/m field of a 16-bit address (SDM volume 2, table 2-1); −1 if there is none. */
function shortForm(base: Register, index: Register | undefined, scale: number): number;
function shortForm(base: Register | undefined, index: Register | undefined, scale: number): number;
function shortForm(
  base: Register | undefined,
  index: Register | undefined,
  scale: number,
): number {
  if (!base || (index && scale !== 1)) return -1;
  if (!index) return ["si", "di", "bp", "bx"].indexOf(base.name) + 4 - (isIn16(base) ? 0 : 5);
  const pair = [base.name, index.name].sort().join("+");
  return ["bx+si", "bx+di", "bp+si", "bp+di"].indexOf(pair);
}

function isIn16(register: Register): boolean {
  return ["si", "di", "bp", "bx"].includes(register.name);
}

/**
 * A number with the addresses of the sections it is relative to: one section's address may be added,
 * and that of the section where it stands subtracted.
 */
function relocate(
  number: bigint,
  terms: Value["terms"],
  place: Place,
  span: Span,
): bigint {
  let added: Base | undefined;
  for (const { of, factor } of terms) {
    if ("class" in of) {
      throw new AssemblyError(`Register ${of.name} cannot be part of an immediate`, {
        line: place.line,
        span,
      });
    }
    // NASM takes a multiple of an address for the number that it is within the section.
    if (Math.abs(factor) !== 1) continue;
    if (factor === 1 ? added !== undefined : of !== place.section) throw neither(place, span);
    if (factor === 1) added = of;
    number += BigInt(factor * place.addressOf(of));
  }
  return number;
}

/** An error for a sum of addresses that no address can be made of. */
export function neither({ line }: { readonly line: SourceLine }, span: Span): AssemblyError {
  const reason = "The sum or multiple of addresses is neither a number nor an address";
  return new AssemblyError(reason, { line, span });
}

/** The value of an operand as bytes will hold it. */
export function finalValue(value: Value, place: Place, span: Span): bigint {
  return value.terms.length === 0 ? value.number : relocate(value.number, value.terms, place, span);
}

interface Emission {
  readonly place: Place;
  readonly out: Bytes;
  readonly encoding?: Encoding;
  readonly addressSize?: number;
  readonly override?: Register | undefined;
  readonly repeat: number;
}

/** The legacy prefixes, in NASM's order: wait, repeat, lock, segment, operand size, address size. */
function emitPrefixes(
  { prefixes, operands }: Instruction,
  { place, out, encoding, addressSize, override, repeat }: Emission,
): void {
  const { bits } = place;
  if (encoding?.hasWait || prefixes.wait) out.byte(0x9B);
  if (repeat) out.byte(repeat);
  if (prefixes.lock) out.byte(0xF0);
  if (override && prefixes.segment) {
    throw new AssemblyError(
      `There are two segments: ${prefixes.segment.name} and ${override.name}`,
      {
        line: place.line,
      },
    );
  }
  const segment = override ?? prefixes.segment;
  if (segment) {
    out.byte(segmentPrefix[segment.number]!);
    if (bits === 64 && segment.number < 4) {
      place.warn(`Segment ${segment.name} says nothing in 64-bit mode: its base is 0`);
    }
  }
  const ownOperandSize = encoding?.operandSize ?? 0;
  const operandSize = prefixes.operandSize || ownOperandSize;
  const isContrary = operandSize !== ownOperandSize && ownOperandSize !== 0;
  if (isContrary && !encoding!.roles.includes("target")) {
    place.warn(`The prefix o${operandSize} contradicts the ${ownOperandSize}-bit operation`);
  }
  if (operandSize === 64 && bits !== 64) {
    throw new AssemblyError("There is no 64-bit operand size in this mode", { line: place.line });
  }
  if ((operandSize === 16 && bits !== 16) || (operandSize === 32 && bits === 16)) out.byte(0x66);
  // The instruction's own address size and its operand's may differ; one prefix is for both.
  const size = addressSize || prefixes.addressSize || bits;
  const ownSize = encoding?.addressSize || bits;
  if (size === bits && ownSize === bits) return;
  const impossible = bits === 64 ? 16 : 64;
  if (size === impossible || ownSize === impossible || encoding?.addressSize === 64) {
    throw new AssemblyError(`There are no ${size}-bit addresses in ${bits}-bit mode`, {
      line: place.line,
      span: operands.find((operand) => operand.kind === MEMORY),
    });
  }
  out.byte(0x67);
}

const segmentPrefix = [0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65];

function emit(
  instruction: Instruction,
  row: Row,
  address: Address | undefined,
  place: Place,
  out: Bytes,
): void {
  const start = out.length;
  const { operands } = instruction;
  const encoding = encodingOf(row);
  let reg = encoding.digit;
  let rm = -1;
  const isWidened = instruction.prefixes.operandSize === 64 && !encoding.ignoresWide;
  let rex = encoding.isWide || isWidened ? 0x48 : 0;
  if (instruction.prefixes.encoding !== "") {
    checkEncoding(instruction.prefixes.encoding, encoding, place);
    if (!encoding.vex) rex |= 0x40;
  }
  let plus = 0;
  let vvvv = 0;
  let last4 = -1;
  let high: Register | undefined;
  // NASM then takes SPL and its like without a REX prefix.
  const { rejectsHigh } = encoding;
  let override: Register | undefined;
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i]!;
    const { register } = operand;
    if (operand.kind === MEMORY) override = operand.override;
    if (!register) continue;
    if (register.high) high = register;
    const needsRex = register.low && !rejectsHigh;
    if (needsRex) rex |= 0x40;
    if (
      place.bits !== 64 &&
      ((register.number > 7 && register.class !== "control" && encoding.roles[i] !== "is4") ||
        register.size === 64 && register.class === "general" || needsRex)
    ) {
      throw new AssemblyError(`Register ${register.name} exists in 64-bit mode only`, {
        line: place.line,
        span: operand,
      });
    }
    switch (encoding.roles[i]) {
      case "reg":
        reg = register.number & 7;
        if (register.number > 7) rex |= 0x44;
        break;
      case "rm":
        rm = register.number & 7;
        if (register.number > 7) rex |= encoding.isTwice ? 0x45 : 0x41;
        if (encoding.isTwice) reg = rm;
        break;
      case "opcode":
        plus = register.number & 7;
        if (register.number > 7) rex |= 0x41;
        break;
      case "vvvv":
        vvvv = register.number;
        break;
      case "is4":
        last4 = register.number << 4;
    }
  }
  if (address && address.rex !== 0) rex |= 0x40 | address.rex;
  if (high && (rex !== 0 || rejectsHigh)) {
    throw new AssemblyError(`Register ${high.name} cannot be used with a REX prefix`, {
      line: place.line,
      span: operands.find((operand) => operand.register === high),
    });
  }
  // AMD's CPUs take LOCK for the fourth bit of a control register's number (APM volume 3, MOV CRn).
  const isLockBit = place.bits !== 64 && (rex & 4) !== 0;
  if (isLockBit) {
    rex = 0;
    if (instruction.prefixes.lock !== 0 || place.cpu.level < level64) {
      throw new AssemblyError("LOCK is to stand for a part of the register's number here", {
        line: place.line,
      });
    }
  }
  const addressSize = address?.size ?? 0;
  const repeat = findRepeat(instruction, row, place);
  if (place.bits !== 64 && address && address.rex !== 0) {
    throw new AssemblyError("Such an address exists in 64-bit mode only", {
      line: place.line,
      span: operands.find(({ kind }) => kind === MEMORY),
    });
  }
  emitPrefixes(instruction, { place, out, encoding, addressSize, override, repeat });
  if (isLockBit) out.byte(0xF0);
  if (encoding.vex) {
    const isShort = emitVex(encoding.vex, {
      rex,
      vvvv,
      wanted: instruction.prefixes.encoding,
      out,
    });
    if (!isShort && instruction.prefixes.encoding === "{vex2}") throw noEncoding("{vex2}", place);
  } else {
    if (encoding.prefix) out.byte(encoding.prefix);
    if (rex !== 0) out.byte(rex);
  }
  const last = encoding.opcode.length - 1;
  for (let i = 0; i < last; i++) out.byte(encoding.opcode[i]!);
  if (last >= 0) out.byte(encoding.opcode[last]! + plus);
  let relativeAt = -1;
  if (encoding.digit !== -2) {
    if (rm >= 0) out.byte(0xC0 | reg << 3 | rm);
    else if (address) {
      out.byte(address.modrm | reg << 3);
      if (address.sib >= 0) out.byte(address.sib);
    }
  }
  if (address && address.displacementSize > 0) {
    if (address.isRelative) relativeAt = out.length;
    else if (out.marks || !isByte(address.displacement)) {
      const operand = memoryOf(instruction, row);
      const size = address.displacementSize;
      checkSize(operand.value, size, { place, span: operand });
      markAddress(operand.value, out, size);
    }
    out.number(address.displacement, address.displacementSize);
  }
  for (const byte of encoding.suffix) out.byte(byte);
  if (last4 >= 0) out.byte(last4);
  emitImmediates(instruction, row, { place, out, start });
  if (relativeAt >= 0) {
    patchRelative(memoryOf(instruction, row).value, { at: relativeAt, size: 4, start, place, out });
  }
}

/** The operand that is an address, with brackets or without. */
function memoryOf({ operands }: Instruction, row: Row): Operand {
  return operands.find(({ kind }, i) =>
    kind === MEMORY || (kind === IMMEDIATE && row.operands[i]!.isAddress)
  )!;
}

/** F2 or F3 before the instruction; a short jump that `bnd` was written before goes without it. */
function findRepeat({ prefixes, operands }: Instruction, row: Row, place: Place): number {
  if (isBound(prefixes, row, place)) return 0xF2;
  const isDropped = prefixes.repeatWord === "bnd" && !row.takesBound && row.isOptional &&
    operands[0]!.distance !== "short";
  return isDropped ? 0 : prefixes.repeat;
}

/** `{rex}` is for 64-bit mode and what has no VEX prefix, `{vex}` and the like for what has one. */
function checkEncoding(wanted: string, { vex }: Encoding, place: Place): void {
  const isPossible = wanted === "{rex}" ? !vex && place.bits === 64 : vex !== undefined;
  if (!isPossible) throw noEncoding(wanted, place);
}

function noEncoding(wanted: string, { line, bits }: Place): AssemblyError {
  return new AssemblyError(`There is no ${wanted} encoding of this in ${bits}-bit mode`, { line });
}

/** A VEX prefix, of two bytes where they suffice (SDM volume 2, §2.3.5); tells whether they do. */
function emitVex(
  vex: Vex,
  { rex, vvvv, wanted, out }: { rex: number; vvvv: number; wanted: string; out: Bytes },
): boolean {
  const tail = (~vvvv & 15) << 3 | vex.long << 2 | vex.prefix;
  const r = rex & 4 ? 0 : 0x80;
  const isShort = vex.map === 1 && vex.wide === 0 && (rex & 3) === 0 && wanted !== "{vex3}";
  if (isShort) {
    out.byte(0xC5);
    out.byte(r | tail);
  } else {
    out.byte(vex.map < 8 ? 0xC4 : 0x8F);
    out.byte(r | (rex & 2 ? 0 : 0x40) | (rex & 1 ? 0 : 0x20) | vex.map);
    out.byte(vex.wide << 7 | tail);
  }
  return isShort;
}

/**
 * Warns of a number that does not fit into `size` bytes. As in NASM a negative one may have one bit
 * more, so that `~1` fits; what the CPU extends by its sign to `extended` bits must fit as such.
 */
export function checkSize(
  { terms, number }: Value,
  size: number,
  { place, span, extended }: { place: Place; span: Span; extended?: number | undefined },
): void {
  if (size >= 8 || isByte(number)) return;
  if (terms.some(({ of }) => !("class" in of))) return;
  const limit = 1n << BigInt(extended ?? 8 * size);
  const isInRange = number >= -limit && number < limit;
  const isSame = extended === undefined ||
    BigInt.asIntN(8 * size, number) === BigInt.asIntN(extended, number);
  if (isInRange && isSame) return;
  const sign = extended === undefined ? "" : " with a sign";
  place.warn(`${number} does not fit into ${size === 1 ? "a byte" : `${size} bytes`}${sign}`, span);
}

/** Whether a number fits everywhere, which most do. */
function isByte(number: bigint): boolean {
  return number >= -128n && number <= 127n;
}

function isSignExtended({ operands }: Row, index: number): boolean {
  const { limit } = operands[index]!;
  return limit === "signed8" || limit === "signed32";
}

/** Marks what is written next if it is relative to a section. */
export function markAddress({ terms, number }: Value, out: Bytes, size: number): void {
  if (!out.marks || !terms.some(({ of }) => !("class" in of))) return;
  out.marks.push({ kind: "address", at: out.length, size, value: number });
}

interface Immediates {
  readonly place: Place;
  readonly out: Bytes;
  readonly start: number;
}

function emitImmediates(
  instruction: Instruction,
  row: Row,
  { place, out, start }: Immediates,
): void {
  const { roles, immediates, isWide } = encodingOf(row);
  let next = 0;
  for (let i = 0; i < roles.length; i++) {
    const role = roles[i];
    const operand = instruction.operands[i]!;
    if (role === "immediate") {
      const size = immediates[next++]!;
      const value = finalValue(operand.value, place, operand);
      if (!isByte(value)) {
        const isSigned = isWide && size === 4 || isSignExtended(row, i);
        const extended = isSigned ? row.operandSize || place.bits : undefined;
        checkSize(operand.value, size, { place, span: operand, extended });
      }
      markAddress(operand.value, out, size);
      out.number(value, size);
      if (operand.kind === FAR) {
        markAddress(operand.segmentValue, out, 2);
        out.number(finalValue(operand.segmentValue, place, operand), 2);
      }
    } else if (role === "target") {
      const size = immediates[next++]!;
      const at = out.length;
      out.number(0n, size);
      const hasLonger = row.isOptional;
      patchRelative(operand.value, { at, size, start, place, out, span: operand, hasLonger });
    }
  }
}

interface Patch extends Immediates {
  readonly at: number;
  readonly size: number;
  readonly span?: Span;
  /** Whether the instruction has a form for targets farther away. */
  readonly hasLonger?: boolean;
}

/** Writes the distance from the end of the instruction to a target. */
function patchRelative(
  value: Value,
  { at, size, start, place, out, span, hasLonger }: Patch,
): void {
  const length = out.length - start;
  const end = place.offset + length;
  let distance: number;
  const target = value.unknown ? end : targetOffset(value, place);
  if (target !== undefined) distance = target - end;
  else {
    const from = place.section ? place.addressOf(place.section) : 0;
    const to = finalValue(value, place, span ?? { start: 0, end: 0 });
    distance = Number(BigInt.asIntN(32, to - BigInt(from + end)));
    out.marks?.push({ kind: "distance", at, size, value: value.number });
  }
  if (value.terms.some(({ factor }) => factor === -1)) {
    throw new AssemblyError("A distance is no target", { line: place.line, span });
  }
  // How far a target outside the section is, NASM does not ask.
  if (size === 1 && target !== undefined && (distance < -128 || distance > 127)) {
    const longer = hasLonger ? ": leave out short" : ": it has no other form";
    throw new AssemblyError(
      `The short jump is out of range: ${distance} is not in -128 to 127${longer}`,
      { line: place.line, span },
    );
  }
  if (size === 2 && target !== undefined && (distance < -65536 || distance > 65535)) {
    place.warn(`The target is out of range: ${distance} does not fit into 2 bytes`, span);
  }
  out.patch(at, distance, size);
}
