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
import type { Entry, QueueRepair } from "./repair.ts";

/** - `held`: by a living consumer; `back`: on its way back from a dead one. */
export type Place = "held" | "back" | "dead" | "ready";

export interface Placed extends Entry {
  readonly place: Place;
}

export interface Overlap {
  readonly loser: Placed;
  readonly winner: Placed;
}

const RANK: Readonly<Record<Place, number>> = { held: 0, back: 1, dead: 2, ready: 3 };

const endOf = ({ first, count }: Slice): number => first + count;

/** All pairs of slices that hold the same message. */
export function overlapsOf(entries: readonly Placed[]): Overlap[] {
  const deliveries = Map.groupBy(entries, ({ slice }) => `${slice.batch} ${slice.replay ?? ""}`);
  return [...deliveries.values()].flatMap(overlapsIn);
}

function overlapsIn(entries: readonly Placed[]): Overlap[] {
  const overlaps: Overlap[] = [];
  let open: Placed[] = [];
  for (const entry of entries.toSorted((one, other) => one.slice.first - other.slice.first)) {
    open = open.filter(({ slice }) => endOf(slice) > entry.slice.first);
    for (const other of open) {
      if (isHalfDone(entry, other)) continue;
      const isWinner = comesFirst(entry, other);
      overlaps.push({ loser: isWinner ? other : entry, winner: isWinner ? entry : other });
    }
    open.push(entry);
  }
  return overlaps;
}

/** Within one lease, a covered slice is a link half done: the recovery rule drops it. */
function isHalfDone(one: Placed, other: Placed): boolean {
  const directory = ({ path }: Placed): string => path.slice(0, path.lastIndexOf("/"));
  const isHeld = one.place === "held" || one.place === "back";
  if (!isHeld || directory(one) !== directory(other)) return false;
  return covers(one.slice, other.slice) || covers(other.slice, one.slice);
}

/** True where `one` keeps what both have: an order that does not depend on who looks. */
function comesFirst(one: Placed, other: Placed): boolean {
  const byPlace = RANK[one.place] - RANK[other.place];
  if (byPlace !== 0) return byPlace < 0;
  const byAttempts = attemptsOf(other.slice) - attemptsOf(one.slice);
  if (byAttempts !== 0) return byAttempts < 0;
  const byCount = other.slice.count - one.slice.count;
  return byCount === 0 ? one.path < other.path : byCount < 0;
}

const attemptsOf = ({ attempts, restAttempts }: Slice): number => Math.max(attempts, restAttempts);

/** How to put it right; undefined where it is to be left for now. */
export function mendOf({ loser, winner }: Overlap, repair: QueueRepair): Mend | undefined {
  if (loser.place === "ready") return () => repair.cut(loser, winner);
  if (winner.place === "held") return undefined;
  if (loser.place === "dead") {
    return winner.place === "dead"
      ? () => repair.cutLetter(loser, winner)
      : letterOf(winner, loser);
  }
  // Two that come back: one goes at once where it is needless, else it is cut when it waits.
  const isNeedless = isWithin(loser.slice, winner.slice);
  return isNeedless ? () => repair.aside(loser.path) : undefined;

  /** What comes back is not needed where all of it is a dead letter; else it is cut when it waits. */
  function letterOf(back: Placed, letter: Placed): Mend | undefined {
    return isWithin(back.slice, letter.slice) ? () => repair.aside(back.path) : undefined;
  }
}

function isWithin(inner: Slice, outer: Slice): boolean {
  return outer.first <= inner.first && endOf(outer) >= endOf(inner);
}
