/**
 * From lines to a binary: each line is read into a statement (`parser.ts`), directives being obeyed at
 * once (`directives.ts`). Passes over the statements settle sizes and addresses, and the last one
 * writes instructions (`encode.ts`) and data (`data.ts`) into the sections, which `layout.ts` has
 * placed.
 *
 * @module
 */

import type { AssembleOptions, Assembly, ListingRow } from "./assembly.ts";
import { Bytes } from "./bytes.ts";
import { anyCpu } from "./cpu.ts";
import {
  type DataPlace,
  includedBytes,
  isConstantData,
  reservedSize,
  reserves,
  writeData,
} from "./data.ts";
import {
  type Absolute,
  type Carried,
  Directives,
  isSame,
  type Mode,
  nothingCarried,
} from "./directives.ts";
import { encode, modesOf } from "./encode.ts";
import { AssemblyError, Messages, type SourceLine, type Span } from "./error.ts";
import {
  type Base,
  evaluate,
  type Expression,
  isAddress,
  isScalar,
  type Value,
} from "./expression.ts";
import { defaultFloatMode, floatFunction } from "./float.ts";
import type { Bits } from "./instructions.ts";
import { addressValue, type Label, Labels } from "./label.ts";
import { PlacementError, placeSections } from "./layout.ts";
import {
  laterPrefix,
  plainLines,
  type PreprocessedLine,
  type PreprocessResult,
  probePrefix,
} from "./lines.ts";
import { type BytesOf, type ListedLine, listLines, listRows } from "./listing.ts";
import {
  type Alignment,
  type Body,
  type Content,
  type Instruction,
  Parser,
  type Statement,
} from "./parser.ts";
import { mostBytes, type Section } from "./section.ts";

/**
 * Assembles a source that {@linkcode isPlain}, without loading the preprocessor.
 *
 * @throws {AssemblyError} If the source is wrong.
 */
export function assemblePlain(source: string, options: AssembleOptions = {}): Assembly {
  return new Assembler(options).assemble(plainLines(source, options.name));
}

/** A statement with all that was in force where it stands. */
export interface Item {
  readonly line: PreprocessedLine;
  readonly label: Label | undefined;
  readonly times: Expression | undefined;
  body: Exclude<Body, { kind: "directive" }> | Absolute | Ready | undefined;
  readonly mode: Mode;
  readonly section: Section;
  /** Whether its size is the same in every pass. */
  isFixed: boolean;
  /** Its offset in the section, in the latest pass. */
  offset: number;
  /** Its size in bytes, in the latest pass. */
  size: number;
  /** How often `times` repeats it. */
  count: number;
  /** Where its bytes are, if they are ready. */
  code: number;
}

/** What moves on in its section. */
type Placed = Content | Alignment | Absolute;

/** The body of a statement whose bytes are ready: what it said is not needed any more. */
export interface Ready {
  readonly kind: "ready";
}

const ready: Ready = { kind: "ready" };

/** The first pass, those that follow until nothing moves, and the one that writes. */
type Pass = "first" | "next" | "last";

/** Passes after which sizes that still change never settle. */
const mostPasses = 1000;

/** A line may not repeat itself more often than this. */
const mostTimes = 1 << 28;

/** Assembles preprocessed lines. */
export class Assembler {
  readonly #options: AssembleOptions;
  readonly #carried: Carried;
  readonly #messages = new Messages();
  readonly #labels = new Labels();
  readonly #parser: Parser;
  readonly #directives: Directives;
  readonly #items: Item[] = [];
  readonly #scratch = new Bytes();
  readonly #code = new Bytes(4096);
  #dependsOnPlace = false;
  #leftOut: Item | undefined;
  #pass: Pass = "first";
  #item!: Item;
  /** Where the statement at hand stands. One serves all: `#at` has it speak of another. */
  readonly #place = {
    line: { text: "", file: "", line: 0, depth: 0 } as SourceLine,
    bits: 16 as Bits,
    section: undefined as Base | undefined,
    offset: 0,
    isRelative: false,
    isBound: false,
    cpu: anyCpu,
    floatMode: defaultFloatMode,
    here: () => addressValue(this.#item.section.base, this.#item.offset),
    base: () => addressValue(this.#item.section.base, 0),
    missing: (label: Label, span: Span) => {
      if (this.#pass !== "last") return;
      throw new AssemblyError(this.#labels.whyMissing(label), { line: this.#item.line, span });
    },
    addressOf: (base: Base) => base.address,
    warn: (message: string, span?: Span) => {
      if (this.#pass === "last") this.#messages.warn(message, { line: this.#item.line, span });
    },
    mustBeKnown: (what: string, value: Value, span: Span) => {
      const reason = value.unknown
        ? `${what} needs a number that is known here: a symbol in it is defined later or nowhere`
        : `${what} takes a number, not an address`;
      const error = new AssemblyError(reason, { line: this.#item.line, span });
      // It is one in the first pass already.
      if (this.#pass === "first") this.#messages.keep(error);
      return error;
    },
  };

  /**
   * @param options What to assemble with.
   * @param carried What is in force before the first directive.
   */
  constructor(options: AssembleOptions, carried: Carried = nothingCarried) {
    this.#options = options;
    this.#carried = carried;
    const messages = this.#messages;
    const labels = this.#labels;
    this.#parser = new Parser({
      bits: () => this.#directives.mode.bits,
      label: (name) => labels.find(name),
      float: (name, number) => floatFunction(name, number, this.#directives.mode.floatMode),
      warn: (message, span) => messages.warn(message, { line: this.#parser.lexer.line, span }),
    });
    const { bits = 16, origin } = options;
    const { isRelative, isBound, floatMode } = carried;
    const mode = { bits, isRelative, isBound, floatMode, cpu: anyCpu };
    this.#directives = new Directives({ mode, origin }, { parser: this.#parser, labels, messages });
  }

  /** What is in force now; at the end of the source, what the first lines are to be assembled with. */
  get carried(): Carried {
    return this.#directives.mode;
  }

  assemble(preprocessed: PreprocessResult): Assembly {
    this.#read(preprocessed);
    this.#messages.throwErrors();
    if (this.#hasLateMode()) {
      return new Assembler(this.#options, this.carried).assemble(preprocessed);
    }
    this.#settle();
    return this.finish();
  }

  /** Whether NASM's later passes begin with what its first one has met only behind some statement. */
  #hasLateMode(): boolean {
    const first = this.#items.find(({ body }) => body);
    return first !== undefined && !isSame(this.carried, first.mode) &&
      !isSame(this.carried, this.#carried);
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
      const { value } = this.#labels.named(name);
      values.set(name, value && isScalar(value) ? value.number : 0n);
    }
    return values;
  }

  /** Writes the bytes, after everything is read and settled. */
  finish(): Assembly {
    this.#messages.throwErrors();
    this.#write();
    this.#messages.throwErrors();
    return this.#result();
  }

  // Reading

  #read({ lines, diagnostics }: PreprocessResult): void {
    const messages = this.#messages;
    for (const { severity, reason, line, span } of diagnostics) {
      if (severity === "error") messages.errors.push(new AssemblyError(reason, { line, span }));
      else messages.warn(reason, { line, span });
    }
    const enter = (name: string) => this.#labels.enter(name);
    for (const line of lines) {
      try {
        this.#addItem(line, this.#parser.parse(line, enter));
      } catch (error) {
        messages.keep(error);
      }
    }
    this.#directives.finish();
  }

  #addItem(line: PreprocessedLine, { label, times, body: read }: Statement): void {
    const directives = this.#directives;
    const body = read?.kind === "directive"
      ? directives.obey(read.name, read.arguments, line)
      : read;
    const equ = body?.kind === "equ" ? body.expression : undefined;
    const item: Item = {
      line,
      label: label === undefined ? undefined : this.#labels.define(label, line, equ),
      times,
      body,
      mode: directives.mode,
      section: directives.section,
      isFixed: false,
      offset: 0,
      size: 0,
      count: 1,
      code: 0,
    };
    this.#items.push(item);
    if (body?.kind === "absolute") directives.section = body.section;
    if (body?.kind === "align") directives.align(body.boundary);
    if (body && !times && isReady(body)) this.#writeAtOnce(item, body);
  }

  /** Writes what depends on no symbol when it is read, so that nothing else of it need be kept. */
  #writeAtOnce(item: Item, body: Content): void {
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
        this.#messages.errors.push(new AssemblyError("The sizes do not settle", { line }));
        return;
      }
    }
  }

  /** One pass; tells whether a label has moved. */
  #run(): boolean {
    for (const section of this.#directives.sections) section.offset = 0;
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
    const place = this.#at(item);
    const value = evaluate(body.expression, place);
    const isWrongHere = this.#pass === "first" ? value.unknown : !isScalar(value);
    const { name } = label;
    if (isWrongHere && name.startsWith(probePrefix) && !name.startsWith(laterPrefix)) {
      throw place.mustBeKnown("This directive", value, body.expression.span);
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

  /** Finds a statement's size by writing it where nobody looks. */
  #measure(item: Item, body: Placed): void {
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
    const place = this.#at(item);
    const value = evaluate(times, place);
    if (!isScalar(value)) throw place.mustBeKnown("times", value, times.span);
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
      this.#directives.origin = placeSections(this.#directives.sections, this.#directives.origin);
    } catch (error) {
      if (!(error instanceof PlacementError)) throw error;
      const line = error.section.line ?? this.#items[0]!.line;
      this.#messages.errors.push(new AssemblyError(error.message, { line }));
      return;
    }
    for (const section of this.#directives.sections) section.offset = 0;
    for (const item of this.#items) {
      const { section, body, label } = item;
      try {
        if (label && label.definedAt !== item.line && body?.kind !== "equ") {
          this.#checkSame(item, label, addressValue(section.base, item.offset));
        }
        if (!body) continue;
        if (body.kind === "ready") {
          if (section.isNobits) this.#refuseBytes(item);
          else section.out.copy(this.#code, item.code, item.code + item.size);
        } else if (body.kind === "equ") this.#equate(item);
        else this.#writeItem(item, body, section.out);
      } catch (error) {
        this.#messages.keep(error);
      }
      section.offset = item.offset + item.size;
    }
  }

  /** Appends a statement's bytes as often as it says, and moves on in its section. */
  #writeItem(item: Item, body: Placed, out: Bytes): void {
    const { section, times } = item;
    if (body.kind === "absolute") return this.#beginAbsolute(body, item);
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

  /** What stands behind `absolute` is counted from the number or the address that it gives. */
  #beginAbsolute({ expression, section }: Absolute, item: Item): void {
    const place = this.#at(item);
    const value = evaluate(expression, place);
    if (!isScalar(value) && !isAddress(value)) {
      throw place.mustBeKnown("absolute", value, expression.span);
    }
    section.base = value.terms[0]?.of as Base | undefined;
    section.offset = Number(value.number);
  }

  #writeOnce(body: Content | Alignment, item: Item, out: Bytes): void {
    const { section } = item;
    if (body.kind === "reserve") return this.#reserve(body, item, out);
    if (body.kind === "align") return this.#fillUp(body, item, out);
    const start = out.length;
    this.#append(body, item, out);
    section.offset += out.length - start;
    if (section.isNobits) {
      if (this.#pass === "last" && out.length > start) this.#refuseBytes(item);
      out.length = start;
    }
  }

  #reserve(body: Content & { kind: "reserve" }, item: Item, out: Bytes): void {
    const { section } = item;
    const size = reservedSize(body, this.#at(item));
    if (section.offset + size > mostBytes && !section.isNobits) {
      throw new AssemblyError("The binary is too large", { line: item.line });
    }
    section.offset += size;
    if (this.#pass === "last" && !section.isNobits) out.fill(0, size);
  }

  /** Fills up to a boundary. */
  #fillUp({ boundary, fill }: Alignment, item: Item, out: Bytes): void {
    const value = evaluate(boundary, this.#at(item));
    if (!isScalar(value) || value.number <= 0n) {
      const at = { line: item.line, span: boundary.span };
      throw new AssemblyError("An alignment is a power of two", at);
    }
    const align = Number(value.number);
    // As in NASM a `times` within what fills up takes the place of the padding.
    const padding = item.times ? 1 : (align - item.section.offset % align) % align;
    for (let i = 0; i < padding; i++) this.#writeOnce(fill, item, out);
  }

  /** Appends the bytes of what makes some, once. */
  #append(body: Content, item: Item, out: Bytes): void {
    const place = this.#at(item);
    switch (body.kind) {
      case "instruction":
        this.#encode(body, place, out);
        break;
      case "data":
        writeData(body, place, out);
        break;
      case "incbin":
        out.append(includedBytes(body, place, this.#options));
    }
  }

  #encode(instruction: Instruction, place: DataPlace, out: Bytes): void {
    if (!instruction.isConstant) {
      for (const operand of instruction.operands) {
        if (operand.expression) operand.value = evaluate(operand.expression, place);
        if (operand.segment) operand.segmentValue = evaluate(operand.segment, place);
      }
    }
    const start = out.length;
    try {
      this.#dependsOnPlace = encode(instruction, place, out);
    } catch (error) {
      out.length = start;
      if (this.#pass !== "last" || !(error instanceof AssemblyError)) throw error;
      const modes = modesOf(instruction, place);
      if (modes.length === 0) throw error;
      const { line } = place;
      const span = spanOf(instruction, line);
      const text = line.text.slice(span.start, span.end);
      throw new AssemblyError(`${text} needs bits ${modes.join(" or ")}`, { line, span });
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
    this.#messages.warn(`Section ${section.name} holds no bytes: these are left out`, { line });
  }

  #result(): Assembly {
    const origin = this.#directives.origin ?? 0;
    const filled = this.#directives.sections.filter((section) => section.out.length > 0);
    const last = filled.reduce(
      (end, { loaded, out }) => Math.max(end, loaded.address + out.length),
      origin,
    );
    const bytes = new Uint8Array(last - origin);
    for (const { loaded, out } of filled) bytes.set(out.view(), loaded.address - origin);
    const items = this.#items;
    const first = items.find((item) => item.size > 0);
    const labels = this.#labels;
    const bytesOf: BytesOf = (item, content) => this.#bytesOf(item, content);
    let listing: readonly ListingRow[] | undefined;
    let listed: readonly ListedLine[] | undefined;
    let symbols: ReadonlyMap<string, bigint> | undefined;
    return {
      bytes,
      origin,
      bits: first?.mode.bits ?? this.#directives.mode.bits,
      // Most programs that assemble a large source do not look at its lines and symbols.
      get listing() {
        return listing ??= listRows(items, origin);
      },
      get listed() {
        return listed ??= listLines(items, bytesOf);
      },
      get symbols() {
        return symbols ??= labels.symbols();
      },
      warnings: this.#messages.warnings,
    };
  }

  /** The bytes of a statement once more, and what is repeated once, with marks for the listing. */
  #bytesOf(item: Item, content: Content | Ready): Bytes {
    const out = new Bytes();
    if (content.kind === "ready") {
      out.copy(this.#code, item.code, item.code + item.size);
      return out;
    }
    out.marks = [];
    const { warnings } = this.#messages;
    const said = warnings.length;
    item.section.offset = item.offset;
    this.#append(content, item, out);
    warnings.length = said;
    return out;
  }

  /** Where a statement stands. */
  #at(item: Item): DataPlace {
    const { section, mode } = item;
    const place = this.#place;
    this.#item = item;
    place.line = item.line;
    place.bits = mode.bits;
    place.section = section.isAbsolute ? undefined : section.running;
    place.offset = section.offset;
    place.isRelative = mode.isRelative;
    place.isBound = mode.isBound;
    place.cpu = mode.cpu;
    place.floatMode = mode.floatMode;
    return place;
  }
}

/** Where an instruction stands in its line, from its mnemonic to its last operand. */
function spanOf({ mnemonic, operands }: Instruction, { text }: SourceLine): Span {
  const before = text.slice(0, operands[0]?.start).toLowerCase();
  const start = before.lastIndexOf(mnemonic);
  return { start, end: operands.at(-1)?.end ?? start + mnemonic.length };
}

/** Whether a statement's bytes can be written when it is read. */
function isReady(body: Placed | Body): body is Content {
  return body.kind === "instruction"
    ? body.isConstant
    : body.kind === "data" && isConstantData(body) && !reserves(body);
}

/** Whether what a statement comes to depends on no symbol. */
function isConstant(body: Placed): boolean {
  if (body.kind === "instruction") return body.isConstant;
  if (body.kind === "reserve") return body.count.kind === "constant";
  return body.kind === "data" && isConstantData(body);
}
