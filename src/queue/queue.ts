/** A queue: competing consumers share its messages, each of which goes to exactly one of them. */
import { ring } from "../disk/bell.ts";
import { fromErrno } from "../errors.ts";
import type { MessageId } from "../message/id.ts";
import { Admission } from "./admission.ts";
import type { Warn } from "./aside.ts";
import { browse, look } from "./browse.ts";
import type { Found, Seen, State } from "./browse.ts";
import { Buckets } from "./buckets.ts";
import { move, purge } from "./bulk.ts";
import type { BulkOptions } from "./bulk.ts";
import { giveUp } from "./give-up.ts";
import { Consumer } from "./consumer.ts";
import type { ConsumerOptions } from "./consumer.ts";
import { reasonOf } from "./dead-letters.ts";
import type { DeathReason } from "./dead-letters.ts";
import type { PutOptions } from "./draft.ts";
import { Inventory } from "./inventory.ts";
import { QueueIntake } from "./intake.ts";
import type { Intake } from "./intake.ts";
import type { LeaseStyle } from "./lease.ts";
import type { Message } from "./message.ts";
import { messagesOf } from "./messages.ts";
import type { ConsumeOptions } from "./patience.ts";
import { Putter } from "./put.ts";
import type { Body, PutResult } from "./put.ts";
import { ManyPutter } from "./put-lines.ts";
import type { PutManyOptions } from "./put-lines.ts";
import { removeQueue } from "./remove.ts";
import { noQueue } from "./room.ts";
import type { Room } from "./room.ts";
import type { QueueSettings } from "./settings.ts";
import { unlessRemoved } from "./site.ts";
import { sweep } from "./sweep.ts";
import type { SweepResult } from "./sweep.ts";
import type { Verified, VerifyOptions } from "./finding.ts";
import { workOn } from "./worker.ts";
import type { Handler, WorkOptions } from "./worker.ts";

export class Queue {
  readonly name: string;
  /** For the parts of this package; not for programs that use it. */
  readonly room: Room;
  readonly buckets: Buckets;
  readonly inventory: Inventory;
  /** What puts go into. */
  readonly intake: Intake;
  readonly #putter: Putter;

  constructor(room: Room) {
    this.name = room.name;
    this.room = room;
    this.buckets = new Buckets(room);
    this.inventory = new Inventory(room);
    const admission = new Admission(room, this.inventory);
    this.intake = new QueueIntake(room, this.buckets, admission);
    this.#putter = new Putter(this.intake);
  }

  /**
   * Adds a message. When this resolves it is on stable storage (unless `sync: "none"`).
   *
   * Puts in flight at the same time share one file and one fsync: do not await each before the next.
   *
   * @throws BAD_HEADER, MESSAGE_TOO_LARGE, QUEUE_FULL, DISK_FULL, IO: then nothing was added.
   */
  put(body: Body, options?: PutOptions): Promise<PutResult> {
    return this.#putter.put(body, options);
  }

  /** Adds every line of a stream, or what ends with a NUL; `run` it. */
  putMany(options: PutManyOptions = {}): ManyPutter {
    return new ManyPutter(this.intake, options);
  }

  /**
   * Messages one by one, for `for await`. Settle each with `ack`, `nack` or `reject`; what was not
   * settled when the loop ends goes back.
   */
  messages(options: ConsumeOptions = {}): AsyncGenerator<Message> {
    return messagesOf(this.room, this.buckets, options);
  }

  /** Runs `handler` for each message until the signal aborts; resolves with how many there were. */
  async work(handler: Handler, options: WorkOptions = {}): Promise<number> {
    try {
      return await workOn(this.room, this.buckets, handler, options);
    } catch (error) {
      throw fromErrno(error);
    }
  }

  /** A consumer by hand: claims of many messages at once. */
  consumer(style: LeaseStyle, options?: ConsumerOptions): Consumer {
    return new Consumer(this.room, this.buckets, style, options);
  }

  async settings(): Promise<QueueSettings> {
    return this.room.settings();
  }

  /** Makes the queue; false where it was there already, with the settings it had. */
  create(settings?: QueueSettings): Promise<boolean> {
    return this.room.create(settings);
  }

  async changeSettings(change: Partial<QueueSettings>): Promise<void> {
    await this.room.save({ ...(await this.room.settings()), ...change });
    await ring(this.room.fs, this.room.layout.bell);
  }

  /** Looks at messages in a state, without claiming them. */
  async *peek(state: State, warn: Warn = () => {}): AsyncGenerator<Seen> {
    await this.room.settings();
    for await (const found of this.browse(state)) yield* look(this.room, found, warn);
  }

  browse(state: State): AsyncGenerator<Found> {
    return browse(this.room, this.buckets, state);
  }

  reasonOf(name: string): Promise<DeathReason> {
    return reasonOf(this.room, name);
  }

  async purge(options: BulkOptions): Promise<number> {
    await this.room.settings();
    return purge(this.room, this.buckets, options);
  }

  /** Moves messages to another queue of the same spool, or dead letters back to ready. */
  async moveTo(target: Queue, options: BulkOptions): Promise<number> {
    await this.room.settings();
    await target.room.settingsOrCreate();
    return move(this.room, this.buckets, target, options);
  }

  /** Makes dead letters of these messages, where they are ready or scheduled. */
  async giveUp(ids: readonly MessageId[], reason: string): Promise<number> {
    await this.room.settings();
    return giveUp(this.room, this.buckets, ids, reason);
  }

  /** @throws NO_QUEUE, also where it is removed meanwhile. */
  async sweep(warn: Warn = () => {}): Promise<SweepResult> {
    const { room, buckets, intake } = this;
    return unlessRemoved(room, noQueue, () => sweep(room, buckets, intake, warn));
  }

  /**
   * Reads every name and byte; with `repair` puts right what is wrong, and loses no payload.
   *
   * @throws NO_QUEUE, where it is removed meanwhile and something could not be read then.
   */
  async verify(options?: VerifyOptions): Promise<Verified> {
    // Loaded here, because who puts or takes needs none of it.
    const { verifyQueue } = await import("./verify.ts");
    const { room, buckets, intake: delivery } = this;
    return unlessRemoved(room, noQueue, () => verifyQueue({ room, buckets, delivery }, options));
  }

  /** Removes the queue and everything in it. @throws NO_QUEUE */
  async remove(): Promise<void> {
    await removeQueue(this.room);
  }
}
