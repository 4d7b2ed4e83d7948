import { assertEquals } from "@std/assert";
import { assemble, AssemblyError } from "../../src/asm/mod.ts";
import { askNasm, readCases } from "./cases.ts";
import { nasmTest } from "./nasm.ts";

function ask(source: string): string {
  try {
    return assemble(source, { name: "source.asm" }).bytes.toHex();
  } catch (error) {
    if (error instanceof AssemblyError) return "refused";
    throw new Error(source, { cause: error });
  }
}

for (const [group, cases] of readCases()) {
  Deno.test(`assemble() makes NASM's bytes of ${group}`, () => {
    for (const { source, expected, written } of cases) {
      assertEquals(ask(source), expected, written);
    }
  });
}

nasmTest("the cases say what NASM says", () => {
  for (const { source, expected, written } of [...readCases().values()].flat()) {
    assertEquals(askNasm(source), expected, written);
  }
});
