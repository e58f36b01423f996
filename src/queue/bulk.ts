/**
 * Acts on many messages at once: purge, move, redrive, drop.
 *
 * Each slice is one unlink or one rename, so it competes fairly with consumers: who is first has it.
 * A slice that holds more messages than are wanted is shortened from its front by a rename in place.
 */
import { ring } from "../disk/bell.ts";
import { ignore } from "../disk/durable.ts";
import { timeOfId } from "../message/id.ts";
import type { MessageId } from "../message/id.ts";
import { formatSlice, holds, LAST_MS } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { browse } from "./browse.ts";
import type { Found, State } from "./browse.ts";
import type { Buckets } from "./buckets.ts";
import { restOf } from "./held.ts";
import { claiming, cutOut, offsetsIn } from "./isolate.ts";
import { REASON_SUFFIX } from "./layout.ts";
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
  /** Only these messages: not their neighbours in the same slice. */
  readonly ids?: readonly MessageId[];
  /** Of a move: what is scheduled is ready at once. */
  readonly isNow?: boolean;
  /** Told now and then how many messages are done. */
  readonly onProgress?: (messages: number) => void;
}

/** What is done with a slice, and with its first messages alone: returns with how many it was done. */
interface Acts {
  readonly all: (found: Found) => Promise<boolean>;
  readonly part: (found: Found, count: number) => Promise<number>;
}

/** Does `acts` with what these options choose; returns how many messages that was. */
async function each(
  room: Room,
  buckets: Buckets,
  options: BulkOptions,
  acts: Acts,
): Promise<number> {
  if (options.ids !== undefined) {
    const all = async (found: Found): Promise<number> =>
      (await acts.all(found)) ? found.slice.count : 0;
    return eachOf(room, buckets, options, options.ids, all);
  }
  const { beforeMs = Number.POSITIVE_INFINITY, max = Number.POSITIVE_INFINITY } = options;
  let done = 0;
  for (const state of options.states ?? ["ready", "scheduled"]) {
    for await (const found of browse(room, buckets, state)) {
      const { slice } = found;
      if (done >= max) return done;
      if (timeOfId(slice.batch) >= beforeMs) continue;
      if (options.isDryRun) done += Math.min(slice.count, max - done);
      else if (slice.count > max - done && state !== "dead")
        done += await acts.part(found, max - done);
      else if (await acts.all(found)) done += slice.count;
      options.onProgress?.(done);
    }
  }
  return done;
}

/** What somebody else has in hand may be back in a moment: it is looked for so often, so long after the last look, in ms. */
const PASSES = 5;
const PAUSE_MS = 20;

/**
 * The same with these messages. A slice that holds others, too, is cut, but for a dead letter of several messages,
 * which goes whole. What is in flight all the time is left.
 *
 * @param act  returns with how many messages it was done.
 */
export async function eachOf(
  room: Room,
  buckets: Buckets,
  options: BulkOptions,
  ids: readonly MessageId[],
  act: (found: Found) => Promise<number>,
): Promise<number> {
  let wanted = indicesOf(ids);
  let done = 0;
  for (let pass = 1; ; pass++) {
    const { max = Number.POSITIVE_INFINITY } = options;
    const gone = new Set<string>();
    const actOn = async (found: Found): Promise<void> => {
      const count = await act(found);
      done += count;
      const { batch, first } = found.slice;
      for (let index = first; index < first + count; index++) gone.add(`${batch}.${index}`);
      options.onProgress?.(done);
    };
    for await (const { found, own } of foundOf(room, buckets, options, wanted)) {
      if (done >= max) return done;
      const some = own.slice(0, max - done);
      const isWhole = found.state === "dead" || some.length === found.slice.count;
      // What somebody holds is not cut behind his back.
      if (!isWhole && found.state === "inflight") continue;
      if (options.isDryRun) done += isWhole ? found.slice.count : some.length;
      else if (isWhole) await actOn(found);
      else for await (const part of cutOut(room, buckets, found, some)) await actOn(part);
    }
    if (options.isDryRun) return done;
    wanted = new Map(
      [...wanted].map(([batch, own]) => [batch, own.filter((one) => !gone.has(`${batch}.${one}`))]),
    );
    if (pass === PASSES || !(await mayComeBack(room, buckets, options, wanted))) return done;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** The slices that hold some of these, with the indices of those. */
async function* foundOf(
  room: Room,
  buckets: Buckets,
  { states = ["ready", "scheduled"], beforeMs = Number.POSITIVE_INFINITY }: BulkOptions,
  wanted: ReadonlyMap<string, readonly number[]>,
): AsyncGenerator<{ found: Found; own: readonly number[] }> {
  for (const state of states) {
    for await (const found of browse(room, buckets, state)) {
      if (timeOfId(found.slice.batch) >= beforeMs) continue;
      const own = (wanted.get(found.slice.batch) ?? []).filter((one) => holds(found.slice, one));
      if (own.length > 0) yield { found, own };
    }
  }
}

/** True where one of them waits or is in flight: it was in somebody's hand when we looked, or came back since. */
async function mayComeBack(
  room: Room,
  buckets: Buckets,
  { states = ["ready", "scheduled"] }: BulkOptions,
  wanted: ReadonlyMap<string, readonly number[]>,
): Promise<boolean> {
  if ([...wanted.values()].every((own) => own.length === 0)) return false;
  const asked = { states: [...states, "inflight" as const] };
  for await (const _ of foundOf(room, buckets, asked, wanted)) return true;
  return false;
}

/** Of each batch the indices that are wanted, each once and in rising order. */
function indicesOf(ids: readonly MessageId[]): Map<string, number[]> {
  const sets = Map.groupBy(ids, ({ batch }) => batch);
  return new Map(
    [...sets].map(([batch, own]) => {
      const indices = new Set(own.map(({ index }) => index));
      return [batch, [...indices].toSorted((a, b) => a - b)];
    }),
  );
}

/** Throws messages away. Returns how many. */
export function purge(room: Room, buckets: Buckets, options: BulkOptions): Promise<number> {
  const remove = async ({ path, state }: Found): Promise<boolean> => {
    const isMine = await ignore(() => room.fs.unlink(path), "ENOENT");
    if (state === "dead") await removeReason(room, path);
    return isMine;
  };
  const part = (found: Found, count: number) => shorten(room, found, count);
  return each(room, buckets, options, { all: remove, part });
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
  const { slice } = found;
  const [next] = (await offsetsIn(room, found, slice.first + count)) ?? [];
  return next === undefined ? undefined : restOf(slice, count, next);
}

/** Moves messages to another queue of the spool, as they are. Returns how many. */
export async function move(
  room: Room,
  buckets: Buckets,
  to: { room: Room; buckets: Buckets },
  options: BulkOptions,
): Promise<number> {
  // Of before the first look, which else would see as scheduled what was made ready since, and do it again.
  const dueMs = options.isNow ? await to.room.now() : undefined;
  const transfer = async ({ path, slice, state }: Found): Promise<boolean> => {
    const moved = await asMoved(room, to.room, slice);
    const now = dueMs === undefined ? moved : { ...moved, visibleMs: dueMs };
    const target = state === "dead" ? await afresh(to.room, moved) : now;
    const placed = await to.buckets.place(path, target);
    if (placed !== undefined && state === "dead") await removeReason(room, path);
    return placed !== undefined;
  };
  const part = (found: Found, count: number) => movePart(room, buckets, to, found, count, dueMs);
  const moved = await each(room, buckets, options, { all: transfer, part });
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
  dueMs: number | undefined,
): Promise<number> {
  const rest = await restAfter(room, found, count);
  if (rest === undefined) return 0;
  const isMoved = await claiming(room, buckets, found, async (held) => {
    await held.split(count, rest.offset);
    await held.secure();
    const moved = await asMoved(room, to.room, held.slice!);
    const target = dueMs === undefined ? moved : { ...moved, visibleMs: dueMs };
    return (await to.buckets.place(held.path, target)) !== undefined;
  });
  return isMoved ? count : 0;
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
