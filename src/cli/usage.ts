import { parseArgs, type ParseOptions } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";
import { levenshteinDistance } from "@std/text/levenshtein-distance";

/** The command line was wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The error for a word that none of `known` is, with the nearest of them if one is near. */
export function unknownWord(reason: string, word: string, known: readonly string[]): UsageError {
  const hint = didYouMean(word, known);
  return new UsageError(hint === undefined ? reason : `${reason}. ${hint}`);
}

/** `Did you mean …?`, with the nearest of at least one known word; nothing where none is near. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const nearest = closestString(word, known);
  const [one, other] = [word, nearest].map((text) => text.replace(/^-+/, "").toLowerCase());
  const length = Math.max(one!.length, other!.length);
  // EXA and EAX differ in two letters of three, which is near enough; ZZ and FS in all of them.
  return levenshteinDistance(one!, other!) <= length * 0.7 ? `Did you mean ${nearest}?` : undefined;
}

/** The options a command takes, by name and without dashes. */
export interface Options {
  /** Those that take no value. */
  flags?: readonly string[];
  /** Those that take one value. */
  values?: readonly string[];
  /** Those that take a value each time they are given. */
  lists?: readonly string[];
}

/** What {@linkcode parseOptions} found. */
export interface Parsed {
  flags: Set<string>;
  values: Map<string, string>;
  lists: Map<string, string[]>;
  /** The words that are no options. */
  words: string[];
}

/**
 * Reads the words of a command. An option's value may follow it or an equals sign; everything
 * behind `--` is a word.
 *
 * @throws {UsageError} For an option that is unknown, has a value where it takes none or none where
 * it takes one, or is given twice where it takes one value.
 */
export function parseOptions(args: string[], options: Options): Parsed {
  const { flags = [], values = [], lists = [] } = options;
  const known = [...flags, ...values, ...lists, "help"].map(dashed);
  const parseOptions: ParseOptions = {
    boolean: flags,
    string: [...values, ...lists, "_"],
    collect: [...values, ...lists],
    unknown(word, key) {
      if (key === undefined || word === "-") return true;
      const before = args[args.indexOf(word) - 1] ?? "";
      if (
        /^-[^-]/.test(word) && [...values, ...lists].map((name) => `--${name}`).includes(before)
      ) {
        throw new UsageError(
          `The option ${before} needs a value; one that begins with a dash: ${before}=${word}`,
        );
      }
      const name = word.replace(/=.*/, "");
      throw unknownWord(`There is no option ${name}`, name, known);
    },
  };
  refuseFlagValues(args, [...flags, "help"]);
  const parsed = parseArgs(args, parseOptions);
  const result: Parsed = {
    flags: new Set(flags.filter((name) => parsed[name] === true)),
    values: new Map(),
    lists: new Map(),
    words: parsed._.map(String),
  };
  for (const name of [...values, ...lists]) {
    const given = parsed[name] as string[];
    if (given.includes("")) {
      const option = dashed(name);
      throw new UsageError(`The option ${option} needs a value: ${option} VALUE`);
    }
    if (lists.includes(name)) {
      result.lists.set(name, given);
      continue;
    }
    if (given.length > 1) {
      throw new UsageError(`The option ${dashed(name)} is given more than once`);
    }
    if (given[0] !== undefined) result.values.set(name, given[0]);
  }
  return result;
}

/** An option as it is written: one dash before a letter, two before a word. */
function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

function refuseFlagValues(args: string[], flags: readonly string[]): void {
  for (const word of args) {
    if (word === "--") return;
    const name = flags.find((name) => word.startsWith(`--${name}=`));
    if (name !== undefined) throw new UsageError(`The option --${name} takes no value`);
  }
}

/** @throws {UsageError} If there are words besides the options. */
export function refuseWords(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`The word "${words[0]}" has no meaning here`);
}
