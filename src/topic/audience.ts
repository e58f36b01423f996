/**
 * The audience of a topic: its subscriptions, and those of the patterns that match its name.
 *
 * Looked up anew for each publish, after its batch is in staging/: a subscription that was made before
 * the publish began is always seen. What was read of a subscription's settings is used again as long as
 * their file is the same.
 *
 * A subscription that is being filled from the log has `making_<process>` in place of queue.json. It
 * gets what is published, but no consumer sees it yet.
 */
import { dirname } from "node:path";

import { isErrno } from "../errors.ts";
import type { FileStat } from "../disk/file-system.ts";
import { listIfThere } from "../disk/durable.ts";
import { parseFilter } from "../message/filter.ts";
import type { Filter } from "../message/filter.ts";
import { isPattern, matchesTopic, topicOfDirectory } from "../names.ts";
import type { Queue } from "../queue/queue.ts";
import { removeSite } from "../queue/remove.ts";
import { SUBSCRIPTION_SETTINGS } from "../queue/settings.ts";
import type { QueueSettings } from "../queue/settings.ts";
import { loadSettings } from "../queue/settings-file.ts";
import { incomingOf } from "./layout.ts";
import { Listings, TICK_MS } from "./listing.ts";
import type { TopicRoom } from "./topic-room.ts";

/** A subscription: where its links go, and its queue. */
export interface Member {
  /** Like `logs/archive`. */
  readonly name: string;
  readonly queue: Queue;
  readonly incoming: string;
}

/** A member as a publisher needs it. */
export interface Subscriber extends Member {
  readonly settings: QueueSettings;
  readonly filter: Filter;
}

interface Known {
  readonly stat: FileStat;
  readonly settings: QueueSettings;
  readonly filter: Filter;
}

/** What the settings of a subscription that is being filled are called. */
export const MAKING = "making_";

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

export class Audience {
  readonly #room: TopicRoom;
  readonly #openQueue: (name: string) => Queue;
  readonly #listings: Listings;
  readonly #known = new Map<string, Known>();

  constructor(room: TopicRoom, openQueue: (name: string) => Queue) {
    this.#room = room;
    this.#openQueue = openQueue;
    this.#listings = new Listings(room);
  }

  /** Everything in subscriptions/, of this topic and of the patterns that match it. */
  async members(): Promise<Member[]> {
    const members: Member[] = [];
    for (const topic of await this.#topics()) {
      const directory = this.#directoryOf(topic);
      for (const name of (await this.#listings.list(directory)).toSorted()) {
        if (!NAME.test(name)) continue;
        const queue = this.#openQueue(`${topic}/${name}`);
        members.push({ name: queue.name, queue, incoming: incomingOf(queue.room.layout) });
      }
    }
    return members;
  }

  /** The members that there are, each with its settings. @throws BAD_SETTINGS */
  async subscribers(): Promise<Subscriber[]> {
    const subscribers: Subscriber[] = [];
    for (const member of await this.members()) {
      const known = await this.#settingsOf(member);
      if (known === undefined) continue;
      subscribers.push({ ...member, settings: known.settings, filter: known.filter });
    }
    return subscribers;
  }

  /** This topic, and the patterns that match it. */
  async #topics(): Promise<string[]> {
    const { name, isPattern: isOne, layout } = this.#room;
    if (isOne) return [name];
    const topics = [name];
    for (const directory of await this.#listings.list(dirname(layout.root))) {
      if (!/[+#]/.test(directory)) continue;
      const topic = topicOfDirectory(directory);
      if (topic !== undefined && isPattern(topic) && matchesTopic(topic, name)) topics.push(topic);
    }
    return topics;
  }

  #directoryOf(topic: string): string {
    const { name, layout } = this.#room;
    if (topic === name) return layout.subscriptions;
    return `${dirname(layout.root)}/${topic.replaceAll("*", "+")}/subscriptions`;
  }

  /** Undefined where it is none (any more): removed, or given up half-made. */
  async #settingsOf({ name, queue }: Member): Promise<Known | undefined> {
    const { layout } = queue.room;
    const live = await this.#read(name, layout.settings);
    if (live !== undefined) return live;
    const making = (await namesIn(this.#room, layout.root)).find((one) => one.startsWith(MAKING));
    if (making === undefined) return this.#read(name, layout.settings);
    if (this.#room.disk.processes.isGone(making.slice(MAKING.length))) {
      await removeSite(queue.room);
      return undefined;
    }
    const being = await this.#read(name, `${layout.root}/${making}`);
    return being ?? this.#read(name, layout.settings);
  }

  async #read(name: string, path: string): Promise<Known | undefined> {
    const { disk } = this.#room;
    try {
      const stat = await disk.fs.lstat(path);
      const known = this.#known.get(name);
      if (known !== undefined && isSame(known.stat, stat)) return known;
      // A symbolic link would lead messages out of the spool.
      if ((await disk.fs.lstat(dirname(path))).kind !== "directory") return undefined;
      const settings = await loadSettings(disk, path, SUBSCRIPTION_SETTINGS);
      const read = { stat, settings, filter: parseFilter(settings.filter) };
      const isQuiet = !disk.kind.shared && stat.mtimeMs + TICK_MS < (await this.#room.now());
      if (isQuiet) this.#known.set(name, read);
      return read;
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      throw error;
    }
  }
}

/** The names in the directory of a subscription, or none where it is not there or is no directory. */
async function namesIn({ fs }: TopicRoom, path: string): Promise<string[]> {
  try {
    return await listIfThere(fs, path);
  } catch (error) {
    if (isErrno(error, "ENOTDIR")) return [];
    throw error;
  }
}

function isSame(one: FileStat, other: FileStat): boolean {
  return one.inode === other.inode && one.mtimeMs === other.mtimeMs && one.bytes === other.bytes;
}
