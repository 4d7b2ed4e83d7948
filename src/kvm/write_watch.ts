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
  #written: Uint32Array<ArrayBuffer>;
  /** What that call gave. */
  #taken: Uint32Array<ArrayBuffer>;

  /** Made by {@linkcode GuestMemory.watchWrites}. */
  constructor(
    words: number,
    options: { collect: () => void; closed: (watch: WriteWatch) => void },
  ) {
    this.#written = new Uint32Array(words);
    this.#taken = new Uint32Array(words);
    this.#collect = options.collect;
    this.#closed = options.closed;
  }

  /** Adds pages, a bit each. */
  addPages(pages: Uint32Array<ArrayBuffer>): void {
    const written = this.#written;
    for (let i = 0; i < written.length; i++) written[i]! |= pages[i]!;
  }

  /** Adds the pages that `length` bytes at `offset` touch. */
  addBytes(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / PAGE_SIZE);
    for (let page = Math.floor(offset / PAGE_SIZE); page <= last; page++) {
      this.#written[page >>> 5]! |= 1 << (page & 31);
    }
  }

  /**
   * The pages that were written since the last call, or since the watch began; with some KVMs those
   * too that the guest has read for the first time.
   *
   * @returns A bit a page of 4096 bytes, the lowest address in bit 0 of the first element; valid until
   * the next call.
   * @throws {TypeError} When the slot has been removed.
   */
  take(): Uint32Array<ArrayBuffer> {
    this.#collect();
    [this.#written, this.#taken] = [this.#taken, this.#written];
    this.#written.fill(0);
    return this.#taken;
  }

  /** What the host program noted since the last call of {@linkcode WriteWatch.take} is no change. */
  forget(): void {
    this.#written.fill(0);
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
