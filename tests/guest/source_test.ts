import { assertEquals, assertThrows } from "@std/assert";
import { AssemblyError } from "../../src/asm/mod.ts";
import { GuestError, loadSource } from "../../src/guest/mod.ts";

function place(source: string): { load: number; entry: number; stack: number } {
  const { segments: [{ address: load }], entry, stack } = loadSource(source, "guest.asm");
  return { load, entry, stack };
}

function failure(source: string): string {
  return assertThrows(() => loadSource(source, "guest.asm"), AssemblyError).message;
}

Deno.test("loadSource() assembles the source and reads its directives", () => {
  const program = loadSource(";! ram: 64K\nstart: mov ax, 42\nhlt", "guest.asm");
  assertEquals([...program.segments[0].bytes], [0xb8, 42, 0, 0xf4]);
  assertEquals(program.name, "guest.asm");
  assertEquals(program.settings.ram, 0x1_0000);
  assertEquals(program.symbols, new Map([["start", 0n]]));
  assertEquals(
    program.listing.filter(({ length }) => length > 0).map(({ line, length }) => [line, length]),
    [[2, 3], [3, 1]],
  );
});

Deno.test("loadSource() lets directives name labels", () => {
  const source = "org 0x7c00\n;! entry: go\n;! expect: byte [x] = 1\nx: db 0\ngo: hlt";
  const { entry, settings } = loadSource(source, "guest.asm");
  assertEquals(entry, 0x7c01);
  assertEquals(settings.expect[0]!.text, "byte [x] = 1");
});

Deno.test("loadSource() puts the image at its origin and starts there", () => {
  assertEquals(place("hlt"), { load: 0, entry: 0, stack: 0x7000 });
  assertEquals(place("org 0x7c00\nhlt"), { load: 0x7c00, entry: 0x7c00, stack: 0x7000 });
});

Deno.test("loadSource() puts the image, the start and the stack where the directives say", () => {
  const source = "org 0x7c00\n;! load: 0x8000\nhlt";
  assertEquals(place(source), { load: 0x8000, entry: 0x8000, stack: 0x7000 });
  assertEquals(place(`${source}\n;! entry: 0x9000\n;! stack: 0x6000`), {
    load: 0x8000,
    entry: 0x9000,
    stack: 0x6000,
  });
});

Deno.test("loadSource() puts the stack at the top of RAM, in real mode not above 0x7000", () => {
  assertEquals(place(";! mode: long\nhlt").stack, 0x20_0000);
  assertEquals(place(";! mode: paged\n;! ram: 4M\nhlt").stack, 0x40_0000);
  assertEquals(place(";! ram: 4K\nhlt").stack, 0x1000);
});

Deno.test("loadSource() expects a guest that says nothing about its end to halt", () => {
  const endings = (source: string) =>
    loadSource(source, "guest.asm").settings.expect.map(({ text }) => text);
  assertEquals(endings("hlt"), ["exit = hlt"]);
  assertEquals(endings(";! expect: ax = 1\nhlt"), ["ax = 1", "exit = hlt"]);
  assertEquals(endings(";! expect: exit = shutdown\nhlt"), ["exit = shutdown"]);
});

Deno.test("loadSource() takes an image that ends where RAM does", () => {
  assertEquals(place(";! ram: 4K\n;! load: 0xfff\nhlt").load, 0xfff);
  assertEquals(
    failure("nop\n;! load: 0xfff\n;! ram: 4K\nhlt"),
    "guest.asm:3:9: An image of 2 bytes at 0xfff does not fit into 4K of RAM: that takes 8K\n" +
      "  ;! ram: 4K\n          ^~",
  );
  assertEquals(
    failure(";! load: 0x200000\nhlt"),
    "guest.asm:1:10: An image of 1 byte at 0x200000 does not fit into 2048K of RAM: that takes 2052K\n" +
      "  ;! load: 0x200000\n           ^~~~~~~~",
  );
});

Deno.test("loadSource() refuses an image too large for RAM where no directive decides it", () => {
  assertEquals(
    failure("\ttimes 0x200001 db 0"),
    "guest.asm:1:2: An image of 2097153 bytes at 0x0 does not fit into 2048K of RAM: that takes 2052K\n" +
      "  \ttimes 0x200001 db 0\n  \t^~~~~",
  );
});

Deno.test("loadSource() refuses a start that the mode cannot reach, and one outside of RAM", () => {
  assertEquals(place(";! entry: 0xfffff\nhlt").entry, 0xf_ffff);
  assertEquals(place(";! mode: long\n;! entry: 0x1fffff\nhlt").entry, 0x1f_ffff);
  assertEquals(
    failure(";! entry: 0x100000\nhlt"),
    "guest.asm:1:11: The entry point 0x100000 is out of reach: " +
      "16-bit real mode can start at addresses up to 0xfffff\n" +
      "  ;! entry: 0x100000\n            ^~~~~~~~",
  );
  assertEquals(
    failure(";! mode: long\n;! entry: 0x200000\nhlt"),
    "guest.asm:2:11: The entry point 0x200000 is not in the 2048K of RAM\n" +
      "  ;! entry: 0x200000\n            ^~~~~~~~",
  );
});

Deno.test("loadSource() refuses a stack pointer wider than the mode's", () => {
  assertEquals(place(";! stack: 0xffff\nhlt").stack, 0xffff);
  assertEquals(place(";! mode: paged\n;! stack: 0xffffffff\nhlt").stack, 0xffff_ffff);
  assertEquals(
    failure(";! stack: 0x10000\nhlt"),
    "guest.asm:1:11: The stack pointer 0x10000 does not fit: " +
      "in 16-bit real mode it is at most 0xffff\n  ;! stack: 0x10000\n            ^~~~~~~",
  );
  assertEquals(
    failure(";! mode: protected\n;! stack: 0x100000000\nhlt").split("\n")[0],
    "guest.asm:2:11: The stack pointer 0x100000000 does not fit: " +
      "in 32-bit protected mode it is at most 0xffffffff",
  );
});

Deno.test("loadSource() reports what the assembler finds wrong before the directives", () => {
  assertEquals(
    failure(";! mode: lang\nmov ax, foo").split("\n")[0],
    'guest.asm:2:9: Symbol "foo" is not defined',
  );
});

Deno.test("loadSource() finds labels where the image was put, and leaves constants as they are", () => {
  const source = ";! load: 0x10000\n;! entry: start\n;! set: bx = start, cx = SIZE\n" +
    "nop\nstart: hlt\n.end:\nSIZE equ 4";
  const { entry, symbols, settings } = loadSource(source, "guest.asm");
  assertEquals(entry, 0x1_0001);
  assertEquals([...symbols], [["start", 0x1_0001n], ["start.end", 0x1_0002n], ["SIZE", 4n]]);
  // The CPU counts them from DS, and the assembler from the image.
  assertEquals(settings.set.map(({ value }) => value), [1n, 4n]);
});

Deno.test("loadSource() refuses a source without an instruction", () => {
  const { message } = assertThrows(
    () => loadSource("; nothing\nx equ 1\n", "guest.asm"),
    GuestError,
  );
  assertEquals(message, "guest.asm: There is no instruction in it");
});
