import type { Exit, InternalErrorExit, IoExit, MmioExit } from "../kvm/mod.ts";

/**
 * What a guest did, or what happened to it, when it left with `exit`: in one line, for people.
 *
 * @param exit Why `KVM_RUN` came back.
 * @returns A sentence without its period: `it wrote 0x2a to port 0x42 (1 byte)`.
 */
export function describeExit(exit: Exit): string {
  switch (exit.reason) {
    case "hlt":
      return "it halted";
    case "io":
      return describeIo(exit);
    case "mmio":
      return describeMmio(exit);
    case "shutdown":
      return "it took an exception that it cannot handle (a triple fault, KVM_EXIT_SHUTDOWN)";
    case "internalError":
      return describeInternalError(exit);
    case "failEntry":
      return `the CPU refused its state: hardware entry failure reason ${
        hex(exit.hardwareEntryFailureReason)
      }`;
    case "memoryFault":
      return `KVM has no memory for its access to ${hex(exit.address)} (${bytes(exit.size)})`;
    case "x86Rdmsr":
      return `it read MSR ${hex(exit.index)}`;
    case "x86Wrmsr":
      return `it wrote ${hex(exit.data)} to MSR ${hex(exit.index)}`;
    case "unrecognized":
      return `KVM gave the exit reason ${exit.number}, which is newer than this program`;
    default:
      return describeRest(exit);
  }
}

function describeIo({ direction, port, size, count, data }: IoExit): string {
  const width = count === 1 ? bytes(size) : `${count} times ${bytes(size)}`;
  return direction === "in"
    ? `it read port ${hex(port)} (${width})`
    : `it wrote ${littleEndian(data.subarray(0, size))} to port ${hex(port)} (${width})`;
}

function describeMmio({ direction, address, data }: MmioExit): string {
  const place = `address ${hex(address)} (${bytes(data.length)}), where there is no RAM`;
  return direction === "read" ? `it read ${place}` : `it wrote ${littleEndian(data)} to ${place}`;
}

function describeInternalError(exit: InternalErrorExit): string {
  const { error, suberror, instruction, data } = exit;
  if (error === "emulation") {
    const code = instruction?.length
      ? `, the first of ${[...instruction].map(hexByte).join(" ")}`
      : "";
    return `KVM cannot emulate its instruction${code} (KVM_INTERNAL_ERROR_EMULATION)`;
  }
  const details = data.length === 0 ? "" : `, with data ${data.map(hex).join(", ")}`;
  const name = error === "unknown" ? "" : ` (${error})`;
  return `KVM gave up on it with internal error ${suberror}${name}${details}`;
}

/** The kernel's name of the exit, and its fields. */
function describeRest({ reason, ...fields }: Exit): string {
  const name = `KVM_EXIT_${reason.replaceAll(/[A-Z]/g, "_$&").toUpperCase()}`;
  const details = Object.entries(fields).map(([field, value]) => `${field} ${formatField(value)}`);
  return [`it left with ${name}`, ...details].join(", ");
}

function formatField(value: unknown): string {
  if (typeof value === "number" || typeof value === "bigint") return hex(value);
  return Array.isArray(value) ? `[${value.map(formatField).join(", ")}]` : String(value);
}

function littleEndian(data: Uint8Array): string {
  return `0x${data.toReversed().toHex()}`;
}

function bytes(count: number): string {
  return `${count} byte${count === 1 ? "" : "s"}`;
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
