import type { SourceLine } from "./error.ts";
import {
  type Expression,
  ExpressionParser,
  floatNames,
  isScalar,
  type Surroundings,
} from "./expression.ts";
import { FAR, findRows, IMMEDIATE, MEMORY, REGISTER } from "./instructions.ts";
import { Lexer } from "./lexer.ts";
import { type Distance, Operand } from "./operand.ts";
import { findRegister, type Register } from "./register.ts";

/** An instruction as read. */
export interface Instruction {
  readonly kind: "instruction";
  /** Its mnemonic, lower case; empty for a line of prefixes only. */
  readonly mnemonic: string;
  /** Its operands. */
  readonly operands: readonly Operand[];
  /** Its prefixes. */
  readonly prefixes: Prefixes;
  /** Whether no operand hangs on a symbol, so that its bytes are the same in every pass. */
  readonly isConstant: boolean;
}

/** The prefixes written before an instruction, each 0 if absent. */
export interface Prefixes {
  /** `rep`, `repne` …: F3 or F2. */
  repeat: number;
  /** `bnd` was written, not `repne`: F2 too. */
  isBound: boolean;
  /** `lock`: F0. */
  lock: number;
  /** `wait`: 9B. */
  wait: number;
  /** A segment register's name. */
  segment: Register | undefined;
  /** `o16`, `o32`, `o64`. */
  operandSize: number;
  /** `a16`, `a32`, `a64`. */
  addressSize: number;
}

/** One value of `db` and the like. */
export type DataItem =
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "expression"; readonly expression: Expression }
  | { readonly kind: "float"; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: "reserved" }
  | { readonly kind: "repeat"; readonly count: Expression; readonly items: readonly DataItem[] };

/** What a line says, besides its label and `times`. */
export type Body =
  | Instruction
  | { readonly kind: "data"; readonly unit: number; readonly items: readonly DataItem[] }
  | { readonly kind: "reserve"; readonly unit: number; readonly count: Expression }
  | {
    readonly kind: "incbin";
    readonly path: string;
    readonly skip: Expression | undefined;
    readonly limit: Expression | undefined;
  }
  | { readonly kind: "equ"; readonly expression: Expression }
  | {
    readonly kind: "align";
    readonly boundary: Expression;
    readonly fill: Body;
    readonly reserves: boolean;
  }
  | { readonly kind: "absolute"; readonly expression: Expression }
  | { readonly kind: "directive"; readonly name: string; readonly start: number };

/** A line as read. */
export interface Statement {
  /** The name before the instruction, as written. */
  readonly label: string | undefined;
  /** How many times the body is to be repeated. */
  readonly times: Expression | undefined;
  /** What the line says. */
  readonly body: Body | undefined;
}

/** What a word means at the head of a statement. */
type Word =
  | { readonly kind: "prefix"; readonly set: (prefixes: Prefixes) => void }
  | { readonly kind: "data" | "reserve"; readonly unit: number }
  | { readonly kind: "directive" | "times" | "equ" | "incbin" | "align" | "instruction" }
  | { readonly kind: "name" };

/** Sizes in bytes by their letter: `db`, `resw`, … */
const units: Readonly<Record<string, number>> = {
  b: 1,
  w: 2,
  d: 4,
  q: 8,
  t: 10,
  o: 16,
  y: 32,
  z: 64,
};

const sizes = new Map([
  ["byte", 8],
  ["word", 16],
  ["dword", 32],
  ["qword", 64],
  ["tword", 80],
  ["oword", 128],
  ["yword", 256],
  ["zword", 512],
]);

const directives =
  "bits use16 use32 use64 org section segment absolute default cpu global extern common static required float list map warning debug pragma"
    .split(" ");

const words = new Map<string, Word>([
  ["times", { kind: "times" }],
  ["equ", { kind: "equ" }],
  ["incbin", { kind: "incbin" }],
  ["align", { kind: "align" }],
  ["alignb", { kind: "align" }],
]);
for (const name of directives) words.set(name, { kind: "directive" });
for (const [letter, unit] of Object.entries(units)) {
  words.set(`d${letter}`, { kind: "data", unit });
  words.set(`res${letter}`, { kind: "reserve", unit });
}
for (const name of ["rep", "repe", "repz", "xrelease"]) prefix(name, (p) => p.repeat = 0xF3);
for (const name of ["repne", "repnz", "xacquire"]) prefix(name, (p) => p.repeat = 0xF2);
prefix("bnd", (p) => {
  p.repeat = 0xF2;
  p.isBound = true;
});
prefix("lock", (p) => p.lock = 0xF0);
prefix("wait", (p) => p.wait = 0x9B);
for (const size of [16, 32, 64]) {
  prefix(`o${size}`, (p) => p.operandSize = size);
  prefix(`a${size}`, (p) => p.addressSize = size);
}
for (const name of ["es", "cs", "ss", "ds", "fs", "gs"]) {
  prefix(name, (p) => p.segment = findRegister(name));
}

function prefix(name: string, set: (prefixes: Prefixes) => void): void {
  words.set(name, { kind: "prefix", set });
}

/** What a word means, found once for each spelling. */
function findWord(written: string): Word {
  let word = words.get(written);
  if (word) return word;
  const lower = written.toLowerCase();
  word = words.get(lower) ??
    (findRows(lower, 64) ? { kind: "instruction" } : { kind: "name" });
  words.set(written, word);
  return word;
}

const noPrefixes: Prefixes = Object.freeze({
  repeat: 0,
  isBound: false,
  lock: 0,
  wait: 0,
  segment: undefined,
  operandSize: 0,
  addressSize: 0,
});

/** Reads lines into statements. */
export class Parser {
  /** The lexer, on the line last read: a directive's arguments are taken from it. */
  readonly lexer: Lexer;
  readonly #expressions: ExpressionParser;
  #times: Expression | undefined;

  /** @param surroundings What the expressions hang on. */
  constructor(surroundings: Surroundings) {
    this.lexer = new Lexer({ text: "", file: "", line: 0, depth: 0 });
    this.#expressions = new ExpressionParser(this.lexer, surroundings);
  }

  /** Reads an expression at the lexer. */
  expression(): Expression {
    return this.#expressions.parse();
  }

  /**
   * Reads a line.
   *
   * @param line The line.
   * @param onLabel Called when its label is known and before anything else is read: local names in
   * the same line belong to it.
   */
  parse(line: SourceLine, onLabel: (name: string) => void): Statement {
    const lexer = this.lexer;
    lexer.open(line);
    let label: string | undefined;
    if (lexer.kind === "name" || lexer.kind === "escaped") {
      const isName = lexer.kind === "escaped" ||
        (!findRegister(lexer.text) &&
          (findWord(lexer.text).kind === "name" || lexer.following() === ":"));
      if (isName) {
        label = lexer.text;
        const span = { start: lexer.start, end: lexer.end };
        lexer.next();
        if (!lexer.accept(":") && !isInstructionNext(lexer)) {
          throw lexer.error(`Unknown instruction "${label}"`, span);
        }
        if (!isEqu(lexer)) onLabel(label);
      }
    } else if (lexer.kind === "[") return this.#bracketed();
    this.#times = undefined;
    const body = lexer.kind === "end" ? undefined : this.#body();
    if (body?.kind !== "directive") this.finish();
    return { label, times: this.#times, body };
  }

  /** Throws unless the line ends here. */
  finish(): void {
    const lexer = this.lexer;
    if (lexer.kind !== "end") {
      throw lexer.error(`Expected the end of the line, found ${lexer.written()}`);
    }
  }

  /** A directive in its primitive form, `[bits 16]`. */
  #bracketed(): Statement {
    const lexer = this.lexer;
    lexer.next();
    if (lexer.kind !== "name") throw lexer.error(`Expected a directive, found ${lexer.written()}`);
    const name = lexer.text.toLowerCase();
    if (findWord(name).kind !== "directive") {
      throw lexer.error(`Unknown directive ${lexer.written()}`);
    }
    const start = lexer.start;
    lexer.next();
    return { label: undefined, times: undefined, body: { kind: "directive", name, start } };
  }

  #body(): Body {
    const lexer = this.lexer;
    if (lexer.kind !== "name") {
      throw lexer.error(`Expected an instruction, found ${lexer.written()}`);
    }
    const name = lexer.text;
    const word = findWord(name);
    const start = lexer.start;
    switch (word.kind) {
      case "instruction":
        lexer.next();
        return this.#instruction(name.toLowerCase(), noPrefixes);
      case "prefix":
      case "times":
        return this.#prefixed();
      case "data":
        lexer.next();
        return { kind: "data", unit: word.unit, items: this.#items("end") };
      case "reserve":
        lexer.next();
        return { kind: "reserve", unit: word.unit, count: this.expression() };
      case "equ":
        lexer.next();
        return { kind: "equ", expression: this.expression() };
      case "incbin":
        lexer.next();
        return this.#incbin();
      case "align":
        lexer.next();
        return this.#align(name.toLowerCase());
      case "directive":
        lexer.next();
        return { kind: "directive", name: name.toLowerCase(), start };
      default:
        throw lexer.error(`Unknown instruction ${lexer.written()}`);
    }
  }

  /** What begins with prefixes or `times`, in any order; without an instruction it is prefixes only. */
  #prefixed(): Body {
    const lexer = this.lexer;
    const prefixes = { ...noPrefixes };
    let hasPrefix = false;
    while (lexer.kind === "name") {
      const word = findWord(lexer.text);
      if (word.kind === "prefix") {
        const before = { ...prefixes };
        word.set(prefixes);
        if (conflict(before, prefixes)) {
          throw lexer.error(`Prefix ${lexer.text} contradicts another one`);
        }
        hasPrefix = true;
        lexer.next();
      } else if (word.kind === "times") {
        lexer.next();
        this.#times = this.expression();
      } else if (word.kind === "instruction") {
        const name = lexer.text.toLowerCase();
        lexer.next();
        return this.#instruction(name, prefixes);
      } else if (hasPrefix) break;
      else return this.#body();
    }
    if (!hasPrefix || lexer.kind !== "end") {
      throw lexer.error(`Expected an instruction, found ${lexer.written()}`);
    }
    return { kind: "instruction", mnemonic: "", operands: [], prefixes, isConstant: true };
  }

  #instruction(mnemonic: string, prefixes: Prefixes): Instruction {
    const lexer = this.lexer;
    const operands: Operand[] = [];
    let isConstant = true;
    if (lexer.kind !== "end") {
      do {
        const operand = this.#operand();
        isConstant &&= (operand.expression?.kind ?? "constant") === "constant" &&
          (operand.segment?.kind ?? "constant") === "constant";
        operands.push(operand);
      } while (lexer.accept(","));
    }
    return { kind: "instruction", mnemonic, operands, prefixes, isConstant };
  }

  #operand(): Operand {
    const lexer = this.lexer;
    const start = lexer.start;
    let size = 0;
    let strict = false;
    let to = false;
    let distance: Distance | undefined;
    let override: Register | undefined;
    while (lexer.kind === "name") {
      const register = findRegister(lexer.text);
      if (register) {
        if (lexer.following() === ":" && register.class === "segment") {
          // `es:[bx]` says the same as `[es:bx]`.
          lexer.next();
          lexer.expect(":");
          override = register;
          break;
        }
        if (!endsOperand(lexer)) break;
        const operand = new Operand(REGISTER, start, lexer.end);
        operand.register = register;
        operand.size = register.class === "general" ? register.size : size;
        operand.to = to;
        lexer.next();
        return operand;
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
      lexer.next();
    }
    const operand = override || lexer.kind === "["
      ? this.#memory(start, override)
      : this.#immediate(start);
    operand.size = size;
    operand.strict = strict;
    operand.distance = distance;
    return operand;
  }

  /** An immediate, or a far pointer `segment:offset`. */
  #immediate(start: number): Operand {
    const lexer = this.lexer;
    const first = this.expression();
    const isFar = lexer.accept(":");
    const operand = new Operand(isFar ? FAR : IMMEDIATE, start, first.span.end);
    operand.expression = first;
    if (isFar) {
      operand.segment = first;
      operand.expression = this.expression();
      operand.end = operand.expression.span.end;
    }
    if (operand.expression.kind === "constant") operand.value = operand.expression.value;
    if (operand.segment?.kind === "constant") operand.segmentValue = operand.segment.value;
    return operand;
  }

  #memory(start: number, override: Register | undefined): Operand {
    const lexer = this.lexer;
    const operand = new Operand(MEMORY, start, start);
    operand.override = override;
    lexer.expect("[");
    while (lexer.kind === "name") {
      const lower = lexer.text.toLowerCase();
      const size = sizes.get(lower);
      if (size !== undefined) operand.displacementSize = size;
      else if (lower === "rel") operand.relative = true;
      else if (lower === "abs") operand.relative = false;
      else if (lower === "nosplit") operand.nosplit = true;
      else {
        const register = findRegister(lower);
        if (register?.class !== "segment" || lexer.following() !== ":") break;
        if (operand.override) throw lexer.error("An address has one segment");
        operand.override = register;
        lexer.next();
      }
      lexer.next();
    }
    const expression = this.expression();
    operand.expression = expression;
    if (expression.kind === "constant") operand.value = expression.value;
    operand.end = lexer.end;
    lexer.expect("]");
    return operand;
  }

  /** The values of `db` and the like, up to the end of the line or a closing parenthesis. */
  #items(closing: "end" | ")"): DataItem[] {
    const items: DataItem[] = [];
    const lexer = this.lexer;
    do {
      if (lexer.kind === closing) break;
      items.push(this.#item());
    } while (lexer.accept(","));
    return items;
  }

  #item(): DataItem {
    const lexer = this.lexer;
    const { kind, text, start, end } = lexer;
    if (kind === "string" && (endsItem(lexer))) {
      lexer.next();
      return { kind: "string", text };
    }
    if (kind === "?" && endsItem(lexer)) {
      lexer.next();
      return { kind: "reserved" };
    }
    if (kind === "float" || kind === "-" || kind === "+" || kind === "name") {
      const float = this.#float(start);
      if (float) return { kind: "float", text: float, start, end };
      const bytes = this.#expressions.stringFunction();
      if (bytes !== undefined) return { kind: "string", text: bytes };
    }
    const expression = this.expression();
    if (lexer.kind === "name" && lexer.text.toLowerCase() === "dup") {
      lexer.next();
      lexer.expect("(");
      const items = this.#items(")");
      lexer.expect(")");
      return { kind: "repeat", count: expression, items };
    }
    return { kind: "expression", expression };
  }

  /** A floating-point constant with its sign, or undefined with the lexer where it was. */
  #float(start: number): string | undefined {
    const lexer = this.lexer;
    const sign = lexer.kind === "-" ? "-" : "";
    if (lexer.kind === "-" || lexer.kind === "+") lexer.next();
    const isNamed = lexer.kind === "name" && floatNames.test(lexer.text);
    if (lexer.kind !== "float" && !isNamed) {
      lexer.seek(start);
      return undefined;
    }
    const text = sign + lexer.text;
    lexer.next();
    return text;
  }

  #incbin(): Body {
    const lexer = this.lexer;
    if (lexer.kind !== "string") {
      throw lexer.error(`Expected a file name, found ${lexer.written()}`);
    }
    const path = lexer.text;
    lexer.next();
    const skip = lexer.accept(",") ? this.expression() : undefined;
    const limit = lexer.accept(",") ? this.expression() : undefined;
    return { kind: "incbin", path, skip, limit };
  }

  /** `align 4`, `align 4, db 0`, `alignb 4`: NASM's macros of these names (manual §6.1, §4.11.13). */
  #align(name: string): Body {
    const boundary = this.expression();
    const reserves = name === "alignb";
    let fill: Body = reserves
      ? { kind: "reserve", unit: 1, count: one }
      : { kind: "data", unit: 1, items: [{ kind: "expression", expression: nop }] };
    if (this.lexer.accept(",")) fill = this.#body();
    return { kind: "align", boundary, fill, reserves };
  }
}

const one: Expression = {
  kind: "constant",
  value: { number: 1n, terms: [], unknown: false },
  span: { start: 0, end: 0 },
};

const nop: Expression = { ...one, value: { number: 0x90n, terms: [], unknown: false } };

function isEqu(lexer: Lexer): boolean {
  return lexer.kind === "name" && findWord(lexer.text).kind === "equ";
}

/** Whether a prefix was already there and is another now. */
function conflict(before: Prefixes, after: Prefixes): boolean {
  return (before.repeat !== 0 && before.repeat !== after.repeat) ||
    (before.segment !== undefined && before.segment !== after.segment) ||
    (before.operandSize !== 0 && before.operandSize !== after.operandSize) ||
    (before.addressSize !== 0 && before.addressSize !== after.addressSize);
}

/** Whether a label may stand before what is next without a colon between them. */
function isInstructionNext(lexer: Lexer): boolean {
  return lexer.kind === "end" || (lexer.kind === "name" && findWord(lexer.text).kind !== "name");
}

/** Whether the current token is the last of its operand. */
function endsOperand(lexer: Lexer): boolean {
  const following = lexer.following();
  return following === "," || following === "";
}

function endsItem(lexer: Lexer): boolean {
  return endsOperand(lexer) || lexer.following() === ")";
}

/** Whether a memory operand's brackets hold no register. */
export function isPlainAddress(operand: Operand): boolean {
  return isScalar(operand.value) ||
    operand.value.terms.every((term) => !("class" in term.of));
}
