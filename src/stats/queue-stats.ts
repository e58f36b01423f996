/**
 * What there is to know about a queue from names alone. Reads; changes nothing.
 */
import { ignore, listIfThere } from "../disk/durable.ts";
import { SpoolError } from "../errors.ts";
import { parseHeldName } from "../message/slice.ts";
import { isDropped } from "../queue/drop-box.ts";
import { addTo, emptyTally } from "../queue/inventory.ts";
import type { Tally } from "../queue/inventory.ts";
import { takenFrom } from "../queue/layout.ts";
import { parseLeaseName } from "../queue/lease.ts";
import type { Queue } from "../queue/queue.ts";
import { noQueue } from "../queue/room.ts";
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
  /** Leases that are held. */
  readonly consumers: number;
  /** Of a subscription: published messages that no consumer is done with: ready, claimed, or to be retried. */
  readonly lag: number | undefined;
  /** Since the oldest of these was published, in ms; 0 where there is none. */
  readonly lagMs: number | undefined;
}

/** @throws NO_QUEUE, also where it is removed meanwhile. */
export function statsOf(queue: Queue): Promise<QueueStats> {
  return unlessRemoved(queue.room, noQueue, () => count(queue));
}

async function count(queue: Queue): Promise<QueueStats> {
  const { room } = queue;
  await checkThere(queue);
  const nowMs = await room.nowToLook();
  const { ready, scheduled, retrying, expired, nextDueMs } = await queue.inventory.count(nowMs);
  const { fs, layout } = room;
  const inFlight = emptyTally();
  let consumers = 0;
  for (const directory of [layout.leases, layout.reclaim]) {
    for (const name of await listIfThere(fs, directory)) {
      if (parseLeaseName(takenFrom(name)) === undefined) continue;
      if (directory === layout.leases) consumers++;
      addNames(inFlight, await listIfThere(fs, `${directory}/${name}`));
    }
  }
  const dead = emptyTally();
  addNames(dead, await fs.list(layout.dead));
  const dropped = await countDropped(queue);
  const behind = [ready, inFlight, retrying];
  const behindMs = nowMs - Math.min(...behind.map(({ oldestMs }) => oldestMs), nowMs);
  return {
    name: queue.name,
    ready: ready.messages + dropped,
    scheduled: scheduled.messages,
    inFlight: inFlight.messages,
    dead: dead.messages,
    expired: expired.messages,
    oldestMs: ready.messages === 0 ? undefined : Math.max(0, nowMs - ready.oldestMs),
    nextDueInMs: Number.isFinite(nextDueMs) ? Math.max(0, nextDueMs - nowMs) : undefined,
    bytes: ready.bytes + scheduled.bytes + inFlight.bytes,
    consumers,
    lag: room.isSubscription
      ? behind.reduce((sum, { messages }) => sum + messages, dropped)
      : undefined,
    lagMs: room.isSubscription ? behindMs : undefined,
  };
}

/** @throws NO_QUEUE. Settings that cannot be read change nothing about what is there. */
async function checkThere({ room }: Queue): Promise<void> {
  try {
    await room.settings();
  } catch (error) {
    if (!(error instanceof SpoolError) || error.code !== "BAD_SETTINGS") throw error;
  }
}

/** Files in the drop box; a link, a directory or a device there is never delivered. */
async function countDropped({ room }: Queue): Promise<number> {
  const { fs, layout } = room;
  let files = 0;
  for (const name of (await listIfThere(fs, layout.drop)).filter(isDropped)) {
    await ignore(async () => {
      if ((await fs.lstat(`${layout.drop}/${name}`)).kind === "file") files++;
    }, "ENOENT");
  }
  return files;
}

function addNames(tally: Tally, names: readonly string[]): void {
  for (const name of names) {
    const slice = parseHeldName(name);
    if (slice !== undefined) addTo(tally, slice);
  }
}
