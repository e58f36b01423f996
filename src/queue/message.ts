/** One message in the hands of a consumer: its payload, and what can become of it. */
import type { Awaitable } from "../disk/file-system.ts";
import { leaseLost, SpoolError } from "../errors.ts";
import type { Headers } from "../message/batch.ts";
import { timeOfId } from "../message/id.ts";
import { formatSlice } from "../message/slice.ts";
import type { BatchFile, Span } from "./batch-file.ts";
import type { DeathReason } from "./dead-letters.ts";
import { restOf } from "./held.ts";
import type { Held } from "./held.ts";
import type { Lease } from "./lease.ts";
import { formatReceipt } from "./receipt.ts";
import type { Room } from "./room.ts";
import { settle } from "./settle.ts";
import type { NackOptions } from "./settle.ts";
import { hasCode } from "./window.ts";
import type { Member, Window } from "./window.ts";
import { idOf, upcomingOf } from "./upcoming.ts";
import type { Upcoming } from "./upcoming.ts";

/** A message's place in a batch, and the window that it will be in. */
export interface Place {
  readonly file: BatchFile;
  readonly window: Window;
  /** Its index in the batch: behind those that are in the window. */
  readonly index: number;
  /** Where it starts, and where its slice ends. */
  readonly from: number;
  readonly end: number;
}

export class Message implements Member {
  readonly queue: string;
  readonly headers: Headers;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** Of the payload. */
  readonly bytes: number;
  /** For its window. */
  readonly next: number;
  isAcked = false;
  window: Window;
  readonly #room: Room;
  readonly #file: BatchFile;
  readonly #offset: number;
  readonly #lease: Lease;
  readonly #batch: string;
  readonly #index: number;
  #isSettled = false;
  #isClosed = false;
  #failure: unknown;

  constructor(room: Room, lease: Lease, { file, window, index }: Place, span: Span) {
    const { batch, first, attempts, restAttempts } = window.held.slice!;
    this.#room = room;
    this.#lease = lease;
    this.#file = file.share();
    this.#offset = span.offset;
    this.#batch = batch;
    this.#index = index;
    this.queue = room.name;
    this.headers = span.headers;
    this.attempt = (index === first ? attempts : restAttempts) + 1;
    this.bytes = span.bytes;
    this.next = span.next;
    this.window = window;
    window.add(this);
  }

  get id(): string {
    return idOf(this.#file, this.#batch, this.#index);
  }

  get enqueuedAt(): Date {
    return new Date(timeOfId(this.#batch));
  }

  /** The payload in one piece. @throws BAD_VALUE above 2 GiB: use `stream`. */
  body(): Promise<Buffer> {
    return this.#file.buffer(this.#offset, this.bytes);
  }

  /** The payload in blocks, never held whole. */
  stream(): AsyncGenerator<Buffer> {
    return this.#file.read(this.#offset, this.bytes);
  }

  /** True once it was acked, nacked or rejected. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Names this claim for `ack`, `nack`, `reject` and `extend` by another process. */
  async receipt(): Promise<string> {
    if (this.#isSettled) throw leaseLost(`message ${this.id}`);
    const { held } = await this.window.alone(this);
    if (held.slice === undefined) throw leaseLost(`message ${this.id}`);
    return formatReceipt({
      queue: this.queue,
      lease: this.#lease.name,
      slice: formatSlice(held.slice),
    });
  }

  /** Done. @throws LEASE_LOST where another consumer may have it now. */
  ack(): Promise<void> {
    if (this.#isSettled) return Promise.reject(settledBefore(this.id));
    this.#isSettled = true;
    try {
      return this.window.ack(this);
    } catch (error) {
      void this.#close();
      return Promise.reject(error);
    }
  }

  /** Not done: it is delivered again after a while, or is a dead letter past the queue's limit. */
  async nack(options: NackOptions = {}): Promise<void> {
    await this.#settle((held) => settle.nack(this.#room, held, this.next, options));
  }

  /** It will never be done: a dead letter now. */
  async reject(reason: Partial<DeathReason> = {}): Promise<void> {
    const why = { ...reason, reason: reason.reason ?? "rejected" };
    await this.#settle((held) => held.reject(this.next, why, true));
  }

  /** @throws LEASE_LOST where the lease was taken away. A consumer's lease extends by itself. */
  async extend(): Promise<void> {
    await this.#lease.check();
  }

  /**
   * For its consumer: the error of the disk after which it is out of reach. The names in the lease are
   * half changed, or as they were; who takes the lease over puts that right.
   */
  get failure(): unknown {
    return this.#failure;
  }

  /** Aborted when the lease was found to be lost: the work on this message is in vain. */
  get lost(): AbortSignal {
    return this.#lease.lost;
  }

  /** For its consumer: does `act` with what comes behind it in the same claim, if there is something. */
  async behind(act: (next: Upcoming) => Promise<void>): Promise<void> {
    const { slice } = this.held;
    if (this.#isSettled || slice === undefined || slice.count === 1) return;
    const file = this.#file.share();
    try {
      const next = await upcomingOf(file, restOf(slice, 1, this.next));
      if (next !== undefined) await act(next);
    } finally {
      await file.close();
    }
  }

  /** For its consumer: leaves it in the lease, to be settled by its receipt. */
  async leave(): Promise<void> {
    await this.#settle(async () => {});
  }

  /** For its consumer: gives it back where nobody has settled it; with all that is behind it and in nobody's hand. */
  async giveBack(): Promise<void> {
    if (this.#isSettled) return;
    if (this.held.slice === undefined) {
      // Its lease was lost, and it comes again without us.
      this.#isSettled = true;
      await this.#close();
      return;
    }
    await this.#settle(async (held) => held.giveBack(), this.window.size > 1);
  }

  /** For its consumer: what holds it. */
  get held(): Held {
    return this.window.held;
  }

  /** For its window. */
  acked(): Awaitable<void> {
    return this.#close();
  }

  /** Once: others share the file. */
  #close(): Awaitable<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    return this.#file.close();
  }

  /** For its window. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#lease.failure ??= error;
  }

  /** @param isParted  from all others before. */
  async #settle(act: (held: Held) => Promise<void>, isParted = false): Promise<void> {
    if (this.#isSettled) throw settledBefore(this.id);
    this.#isSettled = true;
    try {
      if (isParted) await this.window.alone(this);
      await this.window.settle(this, act);
    } catch (error) {
      // Refused before anything was done: it can be settled still, and be read.
      if (hasCode(error, "BAD_VALUE")) {
        this.#isSettled = false;
        throw error;
      }
      if (!hasCode(error, "LEASE_LOST")) this.fail(error);
      await this.#close();
      throw error;
    }
    await this.#close();
  }
}

const settledBefore = (id: string): SpoolError =>
  new SpoolError("LEASE_LOST", `message ${id} was settled before`);
