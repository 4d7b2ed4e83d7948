import { AssemblyError } from "../asm/mod.ts";
import { GuestError, UnknownNameError } from "../guest/mod.ts";
import { KvmError } from "../kvm/mod.ts";
import { exitCode } from "./exit_code.ts";
import { OutputError, write } from "./output.ts";
import { didYouMean, UsageError } from "./usage.ts";

/**
 * Tells the user what went wrong, on stderr.
 *
 * @param options `json`: whether a JSON document on stdout is to say it too.
 * @returns The exit code it means.
 */
export function report(error: unknown, options: { json: boolean }): number {
  if (error instanceof Deno.errors.BrokenPipe) return exitCode.unread;
  const { code, message, hint } = explain(error);
  tell(hint === undefined ? message : `${message}\n${hint}`, Deno.stderr);
  if (options.json) tell(JSON.stringify({ error: message, exitCode: code }, null, 2), Deno.stdout);
  return code;
}

/** Writes a line where someone may read it. */
function tell(line: string, to: typeof Deno.stdout | typeof Deno.stderr): void {
  try {
    write(`${line}\n`, to);
  } catch {
    // There is nobody else to tell; the exit code still says it.
  }
}

/** What an error means to the user; a fault of this program is thrown on. */
function explain(error: unknown): { code: number; message: string; hint?: string } {
  if (error instanceof UsageError) {
    return { code: exitCode.usage, message: error.message, hint: "Try --help" };
  }
  if (error instanceof UnknownNameError && error.known.length > 0) {
    const { message, written, known } = error;
    const hint = didYouMean(written, known);
    return { code: exitCode.usage, message, ...(hint !== undefined && { hint }) };
  }
  if (error instanceof AssemblyError) {
    const message = error.errors.map(({ message }) => message).join("\n");
    return { code: exitCode.usage, message };
  }
  if (error instanceof GuestError) return { code: exitCode.usage, message: error.message };
  if (error instanceof KvmError || error instanceof OutputError) {
    return { code: exitCode.host, message: error.message };
  }
  throw error;
}
