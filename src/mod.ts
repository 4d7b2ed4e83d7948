/**
 * The Linux KVM API for Deno: run x86 code in a real virtual machine.
 *
 * From the bottom up: {@linkcode Kvm}, {@linkcode Vm} and {@linkcode Vcpu} are the kernel's API, a
 * method a request; {@linkcode startIn} puts a CPU into a mode; {@linkcode Machine} is a PC with a
 * console, devices and a deadline; {@linkcode loadSource} and {@linkcode readGuest} make a guest, and
 * {@linkcode prove} runs it and checks what it must prove. All of it takes `--allow-ffi`; what the host
 * cannot do is a {@linkcode KvmError}.
 *
 * @example Every exit of a guest: `out 0x42, al; in al, 0x43; hlt`
 * ```ts
 * import { Kvm, startIn } from "@hlt/hlt";
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * const ram = vm.addMemory({ size: 4096 });
 * ram.bytes.set([0xe6, 0x42, 0xe4, 0x43, 0xf4]);
 * const vcpu = vm.createVcpu();
 * startIn(vm, { vcpu, mode: "real", entry: 0, stack: 0x800, ramSize: ram.size });
 * for (let exit = vcpu.run(); exit.reason !== "hlt"; exit = vcpu.run()) {
 *   if (exit.reason !== "io") throw new Error(exit.reason);
 *   console.log(exit.direction, exit.port, exit.data); // "out" 66, then "in" 67
 *   if (exit.direction === "in") vcpu.replyIo(Uint8Array.of(7));
 * }
 * console.log(vcpu.getRegs().rax); // 7n
 * ```
 *
 * @example A request that the library does not have
 * ```ts
 * import { Kvm } from "@hlt/hlt";
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * // _IO(KVMIO, 0x78) of <linux/kvm.h>
 * const KVM_SET_BOOT_CPU_ID = 0xae78n;
 * if (kvm.libc.ioctl(vm.fd, KVM_SET_BOOT_CPU_ID, 1n) < 0) throw new Error(`${kvm.libc.errno()}`);
 * ```
 *
 * @module
 */

export * from "./kvm/mod.ts";
export * from "./x86/mod.ts";
// Not part of the folders' own mod.ts, since running a guest takes none of it.
export * from "./x86/bits.ts";
export * from "./x86/page_walk.ts";
export * from "./guest/labels.ts";
export * from "./kvm/statistics.ts";
export * from "./guest/mod.ts";
export * from "./machine/mod.ts";
