/**
 * The log of a topic: what was published, kept as long as the topic's retention says.
 *
 * An entry is one more name of the batch, its whole slice as it was published, in a bucket. A bucket's name is the
 * id of a batch, at which it starts; a batch goes into the last bucket that starts at or before it, and
 * with a chance of one in LOG_BUCKET_BATCHES starts a new one. So listing the oldest, to let go what is
 * too old, costs the same however much is kept.
 *
 * Who starts a bucket trims the log; so do `gc` and idle consumers. What is older than the retention
 * is not read any more, also while it is still there.
 */
import { ignore, listIfThere, makeDirectory, syncDirectory } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { LOG_BUCKET_BATCHES } from "../limits.ts";
import { ID_PATTERN, timeOfId } from "../message/id.ts";
import { formatSlice, parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { keepsLog } from "./settings.ts";
import type { TopicSettings } from "./settings.ts";
import type { TopicRoom } from "./topic-room.ts";

export interface LogEntry {
  readonly path: string;
  readonly slice: Slice;
}

export interface LogTally {
  readonly batches: number;
  readonly messages: number;
  readonly bytes: number;
  /** When the oldest was published, in ms since the epoch; Infinity where there is none. */
  readonly oldestMs: number;
}

const BUCKET = new RegExp(`^${ID_PATTERN}$`);

/** For how long a list of buckets may be used to place a batch, in ms. */
const LIST_MS = 100;

export class Log {
  readonly #room: TopicRoom;
  #buckets: string[] = [];
  #listedMs = Number.NEGATIVE_INFINITY;

  constructor(room: TopicRoom) {
    this.#room = room;
  }

  /** True where the topic keeps what was delivered. */
  async isKept(): Promise<boolean> {
    return keepsLog(await this.#room.settings());
  }

  /** Renames a batch into the log; its path there, or undefined where it is not at `from` any more. */
  async add(from: string, slice: Slice): Promise<string | undefined> {
    const { fs, disk, layout } = this.#room;
    for (;;) {
      const bucket = await this.#choose(slice);
      const path = `${layout.log}/${bucket}/${formatSlice(slice)}`;
      try {
        await fs.rename(from, path);
        if (bucket === slice.batch) await this.trim();
        return path;
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error;
      }
      if (disk.kind.shared && (await ignore(() => fs.lstat(path), "ENOENT"))) return path;
      if (!(await ignore(() => fs.lstat(from), "ENOENT"))) return undefined;
      await makeDirectory(fs, `${layout.log}/${bucket}`);
      // A batch must not get lost with the bucket that it goes to.
      if (!disk.kind.ordered) await syncDirectory(fs, layout.log);
      this.#listedMs = Number.NEGATIVE_INFINITY;
    }
  }

  async #choose({ batch }: Slice): Promise<string> {
    const { clock, random } = this.#room.disk;
    if (random() * LOG_BUCKET_BATCHES < 1) return batch;
    if (clock.monotonicMs() - this.#listedMs > LIST_MS) await this.#list();
    return this.#buckets.findLast((bucket) => bucket <= batch) ?? batch;
  }

  async #list(): Promise<string[]> {
    const { fs, disk, layout } = this.#room;
    const names = await listIfThere(fs, layout.log);
    this.#buckets = names.filter((name) => BUCKET.test(name)).toSorted();
    this.#listedMs = disk.clock.monotonicMs();
    return this.#buckets;
  }

  /** What is kept, about in the order in which it was published; what is too old is left out. */
  async *entries(): AsyncGenerator<LogEntry> {
    const oldestMs = await this.#oldestKeptMs();
    if (oldestMs === undefined) return;
    for (const bucket of await this.#list()) {
      for (const entry of await this.#entriesIn(bucket)) {
        if (timeOfId(entry.slice.batch) >= oldestMs) yield entry;
      }
    }
  }

  /** Undefined where there is no topic (yet): a directory that matches a pattern may be half made. */
  async #oldestKeptMs(): Promise<number | undefined> {
    let settings: TopicSettings;
    try {
      settings = await this.#room.settings();
    } catch (error) {
      if (error instanceof SpoolError && error.code === "NO_TOPIC") return undefined;
      throw error;
    }
    const { retentionMs, retentionBytes } = settings;
    if (retentionMs === 0 && retentionBytes > 0) return Number.NEGATIVE_INFINITY;
    return (await this.#room.nowToLook()) - retentionMs;
  }

  async #entriesIn(bucket: string): Promise<LogEntry[]> {
    const directory = `${this.#room.layout.log}/${bucket}`;
    const entries: LogEntry[] = [];
    await this.#room.breathe();
    for (const name of await namesIn(this.#room, directory)) {
      const slice = parseSlice(name);
      if (slice !== undefined) entries.push({ path: `${directory}/${name}`, slice });
    }
    return entries.toSorted((one, other) => (one.slice.batch < other.slice.batch ? -1 : 1));
  }

  /** Counts what is kept, from names alone. */
  async tally(): Promise<LogTally> {
    let batches = 0;
    let messages = 0;
    let bytes = 0;
    let oldestMs = Number.POSITIVE_INFINITY;
    for await (const { slice } of this.entries()) {
      batches++;
      messages += slice.count;
      bytes += slice.bytes;
      oldestMs = Math.min(oldestMs, timeOfId(slice.batch));
    }
    return { batches, messages, bytes, oldestMs };
  }

  /** Lets go what the retention does not keep, the oldest first; returns how many batches that were. */
  async trim(): Promise<number> {
    const { retentionMs, retentionBytes } = await this.#room.settings();
    const oldestMs = (await this.#oldestKeptMs()) ?? Number.NEGATIVE_INFINITY;
    const buckets = await this.#list();
    let excess = retentionBytes > 0 ? (await this.#bytes(buckets)) - retentionBytes : 0;
    const isByAge = retentionMs > 0 || retentionBytes === 0;
    let trimmed = 0;
    for (const bucket of buckets) {
      // All that follows is younger.
      if (excess <= 0 && (!isByAge || timeOfId(bucket) >= oldestMs)) break;
      for (const { path, slice } of await this.#entriesIn(bucket)) {
        if (excess <= 0 && timeOfId(slice.batch) >= oldestMs) continue;
        excess -= slice.bytes;
        if (await ignore(() => this.#room.fs.unlink(path), "ENOENT")) trimmed++;
      }
      await this.#removeIfEmpty(bucket);
    }
    return trimmed;
  }

  async #bytes(buckets: readonly string[]): Promise<number> {
    let bytes = 0;
    for (const bucket of buckets) {
      for (const { slice } of await this.#entriesIn(bucket)) bytes += slice.bytes;
    }
    return bytes;
  }

  async #removeIfEmpty(bucket: string): Promise<void> {
    const path = `${this.#room.layout.log}/${bucket}`;
    await ignore(() => this.#room.fs.rmdir(path), "ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR");
    this.#listedMs = Number.NEGATIVE_INFINITY;
  }
}

async function namesIn({ fs }: TopicRoom, directory: string): Promise<string[]> {
  try {
    return await fs.list(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}
