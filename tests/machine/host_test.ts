import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { hostBackend } from "../../src/kvm/mod.ts";
import {
  debugFacilities,
  keepsStepping,
  type Support,
  tryDeadline,
  tryDebugging,
  tryGuest,
  tryMode,
} from "../../src/machine/host.ts";
import { type Mode, modes } from "../../src/x86/mod.ts";
import { kvmTest, testUnless } from "../kvm_host.ts";

const allModes = Object.keys(modes) as Mode[];
const backend = hostBackend();
const NOP = 0x90;
const isLab = Deno.env.get("HLT_LAB") === "1";

/** The modes and facilities for which `attempt` works. */
const working = <T>(all: readonly T[], attempt: (one: T) => Support) =>
  all.filter((one) => attempt(one).works);

kvmTest("tryMode() finds all four modes on hardware, and all but 32-bit paging on kvm_pvm", () => {
  const reasons = allModes.map((mode) => tryMode(mode).reason);
  const noPaging = "kvm_pvm cannot run 32-bit paging: " +
    "the first KVM_RUN of a guest that only halts ended in shutdown";
  const expected = [undefined, undefined, backend === "kvm_pvm" ? noPaging : undefined, undefined];
  assertEquals(reasons, expected);
});

testUnless(
  isLab ? undefined : "HLT_LAB=1 is not set",
  "tryMode() runs on a kvm_amd that lacks nothing",
  () => {
    assertEquals(backend, "kvm_amd");
    assertEquals(working(allModes, tryMode), ["real", "protected", "paged", "long"]);
  },
);

kvmTest("tryMode() tries once", () => {
  assertStrictEquals(tryMode("real"), tryMode("real"));
});

/** What is known of each backend: in every mode that it runs, these facilities and no others. */
const known: Record<string, string[]> = {
  kvm_pvm: ["singleStep", "hardwareBreakpoint"],
  // The software CPU of the lab has no debug registers for its guests.
  kvm_amd: ["singleStep"],
};

kvmTest(
  "tryDebugging() finds what this backend is known to have, in the modes that it runs",
  () => {
    for (const mode of allModes) {
      const found = working(debugFacilities, (facility) => tryDebugging(facility, mode));
      assertEquals(found, tryMode(mode).works ? known[backend!] : [], mode);
    }
  },
  {
    lacks: backend === "kvm_pvm" || isLab
      ? undefined
      : "what this backend has is known of kvm_pvm and of the lab's kvm_amd",
  },
);

kvmTest("keepsStepping() says yes only where stepping, set once, shows every instruction", () => {
  assertEquals(keepsStepping(), backend === "kvm_pvm");
  if (!keepsStepping()) return;
  // KVM emulates mov cr0 and port accesses on CPUs too; the latter take their next step with them.
  const code = [NOP, 0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0, 0xe6, 0x80, NOP, 0xf4];
  for (const mode of working(allModes, tryMode)) {
    const support = tryGuest(mode, code, ({ vcpu, run }) => {
      vcpu.setGuestDebug({ singleStep: true });
      const base = vcpu.getRegs().rip;
      const stops = Array.from({ length: 6 }, () => {
        const end = run();
        return `${end} ${vcpu.getRegs().rip - base}`;
      });
      return stops.join(", ");
    });
    assertEquals(support.reason, "debug 1, debug 4, debug 7, io 9, debug 10, debug 11");
  }
});

kvmTest("tryDeadline() ends a guest in a loop, not too early and not much too late", async () => {
  const deadline = await tryDeadline();
  assert(deadline.works, deadline.reason);
  assert(deadline.late >= 0, `${deadline.late} ms`);
  // The machine may be busy: what counts is that it ends. The lab's CPU is slow besides.
  assert(deadline.late < (isLab ? 20_000 : 500), `${deadline.late} ms`);
});

kvmTest("tryGuest() gives up on a guest that never exits", () => {
  const start = performance.now();
  const support = tryGuest("real", [0xeb, 0xfe], ({ run }) => run());
  assertEquals(support, { works: false, reason: "timeout" });
  assert(performance.now() - start >= 2000);
});

kvmTest("tryGuest() takes what KVM refuses for a failure of the trial", () => {
  // EFER.LMA without CR0.PG is a state that no CPU can be in.
  const support = tryGuest("real", [0xf4], ({ vcpu }) => {
    vcpu.setSregs({ efer: 0x400n });
    return undefined;
  });
  assert(!support.works);
  assertEquals(
    support.reason,
    "Cannot access the registers of vCPU 0 (KVM_SET_SREGS): invalid argument (EINVAL)",
  );
});

kvmTest("tryGuest() throws what is no failure of KVM", () => {
  const judge = () => {
    throw new RangeError("a fault of the program");
  };
  assertThrows(() => tryGuest("real", [0xf4], judge), RangeError, "a fault of the program");
});
