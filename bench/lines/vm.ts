import { Kvm } from "../../src/kvm/mod.ts";
import { create, live, realGuest } from "../guest.ts";
import type { Line } from "../line.ts";
import { compile, image, projectFile, run, Server } from "../programs.ts";

/** What one thing takes in this process, in nanoseconds. */
function time(action: () => void): number {
  const start = performance.now();
  action();
  return (performance.now() - start) * 1e6;
}

/** So often a thing is done before it is measured: V8 has compiled it by then. */
const WARM = 300;
const IMMEDIATE_EXITS = 2000;
const IDLE_VMS = 200;

/** A VM in one process, against the same calls in C. */
export const vm: Line[] = [
  {
    what: "cheapest KVM_RUN (immediate exit)",
    against: "C",
    unit: "ns",
    aim: { ratio: 1.15 },
    pairs: 50,
    async open() {
      const c = new Server([await compile("immediate_exit"), String(IMMEDIATE_EXITS)]);
      const kvm = Kvm.open();
      const { vcpu } = create(kvm, realGuest());
      vcpu.immediateExit = true;
      const exits = () => {
        for (let i = 0; i < IMMEDIATE_EXITS; i++) vcpu.run();
      };
      return {
        ours: () => time(exits) / IMMEDIATE_EXITS,
        theirs: async () => await c.measure() / IMMEDIATE_EXITS,
        async [Symbol.asyncDispose]() {
          kvm.close();
          await c[Symbol.asyncDispose]();
        },
      };
    },
  },
  {
    what: "a VM's whole life",
    against: "C",
    unit: "ns",
    aim: { ratio: 1.06 },
    pairs: 200,
    async open() {
      const c = new Server([await compile("life"), await image("guests/real.asm")]);
      const program = realGuest();
      for (let i = 0; i < WARM; i++) live(program);
      return {
        ours: () => time(() => live(program)),
        theirs: () => c.measure(),
        [Symbol.asyncDispose]: () => c[Symbol.asyncDispose](),
      };
    },
  },
  {
    what: "memory for each further idle VM",
    against: "C",
    unit: "bytes",
    aim: { difference: 32 * 2 ** 10 },
    pairs: 5,
    async open() {
      const c = [await compile("idle"), String(IDLE_VMS), await image("guests/real.asm")];
      const script = projectFile("bench/idle.ts");
      const ours = [Deno.execPath(), "run", "--allow-ffi", "--allow-read", script];
      return {
        ours: async () => Number(await run([...ours, String(IDLE_VMS)])),
        theirs: async () => Number(await run(c)),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
  },
];
