import { type Capability, capabilityNumber } from "./capability.ts";
import { Descriptor } from "./descriptor.ts";
import { callFailed, errnos, KvmError } from "./error.ts";
import { whyNoKvm } from "./host.ts";
import { ioctls } from "./ioctl.ts";
import { cString, flags, type Libc, libc as systemLibc } from "./libc.ts";
import type { CpuidEntry } from "./state.ts";
import { kvmCpuid2, kvmCpuidEntry2, kvmMsrList, uapi } from "./uapi.ts";
import { readMsrs } from "./vcpu.ts";
import { type SharedVm, Vm } from "./vm.ts";

/** How {@linkcode Kvm.open} opens KVM. */
export interface KvmOptions {
  /** The device, `/dev/kvm` unless said otherwise. */
  path?: string;
  /** The C library: a stand-in of a test. */
  libc?: Libc;
}

/**
 * The KVM of this host: the descriptor of `/dev/kvm` and its requests (api.rst 4.1–4.5).
 *
 * @example Ask what this host's KVM can do
 * ```ts
 * import { Kvm } from "@hlt/hlt";
 *
 * using kvm = Kvm.open();
 * console.log(kvm.apiVersion, kvm.checkExtension("KVM_CAP_NR_VCPUS"));
 * ```
 */
export class Kvm implements Disposable {
  readonly #descriptor: Descriptor;
  readonly #vms = new Set<Vm>();
  /** What `KVM_GET_API_VERSION` says: always 12. */
  readonly apiVersion: number;
  #vcpuMmapSize = 0;

  private constructor(descriptor: Descriptor, apiVersion: number) {
    this.#descriptor = descriptor;
    this.apiVersion = apiVersion;
  }

  /**
   * Opens `/dev/kvm` and checks its API version.
   *
   * @returns The KVM, to be closed by the caller.
   * @throws {KvmError} When this host has no KVM that can be used; the message says why and what
   * to do.
   */
  static open(options: KvmOptions = {}): Kvm {
    const { path = "/dev/kvm", libc = systemLibc() } = options;
    const fd = libc.open(cString(path), flags.O_RDWR | flags.O_CLOEXEC, 0);
    if (fd < 0) throw whyNoKvm(libc, path, libc.errno());
    const descriptor = new Descriptor(libc, fd, path);
    try {
      const version = descriptor.tryIoctl(ioctls.KVM_GET_API_VERSION, 0n);
      if (version < 0) {
        throw new KvmError(`Cannot use ${path}: it is not a KVM device`, {
          operation: ioctls.KVM_GET_API_VERSION.name,
          errno: libc.errno(),
          remedy: "The device is /dev/kvm",
        });
      }
      if (version !== uapi.KVM_API_VERSION) {
        throw new KvmError(
          `Cannot use ${path}: its API version is ${version}, and hlt speaks version ${uapi.KVM_API_VERSION}`,
          {
            operation: "KVM_GET_API_VERSION",
            remedy: "Every kernel since Linux 2.6.22 has version 12: update the kernel",
          },
        );
      }
      return new Kvm(descriptor, version);
    } catch (error) {
      descriptor.close();
      throw error;
    }
  }

  /** The number of the descriptor. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /** The C library it was opened with. */
  get libc(): Libc {
    return this.#descriptor.libc;
  }

  /**
   * What this host's KVM says about a capability (`KVM_CHECK_EXTENSION`, api.rst 4.4).
   *
   * @param capability Its kernel name, or its number where the library does not know it.
   * @returns 0: not supported; 1, or a larger number whose meaning the capability defines.
   */
  checkExtension(capability: Capability | number): number {
    return this.#descriptor.ioctl(
      ioctls.KVM_CHECK_EXTENSION,
      BigInt(capabilityNumber(capability)),
      `ask about ${capability}`,
    );
  }

  /** The size of a vCPU's shared memory in bytes (`KVM_GET_VCPU_MMAP_SIZE`, api.rst 4.5). */
  get vcpuMmapSize(): number {
    return this.#vcpuMmapSize ||= this.#descriptor.ioctl(
      ioctls.KVM_GET_VCPU_MMAP_SIZE,
      0n,
      "ask for the size of kvm_run",
    );
  }

  /**
   * The CPUID leaves that this host's CPU and KVM can give a guest (`KVM_GET_SUPPORTED_CPUID`,
   * api.rst 4.46), to be handed to {@linkcode Vcpu.setCpuid}; {@linkcode withApicId} makes them one
   * vCPU's own.
   */
  supportedCpuid(): CpuidEntry[] {
    for (let room = 128;; room *= 2) {
      const buffer = new Uint8Array(kvmCpuid2.size + room * kvmCpuidEntry2.size);
      const view = new DataView(buffer.buffer);
      kvmCpuid2.write(view, 0, { nent: room });
      if (this.#descriptor.tryIoctl(ioctls.KVM_GET_SUPPORTED_CPUID, buffer) === 0) {
        return Array.from(
          { length: kvmCpuid2.read(view, 0).nent },
          (_, i) => kvmCpuidEntry2.read(view, kvmCpuid2.size + i * kvmCpuidEntry2.size),
        );
      }
      const errno = this.#descriptor.libc.errno();
      if (errno !== errnos.E2BIG || room >= 65536) {
        throw callFailed("read the supported CPUID", "KVM_GET_SUPPORTED_CPUID", errno);
      }
    }
  }

  /** The MSRs whose values a VM's state holds (`KVM_GET_MSR_INDEX_LIST`, api.rst 4.3). */
  msrIndices(): number[] {
    return this.#msrList(ioctls.KVM_GET_MSR_INDEX_LIST);
  }

  /**
   * The MSRs that describe features (`KVM_GET_MSR_FEATURE_INDEX_LIST`, api.rst 4.3);
   * {@linkcode Kvm.getMsrs} reads them.
   */
  msrFeatureIndices(): number[] {
    return this.#msrList(ioctls.KVM_GET_MSR_FEATURE_INDEX_LIST);
  }

  /**
   * What the MSRs that describe features can hold on this host (`KVM_GET_MSRS`, api.rst 4.18).
   *
   * @param indices Of {@linkcode Kvm.msrFeatureIndices}.
   * @returns Their values, in the order asked for.
   * @throws {KvmError} When KVM refuses one; the message names it.
   */
  getMsrs(indices: readonly number[]): bigint[] {
    return readMsrs(this.#descriptor, indices, "msrFeatureIndices");
  }

  #msrList(ioctl: (typeof ioctls)[keyof typeof ioctls]): number[] {
    // With no room the kernel answers E2BIG and says how many there are.
    const count = kvmMsrList.encode({ nmsrs: 0 });
    if (this.#descriptor.tryIoctl(ioctl, count) < 0) {
      const errno = this.#descriptor.libc.errno();
      if (errno !== errnos.E2BIG) throw callFailed("list the MSRs", ioctl.name, errno);
    }
    const { nmsrs } = kvmMsrList.decode(count);
    const buffer = new Uint32Array(1 + nmsrs);
    buffer[0] = nmsrs;
    this.#descriptor.ioctl(ioctl, buffer, "list the MSRs");
    return Array.from(buffer.subarray(1));
  }

  /**
   * Creates a VM with no memory and no vCPU (`KVM_CREATE_VM`, api.rst 4.2).
   *
   * @returns The VM, closed by the caller or with this KVM.
   * @throws {KvmError} `EBUSY` when another hypervisor holds the CPU, `ENOMEM`, `EMFILE`.
   */
  createVm(): Vm {
    const { libc } = this.#descriptor;
    let fd: number;
    // A signal may come while the kernel sets the VM up.
    do fd = this.#descriptor.tryIoctl(ioctls.KVM_CREATE_VM, 0n); while (
      fd < 0 && libc.errno() === errnos.EINTR
    );
    if (fd < 0) throw callFailed("create a VM", "KVM_CREATE_VM", libc.errno());
    const vm = new Vm(new Descriptor(libc, fd, "the VM"), this, (vm) => this.#vms.delete(vm));
    this.#vms.add(vm);
    return vm;
  }

  /**
   * The VM of another thread ({@linkcode Vm.share}): this one sees the same RAM and may create further
   * vCPUs, which run while those of the other thread do.
   *
   * What concerns the VM as a whole stays with the one that was shared: adding and removing memory,
   * the dirty log, the interrupt controller, snapshots. A snapshot there does not see what is
   * written here to the RAM's bytes, and coalesced writes of all vCPUs lie in one ring, which one
   * thread drains. With an interrupt controller a vCPU but 0 waits for a startup interrupt
   * ({@linkcode Vcpu.setMpState}; {@linkcode startIn} does without).
   *
   * The descriptor and the RAM are there until both sides have closed theirs, in any order. Nothing
   * in another thread ends a `run` here, not even `worker.terminate()`, after which what the worker
   * held stays until the process ends: its guest halts, or a {@linkcode Tick} of its own gives the
   * worker a turn.
   *
   * @returns The VM, closed by the caller or with this KVM.
   * @throws {TypeError} When all who held it, or one of its memory slots, have closed it.
   */
  attachVm(shared: SharedVm): Vm {
    const vm = Vm.attach(shared, this, (vm) => this.#vms.delete(vm));
    this.#vms.add(vm);
    return vm;
  }

  /** Closes every VM that is still open, then `/dev/kvm`; again, it does nothing. */
  close(): void {
    for (const vm of this.#vms) vm.close();
    this.#descriptor.close();
  }

  /** {@linkcode Kvm.close} */
  [Symbol.dispose](): void {
    this.close();
  }
}
