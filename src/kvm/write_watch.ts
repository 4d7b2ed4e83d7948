import { PAGE_SIZE } from "./memory.ts";

/**
 * Notes which pages of a memory slot are written, by the guest and, as far as it says so, by the
 * host program ({@linkcode GuestMemory.watchWrites}). Several watch the same slot without taking
 * anything from each other.
 */
export class WriteWatch implements Disposable {
  readonly #collect: () => void;
  readonly #closed: (watch: WriteWatch) => void;
  /** What was written since the last call of {@linkcode WriteWatch.take}, a bit a page. */
  readonly #written: Uint32Array<ArrayBuffer>;
  /** The elements that are not 0: their number follows what was written, not the size of the slot. */
  readonly #elements: number[] = [];

  /** Made by {@linkcode GuestMemory.watchWrites}. */
  constructor(
    pages: number,
    options: { collect: () => void; closed: (watch: WriteWatch) => void },
  ) {
    this.#written = new Uint32Array(Math.ceil(pages / 32));
    this.#collect = options.collect;
    this.#closed = options.closed;
  }

  /** Adds the pages `32 * element` and on, whose `bits` are set. */
  addPages(element: number, bits: number): void {
    if (this.#written[element] === 0) this.#elements.push(element);
    this.#written[element]! |= bits;
  }

  /** Adds the pages that `length` bytes at `offset` touch. */
  addBytes(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / PAGE_SIZE);
    for (let page = Math.floor(offset / PAGE_SIZE); page <= last; page++) {
      this.addPages(page >>> 5, 1 << (page & 31));
    }
  }

  /**
   * The pages that were written since the last call, or since the watch began; with some KVMs those
   * too that the guest has read for the first time.
   *
   * @returns Their numbers, ascending: page n begins at n × 4096.
   * @throws {TypeError} When the slot has been removed.
   */
  take(): number[] {
    this.#collect();
    const pages: number[] = [];
    for (const element of this.#elements.sort((a, b) => a - b)) {
      const bits = this.#written[element]!;
      for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) pages.push(32 * element + bit);
    }
    this.forget();
    return pages;
  }

  /** What was noted since the last call of {@linkcode WriteWatch.take} is no change. */
  forget(): void {
    for (const element of this.#elements) this.#written[element] = 0;
    this.#elements.length = 0;
  }

  /** Ends the watch; again, it does nothing. */
  close(): void {
    this.#closed(this);
  }

  /** {@linkcode WriteWatch.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}
