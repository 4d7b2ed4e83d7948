import { median, medianInterval } from "./statistics.ts";

/** One line of the benchmark: two things measured in turn, and compared. */
export interface Line {
  /** What is measured. */
  readonly what: string;
  /** What it is compared with. */
  readonly against: string;
  /** What a measurement is: nanoseconds or bytes. */
  readonly unit: "ns" | "bytes";
  /** The most that the comparison may come to. */
  readonly aim: Aim;
  /** How often both are measured. */
  readonly pairs: number;
  /** Gets ready to measure. */
  open(): Promise<Contest>;
}

/** `ratio`: ours divided by theirs; `difference`: ours less theirs, in the line's unit. */
export type Aim = { readonly ratio: number } | { readonly difference: number };

/** The two sides of a line; each call is one measurement. */
export interface Contest extends AsyncDisposable {
  ours(): number | Promise<number>;
  theirs(): number | Promise<number>;
}

/** What came of a line; this is also its JSON. */
export interface Result {
  what: string;
  against: string;
  unit: "ns" | "bytes";
  aim: Aim;
  /** The medians of both sides, for scale: the comparison is not made from them. */
  ours: number;
  theirs: number;
  /** The median of the pairs' ratios or differences. */
  value: number;
  /** Where that median lies with 95 % confidence. */
  interval: [low: number, high: number];
  /** The pairs as they were measured. */
  pairs: [ours: number, theirs: number][];
}

/**
 * Measures both sides of a line in turn. Who is first changes from pair to pair, so that neither
 * profits when the machine becomes slower or faster; the first pair only warms up.
 */
export async function measure(line: Line, pairs: number = line.pairs): Promise<Result> {
  await using contest = await line.open();
  const measured: [ours: number, theirs: number][] = [];
  for (let i = 0; i <= pairs; i++) {
    let ours = i % 2 === 0 ? await contest.ours() : 0;
    const theirs = await contest.theirs();
    if (i % 2 === 1) ours = await contest.ours();
    if (i > 0) measured.push([ours, theirs]);
  }
  const values = measured.map(([ours, theirs]) =>
    "ratio" in line.aim ? ours / theirs : ours - theirs
  );
  const { what, against, unit, aim } = line;
  return {
    what,
    against,
    unit,
    aim,
    ours: median(measured.map(([ours]) => ours)),
    theirs: median(measured.map(([, theirs]) => theirs)),
    value: median(values),
    interval: medianInterval(values),
    pairs: measured,
  };
}

/** Whether the aim is reached. */
export function reaches({ aim, value }: Pick<Result, "aim" | "value">): boolean {
  return value <= ("ratio" in aim ? aim.ratio : aim.difference);
}
