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

/** A folder with the project's own guests, `times` over. */
async function examples(times: number): Promise<string> {
  const folder = `${OUT}examples`;
  await Deno.mkdir(folder, { recursive: true });
  for await (const { name } of Deno.readDir(projectFile("guests"))) {
    if (!name.endsWith(".asm")) continue;
    for (let i = 0; i < times; i++) {
      await Deno.copyFile(projectFile(`guests/${name}`), `${folder}/${i}_${name}`);
    }
  }
  return folder;
}

/** The same guests, with two jobs and with one. */
function twoJobs(what: string, folder: () => Promise<string>): Line {
  return {
    what: `${what} tested with 2 jobs`,
    against: "with 1 job",
    unit: "ns",
    aim: { ratio: 1 / 1.6 },
    pairs: 10,
    async open() {
      const path = await folder();
      return {
        ours: async () => (await testRun(path, "--jobs=2")).nanoseconds,
        theirs: async () => (await testRun(path, "--jobs=1")).nanoseconds,
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
  };
}

/** `main.ts test`: the whole process. */
export const test: Line[] = [
  twoJobs("200 guests of a dozen instructions", () => folderOf(200)),
  twoJobs("the guests of this project, 4 times,", () => examples(4)),
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
