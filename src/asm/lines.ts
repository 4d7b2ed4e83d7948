import type { Origin, SourceLine, Span } from "./error.ts";

/** A line for the assembler, or for the listing alone. */
export interface PreprocessedLine extends SourceLine {
  /** The line with macros expanded; empty for a line that only the listing shows. */
  text: string;
  /** What the listing shows; undefined for a line that it does not show, whose bytes belong to the line before. */
  readonly source: string | undefined;
  /** The macro call or include that it came from; undefined in the source itself. */
  readonly origin: Origin | undefined;
  shown?: SourceLine["shown"];
}

/** Something that was found wrong, or at least odd. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  /** What it is: capital first letter, no final period; for `%error` the text written there. */
  readonly reason: string;
  /** The line as it was written, before macros were expanded. */
  readonly line: PreprocessedLine;
  /** The part of the line that it is about, where known. */
  readonly span: Span | undefined;
}

/** How the symbols begin that carry values from the assembler back to the preprocessor. */
export const probePrefix = "..@probe.";

/** The same where the value may be of what is defined later: NASM says nothing of it in `%elif`. */
export const laterPrefix = `${probePrefix}later.`;

/** What preprocessing gave. */
export interface PreprocessResult {
  readonly lines: readonly PreprocessedLine[];
  readonly diagnostics: readonly Diagnostic[];
  /** The names of the symbols that carry a value back; see `preprocess`. */
  readonly probes: readonly string[];
}

/**
 * Whether a source has nothing for the preprocessor: its lines are for the assembler as they are.
 *
 * @param source The source.
 */
export function isPlain(source: string): boolean {
  return !WORTH_EXPANDING.test(source);
}

/** Anything that the preprocessor would act on; what it finds in comments costs time only. */
const WORTH_EXPANDING = /%|__|\\\r?\n|^#|\b(?:(?:i|end)?struc|at|iend)\b/im;

/**
 * The lines of a source for which {@linkcode isPlain} holds.
 *
 * @param source The source.
 * @param file Its name.
 */
export function plainLines(source: string, file = "<source>"): PreprocessResult {
  const lines = splitLines(source).map((text, i) => ({
    text,
    file,
    line: i + 1,
    depth: 0,
    source: text,
    origin: undefined,
  }));
  return { lines, diagnostics: [], probes: [] };
}

/** The lines of a source, whichever way they end; Ctrl-Z and NUL end a line too, as in NASM. */
export function splitLines(source: string): string[] {
  // deno-lint-ignore no-control-regex
  const lines = /[\r\x1A\0]/.test(source) ? source.split(/\r\n|[\n\r\x1A\0]/) : source.split("\n");
  // A backslash before the last line's end joins an empty line to it.
  if (lines.at(-1) === "" && !lines.at(-2)?.endsWith("\\")) lines.pop();
  return lines;
}
