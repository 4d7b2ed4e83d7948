import { Bytes } from "./bytes.ts";
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
