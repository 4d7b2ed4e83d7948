import { isPlain, plainLines, type PreprocessResult } from "./lines.ts";
import { Preprocessor } from "./preprocess/preprocessor.ts";

/** How to preprocess a source. */
export interface PreprocessOptions {
  /** The name of the source, for messages and `__?FILE?__`; `<source>` by default. */
  readonly name?: string;
  /** The mode it begins in, for `__?BITS?__`; 16 by default. */
  readonly bits?: 16 | 32 | 64;
  /** Single-line macros defined before the first line, by name. */
  readonly defines?: Readonly<Record<string, string>>;
  /** Where a file is: the path as written, and the file it was written in; by default as written. */
  readonly resolve?: (path: string, from: string) => string | undefined;
  /** Reads a file for `%include`: its path, and the file it was written in. */
  readonly readText?: (path: string, from: string) => string | undefined;
  /** Reads an environment variable for `%!name` and `%ifenv`; by default there are none. */
  readonly environment?: (name: string) => string | undefined;
  /** What the assembler found the probes of the last round to be; see {@linkcode preprocess}. */
  readonly known?: ReadonlyMap<string, bigint>;
}

/**
 * Expands the macros of a source and obeys its `%` directives, as NASM 2.16 does.
 *
 * An expression in `%if`, `%assign`, `%rep` and the like may depend on `$` or on symbols of the
 * program. The preprocessor cannot know them, so it writes `..@probe.N equ expression` in the place
 * of the directive and takes 0 for its value. The assembler that finds such probes in the result
 * looks up what they came to, and has the source preprocessed again with those values in `known`,
 * until they no longer change. Diagnostics of all rounds but the last say nothing.
 *
 * Where this differs from NASM 2.16.01: limits are smaller (1,000 levels and 1,000,000 tokens for
 * the single-line macros of a line, 2,000,000 lines from macros and repetitions, 200 files including
 * each other, 1,048,576 characters in a string made by a directive), and going beyond one ends the
 * run; `%rmacro` does recurse; a name that `%+` pastes onto what is no name is not expanded by NASM
 * where it would make itself again, and ends in an error here; `%clear` with a word behind it, on which NASM hangs, does what its
 * manual says.
 *
 * @param source The source.
 * @param options Its name, what it can read.
 * @returns Lines, diagnostics and probes; it never throws for a wrong source.
 */
export function preprocess(source: string, options: PreprocessOptions = {}): PreprocessResult {
  return options.defines === undefined && isPlain(source)
    ? plainLines(source, options.name)
    : new Preprocessor(options).run(source);
}
