import { assert, assertEquals } from "@std/assert";
import { assemble, AssemblyError } from "../../src/asm/mod.ts";
import { nasmTest, runNasm } from "./nasm.ts";

const sources = Deno.readTextFileSync(new URL("wrong.txt", import.meta.url)).split("\n")
  .filter((line) => line !== "" && !line.startsWith("# "))
  .map((line) => line.replaceAll(/\\(n|\\)/g, (_, escaped) => escaped === "n" ? "\n" : "\\"));

Deno.test("assemble() refuses every wrong source, and says where it is wrong", () => {
  assert(sources.length >= 500, `${sources.length} sources`);
  const taken = sources.filter((source) => {
    try {
      assemble(source, {
        name: "wrong.asm",
        readBytes: () => undefined,
        readText: () => undefined,
      });
      return true;
    } catch (error) {
      if (!(error instanceof AssemblyError)) throw new Error(source, { cause: error });
      const { file, line, column, message } = error;
      assertEquals(file, "wrong.asm", source);
      assert(line >= 1 && line <= source.split("\n").length + 1, `${source}: line ${line}`);
      assert(column >= 1, source);
      assert(message.startsWith(`wrong.asm:${line}:${column}: `), message);
      return false;
    }
  });
  assertEquals(taken, []);
});

nasmTest("the wrong sources are wrong for NASM too", () => {
  assertEquals(sources.filter((source) => runNasm(source).bytes !== undefined), []);
});
