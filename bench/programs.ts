/**
 * The programs that the benchmark compares with: its own in C, and those of the system.
 *
 * @module
 */

import { assemble } from "../src/asm/mod.ts";

const ROOT = new URL("../", import.meta.url).pathname;
/** Where everything goes that the benchmark makes; git ignores it. */
export const OUT: string = ROOT + "bench/out/";
/** Where the results of a whole run go, which README shows. */
export const REPORT: string = ROOT + "bench/report/";

/** A line needs a program that is not installed. */
export class MissingProgram extends Error {
  override readonly name = "MissingProgram";

  constructor(program: string) {
    super(`${program} is not installed`);
  }
}

/** The path of a file of the project. */
export function projectFile(path: string): string {
  return ROOT + path;
}

/** The path of one of the system's programs. */
export async function findProgram(name: string): Promise<string> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/${name}`;
    if (await Deno.stat(path).then((file) => file.isFile, () => false)) return path;
  }
  throw new MissingProgram(name);
}

/** Compiles a program of `bench/c`, with some macros defined; gives its path. */
export async function compile(
  name: string,
  macros: Record<string, string> = {},
): Promise<string> {
  const path = OUT + name;
  const defined = Object.entries(macros).map(([macro, value]) => `-D${macro}=(${value})`);
  const source = projectFile(`bench/c/${name}.c`);
  await run([await findProgram("cc"), "-O2", ...defined, "-o", path, source]);
  return path;
}

/** Assembles a source of the project; gives the path of the image. */
export async function image(source: string): Promise<string> {
  const path = OUT + source.replaceAll("/", "_").replace(".asm", ".bin");
  const text = await Deno.readTextFile(projectFile(source));
  await Deno.writeFile(path, assemble(text, { name: source }).bytes);
  return path;
}

/** Runs a program to its end; gives what it printed. */
export async function run(command: string[]): Promise<string> {
  return (await runToEnd(command)).stdout;
}

async function runToEnd([program, ...args]: string[]): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(program!, { args }).output();
  const decoder = new TextDecoder();
  const said = { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  if (code !== 0) throw new Error(`${program} ended with exit code ${code}: ${said.stderr}`);
  return said;
}

/** What a process took. */
export interface Usage {
  /** From its start to its end. */
  nanoseconds: number;
  /** Its peak resident memory in bytes. */
  peakMemory: number;
}

/**
 * Runs a program under `bench/c/spawn.c`, which measures it.
 *
 * @param options `code`: the exit code that it ends with if all went well.
 */
export async function spawn(command: string[], options: { code?: number } = {}): Promise<Usage> {
  spawner ??= compile("spawn");
  const { stdout, stderr } = await runToEnd([await spawner, ...command]);
  const [nanoseconds, peakMemory, code] = stdout.split(" ").map(Number);
  if (code !== (options.code ?? 0)) {
    throw new Error(`${command.join(" ")} ended with exit code ${code}: ${stderr}`);
  }
  return { nanoseconds: nanoseconds!, peakMemory: peakMemory! };
}

let spawner: Promise<string> | undefined;

/** A program that does one measurement for each line it reads, and answers with its result. */
export class Server implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor([program, ...args]: string[]) {
    this.#process = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#reader = this.#process.stdout.getReader();
  }

  async measure(): Promise<number> {
    await this.#writer.write(Uint8Array.of(10));
    const { value } = await this.#reader.read();
    if (value === undefined) throw new Error("The reference program ended");
    return Number(new TextDecoder().decode(value));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#process.status;
  }
}
