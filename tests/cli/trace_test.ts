import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { keepsStepping } from "../../src/machine/host.ts";
import { kvmTest, testUnless } from "../kvm_host.ts";
import { runInTerminal } from "./terminal.ts";
import { execute, lackOf, lackOfMode, runProgram, slow } from "./program.ts";

const permissions = ["--allow-ffi", "--allow-read"];

/** Runs a command on a guest's source. */
async function withGuest(args: string[], source: string) {
  const file = await Deno.makeTempFile({ suffix: ".asm" });
  try {
    await Deno.writeTextFile(file, source);
    return { file, ...await runProgram([...args, file], { permissions }) };
  } finally {
    await Deno.remove(file);
  }
}

const SOURCE = `
start:  mov     ax, 2           ; the first
        add     ax, 0x28
.store: mov     [0x400], ax
        out     0xE9, al
        hlt
`;

kvmTest("trace shows address, bytes, source and changes of each instruction", async () => {
  const { code, stdout, stderr } = await withGuest(["trace"], SOURCE);
  assertEquals(stdout.split("\n").map((line) => line.trimEnd()), [
    "0000:0000  b80200                start: mov ax, 2                   ax=2",
    "0000:0003  83c028                add ax, 0x28                       ax=0x2a",
    "0000:0006  a30004                .store: mov [0x400], ax            [0x400]=2a",
    "0000:0009  e6e9                  out 0xE9, al",
    "0000:000b  f4                    hlt",
    "",
  ]);
  assertStringIncludes(stderr, "5 instructions; ended: hlt");
  assertStringIncludes(stderr, 'output "*"');
  assertEquals(code, 0);
});

kvmTest("trace --json prints an object for each instruction and one for the end", async () => {
  const { code, stdout, file } = await withGuest(
    ["trace", "--json", "--from", "start.store"],
    SOURCE,
  );
  const [first, ...rest] = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(first, {
    step: 1,
    address: "0x6",
    cs: 0,
    ip: "0x6",
    bytes: "a30004",
    text: ".store: mov [0x400], ax",
    file,
    line: 4,
    registers: {},
    memory: [{ address: 0x400, before: "00", after: "2a" }],
  });
  assertEquals(rest.at(-1), { stop: "hlt", steps: 3, output: "*" });
  assertEquals(code, 0);
});

kvmTest("trace --from, --to and --steps show a part", async () => {
  const shown = async (...options: string[]) => {
    const { stdout } = await withGuest(["trace", ...options], SOURCE);
    return [...stdout.matchAll(/^0000:(\w+)/gm)].map(([, offset]) => parseInt(offset!, 16));
  };
  assertEquals(await shown("--from", "3", "--to", "0x9"), [3, 6, 9]);
  assertEquals(await shown("--steps", "2"), [0, 3]);
  assertEquals(await shown("--to", "start"), [0]);
});

kvmTest("trace says that nothing was traced where no step was at --from", async () => {
  const { code, stdout, stderr } = await withGuest(["trace", "--from", "0x200 + 4"], SOURCE);
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(
    stderr,
    "Nothing was traced: no step was at 0x204 (--from); ended: hlt\n",
  );
  const looping = ["trace", "--from", "0x204", "--timeout", "100ms"];
  assertEquals((await withGuest(looping, "jmp $\n")).code, 124);
  const { stdout: json } = await withGuest(["trace", "--json", "--from", "0x204"], SOURCE);
  assertEquals(JSON.parse(json), { stop: "hlt", steps: 0, output: "*", neverReached: "0x204" });
}, { lacks: slow });

kvmTest("trace says that what a host runs unseen may have been at --from", async () => {
  const source = "mov word [0x100], handler\nint 0x40\nhlt\nhandler: iret\n";
  const { code, stderr } = await withGuest(["trace", "--from", "handler"], source);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "It may have been run unseen, as an interrupt's handler is");
}, { lacks: () => keepsStepping() ? "handlers are stepped here" : undefined });

kvmTest(
  "trace finds labels and source lines of an image that is not where its org says",
  async () => {
    const source = "mov ax, [data]\nnext: hlt\ndata: dw 3\n";
    const { stdout } = await withGuest(["trace", "--load", "0x10000"], source);
    assertEquals(stdout.split("\n").map((line) => line.trimEnd()), [
      "1000:0000  a10400                mov ax, [data]                     ax=3",
      "1000:0003  f4                    next: hlt",
      "",
    ]);
    const from = await withGuest(["trace", "--load", "0x10000", "--from", "next"], source);
    assertEquals(from.stdout.slice(0, 9), "1000:0003");
  },
);

kvmTest("trace finds labels and source lines where the CPU is in the upper half", async () => {
  const source = `;! mode: long
        bits    64
        mov     dword [0x10000 + 256 * 8], 0x11023
        mov     dword [0x10000], 0x11023
        mov     dword [0x11000], 0x12023
        mov     dword [0x12000], 0xe3
        mov     eax, 0x10000
        mov     cr3, rax
        mov     rax, 0xffff800000000000 + upper
        jmp     rax
upper:  nop
        hlt
`;
  const words = ["trace", "--from", "upper", "--timeout", "1m"];
  const { stdout } = await withGuest(words, source);
  assertMatch(
    stdout,
    /^ffff8000000000.. +90 +upper: nop\nffff8000000000.. +f4 +hlt\n$/,
  );
});

kvmTest("trace takes no reserved memory for the source of code", async () => {
  const source = "nop\nhlt\nabsolute 1\nresb 1\n";
  const { stdout } = await withGuest(["trace"], source);
  assertEquals(stdout.split("\n").map((line) => line.slice(33).trim()), ["nop", "hlt", ""]);
}, { lacks: slow });

kvmTest("trace shows labels that stand in lines of their own", async () => {
  const source = "start:\n nop\n.next:\n nop\nlast: hlt\n.end:\n";
  const { stdout } = await withGuest(["trace"], source);
  assertEquals(stdout.split("\n").map((line) => line.slice(33).trim()), [
    "start: nop",
    ".next: nop",
    "last: hlt",
    "",
  ]);
}, { lacks: slow });

kvmTest("trace disassembles what is no source line: code the guest has made", async () => {
  const { stdout } = await withGuest(
    ["trace"],
    "mov word [code], 0x9090\ncode: inc ax\ninc bx\nhlt\n",
  );
  assertStringIncludes(stdout, "90                    nop\n");
});

testUnless(slow, "trace refuses wrong words before anything runs", async () => {
  for (
    const [args, message] of [
      [["--from", "nowhere"], 'no label "nowhere"'],
      [["--from=-1"], "--from:1:1: A linear address is between 0 and 2^64 - 1\n"],
      [["--to", "0x10000000000000000"], "--to:1:1: A linear address is between 0 and 2^64 - 1\n"],
      [["--steps", "0"], "--steps takes a number from 1"],
      [["--steps", "x"], "--steps takes a number from 1"],
      [["--mode", "lnog"], "Did you mean long?"],
    ] as const
  ) {
    const { code, stdout, stderr } = await withGuest(["trace", ...args], SOURCE);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, message);
  }
});

kvmTest("trace of a guest that loops ends in time with exit code 124", async () => {
  const { code, stderr } = await withGuest(["trace", "--timeout", "200ms"], "jmp $\n");
  assertEquals(code, 124);
  assertStringIncludes(stderr, ". It was still running when its time was up\n  Where: 0x0, ");
});

kvmTest(
  "trace waits in a terminal after every screenful, for more, the end or Ctrl-C",
  async () => {
    const file = await Deno.makeTempFile({ suffix: ".asm" });
    try {
      await Deno.writeTextFile(file, "nop\n".repeat(20) + "hlt\n");
      const typing = async (...keys: string[]) => {
        const words = ["trace", "--timeout", "1m", file];
        const { code, shown } = await runInTerminal(words, {
          permissions,
          prompt: "quit --",
          keys,
        });
        return {
          code,
          lines: shown.match(/ 90 +nop/g)!.length,
          end: shown.split("; ").at(-1)!.trimEnd(),
        };
      };
      // The terminal has five rows, one of them for the question.
      assertEquals(await typing("\r", "q"), { code: 0, lines: 8, end: "the trace ends here" });
      const { code, lines } = await typing("\x03");
      assertEquals([code, lines], [130, 4]);
    } finally {
      await Deno.remove(file);
    }
  },
);

kvmTest("trace says what ended a guest that crashed, and where", async () => {
  const source = "start: mov al, 1\nout 0x64, al\nhlt\n";
  const { code, stdout, stderr, file } = await withGuest(["trace"], source);
  assertEquals([code, stdout.trimEnd().split("\n").length], [4, 1]);
  assertStringIncludes(
    stderr,
    "1 instruction. It wrote 0x01 to port 0x64 (1 byte): nobody answers there\n" +
      `  Where: 0x2 <start+0x2>, ${file}:2: out 0x64, al\n`,
  );
  const { stdout: json } = await withGuest(["trace", "--json"], source);
  const { stop, steps, diagnosis } = JSON.parse(json.trimEnd().split("\n").at(-1)!);
  assertEquals([stop, steps, diagnosis.place.symbol], ["io", 1, "start+0x2"]);
}, { lacks: slow });

kvmTest(
  "trace finds the instruction of a triple fault, also where KVM has reset the CPU",
  async () => {
    const source = ";! mode: long\nbits 64\nnop\nhere: mov rax, [0x40000000]\n";
    const { code, stderr } = await withGuest(["trace"], source);
    assertEquals(code, 4);
    assertMatch(stderr, /^1 instruction\. It took an exception .*\n {2}Where: 0x1 <here>, /);
  },
);

kvmTest("trace --io log says at which instructions nobody answered", async () => {
  const source = "mov dx, 0x64\nmov cx, 3\nrep outsb\nin al, dx\nhlt\n";
  const { code, stdout } = await withGuest(["trace", "--io", "log", "--timeout", "1m"], source);
  assertEquals(code, 0);
  const notes = stdout.split("\n").flatMap((line) => /\(nobody.*$/.exec(line)?.[0] ?? []);
  assertEquals(notes, [
    "(nobody answered: it wrote 0xba to port 0x64 (1 byte), and 2 more)",
    "(nobody answered: it read port 0x64 (1 byte))",
  ]);
});

kvmTest(
  "trace says of a mode that the host lacks that it cannot be run, and ends with 3",
  async () => {
    const { code, stderr } = await withGuest(["trace", "--mode", "paged"], "bits 32\nhlt\n");
    const lack = lackOfMode("paged");
    assertEquals(code, lack === undefined ? 0 : 3);
    assertStringIncludes(stderr, lack === undefined ? "ended: hlt" : `0 instructions; ${lack}\n`);
  },
);

Deno.test("trace and disasm take no --expect, which only run looks at", async () => {
  for (const command of ["trace", "disasm"]) {
    const { code, stdout, stderr } = await withGuest([command, "--expect", "ax = 42"], SOURCE);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, "There is no option --expect");
  }
});

Deno.test("disasm shows labels, addresses, bytes and instructions", async () => {
  const { code, stdout } = await withGuest(["disasm"], SOURCE);
  assertEquals(
    stdout,
    `start:
  00000000  b80200                mov ax, 2
  00000003  83c028                add ax, 0x28
start.store:
  00000006  a30004                mov [0x400], ax
  00000009  e6e9                  out 0xe9, al
  0000000b  f4                    hlt
`,
  );
  assertEquals(code, 0);
});

Deno.test("disasm begins an instruction at every label, and knows a constant from a label", async () => {
  const source = "SIZE equ 1\njmp start\ntext: db 0x66, 0xe8\nstart: mov ax, SIZE\nhlt\n";
  const { stdout } = await withGuest(["disasm"], source);
  assertEquals(
    stdout,
    `  00000000  eb02                  jmp short 4 <start>
text:
  00000002  66                    (bad)
  00000003  e8                    (bad)
start:
  00000004  b80100                mov ax, 1
  00000007  f4                    hlt
`,
  );
});

testUnless(
  lackOf("cc", ["--version"]),
  "disasm shows the executable segments of an ELF file",
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      const source = 'char text[] = {0x66}; void _start(void) { __asm__("jmp . + 2"); }\n';
      await Deno.writeTextFile(`${folder}/a.c`, source);
      const flags = ["-static", "-nostdlib", "-no-pie", "-ffreestanding", "-O1"];
      const { code } = await execute(["cc", ...flags, "-o", `${folder}/a.elf`, `${folder}/a.c`]);
      assertEquals(code, 0);
      const { stdout } = await runProgram(["disasm", `${folder}/a.elf`], { permissions });
      assertMatch(
        stdout,
        /^_start:\n( .*endbr64\n)? {2}([0-9a-f]{8}) {2}eb00 +jmp short 0x[1-9a-f]/,
      );
      assertMatch(stdout, /eb00 +jmp short 0x[0-9a-f]+ <_start\+0x[0-9a-f]+>\n/);
      assertEquals(stdout.includes("text:"), false);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

Deno.test("disasm --bits and --json", async () => {
  const { stdout } = await withGuest(["disasm", "--bits", "64", "--json"], "db 0x48, 0x89, 0xc3");
  assertEquals(JSON.parse(stdout), [{ address: 0, bytes: "4889c3", text: "mov rbx, rax" }]);
  const { code, stderr } = await withGuest(["disasm", "--bits", "8"], "nop");
  assertEquals(code, 2);
  assertStringIncludes(stderr, "--bits takes 16, 32 or 64");
});
