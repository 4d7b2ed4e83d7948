/**
 * Guest programs: loading them, their directives and their expectations.
 *
 * @module
 */

export {
  applyDirective,
  type CpuidMask,
  defaultSettings,
  parseDirectives,
  type Settings,
} from "./directive.ts";
export { type Elf, type ElfSegment, parseElf } from "./elf.ts";
export { GuestError } from "./error.ts";
export {
  type Ending,
  type Expectation,
  formatEnding,
  type Names,
  type Outcome,
  parseExpectation,
  quote,
  type Verdict,
} from "./expectation.ts";
export { readGuest } from "./file.ts";
export { loadGuest } from "./load.ts";
export type { LoadOptions, Override, Program, ProgramSegment } from "./program.ts";
export { type Located, UnknownNameError } from "./scanner.ts";
export { loadSource } from "./source.ts";
