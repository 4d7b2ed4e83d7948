import { assert, assertEquals, assertThrows } from "@std/assert";
import { GuestError, loadSource } from "../../src/guest/mod.ts";
import { Machine, trace, type TraceStep } from "../../src/machine/mod.ts";
import { kvmTest } from "../kvm_host.ts";

/** Traces a source to its end. */
async function traced(source: string, options: { memory?: boolean } = {}) {
  using machine = Machine.for(loadSource(source, "guest.asm"));
  const steps: TraceStep[] = [];
  const stop = await trace(machine, {
    ...options,
    timeout: 20_000,
    onStep: (step) => {
      steps.push(step);
    },
  });
  return { steps, stop, changes: steps.map(changesOf) };
}

/** `ax=5 [400]=2a` */
function changesOf({ registers, memory }: TraceStep): string {
  return [
    ...registers.map(({ name, value }) => `${name}=${value.toString(16)}`),
    ...memory.map(({ address, after }) =>
      `[${address.toString(16)}]=${[...after].map((byte) => byte.toString(16)).join(",")}`
    ),
  ].join(" ");
}

kvmTest("trace() tells the registers, flags and memory that each instruction changed", async () => {
  const { changes, stop, steps } = await traced(`
    mov ax, 5
    sub ax, 5
    mov word [0x400], 0x1234
    push word 0x55aa
    mov ebx, 0x10000
    mov ds, bx
    hlt
  `);
  assertEquals(stop, { reason: "hlt" });
  assertEquals(changes, [
    "ax=5",
    "ax=0 pf=1 zf=1",
    "[400]=34,12",
    "sp=6ffe [6ffe]=aa,55",
    "ebx=10000",
    "",
    "",
  ]);
  assertEquals(steps.map(({ address }) => address), [0n, 3n, 6n, 12n, 15n, 21n, 23n]);
});

kvmTest("trace() shows an access to a port as one step, and the next instruction too", async () => {
  const { steps } = await traced("out 0xE9, al\nin al, 0xE9\ninc al\nhlt");
  assertEquals(steps.map(({ address }) => address), [0n, 2n, 4n, 6n]);
  assertEquals(steps.map(changesOf), ["", "ax=e9", "ax=ea sf=1", ""]);
});

kvmTest("trace() shows that a guest lowers CR8 as one step", async () => {
  const source = ";! mode: long\nbits 64\nmov eax, 5\nmov cr8, rax\nmov eax, 2\nmov cr8, rax\nhlt";
  const { stop, changes } = await traced(source);
  assertEquals(stop.reason, "hlt");
  assertEquals(changes, ["rax=5", "cr8=5", "rax=2", "cr8=2", ""]);
});

kvmTest("trace() makes one step of a repeated string instruction on every host", async () => {
  const { changes } = await traced(`
    mov cx, 3
    mov di, 0x400
    mov al, 7
    rep stosb
    hlt
  `);
  assertEquals(changes, ["cx=3", "di=400", "ax=7", "cx=0 di=403 [400]=7,7,7", ""]);
});

kvmTest("trace() looks for no memory when told so", async () => {
  const { changes } = await traced("mov byte [0x400], 1\nhlt", { memory: false });
  assertEquals(changes, ["", ""]);
});

kvmTest("trace() names registers in the width of the code", async () => {
  const { changes } = await traced(`
    ;! mode: long
    bits 64
    mov rax, 0x1122334455667788
    mov r8d, 1
    hlt
  `);
  assertEquals(changes, ["rax=1122334455667788", "r8=1", ""]);
});

kvmTest(
  "trace() tells addresses in the upper half exactly, and where they are in RAM",
  async () => {
    // Entry 256 of the PML4, which leads where entry 0 does. Accessed and dirty are set already.
    const { steps, stop, changes } = await traced(`
    ;! mode: long
    bits 64
    mov dword [0x10000], 0x11023
    mov dword [0x10000 + 256 * 8], 0x11023
    mov dword [0x11000], 0x12023
    mov dword [0x12000], 0xe3
    mov eax, 0x10000
    mov cr3, rax
    mov rax, 0xffff800000000000 + upper
    jmp rax
  upper:
    mov ecx, 3
    mov edi, 0x400
    mov al, 7
    rep stosb
    hlt
  `);
    assertEquals(stop, { reason: "hlt" });
    const upper = steps.slice(-5);
    const start = upper[0]!.physical!;
    const offsets = [0, 5, 10, 12, 14];
    assertEquals(upper.map(({ physical }) => physical), offsets.map((offset) => start + offset));
    assertEquals(
      upper.map(({ address }) => address),
      offsets.map((offset) => 0xffff_8000_0000_0000n + BigInt(start + offset)),
    );
    assertEquals(changes.at(-2), "rcx=0 rdi=403 [400]=7,7,7");
  },
);

kvmTest("trace() ends when its watcher has seen enough, and goes on from there", async () => {
  using machine = Machine.for(loadSource("mov al, 1\nmov al, 2\nmov al, 3\nhlt", "guest.asm"));
  const seen: bigint[] = [];
  const onStep = ({ address }: TraceStep) => seen.push(address) === 2;
  assertEquals(await trace(machine, { onStep }), { reason: "interrupted" });
  assertEquals(machine.vcpu.getRegs().rip, 4n);
  assertEquals(await trace(machine, { onStep }), { reason: "hlt" });
  assertEquals(seen, [0n, 2n, 4n, 6n]);
});

kvmTest("trace() leaves a machine that refuses an impossible state at once", async () => {
  using machine = Machine.for(loadSource("hlt", "guest.asm"));
  await trace(machine, { onStep: () => {} });
  assertThrows(
    () => machine.load(loadSource(";! set: cr0 = 0x80000000\nhlt", "impossible.asm")),
    GuestError,
    "impossible.asm: No CPU can be in real mode with cr0 = 0x80000000",
  );
  machine.load(loadSource("mov al, 1\nhlt", "possible.asm"));
  assertEquals(await machine.run(), { reason: "hlt" });
});

kvmTest("trace() ends in time in a guest that loops", async () => {
  using machine = Machine.for(loadSource("jmp $", "guest.asm"));
  let steps = 0;
  const stop = await trace(machine, { timeout: 100, onStep: () => void steps++ });
  assertEquals(stop, { reason: "timeout" });
  assert(steps >= 1);
});

kvmTest("trace() shows that a status ended the guest, its last instruction included", async () => {
  const { stop, steps } = await traced("mov al, 3\nout 0xF4, al\nmov al, 4\nhlt");
  assertEquals(stop, { reason: "status", status: 3 });
  assertEquals(steps.map(({ address }) => address), [0n, 2n]);
});

kvmTest("trace() gets over an INT, whether its handler is stepped or not", async () => {
  const { changes, stop, steps } = await traced(`
        mov     word [0x21 * 4], handler
        mov     word [0x21 * 4 + 2], 0
        int     0x21
        nop
        mov     bx, ax
        hlt
handler:
        mov     ax, 42
        iret
  `);
  assertEquals(stop, { reason: "hlt" });
  assertEquals(changes.at(-2), "bx=2a");
  const addresses = steps.map(({ address }) => Number(address));
  const handler = 18;
  const isStepped = addresses.includes(handler);
  // Where the handler runs unstepped, the INT has taken the next instruction with it too.
  assertEquals(
    addresses,
    isStepped ? [0, 6, 12, handler, handler + 3, 14, 15, 17] : [0, 6, 12, 15, 17],
  );
  assert(changes[isStepped ? 3 : 2]!.includes("ax=2a"));
});

kvmTest(
  "trace() leaves an access that nobody answers as it is, to be told of and answered",
  async () => {
    using machine = new Machine();
    const accesses = [
      { source: "in al, 0x60", answer: () => machine.vcpu.replyIo(Uint8Array.of(0x77)) },
      { source: "mov al, [0x300000]", answer: () => machine.vcpu.replyMmio(Uint8Array.of(0x77)) },
    ];
    for (const { source, answer } of accesses) {
      machine.load(loadSource(`;! mode: protected\nbits 32\nnop\n${source}\nhlt`, "access.asm"));
      assertEquals((await trace(machine, { onStep: () => {} })).reason, "unhandled");
      assertEquals(machine.registers().regs.rip, 1n);
      answer();
      assertEquals(await machine.run(), { reason: "hlt" });
      assertEquals(machine.registers().regs.rax, 0x77n);
    }
  },
);

kvmTest("trace() ends at an access across two pages that nobody answers", async () => {
  using machine = new Machine();
  machine.load(loadSource(";! mode: protected\nbits 32\nmov eax, [0x300ffe]\nhlt", "split.asm"));
  assertEquals((await trace(machine, { onStep: () => {} })).reason, "unhandled");
});
