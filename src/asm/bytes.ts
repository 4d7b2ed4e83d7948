/** What some bytes are, for a listing. */
export interface Mark {
  /** An address, a distance to one in another section, or reserved space. */
  readonly kind: "address" | "distance" | "space";
  /** Where the bytes begin. */
  readonly at: number;
  /** How many they are. */
  readonly size: number;
  /** An address as it is before its section is placed. */
  readonly value: bigint;
}

/** Bytes that grow at the end; numbers go in little-endian. */
export class Bytes {
  /** How many there are. */
  length = 0;
  /** What they are, in their order; kept only if somebody asks for it. */
  marks: Mark[] | undefined;
  #buffer: Uint8Array<ArrayBuffer>;

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.length));
    this.#buffer = larger;
  }

  /** Appends a byte. */
  byte(value: number): void {
    if (this.length === this.#buffer.length) this.reserve(1);
    this.#buffer[this.length++] = value;
  }

  /** Appends the low `size` bytes of a number. */
  number(value: bigint, size: number): void {
    this.reserve(size);
    if (size <= 4) {
      const low = Number(BigInt.asIntN(32, value));
      for (let i = 0; i < size; i++) this.#buffer[this.length++] = low >> 8 * i;
      return;
    }
    for (let rest = value, i = 0; i < size; i++, rest >>= 8n) {
      this.#buffer[this.length++] = Number(rest & 0xFFn);
    }
  }

  /** Overwrites the `size` bytes at `offset` with the low bytes of a number. */
  patch(offset: number, value: number, size: number): void {
    for (let i = 0; i < size; i++) this.#buffer[offset + i] = value >> 8 * i;
  }

  /** Appends a string of bytes, one character each. */
  text(bytes: string): void {
    this.reserve(bytes.length);
    for (let i = 0; i < bytes.length; i++) this.#buffer[this.length++] = bytes.charCodeAt(i);
  }

  /** Appends bytes. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Appends the bytes of `from` between two places. */
  copy(from: Bytes, start: number, end: number): void {
    this.reserve(end - start);
    for (let i = start; i < end; i++) this.#buffer[this.length++] = from.#buffer[i]!;
  }

  /** Appends `count` times the same byte. */
  fill(value: number, count: number): void {
    this.reserve(count);
    this.#buffer.fill(value, this.length, this.length + count);
    this.length += count;
  }

  /** Makes what was appended since `start` stand there `count` times. */
  repeat(start: number, count: number): void {
    const size = this.length - start;
    this.reserve(size * (count - 1));
    for (let i = 1; i < count; i++) {
      this.#buffer.copyWithin(this.length, start, start + size);
      this.length += size;
    }
  }

  /** The bytes from `start` to `end`, shared until the next byte is appended. */
  view(start = 0, end: number = this.length): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(start, end);
  }
}
