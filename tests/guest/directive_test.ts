import { assertEquals, assertThrows } from "@std/assert";
import { AssemblyError } from "../../src/asm/mod.ts";
import {
  applyDirective,
  defaultSettings,
  parseDirectives,
  type Settings,
  UnknownNameError,
} from "../../src/guest/mod.ts";

const symbols = new Map([["start", 0x7c00n], ["end", 0x7e00n], ["below", -1n]]);

function parse(source: string): Settings {
  return parseDirectives(source, { name: "guest.asm", symbols });
}

/** The settings that differ from the default. */
function changed(source: string): Partial<Settings> {
  const defaults = Object.entries(defaultSettings());
  const settings = parse(source);
  return Object.fromEntries(
    defaults.map(([name]) => [name, settings[name as keyof Settings]] as const)
      .filter(([name, value], i) =>
        !["set", "cpuid", "expect"].includes(name) && value !== defaults[i]![1]
      ),
  );
}

function assertErrors(errors: Record<string, [column: number, length: number, reason: string]>) {
  for (const [text, [column, length, reason]] of Object.entries(errors)) {
    const { message } = assertThrows(() => parse(`nop\n${text}\nhlt`), AssemblyError, "", text);
    const mark = `${" ".repeat(column - 1)}^${"~".repeat(length - 1)}`;
    assertEquals(message, `guest.asm:2:${column}: ${reason}\n  ${text}\n  ${mark}`);
  }
}

Deno.test("parseDirectives() gives the defaults for a source that says nothing", () => {
  assertEquals(parse("; expect: ax = 1\n;? mode: long\n  nop ;! mode: long\n"), {
    mode: "real",
    ram: 0x20_0000,
    load: undefined,
    entry: undefined,
    stack: undefined,
    set: [],
    cpuid: [],
    irqchip: false,
    io: "stop",
    expect: [],
    timeout: 5000,
  });
});

Deno.test("parseDirectives() reads each directive", () => {
  assertEquals(
    changed(`
      ;! mode: long
      ;! ram: 4M
      ;! load: 0x7c00
      ;! entry: start
      ;! stack: end
      ;! irqchip: yes
      ;! io: log
      ;! timeout: 500ms`),
    {
      mode: "long",
      ram: 0x40_0000,
      load: 0x7c00,
      entry: 0x7c00,
      stack: 0x7e00,
      irqchip: true,
      io: "log",
      timeout: 500,
    },
  );
});

Deno.test("parseDirectives() takes directives with any blanks, and lines that end in CR LF", () => {
  for (const text of [";!mode:long", "\t;!  mode :  long  ", ";! mode: LONG", ";! mode: long\r"]) {
    assertEquals(changed(text), { mode: "long" }, JSON.stringify(text));
  }
});

Deno.test("parseDirectives() takes a directive once, but for those that add something", () => {
  const source = ";! mode: long\n;! timeout: 1s\n;! mode: long";
  const error = assertThrows(() => parse(source), AssemblyError);
  assertEquals(
    error.message.split("\n")[0],
    "guest.asm:3:4: The directive mode is given more than once: line 1 has it too",
  );
  const { set, cpuid, expect } = parse(
    ["set: ax = 1", "cpuid: 1:ecx=0", "expect: ax = 1"].map((text) => `;! ${text}\n`.repeat(2))
      .join(""),
  );
  assertEquals([set.length, cpuid.length, expect.length], [2, 2, 2]);
});

Deno.test("parseDirectives() reads every mode and every way to answer", () => {
  for (const mode of ["real", "protected", "paged", "long"] as const) {
    assertEquals(parse(`;! mode: ${mode}`).mode, mode);
  }
  for (const io of ["stop", "log", "ignore"] as const) assertEquals(parse(`;! io: ${io}`).io, io);
  assertEquals(parse(";! irqchip: no").irqchip, false);
});

Deno.test("parseDirectives() reads sizes of RAM in bytes and with units", () => {
  const sizes: Record<string, number> = {
    "4096": 4096,
    "0x10000": 0x1_0000,
    "4K": 0x1000,
    "64k": 0x1_0000,
    "64KiB": 0x1_0000,
    "1.5M": 0x18_0000,
    "2MiB": 0x20_0000,
    "1G": 0x4000_0000,
    "1 GiB": 0x4000_0000,
    "8192B": 8192,
    "4048M": 0xfd00_0000,
  };
  for (const [text, size] of Object.entries(sizes)) {
    assertEquals(parse(`;! ram: ${text}`).ram, size, text);
  }
});

Deno.test("parseDirectives() reads durations in milliseconds, seconds and minutes", () => {
  const durations: Record<string, number> = {
    "1ms": 1,
    "0.5s": 500,
    "2 s": 2000,
    "1m": 60_000,
    "10S": 10_000,
  };
  for (const [text, duration] of Object.entries(durations)) {
    assertEquals(parse(`;! timeout: ${text}`).timeout, duration, text);
  }
});

Deno.test("parseDirectives() reads registers to set, a negative value modulo their width", () => {
  const { set } = parse(
    ";! set: bx = 3, CX=0x4\n;! set: al = -1, rdx = 0xffffffffffffffff, cf = 1",
  );
  assertEquals(set.map(({ register: { name }, value }) => [name, value]), [
    ["bx", 3n],
    ["cx", 4n],
    ["al", 0xffn],
    ["rdx", 0xffff_ffff_ffff_ffffn],
    ["cf", 1n],
  ]);
});

Deno.test("parseDirectives() takes labels for values and addresses, with what is added to them", () => {
  const { set, expect, entry } = parse(
    ";! set: si = start + 4, dx = end - start\n;! expect: di = end - 1\n;! entry: start + 0x10",
  );
  assertEquals(set.map(({ value }) => value), [0x7c04n, 0x200n]);
  assertEquals([expect[0]!.text, entry], ["di = end - 1", 0x7c10]);
});

Deno.test("parseDirectives() tells the address of a label from its value, where the image was moved", () => {
  const addresses = new Map([["start", 0x1_7c00n]]);
  const source = ";! entry: start\n;! set: si = start\n;! expect: byte [start] = 1";
  const { entry, set, expect } = parseDirectives(source, { name: "guest.asm", symbols, addresses });
  assertEquals([entry, set[0]!.value, expect[0]!.place], [0x1_7c00, 0x7c00n, "byte [97280]"]);
});

Deno.test("parseDirectives() leaves a comment behind a value out, and a semicolon in quotes in", () => {
  assertEquals(changed(';! mode: long ; the "host" enters it\n;! ram: 4M;'), {
    mode: "long",
    ram: 0x40_0000,
  });
  const quotes = [`"a;\\"b"`, "'a;\"b'", "`a;b`"];
  for (const quoted of quotes) {
    const { expect } = parse(`;! expect: output = ${quoted} ; it's "what" it says`);
    assertEquals(expect[0]!.text, `output = ${quoted}`);
  }
});

Deno.test("parseDirectives() gathers expectations in their order", () => {
  const { expect } = parse(
    ';! expect: ax = 1  \n;! expect: output = "a;! b"\n;! expect: exit = hlt',
  );
  assertEquals(expect.map(({ text }) => text), ["ax = 1", 'output = "a;! b"', "exit = hlt"]);
});

Deno.test("parseDirectives() points at a line that is no directive", () => {
  const reason = "A directive is written ;! NAME: VALUE";
  assertErrors({
    ";!": [1, 1, reason],
    ";! mode": [1, 1, reason],
    "  ;! mode long": [3, 1, reason],
    ";! : long": [1, 1, reason],
    ";! mode = long": [1, 1, reason],
    ";! mood: long": [4, 4, 'There is no directive "mood"'],
    ";! Mode: long": [4, 4, 'There is no directive "Mode"'],
    ";! constructor: 1": [4, 11, 'There is no directive "constructor"'],
  });
});

Deno.test("parseDirectives() points at a value that is wrong", () => {
  const size = "A size is a number of bytes, or with a unit: 4096, 64K, 4M, 1G";
  const multiple = "The size of RAM is a positive multiple of 4096 bytes";
  const duration = "A duration is a positive number with a unit: 500ms, 5s, 1m";
  const address = "An address is between 0 and 2^52 - 1 (Intel SDM vol. 3A §4.1.4)";
  assertErrors({
    ";! mode:": [9, 1, "The mode is one of real, protected, paged, long, not the end of the line"],
    ";! mode: lang": [10, 4, 'The mode is one of real, protected, paged, long, not "lang"'],
    ";! mode: 64": [10, 2, 'The mode is one of real, protected, paged, long, not "64"'],
    ";! mode: long mode": [15, 4, 'Expected nothing more, not "mode"'],
    ";! ram:": [8, 1, size],
    ";! ram: lots": [9, 4, size],
    ";! ram: 4T": [9, 2, size],
    ";! ram: -4096": [9, 1, size],
    ";! ram: 0": [9, 1, multiple],
    ";! ram: 4095": [9, 4, multiple],
    ";! ram: 1K": [9, 2, multiple],
    ";! ram: 4049M": [9, 5, "The size of RAM is at most 4048M"],
    ";! load:": [9, 1, "Expected an address or a label, not the end of the line"],
    ";! load: -1": [10, 1, address],
    ";! load: 0x10000000000000": [10, 16, address],
    ";! load: below": [10, 5, address],
    ";! entry: strat": [11, 5, 'The guest has no label "strat"'],
    ";! entry: start +": [18, 1, "Expected an address or a label, not the end of the line"],
    ";! entry: start * 2": [17, 1, 'Expected nothing more, not "*"'],
    ";! stack: 0x7000 0": [18, 1, 'Expected nothing more, not "0"'],
    ";! set:": [8, 1, "Expected a register, not the end of the line"],
    ";! set: ax = strat": [14, 5, 'The guest has no label "strat"'],
    ";! set: al = start": [14, 5, "The value does not fit into 8 bits"],
    ';! expect: output = "a ; b': [
      21,
      1,
      "Expected the output in quotes, not a quote that nothing closes",
    ],
    ";! set: ax": [11, 1, "Expected =, not the end of the line"],
    ";! set: xa = 1": [9, 2, 'There is no register "xa"'],
    ";! set: al = 256": [14, 3, "The value does not fit into 8 bits"],
    ";! set: al = -129": [14, 1, "The value does not fit into 8 bits"],
    ";! set: al = 1 ah = 2": [16, 2, 'Expected nothing more, not "ah"'],
    ";! set: al = 1,": [16, 1, "Expected a register, not the end of the line"],
    ";! irqchip: on": [13, 2, 'Irqchip is one of yes, no, not "on"'],
    ";! io: skip": [8, 4, 'Io is one of stop, log, ignore, not "skip"'],
    ";! expect: ax": [14, 1, "Expected =, !=, <, >, <= or >=, not the end of the line"],
    ";! timeout: 5": [13, 1, duration],
    ";! timeout: 0s": [13, 2, duration],
    ";! timeout: -1s": [13, 1, duration],
    ";! timeout: 5h": [13, 2, duration],
    ";! timeout:": [12, 1, duration],
  });
});

Deno.test("parseDirectives() takes no comment for a value", () => {
  assertThrows(() => parse(";! mode: ; why"), AssemblyError, "not the end of the line");
});

Deno.test("parseDirectives() keeps a tab before its mark", () => {
  const error = assertThrows(() => parse("\t;!\tmode:\tlang"), AssemblyError);
  assertEquals(error.message.split("\n").at(-1), "  \t  \t     \t^~~~");
});

Deno.test("applyDirective() changes settings as a directive from elsewhere says", () => {
  const settings = defaultSettings();
  const at = { file: "--ram", line: 1, text: "4M", start: 0 };
  applyDirective(settings, "ram", { at, symbols });
  assertEquals(settings.ram, 0x40_0000);
  const error = assertThrows(
    () => applyDirective(settings, "rom", { at, symbols }),
    UnknownNameError,
    'There is no directive "rom"',
  );
  assertEquals(error.known.includes("ram"), true);
});

Deno.test("parseDirectives() reads which bits of CPUID a guest sees", () => {
  assertEquals(
    parse(";! cpuid: 1:ecx = 0xfffffffe, 7.0:ebx=0\n;! cpuid: 0x80000001:EDX=-1").cpuid,
    [
      { leaf: 1, subleaf: undefined, register: "ecx", mask: 0xffff_fffe },
      { leaf: 7, subleaf: 0, register: "ebx", mask: 0 },
      { leaf: 0x8000_0001, subleaf: undefined, register: "edx", mask: 0xffff_ffff },
    ],
  );
});

Deno.test("parseDirectives() refuses a wrong CPUID mask where it is wrong", () => {
  assertErrors({
    ";! cpuid: ecx=0": [11, 3, 'Expected a value, not "ecx"'],
    ";! cpuid: 1.x:ecx=0": [12, 2, "A subleaf is a number of 32 bits behind the point: 7.0:ebx=0"],
    ";! cpuid: 1:ecx": [16, 1, "Expected = and a mask, not the end of the line"],
    ";! cpuid: 1:esi=0": [13, 3, 'The register of CPUID is one of eax, ebx, ecx, edx, not "esi"'],
    ";! cpuid: 1=0": [12, 1, 'Expected : and a register behind the leaf, not "="'],
    ";! cpuid: 1:ecx=0x100000000": [17, 11, "The value does not fit into 32 bits"],
  });
});
