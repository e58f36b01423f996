/**
 * Counting what waits, from names alone.
 *
 * What was counted of a bucket is kept with the bucket's mtime and used again while that has not
 * changed. A directory's mtime moves in ticks, so a count is trusted only if the directory had been
 * quiet for a while when it was listed.
 */
import { isQuietAt } from "../clock.ts";
import { isErrno } from "../errors.ts";
import { timeOfId } from "../message/id.ts";
import { isExpired, isScheduled, parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Buckets } from "./buckets.ts";
import type { Room } from "./room.ts";

/** On a shared disk a directory that changed less than this before it was listed may change unseen, in ms. */
const SHARED_TICK_MS = 3000;

export interface Tally {
  messages: number;
  bytes: number;
  slices: number;
  /** When the oldest of them was put, in ms since the epoch; Infinity where there is none. */
  oldestMs: number;
}

export interface Waiting {
  readonly ready: Tally;
  readonly scheduled: Tally;
  /** Those of the scheduled that were tried before, and wait for a retry. */
  readonly retrying: Tally;
  readonly expired: Tally;
  /** The time at which the next scheduled message is due; Infinity where there is none. */
  readonly nextDueMs: number;
}

interface BucketCount {
  readonly inode: number;
  readonly mtimeMs: number;
  readonly waiting: Waiting;
  /** The time at which one of its slices changes from scheduled to ready, or expires. */
  readonly validUntilMs: number;
}

export const emptyTally = (): Tally => ({
  messages: 0,
  bytes: 0,
  slices: 0,
  oldestMs: Number.POSITIVE_INFINITY,
});

export function addTo(tally: Tally, slice: Slice): void {
  tally.messages += slice.count;
  tally.bytes += slice.bytes;
  tally.slices++;
  tally.oldestMs = Math.min(tally.oldestMs, timeOfId(slice.batch));
}

function mergeInto(tally: Tally, other: Tally): void {
  tally.messages += other.messages;
  tally.bytes += other.bytes;
  tally.slices += other.slices;
  tally.oldestMs = Math.min(tally.oldestMs, other.oldestMs);
}

export class Inventory {
  readonly #room: Room;
  readonly #buckets: Buckets;
  #counts = new Map<string, BucketCount>();

  constructor(room: Room, buckets: Buckets) {
    this.#room = room;
    this.#buckets = buckets;
  }

  /**
   * Counts what is in ready/.
   *
   * @param enough  stop as soon as ready and scheduled together say true; the sums are partial then.
   */
  async count(
    nowMs: number,
    enough: (messages: number, bytes: number) => boolean = () => false,
  ): Promise<Waiting> {
    const total = {
      ready: emptyTally(),
      scheduled: emptyTally(),
      retrying: emptyTally(),
      expired: emptyTally(),
    };
    let nextDueMs = Number.POSITIVE_INFINITY;
    const counts = new Map<string, BucketCount>();
    for (const bucket of await this.#buckets.list()) {
      const count = await this.#countBucket(bucket, nowMs);
      if (count === undefined) continue;
      counts.set(bucket, count);
      for (const state of ["ready", "scheduled", "retrying", "expired"] as const) {
        mergeInto(total[state], count.waiting[state]);
      }
      nextDueMs = Math.min(nextDueMs, count.waiting.nextDueMs);
      const { ready, scheduled } = total;
      if (enough(ready.messages + scheduled.messages, ready.bytes + scheduled.bytes)) break;
    }
    for (const [bucket, count] of counts) this.#counts.set(bucket, count);
    if (this.#counts.size > 2 * counts.size + 16) this.#counts = counts;
    return { ...total, nextDueMs };
  }

  async #countBucket(bucket: string, nowMs: number): Promise<BucketCount | undefined> {
    const path = this.#room.layout.bucket(bucket);
    const known = this.#counts.get(bucket);
    try {
      const { inode, mtimeMs } = await this.#room.fs.lstat(path);
      const isSame = known?.inode === inode && known.mtimeMs === mtimeMs;
      if (isSame && nowMs < known.validUntilMs) return known;
      const counted = tallyNames(await this.#room.fs.list(path), nowMs);
      const isOld = !this.#room.disk.kind.shared || mtimeMs + SHARED_TICK_MS < nowMs;
      const isQuiet = isOld && isQuietAt(nowMs, mtimeMs);
      return { inode, mtimeMs: isQuiet ? mtimeMs : Number.NaN, ...counted };
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      throw error;
    }
  }
}

/** What these names of slices say; foreign names do not count. */
function tallyNames(
  names: readonly string[],
  nowMs: number,
): { waiting: Waiting; validUntilMs: number } {
  const ready = emptyTally();
  const scheduled = emptyTally();
  const retrying = emptyTally();
  const expired = emptyTally();
  let nextDueMs = Number.POSITIVE_INFINITY;
  let validUntilMs = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const slice = parseSlice(name);
    if (slice === undefined) continue;
    if (isExpired(slice, nowMs)) {
      addTo(expired, slice);
      continue;
    }
    validUntilMs = Math.min(validUntilMs, slice.expiresMs ?? Number.POSITIVE_INFINITY);
    if (isScheduled(slice, nowMs)) {
      addTo(scheduled, slice);
      if (slice.attempts > 0) addTo(retrying, slice);
      nextDueMs = Math.min(nextDueMs, slice.visibleMs);
    } else {
      addTo(ready, slice);
    }
  }
  validUntilMs = Math.min(validUntilMs, nextDueMs);
  return { waiting: { ready, scheduled, retrying, expired, nextDueMs }, validUntilMs };
}
