import { callFailed } from "./error.ts";
import { firstHolder, hold, type Holders, letGo, type Shared } from "./holders.ts";
import type { Ioctl } from "./ioctl.ts";
import type { Libc } from "./libc.ts";

/** A file descriptor of KVM's that is closed once: where threads share it, by the last of them. */
export class Descriptor {
  readonly libc: Libc;
  readonly #what: string;
  #fd: number;
  /** Once it is shared. */
  #holders: Holders | undefined;

  /** @param what What it stands for, for messages: `the VM`. */
  constructor(libc: Libc, fd: number, what: string) {
    this.libc = libc;
    this.#fd = fd;
    this.#what = what;
  }

  /**
   * The descriptor that another thread shares.
   *
   * @throws {TypeError} When all who held it have closed it.
   */
  static attach(libc: Libc, shared: Shared<number>, what: string): Descriptor {
    if (!hold(shared.holders)) throw new TypeError(`Cannot attach ${what}: it has been closed`);
    const descriptor = new Descriptor(libc, shared.value, what);
    descriptor.#holders = shared.holders;
    return descriptor;
  }

  /** For {@linkcode Descriptor.attach} in another thread. */
  share(): Shared<number> {
    return { value: this.fd, holders: this.#holders ??= firstHolder() };
  }

  /** The number of the descriptor. */
  get fd(): number {
    if (this.#fd < 0) throw new TypeError(`Cannot use ${this.#what}: it is closed`);
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /**
   * Makes a request; `attempt` completes "Cannot …" should it fail.
   *
   * @returns The result, never negative.
   * @throws {KvmError} When the request fails.
   */
  ioctl(ioctl: Ioctl, argument: bigint | BufferSource, attempt: string): number {
    const result = this.tryIoctl(ioctl, argument);
    if (result < 0) throw callFailed(attempt, ioctl.name, this.libc.errno());
    return result;
  }

  /** Makes a request that may fail: −1, with the reason in `libc.errno()`. */
  tryIoctl(ioctl: Ioctl, argument: bigint | BufferSource): number {
    return typeof argument === "bigint"
      ? this.libc.ioctl(this.fd, ioctl.request, argument)
      : this.libc.ioctlStruct(this.fd, ioctl.request, argument);
  }

  /** Closes the descriptor; again, it does nothing. */
  close(): void {
    if (this.#fd < 0) return;
    if (this.#holders === undefined || letGo(this.#holders)) this.libc.close(this.#fd);
    this.#fd = -1;
  }
}
