import { callFailed } from "./error.ts";
import type { Kvm } from "./kvm.ts";
import { cString, type Libc } from "./libc.ts";
import { Mapping, PAGE_SIZE } from "./memory.ts";
import type { CpuidEntry, Irqchip, PitState2 } from "./state.ts";
import type { Vcpu, VcpuState } from "./vcpu.ts";
import type { GuestMemory, Vm, VmSetup } from "./vm.ts";
import type { WriteWatch } from "./write_watch.ts";

// <linux/memfd.h>, <linux/fcntl.h>
const MFD_CLOEXEC = 0x1;
const MFD_ALLOW_SEALING = 0x2;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 0x1;
const F_SEAL_SHRINK = 0x2;
const F_SEAL_GROW = 0x4;
const F_SEAL_WRITE = 0x8;

/** The time-stamp counter runs on whatever happens: it is not restored (Intel SDM vol. 4, 10H). */
const IA32_TIME_STAMP_COUNTER = 0x10;

/**
 * The memory type range registers (Intel SDM vol. 3A §12.11), which `KVM_GET_MSR_INDEX_LIST` leaves out:
 * base and mask of eight variable ranges, the fixed ranges of 64, 16 and 4 KiB, and the default.
 */
const MTRRS: readonly number[] = [
  ...Array.from({ length: 16 }, (_, i) => 0x200 + i),
  ...[0x250, 0x258, 0x259],
  ...Array.from({ length: 8 }, (_, i) => 0x268 + i),
  0x2ff,
];

/** The memory of a slot as it was. */
interface SavedMemory {
  readonly guestAddress: number;
  readonly size: number;
  readonly readOnly: boolean;
  /** A memfd that nobody can write any more: clones map it copy-on-write. */
  readonly fd: number;
  readonly mapping: Mapping;
  /** The pages that are in it, by their offset: to read another would give it room in the memfd. */
  readonly offsets: readonly number[];
}

/** A slot of a VM that can be restored. */
interface Watched {
  readonly memory: GuestMemory;
  readonly watch: WriteWatch;
}

/** A vCPU as it was. */
export interface SavedVcpu {
  /** Its number. */
  readonly id: number;
  /** What its CPUID answers. */
  readonly cpuid: CpuidEntry[];
  /** The rest. */
  readonly state: VcpuState;
}

/** What a snapshot knows besides memory. */
export interface SavedMachine {
  /** What had been created. */
  readonly setup: Readonly<VmSetup>;
  /** The vCPUs. */
  readonly vcpus: readonly SavedVcpu[];
  /** The chips of the interrupt controller; none without one. */
  readonly irqchips: readonly Irqchip[];
  /** The timer, where there is one. */
  readonly pit: PitState2 | undefined;
}

/**
 * The state of a VM at one moment, made by {@linkcode Vm.snapshot}: the VM can be set back to it as
 * often as one likes, and further VMs can be made from it.
 *
 * Restoring copies only the pages that were written since, so that its cost follows what changed and
 * not the size of the memory; but for reading the log, a bit a page, which takes some 10 µs a GiB.
 * (KVM's dirty ring does not grow so, but is to be set up before the first vCPU, ends runs when it
 * is full, and up to 64 MiB is no faster.) The dirty log does not see what the host program writes:
 * {@linkcode GuestMemory.write} notes it, and whoever writes to `bytes` itself calls
 * {@linkcode GuestMemory.markWritten}.
 *
 * What the guest reads from the time-stamp counter, RDRAND or a clock is its own affair: those go on.
 * What KVM knows of a virtual machine that the guest itself runs is no part of it, nor are the
 * registers of the machine-check banks.
 *
 * @example Run the same guest twice from one state
 * ```ts
 * import { Kvm, startIn } from "@hlt/hlt";
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * const ram = vm.addMemory({ size: 4096 });
 * ram.bytes.set([0xff, 0x06, 0x00, 0x04, 0xf4]); // inc word [0x400]; hlt
 * const vcpu = vm.createVcpu();
 * startIn(vm, { vcpu, mode: "real", entry: 0, stack: 0x800, ramSize: ram.size });
 * using snapshot = vm.snapshot();
 * for (let i = 0; i < 2; i++) {
 *   snapshot.restore();
 *   console.log(vcpu.run().reason, ram.bytes[0x400]); // "hlt" 1, both times
 * }
 * ```
 */
export class Snapshot implements Disposable {
  readonly #kvm: Kvm;
  readonly #libc: Libc;
  readonly #origin: Vm | undefined;
  readonly #memory: SavedMemory[] = [];
  readonly #machine: SavedMachine;
  #isClosed = false;
  /** What was written since, in the VM that it was taken of and in its clones. */
  readonly #watched = new WeakMap<Vm, Watched[]>();

  private constructor(kvm: Kvm, machine: SavedMachine, origin?: Vm) {
    this.#kvm = kvm;
    this.#libc = kvm.libc;
    this.#machine = machine;
    this.#origin = origin;
  }

  /** {@linkcode Vm.snapshot} */
  static take(vm: Vm): Snapshot {
    // Throws where the VM is closed, which has nothing to be noted.
    void vm.fd;
    const msrs = [
      ...vm.kvm.msrIndices().filter((index) => index !== IA32_TIME_STAMP_COUNTER),
      ...MTRRS,
    ];
    const snapshot = new Snapshot(vm.kvm, {
      setup: { ...vm.setup },
      vcpus: vm.vcpus.map((vcpu) => ({
        id: vcpu.id,
        cpuid: vcpu.getCpuid(),
        state: vcpu.saveState(msrs),
      })),
      irqchips: vm.setup.irqchip ? CHIPS.map((chip) => vm.getIrqchip(chip)) : [],
      pit: vm.setup.pit && vm.getPit(),
    }, vm);
    try {
      // What is written from now on is noted, so the copy begins behind that.
      snapshot.#watch(vm);
      for (const memory of vm.memory) snapshot.#save(memory, memory.writtenPages());
      return snapshot;
    } catch (error) {
      snapshot.close();
      throw error;
    }
  }

  /**
   * A snapshot of parts that were read from a file; it has no VM of its own, only clones.
   *
   * @throws {KvmError} When this host's memory or KVM cannot take it.
   */
  static from(
    kvm: Kvm,
    machine: SavedMachine,
    memory: Iterable<MemoryImage>,
  ): Snapshot {
    const snapshot = new Snapshot(kvm, machine);
    try {
      for (const image of memory) snapshot.#save(image, image.pages);
      // Whether this KVM takes the state shows only in a VM.
      snapshot.clone().close();
      return snapshot;
    } catch (error) {
      snapshot.close();
      throw error;
    }
  }

  #watch(vm: Vm): void {
    const watched: Watched[] = [];
    this.#watched.set(vm, watched);
    for (const memory of vm.memory) watched.push({ memory, watch: memory.watchWrites() });
  }

  /** Everything but memory, as it was. */
  get machine(): SavedMachine {
    return this.#machine;
  }

  /**
   * The memory, as it was: the pages that are not all zero.
   *
   * @throws {TypeError} When the snapshot is closed.
   */
  *memory(): Generator<MemoryImage> {
    this.#checkOpen("read its memory");
    for (const { guestAddress, size, readOnly, mapping, offsets } of this.#memory) {
      const page = (at: number) => mapping.bytes.subarray(at, at + PAGE_SIZE);
      const pages = new Map(offsets.map((at) => [at, page(at)]));
      yield { guestAddress, size, readOnly, pages };
    }
  }

  /** Copies a slot's memory into a sealed memfd and maps that: what is in no page is zero. */
  #save(
    slot: Pick<GuestMemory, "guestAddress" | "size" | "readOnly">,
    pages: Iterable<[offset: number, page: Uint8Array]>,
  ): void {
    const { guestAddress, size, readOnly } = slot;
    const libc = this.#libc;
    const call = (name: string, result: number) => {
      if (result < 0) throw callFailed("copy the guest's memory", name, libc.errno());
      return result;
    };
    const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    const fd = call("memfd_create", libc.memfd_create(cString("hlt-snapshot"), flags));
    const offsets: number[] = [];
    try {
      call("ftruncate", libc.ftruncate(fd, BigInt(size)));
      {
        using copy = new Mapping(libc, size, { fd, what: "a snapshot" });
        for (const [offset, page] of pages) {
          copy.bytes.set(page, offset);
          offsets.push(offset);
        }
      }
      const seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
      call("fcntl", libc.fcntl(fd, F_ADD_SEALS, BigInt(seals)));
      const mapping = new Mapping(libc, size, { fd, private: true, what: "a snapshot" });
      this.#memory.push({ guestAddress, size, readOnly, fd, mapping, offsets });
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  /**
   * Sets a VM back: the one the snapshot was taken of, or a clone of it.
   *
   * @throws {KvmError} When KVM refuses a part of the state.
   * @throws {TypeError} When memory slots or vCPUs were added to the VM or removed, or it or the
   * snapshot is closed.
   */
  restore(vm: Vm | undefined = this.#origin): void {
    this.#checkOpen("restore");
    if (vm === undefined) throw new TypeError("Cannot restore: this snapshot has clones only");
    const watched = this.#watched.get(vm);
    if (watched === undefined) {
      throw new TypeError("Cannot restore: the VM is neither the snapshot's own nor a clone of it");
    }
    const { memory, vcpus } = vm;
    if (memory.length !== watched.length || watched.some((slot, i) => slot.memory !== memory[i])) {
      throw new TypeError("Cannot restore: the VM's memory slots are not those of the snapshot");
    }
    const saved = this.#machine.vcpus;
    if (vcpus.length !== saved.length || saved.some(({ id }, i) => id !== vcpus[i]!.id)) {
      throw new TypeError("Cannot restore: the VM's vCPUs are not those of the snapshot");
    }
    // An unfinished access still writes to memory.
    for (const vcpu of vcpus) vcpu.abandon();
    for (const [i, slot] of watched.entries()) restoreMemory(slot, this.#memory[i]!.mapping.bytes);
    this.#restoreChips(vm);
    for (const [i, { state }] of saved.entries()) vcpus[i]!.restoreState(state);
  }

  #restoreChips(vm: Vm): void {
    for (const chip of this.#machine.irqchips) vm.setIrqchip(chip);
    if (this.#machine.pit !== undefined) vm.setPit(this.#machine.pit);
  }

  /**
   * Makes a further VM in the same state. Its memory is shared with the snapshot until it is written
   * (copy on write): no clone sees another's writes. What was enabled or registered besides memory,
   * vCPUs, interrupt controller and timer (capabilities, MSR filters, interrupt routes, eventfds,
   * zones) it does not have.
   *
   * @returns The VM, closed by the caller or with its KVM.
   * @throws {KvmError} When KVM cannot make it, or refuses a part of the state.
   * @throws {TypeError} When the snapshot is closed.
   */
  clone(): Vm {
    this.#checkOpen("clone");
    const { setup, vcpus } = this.#machine;
    const vm = this.#kvm.createVm();
    try {
      if (setup.identityMapAddress !== undefined) {
        vm.setIdentityMapAddress(setup.identityMapAddress);
      }
      if (setup.tssAddress !== undefined) vm.setTssAddress(setup.tssAddress);
      if (setup.irqchip) vm.createIrqchip();
      if (setup.pit) vm.createPit(setup.pit);
      for (const { guestAddress, size, readOnly, fd } of this.#memory) {
        vm.addMemory({ guestAddress, size, readOnly, logDirtyPages: true, fd, private: true });
      }
      this.#watch(vm);
      const made: Vcpu[] = vcpus.map(({ id }) => vm.createVcpu(id));
      for (const [i, { cpuid }] of vcpus.entries()) if (cpuid.length > 0) made[i]!.setCpuid(cpuid);
      this.#restoreChips(vm);
      for (const [i, { state }] of vcpus.entries()) made[i]!.restoreState(state);
      return vm;
    } catch (error) {
      vm.close();
      throw error;
    }
  }

  #checkOpen(verb: string): void {
    if (this.#isClosed) throw new TypeError(`Cannot ${verb}: the snapshot is closed`);
  }

  /** Gives up the copy of the memory; VMs and clones live on. Again, it does nothing. */
  close(): void {
    this.#isClosed = true;
    if (this.#origin) this.#watched.get(this.#origin)?.forEach(({ watch }) => watch.close());
    for (const { fd, mapping } of this.#memory.splice(0)) {
      mapping.close();
      this.#libc.close(fd);
    }
  }

  /** {@linkcode Snapshot.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A slot's memory: those of its pages that are not all zero, by their offset. */
export interface MemoryImage {
  /** The guest-physical address of the first byte. */
  readonly guestAddress: number;
  /** In bytes. */
  readonly size: number;
  /** Whether the guest's writes become MMIO exits. */
  readonly readOnly: boolean;
  /** Offset of a page to its 4096 bytes. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
}

/** `KVM_IRQCHIP_PIC_MASTER`, `KVM_IRQCHIP_PIC_SLAVE`, `KVM_IRQCHIP_IOAPIC` */
const CHIPS = [0, 1, 2];

/** Copies back the pages that were written, neighbours together. */
function restoreMemory({ memory, watch }: Watched, saved: Uint8Array): void {
  const pages = watch.take();
  for (let i = 0; i < pages.length;) {
    const first = pages[i]!;
    let end = first;
    while (pages[i] === end) {
      end++;
      i++;
    }
    memory.write(first * PAGE_SIZE, saved.subarray(first * PAGE_SIZE, end * PAGE_SIZE));
  }
  // Other snapshots are told of it; for this one the memory is as it was.
  watch.forget();
}
