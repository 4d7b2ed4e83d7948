import { Bytes } from "./bytes.ts";
import type { Base } from "./expression.ts";

/** A section of the flat binary (NASM manual §8.1.3). */
export class Section implements Base {
  /** Its name. */
  readonly name: string;
  /** Whether it takes room in memory only. */
  isNobits: boolean;
  /** Its alignment in the file, as far as told. */
  align: number | undefined;
  /** Its alignment in memory, where it runs elsewhere than it is loaded. */
  virtualAlign: number | undefined;
  /** Where it begins, counted like addresses; where it runs, if elsewhere. */
  start: number | undefined;
  virtualStart: number | undefined;
  /** The name of the section that it comes after; that after which it runs. */
  follows: string | undefined;
  virtualFollows: string | undefined;
  /** Whether it is no section but what follows `absolute`: its labels are plain numbers. */
  readonly isAbsolute: boolean;
  /** How far it is filled in the current pass, and after the last one its size. */
  offset = 0;
  /** Where it is loaded, and where it runs; settled after sizes are. */
  loadAddress = 0;
  address = 0;
  /** Its bytes. */
  readonly out = new Bytes();

  constructor(name: string, { isAbsolute = false } = {}) {
    this.name = name;
    this.isAbsolute = isAbsolute;
    this.isNobits = name === ".bss";
  }
}

/** What is wrong with the sections' attributes; they stand on no single line. */
export class PlacementError extends Error {}

/** The alignment of a section that names none; the first one begins where it begins. */
const defaultAlign = 4;

/**
 * Gives every section its addresses, as NASM does for flat binaries: `.text` first, the others in
 * the order they were opened, each after the one before unless it says `start=` or `follows=`, and
 * those without bytes last.
 *
 * @param sections The sections in the order they were opened.
 * @param origin The address of the first one.
 * @throws {PlacementError} If sections overlap or follow what does not exist.
 */
export function placeSections(sections: readonly Section[], origin: number): void {
  const real = sections.filter((section) => !section.isAbsolute);
  const first = real.filter((section) => section.name === ".text");
  const others = real.filter((section) => section.name !== ".text");
  const ordered = chain([...first, ...others].filter((section) => !section.isNobits), real);
  let end = origin;
  let isFirst = true;
  for (const section of [...ordered, ...chain(real.filter((each) => each.isNobits), real)]) {
    const align = isFirst ? 1 : section.align ?? defaultAlign;
    const follows = section.follows === undefined
      ? undefined
      : real.find((each) => each.name === section.follows)!;
    const after = follows ? follows.loadAddress + follows.offset : end;
    section.loadAddress = section.start ?? alignUp(after, align);
    if (section.loadAddress < origin) {
      throw new PlacementError(`Section ${section.name} begins below the origin`);
    }
    end = section.loadAddress + section.offset;
    isFirst = false;
  }
  checkOverlap(ordered);
  for (const section of real) section.address = virtualAddress(section, real, new Set());
}

/** Puts each section that follows another right behind it. */
function chain(sections: readonly Section[], real: readonly Section[]): Section[] {
  const ordered = sections.filter((section) => section.follows === undefined);
  const waiting = sections.filter((section) => section.follows !== undefined);
  for (const section of waiting) {
    if (!real.some((each) => each.name === section.follows)) {
      throw new PlacementError(
        `Section ${section.name} follows ${section.follows}, which does not exist`,
      );
    }
    const rival = waiting.find((each) => each !== section && each.follows === section.follows);
    if (rival) {
      throw new PlacementError(
        `Sections ${section.name} and ${rival.name} cannot both follow ${section.follows}`,
      );
    }
  }
  while (waiting.length > 0) {
    const next = waiting.findIndex((section) =>
      ordered.some((each) => each.name === section.follows) ||
      !sections.some((each) => each.name === section.follows)
    );
    if (next < 0) throw new PlacementError(`Section ${waiting[0]!.name} follows itself`);
    const [section] = waiting.splice(next, 1);
    ordered.splice(ordered.findIndex((each) => each.name === section!.follows) + 1, 0, section!);
  }
  return ordered;
}

function checkOverlap(sections: readonly Section[]): void {
  const filled = sections.filter((section) => section.offset > 0)
    .sort((a, b) => a.loadAddress - b.loadAddress);
  for (let i = 1; i < filled.length; i++) {
    const before = filled[i - 1]!;
    if (before.loadAddress + before.offset > filled[i]!.loadAddress) {
      throw new PlacementError(`Sections ${before.name} and ${filled[i]!.name} overlap`);
    }
  }
}

/** Where a section runs: where it is loaded unless it says `vstart=`, `vfollows=` or `valign=`. */
function virtualAddress(section: Section, real: readonly Section[], seen: Set<Section>): number {
  if (section.virtualStart !== undefined) return section.virtualStart;
  if (section.virtualFollows === undefined) {
    return alignUp(section.loadAddress, section.virtualAlign ?? 1);
  }
  const before = real.find((each) => each.name === section.virtualFollows);
  if (!before || seen.has(section)) {
    throw new PlacementError(
      `Section ${section.name} follows ${section.virtualFollows}, which does not exist or follows it`,
    );
  }
  seen.add(section);
  const end = virtualAddress(before, real, seen) + before.offset;
  return alignUp(end, section.virtualAlign ?? section.align ?? defaultAlign);
}

/** The next multiple of `align`, a power of two. */
function alignUp(address: number, align: number): number {
  return Math.ceil(address / align) * align;
}
