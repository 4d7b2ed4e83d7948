import { assertEquals } from "@std/assert";
import { median, medianInterval } from "../../bench/statistics.ts";

Deno.test("median() is the value in the middle, or the mean of the two", () => {
  assertEquals(median([5, 1, 100]), 5);
  assertEquals(median([4, 1, 2, 100]), 3);
  assertEquals(median([7]), 7);
});

Deno.test("medianInterval() takes the ranks of the sign test's tables", () => {
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => n - i);
  assertEquals(medianInterval(upTo(20)), [6, 15]); // the 6th and the 15th of 20
  assertEquals(medianInterval(upTo(50)), [18, 33]);
});

Deno.test("medianInterval() of few values is all of them", () => {
  assertEquals(medianInterval([3, 1]), [1, 3]);
  assertEquals(medianInterval([3]), [3, 3]);
});
