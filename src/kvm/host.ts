/**
 * Why this host's KVM cannot be opened, and which KVM it is. All of it is read through libc, so
 * that it works with no permission but `--allow-ffi`.
 *
 * @module
 */

import { callFailed, KvmError } from "./error.ts";
import { cString, type Libc, libc as systemLibc } from "./libc.ts";

const ENOENT = 2;
const EACCES = 13;
const ENODEV = 19;
const ENXIO = 6;

/** The error for a `/dev/kvm` that `open` refused with `errno`. */
export function whyNoKvm(libc: Libc, path: string, errno: number): KvmError {
  const refused = (reason: string, code: string, remedy: string) =>
    new KvmError(`Cannot open ${path}: ${reason} (${code})`, { operation: "open", errno, remedy });
  switch (errno) {
    case EACCES:
      return refused(
        "permission denied",
        "EACCES",
        "Add yourself to the kvm group: sudo usermod -aG kvm $USER, then log in again",
      );
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return refused(...whyNoDevice(libc, errno === ENOENT ? "ENOENT" : "ENODEV"));
    default:
      return callFailed(`open ${path}`, "open", errno);
  }
}

function whyNoDevice(libc: Libc, code: string): [reason: string, code: string, remedy: string] {
  if (hostBackend(libc) !== undefined || exists(libc, "/sys/module/kvm")) {
    return inContainer(libc)
      ? [
        "the container was not given the device",
        code,
        "Start it with the device: docker run --device=/dev/kvm …",
      ]
      : [
        "the kvm module is loaded, but no backend of it works",
        code,
        "Read why: sudo dmesg | grep -i kvm",
      ];
  }
  const cpuinfo = readText(libc, "/proc/cpuinfo");
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/));
  if (flags.has("vmx") || flags.has("svm")) {
    const module = flags.has("vmx") ? "kvm_intel" : "kvm_amd";
    return inContainer(libc)
      ? [
        "there is no such device in this container",
        code,
        `On the host: sudo modprobe ${module}, and start the container with --device=/dev/kvm`,
      ]
      : ["the kernel module is not loaded", code, `Load it: sudo modprobe ${module}`];
  }
  if (/microsoft/i.test(readText(libc, "/proc/version"))) {
    return [
      "this WSL 2 machine has no nested virtualization",
      code,
      "Set nestedVirtualization=true under [wsl2] in .wslconfig (Windows 11), then: wsl --shutdown",
    ];
  }
  return flags.has("hypervisor")
    ? [
      "this is a virtual machine without nested virtualization",
      code,
      "Switch nested virtualization on in its hypervisor, or run hlt on the host",
    ]
    : [
      "the CPU's virtualization extensions are missing or switched off",
      code,
      "Switch on VT-x, or SVM on AMD, in the firmware's settings",
    ];
}

/** The kernel module that runs the guests: `kvm_intel`, `kvm_amd`, `kvm_pvm`; nothing without one. */
export function hostBackend(libc: Libc = systemLibc()): string | undefined {
  return ["kvm_intel", "kvm_amd", "kvm_pvm"].find((name) => exists(libc, `/sys/module/${name}`));
}

function inContainer(libc: Libc): boolean {
  return exists(libc, "/.dockerenv") || exists(libc, "/run/.containerenv");
}

/** Whether the file exists and this process may see it. */
function exists(libc: Libc, path: string): boolean {
  const F_OK = 0;
  return libc.access(cString(path), F_OK) === 0;
}

/** The first 4 KiB of a text file; empty where it cannot be read. */
function readText(libc: Libc, path: string): string {
  const O_RDONLY = 0;
  const fd = libc.open(cString(path), O_RDONLY, 0);
  if (fd < 0) return "";
  try {
    const buffer = new Uint8Array(4096);
    const length = Number(libc.read(fd, buffer, BigInt(buffer.length)));
    return length > 0 ? new TextDecoder().decode(buffer.subarray(0, length)) : "";
  } finally {
    libc.close(fd);
  }
}
