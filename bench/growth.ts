/**
 * How cost grows: the same thing at several sizes, so that a bend is seen.
 *
 * @module
 */

import { loadSource } from "../src/guest/mod.ts";
import { Kvm } from "../src/kvm/mod.ts";
import { create, live, realGuest } from "./guest.ts";
import { program } from "./lines/assembler.ts";
import { folderOf, testRun } from "./lines/test.ts";
import type { Growth } from "./plot.ts";
import { compile, findProgram, image, OUT, projectFile, Server, spawn } from "./programs.ts";
import { median } from "./statistics.ts";

/** One curve, or several that are compared. */
export interface Curve extends Omit<Growth, "series"> {
  /** The name of its file. */
  readonly file: string;
  /** What is measured at each size, in turn. */
  readonly series: readonly string[];
  /** How often each is measured; the median counts. */
  readonly rounds: number;
  /** Gets ready to measure at a size: one measurement in nanoseconds for each of the series. */
  open(size: number): Promise<Measurements>;
}

interface Measurements extends AsyncDisposable {
  readonly measure: readonly (() => number | Promise<number>)[];
}

/** Measures a curve at all its sizes. */
export async function measureGrowth(
  curve: Curve,
  rounds: number = curve.rounds,
): Promise<Growth> {
  const { what, over, sizes } = curve;
  const series = curve.series.map((name) => ({ name, nanoseconds: [] as number[] }));
  for (const size of sizes) {
    await using opened = await curve.open(size);
    const measured = series.map((): number[] => []);
    // The first round only warms up.
    for (let round = 0; round <= rounds; round++) {
      for (const [i, measure] of opened.measure.entries()) {
        const nanoseconds = await measure();
        if (round > 0) measured[i]!.push(nanoseconds);
      }
    }
    for (const [i, { nanoseconds }] of series.entries()) nanoseconds.push(median(measured[i]!));
  }
  return { what, over, sizes, series };
}

const MIB = 2 ** 20;

function time(action: () => void): number {
  const start = performance.now();
  action();
  return (performance.now() - start) * 1e6;
}

/** So often a thing is done at first: V8 has compiled it by then. */
const WARM = 300;

const nothingToClose = { [Symbol.asyncDispose]: () => Promise.resolve() };

/** The four curves of the report. */
export const curves: Curve[] = [
  {
    file: "vm_life",
    what: "A VM's whole life",
    over: "RAM in MiB, hardly any of it used",
    // In one slot: the last ends where the interrupt controllers and KVM's own pages begin.
    sizes: [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4048],
    series: ["hlt", "C"],
    rounds: 21,
    async open(size) {
      const c = new Server([
        await compile("life", { RAM_SIZE: `${size}UL << 20` }),
        await image("guests/real.asm"),
      ]);
      const guest = realGuest();
      for (let i = 0; i < WARM; i++) live(guest);
      guest.settings.ram = size * MIB;
      return {
        measure: [() => time(() => live(guest)), () => c.measure()],
        [Symbol.asyncDispose]: () => c[Symbol.asyncDispose](),
      };
    },
  },
  {
    file: "restore",
    what: "Restoring a VM from its snapshot",
    over: "pages of 4 KiB that the guest wrote, of 18,432",
    sizes: [1, 4, 16, 64, 256, 1024, 4096, 16_384],
    series: ["restore", "copying as many pages, no more"],
    rounds: 15,
    open(size) {
      const kvm = Kvm.open();
      const { vm, vcpu, ram } = create(kvm, dirtyingGuest(size));
      const snapshot = vm.snapshot();
      const copy = ram.slice(FIRST_PAGE, FIRST_PAGE + size * PAGE);
      const restore = () => {
        const { reason } = vcpu.run();
        if (reason !== "hlt") throw new Error(`The guest ended in ${reason}`);
        return time(() => snapshot.restore());
      };
      for (let i = 0; i < WARM / size; i++) restore();
      return Promise.resolve({
        measure: [
          restore,
          () => time(() => ram.set(copy, FIRST_PAGE)),
        ],
        [Symbol.asyncDispose]() {
          snapshot.close();
          kvm.close();
          return Promise.resolve();
        },
      });
    },
  },
  {
    file: "assembler",
    what: "Assembling, the whole process",
    over: "lines of source",
    sizes: [1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000],
    series: ["hlt", "nasm -f bin"],
    rounds: 5,
    async open(size) {
      const source = `${OUT}lines_${size}.asm`;
      await Deno.writeTextFile(source, program(size));
      const script = projectFile("bench/assemble.ts");
      const permissions = ["--allow-read", "--allow-write"];
      const ours = [Deno.execPath(), "run", ...permissions, script, source, "/dev/null"];
      const theirs = [await findProgram("nasm"), "-f", "bin", "-o", "/dev/null", source];
      return {
        measure: [ours, theirs].map((command) => async () => (await spawn(command)).nanoseconds),
        ...nothingToClose,
      };
    },
  },
  {
    file: "test",
    what: "Testing guests, the whole process",
    over: "guests",
    sizes: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    series: ["1 job", "2 jobs"],
    rounds: 5,
    async open(size) {
      const folder = await folderOf(size);
      return {
        measure: ["--jobs=1", "--jobs=2"].map((jobs) => async () =>
          (await testRun(jobs, folder)).nanoseconds
        ),
        ...nothingToClose,
      };
    },
  },
];

const PAGE = 4096;
const FIRST_PAGE = MIB;

/** Writes a word to each of `pages` pages. */
function dirtyingGuest(pages: number) {
  return loadSource(
    `;! mode: protected
;! ram: 72M
        bits    32
        mov     ecx, ${pages}
        mov     edi, ${FIRST_PAGE}
.next:  mov     [edi], ecx
        add     edi, ${PAGE}
        loop    .next
        hlt
`,
    "dirty.asm",
  );
}
