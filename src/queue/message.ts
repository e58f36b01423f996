/** One message in the hands of a consumer: its payload, and what can become of it. */
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
import { idOf, upcomingOf } from "./upcoming.ts";
import type { Upcoming } from "./upcoming.ts";

export class Message {
  readonly queue: string;
  readonly headers: Headers;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** Of the payload. */
  readonly bytes: number;
  readonly #room: Room;
  readonly #file: BatchFile;
  readonly #span: Span;
  readonly #lease: Lease;
  #held: Held;
  #isSettled = false;
  #isDone = false;
  #isOver = false;
  #failure: unknown;
  #turn: Promise<unknown> | undefined;
  readonly #batch: string;
  readonly #index: number;

  constructor(room: Room, lease: Lease, held: Held, file: BatchFile, span: Span) {
    const slice = held.slice!;
    this.#room = room;
    this.#lease = lease;
    this.#held = held;
    this.#file = file.share();
    this.#span = span;
    this.queue = room.name;
    this.#batch = slice.batch;
    this.#index = slice.first;
    this.headers = span.headers;
    this.attempt = slice.attempts + 1;
    this.bytes = span.bytes;
  }

  get id(): string {
    return idOf(this.#file, this.#batch, this.#index);
  }

  get enqueuedAt(): Date {
    return new Date(timeOfId(this.#batch));
  }

  /** The payload in one piece. @throws BAD_VALUE above 2 GiB: use `stream`. */
  async body(): Promise<Buffer> {
    return this.#file.buffer(this.#span.offset, this.bytes);
  }

  /** The payload in blocks, never held whole. */
  stream(): AsyncGenerator<Buffer> {
    return this.#file.read(this.#span.offset, this.bytes);
  }

  /** True once it was acked, nacked or rejected. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** True once that is done, and nothing more is to be waited for. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Names this claim for `ack`, `nack`, `reject` and `extend` by another process. */
  async receipt(): Promise<string> {
    const isHeld = await this.stepAside();
    const { slice } = this.#held;
    if (!isHeld || slice === undefined) throw leaseLost(`message ${this.id}`);
    return formatReceipt({
      queue: this.queue,
      lease: this.#lease.name,
      slice: formatSlice(slice),
    });
  }

  /** Done. @throws LEASE_LOST where another consumer may have it now. */
  async ack(): Promise<void> {
    await this.#settle(() => this.#held.ack(1, this.#span.next));
  }

  /** Not done: it is delivered again after a while, or is a dead letter past the queue's limit. */
  async nack(options: NackOptions = {}): Promise<void> {
    await this.#settle(() => settle.nack(this.#room, this.#held, this.#span.next, options));
  }

  /** It will never be done: a dead letter now. */
  async reject(reason: Partial<DeathReason> = {}): Promise<void> {
    const why = { ...reason, reason: reason.reason ?? "rejected" };
    await this.#settle(() => this.#held.reject(this.#span.next, why, true));
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

  /**
   * For its consumer, who wants to go on: false where it was settled, else true, and the messages
   * behind it are not its own any more. Decided in its turn: an ack may be on its way.
   */
  stepAside(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#isDone) return false;
      if ((this.#held.slice?.count ?? 1) > 1) await this.#detach();
      return true;
    });
  }

  async #detach(): Promise<void> {
    try {
      this.#held = await this.#held.detach(this.#span.next);
    } catch (error) {
      // Half done, and nothing left that could be tried again.
      if (this.#held.slice === undefined && !hasCode(error, "LEASE_LOST")) this.#failure = error;
      throw error;
    }
  }

  /** Aborted when the lease was found to be lost: the work on this message is in vain. */
  get lost(): AbortSignal {
    return this.#lease.lost;
  }

  /** For its consumer: does `act` with what comes behind it in the same claim, if there is something. */
  async behind(act: (next: Upcoming) => Promise<void>): Promise<void> {
    const { slice } = this.#held;
    if (this.#isSettled || slice === undefined || slice.count === 1) return;
    const file = this.#file.share();
    try {
      const next = await upcomingOf(file, restOf(slice, 1, this.#span.next));
      if (next !== undefined) await act(next);
    } finally {
      await file.close();
    }
  }

  /** For its consumer: leaves it in the lease, to be settled by its receipt. */
  async leave(): Promise<void> {
    await this.#settle(async () => {});
  }

  /** For its consumer: gives it back where nobody has settled it. */
  async giveBack(): Promise<void> {
    if (!this.#isSettled) await this.#settle(() => this.#held.giveBack());
  }

  /** For its consumer: another Message goes on with the slice; this one owns its own. */
  get held(): Held {
    return this.#held;
  }

  async #settle(act: () => Promise<void>): Promise<void> {
    if (this.#isSettled)
      throw new SpoolError("LEASE_LOST", `message ${this.id} was settled before`);
    this.#isSettled = true;
    await this.#inTurn(async () => {
      this.#isDone = true;
      try {
        await act();
      } catch (error) {
        // Refused before anything was done: it can be settled still, and be read.
        if (hasCode(error, "BAD_VALUE")) {
          this.#isSettled = this.#isDone = false;
          throw error;
        }
        if (!hasCode(error, "LEASE_LOST")) this.#failure = error;
        await this.#file.close();
        throw error;
      }
      this.#isOver = true;
      const closing = this.#file.close();
      if (closing !== undefined) await closing;
    });
  }

  /** One act after the other: an ack beside a detach would work on names that change under it. */
  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn === undefined ? act() : this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }
}

const hasCode = (error: unknown, code: SpoolError["code"]): boolean =>
  error instanceof SpoolError && error.code === code;
