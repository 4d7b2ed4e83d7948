/**
 * Counts the threads that hold one thing of the whole process, such as a mapping: it is there for
 * as long as one of them does, in whatever order they let it go.
 *
 * @module
 */

/** How many hold it; the same memory in every thread. */
export type Holders = Int32Array<SharedArrayBuffer>;

/** What another thread needs to hold it, too. */
export interface Shared<T> {
  /** The number of the descriptor, or the address of the mapping. */
  readonly value: T;
  /** How many hold it. */
  readonly holders: Holders;
}

/** The caller is the only one so far. */
export function firstHolder(): Holders {
  const holders = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  holders[0] = 1;
  return holders;
}

/** The caller holds it too; false where nobody does any more, and it is gone. */
export function hold(holders: Holders): boolean {
  let count = Atomics.load(holders, 0);
  while (count > 0) {
    const found = Atomics.compareExchange(holders, 0, count, count + 1);
    if (found === count) return true;
    count = found;
  }
  return false;
}

/** The caller lets it go; whether nobody holds it then, so that it is to be freed. */
export function letGo(holders: Holders): boolean {
  return Atomics.sub(holders, 0, 1) === 1;
}
