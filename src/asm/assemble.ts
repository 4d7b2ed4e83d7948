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
import type { Bits } from "./instructions.ts";
import { type Body, type DataItem, type Instruction, Parser, type Statement } from "./parser.ts";
import { preprocess, type PreprocessResult, probePrefix } from "./preprocess.ts";

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
  /** Reads a file for `%include`; undefined if it does not exist. `from` is the file including it. */
  readText?: (path: string, from: string) => string | undefined;
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
  /** The file it was written in. */
  readonly file: string;
  /** Its line there, from 1. */
  readonly line: number;
  /** Its text, macros expanded. */
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
 * Assembles a source in NASM's syntax into a flat binary, byte for byte as NASM 2.16.01 does
 * (`nasm -f bin`).
 *
 * @param source The source.
 * @param options Its name, the mode it begins in, and how files are read.
 * @returns The bytes, with their listing and symbols.
 * @throws {AssemblyError} If the source is wrong. Its `errors` has every error found.
 *
 * @example Usage
 * ```ts
 * import { assemble } from "@hlt/hlt/asm";
 * import { assertEquals } from "@std/assert";
 *
 * const { bytes } = assemble("mov ax, 42\nhlt");
 * assertEquals([...bytes], [0xB8, 42, 0, 0xF4]);
 * ```
 */
export function assemble(source: string, options: AssembleOptions = {}): Assembly {
  // Where the preprocessor needs values that only the assembler knows, both run in rounds until the
  // values no longer change.
  let known: ReadonlyMap<string, bigint> = new Map();
  for (let round = 1;; round++) {
    const preprocessed = preprocess(source, { ...options, known });
    const { probes } = preprocessed;
    if (probes.length === 0) return new Assembler(options).assemble(preprocessed);
    const assembler = new Assembler(options);
    const found = assembler.probe(preprocessed);
    const isSettled = round > 1 && probes.length === known.size &&
      probes.every((name) => known.get(name) === found.get(name));
    if (isSettled || round === mostRounds) return assembler.finish();
    known = found;
  }
}

/** Rounds after which values that still change are left as they are. */
const mostRounds = 50;

/** A section of the flat binary. */
interface Section extends Base {
  readonly name: string;
  /** Where its labels count from, if it is no section but `absolute`. */
  absolute: Expression | undefined;
  /** How far it is filled in the current pass. */
  offset: number;
  /** Its first byte's address. */
  address: number;
  /** Its bytes, in the last pass. */
  readonly out: Bytes;
}

/** A statement with all that was in force where it stands. */
interface Item {
  readonly line: SourceLine;
  readonly label: Label | undefined;
  readonly times: Expression | undefined;
  readonly body: Body | undefined;
  readonly bits: Bits;
  readonly section: Section;
  readonly isRelative: boolean;
  /** Whether its size is the same in every pass. */
  isFixed: boolean;
  /** Its offset in the section, in the latest pass. */
  offset: number;
  /** Its size in bytes, in the latest pass. */
  size: number;
}

/** Passes after which sizes that still change never settle. */
const mostPasses = 1000;

/** More errors than these help nobody. */
const mostErrors = 100;

class Assembler {
  readonly #options: AssembleOptions;
  readonly #parser: Parser;
  readonly #labels = new Map<string, Label>();
  readonly #items: Item[] = [];
  readonly #sections: Section[] = [];
  readonly #errors: AssemblyError[] = [];
  readonly #warnings: AssemblyWarning[] = [];
  readonly #scratch = new Bytes();
  #section: Section;
  #bits: Bits;
  #origin: number;
  #hasOrigin = false;
  #isRelative = false;
  #parent = "";
  #isFinal = false;

  constructor(options: AssembleOptions) {
    this.#options = options;
    this.#bits = options.bits ?? 16;
    this.#origin = options.origin ?? 0;
    this.#parser = new Parser((name) => this.#label(name));
    this.#section = this.#openSection(".text");
  }

  assemble(preprocessed: PreprocessResult): Assembly {
    this.#read(preprocessed);
    this.#throwErrors();
    this.#settle();
    return this.finish();
  }

  /** The values of the preprocessor's probes as far as they can be told, whatever else is wrong. */
  probe(preprocessed: PreprocessResult): Map<string, bigint> {
    try {
      this.#read(preprocessed);
    } catch (error) {
      // There are too many errors: `finish` throws them, unless another round makes up for them.
      if (!(error instanceof AssemblyError)) throw error;
    }
    this.#settle();
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
    this.#emit();
    this.#throwErrors();
    return this.#result();
  }

  #read({ lines, diagnostics }: PreprocessResult): void {
    for (const { severity, reason, line, span } of diagnostics) {
      if (severity === "error") this.#errors.push(new AssemblyError(reason, { line, span }));
      else this.#warnings.push({ message: reason, file: line.file, line: line.line, column: 1 });
    }
    this.#parse(lines);
  }

  #throwErrors(): void {
    const first = this.#errors[0];
    if (!first) return;
    first.errors = this.#errors;
    throw first;
  }

  /** Runs `action` and collects its error; tells whether there was none. */
  #attempt(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if (!(error instanceof AssemblyError)) throw error;
      this.#errors.push(error);
      if (this.#errors.length >= mostErrors) this.#throwErrors();
      return false;
    }
  }

  // Reading

  #parse(lines: readonly SourceLine[]): void {
    for (const line of lines) {
      this.#attempt(() => this.#parseLine(line));
    }
  }

  #parseLine(line: SourceLine): void {
    const statement = this.#parser.parse(line, (name) => this.#enter(name));
    const { body } = statement;
    if (body?.kind === "directive") {
      this.#directive(body.name, body.start, line);
      this.#addItem(line, { ...statement, body: undefined });
    } else this.#addItem(line, statement);
  }

  #addItem(line: SourceLine, statement: Statement): void {
    const { label, times, body } = statement;
    this.#items.push({
      line,
      label: label === undefined ? undefined : this.#define(label, line),
      times,
      body,
      bits: this.#bits,
      section: this.#section,
      isRelative: this.#isRelative,
      isFixed: false,
      offset: 0,
      size: 0,
    });
  }

  /** A name that is not local begins the scope of the local ones after it. */
  #enter(name: string): void {
    if (!name.startsWith(".")) this.#parent = name;
  }

  /** The label of a name as written: `.x` belongs to the last name that is not local. */
  #label(written: string): Label {
    const isLocal = written.startsWith(".") && !written.startsWith("..");
    const name = isLocal ? this.#parent + written : written;
    let label = this.#labels.get(name);
    if (!label) this.#labels.set(name, label = new Label(name));
    return label;
  }

  #define(written: string, line: SourceLine): Label {
    const label = this.#label(written);
    if (label.definedAt) {
      throw new AssemblyError(
        `Symbol "${label.name}" is already defined on line ${label.definedAt.line}`,
        { line },
      );
    }
    label.definedAt = line;
    return label;
  }

  #openSection(name: string): Section {
    let section = this.#sections.find((candidate) => candidate.name === name);
    if (!section) {
      section = { name, absolute: undefined, offset: 0, address: 0, out: new Bytes() };
      this.#sections.push(section);
    }
    return section;
  }

  #directive(name: string, start: number, line: SourceLine): void {
    const { lexer } = this.#parser;
    const isBracketed = line.text.trimStart().startsWith("[");
    switch (name) {
      case "bits": {
        const bits = Number(this.#number());
        if (bits !== 16 && bits !== 32 && bits !== 64) {
          throw new AssemblyError(`bits takes 16, 32 or 64, not ${bits}`, { line });
        }
        this.#bits = bits;
        break;
      }
      case "use16":
      case "use32":
      case "use64":
        this.#bits = Number(name.slice(3)) as Bits;
        break;
      case "org":
        if (this.#hasOrigin) throw new AssemblyError("org may be written once", { line });
        this.#hasOrigin = true;
        this.#origin = Number(this.#number());
        break;
      case "default": {
        const word = lexer.text.toLowerCase();
        if (lexer.kind !== "name" || (word !== "rel" && word !== "abs")) {
          throw lexer.error(`Expected rel or abs, found ${lexer.written()}`);
        }
        this.#isRelative = word === "rel";
        lexer.next();
        break;
      }
      default:
        throw lexer.error(`The directive ${name} is not supported`, {
          start,
          end: start + name.length,
        });
    }
    if (isBracketed) lexer.expect("]");
    this.#parser.finish();
  }

  /** A number that a directive needs at once. */
  #number(): bigint {
    const { lexer } = this.#parser;
    const expression = this.#parser.expression();
    const nothing = () => scalar(0n);
    const value = evaluate(expression, {
      line: lexer.line,
      here: nothing,
      base: nothing,
      missing: (label) => {
        throw lexer.error(
          `Symbol "${label.name}" is not defined before it is needed`,
          expression.span,
        );
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
    for (let pass = 1;; pass++) {
      if (!this.#pass(pass === 1)) return;
      if (pass === mostPasses) {
        const line = this.#items.find((item) => !item.isFixed)!.line;
        this.#errors.push(new AssemblyError("The sizes do not settle", { line }));
        return;
      }
    }
  }

  /** One pass; tells whether a label has moved. */
  #pass(isFirst: boolean): boolean {
    for (const section of this.#sections) section.offset = 0;
    let hasMoved = isFirst;
    for (const item of this.#items) {
      const { section, label, body } = item;
      item.offset = section.offset;
      if (label && body?.kind !== "equ") {
        if (!label.known || label.offset !== section.offset) hasMoved = true;
        label.offset = section.offset;
        label.base = section;
        label.known = true;
      }
      if (!item.isFixed) {
        try {
          if (body?.kind === "equ") hasMoved = this.#equate(item) || hasMoved;
          else item.size = this.#measure(item, isFirst);
        } catch (error) {
          if (!(error instanceof AssemblyError)) throw error;
          // What is wrong now may come right when later labels are known; if not, the last pass
          // tells.
          item.size = 0;
        }
      }
      section.offset += item.size;
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
    label.value = value;
    label.known = !value.unknown;
    return !before || before.number !== value.number || before.unknown !== value.unknown;
  }

  #scope(item: Item): Scope {
    const { section } = item;
    const at = (offset: number): Value => ({
      number: BigInt(offset),
      terms: [{ of: section, factor: 1, scaled: false }],
      unknown: false,
    });
    return {
      line: item.line,
      here: () => at(item.offset),
      base: () => at(0),
      ...(this.#isFinal
        ? { missing: (label: Label, span: Span) => undefinedSymbol(item, label, span) }
        : {}),
    };
  }

  #measure(item: Item, isFirst: boolean): number {
    const { body } = item;
    if (!body) {
      item.isFixed = true;
      return 0;
    }
    this.#scratch.length = 0;
    this.#write(item, this.#scratch);
    if (isFirst) item.isFixed = !item.times && isConstant(body);
    return this.#scratch.length * this.#count(item);
  }

  #count(item: Item): number {
    if (!item.times) return 1;
    const value = evaluate(item.times, this.#scope(item));
    if (value.unknown) return 0;
    if (!isScalar(value)) {
      throw new AssemblyError("times takes a number", { line: item.line, span: item.times.span });
    }
    if (value.number < 0n) {
      throw new AssemblyError(`times takes no negative number: ${value.number}`, {
        line: item.line,
        span: item.times.span,
      });
    }
    return Number(value.number);
  }

  // Writing

  #emit(): void {
    this.#isFinal = true;
    let address = this.#origin;
    for (const section of this.#sections) {
      section.address = address;
      address += section.offset;
    }
    for (const item of this.#items) {
      this.#attempt(() => {
        if (item.body?.kind === "equ") {
          this.#equate(item);
          return;
        }
        if (!item.body) return;
        const { out } = item.section;
        const count = this.#count(item);
        for (let i = 0; i < count; i++) this.#write(item, out);
      });
    }
  }

  /** Appends a statement's bytes, once. */
  #write(item: Item, out: Bytes): void {
    const body = item.body!;
    switch (body.kind) {
      case "instruction":
        this.#evaluateOperands(body, item);
        encode(body, this.#place(item, out), out);
        break;
      case "data":
        for (const datum of body.items) this.#writeDatum(datum, body.unit, item, out);
        break;
    }
  }

  #place(item: Item, out: Bytes): Place {
    const isFinal = this.#isFinal;
    return {
      line: item.line,
      bits: item.bits,
      section: item.section,
      offset: isFinal ? out.length : item.offset,
      isRelative: item.isRelative,
      addressOf: (base) => isFinal ? (base as Section).address : 0,
      warn: (message, span) => {
        const { file, line } = item.line;
        if (isFinal) this.#warnings.push({ message, file, line, column: span.start + 1 });
      },
    };
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
      case "expression": {
        const value = evaluate(datum.expression, this.#scope(item));
        out.number(finalValue(value, this.#place(item, out), datum.expression.span), unit);
        break;
      }
      case "reserved":
        out.fill(0, unit);
        break;
    }
  }

  #result(): Assembly {
    const all = new Bytes(this.#sections.reduce((sum, { out }) => sum + out.length, 0));
    for (const { out } of this.#sections) all.append(out.view());
    const symbols = new Map<string, bigint>();
    for (const label of this.#labels.values()) {
      if (!label.definedAt || label.name.startsWith(probePrefix)) continue;
      const value = label.evaluate();
      symbols.set(
        label.name,
        value.terms.reduce(
          (sum, { of, factor }) => sum + BigInt((of as Section).address * factor),
          value.number,
        ),
      );
    }
    const bytes = all.view();
    const base = (section: Section) => section.address - this.#origin;
    const listing = this.#items.map((item): ListingRow => ({
      offset: base(item.section) + item.offset,
      address: item.section.address + item.offset,
      length: item.size,
      file: item.line.file,
      line: item.line.line,
      source: item.line.text,
      depth: item.line.depth,
      bits: item.bits,
    }));
    const bits = listing.find((row) => row.length > 0)?.bits ?? this.#bits;
    return {
      bytes,
      origin: this.#origin,
      bits,
      listing,
      symbols,
      warnings: this.#warnings,
    };
  }
}

function undefinedSymbol(item: Item, label: Label, span: Span): void {
  throw new AssemblyError(`Symbol "${label.name}" is not defined`, { line: item.line, span });
}

/** Whether a body's bytes depend on no symbol. */
function isConstant(body: Body): boolean {
  if (body.kind === "instruction") return body.isConstant;
  if (body.kind !== "data") return false;
  return body.items.every((item) =>
    item.kind === "string" || item.kind === "reserved" ||
    (item.kind === "expression" && item.expression.kind === "constant")
  );
}
