import { anyCpu, type Cpu, levelOf } from "./cpu.ts";
import { AssemblyError, type SourceLine, type Span } from "./error.ts";
import { type Base, isScalar, type Value } from "./expression.ts";
import {
  type Bits,
  encodingOf,
  FAR,
  findRows,
  IMMEDIATE,
  MEMORY,
  type Pattern,
  REGISTER,
  type Row,
} from "./instructions.ts";
import { whyNone } from "./mistakes.ts";
import { isIndexed, type Operand } from "./operand.ts";
import type { Instruction, Prefixes } from "./parser.ts";

/** Where an instruction stands: what its encoding depends on besides itself. */
export interface Place {
  /** The line, for messages. */
  readonly line: SourceLine;
  /** The mode. */
  readonly bits: Bits;
  /** The section it is in; undefined if it has an absolute address. */
  readonly section: Base | undefined;
  /** Its offset there. */
  readonly offset: number;
  /** Whether `default rel` is in force. */
  readonly isRelative: boolean;
  /** Whether `default bnd` is in force. */
  readonly isBound: boolean;
  /** What `cpu` allows. */
  readonly cpu: Cpu;
  /** The address of a section; 0 as long as addresses are not settled. */
  addressOf(base: Base): number;
  /** Told of what is doubtful but not wrong. */
  warn(message: string, span?: Span): void;
}

/** Chooses the first row that fits (the table is ordered so that this is the shortest). */
export function findRow(instruction: Instruction, place: Place): Row {
  const { mnemonic, operands } = instruction;
  const known = findRows(mnemonic, place.bits)!;
  let kinds = 0;
  for (let i = 0; i < operands.length; i++) kinds |= operands[i]!.kind << 4 * i;
  const rows = known.ofKinds(kinds);
  let hasMissing = false;
  // Sizes that would make an unsized memory operand fit, for NASM's guess where only one does.
  let missing = 0;
  let guess: Row | undefined;
  let isTooNew = false;
  for (const row of rows) {
    const fit = matches(row, instruction, place);
    if (fit === "no") continue;
    if (fit === "yes") {
      if (place.cpu === anyCpu || isKnownTo(place.cpu, row, instruction, place.bits)) return row;
      isTooNew = true;
      continue;
    }
    hasMissing = true;
    const size = row.operands.find((pattern) => (pattern.kinds & MEMORY) !== 0)!.size;
    if (missing === 0) {
      missing = size;
      guess = row.commonSize === 0 ? row : undefined;
    } else if (missing !== size) guess = undefined;
  }
  if (guess && isOnlySize(missing, instruction, kinds, place)) {
    if (isKnownTo(place.cpu, guess, instruction, place.bits)) return guess;
    isTooNew = true;
  }
  const span = operands.length > 0
    ? { start: operands[0]!.start, end: operands.at(-1)!.end }
    : undefined;
  const fail = (reason: string) => new AssemblyError(reason, { line: place.line, span });
  if (isTooNew) throw fail(`CPU ${place.cpu.name} has no such ${mnemonic}`);
  if (hasMissing) {
    throw fail("The operation size is not specified: write byte, word, dword or qword");
  }
  if (known.all.length === 0) throw fail(`There is no ${mnemonic} in ${place.bits}-bit mode`);
  throw fail(whyNone(instruction, known.all));
}

/** Whether the CPU that the source is for has an instruction. */
function isKnownTo(cpu: Cpu, row: Row, { mnemonic, operands }: Instruction, bits: Bits): boolean {
  return (cpu.hasVex || !encodingOf(row).vex) &&
    levelOf(row, mnemonic, { operands, bits }) <= cpu.level;
}

/** Whether no row of another mode would take the operands with another size: that is no guess. */
function isOnlySize(
  size: number,
  instruction: Instruction,
  kinds: number,
  place: Place,
): boolean {
  for (const bits of [16, 32, 64] as const) {
    for (const row of findRows(instruction.mnemonic, bits)!.ofKinds(kinds)) {
      if (matches(row, instruction, place) !== "size missing") continue;
      if (row.operands.some(({ kinds, size: other }) => (kinds & MEMORY) && other !== size)) {
        return false;
      }
    }
  }
  return true;
}

type Fit = "yes" | "no" | "size missing";

function matches(row: Row, instruction: Instruction, place: Place): Fit {
  const { operands, prefixes } = instruction;
  // NASM does not look at the prefixes where it chose a short jump itself.
  if (prefixes.repeatWord !== "") {
    const isChosen = row.isOptional && operands[0]!.distance !== "short";
    if (!isChosen && !takesRepeat(row, prefixes)) return "no";
  }
  let fit: Fit = "yes";
  for (let i = 0; i < operands.length; i++) {
    const pattern = row.operands[i]!;
    const operand = operands[i]!;
    if (operand.to && !pattern.isTo) return "no";
    switch (operand.kind) {
      case REGISTER: {
        const register = operand.register!;
        if (pattern.register !== undefined) {
          if (pattern.register !== register.name) return "no";
          const isSized = register.class === "general" || register.class === "segment";
          if (operand.size !== 0 && !isSized) return "no";
          break;
        }
        if (pattern.class !== register.class || pattern.isTo !== operand.to) return "no";
        if (pattern.except === register.name) return "no";
        if (pattern.class === "general") {
          if (pattern.size !== 0 && pattern.size !== register.size) return "no";
        } else if (!takesWrittenSize(row, pattern, operand)) return "no";
        break;
      }
      case MEMORY:
        if (pattern.isFar !== (operand.distance === "far")) return "no";
        if (operand.distance === "short" || (operand.distance === "near" && !row.takesBound)) {
          return "no";
        }
        if (pattern.isOffset && !isOffsetOnly(operand, prefixes, place)) return "no";
        if (pattern.index && !isIndexed(operand, pattern.index)) return "no";
        if (pattern.isAnySize || operand.size === pattern.size) break;
        if (operand.size !== 0) return "no";
        if (row.isVex) break;
        if (row.commonSize === pattern.size && givesSize(row, operands)) break;
        if (row.isModeSized && pattern.size === place.bits) break;
        fit = "size missing";
        break;
      case IMMEDIATE:
        if (pattern.isAddress) break;
        if (!takesImmediate(pattern, operand, row, instruction, place)) return "no";
        break;
      case FAR:
        if (operand.distance !== undefined) return "no";
        if (operand.size !== 0 ? operand.size !== pattern.size : pattern.size !== modeSize(place)) {
          return "no";
        }
    }
  }
  return fit;
}

/**
 * Whether a size may be written before a register that is no general one. Such of the system have
 * a size of their own, whatever is written; MMX registers have that of the memory in their place.
 */
function takesWrittenSize(row: Row, pattern: Pattern, { size, distance }: Operand): boolean {
  if (distance !== undefined) return false;
  if (size === 0) return true;
  switch (pattern.class) {
    case "x87":
      return false;
    case "xmm":
    case "ymm":
      return size === pattern.size || row.words.includes(sizeWords[size]!);
    case "mmx": {
      if (row.words.includes(sizeWords[size]!)) return true;
      const memory = row.operands.find(({ kinds }) => (kinds & MEMORY) !== 0);
      return size === memory?.size && (memory.class === "mmx" || size === 32);
    }
    default:
      return true;
  }
}

/** The words of a row for sizes that may be written before any operand. */
const sizeWords: Readonly<Record<number, string>> = {
  16: "word",
  32: "dword",
  64: "qword",
  128: "oword",
  256: "yword",
};

function takesRepeat(row: Row, { repeatWord }: Prefixes): boolean {
  // A store without a ModR/M byte takes no hint to elide a lock.
  if (row.operands[0]?.isOffset && /^x/.test(repeatWord)) return false;
  const isBound = repeatWord === "bnd" || repeatWord === "nobnd";
  return row.takesBound ? repeatWord !== "repne" && repeatWord !== "repnz" : !isBound;
}

/** The size that operands have in a mode by default; far pointers have no 64-bit form. */
function modeSize(place: Place): number {
  return place.bits === 16 ? 16 : 32;
}

/** Whether a register or an immediate with a written size settles the memory operand's size. */
function givesSize(row: Row, operands: readonly Operand[]): boolean {
  return operands.some((operand, i) =>
    operand.kind === REGISTER
      ? row.operands[i]!.register === undefined || row.hasOffset
      : operand.kind === IMMEDIATE && operand.size === row.commonSize && operand.size < 64
  );
}

/** Whether memory can be an offset in the instruction itself, without a ModR/M byte. */
function isOffsetOnly(operand: Operand, prefixes: Prefixes, place: Place): boolean {
  if (!isPlainAddress(operand) || operand.displacementSize === 8) return false;
  if (place.bits !== 64) return true;
  const isWide = operand.displacementSize === 64;
  return (prefixes.addressSize === 32 ? !isWide : isWide) && operand.relative !== true;
}

/** Whether a memory operand's brackets hold no register. */
function isPlainAddress(operand: Operand): boolean {
  return isScalar(operand.value) ||
    operand.value.terms.every((term) => !("class" in term.of));
}

function takesImmediate(
  pattern: Pattern,
  operand: Operand,
  row: Row,
  instruction: Instruction,
  place: Place,
): boolean {
  const { size, value, strict, distance } = operand;
  if (pattern.isTarget) return takesTarget(pattern, operand, row, instruction, place);
  if (distance !== undefined) return false;
  if (pattern.isUnsized) return size === 0 || (size === 64 && row.words.includes("qword"));
  const isNumber = value.terms.length === 0 && !value.unknown;
  if (pattern.limit === "one") return size === 0 && isNumber && value.number === 1n;
  if (pattern.limit === "signed8") {
    if (size === 8) return !row.isModeSized || pattern.size === place.bits;
    if (strict) return false;
    if (
      row.isModeSized && size === 0
        ? pattern.size !== place.bits
        : size !== 0 && size !== pattern.size
    ) {
      return false;
    }
    return isNumber && fitsSigned8(value.number, pattern.size);
  }
  if (pattern.limit === undefined) {
    return size === 0 ? !row.isModeSized || pattern.size === place.bits : size === pattern.size;
  }
  if (size === 32 && pattern.limit === "signed32") return true;
  if (strict || (size !== 0 && size !== 64) || !isNumber) return false;
  return pattern.limit === "signed32"
    ? BigInt.asIntN(32, value.number) === value.number
    : BigInt.asUintN(32, value.number) === value.number;
}

/**
 * Whether sign-extending the low byte gives the same operand, as the operand size sees it: of a
 * quadword's immediate only 32 bits are encoded.
 */
function fitsSigned8(number: bigint, size: number): boolean {
  if (number >= -128n && number <= 127n) return true;
  if (size === 0) return false;
  const wrapped = BigInt.asIntN(size === 64 ? 32 : size, number);
  return wrapped >= -128n && wrapped <= 127n;
}

/** A short jump is taken if the target is near enough, and in the first pass if it is not known. */
function takesTarget(
  pattern: Pattern,
  operand: Operand,
  row: Row,
  instruction: Instruction,
  place: Place,
): boolean {
  const { distance, size, value } = operand;
  if (pattern.limit === "bare" && (distance !== undefined || size !== 0)) return false;
  if (distance === "far" || (pattern.isUnsized && size !== 0 && distance !== "near")) return false;
  if (pattern.size !== 8) return distance !== "short" && pattern.size === (size || place.bits);
  if (!row.isOptional) return distance === undefined;
  if (distance === "short") return size === 0;
  if (distance === "near" || operand.strict || size !== 0) return false;
  if (value.unknown) return true;
  const target = targetOffset(value, place);
  if (target === undefined) return false;
  const length = encodingOf(row).opcode.length + 1 + prefixCount(instruction, row, place);
  const delta = target - (place.offset + length);
  return delta >= -128 && delta <= 127;
}

function prefixCount({ prefixes }: Instruction, row: Row, place: Place): number {
  return (prefixes.repeat || isBound(prefixes, row, place) ? 1 : 0) + (prefixes.lock ? 1 : 0) +
    (prefixes.segment ? 1 : 0) + (prefixes.encoding === "{rex}" ? 1 : 0) +
    (prefixes.operandSize !== 0 && prefixes.operandSize !== modeSize(place) ? 1 : 0) +
    (prefixes.addressSize !== 0 && prefixes.addressSize !== place.bits ? 1 : 0);
}

/** Whether `default bnd` puts BND before an instruction. */
export function isBound(prefixes: Prefixes, row: Row, place: Place): boolean {
  return place.isBound && row.takesBound && prefixes.repeatWord !== "nobnd";
}

/** The target's offset in the section where the jump stands; undefined if it is elsewhere. */
export function targetOffset(value: Value, place: Place): number | undefined {
  const { terms, number } = value;
  if (terms.every(({ factor }) => Math.abs(factor) !== 1)) {
    return place.section === undefined ? Number(number) : undefined;
  }
  if (terms.length > 1 || terms[0]!.of !== place.section || terms[0]!.factor !== 1) {
    return undefined;
  }
  return Number(number);
}
