import { callFailed } from "../kvm/error.ts";
import { type Libc, libc as systemLibc } from "../kvm/libc.ts";
import type { Vcpu } from "../kvm/mod.ts";
import { statistics } from "../kvm/statistics.ts";
import { tryGuest } from "./host.ts";
import type { Machine } from "./machine.ts";

/** How many instructions a guest ran, and who counted them; or why nobody did. */
export type InstructionCount =
  /**
   * - `cpu`: the CPU's own counter.
   * - `emulator`: KVM, which runs every instruction in its emulator here. One that faults or that is
   *   repeated many times may count more than once.
   */
  | { readonly count: number; readonly by: "cpu" | "emulator" }
  | { readonly count?: never; readonly why: string };

/** What counts, from when it was made until it is closed. */
export interface InstructionCounter extends Disposable {
  /** What was counted so far. */
  read(): InstructionCount;
}

/**
 * Counts the instructions of a machine's guest from here on, as far as this host does without
 * privilege. Belongs to the thread that runs the machine.
 */
export function countInstructions({ vcpu }: Machine): InstructionCounter {
  return emulatesAll() ? emulatorCounter(vcpu) : cpuCounter();
}

let allEmulated: boolean | undefined;

/** Whether KVM emulates every instruction, 64-bit ones too, which a CPU would run itself. */
function emulatesAll(): boolean {
  const [NOP, HLT] = [0x90, 0xf4];
  return allEmulated ??= tryGuest("long", [NOP, NOP, HLT], ({ vcpu, run }) => {
    const counter = emulatorCounter(vcpu);
    run();
    return counter.read().count === 3 ? undefined : "a CPU runs them";
  }).works;
}

function emulatorCounter(vcpu: Vcpu): InstructionCounter {
  const emulated = () => statistics(vcpu).get("insn_emulation") ?? 0n;
  const before = emulated();
  return {
    read: () => ({ count: Number(emulated() - before), by: "emulator" }),
    [Symbol.dispose]() {},
  };
}

/** The CPU's counter of what the guests of this thread run. */
export function cpuCounter(libc: Libc = systemLibc()): InstructionCounter {
  const fd = Number(libc.perf_event_open(
    SYS_perf_event_open,
    guestInstructions(),
    THIS_THREAD,
    ANY_CPU,
    NO_GROUP,
    PERF_FLAG_FD_CLOEXEC,
  ));
  if (fd < 0) {
    const why = whyNot(libc.errno());
    return { read: () => ({ why }), [Symbol.dispose]() {} };
  }
  return {
    read() {
      const value = new BigUint64Array(1);
      // A pinned counter that found no place in the CPU is at its end.
      return libc.read(fd, value, 8n) === 8n
        ? { count: Number(value[0]), by: "cpu" }
        : { why: "the CPU's counters were all in use" };
    },
    [Symbol.dispose]: () => void libc.close(fd),
  };
}

// <asm/unistd_64.h>, <linux/perf_event.h>
const SYS_perf_event_open = 298n;
const PERF_FLAG_FD_CLOEXEC = 1n << 3n;
const ATTRIBUTES_SIZE = 64;
const PERF_TYPE_HARDWARE = 0;
const PERF_COUNT_HW_INSTRUCTIONS = 1n;
const PINNED = 1n << 2n;
const EXCLUDE_HOST = 1n << 19n;
const THIS_THREAD = 0;
const ANY_CPU = -1;
const NO_GROUP = -1;

/** The `struct perf_event_attr` of what the guests of this thread run, in every ring. */
export function guestInstructions(): Uint8Array<ArrayBuffer> {
  const attributes = new DataView(new ArrayBuffer(ATTRIBUTES_SIZE));
  attributes.setUint32(0, PERF_TYPE_HARDWARE, true);
  attributes.setUint32(4, ATTRIBUTES_SIZE, true);
  attributes.setBigUint64(8, PERF_COUNT_HW_INSTRUCTIONS, true);
  attributes.setBigUint64(40, PINNED | EXCLUDE_HOST, true);
  return new Uint8Array(attributes.buffer);
}

/** Why `perf_event_open` failed, in words. */
function whyNot(errno: number): string {
  const error = callFailed("count instructions", "perf_event_open", errno);
  switch (error.code) {
    case "ENOENT":
    case "ENODEV":
    case "EOPNOTSUPP":
      return "this host's CPU has no counter of them, or does not share it";
    case "EACCES":
    case "EPERM":
      return "this takes a privilege: sudo sysctl kernel.perf_event_paranoid=1";
    default:
      return error.message;
  }
}
