import { assemble, type ListingRow } from "../asm/mod.ts";
import { parseDirectives, type Settings } from "./directive.ts";
import { parseExpectation } from "./expectation.ts";

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
  const load = settings.load ?? origin;
  return {
    name,
    image: bytes,
    load,
    entry: settings.entry ?? load,
    stack: settings.stack ?? (settings.mode === "real" ? REAL_MODE_STACK : settings.ram),
    settings,
    symbols,
    listing,
  };
}
