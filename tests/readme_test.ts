import { assertEquals } from "@std/assert";
import { kvmTest } from "./kvm_host.ts";
import { guestsTable, outputBlock, readPart, stepsList, TRACE } from "../tools/readme.ts";

const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));

/** What differs from run to run: where memory is mapped, and the numbers of the descriptors. */
const stable = (text: string) => text.replaceAll(/mapped here at 0x[0-9a-f]+|descriptor \d+/g, "…");

Deno.test("README's links to the eight steps lead to the lines that do them", async () => {
  assertEquals(readPart(readme, "steps"), await stepsList());
});

kvmTest("README shows what the program prints", async () => {
  const block = readPart(readme, "output");
  assertEquals(stable(block), stable(await outputBlock([])));
});

Deno.test("README's table of guests says what the guests say", async () => {
  const cells = (table: string) =>
    table.split("\n").filter((line) => line.includes("](guests/")).map((line) =>
      line.split("|").map((cell) => cell.trim())
    );
  assertEquals(cells(readPart(readme, "guests")), cells(await guestsTable()));
});

kvmTest("README shows what trace prints", async () => {
  assertEquals(readPart(readme, "trace"), await outputBlock(TRACE));
});
