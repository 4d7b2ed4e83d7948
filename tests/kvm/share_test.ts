import { assert, assertEquals, assertThrows } from "@std/assert";
import { Kvm, type SharedVm, uapi } from "../../src/kvm/mod.ts";
import { kvmTest, REPEATS } from "../kvm_host.ts";
import { assertNothingLeaks } from "./faulty_libc.ts";
import { guestOf, runInTime } from "./guest.ts";

const COUNTER = 0x9000;
const ARRIVED = 0x9002;
const TIMES = 5000;

/** Goes on only when two have arrived, so both are running; then counts, and halts. */
const MEET_AND_COUNT = [
  ...[0xf0, 0xff, 0x06, 0x02, 0x90], // lock inc word [ARRIVED]
  ...[0x83, 0x3e, 0x02, 0x90, 0x02], // cmp word [ARRIVED], 2
  ...[0x75, 0xf9], // jne $-5
  ...[0xb9, TIMES & 0xff, TIMES >> 8], // mov cx, TIMES
  ...[0xf0, 0xff, 0x06, 0x00, 0x90], // lock inc word [COUNTER]
  ...[0xe2, 0xf9], // loop $-5
  0xf4, // hlt
];

/** The word at an address. */
function word(ram: Uint8Array, address: number): number {
  return ram[address]! | ram[address + 1]! << 8;
}

/** What this process has open of KVM: `/dev/kvm`, VMs, vCPUs. */
function kvmFiles(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      const target = Deno.readLinkSync(`/proc/self/fd/${name}`);
      return target.includes("kvm") ? [target] : [];
    } catch {
      // The descriptor of the listing itself.
      return [];
    }
  }).sort();
}

/** Whether there is a mapping at this address of this process. */
function isMapped(address: bigint): boolean {
  return Deno.readTextFileSync("/proc/self/maps").trim().split("\n").some((line) => {
    const [from, to] = line.split(" ")[0]!.split("-").map((number) => BigInt(`0x${number}`));
    return from! <= address && address < to!;
  });
}

/** A thread with a vCPU of the VM, ready to run it. */
async function otherThread(shared: SharedVm) {
  const worker = new Worker(new URL("./share_worker.ts", import.meta.url), { type: "module" });
  const says = () =>
    new Promise<unknown>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
  const ready = says();
  worker.postMessage(shared);
  assertEquals(await ready, "ready");
  return {
    /** Runs the vCPU, and gives the reason why it stopped once everything is closed there. */
    run() {
      const ended = says();
      worker.postMessage("go");
      return ended;
    },
    [Symbol.dispose]: () => worker.terminate(),
  };
}

kvmTest("vCPUs of two threads run at the same time on one RAM", async () => {
  const before = kvmFiles();
  {
    using guest = guestOf(MEET_AND_COUNT);
    using other = await otherThread(guest.vm.share());
    const ended = other.run();
    assertEquals([runInTime(guest.vcpu), await ended], ["hlt", "hlt"]);
    assertEquals(word(guest.ram, COUNTER), 2 * TIMES);
  }
  assertEquals(kvmFiles(), before);
});

kvmTest("a VM that is closed under a running vCPU stays for that one's thread", async () => {
  const before = kvmFiles();
  const guest = guestOf(MEET_AND_COUNT);
  const { hostAddress } = guest.memory;
  const shared = guest.vm.share();
  using other = await otherThread(shared);
  const ended = other.run();
  while (word(guest.ram, ARRIVED) === 0) await new Promise((go) => setTimeout(go, 10));
  using kvm = Kvm.open();
  const { bytes } = kvm.attachVm(shared).memory[0]!;
  guest.kvm.close();
  assertEquals([guest.ram.length, bytes.length], [0, 0x10000]);
  bytes[ARRIVED] = 2;
  assertEquals(await ended, "hlt");
  assertEquals(word(bytes, COUNTER), TIMES);
  assert(isMapped(hostAddress));
  kvm.close();
  assertEquals(bytes.length, 0);
  assert(!isMapped(hostAddress));
  assertEquals(kvmFiles(), before);
});

kvmTest("close() of an attached VM leaves the one that was shared as it was", () => {
  using guest = guestOf([0xc6, 0x06, 0x01, 0x90, 0x07, 0xf4]); // mov byte [0x9001], 7; hlt
  using kvm = Kvm.open();
  const before = kvmFiles();
  const rom = guest.vm.addMemory({ size: 4096, guestAddress: 0x10000, readOnly: true });
  const attached = kvm.attachVm(structuredClone(guest.vm.share()));
  assertEquals(attached.fd, guest.vm.fd);
  const slots = [guest.memory, rom].map(({ slot, guestAddress, size, readOnly, hostAddress }) => (
    { slot, guestAddress, size, readOnly, hostAddress }
  ));
  assertEquals(
    attached.memory.map(({ slot, guestAddress, size, readOnly, hostAddress }) => (
      { slot, guestAddress, size, readOnly, hostAddress }
    )),
    slots,
  );
  const ram = attached.memory[0]!;
  ram.write(0x9000, Uint8Array.of(5));
  attached.createVcpu(1);
  attached.close();
  attached.close();
  assertEquals([ram.bytes.length, guest.ram[0x9000]], [0, 5]);
  assertEquals(guest.vcpu.run().reason, "hlt");
  assertEquals(guest.ram[0x9001], 7);
  assertEquals(guest.vm.memory, [guest.memory, rom]);
  assertEquals(kvmFiles(), before);
});

kvmTest("attachVm() refuses a VM that is closed, also where another has its descriptor", () => {
  using kvm = Kvm.open();
  const vm = kvm.createVm();
  const shared = vm.share();
  vm.close();
  using next = kvm.createVm();
  assertEquals(next.fd, shared.descriptor.value);
  assertThrows(() => kvm.attachVm(shared), TypeError, "Cannot attach the VM: it has been closed");
  assertThrows(() => vm.share(), TypeError, "Cannot use the VM: it is closed");
  assertEquals(next.checkExtension("KVM_CAP_USER_MEMORY"), 1);
});

kvmTest("attachVm() refuses a VM of which a slot has been removed, and holds nothing then", () => {
  using kvm = Kvm.open();
  const vm = kvm.createVm();
  const [kept, removed] = [0, 4096].map((guestAddress) =>
    vm.addMemory({ size: 4096, guestAddress })
  );
  const shared = vm.share();
  removed!.remove();
  assertThrows(
    () => kvm.attachVm(shared),
    TypeError,
    "Cannot attach memory slot 1: it has been unmapped",
  );
  using again = kvm.attachVm(vm.share());
  assertEquals(again.memory.map(({ slot }) => slot), [0]);
  again.close();
  const counts = [shared.descriptor, shared.memory[0]!.mapping].map(({ holders }) => holders[0]);
  assertEquals([...counts, kept!.bytes.length], [1, 1, 4096]);
  vm.close();
});

kvmTest("an attached VM refuses what concerns the VM as a whole", () => {
  using guest = guestOf([0xf4], { setUp: (vm) => vm.createIrqchip() });
  using kvm = Kvm.open();
  using attached = kvm.attachVm(guest.vm.share());
  assertEquals(attached.setup, guest.vm.setup);
  const memory = attached.memory[0]!;
  const slot = "set memory slot 0 (65536 bytes at 0x0)";
  const refused: [attempt: string, () => unknown][] = [
    ["add memory", () => attached.addMemory({ size: 4096, guestAddress: 0x10000 })],
    ["take a snapshot", () => attached.snapshot()],
    ["create the interrupt controller", () => attached.createIrqchip()],
    ["create the PIT", () => attached.createPit()],
    ["put the TSS at 0x20000", () => attached.setTssAddress(0x20000)],
    ["put the identity map at 0x20000", () => attached.setIdentityMapAddress(0x20000)],
    ["set memory slot 0 (0 bytes at 0x0)", () => memory.remove()],
    [slot, () => memory.setDirtyLog(true)],
    [slot, () => memory.watchWrites()],
    ["read the dirty log of slot 0", () => memory.dirtyLog()],
  ];
  for (const [attempt, use] of refused) {
    assertEquals(
      assertThrows(use, TypeError).message,
      `Cannot ${attempt}: this VM is attached. Do it with the one that was shared`,
    );
  }
  assertEquals(attached.memory, [memory]);
  assertEquals(memory.bytes.length, 0x10000);
  using vcpu = attached.createVcpu(1);
  assertEquals(vcpu.getMpState(), uapi.KVM_MP_STATE_UNINITIALIZED);
});

kvmTest("VMs shared, attached and closed in either order leave nothing behind", () => {
  assertNothingLeaks(() => {
    for (const first of [0, 1]) {
      using kvm = Kvm.open();
      const vm = kvm.createVm();
      vm.addMemory({ size: 64 * 1024 * 1024 });
      const both = [vm, kvm.attachVm(vm.share())];
      for (const [id, vm] of both.entries()) vm.createVcpu(id);
      both[first]!.close();
      both[1 - first]!.close();
    }
  }, { times: REPEATS / 2, mapsMiB: 128 });
});
