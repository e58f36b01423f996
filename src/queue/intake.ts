/**
 * What puts are made into: a queue, or all subscriptions of a topic. The ways to put (one message,
 * many at once, a stream of lines, once for a key) are the same for both.
 */
import { ring } from "../disk/bell.ts";
import { closeQuietly, commitFile, listIfThere } from "../disk/durable.ts";
import { SpoolError } from "../errors.ts";
import type { Slice } from "../message/slice.ts";
import type { Admission } from "./admission.ts";
import type { Buckets } from "./buckets.ts";
import type { Draft } from "./draft.ts";
import type { Room } from "./room.ts";
import type { Site } from "./site.ts";

export type Sync = "disk" | "none";

/** What is asked of messages before they come in; 0: no limit. */
export interface Limits {
  readonly maxMessageBytes: number;
  readonly maxDepth: number;
  readonly maxBytes: number;
  readonly ttlMs: number;
  readonly dedupWindowMs: number;
}

/** Where the batch of a keyed put goes once its key is its own: see dedup.ts. */
export interface Delivery {
  readonly site: Site;
  /** Sees to it that it is delivered, once; undefined where somebody else has done so. */
  deliver(keyed: string, slice: Slice, sync: Sync): Promise<string | undefined>;
  /** Directories that a careful file system has to sync for that to be safe. */
  directoriesOf(batch: string, placed: string | undefined): Promise<string[]>;
}

export interface Intake extends Delivery {
  readonly noun: "queue" | "topic";
  /** True where messages may not share a batch. */
  readonly goesAlone?: boolean;
  /** What applies to the next put. Makes the queue or topic where it is not there. */
  limits(): Promise<Limits>;
  /** Resolves when a put of this size may come in. @throws QUEUE_FULL, DISK_FULL */
  admit(messages: number, bytes: number, waitMs?: number): Promise<void>;
  /** Makes the draft's messages deliverable, or nothing at all; then it is closed either way. */
  commit(draft: Draft, slice: Slice, sync: Sync): Promise<void>;
}

export class QueueDelivery implements Delivery {
  readonly site: Room;
  readonly buckets: Buckets;

  constructor(room: Room, buckets: Buckets) {
    this.site = room;
    this.buckets = buckets;
  }

  async deliver(keyed: string, slice: Slice): Promise<string | undefined> {
    const placed = await this.buckets.place(keyed, slice);
    if (placed === undefined) return undefined;
    this.site.flowed("in", slice.count);
    await ring(this.site.fs, this.site.layout.bell);
    return placed;
  }

  async directoriesOf(batch: string, placed: string | undefined): Promise<string[]> {
    const { fs, layout } = this.site;
    const directories = [layout.ready];
    if (placed !== undefined) return [...directories, placed.slice(0, placed.lastIndexOf("/"))];
    // Whoever has placed it may have died before its name there was safe: look for it.
    for (const bucket of await this.buckets.list()) {
      const path = layout.bucket(bucket);
      const names = await listIfThere(fs, path);
      if (names.some((name) => name.includes(batch))) directories.push(path);
    }
    return directories;
  }
}

export class QueueIntake extends QueueDelivery implements Intake {
  readonly noun = "queue";
  readonly #admission: Admission;

  constructor(room: Room, buckets: Buckets, admission: Admission) {
    super(room, buckets);
    this.#admission = admission;
  }

  limits(): Promise<Limits> {
    return this.site.settingsOrCreate();
  }

  async admit(messages: number, bytes: number, waitMs?: number): Promise<void> {
    await this.#admission.admit(messages, bytes, waitMs);
  }

  async commit(draft: Draft, slice: Slice, sync: Sync): Promise<void> {
    const { disk, layout } = this.site;
    const move = async () => {
      const placed = await this.buckets.place(draft.path, slice);
      if (placed === undefined) throw new SpoolError("IO", `${draft.path}: removed by somebody`);
      return placed;
    };
    try {
      if (sync === "none") await move();
      else await commitFile(disk, draft.fd, draft.path, move);
    } catch (error) {
      await draft.discard();
      throw error;
    }
    this.site.flowed("in", slice.count);
    // An error of close(2) can say only that bytes were lost, and these are on the disk.
    if (sync === "disk") await closeQuietly(disk.fs, draft.fd);
    else await disk.fs.close(draft.fd);
    await ring(disk.fs, layout.bell);
  }
}

export function tooLarge({ noun, site }: Intake, what: string, limit: number): SpoolError {
  const { name } = site;
  const isTopic = noun === "topic";
  const whose = isTopic ? `topic ${name} or of one of its subscriptions` : `queue ${name}`;
  const or = isTopic ? `, or spool queue set ${name}/NAME max-message=SIZE` : "";
  return new SpoolError(
    "MESSAGE_TOO_LARGE",
    `${what} is larger than ${limit} bytes, the limit of ${whose}`,
    `Raise it: spool ${noun} set ${name} max-message=SIZE${or}`,
  );
}
