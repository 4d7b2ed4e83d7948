import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Kvm, KvmError, PAGE_SIZE, type Vm } from "../../src/kvm/mod.ts";
import { decodeSnapshot, encodeSnapshot, SnapshotFileError } from "../../src/machine/mod.ts";
import { CR0, CR4 } from "../../src/x86/control.ts";
import { startIn } from "../../src/x86/mod.ts";
import { kvmTest, REPEATS } from "../kvm_host.ts";

/**
 * A real-mode guest that counts itself at 0x400, prints the count and adds it to BX:
 * what it does depends on all that a snapshot holds.
 */
const COUNTER = [
  ...[0xff, 0x06, 0x00, 0x04], // inc word [0x400]
  ...[0xa0, 0x00, 0x04], // mov al, [0x400]
  ...[0xe6, 0xe9], // out 0xe9, al
  ...[0x01, 0xc3], // add bx, ax
  0xf4, // hlt
];

/** Runs a VM until it halts: the bytes it wrote to ports, its registers and a word of its memory. */
function runToHalt(vm: Vm) {
  const [vcpu] = vm.vcpus;
  const output: number[] = [];
  for (let exit = vcpu!.run(); exit.reason !== "hlt"; exit = vcpu!.run()) {
    if (exit.reason === "io") output.push(...exit.data);
    else throw new Error(exit.reason);
  }
  return { output, regs: vcpu!.getRegs(), count: vm.memory[0]!.bytes[0x400] };
}

function counterVm(kvm: Kvm, size = 0x4000): Vm {
  const vm = kvm.createVm();
  vm.addMemory({ size }).bytes.set(COUNTER);
  startIn(vm, { vcpu: vm.createVcpu(), mode: "real", entry: 0, stack: 0x1000, ramSize: size });
  return vm;
}

const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
const mappings = () => Deno.readTextFileSync("/proc/self/maps").split("\n").length;

/** V8 maps memory of its own now and then; a leak would be at least one mapping each time. */
function assertFewMore(before: number, times: number): void {
  const more = mappings() - before;
  assert(more < times / 2, `${more} more mappings after ${times} times`);
}

kvmTest("restore() and run again gives the same registers, memory and output", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  using snapshot = vm.snapshot();
  const first = runToHalt(vm);
  assertEquals(first.output, [1]);
  for (let i = 0; i < REPEATS * 10; i++) {
    snapshot.restore();
    assertEquals(runToHalt(vm), first);
  }
});

kvmTest("restore() brings back what the guest wrote to any page, and leaves the others", () => {
  using kvm = Kvm.open();
  const size = 100 * PAGE_SIZE;
  using vm = kvm.createVm();
  const ram = vm.addMemory({ size });
  ram.bytes.forEach((_, i) => ram.bytes[i] = i >> 12);
  ram.bytes.set([0xb8, 0x34, 0x12, 0x8e, 0xd8, 0xc6, 0x06, 0x00, 0x00, 0xff, 0xf4]);
  // mov ax, 0x1234; mov ds, ax; mov byte [0], 0xff; hlt
  startIn(vm, { vcpu: vm.createVcpu(), mode: "real", entry: 0, stack: 0x1000, ramSize: size });
  const before = ram.bytes.slice();
  using snapshot = vm.snapshot();
  assertEquals(vm.vcpus[0]!.run().reason, "hlt");
  assertEquals(ram.bytes[0x12340], 0xff);
  snapshot.restore();
  assertEquals(ram.bytes, before);
});

kvmTest("restore() brings back what the host program wrote and noted", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const [ram] = vm.memory;
  using snapshot = vm.snapshot();
  ram!.write(0x2ffe, Uint8Array.of(1, 2, 3, 4)); // across two pages
  ram!.bytes[0x1001] = 9;
  ram!.markWritten(0x1001, 1);
  snapshot.restore();
  assertEquals([...ram!.bytes.subarray(0x2ffe, 0x3002)], [0, 0, 0, 0]);
  assertEquals(ram!.bytes[0x1001], 0);
});

kvmTest("restore() of several snapshots of one VM, in any order", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const [ram] = vm.memory;
  const snapshots = [];
  for (let i = 0; i < 3; i++) {
    // The second page changes between the snapshots, the third behind them all.
    ram!.write(PAGE_SIZE, Uint8Array.of(i));
    snapshots.push(vm.snapshot());
  }
  ram!.write(2 * PAGE_SIZE, Uint8Array.of(0xee));
  for (const i of [0, 2, 1, 1, 0, 1, 2, 0]) {
    snapshots[i]!.restore();
    assertEquals([ram!.bytes[PAGE_SIZE], ram!.bytes[2 * PAGE_SIZE]], [i, 0]);
    assertEquals(runToHalt(vm).output, [1]);
  }
  for (const snapshot of snapshots) snapshot.close();
});

kvmTest("snapshot() completes an unfinished exit first", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const [vcpu] = vm.vcpus;
  assertEquals(vcpu!.run().reason, "io"); // out 0xe9, al: not complete yet
  using snapshot = vm.snapshot();
  const first = runToHalt(vm);
  assertEquals(first.output, []);
  snapshot.restore();
  assertEquals(runToHalt(vm), first);
});

kvmTest("restore() after an unfinished exit starts from the snapshot all the same", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  using snapshot = vm.snapshot();
  const first = runToHalt(vm);
  snapshot.restore();
  assertEquals(vm.vcpus[0]!.run().reason, "io");
  snapshot.restore();
  assertEquals(runToHalt(vm), first);
});

kvmTest("restore() leaves nothing of an unfinished read of many bytes", () => {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  const ram = vm.addMemory({ size: 0x4000 });
  // mov cx, 4; mov dx, 0x60; mov di, 0x2000; rep insb; hlt
  ram.bytes.set([0xb9, 4, 0, 0xba, 0x60, 0, 0xbf, 0x00, 0x20, 0xf3, 0x6c, 0xf4]);
  const vcpu = vm.createVcpu();
  startIn(vm, { vcpu, mode: "real", entry: 0, stack: 0x1000, ramSize: 0x4000 });
  using snapshot = vm.snapshot();
  assertEquals(vcpu.run().reason, "io");
  vcpu.replyIo(new Uint8Array([1, 2, 3, 4]));
  snapshot.restore();
  assertEquals([...ram.bytes.subarray(0x2000, 0x2004)], [0, 0, 0, 0]);
});

kvmTest("restore() gives up an access whose parts were not all run", () => {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  // mov ax, 0x1000; mov ds, ax; mov eax, ds:[0xffe], which is behind the RAM and across two pages; hlt
  vm.addMemory({ size: 0x4000 }).bytes.set([
    0xb8,
    0,
    0x10,
    0x8e,
    0xd8,
    0x66,
    0xa1,
    0xfe,
    0x0f,
    0xf4,
  ]);
  const vcpu = vm.createVcpu();
  startIn(vm, { vcpu, mode: "real", entry: 0, stack: 0x1000, ramSize: 0x4000 });
  using snapshot = vm.snapshot();
  const before = vcpu.getRegs();
  assertEquals(vcpu.run().reason, "mmio");
  snapshot.restore();
  assertEquals(vcpu.getRegs(), before);
  const exit = vcpu.run();
  assert(exit.reason === "mmio" && exit.address === 0x10ffe, exit.reason);
});

kvmTest("restore() brings back FPU, debug and model-specific registers", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const [vcpu] = vm.vcpus;
  const IA32_SYSENTER_ESP = 0x175;
  vcpu!.setMsrs([{ index: IA32_SYSENTER_ESP, data: 0x1111n }]);
  // The XSAVE area: FCW at 0, XMM3 at 208, XSTATE_BV at 512 (Intel SDM vol. 1 §13.4).
  const xsave = vcpu!.getXsave();
  xsave.set([0x7f, 0x02]);
  xsave[208] = 0x33;
  xsave[512] = 0b11;
  vcpu!.setXsave(xsave);
  using snapshot = vm.snapshot();
  vcpu!.setMsrs([{ index: IA32_SYSENTER_ESP, data: 0x2222n }]);
  vcpu!.setXsave(xsave.with(0, 0x3f).with(208, 0x44));
  vcpu!.setDebugregs({ ...vcpu!.getDebugregs(), db: [5n, 0n, 0n, 0n] });
  snapshot.restore();
  assertEquals(vcpu!.getMsrs([IA32_SYSENTER_ESP]), [0x1111n]);
  assertEquals(vcpu!.getFpu().fcw, 0x27f);
  assertEquals(vcpu!.getFpu().xmm[3 * 16], 0x33);
  assertEquals(vcpu!.getDebugregs().db[0], 0n);
});

kvmTest(
  "restore() and clone() bring back PAE's pointers, which may differ from those in memory",
  () => {
    using kvm = Kvm.open();
    using vm = counterVm(kvm);
    const [vcpu] = vm.vcpus;
    vcpu!.setCpuid(kvm.supportedCpuid());
    // The table of four pointers, the first of which is present.
    vm.memory[0]!.write(0x2000, Uint8Array.of(0x01, 0x30));
    const { cr0 } = vcpu!.getSregs();
    vcpu!.setSregs({ cr0: cr0 | CR0.PE | CR0.PG, cr3: 0x2000n, cr4: CR4.PAE });
    const point = (first: bigint) =>
      vcpu!.setSregs2({ ...vcpu!.getSregs2(), flags: 1n, pdptrs: [first, 0n, 0n, 0n] });
    point(0x1001n);
    using snapshot = vm.snapshot();
    point(0x3001n);
    snapshot.restore();
    using clone = snapshot.clone();
    for (const each of [vm, clone]) {
      assertEquals(each.vcpus[0]!.getSregs2().pdptrs, [0x1001n, 0n, 0n, 0n]);
    }
  },
);

kvmTest("restore() and clone() bring back CR8, and the guest runs with it", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const [vcpu] = vm.vcpus;
  vcpu!.setSregs({ cr8: 5n });
  using snapshot = vm.snapshot();
  vcpu!.setSregs({ cr8: 6n });
  runToHalt(vm);
  snapshot.restore();
  using clone = snapshot.clone();
  for (const each of [vm, clone]) {
    runToHalt(each);
    assertEquals(each.vcpus[0]!.getSregs().cr8, 5n);
  }
});

kvmTest("restore() brings back the registers behind one that KVM refuses to set", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const [vcpu] = vm.vcpus;
  vcpu!.setCpuid(kvm.supportedCpuid());
  // Without an in-kernel local APIC many KVMs list MSR_KVM_ASYNC_PF_INT, give it, and take no value.
  const IA32_TSC_ADJUST = 0x3b;
  assert(kvm.msrIndices().indexOf(0x4b56_4d06) < kvm.msrIndices().indexOf(IA32_TSC_ADJUST));
  vcpu!.setMsrs([{ index: IA32_TSC_ADJUST, data: 1n }]);
  using snapshot = vm.snapshot();
  vcpu!.setMsrs([{ index: IA32_TSC_ADJUST, data: 2n }]);
  snapshot.restore();
  assertEquals(vcpu!.getMsrs([IA32_TSC_ADJUST]), [1n]);
});

kvmTest("restore() and clone() bring back the memory type ranges", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const [vcpu] = vm.vcpus;
  const [MTRR_PHYSBASE0, MTRR_FIX4K_F8000, MTRR_DEF_TYPE] = [0x200, 0x26f, 0x2ff];
  const set = (values: [number, bigint][]) =>
    vcpu!.setMsrs(values.map(([index, data]) => ({ index, data })));
  const [UNCACHED, WRITE_BACK, ENABLED] = [0n, 6n, 0x800n];
  set([[MTRR_PHYSBASE0, 0x1000n | WRITE_BACK], [MTRR_DEF_TYPE, ENABLED | WRITE_BACK]]);
  using snapshot = vm.snapshot();
  set([[MTRR_PHYSBASE0, UNCACHED], [MTRR_FIX4K_F8000, WRITE_BACK], [MTRR_DEF_TYPE, UNCACHED]]);
  snapshot.restore();
  using clone = snapshot.clone();
  for (const { vcpus: [vcpu] } of [vm, clone]) {
    const found = vcpu!.getMsrs([MTRR_PHYSBASE0, MTRR_FIX4K_F8000, MTRR_DEF_TYPE]);
    assertEquals(found, [0x1006n, 0n, 0x806n]);
  }
});

kvmTest("restoreState() refuses a model-specific register that this KVM does not have", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const [vcpu] = vm.vcpus;
  const state = vcpu!.saveState([]);
  // struct kvm_msrs with one entry: the number of entries, the index at 8, the value at 16.
  const msrs = new Uint8Array(24);
  msrs[0] = 1;
  new DataView(msrs.buffer).setUint32(8, 0xdead_beef, true);
  assertThrows(() => vcpu!.restoreState({ ...state, msrs }), KvmError, "set MSR 0xdeadbeef");
});

kvmTest("restore() brings back the interrupt controller and the timer", () => {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  vm.createIrqchip();
  vm.createPit();
  vm.addMemory({ size: PAGE_SIZE });
  vm.createVcpu();
  using snapshot = vm.snapshot();
  const master = vm.getIrqchip(0);
  const pit = vm.getPit();
  vm.setIrqchip({ ...master, chip: master.chip.with(2, 0xab) }); // imr
  vm.setPit({ ...pit, channels: pit.channels.map((channel) => ({ ...channel, mode: 2 })) });
  snapshot.restore();
  assertEquals(vm.getIrqchip(0), master);
  assertEquals(vm.getPit().channels.map(({ mode }) => mode), pit.channels.map(({ mode }) => mode));
});

kvmTest("clone() makes a VM in the same state, and none sees another's writes", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  using snapshot = vm.snapshot();
  const first = runToHalt(vm);
  using one = snapshot.clone();
  assertEquals(runToHalt(one), first);
  one.memory[0]!.bytes[0x1500] = 7;
  using two = snapshot.clone();
  assertEquals(two.memory[0]!.bytes[0x400], 0);
  assertEquals(two.memory[0]!.bytes[0x1500], 0);
  assertEquals(runToHalt(two), first);
  assertEquals(vm.memory[0]!.bytes[0x1500], 0);
  snapshot.restore(one);
  assertEquals(one.memory[0]!.bytes[0x1500], 7, "a raw view's write is not seen");
  assertEquals(runToHalt(one), first);
});

kvmTest("a clone has the read-only slots and the page tables of its origin", () => {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  const size = 2 * 1024 * 1024;
  // 64-bit: mov [0x400], rsp; hlt
  vm.addMemory({ size }).bytes.set([0x48, 0x89, 0x24, 0x25, 0x00, 0x04, 0x00, 0x00, 0xf4]);
  vm.addMemory({ guestAddress: 0xf000_0000, size: PAGE_SIZE, readOnly: true }).bytes[0] = 0x5a;
  startIn(vm, { vcpu: vm.createVcpu(), mode: "long", entry: 0, stack: 0x1234, ramSize: size });
  using snapshot = vm.snapshot();
  using clone = snapshot.clone();
  vm.close();
  assertEquals(clone.vcpus[0]!.run().reason, "hlt");
  assertEquals([...clone.memory[0]!.bytes.subarray(0x400, 0x402)], [0x34, 0x12]);
  assertEquals(clone.memory.map(({ readOnly }) => readOnly), [false, true, false]);
  assertEquals(clone.memory[1]!.bytes[0], 0x5a);
});

kvmTest("snapshots, clones and their VMs leak neither descriptors nor mappings", () => {
  using kvm = Kvm.open();
  const once = () => {
    using vm = counterVm(kvm);
    using snapshot = vm.snapshot();
    using clone = snapshot.clone();
    runToHalt(clone);
    snapshot.close();
    runToHalt(vm);
  };
  once();
  const [files, maps] = [descriptors(), mappings()];
  const times = Math.max(REPEATS / 10, 20);
  for (let i = 0; i < times; i++) once();
  assertEquals(descriptors(), files);
  assertFewMore(maps, times);
});

kvmTest("restore() refuses a VM whose slots have changed, and a closed one", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  using snapshot = vm.snapshot();
  const more = vm.addMemory({ guestAddress: 0x10_0000, size: PAGE_SIZE });
  assertThrows(() => snapshot.restore(), TypeError, "slots");
  more.remove();
  snapshot.restore();
  using other = counterVm(kvm);
  assertThrows(() => snapshot.restore(other), TypeError, "neither the snapshot's own nor a clone");
  vm.close();
  assertThrows(() => snapshot.restore(), TypeError);
});

kvmTest("restore() refuses a VM whose vCPUs have changed", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  vm.createVcpu(1);
  using snapshot = vm.snapshot();
  vm.vcpus[0]!.close();
  assertThrows(() => snapshot.restore(), TypeError, "vCPUs are not those of the snapshot");
  using more = snapshot.clone();
  more.createVcpu(2);
  assertThrows(() => snapshot.restore(more), TypeError, "vCPUs are not those of the snapshot");
});

kvmTest("a snapshot that is closed restores, clones and gives nothing", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const snapshot = vm.snapshot();
  using clone = snapshot.clone();
  snapshot.close();
  snapshot.close();
  const closed = "the snapshot is closed";
  assertThrows(() => snapshot.restore(), TypeError, closed);
  assertThrows(() => snapshot.restore(clone), TypeError, closed);
  assertThrows(() => snapshot.clone(), TypeError, closed);
  assertThrows(() => [...snapshot.memory()], TypeError, closed);
  assertEquals(runToHalt(clone), runToHalt(vm));
  // Nobody watches the VM any more.
  vm.memory[0]!.setDirtyLog(false);
});

kvmTest("snapshot() refuses a VM that is closed", () => {
  using kvm = Kvm.open();
  const vm = counterVm(kvm);
  vm.close();
  assertThrows(() => vm.snapshot(), TypeError, "the VM: it is closed");
});

kvmTest("restore() brings back what the host program wrote to read-only memory", () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  const rom = vm.addMemory({ size: PAGE_SIZE, guestAddress: 0x10_0000, readOnly: true });
  rom.write(0, Uint8Array.of(1));
  using snapshot = vm.snapshot();
  rom.write(0, Uint8Array.of(2));
  using clone = snapshot.clone();
  assertEquals(clone.memory[1]!.bytes[0], 1);
  clone.memory[1]!.write(0, Uint8Array.of(3));
  snapshot.restore();
  snapshot.restore(clone);
  assertEquals([rom.bytes[0], clone.memory[1]!.bytes[0]], [1, 1]);
});

kvmTest("a snapshot survives being written to a file and read back", async () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm);
  vm.memory[0]!.bytes[0x3fff] = 0xee;
  let file;
  {
    using snapshot = vm.snapshot();
    file = await encodeSnapshot(snapshot);
  }
  const first = runToHalt(vm);
  using loaded = await decodeSnapshot(kvm, file);
  assertThrows(() => loaded.restore(), TypeError, "clones only");
  using clone = loaded.clone();
  assertEquals(clone.memory[0]!.bytes[0x3fff], 0xee);
  assertEquals(runToHalt(clone), first);
  loaded.restore(clone);
  assertEquals(runToHalt(clone), first);
});

kvmTest("encodeSnapshot() gives no room to the pages that are all zero", async () => {
  using kvm = Kvm.open();
  using vm = counterVm(kvm, 64 * 1024 * 1024);
  using snapshot = vm.snapshot();
  await encodeSnapshot(snapshot);
  const copies = [...Deno.readDirSync("/proc/self/fd")]
    .map(({ name }) => `/proc/self/fd/${name}`)
    .filter((path) => {
      // The descriptor that read the folder is gone by now.
      try {
        return Deno.readLinkSync(path).includes("hlt-snapshot");
      } catch {
        return false;
      }
    });
  // In units of 512 bytes: the one page that holds the guest.
  assertEquals(copies.map((path) => Deno.statSync(path).blocks), [PAGE_SIZE / 512]);
});

Deno.test("encodeSnapshot() takes as many pages as there are", async () => {
  // Those of 1 GiB, of a byte each.
  const pages = new Map<number, Uint8Array>();
  for (let at = 0; at < 2 ** 30; at += PAGE_SIZE) pages.set(at, Uint8Array.of(1));
  const file = await encodeSnapshot({
    machine: { setup: {}, vcpus: [], irqchips: [], pit: undefined },
    *memory() {
      yield { guestAddress: 0, size: 2 ** 30, readOnly: false, pages };
    },
  });
  assert(file.length > pages.size);
});

kvmTest(
  "decodeSnapshot() refuses every damaged, truncated or foreign file and leaks nothing",
  async () => {
    using kvm = Kvm.open();
    using vm = counterVm(kvm);
    using snapshot = vm.snapshot();
    const file = await encodeSnapshot(snapshot);
    (await decodeSnapshot(kvm, file)).close();
    const files = descriptors();
    const refused = async (bytes: Uint8Array<ArrayBuffer>) => {
      await assertRejects(() => decodeSnapshot(kvm, bytes), SnapshotFileError, "Cannot load");
    };
    for (let length = 0; length < file.length; length += 97) await refused(file.slice(0, length));
    for (let at = 0; at < file.length; at += 101) {
      const damaged = file.slice();
      damaged[at]! ^= 0x10;
      await refused(damaged);
    }
    await refused(new TextEncoder().encode("#!/bin/sh\necho hello\n".repeat(20)));
    assertEquals(descriptors(), files);
  },
);

kvmTest(
  "decodeSnapshot() refuses a state that KVM refuses, and closes what it had made",
  async () => {
    using kvm = Kvm.open();
    using vm = counterVm(kvm);
    using snapshot = vm.snapshot();
    // A vCPU's number that no KVM takes.
    snapshot.machine.vcpus.forEach((vcpu) => Object.assign(vcpu, { id: 0x7fff_ffff }));
    const file = await encodeSnapshot(snapshot);
    const times = 20;
    const refuse = async () => {
      for (let i = 0; i < times; i++) {
        await assertRejects(() => decodeSnapshot(kvm, file), KvmError, "KVM_CREATE_VCPU");
      }
    };
    // The first times V8 maps memory for the garbage that they make.
    await refuse();
    const [files, maps] = [descriptors(), mappings()];
    await refuse();
    assertEquals(descriptors(), files);
    assertFewMore(maps, times);
  },
);
