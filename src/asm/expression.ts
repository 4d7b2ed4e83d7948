import { AssemblyError, type SourceLine, type Span } from "./error.ts";
import type { Label } from "./label.ts";
import type { Lexer, TokenKind } from "./lexer.ts";
import { meantAt } from "./mistakes.ts";
import { findRegister, type Register } from "./register.ts";
import { encodeString, isStringFunction } from "./unicode.ts";

/** Something a value can be relative to, besides zero: a section whose address is settled last. */
export interface Base {
  /** The section's name, for messages. */
  readonly name: string;
  /** Its address; 0 as long as that is not settled. */
  readonly address: number;
}

/** One summand of a value: a register or a section's address, times a factor. */
export interface Term {
  /** What is added. */
  readonly of: Register | Base;
  /** How many times. */
  readonly factor: number;
  /** Whether it was written with a factor, `eax*1` included: such a register wants to be an index. */
  readonly scaled: boolean;
}

/** What an expression comes to: a number, and what has to be added to it. */
export interface Value {
  /** The number, as a signed 64-bit integer. */
  readonly number: bigint;
  /** Registers and sections, in the order written. */
  readonly terms: readonly Term[];
  /** Whether a symbol in it is not defined yet; then the rest says nothing. */
  readonly unknown: boolean;
  /** Whether there is no number in it, not even 0: a register alone. */
  readonly lacksNumber?: boolean;
  /** Whether it was added up of like things, two numbers or the same register: see `encode.ts`. */
  readonly isSummed?: boolean;
}

const noTerms: readonly Term[] = [];

/** A value that is a number only. */
export function scalar(number: bigint): Value {
  const isSmall = number >= -0x80000000n && number <= 0x7FFFFFFFn;
  return {
    number: isSmall ? number : BigInt.asIntN(64, number),
    terms: noTerms,
    unknown: false,
  };
}

/** A value that hangs on a symbol not defined yet. */
export const unknownValue: Value = { number: 0n, terms: noTerms, unknown: true };

/** Whether a value is a number and nothing else. */
export function isScalar(value: Value): boolean {
  return value.terms.length === 0 && !value.unknown;
}

/** Whether a value is an address: a number counted from a section. */
export function isAddress({ terms, unknown }: Value): boolean {
  const [term, ...others] = terms;
  return !unknown && term?.factor === 1 && others.length === 0 && !("class" in term.of);
}

/** What an expression needs to be evaluated: where it stands. */
export interface Scope {
  /** The line, for messages. */
  readonly line: SourceLine;
  /** The value of `$`. */
  here(): Value;
  /** The value of `$$`. */
  base(): Value;
  /** Called for a symbol that has no value yet: gives one, or throws where there must be one. */
  missing?(label: Label, span: Span): Value | undefined | void;
}

/** An expression as read. What needs no symbol is folded into one constant. */
export type Expression =
  | { readonly kind: "constant"; readonly value: Value; readonly span: Span }
  | { readonly kind: "label"; readonly label: Label; readonly span: Span }
  | { readonly kind: "here" | "base"; readonly span: Span }
  | {
    readonly kind: "unary";
    readonly operator: UnaryOperator;
    readonly operand: Expression;
    readonly span: Span;
  }
  | {
    readonly kind: "binary";
    readonly operator: TokenKind;
    readonly left: Expression;
    readonly right: Expression;
    readonly span: Span;
  }
  | {
    readonly kind: "choice";
    readonly condition: Expression;
    readonly yes: Expression;
    readonly no: Expression;
    readonly span: Span;
  };

type UnaryOperator = "-" | "~" | "!" | "seg" | IntegerFunction;

/** NASM's integer functions (manual §3.5.11). */
type IntegerFunction = "ilog2e" | "ilog2f" | "ilog2c" | "ilog2w";

/** What the names and the constants in an expression hang on. */
export interface Surroundings {
  /** The mode where the expression stands. */
  bits(): number;
  /** The label of a name; local names are completed by it. */
  label(name: string): Label;
  /** The value of a floating-point function such as `float32`, from its name and constant. */
  float(name: string, number: string): bigint | undefined;
  /** Told what is doubtful, and in which part of the line. */
  warn(reason: string, span?: Span): void;
}

/** NASM's binary operators by how tightly they bind (manual §3.5); `?:` binds least. */
const precedence = new Map<TokenKind, number>([
  ["||", 1],
  ["^^", 2],
  ["&&", 3],
  ["=", 4],
  ["!=", 4],
  ["<", 4],
  ["<=", 4],
  [">", 4],
  [">=", 4],
  ["<=>", 4],
  ["|", 5],
  ["^", 6],
  ["&", 7],
  ["<<", 8],
  ["<<<", 8],
  [">>", 8],
  [">>>", 8],
  ["+", 9],
  ["-", 9],
  ["*", 10],
  ["/", 10],
  ["//", 10],
  ["%", 10],
  ["%%", 10],
]);

/** How deep parentheses and unary operators may nest, so that no source exhausts the stack. */
const deepest = 200;

/** Reads expressions from a lexer. */
export class ExpressionParser {
  readonly #lexer: Lexer;
  readonly #surroundings: Surroundings;
  #depth = 0;

  constructor(lexer: Lexer, surroundings: Surroundings) {
    this.#lexer = lexer;
    this.#surroundings = surroundings;
  }

  /** Reads one expression, with NASM's precedences. */
  parse(): Expression {
    const lexer = this.#lexer;
    this.#depth = 0;
    const first = this.#unary();
    const kind = lexer.kind;
    if (kind === "end" || kind === "," || kind === "]") return first;
    return this.#choice(first);
  }

  /** The sum of two expressions. */
  sum(left: Expression, right: Expression): Expression {
    return this.#join("+", left, right);
  }

  #choice(first: Expression): Expression {
    const lexer = this.#lexer;
    const condition = this.#binary(first, 1);
    if (!lexer.accept("?")) return condition;
    const yes = this.#nested();
    lexer.expect(":");
    const no = this.#nested();
    const span = { start: condition.span.start, end: no.span.end };
    const isConstant = condition.kind === "constant" && yes.kind === "constant" &&
      no.kind === "constant";
    if (isConstant) return isTrue(condition.value) ? yes : no;
    return { kind: "choice", condition, yes, no, span };
  }

  #nested(): Expression {
    this.#descend();
    const expression = this.#choice(this.#unary());
    this.#depth--;
    return expression;
  }

  #descend(): void {
    if (++this.#depth > deepest) throw this.#lexer.error("The expression is nested too deeply");
  }

  #binary(left: Expression, lowest: number): Expression {
    const lexer = this.#lexer;
    for (;;) {
      const operator = lexer.kind;
      const level = precedence.get(operator);
      if (level === undefined || level < lowest) return left;
      lexer.next();
      let right = this.#unary();
      for (;;) {
        const following = precedence.get(lexer.kind);
        if (following === undefined || following <= level) break;
        right = this.#binary(right, following);
      }
      left = this.#join(operator, left, right);
    }
  }

  #join(operator: TokenKind, left: Expression, right: Expression): Expression {
    const span = join(left.span, right.span);
    if (left.kind !== "constant" || right.kind !== "constant") {
      return { kind: "binary", operator, left, right, span };
    }
    const value = binary(operator, left.value, right.value, { line: this.#lexer.line, span });
    return { kind: "constant", value, span };
  }

  #unary(): Expression {
    const lexer = this.#lexer;
    const kind = lexer.kind;
    if (kind === "number") {
      const node = this.#constant(lexer.value);
      lexer.next();
      return node;
    }
    if (kind === "name") return this.#name();
    const start = lexer.start;
    const span = { start, end: lexer.end };
    switch (kind) {
      case "escaped": {
        const label = this.#surroundings.label(lexer.text);
        lexer.next();
        return { kind: "label", label, span };
      }
      case "string": {
        const node = this.#constant(this.#characters(lexer.text));
        lexer.next();
        return node;
      }
      case "here":
      case "base":
        lexer.next();
        return { kind, span };
      case "(": {
        lexer.next();
        const inner = this.#nested();
        lexer.expect(")");
        return inner;
      }
      case "-":
      case "~":
      case "!":
        lexer.next();
        return this.#operator(kind, start);
      case "+":
        lexer.next();
        this.#descend();
        try {
          return this.#unary();
        } finally {
          this.#depth--;
        }
      case "float":
        throw lexer.error("A floating-point constant cannot be part of an expression");
      default:
        throw lexer.error(
          `Expected an expression, found ${lexer.written()}${
            meantAt(lexer.line.text, lexer.start)
          }`,
        );
    }
  }

  #operator(operator: UnaryOperator, start: number): Expression {
    this.#descend();
    const operand = this.#unary();
    this.#depth--;
    const span = { start, end: operand.span.end };
    if (operand.kind !== "constant") return { kind: "unary", operator, operand, span };
    const value = unary(operator, operand.value, { line: this.#lexer.line, span });
    return { kind: "constant", value, span };
  }

  #constant(number: bigint): Expression {
    const { start, end } = this.#lexer;
    return { kind: "constant", value: scalar(number), span: { start, end } };
  }

  /**
   * A string as a number, the first character lowest. As in NASM it has eight of them in 64-bit mode
   * and four elsewhere, whatever becomes of it.
   */
  #characters(text: string): bigint {
    const most = this.#surroundings.bits() === 64 ? 8 : 4;
    if (text.length > most && /[^\0]/.test(text.slice(most))) {
      this.#surroundings.warn(`Only the first ${most} characters count here`, this.#lexer);
    }
    let value = 0n;
    for (let i = Math.min(text.length, most) - 1; i >= 0; i--) {
      value = value << 8n | BigInt(text.charCodeAt(i));
    }
    return value;
  }

  /** A register, a function, `seg`, or a symbol. */
  #name(): Expression {
    const lexer = this.#lexer;
    const { text, start, end } = lexer;
    const span = { start, end };
    const register = findRegister(text);
    if (register) {
      lexer.next();
      const terms = [{ of: register, factor: 1, scaled: false }];
      const value = { number: 0n, terms, unknown: false, lacksNumber: true };
      return { kind: "constant", value, span };
    }
    if (text.length === 3 && text.toLowerCase() === "seg") {
      lexer.next();
      return this.#operator("seg", start);
    }
    if (text.startsWith("__") && text.endsWith("__")) {
      const special = this.#function(text.toLowerCase(), start);
      if (special) return special;
    }
    lexer.next();
    return { kind: "label", label: this.#surroundings.label(text), span };
  }

  /** `__?utf16?__('…')`, with parentheses or without: its bytes, or undefined for another name. */
  stringFunction(): string | undefined {
    const lexer = this.#lexer;
    const { kind, text } = lexer;
    if (kind !== "name" || !text.startsWith("__")) return undefined;
    const name = plainName(text.toLowerCase());
    if (!isStringFunction(name)) return undefined;
    lexer.next();
    const isInParentheses = lexer.accept("(");
    const bytes = lexer.kind === "string" ? encodeString(name, lexer.text) : undefined;
    if (bytes === undefined) throw lexer.error(`Expected a string, found ${lexer.written()}`);
    lexer.next();
    if (isInParentheses) lexer.expect(")");
    return bytes;
  }

  /** `__?ilog2e?__(…)`, `__?float32?__(…)` and their spellings without question marks. */
  #function(lower: string, start: number): Expression | undefined {
    const lexer = this.#lexer;
    const name = plainName(lower);
    const bytes = this.stringFunction();
    if (bytes !== undefined) {
      const span = { start, end: lexer.start };
      return { kind: "constant", value: scalar(this.#characters(bytes)), span };
    }
    if (/^ilog2[efcw]$/.test(name)) {
      lexer.next();
      if (lexer.kind !== "(") throw lexer.error(`Expected "(", found ${lexer.written()}`);
      return this.#operator(name as IntegerFunction, start);
    }
    if (floatNames.test(lower)) {
      throw lexer.error("A floating-point constant cannot be part of an expression");
    }
    const isFunction = /^float(?:8|16|32|64|80[me]|128[hl])$/.test(name) ||
      lower === "__?bfloat16?__";
    if (!isFunction) return undefined;
    lexer.next();
    lexer.expect("(");
    const sign = lexer.kind === "-" ? "-" : "";
    if (sign || lexer.kind === "+") lexer.next();
    const isFloat = lexer.kind === "float" ||
      (lexer.kind === "name" && floatNames.test(lexer.text));
    const value = isFloat ? this.#surroundings.float(name, sign + lexer.text) : undefined;
    if (value === undefined) {
      throw lexer.error(`Expected a floating-point number, found ${lexer.written()}`);
    }
    lexer.next();
    const span = { start, end: lexer.end };
    lexer.expect(")");
    return { kind: "constant", value: scalar(value), span };
  }
}

/** The floating-point constants that have names. */
export const floatNames: RegExp = /^__\??(?:infinity|q?nan|snan)\??__$/i;

/** A keyword such as `__?utf16?__` without what it begins and ends with. */
function plainName(name: string): string {
  return name.replace(/^__\??/, "").replace(/\??__$/, "");
}

function join(left: Span, right: Span): Span {
  return { start: left.start, end: right.end };
}

/**
 * The value of an expression.
 *
 * @param expression The expression, as parsed.
 * @param scope Where it stands.
 * @returns Its value; `unknown` if it hangs on a symbol that has none yet.
 * @throws {AssemblyError} For what cannot be computed, such as a division by zero.
 */
export function evaluate(expression: Expression, scope: Scope): Value {
  switch (expression.kind) {
    case "constant":
      return expression.value;
    case "label":
      if (!expression.label.known) {
        return scope.missing?.(expression.label, expression.span) ?? unknownValue;
      }
      return expression.label.evaluate();
    case "here":
      return scope.here();
    case "base":
      return scope.base();
    case "unary": {
      const operand = evaluate(expression.operand, scope);
      return unary(expression.operator, operand, {
        line: scope.line,
        span: expression.span,
      });
    }
    case "binary": {
      const left = evaluate(expression.left, scope);
      const right = evaluate(expression.right, scope);
      return binary(expression.operator, left, right, {
        line: scope.line,
        span: expression.span,
      });
    }
    case "choice": {
      const condition = evaluate(expression.condition, scope);
      if (condition.unknown) return condition;
      // Both are evaluated: what is wrong in one is wrong even if the other is chosen.
      const yes = evaluate(expression.yes, scope);
      const no = evaluate(expression.no, scope);
      return isTrue(condition) ? yes : no;
    }
  }
}

function isTrue(value: Value): boolean {
  return value.number !== 0n || value.terms.length > 0;
}

interface Place {
  readonly line: SourceLine;
  readonly span: Span;
}

function unary(operator: UnaryOperator, operand: Value, place: Place): Value {
  if (operand.unknown) return operand;
  if (operator === "-") {
    const terms = operand.terms.map((term) => ({ ...term, factor: -term.factor }));
    return { ...operand, number: BigInt.asIntN(64, -operand.number), terms };
  }
  if (operator === "seg") {
    throw new AssemblyError("A flat binary has no segments: seg has no value", place);
  }
  const number = requireScalar(operand, operator, place);
  if (operator === "~") return scalar(~number);
  if (operator === "!") return scalar(number === 0n ? 1n : 0n);
  return scalar(ilog2(operator, BigInt.asUintN(64, number), place));
}

/** The integer logarithms: e = exact, f = floor, c = ceiling, w = floor or 0 for 0. */
function ilog2(name: IntegerFunction, number: bigint, place: Place): bigint {
  const floor = BigInt(number.toString(2).length - 1);
  const exact = number !== 0n && (number & (number - 1n)) === 0n;
  if (name === "ilog2e" && !exact) {
    throw new AssemblyError("ilog2e of what is no power of two", place);
  }
  if (number === 0n) return name === "ilog2c" || name === "ilog2w" ? 0n : -1n;
  return name === "ilog2c" && !exact ? floor + 1n : floor;
}

function requireScalar(value: Value, operator: string, place: Place): bigint {
  if (value.terms.length > 0) {
    throw new AssemblyError(
      `Operator ${operator} takes numbers, not registers or addresses`,
      place,
    );
  }
  return value.number;
}

function binary(operator: TokenKind, left: Value, right: Value, place: Place): Value {
  if (left.unknown || right.unknown) return unknownValue;
  if (operator === "+") return add(left, right, 1);
  if (operator === "-") return add(left, right, -1);
  if (operator === "*") return multiply(left, right, place);
  const isComparison = precedence.get(operator) === 4;
  if (isComparison && (left.terms.length > 0 || right.terms.length > 0)) {
    // Addresses in one section compare by their distance; others are merely different.
    const distance = add(left, right, -1);
    if (distance.terms.length === 0) return compare(operator, distance.number, 0n);
    if (operator === "=") return scalar(0n);
    if (operator === "!=") return scalar(1n);
  }
  const a = requireScalar(left, operator, place);
  const b = requireScalar(right, operator, place);
  if (isComparison) return compare(operator, a, b);
  return scalar(arithmetic(operator, a, b, place));
}

/** `left + right` or `left - right`; equal terms are merged, cancelled ones vanish. */
function add(left: Value, right: Value, sign: 1 | -1): Value {
  const number = BigInt.asIntN(
    64,
    sign === 1 ? left.number + right.number : left.number - right.number,
  );
  const hasBoth = left.lacksNumber !== true && right.lacksNumber !== true;
  let isSummed = left.isSummed === true || right.isSummed === true || (hasBoth && number !== 0n);
  const lacksNumber = hasBoth
    ? number === 0n
    : left.lacksNumber === true && right.lacksNumber === true;
  if (right.terms.length === 0) {
    return { number, terms: left.terms, unknown: false, lacksNumber, isSummed };
  }
  if (left.terms.length === 0 && sign === 1) {
    return { number, terms: right.terms, unknown: false, lacksNumber, isSummed };
  }
  const terms = [...left.terms];
  for (const { of, factor, scaled } of right.terms) {
    const same = terms.findIndex((term) => term.of === of);
    if (same < 0) {
      terms.push({ of, factor: sign * factor, scaled });
      continue;
    }
    const sum = terms[same]!.factor + sign * factor;
    if (sum === 0) terms.splice(same, 1);
    else {
      terms[same] = { of, factor: sum, scaled: false };
      isSummed = true;
    }
  }
  return { number, terms, unknown: false, lacksNumber, isSummed };
}

function multiply(left: Value, right: Value, place: Place): Value {
  if (right.terms.length > 0 && left.terms.length === 0) return multiply(right, left, place);
  const by = requireScalar(right, "*", place);
  // As in rcx*8, mostly.
  const number = left.number === 0n ? 0n : BigInt.asIntN(64, left.number * by);
  if (left.terms.length === 0) return { ...left, number };
  const terms = by === 0n
    ? noTerms
    : left.terms.map((term) => ({ of: term.of, factor: term.factor * Number(by), scaled: true }));
  return { ...left, number, terms };
}

/**
 * Compares by the difference, which wraps around, as NASM does. Where the manual says that `<=>`
 * gives −1, NASM 2.16.01 takes that for its mark of a value that is not known, and so it is here.
 */
function compare(operator: TokenKind, a: bigint, b: bigint): Value {
  const difference = BigInt.asIntN(64, a - b);
  if (operator === "<=>" && difference < 0n) return unknownValue;
  return scalar(holds(operator, difference) ? 1n : 0n);
}

function holds(operator: TokenKind, difference: bigint): boolean {
  switch (operator) {
    case "=":
      return difference === 0n;
    case "!=":
      return difference !== 0n;
    case "<":
      return difference < 0n;
    case "<=":
      return difference <= 0n;
    case ">=":
      return difference >= 0n;
    default:
      return difference > 0n;
  }
}

/**
 * `/` and `%` take unsigned numbers, `//` and `%%` signed ones; `>>>` keeps the sign. As on the CPUs
 * that NASM runs on, shifts look at the count's low six bits only.
 */
function arithmetic(operator: TokenKind, a: bigint, b: bigint, place: Place): bigint {
  const left = BigInt.asUintN(64, a);
  const right = BigInt.asUintN(64, b);
  switch (operator) {
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "&":
      return a & b;
    case "||":
      return a !== 0n || b !== 0n ? 1n : 0n;
    case "&&":
      return a !== 0n && b !== 0n ? 1n : 0n;
    case "^^":
      return (a !== 0n) !== (b !== 0n) ? 1n : 0n;
    case "<<":
    case "<<<":
      return left << (right & 63n);
    case ">>":
      return left >> (right & 63n);
    case ">>>":
      return a >> (right & 63n);
  }
  if (b === 0n) throw new AssemblyError("Division by zero", place);
  switch (operator) {
    case "/":
      return left / right;
    case "//":
      return a / b;
    case "%":
      return left % right;
    default:
      return a % b;
  }
}
