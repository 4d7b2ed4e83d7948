import { assert, assertEquals } from "@std/assert";
import { assemble, type Bits } from "../../src/asm/mod.ts";

// Made by NASM 2.16.01 through golden.ts: `bits | line | bytes`.
const rows = Deno.readTextFileSync(new URL("golden.txt", import.meta.url)).trimEnd().split("\n")
  .map((row) => row.split(" | "));

Deno.test("assemble() makes the bytes that NASM made of a line of every row of the table", () => {
  assert(rows.length > 3000, `${rows.length} rows`);
  for (const [bits, line, expected] of rows) {
    const { bytes } = assemble(line!, { bits: Number(bits) as Bits });
    assertEquals(bytes.toHex(), expected, `${bits}: ${line}`);
  }
});
