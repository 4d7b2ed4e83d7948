import { GuestError } from "./error.ts";
import { loadGuest } from "./load.ts";
import type { Override, Program } from "./program.ts";
import { LARGEST_FILE, readFile, tooLarge } from "./read_file.ts";

/**
 * Loads a guest from a file ({@linkcode loadGuest}). What it includes is found relative to the
 * including file. Takes `--allow-read`.
 *
 * @param path The file; `-` is the standard input.
 * @param options `overrides`: directives that win over the guest's own.
 * @throws {AssemblyError} When its source, a directive or an override is wrong.
 * @throws {GuestError} When it cannot be read, is no guest, or its settings do not fit.
 */
export function readGuest(
  path: string,
  options: { overrides?: readonly Override[] } = {},
): Program {
  const isInput = path === "-";
  const bytes = isInput ? readInput() : readFile(path, path);
  /** Where the included files lie, by the names they are included by. */
  const paths = new Map<string, string>();
  const included = (file: string, from: string) => {
    const found = beside(paths.get(from) ?? from, file);
    paths.set(file, found);
    return readIncluded(found, path);
  };
  return loadGuest(bytes, {
    ...options,
    name: isInput ? "<stdin>" : path,
    readBytes: included,
    readText(file, from) {
      const bytes = included(file, from);
      return bytes && new TextDecoder().decode(bytes);
    },
  });
}

/** `file` as it is meant in the file `from`. */
function beside(from: string, file: string): string {
  const folder = from.slice(0, from.lastIndexOf("/") + 1);
  return file.startsWith("/") ? file : folder + file;
}

function readIncluded(path: string, guest: string): Uint8Array | undefined {
  try {
    return readFile(path, guest);
  } catch (error) {
    if (error instanceof GuestError && error.cause instanceof Deno.errors.NotFound) {
      return undefined;
    }
    throw error;
  }
}

function readInput(): Uint8Array {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const piece = new Uint8Array(64 * 1024);
    const length = Deno.stdin.readSync(piece);
    if (length === null) break;
    pieces.push(piece.subarray(0, length));
    size += length;
    if (size > LARGEST_FILE) throw new GuestError("<stdin>", tooLarge("it goes on"));
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
