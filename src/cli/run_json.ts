import type { Program } from "../guest/mod.ts";
import type { Exit } from "../kvm/mod.ts";
import { describeStop, type Diagnosis, type Place } from "../machine/mod.ts";
import { bitNames } from "../x86/bits.ts";
import type { PageWalk } from "../x86/page_walk.ts";
import type { RegisterFile } from "../x86/mod.ts";
import { type RunResult, spread } from "./run_result.ts";

/**
 * The JSON document of `run`. Register values and linear addresses are strings in hexadecimal
 * (`"0x2a"`), since they have 64 bits; guest-physical addresses and sizes are numbers.
 */
export function documentOf(program: Program, result: RunResult): Record<string, unknown> {
  const { proof, diagnosis } = result;
  const { settings: { mode, ram, timeout }, segments, entry, stack } = program;
  return {
    guest: {
      name: program.name,
      format: program.format,
      mode,
      ram,
      entry,
      stack,
      timeout,
      segments: segments.map(({ address, bytes, size = bytes.length }) => ({ address, size })),
    },
    outcome: proof.outcome,
    exitCode: result.exitCode,
    ...(proof.lacks !== undefined && { reason: proof.lacks }),
    stop: {
      reason: proof.stop.reason,
      ...(proof.stop.reason === "status" && { status: proof.stop.status }),
      description: describeStop(proof.stop),
      ...(proof.stop.reason === "unhandled" && { exit: plain(proof.stop.exit) }),
    },
    output: new TextDecoder().decode(proof.output),
    outputBytes: proof.output.toHex(),
    expectations: proof.verdicts,
    ...(diagnosis !== undefined && { diagnosis: diagnosisOf(diagnosis) }),
    registers: registersOf(proof.after),
    changed: changed(proof.before, proof.after),
    dumps: result.dumps.map(({ address, bytes }) => ({ address, bytes: bytes.toHex() })),
    log: result.log,
    stats: {
      exits: Object.fromEntries(result.exits),
      milliseconds: result.milliseconds,
      times: spread(proof.milliseconds),
      ...(result.instructions !== undefined && { instructions: result.instructions }),
    },
    warnings: program.warnings,
  };
}

/** A diagnosis in JSON, as `run` and `trace` have it. */
export function diagnosisOf(diagnosis: Diagnosis): Record<string, unknown> {
  const { what, place, code, registersLost, stack, walks, causes } = diagnosis;
  return {
    what,
    place: place === undefined ? null : placeOf(place),
    code: code.map(({ address, bytes, text, line, isHere }) => ({
      address: hex(address),
      bytes: bytes.toHex(),
      text,
      ...(line !== undefined && { line }),
      isHere,
    })),
    causes,
    registersLost,
    stack: stack.map(({ address, value, symbol }) => ({
      address: hex(address),
      value: hex(value),
      ...(symbol !== undefined && { symbol }),
    })),
    pageWalks: walks.map(walkOf),
  };
}

function placeOf({ rip, selector, linear, physical, symbol, line }: Place) {
  return {
    rip: hex(rip),
    cs: hex(selector),
    linear: hex(linear),
    physical: physical ?? null,
    symbol: symbol ?? null,
    ...(line !== undefined && { file: line.file, line: line.line, source: line.source }),
  };
}

function walkOf({ linear, paging, steps, physical, pageSize, problem }: PageWalk) {
  return {
    linear: hex(linear),
    paging,
    steps: steps.map(({ entry, ...step }) => ({
      ...step,
      entry: entry === undefined ? null : hex(entry),
    })),
    physical: physical ?? null,
    pageSize: pageSize ?? null,
    problem: problem ?? null,
  };
}

/** All registers; of those that have named bits also the names of the bits that are set. */
function registersOf({ regs, sregs }: RegisterFile): Record<string, unknown> {
  const { interruptBitmap: _, ...system } = sregs;
  return {
    ...(plain({ ...regs, ...system }) as Record<string, unknown>),
    bits: {
      rflags: bitNames("rflags", regs.rflags),
      cr0: bitNames("cr0", sregs.cr0),
      cr4: bitNames("cr4", sregs.cr4),
      efer: bitNames("efer", sregs.efer),
    },
  };
}

function changed(before: RegisterFile, after: RegisterFile): string[] {
  const flat = ({ regs, sregs }: RegisterFile) =>
    Object.entries({ ...regs, ...sregs }).map(([name, value]) =>
      [name, JSON.stringify(plain(value))] as const
    );
  const old = new Map(flat(before));
  return flat(after).filter(([name, value]) => old.get(name) !== value).map(([name]) => name);
}

/** The value as JSON can hold it. */
function plain(value: Exit | unknown): unknown {
  if (typeof value === "bigint") return hex(value);
  if (value instanceof Uint8Array) return value.toHex();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, value]) => [name, plain(value)]));
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
