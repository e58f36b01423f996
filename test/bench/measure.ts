/** What all benchmarks share: a figure with its floor, the spread of several rounds, and the time of an act. */

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Row {
  readonly what: string;
  readonly floor: string;
  readonly unit: "ms" | "µs" | "per s";
  readonly ours: Spread;
  readonly theirs: Spread;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, least: sorted[0]!, most: sorted.at(-1)! };
}

export const elapsedMs = (act: () => void): number => {
  const startMs = performance.now();
  act();
  return performance.now() - startMs;
};
