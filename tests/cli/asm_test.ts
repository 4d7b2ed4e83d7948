import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { commandLine, runProgram, slow } from "./program.ts";

const permissions = ["--allow-read", "--allow-write"];

interface Files {
  readonly folder: string;
  readonly source: string;
}

/** A test with a folder of its own, a source in it, and a second one that it can include. */
function asmTest(name: string, test: (files: Files) => Promise<void>): void {
  Deno.test({
    name: slow ? `${name} (skipped: ${slow})` : name,
    ignore: slow !== undefined,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        const source = `${folder}/a.asm`;
        await Deno.mkdir(`${folder}/more`);
        await Deno.writeTextFile(source, '%include "b.inc"\nstart: mov ax, VALUE\ndw start\n');
        await Deno.writeTextFile(`${folder}/more/b.inc`, "org 0x100\n");
        await test({ folder, source });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

asmTest("asm writes the binary to -o, with -D and -I as told", async ({ folder, source }) => {
  const out = `${folder}/a.bin`;
  const { code, stdout, stderr } = await runProgram(
    ["asm", source, "-o", out, "-DVALUE=0x1234", "-I", `${folder}/more`],
    { permissions },
  );
  assertEquals([code, stdout, stderr], [0, "", ""]);
  assertEquals([...await Deno.readFile(out)], [0xB8, 0x34, 0x12, 0, 1]);
});

asmTest(
  "asm and disasm find what a file in another folder includes beside it",
  async ({ folder }) => {
    await Deno.mkdir(`${folder}/deep`);
    await Deno.writeTextFile(`${folder}/outer.asm`, '%include "deep/middle.inc"\n');
    await Deno.writeTextFile(`${folder}/deep/middle.inc`, '%include "inner.inc"\n');
    await Deno.writeTextFile(`${folder}/deep/inner.inc`, "hlt\n");
    const path = `${folder}/outer.asm`;
    assertEquals((await runProgram(["asm", path, "--hex"], { permissions })).stdout, "f4\n");
    const disassembled = await runProgram(["disasm", path], { permissions });
    assertStringIncludes(disassembled.stdout, "hlt");
  },
);

asmTest("asm prints a listing, hexadecimal, or JSON", async ({ folder, source }) => {
  const options = ["-D", "VALUE=5", "-I", `${folder}/more`, "--bits", "32"];
  const asm = (option: string) => runProgram(["asm", source, option, ...options], { permissions });
  assertStringIncludes(
    (await asm("--listing")).stdout,
    "     2 00000000 66B80500                start:",
  );
  assertEquals((await asm("--hex")).stdout, "66 b8 05 00 00 01\n");
  const { origin, bits, bytes, symbols } = JSON.parse((await asm("--json")).stdout);
  assertEquals([origin, bits, bytes, symbols], [256, 32, "66b805000001", { start: "256" }]);
});

asmTest("asm ends with 2 for a wrong source, and says where it is wrong", async ({ source }) => {
  const { code, stdout, stderr } = await runProgram(["asm", source, "--hex"], { permissions });
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /a\.asm:1:\d+: /);
});

asmTest(
  "asm ends with 2 for a file that it cannot read, and without permission",
  async ({ folder }) => {
    const missing = await runProgram(["asm", `${folder}/none.asm`], { permissions });
    assertEquals(missing.code, 2);
    assertStringIncludes(missing.stderr, "there is no such file");
    const refused = await runProgram(["asm", `${folder}/a.asm`], { permissions: [] });
    assertEquals(refused.code, 2);
    assertStringIncludes(refused.stderr, "--allow-read");
  },
);

asmTest(
  "asm looks for files as nasm does, and names them by where they are",
  async ({ folder }) => {
    await Deno.mkdir(`${folder}/deep`);
    await Deno.mkdir(`${folder}/most`);
    await Deno.writeTextFile(`${folder}/deep/a.asm`, '%include "b.inc"\n');
    await Deno.writeTextFile(`${folder}/deep/b.inc`, "db 1\n");
    await Deno.writeTextFile(`${folder}/more/b.inc`, "db 2\ndb __FILE__\n");
    await Deno.writeTextFile(`${folder}/most/b.inc`, "db 3\nmov\n");
    const asm = async (...options: string[]) =>
      await runProgram(["asm", `${folder}/deep/a.asm`, "--hex", ...options], { permissions });
    const folders = ["-I", `${folder}/none`, "-I", `${folder}/more`, "-I", `${folder}/most`];
    const { stdout } = await asm(...folders);
    const found = new TextDecoder().decode(Uint8Array.fromHex(stdout.replaceAll(/\s/g, "")));
    assertEquals(found, `\x02${folder}/more/b.inc`);
    assertEquals((await asm()).stdout, "01\n");
    assertStringIncludes(
      (await asm("-I", `${folder}/most`)).stderr,
      `${folder}/most/b.inc:2:1: mov takes 2 operands, not 0\n  mov\n  ^~~\n` +
        `  in include at ${folder}/deep/a.asm:1\n`,
    );
  },
);

asmTest("asm names the option -D or -o that it cannot obey", async ({ folder, source }) => {
  for (const define of ["1x=3", "=3", "a(x=3", "a b"]) {
    const { code, stderr } = await runProgram(["asm", source, "-D", define], { permissions });
    assertEquals(code, 2);
    assertStringIncludes(
      stderr,
      `-D takes NAME or NAME=VALUE, and "${define}" begins with no name`,
    );
  }
  await Deno.writeTextFile(source, "nop\n");
  for (const out of [folder, `${folder}/none/a.bin`, `${source}/a.bin`]) {
    const { code, stderr } = await runProgram(["asm", source, "-o", out], { permissions });
    assertEquals(code, 2);
    assertStringIncludes(stderr, `Cannot write ${out}: `);
  }
});

asmTest(
  "asm writes over no file that it has read, by whatever name",
  async ({ folder, source }) => {
    const text = await Deno.readTextFile(source);
    const included = `${folder}/more/b.inc`;
    const outputs = [
      [source, source],
      [`${folder}/more/../a.asm`, source],
      [`${folder}/link`, source],
      [included, included],
    ];
    await Deno.symlink(source, `${folder}/link`);
    for (const [out, file] of outputs) {
      const { code, stderr } = await runProgram(
        ["asm", source, "-o", out!, "-DVALUE=1", "-I", `${folder}/more`],
        { permissions: ["--allow-all"] },
      );
      assertEquals(code, 2);
      assertStringIncludes(
        stderr,
        `Cannot write ${out}: it is the source ${file}. Name another file`,
      );
    }
    assertEquals(await Deno.readTextFile(source), text);
    assertEquals(await Deno.readTextFile(included), "org 0x100\n");
  },
);

asmTest("asm reads the environment if it may", async ({ source }) => {
  await Deno.writeTextFile(source, "%ifenv HLT_TEST\ndb %!HLT_TEST\n%endif\n");
  const env = { HLT_TEST: "42" };
  const asm = (...more: string[]) =>
    runProgram(["asm", source, "--hex"], { permissions: [...permissions, ...more], env });
  assertEquals((await asm("--allow-env")).stdout, "2a\n");
  const { code, stderr } = await asm();
  assertEquals(code, 2);
  assertStringIncludes(stderr, "environment variable HLT_TEST");
});

asmTest("asm gives up on a standard input that does not end", async () => {
  const [program, ...args] = commandLine(["asm", "-"], { permissions });
  const process = new Deno.Command(program!, {
    args,
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  })
    .spawn();
  const lines = new Uint8Array(1 << 24).fill(10);
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(lines) });
  await endless.pipeTo(process.stdin).catch(() => {});
  const { code, stderr } = await process.output();
  assertEquals(code, 2);
  assertStringIncludes(new TextDecoder().decode(stderr), "<stdin>: it goes on");
});
