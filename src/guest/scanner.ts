import { AssemblyError } from "../asm/error.ts";
import { parseInteger, unescapeString } from "../asm/lexer.ts";

/** A piece of text and where it stands, so that an error can point at it. */
export interface Located {
  /** The file, or what stands for one: `--expect`. */
  readonly file: string;
  /** The line's number, from 1. */
  readonly line: number;
  /** The whole line. */
  readonly text: string;
  /** Where in the line the piece begins. */
  readonly start: number;
}

interface Token {
  readonly kind: "number" | "string" | "name" | "sign" | "end";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** A name may begin with two dots, as NASM's `..@x` does; before anything else they are a range. */
const TOKEN =
  /\s*(?:(\$?\d\w*)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`)|((?!\.\.(?:[^@A-Za-z_?]|$))[A-Za-z_.?@][\w.?@$#~]*)|(\.\.|!=|<=|>=|[=<>[\]+,:-])|(\S))/y;

/** A name in a directive that means nothing there; `known` are the names that would. */
export class UnknownNameError extends AssemblyError {
  /** The name, as it was written. */
  readonly written: string;
  /** What it could have been. */
  readonly known: readonly string[];

  /**
   * The error of one name.
   *
   * @param at The place, the name written there, and the names known there.
   */
  constructor(
    reason: string,
    at: ConstructorParameters<typeof AssemblyError>[1] & {
      written: string;
      known: readonly string[];
    },
  ) {
    super(reason, at);
    this.written = at.written;
    this.known = at.known;
  }
}

/** Reads a directive's value: names, numbers in NASM's formats, quoted strings, signs. */
export class Scanner {
  readonly #at: Located;
  #next: Token;

  constructor(at: Located) {
    this.#at = at;
    this.#next = this.#scan(at.start);
  }

  /** The next token's text, unread. */
  get peek(): string {
    return this.#next.text;
  }

  /** Whether everything has been read. */
  get atEnd(): boolean {
    return this.#next.kind === "end";
  }

  /** Reads the next token if it is `sign`, or this word in any case. */
  take(sign: string): boolean {
    if (this.#next.kind === "string" || this.#next.text.toLowerCase() !== sign) return false;
    this.#advance();
    return true;
  }

  /** Reads one of `words`, in any case. */
  oneOf<const W extends string>(words: readonly W[], what: string): W {
    const word = words.find((word) => this.take(word));
    if (word !== undefined) return word;
    const reason = `${capitalized(what)} is one of ${words.join(", ")}`;
    if (this.#next.kind !== "name") throw this.unexpected(reason);
    throw this.unknownName(`${reason}, not "${this.peek}"`, { known: words });
  }

  /** Reads a name. */
  name(what: string): string {
    if (this.#next.kind !== "name") throw this.unexpected(`expected ${what}`);
    return this.#advance().text;
  }

  /** Reads a number, a minus sign before it allowed, or a character constant. */
  number(what: string): bigint {
    const isNegative = this.take("-");
    const value = this.#next.kind === "string" ? this.#character() : this.#integer(what);
    return isNegative ? -value : value;
  }

  /** Whether the next token is a name. */
  get isName(): boolean {
    return this.#next.kind === "name";
  }

  /** Whether the next token is a quoted string. */
  get isString(): boolean {
    return this.#next.kind === "string";
  }

  /** Reads a quoted string, with C's escapes; its UTF-8 bytes. */
  bytes(what: string): Uint8Array {
    if (this.#next.kind !== "string") throw this.unexpected(`expected ${what} in quotes`);
    const quoted = this.#advance().text;
    return Uint8Array.from(unescapeString(quoted.slice(1, -1)), (c) => c.charCodeAt(0));
  }

  /** Requires that everything was read. */
  end(): void {
    if (!this.atEnd) throw this.unexpected("expected nothing more");
  }

  /** An error that points at the next token. */
  unexpected(reason: string): AssemblyError {
    const { text } = this.#next;
    const isOpenQuote = ['"', "'", "`"].includes(text);
    const found = this.atEnd
      ? "the end of the line"
      : isOpenQuote
      ? "a quote that nothing closes"
      : `"${text}"`;
    return this.error(`${capitalized(reason)}, not ${found}`);
  }

  /** An error that points at the next token, or at the one that starts at `start`. */
  error(reason: string, start: number = this.#next.start): AssemblyError {
    const { file, line, text } = this.#at;
    const { end } = this.#scan(start);
    return new AssemblyError(reason, {
      line: { file, line, text, depth: 0 },
      span: { start, end },
    });
  }

  /** An error about a name that none of `known` is; it points at `start`, or the next token. */
  unknownName(
    reason: string,
    { start = this.position, known }: { start?: number; known: readonly string[] },
  ): UnknownNameError {
    const { file, line, text } = this.#at;
    const { end } = this.#scan(start);
    const place = { line: { file, line, text, depth: 0 }, span: { start, end } };
    return new UnknownNameError(reason, { ...place, written: text.slice(start, end), known });
  }

  /** Where the next token starts, for {@linkcode Scanner.error}. */
  get position(): number {
    return this.#next.start;
  }

  #integer(what: string): bigint {
    const value = this.#next.kind === "number" ? parseInteger(this.#next.text) : undefined;
    if (value === undefined) throw this.unexpected(`expected ${what}`);
    this.#advance();
    return value;
  }

  #character(): bigint {
    const start = this.position;
    const bytes = this.bytes("a character");
    if (bytes.length === 0 || bytes.length > 8) {
      throw this.error("A character constant has 1 to 8 bytes", start);
    }
    return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  #advance(): Token {
    const token = this.#next;
    this.#next = this.#scan(token.end);
    return token;
  }

  #scan(from: number): Token {
    TOKEN.lastIndex = from;
    const found = TOKEN.exec(this.#at.text);
    if (found === null) {
      const end = this.#at.text.trimEnd().length;
      return { kind: "end", text: "", start: end, end: end + 1 };
    }
    const [, number, string, name, sign, other] = found;
    const text = number ?? string ?? name ?? sign ?? other!;
    const kind = number ? "number" : string ? "string" : name ? "name" : "sign";
    return { kind, text, start: TOKEN.lastIndex - text.length, end: TOKEN.lastIndex };
  }
}

function capitalized(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
