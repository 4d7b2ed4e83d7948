import { GuestError } from "./error.ts";

/** Larger files are no guests. */
const LARGEST_FILE = 256 * 2 ** 20;

/**
 * A whole file. Nothing is opened that is no file: opening a FIFO waits for its other end.
 *
 * @param path The file.
 * @param guest The guest that it is or that includes it, for messages.
 * @throws {GuestError} When it cannot be read.
 */
export function readFile(path: string, guest: string): Uint8Array {
  const refused = (reason: string, cause?: unknown) =>
    new GuestError(guest, `Cannot read ${path === guest ? "it" : path}: ${reason}`, { cause });
  if (path === "") throw new GuestError('""', "The name of a guest's file is empty");
  try {
    const { isFile, isDirectory, isFifo, size } = Deno.statSync(path);
    if (isDirectory) throw refused("it is a directory, not a file");
    if (isFifo) throw refused("it is a FIFO. Give the guest on the standard input instead: -");
    if (!isFile) throw refused("it is no regular file");
    if (size > LARGEST_FILE) throw refused(tooLarge(`it has ${size} bytes`));
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw refused("there is no such file", error);
    if (error instanceof Deno.errors.NotCapable) {
      throw refused(
        "Deno was not given the permission. Run with --allow-read: " +
          "deno run --allow-ffi --allow-read main.ts …",
        error,
      );
    }
    if (error instanceof Deno.errors.PermissionDenied) throw refused("permission denied", error);
    if (error instanceof GuestError || !(error instanceof Error)) throw error;
    throw refused(error.message, error);
  }
}

/**
 * The whole standard input.
 *
 * @throws {GuestError} When it cannot be read, or does not end soon enough.
 */
export function readInput(): Uint8Array {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const piece = new Uint8Array(64 * 1024);
    const length = readPiece(piece);
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

function readPiece(piece: Uint8Array): number | null {
  try {
    return Deno.stdin.readSync(piece);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const why = error instanceof Deno.errors.IsADirectory ? "it is a directory" : error.message;
    throw new GuestError("<stdin>", `Cannot read it: ${why}`, { cause: error });
  }
}

/** What is wrong with a file that has too many bytes. */
export function tooLarge(found: string): string {
  return `${found}, and a guest has at most ${LARGEST_FILE} (256 MiB)`;
}
