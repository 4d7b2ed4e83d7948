import { type Aim, reaches, type Result } from "./line.ts";

/** What the columns are. */
export const HEADINGS = ["", "against", "ours", "theirs", "compared", "95 % interval", "aim", ""];

/** A line that could not be measured, and why. */
export interface Skipped {
  what: string;
  against: string;
  skipped: string;
}

/** The results as a table for people. */
export function formatTable(results: readonly (Result | Skipped)[]): string {
  const rows = [HEADINGS, ...results.map((result) => "skipped" in result ? [] : cells(result))];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0))
  );
  widths[0] = Math.max(widths[0]!, ...results.map(({ what }) => what.length));
  widths[1] = Math.max(widths[1]!, ...results.map(({ against }) => against.length));
  return rows.map((row, i) => {
    const result = results[i - 1];
    const all = result !== undefined && "skipped" in result
      ? [result.what, result.against, `not measured: ${result.skipped}`]
      : row;
    return all.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd() + "\n";
  }).join("");
}

/** A result's row. */
export function cells(result: Result): string[] {
  const { what, against, unit, aim, ours, theirs, value, interval } = result;
  return [
    what,
    against,
    formatAmount(ours, unit),
    formatAmount(theirs, unit),
    formatComparison(value, aim, unit),
    interval.map((bound) => formatComparison(bound, aim, unit)).join(" … "),
    `≤ ${
      "ratio" in aim
        ? formatComparison(aim.ratio, aim, unit)
        : formatComparison(aim.difference, aim, unit)
    }`,
    reaches(result) ? "reached" : "MISSED",
  ];
}

function formatComparison(value: number, aim: Aim, unit: Result["unit"]): string {
  if ("ratio" in aim) return value.toFixed(2);
  return `${value < 0 ? "−" : "+"}${formatAmount(Math.abs(value), unit)}`;
}

/** `18.5 ms`, `43.1 MiB` */
export function formatAmount(value: number, unit: Result["unit"]): string {
  const [step, names] = unit === "ns"
    ? [1000, ["ns", "µs", "ms", "s"]] as const
    : [1024, ["bytes", "KiB", "MiB", "GiB"]] as const;
  let scale = 0;
  while (value >= step && scale < names.length - 1) {
    value /= step;
    scale++;
  }
  return `${scale === 0 ? Math.round(value) : value.toPrecision(3)} ${names[scale]}`;
}
