/**
 * What each consumer does for all, now and then: there is no daemon.
 *
 * It takes over from the dead, removes drafts that nobody will finish, finishes or undoes what a dead
 * publisher left on its way into this queue, and adopts what lies in the drop box.
 */
import { fromErrno, SpoolError } from "../errors.ts";
import type { Warn } from "./aside.ts";
import type { Buckets } from "./buckets.ts";
import { adoptDropped } from "./drop-box.ts";
import { QueueDelivery } from "./intake.ts";
import { Reclaimer } from "./reclaim.ts";
import type { Room } from "./room.ts";
import { sweepDrafts } from "./sweep.ts";

/** How often a busy consumer looks for dead ones, in ms. */
export const REAP_MS = 5000;

/** How often a consumer that finds messages all the time looks into the drop box, in ms. */
const ADOPT_MS = 50;

export class Chores {
  readonly #room: Room;
  readonly #buckets: Buckets;
  readonly #delivery: QueueDelivery;
  readonly #reclaimer: Reclaimer;
  readonly #warn: Warn;
  #told = "";
  #reapedMs = Number.NEGATIVE_INFINITY;
  #adoptedMs = Number.NEGATIVE_INFINITY;

  constructor(room: Room, buckets: Buckets, warn: Warn) {
    this.#room = room;
    this.#buckets = buckets;
    this.#delivery = new QueueDelivery(room, buckets);
    this.#reclaimer = new Reclaimer(room, buckets, warn);
    this.#warn = warn;
  }

  #nowMs(): number {
    return this.#room.disk.clock.monotonicMs();
  }

  get isReapingDue(): boolean {
    return this.#nowMs() - this.#reapedMs >= REAP_MS;
  }

  get isAdoptionDue(): boolean {
    return this.#nowMs() - this.#adoptedMs >= ADOPT_MS;
  }

  /**
   * Puts right what the dead have left, where the last look is longer ago than this.
   *
   * @param mine  the lease of the consumer itself, which is not taken away. True where something came of it.
   */
  async reap(everyMs: number, mine: string | undefined): Promise<boolean> {
    const nowMs = this.#nowMs();
    if (nowMs - this.#reapedMs < everyMs) return false;
    this.#reapedMs = nowMs;
    const { messages } = await this.#reclaimer.run(mine);
    await sweepDrafts(this.#delivery);
    return messages + (await this.#recoverSource()) > 0;
  }

  /** What is wrong with other subscriptions of the topic does not keep this one from its messages. */
  async #recoverSource(): Promise<number> {
    try {
      return (await this.#room.source?.recover()) ?? 0;
    } catch (thrown) {
      const error = fromErrno(thrown);
      if (!(error instanceof SpoolError)) throw thrown;
      if (error.message !== this.#told) this.#warn(error.message);
      this.#told = error.message;
      return 0;
    }
  }

  /** Looks into the drop box; true where that made messages. */
  async adopt(): Promise<boolean> {
    this.#adoptedMs = this.#nowMs();
    return (await adoptDropped(this.#room, this.#buckets)) > 0;
  }

  /** The drop box is not what is looked into next. */
  putOffAdoption(): void {
    this.#adoptedMs = this.#nowMs();
  }
}
