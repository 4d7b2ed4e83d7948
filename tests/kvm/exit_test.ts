import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  copyExit,
  type Exit,
  ExitReader,
  exitReasons,
  type IoExit,
  PAYLOAD,
  payloads,
  Run,
} from "../../src/kvm/exit.ts";
import type { Struct } from "../../src/kvm/struct.ts";
import { uapi } from "../../src/kvm/uapi.ts";

const DATA = 4096;

/** A `kvm_run` and the page behind it, as the kernel fills them in. */
class KvmRun {
  readonly bytes = new Uint8Array(2 * 4096);
  readonly view = new DataView(this.bytes.buffer);

  /** Without a payload the union holds what an earlier exit left there. */
  static of<T>(
    reason: (typeof exitReasons)[number] | number,
    payload?: Struct<T>,
    value?: Partial<T>,
  ) {
    const run = new KvmRun();
    const number = typeof reason === "number" ? reason : exitReasons.indexOf(reason);
    run.view.setUint32(Run.offsetOf("exit_reason"), number, true);
    run.bytes.fill(0xee, PAYLOAD, PAYLOAD + 256);
    if (payload !== undefined) run.bytes.set(payload.encode(value), PAYLOAD);
    return run;
  }

  /** Writes the struct behind the type that a Hyper-V or Xen exit begins with. */
  typed<T>(type: number, payload?: Struct<T>, value?: Partial<T>): this {
    this.view.setUint32(PAYLOAD, type, true);
    if (payload !== undefined) this.bytes.set(payload.encode(value), PAYLOAD + 8);
    return this;
  }

  decode(): Exit {
    return copyExit(new ExitReader(this.bytes).read());
  }
}

Deno.test("ExitReader.read() reads a port write of any size and count", () => {
  for (const size of [1, 2, 4] as const) {
    for (const count of [1, 3]) {
      const run = KvmRun.of("KVM_EXIT_IO", payloads.io, {
        direction: uapi.KVM_EXIT_IO_OUT,
        size,
        port: 0xfffe,
        count,
        dataOffset: DATA,
      });
      const written = Uint8Array.from({ length: size * count }, (_, i) => i + 1);
      run.bytes.set(written, DATA);
      assertEquals(run.decode(), {
        reason: "io",
        direction: "out",
        size,
        port: 0xfffe,
        count,
        data: written,
      });
    }
  }
});

Deno.test("copyExit() gives a port read zeros, whatever lies in the page", () => {
  const run = KvmRun.of("KVM_EXIT_IO", payloads.io, {
    direction: uapi.KVM_EXIT_IO_IN,
    size: 2,
    port: 0x60,
    count: 512,
    dataOffset: DATA,
  });
  run.bytes.fill(0xee, DATA);
  assertEquals(run.decode(), {
    reason: "io",
    direction: "in",
    size: 2,
    port: 0x60,
    count: 512,
    data: new Uint8Array(1024),
  });
});

Deno.test("ExitReader.read() reads an MMIO access, of which copyExit() gives a read zeros", () => {
  const data = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  const access = { physAddr: 0xfee0_0000, data, len: 4 };
  assertEquals(KvmRun.of("KVM_EXIT_MMIO", payloads.mmio, { ...access, isWrite: 1 }).decode(), {
    reason: "mmio",
    direction: "write",
    address: 0xfee0_0000,
    data: new Uint8Array([1, 2, 3, 4]),
  });
  assertEquals(KvmRun.of("KVM_EXIT_MMIO", payloads.mmio, { ...access, isWrite: 0 }).decode(), {
    reason: "mmio",
    direction: "read",
    address: 0xfee0_0000,
    data: new Uint8Array(4),
  });
});

Deno.test("ExitReader.read() gives accesses in place, each kind as one object", () => {
  const run = KvmRun.of("KVM_EXIT_IO", payloads.io, {
    direction: uapi.KVM_EXIT_IO_OUT,
    size: 2,
    port: 1,
    count: 1,
    dataOffset: DATA,
  });
  run.bytes.set([1, 2, 3, 4], DATA);
  const reader = new ExitReader(run.bytes);
  const exit = reader.read() as IoExit;
  assertEquals([...exit.data], [1, 2]);
  run.bytes[DATA] = 7;
  assertEquals([...exit.data], [7, 2]);
  // The next access is of another width, at another place.
  const next = {
    direction: uapi.KVM_EXIT_IO_OUT,
    size: 1,
    port: 9,
    count: 1,
    dataOffset: DATA + 3,
  };
  run.bytes.set(payloads.io.encode(next), PAYLOAD);
  assertStrictEquals(reader.read(), exit);
  assertEquals([exit.port, exit.size, ...exit.data], [9, 1, 4]);
});

Deno.test("a copied exit stays as it is", () => {
  const port = KvmRun.of("KVM_EXIT_IO", payloads.io, {
    direction: uapi.KVM_EXIT_IO_OUT,
    size: 1,
    port: 1,
    count: 2,
    dataOffset: DATA,
  });
  port.bytes.set([65, 66], DATA);
  const memory = KvmRun.of("KVM_EXIT_MMIO", payloads.mmio, {
    physAddr: 8,
    data: new Uint8Array(8).fill(7),
    len: 8,
    isWrite: 1,
  });
  const failure = KvmRun.of("KVM_EXIT_INTERNAL_ERROR", payloads.emulationFailure, {
    suberror: uapi.KVM_INTERNAL_ERROR_EMULATION,
    ndata: 4,
    flags: BigInt(uapi.KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES),
    insnSize: 2,
    insnBytes: new Uint8Array(15).fill(0x0f),
  });
  for (const run of [port, memory, failure]) {
    const exit = run.decode();
    const before = structuredClone(exit);
    run.bytes.fill(0xff);
    assertEquals(exit, before);
  }
});

Deno.test("ExitReader.read() reads what the other exits carry", () => {
  const cases: [KvmRun, Exit][] = [
    [
      KvmRun.of("KVM_EXIT_UNKNOWN", payloads.hw, { hardwareExitReason: 0x8000_0021n }),
      { reason: "unknown", hardwareExitReason: 0x8000_0021n },
    ],
    [
      KvmRun.of("KVM_EXIT_EXCEPTION", payloads.ex, { exception: 13, errorCode: 8 }),
      { reason: "exception", exception: 13, errorCode: 8 },
    ],
    [
      KvmRun.of("KVM_EXIT_HYPERCALL", payloads.hypercall, {
        nr: 12n,
        args: [1n, 2n, 3n, 4n, 5n, 6n],
        longmode: 1,
      }),
      { reason: "hypercall", nr: 12n, args: [1n, 2n, 3n, 4n, 5n, 6n], longMode: true },
    ],
    [
      KvmRun.of("KVM_EXIT_DEBUG", payloads.debug, {
        exception: 1,
        pc: 0xffff_8000_0000_1000n,
        dr6: 0xffff_4ff0n,
        dr7: 0x400n,
      }),
      { reason: "debug", exception: 1, pc: 0xffff_8000_0000_1000n, dr6: 0xffff_4ff0n, dr7: 0x400n },
    ],
    [
      KvmRun.of("KVM_EXIT_FAIL_ENTRY", payloads.failEntry, {
        hardwareEntryFailureReason: 0x8000_0021n,
        cpu: 3,
      }),
      { reason: "failEntry", hardwareEntryFailureReason: 0x8000_0021n, cpu: 3 },
    ],
    [
      KvmRun.of("KVM_EXIT_TPR_ACCESS", payloads.tprAccess, { rip: 0x1000n, isWrite: 1 }),
      { reason: "tprAccess", rip: 0x1000n, isWrite: true },
    ],
    [
      KvmRun.of("KVM_EXIT_SYSTEM_EVENT", payloads.systemEvent, {
        type: uapi.KVM_SYSTEM_EVENT_CRASH,
        ndata: 2,
        data: [5n, 6n, 7n],
      }),
      { reason: "systemEvent", type: 3, data: [5n, 6n] },
    ],
    [
      KvmRun.of("KVM_EXIT_IOAPIC_EOI", payloads.eoi, { vector: 0x31 }),
      { reason: "ioapicEoi", vector: 0x31 },
    ],
    [
      KvmRun.of("KVM_EXIT_HYPERV").typed(uapi.KVM_EXIT_HYPERV_SYNIC, payloads.hypervSynic, {
        msr: 0x4000_0080,
        control: 1n,
        evtPage: 0x2000n,
        msgPage: 0x3000n,
      }),
      {
        reason: "hyperv",
        type: "synic",
        msr: 0x4000_0080,
        control: 1n,
        evtPage: 0x2000n,
        msgPage: 0x3000n,
      },
    ],
    [
      KvmRun.of("KVM_EXIT_HYPERV").typed(uapi.KVM_EXIT_HYPERV_HCALL, payloads.hypervHcall, {
        input: 0x5cn,
        result: 2n,
        params: [3n, 4n],
      }),
      { reason: "hyperv", type: "hcall", input: 0x5cn, result: 2n, params: [3n, 4n] },
    ],
    [
      KvmRun.of("KVM_EXIT_HYPERV").typed(uapi.KVM_EXIT_HYPERV_SYNDBG, payloads.hypervSyndbg, {
        msr: 0x4000_00f1,
        control: 1n,
        status: 2n,
        sendPage: 3n,
        recvPage: 4n,
        pendingPage: 5n,
      }),
      {
        reason: "hyperv",
        type: "syndbg",
        msr: 0x4000_00f1,
        control: 1n,
        status: 2n,
        sendPage: 3n,
        recvPage: 4n,
        pendingPage: 5n,
      },
    ],
    [KvmRun.of("KVM_EXIT_HYPERV").typed(9), { reason: "hyperv", type: "unknown", number: 9 }],
    [
      KvmRun.of("KVM_EXIT_XEN").typed(uapi.KVM_EXIT_XEN_HCALL, payloads.xenHcall, {
        longmode: 1,
        cpl: 3,
        input: 17n,
        result: 0n,
        params: [1n, 2n, 3n, 4n, 5n, 6n],
      }),
      {
        reason: "xen",
        type: "hcall",
        longmode: 1,
        cpl: 3,
        input: 17n,
        result: 0n,
        params: [1n, 2n, 3n, 4n, 5n, 6n],
      },
    ],
    [KvmRun.of("KVM_EXIT_XEN").typed(9), { reason: "xen", type: "unknown", number: 9 }],
    [
      KvmRun.of("KVM_EXIT_X86_RDMSR", payloads.msr, {
        reason: uapi.KVM_MSR_EXIT_REASON_FILTER,
        index: 0xc000_0080,
        data: 5n,
      }),
      { reason: "x86Rdmsr", why: 4, index: 0xc000_0080, data: 0n },
    ],
    [
      KvmRun.of("KVM_EXIT_X86_WRMSR", payloads.msr, {
        reason: uapi.KVM_MSR_EXIT_REASON_UNKNOWN,
        index: 0x1d9,
        data: 5n,
      }),
      { reason: "x86Wrmsr", why: 2, index: 0x1d9, data: 5n },
    ],
    [
      KvmRun.of("KVM_EXIT_NOTIFY", payloads.notify, { flags: uapi.KVM_NOTIFY_CONTEXT_INVALID }),
      { reason: "notify", contextInvalid: true },
    ],
    [
      KvmRun.of("KVM_EXIT_NOTIFY", payloads.notify, { flags: 0 }),
      { reason: "notify", contextInvalid: false },
    ],
    [
      KvmRun.of("KVM_EXIT_MEMORY_FAULT", payloads.memoryFault, {
        flags: BigInt(uapi.KVM_MEMORY_EXIT_FLAG_PRIVATE),
        gpa: 0x10_0000,
        size: 4096,
      }),
      { reason: "memoryFault", address: 0x10_0000, size: 4096, private: true },
    ],
    [
      KvmRun.of("KVM_EXIT_MEMORY_FAULT", payloads.memoryFault, { gpa: 0x1000, size: 8192 }),
      { reason: "memoryFault", address: 0x1000, size: 8192, private: false },
    ],
    [
      KvmRun.of("KVM_EXIT_TDX", payloads.tdx, { flags: 1n, nr: 0x10002n }),
      { reason: "tdx", flags: 1n, nr: 0x10002n },
    ],
    [
      KvmRun.of("KVM_EXIT_SNP_REQ_CERTS", payloads.snpReqCerts, { gpa: 0x5000, npages: 2n }),
      { reason: "snpReqCerts", address: 0x5000, pages: 2n },
    ],
  ];
  for (const [run, exit] of cases) assertEquals(run.decode(), exit);
});

Deno.test("ExitReader.read() names an internal error, and one it does not know", () => {
  const names = [
    "unknown",
    "emulation",
    "simultaneousExceptions",
    "deliveryEvent",
    "unexpectedExitReason",
    "unknown",
  ] as const;
  for (const [suberror, error] of names.entries()) {
    const run = KvmRun.of("KVM_EXIT_INTERNAL_ERROR", payloads.internal, {
      suberror,
      ndata: 0,
      data: [1n],
    });
    assertEquals(run.decode(), {
      reason: "internalError",
      suberror,
      error,
      data: [],
      instruction: undefined,
    });
  }
  const run = KvmRun.of("KVM_EXIT_INTERNAL_ERROR", payloads.internal, {
    suberror: uapi.KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
    ndata: 2,
    data: [0x33n, 1n, 9n],
  });
  assertEquals(run.decode(), {
    reason: "internalError",
    suberror: 4,
    error: "unexpectedExitReason",
    data: [0x33n, 1n],
    instruction: undefined,
  });
});

Deno.test("ExitReader.read() gives the instruction that could not be emulated where KVM does", () => {
  const failure = {
    suberror: uapi.KVM_INTERNAL_ERROR_EMULATION,
    flags: BigInt(uapi.KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES),
    insnSize: 3,
    // 0F C7 0F: cmpxchg8b [edi]
    insnBytes: Uint8Array.of(0x0f, 0xc7, 0x0f, ...Array(12).fill(0x90)),
  };
  const instruction = (changes: Partial<typeof failure & { ndata: number }>) => {
    const exit = KvmRun.of("KVM_EXIT_INTERNAL_ERROR", payloads.emulationFailure, {
      ndata: 3,
      ...failure,
      ...changes,
    }).decode();
    return exit.reason === "internalError" && exit.error === "emulation" && exit.instruction;
  };
  assertEquals(instruction({}), new Uint8Array([0x0f, 0xc7, 0x0f]));
  assertEquals(instruction({ flags: 0n }), undefined);
  assertEquals(instruction({ ndata: 0 }), undefined);
});

Deno.test("ExitReader.read() gives every exit that carries nothing a name of its own", () => {
  const withPayload = new Set([
    0,
    1,
    2,
    3,
    4,
    6,
    9,
    12,
    17,
    24,
    26,
    27,
    29,
    30,
    34,
    37,
    39,
    40,
    42,
  ]);
  const bare = [...exitReasons.keys()].filter((number) => !withPayload.has(number));
  assertEquals(
    bare.map((number) => KvmRun.of(number).decode()),
    ([
      "hlt",
      "irqWindowOpen",
      "shutdown",
      "intr",
      "setTpr",
      "s390Sieic",
      "s390Reset",
      "dcr",
      "nmi",
      "osi",
      "paprHcall",
      "s390Ucontrol",
      "watchdog",
      "s390Tsch",
      "epr",
      "s390Stsi",
      "armNisv",
      "dirtyRingFull",
      "apResetHold",
      "x86BusLock",
      "riscvSbi",
      "riscvCsr",
      "loongarchIocsr",
      "armSea",
    ] as const).map((reason) => ({ reason })),
  );
});

Deno.test("ExitReader.read() does not fail on a number it does not know", () => {
  for (const number of [exitReasons.length, 1000, 0xffff_ffff]) {
    assertEquals(KvmRun.of(number).decode(), { reason: "unrecognized", number });
  }
});
