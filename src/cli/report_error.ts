import { AssemblyError } from "../asm/mod.ts";
import { UnknownNameError } from "../guest/mod.ts";
import { KvmError } from "../kvm/mod.ts";
import { exitCode } from "./exit_code.ts";
import { UsageError } from "./usage.ts";
import { closestString } from "@std/text/closest-string";

/**
 * Tells the user what went wrong, on stderr.
 *
 * @returns The exit code it means.
 */
export function report(error: unknown): number {
  // Whoever read our output has gone, as `head` does.
  if (error instanceof Deno.errors.BrokenPipe) return exitCode.proved;
  const { code, message } = explain(error);
  console.error(message);
  return code;
}

function explain(error: unknown): { code: number; message: string } {
  if (error instanceof UsageError) {
    return { code: exitCode.usage, message: `${error.message}\nTry --help` };
  }
  if (error instanceof UnknownNameError) {
    const nearest = closestString(error.written, error.known);
    return { code: exitCode.usage, message: `${error.message}\nDid you mean ${nearest}?` };
  }
  if (error instanceof AssemblyError) {
    const message = error.errors.map(({ message }) => message).join("\n");
    return { code: exitCode.usage, message };
  }
  if (error instanceof KvmError) return { code: exitCode.host, message: error.message };
  throw error;
}
