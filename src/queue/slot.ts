/**
 * A slot of a consumer: one thing at a time.
 *
 * It claims a slice and hands out its messages one by one. A consumer that does several things at
 * once has several slots, each with a slice of its own, so what is in hand can always be told from
 * the names in the lease. How much a slot claims at once follows from how fast it was: a slow
 * handler takes one message, a fast one thousands.
 */
import { chain } from "../disk/file-system.ts";
import type { Awaitable } from "../disk/file-system.ts";
import { SpoolError } from "../errors.ts";
import { CLAIM_MESSAGES } from "../limits.ts";
import type { Claim } from "./claimer.ts";
import type { Consumer } from "./consumer.ts";
import type { Message } from "./message.ts";
import type { Room } from "./room.ts";
import { Window } from "./window.ts";

/** Work that a slot tries to claim at once, in ms: long enough to be cheap, short enough to share. */
const CLAIM_MS = 100;

/** So many messages that were handed out are kept before those that were settled are sorted out. */
const MANY = 256;

/** A claim, and what of it is in hand. */
interface Opened extends Claim {
  readonly window: Window;
  readonly claimedMs: number;
  /** The next message to be handed out: its place in the batch, and where it starts. */
  index: number;
  offset: number;
  /** Behind the last one. */
  readonly endIndex: number;
  readonly end: number;
}

export class Slot {
  readonly #consumer: Consumer;
  readonly #room: Room;
  readonly #prefetch: number;
  #want: number;
  #open: Opened | undefined;
  /** Some of them may be settled: they are sorted out now and then. */
  #handedOut: Message[] = [];
  #most = MANY;

  /**
   * @param want      how many messages to claim at first.
   * @param prefetch  how many may be in hand before the first of them is parted from the others.
   */
  constructor(consumer: Consumer, room: Room, want = 1, prefetch = 1) {
    this.#consumer = consumer;
    this.#room = room;
    this.#want = want;
    this.#prefetch = prefetch;
  }

  /**
   * The next message; those before stay in hand if they were not settled.
   *
   * @param limit  claim this many at the most.
   */
  next(limit = Number.POSITIVE_INFINITY): Awaitable<Message | undefined> {
    return chain(this.#room.breathe(), () => this.#next(limit));
  }

  #next(limit: number): Awaitable<Message | undefined> {
    const open = this.#open;
    if (open === undefined) return this.#claim(limit);
    const isLeft = open.index < open.endIndex && open.held.slice !== undefined;
    if (!isLeft) return chain(this.#letGo(open), () => this.#claim(limit));
    if (!open.window.isFull) return this.#handOut(open, limit);
    return chain(open.window.makeRoom(), () =>
      open.held.slice === undefined ? this.#next(limit) : this.#handOut(open, limit),
    );
  }

  #claim(limit: number): Awaitable<Message | undefined> {
    const claimed = this.#consumer.claim(Math.min(this.#want, limit));
    return chain(claimed, (claim) => {
      if (claim === undefined) return undefined;
      const { first, count, offset, bytes } = claim.held.slice!;
      this.#open = {
        ...claim,
        window: new Window(claim.held, this.#prefetch),
        claimedMs: this.#room.disk.clock.monotonicMs(),
        index: first,
        offset,
        endIndex: first + count,
        end: offset + bytes,
      };
      return this.#handOut(this.#open, limit);
    });
  }

  #handOut(open: Opened, limit: number): Awaitable<Message | undefined> {
    const { file, window, index } = open;
    const found = this.#consumer.messageAt({
      file,
      window,
      index,
      from: open.offset,
      end: open.end,
    });
    return chain(found, (message) => {
      if (message === undefined) return this.#skip(open, limit);
      open.index = index + 1;
      open.offset = message.next;
      this.#keep(message);
      return message;
    });
  }

  #keep(message: Message): void {
    this.#handedOut.push(message);
    if (this.#handedOut.length < this.#most) return;
    this.#handedOut = this.inHand;
    this.#most = MANY + 2 * this.#handedOut.length;
  }

  /** Those that were handed out, and that nobody has settled. */
  get inHand(): Message[] {
    return this.#handedOut.filter((message) => !message.isSettled);
  }

  /** It is damaged, and buried by now; or its lease is not ours any more. */
  async #skip(open: Opened, limit: number): Promise<Message | undefined> {
    this.#open = undefined;
    await open.file.close();
    return this.next(limit);
  }

  /** Leaves what was claimed to those who have it in hand. */
  #letGo(open: Opened): Awaitable<void> {
    return chain(open.window.part(), () => {
      this.#open = undefined;
      const tookMs = this.#room.disk.clock.monotonicMs() - open.claimedMs;
      if (tookMs < CLAIM_MS / 2) this.#want = Math.min(this.#want * 2, CLAIM_MESSAGES);
      else if (tookMs > CLAIM_MS * 2) this.#want = Math.max(1, Math.floor(this.#want / 2));
      return open.file.close();
    });
  }

  /** Gives back what was claimed and is not in anybody's hand. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    try {
      await open.window.part();
      if (open.window.size === 0) await open.held.giveBack();
    } finally {
      await open.file.close();
    }
  }
}

export const isLost = (error: unknown): boolean =>
  error instanceof SpoolError && error.code === "LEASE_LOST";

/** The next message; a lease that was lost meanwhile is made anew. */
export function nextOf(slot: Slot): Awaitable<Message | undefined> {
  try {
    const next = slot.next();
    return next instanceof Promise ? next.catch((error) => nextAfter(slot, error)) : next;
  } catch (error) {
    return nextAfter(slot, error);
  }
}

async function nextAfter(slot: Slot, thrown: unknown): Promise<Message | undefined> {
  for (let error = thrown; ;) {
    if (!isLost(error)) throw error;
    try {
      return await slot.next();
    } catch (again) {
      error = again;
    }
  }
}
