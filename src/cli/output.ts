/** How words stand out: by colour on a terminal, not at all elsewhere. */
export type Style = Record<"bold" | "dim" | "red" | "green" | "yellow", (text: string) => string>;

const plain = (text: string) => text;

/** The style for stdout, unless said otherwise. The colours are loaded only if they can be seen. */
export async function terminalStyle(
  to: { isTerminal(): boolean } = Deno.stdout,
): Promise<Style> {
  if (Deno.noColor || !to.isTerminal()) {
    return { bold: plain, dim: plain, red: plain, green: plain, yellow: plain };
  }
  return await import("@std/fmt/colors");
}

const encoder = new TextEncoder();

/** The output cannot be written: the disk is full. */
export class OutputError extends Error {
  override readonly name = "OutputError";
}

/**
 * Writes all of `output`, a text in UTF-8, at once: to stdout unless said otherwise.
 *
 * @throws {Deno.errors.BrokenPipe} When nobody reads it any more.
 * @throws {OutputError} When it cannot be written for another reason.
 */
export function write(
  output: Uint8Array | string,
  to: { writeSync(bytes: Uint8Array): number } = Deno.stdout,
): void {
  let bytes = typeof output === "string" ? encoder.encode(output) : output;
  try {
    while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
  } catch (cause) {
    if (!(cause instanceof Error) || cause instanceof Deno.errors.BrokenPipe) throw cause;
    throw new OutputError(`Cannot write the output: ${cause.message}`, { cause });
  }
}
