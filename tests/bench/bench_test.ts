import { assertEquals, assertMatch } from "@std/assert";
import { kvmTest } from "../kvm_host.ts";

const bench = new URL("../../bench/bench.ts", import.meta.url).pathname;

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", bench, ...args],
    env: { NO_COLOR: "1", ...env },
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const hasCompiler = await new Deno.Command("cc", { args: ["--version"], stdout: "null" })
  .output().then(() => true, () => false);

kvmTest(
  "deno task bench measures a VM's life against C and writes the table and the JSON",
  async () => {
    const json = await Deno.makeTempFile({ prefix: "hlt-bench-" });
    const { code, stdout } = await run([
      "--filter",
      "whole life, C",
      "--pairs",
      "2",
      "--json",
      json,
    ]);
    assertEquals(code, 0);
    assertMatch(stdout, /^a VM's whole life +C +[\d.]+ [µm]s +[\d.]+ [µm]s +\d+\.\d\d +/m);
    const { results } = JSON.parse(await Deno.readTextFile(json));
    await Deno.remove(json);
    assertEquals(results.length, 1);
    assertEquals(results[0].pairs.length, 2);
  },
  { lacks: hasCompiler ? undefined : "no C compiler" },
);

Deno.test("deno task bench says which program is missing, and goes on", async () => {
  const { code, stdout } = await run(["--filter", "nasm", "--json", "/dev/null"], {
    PATH: "/nowhere",
  });
  assertEquals(code, 0);
  assertMatch(stdout, /assembling 100,000 lines +nasm +not measured: nasm is not installed/);
});

Deno.test("deno task bench refuses a filter that no line has", async () => {
  const { code, stderr } = await run(["--filter", "nothing"]);
  assertEquals(code, 2);
  assertEquals(stderr, 'No line has "nothing" in it\n');
});
