import { assertEquals } from "@std/assert";
import { assemble } from "../../src/asm/mod.ts";
import { assemblePlain } from "../../src/asm/assembler.ts";

Deno.test("assemblePlain() makes of a source without macros what assemble() makes of it", () => {
  const source = "org 0x100\nstart: mov ax, [x]\n\n jmp start ; again\r\nx: dw 1, 2\n";
  const options = { name: "x.asm", bits: 32 as const };
  assertEquals({ ...assemblePlain(source, options) }, { ...assemble(source, options) });
  assertEquals(assemblePlain(source).listing, assemble(source).listing);
});
