/**
 * What the names in a directory say, summed up. Pure.
 *
 * What waits depends on the clock: what is scheduled becomes ready, and what has a time to live expires. So
 * a count says from when until when it is true: between two such instants it does not change.
 */
import { Skimmer } from "../message/skim.ts";

export interface Tally {
  readonly messages: number;
  readonly bytes: number;
  /** When the oldest of them was put, in ms since the epoch; Infinity where there is none. */
  readonly oldestMs: number;
}

export interface Waiting {
  readonly ready: Tally;
  readonly scheduled: Omit<Tally, "oldestMs">;
  /** Those of the scheduled that were tried before, and wait for a retry. */
  readonly retrying: Omit<Tally, "bytes">;
  readonly expired: Pick<Tally, "messages">;
  /** The time at which the next scheduled message is due; Infinity where there is none. */
  readonly nextDueMs: number;
}

/** What is in one directory. Of what is held, dead or dropped, all counts as ready. */
export interface Count extends Waiting {
  /** It is true at this time of the clock, in ms since the epoch, and later. */
  readonly fromMs: number;
  /** But not any more at this one: something becomes visible, or expires. */
  readonly untilMs: number;
}

/** A tally that grows. */
export class Sum implements Tally {
  messages = 0;
  bytes = 0;
  oldestMs = Number.POSITIVE_INFINITY;

  add(messages: number, bytes: number, oldestMs = Number.POSITIVE_INFINITY): void {
    this.messages += messages;
    this.bytes += bytes;
    if (oldestMs < this.oldestMs) this.oldestMs = oldestMs;
  }
}

/** What waits in several directories. */
export class Total implements Waiting {
  readonly ready = new Sum();
  readonly scheduled = new Sum();
  readonly retrying = new Sum();
  readonly expired = new Sum();
  nextDueMs = Number.POSITIVE_INFINITY;
}

/** Of the names in a bucket. Foreign names do not count. */
export function countWaiting(names: readonly string[], nowMs: number): Count {
  const total = new Total();
  const { ready, scheduled, retrying, expired } = total;
  const slice = new Skimmer();
  let fromMs = Number.NEGATIVE_INFINITY;
  let untilMs = Number.POSITIVE_INFINITY;
  for (const name of names) {
    if (!slice.read(name)) continue;
    const { visibleMs, timeMs, count, bytes, attempts, expiresMs } = slice;
    if (expiresMs <= nowMs) {
      fromMs = Math.max(fromMs, expiresMs);
      expired.add(count, bytes, timeMs);
      continue;
    }
    untilMs = Math.min(untilMs, expiresMs);
    // As isScheduled has it: what was put without a delay is ready at once, whatever any clock says.
    if (visibleMs > nowMs && visibleMs !== timeMs) {
      scheduled.add(count, bytes, timeMs);
      if (attempts > 0) retrying.add(count, bytes, timeMs);
      total.nextDueMs = Math.min(total.nextDueMs, visibleMs);
    } else {
      // Where the clock is set back it may be scheduled again.
      if (visibleMs <= nowMs) fromMs = Math.max(fromMs, visibleMs);
      ready.add(count, bytes, timeMs);
    }
  }
  const { nextDueMs } = total;
  untilMs = Math.min(untilMs, nextDueMs);
  return { ready, scheduled, retrying, expired, nextDueMs, fromMs, untilMs };
}

/** A count that the clock does not change. */
export function always(tally: Tally): Count {
  const { scheduled, retrying, expired, nextDueMs } = new Total();
  const fromMs = Number.NEGATIVE_INFINITY;
  const untilMs = Number.POSITIVE_INFINITY;
  return { ready: tally, scheduled, retrying, expired, nextDueMs, fromMs, untilMs };
}

/** Of the names in a lease, or among the dead letters. Foreign names, and reasons, do not count. */
export function countHeld(names: readonly string[]): Count {
  const sum = new Sum();
  const slice = new Skimmer();
  for (const name of names) {
    if (slice.readHeld(name)) sum.add(slice.count, slice.bytes, slice.timeMs);
  }
  return always(sum);
}
