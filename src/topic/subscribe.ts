/**
 * Subscribe: a queue is made in which the topic's messages arrive.
 *
 *   1. make     tmp/sub-<unique>_<process>, a whole queue with incoming/
 *   2. rename   it to subscriptions/<name>: every publish that begins from here on reaches it
 *
 * That is all for a subscription that begins now. For one that begins in the past:
 *
 *   2. rename   it to filling/<name>~<id>_<process>: publishers see it, consumers do not
 *   3. wait     for each publish that was under way at 2, and may not have seen it: then it is in the log
 *   4. link     what the log keeps into ready/
 *   5. unlink   of these what came as a publish, too: its publisher had seen it
 *   6. rename   it to subscriptions/<name>
 *
 * So it gets each message once, those before it and those after it. A crash before the last rename
 * leaves what nobody was promised, under a name that is used once: the next publisher or sweep removes it.
 */
import { dirname } from "node:path";

import { makeBell } from "../disk/bell.ts";
import { ignore, makeDirectory, syncDirectory } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { setAside } from "../queue/aside.ts";
import type { Warn } from "../queue/aside.ts";
import { QueueLayout } from "../queue/layout.ts";
import { Queue } from "../queue/queue.ts";
import { removeSite } from "../queue/remove.ts";
import { linkOnce } from "../queue/repair-site.ts";
import { noQueue, Room } from "../queue/room.ts";
import { SUBSCRIPTION_SETTINGS } from "../queue/settings.ts";
import type { QueueSettings } from "../queue/settings.ts";
import { textOfSettings } from "../queue/settings-file.ts";
import { Fill } from "./fill.ts";
import type { Feed } from "./fill.ts";
import { SubscriptionGoneError } from "./history.ts";
import { incomingOf } from "./layout.ts";
import type { TopicRoom } from "./topic-room.ts";

export interface SubscribeOptions {
  /** Where to begin: with what is published from now on, with all that the log keeps, or with a time. */
  readonly from?: "now" | "start" | number;
  readonly settings: QueueSettings;
}

/** How often to begin again where directories are removed meanwhile. */
const TRIES = 100;

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
    options: SubscribeOptions,
    feeds: () => Promise<readonly Feed[]>,
  ): Promise<number | undefined> {
    const messages = await this.#run(options, feeds);
    // Whoever made it may have died, or failed, before its name was safe.
    const { fs, layout } = this.#room;
    // That of a pattern may have gone since, with the subscription.
    if (messages === undefined)
      await ignore(() => syncDirectory(fs, layout.subscriptions), "ENOENT");
    return messages;
  }

  async #run(
    { from = "now", settings }: SubscribeOptions,
    feeds: () => Promise<readonly Feed[]>,
  ): Promise<number | undefined> {
    if (await this.#isThere()) return undefined;
    const { subscriptions, filling } = this.#room.layout;
    if (from === "now") {
      const isNew = await this.#make(settings, subscriptions, this.#ownName);
      return isNew ? 0 : undefined;
    }
    const { ids, processes } = this.#room.disk;
    const name = `${this.#ownName}~${ids.next(await this.#now())}_${processes.self}`;
    await this.#make(settings, filling, name);
    const sinceMs = from === "start" ? Number.NEGATIVE_INFINITY : from;
    try {
      const queue = new Queue(new Room(this.#queue.name, `${filling}/${name}`, this.#room.disk));
      const fill = new Fill(this.#room, queue, settings, this.#warn);
      const messages = await fill.run(sinceMs, await feeds());
      // What a pattern has no use for may have been removed meanwhile.
      if (this.#room.isPattern) await this.#room.mend();
      if (await this.#move(`${filling}/${name}`, `${subscriptions}/${this.#ownName}`)) {
        return messages;
      }
      await this.#remove(`${filling}/${name}`);
      return undefined;
    } catch (error) {
      // What failed is told; that something of it stays is for the next one who comes by.
      await this.#remove(`${filling}/${name}`).catch(() => {});
      if (!(error instanceof SubscriptionGoneError) && !isErrno(error, "ENOENT")) throw error;
      throw new SpoolError(
        "TRY_AGAIN",
        `${this.#queue.name}: removed by somebody while it was made`,
        "Subscribe again.",
        { cause: error },
      );
    }
  }

  /** The topic may have been removed since it was looked at: then it is made again. */
  async #now(): Promise<number> {
    try {
      return await this.#room.now();
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      await this.#room.makeAgain();
      return this.#room.now();
    }
  }

  get #ownName(): string {
    return this.#queue.name.slice(this.#queue.name.indexOf("/") + 1);
  }

  /** True where there is one; what is no directory is none, and goes aside. */
  async #isThere(): Promise<boolean> {
    const { fs } = this.#room;
    const { root, settings } = this.#queue.room.layout;
    let isThere = false;
    await ignore(async () => {
      const { kind } = await fs.lstat(root);
      isThere = kind === "directory";
      // A symbolic link would lead out of the spool.
      if (!isThere) await setAside(this.#room, root, `a ${kind}`, this.#warn);
    }, "ENOENT");
    if (!isThere || (await ignore(() => fs.lstat(settings), "ENOENT"))) return isThere;
    // Removed since we looked; or its settings were lost, and what waits in it is none of ours to
    // throw away. A link, because it replaces nothing: somebody may make it anew at this moment.
    const { table } = this.#queue.room;
    const draft = this.#room.draft();
    await this.#room.replace(draft, textOfSettings(table, table.defaults));
    return ignore(() => linkOnce(fs, draft, settings), "ENOENT");
  }

  /** Steps 1 and 2; false where the name is taken. */
  async #make(settings: QueueSettings, directory: string, name: string): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const path = this.#room.draft("sub-");
      try {
        await this.#room.settingsOrCreate();
        await this.#build(path, settings);
        if (await this.#move(path, `${directory}/${name}`)) return true;
        await this.#remove(path);
        return false;
      } catch (error) {
        await this.#remove(path).catch(() => {});
        // The topic was removed, or the directories of a pattern with its last subscription.
        if (!isErrno(error, "ENOENT") || tries === TRIES) throw error;
        await ignore(() => this.#room.makeAgain(), "ENOENT");
      }
    }
  }

  async #build(path: string, settings: QueueSettings): Promise<void> {
    const { fs } = this.#room;
    const layout = new QueueLayout(path);
    await makeDirectory(fs, path);
    for (const directory of [...layout.directories, incomingOf(layout)]) {
      await makeDirectory(fs, directory);
    }
    await makeBell(fs, layout.bell);
    const text = textOfSettings(SUBSCRIPTION_SETTINGS, settings);
    await this.#room.replace(layout.settings, text);
    await syncDirectory(fs, path);
  }

  /** Renames a whole subscription, durably; false where the name is taken. @throws ENOENT */
  async #move(from: string, to: string): Promise<boolean> {
    const { fs, disk } = this.#room;
    try {
      await fs.rename(from, to);
    } catch (error) {
      if (isErrno(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) return false;
      // On a shared disk it may have worked, and the reply been lost. `from` is a name that is used once.
      const isDone = disk.kind.shared && (await ignore(() => fs.lstat(to), "ENOENT"));
      if (!isErrno(error, "ENOENT") || !isDone) throw error;
    }
    await syncDirectory(fs, dirname(to));
    return true;
  }

  async #remove(root: string): Promise<void> {
    await removeSite({ fs: this.#room.fs, disk: this.#room.disk, layout: { root } });
  }
}

/** Removes the subscription, with all that waits in it. @throws NO_QUEUE */
export async function unsubscribe(room: TopicRoom, queue: Queue): Promise<void> {
  if (!(await removeSite(queue.room))) throw noQueue(queue.name);
  if (room.isPattern) await removeEmptyPattern(room);
}

/** The directories of a pattern go with its last subscription, each where it is empty. True where they went. */
export async function removeEmptyPattern({ fs, layout }: TopicRoom): Promise<boolean> {
  const codes = ["ENOENT", "ENOTEMPTY", "EEXIST"];
  // The first two hold what there is of it: while one of them is not empty the others are wanted.
  for (const directory of [layout.filling, layout.subscriptions]) {
    await ignore(() => fs.rmdir(directory), ...codes);
    if (await ignore(() => fs.lstat(directory), "ENOENT")) return false;
  }
  for (const directory of layout.directories) await ignore(() => fs.rmdir(directory), ...codes);
  return ignore(() => fs.rmdir(layout.root), ...codes);
}
