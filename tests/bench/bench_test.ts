import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Growth, plot } from "../../bench/plot.ts";
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

kvmTest("deno task bench plots how a cost grows", async () => {
  const json = await Deno.makeTempFile({ prefix: "hlt-bench-" });
  const { code } = await run(["--filter", "Restoring", "--pairs", "1", "--json", json]);
  assertEquals(code, 0);
  const { results, growth: [growth] } = JSON.parse(await Deno.readTextFile(json));
  await Deno.remove(json);
  assertEquals(results, []);
  const { sizes, series } = growth as Growth;
  assertEquals([sizes[0], sizes.at(-1)], [1, 16_384]);
  for (const { nanoseconds } of series) {
    assertEquals(nanoseconds.length, sizes.length);
    assert(nanoseconds.every((cost) => cost > 0));
  }
  // 64 MiB cannot be copied as fast as a page.
  assert(series[0]!.nanoseconds.at(-1)! > series[0]!.nanoseconds[1]!);
  const svg = await Deno.readTextFile(new URL("../../bench/out/restore.svg", import.meta.url));
  assertEquals(svg, plot(growth));
});

Deno.test("deno task bench says which program is missing, and goes on", async () => {
  const { code, stdout } = await run(["--filter", "nasm", "--json", "/dev/null"], {
    PATH: "/nowhere",
  });
  assertEquals(code, 0);
  assertMatch(stdout, /assembling 100,000 lines +nasm +not measured: nasm is not installed/);
});

Deno.test("deno task bench refuses a filter that no line and no plot has", async () => {
  const { code, stderr } = await run(["--filter", "nothing"]);
  assertEquals(code, 2);
  assertEquals(stderr, 'No line and no plot has "nothing" in it\n');
});
