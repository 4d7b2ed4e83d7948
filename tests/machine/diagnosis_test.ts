import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { loadGuest, loadSource, type Program } from "../../src/guest/mod.ts";
import { hostBackend } from "../../src/kvm/mod.ts";
import { diagnose, type Diagnosis, Machine, type Stop, View } from "../../src/machine/mod.ts";
import { kvmTest } from "../kvm_host.ts";

/** Where KVM resets the registers at a shutdown, and where it keeps them. */
const resets = hostBackend() === "kvm_amd"
  ? { lacks: "KVM on AMD resets the registers at a shutdown" }
  : {};
const keeps = hostBackend() === "kvm_amd"
  ? {}
  : { lacks: "KVM keeps the registers at a shutdown here" };

async function explain(program: Program, timeout = 5000): Promise<Diagnosis & { stop: Stop }> {
  using machine = Machine.for(program);
  const stop = await machine.run({ timeout });
  return { stop, ...await diagnose(new View(machine, program), stop) };
}

function source(...lines: string[]): Program {
  return loadSource(lines.join("\n"), "guest.asm");
}

/** Long enough for a guest to come to its loop, also on a software CPU; in milliseconds. */
const WHILE = 300;

const LONG = [";! mode: long", "bits 64"];
const PROTECTED = [";! mode: protected", "bits 32"];

kvmTest(
  "diagnose() names an access that nobody answers, its instruction and its source",
  async () => {
    const { what, place, code } = await explain(
      source("nop", "go: mov al, 0x42", "out 0x61, al", "hlt"),
    );
    assertEquals(what, "It wrote 0x42 to port 0x61 (1 byte): nobody answers there");
    assertEquals(place?.rip, 3n);
    assertEquals(place?.symbol, "go+0x2");
    assertEquals(place?.line, { file: "guest.asm", line: 3, source: "out 0x61, al" });
    assertEquals(code.map(({ address, text, line, isHere }) => [address, text, line, isHere]), [
      [0n, "nop", "guest.asm:1", false],
      [1n, "go: mov al, 0x42", "guest.asm:2", false],
      [3n, "out 0x61, al", "guest.asm:3", true],
      [5n, "hlt", "guest.asm:4", false],
    ]);
  },
);

kvmTest("diagnose() says what a PC has at a port, and how the guest goes on", async () => {
  const { causes } = await explain(source("in al, 0x21"));
  assertEquals(causes, [
    "On a PC this is the interrupt controller: ;! irqchip: yes",
    "The guest runs on with ;! io: log, or ignore (--io): then reads give all ones",
  ]);
});

kvmTest("diagnose() disassembles code that has no source", async () => {
  const bytes = Uint8Array.of(0xb0, 0x42, 0xe6, 0x61, 0xf4);
  const { code } = await explain(loadGuest(bytes, { name: "guest.bin" }));
  assertEquals(code.slice(0, 3).map(({ text, isHere }) => [text, isHere]), [
    ["mov al, 0x42", false],
    ["out 0x61, al", true],
    ["hlt", false],
  ]);
});

kvmTest("diagnose() disassembles code that has changed since it was assembled", async () => {
  const { code } = await explain(source(
    "mov byte [here], 0xe6",
    "mov byte [here + 1], 0x61",
    "jmp here",
    "here: nop",
    "nop",
    "hlt",
  ));
  assertEquals(code.find(({ isHere }) => isHere)?.text, "here: out 0x61, al");
});

kvmTest(
  "diagnose() explains a page fault without an IDT: its address, its walk",
  async () => {
    const { what, place, walks, causes, stack, registersLost } = await explain(source(
      ...LONG,
      "org 0x1000",
      "main: mov rax, 0x10000000",
      "call touch",
      "hlt",
      "touch: mov rbx, [rax]",
    ));
    assertStringIncludes(what, "triple fault");
    assertEquals([place?.symbol, registersLost], ["touch", false]);
    assertEquals(walks.map(({ linear, problem }) => [linear, problem]), [
      [place!.linear, undefined],
      [0x1000_0000n, "the PD entry is not present"],
    ]);
    assertEquals(stack[0]?.symbol?.startsWith("main+0x"), true);
    assert(causes.some((cause) => cause.startsWith("There is no IDT: load one (lidt)")), causes[0]);
  },
  resets,
);

kvmTest("diagnose() tells a division by zero", async () => {
  const { causes } = await explain(source(...PROTECTED, "xor ecx, ecx", "div ecx"));
  assertEquals(causes[0], "The exception was #DE, a division by zero or with too large a quotient");
}, resets);

kvmTest("diagnose() tells a segment register loaded without a GDT", async () => {
  const { causes, place } = await explain(source(...PROTECTED, "mov eax, 8", "mov ds, eax"));
  assertEquals(place?.line?.source, "mov ds, eax");
  assert(causes.includes("There is no GDT: load one (lgdt) before a segment register is loaded"));
}, resets);

kvmTest(
  "diagnose() says that KVM has reset the registers, and shows none for the guest's",
  async () => {
    const { registersLost, place, code, stack, causes } = await explain(
      source(...PROTECTED, "xor ecx, ecx", "div ecx"),
    );
    assertEquals([registersLost, place, code, stack], [true, undefined, [], []]);
    assertStringIncludes(causes[0]!, "KVM resets the CPU after a shutdown");
  },
  keeps,
);

kvmTest("diagnose() says of compiled code how it gets SSE", async () => {
  const compiled = (...lines: string[]): Program => ({ ...source(...lines), format: "elf" });
  const hint = "start with --set cr4=0x620, or compile with -mgeneral-regs-only";
  const usesSse = [...LONG, "movups xmm0, [0x1000]", "hlt"];
  const { causes } = await explain(compiled(...usesSse));
  assert(causes.some((cause) => cause.endsWith(hint)), causes.join("\n"));
  const others = [
    source(...usesSse),
    compiled(...LONG, ";! set: cr4 = 0x620", "movups xmm0, [0x1000]", "ud2"),
  ];
  for (const program of others) {
    const { stop, causes } = await explain(program);
    assertEquals(stop.reason, "shutdown");
    assert(!causes.some((cause) => cause.endsWith(hint)), causes.join("\n"));
  }
});

kvmTest("diagnose() says that the guest ran where no RAM is", async () => {
  const { stop, causes } = await explain(source(...PROTECTED, "mov eax, 0x10000000", "jmp eax"));
  assertEquals(stop.reason, "unhandled");
  assertStringIncludes(causes[0]!, "There is no RAM at 0x10000000, where it runs");
});

kvmTest("diagnose() shows where a guest is stuck", async () => {
  const { what, place, causes } = await explain(source("nop", "stuck: jmp stuck"), WHILE);
  assertEquals(what, "It was still running when its time was up");
  assertEquals([place?.symbol, place?.line?.line, causes], ["stuck", 2, []]);
});

kvmTest("diagnose() tells a guest that halts with interrupts off from one that waits", async () => {
  const waiting = async (...lines: string[]) => {
    const { place, causes } = await explain(
      source(";! irqchip: yes", ...lines, "idle: hlt"),
      WHILE,
    );
    return [place?.symbol, ...causes];
  };
  assertEquals(await waiting("cli"), [
    "idle",
    "It waits in HLT with interrupts off (IF = 0): nothing can wake it",
  ]);
  assertEquals(await waiting("sti"), [
    "idle",
    "It waits in HLT for an interrupt that does not come: is its line unmasked?",
  ]);
});

kvmTest("diagnose() tells a guest that has run past its end", async () => {
  // In real mode it comes round to its beginning, again and again. That is not where a page begins:
  // there QEMU's software CPU looks for interrupts, and the guest would often be found in its code.
  const { causes } = await explain(source(";! load: 0x7c10", "xor ax, ax"), WHILE);
  assertStringIncludes(causes[0]!, "It runs through memory that holds zeros");
  assertEquals(causes.length, 1);
});

kvmTest("diagnose() says that there is no BIOS to a guest that calls it", async () => {
  const lines = [";! stack: 0xfffe", "org 0x7c00", "int 0x10", "hlt"];
  const { causes } = await explain(source(...lines), WHILE);
  assertEquals(causes[1], "It has an INT for the BIOS, which is not there: its vector is zero");
});
