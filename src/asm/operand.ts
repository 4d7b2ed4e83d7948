import type { Expression, ExpressionParser, Term, Value } from "./expression.ts";
import { unknownValue } from "./expression.ts";
import { FAR, IMMEDIATE, MEMORY, REGISTER } from "./instructions.ts";
import type { Lexer } from "./lexer.ts";
import { findRegister, type Register, type RegisterClass } from "./register.ts";

/** How a jump's or call's target was qualified. */
export type Distance = "short" | "near" | "far";

/** An instruction's operand as read. */
export class Operand {
  /** REGISTER, MEMORY, IMMEDIATE or FAR of `instructions.ts`. */
  readonly kind: number;
  /** The size written, or the register's; 0 if none. */
  size = 0;
  /** The register. */
  register: Register | undefined;
  /** The immediate, the far offset, or what stands in the brackets. */
  expression: Expression | undefined;
  /** The far pointer's segment. */
  segment: Expression | undefined;
  /** The expression's latest value. */
  value: Value = unknownValue;
  /** The far segment's latest value. */
  segmentValue: Value = unknownValue;
  /** `strict` was written: the size is not to be optimized. */
  strict = false;
  /** `short`, `near`, `far`. */
  distance: Distance | undefined;
  /** `to` was written (x87). */
  to = false;
  /** Memory: the segment register written in the brackets. */
  override: Register | undefined;
  /** Memory: the size written in the brackets, for displacement or address; 0 if none. */
  displacementSize = 0;
  /** Memory: whether a size above a byte was written in the brackets, the last one or not. */
  isWide = false;
  /** Memory: `a16`, `a32` or `a64` written in the brackets; 0 if none. */
  addressPrefix = 0;
  /** Memory: `rel` (true) or `abs` (false). */
  relative: boolean | undefined;
  /** Memory: `nosplit` was written. */
  nosplit = false;
  /** Where it stands in the line. */
  readonly start: number;
  /** Where it ends. */
  end: number;

  constructor(kind: number, start: number, end: number) {
    this.kind = kind;
    this.start = start;
    this.end = end;
  }
}

/** The words for sizes, in bits. */
export const sizes = new Map([
  ["byte", 8],
  ["word", 16],
  ["dword", 32],
  ["long", 32],
  ["qword", 64],
  ["tword", 80],
  ["oword", 128],
  ["yword", 256],
  ["zword", 512],
]);

/** Reads operands. */
export class OperandParser {
  readonly #lexer: Lexer;
  readonly #expressions: ExpressionParser;

  /**
   * @param lexer Where they are read.
   * @param expressions What reads expressions there.
   */
  constructor(lexer: Lexer, expressions: ExpressionParser) {
    this.#lexer = lexer;
    this.#expressions = expressions;
  }

  /**
   * Reads the operand at the lexer.
   *
   * @param mnemonic The instruction: only jumps and calls take far pointers.
   */
  parse(mnemonic: string): Operand {
    const lexer = this.#lexer;
    const start = lexer.start;
    let size = 0;
    let strict = false;
    let to = false;
    let distance: Distance | undefined;
    for (; lexer.kind === "name"; lexer.next()) {
      const register = findRegister(lexer.text);
      if (register) {
        if (!endsOperand(lexer) || distance === "far") break;
        lexer.next();
        return this.#register(register, { start, size, to, distance });
      }
      const lower = lexer.text.toLowerCase();
      const named = sizes.get(lower);
      if (named !== undefined) size ||= named;
      else if (lower === "strict") strict = true;
      else if (lower === "to") to = true;
      else if (lower === "short" || lower === "near" || lower === "far") {
        if (distance && distance !== lower) {
          throw lexer.error(`A jump is not ${distance} and ${lower}`);
        }
        distance = lower;
      } else break;
    }
    // `jmp es:5` is a far jump; elsewhere `es:5` is memory, as `[es:5]`.
    const takesFar = mnemonic === "jmp" || mnemonic === "call";
    const isMemory = lexer.kind === "[" || isWord(lexer, masmPointer) ||
      (!takesFar && isOverride(lexer));
    let operand: Operand;
    if (isMemory) operand = this.#memory(start);
    else {
      const first = this.#expressions.parse();
      if (lexer.kind === "[") operand = this.#memory(start, first);
      else {
        const register = asRegister(first);
        if (distance === "far" && !takesFar) {
          throw lexer.error("Only jumps and calls are far", first.span);
        }
        if (register) return this.#register(register, { start, size, to, distance });
        operand = this.#immediate(start, first);
      }
    }
    operand.size = size;
    operand.strict = strict;
    operand.to = to;
    operand.distance = distance;
    return operand;
  }

  #register(
    register: Register,
    written: { start: number; size: number; to: boolean; distance: Distance | undefined },
  ): Operand {
    const operand = new Operand(REGISTER, written.start, this.#lexer.start);
    operand.register = register;
    operand.size = register.class === "general" ? register.size : written.size;
    operand.to = written.to;
    operand.distance = written.distance;
    return operand;
  }

  /** An immediate, or a far pointer `segment:offset`. */
  #immediate(start: number, first: Expression): Operand {
    const lexer = this.#lexer;
    const isFar = lexer.accept(":");
    const operand = new Operand(isFar ? FAR : IMMEDIATE, start, first.span.end);
    operand.expression = first;
    if (isFar) {
      operand.segment = first;
      operand.expression = this.#expressions.parse();
      operand.end = operand.expression.span.end;
    }
    if (operand.expression.kind === "constant") operand.value = operand.expression.value;
    if (operand.segment?.kind === "constant") operand.segmentValue = operand.segment.value;
    return operand;
  }

  /** `[bx + 5]`, `es:[bx + 5]`, `es:5`, or `5[bx]` with the `displacement` before the brackets. */
  #memory(start: number, displacement?: Expression): Operand {
    const lexer = this.#lexer;
    const operand = new Operand(MEMORY, start, start);
    let isOpen = false;
    if (isWord(lexer, masmPointer)) lexer.next();
    for (;;) {
      if (lexer.kind === "[" && !isOpen) {
        isOpen = true;
        lexer.next();
      } else if (isWord(lexer, masmFlat)) {
        lexer.next();
        lexer.expect(":");
      } else if (isOverride(lexer)) {
        if (operand.override) throw lexer.error("An address has one segment");
        operand.override = findRegister(lexer.text);
        lexer.next();
        lexer.expect(":");
      } else if (lexer.kind !== "name" || !this.#qualify(operand, lexer.text.toLowerCase())) break;
    }
    let expression = this.#expressions.parse();
    if (!isOpen && !displacement && lexer.accept("[")) {
      isOpen = true;
      displacement = expression;
      expression = this.#expressions.parse();
    }
    if (displacement) expression = this.#expressions.sum(displacement, expression);
    if (isOpen && lexer.accept(",")) expression = this.#splitAddress(expression, operand);
    operand.expression = expression;
    if (expression.kind === "constant") operand.value = expression.value;
    operand.end = lexer.end;
    if (isOpen) lexer.expect("]");
    return operand;
  }

  /** The sum of `[base + displacement, index * scale]` (NASM manual §3.3.3). */
  #splitAddress(first: Expression, operand: Operand): Expression {
    const second = this.#expressions.parse();
    const terms = first.kind === "constant" ? first.value.terms : [];
    const isIndex = second.kind === "constant" && second.value.number === 0n &&
      second.value.terms.length <= 1;
    if (!isIndex || terms.some(({ of, factor }) => factor !== 1 || isVector(of))) {
      throw this.#lexer.error("Behind the comma in an address stands an index", second.span);
    }
    const [index] = second.value.terms;
    if (!index) return first;
    const sum = this.#expressions.sum(first, second);
    if (sum.kind !== "constant") return sum;
    // The first register is the base, though `*1` be written behind it; without one the other stays
    // an index, as in `[nosplit eax*1]`.
    const hasBase = terms.some(({ of }) => "class" in of);
    if (!hasBase && index.factor === 1 && (index.of as Register).size !== 16) {
      operand.nosplit = true;
    }
    const scaled = sum.value.terms.map((term) => ({ ...term, scaled: !hasBase }));
    return { ...sum, value: { ...sum.value, terms: scaled, isSummed: false } };
  }

  /** Takes a word that says something of an address; false if it is none. */
  #qualify(operand: Operand, word: string): boolean {
    const size = sizes.get(word);
    if (size !== undefined) {
      operand.displacementSize = size;
      if (size > 8) operand.isWide = true;
    } else if (word === "rel") operand.relative = true;
    else if (word === "abs") operand.relative = false;
    else if (word === "nosplit") operand.nosplit = true;
    else if (word === "a16" || word === "a32" || word === "a64") {
      const prefix = Number(word.slice(1));
      if (operand.addressPrefix !== 0 && operand.addressPrefix !== prefix) {
        throw this.#lexer.error(`Prefix ${word} contradicts another one`);
      }
      operand.addressPrefix = prefix;
    } else return false;
    this.#lexer.next();
    return true;
  }
}

/** Whether a register of this class is in an address, as far as that is known. */
export function isIndexed({ value }: Operand, index: RegisterClass): boolean {
  return value.unknown || value.terms.some(({ of }) => "class" in of && of.class === index);
}

function isVector(of: Term["of"]): boolean {
  return "class" in of && (of.class === "xmm" || of.class === "ymm");
}

/** Whether the current token is the last of its operand. */
export function endsOperand(lexer: Lexer): boolean {
  const following = lexer.following();
  return following === "," || following === "";
}

/** Whether a segment register and a colon are next. */
function isOverride(lexer: Lexer): boolean {
  return lexer.kind === "name" && lexer.following() === ":" &&
    findRegister(lexer.text)?.class === "segment";
}

/** The register that an expression comes to, such as `(ax)`. */
function asRegister(expression: Expression): Register | undefined {
  if (expression.kind !== "constant") return undefined;
  const { number, terms } = expression.value;
  const [term] = terms;
  // NASM takes `ax-1` for a set of no registers, and that for the register.
  const isRegister = (number === 0n || number === -1n) && terms.length === 1;
  if (!isRegister || term!.factor !== 1) return undefined;
  return "class" in term!.of ? term!.of : undefined;
}

/** MASM's `ptr` and `flat` as the package masm makes keywords of them: memory, and no segment. */
const masmPointer = "__?masm_ptr?__";
const masmFlat = "__?masm_flat?__";

function isWord(lexer: Lexer, word: string): boolean {
  return lexer.kind === "name" && lexer.text === word;
}
