/**
 * The program as a user runs it: in a process of its own.
 *
 * @module
 */

import { assertNotMatch } from "@std/assert";
import { tryMode } from "../../src/machine/host.ts";
import type { Mode } from "../../src/x86/mod.ts";
import { isLab } from "../kvm_host.ts";

/** Why tests that run many processes and no guest are skipped on a software CPU. */
export const slow: string | undefined = isLab
  ? "no guest runs in it, and a process takes seconds on this software CPU"
  : undefined;

const root = new URL("../../", import.meta.url).pathname;

/** What a process left behind. */
export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** Where and how the program runs. */
export interface RunOptions {
  /** Deno's options: `--allow-ffi` unless said otherwise. */
  permissions?: string[];
  /** The script: `main.ts` unless said otherwise. */
  script?: string;
  /** Changes to the environment. */
  env?: Record<string, string>;
}

/** The words of the command that runs the program with `args`. */
export function commandLine(args: string[], options: RunOptions = {}): string[] {
  const { permissions = ["--allow-ffi"], script = "main.ts" } = options;
  return [Deno.execPath(), "run", "--no-prompt", ...permissions, root + script, ...args];
}

/** Runs the program with `args`. Whatever happens, it never ends with a stack trace. */
export async function runProgram(args: string[], options: RunOptions = {}): Promise<Finished> {
  const finished = await execute(commandLine(args, options), options);
  assertNotMatch(finished.stderr, /Uncaught|^ +at /m);
  return finished;
}

/** Runs a command, its words as they are. */
export async function execute(words: string[], options: RunOptions = {}): Promise<Finished> {
  const [command = "", ...args] = words;
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    env: { NO_COLOR: "", ...options.env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Why a tool cannot be used, or nothing: `args` are to make it do nothing. */
export function lackOf(tool: string, args: string[]): string | undefined {
  try {
    const { success } = new Deno.Command(tool, { args, stdin: "null" }).outputSync();
    return success ? undefined : `${tool} ${args.join(" ")} fails here`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `${tool} is not installed`;
    throw error;
  }
}

/** A word for a shell, in quotes. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Why this host lacks a mode; nothing where it has it, or where there is no KVM to ask. */
export function lackOfMode(mode: Mode): string | undefined {
  try {
    const { works, reason } = tryMode(mode);
    return works ? undefined : reason;
  } catch {
    return undefined;
  }
}
