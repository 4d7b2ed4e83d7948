import type { Assembly, Bits, ListingRow } from "../asm/mod.ts";
import { type Mode, modes } from "../x86/mode.ts";
import {
  applyDirective,
  findDirective,
  MAX_RAM,
  PAGE_SIZE,
  parseDirectives,
  type Settings,
} from "./directive.ts";
import { GuestError } from "./error.ts";
import { type Names, parseExpectation } from "./expectation.ts";
import { type Located, Scanner } from "./scanner.ts";

/** A part of a program that is copied into RAM. */
export interface ProgramSegment {
  /** The guest-physical address of its first byte. */
  readonly address: number;
  /** The bytes that are copied. */
  readonly bytes: Uint8Array;
  /** How many bytes it has in memory, where the rest is zero; as many as `bytes` by default. */
  readonly size?: number;
  /** Whether there may be instructions in it: yes, unless the file says otherwise. */
  readonly isCode?: boolean;
}

/** A guest program: what is copied into RAM, where it starts, and what it must prove. */
export interface Program {
  /** Where it came from: a file's name. */
  readonly name: string;
  /** What the file is. */
  readonly format: "source" | "flat" | "elf";
  /** What is copied into RAM; one segment, unless it is an ELF file. */
  readonly segments: readonly [ProgramSegment, ...ProgramSegment[]];
  /** The address of the first instruction. */
  readonly entry: number;
  /** The stack pointer at the start. */
  readonly stack: number;
  /** What its directives say. */
  readonly settings: Settings;
  /** Where in RAM every label lies, and the value of every constant. */
  readonly symbols: ReadonlyMap<string, bigint>;
  /** Which source line made which bytes; empty where there is no source. */
  readonly listing: readonly ListingRow[];
  /** What is doubtful about it, though it runs. */
  readonly warnings: readonly string[];
}

/** A directive from outside, which wins over the guest's own: `--mode long`. */
export interface Override {
  /** The directive. */
  readonly name: string;
  /** Its value and where that stands. */
  readonly at: Located;
}

/** How a guest is loaded. */
export interface LoadOptions {
  /** Its name: for messages, and for what it includes. */
  name: string;
  /** Directives that win over its own. An expectation replaces those of the same place. */
  overrides?: readonly Override[];
  /** Reads a file for `%include`; undefined if it does not exist. `from` is the file including it. */
  readText?: (path: string, from: string) => string | undefined;
  /** Reads a file for `incbin`; undefined if it does not exist. `from` is the file including it. */
  readBytes?: (path: string, from: string) => Uint8Array | undefined;
}

/** What a file tells of itself, before its settings are known. */
export interface Contents {
  readonly name: string;
  readonly format: Program["format"];
  readonly segments: Program["segments"];
  readonly entry: number;
  readonly symbols: ReadonlyMap<string, bigint>;
  readonly listing: readonly ListingRow[];
  readonly warnings: readonly string[];
  /** The source, where there is one. */
  readonly source?: string;
  /** The mode of its first instruction. */
  readonly bits?: Bits;
}

/** The program of an assembled source and its directives. */
export function fromAssembly(source: string, assembly: Assembly, options: LoadOptions): Program {
  const { name } = options;
  const { bytes, origin, bits, listing, symbols, warnings } = assembly;
  if (bytes.length === 0) throw new GuestError(name, "There is no instruction in it");
  return settle((names) => parseDirectives(source, { ...names, name }), {
    name,
    format: "source",
    segments: [{ address: origin, bytes }],
    entry: origin,
    symbols,
    listing,
    source,
    bits,
    warnings: warnings.map(({ file, line, column, message }) =>
      `${file}:${line}:${column}: ${message}`
    ),
  }, options);
}

/**
 * Applies the overrides, fills in what neither they nor the guest say, and checks the whole.
 *
 * @param own Gives the guest's own settings, where names mean what it is told.
 */
export function settle(
  own: (names: Names) => Settings,
  contents: Contents,
  options: LoadOptions,
): Program {
  const { name, format, source, bits, listing } = contents;
  const { overrides = [] } = options;
  const [first, ...others] = contents.segments;
  let { symbols } = contents;
  let settings = override(own({ symbols }), { name, names: { symbols }, overrides });
  const { load = first.address } = settings;
  if (load !== first.address) {
    const addresses = moveLabels(symbols, { listing, by: load - first.address });
    const names = { symbols, addresses };
    settings = { ...override(own(names), { name, names, overrides }), load };
    symbols = addresses;
  }
  const { mode, ram, entry = settings.load ?? contents.entry } = settings;
  const { stack = mode === "real" ? Math.min(REAL_MODE_STACK, ram) : ram } = settings;
  const warnings = [...contents.warnings];
  if (bits !== undefined && bits !== modes[mode].bits && settings.entry === undefined) {
    warnings.push(
      `${name}: It starts in ${modes[mode].description}, but its first instruction is assembled ` +
        `for ${bits} bits: write bits ${modes[mode].bits} above it, or ;! mode: ${modeOf[bits]}`,
    );
  }
  const program: Program = {
    name,
    format,
    segments: [{ ...first, address: load }, ...others],
    entry,
    stack,
    settings,
    symbols,
    listing,
    warnings,
  };
  const misfit = findMisfit(program);
  if (misfit !== undefined) throw misplaced(misfit, { name, overrides, source });
  return program;
}

/** The mode that code of a width is for. */
const modeOf = { 16: "real", 32: "protected", 64: "long" } as const satisfies Record<Bits, Mode>;

/** Settings with the overrides applied, and the expectation that every guest has: that it halts. */
function override(
  settings: Settings,
  { name: file, names, overrides }: {
    name: string;
    names: Names;
    overrides: readonly Override[];
  },
): Settings {
  const own = settings.expect.splice(0);
  for (const { name, at } of overrides) applyDirective(settings, name, { ...names, at });
  const isReplaced = (place: string) => settings.expect.some((other) => other.place === place);
  settings.expect = [...own.filter(({ place }) => !isReplaced(place)), ...settings.expect];
  if (!isReplaced("exit")) {
    settings.expect.push(
      parseExpectation({ file, line: 0, text: "exit = hlt", start: 0 }, names),
    );
  }
  return settings;
}

/** The top of a real-mode stack, below where a BIOS loads a boot sector. */
const REAL_MODE_STACK = 0x7000;

interface Misfit {
  readonly reason: string;
  /** The directives that decide it. */
  readonly names: readonly string[];
}

/** Why a program cannot start as its settings say. */
function findMisfit(program: Program): Misfit | undefined {
  const { format, segments, entry, stack, settings: { mode, ram, load } } = program;
  const { description, maxEntry, maxStack } = modes[mode];
  if (format === "elf" && load !== undefined) {
    const reason = "An ELF file says itself where it goes: it takes no load address";
    return { reason, names: ["load"] };
  }
  // The last one takes the most RAM.
  const { address, bytes, size = bytes.length } = segments.at(-1)!;
  if (address + size > ram) {
    const image = `${format === "elf" ? "A segment" : "An image"} of ${size} byte${
      size === 1 ? "" : "s"
    }`;
    const needed = Math.ceil((address + size) / PAGE_SIZE) * PAGE_SIZE;
    const remedy = needed <= MAX_RAM
      ? `that takes ${needed / 1024}K`
      : `RAM has at most ${MAX_RAM / 2 ** 20}M`;
    const reason = `${image} at ${hex(address)} does not fit into ${ram / 1024}K of RAM: ${remedy}`;
    return { reason, names: ["load", "ram"] };
  }
  if (entry >= ram) {
    const reason = `The entry point ${hex(entry)} is not in the ${ram / 1024}K of RAM`;
    return { reason, names: ["entry"] };
  }
  if (entry > maxEntry) {
    const reason = `The entry point ${hex(entry)} is out of reach: ` +
      `${description} can start at addresses up to ${hex(maxEntry)}`;
    return { reason, names: ["entry", "load"] };
  }
  if (stack > maxStack) {
    const reason = `The stack pointer ${hex(stack)} does not fit: ` +
      `in ${description} it is at most ${hex(maxStack)}`;
    return { reason, names: ["stack"] };
  }
  return undefined;
}

/** The error where the override or the directive stands that decides, or else at the first line. */
function misplaced(
  { reason, names }: Misfit,
  { name: file, overrides, source }: {
    name: string;
    overrides: readonly Override[];
    source: string | undefined;
  },
): Error {
  const override = overrides.findLast(({ name }) => names.includes(name))?.at;
  if (override !== undefined) return new Scanner(override).error(reason);
  if (source === undefined) return new GuestError(file, reason);
  const first = { file, line: 1, text: source.split("\n", 1)[0]!, start: 0 };
  return new Scanner(findDirective(source, { file, names }) ?? first).error(reason);
}

/**
 * Tells the constants (`equ`) among the assembler's symbols, which are also labels.
 *
 * @param listing The listing of the source that defines them.
 * @returns Whether the symbol with this whole name is a constant.
 */
export function findConstants(listing: readonly ListingRow[]): (name: string) => boolean {
  const names = new Set(
    listing.flatMap(({ source }) => /^\s*([\w.$?@~#]+):?\s+equ\s/i.exec(source)?.[1] ?? []),
  );
  // A local one is written without the label that it belongs to.
  return (name) => names.has(name) || names.has(name.replace(/^.*\./, "."));
}

/**
 * Where labels lie when an image is not where its `org` says.
 *
 * @param symbols The labels and constants as the assembler gives them.
 * @param options `listing`: of the source that defines them; `by`: how far the image was moved.
 * @returns The labels moved with it, and the constants.
 */
function moveLabels(
  symbols: ReadonlyMap<string, bigint>,
  options: { listing: readonly ListingRow[]; by: number },
): Map<string, bigint> {
  const isConstant = findConstants(options.listing);
  const distance = BigInt(options.by);
  return new Map(
    [...symbols].map(([name, value]) => [name, isConstant(name) ? value : value + distance]),
  );
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
