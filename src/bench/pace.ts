/**
 * Time that is shared out: each part has an end, and what it does is cut into rounds that fit.
 *
 * Short calls are synchronous, so a round is short, too: between two of them signals are heard.
 */
import type { Figures } from "./figures.ts";

/** Rounds for which a part has time at the least, and one before them that is not counted. */
const ROUNDS = 5;

/** What a round takes at the most, in ms, of each side: more time means more rounds. */
const SLOT_MS = 150;

/** The run was told to stop. */
export class Stopped extends Error {}

/** There is none left for this part. */
export class NoTime extends Error {}

/** A part's share begins when it asks for it: what it prepares is paid for by all parts that follow. @throws NoTime */
export type Begin = () => Pace;

export class Pace {
  readonly #endMs: number;
  readonly slotMs: number;
  readonly signal: AbortSignal;

  constructor(shareMs: number, signal: AbortSignal) {
    if (shareMs <= 0) throw new NoTime();
    this.#endMs = performance.now() + shareMs;
    this.slotMs = Math.min(SLOT_MS, shareMs / 2 / (ROUNDS + 1));
    this.signal = signal;
  }

  get leftMs(): number {
    return this.#endMs - performance.now();
  }

  /** Lets everything else have its turn. @throws Stopped */
  async breathe(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.signal.aborted) throw new Stopped();
  }
}

/** Does something for so long, in ms; returns a figure, or undefined where there is nothing left to do. */
export type Act = (slotMs: number) => number | undefined | Promise<number | undefined>;

/**
 * Has the spool and the floor take turns until the time is over; every other round goes backwards.
 *
 * The first round warms caches and compiles code. It counts only where the disk is so slow that there is no other.
 */
export async function alternate(
  pace: Pace,
  acts: { readonly ours: Act; readonly floor: Act },
): Promise<Figures> {
  const figures = { ours: [] as number[], floor: [] as number[] };
  for (let round = 0; ; round++) {
    const startMs = performance.now();
    const figure: { ours?: number | undefined; floor?: number | undefined } = {};
    const sides = ["ours", "floor"] as const;
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      await pace.breathe();
      figure[side] = await acts[side](pace.slotMs);
    }
    if (figure.ours === undefined || figure.floor === undefined) break;
    figures.ours.push(figure.ours);
    figures.floor.push(figure.floor);
    if (pace.leftMs < performance.now() - startMs) break;
  }
  if (figures.ours.length > 1) for (const side of Object.values(figures)) side.shift();
  return figures;
}

/** How many a second, of what is done for so long, and so often at the most. An act that says false ends it. */
export async function rateFor(
  slotMs: number,
  act: () => Promise<unknown>,
  most = Infinity,
): Promise<number | undefined> {
  const startMs = performance.now();
  let count = 0;
  let tookMs = 0;
  while (count < most && tookMs < slotMs) {
    if ((await act()) === false) break;
    count++;
    tookMs = performance.now() - startMs;
  }
  return count === 0 ? undefined : (1000 * count) / tookMs;
}

/** The same of plain calls, which do not wait for a turn of the event loop. */
export function plainRateFor(
  slotMs: number,
  act: () => unknown,
  most = Infinity,
): number | undefined {
  const startMs = performance.now();
  let count = 0;
  let tookMs = 0;
  while (count < most && tookMs < slotMs) {
    if (act() === false) break;
    count++;
    tookMs = performance.now() - startMs;
  }
  return count === 0 ? undefined : (1000 * count) / tookMs;
}
