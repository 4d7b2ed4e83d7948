import { permittedDisassembler } from "../machine/mod.ts";
import type { Disassembler } from "../x86/mod.ts";
import { UsageError } from "./usage.ts";

/**
 * The disassembler, for a command that cannot do without it.
 *
 * @throws {UsageError} When Deno was not given the permission to read its files.
 */
export async function requireDisassembler(): Promise<Disassembler> {
  const disassembler = await permittedDisassembler();
  if (disassembler !== undefined) return disassembler;
  throw new UsageError(
    "Cannot load the disassembler: Deno was not given the permission to read its files. Run with " +
      "--allow-read",
  );
}
