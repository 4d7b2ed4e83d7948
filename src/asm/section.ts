import { Bytes } from "./bytes.ts";
import type { AssemblyError, SourceLine } from "./error.ts";
import type { Base } from "./expression.ts";

/** Where a section is loaded or where it runs: what its attributes say, and what they come to. */
export class Placement implements Base {
  /** The section's name. */
  readonly name: string;
  /** Its address, once sizes are settled. */
  address = 0;
  /** Where it is to be. */
  start: number | undefined;
  /** What that is to be a multiple of. */
  align: number | undefined;
  /** The last alignment it was given, whether that still holds or not. */
  lastAlign = 0;
  /** The name of the section behind which it is to be. */
  follows: string | undefined;

  constructor(name: string) {
    this.name = name;
  }
}

/** A section, and with it the binary, is not larger than this. */
export const mostBytes: number = 1 << 30;

/** A section of the flat binary (NASM manual §8.1.3), or what stands behind `absolute`. */
export class Section {
  /** Its name. */
  readonly name: string;
  /** Whether it takes room in memory only; undefined until its first directive says so. */
  isNobits: boolean | undefined;
  /** Where it is loaded, `start` and the like: what `section.NAME.start` stands for. */
  readonly loaded: Placement;
  /** Where it runs, `vstart` and the like: what its labels are relative to. */
  readonly running: Placement;
  /** What its labels are relative to; undefined behind `absolute` with a number: they are numbers. */
  base: Base | undefined;
  /** The section opened before it: a section without bytes runs behind that one. */
  readonly before: Section | undefined;
  /** The directive that it was last opened by, if any. */
  line: SourceLine | undefined;
  /** Whether it is no section but what follows `absolute`. */
  readonly isAbsolute: boolean;
  /** How far it is filled in the current pass, and after the last one its size. */
  offset = 0;
  /** Its bytes. */
  readonly out = new Bytes();

  constructor(
    name: string,
    { isAbsolute = false, before }: { isAbsolute?: boolean; before?: Section | undefined } = {},
  ) {
    this.name = name;
    this.isAbsolute = isAbsolute;
    this.loaded = new Placement(name);
    this.running = new Placement(name);
    if (!isAbsolute) this.base = this.running;
    if (name === ".text" || name === ".data") this.isNobits = false;
    if (name === ".bss" || isAbsolute) this.isNobits = true;
    if (name !== ".bss") this.before = before;
  }
}

/** What an attribute's number hangs on, and how it fails. */
interface AttributeContext {
  /** The value of the expression that begins at a place in the attribute. */
  readonly evaluate: (from: number) => number;
  readonly fail: Fail;
}

/** Makes an error of what is wrong with an attribute. */
type Fail = (reason: string) => AssemblyError;

/**
 * Obeys an attribute such as `align=16` or `nobits`.
 *
 * @param section The section.
 * @param text The attribute as written.
 * @param context How it is evaluated, and how it fails.
 * @returns Whether it says anything.
 */
export function setAttribute(
  section: Section,
  text: string,
  { evaluate, fail }: AttributeContext,
): boolean {
  const [, name = "", value] = /^(\w+)(?:=(.*))?$/s.exec(text) ?? [];
  const attribute = name.toLowerCase();
  if (value === undefined) return setType(section, attribute, fail);
  const [, isVirtual, kind] = /^(v?)(start|align|follows)$/.exec(attribute) ?? [];
  const placement = isVirtual ? section.running : section.loaded;
  if (kind === "follows") {
    if (value === "") throw fail("Expected a section's name");
    if (placement.start !== undefined) throw fail(`Section ${section.name} has a start already`);
    placement.follows = value;
    return true;
  }
  if (kind === undefined || value === "") return false;
  const number = evaluate(name.length + 1);
  if (!Number.isSafeInteger(number) || number < 0) throw fail("Expected an address");
  if (kind === "start") setStart(placement, number, fail);
  else setAlign(placement, number, fail);
  return true;
}

function setType(section: Section, attribute: string, fail: Fail): boolean {
  const isNobits = attribute === "nobits";
  if (!isNobits && attribute !== "progbits") return false;
  section.isNobits ??= isNobits;
  if (section.isNobits === isNobits) return true;
  throw fail(`Section ${section.name} ${isNobits ? "holds" : "has no"} bytes already`);
}

function setStart(placement: Placement, start: number, fail: Fail): void {
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

function setAlign(placement: Placement, align: number, fail: Fail): void {
  if (!isPowerOfTwo(align)) throw fail(`An alignment is a power of two, not ${align}`);
  const larger = Math.max(align, placement.align ?? 0);
  const { start } = placement;
  if (start !== undefined && start % larger !== 0) {
    throw fail(`The start ${start} is not aligned to ${larger}`);
  }
  placement.align = placement.lastAlign = larger;
}

/** Whether a number can be an alignment. */
export function isPowerOfTwo(number: number): boolean {
  return number > 0 && Number.isInteger(Math.log2(number));
}
