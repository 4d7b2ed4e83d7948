import { Bytes } from "./bytes.ts";
import type { Base } from "./expression.ts";

/** A section of the flat binary (NASM manual §8.1.3). */
export class Section implements Base {
  /** Its name. */
  readonly name: string;
  /** Whether it takes room in memory only; undefined until its first directive says so. */
  isNobits: boolean | undefined;
  /** Its alignment in the file; in memory, where it runs elsewhere than it is loaded. */
  align: number | undefined;
  virtualAlign: number | undefined;
  /** The last alignment it was given, whether that still holds or not. */
  lastAlign = 0;
  /** Where it begins, counted like addresses; where it runs, if elsewhere. */
  start: number | undefined;
  virtualStart: number | undefined;
  /** The name of the section that it comes after; that after which it runs. */
  follows: string | undefined;
  virtualFollows: string | undefined;
  /** The section opened before it: a section without bytes runs behind that one. */
  readonly before: Section | undefined;
  /** Whether it is no section but what follows `absolute`: its labels are plain numbers. */
  readonly isAbsolute: boolean;
  /** What such labels are relative to, where `absolute` was given an address. */
  base: Base | undefined;
  /** How far it is filled in the current pass, and after the last one its size. */
  offset = 0;
  /** Where it runs; settled after sizes are. */
  address = 0;
  /** Where it is loaded: what `section.NAME.start` stands for. */
  readonly loaded: Base & { address: number };
  /** Its bytes. */
  readonly out = new Bytes();

  constructor(
    name: string,
    { isAbsolute = false, before }: { isAbsolute?: boolean; before?: Section | undefined } = {},
  ) {
    this.name = name;
    this.isAbsolute = isAbsolute;
    this.loaded = { name, address: 0 };
    if (name === ".text" || name === ".data") this.isNobits = false;
    if (name === ".bss") this.isNobits = true;
    else this.before = before;
  }
}

/** What is wrong with the sections' attributes; they stand on no single line. */
export class PlacementError extends Error {}

/** The alignment of a section that names none; the first one begins where it begins. */
const defaultAlign = 4;

/** What stands before the rest of the chain that becomes the file. */
interface Chain {
  next: Link | undefined;
}

interface Link extends Chain {
  readonly section: Section;
}

/**
 * Gives every section its addresses, step by step as NASM does for flat binaries: those with bytes
 * are put in order and loaded one after the other; then it is settled where each runs, and where in
 * memory those without bytes are.
 *
 * @param sections The sections in the order they were opened, `.text` first.
 * @param origin The address of the first byte, if `org` says it.
 * @returns The address of the first byte.
 * @throws {PlacementError} If sections overlap or follow what does not exist.
 */
export function placeSections(sections: readonly Section[], origin: number | undefined): number {
  const real = sections.filter((section) => !section.isAbsolute);
  const reserved = real.filter((section) => section.isNobits);
  for (const section of reserved) mergeAttributes(section);
  const filled = orderByStart(orderByFollows(real.filter((section) => !section.isNobits)));
  const first = filled[0]!;
  first.start ??= origin === undefined || first.align === undefined
    ? origin ?? 0
    : alignUp(origin, first.align);
  const begin = origin ?? first.start;
  if (first.start < begin) {
    throw new PlacementError(`Section ${first.name} begins before the origin`);
  }
  load(filled, begin);
  run([...filled, ...reserved], filled.at(-1)!);
  checkOrder(filled, begin);
  for (const section of real) {
    section.loaded.address = section.start!;
    section.address = section.virtualStart!;
  }
  return begin;
}

/** In a section without bytes `start`, `align` and `follows` say where it runs. */
function mergeAttributes(section: Section): void {
  const { start, align, follows } = section;
  if (start !== undefined || align !== undefined || follows !== undefined) {
    const { virtualStart, virtualAlign, virtualFollows } = section;
    if ((virtualStart ?? virtualAlign ?? virtualFollows) !== undefined) {
      throw new PlacementError(
        `Section ${section.name} has no bytes, so start and vstart and the like exclude each other`,
      );
    }
    section.virtualStart = start;
    section.virtualAlign = align;
    section.virtualFollows = follows;
  }
  section.start = section.virtualStart;
}

/** Moves each section that `follows` another behind that one, with those that come after it. */
function orderByFollows(sections: readonly Section[]): Section[] {
  const chain: Chain = { next: undefined };
  for (const section of sections.toReversed()) chain.next = { section, next: chain.next };
  let before = chain;
  let group = chain.next;
  // Each group moves once; more rounds mean that they follow each other.
  for (let rounds = 0; group; rounds++) {
    if (rounds > sections.length ** 2) {
      throw new PlacementError(`Section ${group.section.name} follows itself`);
    }
    if (group.section.follows === undefined) {
      while (group.next && !isAstray(group.next, group)) group = group.next;
      if (!group.next) break;
      before = group;
      group = group.next;
    }
    const { name, follows } = group.section;
    let target = chain.next;
    while (target && target.section.name !== follows) target = target.next;
    if (!target) {
      throw new PlacementError(`Section ${name} follows ${follows}, which does not exist`);
    }
    if (target === group) throw new PlacementError(`Section ${name} follows itself`);
    const rival = target.next?.section;
    if (rival?.follows === follows) {
      throw new PlacementError(`Sections ${name} and ${rival!.name} cannot both follow ${follows}`);
    }
    let last: Link = group;
    while (last.next && last.next !== target && last.next.section.start === undefined) {
      last = last.next;
      if (last.next && isAstray(last.next, last)) break;
    }
    const rest: Link | undefined = last.next;
    last.next = target.next;
    target.next = group;
    before.next = rest;
    group = rest;
  }
  const ordered: Section[] = [];
  for (let link = chain.next; link; link = link.next) ordered.push(link.section);
  return ordered;
}

/** Whether a section is to follow another than the one before it. */
function isAstray({ section: { follows } }: Link, before: Link): boolean {
  return follows !== undefined && follows !== before.section.name;
}

/** Sorts by `start`; sections without one stay behind the one before them. */
function orderByStart(sections: readonly Section[]): Section[] {
  const ordered: Section[] = [];
  for (let i = 0; i < sections.length;) {
    const first = sections[i]!;
    let end = i + 1;
    while (end < sections.length && sections[end]!.start === undefined) end++;
    const at = ordered.findIndex(({ start }) => start !== undefined && (first.start ?? 0) < start);
    ordered.splice(at < 0 ? ordered.length : at, 0, ...sections.slice(i, end));
    i = end;
  }
  return ordered;
}

/** Gives each section with bytes the address where it is loaded. */
function load(sections: readonly Section[], origin: number): void {
  let end = sections[0]!.start!;
  let fixed = 0;
  for (const [i, section] of sections.entries()) {
    // The next one that cannot make way.
    if (i === fixed) {
      do fixed++; while (
        fixed < sections.length &&
        (sections[fixed]!.offset === 0 || sections[fixed]!.start === undefined)
      );
    }
    section.start ??= alignUp(end, section.align ?? defaultAlign);
    if (section.virtualFollows === undefined) {
      section.virtualStart ??= section.virtualAlign === undefined
        ? section.start
        : alignUp(end, section.virtualAlign);
    }
    if (section.start < end) continue;
    end = section.start + section.offset;
    const next = sections[fixed];
    if (!next) continue;
    if (next.start! < origin) {
      throw new PlacementError(`Section ${next.name} begins before the origin`);
    }
    if (end > next.start!) {
      throw new PlacementError(`Sections ${section.name} and ${next.name} overlap`);
    }
  }
}

/** Gives each section the address where it runs, after that of the section behind which it runs. */
function run(sections: readonly Section[], last: Section): void {
  const find = (name: string, follower: Section) => {
    const found = sections.find((each) => each.name === name);
    if (found) return found;
    throw new PlacementError(`Section ${follower.name} follows ${name}, which does not exist`);
  };
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const section of sections) {
      if (section.virtualStart !== undefined) continue;
      const before = section.virtualFollows === undefined
        ? section.before ?? last
        : find(section.virtualFollows, section);
      if (before.virtualStart === undefined) continue;
      const end = before.virtualStart + before.offset;
      section.virtualStart = alignUp(end, section.virtualAlign ?? defaultAlign);
      section.start ??= section.virtualStart;
      isMoving = true;
    }
  }
  const lost = sections.find((section) => section.virtualStart === undefined);
  if (lost) throw new PlacementError(`Section ${lost.name} follows itself`);
}

function checkOrder(sections: readonly Section[], origin: number): void {
  let end = origin;
  for (const { name, start, offset } of sections) {
    if (offset === 0) continue;
    if (start! < end) throw new PlacementError(`Section ${name} overlaps the one before it`);
    end = start! + offset;
  }
}

/** The next multiple of `align`, a power of two. */
function alignUp(address: number, align: number): number {
  return Math.ceil(address / align) * align;
}
