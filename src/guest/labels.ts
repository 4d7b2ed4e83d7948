import { findConstants, type Program } from "./program.ts";

type Label = [address: number, name: string];

/** The labels of a program, or the symbols of an ELF file, by guest-physical address. */
export class Labels {
  readonly #program: Program;
  readonly #sorted: readonly Label[];
  readonly #names: ReadonlyMap<number, string>;

  /** Finds the labels. The assembler's symbols are also constants: those are left out. */
  constructor(program: Program) {
    const { symbols, listing, segments: [{ address, bytes }], format } = program;
    const isConstant = findConstants(listing);
    const isInImage = (place: number) => address <= place && place <= address + bytes.length;
    const labels = [...symbols].filter(([name]) => !isConstant(name))
      .map(([name, value]): Label => [Number(value), name])
      .filter(([place]) => format !== "source" || isInImage(place));
    this.#program = program;
    this.#sorted = labels.toSorted(([a], [b]) => a - b);
    // Of several labels of an address the first one counts.
    this.#names = new Map(labels.toReversed());
  }

  /** The label of an address. */
  at(address: number): string | undefined {
    return this.#names.get(address);
  }

  /** The label before an address in the program, and the distance: `main+0x4`. */
  near(address: number): string | undefined {
    const segment = this.#program.segments.find(({ address: start, bytes, size = bytes.length }) =>
      start <= address && address < start + size
    );
    const label = this.#sorted.findLast(([place]) => place <= address);
    if (segment === undefined || label === undefined || label[0] < segment.address) {
      return undefined;
    }
    const [place] = label;
    const name = this.#names.get(place)!;
    return place === address ? name : `${name}+0x${(address - place).toString(16)}`;
  }
}
