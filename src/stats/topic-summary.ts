/** What its subscriptions make of a topic, and all queues of a spool: sums and the worst. Pure. */
import { rounded } from "./sample.ts";
import type { Kind, Sample } from "./sample.ts";
import { worstState } from "./state.ts";
import type { State } from "./state.ts";

/** Null where one of them is not known: a sum would look like all. */
function sumOf(samples: readonly Sample[], of: (sample: Sample) => number | null): number | null {
  let sum = 0;
  for (const sample of samples) {
    const value = of(sample);
    if (value === null) return null;
    sum += value;
  }
  return sum;
}

/** The largest that is known; undefined where there is none. */
function largestOf(
  samples: readonly Sample[],
  of: (sample: Sample) => number | null | undefined,
): number | undefined {
  const known = samples.map(of).filter((value) => typeof value === "number");
  return known.length === 0 ? undefined : Math.max(...known);
}

/**
 * A topic: what was published, sums over its subscriptions, and of ages and lags the worst one's.
 *
 * Bytes are left out, because a message that all of them have is on the disk once.
 */
export function topicSample(
  name: string,
  kind: Kind,
  publishedPerS: number | null,
  subscriptions: readonly Sample[],
  atMs: number,
): Sample {
  const ageOf = (key: "oldestMs" | "lagMs") => (one: Sample) =>
    one[key] ? one[key] + atMs - one.atMs : one[key];
  const oldestMs = largestOf(subscriptions, ageOf("oldestMs"));
  const lagMs = largestOf(subscriptions, ageOf("lagMs"));
  const lag = largestOf(subscriptions, (one) => one.lag);
  const ready = sumOf(subscriptions, (one) => one.ready);
  const isNew = publishedPerS === null && ready === 0;
  const states: readonly State[] = subscriptions.map(({ state }) => state);
  return {
    name,
    kind,
    state: states.length === 0 && (publishedPerS ?? 0) > 0 ? "ok" : worstState(states),
    atMs,
    ready,
    inFlight: sumOf(subscriptions, (one) => one.inFlight),
    scheduled: sumOf(subscriptions, (one) => one.scheduled),
    dead: sumOf(subscriptions, (one) => one.dead),
    ...(oldestMs === undefined ? {} : { oldestMs }),
    inPerS: isNew ? 0 : rounded(publishedPerS),
    outPerS: rounded(sumOf(subscriptions, (one) => one.outPerS)),
    netPerS: rounded(sumOf(subscriptions, (one) => one.netPerS)),
    ...(lag === undefined ? {} : { lag }),
    ...(lagMs === undefined ? {} : { lagMs }),
    workers: sumOf(subscriptions, (one) => one.workers),
  };
}

export interface Totals {
  readonly queues: number;
  readonly topics: number;
  readonly subscriptions: number;
  readonly ready: number;
  readonly inFlight: number;
  readonly scheduled: number;
  readonly dead: number;
  readonly inPerS: number;
  readonly outPerS: number;
  /** Rows of which nothing is known, and which are not in these sums. */
  readonly unknown: number;
}

/** What is known, of queues and subscriptions; a topic's messages are its subscriptions'. */
export function totalsOf(samples: Iterable<Sample>): Totals {
  const kinds: Record<Kind, number> = { queue: 0, subscription: 0, topic: 0, pattern: 0 };
  const sums = { ready: 0, inFlight: 0, scheduled: 0, dead: 0, inPerS: 0, outPerS: 0 };
  let unknown = 0;
  for (const sample of samples) {
    kinds[sample.kind]++;
    if (sample.kind === "topic" || sample.kind === "pattern") continue;
    if (sample.state === "unknown") unknown++;
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += sample[key] ?? 0;
  }
  const { queue: queues, subscription: subscriptions, topic, pattern } = kinds;
  return { queues, topics: topic + pattern, subscriptions, ...sums, unknown };
}
