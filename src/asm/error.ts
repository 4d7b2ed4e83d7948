import type { AssemblyWarning } from "./assembly.ts";

/** What a line was written for: the macro call or the include that it came from. */
export interface Origin {
  /** `macro NAME`, or `include`. */
  readonly what: string;
  /** The file in which the call or the include stands. */
  readonly file: string;
  /** Its line there, from 1. */
  readonly line: number;
  /** What that line in turn came from. */
  readonly outer: Origin | undefined;
}

/** A line as the assembler sees it: after the preprocessor, with where it came from. */
export interface SourceLine {
  /** The line's text, macros expanded. */
  readonly text: string;
  /** The file it was written in. */
  readonly file: string;
  /** The line's number there, from 1. */
  readonly line: number;
  /** How many macro expansions deep it came from; 0 for a line of the source itself. */
  readonly depth: number;
  /** The macro call or include that it came from, if any. */
  readonly origin?: Origin | undefined;
  /** What messages show in place of `text`, which then begins `shift` columns later. */
  readonly shown?: { readonly text: string; readonly shift: number } | undefined;
}

/** A part of a line, for pointing at it: columns count from 0. */
export interface Span {
  /** Where it begins. */
  readonly start: number;
  /** Where it ends, exclusive. */
  readonly end: number;
}

/** How many of the macro calls and includes around a line a message names. */
const mostOrigins = 10;

/** Thrown for a source that cannot be assembled. The message names, shows and marks the place. */
export class AssemblyError extends Error {
  /** What is wrong, without the place. */
  readonly reason: string;
  /** The file the line was written in. */
  readonly file: string;
  /** The line's number, from 1. */
  readonly line: number;
  /** The column of the token at fault, from 1. */
  readonly column: number;
  /** How many characters the token has. */
  readonly length: number;
  /** The line's text, macros expanded. */
  readonly source: string;
  /** Every error of the run, in the order found; this one is the first. */
  errors: readonly AssemblyError[] = [this];

  /**
   * Makes the error of one place.
   *
   * @param reason What is wrong: capital first letter, no final period.
   * @param at The line and, where known, the part of it that is wrong.
   */
  constructor(reason: string, at: { line: SourceLine; span?: Span | undefined }) {
    const { file, line, shown } = at.line;
    const text = shown?.text ?? at.line.text;
    const shift = shown?.shift ?? 0;
    const lead = text.length - text.trimStart().length;
    const start = at.span ? clamp(at.span.start - shift, text.length) : lead;
    const end = at.span ? clamp(at.span.end - shift, text.length) : text.trimEnd().length;
    const length = Math.max(1, end - start);
    const part = excerpt(text, { start, length });
    // Tabs stay tabs under a tab, so that the mark stands below its token in any terminal.
    const indent = part.text.slice(0, part.start).replaceAll(/[^\t]/g, " ");
    let message = `${file}:${line}:${start + 1}: ${reason}\n` +
      `  ${part.text}\n  ${indent}^${"~".repeat(part.length - 1)}`;
    let levels = 0;
    for (let { origin } = at.line; origin; origin = origin.outer) {
      if (levels++ < mostOrigins) {
        message += `\n  in ${origin.what} at ${origin.file}:${origin.line}`;
      }
    }
    if (levels > mostOrigins) message += `\n  and ${levels - mostOrigins} more`;
    super(message);
    this.name = "AssemblyError";
    this.reason = reason;
    this.file = file;
    this.line = line;
    this.column = start + 1;
    this.length = length;
    this.source = text;
  }
}

/** The errors and warnings of a run. */
export class Messages {
  /** What makes the source wrong, in the order found. */
  readonly errors: AssemblyError[] = [];
  /** What is doubtful only. */
  readonly warnings: AssemblyWarning[] = [];

  /** Keeps a warning. */
  warn(message: string, { line, span }: { line: SourceLine; span?: Span | undefined }): void {
    const column = (span?.start ?? 0) + 1;
    this.warnings.push({ message, file: line.file, line: line.line, column });
  }

  /** Keeps an error that ends the line but not the run. */
  keep(error: unknown): void {
    if (!(error instanceof AssemblyError)) throw error;
    this.errors.push(error);
    if (this.errors.length >= mostErrors) this.throwErrors();
  }

  /** Throws the first error, if there is any, with all the others in it. */
  throwErrors(): void {
    const first = this.errors[0];
    if (!first) return;
    first.errors = this.errors;
    throw first;
  }
}

/** More errors than these help nobody. */
const mostErrors = 100;

/** A message shows this much of a line, around the place. */
const longestExcerpt = 200;

/** A part of a line with its place in it. */
function excerpt(
  text: string,
  { start, length }: { start: number; length: number },
): { text: string; start: number; length: number } {
  if (text.length <= longestExcerpt) return { text, start, length };
  const from = Math.max(0, Math.min(start - longestExcerpt / 2, text.length - longestExcerpt));
  const to = from + longestExcerpt;
  const before = from > 0 ? "…" : "";
  const after = to < text.length ? "…" : "";
  return {
    text: before + text.slice(from, to) + after,
    start: before.length + start - from,
    length: Math.max(1, Math.min(length, to - start)),
  };
}

function clamp(column: number, length: number): number {
  return Math.max(0, Math.min(column, length));
}
