/**
 * The audience of a topic: its subscriptions, and those of the patterns that match its name.
 *
 * Looked up anew for each publish, after its batch is in staging/: a subscription that was made before
 * the publish began is always seen. What was read of a subscription's settings is used again as long as
 * their file is the same.
 *
 * A subscription that is being filled from the log is in filling/, and gets what is published already.
 * It moves to subscriptions/ once: filling/ is looked into first, so it is seen in one of them, and who does
 * not find it (any more) where it was looks where it has gone.
 */
import { dirname } from "node:path";

import { isQuietAt } from "../clock.ts";
import { isErrno } from "../errors.ts";
import type { FileStat } from "../disk/file-system.ts";
import { ignore, isDirectory, makeDirectory } from "../disk/durable.ts";
import { parseFilter } from "../message/filter.ts";
import type { Filter } from "../message/filter.ts";
import { ID_PATTERN } from "../message/id.ts";
import { isName, isPattern, matchesTopic, topicOfDirectory } from "../names.ts";
import { setAside } from "../queue/aside.ts";
import { Queue } from "../queue/queue.ts";
import { Room } from "../queue/room.ts";
import { SUBSCRIPTION_SETTINGS } from "../queue/settings.ts";
import type { QueueSettings } from "../queue/settings.ts";
import { loadSettings } from "../queue/settings-file.ts";
import { incomingOf } from "./layout.ts";
import { Listings } from "./listing.ts";
import type { TopicRoom } from "./topic-room.ts";

/** A subscription: where its links go, and its queue. */
export interface Member {
  /** Like `logs/archive`. */
  readonly name: string;
  readonly queue: Queue;
  readonly incoming: string;
  /** Of one that is being filled: itself, as it will be. */
  readonly live?: Member;
}

/** A member as a publisher needs it. */
export interface Subscriber extends Member {
  /** Of its settings' file: another one is another subscription, or another filter. */
  readonly stat: FileStat;
  readonly settings: QueueSettings;
  readonly filter: Filter;
}

interface Known {
  readonly stat: FileStat;
  readonly settings: QueueSettings;
  readonly filter: Filter;
}

/** In filling/: <name>~<id>_<process>. The id is used once. */
const FILLING = new RegExp(`^([A-Za-z0-9_][A-Za-z0-9._-]*)~${ID_PATTERN}_([^_]+)$`);

/** The name and the process of a subscription that is being filled; undefined for a foreign name. */
export function parseFilling(name: string): { name: string; process: string } | undefined {
  const [, own, process = ""] = FILLING.exec(name) ?? [];
  return own === undefined || !isName(own) ? undefined : { name: own, process };
}

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

  /** Everything in filling/ and subscriptions/, of this topic and of the patterns that match it. */
  async members(): Promise<Member[]> {
    const members: Member[] = [];
    for (const member of await this.#named()) {
      if (await isDirectory(this.#room.fs, member.queue.room.layout.root)) members.push(member);
    }
    return members;
  }

  async #named(): Promise<Member[]> {
    const members: Member[] = [];
    for (const topic of await this.#topics()) {
      const root = this.#rootOf(topic);
      for (const name of (await this.#namesIn(`${root}/filling`)).toSorted()) {
        const member = this.#fillingMember(topic, `${root}/filling/${name}`);
        if (member !== undefined) members.push(member);
      }
      for (const name of (await this.#namesIn(`${root}/subscriptions`)).toSorted()) {
        if (isName(name)) members.push(this.#member(`${topic}/${name}`));
      }
    }
    return members;
  }

  #member(name: string): Member {
    const queue = this.#openQueue(name);
    return { name: queue.name, queue, incoming: incomingOf(queue.room.layout) };
  }

  /** Undefined for a foreign name, and where its maker has died: then it is promised to nobody. */
  #fillingMember(topic: string, root: string): Member | undefined {
    const { disk } = this.#room;
    const parsed = parseFilling(root.slice(root.lastIndexOf("/") + 1));
    if (parsed === undefined) return undefined;
    if (disk.processes.isGone(parsed.process)) return undefined;
    const live = this.#member(`${topic}/${parsed.name}`);
    const queue = new Queue(new Room(live.name, root, disk));
    return { name: live.name, queue, incoming: incomingOf({ root }), live };
  }

  async #namesIn(directory: string): Promise<readonly string[]> {
    let names: readonly string[] = [];
    await ignore(async () => {
      names = await this.#listings.list(directory);
    }, "ENOTDIR");
    return names;
  }

  /** The members that there are, each with its settings. @throws BAD_SETTINGS */
  async subscribers(): Promise<Subscriber[]> {
    const subscribers: Subscriber[] = [];
    for (const member of await this.#named()) {
      const subscriber = await this.look(member);
      if (subscriber !== undefined) subscribers.push(subscriber);
    }
    if (this.#known.size > 2 * subscribers.length + 16) this.#forgetAllBut(subscribers);
    return subscribers;
  }

  /** Subscriptions come and go, and those that are being filled have a name of their own each time. */
  #forgetAllBut(subscribers: readonly Subscriber[]): void {
    const roots = new Set(subscribers.map(({ queue }) => queue.room.layout.root));
    for (const root of this.#known.keys()) if (!roots.has(root)) this.#known.delete(root);
  }

  /** The subscriber as it is now; the same one where nothing has changed, undefined where it is gone. */
  async again(subscriber: Subscriber): Promise<Subscriber | undefined> {
    const now = await this.look(subscriber);
    return now !== undefined && isSame(now.stat, subscriber.stat) ? subscriber : now;
  }

  /** A member with its settings; undefined where it is none (any more). @throws BAD_SETTINGS */
  async look({ name, queue, incoming, live }: Member): Promise<Subscriber | undefined> {
    const member = { name, queue, incoming, ...(live && { live }) };
    const known = await this.#settingsOf(member);
    if (known !== undefined) return { ...member, ...known };
    const filled = live && (await this.#settingsOf(live));
    return filled && { ...live, ...filled };
  }

  /** This topic, and the patterns that match it. */
  async #topics(): Promise<string[]> {
    const { name, isPattern: isOne, layout } = this.#room;
    if (isOne) return [name];
    const topics = [name];
    for (const directory of await this.#listings.list(dirname(layout.root))) {
      if (!/[+#]/.test(directory)) continue;
      const topic = topicOfDirectory(directory);
      if (topic === undefined || !isPattern(topic) || !matchesTopic(topic, name)) continue;
      // A symbolic link would lead messages out of the spool.
      const path = `${dirname(layout.root)}/${directory}`;
      if (await isDirectory(this.#room.fs, path)) topics.push(topic);
    }
    return topics;
  }

  #rootOf(topic: string): string {
    const { name, layout } = this.#room;
    return topic === name ? layout.root : `${dirname(layout.root)}/${topic.replaceAll("*", "+")}`;
  }

  /** Undefined where it is none (any more). @throws BAD_SETTINGS */
  async #settingsOf({ queue, incoming }: Member): Promise<Known | undefined> {
    const { disk } = this.#room;
    const { root, settings: path } = queue.room.layout;
    try {
      const stat = await disk.fs.lstat(path);
      const known = this.#known.get(root);
      if (known !== undefined && isSame(known.stat, stat)) return known;
      if (!(await isDirectory(this.#room.fs, root))) return undefined;
      await makeIncoming(this.#room, incoming);
      const settings = await loadSettings(disk, path, SUBSCRIPTION_SETTINGS);
      const read = { stat, settings, filter: parseFilter(settings.filter) };
      const isQuiet = !disk.kind.shared && isQuietAt(await this.#room.now(), stat.mtimeMs);
      if (isQuiet) this.#known.set(root, read);
      return read;
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      throw error;
    }
  }
}

/** A backup that leaves out empty directories must not cost a subscription its messages. */
export async function makeIncoming(room: TopicRoom, incoming: string): Promise<void> {
  if (await isDirectory(room.fs, incoming)) return;
  await ignore(
    async () => {
      if (await makeDirectory(room.fs, incoming)) return;
      // Something else has its name; or another publisher has made it at this moment.
      if (await isDirectory(room.fs, incoming)) return;
      await setAside(room, incoming, "not a directory", () => {});
      await makeDirectory(room.fs, incoming);
    },
    "ENOENT",
    "ENOTDIR",
  );
}

function isSame(one: FileStat, other: FileStat): boolean {
  return one.inode === other.inode && one.mtimeMs === other.mtimeMs && one.bytes === other.bytes;
}
