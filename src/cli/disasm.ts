import type { Program } from "../guest/mod.ts";
import { Labels } from "../guest/labels.ts";
import { LONGEST_INSTRUCTION } from "../machine/code.ts";
import { loadDisassembler, modes } from "../x86/mod.ts";
import { exitCode } from "./exit_code.ts";
import type { Command } from "./main.ts";
import { write } from "./output.ts";
import { lists, readProgram, values } from "./guest_options.ts";
import { parseOptions, UsageError } from "./usage.ts";

/** `disasm`: a guest's image in words. */
export const disasm: Command = {
  help: `Disassemble a guest.

Usage: deno run --allow-read main.ts disasm [OPTION…] FILE

FILE is what run takes; a source is assembled first. Every byte is taken for code, but in an ELF file
only those of executable segments. An instruction begins at every label.

Options, besides those of run (main.ts run --help):
  --bits N   16, 32 or 64; that of the guest's mode unless said otherwise
  --json     one JSON document: address, bytes, text and label of each instruction
  --help     this`,
  run: async (args) => {
    const parsed = parseOptions(args, { flags: ["json"], values: [...values, "bits"], lists });
    const program = readProgram(parsed);
    const instructions = await disassemble(program, bitsOf(program, parsed.values.get("bits")));
    if (parsed.flags.has("json")) {
      write(JSON.stringify(instructions, null, 2) + "\n");
      return exitCode.proved;
    }
    const lines = instructions.map(({ address, bytes, text, label }) =>
      `${label === undefined ? "" : `${label}:\n`}  ${address.toString(16).padStart(8, "0")}  ` +
      `${bytes.padEnd(20)}  ${text}\n`
    );
    write(lines.join(""));
    return exitCode.proved;
  },
};

/** An instruction of the image; this is also its JSON. */
interface Line {
  address: number;
  bytes: string;
  text: string;
  label: string | undefined;
}

async function disassemble(program: Program, bits: 16 | 32 | 64): Promise<Line[]> {
  const disassembler = await loadDisassembler();
  const labels = new Labels(program);
  const code = program.segments.filter(({ isCode = true }) => isCode);
  return code.flatMap(({ address: start, bytes: code }) => {
    // From 64 KiB on, real mode counts from the segment.
    const base = bits === 16 && start >= 0x1_0000 ? start & ~0xf : 0;
    const lines: Line[] = [];
    for (let at = 0; at < code.length;) {
      const address = start + at;
      let end = at + 1;
      while (end < at + LONGEST_INSTRUCTION && labels.at(start + end) === undefined) end++;
      const { text, length, target } = disassembler(code.subarray(at, end), {
        address: BigInt(address - base),
        bits,
      });
      const bytes = [...code.subarray(at, at + length)].map((byte) =>
        byte.toString(16).padStart(2, "0")
      ).join("");
      const leadsTo = target === undefined ? undefined : labels.near(base + Number(target));
      lines.push({
        address,
        bytes,
        text: leadsTo === undefined ? text : `${text} <${leadsTo}>`,
        label: labels.at(address),
      });
      at += length;
    }
    return lines;
  });
}

function bitsOf(program: Program, text?: string): 16 | 32 | 64 {
  if (text === undefined) return modes[program.settings.mode].bits;
  const bits = ([16, 32, 64] as const).find((bits) => `${bits}` === text);
  if (bits === undefined) throw new UsageError(`--bits takes 16, 32 or 64, not "${text}"`);
  return bits;
}
