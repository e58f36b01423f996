/**
 * Looking at the queues of a spool again and again.
 *
 * A reader keeps what it has counted of each directory for as long as that does not change, so a further look
 * costs a call for each directory, and the names of those that have changed. Given a directory for
 * it, it takes over what the last process has counted, and leaves its own counts to the next one.
 * The figures are the same with and without: see queue/kept.ts.
 *
 * It never keeps the event loop for long, however much there is to count; who has more queues than time
 * asks for them one by one. It changes nothing in the spool.
 */
import { Breath } from "../clock.ts";
import { readFile } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { ID_PATTERN } from "../message/id.ts";
import type { Queue } from "../queue/queue.ts";
import type { Spool } from "../spool.ts";
import { CountFile } from "./count-file.ts";
import type { Counts } from "./count-file.ts";
import { checkThere, statsOf } from "./queue-stats.ts";
import type { QueueStats } from "./queue-stats.ts";

/** What is written down has cost to list at least so many names: less is listed as fast as it is read. */
const WORTH_NAMES = 500;

const ID = new RegExp(`^${ID_PATTERN}$`);

export interface StatsReaderOptions {
  /** A directory of the user's own for what was counted; without, nothing is left to the next process. */
  readonly cacheDir?: string | undefined;
}

export class StatsReader {
  readonly #spool: Spool;
  readonly #cacheDir: string | undefined;
  readonly #breath = new Breath();
  readonly #seen = new Map<string, Queue>();
  /** Of queues that were not looked at here yet. */
  #others: Counts = new Map();
  #file: CountFile | undefined;
  #loading: Promise<void> | undefined;
  #savedNames = 0;

  constructor(spool: Spool, options: StatsReaderOptions = {}) {
    this.#spool = spool;
    this.#cacheDir = options.cacheDir;
  }

  /** The figures of one queue or subscription. @throws NO_QUEUE */
  async of(name: string): Promise<QueueStats> {
    await (this.#loading ??= this.#load());
    const queue = this.#spool.queue(name);
    const known = this.#others.get(name);
    if (known !== undefined) queue.inventory.remember(known);
    try {
      const stats = await statsOf(queue, this.#breath);
      this.#others.delete(name);
      this.#seen.set(name, queue);
      return stats;
    } catch (error) {
      // Removed while it was looked at: then that is what is to be said.
      if (isErrno(error, "ENOENT")) await checkThere(queue.room);
      throw error;
    }
  }

  /** All queues, then all subscriptions, each sorted by name. */
  async all(): Promise<QueueStats[]> {
    const names = [
      ...(await this.#spool.queueNames()),
      ...(await this.#spool.subscriptionNames()),
    ];
    const stats: QueueStats[] = [];
    for (const name of names) {
      try {
        stats.push(await this.of(name));
      } catch (error) {
        // Removed since it was listed.
        if (!(error instanceof SpoolError) || error.code !== "NO_QUEUE") throw error;
      }
    }
    const there = new Set(names);
    for (const name of this.#seen.keys()) if (!there.has(name)) this.#seen.delete(name);
    this.#others.clear();
    return stats;
  }

  /** Leaves what was counted to the next process, where that is worth it. Never fails. */
  save(): void {
    const queues = [...this.#seen];
    const names = queues.reduce((sum, [, { inventory }]) => sum + inventory.listed, 0);
    if (this.#file === undefined || names - this.#savedNames < WORTH_NAMES) return;
    this.#savedNames = names;
    const counts: Counts = new Map(this.#others);
    for (const [name, { inventory }] of queues) counts.set(name, inventory.known);
    this.#file.write(counts);
  }

  async #load(): Promise<void> {
    const { dir, disk } = this.#spool;
    // What lstat says there may be old: other processes' counts would be as old as that.
    if (this.#cacheDir === undefined || disk.kind.shared) return;
    const id = await this.#idOfSpool();
    if (id === undefined) return;
    this.#file = new CountFile(this.#cacheDir, id, dir);
    this.#others = this.#file.read();
  }

  async #idOfSpool(): Promise<string | undefined> {
    const { dir, disk } = this.#spool;
    try {
      const text = (await readFile(disk.fs, `${dir}/spool.json`, 4096)).toString();
      const { id } = JSON.parse(text) as { readonly id?: unknown };
      return typeof id === "string" && ID.test(id) ? id : undefined;
    } catch {
      // Removed or broken since it was opened: then it has no name for its counts.
      return undefined;
    }
  }
}
