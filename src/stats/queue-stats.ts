/**
 * What there is to know about a queue from names alone. Reads; changes nothing.
 */
import type { Breath } from "../clock.ts";
import { ignore } from "../disk/durable.ts";
import type { Queue } from "../queue/queue.ts";
import { noQueue } from "../queue/room.ts";
import type { Room } from "../queue/room.ts";
import { unlessRemoved } from "../queue/site.ts";

export interface QueueStats {
  readonly name: string;
  /** Messages that a consumer could have now. */
  readonly ready: number;
  /** Messages that become visible later. */
  readonly scheduled: number;
  /** Messages that are claimed. */
  readonly inFlight: number;
  /** Messages that were given up. */
  readonly dead: number;
  /** Messages whose time to live is over, not yet swept. */
  readonly expired: number;
  /** Since the oldest ready message was put, in ms; undefined where none is ready. */
  readonly oldestMs: number | undefined;
  /** Until the next scheduled message is due, in ms. */
  readonly nextDueInMs: number | undefined;
  /** Payload bytes ready, scheduled and in flight, with their framing. */
  readonly bytes: number;
  /** The same without what is in flight: what max-bytes limits. */
  readonly waitingBytes: number;
  /** Leases that are held. */
  readonly consumers: number;
  /** Of a subscription: published messages that no consumer is done with: ready, claimed, or to be retried. */
  readonly lag: number | undefined;
  /** Since the oldest of these was published, in ms; 0 where there is none. */
  readonly lagMs: number | undefined;
}

/**
 * Counts a queue. What was counted of directories that have not changed since is used again, so a
 * program that looks often keeps its `Queue`, or has a StatsReader.
 *
 * @throws NO_QUEUE, also where it is removed meanwhile.
 */
export async function statsOf(queue: Queue): Promise<QueueStats> {
  return unlessRemoved(queue.room, noQueue, async () => {
    await checkThere(queue.room);
    return countQueue(queue);
  });
}

/**
 * The same of a queue that was there a moment ago.
 *
 * @param breath  lets others have a turn in between.
 */
export async function countQueue(queue: Queue, breath?: Breath): Promise<QueueStats> {
  const { room, inventory } = queue;
  const nowMs = await room.nowToLook();
  // In the order in which messages move on: what does so meanwhile is counted twice rather than not at all.
  const waiting = await inventory.count(nowMs, undefined, breath);
  const { ready, scheduled, retrying, expired, nextDueMs } = waiting;
  const inFlight = await inventory.inFlight(nowMs, breath);
  const dead = await inventory.dead(nowMs);
  const dropped = await inventory.dropped(nowMs);
  const behind = [ready, inFlight, retrying];
  const behindMs = nowMs - Math.min(...behind.map(({ oldestMs }) => oldestMs), nowMs);
  return {
    name: queue.name,
    ready: ready.messages + dropped.messages,
    scheduled: scheduled.messages,
    inFlight: inFlight.messages,
    dead: dead.messages,
    expired: expired.messages,
    oldestMs: ready.messages === 0 ? undefined : Math.max(0, nowMs - ready.oldestMs),
    nextDueInMs: Number.isFinite(nextDueMs) ? Math.max(0, nextDueMs - nowMs) : undefined,
    bytes: ready.bytes + scheduled.bytes + inFlight.bytes,
    waitingBytes: ready.bytes + scheduled.bytes,
    consumers: inFlight.consumers,
    lag: room.isSubscription
      ? behind.reduce((sum, { messages }) => sum + messages, dropped.messages)
      : undefined,
    lagMs: room.isSubscription ? behindMs : undefined,
  };
}

/** @throws NO_QUEUE. Settings that cannot be read change nothing about what is there. */
export async function checkThere(room: Room): Promise<void> {
  if (await ignore(() => room.fs.lstat(room.layout.settings), "ENOENT", "ENOTDIR")) return;
  room.forgetSettings();
  await room.settings();
}
