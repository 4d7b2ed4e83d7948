import type { Line } from "../line.ts";
import { OUT, projectFile, spawn, type Usage } from "../programs.ts";
import { qemu } from "./start.ts";

/** A folder of `count` guests, each with output and a result of its own, numbered from `first` on. */
export async function folderOf(count: number, first = 0): Promise<string> {
  const folder = `${OUT}guests_${count}_${first}`;
  await Deno.mkdir(folder, { recursive: true });
  for (let i = first; i < first + count; i++) {
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

/** One run of `main.ts test`: its options and paths. */
export function testRun(...words: string[]): Promise<Usage> {
  const permissions = ["--allow-ffi", "--allow-read"];
  const main = projectFile("main.ts");
  return spawn([Deno.execPath(), "run", ...permissions, main, "test", ...words]);
}

/** A folder with the project's own guests, twice. */
async function examples(name: string): Promise<string> {
  const folder = `${OUT}examples_${name}`;
  await Deno.mkdir(folder, { recursive: true });
  for await (const { name } of Deno.readDir(projectFile("guests"))) {
    if (!name.endsWith(".asm")) continue;
    for (let i = 0; i < 2; i++) {
      await Deno.copyFile(projectFile(`guests/${name}`), `${folder}/${i}_${name}`);
    }
  }
  return folder;
}

/**
 * The same guests, in two folders, with two jobs and with one; and with a process for each folder,
 * which is what two V8s can do here at best.
 */
function twoJobs(what: string, folders: () => Promise<[string, string]>): Line[] {
  const line = (
    against: string,
    ratio: number,
    theirs: (folders: string[]) => Promise<Usage[]>,
  ) => ({
    what: `${what} tested with 2 jobs`,
    against,
    unit: "ns" as const,
    aim: { ratio },
    pairs: 10,
    async open() {
      const paths = await folders();
      return {
        ours: async () => (await testRun("--jobs=2", ...paths)).nanoseconds,
        theirs: async () =>
          Math.max(...(await theirs(paths)).map(({ nanoseconds }) => nanoseconds)),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
  });
  return [
    line("with 1 job", 1 / 1.6, async (paths) => [await testRun("--jobs=1", ...paths)]),
    line(
      "2 processes, half of them each",
      1.05,
      (paths) => Promise.all(paths.map((path) => testRun("--jobs=1", path))),
    ),
  ];
}

/** `main.ts test`: the whole process. */
export const test: Line[] = [
  ...twoJobs(
    "200 guests of a dozen instructions",
    async () => [await folderOf(100), await folderOf(100, 100)],
  ),
  ...twoJobs(
    "the guests of this project, 4 times,",
    async () => [await examples("a"), await examples("b")],
  ),
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
