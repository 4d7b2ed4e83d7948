/**
 * What the lab boots: Debian's kernel, and a file system in memory that is the kernel's first one.
 *
 * @module
 */

import { archive, type Entry } from "./cpio.ts";
import init from "./init.sh" with { type: "text" };

/** The lab cannot be built on this machine. */
export class LabError extends Error {
  override name = "LabError";
}

/** The programs that the lab needs, and the Debian package of each. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  "qemu-system-x86_64": "qemu-system-x86",
  busybox: "busybox-static",
  "apt-get": "apt",
  dpkg: "dpkg",
  ldd: "libc-bin",
  setpriv: "util-linux",
};

/** The programs of {@linkcode PROGRAMS} that this machine has not. */
export function lacking(): string[] {
  return Object.keys(PROGRAMS).filter((program) => find(program) === undefined);
}

/** The folder of Debian's kernel, downloaded and unpacked under `cache` the first time. */
export async function kernelFolder(cache: string): Promise<string> {
  const folder = `${cache}/kernel`;
  if (exists(folder)) return folder;
  const depends = await output("apt-cache", ["depends", KERNEL_PACKAGE]);
  const name = depends.match(/Depends: (linux-image-\S+)/)?.[1];
  if (name === undefined) {
    throw new LabError(
      `The lab needs the kernel of ${KERNEL_PACKAGE}, which apt does not know here: ` +
        `sudo apt-get update (on another system than Debian, use a container of it)`,
    );
  }
  const download = await Deno.makeTempDir({ dir: cache });
  try {
    await output("apt-get", ["download", name], download);
    const [file] = [...Deno.readDirSync(download)];
    await output("dpkg", ["-x", file!.name, "kernel"], download);
    // Since Debian 13 the modules are compressed.
    await output(
      "find",
      ["kernel", "-name", "*.ko.xz", "-exec", "busybox", "unxz", "{}", "+"],
      download,
    );
    await Deno.rename(`${download}/kernel`, folder);
  } finally {
    await Deno.remove(download, { recursive: true });
  }
  return folder;
}

/** A kernel for virtual machines: the smallest of Debian's that has kvm_amd. */
const KERNEL_PACKAGE = "linux-image-cloud-amd64";

/** The kernel itself, in its folder. */
export function kernelFile(folder: string): string {
  const file = [...Deno.readDirSync(`${folder}/boot`)].find(({ name }) => /^vmlinuz/.test(name));
  return `${folder}/boot/${file!.name}`;
}

/**
 * The archive with all that stays the same from run to run: init, busybox, kvm_amd, Deno. It is
 * kept under `cache`, and made again when one of its parts has changed.
 */
export async function baseArchive(cache: string, kernel: string): Promise<string> {
  const entries = await baseEntries(kernel);
  const parts = entries.map((entry) => {
    if (entry.kind !== "file" || typeof entry.content === "string") return entry;
    const { size, mtime } = Deno.statSync(entry.content.file);
    return { ...entry, size, mtime };
  });
  const path = `${cache}/base-${await digest(JSON.stringify(parts))}.cpio`;
  if (exists(path)) return path;
  for (const { name } of Deno.readDirSync(cache)) {
    if (/^base-.*\.cpio$/.test(name)) Deno.removeSync(`${cache}/${name}`);
  }
  const unfinished = await Deno.makeTempFile({ dir: cache });
  await Deno.writeFile(unfinished, ReadableStream.from(archive(entries)));
  await Deno.rename(unfinished, path);
  return path;
}

async function baseEntries(kernel: string): Promise<Entry[]> {
  const programs = { "/bin/busybox": find("busybox")!, "/bin/deno": Deno.execPath() };
  const libraries = new Set<string>();
  for (const program of Object.values(programs)) {
    for (const path of await librariesOf(program)) libraries.add(path);
  }
  return [
    { kind: "file", path: "/init", executable: true, content: init },
    ...["/proc", "/sys", "/dev", "/tmp", "/root"].map((path) =>
      ({ kind: "directory", path }) as const
    ),
    { kind: "file", path: "/etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\n" },
    { kind: "file", path: "/etc/group", content: "root:x:0:\n" },
    ...Object.entries(programs).map(([path, file]) => program(path, file)),
    ...[...libraries].map((path) => program(path, path)),
    ...modules(kernel, "kvm_amd").map((file, order): Entry => ({
      kind: "file",
      path: `/lab/modules/${order}.ko`,
      content: { file },
    })),
  ];
}

function program(path: string, file: string): Entry {
  return { kind: "file", path, executable: true, content: { file } };
}

/** The shared libraries of a program, the dynamic loader among them. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("ldd", { args: [program], stderr: "null" }).output();
  return [...new TextDecoder().decode(stdout).matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
}

/** The files of a kernel module and of those that it depends on, in the order to load them. */
function modules(kernel: string, name: string): string[] {
  const files = new Map<string, string>();
  for (const path of filesUnder(kernel)) {
    const module = path.match(/([^/]+)\.ko$/)?.[1];
    if (module !== undefined) files.set(module.replaceAll("-", "_"), path);
  }
  const order = new Set<string>();
  const add = (name: string) => {
    const file = files.get(name);
    if (file === undefined) {
      throw new LabError(`Debian's kernel in ${kernel} has no module ${name}`);
    }
    const text = new TextDecoder("latin1").decode(Deno.readFileSync(file));
    const depends = text.match(/\0depends=([^\0]*)\0/)?.[1] ?? "";
    for (const dependency of depends.split(",").filter(Boolean)) add(dependency);
    order.add(file);
  };
  add(name);
  return [...order];
}

/** Every file in a folder and the folders in it, but none in those that are named. */
export function* filesUnder(folder: string, omit: readonly string[] = []): Generator<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = `${folder}/${entry.name}`;
    if (omit.includes(entry.name)) continue;
    else if (entry.isDirectory) yield* filesUnder(path, omit);
    else yield path;
  }
}

/** Files and links of this machine as entries at the same places. */
export function copies(paths: Iterable<string>): Entry[] {
  return [...paths].map((path): Entry => {
    const { isSymlink, mode } = Deno.lstatSync(path);
    return isSymlink
      ? { kind: "symlink", path, target: Deno.readLinkSync(path) }
      : { kind: "file", path, executable: (mode! & 0o111) !== 0, content: { file: path } };
  });
}

function find(program: string): string | undefined {
  return Deno.env.get("PATH")?.split(":").map((folder) => `${folder}/${program}`).find(exists);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}

/** What a program prints, run in a folder. */
async function output(program: string, args: string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { LC_ALL: "C" },
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  if (!success) {
    const cause = new TextDecoder().decode(stderr).trim();
    throw new LabError(`${[program, ...args].join(" ")} failed: ${cause}`);
  }
  return new TextDecoder().decode(stdout);
}

async function digest(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(hash).toHex().slice(0, 16);
}
