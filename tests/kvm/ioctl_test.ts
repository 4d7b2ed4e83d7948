import { assertEquals } from "@std/assert";
import { ioctls } from "../../src/kvm/ioctl.ts";

// What strace prints of any program that uses KVM.
Deno.test("ioctls have the numbers that every KVM program uses", () => {
  assertEquals(ioctls.KVM_GET_API_VERSION.request, 0xae00n);
  assertEquals(ioctls.KVM_RUN.request, 0xae80n);
  assertEquals(ioctls.KVM_SET_USER_MEMORY_REGION.request, 0x4020_ae46n);
  assertEquals(ioctls.KVM_GET_REGS.request, 0x8090_ae81n);
  assertEquals(ioctls.KVM_GET_SUPPORTED_CPUID.request, 0xc008_ae05n);
});

Deno.test("ioctls know their own names", () => {
  for (const [name, ioctl] of Object.entries(ioctls)) assertEquals(ioctl.name, name);
});

Deno.test("no two ioctls share a number", () => {
  const requests = Object.values(ioctls).map(({ request }) => request);
  assertEquals(new Set(requests).size, requests.length);
});
