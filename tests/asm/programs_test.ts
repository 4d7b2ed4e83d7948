import { assertEquals } from "@std/assert";
import { assemble } from "../../src/asm/mod.ts";
import { assertSameAsNasm, nasmTest } from "./nasm.ts";

// Programs of some size, and what NASM 2.16.01 makes of them: the length and the SHA-256 of the binary.
const programs: Record<string, readonly [length: number, digest: string]> = {
  boot: [512, "546e856e35188fd823ae5b065114f77c73ed4ada8e940e418d1e7a3a3c01d8b7"],
  crc32: [1328, "63ef621fcfea02a57f6473ca7f33c609441fbb4cf3b8b312958255c7c64901ef"],
  fpu: [712, "68b85bccad5132eb0ab9ca1dc3077e9c4e5a5b795f94969e7d2816d9350fc8c3"],
  interrupts: [6465, "d36e5d818ae6f5890fe7289cebe2603806d4c91351bc2cd506c038efea0e56d3"],
  long: [512, "7bca033e6f7942d7240c714d9eeb35eacc523356c68389077b16733182aceca7"],
  macros: [432, "0cb65140872c3373fa7957e566d1d7dacfbd3e721a361b51264869359613dc7a"],
  matrix: [1488, "4a969c90e63de34fb86274a02c5d0c90e246f28cb94a6c9f14398ee284e3f4a4"],
  memory: [978, "58d87a92d19e4159e13e30a2ee855d685f518c836fac5fbf76815a9ccbce1006"],
  protected: [312, "28dd42c36425b146d6ff776d6ce492b37a39b953af0cb5317db22245ebde3188"],
  quicksort: [1104, "1b5f8994676755954276f221912ba396de65cf68406db0057c2c76aeb6693efd"],
  sieve: [306, "1e0f86a1716875f288b48b00cb23d353f6a83263fc05280da92148e61aad414f"],
  tasks: [543, "d3be483b16a8ec24017a12db8a3dea8b4beef5b9dd08a6b95c3febb193de0156"],
};

function read(name: string): string {
  return Deno.readTextFileSync(new URL(`programs/${name}.asm`, import.meta.url));
}

Deno.test("every program in tests/asm/programs is among those compared", () => {
  const files = [...Deno.readDirSync(new URL("programs", import.meta.url))].map(({ name }) => name);
  assertEquals(files.sort(), Object.keys(programs).map((name) => `${name}.asm`).sort());
});

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
