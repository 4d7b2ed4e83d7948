// deno-lint-ignore-file no-console
/**
 * The AMD lab: runs a command, or the tests, in a machine that has a real `kvm_amd`. QEMU's
 * software CPU emulates AMD-V, Debian's kernel drives it, and a copy of the project runs there.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { archive, type Entry } from "./lab/cpio.ts";
import {
  baseArchive,
  copies,
  filesUnder,
  kernelFile,
  kernelFolder,
  LabError,
  lacking,
  PROGRAMS,
} from "./lab/image.ts";
import { boot, type Run } from "./lab/machine.ts";

const HELP = `\
Runs a command in a copy of the project on a machine with a real kvm_amd (software CPU).

Usage: deno task lab [OPTIONS] [COMMAND [ARGUMENT…]]

COMMAND alone is a line for the shell; with arguments it is run as it stands.
Without COMMAND, every test that uses /dev/kvm is run.

Options:
  --limit SECONDS  stop the command after this time (900)
  --prepare        download the kernel and build the image, but start nothing
  --help           show this

Exit codes: the command's; 2 bad usage, 3 the lab cannot run here, 4 the lab's machine failed,
124 the time limit passed, 130 Ctrl-C.`;

/** The parts of the project whose tests, and examples in the documentation, use /dev/kvm. */
const KVM_PARTS = ["kvm", "x86", "machine", "guest", "cli"];

const root = Deno.realPathSync(`${import.meta.dirname}/..`);
const cache = `${root}/.lab`;
const denoCache = `${cache}/deno`;

/**
 * Keeps a virtual machine open. With the first one KVM patches the kernel's scheduler
 * (`preempt_notifier_inc`, a static key), and with the last one back. QEMU's software CPU can miss
 * such a patch while two CPUs run the code, and freezes then: so the patch is made once, at the start.
 */
const HOLD_VM = `import { Kvm } from ${JSON.stringify(`file://${root}/src/kvm/mod.ts`)};
Kvm.open().createVm();
setInterval(() => {}, 60_000);`;

if (import.meta.main) {
  try {
    Deno.exit(await lab(Deno.args));
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.error(error.message);
    Deno.exit(3);
  }
}

async function lab(args: string[]): Promise<number> {
  let unknown: string | undefined;
  const options = parseArgs(args, {
    boolean: ["help", "prepare"],
    string: ["limit", "_"],
    default: { limit: "900" },
    stopEarly: true,
    unknown: (word, option) => {
      if (option !== undefined) unknown ??= word;
    },
  });
  if (options["help"]) {
    console.log(HELP);
    return 0;
  }
  const limit = Number(options["limit"]);
  if (!(limit > 0)) unknown ??= `--limit ${options["limit"]}`;
  if (unknown !== undefined) {
    console.error(`Cannot read the option ${unknown}: see deno task lab --help`);
    return 2;
  }

  const start = performance.now();
  checkPrograms();
  await Deno.mkdir(cache, { recursive: true });
  const kernel = await kernelFolder(cache);
  const base = await baseArchive(cache, kernel);
  await fillDenoCache();
  if (options["prepare"]) return 0;

  const folder = await Deno.makeTempDir({ prefix: "hlt-lab-" });
  try {
    const initramfs = `${folder}/initramfs`;
    await Deno.copyFile(base, initramfs);
    const project = archive(projectEntries(options._.map(String)));
    await Deno.writeFile(initramfs, ReadableStream.from(project), { append: true });
    const run = await boot({
      kernel: kernelFile(kernel),
      initramfs,
      folder,
      limit,
      onUp: (release) => {
        const seconds = ((performance.now() - start) / 1000).toFixed(1);
        console.error(`The lab is up: Linux ${release}, kvm_amd (${seconds} s)`);
      },
    });
    return report(run, limit);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function checkPrograms(): void {
  const programs = lacking();
  if (programs.length === 0) return;
  const packages = new Set(programs.map((program) => PROGRAMS[program]));
  throw new LabError(
    `The lab needs ${programs.join(", ")}: ` +
      `sudo apt-get install --no-install-recommends ${[...packages].join(" ")}`,
  );
}

/**
 * The lab has no network: what the tests import must be in Deno's cache before. Without the lock
 * file, because with it the registry's description of a package is not always waited for and kept,
 * and then asked for in the lab.
 */
async function fillDenoCache(): Promise<void> {
  const modules = projectFiles().filter((path) => /(_test|_bench|\/main)\.ts$/.test(path));
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", "--no-check", "--no-lock", ...modules],
    cwd: root,
    env: { DENO_DIR: denoCache },
    stdout: "null",
  }).spawn().status;
  if (!success) throw new LabError("The modules that the tests import cannot be had: see above");
}

/** The project, Deno's cache and the command, at the same paths as here: so the cache is valid. */
function projectEntries(command: string[]): Entry[] {
  return [
    ...copies(projectFiles()),
    ...copies(filesUnder(denoCache)),
    { kind: "file", path: "/lab/command", content: commandScript(command) },
  ];
}

function projectFiles(): string[] {
  return [...filesUnder(root, [".git", ".lab", "node_modules"])];
}

/** A script for the shell that runs the command in the project. */
function commandScript(command: string[]): string {
  const handedOn = Object.entries(Deno.env.toObject())
    .filter(([name]) => name === "NO_COLOR" || name.startsWith("HLT_"));
  const variables = {
    ...Object.fromEntries(handedOn),
    HOME: "/root",
    DENO_DIR: denoCache,
    DENO_NO_UPDATE_CHECK: "1",
    HLT_LAB: "1",
    HLT_REQUIRE_KVM: "1",
  };
  const [first, ...others] = command.length > 0 ? command : testCommand();
  return [
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `cd ${quoted(root)}`,
    `deno eval ${quoted(HOLD_VM)} >/dev/null 2>&1 &`,
    others.length === 0 ? first : [first!, ...others].map(quoted).join(" "),
  ].join("\n");
}

/**
 * Every test that uses /dev/kvm. Those of the program run it in processes of its own, several at a
 * time; the others count what their process has open, so nothing may run beside them.
 */
function testCommand(): string[] {
  const folders = ["src", "tests"].flatMap((above) =>
    [...Deno.readDirSync(`${root}/${above}`)]
      .filter(({ name }) => KVM_PARTS.includes(name))
      .map(({ name }) => `${above}/${name}`)
  );
  const program = "tests/cli";
  const others = folders.filter((folder) => folder !== program).join(" ");
  const test = "deno test --no-check --allow-all";
  return [
    `${test} --parallel ${program}; first=$?; ${test} --doc ${others} && [ $first = 0 ]`,
  ];
}

/** A word as the shell must read it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Says what went wrong, and gives the exit code. */
function report({ outcome, output, console: kernelMessages }: Run, limit: number): number {
  switch (outcome.kind) {
    case "exited":
      return outcome.code;
    case "stopped":
      return outcome.signal === "SIGINT" ? 130 : 143;
    case "timeout":
      console.error(`\nThe lab was stopped: the command did not end within ${limit} s`);
      break;
    case "failed":
      console.error(`\nThe lab's machine failed: ${outcome.reason}`);
  }
  if (output) console.error(`The last output was:\n${output.trimEnd()}`);
  if (kernelMessages) {
    console.error(`The last messages of its kernel were:\n${kernelMessages.trimEnd()}`);
  }
  return outcome.kind === "timeout" ? 124 : 4;
}
