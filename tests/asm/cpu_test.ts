import { assert, assertEquals } from "@std/assert";
import { assemble, AssemblyError, type Bits } from "../../src/asm/mod.ts";
import { allRows } from "../../src/asm/instructions.ts";
import { rowLines } from "./forms.ts";
import { nasmTest, refusedByNasm } from "./nasm.ts";

const cpus = ("8086 186 286 386 486 586 686 p3 p4 prescott x64 nehalem westmere sandybridge " +
  "ivybridge ia64").split(" ");

/** Some lines of each row of the table that assemble in a mode, registers and memory among them. */
function someLines(bits: Bits): string[] {
  const lines = new Set<string>();
  for (const [i, row] of [...allRows()].entries()) {
    const all = [...rowLines(row, bits)];
    // From other places each time, so that each kind of operand comes up somewhere.
    for (const at of [0, 1, i * 7, i * 31 + 5, all.length - 1]) {
      const line = all[at % all.length]!;
      if (isTaken(line, bits)) lines.add(line);
    }
  }
  return [...lines];
}

function isTaken(line: string, bits: Bits, cpu = "any"): boolean {
  try {
    assemble(`[cpu ${cpu}]\n${line}`, { bits });
    return true;
  } catch (error) {
    if (!(error instanceof AssemblyError)) throw new Error(line, { cause: error });
    return false;
  }
}

for (const bits of [16, 32, 64] as const) {
  nasmTest(`cpu refuses what NASM refuses of every row, bits ${bits}`, () => {
    const lines = someLines(bits);
    assert(lines.length > 2500, `${lines.length} lines`);
    for (const cpu of cpus) {
      const before = `[cpu ${cpu}]\n`;
      const refused = refusedByNasm(lines, bits, { before });
      const different = lines.filter((line, i) => isTaken(line, bits, cpu) === refused.has(i));
      assertEquals(different, [], `cpu ${cpu}`);
    }
  });
}
