import type { Assembly, ListingRow } from "./assembler.ts";

/** How many hexadecimal digits fit on a line of a listing. */
const width = 18;

/** The column in which the source begins, or `<1>` for what a macro made. */
const sourceColumn = 40;

/**
 * A listing as NASM prints it (`nasm -l`): line number, offset in the binary, bytes, source. Unlike
 * NASM's it shows addresses as they will be, so nothing stands in brackets, and it counts offsets
 * through the sections.
 *
 * @param assembly What was assembled.
 * @returns The lines, each ending in a newline.
 */
export function formatListing({ bytes, listing }: Pick<Assembly, "bytes" | "listing">): string {
  return listing.map((row) => formatRow(row, bytes)).join("");
}

function formatRow(row: ListingRow, bytes: Uint8Array): string {
  const number = String(row.line).padStart(6);
  const nesting = row.depth > 0 ? `<${row.depth}> ` : "";
  const fields = row.length === 0 ? [""] : split(digits(row, bytes));
  const lines = fields.map((field, i) => {
    const offset = row.offset + i * width / 2;
    const left = field === "" ? number : `${number} ${toHex(offset)} ${field}`;
    if (i > 0 && row.depth === 0) return left;
    return left.padEnd(sourceColumn - nesting.length) + nesting + (i === 0 ? row.source : "");
  });
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** A row's bytes: question marks for reserved space, and what `times` repeats only once. */
function digits({ offset, length, times, isReserved }: ListingRow, bytes: Uint8Array): string {
  const count = length / times;
  const isRepeated = times > 1 && Number.isInteger(count) && count > 0;
  const shown = isRepeated ? count : length;
  const text = isReserved
    ? `<res ${shown.toString(16).toUpperCase()}h>`
    : bytes.subarray(offset, offset + shown).toHex().toUpperCase();
  return isRepeated ? `${text}<rep ${times.toString(16).toUpperCase()}h>` : text;
}

/** Splits long bytes into fields; each but the last ends in a hyphen. */
function split(text: string): string[] {
  const fields: string[] = [];
  for (let at = 0; at < text.length; at += width) {
    const field = text.slice(at, at + width);
    fields.push(at + width < text.length ? `${field}-` : field);
  }
  return fields;
}

function toHex(offset: number): string {
  return offset.toString(16).toUpperCase().padStart(8, "0");
}
