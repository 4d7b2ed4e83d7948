import { loadSource, type Program } from "../src/guest/mod.ts";
import { Kvm, type Vcpu, type Vm } from "../src/kvm/mod.ts";
import { startIn } from "../src/x86/mod.ts";
import { projectFile } from "./programs.ts";

const TSS_ADDRESS = 0xfffb_d000;

/** The example's guest, assembled. */
export function realGuest(): Program {
  const name = "guests/real.asm";
  return loadSource(Deno.readTextFileSync(projectFile(name)), name);
}

/** Makes a VM of a guest, ready to run. */
export function create(
  kvm: Kvm,
  { segments: [{ address, bytes }], entry, stack, settings }: Program,
): { vm: Vm; vcpu: Vcpu; ram: Uint8Array } {
  const vm = kvm.createVm();
  vm.setTssAddress(TSS_ADDRESS);
  const ram = vm.addMemory({ size: settings.ram }).bytes;
  const vcpu = vm.createVcpu();
  startIn(vm, { vcpu, mode: settings.mode, entry, stack, ramSize: settings.ram });
  ram.set(bytes, address);
  return { vm, vcpu, ram };
}

/** Runs the guest to its HLT and checks all that it has to prove. */
export function prove(vcpu: Vcpu, ram: Uint8Array, { settings }: Program): void {
  const output: number[] = [];
  let exit = vcpu.run();
  for (; exit.reason === "io"; exit = vcpu.run()) output.push(exit.data[0]!);
  if (exit.reason !== "hlt") throw new Error(`The guest ended in ${exit.reason}`);
  const outcome = {
    regs: vcpu.getRegs(),
    sregs: vcpu.getSregs(),
    ending: { reason: "hlt" as const },
    output: Uint8Array.from(output),
    memory: (address: number, length: number) => ram.slice(address, address + length),
  };
  for (const expectation of settings.expect) {
    const { holds, found } = expectation.check(outcome);
    if (!holds) throw new Error(`The guest proved nothing: ${found}`);
  }
}

/** A VM's whole life: create it, run the guest, check it, close it. */
export function live(program: Program): void {
  using kvm = Kvm.open();
  const { vcpu, ram } = create(kvm, program);
  prove(vcpu, ram, program);
}
