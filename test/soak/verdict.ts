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
  /** Deliveries noted late by who had stood still since the claim: they count for nothing. */
  readonly excused: number;
}

const placeOf = ({ queue, token }: Note): string => `${queue} ${token}`;

export function judge(notes: readonly Note[], actors: readonly Actor[]): Verdict {
  const of = (what: Note["what"]): Note[] => notes.filter((note) => note.what === what);
  const got = Map.groupBy(of("got"), placeOf);
  const acked = Map.groupBy(of("acked"), placeOf);
  const accepted = of("put").flatMap(placesOf);
  const undone = of("undone").flatMap(placesOf);
  const strange = strangeOnes(got, acked, actors);
  return {
    complaints: [
      ...of("wrong").map(({ queue, token, who }) => `wrong: ${queue} ${who} ${token}`),
      ...accepted.filter((place) => !got.has(place)).map((place) => `lost: ${place}`),
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
      const own = all.findLast(({ who, at }) => who === ack.who && at <= ack.at);
      const ownMs = own?.at ?? ack.at;
      for (const { who, at } of all) {
        const name = who.slice(0, who.indexOf("."));
        const noteMs = name.endsWith("worker") ? SHELL_NOTE_MS : NOTE_MS;
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
