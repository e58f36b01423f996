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
import { isErrno, SpoolError } from "../errors.ts";
import type { Inventory } from "../queue/inventory.ts";
import type { Spool } from "../spool.ts";
import { checkThere, countQueue } from "./queue-stats.ts";
import type { QueueStats } from "./queue-stats.ts";

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
    const names = [...(await this.#spool.queueNames()), ...(await this.#spool.subscriptionNames())];
    const stats: QueueStats[] = [];
    for (const name of names) {
      try {
        stats.push(await this.#look(name));
      } catch (error) {
        // Removed since it was listed.
        if (!(error instanceof SpoolError) || error.code !== "NO_QUEUE") throw error;
      }
    }
    const there = new Set(names);
    for (const name of this.#seen.keys()) if (!there.has(name)) this.#seen.delete(name);
    this.#hasSeenAll = true;
    return stats;
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

  /** Leaves what was counted to the next process. Never fails. */
  save(): void {
    this.#spool.disk.counts?.save(this.#seen, this.#hasSeenAll);
  }
}
