import { OutputError, write } from "./output.ts";
import { UsageError } from "./usage.ts";

/** A file that the user named for output. */
export interface OutputFile extends Disposable {
  /**
   * Writes behind what was written before; what the file held till then goes with the first call.
   *
   * @throws {OutputError} When it cannot be written any more: the disk is full.
   */
  write(output: Uint8Array | string): void;
}

/**
 * Opens a file for output. Done before anything runs, it keeps a wrong name from costing a run; and a
 * run that fails does not cost what the file held, nor leaves a new one that is empty.
 *
 * @param sources The files that were read: the output takes the place of none.
 * @throws {UsageError} When it cannot be written, or is one of `sources` by whatever name.
 */
export function openOutput(path: string, sources: Iterable<string>): OutputFile {
  const { file, isNew } = open(path);
  const { dev, ino } = file.statSync();
  for (const source of sources) {
    if (!isFile(source, { dev, ino })) continue;
    file.close();
    throw new UsageError(`Cannot write ${path}: it is the source ${source}. Name another file`);
  }
  let isWritten = false;
  return {
    write(output) {
      // A pipe or a terminal has no length.
      if (!isWritten && file.statSync().isFile) file.truncateSync();
      isWritten = true;
      try {
        write(output, file);
      } catch (error) {
        if (!(error instanceof OutputError && error.cause instanceof Error)) throw error;
        throw new OutputError(`Cannot write ${path}: ${error.cause.message}`, error);
      }
    },
    [Symbol.dispose]() {
      file.close();
      if (isNew && !isWritten) Deno.removeSync(path);
    },
  };
}

function open(path: string): { file: Deno.FsFile; isNew: boolean } {
  const openAs = (options: Deno.OpenOptions) => Deno.openSync(path, { write: true, ...options });
  try {
    try {
      return { file: openAs({ createNew: true }), isNew: true };
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      return { file: openAs({ create: true }), isNew: false };
    }
  } catch (error) {
    throw new UsageError(`Cannot write ${path}: ${whyNot(error)}`, { cause: error });
  }
}

/** Whether a path leads to a file. One that cannot be looked at, as `<stdin>`, was no source. */
function isFile(path: string, { dev, ino }: Pick<Deno.FileInfo, "dev" | "ino">): boolean {
  try {
    const found = Deno.statSync(path);
    return found.dev === dev && found.ino === ino;
  } catch {
    return false;
  }
}

function whyNot(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such folder";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof Deno.errors.NotCapable) {
    return "Deno was not given the permission. Run with --allow-write";
  }
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Error) return error.message;
  throw error;
}
