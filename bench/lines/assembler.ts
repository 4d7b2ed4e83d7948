import type { Line } from "../line.ts";
import { findProgram, OUT, projectFile, spawn } from "../programs.ts";

const LINES = 100_000;

/**
 * About so many lines: instructions, labels and jumps as in a program written by hand, nine lines
 * repeated. The data comes before the code; behind it, NASM would need 20 times as long.
 */
export function program(lines: number): string {
  let text = 'bits 64\ntable: db "table", 0\n';
  for (let i = 0; i * 9 < lines; i++) {
    text += `f${i}:  push rbx
        mov rax, [rdi + rcx*8 + ${i % 256}]   ; the next one
        lea rbx, [rel table]
        add eax, ${i}
        cmp eax, 0x7f
        jne .out
        movzx ecx, byte [rbx + 1]
.out:   pop rbx
        ret
`;
  }
  return text;
}

/** The assembler against the original, each a process. */
export const assembler: Line[] = [
  {
    what: `assembling ${LINES.toLocaleString("en")} lines`,
    against: "nasm",
    unit: "ns",
    aim: { ratio: 1 },
    pairs: 10,
    async open() {
      const source = OUT + "lines.asm";
      await Deno.writeTextFile(source, program(LINES));
      const [ours, theirs] = [OUT + "lines.ours.bin", OUT + "lines.nasm.bin"];
      const script = projectFile("bench/assemble.ts");
      const deno = [Deno.execPath(), "run", "--allow-read", "--allow-write", script, source, ours];
      const nasm = [await findProgram("nasm"), "-f", "bin", "-o", theirs, source];
      return {
        ours: async () => (await spawn(deno)).nanoseconds,
        theirs: async () => (await spawn(nasm)).nanoseconds,
        async [Symbol.asyncDispose]() {
          const [a, b] = [await Deno.readFile(ours), await Deno.readFile(theirs)];
          if (a.length !== b.length || a.some((byte, i) => byte !== b[i])) {
            throw new Error("The two assemblers disagree");
          }
        },
      };
    },
  },
];
