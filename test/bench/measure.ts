/**
 * What all benchmarks share: rounds in which a thing and its floor take turns, the spread of several
 * rounds, and a row of the table with its verdict.
 *
 * A noisy machine disturbs neighbours in time alike, so a row compares round by round, and says the median of
 * these ratios, not the ratio of two medians.
 */
import { quantile, spread } from "../../src/bench/figures.ts";
import type { Spread } from "../../src/bench/figures.ts";

export { quantile, spread };
export type { Spread };

export type Unit = "ms" | "µs" | "per s" | "MB" | "MB/s" | "%";

/** What is compared with the target: ours to the floor's, ours less the floor's, or ours alone. */
export type Measure = "ratio" | "difference" | "alone";

export interface Target {
  readonly limit: "at most" | "at least";
  readonly value: number;
}

export interface Row {
  readonly what: string;
  readonly unit: Unit;
  /** One figure a round. */
  readonly ours: readonly number[];
  /** What stands beside it; empty where nothing does. */
  readonly floor: string;
  /** Its figures, of the same rounds. */
  readonly theirs: readonly number[];
  readonly measure: Measure;
  readonly target?: Target;
}

/** Round by round, what is compared with the target. */
export function measured({ ours, theirs, measure }: Row): number[] {
  if (measure === "alone") return [...ours];
  return ours.map((one, at) => (measure === "ratio" ? one / theirs[at]! : one - theirs[at]!));
}

/** True where the median meets the target; undefined where there is none. */
export function isMet(row: Row): boolean | undefined {
  if (row.target === undefined) return undefined;
  const { median } = spread(measured(row));
  return row.target.limit === "at most" ? median <= row.target.value : median >= row.target.value;
}

export const atMost = (value: number): Target => ({ limit: "at most", value });
export const atLeast = (value: number): Target => ({ limit: "at least", value });

/** After this no round is begun that is not needed, in ms. */
const LIMIT_MS = 40_000;

const LEAST_ROUNDS = 5;

type Act = () => number | Promise<number>;

/**
 * Runs all acts in turn, so many times, and returns their figures.
 *
 * Every other round goes backwards, so that none always runs in the wake of the same other one. One
 * round before is not counted: it warms caches and compiles code. Where the machine is slow there are fewer rounds,
 * but five at the least, a median of which can be quoted: the whole is to end in bounded time.
 */
export async function alternate<Name extends string>(
  rounds: number,
  acts: Readonly<Record<Name, Act>>,
  warmUps = 1,
  limitMs = LIMIT_MS,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(acts) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    number[]
  >;
  const startMs = performance.now();
  for (let round = -warmUps; round < rounds; round++) {
    if (round >= LEAST_ROUNDS && performance.now() - startMs > limitMs) break;
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      // Much of what is measured is synchronous: a signal is heard only in between.
      await new Promise((resolve) => setImmediate(resolve));
      const figure = await acts[name]();
      if (round >= 0) figures[name].push(figure);
    }
  }
  return figures;
}

/** Milliseconds that an act takes. */
export async function elapsedMs(act: () => unknown): Promise<number> {
  const startMs = performance.now();
  await act();
  return performance.now() - startMs;
}

/** How many a second, of `count` that an act does. */
export async function rate(count: number, act: () => unknown): Promise<number> {
  return (1000 * count) / (await elapsedMs(act));
}
