import {
  append,
  detokenize,
  isBlank,
  isOperator,
  numberTokens,
  quote,
  skipSpace,
  SPACE,
  type Token,
  token,
  tokenize,
  type TokenType,
} from "./token.ts";

/**
 * How deeply single-line macros may expand into each other, NASM's `macro-levels` scaled to a
 * JavaScript stack (NASM: 10,000).
 */
const MAX_LEVELS = 1_000;
/** How many tokens one line may go through while it is expanded (NASM: 10,000,000). */
const MAX_TOKENS = 1_000_000;
/** What the evaluation of an argument counts for among them. */
const EVALUATION = 20;
/** How long a pasted or quoted token may become. */
export const MAX_TEXT = 1 << 20;

/** A parameter of a single-line macro. */
export interface Parameter {
  readonly name: string;
  /**
   * What is done with the argument: `=` evaluated, `&` quoted, `&&` quoted unless it is a string,
   * `!` left with its braces and blanks, `+` takes the commas that follow; for the functions `*` is
   * any number of arguments and `?` an argument that may be left out.
   */
  readonly flags: string;
  /** What an argument that was left out stands for. */
  readonly fallback?: readonly Token[];
}

/** A single-line macro: `%define name(parameters) body`. */
export interface SingleMacro {
  readonly name: string;
  readonly caseSensitive: boolean;
  readonly parameters: readonly Parameter[];
  /** The body; of an alias, the one name it stands for. */
  readonly body: readonly Token[];
  readonly isAlias: boolean;
  /** What a built-in macro or function expands to, in place of a body. */
  readonly expand?: (values: readonly Token[][]) => readonly Token[];
}

/** A macro without parameters. */
export function plain(name: string, body: readonly Token[]): SingleMacro {
  return { name, caseSensitive: true, parameters: [], body, isAlias: false };
}

/** What the macros ask of the preprocessor around them. */
export interface Host {
  /** Records an error in the current line, at the first place where `at` is written in it. */
  fail(reason: string, at?: string): void;
  /** Records a warning. */
  warn(reason: string): void;
  /** Gives up the whole source. */
  abort(reason: string): never;
  /**
   * The value of an expression; undefined if it has none, which is then already recorded. What is
   * behind it is an error with `isWhole`, else a warning.
   */
  evaluate(tokens: readonly Token[], options?: { isWhole: boolean }): bigint | undefined;
  /** Learns a name that lines must be searched for from now on. */
  notice(name: string): void;
}

/** A context of `%push`, with the macros that live in it. */
export interface Context {
  name: string | undefined;
  readonly number: number;
  readonly macros: MacroTable;
}

/** Single-line macros by name: several may share one, by case and by number of parameters. */
export class MacroTable {
  #macros = new Map<string, SingleMacro[]>();
  #builtin: (name: string) => SingleMacro | undefined;

  /** @param builtin Supplies a macro that is defined from the start when it is first looked up. */
  constructor(builtin: (name: string) => SingleMacro | undefined = () => undefined) {
    this.#builtin = builtin;
  }

  /** The macros of a name in any case, the newest first. */
  named(name: string): readonly SingleMacro[] {
    return this.#list(name.toLowerCase());
  }

  #list(lower: string): SingleMacro[] {
    let list = this.#macros.get(lower);
    if (!list) {
      const builtin = this.#builtin(lower);
      list = builtin ? [builtin] : [];
      if (builtin) this.#macros.set(lower, list);
    }
    return list;
  }

  /** Adds a macro, in the place of `old` if given. */
  add(macro: SingleMacro, old?: SingleMacro): void {
    const lower = macro.name.toLowerCase();
    const list = this.#list(lower);
    if (old) list[list.indexOf(old)] = macro;
    else list.unshift(macro);
    this.#macros.set(lower, list);
  }

  /** Removes the macros of one name that `which` accepts. */
  remove(which: (macro: SingleMacro) => boolean, name: string): void {
    const lower = name.toLowerCase();
    this.#macros.set(lower, this.#list(lower).filter((macro) => !which(macro)));
  }

  /** Removes all macros that `which` accepts, those not yet looked up included. */
  clear(which: (macro: SingleMacro) => boolean): void {
    for (const name of this.#macros.keys()) this.remove(which, name);
    const builtin = this.#builtin;
    this.#builtin = (name) => {
      const macro = builtin(name);
      return macro && which(macro) ? undefined : macro;
    };
  }
}

/** Whether a macro answers to this spelling. */
export function answers(macro: { name: string; caseSensitive: boolean }, name: string): boolean {
  return macro.name === name ||
    (!macro.caseSensitive && macro.name.toLowerCase() === name.toLowerCase());
}

/** Whether a macro takes this many arguments. */
function takes({ parameters }: SingleMacro, count: number): boolean {
  const last = parameters.at(-1)!.flags;
  let minimum = parameters.length;
  while (minimum > 1 && /[+?]/.test(parameters[minimum - 1]!.flags)) minimum--;
  return count >= minimum && (count <= parameters.length || /[+*]/.test(last));
}

/** The single-line macros of a run: the global ones, those of contexts, and their expansion. */
export class SingleMacros {
  /** The context stack, the innermost last. */
  readonly contexts: Context[] = [];
  /** Whether aliases are followed: `%aliases on`. */
  followsAliases = true;
  #host: Host;
  #global: MacroTable;
  #active = new Set<SingleMacro>();
  #levels = 0;
  #budget = 0;

  /**
   * @param host The preprocessor.
   * @param builtin The macros that are defined from the start.
   */
  constructor(host: Host, builtin: (name: string) => SingleMacro | undefined) {
    this.#host = host;
    this.#global = new MacroTable(builtin);
  }

  /**
   * The table that a name belongs to, and the name there: `%$name` lives in a context, one more `$`
   * for each context outwards.
   *
   * @returns Undefined if there is no such context, which is then recorded as an error.
   */
  scope(name: string): { macros: MacroTable; name: string; context?: Context } | undefined {
    if (!name.startsWith("%$")) return { macros: this.#global, name };
    const local = name.slice(2).replace(/^\$+/, "");
    const context = this.contexts.at(-(name.length - local.length - 1));
    if (context) return { macros: context.macros, name: local, context };
    this.#host.fail(
      this.contexts.length === 0
        ? `${name}: the context stack is empty`
        : `${name}: the context stack is only ${this.contexts.length} deep`,
    );
    return undefined;
  }

  /** The macro or alias that `%ifdef` or `%ifdefalias` finds under a name. */
  find(name: string, kind: { alias: boolean }, hops = 0): SingleMacro | undefined {
    const scope = this.scope(name);
    if (!scope) return undefined;
    const macro = scope.macros.named(scope.name).find((each) => answers(each, scope.name));
    if (!macro?.isAlias || kind.alias) return macro?.isAlias === kind.alias ? macro : undefined;
    if (!this.followsAliases || hops > MAX_LEVELS) return undefined;
    return this.find(macro.body[0]!.text, kind, hops + 1);
  }

  /** Defines a macro, replacing one of the same name and shape as NASM does. */
  define(macro: SingleMacro, hops = 0): void {
    const scope = this.scope(macro.name);
    if (!scope) return;
    this.#host.notice(scope.name);
    const count = macro.parameters.length;
    const old = scope.macros.named(scope.name).find((each) =>
      answers({ ...each, caseSensitive: each.caseSensitive && macro.caseSensitive }, scope.name) &&
      (count === 0 || each.parameters.length === 0 || takes(each, count))
    );
    const named = { ...macro, name: scope.name };
    if (!old) return scope.macros.add(named);
    if (old.isAlias && !macro.isAlias && this.followsAliases) {
      if (hops > MAX_LEVELS) return this.#host.fail(`The alias ${macro.name} leads back to itself`);
      return this.define({ ...macro, name: old.body[0]!.text }, hops + 1);
    }
    if (old.caseSensitive !== macro.caseSensitive) {
      this.#host.warn(`The macro ${scope.name} is defined both case-sensitive and not`);
    } else if ((count === 0) !== (old.parameters.length === 0)) {
      this.#host.fail(`The macro ${scope.name} is defined both with and without parameters`);
    } else if (old.parameters.length < count) {
      this.#host.warn(`The macro ${scope.name} hides an earlier one that takes any number`);
    } else {
      return scope.macros.add(named, old);
    }
    scope.macros.add(named);
  }

  /** Forgets the macros of a name: `%undef`, or `%undefalias` for aliases themselves. */
  undefine(name: string, kind: { alias: boolean }, hops = 0): void {
    const scope = this.scope(name);
    if (!scope) return;
    const alias = scope.macros.named(scope.name).find((macro) =>
      macro.isAlias && answers(macro, scope.name)
    );
    scope.macros.remove(
      (macro) => answers(macro, scope.name) && (!macro.isAlias || kind.alias),
      scope.name,
    );
    if (!alias || kind.alias || !this.followsAliases) return;
    if (hops > MAX_LEVELS) return this.#host.fail(`The alias ${name} leads back to itself`);
    this.undefine(alias.body[0]!.text, kind, hops + 1);
  }

  /** Forgets macros or aliases, of the contexts or global: `%clear`. */
  clear(kind: { aliases: boolean; macros: boolean }, where: { contexts: boolean }): void {
    const tables = where.contexts ? this.contexts.map((each) => each.macros) : [this.#global];
    for (const table of tables) {
      table.clear((macro) => macro.isAlias ? kind.aliases : kind.macros);
    }
  }

  /** Expands every macro call in a line. */
  expand(line: readonly Token[]): Token[] {
    this.#levels = 0;
    this.#budget = MAX_TOKENS;
    return this.#expand(line);
  }

  #expand(line: readonly Token[]): Token[] {
    let tokens = line;
    for (let pass = 0;; pass++) {
      const stack = tokens.toReversed();
      const expanded: Token[] = [];
      let isChanged = false;
      while (stack.length > 0) {
        const call = this.#expandTop(stack);
        if (!call) {
          expanded.push(stack.pop()!);
          continue;
        }
        isChanged = true;
        // Where the name of a macro came out of another one and its arguments stand behind that,
        // NASM expands nothing more in the line.
        const base = call.reaches ? 0 : call.base;
        while (stack.length > base) expanded.push(stack.pop()!);
      }
      const pasted = pass === 0 || isChanged
        ? paste(expanded, { rules: NAMES, host: this.#host })
        : undefined;
      if (!pasted) return expanded;
      this.#spend(pasted.length);
      tokens = pasted;
    }
  }

  /** Expands a name that is written in several parts (`_%$x`); one part alone stays as it is. */
  expandName(line: readonly Token[]): Token[] {
    let end = 1;
    while (/^(?:id|preproc|local|number)$/.test(line[end]?.type ?? "")) end++;
    return end === 1 ? [...line] : [...this.expand(line.slice(0, end)), ...line.slice(end)];
  }

  #spend(count: number): void {
    this.#budget -= count;
    if (this.#budget < 0) this.#host.abort("The expansion of this line's macros does not end");
  }

  /** The macros that a token may call. */
  #candidates(head: Token): readonly SingleMacro[] {
    if (head.type === "id" || head.type === "preproc") return this.#global.named(head.text);
    const scope = head.type === "local" ? this.scope(head.text) : undefined;
    return scope?.macros.named(scope.name) ?? [];
  }

  /**
   * Expands the call on top of the stack, which holds the rest of a line, its next token last.
   * The expansion takes the call's place; its own calls are expanded from its last token to its
   * first, so that each finds its arguments behind it, as in NASM.
   *
   * @returns How many of the stack's tokens are still untouched, and whether a macro within took
   * some that stand behind the call; undefined if this is no call.
   */
  #expandTop(stack: Token[]): { base: number; reaches: boolean } | undefined {
    const head = stack.at(-1)!;
    this.#spend(1);
    const candidates = this.#candidates(head);
    if (candidates.length === 0) return undefined;
    const name = head.type === "local" ? head.text.replace(/^%\$+/, "") : head.text;
    const matching = candidates.filter((each) =>
      answers(each, name) && !(each.isAlias && !this.followsAliases)
    );
    let macro: SingleMacro | undefined = matching[0];
    let values: Token[][] = [];
    let base = stack.length - 1;
    if (macro && macro.parameters.length > 0) {
      const call = findArguments(stack, base);
      if (!call) return undefined;
      this.#spend(call.start - call.end);
      if (call.end < 0) {
        this.#host.fail(`The call of the macro ${name} has no closing parenthesis`, name);
        return undefined;
      }
      macro = matching.find((each) => each.parameters.length > 0 && takes(each, call.count));
      if (!macro) {
        this.#host.warn(`The single-line macro ${name} does not take ${call.count} arguments`);
        return undefined;
      }
      if (this.#active.has(macro) && !isFunction(macro)) return undefined;
      values = readArguments(stack, { start: call.start, end: call.end, macro });
      base = call.end;
    }
    if (!macro || (this.#active.has(macro) && !isFunction(macro))) return undefined;
    if (++this.#levels > MAX_LEVELS) {
      this.#host.abort(`Macros expand into each other more than ${MAX_LEVELS} deep`);
    }
    const wasActive = this.#active.has(macro);
    this.#active.add(macro);
    for (const [i, value] of values.entries()) values[i] = this.#prepare(macro, i, value);
    stack.length = base;
    const untouched = this.#pushBody(stack, { macro, head, values });
    if (!wasActive) this.#active.delete(macro);
    this.#levels--;
    return { base: untouched, reaches: untouched < base };
  }

  /** Evaluates or quotes an argument as its parameter asks. */
  #prepare(macro: SingleMacro, index: number, value: Token[]): Token[] {
    this.#spend(value.length);
    const parameter = macro.parameters[Math.min(index, macro.parameters.length - 1)]!;
    if (parameter.flags.includes("=")) {
      const tokens = this.#expand(value);
      if (isBlank(tokens) && parameter.flags.includes("?")) return [...parameter.fallback ?? []];
      this.#spend(EVALUATION);
      const number = this.#host.evaluate(tokens, { isWhole: true });
      return number === undefined ? [] : numberTokens(number);
    }
    if (!parameter.flags.includes("&")) return value;
    const tokens = this.#expand(value);
    if (parameter.flags.includes("&&") && tokens.length === 1 && tokens[0]!.type === "string") {
      return tokens;
    }
    return [quote(detokenize(tokens))];
  }

  /** Puts a macro's body on the stack, last token first; returns how many tokens are untouched. */
  #pushBody(
    stack: Token[],
    { macro, head, values }: { macro: SingleMacro; head: Token; values: readonly Token[][] },
  ): number {
    let base = stack.length;
    let isFollowed = false;
    const push = (part: Token) => {
      const before = stack.length;
      stack.push(part);
      if (part.type === "id" || part.type === "preproc" || part.type === "local") {
        base = Math.min(base, this.#expandTop(stack)?.base ?? base);
      } else {
        this.#spend(1);
      }
      for (let i = before; i < stack.length; i++) isFollowed ||= stack[i] !== SPACE;
    };
    const body = macro.expand ? macro.expand(values) : macro.body;
    for (let i = body.length - 1; i >= 0; i--) {
      const part = body[i]!;
      const value = part.type === "argument" ? values[part.index] : undefined;
      if (value) {
        isFollowed = false;
        for (let k = value.length - 1; k >= 0; k--) push(value[k]!);
      } else if (part.type === "called") {
        stack.push(head);
        isFollowed = true;
      } else if (part.type === "defined") {
        const prefix = head.type === "local" ? head.text.match(/^%\$+/)![0] : "";
        stack.push(token(head.type, prefix + macro.name));
        isFollowed = true;
      } else if (part.type === "comma") {
        if (isFollowed) stack.push(COMMA);
      } else {
        push(part);
      }
    }
    return base;
  }
}

const COMMA = token("operator", ",");

/** Built-in functions may be called inside their own arguments. */
function isFunction(macro: SingleMacro): boolean {
  return macro.name.startsWith("%");
}

/** Steps over braces and parentheses; `outside` says whether a token stands in neither. */
class Nesting {
  #braces = 0;
  #parentheses = 0;
  /** Whether the closing parenthesis of the call has been passed. */
  isClosed = false;

  get inBraces(): boolean {
    return this.#braces > 0;
  }

  get outside(): boolean {
    return this.#braces === 0 && this.#parentheses === 0;
  }

  step(part: Token): void {
    if (part.type !== "operator") return;
    if (part.text === "{") this.#braces++;
    else if (part.text === "}") this.#braces = Math.max(0, this.#braces - 1);
    else if (this.#braces > 0) return;
    else if (part.text === "(") this.#parentheses++;
    else if (part.text === ")") {
      if (this.#parentheses === 0) this.isClosed = true;
      else this.#parentheses--;
    }
  }
}

/**
 * Finds the arguments behind a macro's name: where the stack's tokens between the parentheses begin
 * and end (−1: they never do), and how many arguments they are.
 */
function findArguments(
  stack: readonly Token[],
  name: number,
): { start: number; end: number; count: number } | undefined {
  let at = name - 1;
  while (stack[at]?.type === "space") at--;
  if (!isOperator(stack[at], "(")) return undefined;
  const start = at - 1;
  const nesting = new Nesting();
  let count = 1;
  for (at = start; at >= 0; at--) {
    const part = stack[at]!;
    if (nesting.outside && isOperator(part, ",")) count++;
    nesting.step(part);
    if (nesting.isClosed) return { start, end: at, count };
  }
  return { start, end: -1, count };
}

/** Reads the arguments between `start` and `end` of the stack for a macro's parameters. */
function readArguments(
  stack: readonly Token[],
  { start, end, macro }: { start: number; end: number; macro: SingleMacro },
): Token[][] {
  const { parameters } = macro;
  const values: Token[][] = [];
  const nesting = new Nesting();
  let value: Token[] = [];
  let isBraced = false;
  let isSpaced = false;
  for (let at = start; at > end; at--) {
    const part = stack[at]!;
    const { flags } = parameters[Math.min(values.length, parameters.length - 1)]!;
    if (part.type === "space" && !flags.includes("!")) {
      // A blank before a comma is kept for the argument behind it, as NASM does.
      if (value.length > 0 || nesting.inBraces) isSpaced = true;
      continue;
    }
    if (nesting.outside && isOperator(part, ",") && !flags.includes("+")) {
      values.push(value);
      value = [];
      isBraced = false;
      continue;
    }
    const wasInBraces = nesting.inBraces;
    nesting.step(part);
    // A pair of braces around the whole argument is taken off.
    if (isOperator(part, "{") && value.length === 0 && !isBraced && !flags.includes("!")) {
      isBraced = true;
      continue;
    }
    if (isBraced && isOperator(part, "}") && wasInBraces && !nesting.inBraces) continue;
    if (isSpaced) value.push(SPACE);
    isSpaced = false;
    value.push(part);
  }
  values.push(value);
  while (values.length < parameters.length) values.push([]);
  return values;
}

/** Which neighbours become one token without a blank or `%+` between them. */
export interface PasteRule {
  readonly head: ReadonlySet<TokenType>;
  readonly tail: ReadonlySet<TokenType>;
}

/** After the expansion of single-line macros: parts of names. */
const NAMES: readonly PasteRule[] = [{
  head: new Set(["id", "local", "environ", "preproc"]),
  tail: new Set(["id", "local", "environ", "preproc", "number", "float"]),
}];

/** After the substitution of a multi-line macro's parameters: names and what follows, digits. */
export const SUBSTITUTED: readonly PasteRule[] = [
  {
    head: new Set(["id"]),
    tail: new Set(["id", "number", "float", "operator", "here", "base"]),
  },
  { head: new Set(["number", "float"]), tail: new Set(["number", "float"]) },
];

/**
 * Joins the tokens around each `%+`, and neighbours by the given rules.
 *
 * @returns The new tokens, or undefined if there was nothing to join.
 */
export function paste(
  tokens: readonly Token[],
  { rules, host }: { rules: readonly PasteRule[]; host: Host },
): Token[] | undefined {
  if (!isPastable(tokens, rules)) return undefined;
  const stack = tokens.toReversed();
  const result: Token[] = [];
  let isChanged = false;
  while (stack.length > 0) {
    const part = stack.pop()!;
    // At the very end of a line NASM leaves "%+" for the assembler to stumble over.
    if (part.type === "paste" && rules === NAMES && stack.length > 0) {
      isChanged = true;
      while (result.at(-1)?.type === "space") result.pop();
      while (/^(?:space|paste)$/.test(stack.at(-1)?.type ?? "")) stack.pop();
      if (result.length === 0 || stack.length === 0) continue;
      const left = result.pop()!.text;
      const right = stack.pop()!.text;
      if (left.length + right.length > MAX_TEXT) {
        host.abort(`A pasted name is longer than ${MAX_TEXT} characters`);
      }
      const joined = tokenize(left + right);
      for (const each of joined.toReversed()) stack.push(each);
      continue;
    }
    const rule = rules.find(({ head }) => head.has(part.type));
    let text = part.text;
    let isPasted = false;
    while (rule && stack.length > 0 && text.length <= MAX_TEXT) {
      if (!rule.tail.has(stack.at(-1)!.type)) break;
      text += stack.pop()!.text;
      isPasted = true;
    }
    if (isPasted) append(result, tokenize(text));
    else result.push(part);
    isChanged ||= isPasted;
  }
  return isChanged ? result : undefined;
}

/** Whether there is anything to join in a line; mostly there is not. */
function isPastable(tokens: readonly Token[], rules: readonly PasteRule[]): boolean {
  for (let i = 0; i < tokens.length; i++) {
    const { type } = tokens[i]!;
    if (type === "paste" && rules === NAMES) return true;
    if (i === 0 || type === "space") continue;
    const before = tokens[i - 1]!.type;
    for (const { head, tail } of rules) if (head.has(before) && tail.has(type)) return true;
  }
  return false;
}

/**
 * Reads `(a, =b, …)` directly behind a macro's name.
 *
 * @returns The parameters, and where the tokens behind them begin, blanks skipped.
 */
export function readParameters(
  tokens: readonly Token[],
  { from, host }: { from: number; host: Host },
): { parameters: Parameter[]; next: number } {
  const parameters: Parameter[] = [];
  if (!isOperator(tokens[from], "(")) return { parameters, next: skipSpace(tokens, from) };
  let name = "";
  let flags = "";
  for (let at = from + 1; at < tokens.length; at++) {
    const { type, text } = tokens[at]!;
    if (type === "id" && name === "") {
      name = text;
    } else if (type === "operator" && (text === "," || text === ")")) {
      if (parameters.at(-1)?.flags.includes("+")) host.fail("A greedy parameter must be the last");
      parameters.push({ name, flags });
      if (text === ")") return { parameters, next: skipSpace(tokens, at + 1) };
      name = flags = "";
    } else if (type === "operator" && /^(?:=|&|&&|!|\+)$/.test(text)) {
      flags += text;
    } else if (type !== "space") {
      host.fail(`"${text}" does not belong in a list of parameters`, text);
    }
  }
  host.fail("The list of parameters has no closing parenthesis");
  return { parameters, next: tokens.length };
}

/** Marks the names of parameters in a body. */
export function markParameters(
  tokens: readonly Token[],
  parameters: readonly Parameter[],
): readonly Token[] {
  if (parameters.length === 0) return tokens;
  const numbers = new Map(parameters.map(({ name }, index) => [name, index]));
  return tokens.map((part) => {
    const index = part.type === "id" ? numbers.get(part.text) : undefined;
    return index === undefined ? part : token("argument", part.text, index);
  });
}
