import { assertEquals, assertStringIncludes } from "@std/assert";
import { lacking } from "../../tools/lab/image.ts";

const tool = new URL("../../tools/lab.ts", import.meta.url).pathname;
const kernel = new URL("../../.lab/kernel", import.meta.url).pathname;

/** What keeps the lab from booting on this machine. */
const reason = lacking()[0] ?? (isFolder(kernel) ? undefined : "deno task lab --prepare");

labTest("lab runs a command in a copy of the project, with Deno and a real kvm_amd", async () => {
  const program = `
    const libc = Deno.dlopen("libc.so.6", {
      open: { parameters: ["buffer", "i32"], result: "i32" },
      ioctl: { parameters: ["i32", "u64", "u64"], result: "i32" },
    });
    const kvm = libc.symbols.open(new TextEncoder().encode("/dev/kvm\\0"), 2);
    const KVM_GET_API_VERSION = 0xae00n;
    console.log(libc.symbols.ioctl(kvm, KVM_GET_API_VERSION, 0n));
    console.log(Deno.readTextFileSync("/sys/module/kvm_amd/parameters/npt").trim());
    for (let line = 0; line < 2000; line++) console.log(line);
    console.error("wrong");
    Deno.removeSync("deno.json");
    Deno.exit(7);`;
  const { code, stdout, stderr } = await lab("--limit", "60", "deno", "eval", program);
  assertEquals(code, 7, stderr);
  assertEquals(stdout.split("\n"), ["12", "Y", ...Array(2000).keys().map(String), ""]);
  assertStringIncludes(stderr, "\nwrong\n");
  assertEquals(Deno.statSync(new URL("../../deno.json", import.meta.url)).isFile, true);
});

labTest("lab ends a command that hangs, and reports its last output", async () => {
  const result = await lab("--limit", "3", "echo the last words; sleep 1000");
  assertEquals(result.code, 124);
  assertStringIncludes(result.stderr, "the command did not end within 3 s");
  assertStringIncludes(result.stderr, "The last output was:\nthe last words\n");
});

labTest("lab reports a kernel that panics", async () => {
  const result = await lab("echo c >/proc/sysrq-trigger");
  assertEquals(result.code, 4);
  assertStringIncludes(result.stderr, "Kernel panic");
});

Deno.test("lab refuses what it does not know, without booting", async () => {
  assertEquals((await lab("--limt", "3")).code, 2);
  assertEquals((await lab("--limit", "soon")).code, 2);
});

Deno.test("lab names the packages that are missing", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", tool, "true"],
    env: { PATH: "/nowhere" },
  });
  const { code, stderr } = await command.output();
  assertEquals(code, 3);
  assertStringIncludes(
    new TextDecoder().decode(stderr),
    "apt-get install --no-install-recommends qemu-system-x86 busybox-static",
  );
});

function labTest(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: reason === undefined ? name : `${name} (skipped: needs ${reason})`,
    ignore: reason !== undefined,
    fn,
  });
}

async function lab(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", tool, ...args],
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
