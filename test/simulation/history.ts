/**
 * What processes were told: calls, returns, and what consumers were handed. The checker reads only this
 * and what is left in the end. `step` is the order in which things happened.
 */
import type { SpoolErrorCode } from "../../src/errors.ts";

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
  ended?: number;
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
  result?: "ok" | SpoolErrorCode;
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
  /** When the disk's clock jumped, or somebody slept for long: times prove nothing any more. */
  isTimeStrange = false;
  #step = 0;
  #names = 0;

  step(): number {
    return ++this.#step;
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
