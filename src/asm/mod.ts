/**
 * An assembler for x86 in NASM's syntax: text in, bytes and listing out.
 *
 * @module
 */
export * from "./assemble.ts";
export { AssemblyError } from "./error.ts";
export type { Bits } from "./instructions.ts";
