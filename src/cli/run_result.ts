import type { InstructionCount } from "../machine/instruction_counter.ts";
import type { Diagnosis, Proof } from "../machine/mod.ts";

/** A range of memory, and what was in it. */
export interface Dump {
  /** The guest-physical address. */
  readonly address: number;
  /** What was there in the end. */
  readonly bytes: Uint8Array;
}

/** What is known of a run as soon as the guest has stopped. */
export interface Judged {
  /** What came of it. */
  readonly proof: Proof;
  /** The place of a guest that was stopped: `0x7c05 <loop>, boot.asm:12: jmp $`. */
  readonly place: string | undefined;
}

/** All that is known of a run. */
export interface RunResult extends Judged {
  /** The exit code of the program. */
  readonly exitCode: number;
  /** Why it did not end as it should. */
  readonly diagnosis: Diagnosis | undefined;
  /** The ranges that were asked for. */
  readonly dumps: readonly Dump[];
  /** How many exits there were, by reason. */
  readonly exits: ReadonlyMap<string, number>;
  /** How long the guest ran, with what its exits took. */
  readonly milliseconds: number;
  /** How many instructions it ran, if that was asked for. */
  readonly instructions: InstructionCount | undefined;
  /** The accesses that nobody answered, with `io: log`. */
  readonly log: readonly string[];
}

/** How the times of several runs are spread, in milliseconds. */
export interface Spread {
  readonly runs: number;
  readonly median: number;
  readonly shortest: number;
  readonly longest: number;
}

/** The spread of at least one time. */
export function spread(milliseconds: readonly number[]): Spread {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return {
    runs: sorted.length,
    median: (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2,
    shortest: sorted[0]!,
    longest: sorted.at(-1)!,
  };
}
