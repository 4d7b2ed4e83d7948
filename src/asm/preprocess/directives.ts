import { toBytes } from "../lexer.ts";
import { findTest } from "./condition.ts";
import {
  type Arity,
  type MultiMacro,
  overlaps,
  readSpecification,
  splitParameters,
} from "./multi.ts";
import type { Definition, Preprocessor } from "./preprocessor.ts";
import { answers, MacroTable, markParameters, MAX_TEXT, plain, readParameters } from "./single.ts";
import { chooseStackFrame, nameArguments, nameLocals } from "./stack_frame.ts";
import {
  detokenize,
  isOperator,
  numberTokens,
  quote,
  skipSpace,
  type Token,
  tokenize,
  unquote,
} from "./token.ts";

/** How often `%rep` may repeat: NASM's limit `rep`. */
const MAX_REPETITIONS = 1_000_000;

/** What a directive does, given its line and where in it the directive stands. */
export type Directive = (run: Preprocessor, tokens: Token[], at: number) => void;

/** A directive as it is found under a name. */
export interface Known {
  /** The name in lower case, with the `%`. */
  readonly name: string;
  readonly obey: Directive;
  /** Whether it belongs to `%if` and is obeyed even where lines are passed over. */
  readonly isCondition: boolean;
  /** Whether a function has the same name: `%strlen(…)` at the beginning of a line is that. */
  readonly isFunctionToo: boolean;
}

const found = new Map<string, Known>();

/** Finds a directive by its name as written, with the `%`. */
export function findDirective(written: string): Known | undefined {
  let known = found.get(written);
  if (known) return known;
  const name = written.toLowerCase();
  const obey = lookUp(name);
  if (!obey) return undefined;
  known = {
    name,
    obey,
    isCondition: /^%(?:if|elif|else$|endif$)/.test(name),
    isFunctionToo: /^%(?:strcat|strlen|substr)$/.test(name),
  };
  found.set(written, known);
  return known;
}

function lookUp(name: string): Directive | undefined {
  if (Object.hasOwn(directives, name)) return directives[name];
  if (/^%(?:el)?if/.test(name)) {
    const test = findTest(name);
    if (!test) return undefined;
    return name.startsWith("%el") ? elseIf(test) : openIf(test);
  }
  // "%idefine" is "%define" without regard to case.
  const sensitive = name === "%unimacro" ? "%unmacro" : name.replace(/^%i/, "%");
  const make = Object.hasOwn(definers, sensitive) ? definers[sensitive] : undefined;
  return make?.(sensitive === name);
}

type Test = NonNullable<ReturnType<typeof findTest>>;

function openIf(test: Test): Directive {
  return (run, tokens, at) => {
    if (run.isSkipping) {
      run.conditions.push("never");
      return;
    }
    const result = test(tokens.slice(at + 1), run);
    run.conditions.push(result === undefined ? "never" : result ? "if" : "waiting");
  };
}

function elseIf(test: Test): Directive {
  return (run, tokens, at) => {
    const { conditions } = run;
    const last = conditions.length - 1;
    switch (conditions[last]) {
      case undefined:
        return run.fail(`${tokens[at]!.text} has no %if before it`);
      case "if":
        conditions[last] = "done";
        return;
      case "else":
      case "elseDone":
        run.warn(`${tokens[at]!.text} stands behind %else and is ignored`);
        conditions[last] = "never";
        return;
      case "waiting": {
        // What is wrong here keeps the branch out and is no error, as NASM has it.
        const result = run.forgive(() => test(run.substitute(tokens.slice(at + 1)), run));
        conditions[last] = result === undefined ? "never" : result ? "if" : "waiting";
      }
    }
  };
}

/** The rest of a line, macros expanded, without the blanks before it. */
function expandedRest(run: Preprocessor, tokens: readonly Token[], at: number): Token[] {
  const expanded = run.singles.expand(tokens.slice(at));
  return expanded.slice(skipSpace(expanded));
}

function warnAboutRest(run: Preprocessor, tokens: readonly Token[], at: number): void {
  if (skipSpace(tokens, at) < tokens.length) run.warn("The rest of the line is ignored");
}

/** The name of the macro that a directive is about, and the tokens behind it. */
function readName(
  run: Preprocessor,
  tokens: readonly Token[],
  at: number,
): { name: string; rest: Token[] } | undefined {
  const named = run.singles.expandName(tokens.slice(skipSpace(tokens, at + 1)));
  const name = named[0];
  if (name?.type === "id" || name?.type === "local") {
    return { name: name.text, rest: named.slice(1) };
  }
  run.fail(`${tokens[at]!.text} needs the name of a macro`);
  return undefined;
}

/** The string behind the name of a macro; its bytes, one character each. */
function readString(run: Preprocessor, rest: readonly Token[]): string | undefined {
  const expanded = expandedRest(run, rest, 0);
  if (expanded[0]?.type === "string") return unquote(expanded[0]);
  run.fail("Expected a string");
  return undefined;
}

/** The file that a directive names. */
function readFileName(run: Preprocessor, tokens: readonly Token[], at: number): string | undefined {
  const expanded = expandedRest(run, tokens, at);
  if (expanded[0]?.type !== "string") {
    run.fail("Expected the name of a file in quotes");
    return undefined;
  }
  warnAboutRest(run, expanded, 1);
  return fromBytes(unquote(expanded[0]));
}

/** Text from UTF-8 bytes, one character each. */
function fromBytes(bytes: string): string {
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}

/** The bytes of a text as a quoted string. */
function quoteText(run: Preprocessor, bytes: string): Token {
  if (bytes.length > MAX_TEXT) run.abort(`A string is longer than ${MAX_TEXT} characters`);
  return quote(bytes);
}

/** Defines a macro without parameters that a directive has computed. */
function assign(
  run: Preprocessor,
  name: string,
  value: { body: readonly Token[]; caseSensitive: boolean },
): void {
  run.singles.define({ ...plain(name, value.body), caseSensitive: value.caseSensitive });
}

/** The message of `%error` and its like: one string, or the rest of the line. */
function readMessage(run: Preprocessor, tokens: readonly Token[], at: number): string {
  const expanded = expandedRest(run, tokens, at);
  const isString = expanded[0]?.type === "string" && skipSpace(expanded, 1) === expanded.length;
  return isString ? fromBytes(unquote(expanded[0]!)) : detokenize(expanded);
}

/** Directives that exist with and without regard to case. */
const definers: Readonly<Record<string, (caseSensitive: boolean) => Directive>> = {
  "%define": define,
  "%xdefine": define,
  "%defalias": (caseSensitive) => (run, tokens, at) => {
    const target = readName(run, tokens, at);
    if (!target) return;
    const body = target.rest.slice(skipSpace(target.rest));
    if (body[0]?.type !== "id" && body[0]?.type !== "local") {
      return run.fail("%defalias needs the name of a macro to stand for");
    }
    warnAboutRest(run, body, 1);
    run.singles.define({
      ...plain(target.name, body.slice(0, 1)),
      caseSensitive,
      isAlias: true,
    });
  },
  "%assign": (caseSensitive) => (run, tokens, at) => {
    const target = readName(run, tokens, at);
    if (!target) return;
    const value = run.evaluate(run.singles.expand(target.rest));
    if (value === undefined) return;
    assign(run, target.name, { body: numberTokens(value), caseSensitive });
  },
  "%defstr": (caseSensitive) => (run, tokens, at) => {
    const target = readName(run, tokens, at);
    if (!target) return;
    const text = toBytes(detokenize(expandedRest(run, target.rest, 0)));
    assign(run, target.name, { body: [quoteText(run, text)], caseSensitive });
  },
  "%deftok": (caseSensitive) => (run, tokens, at) => {
    const target = readName(run, tokens, at);
    const text = target && readString(run, target.rest);
    if (text === undefined) return;
    assign(run, target!.name, { body: tokenize(fromBytes(text)), caseSensitive });
  },
  "%pathsearch": (caseSensitive) => (run, tokens, at) => {
    const target = readName(run, tokens, at);
    const path = target && readFileName(run, target.rest, 0);
    if (path === undefined) return;
    assign(run, target!.name, { body: [quote(toBytes(run.resolve(path)))], caseSensitive });
  },
  "%strlen": (caseSensitive) => (run, tokens, at) => {
    const target = readName(run, tokens, at);
    const text = target && readString(run, target.rest);
    if (text === undefined) return;
    assign(run, target!.name, { body: numberTokens(BigInt(text.length)), caseSensitive });
  },
  "%strcat": (caseSensitive) => (run, tokens, at) => {
    const target = readName(run, tokens, at);
    if (!target) return;
    let text = "";
    for (const part of run.singles.expand(target.rest)) {
      if (part.type === "string") text += unquote(part);
      else if (part.type !== "space" && !isOperator(part, ",")) {
        return run.fail(`%strcat joins strings, and "${part.text}" is none`, part.text);
      }
    }
    assign(run, target.name, { body: [quoteText(run, text)], caseSensitive });
  },
  "%substr": (caseSensitive) => (run, tokens, at) => {
    const target = readName(run, tokens, at);
    if (!target) return;
    const expanded = expandedRest(run, target.rest, 0);
    if (expanded[0]?.type !== "string") return run.fail("%substr needs a string");
    let from = skipSpace(expanded, 1);
    if (isOperator(expanded[from], ",")) from = skipSpace(expanded, from + 1);
    if (from === expanded.length) return run.fail("%substr needs the place to begin at");
    const comma = expanded.findIndex((part, i) => i > from && isOperator(part, ","));
    const start = run.evaluate(expanded.slice(from, comma < 0 ? undefined : comma));
    const count = comma < 0 ? 1n : run.evaluate(expanded.slice(comma + 1));
    if (start === undefined || count === undefined) return;
    const text = substring(unquote(expanded[0]), Number(start), Number(count));
    assign(run, target.name, { body: [quote(text)], caseSensitive });
  },
  "%macro": (caseSensitive) => beginMacro({ caseSensitive, isRecursive: false }),
  "%rmacro": (caseSensitive) => beginMacro({ caseSensitive, isRecursive: true }),
  "%unmacro": (caseSensitive) => (run, tokens, at) => {
    const named = readMacroName(run, tokens, at);
    if (!named) return;
    const { name, arity } = named;
    const isMeant = (macro: MultiMacro) =>
      macro.caseSensitive === caseSensitive && answers(macro, name) &&
      macro.minimum === arity.minimum && macro.maximum === arity.maximum &&
      macro.isGreedy === arity.isGreedy;
    const macros = run.multis(name);
    if (macros.some((macro) => isMeant(macro) && macro.active > 0)) {
      return run.fail(`%unmacro cannot take away ${name} while it is expanded`);
    }
    run.setMultis(name, macros.filter((macro) => !isMeant(macro)));
  },
};

/** `%define` keeps the body as written, `%xdefine` expands it at once. */
function define(caseSensitive: boolean): Directive {
  return (run, tokens, at) => {
    const target = readName(run, tokens, at);
    if (!target) return;
    const { parameters, next } = readParameters(target.rest, { from: 0, host: run });
    let body = markParameters(target.rest.slice(next), parameters);
    if (tokens[at]!.text.toLowerCase().includes("x")) {
      // Names that come out of the expansion are parameters too.
      body = markParameters(run.singles.expand(body), parameters);
    }
    run.singles.define({ name: target.name, caseSensitive, parameters, body, isAlias: false });
  };
}

/**
 * A part of a string as `%substr` counts: from 1, a negative count from the end.
 *
 * @param text The string's bytes.
 * @param start The first byte, from 1.
 * @param count How many; −1 means to the end, −2 to the one before the last.
 */
export function substring(text: string, start: number, count: number): string {
  const from = Math.max(0, start - 1);
  const length = count < 0 ? text.length + count + 1 - from : count;
  return length <= 0 ? "" : text.slice(from, from + length);
}

function readMacroName(
  run: Preprocessor,
  tokens: readonly Token[],
  at: number,
): { name: string; arity: Arity; rest: Token[] } | undefined {
  const named = readName(run, tokens, at);
  if (!named) return undefined;
  const rest = expandedRest(run, named.rest, 0);
  const specification = readSpecification(rest, { from: 0, reporter: run });
  return { name: named.name, arity: specification, rest: rest.slice(specification.next) };
}

function beginMacro(kind: { caseSensitive: boolean; isRecursive: boolean }): Directive {
  return (run, tokens, at) => {
    const named = readMacroName(run, tokens, at);
    if (!named) return;
    const { name, arity: { minimum, maximum, isGreedy } } = named;
    let { rest } = named;
    const isHidden = rest[0]?.type === "id" && rest[0].text.toLowerCase() === ".nolist";
    if (isHidden) rest = rest.slice(1);
    const { pieces, comma } = splitParameters(rest, run);
    if (comma >= 0 && !run.isSane) pieces.pop();
    if (pieces.length > maximum - minimum && !isGreedy) {
      run.warn(`The macro ${name} has more defaults than parameters that can be left out`);
    }
    const target: MultiMacro = {
      name,
      ...kind,
      minimum,
      maximum,
      isGreedy,
      isHidden,
      defaults: pieces,
      body: [],
      takesLabel: false,
      active: 0,
    };
    if (run.multis(name).some((macro) => macro.name === name && overlaps(macro, target))) {
      run.warn(`The multi-line macro ${name} is defined again`);
    }
    run.defining = beginDefinition(target, target.body);
  };
}

function beginDefinition(
  target: Definition["target"],
  body: Definition["body"],
): Definition {
  return { target, body, nestedMacros: 0, nestedRepetitions: 0 };
}

function endMacro(run: Preprocessor, tokens: readonly Token[], at: number): void {
  const target = run.defining?.target;
  if (target === undefined || typeof target === "number") {
    return run.fail(`${tokens[at]!.text} has no %macro before it`);
  }
  run.defining = undefined;
  run.setMultis(target.name, [target, ...run.multis(target.name)]);
}

const directives: Readonly<Record<string, Directive>> = {
  "%else": (run, tokens, at) => {
    const { conditions } = run;
    const last = conditions.length - 1;
    switch (conditions[last]) {
      case undefined:
        return run.fail("%else has no %if before it");
      case "if":
      case "done":
        conditions[last] = "elseDone";
        break;
      case "waiting":
        conditions[last] = "else";
        break;
      case "else":
      case "elseDone":
        run.warn("A second %else is ignored");
        conditions[last] = "never";
    }
    if (conditions[last] !== "never") warnAboutRest(run, tokens, at + 1);
  },
  "%endif": (run) => {
    if (run.conditions.pop() === undefined) run.fail("%endif has no %if before it");
  },
  "%endm": endMacro,
  "%endmacro": endMacro,
  "%exitmacro": (run) => {
    const { frames } = run;
    const at = frames.findLastIndex(({ kind }) => kind !== "rep");
    const frame = frames[at];
    if (frame?.kind !== "macro") return run.fail("%exitmacro stands outside of a macro");
    frames.length = at + 1;
    run.conditions.length = Math.min(run.conditions.length, frame.conditions);
    frame.next = frame.body.length;
  },
  "%rotate": (run, tokens, at) => {
    if (skipSpace(tokens, at + 1) === tokens.length) return run.fail("%rotate needs a number");
    const value = run.evaluate(run.singles.expand(tokens.slice(at + 1)));
    if (value === undefined) return;
    const { call } = run;
    if (!call) return run.fail("%rotate stands outside of a macro");
    if (call.count === 0) return run.fail("%rotate stands in a macro without parameters");
    const count = BigInt(call.count);
    call.rotation = Number(((BigInt(call.rotation) + value) % count + count) % count);
  },
  "%rep": (run, tokens, at) => {
    let from = skipSpace(tokens, at + 1);
    if (tokens[from]?.text.toLowerCase() === ".nolist") from = skipSpace(tokens, from + 1);
    let count = 0;
    if (from === tokens.length) {
      run.fail("%rep needs the number of repetitions");
    } else {
      const value = run.evaluate(run.singles.expand(tokens.slice(from)));
      if (value !== undefined && value > MAX_REPETITIONS) {
        run.fail(`%rep repeats at most ${MAX_REPETITIONS} times, not ${value}`);
      } else if (value !== undefined && value < 0n) {
        run.warn(`%rep is to repeat ${value} times, which is none`);
      } else {
        count = Number(value ?? 0n);
      }
    }
    run.defining = beginDefinition(count, []);
  },
  "%endrep": (run) => {
    const definition = run.defining;
    if (typeof definition?.target !== "number") return run.fail("%endrep has no %rep before it");
    run.defining = undefined;
    if (definition.target > 0) run.repeat(definition.body, definition.target);
  },
  "%exitrep": (run) => {
    const { frames } = run;
    const inFile = frames.slice(frames.findLastIndex(({ kind }) => kind === "file") + 1);
    const frame = inFile.findLast(({ kind }) => kind === "rep");
    if (frame?.kind !== "rep") return run.fail("%exitrep stands outside of %rep");
    frame.isLeaving = true;
  },
  "%undef": undefine({ alias: false }),
  "%undefalias": undefine({ alias: true }),
  "%include": include({ once: false }),
  "%require": include({ once: true }),
  // What depends on what is not asked for here, but what stands there must be a file all the same.
  "%depend": (run, tokens, at) => void readFileName(run, tokens, at + 1),
  "%stacksize": chooseStackFrame,
  "%arg": nameArguments,
  "%local": nameLocals,
  "%use": (run, tokens, at) => {
    const named = run.readPackageName(tokens.slice(at + 1));
    if (!named) return;
    warnAboutRest(run, tokens, skipSpace(tokens, at + 1) + 1);
    run.use(named.name);
  },
  "%push": (run, tokens, at) => {
    const context = readContext(run, tokens, at);
    if (context) run.push(context.name, new MacroTable());
  },
  "%pop": (run, tokens, at) => {
    const context = readContext(run, tokens, at);
    if (!context) return;
    const { contexts } = run.singles;
    const top = contexts.at(-1);
    if (!top) return run.fail("%pop: the context stack is empty");
    if (context.name !== undefined && context.name.toLowerCase() !== top.name?.toLowerCase()) {
      return run.fail(`%pop ${context.name}: the context is ${top.name ?? "one without a name"}`);
    }
    contexts.pop();
  },
  "%repl": (run, tokens, at) => {
    const context = readContext(run, tokens, at);
    if (!context) return;
    const top = run.singles.contexts.at(-1);
    if (!top) return run.fail("%repl: the context stack is empty");
    top.name = context.name;
  },
  "%error": (run, tokens, at) => run.fail(readMessage(run, tokens, at + 1)),
  "%warning": (run, tokens, at) => run.warn(readMessage(run, tokens, at + 1)),
  "%fatal": (run, tokens, at) => run.abort(readMessage(run, tokens, at + 1)),
  "%clear": (run, tokens, at) => clear(run, expandedRest(run, tokens, at + 1)),
  "%aliases": (run, tokens, at) => {
    run.singles.followsAliases = readSwitch(run, tokens, at + 1);
  },
  "%pragma": (run, tokens, at) => {
    const rest = expandedRest(run, tokens, at + 1);
    const word = rest[skipSpace(rest, 1)];
    // Pragmas for anything but the preprocessor say nothing that changes the bytes of a flat binary.
    if (rest[0]?.text.toLowerCase() !== "preproc" || word?.type !== "id") return;
    if (word.text.toLowerCase() === "sane_empty_expansion") {
      run.isSane = readSwitch(run, rest, rest.indexOf(word) + 1);
    }
  },
  "%null": () => {},
  "%line": (run, tokens, at) => {
    if (run.frames.at(-1)!.kind !== "file") return;
    const { file } = run;
    let next = skipSpace(tokens, at + 1);
    const number = tokens[next++];
    if (number?.type !== "number") return run.fail("%line needs the number of the line");
    let step = 1;
    if (isOperator(tokens[next], "+") || isOperator(tokens[next], "-")) {
      step = Number(tokens[next + 1]?.text) * (tokens[next]!.text === "-" ? -1 : 1);
      if (!Number.isSafeInteger(step)) return run.fail("%line needs what to count lines by");
      next += 2;
    }
    next = skipSpace(tokens, next);
    const name = tokens[next];
    if (name) {
      file.file = name.type === "string"
        ? fromBytes(unquote(name))
        : detokenize(tokens.slice(next));
    }
    file.line = Number(number.text);
    file.step = step;
  },
};

function undefine(kind: { alias: boolean }): Directive {
  return (run, tokens, at) => {
    const target = readName(run, tokens, at);
    if (!target) return;
    warnAboutRest(run, target.rest, 0);
    run.singles.undefine(target.name, kind);
  };
}

function include(kind: { once: boolean }): Directive {
  return (run, tokens, at) => {
    const path = readFileName(run, tokens, at + 1);
    if (path !== undefined) run.include(path, kind);
  };
}

/** The context that a directive names, if any. */
function readContext(
  run: Preprocessor,
  tokens: readonly Token[],
  at: number,
): { name: string | undefined } | undefined {
  const from = skipSpace(tokens, at + 1);
  if (from === tokens.length) return { name: undefined };
  const named = run.singles.expandName(tokens.slice(from));
  if (named[0]?.type !== "id") {
    run.fail(`${tokens[at]!.text} needs the name of a context`);
    return undefined;
  }
  warnAboutRest(run, named, 1);
  return { name: named[0].text };
}

/** `on`, `off` and the like, a number, or nothing for on. */
function readSwitch(run: Preprocessor, tokens: readonly Token[], at: number): boolean {
  const rest = expandedRest(run, tokens, at);
  if (rest.length === 0) return true;
  const word = rest[0]!.text.toLowerCase();
  if (/^(?:yes|true|on)$/.test(word)) return true;
  if (/^(?:no|false|off)$/.test(word)) return false;
  return run.evaluate(rest) !== 0n;
}

function clear(run: Preprocessor, words: readonly Token[]): void {
  const where = { contexts: false };
  if (words.length === 0) {
    run.singles.clear({ macros: true, aliases: false }, where);
    run.clearMultis();
  }
  for (const { text, type } of words) {
    if (type === "space") continue;
    switch (text.toLowerCase()) {
      case "all":
        run.singles.clear({ macros: true, aliases: true }, where);
        if (!where.contexts) run.clearMultis();
        break;
      case "define":
      case "def":
      case "smacro":
        run.singles.clear({ macros: true, aliases: false }, where);
        break;
      case "defalias":
      case "alias":
      case "salias":
        run.singles.clear({ macros: false, aliases: true }, where);
        break;
      case "alldef":
      case "alldefine":
        run.singles.clear({ macros: true, aliases: true }, where);
        break;
      case "macro":
      case "mmacro":
        if (!where.contexts) run.clearMultis();
        break;
      case "context":
      case "ctx":
        where.contexts = true;
        break;
      case "global":
        where.contexts = false;
        break;
      case "nothing":
      case "none":
      case "ignore":
        break;
      default:
        run.fail(`%clear does not know "${text}"`, text);
    }
  }
}
