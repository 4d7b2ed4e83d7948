import { assertEquals } from "@std/assert";
import { Labels } from "../../src/guest/labels.ts";
import { loadSource } from "../../src/guest/mod.ts";

const source = `;! load: 0x8000
SIZE equ 2
first:
second: nop
.local: hlt
data: times SIZE db 0
`;

Deno.test("Labels names an address by the first label there, where the image lies", () => {
  const labels = new Labels(loadSource(source, "guest.asm"));
  assertEquals(labels.at(0x8000), "first");
  assertEquals(labels.at(0x8001), "second.local");
  // Neither what the assembler counts from 0 nor the constant is an address.
  assertEquals([labels.at(0), labels.at(2), labels.at(0x8003)], [undefined, undefined, undefined]);
});

Deno.test("Labels gives the label before an address of the program, and the distance", () => {
  const labels = new Labels(loadSource(source, "guest.asm"));
  assertEquals([labels.near(0x8001), labels.near(0x8003)], ["second.local", "data+0x1"]);
  assertEquals(labels.near(0x8000), labels.at(0x8000));
  assertEquals([labels.near(0x7fff), labels.near(0x8004)], [undefined, undefined]);
});
