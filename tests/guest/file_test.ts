import { assertEquals, assertThrows } from "@std/assert";
import { AssemblyError } from "../../src/asm/mod.ts";
import { GuestError, readGuest } from "../../src/guest/mod.ts";
import { lackOf } from "../cli/program.ts";
import { testUnless } from "../kvm_host.ts";

const folder = Deno.makeTempDirSync();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

function failure(path: string): string {
  return assertThrows(() => readGuest(path), GuestError).message;
}

Deno.test("readGuest() reads a source and what it includes, relative to the including file", () => {
  Deno.mkdirSync(`${folder}/lib/data`, { recursive: true });
  Deno.writeTextFileSync(`${folder}/guest.asm`, '%include "lib/code.inc"\nhlt\n');
  Deno.writeTextFileSync(`${folder}/lib/code.inc`, 'incbin "data/two.bin"\n');
  Deno.writeFileSync(`${folder}/lib/data/two.bin`, Uint8Array.of(0x90, 0x91));
  assertEquals([...readGuest(`${folder}/guest.asm`).segments[0].bytes], [0x90, 0x91, 0xf4]);
});

Deno.test("readGuest() looks for what an included file includes beside the guest too", () => {
  Deno.mkdirSync(`${folder}/inc`, { recursive: true });
  Deno.writeTextFileSync(`${folder}/top.asm`, '%include "inc/outer.inc"\n');
  Deno.writeTextFileSync(`${folder}/inc/outer.inc`, '%include "inc/inner.inc"\n');
  Deno.writeTextFileSync(`${folder}/inc/inner.inc`, "hlt\n");
  assertEquals([...readGuest(`${folder}/top.asm`).segments[0].bytes], [0xf4]);
});

Deno.test("readGuest() points at an include that does not exist", () => {
  Deno.writeTextFileSync(`${folder}/lost.asm`, 'nop\n%include "nowhere.inc"\n');
  const { message } = assertThrows(() => readGuest(`${folder}/lost.asm`), AssemblyError);
  assertEquals(message.startsWith(`${folder}/lost.asm:2:`), true, message);
});

Deno.test("readGuest() refuses a file that does not exist", () => {
  const path = `${folder}/nothing.asm`;
  assertEquals(failure(path), `${path}: Cannot read it: there is no such file`);
});

Deno.test("readGuest() refuses a directory and a device", () => {
  assertEquals(
    failure(folder),
    `${folder}: Cannot read it: it is a directory, not a file`,
  );
  assertEquals(failure("/dev/zero"), "/dev/zero: Cannot read it: it is no regular file");
});

testUnless(
  lackOf("mkfifo", ["--version"]),
  "readGuest() refuses a FIFO instead of waiting for its writer",
  () => {
    const path = `${folder}/fifo`;
    new Deno.Command("mkfifo", { args: [path] }).outputSync();
    assertEquals(
      failure(path),
      `${path}: Cannot read it: it is a FIFO. Give the guest on the standard input instead: -`,
    );
  },
);

Deno.test("readGuest() refuses a file of 2 GiB without reading it", () => {
  const path = `${folder}/huge.bin`;
  Deno.writeFileSync(path, new Uint8Array(1));
  Deno.truncateSync(path, 2 ** 31);
  assertEquals(
    failure(path),
    `${path}: Cannot read it: it has 2147483648 bytes, and a guest has at most 268435456 (256 MiB)`,
  );
});

testUnless(
  Deno.uid() === 0 ? "the superuser may read every file" : undefined,
  "readGuest() refuses a file that the user may not read",
  () => {
    const path = `${folder}/secret.asm`;
    Deno.writeTextFileSync(path, "hlt\n");
    Deno.chmodSync(path, 0);
    assertEquals(failure(path), `${path}: Cannot read it: permission denied`);
  },
);

Deno.test({
  name: "readGuest() names the permission that Deno was not given",
  permissions: { read: false },
  fn() {
    assertEquals(
      failure("guests/real.asm"),
      "guests/real.asm: Cannot read it: Deno was not given the permission. Run with --allow-read: " +
        "deno run --allow-ffi --allow-read main.ts …",
    );
  },
});
