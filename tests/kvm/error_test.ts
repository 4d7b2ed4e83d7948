import { assertEquals, assertMatch } from "@std/assert";
import { callFailed, errnos, KvmError } from "../../src/kvm/error.ts";

Deno.test("KvmError puts the remedy behind what failed", () => {
  const error = new KvmError("Cannot open /dev/kvm: permission denied (EACCES)", {
    operation: "open",
    errno: 13,
    remedy: "Add yourself to the kvm group",
  });
  assertEquals(
    error.message,
    "Cannot open /dev/kvm: permission denied (EACCES). Add yourself to the kvm group",
  );
  assertEquals(
    [error.name, error.operation, error.errno, error.code, error.remedy],
    ["KvmError", "open", 13, "EACCES", "Add yourself to the kvm group"],
  );
});

Deno.test("KvmError without a remedy or a call says only what failed", () => {
  const cause = new Error("cause");
  const error = new KvmError("Cannot do it", { cause });
  assertEquals(error.message, "Cannot do it");
  assertEquals(error.cause, cause);
  assertEquals(
    [error.operation, error.errno, error.code, error.remedy],
    [undefined, undefined, undefined, undefined],
  );
});

Deno.test("callFailed() names the attempt, the call, the reason and the errno", () => {
  const error = callFailed("read the state of vCPU 0", "KVM_GET_REGS", errnos.EBADF);
  assertEquals(
    error.message,
    "Cannot read the state of vCPU 0 (KVM_GET_REGS): bad file descriptor (EBADF)",
  );
});

Deno.test("callFailed() gives the remedy of the call and its errno, else that of the errno", () => {
  assertMatch(
    callFailed("create a VM", "KVM_CREATE_VM", errnos.EBUSY).message,
    /^Cannot create a VM \(KVM_CREATE_VM\): device or resource busy \(EBUSY\)\. Another hypervisor/,
  );
  assertEquals(
    callFailed("create a VM", "KVM_CREATE_VM", errnos.EMFILE).remedy,
    "Close some VMs, or raise the limit: ulimit -n 65536",
  );
  assertEquals(callFailed("create a vCPU", "KVM_CREATE_VCPU", errnos.EMFILE).code, "EMFILE");
});

Deno.test("callFailed() reports an errno it does not know by its number", () => {
  const error = callFailed("do it", "KVM_RUN", 199);
  assertEquals(error.message, "Cannot do it (KVM_RUN): unexpected error (errno 199)");
  assertEquals(error.code, "errno 199");
});

Deno.test("callFailed() ends no message with a period", () => {
  const calls = [
    "open",
    "mmap",
    "KVM_CREATE_VM",
    "KVM_CREATE_VCPU",
    "KVM_CREATE_IRQCHIP",
    "KVM_SET_USER_MEMORY_REGION",
    "KVM_RUN",
  ];
  for (const call of calls) {
    for (const errno of Object.values(errnos)) {
      assertMatch(callFailed("do it", call, errno).message, /^Cannot .*[^.]$/);
    }
  }
});
