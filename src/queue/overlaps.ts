/**
 * Overlaps: messages of one delivery that two slices of a queue hold. Each is to be there once.
 *
 * Which one keeps them: the one that a living consumer holds; else one that is coming back from a dead
 * consumer; else a dead letter, because whoever made it gave it up later; else, of two that wait,
 * the one that was tried more often. The other one is cut, and what is cut off is set aside, never
 * removed: so whatever moves meanwhile, a message cannot be lost between two that each make way.
 *
 * What living consumers hold is left to them; what else holds it is looked at when they are done.
 */
import { covers } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Mend } from "./finding.ts";
import { takenFrom } from "./layout.ts";
import type { Entry, QueueRepair } from "./repair.ts";

/** - `held`: by a living consumer; `back`: on its way back from a dead one. */
export type Place = "held" | "back" | "dead" | "ready";

export interface Placed extends Entry {
  readonly place: Place;
}

export interface Overlap {
  readonly loser: Placed;
  readonly winners: readonly Placed[];
}

const RANK: Readonly<Record<Place, number>> = { held: 0, back: 1, dead: 2, ready: 3 };

const endOf = ({ first, count }: Slice): number => first + count;

/** The slices that hold a message of another one: with that other one, not with each that has it. */
export function overlapsOf(entries: readonly Placed[]): Overlap[] {
  const deliveries = Map.groupBy(entries, ({ slice }) => `${slice.batch} ${slice.replay ?? ""}`);
  return [...deliveries.values()].flatMap(overlapsIn);
}

function overlapsIn(entries: readonly Placed[]): Overlap[] {
  const winnersOf = new Map<Placed, Placed[]>();
  let open: Placed[] = [];
  for (const entry of entries.toSorted((one, other) => one.slice.first - other.slice.first)) {
    open = open.filter(({ slice }) => endOf(slice) > entry.slice.first);
    const other = open.find((one) => !isHalfDone(entry, one));
    if (other !== undefined) {
      const [winner, loser] = order(entry, other) < 0 ? [entry, other] : [other, entry];
      const winners = winnersOf.get(loser);
      if (winners) winners.push(winner);
      else winnersOf.set(loser, [winner]);
    }
    open = farthest([...open, entry].toSorted(order));
  }
  // The last ones first: so what a slice makes way for has not made way itself.
  return [...winnersOf]
    .map(([loser, winners]) => ({ loser, winners }))
    .toSorted((one, other) => order(other.loser, one.loser));
}

/** Of slices in their order those that reach farther than all before them: the others need no look. */
function farthest(entries: readonly Placed[]): Placed[] {
  let reach = 0;
  return entries.filter(({ slice }) => {
    const isFarther = endOf(slice) > reach;
    reach = Math.max(reach, endOf(slice));
    return isFarther;
  });
}

/** What is wrong, in words. */
export function problemOf({ loser: { slice }, winners }: Overlap): string {
  const { path = "", slice: other = slice } = winners[0] ?? {};
  const first = Math.max(slice.first, other.first);
  const both = span({ first, count: Math.min(endOf(slice), endOf(other)) - first });
  const more = winners.length === 1 ? "" : `, and others in ${winners.length - 1} more`;
  return `holds messages that are also in ${path}: ${both}${more}`;
}

/** Which messages of a batch, in words. */
export const span = ({ first, count }: Pick<Slice, "first" | "count">): string =>
  count === 1 ? `${first}` : `${first} to ${first + count - 1}`;

/** Within one lease, a covered slice is a link half done: the recovery rule drops it. */
function isHalfDone(one: Placed, other: Placed): boolean {
  const directory = ({ path }: Placed): string => takenFrom(path.slice(0, path.lastIndexOf("/")));
  const isHeld = one.place === "held" || one.place === "back";
  if (!isHeld || directory(one) !== directory(other)) return false;
  return covers(one.slice, other.slice) || covers(other.slice, one.slice);
}

/** The first one keeps what both have. It does not depend on who looks. */
function order(one: Placed, other: Placed): number {
  return (
    RANK[one.place] - RANK[other.place] ||
    attemptsOf(other.slice) - attemptsOf(one.slice) ||
    other.slice.count - one.slice.count ||
    (one.path < other.path ? -1 : 1)
  );
}

const attemptsOf = ({ attempts, restAttempts }: Slice): number => Math.max(attempts, restAttempts);

/** How to put it right; undefined where it is to be left for now. */
export function mendOf({ loser, winners }: Overlap, repair: QueueRepair): Mend | undefined {
  if (loser.place === "ready") return () => repair.cut(loser, winners);
  const letters = winners.filter(({ place }) => place === "dead");
  if (letters.length > 0) return () => repair.cutLetter(loser, letters);
  // What comes back goes at once where all of it is needless; else it is cut when it waits.
  const back = winners.filter(({ place }) => place === "back");
  const needless =
    loser.place === "dead"
      ? back.find(({ slice }) => isWithin(slice, loser.slice))
      : back.some(({ slice }) => isWithin(loser.slice, slice)) && loser;
  return needless ? () => repair.aside(needless.path) : undefined;
}

function isWithin(inner: Slice, outer: Slice): boolean {
  return outer.first <= inner.first && endOf(outer) >= endOf(inner);
}
