/**
 * Sweep a topic: what the dead have left, and what has had its time.
 *
 *   fan-outs          half done are finished or undone                              (recover.ts)
 *   tmp/              of dead publishers is removed; a keyed publish is finished    (queue/dedup.ts)
 *   log/              what the retention does not keep goes
 *   dedup/            keys of past windows are forgotten
 *   subscriptions/    what was begun by the dead, or removed, goes
 *   incoming/         links that belong to no fan-out go
 *   patterns          without subscriptions go
 */
import { dirname } from "node:path";

import { ignore, isDirectory, listIfThere } from "../disk/durable.ts";
import { isRemovedOpen } from "../disk/kind.ts";
import { ORPHAN_SWEEP_MS, REPLAY_MS } from "../limits.ts";
import { ID_PATTERN, timeOfId } from "../message/id.ts";
import { parseSlice } from "../message/slice.ts";
import { isName } from "../names.ts";
import { setAside } from "../queue/aside.ts";
import type { Warn } from "../queue/aside.ts";
import { forgetKeys } from "../queue/forget-keys.ts";
import type { Delivery } from "../queue/intake.ts";
import { clearRemoved, REMOVED, removeSite } from "../queue/remove.ts";
import { unlessRemoved } from "../queue/site.ts";
import { sweepDrafts } from "../queue/sweep.ts";
import { parseFilling } from "./audience.ts";
import type { Member } from "./audience.ts";
import type { Log } from "./log.ts";
import type { Recovery } from "./recover.ts";
import { removeEmptyPattern } from "./subscribe.ts";
import type { Feed } from "./fill.ts";
import { parseLink, parseTicket } from "./ticket.ts";
import { noTopic } from "./topic-room.ts";
import type { TopicRoom } from "./topic-room.ts";

/** By then a publish to a topic that was removed has ended, in ms. */
export const FEED_REMOVED_MS = 60_000;

export interface TopicSweepResult {
  /** Fan-outs that were committed, or promised, and are visible now. */
  readonly finished: number;
  /** Fan-outs that were not, and are gone. */
  readonly undone: number;
  /** Files of dead publishers, links of no fan-out, rests of removed subscriptions. */
  readonly strays: number;
  readonly keys: number;
  /** Batches that the retention does not keep any more. */
  readonly trimmed: number;
}

export interface TopicParts {
  readonly room: TopicRoom;
  readonly log: Log;
  readonly recovery: Recovery;
  readonly delivery: Delivery;
  readonly warn: Warn;
  /** Its own subscriptions. */
  readonly members: () => Promise<Member[]>;
  /** The topics whose fan-outs reach them. */
  readonly feeds: () => Promise<readonly Feed[]>;
}

/** @throws NO_TOPIC, where it is removed meanwhile. */
export async function sweepTopic(parts: TopicParts): Promise<TopicSweepResult> {
  const { room } = parts;
  // One that is there by half is made whole; one that was removed stays so.
  if (!(await ignore(() => room.fs.lstat(room.layout.root), "ENOENT"))) {
    return { finished: 0, undone: 0, strays: 0, keys: 0, trimmed: 0 };
  }
  return unlessRemoved(room, noTopic, () => sweepAll(parts));
}

async function sweepAll(parts: TopicParts): Promise<TopicSweepResult> {
  const { room, log, recovery, delivery } = parts;
  const { dedupWindowMs } = await room.settingsOrCreate();
  await room.mend();
  await room.readClock();
  const { finished, undone } = await recovery.run();
  await setForeignAside(parts);
  let strays = await sweepDrafts(delivery);
  strays += await sweepSubscriptions(parts);
  strays += await sweepIncoming(parts);
  const keys = await forgetKeys(room, dedupWindowMs, await room.now());
  const trimmed = await log.trim();
  if (room.isPattern && (await removeEmptyPattern(room))) strays++;
  return { finished, undone, strays, keys, trimmed };
}

async function setForeignAside({ room, warn }: TopicParts): Promise<void> {
  const { fs, layout } = room;
  const set = async (path: string): Promise<void> => {
    if (isRemovedOpen(path.slice(path.lastIndexOf("/") + 1))) return;
    await setAside(room, path, "not a name of ours", warn);
  };
  for (const name of await listIfThere(fs, layout.subscriptions)) {
    const path = `${layout.subscriptions}/${name}`;
    if ((isName(name) || REMOVED.test(name)) && (await isDirectory(fs, path))) continue;
    if (!isRemovedOpen(name)) await setAside(room, path, "not a subscription", warn);
  }
  for (const name of await listIfThere(fs, layout.filling)) {
    const isOne = parseFilling(name) !== undefined || name.startsWith(".removed-");
    if (!isOne) await set(`${layout.filling}/${name}`);
  }
  for (const directory of [layout.staging, layout.aborted, layout.committed]) {
    for (const name of await listIfThere(fs, directory)) {
      if (parseTicket(name) === undefined) await set(`${directory}/${name}`);
    }
  }
  const isBucket = new RegExp(`^${ID_PATTERN}$`);
  for (const bucket of await listIfThere(fs, layout.log)) {
    const directory = `${layout.log}/${bucket}`;
    const isOne = isBucket.test(bucket) && (await isDirectory(fs, directory));
    if (!isOne) {
      await set(directory);
      continue;
    }
    for (const name of await listIfThere(fs, directory)) {
      if (parseSlice(name) === undefined) await set(`${directory}/${name}`);
    }
  }
}

/** What is left of removed subscriptions, and those that were begun and not ended. */
async function sweepSubscriptions({ room }: TopicParts): Promise<number> {
  const { fs, layout } = room;
  let swept = await clearRemoved(fs, dirname(layout.root));
  for (const directory of [layout.subscriptions, layout.filling, layout.tmp]) {
    swept += await clearRemoved(fs, directory);
  }
  return swept + (await sweepBegun(room));
}

/** Removes subscriptions that the dead have begun and not ended; returns how many. */
export async function sweepBegun(room: TopicRoom): Promise<number> {
  const { fs, disk, layout } = room;
  let swept = 0;
  const begun: { readonly path: string; readonly process: string }[] = [];
  for (const name of await listIfThere(fs, layout.filling)) {
    const process = parseFilling(name)?.process;
    if (process !== undefined) begun.push({ path: `${layout.filling}/${name}`, process });
  }
  for (const name of await listIfThere(fs, layout.tmp)) {
    const path = `${layout.tmp}/${name}`;
    const process = name.slice(name.lastIndexOf("_") + 1);
    if (name.startsWith("sub-") && (await isDirectory(fs, path))) begun.push({ path, process });
  }
  for (const { path, process } of begun) {
    if (!disk.processes.isGone(process) && !(await isOld(room, path))) continue;
    if (await removeSite({ fs, disk, layout: { root: path } })) swept++;
  }
  return swept;
}

/** Who fills a subscription touches its settings now and then. */
async function isOld(room: TopicRoom, root: string): Promise<boolean> {
  let isOne = false;
  const look = async (path: string): Promise<boolean> =>
    ignore(async () => {
      isOne = (await room.now()) - (await room.fs.lstat(path)).mtimeMs > REPLAY_MS;
    }, "ENOENT");
  if (!(await look(`${root}/queue.json`))) await look(root);
  return isOne;
}

/**
 * Removes links that belong to nothing: of a maker that was on its way when its fan-out was undone.
 * incoming/ is listed first, then where tickets come from, then where they go: what is in neither is over.
 * Where a listing may be old, that is believed only after an hour.
 */
async function sweepIncoming({ room, members, feeds, warn }: TopicParts): Promise<number> {
  const { fs, disk } = room;
  // A topic that was removed has taken its tickets along: who published to it may be at it still.
  const localMs = room.isPattern ? FEED_REMOVED_MS : 0;
  const patienceMs = disk.kind.shared ? ORPHAN_SWEEP_MS : localMs;
  let swept = 0;
  for (const { incoming, queue, live } of await members()) {
    // What is being filled passes its links on by itself, under the tag with which it began.
    if (live !== undefined) continue;
    const old: { readonly path: string; readonly tag: string }[] = [];
    for (const name of await listIfThere(fs, incoming)) {
      const path = `${incoming}/${name}`;
      const link = parseLink(name);
      if (isRemovedOpen(name)) continue;
      if (link === undefined) await setAside(queue.room, path, "not a name of ours", warn);
      else if ((await room.now()) - timeOfId(link.tag) > patienceMs) {
        old.push({ path, tag: link.tag });
      }
    }
    if (old.length === 0) continue;
    const tags = new Set<string>();
    for (const { layout } of [room, ...(await feeds()).map((feed) => feed.room)]) {
      for (const directory of [layout.staging, layout.committed]) {
        for (const name of await listIfThere(fs, directory)) tags.add(parseTicket(name)?.tag ?? "");
      }
    }
    for (const { path, tag } of old) {
      if (!tags.has(tag) && (await ignore(() => fs.unlink(path), "ENOENT"))) swept++;
    }
  }
  return swept;
}
