import { assertEquals, AssertionError, assertThrows } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { bold } from "@std/fmt/colors";
import { closestString } from "@std/text/closest-string";
import { levenshteinDistance } from "@std/text/levenshtein-distance";

Deno.test("the @std names resolve to the standard library", () => {
  assertEquals(parseArgs(["--mode", "long"]).mode, "long");
  assertEquals(closestString("realm", ["real", "long"]), "real");
  assertEquals(levenshteinDistance("realm", "lea"), 3);
  assertEquals(typeof bold("x"), "string");
  assertThrows(() => assertEquals(1, 2), AssertionError);
});
