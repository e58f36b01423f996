/** Figures of several rounds, and what is said of them. Pure. */

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, least: sorted[0]!, most: sorted.at(-1)! };
}

/** The value that this share of all is below. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

export type Unit = "ms" | "µs" | "per s" | "MB/s";

/** The spool's figures of one thing, and those of its floor, round by round. */
export interface Figures {
  readonly ours: readonly number[];
  readonly floor: readonly number[];
}

export interface Measured {
  /** Never changes: what scripts ask for. */
  readonly name: string;
  readonly what: string;
  readonly unit: Unit;
  /** What the floor does. Empty where what is measured is the disk itself. */
  readonly beside: string;
  readonly figures: Figures;
  /** True of single times, of which the worst ones matter, too. */
  readonly isLatency?: boolean;
}

/** Of each round, ours to the floor's; then the median of these. Undefined where there is no floor. */
export function ratio({ ours, floor }: Figures): number | undefined {
  if (floor.length === 0) return undefined;
  return spread(ours.map((one, at) => one / floor[at]!)).median;
}
