/**
 * Stand-ins for the C library that let chosen calls fail, and a count of what the process holds.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { ioctls } from "../../src/kvm/ioctl.ts";
import { type Libc, libc } from "../../src/kvm/libc.ts";

/** `open`, `mmap`, or the kernel name of a request. */
export type Call = "open" | "mmap" | keyof typeof ioctls;

const requestNames = new Map(
  Object.values(ioctls).map(({ name, request }) => [request, name as Call]),
);

/**
 * The real C library, but `fails` is asked before each call: an errno makes that call fail with
 * it, nothing lets it through.
 */
export function faultyLibc(fails: (call: Call) => number | undefined): Libc {
  const real = libc();
  let injected: number | undefined;
  const guard = <T>(call: Call | undefined, failure: T, pass: () => T): T => {
    injected = call && fails(call);
    return injected === undefined ? pass() : failure;
  };
  return {
    ...real,
    errno: () => injected ?? real.errno(),
    open: (path: BufferSource, flags: number, mode: number) =>
      guard("open", -1, () => real.open(path, flags, mode)),
    mmap: (...words: Parameters<Libc["mmap"]>) =>
      guard("mmap", 0xffff_ffff_ffff_ffffn, () => real.mmap(...words)),
    ioctl: (fd: number, request: bigint, argument: bigint) =>
      guard(requestNames.get(request), -1, () => real.ioctl(fd, request, argument)),
    ioctlStruct: (fd: number, request: bigint, argument: BufferSource) =>
      guard(requestNames.get(request), -1, () => real.ioctlStruct(fd, request, argument)),
  };
}

/** The real C library, but `call` fails with `errno`: the first `times` times, or always. */
export function failing(call: Call, errno: number, times = Infinity): Libc {
  return faultyLibc((name) => name === call && times-- > 0 ? errno : undefined);
}

/** What this process holds of the kernel. */
interface Held {
  /** Open file descriptors. */
  descriptors: number;
  /** Lines of `/proc/self/maps`. */
  mappings: number;
  /** Of those, the mapped `kvm_run`s. */
  kvmRuns: number;
  /** The size of all mappings, in KiB. */
  mapped: number;
  /** What of them is in memory, in KiB. */
  resident: number;
}

/** Counts what the process holds now. */
export function held(): Held {
  const maps = Deno.readTextFileSync("/proc/self/maps").trim().split("\n");
  const status = Deno.readTextFileSync("/proc/self/status");
  const field = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)![1]);
  return {
    descriptors: [...Deno.readDirSync("/proc/self/fd")].length,
    mappings: maps.length,
    kvmRuns: maps.filter((line) => line.includes("kvm-vcpu")).length,
    mapped: field("VmSize"),
    resident: field("VmRSS"),
  };
}

/**
 * Runs `run` often and asserts that the process then holds what it held before. V8 maps and
 * unmaps memory of its own meanwhile: far fewer mappings than one a run, far less than `run` maps,
 * which should be many MiB.
 */
export function assertNothingLeaks(run: () => void, options: { times: number; mapsMiB: number }) {
  const { times, mapsMiB } = options;
  for (let i = 0; i < 5; i++) run();
  const before = held();
  for (let i = 0; i < times; i++) run();
  const after = held();
  assertEquals(after.descriptors, before.descriptors, "descriptors");
  assertEquals(after.kvmRuns, before.kvmRuns, "mappings of kvm_run");
  assert(
    after.mappings - before.mappings < times / 2,
    `mappings: ${before.mappings}, then ${after.mappings}`,
  );
  const grown = (after.mapped - before.mapped) / 1024;
  assert(grown < times * mapsMiB / 2, `${grown} MiB more are mapped`);
}
