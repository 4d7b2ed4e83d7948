import type { Labels } from "../guest/labels.ts";
import type { Disassembler } from "../x86/mod.ts";
import type { View } from "./place.ts";

/** The longest instruction in bytes (Intel SDM vol. 2A §2.3.11). */
export const LONGEST_INSTRUCTION = 15;

/** A line of code around a place. */
export interface CodeLine {
  /** The linear address. */
  readonly address: bigint;
  /** The bytes there now. */
  readonly bytes: Uint8Array;
  /** The source's line, the instruction, or nothing where neither is known. */
  readonly text: string;
  /** Where the line stands in the source: `boot.asm:12`. */
  readonly line?: string;
  /** Whether it is the place itself. */
  readonly isHere: boolean;
}

/** How many lines are shown before the place, and behind it. */
const CONTEXT = 3;

/**
 * The code around an instruction: lines of the source where its bytes are those of the source; else
 * instructions, if there is a disassembler, or the bytes alone.
 *
 * @param view The stopped machine.
 * @param options `rip`: the instruction; `disassembler`: for code that has no source.
 */
export function codeAround(
  view: View,
  options: { rip: bigint; disassembler?: Disassembler | undefined },
): CodeLine[] {
  const { rip, disassembler } = options;
  const linear = view.toLinear(rip);
  const fromSource = sourceAround(view, linear);
  if (fromSource !== undefined) return fromSource;
  const bytes = view.read(linear, (CONTEXT + 1) * LONGEST_INSTRUCTION);
  if (bytes.length === 0) return [];
  if (disassembler === undefined) {
    const first = bytes.subarray(0, LONGEST_INSTRUCTION);
    return [{ address: linear, bytes: first, text: "", isHere: true }];
  }
  const instructions = disassemble(view, { disassembler, bytes, address: linear });
  return [
    ...instructionsBefore(view, { disassembler, rip }).slice(-CONTEXT),
    ...instructions.slice(0, CONTEXT + 1),
  ].map((instruction) => ({ ...instruction, isHere: instruction.address === linear }));
}

interface Instruction {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** All instructions of `bytes`, one after the other. */
function disassemble(
  view: View,
  options: { disassembler: Disassembler; bytes: Uint8Array; address: bigint },
): Instruction[] {
  const { disassembler, bytes } = options;
  const { bits, labels } = view;
  const found: Instruction[] = [];
  for (let at = 0; at < bytes.length;) {
    const address = options.address + BigInt(at);
    const rest = bytes.subarray(at, at + LONGEST_INSTRUCTION);
    const ip = address - view.toLinear(0n);
    const { text, length, target } = disassembler(rest, { address: ip, bits });
    found.push({
      address,
      bytes: rest.subarray(0, length),
      text: withNames(text, {
        labels,
        address: view.physical(address),
        target: target === undefined ? undefined : view.physical(view.toLinear(target)),
      }),
    });
    at += length;
  }
  return found;
}

/** An instruction with the label of its address before it, and that of its target behind it. */
export function withNames(
  text: string,
  { labels, address, target }: {
    labels: Labels;
    address: number | undefined;
    target: number | undefined;
  },
): string {
  const label = address === undefined ? undefined : labels.at(address);
  const leadsTo = target === undefined ? undefined : labels.near(target);
  return `${label === undefined ? "" : `${label}: `}${text}${
    leadsTo === undefined ? "" : ` <${leadsTo}>`
  }`;
}

function sourceAround(view: View, linear: bigint): CodeLine[] | undefined {
  const physical = view.physical(linear);
  const row = physical === undefined ? undefined : view.rowAt(physical);
  if (row === undefined) return undefined;
  const { rows, program: { segments: [{ address }] } } = view;
  const at = rows.indexOf(row);
  return rows.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).map((other) => {
    const start = linear + BigInt(address + other.offset - physical!);
    return {
      address: start,
      bytes: view.read(start, other.length),
      text: other.source.trim(),
      line: `${other.file}:${other.line}`,
      isHere: other === row,
    };
  });
}

/** How far back a beginning is looked for, in bytes. */
const MOST_BEFORE = 64;

/**
 * The instructions that end where the one at `rip` begins. Machine code cannot be read backwards: it
 * is read forwards from a label or from the entry point nearby, or else from the farthest byte that
 * leads to `rip`.
 */
export function instructionsBefore(
  view: View,
  options: { rip: bigint; disassembler: Disassembler },
): Instruction[] {
  const { rip, disassembler } = options;
  const end = view.toLinear(rip);
  for (const start of beginnings(view, end)) {
    const bytes = view.read(start, Number(end - start) + LONGEST_INSTRUCTION);
    const found = disassemble(view, { disassembler, bytes, address: start })
      .filter(({ address }) => address < end);
    const last = found.at(-1);
    const reached = last && last.address + BigInt(last.bytes.length);
    if (reached === end && found.every(({ text }) => text !== "(bad)")) return found;
  }
  return [];
}

function beginnings(view: View, end: bigint): bigint[] {
  const { entry, symbols } = view.program;
  const known = [BigInt(entry), ...symbols.values()].filter((address) =>
    address < end && end - address <= BigInt(MOST_BEFORE * 16)
  );
  known.sort((a, b) => a > b ? -1 : a < b ? 1 : 0);
  const most = end < BigInt(MOST_BEFORE) ? Number(end) : MOST_BEFORE;
  const others = Array.from({ length: most }, (_, i) => end - BigInt(most - i));
  return [...known, ...others];
}
