import { callFailed } from "./error.ts";
import { firstHolder, hold, type Holders, letGo, type Shared } from "./holders.ts";
import { cString, flags, type Libc } from "./libc.ts";

/** x86's page and KVM's unit of guest memory, in bytes. */
export const PAGE_SIZE = 4096;

/** `(void *) -1` */
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
  /** It is mapped already: another thread shares it. */
  shared?: Shared<bigint>;
}

/**
 * Memory mapped into this process.
 *
 * After {@linkcode Mapping.close} every array over it, also those the caller made from its
 * buffer, has length 0: the buffer is detached before the memory is unmapped, so that a stale
 * array reads nothing instead of crashing the process. Where threads share it, each has arrays of
 * its own, and the last to close it unmaps it.
 */
export class Mapping implements Disposable {
  readonly #libc: Libc;
  /** Where the mapping begins in this process. */
  readonly address: bigint;
  /** All of it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #size: bigint;
  readonly #isFresh: boolean;
  /** Once it is shared. */
  #holders: Holders | undefined;

  /**
   * @param size In bytes: a positive multiple of 4096.
   * @throws {KvmError} When `mmap` fails.
   * @throws {RangeError} For a size or an offset that is no integer from 0 to 2⁵³ − 1.
   * @throws {TypeError} When it was shared, and all who held it have closed it.
   */
  constructor(libc: Libc, size: number, options: MappingOptions) {
    const { shared, what } = options;
    if (shared !== undefined && !hold(shared.holders)) {
      throw new TypeError(`Cannot attach ${what}: it has been unmapped`);
    }
    this.#holders = shared?.holders;
    this.address = shared?.value ?? map(libc, size, options);
    this.#libc = libc;
    this.#size = BigInt(size);
    // Another thread's may be of a file.
    this.#isFresh = options.fd === undefined && shared === undefined;
    try {
      const pointer = Deno.UnsafePointer.create(this.address)!;
      this.bytes = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, size));
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** The pages that are not all zero, by their offset. */
  *writtenPages(): Generator<[offset: number, page: Uint8Array<ArrayBuffer>]> {
    // Fresh memory that nobody has touched is zero, and to read it costs a page fault each.
    const map = this.#isFresh ? readPageMap(this.#libc, this) : undefined;
    for (let at = 0; at < this.bytes.length; at += PAGE_SIZE) {
      if (map !== undefined && !isTouched(map, at / PAGE_SIZE)) continue;
      const page = this.bytes.subarray(at, at + PAGE_SIZE);
      if (!isZero(page)) yield [at, page];
    }
  }

  /** For {@linkcode MappingOptions.shared} in another thread. */
  share(): Shared<bigint> {
    return { value: this.address, holders: this.#holders ??= firstHolder() };
  }

  get closed(): boolean {
    return this.bytes.buffer.detached;
  }

  /** Detaches the arrays and unmaps the memory; again, it does nothing. */
  close(): void {
    if (this.closed) return;
    this.bytes.buffer.transfer(0);
    this.#release();
  }

  #release(): void {
    if (this.#holders !== undefined && !letGo(this.#holders)) return;
    this.#libc.munmap(this.address, this.#size);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** @returns Where it is. */
function map(libc: Libc, size: number, options: MappingOptions): bigint {
  const { fd, offset = 0, what } = options;
  for (const number of [size, offset]) {
    if (Number.isSafeInteger(number) && number >= 0) continue;
    throw new RangeError(
      `Cannot map ${size} bytes of ${what} at offset ${offset}: a size and an offset are multiples of ${PAGE_SIZE}`,
    );
  }
  const kind = fd === undefined
    ? flags.MAP_PRIVATE | flags.MAP_ANONYMOUS | flags.MAP_NORESERVE
    : options.private
    ? flags.MAP_PRIVATE | flags.MAP_NORESERVE
    : flags.MAP_SHARED;
  const protection = flags.PROT_READ | flags.PROT_WRITE;
  const address = libc.mmap(0n, BigInt(size), protection, kind, fd ?? -1, BigInt(offset));
  if (address === MAP_FAILED) {
    throw callFailed(`map ${size} bytes of ${what}`, "mmap", libc.errno());
  }
  return address;
}

/**
 * What the kernel has for each page of a mapping (`/proc/self/pagemap`,
 * Documentation/admin-guide/mm/pagemap.rst): 64 bits, here as two elements, the lower one first.
 *
 * @returns Nothing where it cannot be read.
 */
function readPageMap(
  libc: Libc,
  { address, bytes }: Mapping,
): Uint32Array<ArrayBuffer> | undefined {
  const path = cString("/proc/self/pagemap");
  const fd = libc.open(path, flags.O_RDONLY | flags.O_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const map = new Uint32Array(2 * bytes.length / PAGE_SIZE);
  const length = BigInt(map.byteLength);
  const result = libc.pread(fd, map, length, 8n * (address / BigInt(PAGE_SIZE)));
  libc.close(fd);
  return result === length ? map : undefined;
}

/** Bit 63: the page is in memory; bit 62: it is in the swap. */
function isTouched(map: Uint32Array, page: number): boolean {
  return map[2 * page + 1]! >>> 30 !== 0;
}

function isZero(page: Uint8Array): boolean {
  const words = new Uint32Array(page.buffer, page.byteOffset, page.length / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

/**
 * Where an array lies in this process, for a struct that points to it; whoever uses it keeps the
 * array alive. Asking for its buffer first moves a small array out of V8's heap, where the garbage
 * collector would move it.
 */
export function addressOf(array: ArrayBufferView<ArrayBuffer>): bigint {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}
