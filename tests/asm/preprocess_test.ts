import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { assemble, AssemblyError } from "../../src/asm/mod.ts";
import { preprocess, type PreprocessOptions } from "../../src/asm/preprocess.ts";
import { assertSameAsNasm, nasmTest, normalize, runNasm, toHex } from "./nasm.ts";

// The golden corpus: sources and what `nasm -E` 2.16.01 makes of them, in normal form.
const cases = Deno.readTextFileSync(new URL("preprocess_cases.txt", import.meta.url))
  .split(/^=== /m).slice(1).map((text) => {
    const [, name, source, expected] = /^(.*)\n([^]*)^--- expands to\n([^]*)$/m.exec(text)!;
    return { name: name!, source: source!, expected: expected!.trim() };
  });

// Sources that NASM refuses for what is wrong in their use of the preprocessor.
const wrong = Deno.readTextFileSync(new URL("preprocess_wrong.txt", import.meta.url))
  .split(/^---\n/m);

function expand(source: string, options?: PreprocessOptions): string {
  return normalize(preprocess(source, options).lines.map(({ text }) => text).join("\n"));
}

function hex(source: string): string {
  return toHex(assemble(source).bytes);
}

/** The errors of a source, each with its place. */
function errorsOf(source: string, options?: PreprocessOptions): string[] {
  return preprocess(source, options).diagnostics
    .filter(({ severity }) => severity === "error")
    .map(({ line, reason }) => `${line.line}: ${reason}`);
}

for (const { name, source, expected } of cases) {
  Deno.test(`preprocess(): ${name}`, () => {
    assertEquals(expand(source, { name: "case.asm" }), expected);
    assertEquals(errorsOf(source), []);
  });
}

nasmTest("preprocess() is held against what nasm -E says", () => {
  const directory = Deno.makeTempDirSync({ prefix: "hlt-nasm-" });
  try {
    for (const { name, source, expected } of cases) {
      Deno.writeTextFileSync(`${directory}/case.asm`, source);
      const { stdout } = new Deno.Command("nasm", { args: ["-E", "case.asm"], cwd: directory })
        .outputSync();
      assertEquals(normalize(new TextDecoder().decode(stdout)), expected, name);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("preprocess() hands a source without macros on as it is", () => {
  const { lines } = preprocess("a: mov ax, 1 ; one\r\n\n\thlt", { name: "a.asm" });
  assertEquals(
    lines.map(({ text, source, file, line, depth }) => [text, source, file, line, depth]),
    [
      ["a: mov ax, 1 ; one", "a: mov ax, 1 ; one", "a.asm", 1, 0],
      ["", "", "a.asm", 2, 0],
      ["\thlt", "\thlt", "a.asm", 3, 0],
    ],
  );
});

Deno.test("preprocess() tells where each line comes from, and what a listing shows", () => {
  const source = "%macro m 1\n mov ax, %1\n%endmacro\nl: m 5\n%rep 2\nnop\n%endrep";
  const { lines } = preprocess(source, { name: "a.asm" });
  assertEquals(lines.map(({ text, source, line, depth }) => [text, source, line, depth]), [
    ["", "%macro m 1", 1, 0],
    ["", " mov ax, %1", 2, 0],
    ["", "%endmacro", 3, 0],
    ["", "l: m 5", 4, 0],
    ["l: ", "l: ", 4, 1],
    [" mov ax, 5", " mov ax, %1", 2, 1],
    ["", "%rep 2", 5, 0],
    ["", "nop", 6, 0],
    ["", "%endrep", 7, 0],
    ["nop", "nop", 6, 1],
    ["nop", "nop", 6, 1],
  ]);
  assertEquals(lines[5]!.origin, {
    what: "macro m",
    file: "a.asm",
    line: 4,
    outer: undefined,
  });
});

Deno.test("preprocess() defines what it is told to before the first line", () => {
  assertEquals(expand("db A, B", { defines: { A: "1", B: "A+1" } }), "db 1, 1+1");
});

Deno.test("preprocess() includes files, and says of a missing one which it is", () => {
  const files: Record<string, string> = { "a.inc": "%include 'b.inc'\na", "b.inc": "db __FILE__" };
  const readText = (path: string) => files[path];
  assertEquals(expand("%include 'a.inc'\nc", { readText }), "db 'b.inc'\na\nc");
  assertEquals(expand("%require 'b.inc'\n%require 'b.inc'", { readText }), "db 'b.inc'");
  assertEquals(errorsOf("%include 'c.inc'", { readText }), [
    '1: Cannot include "c.inc": it was not found',
  ]);
});

Deno.test("preprocess() gives %include the file that it stands in", () => {
  const asked: string[] = [];
  const readText = (path: string, from: string) => {
    asked.push(`${from} > ${path}`);
    return path === "a" ? "%include 'b'" : "";
  };
  preprocess("%include 'a'", { name: "main.asm", readText });
  assertEquals(asked, ["main.asm > a", "a > b"]);
});

Deno.test("preprocess() shows environment variables only to those who are given them", () => {
  const environment = (name: string) => name === "USER" ? "root" : undefined;
  assertEquals(
    expand("%ifenv USER\ndb '%!USER', %!USER\n%endif", { environment }),
    "db '%!USER', root",
  );
  assertEquals(expand("%ifenv USER\ndb 1\n%endif"), "");
});

Deno.test("preprocess() says whose macro a mistake is in", () => {
  const source =
    "%macro inner 0\nmov ax, nowhere\n%endmacro\n%macro outer 0\ninner\n%endmacro\nouter";
  const { message } = assertThrows(() => assemble(source, { name: "a.asm" }), AssemblyError);
  assertStringIncludes(message, 'a.asm:2:9: Symbol "nowhere" is not defined');
  assertStringIncludes(message, "in macro inner at a.asm:5\n  in macro outer at a.asm:7");
});

Deno.test("preprocess() points at the wrong part of an expression", () => {
  const error = assertThrows(() => assemble("  %if 1 + * 2\n%endif"), AssemblyError);
  assertEquals([error.line, error.column, error.length], [1, 11, 1]);
});

Deno.test("preprocess() ends what would not end, with an error", () => {
  const endless: Record<string, string> = {
    "macros growing into each other": "%define a b b\n%define b c c\n" +
      Array.from(
        { length: 24 },
        (_, i) =>
          `%define ${String.fromCharCode(99 + i)} ${`${String.fromCharCode(100 + i)} `.repeat(3)}`,
      ).join("\n") +
      "\na",
    "a chain of macros":
      Array.from({ length: 5000 }, (_, i) => `%define m${i} m${i + 1}`).join("\n") +
      "\nm0",
    "a recursive macro": "%rmacro m 0\nm\n%endmacro\nm",
    "repetitions in repetitions":
      "%rep 1000000\n%rep 1000000\n%rep 1000000\n%endrep\n%endrep\n%endrep",
    "a repetition beyond the limit": "%rep 1000001\nnop\n%endrep",
    "a file that includes itself": "%include 'self'",
    "a string that doubles": "%define s 'ab'\n%rep 60\n%strcat s s, s\n%endrep\ndb s",
    "a definition that doubles": "%define s a\n%rep 60\n%xdefine s s s\n%endrep\ndb s",
    "a name that doubles": "%define s a\n%rep 60\n%xdefine s s %+ s\n%endrep",
    "an alias of itself": "%defalias a b\n%defalias b a\n%define a 1\ndb a",
  };
  for (const [name, source] of Object.entries(endless)) {
    const start = performance.now();
    const { diagnostics } = preprocess(source, { readText: () => "%include 'self'" });
    assert(diagnostics.some(({ severity }) => severity === "error"), name);
    assert(performance.now() - start < 60_000, `${name} takes too long`);
  }
});

Deno.test("preprocess() survives deep nesting", () => {
  const deep = (open: string, close: string) =>
    `%define n 1\n%define f(x) x\ndb ${open.repeat(3000)}n${close.repeat(3000)}`;
  for (const source of [deep("f(", ")"), deep("%eval(", ")"), deep("%[", "]"), deep("%{", "}")]) {
    preprocess(source);
  }
});

Deno.test("preprocess() survives long parameters and strings", () => {
  const long = "1,".repeat(200_000) + "1";
  const source = `%macro m 1+\ndb %1\n%endmacro\n%define n ${long}\nm ${long}\ndb %[n]`;
  assertEquals(assemble(source).bytes.length, 400_002);
  assertEquals(expand(`%strlen n '${"é".repeat(200_000)}'\ndd n`), "dd 400000");
});

const values: Record<string, string> = {
  "an equ in %rep and %if": "n equ 3\n%rep n\nnop\n%endrep\n%if n > 2\nhlt\n%endif",
  "an expression of several equs": "a equ 3\nb equ 2\n%rep a + b * 2 - 1\nnop\n%endrep",
  "distances between labels":
    "a: times 5 nop\nb:\n%assign d b-a\n%rep d\ndb d\n%endrep\n%if $-$$ = 10\nhlt\n%endif",
  "a symbol that only exists if": "x: nop\n%if $-x = 1\ny: db 1\n%endif\ndw y",
  "padding to a boundary":
    "db 1,2,3\n%assign pad (8 - ($-$$) % 8) % 8\n%rep pad\ndb 0x90\n%endrep\ndb 5",
  "a boot sector that fits":
    "nop\n%if ($-$$) > 510\n%error too big\n%endif\ntimes 510-($-$$) db 0\ndw 0xAA55",
  "the current mode":
    "db __BITS__\nbits 32\ndb __BITS__\nuse64\ndb __?BITS?__\nmov __?PTR?__ [rax], 1",
  "structures":
    "struc p\n.x: resw 1\n.y: resb 3\nendstruc\nistruc p\nat p.x, dw 5\nat .y, db 'ab'\niend\ndb p_size, p.y",
  "a structure with an offset":
    "struc s, 4\n.a: resd 1\n.b: resd 1\nendstruc\nmov ax, [bx+s.b]\ndb s_size",
  "going back to a section":
    "section .data\ndb 1\n[absolute 0x100]\nx: resb 4\n__SECT__\ndb 2\ndw x\nsection .text\nnop",
  "smart alignment":
    "%use smartalign\nbits 32\nnop\nalign 8\nnop\nalignmode p6\nalign 16\nnop\nalign 32\nhlt\nalign 4, db 7",
  "smart alignment by a jump": "%use smartalign\nbits 64\nalignmode p6, 8\nnop\nalign 32\nhlt",
  "alternative registers": "%use altreg\nbits 64\nmov r0d, r1d\nmov r3l, r2l\nadd r8w, r15w",
  "integer functions": "%use ifunc\ndb ilog2(8), ilog2w(9), ilog2f(9), ilog2c(9)",
};

for (const [name, source] of Object.entries(values)) {
  nasmTest(`preprocess() knows what only the assembler knows: ${name}`, () => {
    assertSameAsNasm(source);
  });
}

Deno.test("preprocess() refuses what is wrong, and says where", () => {
  for (const source of wrong) {
    const error = assertThrows(() => assemble(source), AssemblyError, undefined, source);
    assert(error.line >= 1 && error.line <= source.split("\n").length, source);
    assert(error.column >= 1, source);
  }
});

nasmTest("preprocess() refuses only what NASM refuses", () => {
  for (const source of wrong) assertEquals(runNasm(source).bytes, undefined, source);
});

Deno.test("preprocess() takes values from the assembler until they settle", () => {
  assertEquals(hex("a: nop\nnop\nb:\n%assign d b-a\n%rep d\ndb d\n%endrep"), "90 90 02 02");
  assertEquals(hex("end equ 3\n%if end > 2\nnop\n%endif"), "90");
});

Deno.test("preprocess() takes no value of what is defined later, nor an address", () => {
  for (const source of ["%if end > 2\nnop\n%endif\nend equ 3", "%rep b-a\nnop\n%endrep\na:\nb:"]) {
    assertThrows(() => hex(source), AssemblyError, "a symbol in it is defined later or nowhere");
  }
  assertThrows(() => hex("%assign here $"), AssemblyError, "takes a number, not an address");
});
