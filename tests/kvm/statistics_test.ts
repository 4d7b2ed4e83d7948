import { assert, assertEquals, assertThrows } from "@std/assert";
import { KvmError } from "../../src/kvm/mod.ts";
import { statistics } from "../../src/kvm/statistics.ts";
import { kvmTest } from "../kvm_host.ts";
import { failing, faultyLibc, held } from "./faulty_libc.ts";
import { guestOf } from "./guest.ts";

const OUT_HLT = [0xe6, 0x80, 0xf4];

kvmTest("statistics() gives what KVM counts of a vCPU and of a VM", () => {
  using guest = guestOf(OUT_HLT);
  assertEquals(statistics(guest.vcpu).get("exits"), 0n);
  guest.vcpu.run();
  guest.vcpu.run();
  const found = statistics(guest.vcpu);
  assert(found.get("exits")! >= 2n);
  assertEquals(found.get("halt_exits"), 1n);
  assert(statistics(guest.vm).has("mmu_cache_miss"));
});

kvmTest("statistics() says what fails, and leaves no descriptor open", () => {
  using guest = guestOf(OUT_HLT);
  const { descriptors } = held();
  const error = assertThrows(
    () => statistics(guest.vcpu, failing("KVM_GET_STATS_FD", 25)),
    KvmError,
    "Cannot read the statistics (KVM_GET_STATS_FD)",
  );
  assertEquals(error.code, "ENOTTY");
  const libc = { ...faultyLibc(() => undefined), read: () => -1n, errno: () => 5 };
  assertThrows(() => statistics(guest.vcpu, libc), KvmError, "Cannot read the statistics (read)");
  assertEquals(held().descriptors, descriptors);
});
