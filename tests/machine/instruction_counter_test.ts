import { assert, assertEquals, assertMatch } from "@std/assert";
import { loadSource } from "../../src/guest/mod.ts";
import { hostBackend } from "../../src/kvm/mod.ts";
import { type Libc, libc } from "../../src/kvm/libc.ts";
import {
  countInstructions,
  cpuCounter,
  guestInstructions,
} from "../../src/machine/instruction_counter.ts";
import { Machine } from "../../src/machine/mod.ts";
import { lackOf } from "../cli/program.ts";
import { kvmTest, testUnless } from "../kvm_host.ts";

kvmTest(
  "countInstructions() counts each instruction that a guest runs, or says why not",
  async () => {
    using machine = Machine.for(loadSource("mov cx, 1000\nnext: loop next\nhlt\n", "loop.asm"));
    using counter = countInstructions(machine);
    await machine.run();
    const { count, ...rest } = counter.read();
    if (count === undefined) assert("why" in rest && rest.why.length > 0);
    else assertEquals(count, 1002);
    // In KVM's emulator nothing runs uncounted.
    if (hostBackend() === "kvm_pvm") assertEquals(rest, { by: "emulator" });
  },
);

/** The C library with a counter, or with the errno for which there is none. */
function libcWith(counter: { value: bigint | undefined } | { errno: number }): Libc {
  return {
    ...libc(),
    errno: () => "errno" in counter ? counter.errno : 0,
    perf_event_open: () => "errno" in counter ? -1n : 1000n,
    read(_fd, buffer) {
      if (!("value" in counter) || counter.value === undefined) return 0n;
      (buffer as BigUint64Array)[0] = counter.value;
      return 8n;
    },
    close: () => 0,
  };
}

Deno.test("cpuCounter() reads the CPU's counter, and says so where it found no place", () => {
  using counter = cpuCounter(libcWith({ value: 42n }));
  assertEquals(counter.read(), { count: 42, by: "cpu" });
  using starved = cpuCounter(libcWith({ value: undefined }));
  assertEquals(starved.read(), { why: "the CPU's counters were all in use" });
});

Deno.test("cpuCounter() says why nobody counts", () => {
  const [EACCES, ENOENT, EMFILE] = [13, 2, 24];
  const why = (errno: number) => {
    using counter = cpuCounter(libcWith({ errno }));
    const count = counter.read();
    return "why" in count ? count.why : "";
  };
  assertMatch(why(EACCES), /sysctl kernel.perf_event_paranoid=1$/);
  assertMatch(why(ENOENT), /no counter of them/);
  assertMatch(why(EMFILE), /^Cannot count instructions \(perf_event_open\): .*EMFILE/);
});

testUnless(
  lackOf("cc", ["--version"]),
  "cpuCounter() asks for what <linux/perf_event.h> calls all rings of guests, pinned",
  () => {
    const folder = Deno.makeTempDirSync();
    try {
      Deno.writeTextFileSync(
        `${folder}/attributes.c`,
        `#include <linux/perf_event.h>
        #include <stdio.h>
        int main(void) {
          struct perf_event_attr attributes = {
            .type = PERF_TYPE_HARDWARE, .size = PERF_ATTR_SIZE_VER0,
            .config = PERF_COUNT_HW_INSTRUCTIONS, .pinned = 1, .exclude_host = 1,
          };
          fwrite(&attributes, PERF_ATTR_SIZE_VER0, 1, stdout);
        }`,
      );
      const run = (command: string, args: string[]) =>
        new Deno.Command(command, { args }).outputSync();
      const built = run("cc", ["-o", `${folder}/attributes`, `${folder}/attributes.c`]);
      assert(built.success, new TextDecoder().decode(built.stderr));
      assertEquals(guestInstructions(), run(`${folder}/attributes`, []).stdout);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
);
