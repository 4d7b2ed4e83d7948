/**
 * The program in a terminal, which the tests are: a pseudo-terminal (pty(7)) of the C library's.
 *
 * @module
 */

import { commandLine, quoted, type RunOptions } from "./program.ts";

const libc = () =>
  Deno.dlopen("libc.so.6", {
    posix_openpt: { parameters: ["i32"], result: "i32" },
    grantpt: { parameters: ["i32"], result: "i32" },
    unlockpt: { parameters: ["i32"], result: "i32" },
    ptsname_r: { parameters: ["i32", "buffer", "usize"], result: "i32" },
    read: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
    write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
  });

const O_RDWR = 2;
const O_NOCTTY = 0o400;

/**
 * Runs the program in a terminal.
 *
 * @param keys What is typed whenever `prompt` comes up, in turn.
 * @returns All that the terminal showed, and the exit code.
 */
export async function runInTerminal(
  args: string[],
  { prompt, keys, ...options }: RunOptions & { prompt: string; keys: string[] },
): Promise<{ code: number; shown: string }> {
  const library = libc();
  const { posix_openpt, grantpt, unlockpt, ptsname_r, read, write, close } = library.symbols;
  const terminal = posix_openpt(O_RDWR | O_NOCTTY);
  const name = new Uint8Array(64);
  if (grantpt(terminal) + unlockpt(terminal) + ptsname_r(terminal, name, 64n) !== 0) {
    throw new Error("There is no pseudo-terminal");
  }
  const path = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
  const command = commandLine(args, options).map(quoted).join(" ");
  const script = `{ stty rows 5 cols 80; exec ${command}; } <${path} >${path} 2>&1`;
  const child = new Deno.Command("sh", { args: ["-c", script], env: { NO_COLOR: "1" } }).spawn();
  let shown = "";
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(4096);
  const typed = [...keys];
  for (let seen = 0;;) {
    // It fails once the program has ended, and with it the terminal's only other side.
    const length = Number(await read(terminal, bytes, 4096n));
    if (length <= 0) break;
    shown += decoder.decode(bytes.subarray(0, length), { stream: true });
    const at = shown.indexOf(prompt, seen);
    if (at < 0) continue;
    seen = at + prompt.length;
    const key = new TextEncoder().encode(typed.shift());
    write(terminal, key, BigInt(key.length));
  }
  const { code } = await child.status;
  close(terminal);
  library.close();
  return { code, shown };
}
