import { assertEquals } from "@std/assert";
import type { Exit, InternalErrorExit } from "../../src/kvm/mod.ts";
import { describeExit } from "../../src/machine/describe_exit.ts";

const internal: Pick<InternalErrorExit, "reason" | "data" | "instruction"> = {
  reason: "internalError",
  data: [],
  instruction: undefined,
};

const exits: [exit: Exit, text: string][] = [
  [{ reason: "hlt" }, "it halted"],
  [
    { reason: "io", direction: "out", port: 0x42, size: 1, count: 1, data: Uint8Array.of(0x2a) },
    "it wrote 0x2a to port 0x42 (1 byte)",
  ],
  [
    {
      reason: "io",
      direction: "out",
      port: 0x3f8,
      size: 2,
      count: 2,
      data: Uint8Array.of(0x34, 0x12, 0x78, 0x56),
    },
    "it wrote 0x1234 to port 0x3f8 (2 times 2 bytes)",
  ],
  [
    { reason: "io", direction: "in", port: 0x60, size: 4, count: 1, data: new Uint8Array(4) },
    "it read port 0x60 (4 bytes)",
  ],
  [
    {
      reason: "mmio",
      direction: "write",
      address: 0xfee0_0000,
      data: Uint8Array.of(1, 2, 3, 4),
    },
    "it wrote 0x04030201 to address 0xfee00000 (4 bytes), where there is no RAM",
  ],
  [
    { reason: "mmio", direction: "read", address: 0x20_0000, data: new Uint8Array(1) },
    "it read address 0x200000 (1 byte), where there is no RAM",
  ],
  [
    { reason: "shutdown" },
    "it took an exception that it cannot handle (a triple fault, KVM_EXIT_SHUTDOWN)",
  ],
  [
    { ...internal, suberror: 1, error: "emulation", instruction: Uint8Array.of(0x0f, 0xc7) },
    "KVM cannot emulate its instruction, the first of 0f c7 (KVM_INTERNAL_ERROR_EMULATION)",
  ],
  [
    { ...internal, suberror: 1, error: "emulation" },
    "KVM cannot emulate its instruction (KVM_INTERNAL_ERROR_EMULATION)",
  ],
  [
    { ...internal, suberror: 3, error: "deliveryEvent", data: [0x8000_0030n, 1n] },
    "KVM gave up on it with internal error 3 (deliveryEvent), with data 0x80000030, 0x1",
  ],
  [
    { ...internal, suberror: 99, error: "unknown" },
    "KVM gave up on it with internal error 99",
  ],
  [
    { reason: "failEntry", hardwareEntryFailureReason: 0x8000_0021n, cpu: 1 },
    "the CPU refused its state: hardware entry failure reason 0x80000021",
  ],
  [
    { reason: "memoryFault", address: 0x1000, size: 4096, private: false },
    "KVM has no memory for its access to 0x1000 (4096 bytes)",
  ],
  [{ reason: "x86Rdmsr", why: 1, index: 0xc000_0080, data: 0n }, "it read MSR 0xc0000080"],
  [
    { reason: "x86Wrmsr", why: 1, index: 0x10, data: 255n },
    "it wrote 0xff to MSR 0x10",
  ],
  [
    { reason: "unrecognized", number: 77 },
    "KVM gave the exit reason 77, which is newer than this program",
  ],
  [{ reason: "irqWindowOpen" }, "it left with KVM_EXIT_IRQ_WINDOW_OPEN"],
  [
    { reason: "hypercall", nr: 1n, args: [2n, 16n], longMode: true },
    "it left with KVM_EXIT_HYPERCALL, nr 0x1, args [0x2, 0x10], longMode true",
  ],
  [
    { reason: "systemEvent", type: 2, data: [] },
    "it left with KVM_EXIT_SYSTEM_EVENT, type 0x2, data []",
  ],
];

Deno.test("describeExit() says in a line what a guest did or what happened to it", () => {
  for (const [exit, text] of exits) assertEquals(describeExit(exit), text);
});
