/**
 * What the names in a directory say, summed up. Pure.
 *
 * What waits depends on the clock: what is scheduled becomes ready, and what has a time to live expires. So
 * a count says from when until when it is true: between two such instants it does not change.
 */
import { timeOfId } from "../message/id.ts";
import { isExpired, isScheduled, parseHeldName, parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";

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

/** A sum over slices: ids rise with time, so the time of the least one alone is asked for. */
class SliceSum {
  #messages = 0;
  #bytes = 0;
  #oldest: string | undefined;

  add({ count, bytes, batch }: Slice): void {
    this.#messages += count;
    this.#bytes += bytes;
    if (this.#oldest === undefined || batch < this.#oldest) this.#oldest = batch;
  }

  get tally(): Tally {
    const oldestMs = this.#oldest === undefined ? Number.POSITIVE_INFINITY : timeOfId(this.#oldest);
    return { messages: this.#messages, bytes: this.#bytes, oldestMs };
  }
}

/** Of the names in a bucket. Foreign names do not count. */
export function countWaiting(names: readonly string[], nowMs: number): Count {
  const ready = new SliceSum();
  const scheduled = new SliceSum();
  const retrying = new SliceSum();
  const expired = new SliceSum();
  let nextDueMs = Number.POSITIVE_INFINITY;
  let fromMs = Number.NEGATIVE_INFINITY;
  let untilMs = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const slice = parseSlice(name);
    if (slice === undefined) continue;
    const { visibleMs, expiresMs, attempts } = slice;
    if (isExpired(slice, nowMs)) {
      fromMs = Math.max(fromMs, expiresMs!);
      expired.add(slice);
      continue;
    }
    if (expiresMs !== undefined) untilMs = Math.min(untilMs, expiresMs);
    if (isScheduled(slice, nowMs)) {
      scheduled.add(slice);
      if (attempts > 0) retrying.add(slice);
      nextDueMs = Math.min(nextDueMs, visibleMs);
    } else {
      // Where the clock is set back it may be scheduled again.
      if (visibleMs <= nowMs) fromMs = Math.max(fromMs, visibleMs);
      ready.add(slice);
    }
  }
  return {
    ready: ready.tally,
    scheduled: scheduled.tally,
    retrying: retrying.tally,
    expired: expired.tally,
    nextDueMs,
    fromMs,
    untilMs: Math.min(untilMs, nextDueMs),
  };
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
  const sum = new SliceSum();
  for (const name of names) {
    const slice = parseHeldName(name);
    if (slice !== undefined) sum.add(slice);
  }
  return always(sum.tally);
}
