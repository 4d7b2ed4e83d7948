/** How {@linkcode parseArgs} reads the words: the part of `@std/cli`'s options that hlt uses. */
export interface ParseOptions {
  /** Options that are true or false and take no value. */
  boolean?: readonly string[];
  /** Options that take a value. */
  string?: readonly string[];
  /** Options that may be repeated; each becomes an array. */
  collect?: readonly string[];
  /** Boolean options that can be denied as `--no-NAME`. */
  negatable?: readonly string[];
  /** Other names of an option. */
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** The values of options that are not given. */
  default?: Readonly<Record<string, unknown>>;
  /** Stop reading options at the first word that is not one. */
  stopEarly?: boolean;
  /** Called for an option or word that no other field names; false leaves it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}
/** The result of {@linkcode parseArgs}: the options by name, and the other words. */
export interface Args {
  [name: string]: unknown;
  _: (string | number)[];
}
export function parseArgs(args: readonly string[], options?: ParseOptions): Args;
