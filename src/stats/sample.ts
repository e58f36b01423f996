/**
 * What a look at one queue, subscription or topic found: plain data, which crosses from the process that
 * looks (sampler-process.ts) to the one that draws.
 *
 * A figure that nobody knows is null, one that there cannot be (the lag of a queue) is left out, and
 * neither is ever 0.
 */
import { isShrinking } from "./state.ts";
import type { State } from "./state.ts";

export type Kind = "queue" | "subscription" | "topic" | "pattern";

export interface Sample {
  readonly name: string;
  readonly kind: Kind;
  readonly state: State;
  /** When it was looked at, in ms since the epoch of this host's clock. */
  readonly atMs: number;
  readonly ready: number | null;
  readonly inFlight: number | null;
  readonly scheduled: number | null;
  readonly dead: number | null;
  /** How long the oldest ready message had waited then, in ms; left out where none is ready. */
  readonly oldestMs?: number | null;
  /** Messages a second that came, of a topic: that were published. */
  readonly inPerS: number | null;
  /** Messages a second that consumers were done with. */
  readonly outPerS: number | null;
  /** How fast it grows, in messages a second: what came, less what was done or became a dead letter. */
  readonly netPerS: number | null;
  readonly lag?: number | null;
  /** Since the oldest of these was published, in ms. */
  readonly lagMs?: number | null;
  readonly workers: number | null;
  readonly bytes?: number | null;
  /** Why nothing is known. */
  readonly error?: string;
}

/** Everything that is not of one queue. */
export interface Head {
  /** When this was found, in ms since the epoch. */
  readonly atMs: number;
  readonly freeBytes: number | null;
  readonly totalBytes: number | null;
  /** Left out where the file system makes inodes as it needs them. */
  readonly freeInodes?: number | null;
  /** How far this host's clock is ahead of the disk's, in ms. */
  readonly skewMs: number | null;
  /** When everything had been looked at for the last time, and how long that took. */
  readonly completeAtMs: number | null;
  readonly completeTookMs: number | null;
  /** How many queues, subscriptions and topics there are, and how many of them have been looked at. */
  readonly names: number;
  readonly looked: number;
}

/** A queue that cannot be read. */
export function unknownSample(name: string, kind: Kind, atMs: number, error: string): Sample {
  return {
    name,
    kind,
    state: "unknown",
    atMs,
    ready: null,
    inFlight: null,
    scheduled: null,
    dead: null,
    oldestMs: null,
    inPerS: null,
    outPerS: null,
    netPerS: null,
    workers: null,
    error,
  };
}

/** The time in ms that it takes until nothing is ready, at this pace; undefined where it does not shrink. */
export function etaMs({ ready, inPerS, netPerS }: Sample): number | undefined {
  if (ready === null || ready === 0 || netPerS === null) return undefined;
  if (!isShrinking(inPerS ?? 0, netPerS)) return undefined;
  return (1000 * ready) / -netPerS;
}

/** Ages grow by themselves: an oldest message that is as old as it must be by now is no news. */
const AGE_SLACK_MS = 500;

/** True where the later one says nothing new. */
export function isSameSample(one: Sample, later: Sample): boolean {
  return (
    isSameAge(one, later, "oldestMs") &&
    isSameAge(one, later, "lagMs") &&
    one.state === later.state &&
    one.ready === later.ready &&
    one.inFlight === later.inFlight &&
    one.scheduled === later.scheduled &&
    one.dead === later.dead &&
    one.inPerS === later.inPerS &&
    one.outPerS === later.outPerS &&
    one.netPerS === later.netPerS &&
    one.lag === later.lag &&
    one.workers === later.workers &&
    one.bytes === later.bytes &&
    one.error === later.error
  );
}

function isSameAge(one: Sample, later: Sample, key: "oldestMs" | "lagMs"): boolean {
  const [before, now] = [one[key], later[key]];
  // Behind by nothing: that does not grow.
  if (!before || !now) return before === now;
  return Math.abs(before + later.atMs - one.atMs - now) < AGE_SLACK_MS;
}

/** To a tenth, so that what does not change does not look new. */
export function rounded(perS: number | null): number | null {
  return perS === null ? null : Math.round(perS * 10) / 10;
}

/** A topic and a queue may have one name: so a topic's row is kept as `logs/`. */
export const rowKey = ({ name, kind }: Sample): string =>
  kind === "topic" || kind === "pattern" ? `${name}/` : name;
