import { changeCpu, type Cpu, level32, level64 } from "./cpu.ts";
import { AssemblyError, type Messages, type SourceLine, type Span } from "./error.ts";
import { evaluate, type Expression, isScalar, scalar } from "./expression.ts";
import { changeFloatMode, defaultFloatMode, type FloatMode } from "./float.ts";
import type { Bits } from "./instructions.ts";
import type { Labels } from "./label.ts";
import type { Parser } from "./parser.ts";
import { isPowerOfTwo, mostBytes, Section, setAttribute } from "./section.ts";

/** What directives put in force, until another of their kind. */
export interface Mode {
  readonly bits: Bits;
  /** Whether addresses without registers are relative to RIP: `default rel`. */
  readonly isRelative: boolean;
  /** Whether branches take BND: `default bnd`. */
  readonly isBound: boolean;
  /** How floating-point constants are rounded: `float`. */
  readonly floatMode: FloatMode;
  /** What `cpu` allows. */
  readonly cpu: Cpu;
}

/** What of the mode NASM's passes begin with as the one before ended. */
export type Carried = Pick<Mode, "isRelative" | "isBound" | "floatMode">;

/** What is in force before the first directive. */
export const nothingCarried: Carried = {
  isRelative: false,
  isBound: false,
  floatMode: defaultFloatMode,
};

/** Whether the same is in force. */
export function isSame(one: Carried, other: Carried): boolean {
  return one.isRelative === other.isRelative && one.isBound === other.isBound &&
    one.floatMode.rounding === other.floatMode.rounding &&
    one.floatMode.flushesDenormals === other.floatMode.flushesDenormals;
}

/** `absolute`: it leaves its address to the passes. */
export interface Absolute {
  readonly kind: "absolute";
  readonly expression: Expression;
  /** What holds the lines that follow. */
  readonly section: Section;
}

/** What directives hang on. */
interface Surroundings {
  /** Reads their arguments. */
  readonly parser: Parser;
  readonly labels: Labels;
  readonly messages: Messages;
}

/** Where a directive's arguments stand. */
interface At {
  readonly line: SourceLine;
  readonly span?: Span;
}

/** Obeys directives, and holds what they have said. */
export class Directives {
  /** What is in force. */
  mode: Mode;
  /** The address of the first byte, if it is known: `org`. */
  origin: number | undefined;
  /** The sections in the order they were opened, with those of `absolute`. */
  readonly sections: Section[] = [];
  /** The one that is being filled. */
  section: Section;
  readonly #surroundings: Surroundings;
  /** What is done about sections when all is read: NASM does it from its second pass on. */
  readonly #deferred: { readonly isAlignment: boolean; readonly act: () => void }[] = [];
  #hasOrigin = false;
  /** Whether `align` raises the alignment of its section: `sectalign`. */
  #alignsSections = true;

  /**
   * @param start What is in force before the first directive.
   * @param surroundings What reads and takes what they say.
   */
  constructor(start: { mode: Mode; origin: number | undefined }, surroundings: Surroundings) {
    this.mode = start.mode;
    this.origin = start.origin;
    this.#surroundings = surroundings;
    this.section = this.#openSection(".text");
  }

  /** Obeys a directive, given where its arguments stand. */
  obey(name: string, span: Span, line: SourceLine): Absolute | undefined {
    const at = { line, span };
    const text = line.text.slice(span.start, span.end);
    switch (name) {
      case "bits":
      case "default":
      case "cpu":
      case "float":
        this.mode = changeMode(this.mode, { name, text, at });
        break;
      case "use16":
      case "use32":
      case "use64":
        this.mode = changeMode(this.mode, { name: "bits", text: name.slice(3), at: { line } });
        break;
      case "userel":
      case "useabs":
      case "usebnd":
      case "usenobnd":
        this.mode = changeMode(this.mode, { name: "default", text: name.slice(3), at: { line } });
        break;
      case "org":
        this.#setOrigin(at);
        break;
      case "section":
      case "segment":
        this.#enterSection(line, span);
        break;
      case "sectalign":
        if (/^(on|off)$/i.test(text)) this.#alignsSections = text.toLowerCase() === "on";
        else if (text !== "") this.#raiseAlignment(this.#readArgument(at));
        break;
      case "absolute": {
        const expression = this.#readArgument(at);
        const section = new Section("absolute", { isAbsolute: true });
        this.sections.push(section);
        return { kind: "absolute", expression, section };
      }
      case "common":
        throw new AssemblyError("A flat binary has no common variables", at);
      case "global":
      case "static":
        readNames(text, at);
        break;
      case "extern":
      case "required":
        for (const each of readNames(text, at)) this.#surroundings.labels.externals.add(each);
        break;
      case "list":
        if (!/^[-+]/.test(text)) throw new AssemblyError("list takes + or -", at);
        break;
      case "debug":
        if (!isName(text.split(/\s/)[0]!)) {
          throw new AssemblyError("debug takes a name first", at);
        }
    }
    // `map`, `warning` and `pragma` say nothing that a flat binary could hold.
    return undefined;
  }

  /** An `align` raises the alignment of its section (NASM manual §4.11.14, `sectalign`). */
  align(boundary: Expression): void {
    if (this.#alignsSections) this.#raiseAlignment(boundary);
  }

  /** Does what waits for the end of the source. */
  finish(): void {
    // NASM's first pass sees alignments only, and its second one remembers the last of those.
    for (const { isAlignment, act } of this.#deferred) if (isAlignment) act();
    for (const { loaded } of this.sections) loaded.align = undefined;
    const { labels, messages } = this.#surroundings;
    for (const { act } of this.#deferred) {
      try {
        act();
      } catch (error) {
        messages.keep(error);
      }
    }
    // `section.NAME.start` and `section.NAME.vstart` are where a section is loaded and runs.
    for (const { name, loaded, running } of this.sections) {
      for (const [end, base] of [["start", loaded], ["vstart", running]] as const) {
        const label = labels.named(`section.${name}.${end}`);
        if (label.definedAt) continue;
        label.base = base;
        label.known = true;
      }
    }
  }

  /** The expression that a directive's arguments begin with; what follows it is of no account. */
  #readArgument({ line, span }: At): Expression {
    const { parser } = this.#surroundings;
    parser.lexer.open(line, span);
    return parser.expression();
  }

  /** The value of an expression of numbers and of `equ`s above it. */
  #constant(expression: Expression): number {
    const { lexer } = this.#surroundings.parser;
    const nowhere = () => {
      throw lexer.error("A number is needed here, not an address", expression.span);
    };
    const value = evaluate(expression, {
      line: lexer.line,
      here: nowhere,
      base: nowhere,
      missing: (label, span) => {
        if (label.early !== undefined) return scalar(label.early);
        throw lexer.error(`Symbol "${label.name}" is not defined before it is needed`, span);
      },
    });
    if (!isScalar(value)) throw lexer.error("Expected a number", expression.span);
    return Number(value.number);
  }

  #setOrigin(at: At): void {
    const origin = this.#constant(this.#readArgument(at));
    if (this.#hasOrigin && origin !== this.origin) {
      throw new AssemblyError(`The origin is already ${this.origin}`, at);
    }
    if (!Number.isSafeInteger(origin) || origin < 0) {
      throw new AssemblyError("The origin is out of range", at);
    }
    this.#hasOrigin = true;
    this.origin = origin;
  }

  #openSection(name: string): Section {
    let section = this.sections.find((each) => each.name === name && !each.isAbsolute);
    if (!section) {
      const before = this.sections.findLast((each) => !each.isAbsolute);
      this.sections.push(section = new Section(name, { before }));
    }
    return section;
  }

  /** `section .data align=16 vstart=0x1000 nobits`. */
  #enterSection(line: SourceLine, span: Span): void {
    const [name = span, ...attributes] = splitWords(line.text, span);
    const section = this.#openSection(line.text.slice(name.start, name.end));
    section.line = line;
    this.section = section;
    const act = () => {
      for (const attribute of attributes) this.#setAttribute(section, line, attribute);
      section.isNobits ??= false;
    };
    this.#deferred.push({ isAlignment: false, act });
  }

  #setAttribute(section: Section, line: SourceLine, span: Span): void {
    const text = line.text.slice(span.start, span.end);
    const saysSomething = setAttribute(section, text, {
      evaluate: (from) =>
        this.#constant(
          this.#readArgument({ line, span: { start: span.start + from, end: span.end } }),
        ),
      fail: (reason) => new AssemblyError(reason, { line, span }),
    });
    if (saysSomething) return;
    const { messages } = this.#surroundings;
    messages.warn(`The section attribute ${text} says nothing here`, { line, span });
  }

  #raiseAlignment(boundary: Expression): void {
    const { lexer } = this.#surroundings.parser;
    const align = this.#constant(boundary);
    if (!isPowerOfTwo(align)) {
      throw lexer.error(`An alignment is a power of two, not ${align}`, boundary.span);
    }
    if (align > mostBytes) throw lexer.error(`Alignment ${align} is too large`, boundary.span);
    const { loaded } = this.section;
    const act = () => {
      loaded.align = loaded.lastAlign = Math.max(loaded.lastAlign, align);
    };
    this.#deferred.push({ isAlignment: true, act });
  }
}

/** The mode after a directive, given the text of its arguments. */
function changeMode(
  mode: Mode,
  { name, text, at }: { name: "bits" | "default" | "cpu" | "float"; text: string; at: At },
): Mode {
  switch (name) {
    case "bits":
      return { ...mode, bits: readBits(text, mode.cpu, at) };
    case "default":
      return { ...mode, ...readDefault(text, at) };
    case "cpu": {
      const cpu = changeCpu(mode.cpu, text);
      if (!cpu) throw new AssemblyError(`Unknown CPU "${text}"`, at);
      return { ...mode, cpu };
    }
    case "float":
      return { ...mode, floatMode: readFloatMode(text, mode.floatMode, at) };
  }
}

function readBits(text: string, cpu: Cpu, at: At): Bits {
  const bits = parseInt(text, 10);
  if (bits !== 16 && bits !== 32 && bits !== 64) {
    throw new AssemblyError(`There are 16, 32 and 64 bits, not ${text}`, at);
  }
  if (cpu.level < (bits === 64 ? level64 : bits === 32 ? level32 : 0)) {
    throw new AssemblyError(`CPU ${cpu.name} has no ${bits}-bit mode`, at);
  }
  return bits;
}

function readDefault(text: string, at: At): Partial<Mode> {
  switch (/^\w*/.exec(text.toLowerCase())![0]) {
    case "rel":
      return { isRelative: true };
    case "abs":
      return { isRelative: false };
    case "bnd":
      return { isBound: true };
    case "nobnd":
      return { isBound: false };
    default:
      throw new AssemblyError(`Expected rel, abs, bnd or nobnd, found "${text}"`, at);
  }
}

/** `float daz, up`; in brackets there is one word. */
function readFloatMode(text: string, mode: FloatMode, at: At): FloatMode {
  for (const word of splitList(text, at)) {
    const changed = changeFloatMode(mode, word.trim().toLowerCase());
    if (!changed) throw new AssemblyError(`float does not take "${word.trim()}"`, at);
    mode = changed;
  }
  return mode;
}

/** The names of `global a, b:function` and the like. */
function readNames(text: string, at: At): string[] {
  const parts = splitList(text, at);
  // A comma may end the list.
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  return parts.map((part) => {
    const [, name = ""] = /^\s*\$?([^\s:]*)\s*(?::.*)?$/s.exec(part) ?? [];
    if (!isName(name)) throw new AssemblyError(`Expected a name, found "${part}"`, at);
    return name;
  });
}

/** What stands between commas; a directive in its primitive form, in brackets, takes one thing. */
function splitList(text: string, { line }: At): string[] {
  return line.text.trimStart().startsWith("[") ? [text] : text.split(",");
}

/** A part of a line as words between blanks; an attribute's value may have some in parentheses. */
function splitWords(text: string, { start, end }: Span): Span[] {
  const words: Span[] = [];
  const pattern = /\w+=\((?:[^()'"]|\((?:[^()]|\([^()]*\))*\)|'[^']*'|"[^"]*")*\)|\S+/g;
  for (const match of text.slice(start, end).matchAll(pattern)) {
    words.push({ start: start + match.index, end: start + match.index + match[0].length });
  }
  return words;
}

/** Whether a text is a symbol's name. */
function isName(text: string): boolean {
  return /^[A-Za-z_.?@\u0080-\uFFFF][\w.?@$#~\u0080-\uFFFF]*$/.test(text);
}
