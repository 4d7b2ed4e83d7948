import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { AssemblyError } from "../../src/asm/mod.ts";
import {
  type Expectation,
  type Outcome,
  parseExpectation,
  quote,
  UnknownNameError,
} from "../../src/guest/mod.ts";
import type { Regs, Sregs } from "../../src/kvm/mod.ts";

const symbols = new Map([
  ["table", 0x100n],
  ["table.row", 0x104n],
  [".local", 0x108n],
  ["..@macro", 0x10cn],
  ["below", -4n],
]);

const RAM_SIZE = 0x1000;

/** A guest that halted; its RAM holds the bytes 0 to 255 over and over. */
function outcome(changes: Partial<Outcome> = {}): Outcome {
  const ram = Uint8Array.from({ length: RAM_SIZE }, (_, i) => i);
  return {
    regs: { rax: 0xffff_ffff_ffff_fffbn, rbx: 42n, rflags: 0x42n } as Regs,
    sregs: { cr0: 0x10n } as Sregs,
    ending: { reason: "hlt" },
    output: new Uint8Array(0),
    memory: (address, length) =>
      address + length <= RAM_SIZE ? ram.slice(address, address + length) : undefined,
    ...changes,
  };
}

function parse(text: string): Expectation {
  return parseExpectation({ file: "--expect", line: 1, text, start: 0 }, { symbols });
}

function check(text: string, changes?: Partial<Outcome>): [found: string, holds: boolean] {
  const { expectation, found, holds } = parse(text).check(outcome(changes));
  assertEquals(expectation, text);
  return [found, holds];
}

function assertHolds(cases: Record<string, boolean>, changes?: Partial<Outcome>): void {
  for (const [text, expected] of Object.entries(cases)) {
    assertEquals(check(text, changes)[1], expected, text);
  }
}

function failure(text: string): string {
  return assertThrows(() => parse(text), AssemblyError).message;
}

Deno.test("parseExpectation() compares registers and flags, in any case", () => {
  assertHolds({
    "rbx = 42": true,
    "rbx = 41": false,
    "RBX = 0x2A": true,
    "bl = 2ah": true,
    "bx = 0b10_1010": true,
    "ebx = '*'": true,
    "bh = 0": true,
    "rbx != 42": false,
    "rbx != 43": true,
    "rbx < 42": false,
    "rbx <= 42": true,
    "rbx > 41": true,
    "rbx >= 43": false,
    "zf = 1": true,
    "cf = 1": false,
    "cr0 = 0x10": true,
  });
});

Deno.test("parseExpectation() compares with labels, and with what is added to them", () => {
  assertHolds({
    "ebx = table": false,
    "rbx = table.row - table + 38": true,
    "rbx = -table + table + 42": true,
    "rbx < table": true,
    "rbx = 0 .. table": true,
    "rax = below - 1": true,
    "dword [table] = 0x03020000 + table": true,
  });
  assertHolds({ "exit = status table + 1": true }, {
    ending: { reason: "status", status: 0x101 },
  });
});

Deno.test("parseExpectation() knows ranges, both ends included", () => {
  assertHolds({
    "rbx = 1..41": false,
    "rbx = 1..42": true,
    "rbx = 42..42": true,
    "rbx = 42 .. 43": true,
    "rbx = 43..99": false,
    "rbx = 'a'..'z'": false,
    "rbx = 0..0xffffffffffffffff": true,
    "al = -5..5": true,
    "al = -4..5": false,
    "bl = -5..42": true,
  });
});

Deno.test("parseExpectation() compares signed values where the number is negative", () => {
  assertHolds({
    "rax = -5": true,
    "al = -5": true,
    "al = 0xfb": true,
    "al != -5": false,
    "al < -4": true,
    "al < -5": false,
    "al <= -5": true,
    "al > -6": true,
    "al >= -4": false,
    "rbx > -1": true,
    "rbx < -1": false,
    "al < 0": false,
    "zf = -1": true,
  });
});

Deno.test("parseExpectation() says which value a register has", () => {
  assertEquals(check("rbx = 1"), ["rbx = 42 (0x2a)", false]);
  assertEquals(check("BL = 42"), ["BL = 42 (0x2a)", true]);
  assertEquals(check("al = -5"), ["al = 251 (0xfb)", true]);
  assertEquals(check("zf = 1"), ["zf = 1", true]);
});

Deno.test("parseExpectation() compares little-endian memory at numbers and labels", () => {
  assertHolds({
    "byte [0x10] = 0x10": true,
    "word [0x10] = 0x1110": true,
    "dword [16] = 0x13121110": true,
    "qword [16] = 0x1716151413121110": true,
    "QWORD [16] = 0": false,
    "byte [table+5] = 5": true,
    "byte [table.row - 1] = 3": true,
    "byte [.local] = 8": true,
    "byte [..@macro] = 12": true,
    "byte [table.row-table] = 4": true,
    "byte [1 + table + 1] = 2": true,
    "byte [255] = -1": true,
    "word [0x10] = 0x1000..0x1200": true,
  });
});

Deno.test("parseExpectation() says where memory was looked at, and what was there", () => {
  assertEquals(check("word [table + 2] = 1"), ["word [table+2] = 770 (0x302)", false]);
  assertEquals(check('[table] = "ab"'), ['[table] = "\\x00\\x01"', false]);
});

Deno.test("parseExpectation() finds no value where there is no RAM", () => {
  for (const operator of ["=", "!="]) {
    assertEquals(check(`byte [0x1000] ${operator} 1`), ["byte [0x1000] is not in RAM", false]);
    assertEquals(check(`qword [0xff9] ${operator} 1`), ["qword [0xff9] is not in RAM", false]);
    assertEquals(check(`[0xfff] ${operator} "ab"`), ["[0xfff] is not in RAM", false]);
  }
  assertEquals(check("byte [0xfffffffffffff] = 1")[1], false);
});

Deno.test("parseExpectation() compares strings in memory, with C's escapes", () => {
  assertHolds({
    '[0x41] = "ABC"': true,
    "[0x41] = 'ABC'": true,
    "[0x41] = `ABC`": true,
    '[0x41] = "ABD"': false,
    '[0x41] != "ABD"': true,
    '[0x09] = "\\t\\n"': true,
    '[0x21] = "\\x21\\""': true,
    '[0x5b] = "[\\\\]"': true,
    '[0x00] = "\\0\\1\\2"': true,
    '[0x63] = "cde;!"': false,
  });
});

Deno.test("parseExpectation() compares the output as bytes: text is UTF-8", () => {
  const output = new TextEncoder().encode("é\n");
  assertHolds({
    'output = "é\\n"': true,
    'output = "\\xc3\\xa9\\n"': true,
    'output = "\\u00e9\\n"': true,
    'output = "é"': false,
    'output != ""': true,
    'OUTPUT = ""': false,
  }, { output });
  assertEquals(check('output = ""', { output }), ['output = "\\xc3\\xa9\\n"', false]);
});

Deno.test("parseExpectation() tells of a long output the part that is not as expected", () => {
  const output = new Uint8Array(100_000).fill(0x61);
  const a = (count: number) => "a".repeat(count);
  const told = (text: string) => check(`output = "${text}"`, { output });
  const first = `output = "${a(512)}" (from byte 0 of 100000)`;
  assertEquals(told("b"), [first, false]);
  assertEquals(told(a(100_000)), [first, true]);
  assertEquals(told(`${a(1000)}b`), [`output = "${a(512)}" (from byte 936 of 100000)`, false]);
  assertEquals(told(a(100_001)), [`output = "${a(64)}" (from byte 99936 of 100000)`, false]);
});

Deno.test("parseExpectation() compares how the guest ended", () => {
  assertHolds({ "exit = hlt": true, "exit = shutdown": false, "exit != status 0": true });
  const status = { ending: { reason: "status", status: 3 } } as const;
  assertHolds({
    "exit = status 3": true,
    "exit = status 4": false,
    "exit != status 3": false,
    "exit = hlt": false,
    "exit = status 0xffffffff": false,
  }, status);
  assertEquals(check("exit = hlt", status), ["exit = status 3", false]);
  assertEquals(check("exit = hlt", { ending: { reason: "shutdown" } }), ["exit = shutdown", false]);
});

Deno.test("parseExpectation() says what an expectation is about", () => {
  const subjects = ["al = 1", "byte [1] = 1", '[1] = "a"', 'output = "a"', "exit = hlt"]
    .map((text) => parse(text).subject);
  assertEquals(subjects, ["register", "memory", "memory", "output", "exit"]);
});

Deno.test("parseExpectation() takes values that fit, signed or unsigned, and no others", () => {
  const limits = [["zf", 1n], ["al", 8n], ["ax", 16n], ["eax", 32n], ["rax", 64n]] as const;
  for (const [register, bits] of limits) {
    const end = 1n << bits;
    parse(`${register} = ${end - 1n}`);
    parse(`${register} = ${-end / 2n}`);
    for (const value of [end, -end / 2n - 1n]) {
      const reason = `The value does not fit into ${bits} bit${bits === 1n ? "" : "s"}`;
      assertEquals(failure(`${register} = ${value}`).includes(reason), true, `${value}`);
    }
  }
});

Deno.test("parseExpectation() shows the line and points at what is wrong", () => {
  const errors: Record<string, [column: number, length: number, reason: string]> = {
    "": [
      1,
      1,
      "Expected a register, a size and an address, output or exit, not the end of the line",
    ],
    "= 3": [1, 1, 'Expected a register, a size and an address, output or exit, not "="'],
    "foo = 3": [1, 3, 'There is no register "foo"'],
    "ax": [3, 1, "Expected =, !=, <, >, <= or >=, not the end of the line"],
    "ax = ": [5, 1, "Expected a value, not the end of the line"],
    "ax = bx": [6, 2, 'The guest has no label "bx"'],
    "ax = $": [6, 1, 'Expected a value, not "$"'],
    "ax = --5": [7, 1, 'Expected a value, not "-"'],
    "ax = 12z": [6, 3, 'Expected a value, not "12z"'],
    "ax = 1 2": [8, 1, 'Expected nothing more, not "2"'],
    "ax = 1, bx = 2": [7, 1, 'Expected nothing more, not ","'],
    "ax = 0x10000": [6, 7, "The value does not fit into 16 bits"],
    "rax = 0x10000000000000000": [7, 19, "The value does not fit into 64 bits"],
    "ax = 9..1": [9, 1, "The range ends before it begins"],
    "ax = 1..": [9, 1, "Expected a value, not the end of the line"],
    "ax = 1..2..3": [10, 2, 'Expected nothing more, not ".."'],
    "ax != 1..2": [8, 2, 'Expected nothing more, not ".."'],
    "rax = '123456789'": [7, 11, "A character constant has 1 to 8 bytes"],
    "rax = ''": [7, 2, "A character constant has 1 to 8 bytes"],
    "word 0x400 = 1": [6, 5, 'Expected an address in brackets, not "0x400"'],
    "word [0x400 = 1": [13, 1, 'Expected ], not "="'],
    "word [] = 1": [7, 1, 'Expected an address or a label, not "]"'],
    "word [1+] = 1": [9, 1, 'Expected an address or a label, not "]"'],
    "word [-4] = 1": [7, 1, "An address is between 0 and 2^52 - 1 (Intel SDM vol. 3A §4.1.4)"],
    "word [nowhere] = 1": [7, 7, 'The guest has no label "nowhere"'],
    "word [Table] = 1": [7, 5, 'The guest has no label "Table"'],
    "word [below] = 1": [7, 5, "An address is between 0 and 2^52 - 1 (Intel SDM vol. 3A §4.1.4)"],
    "word [0x10000000000000] = 1": [
      7,
      16,
      "An address is between 0 and 2^52 - 1 (Intel SDM vol. 3A §4.1.4)",
    ],
    "[table] = 1": [11, 1, 'Expected a string: a number takes byte, word, dword or qword, not "1"'],
    '[table] = ""': [11, 2, "An empty string is found everywhere"],
    '[table] < "a"': [9, 1, 'Expected = or !=, not "<"'],
    "output = 5": [10, 1, 'Expected the output in quotes, not "5"'],
    'output = "a': [10, 1, "Expected the output in quotes, not a quote that nothing closes"],
    "exit = triple": [8, 6, 'The exit is one of hlt, shutdown, status, not "triple"'],
    "exit = 3": [8, 1, 'The exit is one of hlt, shutdown, status, not "3"'],
    "exit = status": [14, 1, "Expected a status, not the end of the line"],
    "exit = status -1": [15, 1, "A status is between 0 and 2^32 - 1"],
    "exit = status 0x100000000": [15, 11, "A status is between 0 and 2^32 - 1"],
    "exit = hlt 3": [12, 1, 'Expected nothing more, not "3"'],
  };
  for (const [text, [column, length, reason]] of Object.entries(errors)) {
    const mark = `${" ".repeat(column - 1)}^${"~".repeat(length - 1)}`;
    assertEquals(failure(text), `--expect:1:${column}: ${reason}\n  ${text}\n  ${mark}`);
  }
});

Deno.test("parseExpectation() gives the names that were possible with an unknown one", () => {
  const register = assertThrows(() => parse("exa = 1"), UnknownNameError);
  assertEquals([register.written, register.known.includes("eax")], ["exa", true]);
  const label = assertThrows(() => parse("byte [tabel] = 1"), UnknownNameError);
  assertEquals([label.written, label.known], ["tabel", [...symbols.keys()]]);
  assertInstanceOf(assertThrows(() => parse("exit = halt"), UnknownNameError), AssemblyError);
});

Deno.test("quote() gives bytes as a string that reads back as the same bytes", () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  const text = quote(all);
  assertEquals(/^[\x20-\x7e]*$/.test(text), true);
  assertEquals(check(`output = ${text}`, { output: all }), [`output = ${text}`, true]);
  assertEquals(
    quote(Uint8Array.of(0, 9, 10, 13, 0x22, 0x5c, 0x7f)),
    '"\\x00\\t\\n\\r\\"\\\\\\x7f"',
  );
});
