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
