// Writes golden.txt, what NASM makes of a line of every row of the instruction table in every mode:
// deno run -A tests/asm/golden.ts

import { allRows, type Bits } from "../../src/asm/instructions.ts";
import { rowLines } from "./forms.ts";
import { noEvex, refusedByNasm, runNasm, toHex } from "./nasm.ts";

const rows: string[] = [];
for (const bits of [16, 32, 64] as const satisfies readonly Bits[]) {
  const lines = [...allRows()].flatMap((row, i) => {
    // The many instructions with VEX prefixes in one mode each.
    if (/ VEX\..*0F/.test(row.row) && /^v/.test(row.mnemonic) && [16, 32, 64][i % 3] !== bits) {
      return [];
    }
    const all = [...rowLines(row, bits)];
    // Two of each row, from other places each time.
    return [all[(i * 7) % all.length]!, all[(i * 31 + 5) % all.length]!];
  });
  const unique = [...new Set(lines)];
  const refused = refusedByNasm(unique, bits, { before: noEvex });
  const taken = unique.filter((_, i) => !refused.has(i));
  // Each line is followed by a mark, so that the lines' bytes can be told apart.
  const mark = "db 'golden', 0xFE, 0xFF";
  const { bytes } = runNasm(
    `bits ${bits}\n${taken.map((line) => `${line}\n${mark}`).join("\n")}\n`,
    {
      args: ["-w-all"],
    },
  );
  const parts = toHex(bytes!).split(" 67 6f 6c 64 65 6e fe ff");
  for (const [i, line] of taken.entries()) {
    rows.push(`${bits} | ${line} | ${parts[i]!.trim().replaceAll(" ", "")}`);
  }
}
Deno.writeTextFileSync(new URL("golden.txt", import.meta.url), rows.join("\n") + "\n");
