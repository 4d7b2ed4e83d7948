import type { AssemblyError, SourceLine, Span } from "./error.ts";
import {
  type Expression,
  ExpressionParser,
  floatNames,
  scalar,
  type Surroundings,
} from "./expression.ts";
import { isMnemonic } from "./instructions.ts";
import { Lexer } from "./lexer.ts";
import { isForeign, meantAt, meantBy, meantByForeign } from "./mistakes.ts";
import { endsOperand, type Operand, OperandParser, sizes } from "./operand.ts";
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
  /** The word that says so, or `nobnd`; "" if none. */
  repeatWord: string;
  /** `lock`: F0. */
  lock: number;
  /** `wait`: 9B. */
  wait: number;
  /** A segment register's name. */
  segment: Register | undefined;
  /** `o16`, `o32`, `o64`; {@linkcode OTHER} for `osp`. */
  operandSize: number;
  /** `a16`, `a32`, `a64`; {@linkcode OTHER} for `asp`. */
  addressSize: number;
  /** `{rex}`, `{vex}`, `{vex2}` or `{vex3}`: how it is to be encoded; "" if nothing says so. */
  encoding: string;
}

/** The size that `osp` and `asp` stand for: which it is depends on the mode. */
export const OTHER = 1;

/** One value of `db` and the like. */
export type DataItem =
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "expression"; readonly expression: Expression }
  | { readonly kind: "float"; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: "reserved" }
  | {
    readonly kind: "repeat";
    readonly count: Expression;
    readonly items: readonly DataItem[];
    /** The size of each in bytes, where it is not the statement's. */
    readonly unit?: number;
  };

/** What makes bytes, or room for them. */
export type Content =
  | Instruction
  | { readonly kind: "data"; readonly unit: number; readonly items: readonly DataItem[] }
  | { readonly kind: "reserve"; readonly unit: number; readonly count: Expression }
  | {
    readonly kind: "incbin";
    readonly path: string;
    readonly skip: Expression | undefined;
    readonly limit: Expression | undefined;
  };

/** `align` and `alignb`. */
export interface Alignment {
  readonly kind: "align";
  readonly boundary: Expression;
  /** What fills up to the boundary, again and again. */
  readonly fill: Content;
}

/** What a line says, besides its label and `times`. */
export type Body =
  | Content
  | { readonly kind: "equ"; readonly expression: Expression }
  | Alignment
  | {
    readonly kind: "directive";
    readonly name: string;
    /** Where its arguments stand in the line. */
    readonly arguments: Span;
  };

/** A line as read. */
export interface Statement {
  /** The name before the instruction, as written. */
  readonly label: string | undefined;
  /** How many times the body is to be repeated. */
  readonly times: Expression | undefined;
  /** What the line says. */
  readonly body: Body | undefined;
}

/** What a word means at the head of a statement; a reserved one nothing there. */
type Word =
  | { readonly kind: "prefix"; readonly slot: string; readonly set: (prefixes: Prefixes) => void }
  | { readonly kind: "data" | "reserve"; readonly unit: number }
  | { readonly kind: "instruction"; readonly mnemonic: string }
  | { readonly kind: "equ" | "incbin" | "align" }
  | { readonly kind: "directive"; readonly takesArguments: boolean }
  | { readonly kind: "times" | "reserved" | "name" };

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

/** Directives that are written without brackets too; in NASM these are macros. */
const directives =
  "bits org section segment sectalign absolute default cpu global extern common static required float"
    .split(" ");

/** Those that take no argument. */
const shorthands = "use16 use32 use64 userel useabs usebnd usenobnd".split(" ");

/** Directives that are written in brackets only. */
const primitives = new Set(["list", "map", "warning", "debug", "pragma"]);

const words = new Map<string, Word>([
  ["times", { kind: "times" }],
  ["equ", { kind: "equ" }],
  ["incbin", { kind: "incbin" }],
  ["align", { kind: "align" }],
  ["alignb", { kind: "align" }],
]);
for (const name of sizes.keys()) words.set(name, { kind: "reserved" });
for (
  const name of ["abs", "far", "near", "nosplit", "rel", "short", "strict", "to", "seg", "wrt"]
) {
  words.set(name, { kind: "reserved" });
}
for (const name of directives) words.set(name, { kind: "directive", takesArguments: true });
for (const name of shorthands) words.set(name, { kind: "directive", takesArguments: false });
for (const [letter, unit] of Object.entries(units)) {
  words.set(`d${letter}`, { kind: "data", unit });
  words.set(`res${letter}`, { kind: "reserve", unit });
}
const repeats: Readonly<Record<string, number>> = {
  rep: 0xF3,
  repe: 0xF3,
  repz: 0xF3,
  xrelease: 0xF3,
  repne: 0xF2,
  repnz: 0xF2,
  xacquire: 0xF2,
  bnd: 0xF2,
  nobnd: 0,
};
for (const [name, byte] of Object.entries(repeats)) {
  prefix(name, "repeat", (p) => {
    p.repeat = byte;
    p.repeatWord = name;
  });
}
prefix("lock", "lock", (p) => p.lock = 0xF0);
prefix("wait", "wait", (p) => p.wait = 0x9B);
for (const size of [16, 32, 64]) {
  prefix(`o${size}`, "operand size", (p) => p.operandSize = size);
  prefix(`a${size}`, "address size", (p) => p.addressSize = size);
}
for (const name of ["{rex}", "{vex}", "{vex2}", "{vex3}"]) {
  prefix(name, "encoding", (p) => p.encoding = name);
}
prefix("osp", "operand size", (p) => p.operandSize = OTHER);
prefix("asp", "address size", (p) => p.addressSize = OTHER);
for (const name of ["es", "cs", "ss", "ds", "fs", "gs"]) {
  prefix(name, "segment", (p) => p.segment = findRegister(name));
}

function prefix(name: string, slot: string, set: (prefixes: Prefixes) => void): void {
  words.set(name, { kind: "prefix", slot, set });
}

const aName: Word = { kind: "name" };

/** What a word means; found once for each spelling, unless it is a name: there are many of those. */
function findWord(written: string): Word {
  const known = words.get(written);
  if (known) return known;
  if (written.startsWith(".")) return aName;
  const lower = written.toLowerCase();
  const word: Word = words.get(lower) ??
    (isMnemonic(lower)
      ? { kind: "instruction", mnemonic: lower }
      : isReserved(lower)
      ? { kind: "reserved" }
      : aName);
  if (word !== aName) words.set(written, word);
  return word;
}

/** Registers that instructions not in the table have, functions, and what stands in braces. */
function isReserved(lower: string): boolean {
  if (lower.startsWith("{")) return true;
  if (/^([xyz]mm([0-9]|[12][0-9]|3[01])|[kt]mm[0-7]|k[0-7]|bnd[0-3])$/.test(lower)) return true;
  return lower.startsWith("__?") &&
    /^__\?(infinity|[qs]?nan|b?float\d+[hlme]?|utf(16|32)([lb]e)?|ilog2[ewfc]|masm_(ptr|flat))\?__$/
      .test(lower);
}

const noPrefixes: Prefixes = Object.freeze({
  repeat: 0,
  repeatWord: "",
  lock: 0,
  wait: 0,
  segment: undefined,
  operandSize: 0,
  addressSize: 0,
  encoding: "",
});

/** Reads lines into statements. */
export class Parser {
  /** The lexer, on the line last read: a directive's arguments are taken from it. */
  readonly lexer: Lexer;
  readonly #surroundings: Surroundings;
  readonly #expressions: ExpressionParser;
  readonly #operands: OperandParser;
  #times: Expression | undefined;

  /** @param surroundings What the expressions hang on. */
  constructor(surroundings: Surroundings) {
    this.lexer = new Lexer({ text: "", file: "", line: 0, depth: 0 });
    this.#surroundings = surroundings;
    this.#expressions = new ExpressionParser(this.lexer, surroundings);
    this.#operands = new OperandParser(this.lexer, this.#expressions);
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
    if (lexer.kind === "escaped" || (lexer.kind === "name" && isLabel(lexer))) {
      label = lexer.text;
      const span = { start: lexer.start, end: lexer.end };
      lexer.next();
      if (!lexer.accept(":")) {
        if (lexer.kind === "name" && isForeign(lexer.text)) throw this.#unknown(lexer.text);
        if (!isInstructionNext(lexer)) throw this.#unknown(label, span);
        if (isAtEnd(lexer)) {
          const hint = meantByForeign(label) || ": is it a typing error?";
          this.#surroundings.warn(`The label ${label} stands alone without a colon${hint}`);
        }
      }
      if (!isEqu(lexer)) onLabel(label);
    } else if (lexer.kind === "[") return this.#bracketed();
    this.#times = undefined;
    const body = lexer.kind === "end" ? undefined : this.#body();
    if (body?.kind !== "directive") this.#finish();
    return { label, times: this.#times, body };
  }

  /** Throws unless the line ends here. */
  #finish(): void {
    const lexer = this.lexer;
    if (lexer.kind !== "end") {
      const hint = meantAt(lexer.line.text, lexer.start);
      throw lexer.error(`Expected the end of the line, found ${lexer.written()}${hint}`);
    }
  }

  #unknown(word: string, span?: Span): AssemblyError {
    return this.lexer.error(`Unknown instruction "${word}"${meantBy(word)}`, span);
  }

  /** A directive in its primitive form, `[bits 16]`; what stands behind it is of no account. */
  #bracketed(): Statement {
    const lexer = this.lexer;
    const { text } = lexer.line;
    const close = text.indexOf("]");
    const comment = text.indexOf(";");
    if (close < 0 || (comment >= 0 && comment < close)) {
      throw lexer.error('Expected "]" at the end of the directive');
    }
    lexer.next();
    if (lexer.kind !== "name") throw lexer.error(`Expected a directive, found ${lexer.written()}`);
    const name = lexer.text.toLowerCase();
    const word = words.get(name);
    const isKnown = (word?.kind === "directive" && word.takesArguments) || primitives.has(name);
    if (!isKnown) throw lexer.error(`Unknown directive ${lexer.written()}`);
    const body: Body = { kind: "directive", name, arguments: trim(text, lexer.end, close) };
    return { label: undefined, times: undefined, body };
  }

  #body(): Body {
    const lexer = this.lexer;
    if (lexer.kind !== "name") {
      const hint = meantAt(lexer.line.text, lexer.start);
      throw lexer.error(`Expected an instruction, found ${lexer.written()}${hint}`);
    }
    const name = lexer.text;
    const word = findWord(name);
    switch (word.kind) {
      case "instruction":
        lexer.next();
        return this.#instruction(word.mnemonic, noPrefixes);
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
        return this.#directive(name.toLowerCase(), word.takesArguments);
      default:
        throw this.#unknown(name);
    }
  }

  #directive(name: string, takesArguments: boolean): Body {
    const { lexer } = this;
    const { text } = lexer.line;
    const span = trim(text, lexer.end, commentStart(text));
    if ((span.start < span.end) !== takesArguments) {
      throw lexer.error(`${lexer.written()} takes ${takesArguments ? "an" : "no"} argument`);
    }
    return { kind: "directive", name, arguments: span };
  }

  /** What begins with prefixes or `times`, in any order; without an instruction it is prefixes only. */
  #prefixed(): Body {
    const lexer = this.lexer;
    const prefixes = { ...noPrefixes };
    const written: Record<string, string> = {};
    let hasPrefix = false;
    while (lexer.kind === "name") {
      const word = findWord(lexer.text);
      if (word.kind === "prefix") {
        const name = lexer.text.toLowerCase();
        if ((written[word.slot] ??= name) !== name) {
          throw lexer.error(`Prefix ${name} contradicts ${written[word.slot]}`);
        }
        word.set(prefixes);
        hasPrefix = true;
        lexer.next();
      } else if (word.kind === "times") {
        lexer.next();
        this.#times = this.expression();
      } else if (word.kind === "instruction") {
        lexer.next();
        return this.#instruction(word.mnemonic, prefixes);
      } else if (word.kind === "directive" || word.kind === "align") {
        throw lexer.error(`Nothing may stand before ${lexer.written()}`);
      } else if (!hasPrefix || word.kind === "data") return this.#body();
      else break;
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
    // A comma may end the line.
    while (lexer.kind !== "end") {
      const operand = this.#operands.parse(mnemonic);
      isConstant &&= (operand.expression?.kind ?? "constant") === "constant" &&
        (operand.segment?.kind ?? "constant") === "constant";
      operands.push(operand);
      if (!lexer.accept(",")) break;
    }
    for (const { addressPrefix } of operands) {
      if (addressPrefix === 0) continue;
      if (prefixes.addressSize !== 0 && prefixes.addressSize !== addressPrefix) {
        throw lexer.error(`Prefix a${addressPrefix} contradicts another one`);
      }
      prefixes = { ...prefixes, addressSize: addressPrefix };
    }
    return { kind: "instruction", mnemonic, operands, prefixes, isConstant };
  }

  /**
   * The values of `db` and the like, up to the end of the line or a closing parenthesis. As in NASM
   * one more token may stand behind a number, and counts for nothing; of two strings nothing counts
   * from the second one on.
   */
  #items(closing: "end" | ")"): DataItem[] {
    const items: DataItem[] = [];
    const lexer = this.lexer;
    while (lexer.kind !== closing) {
      const isString = lexer.kind === "string";
      const item = this.#item();
      items.push(item);
      const isSpare = item.kind === "expression" && lexer.kind !== "," && lexer.kind !== closing;
      if (isSpare && lexer.kind !== "end") {
        this.#surroundings.warn("What stands here counts for nothing: is a comma missing?", lexer);
        const isSecond = isString && lexer.kind === "string";
        lexer.next();
        while (isSecond && lexer.kind !== closing && !isAtEnd(lexer)) lexer.next();
      }
      if (!lexer.accept(",")) break;
    }
    return items;
  }

  #item(): DataItem {
    const lexer = this.lexer;
    const { kind, text, start, end } = lexer;
    if (kind === "string" && endsItem(lexer)) {
      lexer.next();
      return { kind: "string", text };
    }
    if (kind === "%" && lexer.following() === "(") {
      lexer.next();
      return { kind: "repeat", count: one, items: this.#repeated() };
    }
    const size = kind === "name" ? sizes.get(text.toLowerCase()) : undefined;
    if (size !== undefined && text.toLowerCase() !== "long") {
      lexer.next();
      return { kind: "repeat", count: one, items: this.#repeated(), unit: size / 8 };
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
      return { kind: "repeat", count: expression, items: this.#repeated() };
    }
    return { kind: "expression", expression };
  }

  /** What is repeated: items in parentheses, or one without. */
  #repeated(): DataItem[] {
    const lexer = this.lexer;
    if (lexer.kind === "end") return [];
    if (!lexer.accept("(")) return [this.#item()];
    const items = this.#items(")");
    lexer.expect(")");
    return items;
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
    const lexer = this.lexer;
    const boundary = this.expression();
    let fill: Body = name === "alignb"
      ? { kind: "reserve", unit: 1, count: one }
      : { kind: "data", unit: 1, items: [{ kind: "expression", expression: nop }] };
    if (lexer.accept(",") && lexer.kind !== "end") {
      const span = { start: lexer.start, end: lexer.end };
      fill = this.#body();
      if (fill.kind === "equ" || fill.kind === "align" || fill.kind === "directive") {
        throw lexer.error(`${name} takes an instruction or data to fill up with`, span);
      }
    }
    return { kind: "align", boundary, fill };
  }
}

const one: Expression = { kind: "constant", value: scalar(1n), span: { start: 0, end: 0 } };

const nop: Expression = { ...one, value: scalar(0x90n) };

function isAtEnd(lexer: Lexer): boolean {
  return lexer.kind === "end";
}

function isEqu(lexer: Lexer): boolean {
  return lexer.kind === "name" && findWord(lexer.text).kind === "equ";
}

/** Whether a name begins a line as its label. */
function isLabel(lexer: Lexer): boolean {
  const word = findWord(lexer.text);
  switch (word.kind) {
    case "name":
      return findRegister(lexer.text) === undefined;
    case "instruction":
    case "data":
    case "reserve":
    case "equ":
      return lexer.following() === ":";
    case "align":
      return lexer.following() === "";
    case "directive":
      return (lexer.following() === "") === word.takesArguments;
    default:
      return false;
  }
}

/** Whether a label may stand before what is next without a colon between them. */
function isInstructionNext(lexer: Lexer): boolean {
  return lexer.kind === "end" ||
    (lexer.kind === "name" && !/^(name|reserved)$/.test(findWord(lexer.text).kind));
}

/** A part of a text without the blanks around it. */
function trim(text: string, start: number, end: number): Span {
  while (start < end && text.charCodeAt(start) <= 0x20) start++;
  while (start < end && text.charCodeAt(end - 1) <= 0x20) end--;
  return { start, end };
}

/** Where a line's comment begins, or where the line ends. */
function commentStart(text: string): number {
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (quote) {
      if (character === "\\" && quote === "`") i++;
      else if (character === quote) quote = "";
    } else if (character === ";") return i;
    else if ("'\"`".includes(character)) quote = character;
  }
  return text.length;
}

function endsItem(lexer: Lexer): boolean {
  return endsOperand(lexer) || lexer.following() === ")";
}
