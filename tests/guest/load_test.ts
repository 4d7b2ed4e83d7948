import { assertEquals, assertThrows } from "@std/assert";
import { AssemblyError } from "../../src/asm/mod.ts";
import { GuestError, loadGuest, type Override, type Program } from "../../src/guest/mod.ts";

const encoder = new TextEncoder();

function option(name: string, text: string): Override {
  return { name, at: { file: `--${name}`, line: 1, text, start: 0 } };
}

function load(content: string | number[], name: string, overrides: Override[] = []): Program {
  const bytes = typeof content === "string" ? encoder.encode(content) : Uint8Array.from(content);
  return loadGuest(bytes, { name, overrides });
}

/** `hlt;é` */
const LATIN_1 = [0x68, 0x6c, 0x74, 0x3b, 0xe9, 0x0a];

const BOOT_SECTOR = [...new Array(510).fill(0x90), 0x55, 0xaa];

Deno.test("loadGuest() finds what a file is from its content, whatever it is called", () => {
  const cases: [content: string | number[], name: string, format: Program["format"]][] = [
    ["mov ax, 1\nhlt\n", "guest.asm", "source"],
    ["mov ax, 1\nhlt\n", "guest", "source"],
    ["mov ax, 1\nhlt\n", "guest.bin", "source"],
    ["; Grüße\r\n\thlt\r\n", "guest", "source"],
    [[0xb8, 1, 0, 0xf4], "guest.bin", "flat"],
    [[0xb8, 1, 0, 0xf4], "guest.asm", "flat"],
    [[0xf4], "guest", "flat"],
    // Text in one line can be machine code: here the name decides.
    ["hlt", "guest.asm", "source"],
    ["hlt", "guest.img", "flat"],
    // So it does for text in another encoding than UTF-8.
    [LATIN_1, "guest.asm", "source"],
    [LATIN_1, "guest", "flat"],
  ];
  for (const [content, name, format] of cases) {
    assertEquals(load(content, name).format, format, `${JSON.stringify(content)} in ${name}`);
  }
});

Deno.test("loadGuest() warns of a source that is not UTF-8", () => {
  assertEquals(load(LATIN_1, "guest.asm").warnings, [
    "guest.asm: It is not UTF-8 and is read as Latin-1: what is not ASCII in its strings becomes UTF-8",
  ]);
});

Deno.test("loadGuest() warns of a flat binary that is named as a source, and says why", () => {
  assertEquals(load("nop\0\n", "guest.asm").warnings, [
    "guest.asm: It is named as a source, but the 0x00 at its byte 3 is in no text: it is taken for " +
    "a flat binary",
  ]);
  assertEquals(load("nop\0\n", "guest").warnings, []);
});

Deno.test("loadGuest() refuses an empty file", () => {
  const { message } = assertThrows(() => load("", "guest.asm"), GuestError);
  assertEquals(message, "guest.asm: The file is empty");
});

Deno.test("loadGuest() puts a boot sector where a BIOS does, and another flat binary at 0", () => {
  assertEquals(load(BOOT_SECTOR, "boot.img").entry, 0x7c00);
  assertEquals(load([...BOOT_SECTOR, 1, 2], "boot.img").segments[0].address, 0x7c00);
  assertEquals(load(BOOT_SECTOR.slice(1), "boot.img").entry, 0);
  const { entry, segments, settings } = load([0xf4], "guest.bin");
  assertEquals([entry, segments[0].address, settings.mode], [0, 0, "real"]);
});

Deno.test("loadGuest() lets options win over directives", () => {
  const source = ";! mode: long\n;! ram: 4M\n;! timeout: 1s\nbits 32\nhlt\n";
  const overrides = [option("mode", "protected"), option("ram", "8M"), option("load", "0x1000")];
  const { settings, entry, warnings } = load(source, "guest.asm", overrides);
  assertEquals([settings.mode, settings.ram, settings.timeout], ["protected", 0x80_0000, 1000]);
  assertEquals([entry, warnings], [0x1000, []]);
});

Deno.test("loadGuest() replaces an expectation by an option's of the same place, and adds others", () => {
  const source = ";! expect: AX = 1\n;! expect: word [x] = 2\n;! expect: exit = shutdown\nx: hlt\n";
  const overrides = ["ax = 3", "word [0] = 4", "bx = 5"].map((text) => option("expect", text));
  const texts = (program: Program) => program.settings.expect.map(({ text }) => text);
  assertEquals(texts(load(source, "guest.asm", overrides)), [
    "exit = shutdown",
    "ax = 3",
    "word [0] = 4",
    "bx = 5",
  ]);
  assertEquals(texts(load(source, "guest.asm", [option("expect", "exit = hlt")])), [
    "AX = 1",
    "word [x] = 2",
    "exit = hlt",
  ]);
});

Deno.test("loadGuest() lets options name labels, and points at a wrong one", () => {
  assertEquals(load("nop\ngo: hlt\n", "guest.asm", [option("entry", "go")]).entry, 1);
  const { message } = assertThrows(
    () => load("nop\ngo: hlt\n", "guest.asm", [option("entry", "gone")]),
    AssemblyError,
  );
  assertEquals(message, '--entry:1:1: The guest has no label "gone"\n  gone\n  ^~~~');
});

Deno.test("loadGuest() points at the option that makes a guest not fit", () => {
  const cases: [Override[], string][] = [
    [[option("ram", "4K"), option("load", "4096")], "--load:1:1: An image of 2 bytes at 0x1000"],
    [[option("entry", "0x10000")], "--entry:1:1: The entry point 0x10000 is not in"],
    [[option("stack", "0x10000")], "--stack:1:1: The stack pointer 0x10000 does not fit"],
  ];
  for (const [overrides, expected] of cases) {
    const all = [option("ram", "64K"), ...overrides];
    const { message } = assertThrows(() => load([0x90, 0xf4], "guest.bin", all), Error);
    assertEquals(message.startsWith(expected), true, message);
  }
});

Deno.test("loadGuest() names the file where nothing but its size is wrong", () => {
  const { message } = assertThrows(
    () => load(new Array(2 ** 21 + 1).fill(0x90), "big.bin"),
    GuestError,
  );
  assertEquals(
    message,
    "big.bin: An image of 2097153 bytes at 0x0 does not fit into 2048K of RAM: that takes 2052K",
  );
});

Deno.test("loadGuest() gives an ELF file no load address", () => {
  // A 32-bit executable of one HLT at 0x1000.
  const header = new Uint8Array(85);
  const view = new DataView(header.buffer);
  header.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  for (const [at, value] of [[16, 2], [18, 3], [42, 32], [44, 1]] as const) {
    view.setUint16(at, value, true);
  }
  const words = [[24, 0x1000], [28, 52], [52, 1], [56, 84], [60, 0x1000], [64, 0x1000], [68, 1], [
    72,
    1,
  ]];
  for (const [at, value] of words) view.setUint32(at!, value!, true);
  header[84] = 0xf4;
  assertEquals(loadGuest(header, { name: "guest" }).entry, 0x1000);
  const { message } = assertThrows(
    () => loadGuest(header, { name: "guest", overrides: [option("load", "0")] }),
    AssemblyError,
  );
  assertEquals(
    message.split("\n")[0],
    "--load:1:1: An ELF file says itself where it goes: it takes no load address",
  );
});

Deno.test("loadGuest() warns of code for another mode than it starts in", () => {
  assertEquals(load(";! mode: long\nhlt\n", "guest.asm").warnings, [
    "guest.asm: It starts in 64-bit long mode, but its first instruction is assembled for 16 bits: " +
    "write bits 64 above it, or ;! mode: real",
  ]);
  for (
    const source of [
      ";! mode: long\nbits 64\nhlt\n",
      // It goes on to another mode by itself.
      "bits 16\njmp 8:next\nbits 32\nnext: hlt\n",
      ";! mode: long\n;! entry: start\nbits 32\nnop\nbits 64\nstart: hlt\n",
    ]
  ) assertEquals(load(source, "guest.asm").warnings, []);
});
