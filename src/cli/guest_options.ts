import { type Override, type Program, readGuest } from "../guest/mod.ts";
import { write } from "./output.ts";
import { type Parsed, UsageError } from "./usage.ts";

/** The options with one value that a guest's directives have too. */
export const values = ["mode", "ram", "load", "entry", "stack", "irqchip", "io", "timeout"];
/** Those that can be given again and again; `run` has `expect` besides. */
export const lists = ["cpuid", "set"];

/** Reads the one guest that is named, and warns on stderr of what is doubtful about it. */
export function readProgram(parsed: Parsed): Program {
  const program = readGuest(fileOf(parsed), { overrides: overridesOf(parsed) });
  for (const warning of program.warnings) write(`${warning}\n`, Deno.stderr);
  return program;
}

function fileOf({ words }: Parsed): string {
  const [file, other] = words;
  if (file === undefined) throw new UsageError("There is no guest: give a FILE, or - for stdin");
  if (other !== undefined) {
    throw new UsageError(`This takes one guest, and "${other}" is a second one`);
  }
  return file;
}

/** The directives that were given as options. */
function overridesOf({ values: given, lists: givenLists }: Parsed): Override[] {
  const all = [
    ...values.map((name) => [name, given.get(name)] as const),
    ...[...lists, "expect"].flatMap((name) =>
      (givenLists.get(name) ?? []).map((text) => [name, text] as const)
    ),
  ];
  return all.flatMap(([name, text]) =>
    text === undefined ? [] : [{ name, at: { file: `--${name}`, line: 1, text, start: 0 } }]
  );
}
