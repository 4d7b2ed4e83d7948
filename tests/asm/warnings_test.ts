import { assertEquals } from "@std/assert";
import { assemble, type Bits } from "../../src/asm/mod.ts";
import { formLines } from "./forms.ts";
import { nasmTest, runNasm } from "./nasm.ts";

function warningsOf(source: string): string[] {
  return assemble(source).warnings.map(({ line, message }) => `${line}: ${message}`);
}

Deno.test("assemble() warns of numbers that are cut", () => {
  const source = "mov al, 300\nmov al, -256\nadd bx, 70000\npush byte 300\ndb 256, -256, -257\n" +
    "mov ax, [bx+70000]\ndd 'hello'+0\ndd 1e39";
  assertEquals(warningsOf(source), [
    "1: 300 does not fit into a byte",
    "3: 70000 does not fit into 2 bytes",
    "4: 300 does not fit into a byte with a sign",
    "5: 256 does not fit into a byte",
    "5: -257 does not fit into a byte",
    "6: 70000 does not fit into 2 bytes",
    "7: Only the first 4 characters count here",
    "8: 1e39 is too large and becomes infinity",
  ]);
});

Deno.test("assemble() warns of a label that stands alone without a colon", () => {
  assertEquals(warningsOf("a:\nb\nc nop\n.d\ncpuidd ; oops\ne equ 5\n"), [
    "2: The label b stands alone without a colon: is it a typing error?",
    "4: The label .d stands alone without a colon: is it a typing error?",
    "5: The label cpuidd stands alone without a colon: is it a typing error?",
  ]);
});

Deno.test("assemble() warns of prefixes that say nothing or contradict the instruction", () => {
  const source =
    "bits 32\no16 mov eax, ebx\no16 jmp near $\nlock mov [ebx], eax\nlock inc byte [ebx]\n" +
    "lock xchg eax, [ebx]\nes mov al, [ebx]\nbits 64\nes mov al, [rbx]\nmov al, [fs:rbx]";
  assertEquals(warningsOf(source), [
    "2: The prefix o16 contradicts the 32-bit operation",
    "4: LOCK is only for some instructions with a destination in memory: the CPU refuses this",
    "9: Segment es says nothing in 64-bit mode: its base is 0",
  ]);
});

Deno.test("assemble() warns of targets and addresses that are not what they seem", () => {
  assertEquals(warningsOf("a:\ncall a+65538\ncall $+65539"), [
    "3: The target is out of range: 65536 does not fit into 2 bytes",
  ]);
  assertEquals(warningsOf("bits 64\na: mov al, [rel 5]\nmov al, [rel a]"), [
    "2: A number is no address relative to RIP: it is taken as it is",
  ]);
});

Deno.test("assemble() warns of data that a missing comma takes away", () => {
  assertEquals(warningsOf("dw 5 6\ndw 'it''s', 1"), [
    "1: What stands here counts for nothing: is a comma missing?",
    "2: What stands here counts for nothing: is a comma missing?",
  ]);
});

nasmTest("assemble() warns of no number of which NASM does not", () => {
  for (const bits of [16, 32, 64] as const satisfies readonly Bits[]) {
    const lines = [...formLines(bits)].filter((line, i) => i % 10 === 0 && /[0-9]/.test(line));
    const taken = lines.filter((line) => {
      try {
        return assemble(line, { bits }).bytes.length > 0;
      } catch {
        return false;
      }
    });
    const source = `bits ${bits}\n${taken.join("\n")}\n`;
    const theirs = new Set(
      [...runNasm(source).messages.matchAll(/:(\d+): warning: /g)].map(([, line]) => Number(line)),
    );
    const more = assemble(source).warnings.filter(({ line }) => !theirs.has(line));
    assertEquals(more.map(({ line, message }) => `${taken[line - 2]}: ${message}`), []);
  }
});
