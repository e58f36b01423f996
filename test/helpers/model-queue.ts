/**
 * What a queue is, without a disk: a table of messages, and what each consumer holds.
 *
 * This is the specification that the engine is held against (test/helpers/model-world.ts runs both). It
 * knows nothing of files, buckets, links or renames. Where the engine may choose (how many messages
 * a claim takes, where in its span a back-off falls) the world tells the model what was chosen, and
 * checks that it was allowed.
 */
import type { QueueSettings } from "../../src/queue/settings.ts";

export interface ModelMessage {
  readonly batch: string;
  readonly index: number;
  /** As a consumer sees it. */
  readonly id: string;
  readonly payload: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rank: number;
  visibleMs: number;
  expiresMs: number | undefined;
  attempts: number;
  state: "waiting" | "held" | "dead";
}

export interface ModelLease {
  readonly name: string;
  readonly process: string;
  readonly ttlMs: number;
  lockMs: number;
  /** What it holds: runs of messages of one batch, the first of each in hand. */
  slices: string[][];
}

export const keyOf = (batch: string, index: number): string => `${batch}.${index}`;

const pad = (value: number, width: number): string => String(value).padStart(width, "0");

export class ModelQueue {
  readonly settings: QueueSettings;
  readonly messages = new Map<string, ModelMessage>();
  readonly leases = new Map<string, ModelLease>();
  /** How messages that are no more have ended. */
  readonly ended = new Map<string, "acked" | "purged" | "expired" | "moved">();
  /** Payloads of files in the drop box, by name. */
  readonly dropped = new Map<string, string>();
  readonly #markers = new Map<string, string>();

  constructor(settings: QueueSettings) {
    this.settings = settings;
  }

  get(key: string): ModelMessage {
    const message = this.messages.get(key);
    if (message === undefined) throw new Error(`the model has no message ${key}`);
    return message;
  }

  isScheduled(message: ModelMessage, nowMs: number): boolean {
    return message.state === "waiting" && message.visibleMs > nowMs;
  }

  isExpired({ expiresMs, state }: ModelMessage, nowMs: number): boolean {
    return state === "waiting" && expiresMs !== undefined && expiresMs <= nowMs;
  }

  isSpent({ attempts }: ModelMessage): boolean {
    return this.settings.maxAttempts > 0 && attempts >= this.settings.maxAttempts;
  }

  /** What a consumer may be given now, in the order of delivery. */
  deliverable(nowMs: number): [string, ModelMessage][] {
    return [...this.messages]
      .filter(
        ([, message]) =>
          message.state === "waiting" &&
          !this.isScheduled(message, nowMs) &&
          !this.isExpired(message, nowMs) &&
          !this.isSpent(message),
      )
      .toSorted(([, a], [, b]) => (orderOf(a) < orderOf(b) ? -1 : 1));
  }

  end(key: string, how: "acked" | "purged" | "expired" | "moved"): void {
    this.get(key);
    this.messages.delete(key);
    this.ended.set(key, how);
  }

  /** The id that a put with this dedup key is answered with, or undefined where it goes in. */
  seen(dedupKey: string, nowMs: number): string | undefined {
    const { dedupWindowMs: windowMs } = this.settings;
    const epoch = Math.floor(nowMs / windowMs);
    return (
      this.#markers.get(`${epoch}:${dedupKey}`) ?? this.#markers.get(`${epoch + 1}:${dedupKey}`)
    );
  }

  remember(dedupKey: string, nowMs: number, id: string): void {
    const epoch = Math.floor(nowMs / this.settings.dedupWindowMs);
    this.#markers.set(`${epoch}:${dedupKey}`, id);
    this.#markers.set(`${epoch + 1}:${dedupKey}`, id);
  }

  /** One attempt more, of which `by` tells: a dead letter past the limit, or waiting again. */
  retry(key: string, isLast: boolean): void {
    const message = this.get(key);
    message.attempts++;
    message.state = isLast && this.isSpent(message) ? "dead" : "waiting";
  }

  /** Every lease whose holder is gone or silent is taken over; nobody takes his own. */
  reap(nowMs: number, isGone: (process: string) => boolean, own?: string): void {
    for (const lease of this.leases.values()) {
      if (lease.name === own) continue;
      if (!isGone(lease.process) && nowMs - lease.lockMs <= lease.ttlMs) continue;
      this.leases.delete(lease.name);
      for (const [first, ...rest] of lease.slices) {
        if (first === undefined) continue;
        this.retry(first, rest.length === 0);
        for (const key of rest) this.get(key).state = "waiting";
      }
    }
  }
}

/** Highest priority first, then by the time at which it became visible, then as it was put. */
export function orderOf({ rank, visibleMs, batch, index }: ModelMessage): string {
  return `${rank}-${pad(visibleMs, 13)}-${batch}-${pad(index, 7)}`;
}
