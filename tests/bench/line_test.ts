import { assertEquals } from "@std/assert";
import { type Aim, type Line, measure, reaches } from "../../bench/line.ts";

/** A line whose sides give these values one after the other, and note who was asked. */
function line(ours: number[], theirs: number[], aim: Aim): { line: Line; log: string[] } {
  const log: string[] = [];
  const side = (name: string, values: number[]) => () => {
    log.push(name);
    return values.shift()!;
  };
  const open = () =>
    Promise.resolve({
      ours: side("ours", ours),
      theirs: side("theirs", theirs),
      [Symbol.asyncDispose]() {
        log.push("closed");
        return Promise.resolve();
      },
    });
  return { line: { what: "this", against: "that", unit: "ns", aim, pairs: 3, open }, log };
}

Deno.test("measure() compares pair by pair and leaves the first pair out", async () => {
  const { line: ratio } = line([999, 10, 40, 90], [1, 10, 20, 30], { ratio: 2 });
  const { value, pairs } = await measure(ratio);
  assertEquals(value, 2);
  assertEquals(pairs, [[10, 10], [40, 20], [90, 30]]);
});

Deno.test("measure() subtracts where the aim is a difference", async () => {
  const { line: difference } = line([999, 10, 40, 90], [1, 10, 20, 30], { difference: 5 });
  assertEquals((await measure(difference)).value, 20);
});

Deno.test("measure() lets each side go first in turn, and closes the contest", async () => {
  const { line: turns, log } = line([1, 1, 1], [1, 1, 1], { ratio: 2 });
  await measure(turns, 2);
  assertEquals(log, ["ours", "theirs", "theirs", "ours", "ours", "theirs", "closed"]);
});

Deno.test("reaches() tells whether the comparison is within the aim", () => {
  assertEquals(reaches({ aim: { ratio: 1.25 }, value: 1.25 }), true);
  assertEquals(reaches({ aim: { ratio: 1.25 }, value: 1.26 }), false);
  assertEquals(reaches({ aim: { difference: 8 }, value: -3 }), true);
});
