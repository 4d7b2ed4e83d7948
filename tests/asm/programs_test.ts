import { assertEquals } from "@std/assert";
import { assemble } from "../../src/asm/mod.ts";
import { assertSameAsNasm, nasmTest } from "./nasm.ts";

// Programs of some size, and what NASM 2.16.01 makes of them: the length and the SHA-256 of the binary.
const programs: Record<string, readonly [length: number, digest: string]> = {
  boot: [512, "546e856e35188fd823ae5b065114f77c73ed4ada8e940e418d1e7a3a3c01d8b7"],
  crc32: [1328, "63ef621fcfea02a57f6473ca7f33c609441fbb4cf3b8b312958255c7c64901ef"],
  macros: [432, "0cb65140872c3373fa7957e566d1d7dacfbd3e721a361b51264869359613dc7a"],
};

function read(name: string): string {
  return Deno.readTextFileSync(new URL(`programs/${name}.asm`, import.meta.url));
}

for (const [name, [length, digest]] of Object.entries(programs)) {
  Deno.test(`assemble() makes NASM's bytes of the program ${name}`, async () => {
    const { bytes } = assemble(read(name), { name: "source.asm" });
    assertEquals(bytes.length, length);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    assertEquals(hash.toHex(), digest);
  });

  nasmTest(`assemble() is held against NASM with the program ${name}`, () => {
    assertSameAsNasm(read(name), { name: "source.asm" });
  });
}
