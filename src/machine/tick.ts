import { KvmError, type Libc, libc as systemLibc, type Vcpu } from "../kvm/mod.ts";

/** How often a running guest is interrupted, in milliseconds. */
export const TICK_MILLISECONDS = 10;

/**
 * The signal of the tick: one of the real-time signals (32 to 64, signal(7)) that neither the C
 * library (which keeps 32 to 34) nor Deno uses.
 */
const SIGNAL = 42;

// <asm-generic/signal.h>, <asm-generic/siginfo.h>, <linux/time.h>
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;
const SIGEV_THREAD_ID = 4;
const CLOCK_MONOTONIC = 1;

/** How many ticks this thread has: its signal is blocked as long as there is one. */
let ticks = 0;
/** The thread's signal mask before the first of them. */
const maskBefore = new BigUint64Array(16);

/**
 * A periodic interruption of `KVM_RUN` in the calling thread, without which a guest in a loop would
 * never give the host program a turn.
 *
 * The signal of a timer is blocked in this thread and allowed in `KVM_RUN` alone
 * (`KVM_SET_SIGNAL_MASK`, api.rst 4.21): so it ends `KVM_RUN`, and is delivered nowhere else. It
 * stays pending until {@linkcode Tick.take}.
 */
export class Tick implements Disposable {
  readonly #libc: Libc;
  readonly #set: BigUint64Array<ArrayBuffer>;
  readonly #timer = new BigUint64Array(1);
  #closed = false;

  /**
   * Prepares the tick of the calling thread; it is not running yet.
   *
   * @throws {KvmError} When the system has no timer to give.
   */
  constructor(libc: Libc = systemLibc()) {
    this.#libc = libc;
    // sigset_t is 128 bytes of which the kernel uses 8.
    this.#set = new BigUint64Array(16);
    this.#set[0] = 1n << BigInt(SIGNAL - 1);
    if (ticks === 0) libc.pthread_sigmask(SIG_BLOCK, this.#set, maskBefore);
    ticks++;
    // struct sigevent: sigev_value, sigev_signo, sigev_notify, sigev_notify_thread_id.
    const event = new Int32Array(16);
    event[2] = SIGNAL;
    event[3] = SIGEV_THREAD_ID;
    event[4] = libc.gettid();
    if (libc.timer_create(CLOCK_MONOTONIC, event, this.#timer) < 0) {
      const errno = libc.errno();
      this.#release();
      throw new KvmError("Cannot create the timer that interrupts the guest (timer_create)", {
        operation: "timer_create",
        errno,
        remedy: "The limit of pending signals may be reached: ulimit -i",
      });
    }
  }

  /** Lets the tick interrupt this vCPU. */
  interrupt(vcpu: Vcpu): void {
    const blocked: number[] = [];
    for (let signal = 1; signal <= 64; signal++) {
      if (maskBefore[0]! & (1n << BigInt(signal - 1))) blocked.push(signal);
    }
    vcpu.setSignalMask(blocked.filter((signal) => signal !== SIGNAL));
  }

  /**
   * Begins to tick.
   *
   * @param first When it ticks first, if that is earlier than its interval: a short deadline.
   * @throws {TypeError} When it is closed.
   */
  start(first: number = TICK_MILLISECONDS): void {
    if (this.#closed) throw new TypeError("Cannot start the tick: it is closed");
    // A timer that is set to 0 never expires.
    const shortest = 0.001;
    this.#arm(TICK_MILLISECONDS, Math.max(shortest, Math.min(first, TICK_MILLISECONDS)));
  }

  /** Ceases to tick, and takes what was pending. */
  stop(): void {
    // The timer's number may be another's by now.
    if (this.#closed) return;
    this.#arm(0, 0);
    this.take();
  }

  /** Takes the pending signal, which would end the next `KVM_RUN` at once. */
  take(): void {
    const now = new BigInt64Array(2);
    while (this.#libc.sigtimedwait(this.#set, null, now) === SIGNAL) {
      // Real-time signals queue up.
    }
  }

  /** struct itimerspec: interval and first expiry, seconds and nanoseconds each. */
  #arm(interval: number, first: number): void {
    const nanoseconds = (milliseconds: number) => BigInt(Math.round(milliseconds * 1e6));
    const times = BigInt64Array.of(0n, nanoseconds(interval), 0n, nanoseconds(first));
    this.#libc.timer_settime(this.#timer[0]!, 0, times, null);
  }

  /** Deletes the timer; again, it does nothing. */
  close(): void {
    if (this.#closed) return;
    this.stop();
    this.#closed = true;
    this.#libc.timer_delete(this.#timer[0]!);
    this.#release();
  }

  /** The last of the thread gives it its signal mask back. */
  #release(): void {
    ticks--;
    if (ticks === 0) this.#libc.pthread_sigmask(SIG_SETMASK, maskBefore, null);
  }

  /** {@linkcode Tick.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}
