/**
 * Fill: steps 3 to 5 of a subscription that begins in the past (subscribe.ts).
 *
 * A publish that was under way when the subscription became visible may not have seen it. It is waited
 * for until it is in the log. One that is committed and cannot be finished now (another subscription is
 * broken) is taken from committed/, as if it were in the log.
 */
import { ignore, listIfThere, syncDirectory, syncNames } from "../disk/durable.ts";
import { REPLAY_MS } from "../limits.ts";
import { parseFilter } from "../message/filter.ts";
import { parseSlice } from "../message/slice.ts";
import type { Warn } from "../queue/aside.ts";
import type { Queue } from "../queue/queue.ts";
import type { QueueSettings } from "../queue/settings.ts";
import { history, plant, SubscriptionGoneError } from "./history.ts";
import type { HistorySource } from "./history.ts";
import { incomingOf } from "./layout.ts";
import type { Log, LogEntry } from "./log.ts";
import { parseLink, parseTicket } from "./ticket.ts";
import type { TopicRoom } from "./topic-room.ts";

/** A topic whose messages a subscription gets: itself, or each that a pattern matches. */
export interface Feed {
  readonly room: TopicRoom;
  readonly log: Log;
  recover(): Promise<number>;
}

interface Committed extends LogEntry {
  readonly tag: string;
}

/** How often to look whether others are done, in ms. */
const LOOK_MS = 10;

/** How often to help those who are not, in ms. */
const RECOVER_MS = 1000;

/** For how long what is committed is waited for, in ms: whoever recovers finishes it within a few seconds. */
const COMMITTED_MS = 10_000;

export class Fill {
  readonly #room: TopicRoom;
  readonly #queue: Queue;
  readonly #settings: QueueSettings;
  readonly #warn: Warn;
  /** What is committed and stays so, by batch. */
  readonly #stuck = new Map<string, Committed>();

  /** @param queue  the subscription where it is now, in filling/. */
  constructor(room: TopicRoom, queue: Queue, settings: QueueSettings, warn: Warn) {
    this.#room = room;
    this.#queue = queue;
    this.#settings = settings;
    this.#warn = warn;
  }

  /** Returns how many messages it has got. @throws SubscriptionGoneError, ENOENT where it was removed. */
  async run(sinceMs: number, feeds: readonly Feed[]): Promise<number> {
    // Others remove what shows no sign of life.
    const beat = setInterval(() => void this.#beat().catch(() => {}), REPLAY_MS / 60);
    try {
      for (const feed of feeds) await this.#settle(feed);
      return await this.#link(sinceMs, feeds);
    } finally {
      clearInterval(beat);
    }
  }

  async #beat(): Promise<void> {
    await this.#room.fs.touch(this.#queue.room.layout.settings, await this.#room.readClock());
  }

  /** Step 4. */
  async #link(sinceMs: number, feeds: readonly Feed[]): Promise<number> {
    const { disk, fs } = this.#room;
    const { layout } = this.#queue.room;
    const reader = {
      name: this.#queue.name,
      queue: this.#queue,
      incoming: incomingOf(layout),
      settings: this.#settings,
      filter: parseFilter(this.#settings.filter),
    };
    await this.#leaveWhatComes(reader.incoming);
    const tag = disk.ids.next(await this.#room.now());
    // Finished after all, before it was read: then it is in the log, and taken from there.
    const gone = ({ slice }: LogEntry): unknown => this.#stuck.delete(slice.batch);
    const options = { sinceMs, gone };
    const parts = history(this.#room, this.#sources(feeds), reader, tag, options, this.#warn);
    let messages = 0;
    /** Parts of what was stuck: it may get into the log before its last one is taken, and there has all of them again. */
    const taken = new Set<string>();
    for await (const part of parts) {
      const { batch, first } = part.slice;
      if (taken.has(`${batch}.${first}`)) continue;
      const path = await plant(this.#room, reader, part, tag);
      if (path === undefined) {
        // Finished after all: then it is in the log, or was trimmed.
        this.#stuck.delete(batch);
        continue;
      }
      if (this.#stuck.has(batch)) taken.add(`${batch}.${first}`);
      if ((await this.#queue.buckets.place(path, part.slice)) === undefined) {
        throw new SubscriptionGoneError();
      }
      messages += part.slice.count;
    }
    messages -= await this.#dropPublished(tag);
    for (const bucket of await this.#queue.buckets.list()) {
      await syncNames(this.#room.disk, layout.bucket(bucket));
    }
    await syncDirectory(fs, layout.ready);
    return messages;
  }

  /**
   * What has a link here will be made visible by whoever finishes it. All links were there before the
   * commit; one that is not in incoming/ any more is in ready/, where step 5 finds it.
   */
  async #leaveWhatComes(incoming: string): Promise<void> {
    if (this.#stuck.size === 0) return;
    const names = await listIfThere(this.#room.fs, incoming);
    for (const [batch, { tag }] of this.#stuck) {
      if (names.some((name) => parseLink(name)?.tag === tag)) this.#stuck.delete(batch);
    }
  }

  /** What is stuck, then the logs without what was taken before it got there. */
  #sources(feeds: readonly Feed[]): HistorySource[] {
    const stuck = this.#stuck;
    const sources: HistorySource[] = feeds.map(({ log }) => ({
      async *entries() {
        for await (const entry of log.entries()) if (!stuck.has(entry.slice.batch)) yield entry;
      },
    }));
    // oxlint-disable-next-line require-await
    const first = async function* (): AsyncGenerator<LogEntry> {
      yield* stuck.values();
    };
    return [{ entries: first }, ...sources];
  }

  /** Step 3: waits for each publish that is under way now. */
  async #settle(feed: Feed): Promise<void> {
    const { clock } = this.#room.disk;
    const begun = await this.#underWay(feed);
    const startMs = clock.monotonicMs();
    let recoveredMs = Number.NEGATIVE_INFINITY;
    while (begun.size > 0) {
      if (clock.monotonicMs() - recoveredMs > RECOVER_MS) {
        recoveredMs = clock.monotonicMs();
        await feed.recover();
      }
      const still = await this.#underWay(feed);
      for (const batch of begun.keys()) {
        const entry = still.get(batch);
        const isStuck = entry !== undefined && clock.monotonicMs() - startMs > COMMITTED_MS;
        if (isStuck) this.#stuck.set(batch, entry);
        if (isStuck || !still.has(batch)) begun.delete(batch);
      }
      if (begun.size > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /**
   * The batches that are in staging/ or in committed/, listed in the order in which they go; those that
   * are in committed/ with their place.
   */
  async #underWay({ room: { fs, layout } }: Feed): Promise<Map<string, Committed | undefined>> {
    const batches = new Map<string, Committed | undefined>();
    for (const directory of [layout.staging, layout.committed]) {
      for (const name of await listIfThere(fs, directory)) {
        const { slice, tag = "" } = parseTicket(name) ?? {};
        if (slice === undefined) continue;
        const committed = { path: `${directory}/${name}`, slice, tag };
        batches.set(slice.batch, directory === layout.committed ? committed : undefined);
      }
    }
    return batches;
  }

  /** Step 5; returns how many messages that were. */
  async #dropPublished(tag: string): Promise<number> {
    const { fs } = this.#room;
    const { buckets, room } = this.#queue;
    const published = new Set<string>();
    for (const isLooking of [true, false]) {
      let dropped = 0;
      for (const bucket of await buckets.list()) {
        await room.breathe();
        for (const name of await listIfThere(fs, room.layout.bucket(bucket))) {
          const slice = parseSlice(name);
          if (slice === undefined) continue;
          if (isLooking && slice.replay === undefined) published.add(slice.batch);
          if (isLooking || slice.replay !== tag || !published.has(slice.batch)) continue;
          await ignore(() => fs.unlink(`${room.layout.bucket(bucket)}/${name}`), "ENOENT");
          dropped += slice.count;
        }
      }
      if (!isLooking || published.size === 0) return dropped;
    }
    return 0;
  }
}
