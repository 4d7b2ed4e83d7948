import type { Line } from "../line.ts";
import { OUT, projectFile, spawn, type Usage } from "../programs.ts";
import { qemu } from "./start.ts";

/** A folder of `count` guests, each with output and a result of its own. */
export async function folderOf(count: number): Promise<string> {
  const folder = `${OUT}guests_${count}`;
  await Deno.mkdir(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    await Deno.writeTextFile(`${folder}/guest_${i}.asm`, smallGuest(i));
  }
  return folder;
}

function smallGuest(number: number): string {
  return `;! expect: ax = ${number * 2}
;! expect: output = "Hello ${number}\\n"
        bits    16
        mov     si, message
.next:  lodsb
        test    al, al
        jz      .done
        out     0xE9, al
        jmp     .next
.done:  mov     ax, ${number}
        add     ax, ax
        hlt
message db      "Hello ${number}", 10, 0
`;
}

/** One run of `main.ts test`. */
export function testRun(folder: string, ...options: string[]): Promise<Usage> {
  const permissions = ["--allow-ffi", "--allow-read"];
  const main = projectFile("main.ts");
  return spawn([Deno.execPath(), "run", ...permissions, main, "test", ...options, folder]);
}

/** `main.ts test`: the whole process. */
export const test: Line[] = [
  {
    what: "200 guests tested with 2 jobs",
    against: "with 1 job",
    unit: "ns",
    aim: { ratio: 1 / 1.6 },
    pairs: 10,
    async open() {
      const folder = await folderOf(200);
      return {
        ours: async () => (await testRun(folder, "--jobs=2")).nanoseconds,
        theirs: async () => (await testRun(folder, "--jobs=1")).nanoseconds,
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
  },
  {
    what: "100 guests tested",
    against: "100 runs of QEMU, microvm",
    unit: "ns",
    aim: { ratio: 0.1 },
    pairs: 3,
    async open() {
      const folder = await folderOf(100);
      const run = await qemu("-M", "microvm", "-nodefaults");
      return {
        ours: async () => (await testRun(folder)).nanoseconds,
        async theirs() {
          let nanoseconds = 0;
          for (let i = 0; i < 100; i++) nanoseconds += (await run()).nanoseconds;
          return nanoseconds;
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
  },
];
