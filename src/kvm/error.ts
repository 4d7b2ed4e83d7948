/**
 * The one error of the library: what was attempted, why it failed, and what to do.
 *
 * @module
 */

/** What else is known about a {@linkcode KvmError}. */
export interface KvmErrorOptions extends ErrorOptions {
  /** The call that failed, by its C or kernel name. */
  operation?: string;
  /** The value of `errno`. */
  errno?: number;
  /** What the user can do about it: a sentence without its period. */
  remedy?: string;
}

/**
 * A call to the system failed, or this host cannot do what was asked of it.
 *
 * @example
 * ```ts
 * import { KvmError } from "@hlt/hlt";
 *
 * const error = new KvmError("Cannot open /dev/kvm: permission denied (EACCES)", {
 *   operation: "open",
 *   errno: 13,
 *   remedy: "Add yourself to the kvm group: sudo usermod -aG kvm $USER",
 * });
 * console.log(error.message, error.code); // …, "EACCES"
 * ```
 */
export class KvmError extends Error {
  /** `KvmError` */
  override readonly name = "KvmError";
  /** The call that failed: `open`, `mmap`, `KVM_CREATE_VM`; absent where no call was made. */
  readonly operation: string | undefined;
  /** The value of `errno` after the call; absent where no call was made. */
  readonly errno: number | undefined;
  /** What the user can do about it. */
  readonly remedy: string | undefined;

  /**
   * An error of this library.
   *
   * @param what What failed and why, without a final period.
   * @param options The call, its `errno`, and the remedy, which is appended to the message.
   */
  constructor(what: string, options: KvmErrorOptions = {}) {
    super(options.remedy === undefined ? what : `${what}. ${options.remedy}`, options);
    this.operation = options.operation;
    this.errno = options.errno;
    this.remedy = options.remedy;
  }

  /** The name of the errno: `EBUSY`. */
  get code(): string | undefined {
    return this.errno === undefined ? undefined : errnoName(this.errno);
  }
}

/** The error of a call that failed with `errno`: `Cannot ATTEMPT (OPERATION): REASON (CODE)`. */
export function callFailed(attempt: string, operation: string, errno: number): KvmError {
  const code = errnoName(errno);
  const remedy = remedies[`${operation} ${code}`] ?? remedies[code];
  return new KvmError(`Cannot ${attempt} (${operation}): ${errnoText(errno)} (${code})`, {
    operation,
    errno,
    ...(remedy !== undefined && { remedy }),
  });
}

/** The errnos that KVM, `open` and `mmap` give (`<asm-generic/errno*.h>`). */
export const errnos = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ENOSPC: 28,
  ENOSYS: 38,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  EHWPOISON: 133,
} as const;

const texts: Record<keyof typeof errnos, string> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  EINTR: "interrupted by a signal",
  EIO: "input/output error",
  ENXIO: "no such device or address",
  E2BIG: "too many entries",
  ENOEXEC: "this vCPU cannot run yet",
  EBADF: "bad file descriptor",
  EAGAIN: "try again",
  ENOMEM: "out of memory",
  EACCES: "permission denied",
  EFAULT: "bad address",
  EBUSY: "device or resource busy",
  EEXIST: "exists already",
  ENODEV: "no such device",
  EINVAL: "invalid argument",
  ENFILE: "too many open files in the system",
  EMFILE: "too many open files",
  ENOTTY: "this KVM does not know the request",
  ENOSPC: "no room left",
  ENOSYS: "not implemented",
  EOVERFLOW: "value too large",
  EOPNOTSUPP: "not supported",
  EHWPOISON: "the memory page has a hardware error",
};

function findErrno(errno: number): keyof typeof errnos | undefined {
  return (Object.keys(errnos) as (keyof typeof errnos)[]).find((name) => errnos[name] === errno);
}

/** The name of an errno: `EBUSY`. */
export function errnoName(errno: number): string {
  return findErrno(errno) ?? `errno ${errno}`;
}

function errnoText(errno: number): string {
  const name = findErrno(errno);
  return name === undefined ? "unexpected error" : texts[name];
}

/** What to do, by operation and errno, or by errno alone. */
const remedies: Record<string, string> = {
  "KVM_CREATE_VM EBUSY":
    "Another hypervisor holds the CPU's virtualization extensions: stop it (VirtualBox: sudo modprobe -r vboxnetadp vboxnetflt vboxdrv)",
  "KVM_CREATE_VM ENOMEM": "Free some memory, or close other VMs",
  "KVM_CREATE_VCPU EEXIST": "Give each vCPU of a VM a number of its own",
  "KVM_CREATE_VCPU EINVAL":
    "The number must be below what checkExtension(KVM_CAP_MAX_VCPU_ID) says",
  "KVM_CREATE_PIT2 ENOENT": "Create the interrupt controller before the timer",
  "KVM_CREATE_IRQCHIP EINVAL": "Create the interrupt controller before the first vCPU",
  "KVM_SET_USER_MEMORY_REGION EEXIST": "The range overlaps another memory slot of the VM",
  "KVM_SET_USER_MEMORY_REGION EINVAL":
    "Addresses and sizes are multiples of the page size (4096), and the slot is below checkExtension(KVM_CAP_NR_MEMSLOTS)",
  "KVM_RUN ENOEXEC": "The vCPU waits to be started: set its mp_state to KVM_MP_STATE_RUNNABLE",
  "KVM_RUN EFAULT": "The guest reached memory whose mapping is gone or forbids the access",
  "mmap ENOMEM": "Ask for less RAM, or free some memory",
  "mmap EINVAL": "The size of a mapping is a positive multiple of the page size (4096)",
  ENOTTY: "It needs a newer kernel, or another KVM backend",
  EMFILE: "Close some VMs, or raise the limit: ulimit -n 65536",
};
