/**
 * What the system tells about this host, and why its KVM cannot be opened. All of it is read
 * through libc, so that it works with no permission but `--allow-ffi`.
 *
 * @module
 */

import { callFailed, errnoName, errnos, KvmError } from "./error.ts";
import { cString, flags, type Libc, libc as systemLibc } from "./libc.ts";

/** What the system tells about a host ({@linkcode hostFacts}). */
export interface HostFacts {
  /** The kernel's release, as `uname -r` prints it. */
  readonly kernel: string;
  /** Its first CPU, from `/proc/cpuinfo`. */
  readonly cpu: CpuFacts;
  /** The kernel module that runs the guests ({@linkcode hostBackend}). */
  readonly backend?: string;
  /** That module's settings that matter to guests, by name: `ept`, `npt`, `nested` and others. */
  readonly parameters: Readonly<Record<string, boolean>>;
  /** `/dev/kvm`; absent where there is none. */
  readonly device?: DeviceFacts;
  /** The files that this user may not read: what they would tell is absent. */
  readonly unreadable: readonly string[];
}

/** What `/proc/cpuinfo` tells. */
export interface CpuFacts {
  /** `GenuineIntel`, `AuthenticAMD` or another's. */
  readonly vendor: string;
  /** The model's name. */
  readonly model: string;
  /** The virtualization extension: Intel's `vmx` or AMD's `svm`; absent where there is none. */
  readonly extension?: "vmx" | "svm";
  /** Whether a hypervisor runs this host itself, so that its KVM is nested. */
  readonly hypervisor: boolean;
}

/** What stat(2) and access(2) tell of a device. */
export interface DeviceFacts {
  /** Its permission bits. */
  readonly mode: number;
  /** The name of its owner, or the number where it has none. */
  readonly owner: string;
  /** The name of its group, or the number where it has none. */
  readonly group: string;
  /** Whether this process may read and write it. */
  readonly accessible: boolean;
}

/** The error for a `/dev/kvm` that `open` refused with `errno`. */
export function whyNoKvm(libc: Libc, path: string, errno: number): KvmError {
  const refused = ([reason, remedy]: Diagnosis) =>
    new KvmError(`Cannot open ${path}: ${reason} (${errnoName(errno)})`, {
      operation: "open",
      errno,
      remedy,
    });
  switch (errno) {
    case errnos.EACCES:
      return refused(["permission denied", howToBeAllowed(libc, path)]);
    // What a container's rules for devices answer.
    case errnos.EPERM:
      return refused(["the container was not given the device", GIVE_DEVICE]);
    case errnos.ENOENT:
    case errnos.ENODEV:
    case errnos.ENXIO:
      return refused(whyNoDevice(libc));
    default:
      return callFailed(`open ${path}`, "open", errno);
  }
}

type Diagnosis = [reason: string, remedy: string];

const GIVE_DEVICE = "Start it with the device: docker run --device=/dev/kvm …";

function whyNoDevice(libc: Libc): Diagnosis {
  const container = inContainer(libc);
  if (isRegistered(libc)) {
    return container ? ["the container was not given the device", GIVE_DEVICE] : [
      "the kernel has the device, but /dev lacks it",
      "Make it: sudo mknod -m 660 /dev/kvm c 10 232; or start the container with --device=/dev/kvm",
    ];
  }
  const cpu = cpuFacts(libc);
  if (cpu.extension !== undefined) {
    const module = cpu.extension === "vmx" ? "kvm_intel" : "kvm_amd";
    if (exists(libc, `/sys/module/${module}`)) {
      return [
        `the ${module} module is there, but does not work`,
        `Read why: sudo dmesg | grep -i kvm. ${firmwareRemedy(cpu)} if it says "disabled by bios"`,
      ];
    }
    return container
      ? [
        "there is no such device in this container",
        `On the host: sudo modprobe ${module}, and start the container with --device=/dev/kvm`,
      ]
      : ["the kernel module is not loaded", `Load it: sudo modprobe ${module}`];
  }
  const [reason, remedy] = whyNoExtension(libc, cpu);
  return exists(libc, "/sys/module/kvm_pvm")
    ? [
      `${reason}, and kvm_pvm, which needs none, has not started`,
      `${remedy}. Read why kvm_pvm has not: sudo dmesg | grep -i kvm`,
    ]
    : [reason, remedy];
}

/** Whether the driver runs: then it has registered its device, with or without a node in /dev. */
function isRegistered(libc: Libc): boolean {
  return exists(libc, "/sys/class/misc/kvm");
}

function whyNoExtension(libc: Libc, cpu: CpuFacts): Diagnosis {
  const version = readText(libc, "/proc/version");
  if (/microsoft/i.test(version)) return whyNoKvmOnWindows(version);
  if (cpu.hypervisor) {
    const vendor = readText(libc, "/sys/class/dmi/id/sys_vendor").trim();
    return [
      "this is a virtual machine without nested virtualization",
      nestingRemedies[vendor] ??
        "Switch nested virtualization on in its hypervisor, or run hlt on the host",
    ];
  }
  return cpu.vendor === ""
    ? ["nothing here tells why", "Try: sudo modprobe kvm_intel || sudo modprobe kvm_amd"]
    : [
      "the CPU's virtualization extensions are missing or switched off",
      firmwareRemedy(cpu),
    ];
}

function firmwareRemedy({ vendor }: CpuFacts): string {
  const name = { GenuineIntel: "VT-x", AuthenticAMD: "SVM (AMD-V)" }[vendor] ?? "virtualization";
  return `Switch on ${name} in the firmware's settings`;
}

function whyNoKvmOnWindows(version: string): Diagnosis {
  return /WSL2/i.test(version)
    ? [
      "this WSL 2 machine has no nested virtualization",
      "Set nestedVirtualization=true under [wsl2] in .wslconfig (Windows 11), then: wsl --shutdown",
    ]
    : [
      "WSL 1 has no Linux kernel",
      "Turn it into a WSL 2 machine, on Windows 11: wsl --set-version DISTRIBUTION 2",
    ];
}

/** How a virtual machine gets nested virtualization, by the `sys_vendor` of its firmware. */
const nestingRemedies: Readonly<Record<string, string>> = {
  "QEMU": "On its host, load kvm_intel or kvm_amd with nested=1, and give the VM -cpu host",
  "VMware, Inc.": 'Switch it off and set vhv.enable = "TRUE" in its .vmx file',
  "innotek GmbH": "Switch it off, and on its host: VBoxManage modifyvm NAME --nested-hw-virt on",
  "Microsoft Corporation":
    "Switch it off, and on its host: Set-VMProcessor NAME -ExposeVirtualizationExtensions $true " +
    "(on Azure: choose a size with nested virtualization)",
  "Google": "Create it anew with --enable-nested-virtualization",
  "Amazon EC2": "Choose an instance type with nested virtualization, or a .metal one",
};

/** What lets this user open a device whose permissions forbid it. */
function howToBeAllowed(libc: Libc, path: string): string {
  const status = statOf(libc, path);
  if (status === undefined) return joinGroup("kvm");
  const { mode, gid } = status;
  const groups = rowsOf(readText(libc, "/etc/group"));
  const group = groups.find(([, , id]) => Number(id) === gid);
  const groupMayUse = (mode & 0o060) === 0o060 && gid !== 0;
  if (inContainer(libc)) {
    // The kernel's number for what a user namespace does not map.
    if (gid === 65534) return "Start it with your groups: podman run --group-add keep-groups …";
    return groupMayUse
      ? `Start it with the device's group: docker run --device=/dev/kvm --group-add ${gid} …`
      : "Let a group use the device on the host, and start the container with --group-add";
  }
  if (!groupMayUse) {
    const create = groups.some(([name]) => name === "kvm") ? "" : "sudo groupadd -r kvm && ";
    return "Give it to the kvm group: " +
      `${create}sudo chown root:kvm ${path} && sudo chmod 660 ${path}. ${joinGroup("kvm")}`;
  }
  const name = group?.[0] ?? String(gid);
  const self = processIds(libc);
  if (self.groups.includes(gid)) {
    return "Its group may use it, and you are in it: ask SELinux, AppArmor or the mount options";
  }
  const user = nameOf(libc, "/etc/passwd", self.uid);
  return group?.[3]?.split(",").includes(user)
    ? `You are in the ${name} group, but since after this login: log in again, or: newgrp ${name}`
    : joinGroup(name);
}

function joinGroup(name: string): string {
  return `Add yourself to the ${name} group: sudo usermod -aG ${name} $USER, then log in again`;
}

/**
 * Everything the system tells about this host.
 *
 * @throws {KvmError} When this is not Linux on x86-64, or no C library can be called.
 */
export function hostFacts(libc: Libc = systemLibc()): HostFacts {
  const backend = hostBackend(libc);
  const device = deviceFacts(libc, "/dev/kvm");
  const files = ["/proc/cpuinfo", ...parameterNames.map((name) => parameterFile(backend, name))];
  return {
    kernel: kernelRelease(libc),
    cpu: cpuFacts(libc),
    ...(backend !== undefined && { backend }),
    parameters: backend === undefined ? {} : parametersOf(libc, backend),
    ...(device !== undefined && { device }),
    unreadable: files.filter((path) => exists(libc, path) && !may(libc, path, flags.R_OK)),
  };
}

/** Parameters of kvm_intel and kvm_amd. */
const parameterNames = ["unrestricted_guest", "ept", "npt", "nested"];

function parameterFile(backend: string | undefined, name: string): string {
  return `/sys/module/${backend}/parameters/${name}`;
}

function parametersOf(libc: Libc, backend: string): Record<string, boolean> {
  const parameters: Record<string, boolean> = {};
  for (const name of parameterNames) {
    const value = readText(libc, parameterFile(backend, name)).trim();
    if (value !== "") parameters[name] = value === "Y" || value === "1";
  }
  return parameters;
}

/**
 * The kernel module that runs the guests: `kvm_intel`, `kvm_amd`, `kvm_pvm`; nothing without one, or
 * where one is built in but has not started.
 */
export function hostBackend(libc: Libc = systemLibc()): string | undefined {
  if (!isRegistered(libc)) return undefined;
  const found = ["kvm_intel", "kvm_amd", "kvm_pvm"].filter((name) =>
    exists(libc, `/sys/module/${name}`)
  );
  if (found.length < 2) return found[0];
  // A kernel with several built in shows them all: only that of the CPU works.
  const { extension } = cpuFacts(libc);
  const works = extension === "vmx" ? "kvm_intel" : extension === "svm" ? "kvm_amd" : "kvm_pvm";
  return found.find((name) => name === works);
}

function cpuFacts(libc: Libc): CpuFacts {
  // The first processor's part is shorter.
  const cpuinfo = readText(libc, "/proc/cpuinfo", 8192);
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(cpuinfo)?.[1] ?? "";
  const features = new Set(field("flags").split(/\s+/));
  const extension = features.has("vmx") ? "vmx" : features.has("svm") ? "svm" : undefined;
  return {
    vendor: field("vendor_id"),
    model: field("model name"),
    ...(extension !== undefined && { extension }),
    hypervisor: features.has("hypervisor"),
  };
}

/** `struct utsname` is six strings of 65 bytes; the release is the third. */
function kernelRelease(libc: Libc): string {
  const buffer = new Uint8Array(6 * 65);
  libc.uname(buffer);
  const release = buffer.subarray(2 * 65, 3 * 65);
  return new TextDecoder().decode(release.subarray(0, release.indexOf(0)));
}

function deviceFacts(libc: Libc, path: string): DeviceFacts | undefined {
  const status = statOf(libc, path);
  return status && {
    mode: status.mode & 0o777,
    owner: nameOf(libc, "/etc/passwd", status.uid),
    group: nameOf(libc, "/etc/group", status.gid),
    accessible: may(libc, path, flags.R_OK | flags.W_OK),
  };
}

/** `st_mode`, `st_uid` and `st_gid` of x86-64's `struct stat`, which has 144 bytes. */
function statOf(libc: Libc, path: string): { mode: number; uid: number; gid: number } | undefined {
  let stat: Libc["stat"];
  try {
    stat = libc.stat;
  } catch {
    // glibc before 2.33 has no such symbol.
    return undefined;
  }
  const buffer = new Uint8Array(144);
  if (stat(cString(path), buffer) < 0) return undefined;
  const view = new DataView(buffer.buffer);
  return {
    mode: view.getUint32(24, true),
    uid: view.getUint32(28, true),
    gid: view.getUint32(32, true),
  };
}

/** The effective user and the groups of this process, from proc(5). */
function processIds(libc: Libc): { uid: number; groups: number[] } {
  const status = readText(libc, "/proc/self/status");
  const field = (name: string) =>
    new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
  return { uid: field("Uid")[1] ?? -1, groups: [...field("Gid"), ...field("Groups")] };
}

/** The name that passwd(5) or group(5) has for a number; the number itself where it has none. */
function nameOf(libc: Libc, file: string, id: number): string {
  return rowsOf(readText(libc, file)).find(([, , number]) => Number(number) === id)?.[0] ??
    String(id);
}

function rowsOf(table: string): string[][] {
  return table.trim().split("\n").map((line) => line.split(":"));
}

/** The marks of Docker, of Podman, and of systemd-nspawn and LXC. */
function inContainer(libc: Libc): boolean {
  return ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"]
    .some((path) => exists(libc, path));
}

/** Whether the file exists and this process may see it. */
function exists(libc: Libc, path: string): boolean {
  return may(libc, path, flags.F_OK);
}

function may(libc: Libc, path: string, mode: number): boolean {
  return libc.access(cString(path), mode) === 0;
}

/** A text file, or as much of it as `limit` bytes; empty where it cannot be read. */
function readText(libc: Libc, path: string, limit = 1024 * 1024): string {
  const fd = libc.open(cString(path), flags.O_RDONLY | flags.O_CLOEXEC, 0);
  if (fd < 0) return "";
  try {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(8192);
    let text = "";
    // Files of /proc are read in parts.
    for (let left = limit; left > 0;) {
      const length = Number(libc.read(fd, buffer, BigInt(Math.min(left, buffer.length))));
      if (length <= 0) break;
      text += decoder.decode(buffer.subarray(0, length), { stream: true });
      left -= length;
    }
    return text;
  } finally {
    libc.close(fd);
  }
}
