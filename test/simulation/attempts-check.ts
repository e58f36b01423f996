/**
 * Attempts: none is forgotten, none is made up, nobody gets a message past its queue's limit, and what
 * comes back from a crash comes alone.
 */
import assert from "node:assert/strict";

import type { Handing, History, Hold } from "./history.ts";
import { isHeldAt } from "./leases-check.ts";
import { shown } from "./shown.ts";

/** A delivery: in the run, or to the last process. */
export interface Delivery {
  readonly place: string;
  readonly attempt: number;
  readonly isAlone: boolean;
  readonly since: number;
  readonly at: number;
  readonly atMs: number;
}

/** @param last  what the last process got, before it looked at dead letters. */
export function checkAttempts(
  history: History,
  handings: ReadonlyMap<string, readonly Handing[]>,
  last: ReadonlyMap<string, Delivery>,
): void {
  for (const key of new Set([...handings.keys(), ...last.keys()])) {
    const before = handings.get(key) ?? [];
    const end = last.get(key);
    for (const one of [...before, ...(end === undefined ? [] : [end])]) {
      const what = `${shown(key)}: attempt ${one.attempt} at ${one.at}`;
      const limit = history.maxAttempts.get(one.place) ?? 0;
      assert.ok(limit === 0 || one.attempt <= limit, `${what}: the limit is ${limit}`);
      assert.ok(one.attempt === 1 || one.isAlone, `${what}: others were claimed with it`);
      const earlier = before.filter(({ at }) => at < one.at).length;
      const most = 1 + earlier + accidents(history, one);
      assert.ok(one.attempt <= most, `${what}: ${most} at the most`);
      for (const other of before) {
        if (!mustRaise(history, other, one)) continue;
        const told = `${other.process} had it at ${other.at}, at attempt ${other.attempt}`;
        assert.ok(one.attempt > other.attempt, `${what}: it does not count that ${told}`);
      }
    }
  }
}

/** A message may have been in hand, and its consumer died before that said so. */
function accidents(history: History, { place, at, atMs }: Delivery): number {
  const isNear = (hold: Hold): boolean =>
    hold.place === place || !(hold.place.includes("/") || place.includes("/"));
  const isAccident = (hold: Hold): boolean => {
    // Its times may be the same to the millisecond as those of who gets the message next.
    const hasDied = (history.lives.get(hold.process)?.end ?? Number.POSITIVE_INFINITY) <= at;
    // Also who dies while it gives back what it had.
    if (hold.since < at && isNear(hold) && hold.isClosed !== true && hasDied) return true;
    const endMs = Math.min(hold.endedMs ?? Number.POSITIVE_INFINITY, atMs);
    // It was held up to then, and so at each moment before.
    const moment = { at, atMs: endMs - 1 };
    return hold.since < at && isNear(hold) && !isHeldAt(history, hold, moment);
  };
  return history.holds.filter(isAccident).length;
}

/** True where the later delivery must have a higher attempt than the earlier one. */
function mustRaise(history: History, one: Handing, later: Delivery): boolean {
  if (later.since <= one.at || history.isReplyLost) return false;
  if (history.cuts.some((cut) => cut >= one.since && cut <= later.at)) return false;
  const isRedriven = history.redrives.some(({ process, began, ended }) => {
    const over = ended ?? history.lives.get(process)?.end ?? Number.POSITIVE_INFINITY;
    return began <= later.at && over >= one.at;
  });
  if (isRedriven) return false;
  const isNacked = one.settlings.some(({ how, result }) => how === "nack" && result === "ok");
  const isGivenBack = one.settlings.some(({ how }) => how === "give back" || how === "reject");
  // In hand: what becomes of it now, if it is not given back, is an attempt.
  return isNacked || (!isGivenBack && isFront(history, one) && isHeldAt(history, one.hold, one));
}

/** Of many in hand the first that was not settled is known to be; others may wait behind it. */
function isFront({ handings }: History, { hold, at }: Handing): boolean {
  if (!hold.isMany) return true;
  const before = handings.filter((other) => other.hold === hold && other.at < at);
  return before.every(({ settlings }) => settlings.some(({ result }) => result === "ok"));
}
