import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { spread } from "../../src/cli/run_result.ts";
import { kvmTest } from "../kvm_host.ts";
import { runProgram } from "./program.ts";

const permissions = ["--allow-ffi", "--allow-read"];

Deno.test("spread() gives the median, the shortest and the longest", () => {
  assertEquals(spread([3, 1, 2]), { runs: 3, median: 2, shortest: 1, longest: 3 });
  assertEquals(spread([4, 1, 2, 3]), { runs: 4, median: 2.5, shortest: 1, longest: 4 });
  assertEquals(spread([7]), { runs: 1, median: 7, shortest: 7, longest: 7 });
});

kvmTest("run --repeat runs a guest from a snapshot and shows the spread of its times", async () => {
  const args = ["run", "--repeat", "20", "guests/real.asm"];
  const { code, stdout } = await runProgram(args, { permissions });
  assertEquals(code, 0);
  assertEquals(stdout.match(/Hello, world!\n/g)?.length, 1, "its output is shown once");
  assertMatch(stdout, /^20 runs: the guest took \d+\.\d{3} ms \(median\), from \d/m);
});

kvmTest("run --repeat starts each run from the same state", async () => {
  // A second run in the same memory would find the count at 2.
  const file = await Deno.makeTempFile({ suffix: ".asm" });
  await Deno.writeTextFile(file, ";! expect: word [0x400] = 1\ninc word [0x400]\nhlt\n");
  const args = ["run", "--repeat", "5", "--json", file];
  const { code, stdout } = await runProgram(args, { permissions });
  await Deno.remove(file);
  assertEquals(code, 0);
  assertEquals(JSON.parse(stdout).stats.times.runs, 5);
});

Deno.test("run --repeat refuses what is no number of runs", async () => {
  for (const word of ["0", "-1", "x", "1e9"]) {
    const args = ["run", `--repeat=${word}`, "guests/real.asm"];
    const { code, stderr } = await runProgram(args, { permissions });
    assertEquals(code, 2);
    assertStringIncludes(stderr, "--repeat takes a number from 1");
  }
});
