import { type Mode, modes } from "./mode.ts";

const TABLE_SIZE = 4096;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

// Page-table entry bits (Intel SDM vol. 3A §4.3 table 4-4 and §4.5 tables 4-15 to 4-18).
const PRESENT = 1 << 0;
const WRITABLE = 1 << 1;
const USER = 1 << 2;
/** PS: the entry maps a large page instead of pointing to a table. */
const PAGE_SIZE_BIT = 1 << 7;

const TABLE = PRESENT | WRITABLE | USER;
const LARGE_PAGE = TABLE | PAGE_SIZE_BIT;

/**
 * Page tables that map linear addresses to the same physical ones, with large pages: for `paged` a
 * page directory of 4 MiB pages (PSE, Intel SDM vol. 3A §4.3), for `long` a PML4, a PDPT and page
 * directories of 2 MiB pages (§4.5). The first table, which CR3 points to, comes first.
 *
 * @param mode The mode they are for.
 * @param options `at`: the guest-physical address of the tables, a multiple of 4096; `size`: how
 * many bytes are mapped, from address 0, rounded up to whole pages.
 * @returns The tables' bytes; none in a mode without paging.
 * @throws {RangeError} When `size` is none, or more than the mode can map: 4 GiB, or 512 GiB in long
 * mode; when no table can be at `at`.
 */
export function identityMap(
  mode: Mode,
  options: { at: number; size: number },
): Uint8Array<ArrayBuffer> {
  const { at, size } = options;
  if (!Number.isSafeInteger(at) || at < 0 || at % TABLE_SIZE !== 0) {
    throw new RangeError(`Cannot put page tables at ${at}: it is no multiple of ${TABLE_SIZE}`);
  }
  switch (modes[mode].paging) {
    case "none":
      return new Uint8Array(0);
    case "32-bit": {
      const pages = pagesFor(mode, { size, pageSize: 4 * MIB, most: 1024 });
      const directory = new Uint32Array(TABLE_SIZE / 4);
      for (let i = 0; i < pages; i++) directory[i] = (i * 4 * MIB) | LARGE_PAGE;
      return new Uint8Array(directory.buffer);
    }
    case "4-level": {
      const pages = pagesFor(mode, { size, pageSize: 2 * MIB, most: 512 * 512 });
      const directories = Math.ceil(pages / 512);
      const tables = new BigUint64Array((2 + directories) * (TABLE_SIZE / 8));
      const entry = (address: number, flags: number) => BigInt(address) | BigInt(flags);
      tables[0] = entry(at + TABLE_SIZE, TABLE);
      for (let i = 0; i < directories; i++) {
        tables[512 + i] = entry(at + (2 + i) * TABLE_SIZE, TABLE);
      }
      for (let i = 0; i < pages; i++) tables[1024 + i] = entry(i * 2 * MIB, LARGE_PAGE);
      return new Uint8Array(tables.buffer);
    }
  }
}

function pagesFor(
  mode: Mode,
  options: { size: number; pageSize: number; most: number },
): number {
  const { size, pageSize, most } = options;
  const pages = Math.ceil(size / pageSize);
  if (!(size >= 0)) throw new RangeError(`Cannot map ${size} bytes`);
  if (pages > most) {
    throw new RangeError(
      `Cannot map ${size} bytes in ${mode} mode: its tables reach ${(most * pageSize) / GIB} GiB`,
    );
  }
  return pages;
}
