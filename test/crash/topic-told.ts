/**
 * What the calls of all lives have told their callers, as deeds that are done wholly or not at all.
 *
 * A publish puts one message into each subscription that wants it; a replay puts many into one. Each
 * is a deed: a set of places, `<subscription>: <payload>`, of which all get one more or none does. Its
 * call may have resolved (all), said that it undid it (none), or died (one of both). What is found in
 * the end must be what some choice for the open deeds explains.
 *
 * A subscription that is there is a place, too. What would be in one that is not there does not count.
 */
import { SpoolError } from "../../src/errors.ts";
import type { Headers } from "../../src/message/batch.ts";

type Outcome = "open" | "done" | "undone";

interface Deed {
  readonly places: readonly string[];
  /** How many more there are of each: -1 for what goes. */
  readonly more: number;
  outcome: Outcome;
}

type Counts = Map<string, number>;

const IS_THERE = "(is there)";

export const placeIn = (subscription: string, payload: string): string =>
  `${subscription}: ${payload}`;

export const thereIs = (subscription: string): string => placeIn(subscription, IS_THERE);

/** What a call answers that has done nothing. */
const NOTHING = ["TRY_AGAIN", "NO_QUEUE"];

const isNothing = (error: unknown): boolean =>
  error instanceof SpoolError && NOTHING.includes(error.code);

export class TopicTold {
  /** How often each place was found filled, by whoever took what was there. */
  readonly found: Counts = new Map();
  readonly #deeds: Deed[] = [];
  readonly #byKey = new Map<string, Deed>();
  readonly #hearers = new Map<string, (headers: Headers) => boolean>();

  /** From here on this one gets what is published, or what of it has such headers. */
  hears(subscription: string, wants: (headers: Headers) => boolean = () => true): void {
    this.#hearers.set(subscription, wants);
  }

  /** Where a message with these headers belongs. */
  hearersOf(payload: string, headers: Headers = {}): string[] {
    const wanting = [...this.#hearers].filter(([, wants]) => wants(headers));
    return wanting.map(([subscription]) => placeIn(subscription, payload));
  }

  begin(places: readonly string[], more = 1): Deed {
    const deed: Deed = { places, more, outcome: "open" };
    this.#deeds.push(deed);
    return deed;
  }

  /** What has a key is one deed, however often it is done. */
  once(key: string, places: readonly string[]): Deed {
    const deed = this.#byKey.get(key) ?? this.begin(places);
    this.#byKey.set(key, deed);
    return deed;
  }

  /** What a call says is so: it resolves, and it is done; it says that nothing is, and nothing is. */
  async to<T>(deed: Deed, act: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await act();
      deed.outcome = "done";
      return result;
    } catch (error) {
      if (!isNothing(error)) throw error;
      if (deed.outcome === "open") deed.outcome = "undone";
      return undefined;
    }
  }

  done(places: readonly string[], more = 1): void {
    this.begin(places, more).outcome = "done";
  }

  /** What is wrong with what was found, a line each: by the choice that explains the most of it. */
  complaints(): string[] {
    const open = this.#deeds.filter(({ outcome }) => outcome === "open");
    let fewest: string[] | undefined;
    for (let choice = 0; choice < 2 ** open.length; choice++) {
      const expected: Counts = new Map();
      for (const deed of this.#deeds) {
        const at = open.indexOf(deed);
        const isDone = at === -1 ? deed.outcome === "done" : ((choice >> at) & 1) === 1;
        for (const place of isDone ? deed.places : []) add(expected, place, deed.more);
      }
      const different = differences(expected, this.found);
      if (fewest === undefined || different.length < fewest.length) fewest = different;
    }
    return fewest ?? [];
  }
}

export function add(counts: Counts, place: string, more = 1): void {
  counts.set(place, (counts.get(place) ?? 0) + more);
}

function differences(expected: Counts, found: ReadonlyMap<string, number>): string[] {
  const lines: string[] = [];
  for (const place of new Set([...expected.keys(), ...found.keys()])) {
    const subscription = place.slice(0, place.indexOf(": "));
    const isGone = !place.endsWith(IS_THERE) && !found.has(thereIs(subscription));
    const [wanted, got] = [expected.get(place) ?? 0, found.get(place) ?? 0];
    if (!isGone && wanted !== got) lines.push(`${place}: found ${got} times, not ${wanted}`);
  }
  return lines;
}
