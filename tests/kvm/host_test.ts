import { assertEquals, assertStringIncludes } from "@std/assert";
import { errnos } from "../../src/kvm/error.ts";
import { hostBackend, hostFacts, whyNoKvm } from "../../src/kvm/host.ts";
import { flags, type Libc, libc } from "../../src/kvm/libc.ts";

/** What a stand-in's `/dev/kvm` is. */
interface Device {
  mode: number;
  uid: number;
  gid: number;
}

/** A host on which only these files exist, holding these texts, with this `/dev/kvm`. */
function hostWith(files: Record<string, string>, device?: Device): Libc {
  const opened: { content: Uint8Array; at: number }[] = [];
  const pathOf = (path: BufferSource) => new TextDecoder().decode(path).slice(0, -1);
  return {
    ...libc(),
    access: (path: BufferSource) => pathOf(path) in files ? 0 : -1,
    open(path: BufferSource) {
      const text = files[pathOf(path)];
      if (text === undefined) return -1;
      return opened.push({ content: new TextEncoder().encode(text), at: 0 }) - 1;
    },
    read(fd: number, buffer: BufferSource, count: bigint) {
      // At most 100 bytes a call, as the files of /proc give a part at a time.
      const file = opened[fd]!;
      const part = file.content.subarray(file.at, file.at + Math.min(Number(count), 100));
      (buffer as Uint8Array).set(part);
      file.at += part.length;
      return BigInt(part.length);
    },
    close: () => 0,
    stat(_path: BufferSource, buffer: BufferSource) {
      if (device === undefined) return -1;
      const words = new Uint32Array((buffer as Uint8Array<ArrayBuffer>).buffer);
      words.set([0o020000 | device.mode, device.uid, device.gid], 24 / 4);
      return 0;
    },
  };
}

const cpu = (features: string, vendor = "GenuineIntel") =>
  `processor\t: 0\nvendor_id\t: ${vendor}\nmodel name\t: A CPU @ 3 GHz\n` +
  `flags\t\t: fpu vme ${features} sse2\nbogomips\t: 1\n`;
const intel = cpu("vmx");
const amd = cpu("svm", "AuthenticAMD");
const guestOfHypervisor = cpu("hypervisor");

function diagnosis(
  files: Record<string, string>,
  errno: number = errnos.ENOENT,
  device?: Device,
): string {
  const error = whyNoKvm(hostWith(files, device), "/dev/kvm", errno);
  assertEquals([error.operation, error.errno], ["open", errno]);
  return error.message;
}

Deno.test("whyNoKvm() says which module to load", () => {
  assertEquals(
    diagnosis({ "/proc/cpuinfo": intel }),
    "Cannot open /dev/kvm: the kernel module is not loaded (ENOENT). " +
      "Load it: sudo modprobe kvm_intel",
  );
  assertEquals(
    diagnosis({ "/proc/cpuinfo": amd }),
    "Cannot open /dev/kvm: the kernel module is not loaded (ENOENT). " +
      "Load it: sudo modprobe kvm_amd",
  );
});

Deno.test("whyNoKvm() sends to the firmware's settings where the CPU shows no extensions", () => {
  const names = {
    GenuineIntel: "VT-x",
    AuthenticAMD: "SVM (AMD-V)",
    CentaurHauls: "virtualization",
  };
  for (const [vendor, name] of Object.entries(names)) {
    assertEquals(
      diagnosis({ "/proc/cpuinfo": cpu("", vendor) }),
      "Cannot open /dev/kvm: the CPU's virtualization extensions are missing or switched off " +
        `(ENOENT). Switch on ${name} in the firmware's settings`,
    );
  }
});

Deno.test("whyNoKvm() sends to the kernel's log where the module that fits the CPU does not work", () => {
  for (const errno of [errnos.ENOENT, errnos.ENODEV, errnos.ENXIO]) {
    const code = { 2: "ENOENT", 19: "ENODEV", 6: "ENXIO" }[errno];
    assertEquals(
      diagnosis({ "/proc/cpuinfo": amd, "/sys/module/kvm_amd": "" }, errno),
      `Cannot open /dev/kvm: the kvm_amd module is there, but does not work (${code}). ` +
        "Read why: sudo dmesg | grep -i kvm. Switch on SVM (AMD-V) in the firmware's settings " +
        'if it says "disabled by bios"',
    );
  }
});

Deno.test("whyNoKvm() names a module to load where only the other vendor's is built in", () => {
  assertEquals(
    diagnosis({ "/proc/cpuinfo": amd, "/sys/module/kvm": "", "/sys/module/kvm_intel": "" }),
    "Cannot open /dev/kvm: the kernel module is not loaded (ENOENT). " +
      "Load it: sudo modprobe kvm_amd",
  );
});

Deno.test("whyNoKvm() sees a container that was not given the device", () => {
  for (const mark of ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"]) {
    assertEquals(
      diagnosis({ [mark]: "", "/sys/class/misc/kvm": "" }),
      "Cannot open /dev/kvm: the container was not given the device (ENOENT). " +
        "Start it with the device: docker run --device=/dev/kvm …",
    );
  }
});

Deno.test("whyNoKvm() sees a /dev that lacks the kernel's device", () => {
  assertEquals(
    diagnosis({ "/sys/class/misc/kvm": "" }),
    "Cannot open /dev/kvm: the kernel has the device, but /dev lacks it (ENOENT). Make it: " +
      "sudo mknod -m 660 /dev/kvm c 10 232; or start the container with --device=/dev/kvm",
  );
});

Deno.test("whyNoKvm() sees a container whose rules forbid the device", () => {
  assertEquals(
    diagnosis({ "/.dockerenv": "" }, errnos.EPERM),
    "Cannot open /dev/kvm: the container was not given the device (EPERM). " +
      "Start it with the device: docker run --device=/dev/kvm …",
  );
});

Deno.test("whyNoKvm() sees a container on a host that has not loaded the module", () => {
  assertEquals(
    diagnosis({ "/.dockerenv": "", "/proc/cpuinfo": amd }),
    "Cannot open /dev/kvm: there is no such device in this container (ENOENT). " +
      "On the host: sudo modprobe kvm_amd, and start the container with --device=/dev/kvm",
  );
});

Deno.test("whyNoKvm() sees a virtual machine without nested virtualization", () => {
  assertEquals(
    diagnosis({ "/proc/cpuinfo": guestOfHypervisor, "/proc/version": "Linux version 6.1.0" }),
    "Cannot open /dev/kvm: this is a virtual machine without nested virtualization (ENOENT). " +
      "Switch nested virtualization on in its hypervisor, or run hlt on the host",
  );
});

Deno.test("whyNoKvm() sees a kvm_pvm that has not started where there is no other", () => {
  assertEquals(
    diagnosis({ "/proc/cpuinfo": guestOfHypervisor, "/sys/module/kvm_pvm": "" }),
    "Cannot open /dev/kvm: this is a virtual machine without nested virtualization, and kvm_pvm, " +
      "which needs none, has not started (ENOENT). Switch nested virtualization on in its " +
      "hypervisor, or run hlt on the host. Read why kvm_pvm has not: sudo dmesg | grep -i kvm",
  );
  assertEquals(
    diagnosis({ "/proc/cpuinfo": cpu(""), "/sys/module/kvm_pvm": "" }),
    "Cannot open /dev/kvm: the CPU's virtualization extensions are missing or switched off, and " +
      "kvm_pvm, which needs none, has not started (ENOENT). Switch on VT-x in the firmware's " +
      "settings. Read why kvm_pvm has not: sudo dmesg | grep -i kvm",
  );
});

Deno.test("whyNoKvm() says how each hypervisor gives a machine nested virtualization", () => {
  const words = {
    "QEMU": "nested=1",
    "VMware, Inc.": "vhv.enable",
    "innotek GmbH": "VBoxManage modifyvm NAME --nested-hw-virt on",
    "Microsoft Corporation": "Set-VMProcessor NAME -ExposeVirtualizationExtensions $true",
    "Google": "--enable-nested-virtualization",
    "Amazon EC2": ".metal",
  };
  for (const [vendor, word] of Object.entries(words)) {
    const files = {
      "/proc/cpuinfo": guestOfHypervisor,
      "/sys/class/dmi/id/sys_vendor": `${vendor}\n`,
    };
    assertStringIncludes(diagnosis(files), word);
  }
});

Deno.test("whyNoKvm() sees a WSL 2 without nested virtualization", () => {
  assertEquals(
    diagnosis({
      "/proc/cpuinfo": guestOfHypervisor,
      "/proc/version": "Linux version 5.15.167.4-microsoft-standard-WSL2 (root@x) (gcc) #1 SMP",
    }),
    "Cannot open /dev/kvm: this WSL 2 machine has no nested virtualization (ENOENT). " +
      "Set nestedVirtualization=true under [wsl2] in .wslconfig (Windows 11), then: wsl --shutdown",
  );
});

Deno.test("whyNoKvm() sees a WSL 1", () => {
  assertEquals(
    diagnosis({
      "/proc/cpuinfo": guestOfHypervisor,
      "/proc/version": "Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc)",
    }),
    "Cannot open /dev/kvm: WSL 1 has no Linux kernel (ENOENT). " +
      "Turn it into a WSL 2 machine, on Windows 11: wsl --set-version DISTRIBUTION 2",
  );
});

Deno.test("whyNoKvm() does not guess where the system tells nothing", () => {
  assertEquals(
    diagnosis({}),
    "Cannot open /dev/kvm: nothing here tells why (ENOENT). " +
      "Try: sudo modprobe kvm_intel || sudo modprobe kvm_amd",
  );
});

const accounts = {
  "/etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
  "/etc/group": "root:x:0:\nvirt:x:78:bob\nkvm:x:104:bob,ann\n",
  "/proc/self/status": "Name:\tdeno\nUid:\t1000\t1000\t1000\t1000\n" +
    "Gid:\t1000\t1000\t1000\t1000\nGroups:\t24 27 \n",
};
const forbidden = (files: Record<string, string>, device: Device) =>
  diagnosis({ ...accounts, ...files }, errnos.EACCES, device)
    .replace("Cannot open /dev/kvm: permission denied (EACCES). ", "");

Deno.test("whyNoKvm() names the device's own group to a user without permission", () => {
  assertEquals(
    forbidden({}, { mode: 0o660, uid: 0, gid: 78 }),
    "Add yourself to the virt group: sudo usermod -aG virt $USER, then log in again",
  );
  assertEquals(
    forbidden({}, { mode: 0o660, uid: 0, gid: 993 }),
    "Add yourself to the 993 group: sudo usermod -aG 993 $USER, then log in again",
  );
});

Deno.test("whyNoKvm() sees a user who joined the group after logging in", () => {
  assertEquals(
    forbidden({}, { mode: 0o660, uid: 0, gid: 104 }),
    "You are in the kvm group, but since after this login: log in again, or: newgrp kvm",
  );
});

Deno.test("whyNoKvm() sees a device that no group may use", () => {
  const give = "sudo chown root:kvm /dev/kvm && sudo chmod 660 /dev/kvm. " +
    "Add yourself to the kvm group: sudo usermod -aG kvm $USER, then log in again";
  for (const device of [{ mode: 0o600, uid: 0, gid: 104 }, { mode: 0o660, uid: 0, gid: 0 }]) {
    assertEquals(forbidden({}, device), `Give it to the kvm group: ${give}`);
  }
  assertEquals(
    forbidden({ "/etc/group": "root:x:0:\n" }, { mode: 0o600, uid: 0, gid: 0 }),
    `Give it to the kvm group: sudo groupadd -r kvm && ${give}`,
  );
});

Deno.test("whyNoKvm() sees that the permissions are not the reason", () => {
  const status = accounts["/proc/self/status"].replace("24 27", "24 104");
  assertEquals(
    forbidden({ "/proc/self/status": status }, { mode: 0o660, uid: 0, gid: 104 }),
    "Its group may use it, and you are in it: ask SELinux, AppArmor or the mount options",
  );
});

Deno.test("whyNoKvm() says how a container's user gets the device's group", () => {
  const forbiddenThere = (device: Device) => forbidden({ "/run/.containerenv": "" }, device);
  assertEquals(
    forbiddenThere({ mode: 0o660, uid: 0, gid: 104 }),
    "Start it with the device's group: docker run --device=/dev/kvm --group-add 104 …",
  );
  assertEquals(
    forbiddenThere({ mode: 0o660, uid: 65534, gid: 65534 }),
    "Start it with your groups: podman run --group-add keep-groups …",
  );
  assertEquals(
    forbiddenThere({ mode: 0o600, uid: 0, gid: 0 }),
    "Let a group use the device on the host, and start the container with --group-add",
  );
});

Deno.test("whyNoKvm() supposes the kvm group where the C library has no stat", () => {
  const old = {
    ...hostWith(accounts),
    get stat(): Libc["stat"] {
      throw new TypeError("undefined symbol: stat");
    },
  };
  assertEquals(
    whyNoKvm(old, "/dev/kvm", errnos.EACCES).message,
    "Cannot open /dev/kvm: permission denied (EACCES). " +
      "Add yourself to the kvm group: sudo usermod -aG kvm $USER, then log in again",
  );
});

Deno.test("whyNoKvm() reports any other errno with its remedy", () => {
  assertEquals(
    diagnosis({}, errnos.EMFILE),
    "Cannot open /dev/kvm (open): too many open files (EMFILE). " +
      "Close some VMs, or raise the limit: ulimit -n 65536",
  );
});

/** What there is where the driver runs. */
const registered = { "/sys/class/misc/kvm": "" };

Deno.test("hostBackend() names the module that runs, and nothing without one", () => {
  for (const module of ["kvm_intel", "kvm_amd", "kvm_pvm"]) {
    const files = { [`/sys/module/${module}`]: "" };
    assertEquals(hostBackend(hostWith({ ...files, ...registered })), module);
    // Built in, but the CPU or the hypervisor lacks what it needs.
    assertEquals(hostBackend(hostWith(files)), undefined);
  }
  assertEquals(hostBackend(hostWith({ "/sys/module/kvm": "", ...registered })), undefined);
});

Deno.test("hostBackend() names the CPU's own where the kernel shows several", () => {
  const files = {
    ...registered,
    "/sys/module/kvm_intel": "",
    "/sys/module/kvm_amd": "",
    "/sys/module/kvm_pvm": "",
  };
  assertEquals(hostBackend(hostWith({ ...files, "/proc/cpuinfo": intel })), "kvm_intel");
  assertEquals(hostBackend(hostWith({ ...files, "/proc/cpuinfo": amd })), "kvm_amd");
  assertEquals(hostBackend(hostWith({ ...files, "/proc/cpuinfo": cpu("") })), "kvm_pvm");
});

Deno.test("hostBackend() finds this host's own module, if it runs", async () => {
  const namesIn = (folder: string) => Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  const isRunning = (await namesIn("/sys/class/misc")).includes("kvm");
  const modules = await namesIn("/sys/module");
  const expected = modules.find((name) => /^kvm_(intel|amd|pvm)$/.test(name));
  assertEquals(hostBackend(), isRunning ? expected : undefined);
});

Deno.test("hostFacts() reads the CPU, the module's settings and the device", () => {
  const parameters = "/sys/module/kvm_intel/parameters";
  const files = {
    ...accounts,
    ...registered,
    "/proc/cpuinfo": intel + cpu("svm hypervisor", "AuthenticAMD"),
    "/sys/module/kvm_intel": "",
    [`${parameters}/ept`]: "Y\n",
    [`${parameters}/unrestricted_guest`]: "N\n",
    [`${parameters}/nested`]: "1\n",
    "/dev/kvm": "",
  };
  const { kernel: _, ...facts } = hostFacts(hostWith(files, { mode: 0o660, uid: 1000, gid: 104 }));
  assertEquals(facts, {
    cpu: {
      vendor: "GenuineIntel",
      model: "A CPU @ 3 GHz",
      extension: "vmx",
      hypervisor: false,
    },
    backend: "kvm_intel",
    parameters: { ept: true, unrestricted_guest: false, nested: true },
    device: { mode: 0o660, owner: "ann", group: "kvm", accessible: true },
    unreadable: [],
  });
});

Deno.test("hostFacts() names the files that the user may not read", () => {
  const file = "/sys/module/kvm_amd/parameters/npt";
  const files = { ...registered, "/proc/cpuinfo": amd, "/sys/module/kvm_amd": "" };
  const host = hostWith({ ...files, [file]: "Y\n" });
  const facts = hostFacts({
    ...host,
    access: (path: BufferSource, mode: number) =>
      mode === flags.R_OK && new TextDecoder().decode(path) === `${file}\0`
        ? -1
        : host.access(path, mode),
  });
  assertEquals(facts.unreadable, [file]);
});

Deno.test("hostFacts() tells the kernel that runs here, and what stat tells of its device", async () => {
  const { kernel, device } = hostFacts();
  assertEquals(kernel, Deno.osRelease());
  const status = await Deno.stat("/dev/kvm").catch(() => undefined);
  assertEquals(device?.mode, status && status.mode! & 0o777);
});
