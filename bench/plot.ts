import { formatAmount } from "./table.ts";

/** How a cost grows: this is also its JSON. */
export interface Growth {
  /** What is measured. */
  what: string;
  /** What grows, with its unit: `RAM in MiB`. */
  over: string;
  /** How large it was, ascending. */
  sizes: number[];
  /** What it cost, in nanoseconds: a value for each size. */
  series: { name: string; nanoseconds: number[] }[];
}

const WIDTH = 460;
const HEIGHT = 300;
const LEFT = 64;
const RIGHT = 28;
const TOP = 58;
const BOTTOM = 44;
const COLOURS = ["#0969da", "#bc4c00"];

/**
 * A drawing of a growth as SVG. Both axes are logarithmic: what grows in proportion is a line of one
 * slope, and a bend is a change of the law.
 */
export function plot({ what, over, sizes, series }: Growth): string {
  const costs = series.flatMap(({ nanoseconds }) => nanoseconds);
  const x = scale([sizes[0]!, sizes.at(-1)!], [LEFT, WIDTH - RIGHT]);
  const [lowest, highest] = [Math.min(...costs), Math.max(...costs)];
  const [bottom, top] = [HEIGHT - BOTTOM, TOP];
  const y = scale([lowest / 1.3, highest * 1.3], [bottom, top]);

  const horizontal = ticks(lowest / 1.3, highest * 1.3).map((value) => {
    const at = y(value);
    return line([LEFT, at], [WIDTH - RIGHT, at]) +
      text(formatAmount(value, "ns").replace(/\.0+ /, " "), {
        x: LEFT - 6,
        y: at + 4,
        anchor: "end",
      });
  });
  const labelled = thin(sizes, 7);
  const vertical = sizes.map((size) => {
    const at = x(size);
    const label = labelled.includes(size)
      ? text(size.toLocaleString("en"), { x: at, y: bottom + 16, anchor: "middle" })
      : "";
    return line([at, top], [at, bottom]) + label;
  });
  const curves = series.map(({ name, nanoseconds }, i) => {
    const points = nanoseconds.map((cost, j) => [x(sizes[j]!), y(cost)] as const);
    const colour = COLOURS[i % COLOURS.length]!;
    const path = points.map(([x, y]) => `${round(x)},${round(y)}`).join(" ");
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>` +
      points.map(([x, y]) => `<circle cx="${round(x)}" cy="${round(y)}" r="3" fill="${colour}"/>`)
        .join("") +
      `<rect x="${LEFT + i * 190}" y="33" width="10" height="10" fill="${colour}"/>` +
      text(name, { x: LEFT + i * 190 + 15, y: 42 });
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" ` +
    `viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11" fill="#1f2328">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="20" font-size="13" font-weight="bold">${escape(what)}</text>`,
    ...horizontal,
    ...vertical,
    ...curves,
    text(over, { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, anchor: "middle" }),
    "</svg>",
    "",
  ].join("\n");
}

/** Maps a range logarithmically to places. */
function scale([low, high]: [number, number], [from, to]: [number, number]) {
  const span = Math.log(high) - Math.log(low) || 1;
  return (value: number) => from + (Math.log(value) - Math.log(low)) / span * (to - from);
}

/** Round values from `low` to `high`: decades, and 2 and 5 times those where there are few. */
function ticks(low: number, high: number): number[] {
  const steps = high / low > 300 ? [1] : [1, 2, 5];
  const found: number[] = [];
  for (let decade = 10 ** Math.floor(Math.log10(low)); decade <= high; decade *= 10) {
    found.push(...steps.map((step) => step * decade));
  }
  return found.filter((value) => low <= value && value <= high);
}

/** At most about `count` of the values, the last among them. */
function thin(values: readonly number[], count: number): number[] {
  const step = Math.ceil(values.length / count);
  return values.filter((_, i) => (values.length - 1 - i) % step === 0);
}

function line([x1, y1]: [number, number], [x2, y2]: [number, number]): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" ` +
    `stroke="#d1d9e0"/>`;
}

function text(
  content: string,
  { x, y, anchor = "start" }: { x: number; y: number; anchor?: string },
): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
