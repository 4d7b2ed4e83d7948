import type { Section } from "./section.ts";

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
  const { loaded } = first;
  loaded.start ??= origin === undefined || loaded.align === undefined
    ? origin ?? 0
    : alignUp(origin, loaded.align);
  const begin = origin ?? loaded.start;
  if (loaded.start < begin) {
    throw new PlacementError(first, `Section ${first.name} begins before the origin`);
  }
  load(filled, begin);
  run([...filled, ...reserved], filled.at(-1)!);
  checkOrder(filled, begin);
  for (const { loaded, running } of real) {
    loaded.address = loaded.start!;
    running.address = running.start!;
  }
  return begin;
}

/** What is wrong with the attributes of a section, seen together with those of others. */
export class PlacementError extends Error {
  /** The section, or one of those that are in each other's way. */
  readonly section: Section;

  constructor(section: Section, reason: string) {
    super(reason);
    this.section = section;
  }
}

/** The alignment of a section that names none; the first one begins where it begins. */
const defaultAlign = 4;

/** What stands before the rest of the chain that becomes the file. */
interface Chain {
  next: Link | undefined;
}

interface Link extends Chain {
  readonly section: Section;
}

/** In a section without bytes `start`, `align` and `follows` say where it runs. */
function mergeAttributes(section: Section): void {
  const { name, loaded, running } = section;
  if ((loaded.start ?? loaded.align ?? loaded.follows) !== undefined) {
    if ((running.start ?? running.align ?? running.follows) !== undefined) {
      throw new PlacementError(
        section,
        `Section ${name} has no bytes, so start and vstart and the like exclude each other`,
      );
    }
    running.start = loaded.start;
    running.align = loaded.align;
    running.follows = loaded.follows;
  }
  loaded.start = running.start;
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
      throw new PlacementError(group.section, `Section ${group.section.name} follows itself`);
    }
    if (group.section.loaded.follows === undefined) {
      while (group.next && !isAstray(group.next, group)) group = group.next;
      if (!group.next) break;
      before = group;
      group = group.next;
    }
    const { section } = group;
    const { name, loaded: { follows } } = section;
    let target = chain.next;
    while (target && target.section.name !== follows) target = target.next;
    if (!target) {
      throw new PlacementError(section, `Section ${name} follows ${follows}, which does not exist`);
    }
    if (target === group) throw new PlacementError(section, `Section ${name} follows itself`);
    const rival = target.next?.section;
    if (rival?.loaded.follows === follows) {
      const reason = `Sections ${name} and ${rival!.name} cannot both follow ${follows}`;
      throw new PlacementError(section, reason);
    }
    let last: Link = group;
    while (last.next && last.next !== target && last.next.section.loaded.start === undefined) {
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
function isAstray({ section }: Link, before: Link): boolean {
  const { follows } = section.loaded;
  return follows !== undefined && follows !== before.section.name;
}

/** Sorts by `start`; sections without one stay behind the one before them. */
function orderByStart(sections: readonly Section[]): Section[] {
  const ordered: Section[] = [];
  for (let i = 0; i < sections.length;) {
    const first = sections[i]!;
    let end = i + 1;
    while (end < sections.length && sections[end]!.loaded.start === undefined) end++;
    const start = first.loaded.start ?? 0;
    const at = ordered.findIndex(({ loaded }) =>
      loaded.start !== undefined && start < loaded.start
    );
    ordered.splice(at < 0 ? ordered.length : at, 0, ...sections.slice(i, end));
    i = end;
  }
  return ordered;
}

/** Gives each section with bytes the address where it is loaded. */
function load(sections: readonly Section[], origin: number): void {
  let end = sections[0]!.loaded.start!;
  let fixed = 0;
  for (const [i, { name, loaded, running, offset: size }] of sections.entries()) {
    // The next one that cannot make way.
    if (i === fixed) {
      do fixed++; while (
        fixed < sections.length &&
        (sections[fixed]!.offset === 0 || sections[fixed]!.loaded.start === undefined)
      );
    }
    loaded.start ??= alignUp(end, loaded.align ?? defaultAlign);
    if (running.follows === undefined) {
      running.start ??= running.align === undefined ? loaded.start : alignUp(end, running.align);
    }
    if (loaded.start < end) continue;
    end = loaded.start + size;
    const next = sections[fixed];
    if (!next) continue;
    const limit = next.loaded.start!;
    if (limit < origin) {
      throw new PlacementError(next, `Section ${next.name} begins before the origin`);
    }
    if (end > limit) throw new PlacementError(next, `Sections ${name} and ${next.name} overlap`);
  }
}

/** Gives each section the address where it runs, after that of the section behind which it runs. */
function run(sections: readonly Section[], last: Section): void {
  const find = (name: string, follower: Section) => {
    const found = sections.find((each) => each.name === name);
    if (found) return found;
    throw new PlacementError(
      follower,
      `Section ${follower.name} follows ${name}, which does not exist`,
    );
  };
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const section of sections) {
      const { loaded, running } = section;
      if (running.start !== undefined) continue;
      const before = running.follows === undefined
        ? section.before ?? last
        : find(running.follows, section);
      if (before.running.start === undefined) continue;
      const end = before.running.start + before.offset;
      running.start = alignUp(end, running.align ?? defaultAlign);
      loaded.start ??= running.start;
      isMoving = true;
    }
  }
  const lost = sections.find(({ running }) => running.start === undefined);
  if (lost) throw new PlacementError(lost, `Section ${lost.name} follows itself`);
}

function checkOrder(sections: readonly Section[], origin: number): void {
  let end = origin;
  for (const section of sections) {
    const { name, loaded, offset } = section;
    if (offset === 0) continue;
    if (loaded.start! < end) {
      throw new PlacementError(section, `Section ${name} overlaps the one before it`);
    }
    end = loaded.start! + offset;
  }
}

/** The next multiple of `align`, a power of two. */
function alignUp(address: number, align: number): number {
  return Math.ceil(address / align) * align;
}
