import { assemble, type AssemblyError, type ListingRow } from "../asm/mod.ts";
import { modes } from "../x86/mod.ts";
import { findDirective, parseDirectives, type Settings } from "./directive.ts";
import { parseExpectation } from "./expectation.ts";
import { Scanner } from "./scanner.ts";

/** A guest program: what is copied into RAM, where it starts, and what it must prove. */
export interface Program {
  /** Where it came from: a file's name. */
  readonly name: string;
  /** What is copied into RAM. */
  readonly image: Uint8Array;
  /** Where the image goes. */
  readonly load: number;
  /** The address of the first instruction. */
  readonly entry: number;
  /** The stack pointer at the start. */
  readonly stack: number;
  /** What its directives say. */
  readonly settings: Settings;
  /** The address or value of every label. */
  readonly symbols: ReadonlyMap<string, bigint>;
  /** Which source line made which bytes. */
  readonly listing: readonly ListingRow[];
}

/** The top of a real-mode stack, below where a BIOS loads a boot sector. */
const REAL_MODE_STACK = 0x7000;

/**
 * Assembles a guest's source and reads its directives.
 *
 * @param source NASM source with `;!` directives.
 * @param name Its name for messages.
 * @throws {AssemblyError} When the source or a directive is wrong.
 *
 * @example A guest that proves that 6 × 7 is 42
 * ```ts
 * import { loadSource } from "@hlt/hlt";
 *
 * const program = loadSource(`
 *   ;! expect: ax = 42
 *   mov al, 6
 *   mov bl, 7
 *   mul bl
 *   hlt
 * `, "multiply.asm");
 * console.log(program.image.length, program.settings.mode); // 7, "real"
 * ```
 */
export function loadSource(source: string, name: string): Program {
  const { bytes, origin, listing, symbols } = assemble(source, { name });
  const settings = parseDirectives(source, { name, symbols });
  if (!settings.expect.some(({ subject }) => subject === "exit")) {
    const text = "exit = hlt";
    settings.expect.push(parseExpectation({ file: name, line: 0, text, start: 0 }, symbols));
  }
  const { mode, ram, load = origin, entry = load } = settings;
  const { stack = mode === "real" ? Math.min(REAL_MODE_STACK, ram) : ram } = settings;
  const program = { name, image: bytes, load, entry, stack, settings, symbols, listing };
  const misfit = findMisfit(program);
  if (misfit !== undefined) throw misplaced(source, { name, ...misfit });
  return program;
}

/** Why a program cannot start as its directives say, and the directives that decide it. */
function findMisfit(program: Program): { reason: string; names: string[] } | undefined {
  const { image, load, entry, stack, settings: { mode, ram } } = program;
  const { description, maxEntry, maxStack } = modes[mode];
  if (load + image.length > ram) {
    const size = `${image.length} byte${image.length === 1 ? "" : "s"}`;
    const reason = `An image of ${size} at ${hex(load)} does not fit into ${ram / 1024}K of RAM`;
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

/** The error at the directive that decides, or at the first line where there is none. */
function misplaced(
  source: string,
  { name: file, names, reason }: { name: string; names: string[]; reason: string },
): AssemblyError {
  const text = source.split("\n", 1)[0]!;
  const at = findDirective(source, { file, names }) ?? { file, line: 1, text, start: 0 };
  return new Scanner(at).error(reason);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
