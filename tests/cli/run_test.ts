import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { isLab, kvmTest, testUnless } from "../kvm_host.ts";
import {
  commandLine,
  execute,
  type Finished,
  lackOf,
  lackOfMode,
  quoted,
  runProgram,
  slow,
} from "./program.ts";

const folder = Deno.makeTempDirSync();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const permissions = ["--allow-ffi", "--allow-read"];

/** A guest's file. */
function guest(name: string, content: string | Uint8Array): string {
  const path = `${folder}/${name}`;
  if (typeof content === "string") Deno.writeTextFileSync(path, content);
  else Deno.writeFileSync(path, content);
  return path;
}

/** A test of what is the same on every host: on a software CPU each takes ten seconds. */
const textTest: typeof kvmTest = (name, run) => {
  if (slow === undefined) kvmTest(name, run);
  else testUnless("it is the same on every host", name, run);
};

function run(...args: string[]): Promise<Finished> {
  return runProgram(["run", ...args], { permissions });
}

const answer = guest(
  "answer.asm",
  `;! expect: ax = 42
;! expect: output = "Hi\\n"
        mov     si, text
next:   lodsb
        test    al, al
        jz      done
        out     0xE9, al
        jmp     next
done:   mov     ax, 42
        hlt
text:   db      "Hi", 10, 0
`,
);

kvmTest(
  "run proves a guest and shows what it printed, each expectation and the verdict",
  async () => {
    assertEquals(await run(answer), {
      code: 0,
      stdout: `Hi
holds  ax = 42                        found ax = 42 (0x2a)
holds  output = "Hi\\n"                found output = "Hi\\n"
holds  exit = hlt                     found exit = hlt
${answer} proved
`,
      stderr: "",
    });
  },
);

kvmTest("run ends with 1 when an expectation fails, and says what was found", async () => {
  const { code, stdout } = await run(answer, "--expect", "ax = 43", "--expect", "bx = 0");
  assertEquals(code, 1);
  assertStringIncludes(stdout, "FAILS  ax = 43                        found ax = 42 (0x2a)\n");
  assertStringIncludes(stdout, "holds  bx = 0");
  assertStringIncludes(stdout, `${answer} FAILED: 1 of 4 expectations\n`);
});

textTest("run reads a guest from the standard input", async () => {
  const command = commandLine(["run", "-"], { permissions }).map(quoted).join(" ");
  const { code, stdout } = await execute(["sh", "-c", `${command} < ${quoted(answer)}`]);
  assertEquals([code, stdout.split("\n").at(-2)], [0, "<stdin> proved"]);
});

testUnless(slow, "run says why it cannot read the standard input", async () => {
  const command = commandLine(["run", "-"], { permissions }).map(quoted).join(" ");
  const { code, stdout, stderr } = await execute(["sh", "-c", `${command} < ${quoted(folder)}`]);
  assertEquals([code, stdout], [2, ""]);
  assertEquals(stderr, "<stdin>: Cannot read it: it is a directory\n");
});

textTest("run ends with 4 for a status that nobody expected, and names it", async () => {
  const path = guest("status.asm", "mov al, 7\nout 0xf4, al\n");
  const { code, stdout, stderr } = await run(path);
  assertEquals([code, stderr], [4, ""]);
  assertStringIncludes(stdout, `${path} CRASHED: it ended with status 7\n`);
  assertEquals((await run(path, "--expect", "exit = status 7")).code, 0);
});

kvmTest("run explains an access that nobody answers on stderr, and ends with 4", async () => {
  const path = guest(
    "port.asm",
    "start:  mov dx, 0x60\n        mov al, 0x42\n        out dx, al\n",
  );
  const { code, stdout, stderr } = await run(path);
  assertEquals(code, 4);
  assertEquals(stdout, `${path} CRASHED: it wrote 0x42 to port 0x60 (1 byte)\n`);
  assertStringIncludes(stderr, `  Where: 0x5 <start+0x5>, ${path}:3: out dx, al\n`);
  assertStringIncludes(stderr, `> 0005  ee                 out dx, al  ; ${path}:3\n`);
  assertMatch(stderr, /^ {2}rax 00000042 {2}rbx 00000000/m);
  assertMatch(stderr, /^ {2}cs {2}0000 base 00000000 limit 0000ffff 16-bit code, DPL 0$/m);
  assertMatch(stderr, /^ {2}cr0 {2}00000010 ET$/m);
  assertMatch(stderr, /^Stack\n {2}00007000 {2}0000$/m);
});

kvmTest("run --io log prints each access that nobody answers, with its place", async () => {
  const path = guest("log.asm", "in al, 0x60\nout 0x61, al\nhlt\n");
  const { code, stderr } = await run(path, "--io", "log");
  assertEquals(code, 0);
  assertEquals(
    stderr,
    `It read port 0x60 (1 byte), at 0x0, ${path}:1: in al, 0x60\n` +
      `It wrote 0xff to port 0x61 (1 byte), at 0x2, ${path}:2: out 0x61, al\n`,
  );
});

textTest("run disassembles a flat binary that crashes, where it may read", async () => {
  const path = guest("flat.bin", Uint8Array.of(0xb0, 0x42, 0xe6, 0x60));
  assertStringIncludes((await run(path)).stderr, "> 0002  e660               out 0x60, al\n");
  const some = await runProgram(["run", path], {
    permissions: ["--allow-ffi", `--allow-read=${folder}`],
  });
  assertEquals(some.code, 4);
  assertStringIncludes(some.stderr, "> 0002  e660");
  assertStringIncludes(some.stderr, "Disassembling it takes the permission --allow-read\n");
});

kvmTest(
  "run says of a mode that the host lacks that it is unsupported, and ends with 3",
  async () => {
    const { code, stdout, stderr } = await run(answer, "--mode", "paged");
    const lack = lackOfMode("paged");
    if (lack === undefined) return assert(code !== 3);
    assertEquals([code, stderr.includes("Registers")], [3, false]);
    assertStringIncludes(stdout, `${answer} unsupported: ${lack}\n`);
  },
);

kvmTest(
  "run --timeout ends a guest that loops with 124, and shows where it was stuck",
  async () => {
    const path = guest("loop.asm", "mov al, 'x'\nout 0xe9, al\ncli\nstuck: jmp $\n");
    const time = isLab ? "2s" : "100ms";
    const { code, stdout, stderr } = await run(path, "--timeout", time);
    assertEquals(code, 124);
    assertEquals(stdout, `x\n${path} TIME IS UP: at 0x5 <stuck>, ${path}:4: stuck: jmp $\n`);
    assertStringIncludes(stderr, "> 0005  ebfe");
  },
);

/** Runs an endless guest, and presses Ctrl-C once it has printed its `x`. */
async function interrupted(path: string): Promise<Finished> {
  const words = commandLine(["run", path, "--io", "ignore", "--timeout", "60s"], { permissions });
  const [command = "", ...args] = words;
  const child = new Deno.Command(command, { args, stdout: "piped", stderr: "piped" }).spawn();
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  // It shows what the guest printed while the guest runs on.
  const { value } = await reader.read();
  assertEquals(decoder.decode(value), "x");
  reader.releaseLock();
  child.kill("SIGINT");
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

kvmTest(
  "run ends with 130 at Ctrl-C, for a guest that loops and one that exits all the time",
  async () => {
    for (const source of ["jmp $\n", "again: out 0x80, al\njmp again\n"]) {
      const path = guest("endless.asm", `mov al, 'x'\nout 0xe9, al\n${source}`);
      const { code, stdout } = await interrupted(path);
      assertEquals(code, 130);
      assertMatch(stdout, /interrupted: at 0x/);
    }
  },
);

kvmTest("run disassembles at Ctrl-C what has no source", async () => {
  // mov al, 'x'; out 0xe9, al; jmp $
  const path = guest("endless.bin", Uint8Array.of(0xb0, 0x78, 0xe6, 0xe9, 0xeb, 0xfe));
  const { code, stderr } = await interrupted(path);
  assertEquals(code, 130);
  assertStringIncludes(stderr, "  0002  e6e9               out 0xe9, al\n> 0004  ebfe");
});

textTest("run --regs, --dump and --stats show what the guest left behind", async () => {
  const path = guest("left.asm", "mov dword [0x400], 'abcd'\nmov bx, 3\nhlt\ndata: db 1\n");
  const { stdout } = await run(path, "--regs", "--dump", "0x3fe:20", "--dump", "data:1", "--stats");
  assertMatch(stdout, /^rax 00000000 {2}rbx 00000003\* rcx 00000000/m);
  assertMatch(
    stdout,
    /^000003fe {2}00 00 61 62 63 64 00 00 .* \|\.\.abcd\.{10}\|\n0000040e {2}00 00 00 00 /m,
  );
  assertMatch(stdout, /^0000000d {2}01 {47}\|\.\|$/m);
  assertMatch(stdout, /^ +\d+ {2}exits, in \d+\.\d\d ms\n(?: +\d+ {2}\w+\n)* +1 {2}hlt$/m);
  assertMatch(
    stdout,
    /^ +3 {2}instructions, counted by (KVM's emulator|the CPU)$|^instructions not counted: \w.+$/m,
  );
});

textTest("run --dump-file writes the bytes", async () => {
  const path = guest("file.asm", "mov dword [0x400], 'abcd'\nhlt\n");
  const args = [
    "run",
    path,
    "--dump",
    "0x400:2",
    "--dump",
    "0x402:2",
    "--dump-file",
    `${folder}/out`,
  ];
  const refused = await runProgram(args, { permissions });
  assertEquals(refused.code, 2);
  assertStringIncludes(refused.stderr, "--allow-write");
  const { code, stdout } = await runProgram(args, {
    permissions: [...permissions, "--allow-write"],
  });
  assertEquals([code, stdout.includes("abcd")], [0, false]);
  assertEquals(Deno.readTextFileSync(`${folder}/out`), "abcd");
  const full = await runProgram([...args.slice(0, -1), "/dev/full"], {
    permissions: ["--allow-all"],
  });
  assertEquals(full.code, 3);
  assertMatch(full.stderr, /^Cannot write \/dev\/full: No space left on device .*\n$/);
});

testUnless(slow, "run that does not begin leaves what --dump-file names as it was", async () => {
  const path = guest("kept", "kept");
  for (const file of [path, `${folder}/new`]) {
    const words = ["run", answer, "--dump", "0:4", "--dump-file", file, "--repeat", "none"];
    const { code } = await runProgram(words, { permissions: [...permissions, "--allow-write"] });
    assertEquals(code, 2);
  }
  assertEquals(Deno.readTextFileSync(path), "kept");
  assertThrows(() => Deno.statSync(`${folder}/new`), Deno.errors.NotFound);
});

testUnless(slow, "run writes no dump over the guest", async () => {
  const path = guest("kept.asm", "hlt\n");
  const words = ["run", path, "--dump", "0:4", "--dump-file", `${folder}/./kept.asm`];
  const { code, stderr } = await runProgram(words, {
    permissions: [...permissions, "--allow-write"],
  });
  assertStringIncludes(stderr, `kept.asm: it is the source ${path}. Name another file\n`);
  assertEquals([code, Deno.readTextFileSync(path)], [2, "hlt\n"]);
});

textTest("run --json prints one document with all of it, and nothing else", async () => {
  const { code, stdout, stderr } = await run(answer, "--json", "--dump", "text:3", "--regs");
  const found = JSON.parse(stdout);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(Object.keys(found), [
    ...["guest", "outcome", "exitCode", "stop", "output", "outputBytes", "expectations"],
    ...["registers", "changed", "dumps", "log", "stats", "warnings"],
  ]);
  assertEquals([found.outcome, found.exitCode, found.stop.reason], ["proved", 0, "hlt"]);
  assertEquals([found.output, found.outputBytes], ["Hi\n", "48690a"]);
  assertEquals(found.guest.format, "source");
  assertEquals(found.expectations[0], {
    expectation: "ax = 42",
    found: "ax = 42 (0x2a)",
    holds: true,
  });
  assertEquals([found.registers.rax, found.changed.includes("rax")], ["0x2a", true]);
  assertEquals(found.dumps, [{ address: 0x10, bytes: "48690a" }]);
});

textTest("run --json --stats has the instructions, or why they were not counted", async () => {
  const { stats } = JSON.parse((await run(answer, "--json", "--stats")).stdout);
  const { count, by, why } = stats.instructions;
  // One before the loop, five a character, three for the zero, two behind it.
  assertEquals(
    count === undefined ? typeof why : [count, typeof by],
    why ? "string" : [21, "string"],
  );
});

textTest("run --json explains a crash", async () => {
  const path = guest("crash.asm", "here: in al, 0x60\n");
  const { code, stdout, stderr } = await run(path, "--json");
  const { outcome, stop, diagnosis, exitCode } = JSON.parse(stdout);
  assertEquals([code, exitCode, outcome, stderr], [4, 4, "crashed", ""]);
  assertEquals([stop.exit.reason, stop.exit.port, stop.exit.data], ["io", 0x60, "00"]);
  assertEquals(diagnosis.place, {
    ...{ rip: "0x0", cs: "0x0", linear: "0x0", physical: 0, symbol: "here" },
    ...{ file: path, line: 1, source: "here: in al, 0x60" },
  });
  assertEquals(diagnosis.code[0], {
    ...{
      address: "0x0",
      bytes: "e460",
      text: "here: in al, 0x60",
      line: `${path}:1`,
      isHere: true,
    },
  });
});

textTest("run warns on stderr of a source that is doubtful", async () => {
  const path = guest("doubtful.asm", "bits 32\nhlt\n");
  const { stderr } = await run(path);
  assertStringIncludes(stderr, `${path}: It starts in 16-bit real mode, but its first instruction`);
});

testUnless(
  slow,
  "run answers every wrong word with one clear line, its place, and 2; nothing runs",
  async () => {
    const cases: [args: string[], message: string][] = [
      [[], "There is no guest: give a FILE, or - for stdin\n"],
      [[answer, "other.asm"], 'This takes one guest, and "other.asm" is a second one\n'],
      [[answer, "--mod", "long"], "There is no option --mod. Did you mean --mode?\n"],
      [
        [answer, "--mode", "rael"],
        '--mode:1:1: The mode is one of real, protected, paged, long, not "rael"\n',
      ],
      [[answer, "--mode", "real", "--mode", "long"], "The option --mode is given more than once\n"],
      [[answer, "--expect"], "The option --expect needs a value: --expect VALUE\n"],
      [[answer, "--regs=yes"], "The option --regs takes no value\n"],
      [[answer, "--ram", "0"], "--ram:1:1: The size of RAM is a positive multiple of 4096 bytes\n"],
      [
        [answer, "--ram", "4097"],
        "--ram:1:1: The size of RAM is a positive multiple of 4096 bytes\n",
      ],
      [[answer, "--ram", "64T"], "--ram:1:1: A size is a number of bytes, or with a unit:"],
      [[answer, "--ram", "65536G"], "--ram:1:1: The size of RAM is at most 4048M\n"],
      [
        [answer, "--load", "0x200000"],
        "--load:1:1: An image of 20 bytes at 0x200000 does not fit into 2048K",
      ],
      [[answer, "--entry", "nowhere"], '--entry:1:1: The guest has no label "nowhere"\n'],
      [[answer, "--stack", "0x10000"], "--stack:1:1: The stack pointer 0x10000 does not fit"],
      [[answer, "--set", "axe=1"], '--set:1:1: There is no register "axe"\n'],
      [[answer, "--set", "al=256"], "--set:1:4: The value does not fit into 8 bits\n"],
      [[answer, "--cpuid", "1:esi=0"], "--cpuid:1:3: The register of CPUID is one of"],
      [[answer, "--expect", "ax == 1"], '--expect:1:5: Expected a value, not "="\n'],
      [[answer, "--io", "never"], '--io:1:1: Io is one of stop, log, ignore, not "never"\n'],
      [[answer, "--irqchip", "maybe"], '--irqchip:1:1: Irqchip is one of yes, no, not "maybe"\n'],
      [[answer, "--timeout", "5"], "--timeout:1:1: A duration is a positive number with a unit:"],
      [
        [answer, "--dump", "0x400"],
        "--dump:1:6: Expected : and a length: 0x400:64, not the end of the line\n",
      ],
      [
        [answer, "--dump", "0x1fffff:2"],
        "--dump:1:1: A dump is of at least one byte of the 2048K of RAM\n",
      ],
      [
        [answer, "--dump-file", "x"],
        "The option --dump-file says where dumps go: --dump START:LENGTH\n",
      ],
      [[`${folder}/nothing`], `${folder}/nothing: Cannot read it: there is no such file\n`],
      [[folder], `${folder}: Cannot read it: it is a directory, not a file\n`],
    ];
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await run(...args);
      assertEquals([code, stdout], [2, ""], args.join(" "));
      assertStringIncludes(stderr, message, args.join(" "));
    }
  },
);

kvmTest("run refuses registers that no CPU can have, with exit code 2", async () => {
  const { code, stdout, stderr } = await run(answer, "--set", "cr0=0x80000000");
  assertEquals([code, stdout], [2, ""]);
  assertEquals(stderr, `${answer}: No CPU can be in real mode with cr0 = 0x80000000\n`);
});

testUnless(slow, "run names the permission that it was not given", async () => {
  const { code, stderr } = await runProgram(["run", answer]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "Run with --allow-read: deno run --allow-ffi --allow-read main.ts");
});

kvmTest(
  "run colours its verdicts in a terminal, and not with NO_COLOR",
  async () => {
    const command = commandLine(["run", answer, "--regs"], { permissions }).map(quoted).join(" ");
    const inTerminal = (env: Record<string, string>) =>
      execute(["script", "-qec", command, "/dev/null"], { env: { TERM: "xterm", ...env } });
    const { stdout } = await inTerminal({});
    assertStringIncludes(stdout, "\x1b[32mholds\x1b[39m");
    assertEquals((await inTerminal({ NO_COLOR: "1" })).stdout.includes("\x1b["), false);
  },
  { lacks: slow ?? lackOf("script", ["-qec", "true", "/dev/null"]) },
);
