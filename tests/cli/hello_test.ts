import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { type Mode, modes } from "../../src/x86/mod.ts";
import { isLab, kvmTest, testUnless } from "../kvm_host.ts";
import { commandLine, execute, lackOf, lackOfMode, quoted, runProgram } from "./program.ts";

const allModes = Object.keys(modes) as Mode[];
const lacks = new Map(allModes.map((mode) => [mode, lackOfMode(mode)]));

/** In the order in which the steps are printed. */
const titles = [
  "Open /dev/kvm",
  "KVM_CREATE_VM",
  "KVM_SET_USER_MEMORY_REGION",
  "KVM_CREATE_VCPU",
  "KVM_SET_SREGS, KVM_SET_REGS",
  "Copy the guest",
  "KVM_RUN",
  "Check registers and memory",
];

kvmTest("hello prints the eight steps with their values, and the verdict", async () => {
  const { code, stdout, stderr } = await runProgram([]);
  assertEquals([code, stderr], [0, ""]);
  const expected = String.raw`
1  Open /dev/kvm                API version 12, descriptor \d+
2  KVM_CREATE_VM                descriptor \d+
3  KVM_SET_USER_MEMORY_REGION   2 MiB of RAM at guest address 0x0, mapped here at 0x[\da-f]+
4  KVM_CREATE_VCPU              descriptor \d+, kvm_run of \d+ KiB mapped
5  KVM_SET_SREGS, KVM_SET_REGS  16-bit real mode: CS:IP = 0x0:0x0, FLAGS = 0x2, CR0 = 0x10
6  Copy the guest               37 bytes of guests/real\.asm to 0x0
     0000  BE1600                     mov     si, message
     0003  AC                 \.next:  lodsb   .*
     0004  84C0                       test    al, al
     0006  7404                       jz      \.done
     0008  E6E9                       out     0xE9, al   .*
     000a  EBF7                       jmp     \.next
     000c  C70600042A00       \.done:  mov     word \[answer\], 42
     0012  A10004                     mov     ax, \[answer\]
     0015  F4                         hlt   .*
     0016  48656C6C6F2C2077…  message db      "Hello, world!", 10, 0
   guest> Hello, world!
7  KVM_RUN                      15 exits, the last one HLT
8  Check registers and memory   4 of 4 expectations hold
     holds  ax = 42                             found ax = 42 \(0x2a\)
     holds  word \[0x400\] = 42                   found word \[0x400\] = 42 \(0x2a\)
     holds  output = "Hello, world!\\n"          found output = "Hello, world!\\n"
     holds  exit = hlt                          found exit = hlt
real       proved
`;
  assertMatch(stdout, new RegExp(`^${expected.trim()}\n$`));
});

for (const mode of allModes) {
  kvmTest(`hello --mode ${mode} proves ${modes[mode].description}`, async () => {
    const { code, stdout, stderr } = await runProgram(["hello", "--mode", mode]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals([...stdout.matchAll(/^(\d) {2}(.*?) {2}/gm)].map(([, , title]) => title), titles);
    assertMatch(stdout, /^ {3}guest> Hello, world!\n7 {2}KVM_RUN/m);
    assertMatch(stdout, / = 42 +found [er]?ax = 42 \(0x2a\)\n/);
    assertNotMatch(stdout, /FAILS/);
    assertEquals(stdout.split("\n").at(-2), `${mode.padEnd(10)} proved`);
  }, { lacks: lacks.get(mode) });

  const lack = lacks.get(mode);
  if (lack !== undefined) {
    kvmTest(
      `hello --mode ${mode} says that this host lacks the mode, with exit code 3`,
      async () => {
        const { code, stdout } = await runProgram(["--mode", mode, "--quiet"]);
        assertEquals([code, stdout], [3, `${mode.padEnd(10)} unsupported: ${lack}\n`]);
        assertMatch(lack, /^(kvm_\w+|this KVM) cannot run /);
        const json = await runProgram(["--mode", mode, "--json"]);
        const { outcome, reason, expectations } = JSON.parse(json.stdout);
        assertEquals([json.code, outcome, reason, expectations], [3, "unsupported", lack, []]);
      },
    );
  }
}

/** What `--mode all` ends with. */
const summary = allModes.map((mode) => {
  const lack = lacks.get(mode);
  return `${mode.padEnd(10)} ${lack === undefined ? "proved" : `skipped: ${lack}`}\n`;
}).join("");

kvmTest("hello --mode all runs each mode and ends with a line a mode", async () => {
  const { code, stdout, stderr } = await runProgram(["--mode", "all"]);
  assertEquals([code, stderr], [0, ""]);
  for (const mode of allModes) assertMatch(stdout, new RegExp(`^${mode}: .* mode.*\n1  `, "m"));
  assertEquals(stdout.endsWith(`\n\n${summary}`), true);
});

kvmTest("hello --quiet prints the verdicts alone", async () => {
  assertEquals(await runProgram(["--quiet"]), {
    code: 0,
    stdout: "real       proved\n",
    stderr: "",
  });
  const all = await runProgram(["--mode=all", "--quiet", "--quiet"]);
  assertEquals(all, { code: 0, stdout: summary, stderr: "" });
});

kvmTest("hello --json prints one document: steps, output, expectations", async () => {
  const { code, stdout, stderr } = await runProgram(["--json", "--quiet"]);
  assertEquals([code, stderr], [0, ""]);
  const { steps, ...rest } = JSON.parse(stdout);
  assertEquals(steps.map(({ title }: { title: string }) => title), titles);
  assertEquals(steps[0].detail.startsWith("API version 12, "), true);
  assertEquals(rest, {
    mode: "real",
    outcome: "proved",
    output: "Hello, world!\n",
    expectations: [
      { expectation: "ax = 42", found: "ax = 42 (0x2a)", holds: true },
      { expectation: "word [0x400] = 42", found: "word [0x400] = 42 (0x2a)", holds: true },
      {
        expectation: 'output = "Hello, world!\\n"',
        found: 'output = "Hello, world!\\n"',
        holds: true,
      },
      { expectation: "exit = hlt", found: "exit = hlt", holds: true },
    ],
  });
});

kvmTest("hello --json --mode all prints an array of the modes", async () => {
  const { code, stdout } = await runProgram(["--json", "--mode", "all"]);
  const results: { mode: Mode; outcome: string; reason?: string }[] = JSON.parse(stdout);
  assertEquals(code, 0);
  assertEquals(results.map(({ mode }) => mode), allModes);
  for (const { mode, outcome, reason } of results) {
    assertEquals([outcome, reason], [
      lacks.get(mode) === undefined ? "proved" : "unsupported",
      lacks.get(mode),
    ]);
  }
});

/** `hello` with the source that is its first word in place of the built-in guests. */
const withGuest = { script: "tests/cli/guest_program.ts" };

kvmTest("hello says what it found where an expectation fails, with exit code 1", async () => {
  const source = ';! expect: ax = 43\n;! expect: byte [x] = 1..9\n;! expect: output = ""\n' +
    "mov ax, 42\nhlt\nx: db 0";
  const { code, stdout, stderr } = await runProgram([source], withGuest);
  assertEquals([code, stderr], [1, ""]);
  assertEquals(
    stdout.slice(stdout.indexOf("8  ")),
    `8  Check registers and memory   2 of 4 expectations hold
     FAILS  ax = 43                             found ax = 42 (0x2a)
     FAILS  byte [x] = 1..9                     found byte [x] = 0
     holds  output = ""                         found output = ""
     holds  exit = hlt                          found exit = hlt
real       FAILED: ax = 43, found ax = 42 (0x2a); byte [x] = 1..9, found byte [x] = 0
`,
  );
  const json = await runProgram([source, "--json"], withGuest);
  const { outcome, reason } = JSON.parse(json.stdout);
  assertEquals([json.code, outcome, reason], [
    1,
    "failed",
    "ax = 43, found ax = 42 (0x2a); byte [x] = 1..9, found byte [x] = 0",
  ]);
  const all = await runProgram([source, "--mode", "all", "--quiet"], withGuest);
  assertEquals([all.code, all.stdout.split("FAILED").length], [1, 5]);
});

kvmTest("hello says in a line what a guest did that nobody handles, with exit code 4", async () => {
  const failures: [source: string, reason: string][] = [
    ["mov al, 0x2a\nout 0x42, al", "it wrote 0x2a to port 0x42 (1 byte)"],
    ["mov eax, 0x12345\nout 0xE9 + 1, eax", "it wrote 0x00012345 to port 0xea (4 bytes)"],
    ["mov dx, 0x3fd\nin ax, dx", "it read port 0x3fd (2 bytes)"],
    ["in al, 0xE9", "it read port 0xe9 (1 byte)"],
    [
      ";! ram: 64K\nmov ax, 0x2000\nmov ds, ax\nmov word [4], 0x1234",
      "it wrote 0x1234 to address 0x20004 (2 bytes), where there is no RAM",
    ],
    [
      ";! ram: 64K\nmov ax, 0x2000\nmov ds, ax\nmov al, [0]",
      "it read address 0x20000 (1 byte), where there is no RAM",
    ],
    [
      ";! mode: protected\nbits 32\nmov ax, 8\nmov ds, ax",
      "it took an exception that it cannot handle (a triple fault, KVM_EXIT_SHUTDOWN)",
    ],
  ];
  for (const [source, reason] of isLab ? failures.slice(-2) : failures) {
    const { code, stdout, stderr } = await runProgram([source, "--quiet"], withGuest);
    const mode = source.includes("protected") ? "protected" : "real";
    const line = `${mode.padEnd(10)} CRASHED: The guest failed: ${reason}\n`;
    assertEquals([code, stdout, stderr], [4, line, ""]);
  }
});

kvmTest("hello keeps what a guest printed before it failed", async () => {
  const source = "mov al, 'H'\nout 0xE9, al\nout 0x42, al";
  const text = await runProgram([source], withGuest);
  assertEquals(
    text.stdout.split("\n").slice(-3),
    [
      "   guest> H",
      "real       CRASHED: The guest failed: it wrote 0x48 to port 0x42 (1 byte)",
      "",
    ],
  );
  const json = await runProgram([source, "--json"], withGuest);
  const { outcome, reason, output } = JSON.parse(json.stdout);
  assertEquals([json.code, outcome, output], [4, "crashed", "H"]);
  assertEquals(reason, "The guest failed: it wrote 0x48 to port 0x42 (1 byte)");
});

kvmTest("hello prints a guest's output as it is, each line behind a mark", async () => {
  const source = "mov si, text\n.next: lodsb\ntest al, al\njz .done\nout 0xE9, al\njmp .next\n" +
    '.done: hlt\ntext: db "é", 10, 10, "no end", 0';
  const { stdout } = await runProgram([source], withGuest);
  assertEquals(stdout.includes("   guest> é\n   guest> \n   guest> no end\n7  KVM_RUN"), true);
  const json = await runProgram([source, "--json"], withGuest);
  assertEquals(JSON.parse(json.stdout).output, "é\n\nno end");
});

kvmTest("hello runs a guest that is written with macros", async () => {
  const source = ";! expect: ax = 42\n%define ANSWER 42\nmov ax, ANSWER\nhlt";
  const { code, stdout } = await runProgram([source, "--quiet"], withGuest);
  assertEquals([code, stdout], [0, "real       proved\n"]);
});

kvmTest("hello refuses a source that is wrong with exit code 2", async () => {
  const { code, stdout, stderr } = await runProgram([";! expect: xa = 1\nhlt"], withGuest);
  assertEquals([code, stdout], [2, ""]);
  assertEquals(
    stderr,
    'guests/real.asm:1:12: There is no register "xa"\n  ;! expect: xa = 1\n             ^~\n',
  );
  const label = await runProgram([";! expect: byte [x] = 1\nhlt"], withGuest);
  assertEquals([label.code, label.stderr.split("\n")[0]], [
    2,
    'guests/real.asm:1:18: The guest has no label "x"',
  ]);
});

const noTerminal = lackOf("script", ["-qec", "true", "/dev/null"]);

/** Runs the program in a terminal. */
function inTerminal(args: string[], env: Record<string, string> = {}) {
  const command = commandLine(args).map(quoted).join(" ");
  return execute(["script", "-qec", command, "/dev/null"], { env: { TERM: "xterm", ...env } });
}

const ESCAPE = "\x1b[";

if (noTerminal === undefined) {
  kvmTest("hello uses colour in a terminal, and says the same", async () => {
    const { code, stdout } = await inTerminal(["--mode", "real"]);
    assertEquals(code, 0);
    assertEquals(stdout.includes(`${ESCAPE}32mproved${ESCAPE}39m`), true);
    // deno-lint-ignore no-control-regex
    const plain = stdout.replaceAll("\r\n", "\n").replaceAll(/\x1b\[\d+m/g, "");
    const variable = /descriptor \d+|mapped here at 0x[\da-f]+/g;
    const piped = (await runProgram([])).stdout;
    assertEquals(plain.replaceAll(variable, ""), piped.replaceAll(variable, ""));
  });

  kvmTest("hello uses no colour with NO_COLOR, nor for --json", async () => {
    const plain = await inTerminal([], { NO_COLOR: "1" });
    const json = await inTerminal(["--json"]);
    assertEquals([plain.code, plain.stdout.includes(ESCAPE)], [0, false]);
    assertEquals([json.code, JSON.parse(json.stdout).outcome], [0, "proved"]);
  });
} else {
  testUnless(noTerminal, "hello uses colour in a terminal, but not with NO_COLOR", () => {});
}
