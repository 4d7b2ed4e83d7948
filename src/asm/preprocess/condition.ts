import { type Arity, overlaps, readSpecification } from "./multi.ts";
import type { Preprocessor } from "./preprocessor.ts";
import { directiveMacro } from "./standard.ts";
import { isBlank, isOperator, skipSpace, type Token, unquote } from "./token.ts";

/** A test that can follow `%if`, `%elif` or `%is`; undefined is an error, already recorded. */
type Test = (tokens: Token[], run: Preprocessor) => boolean | undefined;

/** Tests by what is written behind `%if`; each has a negative with an `n` before it. */
const tests: Readonly<Record<string, Test>> = {
  "": (tokens, run) => {
    const value = run.evaluate(run.singles.expand(tokens));
    return value === undefined ? undefined : value !== 0n;
  },
  ctx: (tokens, run) =>
    someWord(
      tokens,
      { run, types: ["id"] },
      ({ text }) => run.singles.contexts.at(-1)?.name?.toLowerCase() === text.toLowerCase(),
    ),
  def: (tokens, run) =>
    someWord(
      tokens,
      { run, types: ["id", "local"] },
      ({ text }) => run.singles.find(text, { alias: false }) !== undefined,
    ),
  defalias: (tokens, run) =>
    someWord(
      tokens,
      { run, types: ["id", "local"] },
      ({ text }) => run.singles.find(text, { alias: true }) !== undefined,
    ),
  empty: (tokens, run) => isBlank(run.singles.expand(tokens)),
  env: (tokens, run) =>
    someWord(
      run.singles.expand(tokens),
      { run, types: ["id", "string", "environ"] },
      (word) => run.environment(word) !== undefined,
    ),
  id: (tokens, run) => begins(run.singles.expand(tokens), "id"),
  idn: (tokens, run) => areSame(tokens, run, (text) => text),
  idni: (tokens, run) => areSame(tokens, run, (text) => text.toLowerCase()),
  macro: isMacro,
  num: (tokens, run) => begins(run.singles.expand(tokens), "number"),
  str: (tokens, run) => begins(run.singles.expand(tokens), "string"),
  token: (tokens, run) => {
    const expanded = run.singles.expand(tokens);
    const at = skipSpace(expanded);
    return at < expanded.length && skipSpace(expanded, at + 1) === expanded.length;
  },
  usable: (tokens, run) => run.readPackageName(tokens)?.isKnown,
  using: (tokens, run) => run.readPackageName(tokens)?.isUsed,
};

/** The test of a directive such as `%ifndef`, `%elifidni` or of a function such as `%isnum`. */
export function findTest(directive: string): Test | undefined {
  const stem = /^%(?:el)?i[fs](.*)$/.exec(directive)?.[1];
  if (stem === undefined) return undefined;
  if (Object.hasOwn(tests, stem)) return tests[stem];
  if (!stem.startsWith("n") || !Object.hasOwn(tests, stem.slice(1))) return undefined;
  const positive = tests[stem.slice(1)]!;
  return (tokens, run) => {
    const result = positive(tokens, run);
    return result === undefined ? undefined : !result;
  };
}

/** Whether one of the words on a line passes; they must be of the given types. */
function someWord(
  tokens: readonly Token[],
  { run, types }: { run: Preprocessor; types: readonly Token["type"][] },
  test: (word: Token) => boolean,
): boolean | undefined {
  const words = tokens.filter(({ type }) => type !== "space");
  for (const word of words) {
    if (!types.includes(word.type)) {
      run.fail(`Expected a name, found "${word.text}"`, word.text);
      return undefined;
    }
    if (test(word)) return true;
  }
  return false;
}

/** Whether the first token is of a type; numbers may have signs. */
function begins(tokens: readonly Token[], type: Token["type"]): boolean {
  const isSign = (part: Token) => type === "number" && /^[-+]$/.test(part.text);
  return tokens.find((part) => part.type !== "space" && !isSign(part))?.type === type;
}

/**
 * Whether the two sides of a comma are the same text. Blanks do not count, but for NASM's sake one
 * does where the other side has nothing left.
 */
function areSame(
  tokens: readonly Token[],
  run: Preprocessor,
  fold: (text: string) => string,
): boolean | undefined {
  const parts = run.singles.expand(tokens);
  const comma = parts.findIndex((part) => isOperator(part, ","));
  if (comma < 0) {
    run.fail("Expected two texts with a comma between them");
    return undefined;
  }
  let left = 0;
  let right = comma + 1;
  while (left < comma && right < parts.length) {
    const one = parts[left]!;
    const other = parts[right]!;
    if (isOperator(other, ",")) {
      run.fail("Expected one comma, found more");
      return undefined;
    }
    if (one.type === "space") left++;
    else if (other.type === "space") right++;
    else if (one.type !== other.type || fold(unquote(one)) !== fold(unquote(other))) return false;
    else {
      left++;
      right++;
    }
  }
  return left === comma && right === parts.length;
}

/** Whether a multi-line macro is defined that takes some of these numbers of parameters. */
function isMacro(tokens: readonly Token[], run: Preprocessor): boolean | undefined {
  const named = run.singles.expandName(tokens.slice(skipSpace(tokens)));
  const name = named[0];
  if (name?.type !== "id") {
    run.fail("Expected the name of a macro");
    return undefined;
  }
  const rest = run.singles.expand(named.slice(1));
  const from = skipSpace(rest);
  const wanted: Arity = from === rest.length
    ? { minimum: 0, maximum: Infinity, isGreedy: false }
    : readSpecification(rest, { from, reporter: run });
  const builtin = run.isCleared ? undefined : directiveMacro(name.text);
  return builtin !== undefined && overlaps(builtin, wanted) ||
    run.multis(name.text).some((macro) => macro.name === name.text && overlaps(macro, wanted));
}
