import { assertEquals } from "@std/assert";
import { ExitCounts } from "../../src/machine/exit_counts.ts";

Deno.test("ExitCounts counts by reason, in the order in which they came up, whenever it is asked", () => {
  const counts = new ExitCounts();
  assertEquals([...counts.all()], []);
  for (const reason of ["io", "io", "mmio", "io", "hlt"] as const) counts.add(reason);
  assertEquals([...counts.all()], [["io", 3], ["mmio", 1], ["hlt", 1]]);
  assertEquals([...counts.all()], [["io", 3], ["mmio", 1], ["hlt", 1]]);
  counts.add("hlt");
  counts.add("intr");
  assertEquals([...counts.all()], [["io", 3], ["mmio", 1], ["hlt", 2], ["intr", 1]]);
});
