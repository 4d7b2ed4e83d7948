import { assertEquals, assertObjectMatch, assertThrows } from "@std/assert";
import { Kvm, type Segment, type Sregs, type Vcpu } from "../../src/kvm/mod.ts";
import { tryMode } from "../../src/machine/host.ts";
import {
  type Mode,
  modes,
  PAGE_TABLES_ADDRESS,
  startIn,
  type StartOptions,
} from "../../src/x86/mod.ts";
import { kvmTest } from "../kvm_host.ts";

const MIB = 1024 * 1024;
const HLT = 0xf4;

const PATTERN = 0x1122_3344_5566_7788n;

/** Load the pattern's low bits into AX, EAX or RAX, store them at 0x400, push them, halt. */
const programs = {
  // mov ax, 0x7788; mov [0x400], ax; push ax; hlt
  16: [0xb8, 0x88, 0x77, 0xa3, 0x00, 0x04, 0x50, HLT],
  // mov eax, 0x55667788; mov [0x400], eax; push eax; hlt
  32: [0xb8, 0x88, 0x77, 0x66, 0x55, 0xa3, 0x00, 0x04, 0x00, 0x00, 0x50, HLT],
  // mov rax, 0x1122334455667788; mov [0x400], rax; push rax; hlt
  64: [
    ...[0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11],
    ...[0x48, 0x89, 0x04, 0x25, 0x00, 0x04, 0x00, 0x00, 0x50, HLT],
  ],
} as const;

const allModes = Object.keys(modes) as Mode[];

/** Why the host lacks a mode. Without a usable KVM nothing is lacking: the tests skip for that. */
const lacks = Object.fromEntries(allModes.map((mode) => [mode, whyNot(mode)]));

function whyNot(mode: Mode): string | undefined {
  try {
    const { works, reason } = tryMode(mode);
    return works ? undefined : reason;
  } catch {
    return undefined;
  }
}

/** Runs `test` on a vCPU started in `mode`, with `code` at its entry point. */
function started(
  options: Partial<StartOptions> & { mode: Mode; code?: number[] },
  test: (vcpu: Vcpu, ram: Uint8Array) => void,
): void {
  const { mode, code = [HLT], entry = 0, stack = 0x7000, ramSize = 2 * MIB } = options;
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  const ram = vm.addMemory({ size: ramSize }).bytes;
  ram.set(code, entry);
  const vcpu = vm.createVcpu();
  startIn(vm, { vcpu, mode, entry, stack, ramSize });
  test(vcpu, ram);
}

const flat: Partial<Segment> = {
  base: 0n,
  limit: 0xffff_ffff,
  present: 1,
  dpl: 0,
  s: 1,
  g: 1,
  avl: 0,
};
const realData: Partial<Segment> = {
  base: 0n,
  limit: 0xffff,
  selector: 0,
  type: 3,
  present: 1,
  dpl: 0,
  db: 0,
  s: 1,
  l: 0,
  g: 0,
  avl: 0,
};
const flatData: Partial<Segment> = { ...flat, selector: 0x10, type: 3, db: 1, l: 0 };

/** What a started vCPU must hold: code, data and control registers (Intel SDM vol. 3A §2.5, §3.4.5). */
const states: Record<
  Mode,
  { code: Partial<Segment>; data: Partial<Segment>; control: Partial<Sregs>; idtLimit: number }
> = {
  real: {
    code: { ...realData, type: 11 },
    data: realData,
    control: { cr0: 0x10n, cr3: 0n, cr4: 0n, efer: 0n },
    idtLimit: 0x3ff,
  },
  protected: {
    code: { ...flat, selector: 8, type: 11, db: 1, l: 0 },
    data: flatData,
    control: { cr0: 0x31n, cr3: 0n, cr4: 0n, efer: 0n },
    idtLimit: 0,
  },
  paged: {
    code: { ...flat, selector: 8, type: 11, db: 1, l: 0 },
    data: flatData,
    control: { cr0: 0x8000_0031n, cr3: BigInt(PAGE_TABLES_ADDRESS), cr4: 0x10n, efer: 0n },
    idtLimit: 0,
  },
  long: {
    code: { ...flat, selector: 8, type: 11, db: 0, l: 1 },
    data: flatData,
    control: { cr0: 0x8000_0031n, cr3: BigInt(PAGE_TABLES_ADDRESS), cr4: 0x20n, efer: 0x500n },
    idtLimit: 0,
  },
};

for (const mode of allModes) {
  const { bits, description } = modes[mode];
  const modeTest = (name: string, run: () => void) => kvmTest(name, run, { lacks: lacks[mode] });

  modeTest(`startIn() puts a vCPU into ${description}`, () => {
    started({ mode, entry: 0x1234, stack: 0x6ff0 }, (vcpu) => {
      const sregs = vcpu.getSregs();
      const { code, data, control, idtLimit } = states[mode];
      assertObjectMatch(sregs.cs, code);
      for (const key of ["ds", "es", "fs", "gs", "ss"] as const) {
        assertObjectMatch(sregs[key], data);
      }
      assertObjectMatch(sregs, control);
      assertEquals([sregs.gdt.base, sregs.gdt.limit], [0n, 0]);
      assertEquals([sregs.idt.base, sregs.idt.limit], [0n, idtLimit]);
      const { rip, rsp, rflags, ...others } = vcpu.getRegs();
      assertEquals([rip, rsp, rflags], [0x1234n, 0x6ff0n, 2n]);
      assertEquals(Object.values(others), Array(15).fill(0n));
    });
  });

  modeTest(`startIn() lets a guest compute, store and push in ${description}`, () => {
    const code = [...programs[bits]];
    started({ mode, code, entry: 0x1000, stack: 0x7000 }, (vcpu, ram) => {
      assertEquals(vcpu.run().reason, "hlt");
      const { rax, rip, rsp } = vcpu.getRegs();
      assertEquals([rax, rip], [PATTERN & widthMask(bits), BigInt(0x1000 + code.length)]);
      assertEquals(rsp, BigInt(0x7000 - bits / 8));
      const pattern = littleEndian(PATTERN, bits / 8);
      assertEquals([...ram.subarray(0x400, 0x410)], [...pattern, ...Array(16 - bits / 8).fill(0)]);
      assertEquals([...ram.subarray(Number(rsp), 0x7000)], pattern);
    });
  });

  if (bits > 16) {
    modeTest(`startIn() maps all RAM to itself in ${description}`, () => {
      // In the last page of several: behind 1 GiB in long mode, in a second page directory.
      const ramSize = (bits === 64 ? 1026 : 6) * MIB;
      started({ mode, code: incrementAt(ramSize - 1), ramSize }, (vcpu, ram) => {
        ram[ramSize - 1] = 41;
        assertEquals(vcpu.run().reason, "hlt");
        assertEquals(ram[ramSize - 1], 42);
      });
    });
  }

  if (modes[mode].paging !== "none") {
    modeTest(`startIn() maps nothing above RAM in ${description}`, () => {
      started({ mode, code: incrementAt(8 * MIB) }, (vcpu) => {
        // A page fault without an IDT is a triple fault.
        assertEquals(vcpu.run().reason, "shutdown");
      });
    });
  }

  kvmTest(`startIn() refuses what ${description} cannot reach`, () => {
    const { maxEntry, maxStack } = modes[mode];
    using kvm = Kvm.open();
    using vm = kvm.createVm();
    vm.addMemory({ size: 2 * MIB });
    const vcpu = vm.createVcpu();
    const before = vcpu.getSregs();
    const places = [[maxEntry + 1, 0], [-1, 0], [0.5, 0], [NaN, 0], [0, maxStack + 1], [0, -1]];
    for (const [entry = 0, stack = 0] of places) {
      assertThrows(() => startIn(vm, { vcpu, mode, entry, stack, ramSize: 2 * MIB }), RangeError);
    }
    assertEquals(vcpu.getSregs(), before);
  });
}

kvmTest("startIn() starts real mode below 64 KiB with CS = 0, above with CS = address >> 4", () => {
  // mov ax, cs; mov bx, ds; mov cx, es; mov dx, ss; mov si, fs; mov di, gs; hlt
  const moves = [0xc8, 0xdb, 0xc1, 0xd2, 0xe6, 0xef].flatMap((operands) => [0x8c, operands]);
  const code = [...moves, HLT];
  const entries = [[0, 0, 0], [0xfff3, 0, 0xfff3], [0x1_0000, 0x1000, 0], [0x1_2345, 0x1234, 5]];
  for (const [entry = 0, selector = 0, ip = 0] of entries) {
    started({ mode: "real", code, entry }, (vcpu) => {
      assertEquals(vcpu.getSregs().cs.base, BigInt(selector * 16));
      assertEquals(vcpu.getRegs().rip, BigInt(ip));
      assertEquals(vcpu.run().reason, "hlt");
      const { rax, rbx, rcx, rdx, rsi, rdi, rip } = vcpu.getRegs();
      const found = [rax, rbx, rcx, rdx, rsi, rdi];
      assertEquals(found, Array(6).fill(BigInt(selector)), `0x${entry.toString(16)}`);
      assertEquals(rip, BigInt(ip + code.length));
    });
  }
});

kvmTest("startIn() starts real mode at its last address, 0xfffff", () => {
  started({ mode: "real", entry: 0xf_ffff }, (vcpu) => {
    assertEquals(vcpu.getSregs().cs.selector, 0xffff);
    assertEquals(vcpu.run().reason, "hlt");
  });
});

kvmTest("startIn() leaves nothing of the last guest in the control registers", () => {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  const ram = vm.addMemory({ size: 0x1000 });
  ram.bytes.set([HLT]);
  const vcpu = vm.createVcpu();
  vcpu.setSregs({ cr2: 0x1234n, cr8: 5n });
  startIn(vm, { vcpu, mode: "real", entry: 0, stack: 0x800, ramSize: ram.size });
  assertEquals(vcpu.run().reason, "hlt");
  const { cr2, cr8 } = vcpu.getSregs();
  assertEquals([cr2, cr8], [0n, 0n]);
});

kvmTest("startIn() refuses RAM that 32-bit paging cannot map", () => {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  const vcpu = vm.createVcpu();
  assertThrows(
    () => startIn(vm, { vcpu, mode: "paged", entry: 0, stack: 0, ramSize: 2 ** 32 + 1 }),
    RangeError,
    "its tables reach 4 GiB",
  );
});

function widthMask(bits: number): bigint {
  return (1n << BigInt(bits)) - 1n;
}

function littleEndian(value: bigint, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

/** For 32-bit and 64-bit code: mov ebx, address; inc byte [ebx] or [rbx]; hlt */
function incrementAt(address: number): number[] {
  return [0xbb, ...littleEndian(BigInt(address), 4), 0xfe, 0x03, HLT];
}
