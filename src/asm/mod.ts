/**
 * An assembler for x86 in NASM's syntax: text in, bytes and listing out.
 *
 * @module
 */
export * from "./assemble.ts";
export { AssemblyError, type Origin, type SourceLine, type Span } from "./error.ts";
export type { Bits } from "./instructions.ts";
export { formatListing, type ListedLine, type Piece } from "./listing.ts";
export { parseInteger, unescapeString } from "./lexer.ts";
