/**
 * What processes were told: calls, returns, and what consumers were handed. The checker reads only this
 * and what is left in the end. `step` is the order in which things happened.
 */
import type { SpoolErrorCode } from "../../src/errors.ts";
import type { LeaseStyle } from "../../src/queue/lease.ts";

export const QUEUE = "jobs";
export const SPARE = "spare";
export const TOPIC = "logs.app";
export const PATTERN = "logs.*";

export type Level = "error" | "info";

/** One message that somebody put or published. */
export interface Sent {
  readonly body: string;
  /** A queue, or the topic. */
  readonly to: string;
  readonly level: Level;
  readonly key: string | undefined;
  readonly began: number;
  /** Of all that were sent by one call: a batch is all or none. */
  readonly call: number;
  readonly process: string;
  /** In true time, as `endedMs`. */
  readonly beganMs: number;
  ended?: number;
  endedMs?: number;
  /** Undefined where its process died before it was told. */
  result?: "ok" | "duplicate" | SpoolErrorCode | undefined;
  /** What it was told as the message's id. */
  id?: string;
}

export type How = "ack" | "nack" | "reject" | "give back";

export interface Settling {
  readonly how: How;
  readonly began: number;
  ended?: number;
  endedMs?: number;
  result?: "ok" | SpoolErrorCode;
}

/** A time to live that was set anew, from `beganMs` on. */
export interface Extension {
  readonly process: string;
  readonly beganMs: number;
  readonly forMs: number;
  /** When it was told that it worked. */
  endedMs?: number;
}

/** What a consumer holds its messages by. */
export interface Hold {
  readonly place: string;
  readonly process: string;
  readonly style: LeaseStyle;
  readonly ttlMs: number;
  /** When its consumer began: its lease is younger. */
  readonly since: number;
  readonly sinceMs: number;
  readonly extensions: Extension[];
  /** Its consumer left messages in it and then went on, which gives the last one back. */
  readonly isLoose: boolean;
  /** It may have several messages of one claim in hand (`prefetch`). */
  isMany?: boolean;
  /** When its consumer began to close. */
  endedMs?: number;
  /** Its consumer has closed: nothing is in it any more, or it was left to others. */
  isClosed?: boolean;
}

/** A consumer was told that its lease is lost, where it asked for more. */
export interface Loss {
  readonly hold: Hold;
  readonly at: number;
  readonly atMs: number;
}

/** What became of a process. */
export interface Life {
  readonly end: number;
  readonly endMs: number;
  /** The longest time that it wanted to go on and could not: stopped, or others were faster. */
  readonly longestWaitMs: number;
}

/** Somebody makes a queue with a setting, or changes that; each value is used once. */
export interface Configured {
  readonly place: string;
  readonly value: number;
  /** A queue that is there already keeps what it has. */
  readonly isMake: boolean;
  readonly process: string;
  readonly began: number;
  ended?: number;
  result?: "ok" | SpoolErrorCode;
}

export interface Redrive {
  readonly process: string;
  readonly began: number;
  ended?: number;
}

/** A consumer was handed a message. */
export interface Handing {
  /** The queue or subscription. */
  readonly place: string;
  readonly body: string;
  /** What tells a replay's delivery from others. */
  readonly replay: string | undefined;
  readonly id: string;
  readonly process: string;
  /** When its consumer began: whatever it holds was claimed later. */
  readonly since: number;
  readonly at: number;
  readonly atMs: number;
  /** 1 for the first. */
  readonly attempt: number;
  /** No other message was claimed with it. */
  readonly isAlone: boolean;
  readonly hold: Hold;
  readonly settlings: Settling[];
}

/** A subscription; each has a name of its own, for good. */
export interface Subscription {
  /** Like `logs.app/s3`. */
  readonly name: string;
  readonly level: Level | undefined;
  readonly from: "now" | "start";
  readonly began: number;
  made?: number;
  /** When somebody began to remove it. */
  closing?: number;
}

export interface Replay {
  readonly name: string;
  readonly began: number;
  ended?: number;
  result?: number | SpoolErrorCode;
}

export class History {
  readonly sent: Sent[] = [];
  readonly handings: Handing[] = [];
  readonly subscriptions: Subscription[] = [];
  readonly replays: Replay[] = [];
  /** When the power went. */
  readonly cuts: number[] = [];
  readonly holds: Hold[] = [];
  readonly losses: Loss[] = [];
  readonly lives = new Map<string, Life>();
  readonly redrives: Redrive[] = [];
  readonly configured: Configured[] = [];
  /** What was found of that in the end; undefined for a place that was not looked at. */
  foundSettings: ReadonlyMap<string, number> | undefined;
  /** Of all dead letters in the end. */
  readonly reasons: { readonly place: string; readonly letter: string; readonly reason: string }[] =
    [];
  /** Places with a limit of attempts. */
  readonly maxAttempts = new Map<string, number>();
  /** When the disk's clock jumped, in true time. */
  readonly jumpsMs: number[] = [];
  /** What the disk's clock counts in. */
  tickMs = 1;
  /** Of the queues that are there from the start; that of the others is longer. */
  leaseMs = 30_000;
  dedupWindowMs = Number.POSITIVE_INFINITY;
  /** A shared disk has lost replies. */
  isReplyLost = false;
  /** When the disk's clock jumped, or somebody slept for long: times prove nothing any more. */
  isTimeStrange = false;
  #step = 0;
  #names = 0;

  step(): number {
    return ++this.#step;
  }

  /** The last step. */
  get now(): number {
    return this.#step;
  }

  name(): string {
    return String(++this.#names);
  }

  /** Those that were made, or may have been, and that nobody has begun to remove. */
  openSubscriptions(): Subscription[] {
    return this.subscriptions.filter(
      ({ made, closing }) => made !== undefined && closing === undefined,
    );
  }
}
