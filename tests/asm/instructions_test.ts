import { assertEquals } from "@std/assert";
import { allRows, findRows, searchTables } from "../../src/asm/instructions.ts";

Deno.test("searchTables() finds the rows that reading the tables row by row finds", () => {
  const named = [...allRows()].filter(({ mnemonic, row }) => row.includes(`${mnemonic} `));
  const expected = Map.groupBy(named, ({ mnemonic }) => mnemonic);
  for (const [mnemonic, rows] of expected) {
    assertEquals(searchTables(mnemonic), rows.map(({ row, place }) => ({ row, place })));
  }
});

Deno.test("searchTables() takes nothing but a whole name in the first column", () => {
  // Operands, words of encodings, and parts of names.
  for (const name of ["al", "imm8", "ib", "only64", "F4", "ov", "mo", "nd", "-x", "message"]) {
    assertEquals([name, searchTables(name)], [name, undefined]);
  }
});

Deno.test("findRows() gives the same rows after many names as before", () => {
  const names = ["mov", "jnz", "setae", "paddb", "fld", "lgdt", "message"];
  const texts = (bits: 16 | 32) =>
    names.map((name) => findRows(name, bits)?.all.map(({ words, place }) => [words, place]));
  const before = texts(16);
  for (let i = 0; i < 200; i++) assertEquals(findRows(`label${i}`, 64), undefined);
  assertEquals(before.at(-1), undefined);
  assertEquals(texts(32).map((rows) => rows?.[0]), before.map((rows) => rows?.[0]));
});
