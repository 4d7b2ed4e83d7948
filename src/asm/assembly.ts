import type { Bits } from "./instructions.ts";
import type { ListedLine } from "./listing.ts";

/** What to assemble with, besides the source. */
export interface AssembleOptions {
  /** The source's name, for messages; `<source>` by default. */
  name?: string;
  /** The mode before the first `bits`; 16 by default, as for NASM's flat binaries. */
  bits?: Bits;
  /** The address of the first byte before any `org`; 0 by default. */
  origin?: number;
  /** Single-line macros, as by `%define`. */
  defines?: Readonly<Record<string, string>>;
  /**
   * Where a file is that a source names: its path is what `__?FILE?__`, messages and `%pathsearch`
   * give and what the readers are called with. By default it is the name itself.
   */
  resolve?: (path: string, from: string) => string | undefined;
  /** Reads a file for `%include`; undefined if it does not exist. `from` is the file including it. */
  readText?: (path: string, from: string) => string | undefined;
  /** Reads an environment variable for `%!name` and `%ifenv`; by default there are none. */
  environment?: (name: string) => string | undefined;
  /** Reads a file for `incbin`; undefined if it does not exist. `from` is the file including it. */
  readBytes?: (path: string, from: string) => Uint8Array | undefined;
}

/** What a line of the source came to. */
export interface ListingRow {
  /** Where its bytes are in the binary. */
  readonly offset: number;
  /** Where they are in memory when it runs: `org` and the section's address included. */
  readonly address: number;
  /** How many bytes it made. */
  readonly length: number;
  /** How often `times` made the same bytes; 1 where it did not. */
  readonly times: number;
  /** Whether those are in memory only: the line stands in a section without bytes. */
  readonly isReserved: boolean;
  /** The file it was written in. */
  readonly file: string;
  /** Its line there, from 1. */
  readonly line: number;
  /** Its text as written. */
  readonly source: string;
  /** How many macro expansions deep it came from. */
  readonly depth: number;
  /** The mode it was assembled for. */
  readonly bits: Bits;
}

/** Something doubtful in the source that does not keep it from being assembled. */
export interface AssemblyWarning {
  /** What is doubtful. */
  readonly message: string;
  /** The file. */
  readonly file: string;
  /** The line, from 1. */
  readonly line: number;
  /** The column, from 1. */
  readonly column: number;
}

/** An assembled source. */
export interface Assembly {
  /** The flat binary. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The address of its first byte. */
  readonly origin: number;
  /** The mode of its first instruction. */
  readonly bits: Bits;
  /** The lines in their order; those that made no bytes have length 0. */
  readonly listing: readonly ListingRow[];
  /** The lines of a listing as NASM's, for {@linkcode formatListing}. */
  readonly listed: readonly ListedLine[];
  /** Every label's address and every `equ`'s value, by its whole name. */
  readonly symbols: ReadonlyMap<string, bigint>;
  /** What is doubtful. */
  readonly warnings: readonly AssemblyWarning[];
}
