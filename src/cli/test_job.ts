import type { GuestResult } from "./test_guest.ts";

/** What each thread gets: every file, and what the threads share. */
export interface Job {
  files: readonly string[];
  /** The index of the next file that nobody has taken, and whether to take no more. */
  shared: Int32Array<SharedArrayBuffer>;
}

/** A thread's message: what came of the file with this index; nothing more comes after `done`. */
export type Message = { index: number; result: GuestResult } | "done";

/** Where in {@linkcode Job.shared} the next file is. */
export const NEXT = 0;
/** Where in it a 1 says to take no more. */
export const STOP = 1;
