/** How words stand out: by colour on a terminal, not at all elsewhere. */
export type Style = Record<"bold" | "dim" | "red" | "green" | "yellow", (text: string) => string>;

const plain = (text: string) => text;

/** The style for stdout. The colours are loaded only when they can be seen. */
export async function terminalStyle(): Promise<Style> {
  if (Deno.noColor || !Deno.stdout.isTerminal()) {
    return { bold: plain, dim: plain, red: plain, green: plain, yellow: plain };
  }
  return await import("@std/fmt/colors");
}

const encoder = new TextEncoder();

/** Writes all of `bytes`, or of a text in UTF-8, at once: to stdout unless said otherwise. */
export function write(
  output: Uint8Array | string,
  to: { writeSync(bytes: Uint8Array): number } = Deno.stdout,
): void {
  let bytes = typeof output === "string" ? encoder.encode(output) : output;
  while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
}
