import { UsageError } from "./usage.ts";

/** What a guest in a folder is called. */
const GUEST = /\.(asm|s|nasm)$/i;

/**
 * The guests that paths stand for: a file itself, a folder the sources in it and below. Sorted, each
 * once. Symbolic links to folders are not followed.
 *
 * @throws {UsageError} For a path that is not there or cannot be read.
 */
export function findGuests(paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    if (path === "") throw new UsageError("The name of a file or folder is empty");
    const clean = path.replace(/^(\.\/+)+(?=.)/, "").replace(/(?<=.)\/+$/, "");
    if (ask(clean, () => Deno.statSync(clean)).isDirectory) addFolder(clean, found);
    else found.add(clean);
  }
  // By code units: the same everywhere.
  return [...found].sort();
}

function addFolder(folder: string, found: Set<string>): void {
  for (const { name, isDirectory } of ask(folder, () => [...Deno.readDirSync(folder)])) {
    const path = folder === "." ? name : folder === "/" ? `/${name}` : `${folder}/${name}`;
    if (isDirectory) addFolder(path, found);
    else if (GUEST.test(name)) found.add(path);
  }
}

function ask<T>(path: string, question: () => T): T {
  try {
    return question();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new UsageError(
        `Cannot read ${path}: Deno was not given the permission. Run with --allow-read: ` +
          "deno run --allow-ffi --allow-read main.ts test …",
        { cause: error },
      );
    }
    if (error instanceof Deno.errors.NotFound) {
      throw new UsageError(`There is no file or folder ${path}`, { cause: error });
    }
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`Cannot read ${path}: ${error.message}`, { cause: error });
  }
}
