import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { KvmError } from "../../src/kvm/error.ts";
import { cString, flags, libc, load } from "../../src/kvm/libc.ts";

const linux = { os: "linux", arch: "x86_64" };

Deno.test("load() refuses a system that is not Linux", () => {
  for (const os of ["darwin", "windows", "freebsd"]) {
    const error = assertThrows(() => load({ ...linux, os }, Deno.dlopen), KvmError);
    assertEquals(
      error.message,
      `Cannot use KVM on ${os}: KVM is part of the Linux kernel. ` +
        "Run hlt on a Linux machine, or in a Linux VM with nested virtualization",
    );
  }
});

Deno.test("load() refuses a CPU that is not x86-64", () => {
  const error = assertThrows(() => load({ ...linux, arch: "aarch64" }, Deno.dlopen), KvmError);
  assertEquals(
    error.message,
    "Cannot run x86 guests on aarch64: KVM runs guests of the host's own architecture. " +
      "Run hlt on an x86-64 machine",
  );
});

Deno.test("load() tries musl's name where glibc's is not found", () => {
  const tried: string[] = [];
  const dlopen = ((file: string, symbols: Deno.ForeignLibraryInterface) => {
    tried.push(file);
    if (file === "libc.so.6") throw new Error("libc.so.6: cannot open shared object file");
    return Deno.dlopen("libc.so.6", symbols);
  }) as typeof Deno.dlopen;
  assertEquals(load(linux, dlopen).gettid(), libc().gettid());
  assertEquals(tried.slice(0, 2), ["libc.so.6", "libc.musl-x86_64.so.1"]);
  assertEquals(new Set(tried.slice(1)), new Set(["libc.musl-x86_64.so.1"]));
});

Deno.test("load() says why neither C library can be loaded", () => {
  const dlopen = ((file: string) => {
    throw new Error(`${file}: not found`);
  }) as typeof Deno.dlopen;
  const error = assertThrows(() => load(linux, dlopen), KvmError);
  assertEquals(
    error.message,
    "Cannot load the C library: libc.so.6: not found; libc.musl-x86_64.so.1: not found. " +
      "hlt needs glibc (libc.so.6) or musl (libc.musl-x86_64.so.1)",
  );
});

Deno.test("libc() names --allow-ffi where the permission was refused", async () => {
  const module = new URL("../../src/kvm/mod.ts", import.meta.url);
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      script,
      `import { Kvm } from ${JSON.stringify(module)};
       try { Kvm.open(); } catch (error) { console.log(error.name, error.message); }`,
    );
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--no-prompt", "--no-lock", script],
    }).output();
    assertEquals(
      new TextDecoder().decode(stdout),
      "KvmError Cannot call the C library: Deno was not given the permission. " +
        "Run with --allow-ffi: deno run --allow-ffi main.ts\n",
    );
  } finally {
    await Deno.remove(script);
  }
});

Deno.test("libc() is one for the whole thread", () => {
  assertEquals(libc(), libc());
});

Deno.test("libc() reports a failed call's errno", () => {
  assertEquals(libc().open(cString("/nonexistent"), flags.O_RDONLY, 0), -1);
  assertEquals(libc().errno(), 2);
  assertEquals(libc().close(-1), -1);
  assertEquals(libc().errno(), 9);
});

Deno.test("libc() opens, sizes, maps and reads a file", () => {
  const { memfd_create, ftruncate, mmap, munmap, read, close, fcntl } = libc();
  const fd = memfd_create(cString("test"), 0);
  assertEquals(ftruncate(fd, 8192n), 0);
  const address = mmap(0n, 8192n, flags.PROT_READ | flags.PROT_WRITE, flags.MAP_SHARED, fd, 0n);
  new Uint8Array(
    Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(address)!, 8192),
  ).set([1, 2, 3]);
  assertEquals(munmap(address, 8192n), 0);
  const buffer = new Uint8Array(4);
  assertEquals(read(fd, buffer, 4n), 4n);
  assertEquals([...buffer], [1, 2, 3, 0]);
  const F_GETFD = 1;
  assertEquals(fcntl(fd, F_GETFD, 0n), 0);
  assertEquals(close(fd), 0);
});

Deno.test("libc() reads the system's name and a file's kind", () => {
  const name = new Uint8Array(390);
  assertEquals(libc().uname(name), 0);
  assertMatch(new TextDecoder().decode(name), /^Linux\0/);
  const status = new Uint8Array(144);
  assertEquals(libc().stat(cString("/dev/null"), status), 0);
  assertEquals(libc().access(cString("/dev/null"), flags.F_OK), 0);
});

Deno.test("cString() ends in a zero byte", () => {
  assertEquals([...cString("é")], [0xc3, 0xa9, 0]);
  assertEquals([...cString("")], [0]);
});
