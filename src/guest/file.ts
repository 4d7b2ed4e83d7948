import { GuestError } from "./error.ts";
import { loadGuest } from "./load.ts";
import type { Override, Program } from "./program.ts";
import { readFile, readInput } from "./read_file.ts";

/**
 * Loads a guest from a file ({@linkcode loadGuest}). What it includes is looked for beside the
 * including file, then beside the guest. Takes `--allow-read`.
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
  const included = new IncludedFiles(path);
  return loadGuest(bytes, {
    ...options,
    name: isInput ? "<stdin>" : path,
    readBytes: (file, from) => included.read(file, from),
    readText(file, from) {
      const bytes = included.read(file, from);
      return bytes && new TextDecoder().decode(bytes);
    },
  });
}

/** The files that a guest includes. A source knows them by the names that it includes them by. */
class IncludedFiles {
  readonly #guest: string;
  readonly #paths = new Map<string, string>();

  constructor(guest: string) {
    this.#guest = guest;
  }

  /** The bytes of `file` as it is meant in the file `from`; nothing if there is none. */
  read(file: string, from: string): Uint8Array | undefined {
    const paths = new Set(
      [this.#paths.get(from) ?? from, this.#guest].map((other) =>
        file.startsWith("/") ? file : other.slice(0, other.lastIndexOf("/") + 1) + file
      ),
    );
    for (const path of paths) {
      const bytes = this.#tryRead(path);
      if (bytes === undefined) continue;
      this.#paths.set(file, path);
      return bytes;
    }
    return undefined;
  }

  #tryRead(path: string): Uint8Array | undefined {
    try {
      return readFile(path, this.#guest);
    } catch (error) {
      if (error instanceof GuestError && error.cause instanceof Deno.errors.NotFound) {
        return undefined;
      }
      throw error;
    }
  }
}
