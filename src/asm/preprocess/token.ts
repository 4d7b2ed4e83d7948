import { Lexer } from "../lexer.ts";

/**
 * What a preprocessor token is. Unlike the assembler's tokens these keep white space and the exact
 * text, because a line of them must turn back into text.
 *
 * - `%name`: `preproc`; `%$name`: `local`; `%%name`: `label`; `%!name`: `environ`
 * - `%1`, `%-1`, `%+1`, `%{1:3}`: `parameter`; `%[…]`: `indirect` (the text between the brackets)
 * - `%+`: `paste`; `%,`: `comma`; `%?` and `%*?`: `called`; `%??` and `%*??`: `defined`
 * - `argument`: a parameter's name inside the body of a single-line macro, numbered by `index`
 * - `broken`: a string without an end
 */
export type TokenType =
  | "argument"
  | "base"
  | "broken"
  | "called"
  | "comma"
  | "defined"
  | "environ"
  | "float"
  | "here"
  | "id"
  | "indirect"
  | "label"
  | "local"
  | "number"
  | "operator"
  | "parameter"
  | "paste"
  | "preproc"
  | "space"
  | "string";

/** A piece of a line. Tokens never change, so lines and macros share them. */
export interface Token {
  readonly type: TokenType;
  readonly text: string;
  /** The number of an `argument`, else −1. */
  readonly index: number;
}

/** Makes a token. */
export function token(type: TokenType, text: string, index = -1): Token {
  return { type, text, index };
}

/** All white space is one blank. */
export const SPACE: Token = token("space", " ");

const START = 1, INSIDE = 2, DIGIT = 4, BLANK = 8;
const characters = new Uint8Array(128);
for (let c = 0x41; c <= 0x5A; c++) characters[c] = characters[c + 32] = START | INSIDE;
for (const c of "_.?@") characters[c.charCodeAt(0)] = START | INSIDE;
for (let c = 0x30; c <= 0x39; c++) characters[c] = INSIDE | DIGIT;
for (const c of "$#~") characters[c.charCodeAt(0)] = INSIDE;
for (const c of " \t\r\f\v\n") characters[c.charCodeAt(0)] = BLANK;

/** What the character at `at` is; beyond ASCII everything belongs to names. */
function classOf(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 128 ? characters[code]! : code === code ? START | INSIDE : 0;
}

/** Where a name that has begun before `at` ends. */
function nameEnd(text: string, at: number): number {
  while (classOf(text, at) & INSIDE) at++;
  return at;
}

/**
 * Finds the names in a line that might be macro calls, quickly: strings and numbers are not told
 * apart, so it may see more than there are, never fewer. Stops at the first that `test` accepts.
 */
export function someName(text: string, test: (start: number, end: number) => boolean): boolean {
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const kind = code < 128 ? characters[code]! : START | INSIDE;
    if (kind & START) {
      const end = nameEnd(text, at + 1);
      if (test(at, end)) return true;
      at = end - 1;
    } else if (kind & DIGIT) {
      at = nameEnd(text, at + 1) - 1;
    } else if (code === 0x27 || code === 0x22 || code === 0x60) {
      quoted = true;
    } else if (code === 0x3B && !quoted) {
      return false;
    }
  }
  return false;
}

/** Where the string that begins at `at` ends: behind its quote, or 0 if it has none. */
function stringEnd(text: string, at: number): number {
  const quote = text[at]!;
  if (quote !== "`") return text.indexOf(quote, at + 1) + 1;
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === "`") return i + 1;
    if (text[i] === "\\") i++;
  }
  return 0;
}

function isQuote(character: string | undefined): boolean {
  return character === "'" || character === '"' || character === "`";
}

/** The operators of more than one character, longest first. */
const LONG_OPERATORS = "<<< >>> <=> << >> <= >= <> != == // && || ^^".split(" ");

/** Splits a line into tokens. A comment ends it; white space at its end is dropped. */
export function tokenize(line: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < line.length) {
    const kind = classOf(line, at);
    const character = line[at]!;
    let end = at + 1;
    if (kind & BLANK) {
      while (classOf(line, end) & BLANK) end++;
      if (end < line.length && line[end] !== ";") tokens.push(SPACE);
    } else if (character === ";") {
      break;
    } else if (character === "%") {
      end = percent(line, at, tokens);
    } else if (character === "?" && !(classOf(line, end) & INSIDE)) {
      tokens.push(token("id", "?"));
    } else if (kind & START || (character === "$" && classOf(line, end) & START)) {
      end = nameEnd(line, end);
      tokens.push(token("id", line.slice(at, end)));
    } else if (isQuote(character)) {
      end = stringEnd(line, at);
      if (end > 0) {
        tokens.push(token("string", line.slice(at, end)));
      } else {
        end = line.length;
        tokens.push(token("broken", line.slice(at)));
      }
    } else if (character === "$" && line[end] === "$") {
      tokens.push(token("base", "$$"));
      end++;
    } else if (kind & DIGIT || character === "$") {
      end = number(line, at, tokens);
    } else {
      const long = LONG_OPERATORS.find((operator) => line.startsWith(operator, at));
      if (long) end = at + long.length;
      tokens.push(token("operator", long ?? character));
    }
    at = end;
  }
  return tokens;
}

/** Reads a number, or the lone `$`, as NASM's preprocessor does; returns its end. */
function number(line: string, start: number, tokens: Token[]): number {
  let at = start;
  let hex = false;
  let float = false;
  let exponent = false;
  const isSign = (character: string | undefined) => character === "+" || character === "-";
  if (line[at] === "$") {
    at++;
    hex = true;
  }
  for (; at < line.length; at++) {
    const character = line[at]!;
    const lower = character.toLowerCase();
    if (lower === "e" && !hex) {
      exponent = true;
      if (isSign(line[at + 1])) {
        float = true;
        at++;
      }
    } else if (lower === "h" || lower === "x") {
      hex = true;
    } else if (lower === "p") {
      float = true;
      if (isSign(line[at + 1])) at++;
    } else if (character === ".") {
      // "1.nolist" is a number and a name; "1.5", "1.e3" and "0x1.8p3" go on.
      let next = at + 1;
      while (line[next] === "_") next++;
      if (!/[0-9p]/i.test(line[next] ?? "") && !(hex ? /[a-f]/i : /e/i).test(line[next] ?? "")) {
        break;
      }
      float = true;
      at = next - 1;
    } else if (!/\w/.test(character)) {
      break;
    }
  }
  if (at === start + 1 && line[start] === "$") tokens.push(token("here", "$"));
  else tokens.push(token(float || (exponent && !hex) ? "float" : "number", line.slice(start, at)));
  return at;
}

/** Reads what begins with `%`; returns its end. */
function percent(line: string, start: number, tokens: Token[]): number {
  const at = start + 1;
  const next = line[at] ?? "";
  const kind = classOf(line, at);
  const isSigned = (next === "-" || next === "+") && (classOf(line, at + 1) & DIGIT) !== 0;
  let end = at;
  if (next === "+" && !isSigned) {
    end = at + 1;
  } else if (kind & DIGIT || isSigned) {
    end = at + 1;
    while (classOf(line, end) & DIGIT) end++;
  } else if (next === "{" || next === "[") {
    return bracketed(line, at, tokens);
  } else if (next === "?" || (next === "*" && line[at + 1] === "?")) {
    end = at + (next === "*" ? 2 : 1);
    if (line[end] === "?") end++;
  } else if (next === "!") {
    end = at + 1;
    if (isQuote(line[end])) end = stringEnd(line, end) || line.length;
    else end = nameEnd(line, end);
  } else if (next === ",") {
    end = at + 1;
  } else if (kind & INSIDE || (next === "%" && classOf(line, at + 1) & INSIDE)) {
    end = nameEnd(line, at + 1);
  } else if (next === "%") {
    end = at + 1;
  }
  tokens.push(percentToken(line.slice(start, end)));
  return end;
}

/** `%{…}` stands for `%…`; `%[…]` is expanded later. */
function bracketed(line: string, at: number, tokens: Token[]): number {
  const open = line[at]!;
  const close = open === "{" ? "}" : "]";
  let depth = 1;
  let end = at + 1;
  for (; end < line.length; end++) {
    const character = line[end]!;
    if (character === open) depth++;
    else if (character === close && --depth === 0) break;
    else if (isQuote(character)) end = (stringEnd(line, end) || line.length) - 1;
  }
  const inside = line.slice(at + 1, end);
  tokens.push(open === "[" ? token("indirect", inside) : percentToken("%" + inside));
  return end + 1;
}

function percentToken(text: string): Token {
  return token(percentType(text), text);
}

function percentType(text: string): TokenType {
  const next = text[1];
  switch (next) {
    case undefined:
      return "operator";
    case "+":
      return text.length === 2 ? "paste" : "parameter";
    case "-":
    case ":":
      return "parameter";
    case "?":
      return text === "%?" ? "called" : text === "%??" ? "defined" : "preproc";
    case "*":
      return text === "%*?" ? "called" : text === "%*??" ? "defined" : "operator";
    case "!":
      return text.length === 2 ? "operator" : "environ";
    case "%":
      return text.length === 2 ? "operator" : "label";
    case "$":
      return text.length === 2 ? "operator" : "local";
    case ",":
      return text.length === 2 ? "comma" : "preproc";
    default:
      return classOf(text, 1) & DIGIT ? "parameter" : "preproc";
  }
}

/** The text of a token as it is written in a source. */
export function written(part: Token): string {
  return part.type === "indirect" ? `%[${part.text}]` : part.text;
}

/** Tokens back to text. */
export function detokenize(tokens: readonly Token[]): string {
  let text = "";
  for (const part of tokens) text += written(part);
  return text;
}

const stringReader = new Lexer({ text: "", file: "", line: 0, depth: 0 });

/** The bytes that a string token stands for, one character each; other tokens are their text. */
export function unquote(part: Token): string {
  if (part.type !== "string") return part.text;
  stringReader.open({ text: part.text, file: "", line: 0, depth: 0 });
  return stringReader.text;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\x1B": "\\e",
  "`": "\\`",
  "\\": "\\\\",
};

/** A string token for bytes (one character each), in the quotes that NASM would choose. */
export function quote(bytes: string): Token {
  const isPlain = /^[ -~]*$/.test(bytes);
  if (isPlain && !bytes.includes("'")) return token("string", `'${bytes}'`);
  if (isPlain && !bytes.includes('"')) return token("string", `"${bytes}"`);
  const escaped = bytes.replaceAll(/[^ -_a-~]|\\/g, (character, at: number) => {
    const known = ESCAPES[character];
    if (known) return known;
    const octal = character.charCodeAt(0).toString(8);
    return "\\" + (/[0-7]/.test(bytes[at + 1] ?? "") ? octal.padStart(3, "0") : octal);
  });
  return token("string", "`" + escaped + "`");
}

/** A number as NASM writes it back: decimal, a minus sign being a token of its own. */
export function numberTokens(value: bigint): Token[] {
  const signed = BigInt.asIntN(64, value);
  const digits = token("number", (signed < 0n ? -signed : signed).toString());
  return signed < 0n ? [token("operator", "-"), digits] : [digits];
}

/** Where the first token at or behind `from` stands that is not white space. */
export function skipSpace(tokens: readonly Token[], from = 0): number {
  while (tokens[from]?.type === "space") from++;
  return from;
}

/** Adds tokens at the end, however many: as arguments of `push` they could exhaust the stack. */
export function append(to: Token[], tokens: readonly Token[]): void {
  for (const part of tokens) to.push(part);
}

/** Whether a token is this operator. */
export function isOperator(part: Token | undefined, text: string): boolean {
  return part?.type === "operator" && part.text === text;
}

/** Whether this is the plain form of a line of tokens: nothing but white space. */
export function isBlank(tokens: readonly Token[]): boolean {
  return skipSpace(tokens) === tokens.length;
}
