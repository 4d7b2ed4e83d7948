/**
 * Guest programs: loading them, their directives and their expectations.
 *
 * @module
 */

export { applyDirective, defaultSettings, parseDirectives, type Settings } from "./directive.ts";
export {
  type Ending,
  type Expectation,
  formatEnding,
  type Outcome,
  parseExpectation,
  quote,
  type Verdict,
} from "./expectation.ts";
export { loadSource, type Program } from "./program.ts";
export { type Located, UnknownNameError } from "./scanner.ts";
