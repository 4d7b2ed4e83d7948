/**
 * C struct layouts, declared once: sizes and offsets follow the System V ABI's rules for x86-64
 * (each field at the next multiple of its alignment, the whole rounded up to the largest one), and
 * a test compares every one of them with the kernel's header through a C compiler.
 *
 * A layout keeps the C names of its fields; the value that is read from it or written to it has
 * the same names in camelCase (`apic_base` → `apicBase`). Padding is laid out but has no value.
 *
 * @module
 */

/** One field's place in memory and its conversion; all numbers are little-endian. */
export interface Field<T> {
  /** In bytes. */
  readonly size: number;
  /** In bytes. */
  readonly align: number;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, value: T): void;
}

/** Room that the kernel reserves. */
export interface Padding extends Field<undefined> {
  readonly padding: true;
}

/** The layout of one C struct. */
export interface Struct<T> extends Field<T> {
  /** The struct's C name: `kvm_regs`, or `kvm_run.io` for a member of another struct. */
  readonly name: string;
  /** C name to offset and field, in the order of the declaration. */
  readonly fields: ReadonlyMap<string, { readonly offset: number; readonly field: Field<unknown> }>;
  /**
   * A buffer of the struct's size holding `value`; fields that are left out are zero.
   *
   * @throws {RangeError} When a field cannot hold its value.
   */
  encode(value?: Partial<T>): Uint8Array<ArrayBuffer>;
  /** The value that `bytes` hold. */
  decode(bytes: Uint8Array): T;
  /**
   * Writes only the fields that `value` has.
   *
   * @throws {RangeError} When a field cannot hold its value; those before it are written.
   */
  assign(view: DataView, offset: number, value: Partial<T>): void;
  /** The offset of a field by its C name. */
  offsetOf(field: string): number;
}

/** A value that a field cannot hold; the struct says which field that is. */
class OutOfRange extends RangeError {}

/** C would cut a number that does not fit. One of that many bits fits, signed or not: `~1` is 2³² − 2. */
function fitting(value: number, bits: 8 | 16 | 32): number {
  if (Number.isInteger(value) && -(2 ** (bits - 1)) <= value && value < 2 ** bits) return value;
  throw new OutOfRange(`${value} is no integer of ${bits} bits`);
}

/** {@linkcode fitting} */
function fitting64(value: bigint): bigint {
  const fits = BigInt.asUintN(64, value) === value || BigInt.asIntN(64, value) === value;
  if (fits) return value;
  throw new OutOfRange(`${value} is no integer of 64 bits`);
}

export const u8: Field<number> = {
  size: 1,
  align: 1,
  read: (view, offset) => view.getUint8(offset),
  write: (view, offset, value) => view.setUint8(offset, fitting(value, 8)),
};

export const u16: Field<number> = {
  size: 2,
  align: 2,
  read: (view, offset) => view.getUint16(offset, true),
  write: (view, offset, value) => view.setUint16(offset, fitting(value, 16), true),
};

export const u32: Field<number> = {
  size: 4,
  align: 4,
  read: (view, offset) => view.getUint32(offset, true),
  write: (view, offset, value) => view.setUint32(offset, fitting(value, 32), true),
};

export const s16: Field<number> = {
  size: 2,
  align: 2,
  read: (view, offset) => view.getInt16(offset, true),
  write: (view, offset, value) => view.setInt16(offset, fitting(value, 16), true),
};

export const s32: Field<number> = {
  size: 4,
  align: 4,
  read: (view, offset) => view.getInt32(offset, true),
  write: (view, offset, value) => view.setInt32(offset, fitting(value, 32), true),
};

/** A register or anything else that needs all 64 bits. */
export const u64: Field<bigint> = {
  size: 8,
  align: 8,
  read: (view, offset) => view.getBigUint64(offset, true),
  write: (view, offset, value) => view.setBigUint64(offset, fitting64(value), true),
};

export const s64: Field<bigint> = {
  size: 8,
  align: 8,
  read: (view, offset) => view.getBigInt64(offset, true),
  write: (view, offset, value) => view.setBigInt64(offset, fitting64(value), true),
};

/** A guest-physical address, a size or an offset: 64 bits of which a `number` holds 53. */
export const address: Field<number> = {
  size: 8,
  align: 8,
  read: (view, offset) => Number(view.getBigUint64(offset, true)),
  write(view, offset, value) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new OutOfRange(`${value} is no integer from 0 to 2⁵³ − 1`);
    }
    view.setBigUint64(offset, BigInt(value), true);
  },
};

/** A byte that the kernel uses as a truth value. */
export const bool8: Field<boolean> = {
  size: 1,
  align: 1,
  read: (view, offset) => view.getUint8(offset) !== 0,
  write: (view, offset, value) => view.setUint8(offset, value ? 1 : 0),
};

/** An array of bytes; reading gives a copy. */
export function bytes(length: number): Field<Uint8Array> {
  const at = (view: DataView, offset: number) =>
    new Uint8Array(view.buffer, view.byteOffset + offset, length);
  return {
    size: length,
    align: 1,
    read: (view, offset) => at(view, offset).slice(),
    write(view, offset, value) {
      if (value.length !== length) {
        throw new OutOfRange(`it has ${value.length} bytes instead of ${length}`);
      }
      at(view, offset).set(value);
    },
  };
}

/** An array of `length` elements, one behind the other; those that a shorter one lacks stay. */
export function array<T>(element: Field<T>, length: number): Field<T[]> {
  return {
    get size() {
      return element.size * length;
    },
    get align() {
      return element.align;
    },
    read: (view, offset) =>
      Array.from({ length }, (_, i) => element.read(view, offset + i * element.size)),
    write(view, offset, value) {
      if (value.length > length) {
        throw new OutOfRange(`it has ${value.length} elements instead of at most ${length}`);
      }
      for (const [i, item] of value.entries()) element.write(view, offset + i * element.size, item);
    },
  };
}

/** Room for `length` elements of `element` that has no value. */
export function padding(length: number, element: Field<unknown> = u8): Padding {
  return {
    padding: true,
    size: element.size * length,
    align: element.align,
    read: () => undefined,
    write: () => {},
  };
}

type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

type Declaration = Record<string, Field<never>>;

/** The value of a struct: camelCase names, padding left out. */
type ValueOf<D> = {
  [K in keyof D as D[K] extends Padding ? never : CamelCase<K & string>]: D[K] extends
    { read(view: DataView, offset: number): infer T } ? T : never;
};

const camelCase = (name: string) => name.replace(/_([a-z0-9])/g, (_, c) => c.toUpperCase());

/**
 * The struct `name` with the fields of `declaration`, in their order. It is laid out when it is first
 * used: most programs need a few of all.
 */
export function struct<const D>(name: string, declaration: D): Struct<ValueOf<D>> {
  return new Layout(name, declaration as Declaration) as unknown as Struct<ValueOf<D>>;
}

interface Placed {
  /** The field's name in C. */
  readonly cName: string;
  /** Its name in a value. */
  readonly key: string;
  readonly offset: number;
  readonly field: Field<unknown>;
}

class Layout implements Struct<Record<string, unknown>> {
  readonly name: string;
  readonly #declaration: Declaration;
  #fields: Map<string, Placed> | undefined;
  /** The fields that have a value. */
  #values: Placed[] = [];
  #size = 0;
  #align = 1;

  constructor(name: string, declaration: Declaration) {
    this.name = name;
    this.#declaration = declaration;
  }

  get fields(): Map<string, Placed> {
    return this.#fields ??= this.#layOut();
  }

  get size(): number {
    void this.fields;
    return this.#size;
  }

  get align(): number {
    void this.fields;
    return this.#align;
  }

  #layOut(): Map<string, Placed> {
    const fields = new Map<string, Placed>();
    let end = 0;
    for (const [cName, declared] of Object.entries(this.#declaration)) {
      const field = declared as Field<unknown>;
      const offset = Math.ceil(end / field.align) * field.align;
      const placed = { cName, key: camelCase(cName), offset, field };
      fields.set(cName, placed);
      if (!("padding" in field)) this.#values.push(placed);
      end = offset + field.size;
      this.#align = Math.max(this.#align, field.align);
    }
    this.#size = Math.ceil(end / this.#align) * this.#align;
    return fields;
  }

  read(view: DataView, offset: number): Record<string, unknown> {
    void this.fields;
    const value: Record<string, unknown> = {};
    for (const { key, offset: at, field } of this.#values) {
      value[key] = field.read(view, offset + at);
    }
    return value;
  }

  write(view: DataView, offset: number, value: Record<string, unknown>): void {
    this.assign(view, offset, value);
  }

  assign(view: DataView, offset: number, value: Record<string, unknown>): void {
    void this.fields;
    for (const { cName, key, offset: at, field } of this.#values) {
      const item = value[key];
      if (item === undefined) continue;
      try {
        field.write(view, offset + at, item);
      } catch (error) {
        if (!(error instanceof OutOfRange)) throw error;
        throw new RangeError(`Cannot set ${cName} of struct ${this.name}: ${error.message}`);
      }
    }
  }

  encode(value: Record<string, unknown> = {}): Uint8Array<ArrayBuffer> {
    const buffer = new Uint8Array(this.size);
    this.assign(new DataView(buffer.buffer), 0, value);
    return buffer;
  }

  decode(bytes: Uint8Array): Record<string, unknown> {
    return this.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  }

  offsetOf(cName: string): number {
    const found = this.fields.get(cName);
    if (found === undefined) throw new RangeError(`struct ${this.name} has no field "${cName}"`);
    return found.offset;
  }
}
