import { GuestError } from "./error.ts";

/** A part of an executable that is loaded: a `PT_LOAD` program header. */
export interface ElfSegment {
  /** Its guest-physical address (`p_paddr`). */
  readonly address: number;
  /** The bytes that are in the file. */
  readonly bytes: Uint8Array;
  /** How many bytes it has in memory: those that are not in the file are zero. */
  readonly size: number;
  /** Whether there are instructions in it (`PF_X`). */
  readonly isCode: boolean;
}

/** What hlt needs of an ELF executable; every address is physical. */
export interface Elf {
  /** Its class. */
  readonly bits: 32 | 64;
  /** The address of the first instruction. */
  readonly entry: number;
  /** What is loaded, in the order of the addresses. */
  readonly segments: readonly ElfSegment[];
  /** The symbol table, where it has one. */
  readonly symbols: ReadonlyMap<string, bigint>;
}

// System V ABI, Edition 4.1, chapter 4 (object files) and 5 (program headers); <elf.h>.
const EI_CLASS = 4;
const EI_DATA = 5;
const EI_VERSION = 6;
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ELFDATA2MSB = 2;
const EV_CURRENT = 1;
const ET_EXEC = 2;
const EM_386 = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PF_X = 1;
const SHT_SYMTAB = 2;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
const STT_SECTION = 3;
const STT_FILE = 4;

const types: Record<number, string> = {
  0: "a file without a type",
  1: "a relocatable object: link it first (ld -static -nostdlib)",
  3: "dynamically linked or position-independent: link it with -static -no-pie",
  4: "a core dump",
};

const machines: Record<number, string> = {
  2: "SPARC",
  8: "MIPS",
  20: "PowerPC",
  21: "64-bit PowerPC",
  22: "S/390",
  40: "ARM",
  183: "AArch64",
  243: "RISC-V",
  258: "LoongArch",
};

/** Where the fields lie in each class: the same names, other offsets. */
const layouts = {
  32: {
    headerSize: 52,
    entry: 24,
    phoff: 28,
    shoff: 32,
    phentsize: 42,
    phnum: 44,
    shentsize: 46,
    shnum: 48,
    programHeader: { size: 32, offset: 4, vaddr: 8, paddr: 12, filesz: 16, memsz: 20, flags: 24 },
    sectionHeader: { size: 40, type: 4, offset: 16, length: 20, link: 24 },
    symbol: { size: 16, name: 0, value: 4, info: 12, shndx: 14 },
  },
  64: {
    headerSize: 64,
    entry: 24,
    phoff: 32,
    shoff: 40,
    phentsize: 54,
    phnum: 56,
    shentsize: 58,
    shnum: 60,
    programHeader: { size: 56, flags: 4, offset: 8, vaddr: 16, paddr: 24, filesz: 32, memsz: 40 },
    sectionHeader: { size: 64, type: 4, offset: 24, length: 32, link: 40 },
    symbol: { size: 24, name: 0, value: 8, info: 4, shndx: 6 },
  },
} as const;

/** Whether a file begins as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Reads an ELF executable: 32- or 64-bit x86, statically linked.
 *
 * @param bytes The file.
 * @param name Its name for messages.
 * @throws {GuestError} For every other kind of ELF file, and for one that is damaged.
 */
export function parseElf(bytes: Uint8Array, name: string): Elf {
  const file = new ElfFile(bytes, name);
  const segments = file.segments();
  const toPhysical = (address: bigint) => {
    const segment =
      segments.find(({ vaddr, memsz }) => vaddr <= address && address < vaddr + memsz) ??
        segments.find(({ vaddr, memsz }) => address === vaddr + memsz);
    return segment === undefined ? address : address - segment.vaddr + segment.paddr;
  };
  const entry = toPhysical(file.entry);
  if (!segments.some(({ paddr, memsz }) => paddr <= entry && entry < paddr + memsz)) {
    throw new GuestError(
      name,
      `The entry point ${
        hex(file.entry)
      } lies in no segment that is loaded: is the symbol _start ` +
        "defined and global?",
    );
  }
  return {
    bits: file.bits,
    entry: Number(entry),
    segments: segments.map(({ paddr, offset, filesz, memsz, flags }) => ({
      address: Number(paddr),
      bytes: bytes.subarray(Number(offset), Number(offset + filesz)),
      size: Number(memsz),
      isCode: (flags & PF_X) !== 0,
    })),
    symbols: new Map(
      file.symbols().map(({ name, value, isAbsolute }) => [
        name,
        isAbsolute ? value : toPhysical(value),
      ]),
    ),
  };
}

interface ProgramHeader {
  readonly number: number;
  readonly type: number;
  readonly flags: number;
  readonly offset: bigint;
  readonly vaddr: bigint;
  readonly paddr: bigint;
  readonly filesz: bigint;
  readonly memsz: bigint;
}

class ElfFile {
  readonly bits: 32 | 64;
  readonly entry: bigint;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #name: string;

  /** Reads the header. */
  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#name = name;
    const fileClass = bytes[EI_CLASS];
    if (bytes.length < 20) throw this.#error("The ELF header is cut off");
    if (fileClass !== ELFCLASS32 && fileClass !== ELFCLASS64) {
      throw this.#error(`The ELF class is 1 (32-bit) or 2 (64-bit), not ${fileClass}`);
    }
    if (bytes[EI_DATA] === ELFDATA2MSB) {
      throw this.#error("This ELF file is big-endian: x86 is little-endian");
    }
    if (bytes[EI_DATA] !== ELFDATA2LSB || bytes[EI_VERSION] !== EV_CURRENT) {
      throw this.#error("The ELF header is damaged: its byte order or version means nothing");
    }
    this.bits = fileClass === ELFCLASS32 ? 32 : 64;
    this.#checkMachine();
    if (bytes.length < this.#layout.headerSize) throw this.#error("The ELF header is cut off");
    this.entry = this.#word(this.#layout.entry);
  }

  get #layout() {
    return layouts[this.bits];
  }

  #checkMachine(): void {
    const type = this.#view.getUint16(16, true);
    const machine = this.#view.getUint16(18, true);
    const wanted = this.bits === 32 ? EM_386 : EM_X86_64;
    if (machine !== wanted) {
      const found = machine === EM_X86_64
        ? "a 32-bit file for x86-64 (x32)"
        : machine === EM_386
        ? "a 64-bit file for i386"
        : `for another machine, ${machines[machine] ?? `number ${machine}`}`;
      throw this.#error(`This ELF file is ${found}: hlt runs i386 and x86-64 executables`);
    }
    if (type !== ET_EXEC) {
      throw this.#error(
        `This ELF file is no static executable but ${types[type] ?? `of type ${type}`}`,
      );
    }
  }

  /** The `PT_LOAD` headers that have memory, by physical address. */
  segments(): ProgramHeader[] {
    const headers = this.#programHeaders();
    const dynamic = headers.find(({ type }) => type === PT_INTERP || type === PT_DYNAMIC);
    if (dynamic !== undefined) throw this.#error(`This ELF file is ${types[3]}`);
    const loaded = headers.filter(({ type, memsz }) => type === PT_LOAD && memsz > 0n);
    if (loaded.length === 0) throw this.#error("This ELF file has no segment that is loaded");
    loaded.sort((a, b) => a.paddr < b.paddr ? -1 : a.paddr > b.paddr ? 1 : 0);
    for (const [i, header] of loaded.entries()) {
      this.#checkSegment(header);
      const before = loaded[i - 1];
      if (before !== undefined && header.paddr < before.paddr + before.memsz) {
        throw this.#error(`The segments ${range(before)} and ${range(header)} overlap`);
      }
    }
    return loaded;
  }

  #checkSegment(header: ProgramHeader): void {
    const { offset, filesz, memsz, paddr } = header;
    if (filesz > memsz) {
      throw this.#error(
        `The segment ${range(header)} has ${filesz} bytes in the file: more than in memory`,
      );
    }
    if (offset + filesz > BigInt(this.#bytes.length)) {
      throw this.#error(
        `The file is cut off: the segment ${range(header)} ends at byte ${offset + filesz}, the ` +
          `file at ${this.#bytes.length}`,
      );
    }
    if (paddr + memsz > 1n << 52n) {
      throw this.#error(
        `The segment ${range(header)} is beyond 2^52, where physical addresses end`,
      );
    }
  }

  #programHeaders(): ProgramHeader[] {
    const { programHeader: at, phoff, phentsize, phnum } = this.#layout;
    return this.#table("program headers", {
      offset: this.#word(phoff),
      size: this.#view.getUint16(phentsize, true),
      count: this.#view.getUint16(phnum, true),
      least: at.size,
    }).map((start, number) => ({
      number,
      type: this.#view.getUint32(start, true),
      flags: this.#view.getUint32(start + at.flags, true),
      offset: this.#word(start + at.offset),
      vaddr: this.#word(start + at.vaddr),
      paddr: this.#word(start + at.paddr),
      filesz: this.#word(start + at.filesz),
      memsz: this.#word(start + at.memsz),
    }));
  }

  /** The symbols that have a name and a place; absolute ones are numbers that no segment moves. */
  symbols(): { name: string; value: bigint; isAbsolute: boolean }[] {
    const { shoff, shentsize, shnum, sectionHeader: at } = this.#layout;
    const offset = this.#word(shoff);
    if (offset === 0n) return [];
    const sections = this.#table("section headers", {
      offset,
      size: this.#view.getUint16(shentsize, true),
      count: this.#view.getUint16(shnum, true),
      least: at.size,
    });
    const table = sections.find((start) =>
      this.#view.getUint32(start + at.type, true) === SHT_SYMTAB
    );
    if (table === undefined) return [];
    const strings = sections[this.#view.getUint32(table + at.link, true)];
    if (strings === undefined) throw this.#error("The symbol table has no table of names");
    const names = this.#content("table of names", strings);
    const { symbol } = this.#layout;
    const bytes = this.#content("symbol table", table);
    const found: ReturnType<ElfFile["symbols"]> = [];
    for (let start = 0; start + symbol.size <= bytes.length; start += symbol.size) {
      const place = bytes.byteOffset - this.#bytes.byteOffset + start;
      const type = this.#view.getUint8(place + symbol.info) & 0xf;
      const section = this.#view.getUint16(place + symbol.shndx, true);
      const name = cString(names, this.#view.getUint32(place + symbol.name, true));
      if (name === "" || section === SHN_UNDEF || type === STT_SECTION || type === STT_FILE) {
        continue;
      }
      const value = this.#word(place + symbol.value);
      found.push({ name, value, isAbsolute: section === SHN_ABS });
    }
    return found;
  }

  /** The bytes of a section. */
  #content(what: string, header: number): Uint8Array {
    const at = this.#layout.sectionHeader;
    const offset = this.#word(header + at.offset);
    const end = offset + this.#word(header + at.length);
    if (end > BigInt(this.#bytes.length)) throw this.#cutOff(what, end);
    return this.#bytes.subarray(Number(offset), Number(end));
  }

  /** Where the entries of a table begin. */
  #table(
    what: string,
    { offset, size, count, least }: { offset: bigint; size: number; count: number; least: number },
  ): number[] {
    if (count === 0) return [];
    if (size < least) {
      throw this.#error(`The ${what} have ${size} bytes each: they need ${least}`);
    }
    const end = offset + BigInt(size * count);
    if (end > BigInt(this.#bytes.length)) throw this.#cutOff(what, end);
    return Array.from({ length: count }, (_, i) => Number(offset) + i * size);
  }

  /** An address or a size: as wide as the class. */
  #word(offset: number): bigint {
    return this.bits === 64
      ? this.#view.getBigUint64(offset, true)
      : BigInt(this.#view.getUint32(offset, true));
  }

  #cutOff(what: string, end: bigint): GuestError {
    return this.#error(
      `The file is cut off: the ${what} end at byte ${end}, the file at ${this.#bytes.length}`,
    );
  }

  #error(reason: string): GuestError {
    return new GuestError(this.#name, reason);
  }
}

function cString(bytes: Uint8Array, start: number): string {
  if (start >= bytes.length) return "";
  const end = bytes.indexOf(0, start);
  return new TextDecoder().decode(bytes.subarray(start, end < 0 ? bytes.length : end));
}

/** `2 (0x1000–0x1fff)` */
function range({ number, paddr, memsz }: ProgramHeader): string {
  return `${number} (${hex(paddr)}–${hex(paddr + memsz - 1n)})`;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
