import type { Outcome, Program, Verdict } from "../guest/mod.ts";
import { Kvm } from "../kvm/kvm.ts";
import type { Exit } from "../kvm/mod.ts";
import { modes, startIn, TSS_ADDRESS } from "../x86/mode.ts";

/** The port of the debug console that Bochs and QEMU have too. */
const DEBUG_CONSOLE = 0xe9;

/** Who is told about the steps as they happen. */
export interface Observer {
  /** A step is done. */
  step(title: string, detail: string): void;
  /** The guest's image was copied into its RAM. */
  copied(program: Program): void;
  /** The guest wrote to its console. */
  output(bytes: Uint8Array): void;
}

/** The guest did what nobody handles. */
export class GuestFailure extends Error {
  override readonly name = "GuestFailure";
  /** The exit that ended it. */
  readonly exit: Exit;

  /** @param exit What it did. */
  constructor(exit: Exit) {
    super(`The guest failed: ${exit.reason}`);
    this.exit = exit;
  }
}

/**
 * The minimal KVM host, in its eight steps: runs a guest until it halts and checks what it proved.
 * It has no devices but the debug console, no deadline, and starts the guest with clear registers.
 *
 * @throws {KvmError} When this host cannot do a step.
 * @throws {GuestFailure} When the guest ends in any other way than HLT.
 */
export function eightSteps(program: Program, observer: Observer): Verdict[] {
  const { segments: [{ address, bytes }], entry, stack } = program;
  const { mode, ram: ramSize, expect } = program.settings;

  // 1. Open /dev/kvm and check its API version.
  using kvm = Kvm.open();
  observer.step("Open /dev/kvm", `API version ${kvm.apiVersion}, descriptor ${kvm.fd}`);

  // 2. Create a VM: an empty machine with no memory and no CPU.
  using vm = kvm.createVm();
  vm.setTssAddress(TSS_ADDRESS);
  observer.step("KVM_CREATE_VM", `descriptor ${vm.fd}`);

  // 3. Map memory into this process, and tell KVM that it is the guest's RAM.
  const ram = vm.addMemory({ guestAddress: 0, size: ramSize });
  observer.step(
    "KVM_SET_USER_MEMORY_REGION",
    `${ramSize / 2 ** 20} MiB of RAM at guest address ${hex(0)}, mapped here at ${
      hex(ram.hostAddress)
    }`,
  );

  // 4. Create a CPU. It shares a structure with us, kvm_run, in which it says why it stopped.
  const vcpu = vm.createVcpu();
  observer.step(
    "KVM_CREATE_VCPU",
    `descriptor ${vcpu.fd}, kvm_run of ${vcpu.kvmRun.length / 1024} KiB mapped`,
  );

  // 5. Set the segments and control registers for the mode, then FLAGS and CS:IP.
  startIn(vm, { vcpu, mode, entry, stack, ramSize });
  const { rip, rflags } = vcpu.getRegs();
  const { cs, cr0 } = vcpu.getSregs();
  observer.step(
    "KVM_SET_SREGS, KVM_SET_REGS",
    `${modes[mode].description}: CS:IP = ${hex(cs.selector)}:${hex(rip)}, ` +
      `FLAGS = ${hex(rflags)}, CR0 = ${hex(cr0)}`,
  );

  // 6. Copy the guest into its RAM: to us, that is an array.
  ram.bytes.set(bytes, address);
  observer.step("Copy the guest", `${bytes.length} bytes of ${program.name} to ${hex(address)}`);
  observer.copied(program);

  // 7. Run until the guest halts. Every byte that it writes to the console is an exit.
  const output: number[] = [];
  let exits = 1;
  let exit = vcpu.run();
  for (; exit.reason !== "hlt"; exit = vcpu.run(), exits++) {
    if (exit.reason === "intr") continue;
    if (exit.reason !== "io" || exit.direction !== "out" || exit.port !== DEBUG_CONSOLE) {
      throw new GuestFailure(exit);
    }
    output.push(...exit.data);
    observer.output(exit.data);
  }
  observer.step("KVM_RUN", `${exits} exits, the last one HLT`);

  // 8. Check the registers and the memory.
  const outcome: Outcome = {
    regs: vcpu.getRegs(),
    sregs: vcpu.getSregs(),
    ending: { reason: "hlt" },
    output: Uint8Array.from(output),
    memory: (address, length) =>
      address + length <= ramSize ? ram.bytes.slice(address, address + length) : undefined,
  };
  const verdicts = expect.map((expectation) => expectation.check(outcome));
  observer.step(
    "Check registers and memory",
    `${verdicts.filter(({ holds }) => holds).length} of ${verdicts.length} expectations hold`,
  );
  return verdicts;
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
