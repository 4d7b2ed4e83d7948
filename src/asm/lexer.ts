import { AssemblyError, type SourceLine, type Span } from "./error.ts";

/**
 * What a token is. Punctuation and operators are their own kind; `here` is `$`, `base` is `$$`,
 * `escaped` is `$name`, a name that is never a keyword.
 */
export type TokenKind =
  | "end"
  | "name"
  | "escaped"
  | "number"
  | "float"
  | "string"
  | "here"
  | "base"
  | Operator;

type Operator =
  | "("
  | ")"
  | "["
  | "]"
  | "{"
  | "}"
  | ","
  | ":"
  | "?"
  | "+"
  | "-"
  | "*"
  | "/"
  | "//"
  | "%"
  | "%%"
  | "!"
  | "~"
  | "|"
  | "||"
  | "^"
  | "^^"
  | "&"
  | "&&"
  | "="
  | "!="
  | "<"
  | "<="
  | "<=>"
  | "<<"
  | "<<<"
  | ">"
  | ">="
  | ">>"
  | ">>>";

// What a character can be, by its code; everything above ASCII belongs to names, as in NASM.
const SPACE = 1, START = 2, DIGIT = 4, INSIDE = 8;
const characters = new Uint8Array(128);
for (const c of " \t\r\f\v") characters[c.charCodeAt(0)] = SPACE;
for (let c = 0x41; c <= 0x5A; c++) characters[c] = characters[c + 0x20] = START | INSIDE;
for (const c of "_.?@") characters[c.charCodeAt(0)] = START | INSIDE;
for (let c = 0x30; c <= 0x39; c++) characters[c] = DIGIT | INSIDE;
for (const c of "$#~") characters[c.charCodeAt(0)] = INSIDE;

const operators = new Set<string>(
  "( ) [ ] { } , : ? + - * / // % %% ! ~ | || ^ ^^ & && = == != <> < <= <=> << <<< > >= >> >>>"
    .split(" "),
);

/** No name in braces is longer. */
const mostBraced = 16;

const singles = new Set<string>([",", "[", "]", "(", ")", "{", "}", ":", "+", "-", "~"]);

/**
 * Reads one line's tokens. The current token is in the fields; `next` moves on. There are no token
 * objects: a source has more tokens than anything else.
 */
export class Lexer {
  /** The line being read. */
  line: SourceLine;
  /** The current token's kind. */
  kind: TokenKind = "end";
  /** A name as written, a number's or float's text, a string's bytes (one character each). */
  text = "";
  /** A number's value, modulo 2^64. */
  value = 0n;
  /** Where the current token begins. */
  start = 0;
  /** Where the current token ends, exclusive. */
  end = 0;
  #source: string;

  /** @param line The line to read; its first token is read at once. */
  constructor(line: SourceLine) {
    this.line = line;
    this.#source = line.text;
    this.next();
  }

  /** Reads another line with this lexer, or a part of it as if it stood alone. */
  open(line: SourceLine, part?: Span): void {
    this.line = line;
    this.#source = part ? line.text.slice(0, part.end) : line.text;
    this.end = part?.start ?? 0;
    this.next();
  }

  /** Goes back to a token that began at `start`. */
  seek(start: number): void {
    this.end = start;
    this.next();
  }

  /** The first character after the current token, blanks skipped: "" at the end of the line. */
  following(): string {
    let at = this.end;
    while ((characters[this.#source.charCodeAt(at)] ?? 0) === SPACE) at++;
    const character = this.#source[at] ?? "";
    return character === ";" ? "" : character;
  }

  /** An error at the current token, or at `span`. */
  error(reason: string, span?: Span): AssemblyError {
    return new AssemblyError(reason, { line: this.line, span: span ?? this });
  }

  /** The current token as written, for messages. */
  written(): string {
    return this.kind === "end"
      ? "the end of the line"
      : `"${this.#source.slice(this.start, this.end)}"`;
  }

  /** Takes the current token if it is of this kind. */
  accept(kind: TokenKind): boolean {
    if (this.kind !== kind) return false;
    this.next();
    return true;
  }

  /** Takes a token of this kind, or throws. */
  expect(kind: TokenKind): void {
    if (!this.accept(kind)) throw this.error(`Expected "${kind}", found ${this.written()}`);
  }

  /** Reads the next token into the fields. */
  next(): void {
    const source = this.#source;
    let at = this.end;
    let code = source.charCodeAt(at);
    while (code === 0x20 || (code < 128 && characters[code] === SPACE)) {
      code = source.charCodeAt(++at);
    }
    this.start = at;
    if (!(at < source.length) || code === 0x3B) {
      this.kind = "end";
      this.end = at;
      return;
    }
    const kind = code < 128 ? characters[code]! : START;
    if (kind & START) {
      const end = nameEnd(source, at + 1);
      if (code === 0x3F && end === at + 1) return this.#take("?", end);
      this.kind = "name";
      this.text = source.slice(at, end);
      this.end = end;
    } else if (kind & DIGIT) {
      this.#number(at, false);
    } else if (code === 0x22 || code === 0x27 || code === 0x60) {
      this.#string(at, code);
    } else if (code === 0x24) {
      this.#dollar(at);
    } else {
      this.#operator(at);
    }
  }

  #take(kind: TokenKind, end: number): void {
    this.kind = kind;
    this.end = end;
  }

  /** `$`, `$$`, `$name`, or a hexadecimal number that begins with a digit: `$0F`. */
  #dollar(at: number): void {
    const source = this.#source;
    const code = source.charCodeAt(at + 1);
    const kind = code < 128 ? characters[code]! : code >= 128 ? START : 0;
    if (kind & DIGIT) return this.#number(at, true);
    if (kind & START) {
      this.#take("escaped", nameEnd(source, at + 1));
      this.text = source.slice(at + 1, this.end);
    } else if (code === 0x24) {
      this.#take("base", at + 2);
    } else {
      this.#take("here", at + 1);
    }
  }

  /** `{rex}` and the like are names; tells whether there is one. */
  #braced(at: number): boolean {
    const word = /^\{\w+\}/.exec(this.#source.slice(at, at + mostBraced))?.[0];
    if (word === undefined) return false;
    this.#take("name", at + word.length);
    this.text = word;
    return true;
  }

  #operator(at: number): void {
    const source = this.#source;
    // What begins no longer operator, and is most of what there is.
    const single = source[at]!;
    if (single === "{" && this.#braced(at)) return;
    if (singles.has(single)) return this.#take(single as Operator, at + 1);
    for (let length = 3; length > 0; length--) {
      const text = source.slice(at, at + length);
      if (text.length !== length || !operators.has(text)) continue;
      return this.#take(
        (text === "==" ? "=" : text === "<>" ? "!=" : text) as Operator,
        at + length,
      );
    }
    this.end = at + 1;
    throw this.error(`Unexpected character ${this.written()}`);
  }

  /** Digits, letters and underscores; a point or an exponent makes it floating point. */
  #number(at: number, dollar: boolean): void {
    const source = this.#source;
    let end = at + (dollar ? 1 : 0);
    const second = source.charCodeAt(end + 1) | 0x20;
    let hex = dollar ||
      (source.charCodeAt(end) === 0x30 && (second === 0x78 || second === 0x68));
    let float = false;
    let exponent = false;
    for (;; end++) {
      const code = source.charCodeAt(end);
      const lower = code | 0x20;
      if (code >= 0x30 && code <= 0x39 || code === 0x5F) continue;
      if (code === 0x2E) float = true;
      else if (!(lower >= 0x61 && lower <= 0x7A)) break;
      else if (lower === 0x65 && !hex) {
        exponent = true;
        if (isSign(source.charCodeAt(end + 1))) {
          float = true;
          end++;
        }
      } else if (lower === 0x68 || lower === 0x78) hex = true;
      else if (lower === 0x70) {
        float = true;
        if (isSign(source.charCodeAt(end + 1))) end++;
      }
    }
    this.end = end;
    this.text = source.slice(at, end);
    if (float || (exponent && !hex)) {
      this.kind = "float";
      return;
    }
    this.kind = "number";
    const value = parseInteger(this.text);
    if (value === undefined) throw this.error(`${this.written()} is not a number`);
    this.value = BigInt.asUintN(64, value);
  }

  #string(at: number, quote: number): void {
    const end = stringEnd(this.#source, at, quote);
    if (end === 0) {
      this.end = this.#source.length;
      throw this.error("The string does not end on this line");
    }
    const inner = this.#source.slice(at + 1, end - 1);
    this.#take("string", end);
    this.text = quote === 0x60 ? unescapeString(inner) : toBytes(inner);
  }
}

/** The end of a quoted string that begins at `at`, exclusive; 0 if it does not end. */
function stringEnd(source: string, at: number, quote: number): number {
  for (let i = at + 1; i < source.length; i++) {
    const code = source.charCodeAt(i);
    if (code === quote) return i + 1;
    if (code === 0x5C && quote === 0x60) i++;
  }
  return 0;
}

function isSign(code: number): boolean {
  return code === 0x2B || code === 0x2D;
}

function nameEnd(source: string, at: number): number {
  for (;; at++) {
    const code = source.charCodeAt(at);
    if (code < 128 ? (characters[code]! & INSIDE) === 0 : code !== code) return at;
  }
}

/** The digits that may be used in a base, by the letter that names it. */
const bases: Readonly<Record<string, number>> = {
  h: 16,
  x: 16,
  d: 10,
  t: 10,
  o: 8,
  q: 8,
  b: 2,
  y: 2,
};

/**
 * An integer in any of NASM's formats: `0x1F`, `0h1F`, `1Fh`, `$1F`, `101b`, `0b101`, `17o`, `17q`,
 * `0d10`, `10d`, underscores anywhere.
 *
 * @returns The value, as large as it is, or undefined if the text is not a number.
 */
export function parseInteger(written: string): bigint | undefined {
  if (written.length < 16) {
    const plain = decimal(written);
    if (plain >= 0) return BigInt(plain);
  }
  let text = written.toLowerCase();
  let base: number | undefined;
  const last = text.at(-1)!;
  if (text.startsWith("$")) {
    base = 16;
    text = text.slice(1);
  } else if (/^0[hxdtoqby]/.test(text)) {
    // "0b1h" is hexadecimal and "0d5h" too: a hexadecimal suffix wins over a prefix letter that is
    // a hexadecimal digit.
    const prefix = text[1]!;
    if ("bd".includes(prefix) && (last === "h" || last === "x")) {
      base = 16;
      text = text.slice(0, -1);
    } else {
      base = bases[prefix]!;
      text = text.slice(2);
    }
  } else if (last in bases) {
    base = bases[last]!;
    text = text.slice(0, -1);
  } else {
    base = 10;
  }
  text = text.replaceAll("_", "");
  if (![...text].every((digit) => parseInt(digit, 36) < base)) return undefined;
  if (text === "") return 0n;
  if (base === 10) return BigInt(text);
  if (base === 8) return BigInt("0o" + text);
  return BigInt((base === 16 ? "0x" : "0b") + text);
}

/** The value of plain decimal digits, the common case; −1 if there is anything else. */
function decimal(text: string): number {
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** A string's UTF-8 bytes, one character each. */
export function toBytes(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) <= 127) continue;
    let bytes = "";
    for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
    return bytes;
  }
  return text;
}

const escapes: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  t: "\t",
  n: "\n",
  v: "\v",
  f: "\f",
  r: "\r",
  e: "\x1B",
};

/** The bytes of a backquoted string, with C's escapes (NASM manual §3.4.2). */
export function unescapeString(text: string): string {
  if (!text.includes("\\")) return toBytes(text);
  const pattern =
    /\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([^]))|[^\\]+/g;
  return text.replaceAll(pattern, (plain, octal, hex, short, long, letter) => {
    if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8) & 255);
    if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
    const code = parseInt(short ?? long ?? "", 16);
    if (code <= 0x10FFFF) return toBytes(String.fromCodePoint(code));
    if (letter !== undefined) return escapes[letter] ?? toBytes(letter);
    return toBytes(plain);
  });
}
