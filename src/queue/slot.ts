/**
 * A slot of a consumer: one thing at a time.
 *
 * It claims a slice and hands out its messages one by one. A consumer that does several things at
 * once has several slots, each with a slice of its own, so what is in hand can always be told from
 * the names in the lease. How much a slot claims at once follows from how fast it was: a slow
 * handler takes one message, a fast one thousands.
 */
import { CLAIM_MESSAGES } from "../limits.ts";
import type { Claim } from "./claimer.ts";
import type { Consumer } from "./consumer.ts";
import type { Message } from "./message.ts";
import type { Room } from "./room.ts";

/** Work that a slot tries to claim at once, in ms: long enough to be cheap, short enough to share. */
const CLAIM_MS = 100;

export class Slot {
  readonly #consumer: Consumer;
  readonly #room: Room;
  #want: number;
  #claim: Claim | undefined;
  #claimedMs = 0;
  #current: Message | undefined;

  /** @param want  how many messages to claim at first. */
  constructor(consumer: Consumer, room: Room, want = 1) {
    this.#consumer = consumer;
    this.#room = room;
    this.#want = want;
  }

  /**
   * The next message; the one before stays in hand if it was not settled.
   *
   * @param limit  claim this many at the most.
   */
  async next(limit = Number.POSITIVE_INFINITY): Promise<Message | undefined> {
    for (;;) {
      const breath = this.#room.breathe();
      if (breath !== undefined) await breath;
      // An ack that is done has changed the slice already; the rest of it is next.
      const isNext = this.#current?.isOver === true && this.#claim?.held.slice !== undefined;
      if (!isNext) await this.#advance();
      if (this.#claim === undefined) {
        this.#claim = await this.#consumer.claim(Math.min(this.#want, limit));
        this.#claimedMs = this.#room.disk.clock.monotonicMs();
        if (this.#claim === undefined) return undefined;
      }
      this.#current = await this.#consumer.open(this.#claim);
      if (this.#current !== undefined) return this.#current;
      // Damaged and buried; or its lease is not ours any more.
      if (this.#claim.held.slice !== undefined) await this.#forget();
    }
  }

  async #forget(): Promise<void> {
    const claim = this.#claim;
    this.#claim = undefined;
    await claim?.file.close();
  }

  async #advance(): Promise<void> {
    const claim = this.#claim;
    if (claim === undefined) return;
    const current = this.#current;
    this.#current = undefined;
    const isShared = current !== undefined && current.held === claim.held;
    const isInHand = isShared && (await current.stepAside());
    // The last of what was claimed stays with whoever has it in hand.
    const isOver = claim.held.slice === undefined || (isInHand && current.held === claim.held);
    if (!isOver) return;
    this.#claim = undefined;
    await claim.file.close();
    const tookMs = this.#room.disk.clock.monotonicMs() - this.#claimedMs;
    if (tookMs < CLAIM_MS / 2) this.#want = Math.min(this.#want * 2, CLAIM_MESSAGES);
    else if (tookMs > CLAIM_MS * 2) this.#want = Math.max(1, Math.floor(this.#want / 2));
  }

  /** Gives back what was claimed and is not in anybody's hand. */
  async close(): Promise<void> {
    const claim = this.#claim;
    this.#claim = undefined;
    if (claim === undefined) return;
    const current = this.#current;
    try {
      const isShared = current !== undefined && current.held === claim.held;
      if (isShared && (await current.stepAside()) && current.held === claim.held) return;
      await claim.held.giveBack();
    } finally {
      await claim.file.close();
    }
  }
}
