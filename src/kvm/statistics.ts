import { callFailed, KvmError } from "./error.ts";
import { ioctls } from "./ioctl.ts";
import { type Libc, libc as systemLibc } from "./libc.ts";
import { kvmStatsDesc, kvmStatsHeader } from "./uapi.ts";

/** Some 60 are kept, of about 72 bytes each with name and value. */
const MOST_BYTES = 64 * 1024;

/**
 * What KVM counts of a VM or a vCPU, by the kernel's names: `exits`, `io_exits`, `insn_emulation`, …
 * (`KVM_GET_STATS_FD`, api.rst 4.133). It takes no privilege. Histograms are left out.
 *
 * @param owner The {@linkcode Vm} or {@linkcode Vcpu}.
 * @throws {KvmError} When this kernel keeps none: it is older than Linux 5.14
 * (`KVM_CAP_BINARY_STATS_FD`).
 *
 * @example How often a vCPU left the guest
 * ```ts
 * import { loadSource, Machine, statistics } from "@hlt/hlt";
 *
 * using machine = new Machine();
 * machine.load(loadSource("mov al, '*'\nout 0xe9, al\nhlt", "star.asm"));
 * await machine.run();
 * console.log(statistics(machine.vcpu).get("exits")); // 2n or more
 * ```
 */
export function statistics(
  owner: { readonly fd: number },
  libc: Libc = systemLibc(),
): Map<string, bigint> {
  const attempt = "read the statistics";
  const fd = libc.ioctl(owner.fd, ioctls.KVM_GET_STATS_FD.request, 0n);
  if (fd < 0) throw callFailed(attempt, ioctls.KVM_GET_STATS_FD.name, libc.errno());
  const bytes = new Uint8Array(MOST_BYTES);
  try {
    // All of it comes at once: header, identity, descriptors, values.
    const length = libc.read(fd, bytes, BigInt(bytes.length));
    if (length < 0n) throw callFailed(attempt, "read", libc.errno());
    if (length === BigInt(bytes.length)) {
      throw new KvmError(`Cannot ${attempt}: they are longer than ${MOST_BYTES} bytes`);
    }
  } finally {
    libc.close(fd);
  }
  return decode(new DataView(bytes.buffer));
}

function decode(view: DataView<ArrayBuffer>): Map<string, bigint> {
  const header = kvmStatsHeader.read(view, 0);
  const found = new Map<string, bigint>();
  for (let i = 0; i < header.numDesc; i++) {
    const start = header.descOffset + i * (kvmStatsDesc.size + header.nameSize);
    const { size, offset } = kvmStatsDesc.read(view, start);
    if (size !== 1) continue;
    const name = new Uint8Array(view.buffer, start + kvmStatsDesc.size, header.nameSize);
    const text = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
    found.set(text, view.getBigUint64(header.dataOffset + offset, true));
  }
  return found;
}
