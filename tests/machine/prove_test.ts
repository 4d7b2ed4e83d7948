import { assertEquals, assertRejects } from "@std/assert";
import { GuestError, loadSource } from "../../src/guest/mod.ts";
import { hostBackend, KvmError } from "../../src/kvm/mod.ts";
import { prove, Prover } from "../../src/machine/mod.ts";
import { lackOfMode } from "../cli/program.ts";
import { kvmTest } from "../kvm_host.ts";

const lines = (...text: string[]) => loadSource(text.join("\n"), "guest.asm");

/** It goes to 32-bit paging itself. */
const switchesPagingOn = lines(
  ";! mode: protected",
  "bits 32",
  "mov dword [0x1000], 0x87",
  "mov eax, 0x1000",
  "mov cr3, eax",
  "mov eax, 0x10",
  "mov cr4, eax",
  "mov edx, 0x80000011",
  "mov cr0, edx",
  "hlt",
);

kvmTest("prove() proves a guest whose expectations hold", async () => {
  const program = lines(
    ";! expect: ax = 42",
    ';! expect: output = "Hi"',
    "mov al, 'H'",
    "out 0xe9, al",
    "mov al, 'i'",
    "out 0xe9, al",
    "mov ax, 42",
    "hlt",
  );
  const { outcome, stop, verdicts, output, before, after } = await prove(program);
  assertEquals([outcome, stop.reason], ["proved", "hlt"]);
  assertEquals(verdicts.map(({ holds }) => holds), [true, true, true]);
  assertEquals(new TextDecoder().decode(output), "Hi");
  assertEquals([before.regs.rax, after.regs.rax], [0n, 42n]);
});

kvmTest("prove() finds a label's memory where the image was put", async () => {
  const guest = (load: string) =>
    lines(
      `;! load: ${load}`,
      ";! expect: word [result] = 42",
      ";! expect: si = result",
      "call next",
      "next: pop bx",
      "lea si, [result]",
      "mov word [bx + result - next], 42",
      "hlt",
      "result: dw 0",
    );
  // From 64 KiB on, DS is where the image is; below it is 0, and BX holds the true address.
  for (const load of ["0x10000", "0x8000"]) {
    assertEquals((await prove(guest(load))).outcome, "proved");
  }
});

kvmTest("prove() fails a guest that halts without proving it all", async () => {
  const { outcome, verdicts } = await prove(lines(";! expect: ax = 1", "hlt"));
  assertEquals(outcome, "failed");
  assertEquals(verdicts.map(({ found, holds }) => [found, holds]), [["ax = 0", false], [
    "exit = hlt",
    true,
  ]]);
  assertEquals((await prove(lines(";! expect: exit = status 3", "hlt"))).outcome, "failed");
});

kvmTest("prove() takes a status for what it is expected to be", async () => {
  const end = ["mov al, 3", "out 0xf4, al"];
  assertEquals((await prove(lines(";! expect: exit = status 3", ...end))).outcome, "proved");
  assertEquals((await prove(lines(...end))).outcome, "crashed");
  assertEquals((await prove(lines(";! expect: exit = status 4", ...end))).outcome, "crashed");
  assertEquals((await prove(lines(";! expect: exit = shutdown", ...end))).outcome, "crashed");
  const { outcome } = await prove(lines(";! expect: exit = status 3", ";! expect: bx = 1", ...end));
  assertEquals(outcome, "failed");
});

const TRIPLE_FAULT = [";! mode: protected", "bits 32", "xor ecx, ecx", "div ecx"];

kvmTest("prove() takes a triple fault for a crash, unless it is expected", async () => {
  const { outcome, stop } = await prove(lines(...TRIPLE_FAULT));
  assertEquals([outcome, stop.reason], ["crashed", "shutdown"]);
  const expected = await prove(lines(";! expect: exit = shutdown", ...TRIPLE_FAULT));
  assertEquals(expected.outcome, "proved");
});

kvmTest(
  "prove() takes an access that nobody answers for a crash, or goes on as io says",
  async () => {
    const access = ["in al, 0x60", "mov [0x500], al", "out 0x61, al", "hlt"];
    const { outcome, stop, verdicts } = await prove(lines(...access));
    assertEquals([outcome, stop.reason, verdicts], ["crashed", "unhandled", []]);
    const ones = ";! expect: byte [0x500] = 0xff";
    assertEquals((await prove(lines(";! io: ignore", ones, ...access))).outcome, "proved");
    const logged: string[] = [];
    const { outcome: withLog } = await prove(lines(";! io: log", ones, ...access), {
      log: (_machine, exit) => logged.push(exit.direction),
    });
    assertEquals([withLog, logged], ["proved", ["in", "out"]]);
  },
);

kvmTest(
  "prove() says of a mode that the host lacks that it is unsupported, not that the guest crashed",
  async () => {
    const started = await prove(lines(";! mode: paged", "bits 32", "hlt"));
    assertEquals(started.outcome, "unsupported");
    assertEquals(started.lacks?.startsWith("kvm_pvm cannot run 32-bit paging"), true);
    const gone = await prove(switchesPagingOn);
    assertEquals(gone.outcome, "unsupported");
  },
  { lacks: () => hostBackend() === "kvm_pvm" ? undefined : "this host runs 32-bit paging" },
);

kvmTest("prove() lets a guest switch 32-bit paging on where the host can", async () => {
  const { outcome } = await prove(switchesPagingOn);
  assertEquals(outcome, "proved");
}, { lacks: lackOfMode("paged") });

kvmTest("prove() ends a guest whose time is up, and one that is interrupted", async () => {
  const loop = ["cli", "jmp $"];
  const timeout = await prove(lines(";! timeout: 30ms", ...loop));
  assertEquals([timeout.outcome, timeout.verdicts], ["timeout", []]);
  const interruption = new AbortController();
  setTimeout(() => interruption.abort(), 30);
  const interrupted = await prove(lines(...loop), { signal: interruption.signal });
  assertEquals(interrupted.outcome, "interrupted");
});

kvmTest(
  "prove() says of registers that KVM has reset at a shutdown that they are not the guest's",
  async () => {
    const crash = [";! expect: exit = shutdown", ";! expect: eax = 42"];
    const code = [";! mode: protected", "bits 32", "mov eax, 42", "ud2"];
    const { outcome, verdicts } = await prove(lines(...crash, ...code));
    assertEquals([outcome, verdicts[1]!.found], ["failed", "eax = 0, as KVM has reset it"]);
  },
  { lacks: hostBackend() === "kvm_amd" ? undefined : "this KVM keeps the registers" },
);

kvmTest("prove() starts with the registers that are set", async () => {
  const { outcome } = await prove(lines(
    ";! set: bx = 3, cs = 0, zf = 1",
    ";! expect: bx = 3",
    ";! expect: cx = 1",
    "setz cl",
    "hlt",
  ));
  assertEquals(outcome, "proved");
});

kvmTest("prove() refuses registers that no CPU can have", async () => {
  const program = lines(";! set: efer = 0xffffffffffffffff", "hlt");
  const { message } = await assertRejects(() => prove(program), GuestError);
  assertEquals(
    message,
    "guest.asm: No CPU can be in real mode with efer = 0xffffffffffffffff",
  );
});

kvmTest("prove() hides what a CPUID mask hides", async () => {
  // The first four characters of the vendor's name.
  const name = async (mask: string) => {
    const source = [`;! cpuid: ${mask}`, "mov eax, 0", "cpuid", "hlt"];
    return (await prove(lines(...source))).after.regs.rbx;
  };
  const shown = await name("0:ecx = 0");
  assertEquals(shown === 0n, false);
  assertEquals(await name("0:ebx = 0"), 0n);
  assertEquals(await name("0:ebx = 0xffff"), shown & 0xffffn);
  assertEquals(await name("0.0:ebx = 0"), 0n);
  assertEquals(await name("0.5:ebx = 0"), shown);
});

kvmTest(
  "prove() says so where the host shows what a CPUID mask hides",
  async () => {
    const program = lines(";! cpuid: 1:edx = 0xfffffffe", "hlt");
    const { message } = await assertRejects(() => prove(program), KvmError);
    assertEquals(
      message,
      "Cannot hide 0x1 in EDX of CPUID leaf 0x1: kvm_pvm shows its own value there",
    );
  },
  {
    lacks: () =>
      hostBackend() === "kvm_pvm" ? undefined : "this host hides what it is told to hide",
  },
);

/** A guest that leaves behind what it can, and proves that it found nothing of the kind. */
const untidy = (mode: string) =>
  lines(
    `;! mode: ${mode}`,
    ";! expect: bl = 0",
    ';! expect: output = "ok"',
    mode === "real" ? "bits 16" : "bits 64",
    "or bl, [0x1ff0]", // RAM
    "or bl, cl", // registers
    `mov ${mode === "real" ? "eax" : "rax"}, cr2`,
    "or bl, al",
    "mov dx, 0x3ff", // the scratch register of the serial port
    "in al, dx",
    "or bl, al",
    "mov al, 1",
    "out dx, al",
    "mov [0x1ff0], al",
    "mov cl, 1",
    `mov cr2, ${mode === "real" ? "ecx" : "rcx"}`,
    "mov al, 'o'",
    "out 0xe9, al",
    "mov al, 'k'",
    "out 0xe9, al",
    "hlt",
  );

kvmTest("Prover.prove() gives each guest a machine that is as good as new", async () => {
  using prover = new Prover();
  for (const mode of ["real", "real", "long", "long", "real"]) {
    const { outcome, verdicts } = await prover.prove(untidy(mode));
    assertEquals(outcome, "proved", verdicts.map(({ found }) => found).join(", "));
  }
});

kvmTest("Prover.prove() proves a guest behind one that was to end in a shutdown", async () => {
  using prover = new Prover();
  const shutdown = [";! expect: exit = shutdown", "lidt [idt]", "int3", "idt: dd 0, 0"];
  assertEquals((await prover.prove(lines(...shutdown))).outcome, "proved");
  const next = lines(";! timeout: 20s", ";! expect: ax = 42", "mov ax, 42", "hlt");
  assertEquals((await prover.prove(next)).outcome, "proved");
});

kvmTest("Prover.prove() proves several guests at once", async () => {
  using prover = new Prover();
  // Longer than a tick, so that they take turns.
  const guest = (al: number) =>
    lines(`;! expect: al = ${al}`, `mov al, ${al}`, "mov ecx, 60000", "a32 loop $", "hlt");
  const proofs = await Promise.all([1, 2, 3].map((al) => prover.prove(guest(al))));
  assertEquals(proofs.map(({ outcome }) => outcome), ["proved", "proved", "proved"]);
});

kvmTest(
  "Prover.prove() gives up a machine whose guest crashed, hung or asked for the impossible",
  async () => {
    using prover = new Prover();
    const good = lines(";! expect: al = 1", "mov al, 1", "hlt");
    const hangs = lines(";! expect: al = 1", ";! timeout: 30ms", "mov byte [0], 0xff", "jmp $");
    const crashes = lines(";! expect: al = 1", "out 0x99, al", "hlt");
    const cannotBe = lines(";! set: efer = 0x400", ";! expect: al = 1", "hlt");
    const outcomes: string[] = [];
    for (const program of [good, hangs, good, crashes, good]) {
      outcomes.push((await prover.prove(program)).outcome);
    }
    assertEquals(outcomes, ["proved", "timeout", "proved", "crashed", "proved"]);
    await assertRejects(() => prover.prove(cannotBe), GuestError);
    assertEquals((await prover.prove(good)).outcome, "proved");
  },
);

kvmTest("Prover.prove() leaves no descriptor open, whatever machines it made", async () => {
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  {
    using prover = new Prover();
    for (const setting of ["mode: long", "mode: real", "ram: 64K", "irqchip: yes", "io: ignore"]) {
      const program = lines(`;! ${setting}`, ";! expect: al = 0", "mov al, 0xf4", "cli", "hlt");
      program.settings.timeout = 20;
      await prover.prove(program);
    }
  }
  assertEquals(open(), before);
});

kvmTest("prove() repeats from the same state of the devices, too", async () => {
  // DLAB makes the data register of the serial port the divisor's.
  const program = lines(
    ';! expect: output = "x"',
    "mov dx, 0x3f8",
    "mov al, 'x'",
    "out dx, al",
    "mov dx, 0x3fb",
    "mov al, 0x80",
    "out dx, al",
    "hlt",
  );
  const { outcome, milliseconds } = await prove(program, { repeat: 3 });
  assertEquals([outcome, milliseconds.length], ["proved", 3]);
});
