import { assert, assertEquals, fail } from "@std/assert";
import { assemble, AssemblyError, type Bits } from "../../src/asm/mod.ts";
import { formLines, sizeLines } from "./forms.ts";
import { isOversight, nasmTest, noEvex, refusedByNasm, runNasm, toHex } from "./nasm.ts";

const modes: readonly Bits[] = [16, 32, 64];

for (const bits of modes) {
  nasmTest(`assemble() makes NASM's bytes of every form of every instruction, bits ${bits}`, () => {
    const count = compare(formLines(bits), bits);
    assert(count > 70_000, `${count} lines`);
  });
}

nasmTest("assemble() takes a size before a vector register where NASM does", () => {
  const count = compare(sizeLines(64), 64);
  assert(count > 5_000, `${count} lines`);
});

/** Fails unless NASM makes the same of each line, or refuses it too; tells how many are right. */
function compare(lines: Iterable<string>, bits: Bits): number {
  const taken: { line: string; bytes: Uint8Array }[] = [];
  const refused: string[] = [];
  for (const line of lines) {
    try {
      taken.push({ line, bytes: assemble(line, { bits }).bytes });
    } catch (error) {
      if (!(error instanceof AssemblyError)) throw error;
      refused.push(line);
    }
  }
  const source = `bits ${bits}\n${taken.map(({ line }) => line).join("\n")}\n`;
  const nasm = runNasm(source, { args: ["-w-all"] });
  if (!nasm.bytes) {
    fail(`NASM refuses what the assembler takes: ${firstError(nasm.messages, source)}`);
  }
  let at = 0;
  for (const { line, bytes } of taken) {
    const theirs = nasm.bytes.subarray(at, at += bytes.length);
    if (bytes.some((byte, i) => byte !== theirs[i])) {
      assertEquals(toHex(bytes), toHex(theirs), line);
    }
  }
  assertEquals(at, nasm.bytes.length);
  const wrong = refusedByNasm(refused, bits, { before: noEvex });
  assertEquals(refused.filter((line, i) => !wrong.has(i) && !isOversight(line)), []);
  return taken.length;
}

function firstError(messages: string, source: string): string {
  const [, line = "1", reason = ""] = /:(\d+): error: (.*)/.exec(messages) ?? [];
  return `${source.split("\n")[Number(line) - 1]}: ${reason}`;
}
