import { answers } from "./single.ts";
import { isOperator, skipSpace, SPACE, type Token } from "./token.ts";

/** A line as it was written, in a file or in the body of a macro. */
export interface Line {
  /** Its text, continuation lines joined. */
  readonly text: string;
  readonly file: string;
  readonly line: number;
  /** Its tokens, once they were needed. */
  tokens?: Token[];
  /** What the listing shows where it is expanded, once that was needed. */
  listed?: string;
}

/** Where in a list of tokens a parameter begins; where it ends depends on the macro. */
interface Piece {
  readonly tokens: readonly Token[];
  readonly start: number;
}

/** How many parameters a macro takes. */
export interface Arity {
  readonly minimum: number;
  readonly maximum: number;
  /** Whether the last parameter takes the commas that follow: `+`. */
  readonly isGreedy: boolean;
}

/** A multi-line macro: `%macro name minimum-maximum`. */
export interface MultiMacro extends Arity {
  readonly name: string;
  readonly caseSensitive: boolean;
  /** Whether its lines are kept out of the listing and its calls stand for them: `.nolist`. */
  readonly isHidden: boolean;
  /** Whether it may call itself: `%rmacro`. */
  readonly isRecursive: boolean;
  /** What the parameters beyond the minimum stand for when they are missing. */
  readonly defaults: readonly Piece[];
  readonly body: Line[];
  /** Whether the body has `%00`, so that a label before the call is a parameter. */
  takesLabel: boolean;
  /** How many of its calls are being expanded. */
  active: number;
}

/** A call of a multi-line macro. */
export interface Call {
  readonly macro: MultiMacro;
  /** The name as it was written in the call. */
  readonly name: string;
  readonly values: readonly (readonly Token[])[];
  /** The value of `%0`. */
  readonly count: number;
  /** What `%00` stands for. */
  readonly label: readonly Token[];
  /** The number in the names of the call's own labels, `..@number.name`. */
  readonly number: number;
  /** How far `%rotate` has turned the parameters. */
  rotation: number;
}

/** What records the errors and warnings of a call. */
export interface Reporter {
  fail(reason: string, at?: string): void;
  warn(reason: string): void;
}

/** The parameters of a macro's definition, as `%macro`, `%unmacro` and `%ifmacro` write them. */
export interface Specification extends Arity {
  /** Where the tokens behind it begin. */
  readonly next: number;
}

/** Reads `1`, `1-3`, `1-*` or `2+`. */
export function readSpecification(
  tokens: readonly Token[],
  { from, reporter }: { from: number; reporter: Reporter },
): Specification {
  const count = (at: number) => {
    const { type, text } = tokens[at] ?? SPACE;
    if (type === "number" && /^\d{1,9}$/.test(text)) return Number(text);
    reporter.fail("Expected the number of parameters of a macro");
    return 0;
  };
  const minimum = count(from);
  let maximum = minimum;
  let next = from + 1;
  if (isOperator(tokens[next], "-")) {
    maximum = isOperator(tokens[next + 1], "*") ? Infinity : count(next + 1);
    next += 2;
    if (maximum < minimum) {
      reporter.fail("The least number of parameters is above the greatest");
      maximum = minimum;
    }
  }
  const isGreedy = isOperator(tokens[next], "+");
  return { minimum, maximum, isGreedy, next: next + (isGreedy ? 1 : 0) };
}

/** Whether two macros of one name could be meant by the same call. */
export function overlaps(one: Arity, other: Arity): boolean {
  return (one.minimum <= other.maximum || other.isGreedy) &&
    (other.minimum <= one.maximum || one.isGreedy);
}

/**
 * Finds where the parameters of a call or the defaults of a definition begin.
 *
 * @returns Their beginnings, and where the comma is behind which the last one is empty, or −1.
 */
export function splitParameters(
  tokens: readonly Token[],
  reporter: Reporter,
): { pieces: Piece[]; comma: number } {
  const pieces: Piece[] = [];
  let comma = -1;
  let at = skipSpace(tokens);
  if (at === tokens.length) return { pieces, comma };
  for (;;) {
    pieces.push({ tokens, start: at });
    if (isOperator(tokens[at], "{")) {
      comma = -1;
      let depth = 1;
      for (at++; at < tokens.length && depth > 0; at++) {
        if (isOperator(tokens[at], "{")) depth++;
        else if (isOperator(tokens[at], "}")) depth--;
      }
      if (depth > 0) {
        reporter.fail("A parameter of a macro has no closing brace");
      } else {
        at = skipSpace(tokens, at);
        if (at < tokens.length && !isOperator(tokens[at], ",")) {
          reporter.fail("Braces do not enclose the whole of a macro's parameter");
        }
      }
    }
    for (; at < tokens.length && !isOperator(tokens[at], ","); at++) {
      if (tokens[at]!.type !== "space") comma = -1;
    }
    if (at >= tokens.length) return { pieces, comma };
    comma = at;
    at = skipSpace(tokens, at + 1);
  }
}

/** A parameter's tokens: to the next comma, without the blanks and the braces around them. */
function valueOf({ tokens, start }: Piece, options: { isGreedy: boolean }): Token[] {
  const value: Token[] = [];
  let at = skipSpace(tokens, start);
  const isBraced = isOperator(tokens[at], "{");
  if (isBraced) at++;
  let depth = isBraced ? 1 : 0;
  let blanks = 0;
  for (; at < tokens.length; at++) {
    const part = tokens[at]!;
    if (part.type === "space") {
      blanks++;
      continue;
    }
    if (isOperator(part, ",") && !isBraced && depth === 0 && !options.isGreedy) return value;
    if (isOperator(part, "{")) depth++;
    const isEnd = isOperator(part, "}") && --depth === 0 && isBraced;
    for (; blanks > 0; blanks--) value.push(SPACE);
    if (isEnd) return value;
    value.push(part);
  }
  return value;
}

/**
 * Finds the macro that a line calls.
 *
 * @param macros The macros of the called name, the newest first.
 * @param call The name as written, the tokens behind it, and whether empty parameters count as they
 *   are written (`%pragma preproc sane_empty_expansion`).
 * @returns The macro, its parameters and the value of `%0`; undefined if there is none.
 */
export function matchCall(
  macros: readonly MultiMacro[],
  call: { name: string; rest: readonly Token[]; isSane: boolean; reporter: Reporter },
): { macro: MultiMacro; values: Token[][]; count: number } | undefined {
  const { name, rest, reporter } = call;
  const isFree = (macro: MultiMacro) => macro.active === 0 || macro.isRecursive;
  const named = macros.filter((macro) => answers(macro, name));
  const first = named.findIndex(isFree);
  if (first < 0) return undefined;
  const find = (count: number) =>
    named.slice(first).find((macro) =>
      macro.minimum <= count && (macro.isGreedy || count <= macro.maximum)
    );
  const { pieces, comma } = splitParameters(rest, reporter);
  const written = pieces.length;
  let macro = find(written);
  if (macro && !isFree(macro)) return undefined;
  let parameters: Piece[] | undefined;
  // What NASM before 2.15 made of empty parameters, and NASM still does: a call with nothing but
  // blanks behind it may be one of a macro with one parameter, and an empty last parameter is
  // dropped, or replaced by its default.
  if (!call.isSane && !macro && written === 0 && rest.length > 0) {
    macro = find(1);
    parameters = [];
  } else if (!call.isSane && comma >= 0) {
    const dropped = pieces.slice(0, -1).map(({ start }) => ({
      tokens: rest.slice(0, comma),
      start,
    }));
    if (!macro && written > 1) {
      macro = find(written - 1);
      parameters = macro && withDefaults(dropped, macro);
    } else if (macro) {
      const fallback = macro.defaults[written - macro.minimum - 1];
      if (fallback && written > macro.minimum) {
        parameters = withDefaults([...dropped, fallback], macro);
      } else {
        // Behind an empty parameter or one in braces a greedy one keeps the comma.
        const before = rest[pieces.at(-2)!.start];
        const isKept = isOperator(before, ",") || isOperator(before, "{");
        if (!(macro.isGreedy && written > macro.maximum && isKept)) parameters = dropped;
      }
    }
    if (macro) reporter.warn(`The empty last parameter of macro ${macro.name} is dropped`);
  }
  if (!macro) {
    reporter.warn(`The multi-line macro ${name} does not take ${written} parameters`);
    return undefined;
  }
  if (!isFree(macro)) return undefined;
  parameters ??= withDefaults(pieces, macro);
  const { isGreedy, maximum } = macro;
  const count = isGreedy ? Math.min(parameters.length, maximum) : parameters.length;
  const values = parameters.slice(0, count).map((piece, i) =>
    valueOf(piece, { isGreedy: isGreedy && i === count - 1 })
  );
  return { macro, values, count };
}

function withDefaults(pieces: readonly Piece[], { defaults, minimum }: MultiMacro): Piece[] {
  return [...pieces, ...defaults.slice(Math.max(0, pieces.length - minimum))];
}
