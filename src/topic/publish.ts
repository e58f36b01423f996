/**
 * Publish: what is put into a topic goes to all of its subscriptions.
 *
 * Batches are fanned out one after the other, in the order in which they came, so that each
 * subscription gets what one program publishes in that order; their syncs overlap.
 */
import { ignore } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import type { Slice } from "../message/slice.ts";
import { setAside } from "../queue/aside.ts";
import { ForeignError } from "../queue/open-batch.ts";
import type { Draft } from "../queue/draft.ts";
import type { Intake, Limits, Sync } from "../queue/intake.ts";
import type { Audience, Subscriber } from "./audience.ts";
import type { FanOut, FanOutOptions } from "./fan-out.ts";
import { GoneError } from "./link-source.ts";
import { readContents } from "./selection.ts";
import type { Contents } from "./selection.ts";
import { formatTicket } from "./ticket.ts";
import type { Ticket, TicketKind } from "./ticket.ts";
import type { TopicRoom } from "./topic-room.ts";
import type { Undoer } from "./undo.ts";

/** So late does a change of a limit reach a running program, in ms. */
const RECENT_MS = 1000;

export class TopicIntake implements Intake {
  readonly noun = "topic";
  /** Whether anybody wants it is said of each message. */
  readonly goesAlone: boolean;
  readonly site: TopicRoom;
  readonly #audience: Audience;
  readonly #fanOut: FanOut;
  readonly #undoer: Undoer;
  readonly #needsSubscriber: boolean;
  #turn: Promise<unknown> = Promise.resolve();
  #subscribers: readonly Subscriber[] = [];
  #listedMs = Number.NEGATIVE_INFINITY;

  constructor(
    room: TopicRoom,
    audience: Audience,
    fanOut: FanOut,
    undoer: Undoer,
    needsSubscriber = false,
  ) {
    this.site = room;
    this.#audience = audience;
    this.#fanOut = fanOut;
    this.#undoer = undoer;
    this.#needsSubscriber = needsSubscriber;
    this.goesAlone = needsSubscriber;
  }

  /** The topic's limits; where a subscription has a tighter one, that. */
  async limits(): Promise<Limits> {
    const settings = await this.site.settingsOrCreate();
    let { maxMessageBytes } = settings;
    let maxDepth = 0;
    let maxBytes = 0;
    for (const { settings: theirs } of await this.#recent()) {
      maxMessageBytes = tighter(maxMessageBytes, theirs.maxMessageBytes);
      maxDepth = tighter(maxDepth, theirs.maxDepth);
      maxBytes = tighter(maxBytes, theirs.maxBytes);
    }
    const { ttlMs, dedupWindowMs } = settings;
    return { maxMessageBytes, maxDepth, maxBytes, ttlMs, dedupWindowMs };
  }

  /** A subscription that is full refuses, or holds up, the publish for all: all get it or none. */
  async admit(messages: number, bytes: number, waitMs?: number): Promise<void> {
    const { minFreeBytes } = await this.site.settingsOrCreate();
    if (minFreeBytes > 0) {
      const { freeBytes } = await this.site.fs.space(this.site.layout.root);
      if (freeBytes - bytes < minFreeBytes) throw diskFull(this.site.name, freeBytes, minFreeBytes);
    }
    for (const subscriber of await this.#recent()) {
      const { maxDepth, maxBytes, minFreeBytes: free } = subscriber.settings;
      if (maxDepth + maxBytes + free > 0) await this.#admitTo(subscriber, messages, bytes, waitMs);
    }
  }

  async #admitTo(
    subscriber: Subscriber,
    messages: number,
    bytes: number,
    waitMs?: number,
  ): Promise<void> {
    try {
      await subscriber.queue.intake.admit(messages, bytes, waitMs);
    } catch (error) {
      const isGone = isErrno(error, "ENOENT") || (error as SpoolError).code === "NO_QUEUE";
      if (!isGone) throw error;
      // It was removed since we looked: then it has no limit.
      this.#listedMs = Number.NEGATIVE_INFINITY;
    }
  }

  /** The subscribers of a moment ago: limits need no better. */
  async #recent(): Promise<readonly Subscriber[]> {
    const nowMs = this.site.disk.clock.monotonicMs();
    if (nowMs - this.#listedMs > RECENT_MS) {
      // One that is being filled has no consumers yet: nobody could make room in it.
      const all = await this.#audience.subscribers();
      this.#subscribers = all.filter(({ live }) => live === undefined);
      this.#listedMs = nowMs;
    }
    return this.#subscribers;
  }

  async commit(draft: Draft, slice: Slice, sync: Sync): Promise<void> {
    const { fs } = this.site;
    const written = sync === "disk" ? syncOf(this.site, draft) : draft.close();
    try {
      await this.#inTurn(written, () => this.#publish(draft, slice, sync));
      if (sync === "disk" && this.site.disk.kind.oneSync) await fs.sync(draft.fd);
    } finally {
      await draft.discard();
    }
  }

  /** One batch after the other, each when it is ready. */
  #inTurn<T>(ready: Promise<unknown>, act: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(async () => {
      await ready;
      return act();
    });
    // Whoever waits for its turn hears of a failure then.
    ready.catch(() => {});
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #publish(draft: Draft, slice: Slice, sync: Sync): Promise<void> {
    const ticket = await this.#stage("publish", draft.path, slice);
    if (ticket === undefined) throw undone(this.site.name);
    try {
      await this.#fanOut.run(ticket, draft, this.#options(sync));
      this.site.flowed("in", slice.count);
    } catch (error) {
      if (error instanceof GoneError) throw undone(this.site.name, error);
      // What fails now is nothing beside what failed before; whoever recovers tries again.
      await this.#undoer.undo(ticket).catch(() => {});
      throw error;
    }
  }

  #options(sync: Sync): FanOutOptions {
    return { sync, needsSubscriber: this.#needsSubscriber };
  }

  /** Step 2 of the fan-out; undefined where the batch is not at `from` any more. */
  async #stage(kind: TicketKind, from: string, slice: Slice): Promise<Ticket | undefined> {
    const { fs, disk, layout } = this.site;
    const tag = disk.ids.next(await this.site.now());
    const ticket = formatTicket(kind, slice, tag, disk.processes.self);
    const to = `${layout.staging}/${ticket.name}`;
    if (await ignore(() => fs.rename(from, to), "ENOENT")) return ticket;
    if (await ignore(() => fs.lstat(from), "ENOENT")) {
      // staging/ is missing.
      await this.site.mend();
      if (await ignore(() => fs.rename(from, to), "ENOENT")) return ticket;
    }
    const isStaged = disk.kind.shared && (await ignore(() => fs.lstat(to), "ENOENT"));
    return isStaged ? ticket : undefined;
  }

  /** Of a keyed publish, by its publisher or by whoever finishes it. From staging/ on it only goes ahead. */
  async deliver(keyed: string, slice: Slice, sync: Sync): Promise<string | undefined> {
    const ticket = await this.#stage("keyed", keyed, slice);
    if (ticket === undefined) return undefined;
    const path = `${this.site.layout.staging}/${ticket.name}`;
    try {
      const contents = await this.#contentsAt(path, slice);
      await this.#fanOut.run(ticket, contents, { sync });
      this.site.flowed("in", slice.count);
      return path;
    } catch (error) {
      if (error instanceof DamagedError || error instanceof ForeignError) {
        await setAside(this.site, path, `damaged: ${error.message}`, () => {});
        return undefined;
      }
      // Somebody took it over, and finishes it; or the topic was removed, and its marker with it.
      if (!(error instanceof GoneError)) throw error;
      return undefined;
    }
  }

  async #contentsAt(path: string, slice: Slice): Promise<Contents> {
    try {
      return await readContents(this.site.fs, path, slice);
    } catch (error) {
      if (isErrno(error, "ENOENT")) throw new GoneError(`${path} is gone`, { cause: error });
      throw error;
    }
  }

  /** Once its name in staging/ is safe it will be delivered, whoever dies. */
  // oxlint-disable-next-line require-await
  async directoriesOf(): Promise<string[]> {
    const { staging, committed } = this.site.layout;
    return [staging, committed];
  }
}

async function syncOf({ fs }: TopicRoom, { fd }: Draft): Promise<void> {
  await fs.sync(fd);
}

/** The smaller of two limits, of which 0 is none. */
const tighter = (one: number, other: number): number =>
  one === 0 || other === 0 ? Math.max(one, other) : Math.min(one, other);

function undone(topic: string, cause?: unknown): SpoolError {
  return new SpoolError(
    "TRY_AGAIN",
    `topic ${topic}: the publish took too long and was undone; nobody got it`,
    "Publish it again.",
    { cause },
  );
}

function diskFull(topic: string, freeBytes: number, minFreeBytes: number): SpoolError {
  return new SpoolError(
    "DISK_FULL",
    `topic ${topic}: ${freeBytes} bytes are free on the disk, min-free is ${minFreeBytes}`,
    `Free some space, or: spool topic set ${topic} min-free=SIZE`,
  );
}
