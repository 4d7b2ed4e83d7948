import { assert, assertEquals } from "@std/assert";
import { type Growth, plot } from "../../bench/plot.ts";

const growth: Growth = {
  what: "Copying & <more>",
  over: "pages",
  sizes: [1, 10, 100, 1000],
  series: [
    { name: "in proportion", nanoseconds: [1e3, 1e4, 1e5, 1e6] },
    { name: "always the same", nanoseconds: [5e4, 5e4, 5e4, 5e4] },
  ],
};

/** The places of each curve's points. */
function curves(svg: string): [x: number, y: number][][] {
  return [...svg.matchAll(/<polyline points="([^"]*)"/g)].map(([, points]) =>
    points!.split(" ").map((point) => point.split(",").map(Number) as [number, number])
  );
}

Deno.test("plot() makes a straight line of a cost that grows in proportion, and a level one of a constant", () => {
  const [rising, level] = curves(plot(growth));
  const steps = rising!.slice(1).map(([x, y], i) => [x - rising![i]![0], y - rising![i]![1]]);
  for (const [dx, dy] of steps) {
    assert(Math.abs(dx! - steps[0]![0]!) < 0.2, `${dx} across`);
    assert(Math.abs(dy! - steps[0]![1]!) < 0.2, `${dy} down`);
    assert(dx! > 0 && dy! < 0);
  }
  assertEquals(new Set(level!.map(([, y]) => y)).size, 1);
});

Deno.test("plot() names what it shows, at round values, and escapes the names", () => {
  const texts = [...plot(growth).matchAll(/<text [^>]*>([^<]*)</g)].map(([, text]) => text);
  for (
    const text of ["Copying &amp; &lt;more>", "pages", "1", "1,000", "1 µs", "100 µs", "1 ms"]
  ) assert(texts.includes(text), `${text} in ${texts}`);
});
