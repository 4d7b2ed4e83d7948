// Sources and what NASM makes of them. Asks NASM again and writes cases.txt anew:
// deno run -A tests/asm/cases.ts

import { runNasm } from "./nasm.ts";

const path = new URL("cases.txt", import.meta.url);

/** A source, with the bytes in hexadecimal or `refused`. */
export interface Case {
  readonly expected: string;
  /** As it is written in the file, with `\n` for a line's end. */
  readonly written: string;
  readonly source: string;
}

/** The cases by what they are about. */
export function readCases(): Map<string, Case[]> {
  const groups = new Map<string, Case[]>();
  let group: Case[] = [];
  for (const line of Deno.readTextFileSync(path).trimEnd().split("\n")) {
    if (line.startsWith("# ")) groups.set(line.slice(2), group = []);
    else {
      const [, expected = "", written = ""] = /^(\S*) \| (.*)$/.exec(line)!;
      group.push({ expected, written, source: `${written.replaceAll("\\n", "\n")}\n` });
    }
  }
  return groups;
}

/** What NASM makes of a source: bytes in hexadecimal, or `refused`. */
export function askNasm(source: string): string {
  return runNasm(source).bytes?.toHex() ?? "refused";
}

if (import.meta.main) {
  let text = "";
  for (const [group, cases] of readCases()) {
    text += `# ${group}\n`;
    for (const { written, source } of cases) text += `${askNasm(source)} | ${written}\n`;
  }
  Deno.writeTextFileSync(path, text);
}
