/** What everybody wrote down, compared: what is lost, what came twice or too late, what came by half. */
import type { Actor } from "./actor.ts";
import type { Note } from "./journal.ts";
import { STEADY } from "./roles.ts";

/**
 * From the claim of a message to the note that says so this much time may pass on a busy machine, in ms;
 * of a shell, which may outlive its worker, more.
 */
const NOTE_MS = 2000;
const SHELL_NOTE_MS = 10_000;

export interface Verdict {
  readonly complaints: readonly string[];
  readonly accepted: number;
  readonly deliveries: number;
  /** Of those: not the first one. */
  readonly again: number;
  readonly acks: number;
  /** Messages that a nack or a reject gave back, and that had to come again. */
  readonly backs: number;
  /** Deliveries that ended in neither, as who had them was killed, lost them or gave them back. */
  readonly dropped: number;
  /** Deliveries noted late by who had stood still since the claim: they count for nothing. */
  readonly excused: number;
}

/** Who takes what is left at the end. */
export const REST = "rest.1";

const nameOf = (who: string): string => who.slice(0, who.indexOf("."));

/** What it writes down comes from its command. */
const isShell = (name: string): boolean => name.endsWith("worker");

const placeOf = ({ queue, token }: Note): string => `${queue} ${token}`;

export function judge(unsorted: readonly Note[], actors: readonly Actor[]): Verdict {
  const notes = unsorted.toSorted((one, other) => one.at - other.at);
  const of = (what: Note["what"]): Note[] => notes.filter((note) => note.what === what);
  const got = Map.groupBy(of("got"), placeOf);
  const acked = Map.groupBy(of("acked"), placeOf);
  const accepted = of("put").flatMap(placesOf);
  const undone = of("undone").flatMap(placesOf);
  const strange = strangeOnes(got, acked, actors);
  const fates = new Fates(notes);
  return {
    complaints: [
      ...of("wrong").map(({ queue, token, who }) => `wrong: ${queue} ${who} ${token}`),
      ...new Set(accepted.filter((place) => !got.has(place)).map((place) => `lost: ${place}`)),
      ...[...got].flatMap(([place, all]) => fates.lossOf(place, all)),
      ...undone.filter((place) => got.has(place)).map((place) => `undone, and there: ${place}`),
      ...[...acked].filter(([, all]) => all.length > 1).map(([place]) => `acked twice: ${place}`),
      ...strange.complaints,
      ...doubles(got),
      ...halves(got),
    ],
    accepted: new Set(accepted).size,
    deliveries: of("got").length,
    again: of("got").length - got.size,
    acks: of("acked").length,
    backs: of("back").length,
    dropped: fates.dropped,
    excused: strange.excused,
  };
}

/** Where a message belongs; a publish is in all subscriptions that are there all the time. */
function placesOf({ queue, token }: Note): string[] {
  return queue === "events" ? STEADY.map((name) => `${name} ${token}`) : [`${queue} ${token}`];
}

/**
 * Deliveries after an ack had returned; and those while it was another's, from his claim to his ack.
 */
function strangeOnes(
  got: ReadonlyMap<string, readonly Note[]>,
  acked: ReadonlyMap<string, readonly Note[]>,
  actors: readonly Actor[],
): { complaints: string[]; excused: number } {
  const complaints: string[] = [];
  let excused = 0;
  const stopsOf = new Map(actors.map(({ name, stops }) => [name, stops]));
  /** It had claimed it, slept, and lost it: what it does with it is in vain, and its ack fails. */
  const hasSlept = (name: string, fromMs: number, atMs: number): boolean =>
    (stopsOf.get(name) ?? []).some(([from, until]) => from <= fromMs && atMs <= until + NOTE_MS);
  for (const [place, acks] of acked) {
    const all = got.get(place) ?? [];
    for (const ack of acks) {
      const ownMs = lastBefore(all, ack)?.at ?? ack.at;
      for (const { who, at } of all) {
        const name = nameOf(who);
        const noteMs = isShell(name) ? SHELL_NOTE_MS : NOTE_MS;
        const isAfter = at > ack.at + noteMs;
        const isDuring = who !== ack.who && at > ownMs + noteMs && at < ack.at;
        if (!isAfter && !isDuring) continue;
        if (hasSlept(name, (isAfter ? ack.at : ownMs) + noteMs, at)) excused++;
        else if (isAfter) complaints.push(`after its ack by ${ack.who}: ${place} to ${who}`);
        else complaints.push(`two owners: ${place}: ${ack.who}, who acked it, and ${who}`);
      }
    }
  }
  return { complaints, excused };
}

/**
 * What became of a message that was delivered: it was acked, or it is there when the rest is taken.
 *
 * Of many deliveries nobody knows whether their ack was done: who began it was killed, or it was another
 * program's. So one is lost where none of its deliveries can have acked it.
 */
class Fates {
  /** Deliveries of which it is known that they ended without an ack, or a nack. */
  dropped = 0;
  readonly #acks: ReadonlyMap<string, readonly Note[]>;
  readonly #backs: ReadonlyMap<string, readonly Note[]>;
  readonly #killedMs: ReadonlyMap<string, number>;

  constructor(notes: readonly Note[]) {
    const of = (...whats: readonly Note["what"][]): Map<string, Note[]> =>
      Map.groupBy(
        notes.filter(({ what }) => whats.includes(what)),
        placeOf,
      );
    this.#acks = of("acking", "acked");
    this.#backs = of("back");
    this.#killedMs = new Map((of("killed").get(" ") ?? []).map(({ who, at }) => [who, at]));
  }

  lossOf(place: string, deliveries: readonly Note[]): string[] {
    const acks = (this.#acks.get(place) ?? []).filter((ack) => !this.#isInVain(ack));
    const backs = this.#backs.get(place) ?? [];
    const endings = [...acks, ...backs].map((note) => lastBefore(deliveries, note));
    const open = deliveries.filter((one) => one.who !== REST && !endings.includes(one));
    this.dropped += open.length;
    if (deliveries.some(({ who }) => who === REST)) return [];
    // At its nack it was still his: nobody who had it before can have acked it.
    const backMs = Math.max(...backs.map(({ since = 0 }) => since));
    const mayBeAcked = acks.some((ack) => (lastBefore(deliveries, ack)?.at ?? ack.at) >= backMs);
    if (mayBeAcked) return [];
    const last = deliveries.at(-1)!;
    const back = backs.at(-1);
    return back !== undefined && back.at >= last.at
      ? [`lost after it was given back by ${back.who}: ${place}`]
      : [`lost in the hand of ${last.who}, who did not ack it: ${place}`];
  }

  /** A worker's command outlives it; what it has done then nobody acks. */
  #isInVain({ who, at }: Note): boolean {
    return isShell(nameOf(who)) && at > (this.#killedMs.get(who) ?? Infinity);
  }
}

/** The delivery that a note of the same one is about. */
const lastBefore = (deliveries: readonly Note[], note: Note): Note | undefined =>
  deliveries.findLast(({ who, at }) => who === note.who && at <= note.at);

/** A payload was made once: under two ids it is two messages. */
function doubles(got: ReadonlyMap<string, readonly Note[]>): string[] {
  return [...got].flatMap(([place, all]) => {
    const ids = new Set(all.map(({ id }) => id));
    return ids.size > 1 ? [`two messages: ${place}: ${[...ids].join(", ")}`] : [];
  });
}

/** What one subscription got all of them have. */
function halves(got: ReadonlyMap<string, readonly Note[]>): string[] {
  const published = new Map<string, number>();
  for (const place of got.keys()) {
    const [queue = "", token = ""] = place.split(" ");
    if ((STEADY as readonly string[]).includes(queue)) {
      published.set(token, (published.get(token) ?? 0) + 1);
    }
  }
  return [...published]
    .filter(([, count]) => count < STEADY.length)
    .map(([token, count]) => `in ${count} of ${STEADY.length} subscriptions: ${token}`);
}
