import { AssemblyError, type Origin, type Span } from "../error.ts";
import { evaluate, ExpressionParser, isScalar, unknownValue } from "../expression.ts";
import { floatFunction } from "../float.ts";
import { Lexer } from "../lexer.ts";
import {
  type Diagnostic,
  laterPrefix,
  type PreprocessedLine,
  type PreprocessResult,
  probePrefix,
  splitLines,
} from "../lines.ts";
import { isForeign, meantBy } from "../mistakes.ts";
import type { PreprocessOptions } from "../preprocess.ts";
import { findDirective } from "./directives.ts";
import { type Call, type Line, matchCall, type MultiMacro } from "./multi.ts";
import { MacroNames } from "./names.ts";
import { substituted } from "./parameters.ts";
import { Program } from "./program.ts";
import { type Context, type Host, paste, plain, SingleMacros, SUBSTITUTED } from "./single.ts";
import { type StackFrame, stackFrame } from "./stack_frame.ts";
import {
  directiveMacros,
  findPackage,
  RESERVED,
  standardMulti,
  StandardSingles,
} from "./standard.ts";
import {
  append,
  detokenize,
  isOperator,
  skipSpace,
  SPACE,
  type Token,
  token,
  tokenize,
  unquote,
  written,
} from "./token.ts";

/** How many macro calls may be made before the outermost one ends: NASM's `mmacros`. */
const MAX_CALLS = 100_000;
/** How many macros may be expanded inside each other: NASM's `macro-levels`. */
const MAX_DEPTH = 10_000;
/** How many files may include each other; NASM runs out of file handles instead. */
const MAX_INCLUDES = 200;
/** How many lines macros and repetitions may produce in all (NASM: 2,000,000,000). */
const MAX_LINES = 2_000_000;
/** Thrown to give up on a source; what is wrong is already recorded. */
class Abandoned extends Error {}

/**
 * The state of an `%if`: its lines are taken in `if` and `else`; `waiting` may still meet a branch
 * that is taken, `done` and `never` may not, and `elseDone` has had its `%else`.
 */
export type Condition = "if" | "waiting" | "done" | "else" | "elseDone" | "never";

/** A source file being read. */
export interface FileFrame {
  readonly kind: "file";
  readonly texts: readonly string[];
  /** The number of lines read. */
  next: number;
  file: string;
  line: number;
  /** What a line adds to the line number: `%line 1+2` makes it 2. */
  step: number;
  readonly conditions: Condition[];
  readonly depth: number;
  /** Whether its lines are listed. */
  readonly isListed: boolean;
  /** Whether its lines count as the line that called for it. */
  readonly isFixed: boolean;
  readonly origin: Origin | undefined;
}

/** A macro's body or a repetition being expanded. */
export interface BlockFrame {
  readonly kind: "macro" | "rep";
  readonly body: readonly Line[];
  /** The call whose parameters the lines may use: the macro's own, or the one around a repetition. */
  readonly call: Call | undefined;
  /** The number of lines used. */
  next: number;
  /** The repetitions still to come after this one. */
  remaining: number;
  /** Whether `%exitrep` was met. */
  isLeaving: boolean;
  /** How many conditions were open when it began. */
  readonly conditions: number;
  readonly depth: number;
  readonly isListed: boolean;
  readonly isFixed: boolean;
  readonly origin: Origin | undefined;
}

/** A macro or a repetition whose lines are being collected. */
export interface Definition {
  /** The macro; of a repetition, how often it runs. */
  readonly target: MultiMacro | number;
  readonly body: Line[];
  /** How many `%macro` or `%rep` inside it are still open. */
  nestedMacros: number;
  nestedRepetitions: number;
}

/** Expands one source: reads lines, obeys directives, and writes lines for the assembler. */
export class Preprocessor implements Host {
  readonly options: PreprocessOptions;
  readonly singles: SingleMacros;
  readonly frames: (FileFrame | BlockFrame)[] = [];
  /** The macro or repetition that is being read. */
  defining: Definition | undefined;
  /** Whether empty parameters count as they are written: `%pragma preproc sane_empty_expansion`. */
  isSane = false;
  /** Whether `%clear` has taken away the standard multi-line macros. */
  isCleared = false;
  /** Where `%arg` and `%local` put what they name. */
  stackFrame: StackFrame = stackFrame("flat")!;
  #files: FileFrame[] = [];
  #multis = new Map<string, MultiMacro[]>();
  #packages = new Set<string>();
  #required = new Set<string>();
  #lines: PreprocessedLine[] = [];
  #diagnostics: Diagnostic[] = [];
  #probes: string[] = [];
  #row: PreprocessedLine | undefined;
  #line: Line = { text: "", file: "", line: 1 };
  #said: { line: Line; reasons: Set<string> } = { line: this.#line, reasons: new Set() };
  #isForgiving = false;
  #numbers = 0;
  #calls = 0;
  #depth = 0;
  #produced = 0;
  readonly #names = new MacroNames();
  readonly #lexer = new Lexer({ text: "", file: "", line: 0, depth: 0 });
  readonly #expressions: ExpressionParser;
  readonly #program: Program;

  /** @param options Where the source comes from, what it can read. */
  constructor(options: PreprocessOptions) {
    this.options = options;
    this.#program = new Program(this.#lines, options.bits ?? 16);
    this.#expressions = new ExpressionParser(this.#lexer, {
      bits: () => this.bits,
      label: (name) => this.#program.symbol(name),
      float: floatFunction,
      warn: (reason) => this.warn(reason),
    });
    const standard = new StandardSingles(this);
    this.singles = new SingleMacros(this, (name) => standard.find(name));
    for (const name of RESERVED) this.notice(name);
  }

  /** Expands a source. */
  run(source: string): PreprocessResult {
    const file = this.options.name ?? "<source>";
    try {
      this.#predefine();
      this.#open(splitLines(source), { file });
      this.#readAll();
      if (this.defining) {
        this.abort(
          typeof this.defining.target === "number"
            ? "%rep has no %endrep"
            : `%macro ${this.defining.target.name} has no %endmacro`,
        );
      }
    } catch (error) {
      if (!(error instanceof Abandoned)) throw error;
    }
    return { lines: this.#lines, diagnostics: this.#diagnostics, probes: this.#probes };
  }

  #predefine(): void {
    for (const [i, [name, value]] of Object.entries(this.options.defines ?? {}).entries()) {
      this.#line = { text: `%define ${name} ${value}`, file: "<defines>", line: i + 1 };
      this.#open([this.#line.text], { file: "<defines>", isHidden: true });
    }
    this.#readAll();
  }

  #readAll(): void {
    for (let frame = this.frames.at(-1); frame; frame = this.frames.at(-1)) {
      const line = frame.kind === "file" ? this.#readLine(frame) : this.#repeatLine(frame);
      if (!line) {
        this.#leave(frame);
        continue;
      }
      this.#line = frame.isFixed ? { ...line, file: this.#line.file, line: this.#line.line } : line;
      this.#process(this.#line, frame);
    }
  }

  /** The next line of a file, with the lines that a backslash at the end joins to it. */
  #readLine(frame: FileFrame): Line | undefined {
    let text = frame.texts[frame.next];
    if (text === undefined) return undefined;
    frame.next++;
    frame.line += frame.step;
    const line = frame.line;
    while (text.endsWith("\\") && frame.next < frame.texts.length) {
      text = text.slice(0, -1) + frame.texts[frame.next++];
      frame.line += frame.step;
    }
    return { text, file: frame.file, line };
  }

  #repeatLine(frame: BlockFrame): Line | undefined {
    if (frame.next === frame.body.length && frame.remaining > 0 && !frame.isLeaving) {
      frame.remaining--;
      frame.next = 0;
      // Even a repetition without lines takes its time.
      this.#produce();
    }
    const line = frame.body[frame.next];
    if (line) {
      frame.next++;
      this.#produce();
    }
    return line;
  }

  #produce(): void {
    if (++this.#produced > MAX_LINES) {
      this.abort(`Macros and repetitions produce more than ${MAX_LINES} lines`);
    }
  }

  #leave(frame: FileFrame | BlockFrame): void {
    if (frame.kind === "file") {
      if (frame.conditions.length > 0) this.abort("%if has no %endif before the end of the file");
      this.frames.pop();
      this.#files.pop();
      return;
    }
    if (this.defining) {
      this.abort(`%rep has no %endrep within the macro ${frame.call?.macro.name}`);
    }
    this.frames.pop();
    if (frame.kind === "macro") {
      frame.call!.macro.active--;
      if (--this.#depth === 0) this.#calls = 0;
    }
  }

  #process(line: Line, frame: FileFrame | BlockFrame): void {
    const isSkipped = this.isSkipping;
    this.#row = undefined;
    const { text } = line;
    // Within macros and repetitions NASM shows what its tokens are, without comments.
    const shown = frame.kind === "file" || !frame.isListed
      ? text
      : line.listed ??= detokenize(line.tokens ??= tokenize(text));
    if (!line.tokens && !text.includes("%") && !text.startsWith("#")) {
      if (!this.defining && !isSkipped && !this.#names.mayCall(text)) {
        this.#push(text, frame.isListed ? shown : undefined);
        return;
      }
      if (frame.isListed) this.#push("", shown);
      if (this.defining) this.defining.body.push(line);
      if (this.defining || isSkipped) return;
    } else if (frame.isListed) {
      this.#row = this.#push("", shown);
    }
    let tokens = line.tokens ??= tokenize(text);
    if (!this.defining && !isSkipped) tokens = this.substitute(tokens);
    if (this.#obey(tokens, isSkipped)) return;
    if (this.defining) this.#collect(line, tokens);
    else if (!isSkipped) this.#statement(tokens);
  }

  /** Whether lines are passed over: in a branch that is not taken, or after `%exitrep`. */
  get isSkipping(): boolean {
    const state = this.conditions.at(-1);
    if (state !== undefined && state !== "if" && state !== "else") return true;
    const frame = this.frames.at(-1);
    return frame?.kind === "rep" && frame.isLeaving;
  }

  /** The conditions that are open in the current file. */
  get conditions(): Condition[] {
    return this.file.conditions;
  }

  /** The file being read, under whatever macros. */
  get file(): FileFrame {
    return this.#files.at(-1)!;
  }

  /** The call whose parameters the current line may use. */
  get call(): Call | undefined {
    const frame = this.frames.at(-1);
    return frame?.kind === "file" ? undefined : frame?.call;
  }

  #collect(line: Line, tokens: readonly Token[]): void {
    const { body, target } = this.defining!;
    body.push(line);
    if (typeof target !== "number" && tokens.some(({ text }) => text === "%00")) {
      target.takesLabel = true;
    }
  }

  /** Does what a directive says. Returns false if the line is none, or is not obeyed here. */
  #obey(tokens: Token[], isSkipped: boolean): boolean {
    if (isOperator(tokens[0], "#")) {
      const word = `#${tokens[1]?.text}`;
      if (isForeign(word)) {
        this.fail(`Unknown directive ${word}${meantBy(word)}`, word);
        return true;
      }
      findDirective("%line")!.obey(this, tokens, 0);
      return true;
    }
    const at = skipSpace(tokens);
    const head = tokens[at];
    const directive = head?.type === "preproc" ? findDirective(head.text) : undefined;
    if (!directive) return false;
    const { name } = directive;
    if (name !== "%line") {
      if (isSkipped && !directive.isCondition) return false;
      if (this.defining && !this.#endsDefinition(name, this.defining)) return false;
    }
    if (directive.isFunctionToo && isOperator(tokens[skipSpace(tokens, at + 1)], "(")) return false;
    directive.obey(this, tokens, at);
    return true;
  }

  /** Follows nested definitions; returns whether this directive ends the outermost one. */
  #endsDefinition(name: string, definition: Definition): boolean {
    const isRepetition = typeof definition.target === "number";
    if (/^%i?r?macro$/.test(name)) definition.nestedMacros++;
    else if (/^%endm(?:acro)?$/.test(name)) {
      if (definition.nestedMacros === 0) return true;
      definition.nestedMacros--;
    } else if (isRepetition && name === "%rep") definition.nestedRepetitions++;
    else if (isRepetition && name === "%endrep") {
      if (definition.nestedRepetitions === 0) return true;
      definition.nestedRepetitions--;
    }
    return false;
  }

  /** A line that is no directive: expanded, then called or handed on. */
  #statement(tokens: readonly Token[]): void {
    const expanded = this.singles.expand(tokens);
    const first = skipSpace(expanded);
    const head = expanded[first];
    if (head?.type === "preproc") {
      this.fail(`Unknown directive ${head.text}`, head.text);
      return;
    }
    if (this.#enter(expanded, first)) return;
    const isFreed = this.isCleared && head !== undefined &&
      directiveMacros.has(head.text.toLowerCase());
    if (isFreed && !/^(:|equ)$/i.test(expanded[skipSpace(expanded, first + 1)]?.text ?? "")) {
      const word = head.text;
      return this.fail(`${word} is a macro that %clear has taken away: write [${word} …]`, word);
    }
    const section = findSection(expanded, first);
    if (section >= 0) {
      // What the next __?SECT?__ goes back to, as NASM's standard macros keep it.
      const body = [token("operator", "["), ...expanded.slice(section), token("operator", "]")];
      this.singles.define(plain("__?SECT?__", body));
    }
    // A label of such a name is marked as one for the assembler.
    const text = isFreed ? `$${this.#textOf(expanded).trimStart()}` : this.#textOf(expanded);
    if (this.#row && this.#lines.at(-1) === this.#row) this.#row.text = text;
    else this.#push(text, undefined);
  }

  /** Starts the expansion if the line calls a multi-line macro, with or without a label. */
  #enter(tokens: readonly Token[], first: number): boolean {
    const head = tokens[first];
    if (head?.type !== "id" && head?.type !== "local") return false;
    let at = first;
    let found = this.#match(tokens, at);
    let label: readonly Token[] = [];
    if (!found) {
      at = skipSpace(tokens, first + 1);
      if (isOperator(tokens[at], ":")) at = skipSpace(tokens, at + 1);
      label = tokens.slice(0, at);
      if (at === first + 1 || tokens[at]?.type !== "id") return false;
      found = this.#match(tokens, at);
      if (!found) return false;
    }
    if (++this.#calls > MAX_CALLS || ++this.#depth > MAX_DEPTH) {
      this.abort(`The expansion of macro ${found.macro.name} does not end`);
    }
    const { macro, values, count } = found;
    const { file, line } = this.#line;
    const outer = this.frames.at(-1)!;
    const call: Call = {
      macro,
      name: tokens[at]!.text,
      values,
      count,
      label: label.slice(first, first + 1),
      number: this.nextNumber(),
      rotation: 0,
    };
    macro.active++;
    const isListed = outer.isListed && !macro.isHidden;
    this.frames.push({
      kind: "macro",
      body: macro.body,
      call,
      next: 0,
      remaining: 0,
      isLeaving: false,
      conditions: this.conditions.length,
      depth: outer.depth + (isListed ? 1 : 0),
      isListed,
      isFixed: outer.isFixed || macro.isHidden,
      origin: outer.isFixed
        ? outer.origin
        : { what: `macro ${macro.name}`, file, line, outer: outer.origin },
    });
    if (label.length > 0 && !macro.takesLabel) {
      const written = this.#textOf(label);
      const text = written.trimEnd().endsWith(":") ? written : `${written}:`;
      this.#push(text, isListed ? text : undefined);
    }
    return true;
  }

  #match(tokens: readonly Token[], at: number): ReturnType<typeof matchCall> {
    const name = tokens[at]!.text;
    const macros = this.multis(name);
    if (macros.length === 0) return undefined;
    return matchCall(macros, {
      name,
      rest: tokens.slice(at + 1),
      isSane: this.isSane,
      reporter: this,
    });
  }

  /** Replaces what belongs to the macro call around a line: `%1`, `%%label`, `%[…]` and the like. */
  substitute(tokens: readonly Token[]): Token[] {
    const { call } = this;
    let isChanged = false;
    const result: Token[] = [];
    for (const part of tokens) {
      const before: boolean = isChanged;
      isChanged = true;
      if (part.type === "indirect") {
        append(result, this.singles.expand(this.substitute(tokenize(part.text))));
      } else if (part.type === "parameter" || part.type === "label") {
        if (call) append(result, substituted(part, call, this));
        else this.fail(`${part.text} stands outside of a macro`, part.text);
      } else if (part.text === "%?" && call) {
        result.push(token("id", call.name));
      } else if (part.text === "%??" && call) {
        result.push(token("id", call.macro.name));
      } else {
        isChanged = before;
        result.push(part);
      }
    }
    return isChanged ? paste(result, { rules: SUBSTITUTED, host: this }) ?? result : result;
  }

  /** The multi-line macros of a name in any case, the newest first. */
  multis(name: string): readonly MultiMacro[] {
    const lower = name.toLowerCase();
    let list = this.#multis.get(lower);
    if (!list) {
      const standard = this.isCleared ? undefined : standardMulti(lower);
      list = standard ? [standard] : [];
      if (standard) this.#multis.set(lower, list);
    }
    return list;
  }

  /** Replaces the multi-line macros of a name. */
  setMultis(name: string, macros: MultiMacro[]): void {
    this.#multis.set(name.toLowerCase(), macros);
    this.notice(name);
  }

  /** Forgets every multi-line macro, the standard ones included: `%clear`. */
  clearMultis(): void {
    this.#multis.clear();
    this.isCleared = true;
    for (const name of directiveMacros) this.notice(name);
  }

  /** Remembers a name as one that lines must be searched for. */
  notice(name: string): void {
    this.#names.add(name);
  }

  /** A number for the names of a macro call's or a context's own labels. */
  nextNumber(): number {
    return this.#numbers++;
  }

  /** Expands lines several times over: `%endrep`. */
  repeat(body: readonly Line[], count: number): void {
    const outer = this.frames.at(-1)!;
    this.frames.push({
      kind: "rep",
      body,
      call: this.call,
      next: 0,
      remaining: count - 1,
      isLeaving: false,
      conditions: this.conditions.length,
      depth: outer.depth + (outer.isListed ? 1 : 0),
      isListed: outer.isListed,
      isFixed: outer.isFixed,
      origin: outer.origin,
    });
  }

  /** Opens a context: `%push`. */
  push(name: string | undefined, macros: Context["macros"]): void {
    this.singles.contexts.push({ name, number: this.nextNumber(), macros });
  }

  /** Reads a file or a package in the place of the current line. */
  #open(texts: readonly string[], { file, isHidden }: { file: string; isHidden?: boolean }): void {
    const outer = this.frames.at(-1);
    const isListed = (outer?.isListed ?? true) && !isHidden;
    const { file: from, line } = this.#line;
    const frame: FileFrame = {
      kind: "file",
      texts,
      next: 0,
      file,
      line: 0,
      step: 1,
      conditions: [],
      depth: outer ? outer.depth + (isListed ? 1 : 0) : 0,
      isListed,
      isFixed: (outer?.isFixed ?? false) || isHidden === true,
      origin: outer && !isHidden
        ? { what: "include", file: from, line, outer: outer.origin }
        : outer?.origin,
    };
    this.frames.push(frame);
    this.#files.push(frame);
  }

  /** Where a file is that the current line names. */
  resolve(name: string): string {
    return this.options.resolve?.(name, this.#line.file) ?? name;
  }

  /** Includes a file: `%include`, or `%require`, which does so once. */
  include(name: string, { once }: { once: boolean }): void {
    const path = this.resolve(name);
    if (once && this.#required.has(path)) return;
    if (this.#files.length > MAX_INCLUDES) {
      this.abort(`Files include each other more than ${MAX_INCLUDES} deep`);
    }
    const source = this.options.readText?.(path, this.#line.file);
    if (source === undefined) return this.fail(`Cannot include "${name}": it was not found`);
    this.#required.add(path);
    this.#open(splitLines(source), { file: path });
  }

  /** What a line says is the name of a package of macros. */
  readPackageName(
    tokens: readonly Token[],
  ): { name: string; isKnown: boolean; isUsed: boolean } | undefined {
    const expanded = this.singles.expand(tokens);
    const word = expanded[skipSpace(expanded)];
    if (word?.type !== "id" && word?.type !== "string") {
      this.fail("Expected the name of a package");
      return undefined;
    }
    const name = unquote(word).toLowerCase();
    return { name, isKnown: findPackage(name) !== undefined, isUsed: this.#packages.has(name) };
  }

  /** Reads a package of macros once: `%use`. */
  use(name: string): void {
    const source = findPackage(name);
    if (source === undefined) return this.fail(`There is no package "${name}"`);
    if (this.#packages.has(name)) return;
    this.#packages.add(name);
    this.singles.define(plain(`__?USE_${name.toUpperCase()}?__`, []));
    this.#open(splitLines(source), { file: `<${name}>`, isHidden: true });
  }

  /** The value of an environment variable: `%!name`, `%!'name'`, or a name. */
  environment(word: Token): string | undefined {
    const name = word.type === "environ" ? word.text.slice(2) : unquote(word);
    return this.options.environment?.(/^['"`]/.test(name) ? name.slice(1, -1) : name);
  }

  /** The text of a line as the assembler gets it. */
  #textOf(tokens: readonly Token[]): string {
    let text = "";
    for (const part of tokens) {
      if (part.type === "local") {
        const scope = this.singles.scope(part.text);
        text += scope ? `..@${scope.context!.number}.${scope.name}` : part.text;
      } else if (part.type === "environ") {
        const value = this.environment(part);
        if (value === undefined) this.warn(`There is no environment variable ${part.text}`);
        text += value ?? "";
      } else {
        text += written(part);
      }
    }
    return text;
  }

  /** The value of an expression; undefined after an error, which is recorded. */
  evaluate(tokens: readonly Token[], { isWhole = false } = {}): bigint | undefined {
    // A name right behind a number (`2.nolist`) is read as a name here and as digits by the lexer.
    const apart = tokens.flatMap((part, i) =>
      part.type === "id" && /^(?:number|float)$/.test(tokens[i - 1]?.type ?? "")
        ? [SPACE, part]
        : [part]
    );
    const text = detokenize(apart);
    const { file, line } = this.#line;
    try {
      this.#lexer.open({ text, file, line, depth: 0 });
      const expression = this.#expressions.parse();
      if (this.#lexer.kind !== "end") {
        if (isWhole) {
          this.fail(`Expected the end of the expression, found ${this.#lexer.written()}`);
          return undefined;
        }
        this.warn("The rest behind the expression is ignored");
      }
      const value = evaluate(expression, {
        line: this.#lexer.line,
        here: () => unknownValue,
        base: () => unknownValue,
      });
      if (isScalar(value)) return value.number;
      if (value.unknown && expression.kind !== "constant") return this.#probe(text);
      this.fail("The expression must be a number");
    } catch (error) {
      if (!(error instanceof AssemblyError)) throw error;
      const at = this.#line.text.indexOf(text);
      const start = at + error.column - 1;
      const span = at < 0 ? undefined : { start, end: start + error.length };
      this.#record("error", { reason: error.reason, span });
    }
    return undefined;
  }

  /**
   * Has the assembler work out an expression of symbols or of `$`: the value is that of the last
   * round, and 0 in the first.
   */
  #probe(expression: string): bigint {
    const index = this.#probes.length;
    const name = (this.#isForgiving ? laterPrefix : probePrefix) + index;
    this.#probes.push(name);
    const lead = `${name} equ `;
    const line = this.#push(lead + expression, undefined);
    // Messages show the directive, if the expression stands in it as it is.
    const { text } = this.#line;
    const at = text.indexOf(expression);
    line.shown = at < 0
      ? { text: expression, shift: lead.length }
      : { text, shift: lead.length - at };
    return this.options.known?.get(name) ?? 0n;
  }

  /** The mode that the lines so far have set: 16, 32 or 64. */
  get bits(): number {
    return this.#program.bits;
  }

  #push(text: string, source: string | undefined): PreprocessedLine {
    const frame = this.frames.at(-1);
    const line: PreprocessedLine = {
      text,
      file: this.#line.file,
      line: this.#line.line,
      depth: frame?.depth ?? 0,
      source,
      origin: frame?.origin,
    };
    this.#lines.push(line);
    return line;
  }

  /** Does something whose errors are warnings only. */
  forgive<T>(action: () => T): T {
    this.#isForgiving = true;
    try {
      return action();
    } finally {
      this.#isForgiving = false;
    }
  }

  fail(reason: string, at?: string): void {
    const start = at === undefined ? -1 : this.#line.text.indexOf(at);
    const span = start < 0 ? undefined : { start, end: start + at!.length };
    this.#record("error", { reason, span });
  }

  warn(reason: string): void {
    this.#record("warning", { reason, span: undefined });
  }

  abort(reason: string): never {
    this.fail(reason);
    throw new Abandoned();
  }

  #record(
    severity: Diagnostic["severity"],
    { reason, span }: { reason: string; span: Span | undefined },
  ): void {
    // Nested expansions meet the same mistake again and again.
    if (this.#said.line !== this.#line) this.#said = { line: this.#line, reasons: new Set() };
    if (this.#said.reasons.has(reason)) return;
    this.#said.reasons.add(reason);
    const { text, file, line } = this.#line;
    const frame = this.frames.at(-1);
    this.#diagnostics.push({
      severity: this.#isForgiving ? "warning" : severity,
      reason,
      span,
      line: { text, file, line, depth: frame?.depth ?? 0, source: text, origin: frame?.origin },
    });
  }

  /** The name of the file being read, for `__?FILE?__`, and the number of the line. */
  get location(): { file: string; line: number } {
    return this.#line;
  }
}

/** Where `section` or its like stands in a line, behind a label or not; −1 if it does not. */
function findSection(tokens: readonly Token[], first: number): number {
  // Alone it is a label.
  const isSection = (at: number) =>
    tokens[at]?.type === "id" && /^(?:section|segment|absolute)$/i.test(tokens[at].text) &&
    skipSpace(tokens, at + 1) < tokens.length;
  if (isSection(first)) return first;
  const head = tokens[first];
  // What stands behind `extern` and its like is a name.
  if (head?.type !== "id" || directiveMacros.has(head.text.toLowerCase())) return -1;
  let at = skipSpace(tokens, first + 1);
  if (isOperator(tokens[at], ":")) at = skipSpace(tokens, at + 1);
  return isSection(at) ? at : -1;
}
