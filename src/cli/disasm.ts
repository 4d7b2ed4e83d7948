import type { Bits } from "../asm/mod.ts";
import type { Program } from "../guest/mod.ts";
import { Labels } from "../guest/labels.ts";
import { LONGEST_INSTRUCTION } from "../machine/code.ts";
import { modes } from "../x86/mod.ts";
import { exitCode } from "./exit_code.ts";
import type { Command } from "./main.ts";
import { write } from "./output.ts";
import { requireDisassembler } from "./require_disassembler.ts";
import { lists, readProgram, values } from "./guest_options.ts";
import { parseOptions, UsageError } from "./usage.ts";

/** `disasm`: a guest's image in words. */
export const disasm: Command = {
  help: `Disassemble a guest.

Usage: deno run --allow-read main.ts disasm [OPTION…] FILE

FILE is what run takes; a source is assembled first. Every byte is taken for code, but in an ELF file
only those of executable segments. An instruction begins at every label and with every source line.

Options, besides those that run has for the guest, but --expect (main.ts run --help):
  --bits N   16, 32 or 64; otherwise what a source says, and the guest's mode
  --json     one JSON document: address, bytes, text and label of each instruction
  --help     this`,
  run: async (args) => {
    const parsed = parseOptions(args, { flags: ["json"], values: [...values, "bits"], lists });
    const program = readProgram(parsed);
    const instructions = await disassemble(program, bitsOf(parsed.values.get("bits")));
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

async function disassemble(program: Program, given?: Bits): Promise<Line[]> {
  const disassembler = await requireDisassembler();
  const labels = new Labels(program);
  const [{ address: origin }] = program.segments;
  const rows = new Map(
    program.listing.filter(({ length, isReserved }) => length > 0 && !isReserved)
      .map((row) => [origin + row.offset, row]),
  );
  const code = program.segments.filter(({ isCode = true }) => isCode);
  return code.flatMap(({ address: start, bytes: code }) => {
    let bits = given ?? modes[program.settings.mode].bits;
    const lines: Line[] = [];
    for (let at = 0; at < code.length;) {
      const address = start + at;
      bits = given ?? rows.get(address)?.bits ?? bits;
      let end = at + 1;
      const isBeginning = (place: number) => rows.has(place) || labels.at(place) !== undefined;
      while (end < at + LONGEST_INSTRUCTION && !isBeginning(start + end)) end++;
      // From 64 KiB on, real mode counts from the segment.
      const base = bits === 16 && start >= 0x1_0000 ? start & ~0xf : 0;
      const { text, length, target } = disassembler(code.subarray(at, end), {
        address: BigInt(address - base),
        bits,
      });
      const leadsTo = target === undefined ? undefined : labels.near(base + Number(target));
      lines.push({
        address,
        bytes: code.subarray(at, at + length).toHex(),
        text: leadsTo === undefined ? text : `${text} <${leadsTo}>`,
        label: labels.at(address),
      });
      at += length;
    }
    return lines;
  });
}

function bitsOf(text?: string): Bits | undefined {
  if (text === undefined) return undefined;
  const bits = ([16, 32, 64] as const).find((bits) => `${bits}` === text);
  if (bits === undefined) throw new UsageError(`--bits takes 16, 32 or 64, not "${text}"`);
  return bits;
}
