/** The middle of some values: of an even number of them, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle - 1)]! + sorted[Math.floor(middle)]!) / 2;
}

/**
 * Where the median of all such values lies with 95 % confidence, whatever their distribution: between
 * two of the values, as the sign test has it. Of few values, between the least and the greatest.
 */
export function medianInterval(values: readonly number[]): [low: number, high: number] {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  // The binomial distribution (n, 1/2): how likely it is that at most `rank` values are below it.
  let rank = 0;
  let probability = 2 ** -n;
  for (let sum = probability; sum <= 0.025; sum += probability) {
    rank++;
    probability *= (n - rank + 1) / rank;
  }
  const low = Math.max(0, rank - 1);
  return [sorted[low]!, sorted[n - 1 - low]!];
}
