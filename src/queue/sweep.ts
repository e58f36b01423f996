/**
 * Sweep: what the dead have left, and what has had its time.
 *
 *   leases    of dead consumers are taken over                       (reclaim.ts)
 *   tmp/      of dead writers is removed; a keyed put is finished     (dedup.ts)
 *   expired   messages are dropped, or are dead letters, as is set
 *   dedup/    keys of past windows are forgotten
 *   ready/    empty buckets go; what is not a message is set aside
 *   dead/     reasons whose letter never came go
 *   queues/   what is left of removed queues goes                     (remove.ts)
 *
 * Any number may sweep at once, beside producers and consumers. There is no daemon: consumers do the
 * first two as they idle, `spool gc` does all of it.
 */
import { dirname } from "node:path";

import { ignore, listIfThere } from "../disk/durable.ts";
import { isRemovedOpen } from "../disk/kind.ts";
import { isErrno } from "../errors.ts";
import { ORPHAN_SWEEP_MS, TMP_SWEEP_MS } from "../limits.ts";
import { isExpired, parseSlice } from "../message/slice.ts";
import { setAside } from "./aside.ts";
import type { Warn } from "./aside.ts";
import { parseBucket } from "./buckets.ts";
import type { Buckets } from "./buckets.ts";
import { expire } from "./expire.ts";
import { finishOrDrop, isKeyed } from "./dedup.ts";
import { forgetKeys } from "./forget-keys.ts";
import { adoptDropped } from "./drop-box.ts";
import type { Delivery } from "./intake.ts";
import { REASON_SUFFIX } from "./layout.ts";
import { Reclaimer } from "./reclaim.ts";
import { clearRemoved } from "./remove.ts";
import type { Room } from "./room.ts";
import type { Site } from "./site.ts";

export interface SweepResult {
  /** Leases that were taken over. */
  readonly leases: number;
  /** Messages that came back from them. */
  readonly reclaimed: number;
  /** Messages that became dead letters on the way. */
  readonly dead: number;
  readonly expired: number;
  /** Files of dead writers, empty buckets, orphaned reasons, rests of removed queues. */
  readonly strays: number;
  readonly keys: number;
  readonly dropped: number;
}

/** Everything that is there to be cleaned up. */
export async function sweep(
  room: Room,
  buckets: Buckets,
  delivery: Delivery,
  warn: Warn,
): Promise<SweepResult> {
  const { dedupWindowMs } = await room.settings();
  await room.readClock();
  const { leases, messages, dead } = await new Reclaimer(room, buckets, warn).run();
  const swept = await sweepDrafts(delivery);
  const ready = await sweepReady(room, buckets, warn);
  const reasons = await sweepReasons(room);
  const removed = await clearRemoved(room.fs, dirname(room.layout.root));
  const keys = await forgetKeys(room, dedupWindowMs, await room.now());
  const dropped = await adoptDropped(room, buckets);
  return {
    leases,
    reclaimed: messages,
    dead,
    expired: ready.expired,
    strays: swept + ready.strays + reasons + removed,
    keys,
    dropped,
  };
}

/** Removes the drafts of writers that are gone; finishes those that are marked. */
export async function sweepDrafts(delivery: Delivery): Promise<number> {
  const { site } = delivery;
  const { fs, disk, layout } = site;
  let swept = 0;
  for (const name of await listIfThere(fs, layout.tmp)) {
    const path = `${layout.tmp}/${name}`;
    const writer = name.slice(name.lastIndexOf("_") + 1);
    if (!disk.processes.isGone(writer) && !(await isOlder(site, path, TMP_SWEEP_MS))) continue;
    const isSwept = isKeyed(name)
      ? await finishOrDrop(delivery, name)
      : await ignore(() => fs.unlink(path), "ENOENT", "EISDIR", "EPERM");
    if (isSwept) swept++;
  }
  return swept;
}

async function isOlder(site: Site, path: string, ageMs: number): Promise<boolean> {
  try {
    const { mtimeMs } = await site.fs.lstat(path);
    return (await site.now()) - mtimeMs > ageMs;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

async function sweepReady(
  room: Room,
  buckets: Buckets,
  warn: Warn,
): Promise<{ expired: number; strays: number }> {
  const { fs, layout } = room;
  let expired = 0;
  let strays = 0;
  for (const bucket of await fs.list(layout.ready)) {
    if (isRemovedOpen(bucket)) continue;
    const directory = layout.bucket(bucket);
    if (parseBucket(bucket) === undefined) {
      await setAside(room, directory, "not a bucket", warn);
      continue;
    }
    for (const name of await namesIn(room, directory, warn)) {
      const path = `${directory}/${name}`;
      const slice = parseSlice(name);
      if (slice === undefined) await setAside(room, path, "not a message", warn);
      else if (isExpired(slice, await room.now()) && (await expire(room, path, slice, warn))) {
        expired += slice.count;
      }
    }
    if (await buckets.removeIfEmpty(bucket)) strays++;
  }
  return { expired, strays };
}

async function namesIn(room: Room, directory: string, warn: Warn): Promise<string[]> {
  try {
    return (await room.fs.list(directory)).filter((name) => !isRemovedOpen(name));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    if (!isErrno(error, "ENOTDIR")) throw error;
    await setAside(room, directory, "not a bucket", warn);
    return [];
  }
}

/** Reasons are written before their letter: one without a letter is a crash, once it is old. */
async function sweepReasons(room: Room): Promise<number> {
  const { fs, layout } = room;
  const names = await fs.list(layout.dead);
  const letters = new Set(names);
  let swept = 0;
  for (const name of names) {
    if (!name.endsWith(REASON_SUFFIX) || letters.has(name.slice(0, -REASON_SUFFIX.length)))
      continue;
    const path = `${layout.dead}/${name}`;
    if (!(await isOlder(room, path, ORPHAN_SWEEP_MS))) continue;
    if (await ignore(() => fs.unlink(path), "ENOENT")) swept++;
  }
  return swept;
}
