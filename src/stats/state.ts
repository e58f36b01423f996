/**
 * The one word that says how a queue does. Pure.
 *
 * Only one word fits, so it is the first that is true of these, the most urgent first: a queue that is full and
 * stalled is FULL, because its producers are refused now. That it is paused explains that nothing is done, so
 * PAUSED goes before STALLED; dead letters stay until somebody comes, so they do not hide what is worse.
 */

export const STATES = [
  "unknown",
  "FULL",
  "PAUSED",
  "STALLED",
  "DLQ!",
  "growing",
  "draining",
  "ok",
  "idle",
] as const;
export type State = (typeof STATES)[number];

/** Messages have been ready for so long, and nothing was done in the meantime: stalled, in ms. */
export const STALL_MS = 60_000;

/** What comes and what goes are alike where they differ by no more than this share of the larger. */
const ALIKE = 0.05;

/** The same, in messages a second. */
const STEADY_PER_S = 0.1;

export interface Facts {
  readonly ready: number;
  readonly inFlight: number;
  readonly dead: number;
  /** Undefined where nothing is ready. */
  readonly oldestMs: number | undefined;
  /** Messages a second; null where nobody knows. */
  readonly inPerS: number | null;
  readonly netPerS: number | null;
  /** Messages that were acked, made dead letters or given back within STALL_MS; null as above. */
  readonly doneLately: number | null;
  readonly isPaused: boolean;
  readonly isFull: boolean;
}

export function stateOf(facts: Facts): State {
  if (facts.isFull) return "FULL";
  if (facts.isPaused) return "PAUSED";
  if (isStalled(facts)) return "STALLED";
  if (facts.dead > 0) return "DLQ!";
  return paceOf(facts);
}

/** What nobody told is no sign of life. */
function isStalled({ ready, oldestMs, doneLately }: Facts): boolean {
  return ready > 0 && (oldestMs ?? 0) >= STALL_MS && (doneLately ?? 0) === 0;
}

function paceOf({ ready, inFlight, inPerS, netPerS }: Facts): State {
  if (ready > 0 && netPerS !== null) {
    if (netPerS > alikePerS(inPerS ?? 0, netPerS)) return "growing";
    if (isShrinking(inPerS ?? 0, netPerS)) return "draining";
  }
  const isMoving = (inPerS ?? 0) > 0 || (netPerS ?? 0) !== 0;
  return ready > 0 || inFlight > 0 || isMoving ? "ok" : "idle";
}

/** So much is no difference, in messages a second. */
const alikePerS = (inPerS: number, netPerS: number): number =>
  Math.max(STEADY_PER_S, ALIKE * Math.max(inPerS, inPerS - netPerS));

/** True where clearly more goes than comes. */
export const isShrinking = (inPerS: number, netPerS: number): boolean =>
  netPerS < -alikePerS(inPerS, netPerS);

/** The most urgent of them. */
export function worstState(states: Iterable<State>): State {
  const ranks = [...states].map((state) => STATES.indexOf(state));
  return STATES[Math.min(...ranks, STATES.length - 1)]!;
}
