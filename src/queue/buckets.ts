/**
 * Buckets: ready/ is cut into directories, each for a range of the sort key, so that a claim lists
 * a bounded number of names however deep the backlog is.
 *
 * A bucket's name is the front of a slice's name, at which it starts; it ends where the next one of its rank
 * starts. Who adds a slice puts it into the last bucket that starts at or before it, and with a
 * chance of one in BUCKET_SLICES starts a new bucket instead: at the slice, or half-way to it. So buckets hold about that many
 * names at any rate of arrival, be it one a second or a million at once, and nobody needs a counter.
 * A slice that is already in a bucket stays there when a later bucket is started, so a bucket may
 * hold some slices that sort after the start of the next: readers merge.
 *
 * An empty bucket is removed by whoever finds it; who was about to rename into it makes it again.
 */
import { dirname } from "node:path";

import { ignore, makeDirectory, syncDirectory } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { BUCKET_SLICES } from "../limits.ts";
import { ID_PATTERN } from "../message/id.ts";
import { formatSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { setAside } from "./aside.ts";
import type { Room } from "./room.ts";

const BUCKET = new RegExp(`^(\\d)-(\\d{13})(?:-${ID_PATTERN})?$`);

/** For how long a list of buckets may be used to place a new slice, in ms. */
const LIST_MS = 100;

export interface Bucket {
  readonly name: string;
  readonly rank: number;
  readonly startMs: number;
}

export function parseBucket(name: string): Bucket | undefined {
  const [, rank, start] = BUCKET.exec(name) ?? [];
  return rank === undefined ? undefined : { name, rank: Number(rank), startMs: Number(start) };
}

/** The bucket that would start with this slice. */
export function bucketStartingAt(slice: Slice): string {
  // With the batch's id, because any number of messages may be due at one instant.
  return `${slice.rank}-${String(slice.visibleMs).padStart(13, "0")}-${slice.batch}`;
}

/** The last of these sorted names that is not above `key` and has its rank. */
export function bucketFor(sorted: readonly string[], key: string): string | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  const found = sorted[low - 1];
  return found !== undefined && found[0] === key[0] ? found : undefined;
}

/** The bucket that starts half-way between the start of this one and the slice. */
function middleBetween(bucket: string, slice: Slice): string {
  const { startMs } = parseBucket(bucket)!;
  return bucketStartingAt({ ...slice, visibleMs: Math.ceil((startMs + slice.visibleMs) / 2) });
}

export class Buckets {
  readonly #room: Room;
  #names: string[] = [];
  #listedMs = Number.NEGATIVE_INFINITY;
  /** Those that were seen to be directories since they were listed. */
  readonly #real = new Set<string>();

  constructor(room: Room) {
    this.#room = room;
  }

  /** All buckets, in the order of delivery. Foreign names are passed over. */
  async list(): Promise<string[]> {
    const names = await this.#room.fs.list(this.#room.layout.ready);
    this.#names = names.filter((name) => BUCKET.test(name)).toSorted();
    this.#listedMs = this.#room.disk.clock.monotonicMs();
    this.#real.clear();
    return this.#names;
  }

  /**
   * Renames `from` into the right bucket, and returns its path there; undefined where `from` is not there (any more).
   *
   * @param bucket  the one that it came from, where it goes back with its place unchanged.
   * @throws whatever rename or mkdir throw, ENOENT excepted.
   */
  async place(from: string, slice: Slice, bucket?: string): Promise<string | undefined> {
    const { fs, layout } = this.#room;
    let target = bucket ?? (await this.#choose(slice));
    // It may have been removed as empty, and made again by somebody who has not made it safe yet.
    if (bucket !== undefined && !this.#room.disk.kind.ordered) await this.#isReal(bucket);
    for (;;) {
      const path = `${layout.bucket(target)}/${formatSlice(slice)}`;
      try {
        await fs.rename(from, path);
        return path;
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error;
        // On a shared disk the rename may have worked and its reply been lost. Not so where the
        // lease that it came from was taken away.
        if (this.#room.disk.kind.shared && (await ignore(() => fs.lstat(path), "ENOENT"))) {
          const isOurs = await ignore(() => fs.lstat(dirname(from)), "ENOENT");
          return isOurs ? path : undefined;
        }
        if (!(await ignore(() => fs.lstat(from), "ENOENT"))) return undefined;
      }
      if (!(await this.#make(target))) target = await this.#choose(slice);
    }
  }

  async #make(bucket: string): Promise<boolean> {
    this.#listedMs = Number.NEGATIVE_INFINITY;
    const isMade = await makeDirectory(this.#room.fs, this.#room.layout.bucket(bucket));
    await this.#secure();
    return isMade;
  }

  /** A message must not get lost with the bucket that it goes to: its name is made safe before. */
  async #secure(): Promise<void> {
    const { fs, disk, layout } = this.#room;
    if (!disk.kind.ordered) await syncDirectory(fs, layout.ready);
  }

  async #choose(slice: Slice): Promise<string> {
    const { clock, random } = this.#room.disk;
    const key = bucketStartingAt(slice);
    const chance = random() * BUCKET_SLICES;
    // What comes in rising order wants a new bucket to start where it is.
    if (chance < 0.5) return key;
    if (clock.monotonicMs() - this.#listedMs > LIST_MS) await this.list();
    const found = bucketFor(this.#names, key);
    if (found === undefined) {
      // The first of its rank starts now at the latest: where what is scheduled comes latest first,
      // each slice would else start a bucket of its own.
      const nowMs = clock.isFresh() ? clock.now() : slice.visibleMs;
      return bucketStartingAt({ ...slice, visibleMs: Math.min(slice.visibleMs, nowMs) });
    }
    if (!(await this.#isReal(found))) return this.#choose(slice);
    // What comes in falling order wants the bucket that it goes to cut in two.
    return chance < 1 ? middleBetween(found, slice) : found;
  }

  /** A link with a bucket's name would lead messages out of the spool: it goes aside. */
  async #isReal(bucket: string): Promise<boolean> {
    if (this.#real.has(bucket)) return true;
    const path = this.#room.layout.bucket(bucket);
    try {
      if ((await this.#room.fs.lstat(path)).kind !== "directory") {
        await setAside(this.#room, path, "not a bucket", () => {});
        this.#listedMs = Number.NEGATIVE_INFINITY;
        return false;
      }
      // Somebody may have made it just now.
      await this.#secure();
    } catch (error) {
      // Removed as empty: whoever puts into it makes it again.
      if (!isErrno(error, "ENOENT")) throw error;
    }
    this.#real.add(bucket);
    return true;
  }

  /** Removes a bucket that was found empty, unless it has been filled again. */
  async removeIfEmpty(bucket: string): Promise<boolean> {
    const path = this.#room.layout.bucket(bucket);
    return ignore(() => this.#room.fs.rmdir(path), "ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR");
  }
}
