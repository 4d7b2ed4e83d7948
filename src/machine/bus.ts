/**
 * Something that answers the guest's accesses to a range of ports or of physical addresses. The data of
 * an access lies in memory that is shared with KVM: it is valid until the device returns.
 *
 * Setting a register of the CPU completes the access ({@linkcode Vcpu.complete}): a device may do so
 * when it takes a write, and not when it answers a read.
 */
export interface Device {
  /**
   * Answers a read: fills `data`, whose length is the width of the access and whose bytes are
   * little-endian. What it leaves alone reads as all ones. Without it every read gives all ones.
   *
   * @param offset Where in the range the access begins.
   */
  read?(offset: number, data: Uint8Array): void;
  /**
   * Takes a write; without it writes are ignored.
   *
   * @param offset Where in the range the access begins.
   * @param data The bytes written, little-endian.
   */
  write?(offset: number, data: Uint8Array): void;
  /**
   * Notes what state it is in, for {@linkcode Machine.snapshot}; needed by devices that have one.
   *
   * @returns What sets it back to that state, as often as it is called.
   */
  save?(): () => void;
}

/** A range of ports, or of guest-physical addresses. */
export interface BusRange {
  /** The first port or address. */
  readonly first: number;
  /** How many there are; 1 unless said otherwise. */
  readonly length?: number;
}

interface Attached {
  readonly first: number;
  readonly end: number;
  readonly device: Device;
}

/**
 * Ports, or physical addresses, and the devices behind them. A device does not know its own address:
 * it sees offsets into its range. An access belongs to the device in whose range it begins, as a whole:
 * also what reaches beyond the end of the range.
 *
 * @example A device of one port
 * ```ts
 * import { Bus } from "@hlt/hlt";
 *
 * const ports = new Bus("ports");
 * let last = 0;
 * ports.attach({ first: 0x80 }, { write: (_offset, data) => last = data[0]! });
 * ports.write(0x80, Uint8Array.of(42));
 * console.log(last); // 42
 * ```
 */
export class Bus {
  readonly #name: string;
  /** In the order of their addresses. */
  readonly #attached: Attached[] = [];
  /** The one that answered last: accesses come in runs. */
  #recent: Attached | undefined;

  /**
   * A bus without devices.
   *
   * @param name What its addresses are, for messages: `ports`.
   */
  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Puts a device behind a range.
   *
   * @throws {RangeError} When another device has a part of it, or it is no range.
   */
  attach(range: BusRange, device: Device): void {
    const { first, length = 1 } = range;
    const end = first + length;
    if (!Number.isInteger(first) || first < 0 || !(length >= 1)) {
      throw new RangeError(`Cannot attach a device to ${length} ${this.#name} from ${first} on`);
    }
    const other = this.#attached.find((other) => first < other.end && other.first < end);
    if (other !== undefined) {
      throw new RangeError(
        `Cannot attach a device to ${this.#name} ${hexRange(first, end)}: another has ${
          hexRange(other.first, other.end)
        }`,
      );
    }
    this.#attached.push({ first, end, device });
    this.#attached.sort((a, b) => a.first - b.first);
  }

  /** Lets the device behind `address` fill `data`; false where there is none. */
  read(address: number, data: Uint8Array): boolean {
    const found = this.#find(address);
    if (found === undefined) return false;
    data.fill(0xff);
    found.device.read?.(address - found.first, data);
    return true;
  }

  /** Hands `data` to the device behind `address`; false where there is none. */
  write(address: number, data: Uint8Array): boolean {
    const found = this.#find(address);
    if (found === undefined) return false;
    found.device.write?.(address - found.first, data);
    return true;
  }

  /** Notes the state of all devices ({@linkcode Device.save}). */
  save(): () => void {
    const restores = this.#attached.map(({ device }) => device.save?.());
    return () => restores.forEach((restore) => restore?.());
  }

  #find(address: number): Attached | undefined {
    const recent = this.#recent;
    if (recent !== undefined && recent.first <= address && address < recent.end) return recent;
    return this.#recent = this.#attached.find(({ first, end }) =>
      first <= address && address < end
    );
  }
}

function hexRange(first: number, end: number): string {
  const last = end - 1;
  return `0x${first.toString(16)}` + (last > first ? `–0x${last.toString(16)}` : "");
}
