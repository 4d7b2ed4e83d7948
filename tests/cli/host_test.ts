import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { exitCode } from "../../src/cli/exit_code.ts";
import { kvmTest, testUnless } from "../kvm_host.ts";
import {
  commandLine,
  execute,
  type Finished,
  lackOf,
  quoted,
  runProgram,
  slow,
} from "./program.ts";

// The program on hosts that cannot run it, or where its output goes nowhere.

const program = commandLine([]).map(quoted).join(" ");

/** Asserts that a process ended with one clear line, its exit code and its JSON error. */
function assertRefused({ code, stdout, stderr }: Finished, message: RegExp): void {
  assertEquals(code, exitCode.host, stderr);
  assertMatch(stderr, message);
  assertEquals(stderr.trim().split("\n").length, 1, stderr);
  assertEquals(JSON.parse(stdout), { error: stderr.trim(), exitCode: exitCode.host });
}

testUnless(slow, "main.ts without --allow-ffi says to give it, with exit code 3", async () => {
  const expected = "Cannot call the C library: Deno was not given the permission. " +
    "Run with --allow-ffi: deno run --allow-ffi main.ts";
  const text = await runProgram([], { permissions: [] });
  assertEquals(text, { code: 3, stdout: "", stderr: `${expected}\n` });
  const json = await runProgram(["--json"], { permissions: ["--deny-ffi"] });
  assertEquals(JSON.parse(json.stdout), { error: expected, exitCode: 3 });
});

/** A `/dev` of our own with what Deno needs, in a mount namespace of its own. */
const privateDev = "set -e; mount -t tmpfs none /dev; mknod -m 666 /dev/null c 1 3; " +
  "mknod -m 666 /dev/urandom c 1 9";
const noNamespace = lackOf("unshare", ["--mount", "sh", "-c", privateDev]);

/** Runs the program with `--json` behind `script`, in a mount namespace. */
function inNamespace(script: string): Promise<Finished> {
  return execute(["unshare", "--mount", "sh", "-c", `${script} ${program} --json`]);
}

testUnless(noNamespace, "main.ts without a /dev/kvm says why and what to do", async () => {
  const finished = await inNamespace(`${privateDev}; exec`);
  assertRefused(finished, /^Cannot open \/dev\/kvm: .+ \(ENOENT\)\. \w.+\n$/);
});

testUnless(noNamespace, "main.ts with a /dev/kvm that is no KVM says so", async () => {
  const finished = await inNamespace(`${privateDev}; mknod -m 666 /dev/kvm c 1 3; exec`);
  assertRefused(finished, /^Cannot use \/dev\/kvm: it is not a KVM device\. \w.+\n$/);
});

/** Root without the capabilities that open every file. */
const unprivileged = "setpriv --bounding-set=-dac_override,-dac_read_search";
const noDrop = noNamespace ?? lackOf("setpriv", [...unprivileged.split(" ").slice(1), "true"]);

testUnless(noDrop, "main.ts without permission for /dev/kvm says how to get it", async () => {
  const device = "mknod -m 600 /dev/kvm c 10 232; chown 65534 /dev/kvm";
  const finished = await inNamespace(`${privateDev}; ${device}; exec ${unprivileged}`);
  assertRefused(finished, /^Cannot open \/dev\/kvm: permission denied \(EACCES\)\. \w.+\n$/);
});

kvmTest("main.ts ends quietly when nobody reads its output", async () => {
  const head = await execute(["sh", "-c", `(${program}; echo $? >&2) | head -n 1`]);
  assertMatch(head.stdout, /^1 {2}Open .*\n$/);
  // As fast as it is, it may be done before its reader leaves.
  assertMatch(head.stderr, /^(0|141)\n$/);
  // Nobody is there from the beginning.
  const closed = `(sleep 0.1; ${program}; echo $? >&2) | true`;
  assertEquals((await execute(["sh", "-c", closed])).stderr, `${exitCode.unread}\n`);
  const help = closed.replace(program, `${program} --help`);
  assertEquals((await execute(["sh", "-c", help])).stderr, `${exitCode.unread}\n`);
});

kvmTest("main.ts says that its output cannot be written", async () => {
  const { code, stderr } = await execute(["sh", "-c", `${program} >/dev/full`]);
  assertEquals(code, exitCode.host);
  assertMatch(stderr, /^Cannot write the output: No space left on device .*\n$/);
});

testUnless(slow, "main.ts keeps its exit code when its message cannot be written", async () => {
  const nonsense = `${program} --mode lnog`;
  for (const to of ["/dev/full", "&-"]) {
    const { code, stderr } = await execute(["sh", "-c", `${nonsense} 2>${to}`]);
    assertEquals(code, exitCode.usage);
    assertNotMatch(stderr, /Uncaught/);
  }
});
