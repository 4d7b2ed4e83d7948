import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Info } from "../../src/cli/info.ts";
import { capabilities, hostFacts } from "../../src/kvm/mod.ts";
import { debugFacilities, tryDebugging, tryMode } from "../../src/machine/mod.ts";
import { type Mode, modes } from "../../src/x86/mod.ts";
import { hostsRow, rowsOf } from "../../tools/hosts_table.ts";
import { readPart } from "../../tools/readme.ts";
import { kvmTest, testUnless } from "../kvm_host.ts";

const root = new URL("../..", import.meta.url);
const program = [Deno.execPath(), "run", "--allow-ffi", "main.ts"];

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command in the project. */
async function run([file, ...args]: string[]): Promise<Ended> {
  const command = new Deno.Command(file!, { args, cwd: root, env: { NO_COLOR: "1" } });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const ran = new Map<string, Promise<Ended>>();

/** What the command says here; each only once, because the lab's machine takes long. */
function info(...options: string[]): Promise<Ended> {
  const key = options.join(" ");
  let ended = ran.get(key);
  if (ended === undefined) ran.set(key, ended = run([...program, "info", ...options]));
  return ended;
}

kvmTest("info answers on one screen, with --allow-ffi alone", async () => {
  const { code, stdout, stderr } = await info();
  assertEquals([code, stderr], [0, ""]);
  const { kernel, cpu, backend } = hostFacts();
  assertStringIncludes(stdout, `CPU             ${cpu.model} (${cpu.vendor})\n`);
  assertStringIncludes(stdout, `Kernel          Linux ${kernel}`);
  assertStringIncludes(stdout, `KVM             ${backend}\n`);
  assertStringIncludes(stdout, "API version     12\n");
  assertMatch(stdout, /^\/dev\/kvm {8}c[rwx-]{9} \S+:\S+, open to this user$/m);
  assertMatch(stdout, /^real {12}yes {3}yes/m);
  assertMatch(stdout, /^Deadline {8}one of 50 ms ended `jmp \$` \d+\.\d ms late$/m);
  assertMatch(stdout, /\d+ vCPUs recommended, \d+ at most, \d+ memory slots, \d+ physical/);
  assert(stdout.split("\n").length <= 40, stdout);
});

kvmTest("info says what happened where something does not work", async () => {
  const { stdout } = await info();
  for (const mode of Object.keys(modes) as Mode[]) {
    for (const facility of debugFacilities) {
      const { reason } = tryDebugging(facility, mode);
      if (reason !== undefined) assertStringIncludes(stdout, `\n${reason}\n`);
    }
  }
});

kvmTest("info --json prints one document with everything", async () => {
  const { code, stdout, stderr } = await info("--json");
  assertEquals([code, stderr], [0, ""]);
  const { exitCode, error, host, kvm } = JSON.parse(stdout) as Info;
  assertEquals([exitCode, error], [0, undefined]);
  assertEquals(host, hostFacts());
  assert(kvm !== undefined);
  assertEquals(kvm.apiVersion, 12);
  assertEquals(Object.keys(kvm.capabilities), Object.keys(capabilities));
  assertEquals(kvm.deadline.milliseconds, 50);
  assertEquals(kvm.limits.memorySlots, kvm.capabilities["KVM_CAP_NR_MEMSLOTS"]);
  assert(kvm.limits.maxVcpus >= kvm.limits.recommendedVcpus && kvm.limits.recommendedVcpus > 0);
  for (const [name, { works, reason, ...facilities }] of Object.entries(kvm.modes)) {
    const mode = name as Mode;
    assertEquals([works, reason], [tryMode(mode).works, tryMode(mode).reason]);
    for (const facility of debugFacilities) {
      assertEquals(facilities[facility], tryDebugging(facility, mode));
    }
  }
  const edx = kvm.cpuid.find(({ function: leaf }) => leaf === 1)!.edx;
  const names = kvm.cpuidFeatures.find(({ leaf, register }) => leaf === 1 && register === "edx");
  assertEquals(names!.names.includes("fpu"), (edx & 1) === 1);
});

kvmTest("info --all names every capability, info --cpuid every feature offered", async () => {
  const { kvm } = JSON.parse((await info("--json")).stdout) as Info;
  const { stdout } = await info("--all", "--cpuid");
  const words = new Set(stdout.split(/,?\s+/));
  for (const name of Object.keys(capabilities)) assert(words.has(name.slice(8)), name);
  for (const { names } of kvm!.cpuidFeatures) {
    for (const name of names) assert(words.has(name), name);
  }
});

const rows = rowsOf(readPart(await Deno.readTextFile(new URL("README.md", root)), "hosts"));
const ownRow = await rowOfThisHost();

/** What the table says, or should say, of this host; nothing where KVM cannot be used. */
async function rowOfThisHost(): Promise<string[] | undefined> {
  const found = JSON.parse((await info("--json")).stdout) as Info;
  return found.kvm && hostsRow(found);
}

kvmTest("README's table of hosts says of this one what info finds", () => {
  assertEquals(rows.find(([name]) => name === ownRow![0]), ownRow);
}, {
  lacks: ownRow === undefined || rows.some(([name]) => name === ownRow[0])
    ? undefined
    : `README has no row for ${ownRow[0]} yet`,
});

Deno.test("README's table of hosts has a row for kvm_pvm and for the lab's kvm_amd", () => {
  const names = rows.map(([name]) => name);
  assertEquals(names.slice(0, 2), ["`kvm_pvm`", "`kvm_amd` on QEMU's software CPU"]);
});

Deno.test("info refuses an unknown option and a word", async () => {
  const option = await info("--jsno");
  assertEquals([option.code, option.stdout], [2, ""]);
  assertStringIncludes(option.stderr, "Did you mean --json?");
  assertEquals((await info("everything")).code, 2);
});

/**
 * A shell script that gives the process a `/dev`, `/sys`, `/run` and `/proc/cpuinfo` of its own,
 * then runs the rest of its words. `$DIR` is an empty folder.
 */
const OTHER_HOST = `
set -e
mount -t tmpfs none "$DIR"
mkdir "$DIR/dev"
for name in null zero random urandom; do
  touch "$DIR/dev/$name"
  mount -o bind "/dev/$name" "$DIR/dev/$name"
done
printf '%s\\n' "processor : 0" "vendor_id : AuthenticAMD" "flags : fpu $FEATURES" > "$DIR/cpuinfo"
mount -o bind "$DIR/cpuinfo" /proc/cpuinfo
mkdir -p /run
mount -t tmpfs none /run
mount -t tmpfs none /sys
mount -o rbind "$DIR/dev" /dev
`;

const noNamespace = await whyNoNamespace();

/** Why no process can be given a host of its own; nothing where it can. */
async function whyNoNamespace(): Promise<string | undefined> {
  try {
    const { code, stderr } = await run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/sys"]);
    return code === 0 ? undefined : `no mount namespace: ${stderr.trim()}`;
  } catch (error) {
    return `no unshare: ${error instanceof Error ? error.message : error}`;
  }
}

/** Runs the program on a host that the shell script makes after {@linkcode OTHER_HOST}. */
async function onHost(
  options: { features?: string; script?: string; wrapper?: string },
  ...args: string[]
): Promise<Ended> {
  const { features = "", script = "", wrapper = "" } = options;
  const folder = await Deno.makeTempDir({ prefix: "hlt-host-" });
  try {
    const whole = `DIR=${folder}; FEATURES="${features}"\n${OTHER_HOST}\n${script}\n` +
      `exec ${wrapper} "$@"`;
    return await run(["unshare", "-m", "sh", "-c", whole, "sh", ...program, ...args]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The tests themselves may run in a Docker container, whose mark no mount can hide. */
const inDocker = await Deno.stat("/.dockerenv").then(() => true, () => false);

/** What each host is, and what the program must say there. */
const hosts: Record<string, { features?: string; script?: string; says: string }> = {
  "without the module": {
    features: "svm",
    says: inDocker
      ? "Cannot open /dev/kvm: there is no such device in this container (ENOENT). " +
        "On the host: sudo modprobe kvm_amd, and start the container with --device=/dev/kvm"
      : "Cannot open /dev/kvm: the kernel module is not loaded (ENOENT). " +
        "Load it: sudo modprobe kvm_amd",
  },
  "whose firmware has virtualization switched off": {
    says: "Cannot open /dev/kvm: the CPU's virtualization extensions are missing or switched off " +
      "(ENOENT). Switch on SVM (AMD-V) in the firmware's settings",
  },
  "that is a container without the device": {
    script: "mkdir -p /sys/class/misc/kvm; touch /run/.containerenv",
    says: "Cannot open /dev/kvm: the container was not given the device (ENOENT). " +
      "Start it with the device: docker run --device=/dev/kvm …",
  },
  "that is a VM without nested virtualization": {
    features: "hypervisor",
    script: "mkdir -p /sys/class/dmi/id; echo QEMU > /sys/class/dmi/id/sys_vendor",
    says: "Cannot open /dev/kvm: this is a virtual machine without nested virtualization " +
      "(ENOENT). On its host, load kvm_intel or kvm_amd with nested=1, and give the VM -cpu host",
  },
  "that is WSL 2 without nested virtualization": {
    features: "hypervisor",
    script: `echo "Linux version 6.6.87-microsoft-standard-WSL2" > "$DIR/version"
      mount -o bind "$DIR/version" /proc/version`,
    says: "Cannot open /dev/kvm: this WSL 2 machine has no nested virtualization (ENOENT). Set " +
      "nestedVirtualization=true under [wsl2] in .wslconfig (Windows 11), then: wsl --shutdown",
  },
  "whose /dev/kvm is another device": {
    script: `touch "$DIR/kvm"; mount -o bind /dev/null "$DIR/kvm"
      touch "$DIR/dev/kvm"; mount -o bind "$DIR/kvm" /dev/kvm`,
    says: "Cannot use /dev/kvm: it is not a KVM device. The device is /dev/kvm",
  },
};

for (const [what, { says, ...host }] of Object.entries(hosts)) {
  testUnless(noNamespace, `info diagnoses a host ${what}, exit code 3`, async () => {
    const { code, stdout, stderr } = await onHost(host, "info");
    assertEquals([code, stderr], [3, ""]);
    assert(stdout.endsWith(`\n\n${says}\n`), stdout);
    assertMatch(stdout, /^CPU {13}/);
  });
}

testUnless(noNamespace, "info --json holds the diagnosis, and what the system tells", async () => {
  const { code, stdout } = await onHost({ features: "svm" }, "info", "--json");
  const { exitCode, error, host, kvm } = JSON.parse(stdout) as Info;
  assertEquals([code, exitCode, kvm], [3, 3, undefined]);
  assertEquals(error, hosts["without the module"]!.says);
  assertEquals([host?.cpu.extension, host?.device, host?.backend], ["svm", undefined, undefined]);
});

testUnless(
  noNamespace,
  "the same diagnosis stands behind the failure of other commands",
  async () => {
    const { code, stdout, stderr } = await onHost({ features: "svm" }, "hello");
    assertEquals([code, stdout, stderr], [3, "", `${hosts["without the module"]!.says}\n`]);
  },
);

// root without the capability to pass over permissions
const DROP = "setpriv --bounding-set=-dac_override,-dac_read_search";
const noDrop = noNamespace ?? await whyNoDrop();

async function whyNoDrop(): Promise<string | undefined> {
  try {
    const { code, stderr } = await run([...DROP.split(" "), "true"]);
    return code === 0 ? undefined : `setpriv cannot drop capabilities: ${stderr.split("\n")[0]}`;
  } catch (error) {
    return `no setpriv: ${error instanceof Error ? error.message : error}`;
  }
}

testUnless(noDrop, "info diagnoses a user without permission, by the device's group", async () => {
  const device = "mknod /dev/kvm c 10 232; chown 1:1234 /dev/kvm; chmod 660 /dev/kvm";
  const { code, stdout } = await onHost({ script: device, wrapper: DROP }, "info");
  assertEquals(code, 3);
  assertMatch(stdout, /^\/dev\/kvm {8}crw-rw---- \S+:1234, closed to this user$/m);
  const remedy = inDocker
    ? "Start it with the device's group: docker run --device=/dev/kvm --group-add 1234 …"
    : "Add yourself to the 1234 group: sudo usermod -aG 1234 $USER, then log in again";
  assertStringIncludes(
    stdout,
    `\nCannot open /dev/kvm: permission denied (EACCES). ${remedy}\n`,
  );
});
