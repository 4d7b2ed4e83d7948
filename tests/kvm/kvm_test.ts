import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { errnos, KvmError } from "../../src/kvm/error.ts";
import { ioctls } from "../../src/kvm/ioctl.ts";
import { libc } from "../../src/kvm/libc.ts";
import { type CpuidEntry, Kvm, type KvmOptions } from "../../src/kvm/mod.ts";
import { withApicId } from "../../src/x86/mod.ts";
import { kvmTest, REPEATS } from "../kvm_host.ts";
import { assertNothingLeaks, failing, faultyLibc, held } from "./faulty_libc.ts";
import { guestOf } from "./guest.ts";

kvmTest("open() finds API version 12", () => {
  using kvm = Kvm.open();
  assertEquals(kvm.apiVersion, 12);
  assert(kvm.fd > 2);
});

kvmTest("open() refuses any other API version and closes the device", () => {
  const before = held().descriptors;
  for (const version of [11, 13]) {
    const real = libc();
    const stub = {
      ...real,
      ioctl: (fd: number, request: bigint, argument: bigint) =>
        request === ioctls.KVM_GET_API_VERSION.request
          ? version
          : real.ioctl(fd, request, argument),
    };
    assertEquals(
      assertThrows(() => Kvm.open({ libc: stub }), KvmError).message,
      `Cannot use /dev/kvm: its API version is ${version}, and hlt speaks version 12. ` +
        "Every kernel since Linux 2.6.22 has version 12: update the kernel",
    );
  }
  assertEquals(held().descriptors, before);
});

Deno.test("open() says that a path does not exist, and why there may be no KVM", () => {
  const error = assertThrows(() => Kvm.open({ path: "/nonexistent/kvm" }), KvmError);
  assertMatch(error.message, /^Cannot open \/nonexistent\/kvm: .* \(ENOENT\)\. \w/);
  assertEquals([error.operation, error.code], ["open", "ENOENT"]);
});

Deno.test("open() refuses a file that is no KVM and closes it", () => {
  const before = held().descriptors;
  assertEquals(
    assertThrows(() => Kvm.open({ path: "/dev/null" }), KvmError).message,
    "Cannot use /dev/null: it is not a KVM device. The device is /dev/kvm",
  );
  assertEquals(held().descriptors, before);
});

/** Why nobody can be refused here. */
function whyAllMayOpen(): string | undefined {
  if (Deno.uid() !== 0) return "only root can take another user's rights";
  const { mode } = Deno.statSync("/dev/kvm");
  return mode! & 0o006 ? "/dev/kvm is open to every user" : undefined;
}

kvmTest(
  "open() says what a user without permission can do",
  () => {
    const clib = Deno.dlopen("libc.so.6", { setfsuid: { parameters: ["u32"], result: "i32" } });
    const NOBODY = 65534;
    // The user ID that file permissions are checked with, of this thread alone.
    clib.symbols.setfsuid(NOBODY);
    try {
      const error = assertThrows(() => Kvm.open(), KvmError);
      assertMatch(error.message, /^Cannot open \/dev\/kvm: permission denied \(EACCES\)\. \w/);
    } finally {
      clib.symbols.setfsuid(0);
      clib.close();
    }
  },
  { lacks: whyAllMayOpen },
);

kvmTest("checkExtension() knows a capability by name and by number", () => {
  using kvm = Kvm.open();
  assertEquals(kvm.checkExtension("KVM_CAP_USER_MEMORY"), 1);
  assertEquals(kvm.checkExtension(3), 1);
  assert(kvm.checkExtension("KVM_CAP_NR_MEMSLOTS") >= 32);
  assertEquals(kvm.checkExtension("KVM_CAP_S390_PSW"), 0);
  assertEquals(kvm.checkExtension(0x7fff_ffff), 0);
});

kvmTest("vcpuMmapSize is whole pages: kvm_run, the port data and the ring", () => {
  using kvm = Kvm.open();
  assert(kvm.vcpuMmapSize >= 3 * 4096);
  assertEquals(kvm.vcpuMmapSize % 4096, 0);
});

const vendor = ({ ebx, edx, ecx }: CpuidEntry) =>
  new TextDecoder().decode(new Uint32Array([ebx, edx, ecx]));

kvmTest("supportedCpuid() has the CPU's vendor and its features", () => {
  using kvm = Kvm.open();
  const leaves = kvm.supportedCpuid();
  assertMatch(vendor(leaves.find((leaf) => leaf.function === 0)!), /^[A-Za-z ]{12}$/);
  const SSE2 = 1 << 26;
  assert(leaves.find((leaf) => leaf.function === 1)!.edx & SSE2);
});

kvmTest("supportedCpuid() asks for more room until there is enough", () => {
  const rooms: number[] = [];
  const real = libc();
  using kvm = Kvm.open({
    libc: {
      ...real,
      errno: () => rooms.length < 3 ? errnos.E2BIG : real.errno(),
      ioctlStruct(fd, request, argument) {
        if (request !== ioctls.KVM_GET_SUPPORTED_CPUID.request) {
          return real.ioctlStruct(fd, request, argument);
        }
        rooms.push(new DataView((argument as Uint8Array).buffer).getUint32(0, true));
        return rooms.length < 3 ? -1 : real.ioctlStruct(fd, request, argument);
      },
    },
  });
  using plain = Kvm.open();
  // Between the two the thread may have moved to another CPU.
  assertEquals(withApicId(kvm.supportedCpuid(), 0), withApicId(plain.supportedCpuid(), 0));
  assertEquals(rooms, [128, 256, 512]);
});

kvmTest("supportedCpuid() gives up when KVM never has enough room", () => {
  using kvm = Kvm.open({ libc: failing("KVM_GET_SUPPORTED_CPUID", errnos.E2BIG) });
  assertEquals(
    assertThrows(() => kvm.supportedCpuid(), KvmError).message,
    "Cannot read the supported CPUID (KVM_GET_SUPPORTED_CPUID): too many entries (E2BIG)",
  );
});

kvmTest("msrIndices() has SYSENTER_CS, and msrFeatureIndices() other MSRs or none", () => {
  using kvm = Kvm.open();
  const SYSENTER_CS = 0x174;
  assert(kvm.msrIndices().includes(SYSENTER_CS));
  const UCODE_REV = 0x8b;
  assert(kvm.msrFeatureIndices().includes(UCODE_REV));
  assert(!kvm.msrFeatureIndices().includes(SYSENTER_CS));
});

kvmTest("getMsrs() reads the MSRs that describe features, and names one that is none", () => {
  using kvm = Kvm.open();
  const indices = kvm.msrFeatureIndices();
  const values = kvm.getMsrs(indices);
  assertEquals(values.length, indices.length);
  assert(values.some((value) => value > 0n));
  const UCODE_REV = 0x8b;
  const SYSENTER_CS = 0x174;
  assertEquals(
    assertThrows(() => kvm.getMsrs([UCODE_REV, SYSENTER_CS]), KvmError).message,
    "Cannot read MSR 0x174: this KVM refuses it. Kvm.msrFeatureIndices() lists those it knows",
  );
});

kvmTest("msrIndices() reports another error than a lack of room", () => {
  using kvm = Kvm.open({ libc: failing("KVM_GET_MSR_INDEX_LIST", errnos.EFAULT) });
  assertEquals(
    assertThrows(() => kvm.msrIndices(), KvmError).message,
    "Cannot list the MSRs (KVM_GET_MSR_INDEX_LIST): bad address (EFAULT)",
  );
});

kvmTest("createVm() makes VMs that do not know of each other", () => {
  using kvm = Kvm.open();
  using one = kvm.createVm();
  using two = kvm.createVm();
  one.addMemory({ size: 4096 }).bytes[0] = 1;
  two.addMemory({ size: 4096 }).bytes[0] = 2;
  assertEquals([one.memory[0]!.bytes[0], two.memory[0]!.bytes[0]], [1, 2]);
});

kvmTest("createVm() tries again when a signal interrupts it", () => {
  using kvm = Kvm.open({ libc: failing("KVM_CREATE_VM", errnos.EINTR, 3) });
  assertEquals(kvm.createVm().memory, []);
});

kvmTest("createVm() says what to do when another hypervisor holds the CPU", () => {
  using kvm = Kvm.open({ libc: failing("KVM_CREATE_VM", errnos.EBUSY) });
  assertEquals(
    assertThrows(() => kvm.createVm(), KvmError).message,
    "Cannot create a VM (KVM_CREATE_VM): device or resource busy (EBUSY). Another hypervisor " +
      "holds the CPU's virtualization extensions: stop it (VirtualBox: sudo modprobe -r " +
      "vboxnetadp vboxnetflt vboxdrv)",
  );
});

kvmTest("createVm() says what to do when memory runs out", () => {
  using kvm = Kvm.open({ libc: failing("KVM_CREATE_VM", errnos.ENOMEM) });
  assertEquals(
    assertThrows(() => kvm.createVm(), KvmError).message,
    "Cannot create a VM (KVM_CREATE_VM): out of memory (ENOMEM). " +
      "Free some memory, or close other VMs",
  );
});

kvmTest("createVm() says what to do when the process has too many descriptors", async () => {
  const module = new URL("../../src/kvm/mod.ts", import.meta.url);
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      script,
      `import { Kvm } from ${JSON.stringify(module)};
       using kvm = Kvm.open();
       try { for (;;) kvm.createVm(); } catch (error) { console.log(error.message); }`,
    );
    const { stdout, code } = await new Deno.Command("sh", {
      args: [
        "-c",
        'ulimit -n 48; exec "$0" run --no-check --no-lock --allow-ffi "$1"',
        Deno.execPath(),
        script,
      ],
    }).output();
    assertEquals(
      new TextDecoder().decode(stdout),
      "Cannot create a VM (KVM_CREATE_VM): too many open files (EMFILE). " +
        "Close some VMs, or raise the limit: ulimit -n 65536\n",
    );
    assertEquals(code, 0);
  } finally {
    await Deno.remove(script);
  }
});

kvmTest("close() closes what was made of it, and closing again is harmless", () => {
  const before = held();
  const { kvm, vm, vcpu, ram } = guestOf([0xf4]);
  kvm.close();
  kvm.close();
  vm.close();
  vcpu.close();
  assertEquals(ram.length, 0);
  const after = held();
  assertEquals([after.descriptors, after.kvmRuns], [before.descriptors, before.kvmRuns]);
});

kvmTest("a closed KVM says so when it is used", () => {
  const kvm = Kvm.open();
  kvm.close();
  for (const use of [() => kvm.fd, () => kvm.createVm(), () => kvm.supportedCpuid()]) {
    assertThrows(use, TypeError, "Cannot use /dev/kvm: it is closed");
  }
});

kvmTest("everything can be closed in any order", () => {
  const before = held();
  const closers: ((guest: ReturnType<typeof guestOf>) => void)[] = [
    ({ kvm }) => kvm.close(),
    ({ vm }) => vm.close(),
    ({ vcpu }) => vcpu.close(),
    ({ memory }) => memory.remove(),
  ];
  const orders = closers.flatMap((first) =>
    closers.flatMap((second) =>
      closers.flatMap((third) => closers.map((fourth) => [first, second, third, fourth]))
    )
  ).filter((order) => new Set(order).size === 4);
  assertEquals(orders.length, 24);
  for (const order of orders) {
    const guest = guestOf([0xf4]);
    for (const close of order) close(guest);
    assertEquals([guest.ram.length, guest.vcpu.kvmRun.length], [0, 0]);
  }
  const after = held();
  assertEquals([after.descriptors, after.kvmRuns], [before.descriptors, before.kvmRuns]);
});

/** A whole VM's life, with 64 MiB of RAM; one step of it may fail. */
function live(options: KvmOptions): void {
  using kvm = Kvm.open(options);
  using vm = kvm.createVm();
  const ram = vm.addMemory({ size: 64 * 1024 * 1024 });
  ram.bytes[0xfff0] = 0xf4; // hlt, where CS:IP is at reset less CS.base
  const vcpu = vm.createVcpu();
  const { cs } = vcpu.getSregs();
  vcpu.setSregs({ cs: { ...cs, base: 0n, selector: 0 } });
  assertEquals(vcpu.run(), { reason: "hlt" });
}

kvmTest("a VM's life leaves no descriptor and no mapping, whichever call fails", () => {
  const steps = [
    ["open", errnos.ENOENT],
    ["KVM_GET_API_VERSION", errnos.ENOTTY],
    ["KVM_CREATE_VM", errnos.ENOMEM],
    ["mmap", errnos.ENOMEM],
    ["KVM_SET_USER_MEMORY_REGION", errnos.EINVAL],
    ["KVM_GET_VCPU_MMAP_SIZE", errnos.EINVAL],
    ["KVM_CREATE_VCPU", errnos.ENOMEM],
    ["KVM_GET_SREGS", errnos.EINVAL],
    ["KVM_RUN", errnos.EFAULT],
  ] as const;
  for (const [call, errno] of steps) {
    assertNothingLeaks(() => {
      assertThrows(() => live({ libc: failing(call, errno) }), KvmError);
    }, { times: REPEATS / 20, mapsMiB: 64 });
  }
  // The mapping of kvm_run is the second.
  assertNothingLeaks(() => {
    let mappings = 0;
    const libc = faultyLibc((call) =>
      call === "mmap" && ++mappings === 2 ? errnos.ENOMEM : undefined
    );
    assertEquals(
      assertThrows(() => live({ libc }), KvmError).message,
      "Cannot map 12288 bytes of kvm_run (mmap): out of memory (ENOMEM). " +
        "Ask for less RAM, or free some memory",
    );
  }, { times: REPEATS / 20, mapsMiB: 64 });
});

kvmTest(`${REPEATS} VMs made, run and closed leave nothing behind`, () => {
  live({});
  const before = held();
  assertNothingLeaks(() => live({}), { times: REPEATS, mapsMiB: 64 });
  const grown = (held().resident - before.resident) / 1024;
  assert(grown < 32, `${grown} MiB more are resident`);
});
