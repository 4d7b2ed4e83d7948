import { assertEquals, fail } from "@std/assert";
import { assemble, type AssembleOptions } from "../../src/asm/mod.ts";

// The real NASM, against which the assembler is judged.

/** The version whose choices are followed; others may differ here and there. */
export const nasmVersion = "2.16.01";

/** The installed NASM's version, or undefined if there is none. */
export const installedNasm: string | undefined = findNasm();

function findNasm(): string | undefined {
  try {
    const { stdout } = new Deno.Command("nasm", { args: ["-v"] }).outputSync();
    return /version (\S+)/.exec(new TextDecoder().decode(stdout))?.[1];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A test that needs NASM: without it, or with another version, it is skipped under a name that says so. */
export function nasmTest(name: string, test: () => void | Promise<void>): void {
  const lack = installedNasm === undefined
    ? "nasm is not installed"
    : installedNasm !== nasmVersion
    ? `nasm is ${installedNasm}, not ${nasmVersion}`
    : undefined;
  Deno.test({
    name: lack ? `${name} (skipped: ${lack})` : name,
    ignore: lack !== undefined,
    fn: test,
  });
}

/** Keeps NASM from taking what only AVX-512 has, which the assembler has not. */
export const noEvex = "[cpu noevex]\n";

/**
 * Whether NASM takes a line by an oversight: a store by a mask, without one, for which it takes a
 * register of the address; and a 64-bit register outside 64-bit mode.
 */
export function isOversight(line: string): boolean {
  return /\bvpmaskmov[dq] .*\][^,]*, *[^,]*$/.test(line) || /\bvpmovmskb r.*, *\w*ymm/.test(line);
}

/** What NASM made of a source: the binary, or undefined if it refused; and what it said. */
export interface NasmResult {
  readonly bytes: Uint8Array | undefined;
  readonly messages: string;
  readonly listing: string;
}

/** Runs `nasm -f bin` on a source. */
export function runNasm(
  source: string,
  { args = [] as string[], listing = false } = {},
): NasmResult {
  const directory = Deno.makeTempDirSync({ prefix: "hlt-nasm-" });
  try {
    Deno.writeTextFileSync(`${directory}/source.asm`, source);
    // Some sources, such as sections that follow each other, send NASM into an endless loop.
    const { success, stderr } = new Deno.Command("timeout", {
      args: [
        ...["20", "nasm", "-f", "bin", "-o", "binary", ...(listing ? ["-l", "listing"] : [])],
        ...args,
        "source.asm",
      ],
      cwd: directory,
    }).outputSync();
    return {
      bytes: success ? Deno.readFileSync(`${directory}/binary`) : undefined,
      messages: new TextDecoder().decode(stderr),
      listing: success && listing ? Deno.readTextFileSync(`${directory}/listing`) : "",
    };
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Fails unless the assembler makes NASM's bytes of a source; tells the first line that differs. */
export function assertSameAsNasm(
  source: string,
  { args = [], ...options }: AssembleOptions & { args?: string[] } = {},
): void {
  const nasm = runNasm(source, { args });
  if (!nasm.bytes) fail(`NASM refused the source: ${nasm.messages}`);
  const { bytes, listing } = assemble(source, options);
  const at = bytes.findIndex((byte, i) => byte !== nasm.bytes![i]);
  if (at >= 0) {
    const row = listing.find(({ offset, length }) => offset <= at && at < offset + length);
    const start = row?.offset ?? at;
    assertEquals(
      toHex(bytes.subarray(start, start + 16)),
      toHex(nasm.bytes.subarray(start, start + 16)),
      `line ${row?.line}: ${row?.source}`,
    );
  }
  assertEquals(bytes.length, nasm.bytes.length, "the length of the binary");
}

/** Bytes in hexadecimal, with blanks between them. */
export function toHex(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/**
 * Which of many lines NASM refuses, by their index. It finds some errors only where there are no
 * others, so it is asked again without the lines already refused.
 */
export function refusedByNasm(
  lines: readonly string[],
  bits: number,
  { before = "", after = "" } = {},
): Set<number> {
  const refused = new Set<number>();
  const first = before.split("\n").length + 1;
  for (;;) {
    const source = lines.map((line, i) => refused.has(i) ? "" : line).join("\n");
    const { bytes, messages } = runNasm(`bits ${bits}\n${before}${source}\n${after}`, {
      args: ["-w-all"],
    });
    if (bytes) return refused;
    const known = refused.size;
    // A panic is the end of a run, and names one line more.
    const complaint = /:(\d+): (?:error: |fatal: |assertion )/g;
    for (const [, line] of messages.matchAll(complaint)) {
      refused.add(Number(line) - first);
    }
    if (refused.size === known) {
      fail(`NASM fails without naming a line: ${messages.slice(0, 500)}`);
    }
  }
}

/**
 * Preprocessed text without what says nothing: comments, numbers of local labels, and how many
 * blanks there are, each `blank` then.
 */
export function normalize(text: string, blank = " "): string {
  const numbers = new Map<string, number>();
  return text.split("\n")
    .filter((line) => !line.startsWith("%line"))
    .map((line) =>
      line.replaceAll(
        /('[^']*'|"[^"]*"|`(?:\\.|[^`])*`)|;.*|\s+/g,
        (all, quoted) => quoted ?? (all.startsWith(";") ? "" : blank),
      ).trim()
    )
    .filter((line) => line !== "")
    .join("\n")
    .replaceAll(/\.\.@(\d+)\./g, (_, number) => {
      if (!numbers.has(number)) numbers.set(number, numbers.size);
      return `..@${numbers.get(number)}.`;
    });
}
