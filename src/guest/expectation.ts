import { findRegister, type RegisterFile, registerNames } from "../x86/register.ts";
import { type Located, Scanner } from "./scanner.ts";

/** How a guest ended. */
export type Ending =
  | { reason: "hlt" }
  | { reason: "shutdown" }
  /** The guest wrote `status` to port 0xF4. */
  | { reason: "status"; status: number };

/** What is known of a guest that has ended: the things it can be asked to prove. */
export interface Outcome extends RegisterFile {
  /** How it ended. */
  ending: Ending;
  /** The bytes it wrote to its console. */
  output: Uint8Array;
  /** The guest-physical memory from `address` on; nothing where there is no RAM. */
  memory(address: number, length: number): Uint8Array | undefined;
}

/** What became of an expectation. */
export interface Verdict {
  /** The expectation as it was written. */
  readonly expectation: string;
  /** What was found, in the form in which the expectation is written; of a long output a part. */
  readonly found: string;
  /** Whether the expectation holds. */
  readonly holds: boolean;
}

/** Something a guest must prove. */
export interface Expectation {
  /** As it was written. */
  readonly text: string;
  /** What it is about: `exit` replaces the default expectation, that the guest halts. */
  readonly subject: "register" | "memory" | "output" | "exit";
  /** What it looks at: two expectations of the same place contradict or repeat each other. */
  readonly place: string;
  /** The file it was written in. */
  readonly file: string;
  /** Its line there; 0 for the one that a guest has without saying so. */
  readonly line: number;
  /** Compares it with what was found. */
  check(outcome: Outcome): Verdict;
}

/** What the names in a directive mean. */
export interface Names {
  /** As values: what the assembler gives them. */
  readonly symbols: ReadonlyMap<string, bigint>;
  /** As addresses: where they lie in RAM. The same, unless the image is not where its `org` says. */
  readonly addresses?: ReadonlyMap<string, bigint>;
}

/** The widths of memory operands, in bytes. */
const sizes = { byte: 1, word: 2, dword: 4, qword: 8 } as const;

/**
 * Reads an expectation: `ax = 42`, `zf = 1`, `rcx = 1..9`, `word [0x400] != 0`, `dword [label+4] =
 * 42`, `rsi = label + 4`, `[0x500] = "text"`, `output = "Hi\n"`, `exit = hlt`, `exit = status 3`.
 *
 * @param at The text and its place.
 * @param names What names in it mean.
 * @throws {AssemblyError} When it is not an expectation; the error points at what is wrong.
 */
export function parseExpectation(at: Located, names: Names): Expectation {
  const scanner = new Scanner(at);
  const text = at.text.slice(at.start).trim();
  const { subject, place, check } = parseSubject(scanner, names);
  scanner.end();
  return {
    text,
    subject,
    place,
    file: at.file,
    line: at.line,
    check: (outcome) => ({ expectation: text, ...check(outcome) }),
  };
}

interface Check {
  subject: Expectation["subject"];
  place: string;
  check(outcome: Outcome): { found: string; holds: boolean };
}

function parseSubject(scanner: Scanner, names: Names): Check {
  if (scanner.take("output")) return parseOutput(scanner);
  if (scanner.take("exit")) return parseExit(scanner, names);
  for (const [word, size] of Object.entries(sizes)) {
    if (scanner.take(word)) return parseMemory(scanner, { ...names, word, size });
  }
  if (scanner.peek === "[") return parseMemoryBytes(scanner, names);
  return parseRegister(scanner, names);
}

function parseRegister(scanner: Scanner, { symbols }: Names): Check {
  const start = scanner.position;
  const name = scanner.name("a register, a size and an address, output or exit");
  const register = findRegister(name);
  if (register === undefined) {
    throw scanner.unknownName(`There is no register "${name}"`, { start, known: registerNames() });
  }
  const compare = parseComparison(scanner, { symbols, bits: register.bits });
  return {
    subject: "register",
    place: register.name,
    check(outcome) {
      const value = register.read(outcome);
      return { found: `${name} = ${formatValue(value)}`, holds: compare(value) };
    },
  };
}

function parseMemory(
  scanner: Scanner,
  { word, size, ...names }: Names & { word: string; size: number },
): Check {
  const address = parseAddress(scanner, names);
  const compare = parseComparison(scanner, { symbols: names.symbols, bits: size * 8 });
  const place = `${word} [${address.text}]`;
  return {
    subject: "memory",
    place: `${word} [${address.value}]`,
    check({ memory }) {
      const bytes = memory(address.value, size);
      if (bytes === undefined) return { found: `${place} is not in RAM`, holds: false };
      const value = bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
      return { found: `${place} = ${formatValue(value)}`, holds: compare(value) };
    },
  };
}

function parseMemoryBytes(scanner: Scanner, names: Names): Check {
  const address = parseAddress(scanner, names);
  const isEqual = parseEquality(scanner);
  if (!scanner.isString) {
    throw scanner.unexpected("expected a string: a number takes byte, word, dword or qword");
  }
  const start = scanner.position;
  const expected = scanner.bytes("a string");
  if (expected.length === 0) throw scanner.error("An empty string is found everywhere", start);
  const place = `[${address.text}]`;
  return {
    subject: "memory",
    place: `[${address.value}]`,
    check({ memory }) {
      const bytes = memory(address.value, expected.length);
      if (bytes === undefined) return { found: `${place} is not in RAM`, holds: false };
      return {
        found: `${place} = ${quote(bytes)}`,
        holds: sameBytes(bytes, expected) === isEqual,
      };
    },
  };
}

function parseOutput(scanner: Scanner): Check {
  const isEqual = parseEquality(scanner);
  const expected = scanner.bytes("the output");
  return {
    subject: "output",
    place: "output",
    check: ({ output }) => ({
      found: `output = ${excerpt(output, expected)}`,
      holds: sameBytes(output, expected) === isEqual,
    }),
  };
}

function parseExit(scanner: Scanner, { symbols }: Names): Check {
  const isEqual = parseEquality(scanner);
  const reason = scanner.oneOf(["hlt", "shutdown", "status"], "the exit");
  const status = reason === "status" ? parseStatus(scanner, symbols) : 0;
  return {
    subject: "exit",
    place: "exit",
    check({ ending }) {
      const same = ending.reason === reason &&
        (ending.reason !== "status" || ending.status === status);
      return { found: `exit = ${formatEnding(ending)}`, holds: same === isEqual };
    },
  };
}

/** A status is what the guest writes to a port: up to 32 bits. */
function parseStatus(scanner: Scanner, symbols: Names["symbols"]): number {
  const start = scanner.position;
  const status = parseSum(scanner, { symbols, what: "a status" }).value;
  if (status < 0n || status >= 1n << 32n) {
    throw scanner.error("A status is between 0 and 2^32 - 1", start);
  }
  return Number(status);
}

function parseAddress(
  scanner: Scanner,
  { symbols, addresses = symbols }: Names,
): { value: number; text: string } {
  if (!scanner.take("[")) throw scanner.unexpected("expected an address in brackets");
  const start = scanner.position;
  const { value, text } = parseSum(scanner, { symbols: addresses, what: "an address or a label" });
  if (!scanner.take("]")) throw scanner.unexpected("expected ]");
  return { value: checkAddress(scanner, value, start), text };
}

/** Physical addresses have up to 52 bits. */
export function checkAddress(scanner: Scanner, value: bigint, start: number): number {
  if (value < 0n || value >= 1n << 52n) {
    throw scanner.error("An address is between 0 and 2^52 - 1 (Intel SDM vol. 3A §4.1.4)", start);
  }
  return Number(value);
}

/** Reads numbers, characters and names, added and subtracted: `42`, `-1`, `table + 4`, `end - start`. */
export function parseSum(
  scanner: Scanner,
  options: { symbols: ReadonlyMap<string, bigint>; what: string },
): { value: bigint; text: string } {
  let value = 0n;
  let text = "";
  let sign = scanner.take("-") ? "-" : "";
  do {
    text += sign + scanner.peek;
    const term = parseTerm(scanner, options);
    value += sign === "-" ? -term : term;
    sign = ["+", "-"].find((sign) => scanner.take(sign)) ?? "";
  } while (sign !== "");
  return { value, text };
}

function parseTerm(
  scanner: Scanner,
  { symbols, what }: { symbols: ReadonlyMap<string, bigint>; what: string },
): bigint {
  if (scanner.peek === "-") throw scanner.unexpected(`expected ${what}`);
  if (!scanner.isName) return scanner.number(what);
  const value = symbols.get(scanner.peek);
  if (value === undefined) {
    throw scanner.unknownName(`The guest has no label "${scanner.peek}"`, {
      known: [...symbols.keys()],
    });
  }
  scanner.name(what);
  return value;
}

function parseEquality(scanner: Scanner): boolean {
  if (scanner.take("=")) return true;
  if (scanner.take("!=")) return false;
  throw scanner.unexpected("expected = or !=");
}

/**
 * Reads a comparison with a value of `bits` bits: what it tells of a value that was found. A
 * negative number makes it a comparison of signed values.
 */
function parseComparison(
  scanner: Scanner,
  { symbols, bits }: { symbols: Names["symbols"]; bits: number },
): (found: bigint) => boolean {
  const operator = ["=", "!=", "<=", ">=", "<", ">"].find((sign) => scanner.take(sign));
  if (operator === undefined) throw scanner.unexpected("expected =, !=, <, >, <= or >=");
  const value = parseFitting(scanner, { symbols, bits });
  if (operator === "=" && scanner.take("..")) {
    return parseRange(scanner, { first: value, symbols, bits });
  }
  const read = value < 0n ? BigInt.asIntN : BigInt.asUintN;
  switch (operator) {
    case "!=":
      return (found) => read(bits, found) !== value;
    case "<":
      return (found) => read(bits, found) < value;
    case ">":
      return (found) => read(bits, found) > value;
    case "<=":
      return (found) => read(bits, found) <= value;
    case ">=":
      return (found) => read(bits, found) >= value;
    default:
      return (found) => read(bits, found) === value;
  }
}

function parseRange(
  scanner: Scanner,
  { first, symbols, bits }: { first: bigint; symbols: Names["symbols"]; bits: number },
): (found: bigint) => boolean {
  const start = scanner.position;
  const last = parseFitting(scanner, { symbols, bits });
  if (last < first) throw scanner.error("The range ends before it begins", start);
  // Counted from its first value on, a range from a negative value to a positive one is one piece.
  return (found) => BigInt.asUintN(bits, found - first) <= last - first;
}

/** Reads a value that fits into `bits` bits, signed or unsigned. */
export function parseFitting(
  scanner: Scanner,
  { symbols, bits }: { symbols: Names["symbols"]; bits: number },
): bigint {
  const start = scanner.position;
  const { value } = parseSum(scanner, { symbols, what: "a value" });
  return checkFit(scanner, value, { bits, start });
}

/** Refuses a value, which stands at `start`, that does not fit into `bits` bits. */
export function checkFit(
  scanner: Scanner,
  value: bigint,
  { bits, start }: { bits: number; start: number },
): bigint {
  if (value >= 1n << BigInt(bits) || value < -(1n << BigInt(bits - 1))) {
    throw scanner.error(`The value does not fit into ${bits} bit${bits === 1 ? "" : "s"}`, start);
  }
  return value;
}

/** `42 (0x2a)` */
function formatValue(value: bigint): string {
  return value < 10n ? `${value}` : `${value} (0x${value.toString(16)})`;
}

/** `status 3` */
export function formatEnding(ending: Ending): string {
  return ending.reason === "status" ? `status ${ending.status}` : ending.reason;
}

/** Bytes as a string that can be read back: printable ASCII, and escapes for the rest. */
export function quote(bytes: Uint8Array): string {
  const short: Record<number, string> = { 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\" };
  let text = "";
  for (const byte of bytes) {
    text += short[byte] ??
      (byte >= 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`);
  }
  return `"${text}"`;
}

/** How much of an output is told, in bytes. */
const LONGEST_EXCERPT = 512;
/** How much of it before the first difference. */
const BEFORE_DIFFERENCE = 64;

/** An output in quotes; of a long one the part around the first byte that is not as expected. */
function excerpt(output: Uint8Array, expected: Uint8Array): string {
  if (output.length <= LONGEST_EXCERPT) return quote(output);
  const found = output.findIndex((byte, i) => byte !== expected[i]);
  // What is missing is missing at its end.
  const difference = found < 0 && output.length < expected.length ? output.length : found;
  const start = Math.max(0, difference - BEFORE_DIFFERENCE);
  const part = output.subarray(start, start + LONGEST_EXCERPT);
  return `${quote(part)} (from byte ${start} of ${output.length})`;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
