import { assemble } from "../asm/mod.ts";
import { fromAssembly, type LoadOptions, type Program } from "./program.ts";

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
 * console.log(program.segments[0].bytes.length, program.settings.mode); // 7, "real"
 * ```
 */
export function loadSource(source: string, name: string): Program {
  return fromSource(source, { name });
}

/** {@linkcode loadSource} with all options. */
export function fromSource(source: string, options: LoadOptions): Program {
  const { name, readText, readBytes } = options;
  const assembly = assemble(source, {
    name,
    ...(readText && { readText }),
    ...(readBytes && { readBytes }),
  });
  return fromAssembly(source, assembly, options);
}
