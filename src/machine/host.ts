/**
 * What this host's KVM can do. Each thing is found out by trying it, when it is first asked for,
 * and once; the rest of the program asks here.
 *
 * @module
 */

import {
  type Exit,
  type GuestDebugOptions,
  hostBackend,
  Kvm,
  KvmError,
  type Vcpu,
} from "../kvm/mod.ts";
import { IDENTITY_MAP_ADDRESS, type Mode, modes, TSS_ADDRESS } from "../x86/mod.ts";
import { Machine } from "./machine.ts";
import { Tick } from "./tick.ts";

/** What came of trying something: it works, or why not. */
export type Support =
  | { readonly works: true; readonly reason?: never }
  | { readonly works: false; readonly reason: string };

/** A way to stop a guest at an instruction ({@linkcode Vcpu.setGuestDebug}). */
export type DebugFacility = "singleStep" | "hardwareBreakpoint" | "softwareBreakpoint";

/** What came of trying a deadline. */
export type DeadlineSupport =
  /** `late`: by how many milliseconds. */
  | { readonly works: true; readonly late: number; readonly reason?: never }
  | { readonly works: false; readonly reason: string };

/** The deadline that {@linkcode tryDeadline} sets, in milliseconds. */
export const TRIED_DEADLINE = 50;

/** How long a guest of a few instructions may take, in milliseconds. */
const PATIENCE = 2000;

/** Where the code of the guests is: behind the page tables. */
const CODE = 0x4000;

const HLT = 0xf4;
const NOP = 0x90;
const INT3 = 0xcc;
const JMP_SELF = [0xeb, 0xfe];

/** How each facility is tried: `stops` are the places where the guest must stop, in turn. */
const debugging: Readonly<
  Record<
    DebugFacility,
    { verb: string; code: number[]; options: GuestDebugOptions; stops: number[] }
  >
> = {
  singleStep: {
    verb: "single-step",
    code: [NOP, NOP, HLT],
    options: { singleStep: true },
    stops: [CODE + 1, CODE + 2],
  },
  hardwareBreakpoint: {
    verb: "stop at hardware breakpoints",
    code: [NOP, NOP, HLT],
    options: { hardwareBreakpoints: [BigInt(CODE + 1)] },
    stops: [CODE + 1],
  },
  softwareBreakpoint: {
    verb: "stop at INT3",
    code: [NOP, INT3, HLT],
    options: { softwareBreakpoints: true },
    stops: [CODE + 1],
  },
};

/** The facilities that {@linkcode tryDebugging} tries. */
export const debugFacilities = Object.keys(debugging) as readonly DebugFacility[];

/**
 * Tries a mode with a guest of one instruction, HLT.
 *
 * @throws {KvmError} When KVM cannot be used at all.
 */
export function tryMode(mode: Mode): Support {
  return once(mode, () => {
    const what = modes[mode].paging === "32-bit" ? "32-bit paging" : modes[mode].description;
    return tryGuest(mode, [HLT], ({ run }) => {
      const end = run();
      if (end === "hlt") return undefined;
      return `${thisKvm()} cannot run ${what}: the first KVM_RUN of a guest that only halts ${
        ended(end)
      }`;
    });
  });
}

/**
 * Tries to stop a guest in a mode.
 *
 * @throws {KvmError} When KVM cannot be used at all.
 */
export function tryDebugging(facility: DebugFacility, mode: Mode): Support {
  const runs = tryMode(mode);
  if (!runs.works) return runs;
  const { verb, code, options, stops } = debugging[facility];
  return once(`${facility} ${mode}`, () =>
    tryGuest(mode, code, ({ vcpu, run }) => {
      const cannot = `${thisKvm()} cannot ${verb} in ${modes[mode].description}`;
      for (const stop of stops) {
        // Some hosts forget it after each stop.
        vcpu.setGuestDebug(options);
        const end = run();
        if (end !== "debug") return `${cannot}: KVM_RUN ${ended(end)}`;
        const { rip } = vcpu.getRegs();
        if (rip !== BigInt(stop)) return `${cannot}: it stopped ${Number(rip) - stop} bytes off`;
      }
      return undefined;
    }));
}

/**
 * Whether single-stepping, once set, stays: where KVM emulates every instruction its emulator looks
 * at the debug setting after each, and a step over HLT is one like any other. A CPU steps by TF,
 * which KVM sets in the guest only with `KVM_SET_GUEST_DEBUG`, and which is lost with registers
 * that are written and instructions that are emulated.
 *
 * @throws {KvmError} When KVM cannot be used at all.
 */
export function keepsStepping(): boolean {
  // Real mode alone tells nothing: a CPU may leave that to the emulator.
  return (["protected", "long"] as const).every((mode) =>
    once(`step over HLT ${mode}`, () =>
      tryGuest(mode, [HLT], ({ vcpu, run }) => {
        vcpu.setGuestDebug({ singleStep: true });
        const end = run();
        return end === "debug" ? undefined : `a step over HLT ${ended(end)}`;
      })).works
  );
}

let deadline: Promise<DeadlineSupport> | undefined;

/**
 * Tries how late the deadline of a {@linkcode Machine} ends a guest in `jmp $`.
 *
 * @throws {KvmError} When KVM cannot be used at all.
 */
export function tryDeadline(): Promise<DeadlineSupport> {
  return deadline ??= measureDeadline();
}

async function measureDeadline(): Promise<DeadlineSupport> {
  using machine = new Machine();
  machine.write(CODE, Uint8Array.from(JMP_SELF));
  enter("real", machine.vcpu);
  const start = performance.now();
  const { reason } = await machine.run({ timeout: TRIED_DEADLINE });
  return reason === "timeout"
    ? { works: true, late: performance.now() - start - TRIED_DEADLINE }
    : { works: false, reason: `a guest in a loop ended in ${reason}` };
}

const tried = new Map<string, Support>();

function once(what: string, attempt: () => Support): Support {
  const known = tried.get(what);
  if (known !== undefined) return known;
  const support = attempt();
  tried.set(what, support);
  return support;
}

/** A guest under trial. */
interface TriedGuest {
  vcpu: Vcpu;
  /** Runs it until its next exit, but not for ever. */
  run(): Exit["reason"] | "timeout";
}

/**
 * Makes a guest of a few bytes in a mode, and hands it to `judge`, which says why the trial failed,
 * or nothing. What KVM refuses is a failure too.
 *
 * Page tables and control registers are written out here instead of taken from
 * {@linkcode startIn}: so that a mistake there is not taken for a fault of the host.
 *
 * @throws {KvmError} When KVM cannot be used at all.
 */
export function tryGuest(
  mode: Mode,
  code: number[],
  judge: (guest: TriedGuest) => string | undefined,
): Support {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  vm.setIdentityMapAddress(IDENTITY_MAP_ADDRESS);
  vm.setTssAddress(TSS_ADDRESS);
  const { bytes } = vm.addMemory({ size: 0x6000 });
  const vcpu = vm.createVcpu();
  vcpu.setCpuid(kvm.supportedCpuid());
  using tick = new Tick();
  tick.interrupt(vcpu);

  // Where an exception in real mode leads: all its vectors are zero.
  bytes[0] = HLT;
  bytes.set(code, CODE);
  if (mode === "paged") {
    // One 4 MiB page: present, writable, user, PS.
    bytes.set([0x87, 0, 0, 0], 0x1000);
  } else if (mode === "long") {
    // PML4 → PDPT → page directory with one 2 MiB page.
    bytes.set([0x07, 0x20], 0x1000);
    bytes.set([0x07, 0x30], 0x2000);
    bytes.set([0x87, 0x00], 0x3000);
  }
  try {
    enter(mode, vcpu);
    const reason = judge({ vcpu, run: () => runPatiently(vcpu, tick) });
    return reason === undefined ? { works: true } : { works: false, reason };
  } catch (error) {
    if (error instanceof KvmError) return { works: false, reason: error.message };
    throw error;
  }
}

/** Sets the registers for a mode, at the first instruction of the code. */
function enter(mode: Mode, vcpu: Vcpu): void {
  const { cs } = vcpu.getSregs();
  const code = { ...cs, base: 0n, selector: 8, limit: 0xffff_ffff, g: 1 };
  switch (mode) {
    case "real":
      vcpu.setSregs({ cs: { ...cs, base: 0n, selector: 0 } });
      break;
    case "protected":
      vcpu.setSregs({ cs: { ...code, db: 1 }, cr0: 0x11n });
      break;
    case "paged":
      vcpu.setSregs({ cs: { ...code, db: 1 }, cr0: 0x8000_0011n, cr3: 0x1000n, cr4: 0x10n });
      break;
    case "long":
      vcpu.setSregs({
        cs: { ...code, l: 1, db: 0 },
        cr0: 0x8000_0011n,
        cr3: 0x1000n,
        cr4: 0x20n,
        efer: 0x500n,
      });
      break;
  }
  vcpu.setRegs({ rip: BigInt(CODE), rsp: 0x6000n, rflags: 2n });
}

function runPatiently(vcpu: Vcpu, tick: Tick): Exit["reason"] | "timeout" {
  const end = performance.now() + PATIENCE;
  tick.start();
  try {
    for (;;) {
      const { reason } = vcpu.run();
      if (reason !== "intr") return reason;
      tick.take();
      if (performance.now() >= end) return "timeout";
    }
  } finally {
    tick.stop();
  }
}

function ended(end: Exit["reason"] | "timeout"): string {
  return end === "timeout" ? `did not end within ${PATIENCE / 1000} s` : `ended in ${end}`;
}

function thisKvm(): string {
  return hostBackend() ?? "this KVM";
}
