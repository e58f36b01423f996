/**
 * A consumer: one lease, and the messages that it claims with it.
 */
import { BellWatch } from "../disk/bell.ts";
import type { Awaitable } from "../disk/file-system.ts";
import { loadHeartbeat } from "../disk/heartbeat.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { POLL_MS, RECHECK_MS } from "../limits.ts";
import { DamagedError } from "../message/batch.ts";
import type { Warn } from "./aside.ts";
import type { Span } from "./batch-file.ts";
import type { Buckets } from "./buckets.ts";
import { Chores, REAP_MS } from "./chores.ts";
import { Claimer } from "./claimer.ts";
import type { Claim } from "./claimer.ts";
import { Lease, parseLeaseName } from "./lease.ts";
import type { LeaseStyle } from "./lease.ts";
import { Memory } from "./memory.ts";
import { Message } from "./message.ts";
import type { Place } from "./message.ts";
import type { Room } from "./room.ts";
import { Scanner } from "./scan.ts";
import { Turns } from "./turns.ts";
import { Window } from "./window.ts";

/** A reading of the disk's clock that is older, in ms, is made anew before a wait. */
const CLOCK_MS = 30_000;

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
  readonly #options: ConsumerOptions;
  readonly #style: LeaseStyle;
  readonly #scanner: Scanner;
  readonly #claimer: Claimer;
  readonly #chores: Chores;
  #lease: Lease | undefined;
  #bell: BellWatch | undefined;
  readonly #turns = new Turns();
  #waiting: Promise<void> | undefined;

  constructor(room: Room, buckets: Buckets, style: LeaseStyle, options: ConsumerOptions = {}) {
    this.#room = room;
    this.#style = style;
    this.#options = options;
    const warn = options.warn ?? (() => {});
    this.#scanner = new Scanner(room, buckets);
    const memory = options.isTransient ? new Memory() : undefined;
    this.#claimer = new Claimer(room, buckets, this.#scanner, warn, memory);
    this.#chores = new Chores(room, buckets, warn);
  }

  /** The lease; made at the first claim. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  /** The error of the disk that has put something that it holds out of reach. */
  get failure(): unknown {
    return this.#lease?.failure;
  }

  /**
   * Claims up to `want` messages of one slice; undefined where nothing is ready.
   *
   * One claim after the other, so that two slots do not race for one slice.
   */
  claim(want: number): Awaitable<Claim | undefined> {
    return this.#turns.take(() => this.#claim(want));
  }

  #claim(want: number): Awaitable<Claim | undefined> {
    const lease = this.#lease;
    const isDue = this.#chores.isReapingDue || this.#isAdoptionDue;
    if (lease === undefined || isDue) return this.#claimWithCare(want);
    try {
      const claim = this.#claimer.claim(lease, want);
      if (claim instanceof Promise) return this.#orDropped(claim, want);
      return claim ?? this.#orDropped(claim, want);
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** What lies in the drop box is ready, too. */
  async #orDropped(claim: Awaitable<Claim | undefined>, want: number): Promise<Claim | undefined> {
    try {
      return (await claim) ?? ((await this.#adopt()) ? await this.#claimReady(want) : undefined);
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** With what is to be done now and then before a claim, and before the first one. */
  async #claimWithCare(want: number): Promise<Claim | undefined> {
    try {
      await this.#chores.reap(REAP_MS, this.#lease?.name);
      const isAdoptionDue = this.#isAdoptionDue;
      if (isAdoptionDue) await this.#adopt();
      const claim = await this.#claimReady(want);
      if (claim !== undefined || isAdoptionDue || !(await this.#adopt())) return claim;
      return await this.#claimReady(want);
    } catch (error) {
      return this.#failed(error);
    }
  }

  async #failed(error: unknown): Promise<never> {
    if (error instanceof SpoolError && error.code === "LEASE_LOST") await this.#dropLease();
    throw await this.#explain(error);
  }

  async #claimReady(want: number): Promise<Claim | undefined> {
    if (this.#lease === undefined) {
      // A queue with nothing in it costs no lease.
      const candidate = await this.#scanner.next(await this.#room.now());
      if (candidate === undefined) return undefined;
      this.#scanner.putBack(candidate);
      if (await this.#room.isPaused()) return undefined;
      const { leaseMs } = await this.#room.settings();
      this.#lease = await Lease.open(this.#room, this.#options.leaseMs ?? leaseMs, this.#style);
    }
    return this.#claimer.claim(this.#lease, want);
  }

  /** Reads what is likely to be next, and claims nothing; for who is busy with what it has claimed. */
  async readAhead(): Promise<void> {
    await this.#turns.take(() => this.#claimer.readAhead());
  }

  get #isAdoptionDue(): boolean {
    return this.#chores.isAdoptionDue || this.#scanner.isUsedUp;
  }

  async #adopt(): Promise<boolean> {
    const isFresh = await this.#chores.adopt();
    if (isFresh) this.#scanner.forget();
    return isFresh;
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
  async open({ held, file }: Claim): Promise<Message | undefined> {
    const { slice } = held;
    if (slice === undefined) return undefined;
    const { first: index, offset: from, bytes } = slice;
    return this.messageAt({ file, window: new Window(held), index, from, end: from + bytes });
  }

  /** A message of what a window holds; undefined where it is damaged, and buried now, or the lease is lost. */
  messageAt(place: Place): Awaitable<Message | undefined> {
    const { file, window, from, end } = place;
    const lease = this.#lease;
    if (window.held.slice === undefined || lease === undefined) return undefined;
    const open = (span: Span): Message => new Message(this.#room, lease, place, span);
    try {
      const span = file.spanAt(from, end);
      if (!(span instanceof Promise)) return open(span);
      return span.then(open, (error: unknown) => this.#notOpened(window, error));
    } catch (error) {
      return this.#notOpened(window, error);
    }
  }

  async #notOpened(window: Window, error: unknown): Promise<undefined> {
    if (!(error instanceof DamagedError)) throw error;
    const { held } = window;
    this.#options.warn?.(`${held.path}: damaged: ${error.message}; moved to the dead letters`);
    await window.part();
    await held.bury({ reason: `damaged: ${error.message}` });
  }

  /**
   * A last look before a queue is called empty: true where it is not. One that is paused is.
   *
   * What a dead consumer held comes back first. And while another consumer splits a slice, the
   * whole of it is in that one's lease for a moment: so where there are others, look a few times.
   */
  async hasMore(): Promise<boolean> {
    this.#scanner.forget();
    if (await this.#chores.reap(0, this.#lease?.name)) return true;
    const { fs, layout } = this.#room;
    if (await this.#room.isPaused()) return false;
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

  /**
   * Waits until there may be something to claim: the bell, the next scheduled message, the end of
   * a dead consumer's lease, `limitMs`, or the signal, whichever is first. The first call only
   * begins to listen: look once more.
   */
  async wait(limitMs: number, signal?: AbortSignal): Promise<void> {
    const waiting = (this.#waiting ??= this.#wait(limitMs, signal));
    try {
      await waiting;
    } finally {
      // Not a wait that has begun since: two at once would share one bell.
      if (this.#waiting === waiting) this.#waiting = undefined;
    }
  }

  async #wait(limitMs: number, signal?: AbortSignal): Promise<void> {
    // Nobody refreshes a brief lease: it would be lost while we wait.
    if (this.#style !== "beating") await this.#closeLease();
    const { disk, layout } = this.#room;
    const { pollMs = POLL_MS } = this.#options;
    if (this.#bell === undefined) {
      this.#bell = await BellWatch.open(layout.bell, disk.kind, pollMs);
      if (this.#style === "beating") await loadHeartbeat();
      // What was put between the last look and now was heard by nobody: look again.
      this.#scanner.forget();
      return;
    }
    if (await this.#prepare()) return;
    const recheckMs = disk.kind.shared ? pollMs : RECHECK_MS;
    const dueInMs = Math.max(1, this.#scanner.nextDueMs - (await this.#room.now()));
    const startMs = disk.clock.monotonicMs();
    const isRung = await this.#bell.wait(Math.min(recheckMs, dueInMs, limitMs), signal);
    this.#room.rested();
    this.#scanner.forget();
    if (isRung) {
      // Whoever rang has put something, most likely: the drop box comes after that.
      this.#chores.putOffAdoption();
    } else if (disk.clock.monotonicMs() - startMs > recheckMs / 2) {
      // It was quiet for a while: see whether somebody has died.
      this.#room.forgetSettings();
      await this.#chores.reap(recheckMs / 2, this.#lease?.name);
    }
  }

  /** Does before a wait what would else be due after it, between the bell and the message. */
  async #prepare(): Promise<boolean> {
    await this.#turns.take(() => this.#claimer.close());
    await this.#room.now(CLOCK_MS);
    const isChanged = await this.#chores.reap(REAP_MS / 2, this.#lease?.name);
    if (isChanged) this.#scanner.forget();
    return isChanged;
  }

  /** Closes what is open. What is still held goes back by the reaper unless it was given back. */
  async close(): Promise<void> {
    await this.#turns.end();
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
