import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
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

/** Why tests of the report alone are skipped on a software CPU. */
const reportOnly = slow && "it is the same on every host, and a process takes seconds here";

const permissions = ["--allow-ffi", "--allow-read", "--allow-write"];

/** Guests by what becomes of them. */
const guests = {
  "passes.asm": ";! expect: ax = 42\nmov ax, 42\nhlt\n",
  "fails.asm": ';! expect: ax = 42\n;! expect: output = "x"\nmov ax, 41\nhlt\n',
  "expects_nothing.asm": "hlt\n",
  "wrong_source.asm": ";! expect: ax = 42\nmov ax, , 42\nfoo ax\nhlt\n",
  "wrong_directive.asm": ";! expct: ax = 42\nhlt\n",
  "hangs.asm": ";! timeout: 100ms\n;! expect: ax = 42\nhang: jmp hang\n",
  "crashes.asm": ";! mode: protected\n;! expect: eax = 42\nbits 32\nnop\nud2\n",
  "writes_to_nobody.asm": ";! expect: ax = 42\nout 0x99, al\nhlt\n",
  "ends_with_status.asm": ";! expect: al = 3\nmov al, 3\nout 0xf4, al\n",
};

/** Runs `main.ts test` with `words` where these guests are, in the folder `guests`. */
async function testGuests(
  files: Readonly<Record<string, string>>,
  words: string[],
): Promise<Finished & { read(name: string): string }> {
  const folder = Deno.makeTempDirSync({ prefix: "hlt-test-" });
  try {
    for (const [name, source] of Object.entries(files)) {
      const path = `${folder}/${name}`;
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(path, source);
    }
    const here = (text: string) => text.replaceAll(`${folder}/`, "");
    const args = words.map((word) => word.replace("@", folder));
    const { code, stdout, stderr } = await runProgram(["test", ...args], { permissions });
    const texts = new Map(
      [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile)
        .map(({ name }) => [name, here(Deno.readTextFileSync(`${folder}/${name}`))]),
    );
    return { code, stdout: here(stdout), stderr: here(stderr), read: (name) => texts.get(name)! };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The lines of a report without the times. */
function timeless(text: string): string[] {
  return text.replaceAll(/ \([\d.]+m?s\)/g, "").trimEnd().split("\n");
}

kvmTest("test tells what is wrong with each guest, where, and the sum", async () => {
  const { code, stdout } = await testGuests(guests, ["@", "--jobs", "2"]);
  assertEquals(code, 1, stdout);
  const [start, ...lines] = timeless(stdout);
  assertMatch(start!, /^running 9 guests on kvm\w*, up to 2 at a time$/);
  assertEquals(lines.slice(0, 11), [
    "crashes.asm ... FAILED",
    "ends_with_status.asm ... FAILED",
    "expects_nothing.asm ... FAILED",
    "fails.asm ... FAILED",
    "hangs.asm ... FAILED",
    "passes.asm ... ok",
    "writes_to_nobody.asm ... FAILED",
    "wrong_directive.asm ... FAILED",
    "wrong_source.asm ... FAILED",
    "",
    "FAILURES",
  ]);
  for (
    const failure of [
      "ends_with_status.asm: Expected exit = hlt, found exit = status 3",
      "expects_nothing.asm: It expects nothing",
      "fails.asm:1: Expected ax = 42, found ax = 41 (0x29)",
      'fails.asm:2: Expected output = "x", found output = ""',
      "hangs.asm:3: It was still running when its time was up, after 100 ms\n    hang: jmp hang",
      "writes_to_nobody.asm:2: It wrote 0x00 to port 0x99 (1 byte): nobody answers there",
      'wrong_directive.asm:1: There is no directive "expct"',
      'wrong_source.asm:2: Expected an expression, found ","\n    mov ax, , 42\n            ^',
      'wrong_source.asm:3: Unknown instruction "foo"',
    ]
  ) assertStringIncludes(stdout, `  ${failure}`);
  assertMatch(stdout, /^ {2}crashes.asm(:5)?: It took an exception/m);
  assertEquals(lines.at(-1), "FAILED | 1 passed | 8 failed | 0 skipped");
});

kvmTest("test reports the same with any number of jobs", async () => {
  const some = Array.from({ length: 24 }, (_, i) => [
    `guest_${i}.asm`,
    `;! expect: ax = ${i % 5}\nmov ax, ${i}\nmov cx, ${(24 - i) * 500}\nagain: loop again\nhlt\n`,
  ]);
  const files = {
    // While it hangs, other threads are worth their cost.
    "first.asm": ";! timeout: 1s\n;! expect: ax = 1\nhang: jmp hang\n",
    ...Object.fromEntries(some),
  };
  const [one, many] = await Promise.all([
    testGuests(files, ["@", "--jobs=1"]),
    testGuests(files, ["@", "--jobs=5"]),
  ]);
  assertEquals(timeless(many.stdout).slice(1), timeless(one.stdout).slice(1));
  assertEquals(timeless(one.stdout).at(-1), "FAILED | 5 passed | 20 failed | 0 skipped");
}, { lacks: reportOnly });

kvmTest("test finds guests in folders below, and any file that is named, each once", async () => {
  const source = guests["passes.asm"];
  const files = {
    "b/deep/er/guest.nasm": source,
    "b/other.s": source,
    "b/notes.txt": source,
    "a.asm": source,
    "named.txt": source,
  };
  const { code, stdout } = await testGuests(files, [
    "@/b/",
    "@/a.asm",
    "@/named.txt",
    "@/b/other.s",
  ]);
  assertEquals(code, 0, stdout);
  assertEquals(timeless(stdout).slice(1), [
    "a.asm ... ok",
    "b/deep/er/guest.nasm ... ok",
    "b/other.s ... ok",
    "named.txt ... ok",
    "",
    "ok | 4 passed | 0 failed | 0 skipped",
  ]);
}, { lacks: reportOnly });

kvmTest("test --filter runs only the guests with that text in their path", async () => {
  const { code, stdout } = await testGuests(guests, ["@", "--filter", "passes"]);
  assertEquals(code, 0, stdout);
  assertEquals(timeless(stdout).at(-1), "ok | 1 passed | 0 failed | 0 skipped");
}, { lacks: reportOnly });

kvmTest("test --fail-fast starts no guest after one that failed", async () => {
  const { code, stdout } = await testGuests(guests, ["@", "--fail-fast", "--jobs=1"]);
  assertEquals(code, 1, stdout);
  assertEquals(timeless(stdout).at(-1), "FAILED | 0 passed | 1 failed | 0 skipped | 8 not run");
}, { lacks: reportOnly });

kvmTest("test --json prints one document with all of it", async () => {
  const { code, stdout } = await testGuests(guests, ["@", "--json"]);
  assertEquals(code, 1, stdout);
  const { host, passed, failed, skipped, notRun, guests: results } = JSON.parse(stdout);
  assertMatch(host, /^kvm/);
  assertEquals({ passed, failed, skipped, notRun }, {
    passed: 1,
    failed: 8,
    skipped: 0,
    notRun: 0,
  });
  assertEquals(results.length, 9);
  const { milliseconds, ...fails } = results[3];
  assert(milliseconds > 0);
  assertEquals(fails, {
    file: "fails.asm",
    outcome: "failed",
    failures: [
      {
        file: "fails.asm",
        line: 1,
        message: "Expected ax = 42, found ax = 41 (0x29)",
        expected: "ax = 42",
        found: "ax = 41 (0x29)",
      },
      {
        file: "fails.asm",
        line: 2,
        message: 'Expected output = "x", found output = ""',
        expected: 'output = "x"',
        found: 'output = ""',
      },
    ],
    output: "",
    log: [],
    warnings: [],
  });
}, { lacks: reportOnly });

kvmTest(
  "test shows with a failure the accesses that io: log noted, and what is doubtful",
  async () => {
    const files = {
      "long.asm": ";! mode: long\n;! expect: rax = 2\nhlt\n",
      "polls.asm": ";! io: log\n;! expect: ax = 1\nmov cx, 40\npoll: in al, 0x60\nloop poll\nhlt\n",
      "quiet.asm": ";! io: log\n;! expect: al = 0xff\nin al, 0x60\nhlt\n",
    };
    const { stdout, read } = await testGuests(files, ["@", "--junit", "@/report.xml"]);
    const access = "It read port 0x60 (1 byte), at 0x3 <poll>, polls.asm:4: poll: in al, 0x60";
    const doubt =
      "long.asm: It starts in 64-bit long mode, but its first instruction is assembled " +
      "for 16 bits: write bits 64 above it, or ;! mode: real";
    assertStringIncludes(stdout, `rax = 0\n  ${doubt}\n\n`);
    assertStringIncludes(
      stdout,
      `found ax = 255 (0xff)\n  its log:\n${`    ${access}\n`.repeat(32)}    and 8 more\n\n`,
    );
    assertEquals(stdout.includes("quiet.asm:3"), false);
    assertStringIncludes(read("report.xml"), "poll: in al, 0x60\nand 8 more</system-out>\n");
    const { guests: [long, , quiet] } = JSON.parse(
      (await testGuests(files, ["@", "--json"])).stdout,
    );
    assertEquals([long.warnings, long.log], [[doubt], []]);
    assertEquals(quiet.log, ["It read port 0x60 (1 byte), at 0x0, quiet.asm:3: in al, 0x60"]);
    const { stdout: tap } = await testGuests(files, ["@", "--tap"]);
    assertStringIncludes(
      tap,
      '  log: ["It read port 0x60 (1 byte), at 0x0, quiet.asm:3: in al, 0x60"]',
    );
  },
  { lacks: reportOnly },
);

kvmTest("test --tap prints a plan, a line each and the details as YAML", async () => {
  const { code, stdout } = await testGuests(
    { "1 # of 2.asm": guests["passes.asm"], "2.asm": guests["fails.asm"] },
    ["@", "--tap"],
  );
  assertEquals(code, 1, stdout);
  assertEquals(stdout.replaceAll(/duration_ms: [\d.]+/g, "duration_ms: 0").split("\n"), [
    "TAP version 14",
    "1..2",
    "ok 1 - 1 \\# of 2.asm",
    "  ---",
    "  duration_ms: 0",
    "  ...",
    "not ok 2 - 2.asm",
    "  ---",
    "  duration_ms: 0",
    '  failures: ["2.asm:1: Expected ax = 42, found ax = 41 (0x29)",' +
    '"2.asm:2: Expected output = \\"x\\", found output = \\"\\""]',
    "  ...",
    "",
  ]);
}, { lacks: reportOnly });

kvmTest("test --junit writes a file that CI services read, besides the report", async () => {
  const { code, stdout, read } = await testGuests(
    { "below/a&b.asm": guests["fails.asm"], "passes.asm": guests["passes.asm"] },
    ["@", "--junit", "@/report.xml"],
  );
  assertEquals(code, 1, stdout);
  assertStringIncludes(stdout, "FAILED | 1 passed | 1 failed | 0 skipped");
  const xml = read("report.xml");
  assertMatch(xml, /^<\?xml .*\?>\n<testsuites tests="2" failures="1" errors="0" skipped="0" /);
  assertMatch(
    xml,
    /name="a&amp;b.asm" time="\d+\.\d{3}">\n +<failure message="Expected ax = 42, found ax = 41 \(0x29\)">/,
  );
  assertStringIncludes(xml, "Expected output = &quot;x&quot;, found output = &quot;&quot;");
  assertMatch(xml, /name="passes.asm" time="\d+\.\d{3}"\/>\n {2}<\/testsuite>\n<\/testsuites>\n$/);
}, { lacks: reportOnly });

/** What stands behind the open descriptors of a process. */
function descriptorsOf(pid: number): string[] {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      return "closed meanwhile";
    }
  });
}

kvmTest("test at Ctrl-C ends the guests of all jobs, and reports the others whole", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "hlt-test-" });
  try {
    const hangs = ";! timeout: 10m\n;! expect: ax = 42\ncli\nhang: jmp hang\n";
    const files = {
      // No VM is made for it, so that two VMs are those of the two that hang.
      "1_expects_nothing.asm": guests["expects_nothing.asm"],
      "2_hangs.asm": hangs,
      "3_hangs.asm": hangs,
      "4_passes.asm": guests["passes.asm"],
    };
    for (const [name, source] of Object.entries(files)) {
      Deno.writeTextFileSync(`${folder}/${name}`, source);
    }
    const words = ["test", folder, "--json", "--jobs=2", `--junit=${folder}/report.xml`];
    const [command, ...args] = commandLine(words, { permissions });
    const child = new Deno.Command(command!, { args, stdout: "piped" }).spawn();
    const isHanging = () =>
      descriptorsOf(child.pid).filter((file) => file.includes("kvm-vcpu")).length === 2;
    while (!isHanging()) await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill("SIGINT");
    const { code, stdout } = await child.output();
    assertEquals(code, 130);
    const { milliseconds: _, guests: results, ...sums } = JSON.parse(
      new TextDecoder().decode(stdout),
    );
    assertMatch(sums.host, /^kvm/);
    assertEquals({ ...sums, host: "" }, {
      host: "",
      passed: 0,
      failed: 1,
      skipped: 0,
      notRun: 3,
      interrupted: true,
    });
    assertEquals(
      results.map(({ file }: { file: string }) => file),
      [`${folder}/1_expects_nothing.asm`],
    );
    assertMatch(
      Deno.readTextFileSync(`${folder}/report.xml`),
      /<testsuites tests="1" failures="1" .*<\/testsuites>\n$/s,
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

kvmTest("test skips what the host cannot run, and says which host it is", async () => {
  const { code, stdout } = await runProgram(["test", "guests/paged.asm"], { permissions });
  assertEquals(code, 0, stdout);
  // A host that has 32-bit paging proves the guest.
  assertMatch(
    stdout,
    /^guests\/paged.asm \.\.\. (ok|skipped \(kvm_\w+ cannot run 32-bit paging: )/m,
  );
  assertMatch(stdout, /\nok \| (1 passed \| 0 failed \| 0|0 passed \| 0 failed \| 1) skipped/);
});

const refused: [string, string[], RegExp][] = [
  ["no path", [], /^There is nothing to test: test \[OPTION…\] PATH…\n/],
  ["a path that is not there", ["no/such"], /^There is no file or folder no\/such\n/],
  ["a folder without guests", ["src"], /^There is no guest in src: /],
  ["a filter that no guest passes", ["guests", "--filter=none"], /^The path of no guest contains/],
  ["a number of jobs that is none", ["guests", "--jobs=0"], /^The option --jobs takes a number/],
  ["two formats at once", ["guests", "--json", "--tap"], /^The options --json and --tap exclude/],
  ["an unknown option", ["guests", "--jsn"], /^There is no option --jsn. Did you mean --json\?/],
];
for (const [what, words, message] of refused) {
  testUnless(slow, `test refuses ${what}, with exit code 2`, async () => {
    const { code, stdout, stderr } = await runProgram(["test", ...words], { permissions });
    assertMatch(stderr, message);
    assertEquals(code, 2);
    if (!words.includes("--json")) assertEquals(stdout, "");
  });
}

testUnless(slow, "test refuses a report that cannot be written, with exit code 2", async () => {
  const words = ["test", "guests", "--junit=no/such"];
  const { code, stdout, stderr } = await runProgram(words, { permissions });
  assertMatch(stderr, /^Cannot write no\/such: /);
  assertEquals({ code, stdout }, { code: 2, stdout: "" });
});

testUnless(slow, "test writes no report over a guest", async () => {
  const { code, stderr, read } = await testGuests({ "a.asm": "hlt\n" }, ["@", "--junit=@/./a.asm"]);
  assertMatch(stderr, /^Cannot write .*a\.asm: it is the source .*a\.asm\. Name another file$/m);
  assertEquals([code, read("a.asm")], [2, "hlt\n"]);
});

testUnless(slow, "test without --allow-read says to give it", async () => {
  const { code, stderr } = await runProgram(["test", "guests"]);
  assertMatch(
    stderr,
    /^Cannot read guests: .*Run with --allow-read: deno run --allow-ffi --allow-read/,
  );
  assertEquals(code, 2);
});

testUnless(slow, "test without the permission to load workers says to give it", async () => {
  const words = ["test", "guests", "--jobs", "2"];
  const { code, stderr } = await runProgram(words, {
    permissions: ["--allow-ffi", "--allow-read=guests"],
  });
  assertMatch(stderr, /^Cannot test several guests at a time: .* --allow-read, or give --jobs 1\n/);
  assertEquals(code, 2);
});

const emptyDev = "set -e; mount -t tmpfs none /dev; mknod -m 666 /dev/null c 1 3; " +
  "mknod -m 666 /dev/urandom c 1 9";

testUnless(
  slow ?? lackOf("unshare", ["--mount", "sh", "-c", emptyDev]),
  "test without KVM is one error with exit code 3, not one a guest",
  async () => {
    const program = commandLine(["test", "guests"], { permissions }).map(quoted).join(" ");
    const words = ["unshare", "--mount", "sh", "-c", `${emptyDev}; exec ${program}`];
    const { code, stdout, stderr } = await execute(words);
    assertMatch(stderr, /^Cannot open \/dev\/kvm: [^\n]+\n$/);
    assertEquals({ code, stdout }, { code: 3, stdout: "" });
  },
);
