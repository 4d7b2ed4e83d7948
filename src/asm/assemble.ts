import { Assembler } from "./assembler.ts";
import type { AssembleOptions, Assembly } from "./assembly.ts";
import type { Carried } from "./directives.ts";
import { preprocess } from "./preprocess.ts";

export type { AssembleOptions, Assembly, AssemblyWarning, ListingRow } from "./assembly.ts";

/**
 * Assembles a source in NASM's syntax into a flat binary, byte for byte as NASM 2.16.01 does
 * (`nasm -f bin`).
 *
 * @param source The source.
 * @param options Its name, the mode it begins in, and how files are read.
 * @returns The bytes, with their listing and symbols.
 * @throws {AssemblyError} If the source is wrong. Its `errors` has every error found.
 *
 * @example Usage
 * ```ts
 * import { assemble } from "@hlt/hlt/asm";
 * import { assertEquals } from "@std/assert";
 *
 * const { bytes } = assemble("mov ax, 42\nhlt");
 * assertEquals([...bytes], [0xB8, 42, 0, 0xF4]);
 * ```
 */
export function assemble(source: string, options: AssembleOptions = {}): Assembly {
  // Where the preprocessor needs values that only the assembler knows, both run in rounds until the
  // values no longer change.
  let known: ReadonlyMap<string, bigint> = new Map();
  let carried: Carried | undefined;
  for (let round = 1;; round++) {
    const preprocessed = preprocess(source, { ...options, known });
    const { probes } = preprocessed;
    if (probes.length === 0) return new Assembler(options).assemble(preprocessed);
    const assembler = new Assembler(options, carried);
    const found = assembler.probe(preprocessed);
    const isSettled = round > 1 && probes.length === known.size &&
      probes.every((name) => known.get(name) === found.get(name));
    if (isSettled || round === mostRounds) return assembler.finish();
    known = found;
    carried = assembler.carried;
  }
}

/** Rounds after which values that still change are left as they are. */
const mostRounds = 50;
