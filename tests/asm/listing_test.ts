import { assertEquals } from "@std/assert";
import { formatListing } from "../../src/asm/listing.ts";
import { assemble } from "../../src/asm/mod.ts";
import { nasmTest, runNasm } from "./nasm.ts";

Deno.test("formatListing() shows line, offset, bytes and source", () => {
  const source = `
start:  mov ax, 5 ; five
        times 20 db 7
.text:  db "a text longer than nine bytes", 0
%macro twice 1
        dw %1, %1
%endmacro
        twice 1
section .bss
        resb 300`;
  assertEquals(
    formatListing(assemble(source)),
    `     1
     2 00000000 B80500                  start:  mov ax, 5 ; five
     3 00000003 07<rep 14h>                     times 20 db 7
     4 00000017 612074657874206C6F-     .text:  db "a text longer than nine bytes", 0
     4 00000020 6E676572207468616E-
     4 00000029 206E696E6520627974-
     4 00000032 657300
     5                                  %macro twice 1
     6                                          dw %1, %1
     7                                  %endmacro
     8                                          twice 1
     6 00000035 01000100            <1>         dw %1, %1
     9                                  section .bss
    10 0000003C <res 12Ch>                      resb 300
`,
  );
});

nasmTest("formatListing() prints NASM's listing where nothing is relocated or reserved", () => {
  const source = `bits 64
start:  mov rax, 0x123456789ABCDEF0
        push rax ; and so on
.again: loop .again
        times 3 nop
table:  dd 1, 2, 3, 4, 5
`;
  const nasm = runNasm(source, { listing: true }).listing;
  const trimmed = nasm.split("\n").map((line) => line.trimEnd()).join("\n");
  assertEquals(formatListing(assemble(source)), trimmed);
});
