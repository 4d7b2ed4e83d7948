/**
 * Why this host's KVM cannot be opened, and which KVM it is. All of it is read through libc, so
 * that it works with no permission but `--allow-ffi`.
 *
 * @module
 */

import { callFailed, errnoName, errnos, KvmError } from "./error.ts";
import { cString, flags, type Libc, libc as systemLibc } from "./libc.ts";

/** The error for a `/dev/kvm` that `open` refused with `errno`. */
export function whyNoKvm(libc: Libc, path: string, errno: number): KvmError {
  const refused = (reason: string, remedy: string) =>
    new KvmError(`Cannot open ${path}: ${reason} (${errnoName(errno)})`, {
      operation: "open",
      errno,
      remedy,
    });
  switch (errno) {
    case errnos.EACCES:
      return refused(
        "permission denied",
        "Add yourself to the kvm group: sudo usermod -aG kvm $USER, then log in again",
      );
    // What a container's rules for devices answer.
    case errnos.EPERM:
      return refused("the container was not given the device", GIVE_DEVICE);
    case errnos.ENOENT:
    case errnos.ENODEV:
    case errnos.ENXIO:
      return refused(...whyNoDevice(libc));
    default:
      return callFailed(`open ${path}`, "open", errno);
  }
}

const GIVE_DEVICE = "Start it with the device: docker run --device=/dev/kvm …";

function whyNoDevice(libc: Libc): [reason: string, remedy: string] {
  if (hostBackend(libc) !== undefined || exists(libc, "/sys/module/kvm")) {
    return inContainer(libc) ? ["the container was not given the device", GIVE_DEVICE] : [
      "the kvm module is loaded, but no backend of it works",
      "Read why: sudo dmesg | grep -i kvm",
    ];
  }
  const cpuinfo = readText(libc, "/proc/cpuinfo");
  const features = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/));
  if (features.has("vmx") || features.has("svm")) {
    const module = features.has("vmx") ? "kvm_intel" : "kvm_amd";
    return inContainer(libc)
      ? [
        "there is no such device in this container",
        `On the host: sudo modprobe ${module}, and start the container with --device=/dev/kvm`,
      ]
      : ["the kernel module is not loaded", `Load it: sudo modprobe ${module}`];
  }
  if (/microsoft/i.test(readText(libc, "/proc/version"))) {
    return [
      "this WSL 2 machine has no nested virtualization",
      "Set nestedVirtualization=true under [wsl2] in .wslconfig (Windows 11), then: wsl --shutdown",
    ];
  }
  return features.has("hypervisor")
    ? [
      "this is a virtual machine without nested virtualization",
      "Switch nested virtualization on in its hypervisor, or run hlt on the host",
    ]
    : [
      "the CPU's virtualization extensions are missing or switched off",
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
  return libc.access(cString(path), flags.F_OK) === 0;
}

/** The first 4 KiB of a text file; empty where it cannot be read. */
function readText(libc: Libc, path: string): string {
  const fd = libc.open(cString(path), flags.O_RDONLY, 0);
  if (fd < 0) return "";
  try {
    const buffer = new Uint8Array(4096);
    const length = Number(libc.read(fd, buffer, BigInt(buffer.length)));
    return length > 0 ? new TextDecoder().decode(buffer.subarray(0, length)) : "";
  } finally {
    libc.close(fd);
  }
}
