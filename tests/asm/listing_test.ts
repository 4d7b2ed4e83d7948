import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatListing } from "../../src/asm/listing.ts";
import { assemble } from "../../src/asm/mod.ts";
import { nasmTest, runNasm } from "./nasm.ts";

Deno.test("formatListing() shows line, offset, bytes and source", () => {
  const source = `
start:  mov ax, 5 ; five
        mov si, text
        times 20 db 7
text:   db "a text longer than nine bytes", 0
%macro twice 1
        dw %1, %1   ; both
%endmacro
        twice 1
section .bss
        resb 3
        resb 300`;
  const blank = " ";
  assertEquals(
    formatListing(assemble(source)),
    `     1                                 ${blank}
     2 00000000 B80500                  start:  mov ax, 5 ; five
     3 00000003 BE[1A00]                        mov si, text
     4 00000006 07<rep 14h>                     times 20 db 7
     5 0000001A 612074657874206C6F-     text:   db "a text longer than nine bytes", 0
     5 00000023 6E676572207468616E-
     5 0000002C 206E696E6520627974-
     5 00000035 657300            ${blank}
     6                                  %macro twice 1
     7                                          dw %1, %1   ; both
     8                                  %endmacro
     9                                          twice 1
     7 00000038 01000100            <1>  dw %1, %1
    10                                  section .bss
    11 00000000 ??????                          resb 3
    12 00000003 <res 12Ch>                      resb 300
`,
  );
});

Deno.test("formatListing() shows warnings below their line", () => {
  assertStringIncludes(
    formatListing(assemble("db 300\nnop\n%warning mind this")),
    `     1 00000000 2C                      db 300
     1          ******************       warning: 300 does not fit into a byte
     2 00000001 90                      nop
     3                                  %warning mind this
     3          ******************       warning: mind this
`,
  );
});

const folders = {
  guests: new URL("../../guests/", import.meta.url),
  programs: new URL("programs/", import.meta.url),
  listings: new URL("listings/", import.meta.url),
};

for (const [name, folder] of Object.entries(folders)) {
  nasmTest(`formatListing() prints NASM's listings of the ${name}`, () => {
    const read = (path: string) => Deno.readFileSync(new URL(path, folder));
    for (const { name } of Deno.readDirSync(folder)) {
      if (!name.endsWith(".asm")) continue;
      const source = new TextDecoder().decode(read(name));
      const nasm = runNasm(source, { listing: true, args: ["-w-all", "-I", folder.pathname] });
      const { listed } = assemble(source, {
        name: "source.asm",
        readBytes: read,
        readText: (path) => new TextDecoder().decode(read(path)),
      });
      assertEquals(formatListing({ listed, warnings: [] }), nasm.listing, name);
    }
  });
}
