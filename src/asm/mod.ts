/**
 * An assembler for x86 in NASM's syntax: text in, bytes and listing out.
 *
 * @module
 */
