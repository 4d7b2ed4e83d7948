import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { errnos, KvmError } from "../../src/kvm/error.ts";
import { exitReasons, PAYLOAD, payloads, Run } from "../../src/kvm/exit.ts";
import { ioctls } from "../../src/kvm/ioctl.ts";
import { libc } from "../../src/kvm/libc.ts";
import { type Exit, Kvm, uapi, type Vcpu } from "../../src/kvm/mod.ts";
import { kvmTest } from "../kvm_host.ts";
import { failing, faultyLibc } from "./faulty_libc.ts";
import { CODE, guestOf, runInTime, setVector, startAtCode } from "./guest.ts";

const HLT = 0xf4;
const NOP = 0x90;

/** `mov ax, 0x1000; mov ds, ax`: DS:0 is the first byte behind the RAM. */
const DS_BEHIND_RAM = [0xb8, 0x00, 0x10, 0x8e, 0xd8];

/** Runs the guest to its HLT; any other exit fails the test. */
function runToHlt(vcpu: Vcpu): void {
  assertEquals(vcpu.run(), { reason: "hlt" });
}

/** Runs to an exit of this reason; any other fails the test. */
function runTo<R extends Exit["reason"]>(vcpu: Vcpu, reason: R): Extract<Exit, { reason: R }> {
  const exit = vcpu.run();
  assertEquals(exit.reason, reason);
  return exit as Extract<Exit, { reason: R }>;
}

kvmTest("run() runs the guest until it halts", () => {
  // mov ax, 42; hlt
  using guest = guestOf([0xb8, 0x2a, 0x00, HLT]);
  runToHlt(guest.vcpu);
  const { rax, rip } = guest.vcpu.getRegs();
  assertEquals([rax, rip], [42n, BigInt(CODE + 4)]);
  assertEquals(guest.vcpu.kvmRun.length, guest.kvm.vcpuMmapSize);
  assert(guest.vcpu.fd > 2);
});

kvmTest("run() reports a port write of 1, 2 and 4 bytes", () => {
  // mov eax, 0x04030201; out 0xe9, al; mov dx, 0xfff8; out dx, ax; out dx, eax; hlt
  using guest = guestOf([
    ...[0x66, 0xb8, 0x01, 0x02, 0x03, 0x04],
    ...[0xe6, 0xe9, 0xba, 0xf8, 0xff, 0xef, 0x66, 0xef, HLT],
  ]);
  const out = { reason: "io", direction: "out", count: 1 } as const;
  const first = guest.vcpu.run();
  assertEquals(first, { ...out, size: 1, port: 0xe9, data: new Uint8Array([1]) });
  assertEquals(guest.vcpu.run(), { ...out, size: 2, port: 0xfff8, data: new Uint8Array([1, 2]) });
  assertEquals(guest.vcpu.run(), {
    ...out,
    size: 4,
    port: 0xfff8,
    data: new Uint8Array([1, 2, 3, 4]),
  });
  runToHlt(guest.vcpu);
  assertEquals(first, { ...out, size: 1, port: 0xe9, data: new Uint8Array([1]) });
});

kvmTest("replyIo() answers a port read of 1, 2 and 4 bytes", () => {
  // in al, 0x60; mov bl, al; mov dx, 0x1234; in ax, dx; mov cx, ax; in eax, dx; hlt
  using guest = guestOf([
    ...[0xe4, 0x60, 0x88, 0xc3, 0xba, 0x34, 0x12, 0xed, 0x89, 0xc1, 0x66, 0xed, HLT],
  ]);
  const read = { reason: "io", direction: "in", count: 1 } as const;
  assertEquals(guest.vcpu.run(), { ...read, size: 1, port: 0x60, data: new Uint8Array(1) });
  guest.vcpu.replyIo(new Uint8Array([0x11]));
  assertEquals(guest.vcpu.run(), { ...read, size: 2, port: 0x1234, data: new Uint8Array(2) });
  guest.vcpu.replyIo(new Uint8Array([0x22, 0x33]));
  assertEquals(guest.vcpu.run(), { ...read, size: 4, port: 0x1234, data: new Uint8Array(4) });
  guest.vcpu.replyIo(new Uint8Array([0x44, 0x55, 0x66, 0x77]));
  runToHlt(guest.vcpu);
  const { rax, rbx, rcx } = guest.vcpu.getRegs();
  assertEquals([rax, rbx, rcx], [0x7766_5544n, 0x11n, 0x3322n]);
});

kvmTest("replyIo() refuses more than was asked for", () => {
  using guest = guestOf([0xe4, 0x60, HLT]); // in al, 0x60; hlt
  runTo(guest.vcpu, "io");
  assertThrows(() => guest.vcpu.replyIo(new Uint8Array(2)), RangeError);
});

kvmTest("runInPlace() gives reads whose data is the answer itself", () => {
  // in al, 0x60; mov bl, [0xfff0] (no RAM: DS is behind it); hlt
  using guest = guestOf([...DS_BEHIND_RAM, 0xe4, 0x60, 0x8a, 0x1e, 0xf0, 0xff, HLT]);
  for (const [reason, answer] of [["io", 0x11], ["mmio", 0x22]] as const) {
    const exit = guest.vcpu.runInPlace();
    assert(exit.reason === reason, exit.reason);
    exit.data[0] = answer;
  }
  assertEquals(guest.vcpu.runInPlace(), { reason: "hlt" });
  const { rax, rbx } = guest.vcpu.getRegs();
  assertEquals([rax & 0xffn, rbx & 0xffn], [0x11n, 0x22n]);
});

kvmTest("rep insb asks for many elements at once", () => {
  // mov cx, 5; mov dx, 0x60; mov di, 0x2000; rep insb; hlt
  using guest = guestOf([0xb9, 5, 0, 0xba, 0x60, 0, 0xbf, 0x00, 0x20, 0xf3, 0x6c, HLT]);
  const exit = runTo(guest.vcpu, "io");
  assertEquals([exit.direction, exit.size, exit.count], ["in", 1, 5]);
  guest.vcpu.replyIo(new Uint8Array([1, 2, 3, 4, 5]));
  runToHlt(guest.vcpu);
  assertEquals([...guest.ram.subarray(0x2000, 0x2006)], [1, 2, 3, 4, 5, 0]);
});

kvmTest("rep insw asks for elements of two bytes", () => {
  // mov cx, 3; mov dx, 0x60; mov di, 0x2000; rep insw; hlt
  using guest = guestOf([0xb9, 3, 0, 0xba, 0x60, 0, 0xbf, 0x00, 0x20, 0xf3, 0x6d, HLT]);
  const exit = runTo(guest.vcpu, "io");
  assertEquals([exit.size, exit.count, exit.data.length], [2, 3, 6]);
  guest.vcpu.replyIo(new Uint8Array([1, 2, 3, 4, 5, 6]));
  runToHlt(guest.vcpu);
  assertEquals([...guest.ram.subarray(0x2000, 0x2006)], [1, 2, 3, 4, 5, 6]);
});

kvmTest("rep outsb exits once an element", () => {
  // mov cx, 3; mov dx, 0xe9; mov si, 0x1000; rep outsb; hlt
  const code = [0xb9, 3, 0, 0xba, 0xe9, 0, 0xbe, 0x00, 0x10, 0xf3, 0x6e, HLT];
  using guest = guestOf(code);
  for (const byte of code.slice(0, 3)) {
    const exit = runTo(guest.vcpu, "io");
    assertEquals([exit.direction, exit.count, [...exit.data]], ["out", 1, [byte]]);
  }
  runToHlt(guest.vcpu);
});

kvmTest("run() reports an MMIO write of each size", () => {
  // mov eax, 0x04030201; mov ds:[8], al; mov ds:[8], ax; mov ds:[8], eax; hlt
  using guest = guestOf([
    ...DS_BEHIND_RAM,
    ...[0x66, 0xb8, 0x01, 0x02, 0x03, 0x04],
    ...[0xa2, 8, 0, 0xa3, 8, 0, 0x66, 0xa3, 8, 0, HLT],
  ]);
  for (const data of [[1], [1, 2], [1, 2, 3, 4]]) {
    assertEquals(guest.vcpu.run(), {
      reason: "mmio",
      direction: "write",
      address: 0x10008,
      data: new Uint8Array(data),
    });
  }
  runToHlt(guest.vcpu);
});

kvmTest("replyMmio() answers a memory read", () => {
  // mov eax, ds:[0x10]; hlt
  using guest = guestOf([...DS_BEHIND_RAM, 0x66, 0xa1, 0x10, 0x00, HLT]);
  assertEquals(guest.vcpu.run(), {
    reason: "mmio",
    direction: "read",
    address: 0x10010,
    data: new Uint8Array(4),
  });
  guest.vcpu.replyMmio(new Uint8Array([0x78, 0x56, 0x34, 0x12]));
  runToHlt(guest.vcpu);
  assertEquals(guest.vcpu.getRegs().rax, 0x1234_5678n);
});

kvmTest("replies are refused where the guest waits for none, and where they are too long", () => {
  using guest = guestOf([
    ...[0xe4, 0x60], // in al, 0x60
    ...[0xb8, 0x00, 0xf0, 0x8e, 0xd8], // mov ax, 0xf000; mov ds, ax
    ...[0xa1, 0x00, 0x00], // mov ax, [0] (0xf0000, where no memory is)
    HLT,
  ]);
  const { vcpu } = guest;
  const replies = {
    io: () => vcpu.replyIo(new Uint8Array(1)),
    mmio: () => vcpu.replyMmio(new Uint8Array(1)),
    msr: () => vcpu.replyMsr(1n),
    hypercall: () => vcpu.replyHypercall(1n),
  };
  const refused = (...names: (keyof typeof replies)[]) => {
    for (const name of names) assertThrows(replies[name], TypeError, "it does not wait for a");
  };
  refused("io", "mmio", "msr", "hypercall");
  assertEquals(vcpu.run().reason, "io");
  refused("mmio", "msr", "hypercall");
  assertThrows(
    () => vcpu.replyIo(new Uint8Array(2)),
    RangeError,
    "with 2 bytes: the guest reads 1",
  );
  vcpu.complete();
  refused("io");
  assertEquals(vcpu.run().reason, "mmio");
  refused("io", "msr", "hypercall");
  assertThrows(() => vcpu.replyMmio(new Uint8Array(3)), RangeError, "the guest reads 2");
  replies.mmio();
  assertEquals(vcpu.run(), { reason: "hlt" });
  refused("io", "mmio", "msr", "hypercall");
});

kvmTest("replyMsr() answers with a value or a fault", () => {
  // mov ecx, 0x1d9; rdmsr; wrmsr; hlt. #GP: mov bx, 1; hlt
  using guest = guestOf([0x66, 0xb9, 0xd9, 1, 0, 0, 0x0f, 0x32, 0x0f, 0x30, HLT]);
  const GP = 13;
  setVector(guest.ram, GP, 0x2000);
  guest.ram.set([0xbb, 1, 0, HLT], 0x2000);
  guest.vm.enableCap("KVM_CAP_X86_USER_SPACE_MSR", [BigInt(uapi.KVM_MSR_EXIT_REASON_FILTER)]);
  guest.vm.setMsrFilter({
    default: "allow",
    ranges: [{ read: true, write: true, base: 0x1d9, allowed: [false] }],
  });
  const why = uapi.KVM_MSR_EXIT_REASON_FILTER;
  assertEquals(guest.vcpu.run(), { reason: "x86Rdmsr", why, index: 0x1d9, data: 0n });
  guest.vcpu.replyMsr(0x55_0000_0001n);
  const write = { reason: "x86Wrmsr", why, index: 0x1d9, data: 0x55_0000_0001n } as const;
  assertEquals(guest.vcpu.run(), write);
  guest.vcpu.replyMsr("fault");
  runToHlt(guest.vcpu);
  assertEquals(guest.vcpu.getRegs().rbx, 1n);
});

kvmTest("run() reports a triple fault as a shutdown", () => {
  using guest = guestOf([0x0f, 0x0b]); // ud2
  // Protected mode, where no interrupt has a descriptor below this limit.
  const { cr0, cs } = guest.vcpu.getSregs();
  guest.vcpu.setSregs({
    cr0: cr0 | 1n,
    cs: { ...cs, selector: 8, type: 11, s: 1, present: 1, db: 1, g: 1, limit: 0xffff_ffff },
    idt: { base: 0n, limit: 0 },
  });
  assertEquals(guest.vcpu.run(), { reason: "shutdown" });
});

kvmTest("run() goes on in real mode after a shutdown there", () => {
  using guest = guestOf([
    ...[0x0f, 0x01, 0x1e, 0x00, 0x20], // lidt [0x2000]: limit 0
    0xcc, // int3
  ]);
  assertEquals(guest.vcpu.run(), { reason: "shutdown" });
  guest.ram.set([0xb0, 42, 0xf4], CODE); // mov al, 42; hlt
  startAtCode(guest.vcpu);
  assertEquals(runInTime(guest.vcpu), "hlt");
  assertEquals(guest.vcpu.getRegs().rax & 0xffn, 42n);
});

kvmTest("run() gives the instruction that KVM cannot emulate", () => {
  // stmxcsr ds:[0x10]: an access that nobody but KVM's emulator could answer, which lacks it
  using guest = guestOf([...DS_BEHIND_RAM, 0x0f, 0xae, 0x1e, 0x10, 0x00, HLT]);
  const OSFXSR = 1n << 9n;
  guest.vcpu.setSregs({ cr4: OSFXSR });
  const exit = runTo(guest.vcpu, "internalError");
  assertEquals([exit.error, exit.suberror], ["emulation", 1]);
  assertEquals(exit.instruction?.subarray(0, 5), new Uint8Array([0x0f, 0xae, 0x1e, 0x10, 0x00]));
});

// Unfinished exits (api.rst 5): with registers read and set by requests, and through kvm_run.
for (const shared of [false, true]) {
  const how = shared ? " through shared registers" : "";
  const unfinished = (code: number[]) => {
    const guest = guestOf(code);
    if (shared) guest.vcpu.enableSyncRegs();
    return guest;
  };

  kvmTest(`setRegs()${how} after a port read keeps what was read`, () => {
    using guest = unfinished([0xe4, 0x60, HLT]); // in al, 0x60; hlt
    runTo(guest.vcpu, "io");
    guest.vcpu.replyIo(new Uint8Array([0x42]));
    guest.vcpu.setRegs({ rbx: 7n });
    runToHlt(guest.vcpu);
    const { rax, rbx } = guest.vcpu.getRegs();
    assertEquals([rax, rbx], [0x42n, 7n]);
  });

  kvmTest(`setRegs()${how} after a port read decides where the guest goes on`, () => {
    using guest = unfinished([0xe4, 0x60, HLT]);
    guest.ram.set([0xb3, 9, HLT], 0x3000); // mov bl, 9; hlt
    runTo(guest.vcpu, "io");
    guest.vcpu.replyIo(new Uint8Array([0x42]));
    guest.vcpu.setRegs({ rip: 0x3000n, rax: 1n });
    runToHlt(guest.vcpu);
    const { rax, rbx, rip } = guest.vcpu.getRegs();
    assertEquals([rax, rbx, rip], [1n, 9n, 0x3003n]);
  });

  kvmTest(`setSregs()${how} after a port read keeps what was read`, () => {
    using guest = unfinished([0xe4, 0x60, HLT]);
    runTo(guest.vcpu, "io");
    guest.vcpu.replyIo(new Uint8Array([0x42]));
    guest.vcpu.setSregs({ cr2: 0x1234n });
    runToHlt(guest.vcpu);
    assertEquals(guest.vcpu.getRegs().rax, 0x42n);
    assertEquals(guest.vcpu.getSregs().cr2, 0x1234n);
  });

  kvmTest(`setRegs()${how} after a memory read decides what the register holds`, () => {
    using guest = unfinished([...DS_BEHIND_RAM, 0xa0, 0x10, 0x00, HLT]); // mov al, ds:[0x10]; hlt
    runTo(guest.vcpu, "mmio");
    guest.vcpu.replyMmio(new Uint8Array([0x42]));
    guest.vcpu.setRegs({ rax: 5n });
    runToHlt(guest.vcpu);
    const { rax, rip } = guest.vcpu.getRegs();
    assertEquals([rax, rip], [5n, BigInt(CODE + 9)]);
  });

  kvmTest(`setRegs()${how} after an MSR read keeps what was read`, () => {
    using guest = unfinished([0x66, 0xb9, 0xd9, 1, 0, 0, 0x0f, 0x32, HLT]); // rdmsr of 0x1d9; hlt
    guest.vm.enableCap("KVM_CAP_X86_USER_SPACE_MSR", [BigInt(uapi.KVM_MSR_EXIT_REASON_FILTER)]);
    guest.vm.setMsrFilter({
      default: "allow",
      ranges: [{ read: true, base: 0x1d9, allowed: [false] }],
    });
    runTo(guest.vcpu, "x86Rdmsr");
    guest.vcpu.replyMsr(0x42n);
    guest.vcpu.setRegs({ rbx: 7n });
    runToHlt(guest.vcpu);
    const { rax, rbx } = guest.vcpu.getRegs();
    assertEquals([rax, rbx], [0x42n, 7n]);
  });

  kvmTest(`setRegs()${how} after rep insb stores every element`, () => {
    // mov cx, 3; mov dx, 0x60; mov di, 0x2000; rep insb; hlt
    using guest = unfinished([0xb9, 3, 0, 0xba, 0x60, 0, 0xbf, 0x00, 0x20, 0xf3, 0x6c, HLT]);
    assertEquals(runTo(guest.vcpu, "io").count, 3);
    guest.vcpu.replyIo(new Uint8Array([1, 2, 3]));
    guest.vcpu.setRegs({ rbx: 7n });
    assertEquals([...guest.ram.subarray(0x2000, 0x2004)], [1, 2, 3, 0]);
    runToHlt(guest.vcpu);
    const { rbx, rcx, rdi } = guest.vcpu.getRegs();
    assertEquals([rbx, rcx, rdi], [7n, 0n, 0x2003n]);
  });

  kvmTest(`setRegs()${how} in the middle of a memory read across two pages loses nothing`, () => {
    // mov eax, ds:[0xffe], the last two bytes of a page and the first two of the next; hlt
    using guest = unfinished([...DS_BEHIND_RAM, 0x66, 0xa1, 0xfe, 0x0f, HLT]);
    const first = runTo(guest.vcpu, "mmio");
    assertEquals([first.address, first.data.length], [0x10ffe, 2]);
    guest.vcpu.replyMmio(new Uint8Array([0x11, 0x22]));
    for (let i = 0; i < 2; i++) {
      assertEquals(
        assertThrows(() => guest.vcpu.setRegs({ rbx: 7n }), KvmError).message,
        "Cannot set the state of vCPU 0: its mmio access has further parts. " +
          "Answer them and run until the access is complete",
      );
    }
    const second = runTo(guest.vcpu, "mmio");
    assertEquals([second.address, second.data.length], [0x11000, 2]);
    guest.vcpu.replyMmio(new Uint8Array([0x33, 0x44]));
    guest.vcpu.setRegs({ rbx: 7n });
    runToHlt(guest.vcpu);
    const { rax, rbx } = guest.vcpu.getRegs();
    assertEquals([rax, rbx], [0x4433_2211n, 7n]);
  });

  kvmTest(`complete()${how} finishes the instruction and runs no other`, () => {
    // in al, 0x60; inc bx; hlt
    using guest = unfinished([0xe4, 0x60, 0x43, HLT]);
    assertEquals(guest.vcpu.complete(), undefined);
    runTo(guest.vcpu, "io");
    guest.vcpu.replyIo(new Uint8Array([0x42]));
    assertEquals(guest.vcpu.complete(), undefined);
    const { rax, rbx, rip } = guest.vcpu.getRegs();
    assertEquals([rax, rbx, rip], [0x42n, 0n, BigInt(CODE + 2)]);
    assertEquals(guest.vcpu.immediateExit, false);
    runToHlt(guest.vcpu);
    assertEquals(guest.vcpu.getRegs().rbx, 1n);
  });
}

kvmTest("complete() gives the next part of an access across two pages", () => {
  // mov eax, ds:[0xffe]; hlt
  using guest = guestOf([...DS_BEHIND_RAM, 0x66, 0xa1, 0xfe, 0x0f, HLT]);
  runTo(guest.vcpu, "mmio");
  guest.vcpu.replyMmio(new Uint8Array([0x11, 0x22]));
  const next = guest.vcpu.complete();
  assert(next?.reason === "mmio" && next.address === 0x11000);
  guest.vcpu.replyMmio(new Uint8Array([0x33, 0x44]));
  assertEquals(guest.vcpu.complete(), undefined);
  assertEquals(guest.vcpu.getRegs().rax, 0x4433_2211n);
});

kvmTest("immediateExit ends the next run before its first instruction", () => {
  using guest = guestOf([0xb8, 0x2a, 0x00, HLT]);
  assertEquals(guest.vcpu.immediateExit, false);
  guest.vcpu.immediateExit = true;
  assertEquals(guest.vcpu.run(), { reason: "intr" });
  assertEquals(guest.vcpu.getRegs().rip, BigInt(CODE));
  guest.vcpu.immediateExit = false;
  runToHlt(guest.vcpu);
});

kvmTest("run() tries again on EAGAIN", () => {
  let left = 3;
  const libc = faultyLibc((call) => call === "KVM_RUN" && left-- > 0 ? errnos.EAGAIN : undefined);
  using guest = guestOf([HLT], { libc });
  runToHlt(guest.vcpu);
  assertEquals(left, -1);
});

kvmTest("run() reports EINTR, and the next run goes on", () => {
  using guest = guestOf([HLT], { libc: failing("KVM_RUN", errnos.EINTR, 1) });
  assertEquals(guest.vcpu.run(), { reason: "intr" });
  runToHlt(guest.vcpu);
});

kvmTest("run() throws any other error with its remedy", () => {
  using guest = guestOf([HLT], { libc: failing("KVM_RUN", errnos.EFAULT) });
  assertEquals(
    assertThrows(() => guest.vcpu.run(), KvmError).message,
    "Cannot run vCPU 0 (KVM_RUN): bad address (EFAULT). " +
      "The guest reached memory whose mapping is gone or forbids the access",
  );
});

kvmTest("run() gives the memory fault that comes with an error", () => {
  for (const errno of [errnos.EFAULT, errnos.EHWPOISON]) {
    const real = libc();
    // What the kernel writes before it fails so.
    const kernel: { run?: Uint8Array } = {};
    const stub = {
      ...real,
      errno: () => errno,
      ioctl(fd: number, request: bigint, argument: bigint) {
        if (request !== ioctls.KVM_RUN.request) return real.ioctl(fd, request, argument);
        const view = new DataView(kernel.run!.buffer);
        const reason = exitReasons.indexOf("KVM_EXIT_MEMORY_FAULT");
        view.setUint32(Run.offsetOf("exit_reason"), reason, true);
        payloads.memoryFault.write(view, PAYLOAD, { flags: 8n, gpa: 0x5000, size: 4096 });
        return -1;
      },
    };
    using guest = guestOf([HLT], { libc: stub });
    kernel.run = guest.vcpu.kvmRun;
    assertEquals(guest.vcpu.run(), {
      reason: "memoryFault",
      address: 0x5000,
      size: 4096,
      private: true,
    });
  }
});

const SIGRTMIN = 34;

/** A signal set with this one signal. */
const signalSet = (signal: number) =>
  new BigUint64Array([1n << BigInt(signal - 1), ...Array(15).fill(0n)]);

/** Blocks a signal in this thread and sends it there once, 20 ms later; gives what undoes it. */
function signalSoon(signal: number): () => void {
  const SIG_BLOCK = 0;
  const SIG_UNBLOCK = 1;
  const CLOCK_MONOTONIC = 1;
  const SIGEV_THREAD_ID = 4;
  const set = signalSet(signal);
  assertEquals(libc().pthread_sigmask(SIG_BLOCK, set, null), 0);
  // struct sigevent: the value, then the signal, the kind and the thread.
  const event = new Uint8Array(64);
  const view = new DataView(event.buffer);
  view.setInt32(8, signal, true);
  view.setInt32(12, SIGEV_THREAD_ID, true);
  view.setInt32(16, libc().gettid(), true);
  const timer = new BigUint64Array(1);
  assertEquals(libc().timer_create(CLOCK_MONOTONIC, event, timer), 0);
  // struct itimerspec: the interval, then the first expiry, each in seconds and nanoseconds.
  const once = new BigInt64Array([0n, 0n, 0n, 20_000_000n]);
  assertEquals(libc().timer_settime(timer[0]!, 0, once, null), 0);
  return () => {
    libc().timer_delete(timer[0]!);
    libc().pthread_sigmask(SIG_UNBLOCK, set, null);
  };
}

kvmTest("setSignalMask() lets a signal end a guest that loops, and leaves it pending", () => {
  using guest = guestOf([0xeb, 0xfe]); // jmp $
  const undo = signalSoon(SIGRTMIN);
  try {
    guest.vcpu.setSignalMask([]);
    assertEquals(guest.vcpu.run(), { reason: "intr" });
    const noTime = new BigInt64Array(2);
    assertEquals(libc().sigtimedwait(signalSet(SIGRTMIN), null, noTime), SIGRTMIN);
    assertEquals(libc().sigtimedwait(signalSet(SIGRTMIN), null, noTime), -1);
  } finally {
    undo();
  }
});

kvmTest("setSignalMask() keeps the signals out that it names, until it is taken back", () => {
  using guest = guestOf([0xb9, 0, 0, 0xe2, 0xfe, HLT]); // mov cx, 0; loop $; hlt
  const undo = signalSoon(SIGRTMIN);
  try {
    const noTime = new BigInt64Array(2);
    const hundredMs = new BigInt64Array([0n, 100_000_000n]);
    // Pending from here on, but blocked while the guest runs.
    assertEquals(libc().sigtimedwait(signalSet(SIGRTMIN + 1), null, hundredMs), -1);
    guest.vcpu.setSignalMask([SIGRTMIN]);
    runToHlt(guest.vcpu);
    guest.vcpu.setSignalMask();
    guest.vcpu.setRegs({ rip: BigInt(CODE) });
    runToHlt(guest.vcpu);
    assertEquals(libc().sigtimedwait(signalSet(SIGRTMIN), null, noTime), SIGRTMIN);
  } finally {
    undo();
  }
});

kvmTest("setSignalMask() refuses what is no signal", () => {
  using guest = guestOf([HLT]);
  for (const signal of [0, 65, -1, 1.5, NaN]) {
    assertThrows(() => guest.vcpu.setSignalMask([signal]), RangeError, `no signal ${signal}`);
  }
  guest.vcpu.setSignalMask([1, 64]);
});

kvmTest("setters refuse what would be cut", () => {
  using guest = guestOf([HLT]);
  const { vcpu } = guest;
  const { cs } = vcpu.getSregs();
  assertThrows(() => vcpu.setRegs({ rax: 2n ** 64n }), RangeError, "Cannot set rax");
  assertThrows(() => vcpu.setSregs({ cs: { ...cs, limit: 2 ** 32 } }), RangeError, "limit");
  assertThrows(() => vcpu.setXsave(new Uint8Array(100)), RangeError, "100 bytes instead of 4096");
  assertThrows(() => vcpu.setMsrs([{ index: 2 ** 32, data: 0n }]), RangeError, "Cannot set index");
  assertThrows(() => vcpu.interrupt(2 ** 32), RangeError, "Cannot set irq");
  vcpu.setRegs({ rax: -1n });
  assertEquals(vcpu.getRegs().rax, 2n ** 64n - 1n);
});

kvmTest("setRegs() sets what it is given and keeps the rest", () => {
  using guest = guestOf([HLT]);
  const regs = guest.vcpu.getRegs();
  const names = Object.keys(regs).filter((name) => name !== "rflags") as (keyof typeof regs)[];
  const values = Object.fromEntries(
    names.map((name, i) => [name, 0x1111_0000_0000_0000n + BigInt(i)]),
  );
  guest.vcpu.setRegs({ ...values, rflags: 0x246n });
  assertEquals(guest.vcpu.getRegs(), { ...regs, ...values, rflags: 0x246n });
  guest.vcpu.setRegs({ rbx: 5n });
  assertEquals(guest.vcpu.getRegs(), { ...regs, ...values, rflags: 0x246n, rbx: 5n });
});

kvmTest("setSregs() sets what it is given and keeps the rest", () => {
  using guest = guestOf([HLT]);
  const sregs = guest.vcpu.getSregs();
  const ds = { ...sregs.ds, base: 0x20000n, selector: 0x2000 };
  const gdt = { base: 0x5000n, limit: 0x17 };
  guest.vcpu.setSregs({ ds, gdt, cr2: 0x1234n, cr3: 0x6000n });
  assertEquals(guest.vcpu.getSregs(), { ...sregs, ds, gdt, cr2: 0x1234n, cr3: 0x6000n });
});

kvmTest("setSregs() refuses a state that no CPU can be in", () => {
  using guest = guestOf([HLT]);
  const LMA = 1n << 10n;
  assertEquals(
    assertThrows(() => guest.vcpu.setSregs({ efer: LMA, cr4: 1n << 63n }), KvmError).message,
    "Cannot access the registers of vCPU 0 (KVM_SET_SREGS): invalid argument (EINVAL)",
  );
});

kvmTest("setSregs2() restores what getSregs2() read", () => {
  using guest = guestOf([HLT]);
  const sregs = guest.vcpu.getSregs2();
  assertEquals([sregs.pdptrs.length, sregs.flags], [4, 0n]);
  const changed = { ...sregs, cr2: 0x4321n, es: { ...sregs.es, base: 0x30n, selector: 3 } };
  guest.vcpu.setSregs2(changed);
  assertEquals(guest.vcpu.getSregs2(), changed);
  assertEquals(guest.vcpu.getSregs().cr2, 0x4321n);
});

kvmTest("setFpu() sets what getFpu() reads, but for MXCSR", () => {
  using guest = guestOf([HLT]);
  const fpu = guest.vcpu.getFpu();
  assertEquals([fpu.fpr.length, fpu.xmm.length], [128, 256]);
  const changed = {
    ...fpu,
    fcw: 0x37f,
    fpr: Uint8Array.from({ length: 128 }, (_, i) => i % 16 < 10 ? i : 0),
    xmm: Uint8Array.from({ length: 256 }, (_, i) => i),
    mxcsr: 0x1fa0,
  };
  guest.vcpu.setFpu(changed);
  assertEquals(guest.vcpu.getFpu(), { ...changed, mxcsr: 0 });
});

kvmTest("setXsave() sets what getXsave() and the guest read", () => {
  // movups [0x9000], xmm0; hlt
  using guest = guestOf([0x0f, 0x11, 0x06, 0x00, 0x90, HLT]);
  const OSFXSR = 1n << 9n;
  guest.vcpu.setSregs({ cr4: OSFXSR });
  const area = guest.vcpu.getXsave();
  assertEquals(area.length, 4096);
  // Intel SDM vol. 1 §13.4: MXCSR at 24, XMM0 from 160 on, the parts that are in use at 512.
  const view = new DataView(area.buffer);
  view.setUint32(24, 0x1fa0, true);
  area.fill(0x5a, 160, 176);
  area[512]! |= 0b10;
  guest.vcpu.setXsave(area);
  assertEquals(guest.vcpu.getXsave(), area);
  runToHlt(guest.vcpu);
  assertEquals(new Set(guest.ram.subarray(0x9000, 0x9010)), new Set([0x5a]));
  assertEquals(new DataView(guest.vcpu.getXsave().buffer).getUint32(24, true), 0x1fa0);
});

kvmTest("setXcrs() sets what getXcrs() reads", () => {
  using guest = guestOf([HLT]);
  assertEquals(guest.vcpu.getXcrs(), [{ xcr: 0, value: 1n }]);
  const X87_AND_SSE = 3n;
  guest.vcpu.setXcrs([{ xcr: 0, value: X87_AND_SSE }]);
  assertEquals(guest.vcpu.getXcrs(), [{ xcr: 0, value: X87_AND_SSE }]);
});

kvmTest("setDebugregs() sets what getDebugregs() reads", () => {
  using guest = guestOf([HLT]);
  const debugregs = { ...guest.vcpu.getDebugregs(), db: [0x1000n, 0x2000n, 0x3000n, 0x4000n] };
  guest.vcpu.setDebugregs(debugregs);
  assertEquals(guest.vcpu.getDebugregs(), debugregs);
});

kvmTest("setEvents() makes an exception pending, and the guest takes it", () => {
  using guest = guestOf([HLT]);
  const events = guest.vcpu.getEvents();
  assertEquals([events.exception.injected, events.nmi.pending], [false, false]);
  const DE = 0;
  setVector(guest.ram, DE, 0x2000);
  guest.ram.set([0xb3, 1, HLT], 0x2000); // mov bl, 1; hlt
  guest.vcpu.setEvents({ ...events, exception: { ...events.exception, injected: true, nr: DE } });
  assertEquals(guest.vcpu.getEvents().exception.injected, true);
  runToHlt(guest.vcpu);
  assertEquals(guest.vcpu.getRegs().rbx, 1n);
});

kvmTest("setMpState() sets what getMpState() reads", () => {
  using guest = guestOf([HLT], { setUp: (vm) => vm.createIrqchip() });
  assertEquals(guest.vcpu.getMpState(), uapi.KVM_MP_STATE_RUNNABLE);
  guest.vcpu.setMpState(uapi.KVM_MP_STATE_HALTED);
  assertEquals(guest.vcpu.getMpState(), uapi.KVM_MP_STATE_HALTED);
  const second = guest.vm.createVcpu(1);
  assertEquals(second.getMpState(), uapi.KVM_MP_STATE_UNINITIALIZED);
});

kvmTest("setLapic() sets what getLapic() reads", () => {
  using guest = guestOf([HLT], { setUp: (vm) => vm.createIrqchip() });
  const lapic = guest.vcpu.getLapic();
  assertEquals(lapic.length, 1024);
  const TASK_PRIORITY = 0x80;
  lapic[TASK_PRIORITY] = 0x50;
  guest.vcpu.setLapic(lapic);
  assertEquals(guest.vcpu.getLapic()[TASK_PRIORITY], 0x50);
  assertEquals(guest.vcpu.getSregs().cr8, 5n);
});

kvmTest("getLapic() needs the interrupt controller", () => {
  using guest = guestOf([HLT]);
  assertEquals(
    assertThrows(() => guest.vcpu.getLapic(), KvmError).message,
    "Cannot read the state of vCPU 0 (KVM_GET_LAPIC): invalid argument (EINVAL)",
  );
});

const SYSENTER_CS = 0x174;
const SYSENTER_ESP = 0x175;

kvmTest("setMsrs() sets what getMsrs() and the guest read, in their order", () => {
  // mov ecx, 0x175; rdmsr; hlt
  using guest = guestOf([0x66, 0xb9, 0x75, 0x01, 0, 0, 0x0f, 0x32, HLT]);
  guest.vcpu.setMsrs([
    { index: SYSENTER_CS, data: 0x10n },
    { index: SYSENTER_ESP, data: 0x1234_5678n },
  ]);
  assertEquals(guest.vcpu.getMsrs([SYSENTER_ESP, SYSENTER_CS]), [0x1234_5678n, 0x10n]);
  assertEquals(guest.vcpu.getMsrs([]), []);
  runToHlt(guest.vcpu);
  assertEquals(guest.vcpu.getRegs().rax, 0x1234_5678n);
});

kvmTest("getMsrs() and setMsrs() name the MSR that KVM refuses", () => {
  using guest = guestOf([HLT]);
  const NONE = 0x4fff_fff0;
  assertEquals(
    assertThrows(() => guest.vcpu.getMsrs([SYSENTER_CS, NONE]), KvmError).message,
    "Cannot read MSR 0x4ffffff0: this KVM refuses it. Kvm.msrIndices() lists those it knows",
  );
  assertEquals(
    assertThrows(
      () => guest.vcpu.setMsrs([{ index: SYSENTER_CS, data: 8n }, { index: NONE, data: 0n }]),
      KvmError,
    ).message,
    "Cannot set MSR 0x4ffffff0: this KVM refuses it. Kvm.msrIndices() lists those it knows",
  );
  assertEquals(guest.vcpu.getMsrs([SYSENTER_CS]), [8n]);
});

kvmTest("getMsrs() takes as many MSRs as a saved state may have", () => {
  using guest = guestOf([HLT]);
  const state = guest.vcpu.saveState(Array(255).fill(SYSENTER_CS));
  guest.vcpu.restoreState(state);
  const error = assertThrows(() => guest.vcpu.getMsrs(Array(256).fill(SYSENTER_CS)), KvmError);
  assertEquals(error.code, "E2BIG");
});

kvmTest("setTscKhz() sets what getTscKhz() reads, and refuses what is no frequency", () => {
  using guest = guestOf([HLT]);
  const khz = guest.vcpu.getTscKhz();
  assert(khz > 0);
  // Within what KVM takes without scaling, 250 parts in a million (kvm.tsc_tolerance_ppm).
  guest.vcpu.setTscKhz(khz + 1);
  assertEquals(guest.vcpu.getTscKhz(), khz + 1);
  for (const none of [0, -1, 0.5, 2 ** 32]) {
    assertThrows(() => guest.vcpu.setTscKhz(none), RangeError, "that is none");
  }
});

kvmTest("setCpuid() decides what the guest's CPUID answers", () => {
  // mov eax, 0x80000002; cpuid; hlt
  using guest = guestOf([0x66, 0xb8, 0x02, 0x00, 0x00, 0x80, 0x0f, 0xa2, HLT]);
  const leaves = guest.kvm.supportedCpuid().map((leaf) =>
    leaf.function === 0x8000_0002 ? { ...leaf, eax: 1, ebx: 2, ecx: 3, edx: 4 } : leaf
  );
  guest.vcpu.setCpuid(leaves);
  const brand = guest.vcpu.getCpuid().find((leaf) => leaf.function === 0x8000_0002)!;
  assertEquals([brand.eax, brand.ebx, brand.ecx, brand.edx], [1, 2, 3, 4]);
  assertEquals(guest.vcpu.getCpuid().length, leaves.length);
  runToHlt(guest.vcpu);
  const { rax, rbx, rcx, rdx } = guest.vcpu.getRegs();
  assertEquals([rax, rbx, rcx, rdx], [1n, 2n, 3n, 4n]);
});

kvmTest("setGuestDebug() steps through the guest, and stops stepping", () => {
  using guest = guestOf([NOP, NOP, NOP, HLT]);
  guest.vcpu.setGuestDebug({ singleStep: true });
  for (const pc of [CODE + 1, CODE + 2]) {
    const exit = runTo(guest.vcpu, "debug");
    assertEquals([exit.exception, exit.pc], [1, BigInt(pc)]);
    guest.vcpu.setGuestDebug({ singleStep: true });
  }
  guest.vcpu.setGuestDebug();
  runToHlt(guest.vcpu);
});

kvmTest("setRegs() after a port read under single-stepping keeps both", () => {
  using guest = guestOf([0xe4, 0x60, NOP, NOP, HLT]); // in al, 0x60; nop; nop; hlt
  guest.vcpu.setGuestDebug({ singleStep: true });
  runTo(guest.vcpu, "io");
  guest.vcpu.replyIo(new Uint8Array([0x42]));
  guest.vcpu.setRegs({ rbx: 7n });
  guest.vcpu.setGuestDebug({ singleStep: true });
  assertEquals(runTo(guest.vcpu, "debug").pc, BigInt(CODE + 3));
  const { rax, rbx } = guest.vcpu.getRegs();
  assertEquals([rax, rbx], [0x42n, 7n]);
});

kvmTest("setGuestDebug() refuses a fifth hardware breakpoint", () => {
  using guest = guestOf([HLT]);
  assertThrows(
    () => guest.vcpu.setGuestDebug({ hardwareBreakpoints: [1n, 2n, 3n, 4n, 5n] }),
    RangeError,
    "Cannot set 5 hardware breakpoints: the CPU has four",
  );
});

/** Runs two NOPs with a hardware breakpoint at the second. */
function runToHardwareBreakpoint(): Exit {
  using guest = guestOf([NOP, NOP, HLT]);
  guest.vcpu.setGuestDebug({ hardwareBreakpoints: [BigInt(CODE + 1)] });
  return guest.vcpu.run();
}

kvmTest("setGuestDebug() stops at a hardware breakpoint", () => {
  const exit = runToHardwareBreakpoint();
  assert(exit.reason === "debug" && exit.pc === BigInt(CODE + 1));
}, {
  lacks: () =>
    runToHardwareBreakpoint().reason === "hlt"
      ? "this KVM does not stop at hardware breakpoints"
      : undefined,
});

/** Runs a NOP and an INT3 that is to be an exit. */
function runToSoftwareBreakpoint(): Exit {
  using guest = guestOf([NOP, 0xcc, HLT]);
  const BP = 3;
  setVector(guest.ram, BP, 0x2000);
  guest.ram[0x2000] = HLT;
  guest.vcpu.setGuestDebug({ softwareBreakpoints: true });
  return guest.vcpu.run();
}

kvmTest("setGuestDebug() stops at INT3", () => {
  const exit = runToSoftwareBreakpoint();
  assert(exit.reason === "debug" && exit.exception === 3 && exit.pc === BigInt(CODE + 1));
}, {
  lacks() {
    const { reason } = runToSoftwareBreakpoint();
    return reason === "debug" ? undefined : `on this KVM an INT3 in real mode ends in ${reason}`;
  },
});

kvmTest("translate() walks the guest's page tables", () => {
  using guest = guestOf([HLT]);
  const { ram, vcpu } = guest;
  assertEquals(vcpu.translate(0x1234n), 0x1234);
  // PML4 → PDPT → PD: one page of 2 MiB at 1 GiB, present and writable (Intel SDM vol. 3A §4.5).
  const tables = new DataView(ram.buffer);
  tables.setBigUint64(0x2000, 0x3003n, true);
  tables.setBigUint64(0x3008, 0x4003n, true);
  tables.setBigUint64(0x4000, 0x83n, true);
  const sregs = vcpu.getSregs();
  const CR0_PG_PE = 0x8000_0001n;
  vcpu.setSregs({
    cr3: 0x2000n,
    cr4: 1n << 5n, // PAE
    cr0: sregs.cr0 | CR0_PG_PE,
    efer: 0x500n, // LME, LMA
    cs: { ...sregs.cs, type: 11, s: 1, l: 1, db: 0, g: 1, limit: 0xffff_ffff },
  });
  assertEquals(vcpu.translate(0x4000_0000n), 0);
  assertEquals(vcpu.translate(0x4012_3456n), 0x12_3456);
  assertEquals(vcpu.translate(0x4020_0000n), undefined);
  assertEquals(vcpu.translate(0n), undefined);
});

kvmTest("nmi() interrupts the guest", () => {
  using guest = guestOf([NOP, HLT]);
  setVector(guest.ram, 2, 0x2000);
  guest.ram.set([0xb3, 1, HLT], 0x2000); // mov bl, 1; hlt
  guest.vcpu.nmi();
  assertEquals(guest.vcpu.getEvents().nmi.pending, true);
  runToHlt(guest.vcpu);
  assertEquals(guest.vcpu.getRegs().rbx, 1n);
});

kvmTest("interrupt() interrupts a guest that said it is ready", () => {
  // in al, 0x60; sti; jmp $
  using guest = guestOf([0xe4, 0x60, 0xfb, 0xeb, 0xfe]);
  setVector(guest.ram, 0x40, 0x2000);
  guest.ram.set([0xb3, 1, HLT], 0x2000); // mov bl, 1; hlt
  runTo(guest.vcpu, "io");
  assertEquals(guest.vcpu.readyForInterrupt, false);
  guest.vcpu.requestInterruptWindow = true;
  assertEquals(guest.vcpu.requestInterruptWindow, true);
  runTo(guest.vcpu, "irqWindowOpen");
  assertEquals(guest.vcpu.readyForInterrupt, true);
  guest.vcpu.requestInterruptWindow = false;
  guest.vcpu.interrupt(0x40);
  runToHlt(guest.vcpu);
  assertEquals(guest.vcpu.getRegs().rbx, 1n);
});

kvmTest("enableCap() reports a capability that a vCPU does not have", () => {
  using guest = guestOf([HLT]);
  assertEquals(
    assertThrows(() => guest.vcpu.enableCap("KVM_CAP_S390_CSS_SUPPORT"), KvmError).message,
    "Cannot enable KVM_CAP_S390_CSS_SUPPORT (KVM_ENABLE_CAP): invalid argument (EINVAL)",
  );
});

kvmTest("enableCap() switches a vCPU's capability on", () => {
  // mov ecx, 0x4b564d00 (MSR_KVM_WALL_CLOCK_NEW); rdmsr; hlt. #GP: mov bl, 1; hlt
  const code = [0x66, 0xb9, 0x00, 0x4d, 0x56, 0x4b, 0x0f, 0x32, HLT];
  for (const enforced of [false, true]) {
    using guest = guestOf(code);
    const GP = 13;
    setVector(guest.ram, GP, 0x2000);
    guest.ram.set([0xb3, 1, HLT], 0x2000);
    const KVM_CPUID_FEATURES = 0x4000_0001;
    const withoutFeatures = guest.kvm.supportedCpuid().map((leaf) =>
      leaf.function === KVM_CPUID_FEATURES ? { ...leaf, eax: 0 } : leaf
    );
    guest.vcpu.setCpuid(withoutFeatures);
    // The guest may then use only what its CPUID offers.
    if (enforced) guest.vcpu.enableCap("KVM_CAP_ENFORCE_PV_FEATURE_CPUID", [1n]);
    runToHlt(guest.vcpu);
    assertEquals(guest.vcpu.getRegs().rbx, enforced ? 1n : 0n);
  }
});

kvmTest("enableSyncRegs() gives the registers that the requests give", () => {
  // mov ax, 0x2000; mov ds, ax; inc bx; out 0xe9, al; inc bx; hlt
  const code = [0xb8, 0x00, 0x20, 0x8e, 0xd8, 0x43, 0xe6, 0xe9, 0x43, HLT];
  using asked = guestOf(code);
  using shared = guestOf(code);
  assertEquals(shared.vcpu.enableSyncRegs(), { regs: true, sregs: true });
  for (const reason of ["io", "hlt"] as const) {
    assertEquals(shared.vcpu.getRegs(), asked.vcpu.getRegs());
    assertEquals(shared.vcpu.getSregs(), asked.vcpu.getSregs());
    runTo(asked.vcpu, reason);
    runTo(shared.vcpu, reason);
  }
  assertEquals(shared.vcpu.getRegs(), asked.vcpu.getRegs());
  assertEquals(shared.vcpu.getSregs(), asked.vcpu.getSregs());
  assertEquals(shared.vcpu.getRegs().rbx, 2n);
});

kvmTest("enableSyncRegs() costs no request to read or set registers", () => {
  const calls = new Map<string, number>();
  const libc = faultyLibc((call) => {
    calls.set(call, (calls.get(call) ?? 0) + 1);
    return undefined;
  });
  using guest = guestOf([0x43, HLT], { libc }); // inc bx; hlt
  const { vcpu } = guest;
  vcpu.enableSyncRegs();
  calls.clear();
  const cr2 = 0x77n;
  vcpu.setRegs({ rbx: 41n });
  vcpu.setSregs({ cr2 });
  runToHlt(vcpu);
  assertEquals([vcpu.getRegs().rbx, vcpu.getSregs().cr2], [42n, cr2]);
  assertEquals([...calls], [["KVM_RUN", 1]]);
});

kvmTest("enableSyncRegs() can be asked for less, and taken back", () => {
  using guest = guestOf([0x43, HLT]);
  const { vcpu } = guest;
  assertEquals(vcpu.enableSyncRegs({ regs: true }), { regs: true, sregs: false });
  vcpu.setRegs({ rbx: 5n });
  assertEquals(vcpu.enableSyncRegs({}), { regs: false, sregs: false });
  assertEquals(vcpu.getRegs().rbx, 5n);
  runToHlt(vcpu);
  assertEquals(vcpu.getRegs().rbx, 6n);
});

kvmTest("enableSyncRegs() leaves a KVM without the capability to its requests", () => {
  const real = libc();
  const stub = {
    ...real,
    ioctl: (fd: number, request: bigint, argument: bigint) =>
      request === ioctls.KVM_CHECK_EXTENSION.request ? 0 : real.ioctl(fd, request, argument),
  };
  using guest = guestOf([0x43, HLT], { libc: stub });
  assertEquals(guest.vcpu.enableSyncRegs(), { regs: false, sregs: false });
  guest.vcpu.setRegs({ rbx: 8n });
  runToHlt(guest.vcpu);
  assertEquals(guest.vcpu.getRegs().rbx, 9n);
});

kvmTest("shared registers show what other requests changed", () => {
  using guest = guestOf([HLT], { setUp: (vm) => vm.createIrqchip() });
  const { vcpu } = guest;
  vcpu.enableSyncRegs();
  const EFER = 0xc000_0080;
  const FS_BASE = 0xc000_0100;
  vcpu.setMsrs([{ index: EFER, data: 1n }, { index: FS_BASE, data: 0x5000n }]);
  assertEquals([vcpu.getSregs().efer, vcpu.getSregs().fs.base], [1n, 0x5000n]);
  const lapic = vcpu.getLapic();
  lapic[0x80] = 0x30;
  vcpu.setLapic(lapic);
  assertEquals(vcpu.getSregs().cr8, 3n);
  vcpu.setSregs2({ ...vcpu.getSregs2(), cr2: 0x99n });
  assertEquals(vcpu.getSregs().cr2, 0x99n);
  // Setting one of them leaves the others.
  vcpu.setSregs({ cr3: 0x1000n });
  vcpu.immediateExit = true;
  vcpu.run();
  assertEquals(vcpu.getMsrs([EFER, FS_BASE]), [1n, 0x5000n]);
});

kvmTest("requests see shared registers that were set since the last run", () => {
  using guest = guestOf([HLT]);
  const { vcpu } = guest;
  vcpu.enableSyncRegs();
  vcpu.setSregs({ cr2: 0x55n, fs: { ...vcpu.getSregs().fs, base: 0x7000n } });
  assertEquals(vcpu.getSregs2().cr2, 0x55n);
  assertEquals(vcpu.getMsrs([0xc000_0100]), [0x7000n]);
});

kvmTest("CR8 that is set stays set when the guest runs", () => {
  for (const shared of [false, true]) {
    using guest = guestOf([HLT, HLT]);
    const { vcpu } = guest;
    if (shared) vcpu.enableSyncRegs();
    vcpu.setSregs({ cr8: 5n });
    runToHlt(vcpu);
    assertEquals(vcpu.getSregs().cr8, 5n);
    const { interruptBitmap: _, ...system } = vcpu.getSregs();
    if (guest.vm.checkExtension("KVM_CAP_SREGS2") === 0) continue;
    vcpu.setSregs2({ ...system, cr8: 6n, flags: 0n, pdptrs: [0n, 0n, 0n, 0n] });
    runToHlt(vcpu);
    assertEquals(vcpu.getSregs().cr8, 6n);
  }
});

kvmTest("shared registers show an interrupt that waits", () => {
  using guest = guestOf([HLT]);
  const { vcpu } = guest;
  vcpu.enableSyncRegs();
  vcpu.interrupt(0x20);
  const waiting = [1n << 32n, 0n, 0n, 0n];
  assertEquals(vcpu.getSregs().interruptBitmap, waiting);
  const events = vcpu.getEvents();
  vcpu.setEvents({ ...events, interrupt: { ...events.interrupt, injected: false } });
  assertEquals(vcpu.getSregs().interruptBitmap, [0n, 0n, 0n, 0n]);
});

kvmTest("a wrong state of shared registers is refused by the next run", () => {
  using guest = guestOf([HLT]);
  guest.vcpu.enableSyncRegs();
  guest.vcpu.setSregs({ cr4: 1n << 63n });
  assertEquals(
    assertThrows(() => guest.vcpu.run(), KvmError).message,
    "Cannot run vCPU 0 (KVM_RUN): invalid argument (EINVAL)",
  );
});

kvmTest("a wrong state of shared registers is refused by every request until it is mended", () => {
  using guest = guestOf([HLT]);
  guest.vcpu.enableSyncRegs();
  const { cr4 } = guest.vcpu.getSregs();
  guest.vcpu.setSregs({ cr4: 1n << 63n });
  guest.vcpu.setRegs({ rax: 42n });
  for (let i = 0; i < 2; i++) assertThrows(() => guest.vcpu.getEvents(), KvmError, "EINVAL");
  guest.vcpu.setSregs({ cr4 });
  runToHlt(guest.vcpu);
  assertEquals(guest.vcpu.getRegs().rax, 42n);
});

kvmTest("a closed vCPU says so when it is used, and its VM goes on", () => {
  using guest = guestOf([HLT]);
  const before = guest.vcpu.fd;
  guest.vcpu.close();
  guest.vcpu.close();
  assertThrows(() => guest.vcpu.fd, TypeError, "Cannot use vCPU 0: it is closed");
  assertThrows(() => guest.vcpu.setRegs({ rax: 1n }), TypeError);
  const other = guest.vm.createVcpu(1);
  assertNotEquals(other.fd, -1);
  assertEquals(before, other.fd);
  other.setRegs({ rip: BigInt(CODE) });
  const { cs } = other.getSregs();
  other.setSregs({ cs: { ...cs, base: 0n, selector: 0 } });
  runToHlt(other);
});

kvmTest("a vCPU's descriptor is freed with `using`", () => {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  let fd: number;
  {
    using vcpu = vm.createVcpu();
    fd = vcpu.fd;
  }
  const F_GETFD = 1;
  assertEquals(libc().fcntl(fd, F_GETFD, 0n), -1);
});
