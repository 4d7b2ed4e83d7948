import { assertEquals } from "@std/assert";
import { errnos } from "../../src/kvm/error.ts";
import { hostBackend, whyNoKvm } from "../../src/kvm/host.ts";
import { type Libc, libc } from "../../src/kvm/libc.ts";

/** A host on which only these files exist, holding these texts. */
function hostWith(files: Record<string, string>): Libc {
  const opened: string[] = [];
  const pathOf = (path: BufferSource) => new TextDecoder().decode(path).slice(0, -1);
  return {
    ...libc(),
    access: (path: BufferSource) => pathOf(path) in files ? 0 : -1,
    open: (path: BufferSource) => pathOf(path) in files ? opened.push(pathOf(path)) - 1 : -1,
    read(fd: number, buffer: BufferSource) {
      const { written } = new TextEncoder().encodeInto(files[opened[fd]!]!, buffer as Uint8Array);
      return BigInt(written);
    },
    close: () => 0,
  };
}

const cpu = (features: string) =>
  `processor\t: 0\nflags\t\t: fpu vme ${features} sse2\nbogomips\t: 1\n`;
const intel = cpu("vmx");
const amd = cpu("svm");
const guestOfHypervisor = cpu("hypervisor");

function diagnosis(files: Record<string, string>, errno: number = errnos.ENOENT): string {
  const error = whyNoKvm(hostWith(files), "/dev/kvm", errno);
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
  assertEquals(
    diagnosis({ "/proc/cpuinfo": cpu("") }),
    "Cannot open /dev/kvm: the CPU's virtualization extensions are missing or switched off " +
      "(ENOENT). Switch on VT-x, or SVM on AMD, in the firmware's settings",
  );
});

Deno.test("whyNoKvm() sends to the kernel's log where no backend of kvm works", () => {
  for (const errno of [errnos.ENOENT, errnos.ENODEV, errnos.ENXIO]) {
    const code = { 2: "ENOENT", 19: "ENODEV", 6: "ENXIO" }[errno];
    assertEquals(
      diagnosis({ "/proc/cpuinfo": intel, "/sys/module/kvm": "" }, errno),
      `Cannot open /dev/kvm: the kvm module is loaded, but no backend of it works (${code}). ` +
        "Read why: sudo dmesg | grep -i kvm",
    );
  }
});

Deno.test("whyNoKvm() sees a container that was not given the device", () => {
  for (const mark of ["/.dockerenv", "/run/.containerenv"]) {
    for (const module of ["kvm", "kvm_intel", "kvm_amd", "kvm_pvm"]) {
      assertEquals(
        diagnosis({ [mark]: "", [`/sys/module/${module}`]: "" }),
        "Cannot open /dev/kvm: the container was not given the device (ENOENT). " +
          "Start it with the device: docker run --device=/dev/kvm …",
      );
    }
  }
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

Deno.test("whyNoKvm() sends a user without permission to the kvm group", () => {
  assertEquals(
    diagnosis({ "/sys/module/kvm_intel": "" }, errnos.EACCES),
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

Deno.test("hostBackend() names the loaded module, and nothing without one", () => {
  for (const module of ["kvm_intel", "kvm_amd", "kvm_pvm"]) {
    assertEquals(hostBackend(hostWith({ [`/sys/module/${module}`]: "" })), module);
  }
  assertEquals(hostBackend(hostWith({ "/sys/module/kvm": "" })), undefined);
});

Deno.test("hostBackend() finds this host's own module", async () => {
  const modules = await Array.fromAsync(Deno.readDir("/sys/module"), ({ name }) => name);
  const expected = modules.find((name) => /^kvm_(intel|amd|pvm)$/.test(name));
  assertEquals(hostBackend(), expected);
});
