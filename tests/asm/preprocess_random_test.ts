import { assert, assertEquals } from "@std/assert";
import { preprocess } from "../../src/asm/preprocess.ts";
import { nasmTest, normalize } from "./nasm.ts";
import { randomSource } from "./preprocess_random.ts";

/** What NASM makes of a source; nothing where it fails itself, or would need the whole assembler. */
function askNasm(source: string, directory: string): string | undefined {
  Deno.writeTextFileSync(`${directory}/case.asm`, source);
  const { code, stdout, stderr } = new Deno.Command("timeout", {
    args: ["2", "nasm", "-E", "case.asm"],
    cwd: directory,
  }).outputSync();
  const said = new TextDecoder().decode(stderr);
  if (code === 124 || /panic|preprocess-only/.test(said)) return undefined;
  return code === 0 ? normalize(new TextDecoder().decode(stdout), "") : "refused";
}

nasmTest("preprocess() makes of random sources what nasm -E makes of them", () => {
  const directory = Deno.makeTempDirSync({ prefix: "hlt-nasm-" });
  let taken = 0;
  try {
    for (let seed = 1; seed <= 700; seed++) {
      const source = randomSource(seed);
      const { lines, diagnostics } = preprocess(source, { name: "case.asm" });
      const errors = diagnostics.filter(({ severity }) => severity === "error");
      // Pasting can make a macro's own name again and again; NASM goes further before it gives up.
      if (errors.some(({ reason }) => reason.includes("does not end"))) continue;
      const theirs = askNasm(source, directory);
      if (theirs === undefined) continue;
      const ours = errors.length > 0
        ? "refused"
        : normalize(lines.map(({ text }) => text).join("\n"), "");
      assertEquals(ours, theirs, `seed ${seed}:\n${source}`);
      if (theirs !== "refused") taken++;
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  assert(taken > 350, `${taken} sources were right`);
});
