import type { Contest, Line } from "../line.ts";
import { findProgram, image, projectFile, spawn, type Usage } from "../programs.ts";

const hello = [Deno.execPath(), "run", "--allow-ffi", projectFile("main.ts")];
// Without the project's configuration: a script of its own.
const consoleLog = [Deno.execPath(), "run", "--no-config", projectFile("bench/console_log.ts")];

/** The guest of the example in QEMU; its exit code says that it found what it proves. */
export async function qemu(...machine: string[]): Promise<() => Promise<Usage>> {
  const program = await findProgram("qemu-system-x86_64");
  const rom = await image("bench/guests/rom.asm");
  const command = [program, "-accel", "kvm", ...machine, "-display", "none", "-bios", rom];
  const devices = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-debugcon", "stdio"];
  return () => spawn([...command, ...devices], { code: 1 });
}

async function v86(): Promise<() => Promise<Usage>> {
  const rom = await image("bench/guests/rom.asm");
  const script = projectFile("bench/v86/v86.ts");
  return () => spawn([Deno.execPath(), "run", "--allow-read", script, rom], { code: 1 });
}

function contest(theirs: () => Promise<Usage>, of: keyof Usage = "nanoseconds"): Contest {
  return {
    ours: async () => (await spawn(hello))[of],
    theirs: async () => (await theirs())[of],
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The whole process: from its start to a proved result. */
export const start: Line[] = [
  {
    what: "start to a proved result",
    against: "console.log(1)",
    unit: "ns",
    aim: { ratio: 1.25 },
    pairs: 20,
    open: () => Promise.resolve(contest(() => spawn(consoleLog))),
  },
  {
    what: "start to a proved result",
    against: "QEMU, microvm",
    unit: "ns",
    aim: { ratio: 0.9 },
    pairs: 20,
    open: async () => contest(await qemu("-M", "microvm", "-nodefaults")),
  },
  {
    what: "start to a proved result",
    against: "QEMU, its default PC",
    unit: "ns",
    aim: { ratio: 0.5 },
    pairs: 20,
    open: async () => contest(await qemu()),
  },
  {
    what: "start to a proved result",
    against: "v86 in Deno",
    unit: "ns",
    aim: { ratio: 0.6 },
    pairs: 20,
    open: async () => contest(await v86()),
  },
  {
    what: "resident memory, proved result",
    against: "console.log(1)",
    unit: "bytes",
    aim: { difference: 8 * 2 ** 20 },
    pairs: 20,
    open: () => Promise.resolve(contest(() => spawn(consoleLog), "peakMemory")),
  },
];
