import { loadSource, type Program } from "../../src/guest/mod.ts";
import { Kvm } from "../../src/kvm/mod.ts";
import { Machine, type MachineOptions } from "../../src/machine/mod.ts";
import { create, live, prove, realGuest } from "../guest.ts";
import type { Aim, Contest, Line } from "../line.ts";
import { compile, image, projectFile, Server, spawn } from "../programs.ts";

async function guest(path: string): Promise<Program> {
  return loadSource(await Deno.readTextFile(projectFile(path)), path);
}

/** What a thing takes in this process, in nanoseconds. */
async function time(action: () => unknown): Promise<number> {
  const start = performance.now();
  await action();
  return (performance.now() - start) * 1e6;
}

/**
 * A machine that runs a guest again and again, against the C program that takes an exit for each of
 * its accesses; a measurement is the run's time divided by `parts`.
 */
async function runs(path: string, options: MachineOptions, parts = 1): Promise<Contest> {
  const c = new Server([await compile("exits"), await image(path)]);
  const ours = await guest(path);
  const machine = Machine.for(ours, options);
  machine.ports.attach({ first: 0x42 }, { write: () => {} });
  return {
    async ours() {
      machine.load(ours);
      const nanoseconds = await time(async () => {
        const { reason } = await machine.run();
        if (reason !== "hlt") throw new Error(`The guest ended in ${reason}`);
      });
      return nanoseconds / parts;
    },
    theirs: async () => await c.measure() / parts,
    async [Symbol.asyncDispose]() {
      machine.close();
      await c[Symbol.asyncDispose]();
    },
  };
}

/** How often `bench/guests/port.asm` writes its port. */
const PORT_WRITES = 200_000;

/** One exit of the run loop. */
function portWrite(what: string, aim: Aim): Line {
  return {
    what,
    against: "C",
    unit: "ns",
    aim,
    pairs: 10,
    open: () => runs("bench/guests/port.asm", {}, PORT_WRITES),
  };
}

/** Steps through a guest and reads its registers after each. */
async function steps(path: string): Promise<Contest> {
  const c = new Server([await compile("step"), await image(path)]);
  const program = await guest(path);
  const end = BigInt(program.segments[0]!.bytes.length);
  const kvm = Kvm.open();
  const { vcpu } = create(kvm, program);
  const start = vcpu.getRegs();
  vcpu.enableSyncRegs();
  const run = () => {
    vcpu.setRegs(start);
    vcpu.setGuestDebug({ singleStep: true });
    // Where KVM emulates the guest, HLT is a step like any other.
    while (vcpu.run().reason === "debug" && vcpu.getRegs().rip !== end);
  };
  return {
    ours: () => time(run),
    theirs: () => c.measure(),
    async [Symbol.asyncDispose]() {
      kvm.close();
      await c[Symbol.asyncDispose]();
    },
  };
}

/** `trace` in a process of its own, its output in a file, against the same steps in C. */
async function traced(path: string): Promise<Contest> {
  const c = new Server([await compile("step"), await image(path)]);
  const permissions = ["--allow-ffi", "--allow-read"];
  const command = [Deno.execPath(), "run", ...permissions, projectFile("main.ts")];
  const words = ["trace", "--timeout", "5m", projectFile(path)];
  const shell = ["sh", "-c", `exec "$@" >/dev/null`, "sh"];
  return {
    ours: async () => (await spawn([...shell, ...command, ...words])).nanoseconds,
    theirs: () => c.measure(),
    [Symbol.asyncDispose]: () => c[Symbol.asyncDispose](),
  };
}

/** A VM that is set back and run again; `counts` says whether the run is measured too. */
function restored(
  theirs: () => number | Promise<number>,
  { counts }: { counts: "both" | "restore" },
): Contest {
  const program = realGuest();
  const kvm = Kvm.open();
  const { vm, vcpu } = create(kvm, program);
  const ram = vm.memory[0]!.bytes;
  const snapshot = vm.snapshot();
  const restores = () => {
    let nanoseconds = 0;
    for (let i = 0; i < RESTORES; i++) {
      const start = performance.now();
      snapshot.restore();
      const restored = performance.now();
      prove(vcpu, ram, program);
      nanoseconds += ((counts === "both" ? performance.now() : restored) - start) * 1e6;
    }
    return nanoseconds / RESTORES;
  };
  for (let i = 0; i < WARM; i += RESTORES) restores();
  return {
    ours: restores,
    theirs,
    [Symbol.asyncDispose]() {
      snapshot.close();
      kvm.close();
      return Promise.resolve();
    },
  };
}

function restoreAgainstLife(what: string, counts: "both" | "restore"): Line {
  return {
    what,
    against: "a VM's whole life",
    unit: "ns",
    aim: { ratio: 0.08 },
    pairs: 200,
    open() {
      const program = realGuest();
      return Promise.resolve(restored(() => time(() => live(program)), { counts }));
    },
  };
}

/** So often a VM is restored for one measurement, in C too (`RUNS`). */
const RESTORES = 20;

/** So often a thing is done before it is measured: V8 has compiled it by then. */
const WARM = 1000;

const CLONED_RAM = 64 * 2 ** 20;

/** A VM with much RAM, all of it written: its whole life, and that of a clone. */
function cloned(): Contest {
  const program = realGuest();
  program.settings.ram = CLONED_RAM;
  const kvm = Kvm.open();
  const filled = () => {
    const made = create(kvm, program);
    made.ram.fill(0x5a, 0x1000);
    return made;
  };
  const origin = filled();
  const snapshot = origin.vm.snapshot();
  return {
    ours: () =>
      time(() => {
        using clone = snapshot.clone();
        prove(clone.vcpus[0]!, clone.memory[0]!.bytes, program);
      }),
    theirs: () =>
      time(() => {
        const { vm, vcpu, ram } = filled();
        prove(vcpu, ram, program);
        vm.close();
      }),
    [Symbol.asyncDispose]() {
      snapshot.close();
      kvm.close();
      return Promise.resolve();
    },
  };
}

/** The run loop, stepping and snapshots. */
export const machine: Line[] = [
  portWrite("port write handled on the bus", { ratio: 1.05 }),
  portWrite("what the run loop adds to a port write", { difference: 500 }),
  {
    what: "1 MiB of console output, byte by byte",
    against: "C taking an exit a byte",
    unit: "ns",
    aim: { ratio: 0.25 },
    pairs: 3,
    open: () => runs("bench/guests/console.asm", { output: () => {} }),
  },
  restoreAgainstLife("restore and run again", "both"),
  restoreAgainstLife("restore alone, without the guest's 15 exits", "restore"),
  {
    what: "restore and run again",
    against: "C doing the same by hand",
    unit: "ns",
    aim: { ratio: 1.15 },
    pairs: 200,
    async open() {
      const c = new Server([await compile("restore"), await image("guests/real.asm")]);
      const contest = restored(() => c.measure(), { counts: "both" });
      return {
        ...contest,
        async [Symbol.asyncDispose]() {
          await contest[Symbol.asyncDispose]();
          await c[Symbol.asyncDispose]();
        },
      };
    },
  },
  {
    what: "clone of 64 MiB of RAM, run, close",
    against: "a VM's whole life, that RAM filled",
    unit: "ns",
    aim: { ratio: 0.5 },
    pairs: 30,
    open: () => Promise.resolve(cloned()),
  },
  {
    what: "60,000 single steps, library",
    against: "C with GET_REGS a step",
    unit: "ns",
    aim: { ratio: 1 / 0.8 },
    pairs: 5,
    open: () => steps("bench/guests/steps.asm"),
  },
  {
    what: "60,000 single steps, trace to a file",
    against: "C with GET_REGS a step",
    unit: "ns",
    aim: { ratio: 1 / 0.6 },
    pairs: 5,
    open: () => traced("bench/guests/steps.asm"),
  },
];
