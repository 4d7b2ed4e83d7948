import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { assemble, AssemblyError } from "../../src/asm/mod.ts";
import { nasmTest, runNasm, toHex } from "./nasm.ts";

// One seed, so that a failure comes again; raise the count to look further.
const seed = 20_260_102;
const numRuns = 500;

const name = fc.constantFrom(".text", ".data", ".bss", "a", "b", "c");
const power = fc.constantFrom(1, 2, 4, 8, 16, 64);
const address = fc.oneof(fc.constantFrom(0, 16, 64, 128, 256), fc.nat(300));
const attribute = fc.oneof(
  power.map((align) => `align=${align}`),
  power.map((align) => `valign=${align}`),
  address.map((start) => `start=${start}`),
  address.map((start) => `vstart=${start}`),
  name.map((name) => `follows=${name}`),
  name.map((name) => `vfollows=${name}`),
  fc.constantFrom("nobits", "nobits", "progbits"),
);
const attributes = fc.oneof(
  fc.constant([]),
  attribute.map((one) => [one]),
  fc.array(attribute, { maxLength: 3 }),
);
const content = fc.oneof(
  fc.nat(40).map((count) => `times ${count} db $ - $$`),
  fc.nat(40).map((count) => `resb ${count}`),
  power.map((align) => `align ${align}`),
  power.map((align) => `alignb ${align}`),
  power.map((align) => `sectalign ${align}`),
  fc.constantFrom("sectalign off", "sectalign on"),
);
const part = fc.record({ name, attributes, contents: fc.array(content, { maxLength: 3 }) });

/** A source of sections that ends with the addresses of all of them, as far as they were opened. */
const layout = fc.record({
  origin: fc.option(address, { freq: 3 }),
  first: fc.array(content, { maxLength: 2 }),
  parts: fc.array(part, { minLength: 1, maxLength: 7 }),
}).map(({ origin, first, parts }) => {
  const lines = [...(origin === null ? [] : [`org ${origin}`]), ...first];
  for (const [i, { name, attributes, contents }] of parts.entries()) {
    lines.push(`section ${[name, ...attributes].join(" ")}`, `l${i}:`, ...contents);
  }
  lines.push("section .text", `dw ${parts.map((_, i) => `l${i}`).join(", ")}`);
  for (const { name } of parts) lines.push(`dw section.${name}.start, section.${name}.vstart`);
  return lines.join("\n") + "\n";
});

function ours(source: string): string {
  try {
    return toHex(assemble(source).bytes);
  } catch (error) {
    if (!(error instanceof AssemblyError)) throw new Error(source, { cause: error });
    return "refused";
  }
}

nasmTest("assemble() lays out random sections as NASM does", () => {
  let taken = 0;
  for (const source of fc.sample(layout, { seed, numRuns })) {
    const { bytes } = runNasm(source, { args: ["-w-all"] });
    if (bytes) taken++;
    assertEquals(ours(source), bytes ? toHex(bytes) : "refused", source);
  }
  assertEquals(taken > numRuns / 4, true, `${taken} of ${numRuns} taken`);
});

Deno.test("assemble() says by which directive a section is where it cannot be", () => {
  const before = "org 0x200\nnop\n";
  const wrong = [
    ["section .data start=0x100\ndb 1", "Section .data begins before the origin"],
    ["section a follows=b\nnop", "Section a follows b, which does not exist"],
    ["section a start=0x200\nnop", "Sections .text and a overlap"],
  ];
  for (const [source, reason] of wrong) {
    const error = assertThrows(() => assemble(before + source), AssemblyError);
    assertEquals([error.reason, error.line], [reason, 3]);
  }
});
