import { assertEquals, assertThrows } from "@std/assert";
import { AssemblyError } from "../../src/asm/error.ts";
import { Lexer, parseInteger } from "../../src/asm/lexer.ts";

function lex(text: string): [kind: string, text: string][] {
  const lexer = new Lexer({ text, file: "a", line: 1, depth: 0 });
  const tokens: [string, string][] = [];
  for (; lexer.kind !== "end"; lexer.next()) {
    tokens.push([
      lexer.kind,
      ["name", "escaped", "string", "float"].includes(lexer.kind)
        ? lexer.text
        : lexer.kind === "number"
        ? String(lexer.value)
        : "",
    ]);
  }
  return tokens;
}

Deno.test("Lexer reads names, numbers, strings and the longest operators", () => {
  assertEquals(lex(".a$b: add ax, 0x1F<<<2 ; comment"), [
    ["name", ".a$b"],
    [":", ""],
    ["name", "add"],
    ["name", "ax"],
    [",", ""],
    ["number", "31"],
    ["<<<", ""],
    ["number", "2"],
  ]);
  assertEquals(lex("$ $$ $eax $0f 'a;b' `\\n\\x41\\0` 1.5e+3 a==b<>c"), [
    ["here", ""],
    ["base", ""],
    ["escaped", "eax"],
    ["number", "15"],
    ["string", "a;b"],
    ["string", "\nA\0"],
    ["float", "1.5e+3"],
    ["name", "a"],
    ["=", ""],
    ["name", "b"],
    ["!=", ""],
    ["name", "c"],
  ]);
});

Deno.test("Lexer gives strings as UTF-8", () => {
  assertEquals(lex("'é' `\\u20ac`"), [["string", "\xC3\xA9"], ["string", "\xE2\x82\xAC"]]);
});

Deno.test("Lexer refuses a string without an end, a bad number and an unknown character", () => {
  for (const text of ["'abc", "`abc\\`", "12ab", "0b12", "0_x1", "\\", "'"]) {
    assertThrows(() => lex(text), AssemblyError);
  }
});

Deno.test("parseInteger() reads every number format of NASM", () => {
  const formats: Record<string, bigint> = {
    "200": 200n,
    "0200": 200n,
    "0200d": 200n,
    "0d200": 200n,
    "0c8h": 200n,
    "$0c8": 200n,
    "0xc8": 200n,
    "0hc8": 200n,
    "310q": 200n,
    "310o": 200n,
    "0o310": 200n,
    "0q310": 200n,
    "11001000b": 200n,
    "1100_1000b": 200n,
    "1100_1000y": 200n,
    "0b1100_1000": 200n,
    "0y1100_1000": 200n,
    "0t200": 200n,
    "0b1h": 0xB1n,
    "0xFFFFFFFFFFFFFFFF": 0xFFFFFFFFFFFFFFFFn,
    "0x": 0n,
  };
  for (const [text, value] of Object.entries(formats)) {
    assertEquals(parseInteger(text), value, text);
  }
});
