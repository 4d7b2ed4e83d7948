import type { Sregs } from "../kvm/mod.ts";
import { CR0, CR4, EFER } from "./control.ts";

/** One step of a page walk: an entry of one table. */
export interface PageWalkStep {
  /** The table: `PML4`, `PDPT`, `PD`, `PT`. */
  readonly table: string;
  /** The entry's number in its table. */
  readonly index: number;
  /** The guest-physical address of the entry. */
  readonly address: number;
  /** The entry; nothing where there is no memory. */
  readonly entry: bigint | undefined;
  /** The names of its bits that are set: `P`, `RW`, `US`, … */
  readonly bits: readonly string[];
}

/** How a linear address is translated. */
export interface PageWalk {
  /** The address. */
  readonly linear: bigint;
  /** The kind of paging: `32-bit`, `PAE`, `4-level`, `5-level`. */
  readonly paging: string;
  /** The entries, from the first table on. */
  readonly steps: readonly PageWalkStep[];
  /** The guest-physical address; nothing where none is mapped. */
  readonly physical: number | undefined;
  /** The size of the page in bytes, where one is mapped. */
  readonly pageSize: number | undefined;
  /** Why none is mapped. */
  readonly problem: string | undefined;
}

/** Reads guest-physical memory; nothing where there is none. */
export type ReadPhysical = (address: number, length: number) => Uint8Array | undefined;

// Intel SDM vol. 3A §4.3 to §4.5.
const PRESENT = 1n << 0n;
const PAGE_SIZE_BIT = 1n << 7n;
const bitsOfEntries: Readonly<Record<string, bigint>> = {
  P: PRESENT,
  RW: 1n << 1n,
  US: 1n << 2n,
  PWT: 1n << 3n,
  PCD: 1n << 4n,
  A: 1n << 5n,
  D: 1n << 6n,
  PS: PAGE_SIZE_BIT,
  G: 1n << 8n,
  NX: 1n << 63n,
};
/** Bits 12 to 51. */
const ADDRESS = 0x000f_ffff_ffff_f000n;

interface Level {
  readonly table: string;
  /** The lowest bit of the linear address that is part of the index. */
  readonly shift: bigint;
  /** How many bits the index has. */
  readonly width: bigint;
  /** Whether an entry can map a page: always, with PS, or never. */
  readonly maps: "always" | "large" | "never";
}

interface Paging {
  readonly name: string;
  readonly entrySize: 4 | 8;
  readonly levels: readonly Level[];
}

const fourLevels: readonly Level[] = [
  { table: "PML4", shift: 39n, width: 9n, maps: "never" },
  { table: "PDPT", shift: 30n, width: 9n, maps: "large" },
  { table: "PD", shift: 21n, width: 9n, maps: "large" },
  { table: "PT", shift: 12n, width: 9n, maps: "always" },
];

function pagingOf({ cr0, cr4, efer }: Sregs): Paging | undefined {
  if ((cr0 & CR0.PG) === 0n) return undefined;
  if ((efer & EFER.LMA) !== 0n) {
    if ((cr4 & CR4.LA57) === 0n) return { name: "4-level", entrySize: 8, levels: fourLevels };
    const top: Level = { table: "PML5", shift: 48n, width: 9n, maps: "never" };
    return { name: "5-level", entrySize: 8, levels: [top, ...fourLevels] };
  }
  if ((cr4 & CR4.PAE) !== 0n) {
    const pdpt: Level = { table: "PDPT", shift: 30n, width: 2n, maps: "never" };
    return { name: "PAE", entrySize: 8, levels: [pdpt, ...fourLevels.slice(2)] };
  }
  const maps = (cr4 & CR4.PSE) === 0n ? "never" : "large";
  return {
    name: "32-bit",
    entrySize: 4,
    levels: [
      { table: "PD", shift: 22n, width: 10n, maps },
      { table: "PT", shift: 12n, width: 10n, maps: "always" },
    ],
  };
}

/**
 * Walks the page tables as the CPU would, without its checks of who may do what: what is in them now,
 * from CR3 on.
 *
 * @param linear The linear address.
 * @param options `sregs`: the control registers; `read`: the guest-physical memory.
 * @returns The walk; nothing where paging is off.
 */
export function walkPages(
  linear: bigint,
  options: { sregs: Sregs; read: ReadPhysical },
): PageWalk | undefined {
  const { sregs, read } = options;
  const paging = pagingOf(sregs);
  if (paging === undefined) return undefined;
  const { name, entrySize, levels } = paging;
  const steps: PageWalkStep[] = [];
  const end = (rest: Partial<Pick<PageWalk, "physical" | "pageSize" | "problem">>): PageWalk => ({
    linear,
    paging: name,
    steps,
    physical: undefined,
    pageSize: undefined,
    problem: undefined,
    ...rest,
  });
  const top = levels[0]!;
  const addressBits = Number(top.shift + top.width);
  if (entrySize === 8 && name !== "PAE" && !isCanonical(linear, addressBits)) {
    return end({ problem: `the address is not canonical: bits ${addressBits - 1} to 63 differ` });
  }
  // CR3's low bits are flags; PAE's table of four entries is aligned to 32 bytes only.
  let base = sregs.cr3 & (name === "PAE" ? 0xffff_ffe0n : ADDRESS);
  for (const { table, shift, width, maps } of levels) {
    const index = Number((linear >> shift) & ((1n << width) - 1n));
    const address = Number(base) + index * entrySize;
    const entry = toNumber(read(address, entrySize));
    const bits = entry === undefined ? [] : bitsOf(entry, maps === "always");
    steps.push({ table, index, address, entry, bits });
    if (entry === undefined) return end({ problem: `the ${table} entry lies where no memory is` });
    if ((entry & PRESENT) === 0n) return end({ problem: `the ${table} entry is not present` });
    const isLarge = (entry & PAGE_SIZE_BIT) !== 0n;
    if ((entry & reservedBits({ shift, maps, entrySize, isLarge, efer: sregs.efer })) !== 0n) {
      return end({ problem: `a reserved bit is set in the ${table} entry` });
    }
    if (maps === "always" || (maps === "large" && isLarge)) {
      const pageSize = 1n << shift;
      const physical = pageBase(entry, { pageSize, entrySize }) + (linear & (pageSize - 1n));
      return end({ physical: Number(physical), pageSize: Number(pageSize) });
    }
    base = entry & ADDRESS;
  }
  return end({ problem: "no entry maps a page" });
}

/**
 * The bits that make a page fault if they are set (Intel SDM vol. 3A tables 4-4 to 4-20), but for the
 * address bits that this CPU does not have.
 */
function reservedBits(
  { shift, maps, entrySize, isLarge, efer }: Pick<Level, "shift" | "maps"> & {
    entrySize: number;
    isLarge: boolean;
    efer: bigint;
  },
): bigint {
  if (entrySize === 4) return maps === "large" && isLarge ? 1n << 21n : 0n;
  const noExecute = (efer & EFER.NXE) === 0n ? bitsOfEntries["NX"]! : 0n;
  if (maps === "never") return noExecute | PAGE_SIZE_BIT;
  // Of a large page's address the bits above PAT, which is bit 12.
  return maps === "large" && isLarge ? noExecute | ((1n << shift) - (1n << 13n)) : noExecute;
}

function pageBase(
  entry: bigint,
  { pageSize, entrySize }: { pageSize: bigint; entrySize: number },
): bigint {
  const base = entry & ADDRESS & ~(pageSize - 1n);
  // A 4 MiB page's entry has bits 32 to 39 of the address in its bits 13 to 20 (table 4-4).
  return entrySize === 4 && pageSize > 4096n ? base | ((entry >> 13n) & 0xffn) << 32n : base;
}

function isCanonical(linear: bigint, bits: number): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(bits, linear)) === linear;
}

/** An entry that always maps a page has PAT where the others have PS. */
function bitsOf(entry: bigint, hasPat: boolean): string[] {
  return Object.entries(bitsOfEntries)
    .filter(([, bit]) => (entry & bit) !== 0n)
    .map(([name]) => name === "PS" && hasPat ? "PAT" : name);
}

function toNumber(bytes: Uint8Array | undefined): bigint | undefined {
  return bytes?.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
