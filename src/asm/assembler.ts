import type { AssembleOptions, Assembly, AssemblyWarning, ListingRow } from "./assembly.ts";
import { Bytes } from "./bytes.ts";
import { anyCpu, changeCpu, type Cpu, level32, level64 } from "./cpu.ts";
import { checkSize, encode, finalValue, markAddress, modesOf, neither } from "./encode.ts";
import { AssemblyError, type SourceLine, type Span } from "./error.ts";
import {
  type Base,
  evaluate,
  type Expression,
  isScalar,
  Label,
  scalar,
  type Scope,
  type Value,
} from "./expression.ts";
import {
  changeFloatMode,
  defaultFloatMode,
  encodeFloat,
  floatFunction,
  type FloatMode,
} from "./float.ts";
import type { Bits } from "./instructions.ts";
import { PlacementError, placeSections } from "./layout.ts";
import { bytePieces, countPiece, type ListedLine, type Piece, reservedPiece } from "./listing.ts";
import {
  laterPrefix,
  plainLines,
  type PreprocessedLine,
  type PreprocessResult,
  probePrefix,
} from "./lines.ts";
import type { Place } from "./match.ts";
import { meantByForeign, meantBySymbol } from "./mistakes.ts";
import { type Body, type DataItem, type Instruction, Parser, type Statement } from "./parser.ts";
import { type Placement, Section } from "./section.ts";

/**
 * Assembles a source that {@linkcode isPlain}, without loading the preprocessor.
 *
 * @throws {AssemblyError} If the source is wrong.
 */
export function assemblePlain(source: string, options: AssembleOptions = {}): Assembly {
  return new Assembler(options).assemble(plainLines(source, options.name));
}

/** What directives put in force, until another of their kind. */
interface Mode {
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

/** A statement with all that was in force where it stands. */
interface Item {
  readonly line: PreprocessedLine;
  readonly label: Label | undefined;
  readonly times: Expression | undefined;
  body: Body | typeof ready | undefined;
  readonly mode: Mode;
  readonly section: Section;
  /** Whether its size is the same in every pass. */
  isFixed: boolean;
  /** Its offset in the section, in the latest pass. */
  offset: number;
  /** Its size in bytes, in the latest pass. */
  size: number;
  /** How often the same bytes are repeated. */
  count: number;
  /** Where its bytes are, if they are ready. */
  code: number;
}

/** The body of a statement whose bytes are ready: what it said is not needed any more. */
const ready = { kind: "ready" } as const;

/** The first pass, those that follow until nothing moves, and the one that writes. */
type Pass = "first" | "next" | "last";

/** Passes after which sizes that still change never settle. */
const mostPasses = 1000;

/** More errors than these help nobody. */
const mostErrors = 100;

/** A line may not repeat itself more often than this. */
const mostTimes = 1 << 28;

/** A binary larger than this is a mistake. */
const mostBytes = 1 << 30;

const noLine: SourceLine = { text: "", file: "", line: 0, depth: 0 };

/** Assembles preprocessed lines. */
export class Assembler {
  readonly #errors: AssemblyError[] = [];
  readonly #options: AssembleOptions;
  readonly #parser: Parser;
  readonly #labels = new Map<string, Label>();
  readonly #externals = new Set<string>();
  readonly #items: Item[] = [];
  readonly #sections: Section[] = [];
  readonly #warnings: AssemblyWarning[] = [];
  readonly #scratch = new Bytes();
  readonly #code = new Bytes(4096);
  /** What is done about sections when all is read: NASM does it from its second pass on. */
  readonly #deferred: { readonly isAlignment: boolean; readonly act: () => void }[] = [];
  #dependsOnPlace = false;
  #section: Section;
  #mode: Mode;
  #origin: number | undefined;
  #hasOrigin = false;
  readonly #firstFloatMode: FloatMode;
  #alignsSections = true;
  #leftOut: Item | undefined;
  #parent = "";
  #pass: Pass = "first";
  #item!: Item;
  readonly #sharedScope = {
    line: noLine,
    here: () => this.#addressIn(this.#item.section, this.#item.offset),
    base: () => this.#addressIn(this.#item.section, 0),
    missing: (label: Label, span: Span) => this.#missing(this.#item, label, span),
  };
  readonly #sharedPlace = {
    line: noLine,
    bits: 16 as Bits,
    section: undefined as Base | undefined,
    offset: 0,
    isRelative: false,
    isBound: false,
    cpu: anyCpu,
    addressOf: (base: Base) => base.address,
    warn: (message: string, span?: Span) => {
      if (this.#pass === "last") this.#warn(message, { line: this.#item.line, span });
    },
  };

  /**
   * @param options What to assemble with.
   * @param floatMode The mode before the first `float`.
   */
  constructor(options: AssembleOptions, floatMode: FloatMode = defaultFloatMode) {
    this.#options = options;
    this.#firstFloatMode = floatMode;
    const { bits: first = 16 } = options;
    this.#mode = { bits: first, isRelative: false, isBound: false, floatMode, cpu: anyCpu };
    this.#origin = options.origin;
    const bits = () => this.#mode.bits;
    this.#parser = new Parser({
      get bits() {
        return bits();
      },
      label: (name) => this.#label(name),
      float: (name, number) => floatFunction(name, number, this.floatMode),
      warn: (message, span) => this.#warn(message, { line: this.#parser.lexer.line, span }),
    });
    this.#section = this.#openSection(".text");
  }

  /**
   * How floating-point constants are rounded; at the end of the source it is what the first lines
   * are to be assembled with, since NASM's passes begin with the mode with which the last one ended.
   */
  get floatMode(): FloatMode {
    return this.#mode.floatMode;
  }

  assemble(preprocessed: PreprocessResult): Assembly {
    this.#read(preprocessed);
    this.#throwErrors();
    if (this.#firstFloatMode === defaultFloatMode && this.floatMode !== defaultFloatMode) {
      return new Assembler(this.#options, this.floatMode).assemble(preprocessed);
    }
    this.#settle();
    return this.finish();
  }

  /** The values of the preprocessor's probes as far as they can be told, whatever else is wrong. */
  probe(preprocessed: PreprocessResult): Map<string, bigint> {
    try {
      this.#read(preprocessed);
      this.#settle();
    } catch (error) {
      // There are too many errors: `finish` throws them, unless another round makes up for them.
      if (!(error instanceof AssemblyError)) throw error;
    }
    const values = new Map<string, bigint>();
    for (const name of preprocessed.probes) {
      const value = this.#labels.get(name)?.value;
      values.set(name, value && isScalar(value) ? value.number : 0n);
    }
    return values;
  }

  /** Writes the bytes, after everything is read and settled. */
  finish(): Assembly {
    this.#throwErrors();
    this.#write();
    this.#throwErrors();
    return this.#result();
  }

  #read({ lines, diagnostics }: PreprocessResult): void {
    for (const { severity, reason, line, span } of diagnostics) {
      if (severity === "error") this.#errors.push(new AssemblyError(reason, { line, span }));
      else this.#warn(reason, { line, span });
    }
    this.#parse(lines);
    this.#obeyDeferred();
    this.#defineSectionLabels();
  }

  /** NASM's first pass sees alignments only, and its second one remembers the last of those. */
  #obeyDeferred(): void {
    for (const { isAlignment, act } of this.#deferred) if (isAlignment) act();
    for (const { loaded } of this.#sections) loaded.align = undefined;
    for (const { act } of this.#deferred) {
      try {
        act();
      } catch (error) {
        this.#keep(error);
      }
    }
  }

  /** Keeps a warning. */
  #warn(message: string, { line, span }: { line: SourceLine; span?: Span | undefined }): void {
    const column = (span?.start ?? 0) + 1;
    this.#warnings.push({ message, file: line.file, line: line.line, column });
  }

  #throwErrors(): void {
    const first = this.#errors[0];
    if (!first) return;
    first.errors = this.#errors;
    throw first;
  }

  /** Keeps an error that ends the line but not the run. */
  #keep(error: unknown): void {
    if (!(error instanceof AssemblyError)) throw error;
    this.#errors.push(error);
    if (this.#errors.length >= mostErrors) this.#throwErrors();
  }

  // Reading

  #parse(lines: readonly PreprocessedLine[]): void {
    const enter = (name: string) => this.#enter(name);
    for (const line of lines) {
      try {
        const statement = this.#parser.parse(line, enter);
        if (statement.isOrphan) {
          this.#warn(
            `The label ${statement.label} stands alone without a colon` +
              (meantByForeign(statement.label!) || ": is it a typing error?"),
            {
              line,
            },
          );
        }
        const { body } = statement;
        if (body?.kind === "directive") {
          const absolute = this.#directive(body.name, body.arguments, line);
          this.#addItem(line, { ...statement, body: absolute });
          if (absolute?.kind === "absolute") this.#section = absolute.section;
        } else this.#addItem(line, statement);
      } catch (error) {
        this.#keep(error);
      }
    }
  }

  #addItem(line: PreprocessedLine, { label, times, body }: Statement): void {
    const item: Item = {
      line,
      label: label === undefined ? undefined : this.#define(label, body, line),
      times,
      body,
      mode: this.#mode,
      section: this.#section,
      isFixed: false,
      offset: 0,
      size: 0,
      count: 1,
      code: 0,
    };
    this.#items.push(item);
    if (body?.kind === "align" && this.#alignsSections) this.#raiseAlignment(body.boundary);
    const isInstruction = body?.kind === "instruction" || body?.kind === "data";
    const isReady = isInstruction && !times && isConstant(body) && !reserves(body);
    if (isReady) this.#writeAtOnce(item, body);
  }

  /** Writes what depends on no symbol when it is read, so that nothing else of it need be kept. */
  #writeAtOnce(item: Item, body: Body): void {
    const start = this.#code.length;
    this.#pass = "last";
    this.#dependsOnPlace = false;
    this.#append(body, item, this.#code);
    if (this.#dependsOnPlace) {
      this.#code.length = start;
      return;
    }
    item.body = ready;
    item.isFixed = true;
    item.code = start;
    item.size = this.#code.length - start;
  }

  /** An `align` raises the alignment of its section (NASM manual §4.11.14, `sectalign`). */
  #raiseAlignment(boundary: Expression): void {
    const align = Number(this.#constant(boundary));
    if (!isPowerOfTwo(align)) {
      throw this.#parser.lexer.error(`An alignment is a power of two, not ${align}`, boundary.span);
    }
    if (align > mostBytes) {
      throw this.#parser.lexer.error(`Alignment ${align} is too large`, boundary.span);
    }
    const { loaded } = this.#section;
    const act = () => {
      loaded.align = loaded.lastAlign = Math.max(loaded.lastAlign, align);
    };
    this.#deferred.push({ isAlignment: true, act });
  }

  /** A name that is not local begins the scope of the local ones after it. */
  #enter(name: string): void {
    if (!name.startsWith(".")) this.#parent = name;
  }

  /** The label of a name as written: `.x` belongs to the last name that is not local. */
  #label(written: string): Label {
    const isLocal = written.charCodeAt(0) === 0x2E && written.charCodeAt(1) !== 0x2E;
    const name = isLocal ? this.#parent + written : written;
    let label = this.#labels.get(name);
    if (!label) this.#labels.set(name, label = new Label(name));
    return label;
  }

  #define(written: string, body: Body | undefined, line: SourceLine): Label {
    if (written.startsWith("..") && !written.startsWith("..@")) {
      throw new AssemblyError(`There is no special symbol ${written}`, { line });
    }
    const label = this.#label(written);
    // Defining it again is an error only if it then differs, which the last pass finds.
    if (label.definedAt) return label;
    label.definedAt = line;
    if (body?.kind === "equ" && body.expression.kind === "constant") {
      const value = body.expression.value;
      if (value.terms.length === 0) label.early = value.number;
    }
    return label;
  }

  #openSection(name: string): Section {
    let section = this.#sections.find((each) => each.name === name && !each.isAbsolute);
    if (!section) {
      const before = this.#sections.findLast((each) => !each.isAbsolute);
      this.#sections.push(section = new Section(name, { before }));
    }
    return section;
  }

  /** `section.NAME.start` and `section.NAME.vstart` are where a section is loaded and runs. */
  #defineSectionLabels(): void {
    for (const section of this.#sections) {
      const ends = [["start", section.loaded], ["vstart", section.running]] as const;
      for (const [end, base] of ends) {
        const label = this.#labels.get(`section.${section.name}.${end}`);
        if (!label || label.definedAt) continue;
        label.base = base;
        label.known = true;
      }
    }
  }

  /** Obeys a directive; `absolute` leaves its address to the passes. */
  #directive(name: string, span: Span, line: SourceLine): Body | undefined {
    const text = line.text.slice(span.start, span.end);
    switch (name) {
      case "bits":
        this.#setBits(text, line, span);
        break;
      case "use16":
      case "use32":
      case "use64":
        this.#setBits(name.slice(3), line);
        break;
      case "org":
        this.#setOrigin(line, span);
        break;
      case "default":
        this.#setDefault(text, line, span);
        break;
      case "userel":
      case "useabs":
      case "usebnd":
      case "usenobnd":
        this.#setDefault(name.slice(3), line);
        break;
      case "section":
      case "segment":
        this.#enterSection(line, span);
        break;
      case "sectalign":
        if (/^(on|off)$/i.test(text)) this.#alignsSections = text.toLowerCase() === "on";
        else if (text !== "") this.#raiseAlignment(this.#readArgument(line, span));
        break;
      case "absolute": {
        const expression = this.#readArgument(line, span);
        const section = new Section("absolute", { isAbsolute: true });
        this.#sections.push(section);
        return { kind: "absolute", expression, section };
      }
      case "global":
      case "static":
      case "extern":
      case "required":
      case "common":
        this.#declare(name, line, span);
        break;
      case "float":
        this.#setFloatMode(text, line, span);
        break;
      case "cpu":
        this.#setCpu(text, line, span);
        break;
      case "list":
        if (!/^[-+]/.test(text)) throw new AssemblyError("list takes + or -", { line, span });
        break;
      case "debug":
        if (!isName(text.split(/\s/)[0]!)) {
          throw new AssemblyError("debug takes a name first", { line, span });
        }
    }
    // `map`, `warning` and `pragma` say nothing that a flat binary could hold.
    return undefined;
  }

  /** The expression that a directive's arguments begin with; what follows it is of no account. */
  #readArgument(line: SourceLine, span: Span): Expression {
    this.#parser.lexer.open(line, span);
    return this.#parser.expression();
  }

  #setBits(text: string, line: SourceLine, span?: Span): void {
    const bits = parseInt(text, 10);
    if (bits !== 16 && bits !== 32 && bits !== 64) {
      throw new AssemblyError(`There are 16, 32 and 64 bits, not ${text}`, { line, span });
    }
    const { cpu } = this.#mode;
    if (cpu.level < (bits === 64 ? level64 : bits === 32 ? level32 : 0)) {
      throw new AssemblyError(`CPU ${cpu.name} has no ${bits}-bit mode`, { line, span });
    }
    this.#mode = { ...this.#mode, bits };
  }

  #setOrigin(line: SourceLine, span: Span): void {
    const origin = Number(this.#constant(this.#readArgument(line, span)));
    if (this.#hasOrigin && origin !== this.#origin) {
      throw new AssemblyError(`The origin is already ${this.#origin}`, { line, span });
    }
    if (!Number.isSafeInteger(origin) || origin < 0) {
      throw new AssemblyError("The origin is out of range", { line, span });
    }
    this.#hasOrigin = true;
    this.#origin = origin;
  }

  #setDefault(text: string, line: SourceLine, span?: Span): void {
    switch (/^\w*/.exec(text.toLowerCase())![0]) {
      case "rel":
        this.#mode = { ...this.#mode, isRelative: true };
        break;
      case "abs":
        this.#mode = { ...this.#mode, isRelative: false };
        break;
      case "bnd":
        this.#mode = { ...this.#mode, isBound: true };
        break;
      case "nobnd":
        this.#mode = { ...this.#mode, isBound: false };
        break;
      default:
        throw new AssemblyError(`Expected rel, abs, bnd or nobnd, found "${text}"`, { line, span });
    }
  }

  /** `float daz, up`; in brackets there is one word. */
  #setFloatMode(text: string, line: SourceLine, span: Span): void {
    const words = isBracketed(line) ? [text] : text.split(",").map((word) => word.trim());
    for (const word of words) {
      const floatMode = changeFloatMode(this.floatMode, word.toLowerCase());
      if (!floatMode) throw new AssemblyError(`float does not take "${word}"`, { line, span });
      this.#mode = { ...this.#mode, floatMode };
    }
  }

  /** `section .data align=16 vstart=0x1000 nobits`. */
  #enterSection(line: SourceLine, span: Span): void {
    const words = splitWords(line.text, span);
    const { start, end } = words[0] ?? span;
    const section = this.#openSection(line.text.slice(start, end));
    this.#section = section;
    const act = () => {
      for (const word of words.slice(1)) this.#setAttribute(section, line, word);
      section.isNobits ??= false;
    };
    this.#deferred.push({ isAlignment: false, act });
  }

  #setAttribute(section: Section, line: SourceLine, span: Span): void {
    const text = line.text.slice(span.start, span.end);
    const [, attribute = "", value] = /^(\w+)(?:=(.*))?$/s.exec(text.toLowerCase()) ?? [];
    const fail = (reason: string) => new AssemblyError(reason, { line, span });
    const isType = value === undefined && (attribute === "nobits" || attribute === "progbits");
    if (isType) {
      const isNobits = attribute === "nobits";
      section.isNobits ??= isNobits;
      if (section.isNobits === isNobits) return;
      throw fail(`Section ${section.name} ${isNobits ? "holds" : "has no"} bytes already`);
    }
    const given = text.slice(attribute.length + 1);
    const placement = attribute.startsWith("v") ? section.running : section.loaded;
    const hasPlace = value !== undefined && /^v?(start|align|follows)$/.test(attribute);
    if (!hasPlace || (given === "" && !attribute.endsWith("follows"))) {
      this.#warn(`The section attribute ${text} says nothing here`, { line, span });
    } else if (attribute === "follows" || attribute === "vfollows") {
      if (given === "") throw fail("Expected a section's name");
      if (placement.start !== undefined) throw fail(`Section ${section.name} has a start already`);
      placement.follows = given;
    } else {
      const from = span.start + attribute.length + 1;
      const number = Number(
        this.#constant(this.#readArgument(line, { start: from, end: span.end })),
      );
      if (!Number.isSafeInteger(number) || number < 0) throw fail("Expected an address");
      if (attribute.endsWith("start")) this.#setStart(placement, number, fail);
      else this.#setAlign(placement, number, fail);
    }
  }

  #setStart(placement: Placement, start: number, fail: Fail): void {
    const { name, start: before, align, follows } = placement;
    if (follows !== undefined) throw fail(`Section ${name} follows ${follows} already`);
    if (before !== undefined && before !== start) {
      throw fail(`Section ${name} starts at ${before} already`);
    }
    if (align !== undefined && start % align !== 0) {
      throw fail(`The start ${start} is not aligned to ${align}`);
    }
    // The start stands for the alignment too, from now on.
    placement.start = start;
    placement.align = undefined;
  }

  #setAlign(placement: Placement, align: number, fail: Fail): void {
    if (!isPowerOfTwo(align)) throw fail(`An alignment is a power of two, not ${align}`);
    const larger = Math.max(align, placement.align ?? 0);
    const { start } = placement;
    if (start !== undefined && start % larger !== 0) {
      throw fail(`The start ${start} is not aligned to ${larger}`);
    }
    placement.align = placement.lastAlign = larger;
  }

  #setCpu(text: string, line: SourceLine, span: Span): void {
    const cpu = changeCpu(this.#mode.cpu, text);
    if (!cpu) throw new AssemblyError(`Unknown CPU "${text}"`, { line, span });
    this.#mode = { ...this.#mode, cpu };
  }

  /** `global a, b` and the like; in brackets there is one name only. */
  #declare(kind: string, line: SourceLine, span: Span): void {
    if (kind === "common") {
      throw new AssemblyError("A flat binary has no common variables", { line, span });
    }
    const text = line.text.slice(span.start, span.end);
    for (const part of isBracketed(line) ? [text] : text.replace(/,$/, "").split(",")) {
      const [, name = ""] = /^\s*\$?([^\s:]*)\s*(?::.*)?$/s.exec(part) ?? [];
      if (!isName(name)) {
        throw new AssemblyError(`Expected a name, found "${part}"`, { line, span });
      }
      if (kind === "extern" || kind === "required") this.#externals.add(name);
    }
  }

  /** The value of an expression of numbers and of `equ`s above it. */
  #constant(expression: Expression): bigint {
    const { lexer } = this.#parser;
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
    return value.number;
  }

  // Settling sizes

  /**
   * Passes over the statements until no label moves any more. In the first one jumps to what comes
   * later are taken to be short, so sizes mostly grow; NASM does the same, and with it the same
   * sizes come out.
   */
  #settle(): void {
    this.#pass = "first";
    for (let pass = 1; this.#run(); pass++) {
      this.#pass = "next";
      if (pass === mostPasses) {
        const { line } = this.#items.find((item) => !item.isFixed)!;
        this.#errors.push(new AssemblyError("The sizes do not settle", { line }));
        return;
      }
    }
  }

  /** One pass; tells whether a label has moved. */
  #run(): boolean {
    for (const section of this.#sections) section.offset = 0;
    let hasMoved = this.#pass === "first";
    for (const item of this.#items) {
      const { section, label, body } = item;
      item.offset = section.offset;
      if (label?.definedAt === item.line && body?.kind !== "equ") {
        if (label.offset !== section.offset) hasMoved = true;
        label.offset = section.offset;
        label.base = section.base;
        label.known = true;
      }
      if (item.isFixed) {
        section.offset += item.size;
        continue;
      }
      try {
        if (body?.kind === "equ") hasMoved = this.#equate(item) || hasMoved;
        else if (body && body.kind !== "ready") this.#measure(item, body);
        else item.isFixed = true;
      } catch (error) {
        // What is wrong now may come right when later labels are known; if not, the last pass tells.
        if (!(error instanceof AssemblyError)) throw error;
        section.offset = item.offset + item.size;
      }
    }
    return hasMoved;
  }

  /** Evaluates an `equ`; tells whether its value has changed. */
  #equate(item: Item): boolean {
    const { label, body } = item;
    if (!label || body?.kind !== "equ") {
      throw new AssemblyError("equ needs a name before it", { line: item.line });
    }
    const before = label.value;
    const value = evaluate(body.expression, this.#scope(item));
    const isWrongHere = this.#pass === "first" ? value.unknown : !isScalar(value);
    const { name } = label;
    if (isWrongHere && name.startsWith(probePrefix) && !name.startsWith(laterPrefix)) {
      throw this.#mustBeKnown("This directive", value, { item, expression: body.expression });
    }
    if (label.definedAt !== item.line) return this.#checkSame(item, label, value);
    const register = value.terms.find(({ of }) => "class" in of);
    if (register) {
      throw new AssemblyError(`Register ${register.of.name} is not a value`, {
        line: item.line,
        span: body.expression.span,
      });
    }
    // Of a multiple of an address the number remains.
    const terms = value.terms.filter(({ factor }) => Math.abs(factor) === 1);
    label.value = terms.length === value.terms.length ? value : { ...value, terms };
    label.known = !value.unknown;
    return before?.number !== value.number || before.unknown !== value.unknown;
  }

  /** A name defined twice must stand for the same both times. */
  #checkSame(item: Item, label: Label, value: Value): false {
    if (this.#pass !== "last") return false;
    const first = label.evaluate();
    if (first.number === value.number && first.terms[0]?.of === value.terms[0]?.of) return false;
    const { file, line } = label.definedAt!;
    const place = file === item.line.file ? `on line ${line}` : `at ${file}:${line}`;
    throw new AssemblyError(`Symbol "${label.name}" is already defined ${place}`, {
      line: item.line,
    });
  }

  /** The one scope that all evaluations share: it speaks of the statement set last. */
  #scope(item: Item): Scope {
    this.#item = item;
    this.#sharedScope.line = item.line;
    return this.#sharedScope;
  }

  #addressIn(section: Section, offset: number): Value {
    const { base } = section;
    if (!base) return scalar(BigInt(offset));
    return {
      number: BigInt(offset),
      terms: [{ of: base, factor: 1, scaled: false }],
      unknown: false,
    };
  }

  #missing(item: Item, label: Label, span: Span): undefined {
    if (this.#pass !== "last") return;
    const reason = this.#externals.has(label.name)
      ? `A flat binary cannot refer to the external symbol "${label.name}"`
      : `Symbol "${label.name}" is not defined${meantBySymbol(label.name, this.#defined())}`;
    throw new AssemblyError(reason, { line: item.line, span });
  }

  *#defined(): Generator<string> {
    for (const { name, definedAt } of this.#labels.values()) if (definedAt) yield name;
  }

  /** Finds a statement's size by writing it where nobody looks. */
  #measure(item: Item, body: Body): void {
    const { section } = item;
    this.#scratch.length = 0;
    this.#writeItem(item, body, this.#scratch);
    item.size = section.offset - item.offset;
    if (this.#pass === "first") item.isFixed = !item.times && isConstant(body);
  }

  /** How often a statement is to be repeated. What decides this must be known when it is read. */
  #count(item: Item): number {
    const { times, line } = item;
    if (!times) return 1;
    const value = evaluate(times, this.#scope(item));
    if (!isScalar(value)) throw this.#mustBeKnown("times", value, { item, expression: times });
    if (value.number < 0n || value.number > mostTimes) {
      throw new AssemblyError(
        `times takes a number from 0 to ${mostTimes}, not ${value.number}` +
          (value.number < 0n ? ": does what it is to fill up hold too much already?" : ""),
        { line, span: times.span },
      );
    }
    return Number(value.number);
  }

  // Writing

  #write(): void {
    this.#pass = "last";
    try {
      this.#origin = placeSections(this.#sections, this.#origin);
    } catch (error) {
      if (!(error instanceof PlacementError)) throw error;
      const line = this.#items.findLast((item) => item.body?.kind === "directive")?.line ??
        this.#items[0]!.line;
      this.#errors.push(new AssemblyError(error.message, { line }));
      return;
    }
    for (const section of this.#sections) section.offset = 0;
    for (const item of this.#items) {
      const { section, body, label } = item;
      try {
        if (label && label.definedAt !== item.line && body?.kind !== "equ") {
          this.#checkSame(item, label, this.#addressIn(section, item.offset));
        }
        if (!body) continue;
        if (body.kind === "ready") {
          if (section.isNobits) this.#refuseBytes(item);
          else section.out.copy(this.#code, item.code, item.code + item.size);
        } else if (body.kind === "equ") this.#equate(item);
        else this.#writeItem(item, body, section.out);
      } catch (error) {
        this.#keep(error);
      }
      section.offset = item.offset + item.size;
    }
  }

  /** Appends a statement's bytes as often as it says, and moves on in its section. */
  #writeItem(item: Item, body: Body, out: Bytes): void {
    const { section, times } = item;
    if (body.kind === "absolute") {
      body.section.offset = this.#absoluteAddress(item, body);
      return;
    }
    const count = this.#count(item);
    item.count = count;
    if (times && count > 0 && isConstant(body)) {
      const start = out.length;
      const before = section.offset;
      this.#dependsOnPlace = false;
      this.#writeOnce(body, item, out);
      if (this.#dependsOnPlace) {
        for (let i = 1; i < count; i++) this.#writeOnce(body, item, out);
        return;
      }
      const size = section.offset - before;
      if (size * count > mostBytes) {
        throw new AssemblyError("The binary is too large", { line: item.line, span: times.span });
      }
      if (this.#pass === "last") out.repeat(start, count);
      section.offset += size * (count - 1);
      return;
    }
    for (let i = 0; i < count; i++) this.#writeOnce(body, item, out);
  }

  #absoluteAddress(
    item: Item,
    { expression, section }: Body & { kind: "absolute" },
  ): number {
    const value = evaluate(expression, this.#scope(item));
    const { unknown, terms, number } = value;
    const isAddress = terms.length === 1 && terms[0]!.factor === 1 && !("class" in terms[0]!.of);
    if (unknown || (terms.length > 0 && !isAddress)) {
      throw this.#mustBeKnown("absolute", value, { item, expression });
    }
    section.base = terms[0]?.of as Base | undefined;
    return Number(number);
  }

  /** An error for a number that must be known where it is needed; it is one in the first pass already. */
  #mustBeKnown(
    what: string,
    value: Value,
    { item, expression }: { item: Item; expression: Expression },
  ): AssemblyError {
    const error = new AssemblyError(
      value.unknown
        ? `${what} needs a number that is known here: a symbol in it is defined later or nowhere`
        : `${what} takes a number, not an address`,
      { line: item.line, span: expression.span },
    );
    if (this.#pass === "first") this.#keep(error);
    return error;
  }

  #writeOnce(body: Body, item: Item, out: Bytes): void {
    const { section } = item;
    if (body.kind === "reserve") {
      this.#reserve(body.unit * this.#reserveCount(item, body.count), item, out);
      return;
    }
    if (body.kind === "align") {
      const align = Number(this.#alignment(item, body.boundary));
      const padding = (align - section.offset % align) % align;
      for (let i = 0; i < padding; i++) this.#writeOnce(body.fill, item, out);
      return;
    }
    const start = out.length;
    this.#append(body, item, out);
    section.offset += out.length - start;
    if (section.isNobits) {
      if (this.#pass === "last" && out.length > start) this.#refuseBytes(item);
      out.length = start;
    }
  }

  /** Appends the bytes of a body that has some, once. */
  #append(body: Body, item: Item, out: Bytes): void {
    switch (body.kind) {
      case "instruction":
        this.#evaluateOperands(body, item);
        this.#encode(body, item, out);
        break;
      case "data":
        if (body.items.length === 0 && this.#pass === "last") {
          this.#warn("There is no data here", { line: item.line });
        }
        for (const datum of body.items) this.#writeDatum(datum, body.unit, item, out);
        break;
      case "incbin":
        this.#include(body, item, out);
    }
  }

  #encode(instruction: Instruction, item: Item, out: Bytes): void {
    const place = this.#place(item);
    const start = out.length;
    try {
      this.#dependsOnPlace = encode(instruction, place, out);
    } catch (error) {
      out.length = start;
      if (this.#pass !== "last" || !(error instanceof AssemblyError)) throw error;
      const modes = modesOf(instruction, place);
      if (modes.length === 0) throw error;
      const span = spanOf(instruction, item.line);
      const text = item.line.text.slice(span.start, span.end);
      throw new AssemblyError(`${text} needs bits ${modes.join(" or ")}`, {
        line: item.line,
        span,
      });
    }
  }

  /** Sections without bytes leave out what is written into them; `absolute` is not for bytes at all. */
  #refuseBytes(item: Item): void {
    const { line, section } = item;
    if (section.isAbsolute) {
      throw new AssemblyError("After absolute only space can be reserved", { line });
    }
    if (this.#leftOut === item) return;
    this.#leftOut = item;
    this.#warn(`Section ${section.name} holds no bytes: these are left out`, { line });
  }

  #reserve(count: number, item: Item, out: Bytes): void {
    const { section } = item;
    if (section.offset + count > mostBytes && !section.isNobits) {
      throw new AssemblyError("The binary is too large", { line: item.line });
    }
    section.offset += count;
    if (this.#pass === "last" && !section.isNobits) out.fill(0, count);
  }

  #reserveCount(item: Item, count: Expression): number {
    const value = evaluate(count, this.#scope(item));
    const isWrong = !value.unknown &&
      (!isScalar(value) || value.number < 0n || value.number > mostBytes);
    if (isWrong) {
      throw new AssemblyError(`Space is reserved by a number from 0 to ${mostBytes}`, {
        line: item.line,
        span: count.span,
      });
    }
    return value.unknown ? 0 : Number(value.number);
  }

  #repeatCount(item: Item, count: Expression): number {
    const value = evaluate(count, this.#scope(item));
    if (!isScalar(value)) throw this.#mustBeKnown("dup", value, { item, expression: count });
    if (value.number < 0n || value.number > mostBytes) {
      const span = count.span;
      throw new AssemblyError(`dup takes a number from 0 to ${mostBytes}`, { ...item, span });
    }
    return Number(value.number);
  }

  #alignment(item: Item, boundary: Expression): bigint {
    const value = evaluate(boundary, this.#scope(item));
    if (!isScalar(value) || value.number <= 0n) {
      throw new AssemblyError("An alignment is a power of two", {
        line: item.line,
        span: boundary.span,
      });
    }
    return value.number;
  }

  #include(body: Body & { kind: "incbin" }, item: Item, out: Bytes): void {
    const { line } = item;
    const path = this.#options.resolve?.(body.path, line.file) ?? body.path;
    const bytes = this.#options.readBytes?.(path, line.file);
    if (!bytes) throw new AssemblyError(`Cannot read the file "${body.path}"`, { line });
    const scope = this.#scope(item);
    const number = (expression: Expression | undefined, fallback: number) => {
      if (!expression) return fallback;
      const value = evaluate(expression, scope);
      if (!isScalar(value) || value.number < 0n) {
        throw new AssemblyError("incbin takes numbers that are not negative", {
          line,
          span: expression.span,
        });
      }
      return Number(value.number);
    };
    const skip = number(body.skip, 0);
    if (skip > bytes.length) {
      throw new AssemblyError(`The file has ${bytes.length} bytes only`, { line });
    }
    out.append(bytes.subarray(skip, skip + number(body.limit, bytes.length)));
  }

  /** The one place that all encodings share. */
  #place(item: Item): Place {
    const place = this.#sharedPlace;
    const { section } = item;
    this.#item = item;
    place.line = item.line;
    place.bits = item.mode.bits;
    place.section = section.isAbsolute ? undefined : section.running;
    place.offset = section.offset;
    place.isRelative = item.mode.isRelative;
    place.isBound = item.mode.isBound;
    place.cpu = item.mode.cpu;
    return place;
  }

  #evaluateOperands(instruction: Instruction, item: Item): void {
    if (instruction.isConstant) return;
    const scope = this.#scope(item);
    for (const operand of instruction.operands) {
      if (operand.expression) operand.value = evaluate(operand.expression, scope);
      if (operand.segment) operand.segmentValue = evaluate(operand.segment, scope);
    }
  }

  #writeDatum(datum: DataItem, unit: number, item: Item, out: Bytes): void {
    switch (datum.kind) {
      case "string":
        out.text(datum.text);
        out.fill(0, (unit - datum.text.length % unit) % unit);
        break;
      case "expression":
        this.#writeNumber(datum.expression, unit, item, out);
        break;
      case "float":
        this.#writeFloat(datum, unit, item, out);
        break;
      case "reserved":
        out.marks?.push({ kind: "space", at: out.length, size: unit, value: 0n });
        out.fill(0, unit);
        break;
      case "repeat": {
        const count = this.#repeatCount(item, datum.count);
        for (let i = 0; i < count; i++) {
          for (const each of datum.items) this.#writeDatum(each, datum.unit ?? unit, item, out);
          if (out.length > mostBytes) throw new AssemblyError("The binary is too large", item);
        }
      }
    }
  }

  #writeNumber(expression: Expression, unit: number, item: Item, out: Bytes): void {
    const { line } = item;
    const { span } = expression;
    if (unit > 8) {
      throw new AssemblyError(`An integer has at most 64 bits, not ${unit * 8}`, { line, span });
    }
    const value = expression.kind === "constant"
      ? expression.value
      : evaluate(expression, this.#scope(item));
    if (value.terms.some(({ factor }) => Math.abs(factor) !== 1)) throw neither(item, span);
    const place = this.#place(item);
    const number = finalValue(value, place, span);
    checkSize(value, unit, { place, span });
    markAddress(value, out, unit);
    out.number(number, unit);
  }

  #writeFloat(
    { text, start, end }: DataItem & { kind: "float" },
    unit: number,
    item: Item,
    out: Bytes,
  ): void {
    const { line } = item;
    const span = { start, end };
    if (unit > 16) throw new AssemblyError(`There are no floats of ${unit} bytes`, { line, span });
    const float = encodeFloat(text, unit * 8, item.mode.floatMode);
    if (!float) {
      throw new AssemblyError(`"${text}" is not a floating-point constant`, { line, span });
    }
    if (float.doubt && this.#pass === "last") this.#warn(`${text} ${float.doubt}`, { line, span });
    out.number(float.bits, unit);
  }

  #result(): Assembly {
    const origin = this.#origin ?? 0;
    const filled = this.#sections.filter((section) => section.out.length > 0);
    const last = filled.reduce(
      (end, { loaded, out }) => Math.max(end, loaded.address + out.length),
      origin,
    );
    const bytes = new Uint8Array(last - origin);
    for (const { loaded, out } of filled) bytes.set(out.view(), loaded.address - origin);
    const first = this.#items.find((item) => item.size > 0);
    const makeListing = () => this.#makeListing();
    const makeListed = () => this.#makeListed();
    const makeSymbols = () => this.#makeSymbols();
    let listing: readonly ListingRow[] | undefined;
    let listed: readonly ListedLine[] | undefined;
    let symbols: ReadonlyMap<string, bigint> | undefined;
    return {
      bytes,
      origin,
      bits: first?.mode.bits ?? this.#mode.bits,
      // Most programs that assemble a large source do not look at its lines and symbols.
      get listing() {
        return listing ??= makeListing();
      },
      get listed() {
        return listed ??= makeListed();
      },
      get symbols() {
        return symbols ??= makeSymbols();
      },
      warnings: this.#warnings,
    };
  }

  #makeSymbols(): Map<string, bigint> {
    const symbols = new Map<string, bigint>();
    for (const label of this.#labels.values()) {
      if (!label.definedAt || label.name.startsWith(probePrefix)) continue;
      const { terms, number } = label.evaluate();
      symbols.set(
        label.name,
        terms.reduce(
          (sum, { of, factor }) => sum + BigInt((of as Base).address * factor),
          number,
        ),
      );
    }
    return symbols;
  }

  #makeListed(): ListedLine[] {
    const lines: (ListedLine & { pieces: Piece[] })[] = [];
    let isShown = true;
    for (const item of this.#items) {
      const { text, source, file, line, depth } = item.line;
      if (isShown) {
        if (source !== undefined) lines.push({ file, line, depth, source, pieces: [] });
        lines.at(-1)?.pieces.push(...this.#pieces(item));
      }
      const sign = text.includes("[") ? /^\s*\[\s*list\s+([-+])/i.exec(text)?.[1] : undefined;
      if (sign) isShown = sign === "+";
    }
    return lines;
  }

  /** What the listing shows of a statement: once what is repeated. */
  #pieces(item: Item): Piece[] {
    const { body, section, offset, size, count } = item;
    if (!body || (size === 0 && !(body.kind === "incbin" && count > 0))) return [];
    const out = new Bytes();
    let repeated = count;
    if (body.kind === "ready") out.copy(this.#code, item.code, item.code + size);
    else if (body.kind === "reserve") return [reservedPiece(size, offset)];
    else if (body.kind === "incbin") {
      const bytes = countPiece("bin", size / count, offset);
      return count > 1 ? [bytes, countPiece("rep", count, offset)] : [bytes];
    } else {
      const isAlignment = body.kind === "align";
      if (isAlignment && body.fill.kind === "reserve") return [reservedPiece(size, offset)];
      out.marks = [];
      const said = this.#warnings.length;
      section.offset = offset;
      this.#append(isAlignment ? body.fill : body, item, out);
      this.#warnings.length = said;
      if (isAlignment) repeated = size / out.length;
    }
    const pieces = bytePieces(out, offset);
    return repeated > 1 ? [...pieces, countPiece("rep", repeated, offset)] : pieces;
  }

  #makeListing(): ListingRow[] {
    const listing: ListingRow[] = [];
    for (const item of this.#items) {
      const { line, section, offset, size, mode: { bits } } = item;
      const before = listing.at(-1);
      // Lines that a macro made and that are not to be seen belong to the call before them.
      if (line.source === undefined && before) {
        if (size > 0) listing[listing.length - 1] = { ...before, length: before.length + size };
        continue;
      }
      listing.push({
        offset: section.isAbsolute ? offset : section.loaded.address - this.#origin! + offset,
        address: section.isAbsolute ? offset : section.running.address + offset,
        length: size,
        times: item.count,
        isReserved: section.isNobits === true,
        file: line.file,
        line: line.line,
        source: line.source ?? line.text,
        depth: line.depth,
        bits,
      });
    }
    return listing;
  }
}

/** Where an instruction stands in its line, from its mnemonic to its last operand. */
function spanOf({ mnemonic, operands }: Instruction, { text }: SourceLine): Span {
  const before = text.slice(0, operands[0]?.start).toLowerCase();
  const start = before.lastIndexOf(mnemonic);
  return { start, end: operands.at(-1)?.end ?? start + mnemonic.length };
}

/** Makes an error of what is wrong with an attribute. */
type Fail = (reason: string) => AssemblyError;

/** A part of a line as words between blanks; an attribute's value may have some in parentheses. */
function splitWords(text: string, { start, end }: Span): Span[] {
  const words: Span[] = [];
  const pattern = /\w+=\((?:[^()'"]|\((?:[^()]|\([^()]*\))*\)|'[^']*'|"[^"]*")*\)|\S+/g;
  for (const match of text.slice(start, end).matchAll(pattern)) {
    words.push({ start: start + match.index, end: start + match.index + match[0].length });
  }
  return words;
}

/** Whether a directive is in its primitive form. */
function isBracketed(line: SourceLine): boolean {
  return line.text.trimStart().startsWith("[");
}

/** Whether a text is a symbol's name. */
function isName(text: string): boolean {
  return /^[A-Za-z_.?@\u0080-\uFFFF][\w.?@$#~\u0080-\uFFFF]*$/.test(text);
}

function isPowerOfTwo(number: number): boolean {
  return number > 0 && Number.isInteger(Math.log2(number));
}

/** Whether a body's bytes depend on no symbol. */
function isConstant(body: Body): boolean {
  if (body.kind === "instruction") return body.isConstant;
  if (body.kind === "reserve") return body.count.kind === "constant";
  return body.kind === "data" && body.items.every(isConstantItem);
}

/** Whether there is a `?` among data, which the listing tells from 0. */
function reserves(body: Body): boolean {
  const isReserved = (item: DataItem): boolean =>
    item.kind === "reserved" || (item.kind === "repeat" && item.items.some(isReserved));
  return body.kind === "data" && body.items.some(isReserved);
}

function isConstantItem(item: DataItem): boolean {
  if (item.kind === "expression") return item.expression.kind === "constant";
  if (item.kind === "repeat") {
    return item.count.kind === "constant" && item.items.every(isConstantItem);
  }
  return true;
}
