import { parseArgs, type ParseOptions } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";

/** The command line was wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The error for a word that none of `known` is, with the nearest of them. */
export function unknownWord(reason: string, word: string, known: readonly string[]): UsageError {
  return new UsageError(`${reason}. Did you mean ${closestString(word, known)}?`);
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
 * Reads the words of a command.
 *
 * @throws {UsageError} For an option that is unknown, or lacks its value.
 */
export function parseOptions(args: string[], options: Options): Parsed {
  const { flags = [], values = [], lists = [] } = options;
  const known = [...flags, ...values, ...lists];
  const parseOptions: ParseOptions = {
    boolean: flags,
    string: [...values, ...lists, "_"],
    collect: lists,
    unknown(word, key) {
      if (key === undefined || word === "-") return true;
      const name = word.replace(/=.*/, "");
      throw unknownWord(`There is no option ${name}`, name, known.map((name) => `--${name}`));
    },
  };
  const parsed = parseArgs(args, parseOptions);
  const result: Parsed = {
    flags: new Set(flags.filter((name) => parsed[name] === true)),
    values: new Map(),
    lists: new Map(lists.map((name) => [name, parsed[name] as string[] ?? []])),
    words: parsed._.map(String),
  };
  for (const name of values) {
    const value = parsed[name];
    if (value === undefined) continue;
    if (value === "" || Array.isArray(value)) {
      throw new UsageError(`The option --${name} takes one value: --${name} VALUE`);
    }
    result.values.set(name, String(value));
  }
  return result;
}

/** @throws {UsageError} If there are words besides the options. */
export function refuseWords(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`The word "${words[0]}" has no meaning here`);
}
