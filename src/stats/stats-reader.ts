/**
 * Looking at the queues of a spool again and again.
 *
 * What was counted of a directory is kept for as long as that does not change, so a further look costs a
 * call for each directory, and the names of those that have changed. A spool that was opened with a
 * `cacheDir` takes over what the last process has counted, and `save` leaves it to the next one. The figures
 * are the same with and without (queue/count-table.ts).
 *
 * It never keeps the event loop for long, however much there is to count. Who has more queues than time
 * asks for them one by one, those first that matter. Reads, and changes nothing in the spool.
 */
import { Breath } from "../clock.ts";
import { fromErrno, isErrno, SpoolError } from "../errors.ts";
import type { Inventory } from "../queue/inventory.ts";
import type { Spool } from "../spool.ts";
import { checkThere, countQueue } from "./queue-stats.ts";
import type { QueueStats } from "./queue-stats.ts";

/** One queue or subscription: its figures, or why there are none. */
export type Look =
  | { readonly name: string; readonly stats: QueueStats }
  | { readonly name: string; readonly error: SpoolError };

export class StatsReader {
  readonly #spool: Spool;
  readonly #breath = new Breath();
  readonly #seen = new Map<string, Inventory>();
  #hasSeenAll = false;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** The figures of one queue or subscription. @throws NO_QUEUE */
  async of(name: string): Promise<QueueStats> {
    // Of one that was there, its directories tell when it goes.
    if (!this.#seen.has(name)) await checkThere(this.#spool.queue(name).room);
    return this.#look(name);
  }

  /** All queues, then all subscriptions, each sorted by name. */
  async all(): Promise<QueueStats[]> {
    const stats: QueueStats[] = [];
    for await (const look of this.each()) {
      if ("error" in look) throw look.error;
      stats.push(look.stats);
    }
    return stats;
  }

  /**
   * The same one by one; of a queue that cannot be looked at, why: the others are looked at all the same.
   *
   * @param named  only these, in this order; one of them that is not there is an error, too.
   */
  async *each(named?: readonly string[]): AsyncGenerator<Look> {
    const names = named ?? [
      ...(await this.#spool.queueNames()),
      ...(await this.#spool.subscriptionNames()),
    ];
    for (const name of names) {
      let look: Look;
      try {
        const stats = named === undefined ? await this.#look(name) : await this.of(name);
        look = { name, stats };
      } catch (thrown) {
        const error = fromErrno(thrown);
        if (!(error instanceof SpoolError)) throw error;
        // Removed since it was listed.
        if (named === undefined && error.code === "NO_QUEUE") continue;
        look = { name, error };
      }
      yield look;
    }
    if (named !== undefined) return;
    const there = new Set(names);
    for (const name of this.#seen.keys()) if (!there.has(name)) this.#seen.delete(name);
    this.#hasSeenAll = true;
  }

  async #look(name: string): Promise<QueueStats> {
    const queue = this.#spool.queue(name);
    try {
      const stats = await countQueue(queue, this.#breath);
      this.#seen.set(name, queue.inventory);
      return stats;
    } catch (error) {
      // Removed since it was looked for: then that is what is to be said.
      if (isErrno(error, "ENOENT")) await checkThere(queue.room);
      throw error;
    }
  }

  /** For who asks one by one: this one is not there any more. */
  forget(name: string): void {
    this.#seen.delete(name);
  }

  /** Leaves what was counted to the next process. Never fails. */
  save(): void {
    this.#spool.disk.counts?.save(this.#seen, this.#hasSeenAll);
  }
}
