/**
 * Measures the assembler by itself: whether its time grows with the lines, and what the built-in
 * guests take in a warm process. Against NASM it is measured by `deno task bench`.
 *
 * deno run --allow-read bench/asm.ts
 */

import { assemble } from "../src/asm/mod.ts";
import { median } from "./statistics.ts";

const guests = ["real", "protected", "paged", "long"];

function program(lines: number): string {
  let text = "bits 64\ntable: dq 0\n";
  for (let i = 0; i * 6 < lines; i++) {
    text += `f${i}: push rbx\n mov rax, [rdi + rcx*8 + ${i % 256}]\n add eax, ${i}\n`;
    text += ` jne .out\n lea rbx, [rel table]\n.out: call f${Math.max(0, i - 7)}\n`;
  }
  return text;
}

/** The median time of some runs, in milliseconds. */
function measure(runs: number, action: () => void): number {
  return median(Array.from({ length: runs }, () => {
    const start = performance.now();
    action();
    return performance.now() - start;
  }));
}

const small = program(10_000);
const large = program(100_000);
for (let i = 0; i < 5; i++) assemble(small);
const [one, ten] = [measure(9, () => assemble(small)), measure(9, () => assemble(large))];
console.log(
  `10,000 lines ${one.toFixed(1)} ms, 100,000 lines ${ten.toFixed(1)} ms: ` +
    `${(ten / one).toFixed(2)} times (aim: at most 11)`,
);

const sources = guests.map((name) =>
  Deno.readTextFileSync(new URL(`../guests/${name}.asm`, import.meta.url))
);
const together = () => sources.forEach((source) => assemble(source));
for (let i = 0; i < 200; i++) together();
console.log(
  `the four built-in guests together, warm: ${measure(101, together).toFixed(3)} ms (aim: under 3)`,
);
