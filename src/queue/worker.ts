/**
 * A loop that calls a handler for each message.
 *
 * All its slots share one lease. It gives back what it holds when it ends, without counting an attempt, and
 * makes a new lease when its own was taken away (a suspended laptop): then only the messages that
 * were in hand are lost to it, and their acks fail.
 */
import { timeOfId } from "../message/id.ts";
import type { Buckets } from "./buckets.ts";
import { Consumer } from "./consumer.ts";
import type { Message } from "./message.ts";
import { Patience } from "./patience.ts";
import type { ConsumeOptions } from "./patience.ts";
import type { Room } from "./room.ts";
import { isLost, nextOf, Slot } from "./slot.ts";
import { Turnstile } from "./turnstile.ts";

export interface WorkOptions extends Omit<ConsumeOptions, "prefetch"> {
  /** Handlers that run at once. Default 1. */
  readonly concurrency?: number;
  /** End after this many messages. */
  readonly maxMessages?: number;
  /** Told of each lease that was lost, and of each handler's error that led to a retry. */
  readonly onError?: (error: unknown, message: Message | undefined) => void;
}

export type Handler = (message: Message) => unknown;

/**
 * Runs `handler` for each message: it returns, and the message is acked; it throws, and the message
 * is retried after the queue's back-off; or it settles the message itself.
 *
 * Resolves with the number of messages handled when the signal aborts (the handlers that run may
 * end), or the queue is empty where that was asked. @throws NO_QUEUE and what the disk throws.
 */
export async function workOn(
  room: Room,
  buckets: Buckets,
  handler: Handler,
  options: WorkOptions,
): Promise<number> {
  await room.settings();
  const consumer = new Consumer(room, buckets, "beating", options);
  const { concurrency = 1 } = options;
  const worker = new Worker(room, consumer, handler, options);
  try {
    // One that fails stops the others, but not before they have ended what they do.
    const slots = Array.from({ length: concurrency }, () => worker.run());
    for (const outcome of await Promise.allSettled(slots)) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
  } finally {
    await consumer.close();
  }
  return worker.handled;
}

class Worker {
  handled = 0;
  #started = 0;
  #running = 0;
  readonly #room: Room;
  readonly #consumer: Consumer;
  readonly #handler: Handler;
  readonly #options: WorkOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #patience: Patience;
  readonly #turnstile = new Turnstile();

  constructor(room: Room, consumer: Consumer, handler: Handler, options: WorkOptions) {
    this.#room = room;
    this.#consumer = consumer;
    this.#handler = handler;
    this.#options = options;
    const { signal } = options;
    this.#signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    this.#patience = new Patience(consumer, room, { ...options, signal: this.#signal });
  }

  /** One slot's loop. An error of the disk stops all slots. */
  async run(): Promise<void> {
    const slot = new Slot(this.#consumer, this.#room);
    const { maxMessages = Number.POSITIVE_INFINITY } = this.#options;
    try {
      while (!this.#signal.aborted && this.#started < maxMessages) {
        if (this.#turnstile.opening !== undefined) {
          // What this slot holds would count as tried if the one that works alone kills us.
          await this.#quietly(() => slot.close(), undefined);
          await this.#turnstile.opening;
          continue;
        }
        this.#started++;
        const outcome = await this.#turnstile.pass(() => this.#next(slot));
        if (outcome !== "handled") this.#started--;
        if (outcome === "empty" && !(await this.#wait())) return;
      }
    } catch (error) {
      this.#stop.abort();
      throw error;
    } finally {
      await this.#quietly(() => slot.close(), undefined);
    }
  }

  /** Claims the next message and has it handled, in company or alone. */
  async #next(slot: Slot): Promise<"handled" | "given back" | "empty"> {
    const message = await nextOf(slot);
    if (message === undefined) return "empty";
    const isAlone = this.#mayBeSuspect(message) && (await this.#isSuspect(message));
    if (this.#signal.aborted || (isAlone && this.#turnstile.opening !== undefined)) {
      await this.#quietly(() => message.giveBack(), message);
      return "given back";
    }
    const handle = async (): Promise<void> => {
      this.#running++;
      await this.#handle(message);
      this.#running--;
      this.#patience.renew();
      this.handled++;
    };
    await (isAlone ? this.#turnstile.alone(handle) : handle());
    return "handled";
  }

  /** What most messages are not, without a look at the settings. */
  #mayBeSuspect({ attempt }: Message): boolean {
    return attempt > 1 && (this.#options.concurrency ?? 1) > 1;
  }

  /** True for what has lost all its consumers so far and has one attempt left: see turnstile.ts. */
  async #isSuspect({ attempt, held }: Message): Promise<boolean> {
    const { maxAttempts } = await this.#room.settings();
    if (attempt !== maxAttempts) return false;
    // A nack would have given it another time: what it was put with says that there was none.
    const { visibleMs, batch } = held.slice!;
    return visibleMs === timeOfId(batch);
  }

  async #wait(): Promise<boolean> {
    const { untilEmpty, idleMs } = this.#options;
    // While another slot is busy its message may come back: the last one to be idle ends the loop.
    if ((untilEmpty || idleMs !== undefined) && this.#running > 0) {
      await this.#consumer.wait(50, this.#signal);
      return true;
    }
    return this.#patience.wait();
  }

  async #handle(message: Message): Promise<void> {
    try {
      await this.#handler(message);
      if (message.failure !== undefined) throw message.failure;
    } catch (error) {
      this.#options.onError?.(error, message);
      // The handler could not settle it: that is an error of the disk, not of the handler.
      if (message.failure !== undefined) throw message.failure;
      const reason = error instanceof Error ? error.message : String(error);
      await this.#quietly(async () => {
        if (!message.isSettled) await message.nack({ reason });
      }, message);
      return;
    }
    await this.#quietly(async () => {
      if (!message.isSettled) await message.ack();
    }, message);
  }

  /** A lease that was lost is told and not thrown: there is nothing left to do about it. */
  async #quietly(act: () => Promise<unknown>, message: Message | undefined): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!isLost(error)) throw error;
      this.#options.onError?.(error, message);
    }
  }
}
