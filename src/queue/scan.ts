/**
 * Scanning ready/ in the order of delivery, a bounded number of names at a time.
 *
 * The names of the first buckets that are due are kept and handed out until they are used up or a
 * little old; what another consumer took meanwhile is found out by the rename that fails. Slices
 * that sort after the start of the next bucket wait until that one has been listed too.
 */
import type { Awaitable } from "../disk/file-system.ts";
import { isErrno } from "../errors.ts";
import { BUCKET_SLACK_MS } from "../limits.ts";
import { isScheduled, parseSlice, scheduledByName } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { parseBucket } from "./buckets.ts";
import type { Buckets } from "./buckets.ts";
import type { Room } from "./room.ts";

/** A list of names is used this long: so late may a more urgent message be seen, in ms. */
const FRESH_MS = 50;

/** After so many lost races a list is made anew. */
const MOST_LOST = 3;

export interface Candidate {
  readonly name: string;
  readonly bucket: string;
  readonly slice: Slice;
}

export class Scanner {
  readonly #room: Room;
  readonly #buckets: Buckets;
  /** In reverse order of delivery, so that the next one is the last. */
  #found: Candidate[] = [];
  #listedMs = Number.NEGATIVE_INFINITY;
  /** How often another consumer was faster, since the last list; and when, for the last time. */
  #lost = 0;
  #lostMs = Number.NEGATIVE_INFINITY;
  /** When the next message that was seen is due, in ms since the epoch. */
  #nextDueMs = Number.POSITIVE_INFINITY;

  constructor(room: Room, buckets: Buckets) {
    this.#room = room;
    this.#buckets = buckets;
  }

  /** When to look again by the clock alone: the time of the next scheduled message that was seen. */
  get nextDueMs(): number {
    return this.#nextDueMs;
  }

  /** The next slice that is due, or undefined where none is. It may be gone when it is claimed. */
  next(nowMs: number): Awaitable<Candidate | undefined> {
    const ageMs = this.#room.disk.clock.monotonicMs() - this.#listedMs;
    if (this.#found.length > 0 && ageMs <= FRESH_MS) return this.#found.pop();
    return this.#list(nowMs).then(() => this.#found.pop());
  }

  /** True where the next look has to list the disk. */
  get isUsedUp(): boolean {
    return this.#found.length === 0;
  }

  /**
   * Told that another consumer was faster: whoever works on from the same place would race it for each
   * of the next ones, too. So this one goes on somewhere else in what was listed, and back to the front
   * at the end. Where that happens again and again the list is used up, mostly, and is made anew.
   */
  lost(): void {
    this.#lost++;
    this.#lostMs = this.#room.disk.clock.monotonicMs();
    if (this.#lost > MOST_LOST) this.forget();
    else this.#jump();
  }

  /** What lies before the place is kept for the end. */
  #jump(): void {
    const found = this.#found;
    const skipped = Math.floor(this.#room.disk.random() * found.length);
    if (skipped === 0) return;
    this.#found = [...found.slice(-skipped), ...found.slice(0, -skipped)];
  }

  /** Hands a slice that was not used to the next caller. */
  putBack(candidate: Candidate): void {
    this.#found.push(candidate);
  }

  /** Forgets what was listed: the next look is a fresh one. */
  forget(): void {
    this.#found = [];
  }

  /** Lists buckets until one slice or more are due, or there are no more. */
  async #list(nowMs: number): Promise<void> {
    this.#listedMs = this.#room.disk.clock.monotonicMs();
    this.#nextDueMs = Number.POSITIVE_INFINITY;
    // Whoever has long had no rival starts at the front.
    const isContended = this.#listedMs - this.#lostMs <= FRESH_MS;
    this.#lost = 0;
    const names = await this.#buckets.list();
    let open: Candidate[] = [];
    let passedRank = "";
    let isNextKnown = false;
    // There may be thousands of buckets: only those that are looked into are taken apart.
    for (const [index, bucket] of names.entries()) {
      const rank = bucket[0]!;
      // They are sorted: what is behind the first one that was passed over is due later.
      if (rank === passedRank && isNextKnown) continue;
      const isAhead = !isDue(bucket, nowMs);
      if (isAhead && rank === passedRank) {
        this.#nextDueMs = Math.min(this.#nextDueMs, parseBucket(bucket)!.startMs);
        isNextKnown = true;
        continue;
      }
      const due = await this.#listBucket(bucket, nowMs);
      for (const candidate of due) open.push(candidate);
      // The first bucket that lies ahead is looked into all the same: if the disk's clock was set
      // back, what was put without a delay is in such ones, and ready.
      if (isAhead && due.length === 0) {
        passedRank = rank;
        isNextKnown = false;
      }
      const next = names[index + 1];
      const isNextDue = next?.[0] === rank && isDue(next, nowMs);
      const isMine = (name: string): boolean => !isNextDue || name < next;
      const found = open.filter(({ name }) => isMine(name));
      if (found.length > 0) {
        this.#found = found.toSorted((a, b) => (a.name < b.name ? 1 : -1));
        if (isContended) this.#jump();
        return;
      }
      if (!isNextDue) open = [];
    }
    this.#found = [];
  }

  async #listBucket(bucket: string, nowMs: number): Promise<Candidate[]> {
    let names: string[];
    try {
      names = await this.#room.fs.list(this.#room.layout.bucket(bucket));
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
      throw error;
    }
    const due: Candidate[] = [];
    const isSurelyScheduled = scheduledByName(nowMs);
    let isNextKnown = false;
    // All of one rank, so in the order in which they are due: hundreds that are not due yet need not be taken apart.
    for (const name of names.toSorted()) {
      if (isNextKnown && isSurelyScheduled(name)) continue;
      const slice = parseSlice(name);
      if (slice === undefined) continue;
      if (isScheduled(slice, nowMs)) {
        this.#nextDueMs = Math.min(this.#nextDueMs, slice.visibleMs);
        isNextKnown = true;
      } else {
        due.push({ name, bucket, slice });
      }
    }
    if (names.length === 0) await this.#removeOld(bucket, nowMs);
    return due;
  }

  /** An empty bucket goes, unless it is so young that the next put is likely to want it. */
  async #removeOld(bucket: string, nowMs: number): Promise<void> {
    const { startMs } = parseBucket(bucket)!;
    if (startMs < nowMs - EMPTY_BUCKET_MS) await this.#buckets.removeIfEmpty(bucket);
  }
}

const isDue = (bucket: string, nowMs: number): boolean =>
  parseBucket(bucket)!.startMs <= nowMs + BUCKET_SLACK_MS;

/** An empty bucket is kept this long after its start, in ms. */
const EMPTY_BUCKET_MS = 60_000;
