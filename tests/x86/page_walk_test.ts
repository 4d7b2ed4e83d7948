import { assertEquals } from "@std/assert";
import type { Sregs } from "../../src/kvm/mod.ts";
import { identityMap } from "../../src/x86/mod.ts";
import { walkPages } from "../../src/x86/page_walk.ts";

const PG = 0x8000_0001n;
const PSE = 0x10n;
const PAE = 0x20n;
const LA57 = 0x1000n;
const LMA = 0x500n;
const NXE = 0x800n;

type Controls = Partial<Pick<Sregs, "cr0" | "cr3" | "cr4" | "efer">>;

function walk(linear: bigint, memory: Uint8Array, controls: Controls) {
  const sregs = { cr0: PG, cr3: 0n, cr4: 0n, efer: 0n, ...controls } as Sregs;
  const read = (address: number, length: number) =>
    address + length <= memory.length ? memory.slice(address, address + length) : undefined;
  return walkPages(linear, { sregs, read });
}

function tables(size: number, entries: Record<number, bigint>, width: 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(size));
  for (const [at, entry] of Object.entries(entries)) {
    if (width === 8) view.setBigUint64(Number(at), entry, true);
    else view.setUint32(Number(at), Number(entry), true);
  }
  return new Uint8Array(view.buffer);
}

Deno.test("walkPages() walks nothing where paging is off", () => {
  assertEquals(walk(0x1234n, new Uint8Array(0), { cr0: 1n }), undefined);
});

Deno.test("walkPages() walks the tables that long mode starts with", () => {
  const memory = identityMap("long", { at: 0, size: 4 * 2 ** 20 });
  const found = walk(0x20_1234n, memory, { cr4: PAE, efer: LMA })!;
  assertEquals([found.paging, found.physical, found.pageSize], ["4-level", 0x20_1234, 2 ** 21]);
  assertEquals(
    found.steps.map(({ table, index, address, bits }) => [table, index, address, bits]),
    [
      ["PML4", 0, 0, ["P", "RW", "US"]],
      ["PDPT", 0, 0x1000, ["P", "RW", "US"]],
      ["PD", 1, 0x2008, ["P", "RW", "US", "PS"]],
    ],
  );
  const { problem, physical } = walk(0x40_0000n, memory, { cr4: PAE, efer: LMA })!;
  assertEquals([problem, physical], ["the PD entry is not present", undefined]);
});

Deno.test("walkPages() walks the directory that paged mode starts with", () => {
  const memory = identityMap("paged", { at: 0, size: 8 * 2 ** 20 });
  const found = walk(0x40_1234n, memory, { cr4: PSE })!;
  assertEquals([found.paging, found.physical, found.pageSize], ["32-bit", 0x40_1234, 2 ** 22]);
  assertEquals(walk(0x80_0000n, memory, { cr4: PSE })!.problem, "the PD entry is not present");
});

Deno.test("walkPages() takes the high bits of a 4 MiB page from bits 13 to 20", () => {
  const memory = tables(0x1000, { 0: 0x0040_2083n | (1n << 13n) }, 4);
  assertEquals(walk(0x1234n, memory, { cr4: PSE })!.physical, 0x1_0040_1234);
});

Deno.test("walkPages() takes PS for nothing without CR4.PSE, and walks to a page of 4 KiB", () => {
  const memory = tables(0x3000, { 4: 0x1083n, 0x1008: 0x7003n }, 4);
  const found = walk(0x40_2345n, memory, {})!;
  assertEquals([found.physical, found.pageSize], [0x7345, 4096]);
});

Deno.test("walkPages() walks PAE's tables, the first of them aligned to 32 bytes", () => {
  const memory = tables(0x4000, { 0x28: 0x1001n, 0x1000: 0x2001n, 0x2008: 0x9001n }, 8);
  const found = walk(0x4000_1234n, memory, { cr3: 0x20n, cr4: PAE })!;
  assertEquals([found.paging, found.physical], ["PAE", 0x9234]);
  assertEquals(found.steps.map(({ table }) => table), ["PDPT", "PD", "PT"]);
});

Deno.test("walkPages() calls bit 7 PS where it can make a page large, and PAT in a page table", () => {
  const memory = tables(0x4000, {
    0: 0x1001n,
    0x1000: 0x2081n,
    0x2000: 0x3001n,
    0x3000: 0x5081n,
    0x2008: 0x40_0081n,
  }, 8);
  const bits = (linear: bigint) =>
    walk(linear, memory, { cr4: PAE, efer: LMA })!.steps.at(-1)!.bits;
  memory[0x1000] = 0x01;
  assertEquals(bits(0n), ["P", "PAT"]);
  assertEquals(bits(0x20_0000n), ["P", "PS"]);
});

Deno.test("walkPages() walks five levels with CR4.LA57", () => {
  const memory = tables(0x6000, {
    0: 0x1001n,
    0x1000: 0x2001n,
    0x2000: 0x3001n,
    0x3000: 0x4001n,
    0x4008: 0x8000_0000_0000_5001n,
  }, 8);
  const found = walk(0x1234n, memory, { cr4: PAE | LA57, efer: LMA | NXE })!;
  assertEquals([found.paging, found.physical, found.steps.length], ["5-level", 0x5234, 5]);
  assertEquals(found.steps.at(-1)!.bits, ["P", "NX"]);
});

Deno.test("walkPages() maps nothing by an entry in which a reserved bit is set", () => {
  const long = { cr4: PAE, efer: LMA };
  const problemOf = (entries: Record<number, bigint>, controls: Controls = long) =>
    walk(0n, tables(0x4000, entries, controls.cr4 === PSE ? 4 : 8), controls)!.problem;
  const reserved = (table: string) => `a reserved bit is set in the ${table} entry`;
  const [NX, PS] = [1n << 63n, 0x80n];
  assertEquals(problemOf({ 0: 0x1001n | PS }), reserved("PML4"));
  assertEquals(problemOf({ 0: 0x1001n, 0x1000: 0x20_0001n | PS }), reserved("PDPT"));
  const pd = { 0: 0x1001n, 0x1000: 0x2001n };
  assertEquals(problemOf({ ...pd, 0x2000: 0x20_2001n | PS }), reserved("PD"));
  // Bit 12 is PAT.
  assertEquals(problemOf({ ...pd, 0x2000: 0x20_1001n | PS }), undefined);
  assertEquals(problemOf({ ...pd, 0x2000: 0x3001n | NX }), reserved("PD"));
  const executable = { ...pd, 0x2000: NX | 0x20_0001n | PS };
  assertEquals(problemOf(executable, { ...long, efer: LMA | NXE }), undefined);
  assertEquals(problemOf({ 0: 0x20_0001n | PS }, { cr4: PSE }), reserved("PD"));
});

Deno.test("walkPages() names an address that is not canonical, and tables that lie nowhere", () => {
  const controls = { cr4: PAE, efer: LMA };
  assertEquals(
    walk(0x8000_0000_0000n, new Uint8Array(0x1000), controls)!.problem,
    "the address is not canonical: bits 47 to 63 differ",
  );
  const found = walk(0n, new Uint8Array(0x1000), { ...controls, cr3: 0x10_0000n })!;
  assertEquals(found.problem, "the PML4 entry lies where no memory is");
  assertEquals(found.steps[0]!.entry, undefined);
});
