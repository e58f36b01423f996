/**
 * Fan-out: a batch becomes visible in all subscriptions or in none, in each once.
 *
 *   1. sync     the batch, in tmp/: no reader may ever meet a torn one, also after a power cut
 *   2. rename   it to staging/<ticket>. From here on its tag is known
 *   3. link     it into incoming/ of each subscription that wants it, where no consumer looks
 *   4. rename   staging/<ticket> to committed/<ticket>: the commit
 *   5. rename   each link to ready/<bucket>/<slice>, and ring
 *   6. rename   committed/<ticket> to the log, or unlink it
 *   7. sync     the batch: all its names are durable. Then success is said
 *
 * Whoever finds it after a crash can go on: what is in committed/ is finished (5, 6), what is in
 * staging/ and too old is renamed to aborted/, so that it can no longer commit, and its links are
 * removed. Where a file system may keep name changes in any order, each step is synced before the next.
 */
import { dirname } from "node:path";

import { ring } from "../disk/bell.ts";
import { ignore, syncDirectory, syncNames } from "../disk/durable.ts";
import { fromErrno, isErrno, SpoolError } from "../errors.ts";
import { timeOfBatch } from "../message/slice.ts";
import { setAside } from "../queue/aside.ts";
import type { Warn } from "../queue/aside.ts";
import type { Sync } from "../queue/intake.ts";
import { makeIncoming } from "./audience.ts";
import type { Audience, Member, Subscriber } from "./audience.ts";
import { GoneError, LinkSource } from "./link-source.ts";
import type { Log } from "./log.ts";
import { bucketsOf, placesOf } from "./planted.ts";
import type { Planted } from "./planted.ts";
import { select, withTtlOf } from "./selection.ts";
import type { Contents } from "./selection.ts";
import { formatLink } from "./ticket.ts";
import type { Ticket } from "./ticket.ts";
import type { TopicRoom } from "./topic-room.ts";

export interface FanOutOptions {
  readonly sync: Sync;
  /** @see NO_SUBSCRIBER */
  readonly needsSubscriber?: boolean;
}

export class FanOut {
  readonly #room: TopicRoom;
  readonly #audience: Audience;
  readonly #log: Log;
  readonly #warn: Warn;

  constructor(room: TopicRoom, audience: Audience, log: Log, warn: Warn) {
    this.#room = room;
    this.#audience = audience;
    this.#log = log;
    this.#warn = warn;
  }

  /**
   * Steps 3 to 6 for what is in staging/, and the sync of the copies, if any were made.
   *
   * @throws GoneError      somebody else has undone it, or taken it over; its links are removed.
   * @throws NO_SUBSCRIBER  nobody wants it, and that was asked; nothing is done then.
   * @throws whatever fails before the commit: then it is still in staging/, with some of its links.
   */
  async run(ticket: Ticket, contents: Contents, options: FanOutOptions): Promise<void> {
    const { layout } = this.#room;
    const source = new LinkSource(this.#room, `${layout.staging}/${ticket.name}`);
    try {
      const planted: Planted[] = [];
      try {
        await this.#plant(ticket, source, contents, planted, options);
        await this.#commit(ticket, options.sync);
      } catch (error) {
        if (error instanceof GoneError) await this.uproot(planted);
        throw error;
      }
      await this.finish(ticket, planted, options.sync);
      if (options.sync === "disk" && this.#room.disk.kind.oneSync) await source.sync();
    } finally {
      await source.close();
    }
  }

  /** Step 3. */
  async #plant(
    ticket: Ticket,
    source: LinkSource,
    contents: Contents,
    planted: Planted[],
    { sync, needsSubscriber = false }: FanOutOptions,
  ): Promise<void> {
    for (const listed of await this.#audience.subscribers()) {
      const before = planted.length;
      let subscriber: Subscriber | undefined = listed;
      while (subscriber !== undefined) {
        await this.#plantIn(subscriber, ticket, source, contents, planted);
        const now: Subscriber | undefined = await this.#audience.again(subscriber);
        if (now === subscriber) break;
        // Another one of that name, or with another filter: it gets all that it wants, or nothing.
        await this.uproot(planted.splice(before));
        subscriber = now;
      }
    }
    if (needsSubscriber && planted.length === 0) throw noSubscriber(this.#room.name);
    await this.#syncIfCareful(sync, new Set(planted.map(({ member }) => member.incoming)));
  }

  async #plantIn(
    subscriber: Subscriber,
    ticket: Ticket,
    source: LinkSource,
    contents: Contents,
    planted: Planted[],
  ): Promise<void> {
    for (const part of select(subscriber.filter, ticket.slice!, contents)) {
      await this.#room.breathe();
      const slice = withTtlOf(subscriber, part, timeOfBatch(part));
      const name = formatLink(slice, ticket.tag);
      const member = await this.#link(source, subscriber, name);
      if (member) planted.push({ member, slice, path: `${member.incoming}/${name}` });
    }
  }

  /** Returns where it is linked now; undefined where the subscription is gone. */
  async #link(source: LinkSource, subscriber: Member, name: string): Promise<Member | undefined> {
    for (const member of [subscriber, subscriber.live]) {
      if (member === undefined) continue;
      const path = `${member.incoming}/${name}`;
      if (await source.linkTo(path)) return member;
      // The subscription, or only its incoming/?
      if (!(await ignore(() => this.#room.fs.lstat(member.queue.room.layout.ready), "ENOENT"))) {
        continue;
      }
      await makeIncoming(this.#room, member.incoming);
      if (await source.linkTo(path)) return member;
    }
    return undefined;
  }

  /** Step 4. */
  async #commit({ name }: Ticket, sync: Sync): Promise<void> {
    const { fs, disk, layout } = this.#room;
    const to = `${layout.committed}/${name}`;
    const from = `${layout.staging}/${name}`;
    let isMine = await ignore(() => fs.rename(from, to), "ENOENT");
    if (!isMine && (await ignore(() => fs.lstat(from), "ENOENT"))) {
      // committed/ is missing.
      await this.#room.mend();
      isMine = await ignore(() => fs.rename(from, to), "ENOENT");
    }
    if (!isMine) {
      // On a shared disk it may have worked, and the reply been lost.
      const isDone = disk.kind.shared && (await ignore(() => fs.lstat(to), "ENOENT"));
      if (!isDone) throw new GoneError(`${name} is gone`);
    }
    await this.#syncIfCareful(sync, [layout.committed]);
  }

  /** What steps 3 and 4 sync, for somebody who died in them. */
  async secure(planted: readonly Planted[]): Promise<void> {
    const incoming = new Set(planted.map(({ member }) => member.incoming));
    await this.#syncIfCareful("disk", [...incoming, this.#room.layout.committed]);
  }

  /**
   * Steps 5 and 6, by anyone, any number of times. What cannot be made visible now (a directory
   * without permission, a full disk) stays as it is, is told, and is tried again by whoever recovers.
   *
   * @param before  where somebody who died may have made links visible that are not safe yet.
   */
  async finish(
    ticket: Ticket,
    planted: readonly Planted[],
    sync: Sync,
    before: readonly Member[] = [],
  ): Promise<boolean> {
    const directories = new Set<string>();
    const members = new Set<Member>(before);
    /** Where somebody else made a link visible, and may have died before it was safe. */
    const others = new Set<Member>();
    let failure: unknown;
    for (const link of planted) {
      await this.#room.breathe();
      for (const one of placesOf(link)) {
        try {
          const placed = await this.#place(one);
          if (placed !== undefined) directories.add(dirname(placed));
          else others.add(one.member);
          members.add(one.member);
        } catch (error) {
          failure ??= error;
        }
      }
    }
    const needsSync = ticket.kind === "replay" || !this.#room.disk.kind.oneSync;
    for (const member of needsSync ? others : []) {
      for (const bucket of await bucketsOf(member)) directories.add(bucket);
    }
    for (const { queue, incoming } of members) {
      directories.add(queue.room.layout.ready).add(incoming);
    }
    // A replay has many files: an fsync of one would not do.
    if (ticket.kind === "replay") await this.#syncAll(directories);
    else await this.#syncIfCareful(sync, directories);
    for (const { queue } of members) await ring(this.#room.fs, queue.room.layout.bell);
    try {
      if (failure === undefined) await this.#conclude(ticket, sync);
    } catch (error) {
      failure = error;
    }
    if (failure === undefined) return true;
    const told = fromErrno(failure);
    if (!(told instanceof SpoolError)) throw failure;
    this.#warn(`topic ${this.#room.name}: committed, but not yet finished: ${told.message}`);
    return false;
  }

  /** Makes one link visible; undefined where somebody else did, or the subscription is gone. */
  async #place({ member, slice, path }: Planted): Promise<string | undefined> {
    for (let tries = 1; ; tries++) {
      try {
        return await member.queue.buckets.place(path, slice);
      } catch (error) {
        if (await this.#isRemoved(member, error)) return undefined;
        // It may have come here just now, from filling/.
        if (!isErrno(error, "ENOENT") || tries === 3) throw error;
      }
    }
  }

  /** True where an error only says that the subscription was removed. */
  async #isRemoved({ queue }: Member, error: unknown): Promise<boolean> {
    if (!isErrno(error, "ENOENT")) return false;
    return !(await ignore(() => this.#room.fs.lstat(queue.room.layout.ready), "ENOENT"));
  }

  /** Step 6. */
  async #conclude({ name, slice }: Ticket, sync: Sync): Promise<void> {
    const { layout } = this.#room;
    const path = `${layout.committed}/${name}`;
    const isKept = slice !== undefined && (await this.#log.isKept());
    if (!isKept) {
      await dropTicket(this.#room, path, this.#warn);
      return;
    }
    const kept = await this.#log.add(path, slice);
    if (kept !== undefined) await this.#syncIfCareful(sync, [dirname(kept), layout.log]);
  }

  /** Removes links again that will not be committed. */
  async uproot(planted: readonly Planted[]): Promise<void> {
    for (const { path } of planted.flatMap(placesOf)) {
      await ignore(() => this.#room.fs.unlink(path), "ENOENT", "ENOTDIR");
    }
  }

  async #syncIfCareful(sync: Sync, directories: Iterable<string>): Promise<void> {
    const { disk } = this.#room;
    if (sync === "disk" && !disk.kind.oneSync) await this.#syncAll(directories);
  }

  async #syncAll(directories: Iterable<string>): Promise<void> {
    for (const directory of directories) {
      if (await ignore(() => this.#syncOne(directory), "ENOENT")) continue;
      // It may have been filled, and moved.
      const live = directory.replace(/\/filling\/([^/]+)~[^/]+/, "/subscriptions/$1");
      if (live !== directory) await ignore(() => this.#syncOne(live), "ENOENT");
    }
  }

  /** In ready/ there are directories, everywhere else links of batches. */
  #syncOne(directory: string): Promise<void> {
    const { fs, disk } = this.#room;
    return directory.endsWith("/ready") ? syncDirectory(fs, directory) : syncNames(disk, directory);
  }
}

/** Removes a ticket that has done its service. */
export async function dropTicket(room: TopicRoom, path: string, warn: Warn): Promise<void> {
  try {
    await room.fs.unlink(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    const isFile = isErrno(error, "EPERM") && (await room.fs.lstat(path)).kind === "file";
    if (isFile || !isErrno(error, "EISDIR", "EPERM")) throw error;
    await setAside(room, path, "a directory, not a file", warn);
  }
}

export function noSubscriber(topic: string): SpoolError {
  return new SpoolError(
    "NO_SUBSCRIBER",
    `topic ${topic}: nobody has subscribed to this message; it was not published`,
    `Subscribe first: spool subscribe ${topic}/NAME`,
  );
}
