/** How long a consumer waits for more. */
import type { Consumer, ConsumerOptions } from "./consumer.ts";
import type { Room } from "./room.ts";

export interface ConsumeOptions extends ConsumerOptions {
  /** Ends the loop. What is still held goes back without counting an attempt. */
  readonly signal?: AbortSignal;
  /** End when nothing is ready, instead of waiting for more. */
  readonly untilEmpty?: boolean;
  /** End when nothing came for this long, in ms. */
  readonly idleMs?: number;
  /**
   * Messages that may be in hand at once, of `messages`. Default 1. Acks that are not awaited before the
   * next message is asked for then share one rename: many times as fast. After a crash only the
   * first one that was not acked has an attempt counted.
   */
  readonly prefetch?: number;
}

/** Waits for more messages, as long as the options say that there may be some. */
export class Patience {
  readonly #consumer: Consumer;
  readonly #options: ConsumeOptions;
  readonly #nowMs: () => number;
  #idleSinceMs: number;

  constructor(consumer: Consumer, { disk: { clock } }: Room, options: ConsumeOptions) {
    this.#consumer = consumer;
    this.#options = options;
    this.#nowMs = () => clock.monotonicMs();
    this.#idleSinceMs = this.#nowMs();
  }

  /** A message came, or was dealt with. */
  renew(): void {
    this.#idleSinceMs = this.#nowMs();
  }

  /** True where it is to be looked again; false where there is no more to wait for. */
  async wait(): Promise<boolean> {
    const { untilEmpty, idleMs = Number.POSITIVE_INFINITY, signal } = this.#options;
    if (untilEmpty) return this.#consumer.hasMore();
    // A wait may end before anything has come: the time counts from the last message.
    const leftMs = idleMs - (this.#nowMs() - this.#idleSinceMs);
    if (leftMs <= 0) return false;
    await this.#consumer.wait(leftMs, signal);
    return true;
  }
}
