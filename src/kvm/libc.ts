/**
 * The C functions hlt calls: the only `Deno.dlopen` in the project.
 *
 * A 64-bit parameter is a `bigint` (Deno calls those without a detour), a struct is a `buffer`.
 * Binding a function takes about 0.15 ms, since Deno compiles a trampoline for each, and a call of
 * `Deno.dlopen` as much again. So those that every VM needs are bound in one call, and each of the
 * others when it is first used.
 *
 * @module
 */

import { KvmError } from "./error.ts";

/**
 * The C library as hlt sees it. A test hands in a stand-in to make one call fail.
 *
 * Functions that fail return −1 and leave the reason in {@linkcode Libc.errno}, but
 * `pthread_sigmask`, which returns it.
 */
export interface Libc {
  /** The calling thread's `errno`, to be read at once after the call that failed. */
  errno(): number;
  /** `int open(const char *path, int flags, mode_t mode)` */
  open(path: BufferSource, flags: number, mode: number): number;
  /** `int close(int fd)` */
  close(fd: number): number;
  /** `ssize_t read(int fd, void *buffer, size_t count)` */
  read(fd: number, buffer: BufferSource, count: bigint): bigint;
  /** `ssize_t pread(int fd, void *buffer, size_t count, off_t offset)` */
  pread(fd: number, buffer: BufferSource, count: bigint, offset: bigint): bigint;
  /** `int access(const char *path, int mode)` */
  access(path: BufferSource, mode: number): number;
  /** `int stat(const char *path, struct stat *buffer)` */
  stat(path: BufferSource, buffer: BufferSource): number;
  /** `int uname(struct utsname *buffer)` */
  uname(buffer: BufferSource): number;
  /** `int ioctl(int fd, unsigned long request, unsigned long argument)` */
  ioctl(fd: number, request: bigint, argument: bigint): number;
  /** `int ioctl(int fd, unsigned long request, void *argument)` */
  ioctlStruct(fd: number, request: bigint, argument: BufferSource): number;
  /**
   * `void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)`;
   * `MAP_FAILED` is 2⁶⁴ − 1.
   */
  mmap(
    address: bigint,
    length: bigint,
    protection: number,
    flags: number,
    fd: number,
    offset: bigint,
  ): bigint;
  /** `int munmap(void *address, size_t length)` */
  munmap(address: bigint, length: bigint): number;
  /** `int madvise(void *address, size_t length, int advice)` */
  madvise(address: bigint, length: bigint, advice: number): number;
  /** `int memfd_create(const char *name, unsigned flags)` */
  memfd_create(name: BufferSource, flags: number): number;
  /** `int ftruncate(int fd, off_t length)` */
  ftruncate(fd: number, length: bigint): number;
  /** `int fcntl(int fd, int command, long argument)` */
  fcntl(fd: number, command: number, argument: bigint): number;
  /** `int eventfd(unsigned value, int flags)` */
  eventfd(value: number, flags: number): number;
  /** `pid_t gettid(void)` */
  gettid(): number;
  /** `int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)` */
  pthread_sigmask(how: number, set: BufferSource | null, old: BufferSource | null): number;
  /** `int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)` */
  sigtimedwait(set: BufferSource, info: BufferSource | null, timeout: BufferSource): number;
  /** `int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)` */
  timer_create(clock: number, event: BufferSource, timer: BufferSource): number;
  /** `int timer_settime(timer_t, int flags, const struct itimerspec *, struct itimerspec *)` */
  timer_settime(
    timer: bigint,
    flags: number,
    value: BufferSource,
    old: BufferSource | null,
  ): number;
  /** `int timer_delete(timer_t timer)` */
  timer_delete(timer: bigint): number;
  /** `int usleep(useconds_t microseconds)`, in another thread: this one goes on meanwhile. */
  usleep(microseconds: number): Promise<number>;
  /**
   * `long syscall(long number, struct perf_event_attr *, pid_t, int cpu, int group, unsigned long)`:
   * the C library has no function of this call's own.
   */
  perf_event_open(
    number: bigint,
    attributes: BufferSource,
    pid: number,
    cpu: number,
    group: number,
    flags: bigint,
  ): bigint;
}

/** Constants of these functions: `<fcntl.h>`, `<unistd.h>`, `<sys/mman.h>`. */
export const flags = {
  O_RDONLY: 0o0,
  O_RDWR: 0o2,
  O_CLOEXEC: 0o2000000,
  F_OK: 0,
  R_OK: 4,
  W_OK: 2,
  PROT_READ: 0x1,
  PROT_WRITE: 0x2,
  MAP_SHARED: 0x01,
  MAP_PRIVATE: 0x02,
  MAP_ANONYMOUS: 0x20,
  MAP_NORESERVE: 0x4000,
} as const;

// What `Deno.dlopen` is told of each: C integers by their width, pointers to data as buffers.

/** The functions that every VM needs. */
const always = {
  __errno_location: { parameters: [], result: "pointer" },
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "u64"], result: "i32" },
  ioctlStruct: { name: "ioctl", parameters: ["i32", "u64", "buffer"], result: "i32" },
  mmap: { parameters: ["u64", "u64", "i32", "i32", "i32", "i64"], result: "u64" },
  munmap: { parameters: ["u64", "u64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The others. */
const onDemand = {
  read: { parameters: ["i32", "buffer", "u64"], result: "i64" },
  pread: { parameters: ["i32", "buffer", "u64", "i64"], result: "i64" },
  access: { parameters: ["buffer", "i32"], result: "i32" },
  stat: { parameters: ["buffer", "buffer"], result: "i32" },
  uname: { parameters: ["buffer"], result: "i32" },
  madvise: { parameters: ["u64", "u64", "i32"], result: "i32" },
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "u64"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  gettid: { parameters: [], result: "i32" },
  pthread_sigmask: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  sigtimedwait: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  timer_create: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  timer_settime: { parameters: ["u64", "i32", "buffer", "buffer"], result: "i32" },
  timer_delete: { parameters: ["u64"], result: "i32" },
  usleep: { parameters: ["u32"], result: "i32", nonblocking: true },
  perf_event_open: {
    name: "syscall",
    parameters: ["i64", "buffer", "i32", "i32", "i32", "u64"],
    result: "i64",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** glibc's name, then musl's. */
const FILES = ["libc.so.6", "libc.musl-x86_64.so.1"];

let loaded: Libc | undefined;

/**
 * The C library of this process.
 *
 * @throws {KvmError} When this is not Linux on x86-64, the permission to call C functions was
 * refused, or no C library can be loaded.
 */
export function libc(): Libc {
  return loaded ??= load({ os: Deno.build.os, arch: Deno.build.arch }, Deno.dlopen);
}

/**
 * Loads the C library of a platform; {@linkcode libc} is its one user outside the tests.
 *
 * @throws {KvmError} As {@linkcode libc}.
 */
export function load(
  platform: { os: string; arch: string },
  dlopen: typeof Deno.dlopen,
): Libc {
  if (platform.os !== "linux") {
    throw new KvmError(
      `Cannot use KVM on ${platform.os}: KVM is part of the Linux kernel`,
      { remedy: "Run hlt on a Linux machine, or in a Linux VM with nested virtualization" },
    );
  }
  if (platform.arch !== "x86_64") {
    throw new KvmError(
      `Cannot run x86 guests on ${platform.arch}: KVM runs guests of the host's own architecture`,
      { remedy: "Run hlt on an x86-64 machine" },
    );
  }
  const { file, bound: { __errno_location, ...bound } } = openFirst(dlopen);

  // The address of errno is one and the same for a thread's whole life.
  const errno = new Deno.UnsafePointerView(__errno_location()!);
  const functions = { errno: () => errno.getInt32(), ...bound };
  for (const name of Object.keys(onDemand) as (keyof typeof onDemand)[]) {
    Object.defineProperty(functions, name, {
      configurable: true,
      enumerable: true,
      get() {
        const value = dlopen(file, { [name]: onDemand[name] }).symbols[name];
        Object.defineProperty(functions, name, { value, enumerable: true });
        return value;
      },
    });
  }
  return functions as Libc;
}

function openFirst(
  dlopen: typeof Deno.dlopen,
): { file: string; bound: Deno.DynamicLibrary<typeof always>["symbols"] } {
  const reasons: string[] = [];
  for (const file of FILES) {
    try {
      return { file, bound: dlopen(file, always).symbols };
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) {
        throw new KvmError("Cannot call the C library: Deno was not given the permission", {
          remedy: "Run with --allow-ffi: deno run --allow-ffi main.ts",
          cause: error,
        });
      }
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new KvmError(`Cannot load the C library: ${reasons.join("; ")}`, {
    remedy: "hlt needs glibc (libc.so.6) or musl (libc.musl-x86_64.so.1)",
  });
}

/** A C string: `text` in UTF-8 with a zero byte behind it. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}
