import { assemble, type Assembly, type Bits, formatListing } from "../asm/mod.ts";
import { readFile, readInput } from "../guest/read_file.ts";
import type { Command } from "./main.ts";
import { write } from "./output.ts";
import { openOutput } from "./output_file.ts";
import { type Parsed, parseOptions, UsageError } from "./usage.ts";

/** `asm`: assembles a source. */
export const asm: Command = {
  help: `Assemble a source in NASM's syntax into a flat binary.

Usage: deno run --allow-read --allow-write main.ts asm [OPTION…] FILE

FILE is the source; - is the standard input. Without -o, --listing, --hex and --json the binary goes
to the standard output, which then must not be a terminal.

Options:
  -o OUT           write the binary to OUT
  --bits N         the mode before the first bits directive: 16 (default), 32, 64
  --listing        print the source with its offsets and bytes, as nasm -l does
  --hex            print the bytes in hexadecimal, 16 a line
  -D NAME[=VALUE]  define a macro, as %define NAME VALUE would; again and again
  -I DIR           look for included files in DIR too; again and again
  --json           print one JSON document instead: origin, bits (the mode at the beginning), bytes
                   (hexadecimal), symbols, lines (offset, address, length, times, isReserved, file,
                   line, source, depth, bits) and warnings (message, file, line, column)
  --help           this

Exit codes: 0 assembled; 2 bad usage or a wrong source.`,
  run(args) {
    const parsed = parseOptions(separate(args), {
      flags: ["listing", "hex", "json"],
      values: ["o", "bits"],
      lists: ["D", "I"],
    });
    const file = fileOf(parsed);
    const name = file === "-" ? "<stdin>" : file;
    const source = new TextDecoder().decode(file === "-" ? readInput() : readFile(file, file));
    const folders = parsed.lists.get("I")!.map((folder) => folder.replace(/\/?$/, "/"));
    const sources = new Set([name]);
    const read = (path: string) => {
      if (!isThere(path)) return undefined;
      sources.add(path);
      return readFile(path, name);
    };
    const assembly = assemble(source, {
      name,
      bits: bitsOf(parsed),
      defines: definesOf(parsed),
      environment,
      resolve: (path, from) => placesOf(path, { from, folders }).find(isThere),
      readBytes: read,
      readText(path) {
        const bytes = read(path);
        return bytes && new TextDecoder().decode(bytes);
      },
    });
    for (const { file, line, column, message } of assembly.warnings) {
      write(`${file}:${line}:${column}: Warning: ${message}\n`, Deno.stderr);
    }
    print(assembly, parsed, sources);
    return 0;
  },
};

/** `-DNAME`, `-IDIR` and `-oOUT` in two words. */
function separate(args: readonly string[]): string[] {
  return args.flatMap((word) => {
    const match = /^-([oDI])([^-].*)$/.exec(word);
    return match ? [`-${match[1]}`, match[2]!] : [word];
  });
}

function fileOf({ words }: Parsed): string {
  const [file, other] = words;
  if (file === undefined) throw new UsageError("There is no source: asm [OPTION…] FILE");
  if (other !== undefined) {
    throw new UsageError(`One source is assembled at a time, and "${other}" is a second one`);
  }
  return file;
}

function bitsOf({ values }: Parsed): Bits {
  const bits = Number(values.get("bits") ?? 16);
  if (bits !== 16 && bits !== 32 && bits !== 64) {
    throw new UsageError(`--bits takes 16, 32 or 64, not "${values.get("bits")}"`);
  }
  return bits;
}

function definesOf({ lists }: Parsed): Record<string, string> {
  return Object.fromEntries(lists.get("D")!.map((text) => {
    const [, name, value] = /^([A-Za-z_.?@][\w.?@$#~]*(?:\([^()]*\))?)(?:=([^]*))?$/.exec(text) ??
      [];
    if (name === undefined) {
      throw new UsageError(`-D takes NAME or NAME=VALUE, and "${text}" begins with no name`);
    }
    return [name, value ?? ""];
  }));
}

/** Where a file may be: as it is named, in the folders of `-I`, beside the file that names it. */
function placesOf(
  path: string,
  { from, folders }: { from: string; folders: readonly string[] },
): string[] {
  if (path.startsWith("/")) return [path];
  const beside = from.slice(0, from.lastIndexOf("/") + 1);
  return ["", ...folders, beside].map((folder) => folder + path);
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    // What cannot be looked at may be there: reading it tells what is wrong.
    return !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory);
  }
}

function environment(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new UsageError(
      `The source asks for the environment variable ${name}, and Deno was not given the permission. ` +
        "Run with --allow-env: deno run --allow-read --allow-write --allow-env main.ts asm …",
    );
  }
}

function print(
  assembly: Assembly,
  { flags, values }: Parsed,
  sources: ReadonlySet<string>,
): void {
  const { bytes, origin, bits, listing, symbols, warnings } = assembly;
  const out = values.get("o");
  if (out !== undefined) {
    using file = openOutput(out, sources);
    file.write(bytes);
  }
  if (flags.has("json")) {
    const document = {
      origin,
      bits,
      bytes: bytes.toHex(),
      symbols: Object.fromEntries([...symbols].map(([name, value]) => [name, String(value)])),
      lines: listing,
      warnings,
    };
    write(`${JSON.stringify(document, null, 2)}\n`);
    return;
  }
  if (flags.has("listing")) write(formatListing(assembly));
  if (flags.has("hex")) write(hexDump(bytes));
  if (out !== undefined || flags.has("listing") || flags.has("hex")) return;
  if (Deno.stdout.isTerminal()) {
    throw new UsageError("A binary is not for a terminal: give -o OUT, --listing or --hex");
  }
  write(bytes);
}

/** Bytes in hexadecimal, 16 a line. */
function hexDump(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 16) {
    const line = [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, "0"));
    text += `${line.join(" ")}\n`;
  }
  return text;
}
