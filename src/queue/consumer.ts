/**
 * A consumer: one lease, and the messages that it claims with it.
 */
import { BellWatch } from "../disk/bell.ts";
import { fromErrno, isErrno, SpoolError } from "../errors.ts";
import { POLL_MS, RECHECK_MS } from "../limits.ts";
import { DamagedError } from "../message/batch.ts";
import type { Warn } from "./aside.ts";
import type { Buckets } from "./buckets.ts";
import { Claimer } from "./claimer.ts";
import type { Claim } from "./claimer.ts";
import { adoptDropped } from "./drop-box.ts";
import { QueueDelivery } from "./intake.ts";
import { Lease, parseLeaseName } from "./lease.ts";
import type { LeaseStyle } from "./lease.ts";
import { Memory } from "./memory.ts";
import { Message } from "./message.ts";
import { Reclaimer } from "./reclaim.ts";
import type { Room } from "./room.ts";
import { Scanner } from "./scan.ts";
import { sweepDrafts } from "./sweep.ts";

/** How often a busy consumer looks for dead ones, in ms. */
const REAP_MS = 5000;

/** How often a busy consumer looks into the drop box, in ms. */
const ADOPT_MS = 50;

/** How often, and how far apart in ms, a consumer looks whether others give something back. */
const LAST_LOOKS = 3;
const LAST_LOOK_MS = 15;

export interface ConsumerOptions {
  /** Default: as the queue is set. */
  readonly leaseMs?: number;
  /** Told of damaged and foreign files that were met, one line each. */
  readonly warn?: Warn;
  /** Nothing is kept of a message once its claim is closed, so that memory can be used again. */
  readonly isTransient?: boolean;
  /** Period of the poll where the file system carries no events, in ms. */
  readonly pollMs?: number;
}

export class Consumer {
  readonly #room: Room;
  readonly #buckets: Buckets;
  readonly #options: ConsumerOptions;
  readonly #delivery: QueueDelivery;
  readonly #style: LeaseStyle;
  readonly #scanner: Scanner;
  readonly #claimer: Claimer;
  readonly #reclaimer: Reclaimer;
  #lease: Lease | undefined;
  #bell: BellWatch | undefined;
  #told = "";
  #reapedMs = Number.NEGATIVE_INFINITY;
  #adoptedMs = Number.NEGATIVE_INFINITY;
  /** Claims are made one after the other, so that two slots do not race for one slice. */
  #turn: Promise<unknown> = Promise.resolve();
  #waiting: Promise<void> | undefined;

  constructor(room: Room, buckets: Buckets, style: LeaseStyle, options: ConsumerOptions = {}) {
    this.#room = room;
    this.#buckets = buckets;
    this.#delivery = new QueueDelivery(room, buckets);
    this.#style = style;
    this.#options = options;
    const warn = options.warn ?? (() => {});
    this.#scanner = new Scanner(room, buckets);
    const memory = options.isTransient ? new Memory() : undefined;
    this.#claimer = new Claimer(room, buckets, this.#scanner, warn, memory);
    this.#reclaimer = new Reclaimer(room, buckets, warn);
  }

  /** The lease; made at the first claim. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  /** Claims up to `want` messages of one slice; undefined where nothing is ready. */
  claim(want: number): Promise<Claim | undefined> {
    const claim = this.#turn.then(() => this.#claim(want));
    this.#turn = claim.catch(() => {});
    return claim;
  }

  async #claim(want: number): Promise<Claim | undefined> {
    try {
      await this.#reap(REAP_MS);
      await this.#adopt();
    } catch (error) {
      throw await this.#explain(error);
    }
    if (this.#lease === undefined) {
      // A queue with nothing in it costs no lease.
      const candidate = await this.#scanner.next(await this.#room.now());
      if (candidate === undefined) return undefined;
      this.#scanner.putBack(candidate);
      const { leaseMs } = await this.#room.settings();
      this.#lease = await Lease.open(this.#room, this.#options.leaseMs ?? leaseMs, this.#style);
    }
    try {
      return await this.#claimer.claim(this.#lease, want);
    } catch (error) {
      if (error instanceof SpoolError && error.code === "LEASE_LOST") await this.#dropLease();
      throw await this.#explain(error);
    }
  }

  /** Reads what is likely to be next, and claims nothing; for who is busy with what it has claimed. */
  readAhead(): Promise<void> {
    const reading = this.#turn.then(() => this.#claimer.readAhead());
    this.#turn = reading.catch(() => {});
    return reading;
  }

  /** Looks into the drop box, now and then: while there is much to do it can wait a little. */
  async #adopt(): Promise<void> {
    const nowMs = this.#room.disk.clock.monotonicMs();
    if (nowMs - this.#adoptedMs < ADOPT_MS && !this.#scanner.isUsedUp) return;
    this.#adoptedMs = nowMs;
    if ((await adoptDropped(this.#room, this.#buckets)) > 0) this.#scanner.forget();
  }

  /** A directory that is missing may mean that the queue was removed: then that is the error. */
  async #explain(error: unknown): Promise<unknown> {
    if (!isErrno(error, "ENOENT")) return error;
    this.#room.forgetSettings();
    try {
      await this.#room.settings();
      return error;
    } catch (reason) {
      return reason;
    }
  }

  async #closeLease(): Promise<void> {
    await this.#lease?.close();
    this.#lease = undefined;
  }

  /** Forgets a lease that was taken away; the next claim makes a new one. */
  async #dropLease(): Promise<void> {
    await this.#lease?.abandon();
    this.#lease = undefined;
    this.#scanner.forget();
  }

  /** A message from a claim, the first of what is still held. */
  async open(claim: Claim): Promise<Message | undefined> {
    const { held, file } = claim;
    const slice = held.slice;
    if (slice === undefined || this.#lease === undefined) return undefined;
    try {
      const found = file.spanAt(slice.offset, slice.offset + slice.bytes);
      const span = found instanceof Promise ? await found : found;
      return new Message(this.#room, this.#lease, held, file, span);
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      this.#options.warn?.(`${held.path}: damaged: ${error.message}; moved to the dead letters`);
      await held.bury({ reason: `damaged: ${error.message}` });
      return undefined;
    }
  }

  /** Puts right what the dead have left, where the last look is longer ago than this. */
  async #reap(everyMs: number): Promise<boolean> {
    const nowMs = this.#room.disk.clock.monotonicMs();
    if (nowMs - this.#reapedMs < everyMs) return false;
    this.#reapedMs = nowMs;
    const { messages } = await this.#reclaimer.run(this.#lease?.name);
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
      if (error.message !== this.#told) this.#options.warn?.(error.message);
      this.#told = error.message;
      return 0;
    }
  }

  /**
   * A last look before a queue is called empty: true where it is not.
   *
   * What a dead consumer held comes back first. And while another consumer splits a slice, the
   * whole of it is in that one's lease for a moment: so where there are others, look a few times.
   */
  async hasMore(): Promise<boolean> {
    this.#scanner.forget();
    if (await this.#reap(0)) return true;
    const { fs, layout } = this.#room;
    for (let look = 0; look < LAST_LOOKS; look++) {
      const leases = (await fs.list(layout.leases)).filter((name) => parseLeaseName(name));
      if (!leases.some((name) => name !== this.#lease?.name)) return false;
      await new Promise((resolve) => setTimeout(resolve, LAST_LOOK_MS));
      const candidate = await this.#scanner.next(await this.#room.now());
      this.#scanner.forget();
      if (candidate !== undefined) return true;
    }
    return false;
  }

  /** Starts to listen, so that what is put from now on ends the next `wait`. */
  async listen(): Promise<void> {
    const { pollMs = POLL_MS } = this.#options;
    this.#bell ??= await BellWatch.open(this.#room.layout.bell, this.#room.disk.kind, pollMs);
  }

  /**
   * Waits until there may be something to claim: the bell, the next scheduled message, the end of
   * a dead consumer's lease, `limitMs`, or the signal, whichever is first.
   */
  async wait(limitMs: number, signal?: AbortSignal): Promise<void> {
    this.#waiting ??= this.#wait(limitMs, signal).finally(() => (this.#waiting = undefined));
    await this.#waiting;
  }

  async #wait(limitMs: number, signal?: AbortSignal): Promise<void> {
    // Nobody refreshes a brief lease: it would be lost while we wait.
    if (this.#style !== "beating") await this.#closeLease();
    await this.listen();
    const { kind } = this.#room.disk;
    const recheckMs = kind.shared ? (this.#options.pollMs ?? POLL_MS) : RECHECK_MS;
    const dueInMs = Math.max(1, this.#scanner.nextDueMs - (await this.#room.now()));
    const startMs = this.#room.disk.clock.monotonicMs();
    await this.#bell!.wait(Math.min(recheckMs, dueInMs, limitMs), signal);
    this.#scanner.forget();
    // It was quiet for a while: see whether somebody has died.
    const waitedMs = this.#room.disk.clock.monotonicMs() - startMs;
    if (waitedMs > recheckMs / 2) {
      this.#room.forgetSettings();
      await this.#reap(recheckMs / 2);
    }
  }

  /** Closes what is open. What is still held goes back by the reaper unless it was given back. */
  async close(): Promise<void> {
    await this.#turn;
    await this.#bell?.close();
    await this.#claimer.close();
    await this.#lease?.close();
  }

  /** Closes what is open, and leaves the lease to those who have its receipts. */
  async leave(): Promise<void> {
    await this.#bell?.close();
    await this.#claimer.close();
  }
}
