/**
 * A window: the messages of one held slice that are in hand.
 *
 * What is held is one name, of which the first message is the one in hand as far as the disk can tell.
 * A consumer may have more than one in hand (`prefetch`). Acks that are not awaited one by one wait
 * for each other until the end of the event loop's turn, or until the window is full, and share one rename.
 * Whoever is not at the front and wants anything else is brought there: what is acked before it is
 * committed, what is still in hand is parted from it, and goes on in a window of its own.
 *
 * A crash leaves the slice from the first message on whose ack was not committed; none that was told
 * to be acked is in it.
 */
import { chain } from "../disk/file-system.ts";
import type { Awaitable } from "../disk/file-system.ts";
import { leaseLost, SpoolError } from "../errors.ts";
import type { Held } from "./held.ts";
import { Turns } from "./turns.ts";

/** What a window knows of a message. */
export interface Member {
  /** Where the message after it starts in the batch. */
  readonly next: number;
  /** True once its ack was asked for. */
  isAcked: boolean;
  window: Window;
  /** Its ack is done. */
  acked(): Awaitable<void>;
  /** The disk failed in the middle: it is out of reach, and its names are half changed or as they were. */
  fail(error: unknown): void;
}

export const hasCode = (error: unknown, code: SpoolError["code"]): boolean =>
  error instanceof SpoolError && error.code === code;

const RESOLVED = Promise.resolve();

export class Window {
  readonly held: Held;
  /** How many may be in hand at once. */
  readonly #prefetch: number;
  /** Those in hand, in their order: the first is the front of what is held. */
  readonly #members: Member[] = [];
  /** How many of them are acked, and not yet committed. */
  #ackedCount = 0;
  /** An ack beside a parting would work on names that change under it. */
  readonly #turns = new Turns();
  /** Why nothing is held any more, where that is not because all is done. */
  #loss: unknown;
  /** Acks that wait for each other. */
  #waiting: Member[] = [];
  #flushing: PromiseWithResolvers<void> | undefined;

  constructor(held: Held, prefetch = 1) {
    this.held = held;
    this.#prefetch = prefetch;
  }

  get size(): number {
    return this.#members.length;
  }

  get isFull(): boolean {
    return this.#members.length >= this.#prefetch;
  }

  add(member: Member): void {
    this.#members.push(member);
    if (member.isAcked) this.#ackedCount++;
  }

  /** Resolves when it is done. @throws LEASE_LOST */
  ack(member: Member): Promise<void> {
    if (this.#loss !== undefined) throw this.#loss;
    member.isAcked = true;
    this.#ackedCount++;
    if (this.#prefetch > 1) return this.#ackTogether(member);
    const done = this.#turns.take(() => this.#commitOf([member]));
    return done instanceof Promise ? done : RESOLVED;
  }

  #ackTogether(member: Member): Promise<void> {
    this.#waiting.push(member);
    if (this.#flushing === undefined) {
      this.#flushing = Promise.withResolvers();
      setImmediate(() => void this.#flush());
    }
    return this.#flushing.promise;
  }

  /** Does the acks that wait. Never throws: those who wait are told. */
  #flush(): Awaitable<void> {
    const flushing = this.#flushing;
    if (flushing === undefined) return;
    this.#flushing = undefined;
    const members = this.#waiting;
    this.#waiting = [];
    try {
      const done = this.#turns.take(() => this.#commitOf(members));
      if (done instanceof Promise) return done.then(flushing.resolve, flushing.reject);
      flushing.resolve();
    } catch (error) {
      flushing.reject(error);
    }
  }

  /** Also of those that were parted from the others since they were acked. */
  #commitOf(members: readonly Member[]): Awaitable<void> {
    if (this.#loss !== undefined) throw this.#loss;
    return chain(this.#commit(), () => {
      const isElsewhere = members.some(({ window }) => window !== this && window.#ackedCount > 0);
      return isElsewhere ? this.#commitElsewhere(members) : undefined;
    });
  }

  async #commitElsewhere(members: readonly Member[]): Promise<void> {
    for (const { window } of members) {
      if (window !== this) await window.#turns.take(() => window.#commit());
    }
  }

  /** Commits all that is acked; what is still in hand before it is parted from it. */
  #commit(): Awaitable<void> {
    if (this.#ackedCount === 0) return;
    return chain(this.#passFirst(), () => this.#commit());
  }

  /** Has the first one pass: with all acked ones that follow it, in one rename, or parted from the rest. */
  #passFirst(): Awaitable<void> {
    const members = this.#members;
    let run = 0;
    while (run < members.length && members[run]!.isAcked) run++;
    if (run === 0) return this.#partFirst();
    try {
      const done = this.held.ack(run, members[run - 1]!.next);
      if (!(done instanceof Promise)) return this.#committed(run);
      return done.then(
        () => this.#committed(run),
        (error: unknown) => this.#notCommitted(run, error),
      );
    } catch (error) {
      return this.#notCommitted(run, error);
    }
  }

  #committed(run: number): Awaitable<void> {
    this.#ackedCount -= run;
    let closing: Awaitable<void> = undefined;
    for (const member of this.#members.splice(0, run)) {
      const closed = member.acked();
      if (closed instanceof Promise) closing = chain(closing, () => closed);
    }
    return closing;
  }

  #notCommitted(run: number, error: unknown): never {
    this.#ackedCount -= run;
    for (const member of this.#members.splice(0, run)) {
      if (!hasCode(error, "LEASE_LOST")) member.fail(error);
      void member.acked();
    }
    if (this.held.slice === undefined) this.#abandon(error);
    throw error;
  }

  /** Nothing is held any more: those in hand are out of reach, each of which hears of it when it is settled. */
  #abandon(error: unknown): void {
    for (const member of this.#members.splice(0)) {
      if (!hasCode(error, "LEASE_LOST")) member.fail(error);
      if (member.isAcked) void member.acked();
    }
    this.#ackedCount = 0;
    this.#loss = error;
  }

  /** Makes the first one a held slice of its own. */
  async #partFirst(): Promise<void> {
    const first = this.#members[0]!;
    let held: Held;
    try {
      held = await this.held.detach(first.next);
    } catch (error) {
      // Half done, and nothing left that could be tried again.
      if (this.held.slice === undefined) this.#abandon(error);
      // Their acks are told to have failed: whoever goes on might do them all the same.
      else for (const member of this.#members) if (member.isAcked) member.fail(error);
      throw error;
    }
    this.#members.shift();
    if (first.isAcked) this.#ackedCount--;
    first.window = new Window(held);
    first.window.add(first);
  }

  /**
   * Does `act` with what is held, whose first message is this one.
   *
   * @throws what `act` throws. After BAD_VALUE nothing has happened, and it can be settled still.
   */
  settle(member: Member, act: (held: Held) => Promise<void>): Awaitable<void> {
    return this.#turns.take(async () => {
      if (member.window !== this) return member.window.settle(member, act);
      await this.#bringToFront(member);
      try {
        await act(this.held);
      } catch (error) {
        if (!hasCode(error, "BAD_VALUE")) this.#members.shift();
        throw error;
      }
      this.#members.shift();
    });
  }

  /** Parts this one from all others, and resolves with its window, in which it is alone. */
  alone(member: Member): Awaitable<Window> {
    return this.#turns.take(async () => {
      if (member.window !== this) return member.window.alone(member);
      await this.#bringToFront(member);
      if ((this.held.slice?.count ?? 1) > 1) await this.#partFirst();
      return member.window;
    });
  }

  async #bringToFront(member: Member): Promise<void> {
    while (this.#members[0] !== member) {
      // Its lease was lost, or its ack came while it was on its way to the front.
      if (!this.#members.includes(member)) throw leaseLost("a message that was in hand");
      await this.#passFirst();
    }
  }

  /** Makes room for one more in hand: by acks, or by parting the first one. */
  makeRoom(): Awaitable<void> {
    return chain(this.#flush(), () =>
      this.#turns.take(() =>
        chain(this.#commit(), () => (this.isFull ? this.#partFirst() : undefined)),
      ),
    );
  }

  /** Parts those in hand from what is behind them. The last of all keeps what is held. */
  part(): Awaitable<void> {
    return chain(this.#flush(), () =>
      this.#turns.take(() => chain(this.#commit(), () => this.#partAll())),
    );
  }

  #partAll(): Awaitable<void> {
    const count = this.held.slice?.count ?? 0;
    if (this.#members.length === 0 || count <= 1) return;
    return chain(this.#partFirst(), () => this.#partAll());
  }
}
