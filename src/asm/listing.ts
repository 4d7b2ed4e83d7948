import type { Item, Ready } from "./assembler.ts";
import type { AssemblyWarning, ListingRow } from "./assembly.ts";
import type { Bytes } from "./bytes.ts";
import type { Content } from "./parser.ts";

/** What a listing shows in one piece, such as a byte or an address in brackets. */
export interface Piece {
  /** Where it is in its section. */
  readonly offset: number;
  /** What is shown. */
  readonly text: string;
}

/** A line of a listing. */
export interface ListedLine {
  /** The file it was written in. */
  readonly file: string;
  /** Its line there, from 1. */
  readonly line: number;
  /** Its text as written. */
  readonly source: string;
  /** How many macro expansions and includes deep it came from. */
  readonly depth: number;
  /** What was made of it. */
  readonly pieces: readonly Piece[];
}

/** How many characters of bytes fit on a line of a listing. */
const width = 18;

/**
 * A listing as NASM prints it (`nasm -l`): line number, offset in the section, bytes, source; what
 * is warned of stands below. An address is in brackets, as it is before its section is placed, a
 * distance to another section's address in parentheses, and `??` is space that is reserved.
 *
 * @param assembly What was assembled.
 * @returns The lines, each ending in a newline.
 */
export function formatListing(
  { listed, warnings }: {
    readonly listed: readonly ListedLine[];
    readonly warnings: readonly AssemblyWarning[];
  },
): string {
  const messages = Map.groupBy(warnings, placeOf);
  return listed.map((line, i) => {
    const said = messages.get(placeOf(line)) ?? [];
    messages.delete(placeOf(line));
    const number = String(line.line).padStart(6);
    return formatLine(number, line, listed[i + 1]?.depth ?? 0) +
      said.map(({ message }) =>
        `${number}          ${"*".repeat(width)}       warning: ${message}\n`
      ).join("");
  }).join("");
}

function placeOf({ file, line }: { file: string; line: number }): string {
  return `${line} ${file}`;
}

/** `following` is the depth of the next line, by which NASM sets the last field of this one. */
function formatLine(
  number: string,
  { pieces, depth, source }: ListedLine,
  following: number,
): string {
  const fields = split(pieces);
  return fields.map((field, i) => {
    const left = field
      ? `${toHex(field.offset >>> 0).padStart(8, "0")} ${field.text.padEnd(width + 1)}`
      : " ".repeat(width + 10);
    const level = i < fields.length - 1 ? depth : following;
    const nesting = depth > 0 ? `${level < 10 ? " " : ""}<${depth}>` : i === 0 ? "    " : "";
    return `${number} ${left}${nesting}${i === 0 ? ` ${source}` : ""}\n`;
  }).join("");
}

/** Joins pieces to fields of a line's width; each but the last ends in a hyphen. */
function split(pieces: readonly Piece[]): (Piece | undefined)[] {
  const fields: (Piece | undefined)[] = [];
  let field: Piece | undefined;
  for (const piece of pieces) {
    if (field && field.text.length + piece.text.length > width) {
      fields.push({ ...field, text: `${field.text}-` });
      field = undefined;
    }
    field = field ? { ...field, text: field.text + piece.text } : piece;
  }
  fields.push(field);
  return fields;
}

function toHex(number: number): string {
  return number.toString(16).toUpperCase();
}

/** What each line of a source came to, given the address of the first byte. */
export function listRows(items: readonly Item[], origin: number): ListingRow[] {
  const rows: ListingRow[] = [];
  for (const { line, section, offset, size, count, mode: { bits } } of items) {
    const before = rows.at(-1);
    // Lines that a macro made and that are not to be seen belong to the call before them.
    if (line.source === undefined && before) {
      if (size > 0) rows[rows.length - 1] = { ...before, length: before.length + size };
      continue;
    }
    rows.push({
      offset: section.isAbsolute ? offset : section.loaded.address - origin + offset,
      address: section.isAbsolute ? offset : section.running.address + offset,
      length: size,
      times: count,
      isReserved: section.isNobits === true,
      file: line.file,
      line: line.line,
      source: line.source ?? line.text,
      depth: line.depth,
      bits,
    });
  }
  return rows;
}

/** Gives the bytes of a statement: what is repeated once, with marks. */
export type BytesOf = (item: Item, content: Content | Ready) => Bytes;

/** The lines of a listing with what was made of each; `[list -]` leaves out those that follow. */
export function listLines(items: readonly Item[], bytesOf: BytesOf): ListedLine[] {
  const lines: (ListedLine & { pieces: Piece[] })[] = [];
  let isShown = true;
  for (const item of items) {
    const { text, source, file, line, depth } = item.line;
    if (isShown) {
      if (source !== undefined) lines.push({ file, line, depth, source, pieces: [] });
      lines.at(-1)?.pieces.push(...piecesOf(item, bytesOf));
    }
    const sign = text.includes("[") ? /^\s*\[\s*list\s+([-+])/i.exec(text)?.[1] : undefined;
    if (sign) isShown = sign === "+";
  }
  return lines;
}

/** What a listing shows of a statement: once what is repeated, and how often. */
function piecesOf(item: Item, bytesOf: BytesOf): Piece[] {
  const { body, offset, size, count } = item;
  if (!body || body.kind === "equ" || body.kind === "absolute") return [];
  if (size === 0 && !(body.kind === "incbin" && count > 0)) return [];
  const content = body.kind === "align" ? body.fill : body;
  if (content.kind === "reserve") return [reservedPiece(size, offset)];
  let pieces: Piece[];
  let repeated = count;
  if (body.kind === "incbin") pieces = [countPiece("bin", size / count, offset)];
  else {
    const bytes = bytesOf(item, content);
    pieces = bytePieces(bytes, offset);
    if (body.kind === "align") repeated = size / bytes.length;
  }
  return repeated > 1 ? [...pieces, countPiece("rep", repeated, offset)] : pieces;
}

/** `<res 20h>`, `<bin 20h>` or `<rep 20h>`. */
function countPiece(kind: "res" | "bin" | "rep", count: number, offset: number): Piece {
  return { offset, text: `<${kind} ${toHex(count)}h>` };
}

/** What is shown for reserved space: a question mark a digit as long as that is short. */
function reservedPiece(count: number, offset: number): Piece {
  return count > 8 ? countPiece("res", count, offset) : { offset, text: "??".repeat(count) };
}

/** What is shown for bytes with their marks; the first one is at `offset` in its section. */
function bytePieces(out: Bytes, offset: number): Piece[] {
  const bytes = out.view();
  const hex = (at: number, end: number) => bytes.subarray(at, end).toHex().toUpperCase();
  const pieces: Piece[] = [];
  let reserved = 0;
  for (let at = 0, next = 0; at <= bytes.length;) {
    const mark = out.marks?.[next]?.at === at ? out.marks[next++] : undefined;
    if (mark?.kind === "space") {
      reserved += mark.size;
      at += mark.size;
      continue;
    }
    if (reserved > 0) pieces.push(reservedPiece(reserved, offset + at - reserved));
    reserved = 0;
    if (at === bytes.length) break;
    const size = mark?.size ?? 1;
    const text = mark?.kind === "address"
      ? `[${littleEndian(mark.value, size)}]`
      : mark
      ? `(${littleEndian(mark.value, size)})`
      : hex(at, at + 1);
    pieces.push({ offset: offset + at, text });
    at += size;
  }
  return pieces;
}

function littleEndian(value: bigint, size: number): string {
  const digits = BigInt.asUintN(8 * size, value).toString(16).padStart(2 * size, "0");
  return Uint8Array.fromHex(digits).reverse().toHex().toUpperCase();
}
