import type { Expression, Value } from "./expression.ts";
import { unknownValue } from "./expression.ts";
import type { Register } from "./register.ts";

/** How a jump's or call's target was qualified. */
export type Distance = "short" | "near" | "far";

/** An instruction's operand as read. */
export class Operand {
  /** REGISTER, MEMORY, IMMEDIATE or FAR of `instructions.ts`. */
  readonly kind: number;
  /** The size written, or the register's; 0 if none. */
  size = 0;
  /** The register. */
  register: Register | undefined;
  /** The immediate, the far offset, or what stands in the brackets. */
  expression: Expression | undefined;
  /** The far pointer's segment. */
  segment: Expression | undefined;
  /** The expression's latest value. */
  value: Value = unknownValue;
  /** The far segment's latest value. */
  segmentValue: Value = unknownValue;
  /** `strict` was written: the size is not to be optimized. */
  strict = false;
  /** `short`, `near`, `far`. */
  distance: Distance | undefined;
  /** `to` was written (x87). */
  to = false;
  /** Memory: the segment register written in the brackets. */
  override: Register | undefined;
  /** Memory: the size written in the brackets, for displacement or address; 0 if none. */
  displacementSize = 0;
  /** Memory: whether a size above a byte was written in the brackets, the last one or not. */
  isWide = false;
  /** Memory: `a16`, `a32` or `a64` written in the brackets; 0 if none. */
  addressPrefix = 0;
  /** Memory: `rel` (true) or `abs` (false). */
  relative: boolean | undefined;
  /** Memory: `nosplit` was written. */
  nosplit = false;
  /** Where it stands in the line. */
  readonly start: number;
  /** Where it ends. */
  end: number;

  constructor(kind: number, start: number, end: number) {
    this.kind = kind;
    this.start = start;
    this.end = end;
  }
}
