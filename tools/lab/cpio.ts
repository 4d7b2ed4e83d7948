/**
 * Archives in cpio's "newc" format, the one that Linux unpacks as its first file system.
 * Archives may be written one behind the other: the kernel unpacks them in turn.
 * The format: Documentation/driver-api/early-userspace/buffer-format.rst.
 *
 * @module
 */

/** Something to put into an archive. The folders above it need not be listed. */
export type Entry =
  | { kind: "directory"; path: string }
  | { kind: "file"; path: string; executable?: boolean; content: string | FileContent }
  | { kind: "symlink"; path: string; target: string };

/** The content of a file of this machine, read when the archive is written. */
export type FileContent = { file: string };

/** The bytes of an archive that holds the entries. Paths are absolute. */
export function* archive(entries: Iterable<Entry>): Generator<Uint8Array<ArrayBuffer>> {
  const seen = new Set([""]);
  for (const entry of entries) {
    for (const folder of foldersAbove(entry.path)) {
      if (!seen.has(folder)) yield* member(folder, DIRECTORY | 0o755, new Uint8Array());
      seen.add(folder);
    }
    seen.add(entry.path);
    switch (entry.kind) {
      case "directory":
        yield* member(entry.path, DIRECTORY | 0o755, new Uint8Array());
        break;
      case "file":
        yield* member(entry.path, FILE | (entry.executable ? 0o755 : 0o644), bytes(entry.content));
        break;
      case "symlink":
        yield* member(entry.path, SYMLINK | 0o777, bytes(entry.target));
    }
  }
  yield* member("/TRAILER!!!", 0, new Uint8Array());
}

// File types, as in stat's st_mode (inode(7)).
const DIRECTORY = 0o040000;
const FILE = 0o100000;
const SYMLINK = 0o120000;

function foldersAbove(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, end) => parts.slice(0, end + 1).join("/"));
}

function bytes(content: string | FileContent): Uint8Array {
  return typeof content === "string"
    ? new TextEncoder().encode(content)
    : Deno.readFileSync(content.file);
}

function* member(
  path: string,
  mode: number,
  content: Uint8Array,
): Generator<Uint8Array<ArrayBuffer>> {
  const name = new TextEncoder().encode(path.slice(1) + "\0");
  const fields = [
    0, // inode: with one link each, nothing compares them
    mode,
    0, // owner
    0, // group
    1, // links
    0, // time of change
    content.length,
    0, // device, major and minor
    0,
    0, // device that a device file stands for, major and minor
    0,
    name.length,
    0, // checksum: not in this variant
  ];
  const header = "070701" + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  yield padded(new TextEncoder().encode(header), name);
  if (content.length > 0) yield padded(content);
}

/** The parts one behind the other, and zeros up to the next multiple of four. */
function padded(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = new Uint8Array(Math.ceil(length / 4) * 4);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
