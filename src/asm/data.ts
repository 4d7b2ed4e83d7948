import type { AssembleOptions } from "./assembly.ts";
import type { Bytes } from "./bytes.ts";
import { checkSize, finalValue, markAddress, neither } from "./encode.ts";
import { AssemblyError, type Span } from "./error.ts";
import {
  evaluate,
  type Expression,
  isAddress,
  isScalar,
  type Scope,
  type Value,
} from "./expression.ts";
import { encodeFloat, type FloatMode } from "./float.ts";
import type { Place } from "./match.ts";
import type { Content, DataItem } from "./parser.ts";
import { mostBytes } from "./section.ts";

/** Where data stand: what their bytes depend on besides themselves. */
export interface DataPlace extends Place, Scope {
  /** How floating-point constants are rounded. */
  readonly floatMode: FloatMode;
  /** An error for a number that must be known where it is needed. */
  mustBeKnown(what: string, value: Value, span: Span): AssemblyError;
}

/** `db` and the like. */
type Data = Content & { kind: "data" };

/** Whether data hang on no symbol. */
export function isConstantData({ items }: Data): boolean {
  return items.every(isConstant);
}

function isConstant(item: DataItem): boolean {
  if (item.kind === "expression") return item.expression.kind === "constant";
  if (item.kind === "repeat") {
    return item.count.kind === "constant" && item.items.every(isConstant);
  }
  return true;
}

/** Whether there is a `?` among data, which the listing tells from 0. */
export function reserves({ items }: Data): boolean {
  return items.some(isReserved);
}

function isReserved(item: DataItem): boolean {
  return item.kind === "reserved" || (item.kind === "repeat" && item.items.some(isReserved));
}

/** Appends the bytes of data. */
export function writeData({ items, unit }: Data, place: DataPlace, out: Bytes): void {
  if (items.length === 0) place.warn("There is no data here");
  for (const item of items) writeItem(item, unit, place, out);
}

function writeItem(item: DataItem, unit: number, place: DataPlace, out: Bytes): void {
  switch (item.kind) {
    case "string":
      out.text(item.text);
      out.fill(0, (unit - item.text.length % unit) % unit);
      break;
    case "expression":
      writeNumber(item.expression, unit, place, out);
      break;
    case "float":
      writeFloat(item, unit, place, out);
      break;
    case "reserved":
      out.marks?.push({ kind: "space", at: out.length, size: unit, value: 0n });
      out.fill(0, unit);
      break;
    case "repeat": {
      const count = repeatCount(item.count, place);
      for (let i = 0; i < count; i++) {
        for (const each of item.items) writeItem(each, item.unit ?? unit, place, out);
        if (out.length > mostBytes) {
          throw new AssemblyError("The binary is too large", { line: place.line });
        }
      }
    }
  }
}

function writeNumber(expression: Expression, unit: number, place: DataPlace, out: Bytes): void {
  const { span } = expression;
  if (unit > 8) {
    const reason = `An integer has at most 64 bits, not ${unit * 8}`;
    throw new AssemblyError(reason, { line: place.line, span });
  }
  const value = evaluate(expression, place);
  if (value.terms.some(({ factor }) => Math.abs(factor) !== 1)) throw neither(place, span);
  const number = finalValue(value, place, span);
  checkSize(value, unit, { place, span });
  markAddress(value, out, unit);
  out.number(number, unit);
}

function writeFloat(
  { text, start, end }: DataItem & { kind: "float" },
  unit: number,
  place: DataPlace,
  out: Bytes,
): void {
  const at = { line: place.line, span: { start, end } };
  if (unit > 16) throw new AssemblyError(`There are no floats of ${unit} bytes`, at);
  const float = encodeFloat(text, unit * 8, place.floatMode);
  if (!float) throw new AssemblyError(`"${text}" is not a floating-point constant`, at);
  if (float.doubt) place.warn(`${text} ${float.doubt}`, at.span);
  out.number(float.bits, unit);
}

function repeatCount(count: Expression, place: DataPlace): number {
  const { span } = count;
  const value = evaluate(count, place);
  if (!isScalar(value)) throw place.mustBeKnown("dup", value, span);
  if (value.number < 0n || value.number > mostBytes) {
    const reason = `dup takes a number from 0 to ${mostBytes}`;
    throw new AssemblyError(reason, { line: place.line, span });
  }
  return Number(value.number);
}

/** How many bytes `resb` and the like make room for. */
export function reservedSize(
  { unit, count }: Content & { kind: "reserve" },
  place: DataPlace,
): number {
  const value = evaluate(count, place);
  if (value.unknown) return 0;
  if (!isScalar(value) || value.number < 0n || value.number > mostBytes) {
    const reason = `Space is reserved by a number from 0 to ${mostBytes}`;
    throw new AssemblyError(reason, { line: place.line, span: count.span });
  }
  return unit * Number(value.number);
}

/** The part of a file that `incbin` takes. */
export function includedBytes(
  { path, skip, limit }: Content & { kind: "incbin" },
  place: DataPlace,
  { resolve, readBytes }: AssembleOptions,
): Uint8Array {
  const { line } = place;
  const bytes = readBytes?.(resolve?.(path, line.file) ?? path, line.file);
  if (!bytes) throw new AssemblyError(`Cannot read the file "${path}"`, { line });
  const number = (expression: Expression | undefined, fallback: number) => {
    if (!expression) return fallback;
    const value = evaluate(expression, place);
    if (value.unknown) throw place.mustBeKnown("incbin", value, expression.span);
    // An address counts for what it is within its section.
    if (!(isScalar(value) || isAddress(value)) || value.number < 0n) {
      const reason = "incbin takes numbers that are not negative";
      throw new AssemblyError(reason, { line, span: expression.span });
    }
    return Number(value.number);
  };
  const start = number(skip, 0);
  if (start > bytes.length) place.warn(`The file has ${bytes.length} bytes only`, skip?.span);
  return bytes.subarray(start, start + number(limit, bytes.length));
}
