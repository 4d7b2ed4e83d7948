// Every layout, request and constant against the kernel's own header, through the C compiler.
import { assert, assertEquals } from "@std/assert";
import { capabilities } from "../../src/kvm/capability.ts";
import { errnos } from "../../src/kvm/error.ts";
import { exitReasons, payloads, Run } from "../../src/kvm/exit.ts";
import { ioctls } from "../../src/kvm/ioctl.ts";
import { flags } from "../../src/kvm/libc.ts";
import { PAGE_SIZE } from "../../src/kvm/memory.ts";
import type { Field, Struct } from "../../src/kvm/struct.ts";
import * as layouts from "../../src/kvm/uapi.ts";
import { RING_LENGTH } from "../../src/kvm/vcpu.ts";
import { testUnless } from "../kvm_host.ts";

const INCLUDES = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/version.h>
`;

/** The oldest header whose names the source does not mark. */
const BASE = version("6.1");

/** `6.1` as `LINUX_VERSION_CODE` has it. */
function version(text: string): number {
  const [major = 0, minor = 0] = text.split(".").map(Number);
  return (major << 16) | (minor << 8);
}

/** Compiles and runs a C program that prints lines `name value`. */
async function evaluate(statements: string[]): Promise<Map<string, bigint>> {
  const directory = await Deno.makeTempDir();
  try {
    const source = `${directory}/uapi.c`;
    await Deno.writeTextFile(
      source,
      `${INCLUDES}
#define PAGE_SIZE ${PAGE_SIZE}
#define SHOW(name, value) printf("%s %llu\\n", name, (unsigned long long)(value))
int main(void) {
${statements.join("\n")}
  return 0;
}
`,
    );
    await command("cc", ["-Wall", "-Werror", "-o", `${directory}/uapi`, source]);
    const output = await command(`${directory}/uapi`, []);
    return new Map(
      output.trim().split("\n").map((line) => {
        const [name = "", value = ""] = line.split(" ");
        return [name, BigInt(value)];
      }),
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function command(file: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(file, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Why nothing can be compared here; else the version of the installed header. */
async function installedHeader(): Promise<{ skip?: string; header: number }> {
  const macros = await preprocess(
    "#if __has_include(<linux/kvm.h>)\n#include <linux/version.h>\n#endif",
  );
  if (macros === undefined) return { skip: "no C compiler", header: 0 };
  const header = Number(/#define LINUX_VERSION_CODE (\d+)/.exec(macros)?.[1]);
  if (Number.isNaN(header)) return { skip: "no <linux/kvm.h>", header: 0 };
  return header < BASE ? { skip: "<linux/kvm.h> is older than Linux 6.1", header } : { header };
}

/** Every macro that `source` defines, a line each; nothing without a C compiler. */
async function preprocess(source: string): Promise<string | undefined> {
  const file = await Deno.makeTempFile({ suffix: ".h" });
  try {
    await Deno.writeTextFile(file, source);
    return await command("cc", ["-E", "-dM", file]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  } finally {
    await Deno.remove(file);
  }
}

const { skip, header } = await installedHeader();

/** The names that the source marks as newer than Linux 6.1, and the kernel that added each. */
const marks = new Map<string, number>();
for (const file of ["uapi", "capability", "exit"]) {
  const source = await Deno.readTextFile(new URL(`../../src/kvm/${file}.ts`, import.meta.url));
  for (const [, kernel, name] of source.matchAll(/\/\*\* Linux ([\d.]+)\. \*\/\s+(\w+):/g)) {
    marks.set(name!, version(kernel!));
  }
  for (const [, name, kernel] of source.matchAll(/^ *"?(\w+).*\/\/ Linux ([\d.]+)$/gm)) {
    marks.set(name!, version(kernel!));
  }
}

const isNew = (name: string) => (marks.get(name) ?? 0) > header;

/** Tells which names could not be compared. */
function list(newer: string[]) {
  // deno-lint-ignore no-console
  if (newer.length > 0) console.log(`newer than the installed header: ${newer.join(", ")}`);
}

/** Compares names with macros of the header. */
async function compareMacros(ours: Record<string, number | bigint>) {
  const theirs = await evaluate(
    Object.keys(ours).map((name) => `#ifdef ${name}\nSHOW("${name}", ${name});\n#endif`),
  );
  const absent = Object.keys(ours).filter((name) => !theirs.has(name));
  list(absent);
  assertEquals(absent, Object.keys(ours).filter(isNew));
  for (const [name, value] of theirs) assertEquals(BigInt(ours[name]!), value, name);
}

testUnless(skip, "capabilities are those of the kernel's header", async () => {
  await compareMacros(capabilities);
});

testUnless(skip, "capabilities lack none of the kernel's header", async () => {
  const macros = (await preprocess("#include <linux/kvm.h>"))!;
  const last = Math.max(...Object.values(capabilities));
  const missing = [...macros.matchAll(/^#define (KVM_CAP_\w+) (\d+)$/gm)]
    .filter(([, name, number]) => !Object.hasOwn(capabilities, name!) && Number(number) <= last);
  assertEquals(missing.map(([line]) => line), []);
});

testUnless(skip, "exitReasons are those of the kernel's header, each at its number", async () => {
  await compareMacros(Object.fromEntries(exitReasons.map((name, number) => [name, number])));
});

testUnless(skip, "uapi's constants are those of the kernel's header", async () => {
  await compareMacros(layouts.uapi);
});

testUnless(skip, "ioctls have the numbers of the kernel's header", async () => {
  for (const [name, ioctl] of Object.entries(ioctls)) assertEquals(ioctl.name, name);
  await compareMacros(
    Object.fromEntries(Object.entries(ioctls).map(([name, { request }]) => [name, request])),
  );
});

testUnless(skip, "errnos and the C library's flags are those of its headers", async () => {
  await compareMacros(errnos);
  await compareMacros(flags);
});

testUnless(skip, "RING_LENGTH is KVM_COALESCED_MMIO_MAX", async () => {
  const theirs = await evaluate([`SHOW("ring", KVM_COALESCED_MMIO_MAX);`]);
  assertEquals(BigInt(RING_LENGTH), theirs.get("ring"));
});

const isStruct = (field: Field<unknown>): field is Struct<unknown> => "fields" in field;

/** Whether the kernel's integer may be negative; nothing for what is no integer. */
function signedness(field: Field<unknown>): boolean | undefined {
  if ("padding" in field) return undefined;
  const ones = new DataView(new Uint8Array(field.size).fill(0xff).buffer);
  const value = field.read(ones, 0);
  return typeof value === "number" || typeof value === "bigint" ? value < 0 : undefined;
}

/**
 * What C must say about a layout: its size, and each field's offset, size and sign. `owner` and
 * `member` are the C expression: `kvm_run`, `hyperv.u.synic`.
 */
function facts(
  layout: Struct<unknown>,
  owner: string,
  member: string,
): Map<string, [string, bigint]> {
  const of = (path: string) => `((struct ${owner} *)0)->${path}`;
  const found = new Map<string, [string, bigint]>();
  const c = member === "" ? `struct ${owner}` : of(member);
  const start = member === "" ? "0" : `offsetof(struct ${owner}, ${member})`;
  found.set(`sizeof(${layout.name})`, [`sizeof(${c})`, BigInt(layout.size)]);
  for (const [name, { offset, field }] of layout.fields) {
    const path = member === "" ? name : `${member}.${name}`;
    const what = `${layout.name}.${name}`;
    found.set(`offsetof(${what})`, [
      `offsetof(struct ${owner}, ${path}) - ${start}`,
      BigInt(offset),
    ]);
    found.set(`sizeof(${what})`, [`sizeof(${of(path)})`, BigInt(field.size)]);
    const signed = signedness(field);
    if (signed !== undefined) {
      const type = `__typeof__(${of(path)})`;
      found.set(`signed(${what})`, [`(${type})-1 < (${type})1`, signed ? 1n : 0n]);
    }
    if (isStruct(field) && field.name.includes(".")) {
      for (const [key, fact] of facts(field, owner, path)) found.set(key, fact);
    }
  }
  return found;
}

testUnless(skip, "struct layouts have the sizes and offsets of the kernel's header", async () => {
  const isNewer = (layout: Struct<unknown>) => {
    const key = Object.entries(payloads).find(([, payload]) => payload === layout)?.[0];
    return key !== undefined && isNew(key);
  };
  const all: Struct<unknown>[] = [
    ...Object.values(layouts).filter((value): value is Struct<never> => "fields" in value),
    layouts.kvmGuestDebug.fields.get("arch")!.field as Struct<unknown>,
    Run,
    ...Object.values(payloads),
  ];
  const newer = all.filter(isNewer).map(({ name }) => name);
  list(newer);

  const expected = new Map<string, [string, bigint]>();
  for (const layout of all) {
    if (isNewer(layout)) continue;
    const [owner = "", ...member] = layout.name.split(".");
    for (const [key, fact] of facts(layout, owner, member.join("."))) expected.set(key, fact);
  }
  // A payload counts from the union, which `padding` fixes the size of.
  assertEquals(Run.offsetOf("padding"), 32);
  for (const payload of Object.values(payloads)) {
    if (isNewer(payload)) continue;
    const [, ...member] = payload.name.split(".");
    expected.set(`offsetof(kvm_run.${member[0]})`, [
      `offsetof(struct kvm_run, ${member[0]}) - offsetof(struct kvm_run, padding)`,
      0n,
    ]);
  }
  assert(expected.size > 500);

  const theirs = await evaluate(
    [...expected].map(([key, [expression]]) => `SHOW("${key}", ${expression});`),
  );
  assertEquals(theirs, new Map([...expected].map(([key, [, value]]) => [key, value])));
});

Deno.test("every mark of a newer kernel names something that is declared", () => {
  const names = new Set<string>([
    ...Object.keys(capabilities),
    ...exitReasons,
    ...Object.keys(layouts.uapi),
    ...Object.keys(payloads),
  ]);
  assert(marks.size > 20);
  for (const [name, kernel] of marks) {
    assert(names.has(name), name);
    assert(kernel > BASE, `${name} is not newer than Linux 6.1`);
  }
});
