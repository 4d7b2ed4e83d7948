import { Bytes } from "./bytes.ts";
import { encode, finalValue, type Place } from "./encode.ts";
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
import { plainLines, type PreprocessedLine, type PreprocessResult, probePrefix } from "./lines.ts";
import { type Body, type DataItem, type Instruction, Parser, type Statement } from "./parser.ts";
import { PlacementError, placeSections, Section } from "./section.ts";

/** What to assemble with, besides the source. */
export interface AssembleOptions {
  /** The source's name, for messages; `<source>` by default. */
  name?: string;
  /** The mode before the first `bits`; 16 by default, as for NASM's flat binaries. */
  bits?: Bits;
  /** The address of the first byte before any `org`; 0 by default. */
  origin?: number;
  /** Single-line macros, as by `%define`. */
  defines?: Readonly<Record<string, string>>;
  /**
   * Where a file is that a source names: its path is what `__?FILE?__`, messages and `%pathsearch`
   * give and what the readers are called with. By default it is the name itself.
   */
  resolve?: (path: string, from: string) => string | undefined;
  /** Reads a file for `%include`; undefined if it does not exist. `from` is the file including it. */
  readText?: (path: string, from: string) => string | undefined;
  /** Reads an environment variable for `%!name` and `%ifenv`; by default there are none. */
  environment?: (name: string) => string | undefined;
  /** Reads a file for `incbin`; undefined if it does not exist. `from` is the file including it. */
  readBytes?: (path: string, from: string) => Uint8Array | undefined;
}

/** What a line of the source came to. */
export interface ListingRow {
  /** Where its bytes are in the binary. */
  readonly offset: number;
  /** Where they are in memory when it runs: `org` and the section's address included. */
  readonly address: number;
  /** How many bytes it made. */
  readonly length: number;
  /** How often `times` made the same bytes; 1 where it did not. */
  readonly times: number;
  /** Whether those are in memory only: the line stands in a section without bytes. */
  readonly isReserved: boolean;
  /** The file it was written in. */
  readonly file: string;
  /** Its line there, from 1. */
  readonly line: number;
  /** Its text as written. */
  readonly source: string;
  /** How many macro expansions deep it came from. */
  readonly depth: number;
  /** The mode it was assembled for. */
  readonly bits: Bits;
}

/** Something doubtful in the source that does not keep it from being assembled. */
export interface AssemblyWarning {
  /** What is doubtful. */
  readonly message: string;
  /** The file. */
  readonly file: string;
  /** The line, from 1. */
  readonly line: number;
  /** The column, from 1. */
  readonly column: number;
}

/** An assembled source. */
export interface Assembly {
  /** The flat binary. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The address of its first byte. */
  readonly origin: number;
  /** The mode of its first instruction. */
  readonly bits: Bits;
  /** The lines in their order; those that made no bytes have length 0. */
  readonly listing: readonly ListingRow[];
  /** Every label's address and every `equ`'s value, by its whole name. */
  readonly symbols: ReadonlyMap<string, bigint>;
  /** What is doubtful. */
  readonly warnings: readonly AssemblyWarning[];
}

/**
 * Assembles a source that {@linkcode isPlain}, without loading the preprocessor.
 *
 * @throws {AssemblyError} If the source is wrong.
 */
export function assemblePlain(source: string, options: AssembleOptions = {}): Assembly {
  return new Assembler(options).assemble(plainLines(source, options.name));
}

/** A statement with all that was in force where it stands. */
interface Item {
  readonly line: PreprocessedLine;
  readonly label: Label | undefined;
  readonly times: Expression | undefined;
  body: Body | typeof ready | undefined;
  readonly bits: Bits;
  readonly section: Section;
  readonly isRelative: boolean;
  readonly floatMode: FloatMode;
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
  /**
   * How floating-point constants are rounded; at the end of the source it is what the first lines
   * are to be assembled with, since NASM's passes begin with the mode with which the last one ended.
   */
  floatMode: FloatMode;
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
  #dependsOnPlace = false;
  #section: Section;
  #bits: Bits;
  #origin: number;
  #hasOrigin = false;
  #isRelative = false;
  readonly #firstFloatMode: FloatMode;
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
    addressOf: (base: Base) => this.#pass === "last" ? (base as Section).address : 0,
    warn: (message: string, span: Span) => {
      if (this.#pass === "last") this.#warn(message, { line: this.#item.line, span });
    },
  };

  /**
   * @param options What to assemble with.
   * @param floatMode The mode before the first `float`.
   */
  constructor(options: AssembleOptions, floatMode: FloatMode = defaultFloatMode) {
    this.#options = options;
    this.floatMode = this.#firstFloatMode = floatMode;
    this.#bits = options.bits ?? 16;
    this.#origin = options.origin ?? 0;
    const bits = () => this.#bits;
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
        const { body } = statement;
        if (body?.kind === "directive") {
          const absolute = this.#directive(body.name, body.start, line);
          this.#addItem(line, { ...statement, body: absolute });
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
      bits: this.#bits,
      section: this.#section,
      isRelative: this.#isRelative,
      floatMode: this.floatMode,
      isFixed: false,
      offset: 0,
      size: 0,
      count: 1,
      code: 0,
    };
    this.#items.push(item);
    if (body?.kind === "align" && !this.#section.isAbsolute) this.#raiseAlignment(body.boundary);
    const isInstruction = body?.kind === "instruction" || body?.kind === "data";
    if (isInstruction && !times && isConstant(body)) this.#writeAtOnce(item, body);
  }

  /** Writes what depends on no symbol when it is read, so that nothing else of it need be kept. */
  #writeAtOnce(item: Item, body: Body): void {
    const start = this.#code.length;
    this.#pass = "last";
    this.#dependsOnPlace = false;
    this.#writeOnce(body, item, this.#code);
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
    if (align > (this.#section.align ?? 0)) this.#section.align = align;
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
    if (!section) this.#sections.push(section = new Section(name));
    return section;
  }

  /** Obeys a directive; `absolute` leaves its address to the passes. */
  #directive(name: string, start: number, line: SourceLine): Body | undefined {
    const { lexer } = this.#parser;
    const isBracketed = line.text.trimStart().startsWith("[");
    let body: Body | undefined;
    switch (name) {
      case "bits":
        this.#setBits();
        break;
      case "use16":
      case "use32":
      case "use64":
        this.#bits = Number(name.slice(3)) as Bits;
        break;
      case "org":
        this.#setOrigin();
        break;
      case "default":
        this.#setDefault();
        break;
      case "section":
      case "segment":
        this.#enterSection();
        break;
      case "absolute": {
        const expression = this.#parser.expression();
        this.#section = new Section("absolute", { isAbsolute: true });
        this.#sections.push(this.#section);
        body = { kind: "absolute", expression };
        break;
      }
      case "extern":
      case "required":
        this.#declareExternals();
        break;
      case "common":
        throw lexer.error("A flat binary has no common variables", { start, end: lexer.end });
      case "cpu":
        this.#checkCpu();
        break;
      case "float":
        this.#setFloatMode(isBracketed);
        break;
      default:
        // `global`, `list` and the like say nothing that a flat binary could hold.
        this.#skipArguments(isBracketed);
    }
    if (isBracketed) lexer.expect("]");
    this.#parser.finish();
    return body;
  }

  #setBits(): void {
    const { lexer } = this.#parser;
    const start = lexer.start;
    const bits = Number(this.#number());
    if (bits !== 16 && bits !== 32 && bits !== 64) {
      throw lexer.error(`There are 16, 32 and 64 bits, not ${bits}`, { start, end: lexer.start });
    }
    this.#bits = bits;
  }

  #setOrigin(): void {
    const { lexer } = this.#parser;
    const start = lexer.start;
    const origin = Number(this.#number());
    if (this.#hasOrigin && origin !== this.#origin) {
      throw lexer.error(`The origin is already ${this.#origin}`, { start, end: lexer.start });
    }
    if (!Number.isSafeInteger(origin) || origin < 0) {
      throw lexer.error("The origin is out of range", { start, end: lexer.start });
    }
    this.#hasOrigin = true;
    this.#origin = origin;
  }

  #setDefault(): void {
    const { lexer } = this.#parser;
    do {
      const word = lexer.text.toLowerCase();
      if (lexer.kind !== "name" || !["rel", "abs", "bnd", "nobnd"].includes(word)) {
        throw lexer.error(`Expected rel or abs, found ${lexer.written()}`);
      }
      if (word === "rel" || word === "abs") this.#isRelative = word === "rel";
      lexer.next();
    } while (lexer.accept(","));
  }

  /** `float daz, up`; in brackets there is one word. */
  #setFloatMode(isBracketed: boolean): void {
    const { lexer } = this.#parser;
    do {
      const mode = lexer.kind === "name"
        ? changeFloatMode(this.floatMode, lexer.text.toLowerCase())
        : undefined;
      if (!mode) throw lexer.error(`float does not take ${lexer.written()}`);
      this.floatMode = mode;
      lexer.next();
    } while (!isBracketed && lexer.accept(","));
  }

  /** `section .data align=16 vstart=0x1000 nobits`. */
  #enterSection(): void {
    const { lexer } = this.#parser;
    const name = this.#word();
    this.#section = this.#openSection(name);
    while (lexer.kind === "name") {
      const attribute = lexer.text.toLowerCase();
      const start = lexer.start;
      lexer.next();
      if (lexer.accept("=")) this.#setAttribute(attribute, start);
      else if (attribute === "nobits") this.#section.isNobits = true;
      else if (attribute === "progbits") this.#section.isNobits = false;
      else this.#warn(`The section attribute ${attribute} says nothing here`, { line: lexer.line });
    }
  }

  /** A name, which in these places may begin with a point or be followed by one. */
  #word(): string {
    const { lexer } = this.#parser;
    if (lexer.kind !== "name" && lexer.kind !== "string" && lexer.kind !== "escaped") {
      throw lexer.error(`Expected a name, found ${lexer.written()}`);
    }
    const { text } = lexer;
    lexer.next();
    return text;
  }

  #setAttribute(attribute: string, start: number): void {
    const { lexer } = this.#parser;
    const section = this.#section;
    if (attribute === "follows") section.follows = this.#word();
    else if (attribute === "vfollows") section.virtualFollows = this.#word();
    else {
      const value = Number(this.#number());
      const span = { start, end: lexer.start };
      if (!Number.isSafeInteger(value) || value < 0) throw lexer.error("Expected an address", span);
      const isAlignment = attribute === "align" || attribute === "valign";
      if (isAlignment && !isPowerOfTwo(value)) {
        throw lexer.error(`An alignment is a power of two, not ${value}`, span);
      }
      if (attribute === "align") section.align = value;
      else if (attribute === "valign") section.virtualAlign = value;
      else if (attribute === "start") section.start = value;
      else if (attribute === "vstart") section.virtualStart = value;
      else throw lexer.error(`There is no section attribute ${attribute}`, span);
    }
  }

  /** `cpu` is accepted but restricts nothing: the table does not say which CPU brought what. */
  #checkCpu(): void {
    const { lexer } = this.#parser;
    const name = lexer.kind === "end" ? "" : lexer.text.toLowerCase();
    if (!cpus.has(name)) throw lexer.error(`Unknown CPU ${lexer.written()}`);
    this.#skipArguments(lexer.line.text.trimStart().startsWith("["));
  }

  #declareExternals(): void {
    const { lexer } = this.#parser;
    do {
      this.#externals.add(this.#word());
      if (lexer.accept(":")) this.#word();
    } while (lexer.accept(","));
  }

  #skipArguments(isBracketed: boolean): void {
    const { lexer } = this.#parser;
    while (lexer.kind !== "end" && !(isBracketed && lexer.kind === "]")) lexer.next();
  }

  /** A number that is needed at once. */
  #number(): bigint {
    return this.#constant(this.#parser.expression());
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
        label.base = section.isAbsolute ? undefined : section;
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
    if (label.definedAt !== item.line) return this.#checkSame(item, label, value);
    const register = value.terms.find(({ of }) => "class" in of);
    if (register) {
      throw new AssemblyError(`Register ${register.of.name} is not a value`, {
        line: item.line,
        span: body.expression.span,
      });
    }
    label.value = value;
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
    if (section.isAbsolute) return scalar(BigInt(offset));
    return {
      number: BigInt(offset),
      terms: [{ of: section, factor: 1, scaled: false }],
      unknown: false,
    };
  }

  #missing(item: Item, label: Label, span: Span): undefined {
    if (this.#pass !== "last") return;
    const reason = this.#externals.has(label.name)
      ? `A flat binary cannot refer to the external symbol "${label.name}"`
      : `Symbol "${label.name}" is not defined`;
    throw new AssemblyError(reason, { line: item.line, span });
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
        `times takes a number from 0 to ${mostTimes}, not ${value.number}`,
        { line, span: times.span },
      );
    }
    return Number(value.number);
  }

  // Writing

  #write(): void {
    this.#pass = "last";
    // Without an origin the binary begins where its first section says it does.
    if (!this.#hasOrigin) this.#origin = this.#sections[0]!.start ?? this.#origin;
    try {
      placeSections(this.#sections, this.#origin);
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
          section.out.append(this.#code.view(item.code, item.code + item.size));
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
      section.offset = this.#absoluteAddress(item, body.expression);
      item.offset = section.offset;
      return;
    }
    const count = this.#count(item);
    if (times && count > 0 && isConstant(body)) {
      const start = out.length;
      const before = section.offset;
      this.#writeOnce(body, item, out);
      const size = section.offset - before;
      if (size * count > mostBytes) {
        throw new AssemblyError("The binary is too large", { line: item.line, span: times.span });
      }
      if (this.#pass === "last") out.repeat(start, count);
      section.offset += size * (count - 1);
      item.count = count;
      return;
    }
    for (let i = 0; i < count; i++) this.#writeOnce(body, item, out);
  }

  #absoluteAddress(item: Item, expression: Expression): number {
    const value = evaluate(expression, this.#scope(item));
    if (!isScalar(value)) throw this.#mustBeKnown("absolute", value, { item, expression });
    return Number(value.number);
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
    const start = out.length;
    switch (body.kind) {
      case "instruction":
        this.#evaluateOperands(body, item);
        this.#dependsOnPlace = encode(body, this.#place(item), out);
        break;
      case "data":
        if (body.items.length === 0 && this.#pass === "last") {
          this.#warn("There is no data here", { line: item.line });
        }
        for (const datum of body.items) this.#writeDatum(datum, body.unit, item, out);
        break;
      case "reserve":
        this.#reserve(body.unit * this.#reserveCount(item, body.count), item, out);
        return;
      case "incbin":
        this.#include(body, item, out);
        break;
      case "align": {
        const align = Number(this.#alignment(item, body.boundary));
        const padding = (align - section.offset % align) % align;
        for (let i = 0; i < padding; i++) this.#writeOnce(body.fill, item, out);
        return;
      }
    }
    const length = out.length - start;
    if (section.isNobits || section.isAbsolute) {
      if (this.#pass === "last" && length > 0) this.#refuseBytes(item);
      out.length = start;
      if (section.isNobits) return;
    }
    section.offset += length;
  }

  /** Sections without bytes leave out what is written into them; `absolute` is not for bytes at all. */
  #refuseBytes(item: Item): void {
    const { line, section } = item;
    if (section.isAbsolute) {
      throw new AssemblyError("After absolute only space can be reserved", { line });
    }
    this.#warn(`Section ${section.name} holds no bytes: these are left out`, { line });
  }

  #reserve(count: number, item: Item, out: Bytes): void {
    const { section } = item;
    if (section.offset + count > mostBytes && !section.isNobits && !section.isAbsolute) {
      throw new AssemblyError("The binary is too large", { line: item.line });
    }
    section.offset += count;
    if (this.#pass !== "last" || section.isNobits || section.isAbsolute) return;
    out.fill(0, count);
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
    place.bits = item.bits;
    place.section = section.isAbsolute ? undefined : section;
    place.offset = section.offset;
    place.isRelative = item.isRelative;
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
        out.fill(0, unit);
        break;
      case "repeat": {
        const count = this.#reserveCount(item, datum.count);
        for (let i = 0; i < count; i++) {
          for (const each of datum.items) this.#writeDatum(each, unit, item, out);
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
    const number = finalValue(value, this.#place(item), span);
    out.number(number, unit);
    if (this.#pass === "last" && value.terms.length === 0 && !fits(number, unit)) {
      this.#warn(`${number} does not fit into ${unit === 1 ? "a byte" : `${unit} bytes`}`, {
        line,
        span,
      });
    }
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
    const float = encodeFloat(text, unit * 8, item.floatMode);
    if (!float) {
      throw new AssemblyError(`"${text}" is not a floating-point constant`, { line, span });
    }
    if (float.doubt && this.#pass === "last") this.#warn(`${text} ${float.doubt}`, { line, span });
    out.number(float.bits, unit);
  }

  #result(): Assembly {
    const filled = this.#sections.filter((section) => section.out.length > 0);
    const last = filled.reduce(
      (end, { loadAddress, out }) => Math.max(end, loadAddress + out.length),
      this.#origin,
    );
    const bytes = new Uint8Array(last - this.#origin);
    for (const { loadAddress, out } of filled) bytes.set(out.view(), loadAddress - this.#origin);
    const origin = this.#origin;
    const first = this.#items.find((item) => item.size > 0);
    const makeListing = () => this.#makeListing();
    const makeSymbols = () => this.#makeSymbols();
    let listing: readonly ListingRow[] | undefined;
    let symbols: ReadonlyMap<string, bigint> | undefined;
    return {
      bytes,
      origin,
      bits: first?.bits ?? this.#bits,
      // Most programs that assemble a large source do not look at its lines and symbols.
      get listing() {
        return listing ??= makeListing();
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
          (sum, { of, factor }) => sum + BigInt((of as Section).address * factor),
          number,
        ),
      );
    }
    return symbols;
  }

  #makeListing(): ListingRow[] {
    const listing: ListingRow[] = [];
    for (const item of this.#items) {
      const { line, section, offset, size, bits } = item;
      const before = listing.at(-1);
      // Lines that a macro made and that are not to be seen belong to the call before them.
      if (line.source === undefined && before) {
        if (size > 0) listing[listing.length - 1] = { ...before, length: before.length + size };
        continue;
      }
      listing.push({
        offset: section.isAbsolute ? offset : section.loadAddress - this.#origin + offset,
        address: section.isAbsolute ? offset : section.address + offset,
        length: size,
        times: item.count,
        isReserved: section.isNobits || section.isAbsolute,
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

/** What `cpu` takes (NASM manual §7.11). */
const cpus = new Set(
  ("8086 186 80186 i186 286 80286 i286 386 80386 i386 486 80486 i486 586 pentium p5 i586 686 p6 ppro " +
    "pentiumpro i686 p2 p3 katmai p4 willamette prescott x64 x86-64 ia64 ia-64 itanium itanic merced " +
    "any all default latevex evex vex").split(" "),
);

function isPowerOfTwo(number: number): boolean {
  return number > 0 && Number.isInteger(Math.log2(number));
}

/** Whether a number fits into so many bytes, signed or not. */
function fits(number: bigint, size: number): boolean {
  if (size >= 8) return true;
  return number >= -(1n << BigInt(8 * size - 1)) && number < 1n << BigInt(8 * size);
}

/** Whether a body's bytes depend on no symbol. */
function isConstant(body: Body): boolean {
  if (body.kind === "instruction") return body.isConstant;
  if (body.kind === "reserve") return body.count.kind === "constant";
  return body.kind === "data" && body.items.every(isConstantItem);
}

function isConstantItem(item: DataItem): boolean {
  if (item.kind === "expression") return item.expression.kind === "constant";
  if (item.kind === "repeat") {
    return item.count.kind === "constant" && item.items.every(isConstantItem);
  }
  return true;
}
