import { callFailed } from "./error.ts";
import type { Libc } from "./libc.ts";

// <asm-generic/mman-common.h>, <linux/mman.h>
const PROT_READ = 0x1;
const PROT_WRITE = 0x2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** How a mapping is made; without `fd` it is fresh memory, all zero. */
export interface MappingOptions {
  /** The file that is mapped. */
  fd?: number;
  /** Where in the file it begins, in bytes: a multiple of 4096. */
  offset?: number;
  /** Writes to a file's mapping stay in this mapping (copy on write). */
  private?: boolean;
  /** What it is, for messages: `guest RAM`. */
  what: string;
}

/**
 * Memory mapped into this process.
 *
 * After {@linkcode Mapping.close} every array over it, also those the caller made from its
 * buffer, has length 0: the buffer is detached before the memory is unmapped, so that a stale
 * array reads nothing instead of crashing the process.
 */
export class Mapping implements Disposable {
  readonly #libc: Libc;
  /** Where the mapping begins in this process. */
  readonly address: bigint;
  /** All of it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #size: bigint;

  /**
   * @param size In bytes: a positive multiple of 4096.
   * @throws {KvmError} When `mmap` fails.
   */
  constructor(libc: Libc, size: number, options: MappingOptions) {
    const { fd, offset = 0 } = options;
    const flags = fd === undefined
      ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
      : options.private
      ? MAP_PRIVATE | MAP_NORESERVE
      : MAP_SHARED;
    this.#libc = libc;
    this.#size = BigInt(size);
    this.address = libc.mmap(
      0n,
      this.#size,
      PROT_READ | PROT_WRITE,
      flags,
      fd ?? -1,
      BigInt(offset),
    );
    if (this.address === MAP_FAILED) {
      throw callFailed(`map ${size} bytes of ${options.what}`, "mmap", libc.errno());
    }
    try {
      const pointer = Deno.UnsafePointer.create(this.address)!;
      this.bytes = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, size));
    } catch (error) {
      libc.munmap(this.address, this.#size);
      throw error;
    }
  }

  get closed(): boolean {
    return this.bytes.buffer.detached;
  }

  /** Detaches the arrays and unmaps the memory; again, it does nothing. */
  close(): void {
    if (this.closed) return;
    this.bytes.buffer.transfer(0);
    this.#libc.munmap(this.address, this.#size);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
