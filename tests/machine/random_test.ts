// Random bytes as guests: whatever they do, the host program lives, in time and without a leak.
import { assert } from "@std/assert";
import { loadGuest, type Override } from "../../src/guest/mod.ts";
import { KvmError } from "../../src/kvm/mod.ts";
import { prove } from "../../src/machine/mod.ts";
import { type Mode, modes } from "../../src/x86/mod.ts";
import { isLab, kvmTest } from "../kvm_host.ts";

const RUNS = isLab ? 60 : 10_000;
/** The linear congruential generator of Numerical Recipes: the same guests every time. */
const generator = (seed: number) => () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed >>> 8;
};

const option = (name: string, text: string): Override => ({
  name,
  at: { file: `--${name}`, line: 1, text, start: 0 },
});

const outcomes = ["proved", "failed", "crashed", "timeout", "unsupported"];

/** Descriptors and mappings of this process. */
function held(): { descriptors: number; mappings: number } {
  return {
    descriptors: [...Deno.readDirSync("/proc/self/fd")].length,
    mappings: Deno.readTextFileSync("/proc/self/maps").split("\n").length,
  };
}

kvmTest(
  `prove() takes ${RUNS} guests of random bytes, in every mode, to a documented end`,
  async () => {
    const next = generator(2026);
    const allModes = Object.keys(modes) as Mode[];
    let before = held();
    const seen = new Set<string>();
    for (let run = 0; run < RUNS; run++) {
      const bytes = Uint8Array.from({ length: 1 + next() % 256 }, () => next());
      const mode = allModes[run % allModes.length]!;
      const program = loadGuest(bytes, {
        name: `random${run}.bin`,
        overrides: [
          option("mode", mode),
          option("io", next() % 2 === 0 ? "stop" : "ignore"),
          option("irqchip", next() % 16 === 0 ? "yes" : "no"),
          option("timeout", "2ms"),
        ],
      });
      try {
        const { outcome } = await prove(program);
        assert(outcomes.includes(outcome), `run ${run}: ${outcome}`);
        seen.add(`${mode} ${outcome}`);
      } catch (error) {
        if (!(error instanceof KvmError)) throw error;
        seen.add(`${mode} ${error.operation}`);
      }
      // The first runs fill caches.
      if (run === allModes.length * 5) before = held();
    }
    const after = held();
    // Other tests of this process may run beside it: far fewer than one a run.
    const descriptors = after.descriptors - before.descriptors;
    const mappings = after.mappings - before.mappings;
    assert(descriptors < RUNS / 4, `${descriptors} more descriptors`);
    assert(mappings < RUNS, `${mappings} more mappings`);
    assert(seen.has("real timeout") && seen.has("protected crashed"), [...seen].join(", "));
  },
);
