/**
 * Replay: what the log keeps is delivered again to one subscription, all of it or nothing.
 *
 *   1. write    staging/<ticket>, an empty file
 *   2. link     each batch of the log into the subscription's incoming/
 *   3. sync     incoming/: every link is safe
 *   4. rename   staging/<ticket> to committed/<ticket>: the commit
 *   5. rename   each link to ready/, and sync the buckets: its links are of many files
 *   6. unlink   committed/<ticket>
 *
 * As with a publish, whoever finds it after a crash finishes what is committed and undoes what is not.
 */
import { ignore, syncDirectory, syncFile, syncNames } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { REPLAY_MS } from "../limits.ts";
import type { Warn } from "../queue/aside.ts";
import { noQueue } from "../queue/room.ts";
import type { Audience, Subscriber } from "./audience.ts";
import type { FanOut } from "./fan-out.ts";
import type { Planted } from "./planted.ts";
import { history, plant, SubscriptionGoneError } from "./history.ts";
import type { HistoryOptions } from "./history.ts";
import type { Log } from "./log.ts";
import { formatTicket } from "./ticket.ts";
import type { Ticket } from "./ticket.ts";
import type { TopicRoom } from "./topic-room.ts";
import type { Undoer } from "./undo.ts";

export interface ReplayOptions extends HistoryOptions {
  /** Only say how many it would be. */
  readonly isDryRun?: boolean;
  /** Told now and then how many messages are linked. */
  readonly onProgress?: (messages: number) => void;
}

export class Replayer {
  readonly #room: TopicRoom;
  readonly #audience: Audience;
  readonly #fanOut: FanOut;
  readonly #undoer: Undoer;
  readonly #warn: Warn;

  constructor(room: TopicRoom, audience: Audience, fanOut: FanOut, undoer: Undoer, warn: Warn) {
    this.#room = room;
    this.#audience = audience;
    this.#fanOut = fanOut;
    this.#undoer = undoer;
    this.#warn = warn;
  }

  /** Returns how many messages. @throws NO_QUEUE, TRY_AGAIN */
  async run(subscriber: Subscriber, logs: readonly Log[], options: ReplayOptions): Promise<number> {
    const { disk, layout } = this.#room;
    const tag = disk.ids.next(await this.#room.now());
    if (options.isDryRun) return this.#count(subscriber, logs, options);
    const own = subscriber.name.slice(subscriber.name.indexOf("/") + 1);
    const ticket = formatTicket("replay", own, tag, disk.processes.self);
    await this.#stage(`${layout.staging}/${ticket.name}`);
    const planted: Planted[] = [];
    let messages: number;
    // Others undo what shows no sign of life.
    const touch = async (): Promise<void> =>
      this.#room.fs.touch(`${layout.staging}/${ticket.name}`, await this.#room.readClock());
    const beat = setInterval(() => void touch().catch(() => {}), REPLAY_MS / 60);
    try {
      messages = await this.#plant(subscriber, logs, tag, planted, options);
      await syncNames(this.#room.disk, subscriber.incoming);
      // Another one of that name got a part of it: it gets nothing.
      const now = await this.#audience.again(subscriber);
      if (now === undefined) throw new SubscriptionGoneError();
      if (now !== subscriber) throw changed(subscriber.name);
      await this.#commit(ticket);
    } catch (error) {
      await this.#undoer.undo(ticket).catch(() => {});
      await this.#fanOut.uproot(planted).catch(() => {});
      throw (await this.#isGone(subscriber, error)) ? noQueue(subscriber.name) : error;
    } finally {
      clearInterval(beat);
    }
    await this.#fanOut.finish(ticket, planted, "disk");
    if (this.#room.disk.kind.ordered) await syncDirectory(this.#room.fs, layout.committed);
    return messages;
  }

  /** The directories of a pattern may have gone with its last subscription, and another one have come. */
  async #stage(path: string): Promise<void> {
    try {
      await this.#room.replace(path, "");
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      await this.#room.makeAgain();
      await this.#room.replace(path, "");
    }
  }

  /** True where it failed because somebody has unsubscribed. */
  async #isGone({ queue }: Subscriber, error: unknown): Promise<boolean> {
    if (error instanceof SubscriptionGoneError) return true;
    if (!isErrno(error, "ENOENT")) return false;
    return !(await ignore(() => this.#room.fs.lstat(queue.room.layout.root), "ENOENT"));
  }

  async #count(
    subscriber: Subscriber,
    logs: readonly Log[],
    options: ReplayOptions,
  ): Promise<number> {
    let messages = 0;
    const parts = history(this.#room, logs, subscriber, "", options, this.#warn);
    for await (const { slice } of parts) messages += slice.count;
    return messages;
  }

  async #plant(
    subscriber: Subscriber,
    logs: readonly Log[],
    tag: string,
    planted: Planted[],
    options: ReplayOptions,
  ): Promise<number> {
    let messages = 0;
    const parts = history(this.#room, logs, subscriber, tag, options, this.#warn);
    for await (const part of parts) {
      const path = await plant(this.#room, subscriber, part, tag);
      if (path === undefined) continue;
      planted.push({ member: subscriber, slice: part.slice, path });
      messages += part.slice.count;
      options.onProgress?.(messages);
    }
    return messages;
  }

  async #commit({ name }: Ticket): Promise<void> {
    const { fs, disk, layout } = this.#room;
    const to = `${layout.committed}/${name}`;
    if (!(await ignore(() => fs.rename(`${layout.staging}/${name}`, to), "ENOENT"))) {
      const isDone = disk.kind.shared && (await ignore(() => fs.lstat(to), "ENOENT"));
      if (!isDone) {
        throw new SpoolError(
          "TRY_AGAIN",
          "the replay took too long and was undone; nothing was delivered again",
          "Replay it again.",
        );
      }
    }
    if (disk.kind.oneSync) await ignore(() => syncFile(fs, to), "ENOENT");
    else await syncDirectory(fs, layout.committed);
  }
}

function changed(subscription: string): SpoolError {
  return new SpoolError(
    "TRY_AGAIN",
    `${subscription} was changed or made anew meanwhile; nothing was delivered again`,
    "Replay it again.",
  );
}
