import { type Capability, capabilityNumber } from "./capability.ts";
import { Descriptor } from "./descriptor.ts";
import type { Shared } from "./holders.ts";
import { type Ioctl, ioctls } from "./ioctl.ts";
import type { Kvm } from "./kvm.ts";
import { addressOf, Mapping, type MappingOptions, PAGE_SIZE } from "./memory.ts";
import { address as address64 } from "./struct.ts";
import type { ClockData, Irqchip, PitState2 } from "./state.ts";
import {
  kvmClockData,
  kvmCoalescedMmioZone,
  kvmDirtyLog,
  kvmEnableCap,
  kvmIoeventfd,
  kvmIrqchip,
  kvmIrqfd,
  kvmIrqLevel,
  kvmIrqRouting,
  kvmIrqRoutingEntry,
  kvmIrqRoutingIrqchip,
  kvmIrqRoutingMsi,
  kvmMsi,
  kvmMsrFilter,
  kvmPitConfig,
  kvmPitState2,
  kvmUserspaceMemoryRegion,
  uapi,
} from "./uapi.ts";
import { Snapshot } from "./snapshot.ts";
import { Vcpu } from "./vcpu.ts";
import { WriteWatch } from "./write_watch.ts";

/** What a memory slot is. */
export interface MemoryOptions {
  /** Its size in bytes: a positive multiple of 4096. */
  size: number;
  /** The guest-physical address it begins at: a multiple of 4096, 0 unless said otherwise. */
  guestAddress?: number;
  /** The guest's writes become MMIO exits (`KVM_MEM_READONLY`). */
  readOnly?: boolean;
  /** KVM notes which pages the guest writes (`KVM_MEM_LOG_DIRTY_PAGES`). */
  logDirtyPages?: boolean;
  /**
   * The file that backs it (a `memfd`); fresh zeroed memory unless said otherwise. It must be long
   * enough, and stay so: whoever touches what lies behind its end is ended by SIGBUS.
   */
  fd?: number;
  /** Where in the file it begins, in bytes. */
  offset?: number;
  /** Writes do not reach the file (copy on write). */
  private?: boolean;
}

/**
 * A memory slot of a VM: a range of guest-physical addresses and the memory of this process that
 * stands behind it (`KVM_SET_USER_MEMORY_REGION`, api.rst 4.35).
 */
export class GuestMemory implements Disposable {
  /** The slot's number in its VM. */
  readonly slot: number;
  /** The guest-physical address of the first byte. */
  readonly guestAddress: number;
  /** In bytes. */
  readonly size: number;
  /** Whether the guest's writes become MMIO exits. */
  readonly readOnly: boolean;
  readonly #mapping: Mapping;
  readonly #vm: Descriptor;
  readonly #removed: () => void;
  readonly #isAttached: boolean;
  readonly #watches = new Set<WriteWatch>();
  #log: DirtyLog | undefined;

  /** Made by {@linkcode Vm.addMemory}, or by {@linkcode Kvm.attachVm} of a slot that there is. */
  constructor(
    vm: Descriptor,
    options: MemoryOptions & {
      slot: number;
      mapping: Mapping;
      removed: () => void;
      isAttached?: boolean;
    },
  ) {
    this.#vm = vm;
    this.slot = options.slot;
    this.guestAddress = options.guestAddress ?? 0;
    this.size = options.size;
    this.readOnly = options.readOnly ?? false;
    this.#mapping = options.mapping;
    this.#removed = options.removed;
    this.#isAttached = options.isAttached ?? false;
    if (!this.#isAttached) this.setDirtyLog(options.logDirtyPages ?? false);
  }

  /**
   * The memory itself, from the first byte to the last. Its length is 0 after
   * {@linkcode GuestMemory.remove} or {@linkcode Vm.close}; so is that of every view of its buffer.
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#mapping.bytes;
  }

  /**
   * The pages that are not all zero, by their offset; those of fresh memory that nobody has touched
   * are not looked at.
   */
  writtenPages(): Generator<[offset: number, page: Uint8Array<ArrayBuffer>]> {
    return this.#mapping.writtenPages();
  }

  /** Where the memory lies in this process, or lay before it was removed. */
  get hostAddress(): bigint {
    return this.#mapping.address;
  }

  /**
   * Writes `bytes` at `offset` and notes it ({@linkcode GuestMemory.markWritten}).
   *
   * @throws {RangeError} When they do not fit.
   * @throws {TypeError} When the slot has been removed.
   */
  write(offset: number, bytes: Uint8Array): void {
    this.#checkPresent();
    this.markWritten(offset, bytes.length);
    this.bytes.set(bytes, offset);
  }

  /**
   * Notes that the host program has written `length` bytes at `offset`, which KVM's dirty log does
   * not see: a {@linkcode Snapshot} restores those pages too. Whoever writes to
   * {@linkcode GuestMemory.bytes} itself says so here.
   *
   * @throws {RangeError} When they are not all in the slot.
   */
  markWritten(offset: number, length: number): void {
    const isInside = Number.isInteger(offset) && Number.isInteger(length) &&
      0 <= offset && 0 <= length && offset + length <= this.size;
    if (!isInside) {
      throw new RangeError(
        `Cannot write ${length} bytes at ${offset}: memory slot ${this.slot} has ${this.size}`,
      );
    }
    if (length === 0) return;
    for (const watch of this.#watches) watch.addBytes(offset, length);
  }

  /**
   * Watches from now on which pages are written; it takes the dirty log of KVM, which stays on.
   *
   * @throws {TypeError} When the slot has been removed.
   */
  watchWrites(): WriteWatch {
    if (this.#log === undefined) this.setDirtyLog(true);
    // What was written before is the affair of the others.
    else this.#collect();
    const watch = new WriteWatch(this.size / PAGE_SIZE, {
      collect: () => this.#collect(),
      closed: (watch) => this.#watches.delete(watch),
    });
    this.#watches.add(watch);
    return watch;
  }

  /** The slot's number may be another's by now, and the memory of this process something else. */
  #checkPresent(): void {
    if (this.#mapping.closed) {
      throw new TypeError(`Cannot use memory slot ${this.slot}: it has been removed`);
    }
  }

  /** Reads KVM's log, which is empty then, and hands it to everybody who watches. */
  #collect(): Uint32Array<ArrayBuffer> {
    this.#checkPresent();
    const attempt = `read the dirty log of slot ${this.slot}`;
    if (this.#isAttached) throw attached(attempt);
    const { bits, argument } = this.#log ?? dirtyLog(this.slot, this.size);
    this.#vm.ioctl(ioctls.KVM_GET_DIRTY_LOG, argument, attempt);
    for (let i = 0; i < bits.length; i++) {
      if (bits[i] !== 0) { for (const watch of this.#watches) watch.addPages(i, bits[i]!); }
    }
    return bits;
  }

  /**
   * Makes KVM log which pages the guest writes (`KVM_MEM_LOG_DIRTY_PAGES`), or stop it.
   *
   * @throws {TypeError} When it is to stop while somebody watches, or the slot has been removed.
   */
  setDirtyLog(enabled: boolean): void {
    this.#checkPresent();
    if (!enabled && this.#watches.size > 0) {
      throw new TypeError(`Cannot stop the dirty log of slot ${this.slot}: it is being watched`);
    }
    this.#set(
      this.size,
      (this.readOnly ? uapi.KVM_MEM_READONLY : 0) | (enabled ? uapi.KVM_MEM_LOG_DIRTY_PAGES : 0),
    );
    this.#log = enabled ? dirtyLog(this.slot, this.size) : undefined;
  }

  /**
   * The pages the guest has written since the last call (`KVM_GET_DIRTY_LOG`, api.rst 4.8), and
   * with some KVMs those it has read for the first time. What the host program writes is not among
   * them, nor what a watch ({@linkcode GuestMemory.watchWrites}) has taken meanwhile.
   *
   * @returns A bit a page of 4096 bytes, the lowest address in bit 0 of the first element; valid until
   * the next call.
   * @throws {KvmError} `ENOENT` when the log is off ({@linkcode GuestMemory.setDirtyLog}).
   * @throws {TypeError} When the slot has been removed.
   */
  dirtyLog(): Uint32Array<ArrayBuffer> {
    return this.#collect();
  }

  /** Takes the slot from the VM and unmaps its memory; again, it does nothing. */
  remove(): void {
    if (this.#mapping.closed) return;
    if (!this.#vm.closed) this.#set(0, 0);
    this.#mapping.close();
    this.#removed();
  }

  /** {@linkcode GuestMemory.remove} */
  [Symbol.dispose](): void {
    this.remove();
  }

  /** For {@linkcode Vm.share}. */
  share(): SharedMemory {
    const { slot, guestAddress, size, readOnly } = this;
    return { slot, guestAddress, size, readOnly, mapping: this.#mapping.share() };
  }

  #set(memorySize: number, flags: number): void {
    const at = `0x${this.guestAddress.toString(16)}`;
    const attempt = `set memory slot ${this.slot} (${memorySize} bytes at ${at})`;
    if (this.#isAttached) throw attached(attempt);
    const region = {
      slot: this.slot,
      flags,
      guestPhysAddr: this.guestAddress,
      memorySize,
      userspaceAddr: this.#mapping.address,
    };
    this.#vm.ioctl(
      ioctls.KVM_SET_USER_MEMORY_REGION,
      kvmUserspaceMemoryRegion.encode(region),
      attempt,
    );
  }
}

/** What a slot with a dirty log keeps at hand. */
interface DirtyLog {
  /** Where KVM puts the log. */
  readonly bits: Uint32Array<ArrayBuffer>;
  /** `struct kvm_dirty_log`, with the address of `bits`. */
  readonly argument: Uint8Array<ArrayBuffer>;
}

function dirtyLog(slot: number, size: number): DirtyLog {
  // KVM writes whole 64-bit words.
  const bits = new Uint32Array(2 * Math.ceil(size / PAGE_SIZE / 64));
  return { bits, argument: kvmDirtyLog.encode({ slot, dirtyBitmap: addressOf(bits) }) };
}

/** What was created in a VM besides memory and vCPUs ({@linkcode Vm.setup}). */
export interface VmSetup {
  /** {@linkcode Vm.setTssAddress} */
  tssAddress?: number;
  /** {@linkcode Vm.setIdentityMapAddress} */
  identityMapAddress?: number;
  /** {@linkcode Vm.createIrqchip} */
  irqchip?: boolean;
  /** {@linkcode Vm.createPit} */
  pit?: { dummySpeaker: boolean };
}

/** What another thread needs of a VM ({@linkcode Vm.share}): plain data, for `postMessage`. */
export interface SharedVm {
  /** The VM. */
  readonly descriptor: Shared<number>;
  /** What was created in it. */
  readonly setup: Readonly<VmSetup>;
  /** Its memory slots. */
  readonly memory: readonly SharedMemory[];
}

/** A memory slot of a {@linkcode SharedVm}. */
export interface SharedMemory
  extends Pick<GuestMemory, "slot" | "guestAddress" | "size" | "readOnly"> {
  /** The memory of this process. */
  readonly mapping: Shared<bigint>;
}

/** Two threads that each count slots, or take the dirty log, would get in each other's way. */
function attached(attempt: string): TypeError {
  return new TypeError(
    `Cannot ${attempt}: this VM is attached. Do it with the one that was shared`,
  );
}

/** A message-signalled interrupt: what a device writes, and where (Intel SDM vol. 3A §11.11). */
export interface Msi {
  /** 0xFEE00000, with the APIC ID that it goes to in bits 12 to 19. */
  address: number;
  /** The vector in bits 0 to 7; how it is delivered above. */
  data: number;
}

/** Where an interrupt line leads: to a pin of a chip, or to a message. */
export type GsiRoute =
  | { gsi: number; chipId: number; pin: number }
  | { gsi: number; msi: Msi };

/** Where a device's write signals an eventfd ({@linkcode Vm.addIoeventfd}). */
export interface IoeventfdOptions {
  /** The eventfd that is signalled. */
  fd: number;
  /** The port, or the guest-physical address. */
  address: number;
  /** The width of the write in bytes: 1, 2, 4 or 8; 0 for any. */
  length: 0 | 1 | 2 | 4 | 8;
  /** `address` is a port. */
  pio?: boolean;
  /** Only writes of this value signal. */
  match?: bigint;
}

/** Which MSR accesses of the guest are handed over ({@linkcode Vm.setMsrFilter}). */
export interface MsrFilterOptions {
  /** What happens to MSRs in no range. */
  default: "allow" | "deny";
  /** At most 16 ranges. */
  ranges: {
    read?: boolean;
    write?: boolean;
    /** The first MSR of the range. */
    base: number;
    /** An element an MSR: true allows the access, false denies it; up to 12,288. */
    allowed: boolean[];
  }[];
}

/**
 * A virtual machine: its memory, its interrupt controller, its vCPUs (api.rst 2, "VM ioctls").
 *
 * @example A VM with 2 MiB of RAM
 * ```ts
 * import { Kvm } from "@hlt/hlt";
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * const ram = vm.addMemory({ size: 2 * 1024 * 1024 });
 * ram.bytes.set([0xf4]); // hlt
 * ```
 */
export class Vm implements Disposable {
  readonly #descriptor: Descriptor;
  readonly #kvm: Kvm;
  readonly #closed: (vm: Vm) => void;
  readonly #memory = new Map<number, GuestMemory>();
  readonly #vcpus = new Set<Vcpu>();
  readonly #setup: VmSetup = {};
  #isAttached = false;

  /** Made by {@linkcode Kvm.createVm}. */
  constructor(descriptor: Descriptor, kvm: Kvm, closed: (vm: Vm) => void) {
    this.#descriptor = descriptor;
    this.#kvm = kvm;
    this.#closed = closed;
  }

  /** {@linkcode Kvm.attachVm} */
  static attach(shared: SharedVm, kvm: Kvm, closed: (vm: Vm) => void): Vm {
    const { libc } = kvm;
    const vm = new Vm(Descriptor.attach(libc, shared.descriptor, "the VM"), kvm, closed);
    vm.#isAttached = true;
    Object.assign(vm.#setup, shared.setup);
    try {
      for (const memory of shared.memory) {
        const { slot, size } = memory;
        const mapping = new Mapping(libc, size, {
          what: `memory slot ${slot}`,
          shared: memory.mapping,
        });
        vm.#keep({ ...memory, mapping, isAttached: true });
      }
      return vm;
    } catch (error) {
      vm.close();
      throw error;
    }
  }

  /**
   * Describes the VM, with the memory slots that it has now, for {@linkcode Kvm.attachVm} in another
   * thread, a worker: a vCPU runs only in the thread that made it, and threads run at the same time.
   * The description is plain data for `postMessage`, of use only in this process.
   *
   * @example A second CPU on the same RAM, here in the same thread
   * ```ts
   * import { Kvm, startIn, withApicId } from "@hlt/hlt";
   *
   * using kvm = Kvm.open();
   * using vm = kvm.createVm();
   * const ram = vm.addMemory({ size: 4096 });
   * ram.bytes.set([0xf0, 0xff, 0x06, 0x00, 0x04, 0xf4]); // lock inc word [0x400]; hlt
   * const shared = vm.share(); // worker.postMessage(shared)
   *
   * using own = Kvm.open(); // from here on in the worker
   * using attached = own.attachVm(shared);
   * const vcpu = attached.createVcpu(1);
   * vcpu.setCpuid(withApicId(own.supportedCpuid(), 1));
   * startIn(attached, { vcpu, mode: "real", entry: 0, stack: 0x800, ramSize: ram.size });
   * console.log(vcpu.run().reason, ram.bytes[0x400]); // "hlt" 1
   * ```
   *
   * @throws {TypeError} When the VM is closed.
   */
  share(): SharedVm {
    return {
      descriptor: this.#descriptor.share(),
      setup: { ...this.#setup },
      memory: this.memory.map((memory) => memory.share()),
    };
  }

  /** The number of the descriptor. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /** The KVM it belongs to. */
  get kvm(): Kvm {
    return this.#kvm;
  }

  /** What was created in it besides memory and vCPUs. */
  get setup(): Readonly<VmSetup> {
    return this.#setup;
  }

  /** The vCPUs, in the order they were created. */
  get vcpus(): Vcpu[] {
    return [...this.#vcpus];
  }

  /** The memory slots, in the order they were added. */
  get memory(): GuestMemory[] {
    return [...this.#memory.values()];
  }

  /** {@linkcode Kvm.checkExtension} asked of this VM, which may know more than its host. */
  checkExtension(capability: Capability | number): number {
    return this.#descriptor.ioctl(
      ioctls.KVM_CHECK_EXTENSION,
      BigInt(capabilityNumber(capability)),
      `ask the VM about ${capability}`,
    );
  }

  /**
   * Maps memory into this process and gives it to the guest (`KVM_SET_USER_MEMORY_REGION`,
   * api.rst 4.35).
   *
   * @throws {KvmError} `ENOMEM`; `EINVAL` for an address or size that is not a multiple of 4096;
   * `EEXIST` for a range that overlaps another slot. Nothing is left mapped then.
   * @throws {RangeError} For a size, address or offset that is no integer from 0 to 2⁵³ − 1.
   * @throws {TypeError} When the VM is attached ({@linkcode Kvm.attachVm}).
   */
  addMemory(options: MemoryOptions): GuestMemory {
    if (this.#isAttached) throw attached("add memory");
    const { size, fd, offset } = options;
    const mappingOptions: MappingOptions = {
      what: "guest RAM",
      ...(fd !== undefined && { fd }),
      ...(offset !== undefined && { offset }),
      ...(options.private !== undefined && { private: options.private }),
    };
    const mapping = new Mapping(this.#descriptor.libc, size, mappingOptions);
    let slot = 0;
    while (this.#memory.has(slot)) slot++;
    return this.#keep({ ...options, slot, mapping });
  }

  #keep(
    options: MemoryOptions & { slot: number; mapping: Mapping; isAttached?: boolean },
  ): GuestMemory {
    const { slot, mapping } = options;
    try {
      const removed = () => this.#memory.delete(slot);
      const memory = new GuestMemory(this.#descriptor, { ...options, removed });
      this.#memory.set(slot, memory);
      return memory;
    } catch (error) {
      mapping.close();
      throw error;
    }
  }

  /** Makes a request that {@linkcode Vm.setup} tells of. */
  #setUp(ioctl: Ioctl, argument: bigint | BufferSource, attempt: string): void {
    if (this.#isAttached) throw attached(attempt);
    this.#descriptor.ioctl(ioctl, argument, attempt);
  }

  /**
   * Gives KVM on Intel the three pages it needs to run real mode where the CPU cannot
   * (`KVM_SET_TSS_ADDR`, api.rst 4.36); to be called before the first vCPU is created.
   *
   * @param address Guest-physical, below 4 GiB, in no memory slot.
   */
  setTssAddress(address: number): void {
    this.#setUp(
      ioctls.KVM_SET_TSS_ADDR,
      BigInt(address),
      `put the TSS at 0x${address.toString(16)}`,
    );
    this.#setup.tssAddress = address;
  }

  /**
   * Gives KVM on Intel a page for an identity map (`KVM_SET_IDENTITY_MAP_ADDR`, api.rst 4.40); to
   * be called before the first vCPU is created.
   *
   * @param address Guest-physical, below 4 GiB, in no memory slot.
   */
  setIdentityMapAddress(address: number): void {
    const argument = new Uint8Array(address64.size);
    address64.write(new DataView(argument.buffer), 0, address);
    this.#setUp(
      ioctls.KVM_SET_IDENTITY_MAP_ADDR,
      argument,
      `put the identity map at 0x${address.toString(16)}`,
    );
    this.#setup.identityMapAddress = address;
  }

  /**
   * Creates a vCPU (`KVM_CREATE_VCPU`, api.rst 4.7) and maps its `kvm_run`. It belongs to the
   * thread that creates it; {@linkcode Vm.share} lets another create further ones.
   *
   * @param id Its APIC ID: below `KVM_CAP_MAX_VCPU_ID`, and not yet in use.
   * @throws {KvmError} `EEXIST`, `EINVAL`, `ENOMEM`; nothing is left open then.
   * @throws {RangeError} For what is no 32-bit number, of which some kernels would take a part.
   */
  createVcpu(id = 0): Vcpu {
    if (id !== id >>> 0) throw new RangeError(`Cannot create vCPU ${id}: that is no vCPU's number`);
    const { libc } = this.#descriptor;
    const mmapSize = this.#kvm.vcpuMmapSize;
    const fd = this.#descriptor.ioctl(
      ioctls.KVM_CREATE_VCPU,
      BigInt(id),
      `create vCPU ${id}`,
    );
    const descriptor = new Descriptor(libc, fd, `vCPU ${id}`);
    try {
      const run = new Mapping(libc, mmapSize, { fd, what: "kvm_run" });
      const vcpu: Vcpu = new Vcpu(descriptor, {
        id,
        run,
        checkExtension: (capability) => this.checkExtension(capability),
        closed: () => this.#vcpus.delete(vcpu),
      });
      this.#vcpus.add(vcpu);
      return vcpu;
    } catch (error) {
      descriptor.close();
      throw error;
    }
  }

  /**
   * Creates the in-kernel PIC, IOAPIC and local APICs (`KVM_CREATE_IRQCHIP`, api.rst 4.24), before
   * the first vCPU. `HLT` then waits for an interrupt inside KVM and is no exit any more.
   */
  createIrqchip(): void {
    this.#setUp(ioctls.KVM_CREATE_IRQCHIP, 0n, "create the interrupt controller");
    this.#setup.irqchip = true;
  }

  /** The state of one chip of the interrupt controller (`KVM_GET_IRQCHIP`, api.rst 4.26). */
  getIrqchip(chipId: number): Irqchip {
    const buffer = kvmIrqchip.encode({ chipId });
    this.#descriptor.ioctl(ioctls.KVM_GET_IRQCHIP, buffer, `read irqchip ${chipId}`);
    return kvmIrqchip.decode(buffer);
  }

  /** Sets the state of one chip (`KVM_SET_IRQCHIP`, api.rst 4.27). */
  setIrqchip(irqchip: Irqchip): void {
    this.#descriptor.ioctl(
      ioctls.KVM_SET_IRQCHIP,
      kvmIrqchip.encode(irqchip),
      `set irqchip ${irqchip.chipId}`,
    );
  }

  /**
   * Creates the in-kernel i8254 timer (`KVM_CREATE_PIT2`, api.rst 4.71): after
   * {@linkcode Vm.createIrqchip}, without which it interrupts nothing.
   *
   * @param options `dummySpeaker`: port 0x61 reads as if a speaker were there.
   */
  createPit(options: { dummySpeaker?: boolean } = {}): void {
    const flags = options.dummySpeaker ? uapi.KVM_PIT_SPEAKER_DUMMY : 0;
    this.#setUp(
      ioctls.KVM_CREATE_PIT2,
      kvmPitConfig.encode({ flags }),
      "create the PIT",
    );
    this.#setup.pit = { dummySpeaker: options.dummySpeaker ?? false };
  }

  /** The state of the timer (`KVM_GET_PIT2`, api.rst 4.72). */
  getPit(): PitState2 {
    return this.#get(ioctls.KVM_GET_PIT2, kvmPitState2, "read the PIT");
  }

  /** Sets the state of the timer (`KVM_SET_PIT2`, api.rst 4.73). */
  setPit(state: PitState2): void {
    this.#descriptor.ioctl(ioctls.KVM_SET_PIT2, kvmPitState2.encode(state), "set the PIT");
  }

  /**
   * Sets the level of an interrupt line (`KVM_IRQ_LINE`, api.rst 4.25). A pulse on an
   * edge-triggered line is true, then false.
   *
   * @param irq 0–15 for the PIC and the IOAPIC, 16–23 for the IOAPIC alone, unless
   * {@linkcode Vm.setGsiRouting} says otherwise.
   * @throws {RangeError} For another line; those that it may add are for {@linkcode Vm.setIrqfd}.
   */
  setIrqLine(irq: number, level: boolean): void {
    if (!Number.isInteger(irq) || irq < 0 || irq > 23) {
      throw new RangeError(`Cannot set interrupt line ${irq}: there are lines 0 to 23`);
    }
    this.#descriptor.ioctl(
      ioctls.KVM_IRQ_LINE,
      kvmIrqLevel.encode({ irq, level: level ? 1 : 0 }),
      `set interrupt line ${irq}`,
    );
  }

  /**
   * A signal of the eventfd `fd` raises the interrupt line `gsi` (`KVM_IRQFD`, api.rst 4.75).
   *
   * @param options `remove`: takes the pair away again.
   */
  setIrqfd(fd: number, options: { gsi: number; remove?: boolean }): void {
    const flags = options.remove ? uapi.KVM_IRQFD_FLAG_DEASSIGN : 0;
    this.#descriptor.ioctl(
      ioctls.KVM_IRQFD,
      kvmIrqfd.encode({ fd, gsi: options.gsi, flags }),
      `${options.remove ? "remove" : "add"} the irqfd of line ${options.gsi}`,
    );
  }

  /**
   * Says where the interrupt lines lead, instead of where they led before (`KVM_SET_GSI_ROUTING`,
   * api.rst 4.52): {@linkcode Vm.createIrqchip} has led lines 0–15 to the PIC, 0–23 to the IOAPIC.
   */
  setGsiRouting(routes: readonly GsiRoute[]): void {
    const { size } = kvmIrqRoutingEntry;
    const buffer = new Uint8Array(kvmIrqRouting.size + routes.length * size);
    const view = new DataView(buffer.buffer);
    kvmIrqRouting.write(view, 0, { nr: routes.length, flags: 0 });
    for (const [i, route] of routes.entries()) {
      const entry = kvmIrqRouting.size + i * size;
      const target = entry + kvmIrqRoutingEntry.offsetOf("u");
      const isMsi = "msi" in route;
      const type = isMsi ? uapi.KVM_IRQ_ROUTING_MSI : uapi.KVM_IRQ_ROUTING_IRQCHIP;
      kvmIrqRoutingEntry.assign(view, entry, { gsi: route.gsi, type });
      if (isMsi) kvmIrqRoutingMsi.assign(view, target, msiFields(route.msi));
      else kvmIrqRoutingIrqchip.write(view, target, { irqchip: route.chipId, pin: route.pin });
    }
    this.#descriptor.ioctl(ioctls.KVM_SET_GSI_ROUTING, buffer, "set the interrupt routing");
  }

  /**
   * Sends a message-signalled interrupt to the local APICs (`KVM_SIGNAL_MSI`, api.rst 4.71).
   *
   * @returns Whether it was delivered: not where no local APIC takes it, or the guest blocks it.
   */
  signalMsi(msi: Msi): boolean {
    const message = kvmMsi.encode(msiFields(msi));
    return this.#descriptor.ioctl(ioctls.KVM_SIGNAL_MSI, message, "signal an MSI") > 0;
  }

  /** A guest's write signals an eventfd and is no exit (`KVM_IOEVENTFD`, api.rst 4.59). */
  addIoeventfd(options: IoeventfdOptions): void {
    this.#ioeventfd(options, 0, "add");
  }

  /** Takes away what {@linkcode Vm.addIoeventfd} added with the same options. */
  removeIoeventfd(options: IoeventfdOptions): void {
    this.#ioeventfd(options, uapi.KVM_IOEVENTFD_FLAG_DEASSIGN, "remove");
  }

  #ioeventfd(options: IoeventfdOptions, flags: number, verb: string): void {
    const { fd, address, length, pio = false, match } = options;
    if (pio) flags |= uapi.KVM_IOEVENTFD_FLAG_PIO;
    if (match !== undefined) flags |= uapi.KVM_IOEVENTFD_FLAG_DATAMATCH;
    this.#descriptor.ioctl(
      ioctls.KVM_IOEVENTFD,
      kvmIoeventfd.encode({ datamatch: match ?? 0n, addr: address, len: length, fd, flags }),
      `${verb} the ioeventfd at 0x${address.toString(16)}`,
    );
  }

  /**
   * The guest's writes to this range are gathered in a ring instead of exiting
   * (`KVM_REGISTER_COALESCED_MMIO`, api.rst 4.116); {@linkcode Vcpu.drainCoalesced} takes them out.
   *
   * @param zone `pio`: the range is of ports, and only accesses of exactly `size` bytes match.
   */
  addCoalescedZone(zone: { address: number; size: number; pio?: boolean }): void {
    this.#coalescedZone(ioctls.KVM_REGISTER_COALESCED_MMIO, zone, "add");
  }

  /** Takes away what {@linkcode Vm.addCoalescedZone} added. */
  removeCoalescedZone(zone: { address: number; size: number; pio?: boolean }): void {
    this.#coalescedZone(ioctls.KVM_UNREGISTER_COALESCED_MMIO, zone, "remove");
  }

  #coalescedZone(
    ioctl: Ioctl,
    zone: { address: number; size: number; pio?: boolean },
    verb: string,
  ): void {
    const { address, size, pio = false } = zone;
    this.#descriptor.ioctl(
      ioctl,
      kvmCoalescedMmioZone.encode({ addr: address, size, pio: pio ? 1 : 0 }),
      `${verb} the coalesced zone at 0x${address.toString(16)}`,
    );
  }

  /**
   * Switches a capability on (`KVM_ENABLE_CAP`, api.rst 4.37 and 7).
   *
   * @param args Up to four arguments, as the capability defines them.
   * @throws {KvmError} `EINVAL` for a capability that this KVM or a VM does not have.
   */
  enableCap(capability: Capability | number, args: bigint[] = []): void {
    this.#descriptor.ioctl(
      ioctls.KVM_ENABLE_CAP,
      kvmEnableCap.encode({ cap: capabilityNumber(capability), args }),
      `enable ${capability}`,
    );
  }

  /**
   * Says which MSR accesses KVM handles and which it denies (`KVM_X86_SET_MSR_FILTER`, api.rst
   * 4.97). A denied access is an exit where `KVM_CAP_X86_USER_SPACE_MSR` was enabled with
   * `KVM_MSR_EXIT_REASON_FILTER`, and `#GP` in the guest otherwise.
   *
   * @throws {RangeError} For more than 16 ranges.
   */
  setMsrFilter(options: MsrFilterOptions): void {
    const bitmaps = options.ranges.map(({ allowed }) => {
      // The kernel reads whole words of 64 bits.
      const bitmap = new Uint8Array(Math.ceil(allowed.length / 64) * 8);
      for (const [i, allow] of allowed.entries()) if (allow) bitmap[i >> 3]! |= 1 << (i & 7);
      return bitmap;
    });
    const filter = kvmMsrFilter.encode({
      flags: options.default === "deny"
        ? uapi.KVM_MSR_FILTER_DEFAULT_DENY
        : uapi.KVM_MSR_FILTER_DEFAULT_ALLOW,
      ranges: options.ranges.map(({ read, write, base, allowed }, i) => ({
        flags: (read ? uapi.KVM_MSR_FILTER_READ : 0) | (write ? uapi.KVM_MSR_FILTER_WRITE : 0),
        nmsrs: allowed.length,
        base,
        bitmap: addressOf(bitmaps[i]!),
      })),
    });
    this.#descriptor.ioctl(ioctls.KVM_X86_SET_MSR_FILTER, filter, "set the MSR filter");
    // The kernel has read the bitmaps through their addresses: until here they must live.
    bitmaps.length = 0;
  }

  /** The paravirtual clock (`KVM_GET_CLOCK`, api.rst 4.29). */
  getClock(): ClockData {
    return this.#get(ioctls.KVM_GET_CLOCK, kvmClockData, "read the clock");
  }

  /** Sets the paravirtual clock (`KVM_SET_CLOCK`, api.rst 4.30), in nanoseconds. */
  setClock(clock: bigint): void {
    this.#descriptor.ioctl(ioctls.KVM_SET_CLOCK, kvmClockData.encode({ clock }), "set the clock");
  }

  /**
   * Notes the state of the whole VM, to be restored and cloned: memory, vCPUs, interrupt controller
   * and timer. An unfinished exit is completed first. From then on the dirty log of its memory is
   * the snapshot's. How this process runs a vCPU (debugging, signal mask, shared registers) is no part
   * of it, nor are the vCPUs of other threads ({@linkcode Vm.share}).
   *
   * @throws {KvmError} When a vCPU is in the middle of an access, or memory runs out.
   * @throws {TypeError} When the VM is closed, or attached.
   */
  snapshot(): Snapshot {
    if (this.#isAttached) throw attached("take a snapshot");
    return Snapshot.take(this);
  }

  #get<T>(
    ioctl: Ioctl,
    layout: { encode(): Uint8Array<ArrayBuffer>; decode(bytes: Uint8Array): T },
    attempt: string,
  ): T {
    const buffer = layout.encode();
    this.#descriptor.ioctl(ioctl, buffer, attempt);
    return layout.decode(buffer);
  }

  /**
   * Closes the vCPUs, the VM, and then its memory; again, it does nothing. What is shared
   * ({@linkcode Vm.share}) stays for the other threads until they close it, too.
   */
  close(): void {
    for (const vcpu of this.#vcpus) vcpu.close();
    this.#descriptor.close();
    for (const memory of this.#memory.values()) memory.remove();
    this.#closed(this);
  }

  /** {@linkcode Vm.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** The address in two halves, as the structs have it. */
function msiFields({ address, data }: Msi): { addressLo: number; addressHi: number; data: number } {
  if (!Number.isSafeInteger(address) || address < 0) {
    throw new RangeError(`Cannot send a message to ${address}: that is no address`);
  }
  return { addressLo: address % 2 ** 32, addressHi: Math.floor(address / 2 ** 32), data };
}
