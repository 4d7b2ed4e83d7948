import { assertEquals } from "@std/assert";
import { isPlain, plainLines, splitLines } from "../../src/asm/lines.ts";

Deno.test("isPlain() tells a source that has nothing for the preprocessor", () => {
  for (const source of ["", "mov ax, bx\nhlt", "x: db 1 # 2", ";! mode: real", "data: dw 1"]) {
    assertEquals([source, isPlain(source)], [source, true]);
  }
  const others = ["%define X 1", "dw __LINE__", "mov ax, \\\nbx", "# 1", "struc S", "At x, db 1"];
  for (const source of others) assertEquals([source, isPlain(source)], [source, false]);
});

Deno.test("plainLines() gives the lines as they are, with their numbers", () => {
  const { lines, diagnostics, probes } = plainLines("  nop\nhlt\n", "x.asm");
  const common = { file: "x.asm", depth: 0, origin: undefined };
  assertEquals(lines, [
    { text: "  nop", source: "  nop", line: 1, ...common },
    { text: "hlt", source: "hlt", line: 2, ...common },
  ]);
  assertEquals([diagnostics, probes], [[], []]);
});

Deno.test("splitLines() ends a line as NASM does", () => {
  assertEquals(splitLines("a\r\nb\rc\x1Ad\0e\n"), ["a", "b", "c", "d", "e"]);
  assertEquals(splitLines("a\n\n"), ["a", ""]);
});
