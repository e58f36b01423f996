/**
 * Subscribe: a queue is made in which the topic's messages arrive.
 *
 *   1. make     subscriptions/.new-<unique>_<process>, a whole queue with incoming/
 *   2. rename   it to subscriptions/<name>: every publish that begins from here on reaches it
 *
 * A subscription that begins now is done. One that begins in the past has `making_<process>` in place
 * of queue.json until it is filled: publishers see it already, consumers do not.
 *
 *   3. wait     for each publish that was under way at 2, and may not have seen it: then it is in the log
 *   4. link     what the log keeps into ready/
 *   5. unlink   of these what came as a publish, too: its publisher had seen it
 *   6. rename   making_<process> to queue.json
 *
 * So it gets each message once, those before it and those after it. A crash before 6 leaves what
 * nobody was promised: the next publisher, subscriber or sweep removes it.
 */
import { dirname } from "node:path";

import { makeBell } from "../disk/bell.ts";
import { ignore, listIfThere, makeDirectory, syncDirectory } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { REPLAY_MS } from "../limits.ts";
import { parseFilter } from "../message/filter.ts";
import { parseSlice } from "../message/slice.ts";
import type { Warn } from "../queue/aside.ts";
import { QueueLayout } from "../queue/layout.ts";
import type { Queue } from "../queue/queue.ts";
import { removeSite } from "../queue/remove.ts";
import { noQueue } from "../queue/room.ts";
import { SUBSCRIPTION_SETTINGS } from "../queue/settings.ts";
import type { QueueSettings } from "../queue/settings.ts";
import { textOfSettings } from "../queue/settings-file.ts";
import { MAKING } from "./audience.ts";
import type { Subscriber } from "./audience.ts";
import { history, plant, SubscriptionGoneError } from "./history.ts";
import { incomingOf } from "./layout.ts";
import type { Log } from "./log.ts";
import { parseTicket } from "./ticket.ts";
import type { TopicRoom } from "./topic-room.ts";

/** A topic whose messages a subscription gets: itself, or each that a pattern matches. */
export interface Feed {
  readonly room: TopicRoom;
  readonly log: Log;
  recover(): Promise<number>;
}

export interface SubscribeOptions {
  /** Where to begin: with what is published from now on, with all that the log keeps, or with a time. */
  readonly from?: "now" | "start" | number;
  readonly settings: QueueSettings;
}

/** How often to look whether others are done, in ms. */
const LOOK_MS = 10;

export class Subscribing {
  readonly #room: TopicRoom;
  readonly #queue: Queue;
  readonly #warn: Warn;

  constructor(room: TopicRoom, queue: Queue, warn: Warn) {
    this.#room = room;
    this.#queue = queue;
    this.#warn = warn;
  }

  /**
   * Makes the subscription and fills it.
   *
   * @param feeds  asked after it is visible to publishers.
   * @returns how many messages of the log it begins with; undefined where it was there already.
   */
  async run(
    { from = "now", settings }: SubscribeOptions,
    feeds: () => Promise<readonly Feed[]>,
  ): Promise<number | undefined> {
    const { layout } = this.#queue.room;
    const making = `${MAKING}${this.#room.disk.processes.self}`;
    const file = from === "now" ? layout.settings : `${layout.root}/${making}`;
    if (!(await this.#makeVisible(settings, file.slice(layout.root.length + 1)))) return undefined;
    if (from === "now") return 0;
    try {
      const sinceMs = from === "start" ? Number.NEGATIVE_INFINITY : from;
      const messages = await this.#fill(settings, file, sinceMs, await feeds());
      await this.#room.fs.rename(file, layout.settings);
      await syncDirectory(this.#room.fs, layout.root);
      return messages;
    } catch (error) {
      // What failed is told; that something of it stays is for the next one who comes by.
      await removeSite(this.#queue.room).catch(() => {});
      if (!(error instanceof SubscriptionGoneError) && !isErrno(error, "ENOENT")) throw error;
      throw new SpoolError(
        "TRY_AGAIN",
        `${this.#queue.name}: removed by somebody while it was made`,
        "Subscribe again.",
        { cause: error },
      );
    }
  }

  /** Steps 1 and 2; false where there is one of that name. */
  async #makeVisible(settings: QueueSettings, file: string): Promise<boolean> {
    for (;;) {
      if (!(await this.#isFree())) return false;
      await this.#room.settingsOrCreate();
      const draft = this.#room.draft("").slice(this.#room.layout.tmp.length + 1);
      const path = `${this.#room.layout.subscriptions}/.new-${draft}`;
      try {
        await this.#make(path, settings, file);
        await this.#room.fs.rename(path, this.#queue.room.layout.root);
        await syncDirectory(this.#room.fs, this.#room.layout.subscriptions);
        return true;
      } catch (error) {
        await this.#removeDraft(path).catch(() => {});
        // Somebody was faster; or the topic was removed, or the directory of a pattern without subscriptions.
        if (isErrno(error, "ENOENT")) await this.#room.makeAgain();
        else if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error;
      }
    }
  }

  /** True where there is none; one that is being made is waited for, one that was given up removed. */
  async #isFree(): Promise<boolean> {
    const { fs, disk } = this.#room;
    const { layout } = this.#queue.room;
    for (;;) {
      if (await ignore(() => fs.lstat(layout.settings), "ENOENT", "ENOTDIR")) return false;
      const names = await listIfThere(fs, layout.root);
      const making = names.find((name) => name.startsWith(MAKING));
      if (making === undefined) {
        if (await ignore(() => fs.lstat(layout.settings), "ENOENT", "ENOTDIR")) return false;
        return !(await this.#mend());
      }
      if (disk.processes.isGone(making.slice(MAKING.length)) || (await this.#isOld(making))) {
        await removeSite(this.#queue.room);
        return true;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** A subscription whose settings were lost is none of ours to throw away. False where there is none. */
  async #mend(): Promise<boolean> {
    const { layout, table } = this.#queue.room;
    if (!(await ignore(() => this.#room.fs.lstat(layout.root), "ENOENT"))) return false;
    await this.#room.replace(layout.settings, textOfSettings(table, table.defaults));
    return true;
  }

  async #isOld(making: string): Promise<boolean> {
    const path = `${this.#queue.room.layout.root}/${making}`;
    let isOld = false;
    await ignore(async () => {
      const { mtimeMs } = await this.#room.fs.lstat(path);
      isOld = (await this.#room.now()) - mtimeMs > REPLAY_MS;
    }, "ENOENT");
    return isOld;
  }

  async #make(path: string, settings: QueueSettings, file: string): Promise<void> {
    const { fs } = this.#room;
    const layout = new QueueLayout(path);
    await fs.mkdir(path);
    for (const directory of [...layout.directories, incomingOf(layout)]) {
      await makeDirectory(fs, directory);
    }
    await makeBell(fs, layout.bell);
    await this.#room.replace(`${path}/${file}`, textOfSettings(SUBSCRIPTION_SETTINGS, settings));
  }

  async #removeDraft(path: string): Promise<void> {
    await removeSite({
      fs: this.#room.fs,
      disk: this.#room.disk,
      layout: new QueueLayout(path),
    });
  }

  /** Steps 3 to 5. */
  async #fill(
    settings: QueueSettings,
    making: string,
    sinceMs: number,
    feeds: readonly Feed[],
  ): Promise<number> {
    for (const feed of feeds) await this.#settle(feed);
    const { disk, fs } = this.#room;
    const queue = this.#queue;
    const { layout } = queue.room;
    const subscriber: Subscriber = {
      name: queue.name,
      queue,
      incoming: incomingOf(layout),
      settings,
      filter: parseFilter(settings.filter),
    };
    const tag = disk.ids.next(await this.#room.now());
    const logs = feeds.map(({ log }) => log);
    let messages = 0;
    let isAliveMs = disk.clock.monotonicMs();
    const parts = history(this.#room, logs, subscriber, tag, { sinceMs }, this.#warn);
    for await (const part of parts) {
      const path = await plant(this.#room, subscriber, part, tag);
      if (path === undefined) continue;
      if ((await queue.buckets.place(path, part.slice)) === undefined) {
        throw new SubscriptionGoneError();
      }
      messages += part.slice.count;
      if (disk.clock.monotonicMs() - isAliveMs < REPLAY_MS / 60) continue;
      await fs.touch(making, await this.#room.readClock());
      isAliveMs = disk.clock.monotonicMs();
    }
    messages -= await this.#dropPublished(tag);
    for (const bucket of await queue.buckets.list()) await syncDirectory(fs, layout.bucket(bucket));
    await syncDirectory(fs, layout.ready);
    return messages;
  }

  /** Step 3: waits for each publish that is under way now. */
  async #settle(feed: Feed): Promise<void> {
    const begun = await this.#underWay(feed);
    while (begun.size > 0) {
      await feed.recover();
      const still = await this.#underWay(feed);
      for (const batch of begun) if (!still.has(batch)) begun.delete(batch);
      if (begun.size > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** The batches that are in staging/ or in committed/: listed in the order in which they go. */
  async #underWay({ room: { fs, layout } }: Feed): Promise<Set<string>> {
    const batches = new Set<string>();
    for (const directory of [layout.staging, layout.committed]) {
      for (const name of await listIfThere(fs, directory)) {
        const slice = parseTicket(name)?.slice;
        if (slice !== undefined) batches.add(slice.batch);
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

/** Removes the subscription, with all that waits in it. @throws NO_QUEUE */
export async function unsubscribe(room: TopicRoom, queue: Queue): Promise<void> {
  if (!(await removeSite(queue.room))) throw noQueue(queue.name);
  if (room.isPattern) await removeEmptyPattern(room);
}

/** The directory of a pattern goes with its last subscription. True where it went. */
export async function removeEmptyPattern({ fs, layout }: TopicRoom): Promise<boolean> {
  const codes = ["ENOENT", "ENOTEMPTY", "EEXIST"];
  if (!(await ignore(() => fs.rmdir(layout.subscriptions), ...codes))) return false;
  await ignore(() => fs.unlink(layout.settings), "ENOENT");
  for (const directory of layout.directories) await ignore(() => fs.rmdir(directory), ...codes);
  await ignore(() => fs.rmdir(layout.root), ...codes);
  await ignore(() => syncDirectory(fs, dirname(layout.root)), "ENOENT");
  return true;
}
