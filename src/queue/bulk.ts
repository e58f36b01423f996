/**
 * Acts on many messages at once: purge, move, redrive, drop.
 *
 * Each slice is one unlink or one rename, so it competes fairly with consumers: who is first has it.
 * A slice that holds more messages than are wanted is shortened from its front by a rename in place.
 */
import { ring } from "../disk/bell.ts";
import { ignore } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import { timeOfId } from "../message/id.ts";
import type { MessageId } from "../message/id.ts";
import { formatSlice, holds, LAST_MS, partOf } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { ForeignError, openBatch } from "./open-batch.ts";
import { browse } from "./browse.ts";
import type { Found, State } from "./browse.ts";
import type { Buckets } from "./buckets.ts";
import { Held } from "./held.ts";
import { REASON_SUFFIX } from "./layout.ts";
import { Lease } from "./lease.ts";
import type { Room } from "./room.ts";

export interface BulkOptions {
  /** Only messages in this state. Default: ready and scheduled. */
  readonly states?: readonly State[];
  /** Only messages that were put before then, in ms since the epoch. */
  readonly beforeMs?: number;
  /** This many messages at the most. */
  readonly max?: number;
  /** Only say how many it would be. */
  readonly isDryRun?: boolean;
  /** Only these messages. */
  readonly ids?: readonly MessageId[];
  /** Told now and then how many messages are done. */
  readonly onProgress?: (messages: number) => void;
}

/** Does `act` with what these options choose; returns how many messages it was done with. */
async function each(
  room: Room,
  buckets: Buckets,
  options: BulkOptions,
  act: (found: Found) => Promise<boolean>,
  actOnPart: (found: Found, count: number) => Promise<number>,
): Promise<number> {
  const { beforeMs = Number.POSITIVE_INFINITY, max = Number.POSITIVE_INFINITY } = options;
  let done = 0;
  for (const state of options.states ?? ["ready", "scheduled"]) {
    for await (const found of browse(room, buckets, state)) {
      const { slice } = found;
      if (done >= max) return done;
      if (timeOfId(slice.batch) >= beforeMs || !isChosen(found, options.ids)) continue;
      if (options.isDryRun) done += Math.min(slice.count, max - done);
      else if (slice.count > max - done && state !== "dead")
        done += await actOnPart(found, max - done);
      else if (await act(found)) done += slice.count;
      options.onProgress?.(done);
    }
  }
  return done;
}

function isChosen({ slice }: Found, ids: readonly MessageId[] | undefined): boolean {
  if (ids === undefined) return true;
  return ids.some(({ batch, index }) => batch === slice.batch && holds(slice, index));
}

/** Throws messages away. Returns how many. */
export function purge(room: Room, buckets: Buckets, options: BulkOptions): Promise<number> {
  const remove = async ({ path, state }: Found): Promise<boolean> => {
    const isMine = await ignore(() => room.fs.unlink(path), "ENOENT");
    if (state === "dead") await removeReason(room, path);
    return isMine;
  };
  return each(room, buckets, options, remove, (found, count) => shorten(room, found, count));
}

/** Removes the first `count` messages of a slice by giving the file the name of the rest. */
async function shorten(room: Room, found: Found, count: number): Promise<number> {
  const { slice, path } = found;
  const rest = await restAfter(room, found, count);
  if (rest === undefined) return 0;
  const target = path.slice(0, -formatSlice(slice).length) + formatSlice(rest);
  return (await ignore(() => room.fs.rename(path, target), "ENOENT")) ? count : 0;
}

async function restAfter(room: Room, found: Found, count: number): Promise<Slice | undefined> {
  const { slice, path } = found;
  try {
    const file = await openBatch(room.fs, path, slice);
    try {
      const next = await file.skip(slice.offset, slice.offset + slice.bytes, count);
      const bytes = slice.bytes - (next - slice.offset);
      return partOf(slice, slice.first + count, slice.count - count, next, bytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    // Gone; or nothing that can be cut: whoever claims it says what is wrong with it.
    const isUncuttable = error instanceof DamagedError || error instanceof ForeignError;
    if (isUncuttable || isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Moves messages to another queue of the spool, as they are. Returns how many. */
export async function move(
  room: Room,
  buckets: Buckets,
  to: { room: Room; buckets: Buckets },
  options: BulkOptions,
): Promise<number> {
  const transfer = async ({ path, slice, state }: Found): Promise<boolean> => {
    const moved = await asMoved(room, to.room, slice);
    const target = state === "dead" ? await afresh(to.room, moved) : moved;
    const placed = await to.buckets.place(path, target);
    if (placed !== undefined && state === "dead") await removeReason(room, path);
    return placed !== undefined;
  };
  const moved = await each(room, buckets, options, transfer, async (found, count) =>
    movePart(room, buckets, to, found, count),
  );
  if (moved > 0 && !options.isDryRun) await ring(to.room.fs, to.room.layout.bell);
  return moved;
}

/**
 * Moves the first `count` messages of a slice: claims it, as a consumer would, splits it, and renames
 * the first part over. A crash in between is a consumer's crash.
 */
async function movePart(
  room: Room,
  buckets: Buckets,
  to: { room: Room; buckets: Buckets },
  found: Found,
  count: number,
): Promise<number> {
  const { slice, path } = found;
  const rest = await restAfter(room, found, count);
  if (rest === undefined) return 0;
  const { leaseMs } = await room.settings();
  const lease = await Lease.open(room, leaseMs, "brief");
  try {
    const claimed = `${lease.path}/${formatSlice(slice)}`;
    if (!(await ignore(() => room.fs.rename(path, claimed), "ENOENT"))) return 0;
    const held = new Held(room, buckets, lease.path, slice);
    await held.split(count, rest.offset);
    await held.secure();
    const moved = await asMoved(room, to.room, held.slice!);
    return (await to.buckets.place(held.path, moved)) === undefined ? 0 : count;
  } finally {
    await lease.close();
  }
}

/**
 * What comes from or goes to a subscription is a delivery of its own there: another one of the topic may
 * have brought the same messages, under the same names, and a rename onto such a name does nothing.
 */
async function asMoved(from: Room, to: Room, slice: Slice): Promise<Slice> {
  if (from === to || !(from.isSubscription || to.isSubscription)) return slice;
  return { ...slice, replay: from.disk.ids.next(await from.now()) };
}

/** A dead letter as a new message: no attempts, ready now, where it was in the order. */
async function afresh(room: Room, slice: Slice): Promise<Slice> {
  const visibleMs = await room.now();
  const { ttlMs } = await room.settings();
  const expiresMs =
    slice.expiresMs === undefined || ttlMs === 0 ? undefined : Math.min(LAST_MS, visibleMs + ttlMs);
  return { ...slice, attempts: 0, restAttempts: 0, visibleMs, expiresMs };
}

async function removeReason(room: Room, path: string): Promise<void> {
  await ignore(() => room.fs.unlink(path + REASON_SUFFIX), "ENOENT");
}
