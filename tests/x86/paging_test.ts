import { assertEquals, assertThrows } from "@std/assert";
import { identityMap } from "../../src/x86/mod.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** P, R/W and U/S: bits 0 to 2 of every entry that is there (Intel SDM vol. 3A tables 4-4, 4-15). */
const TABLE = 0b111;
/** Those and PS, bit 7: a large page (tables 4-4, 4-18). */
const PAGE = 0b1000_0111;

function directory(size: number): Uint32Array {
  return new Uint32Array(identityMap("paged", { at: 0x1000, size }).buffer);
}

/** The entries of all tables, and which table each begins. */
function long(size: number, at = 0x1000): { pml4: bigint[]; pdpt: bigint[]; pages: bigint[] } {
  const bytes = identityMap("long", { at, size });
  const entries = [...new BigUint64Array(bytes.buffer)];
  return {
    pml4: entries.slice(0, 512),
    pdpt: entries.slice(512, 1024),
    pages: entries.slice(1024),
  };
}

/** How many entries are there; no entry may come after one that is not. */
function present(entries: ArrayLike<number | bigint>): number {
  const flags = Array.from(entries, (entry) => Number(entry) & 1);
  const count = flags.filter((flag) => flag === 1).length;
  assertEquals(flags.lastIndexOf(1), count - 1);
  return count;
}

Deno.test("identityMap() makes no tables for modes without paging", () => {
  assertEquals(identityMap("real", { at: 0, size: 2 * MIB }).length, 0);
  assertEquals(identityMap("protected", { at: 0, size: 2 * MIB }).length, 0);
});

Deno.test("identityMap() makes one page directory of 4 MiB pages for 32-bit paging", () => {
  const entries = directory(2 * MIB);
  assertEquals(entries.length, 1024);
  assertEquals(entries[0], PAGE);
  assertEquals(present(entries), 1);
});

Deno.test("identityMap() rounds RAM up to whole 4 MiB pages", () => {
  const sizes = [[0, 0], [1, 1], [4 * MIB - 1, 1], [4 * MIB, 1], [4 * MIB + 1, 2], [9 * MIB, 3]];
  for (const [size, pages] of sizes) assertEquals(present(directory(size!)), pages, `${size}`);
});

Deno.test("identityMap() maps each of the 1024 4 MiB pages of 4 GiB to itself", () => {
  const entries = directory(4 * GIB);
  for (let i = 0; i < 1024; i++) assertEquals(entries[i], i * 4 * MIB + PAGE);
});

Deno.test("identityMap() chains PML4, PDPT and one directory of 2 MiB pages for long mode", () => {
  const { pml4, pdpt, pages } = long(2 * MIB, 0xfd00_0000);
  assertEquals([pml4.length, pdpt.length, pages.length], [512, 512, 512]);
  assertEquals([present(pml4), present(pdpt), present(pages)], [1, 1, 1]);
  assertEquals(pml4[0], 0xfd00_1000n | BigInt(TABLE));
  assertEquals(pdpt[0], 0xfd00_2000n | BigInt(TABLE));
  assertEquals(pages[0], BigInt(PAGE));
});

Deno.test("identityMap() rounds RAM up to whole 2 MiB pages", () => {
  const sizes = [[0, 0], [1, 1], [2 * MIB - 1, 1], [2 * MIB, 1], [2 * MIB + 1, 2], [5 * MIB, 3]];
  for (const [size, pages] of sizes) assertEquals(present(long(size!).pages), pages, `${size}`);
});

Deno.test("identityMap() adds a directory for each GiB of RAM", () => {
  for (const [size, directories] of [[GIB, 1], [GIB + 1, 2], [3 * GIB, 3], [5 * GIB, 5]]) {
    const { pdpt, pages } = long(size!, 0x1000);
    assertEquals([present(pdpt), pages.length], [directories, directories! * 512], `${size}`);
    for (let i = 0; i < directories!; i++) {
      assertEquals(pdpt[i], BigInt(0x3000 + i * 0x1000 + TABLE));
    }
  }
});

Deno.test("identityMap() maps each 2 MiB page to itself, across directories and 4 GiB", () => {
  const { pages } = long(5 * GIB);
  assertEquals(present(pages), 2560);
  for (const [i, entry] of pages.entries()) {
    assertEquals(entry, BigInt(i) * BigInt(2 * MIB) + BigInt(PAGE));
  }
});

Deno.test("identityMap() maps up to 4 GiB with 32-bit paging and 512 GiB in long mode", () => {
  const { pdpt, pages } = long(512 * GIB);
  assertEquals([present(pdpt), present(pages)], [512, 512 * 512]);
  assertEquals(pages.at(-1), BigInt(512 * GIB - 2 * MIB + PAGE));
  assertThrows(
    () => long(512 * GIB + 1),
    RangeError,
    "Cannot map 549755813889 bytes in long mode: its tables reach 512 GiB",
  );
  assertThrows(
    () => directory(4 * GIB + 1),
    RangeError,
    "Cannot map 4294967297 bytes in paged mode: its tables reach 4 GiB",
  );
});

Deno.test("identityMap() refuses a size and a place that are none", () => {
  for (const size of [-1, NaN]) {
    assertThrows(() => identityMap("long", { at: 0, size }), RangeError, `map ${size} bytes`);
    assertThrows(() => identityMap("paged", { at: 0, size }), RangeError, `map ${size} bytes`);
  }
  for (const at of [-4096, 0x1001, NaN, Infinity]) {
    assertThrows(() => identityMap("long", { at, size: 1 }), RangeError, `tables at ${at}`);
  }
});
