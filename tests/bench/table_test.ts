import { assertEquals } from "@std/assert";
import { formatAmount, formatTable } from "../../bench/table.ts";

Deno.test("formatTable() shows both sides, their comparison and whether the aim is reached", () => {
  const table = formatTable([
    {
      what: "a start",
      against: "nothing",
      unit: "ns",
      aim: { ratio: 1.25 },
      ours: 30e6,
      theirs: 20e6,
      value: 1.5,
      interval: [1.4, 1.62],
      pairs: [[30e6, 20e6]],
    },
    {
      what: "memory",
      against: "C",
      unit: "bytes",
      aim: { difference: 8192 },
      ours: 2048,
      theirs: 3072,
      value: -1024,
      interval: [-2048, 0],
      pairs: [[2048, 3072]],
    },
    { what: "another", against: "nasm", skipped: "nasm is not installed" },
  ]);
  assertEquals(
    table,
    `
         against  ours      theirs    compared   95 % interval         aim
a start  nothing  30.0 ms   20.0 ms   1.50       1.40 … 1.62           ≤ 1.25       MISSED
memory   C        2.00 KiB  3.00 KiB  −1.00 KiB  −2.00 KiB … +0 bytes  ≤ +8.00 KiB  reached
another  nasm     not measured: nasm is not installed
`.slice(1),
  );
});

Deno.test("formatAmount() takes the unit in which a figure reads best", () => {
  assertEquals(formatAmount(950, "ns"), "950 ns");
  assertEquals(formatAmount(18_512_000, "ns"), "18.5 ms");
  assertEquals(formatAmount(45.7 * 2 ** 20, "bytes"), "45.7 MiB");
});
