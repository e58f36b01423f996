/**
 * Put once for each key: a second put with a key that was seen within the window delivers nothing
 * and is answered with the first one's id.
 *
 * A key's marker is a hard link of the batch itself, at dedup/<start>/<hash of the key>, where time
 * is cut into epochs of one window and `start` is the first ms of one. A put needs the markers of
 * its own epoch and of the next: whoever comes within one window, before or after, meets one of
 * them. So a key is remembered for at least one window and for two at the most.
 *
 *   1. write   tmp/k<hash>.…, and fsync it: its content must never be in doubt once it is marked
 *   2. link    it to dedup/<this>/<hash>, then to dedup/<next>/<hash>. EEXIST: somebody was first
 *   3. rename  it from tmp/ to ready/: now it is delivered. Only a batch with both markers may
 *
 * A crash between 2 and 3 leaves a marked batch in tmp/. The next put of that key, or the sweeper,
 * *finishes* it: it repeats 2 and 3 for that batch. Each step is idempotent and 3 can happen only once, because
 * its source is there only once. So whoever dies when, the key's message is delivered once and durable.
 */
import { dirname } from "node:path";

import { ignore, makeDirectory, readAll, renameOnce, syncDirectory } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { formatSlice, parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Draft, PutOptions } from "./draft.ts";
import { tidy } from "./forget-keys.ts";
import type { Delivery, Sync } from "./intake.ts";
import type { Site } from "./site.ts";

export interface DedupRequest {
  readonly key: string;
  readonly windowMs: number;
  readonly sync: Sync;
}

/** tmp/k<hash>.<this epoch>.<next epoch>.<slice>.… : all that a stranger needs to finish it. */
const KEYED = /^k([0-9a-f]{32})\.(\d+)\.(\d+)\.([^._]+)\./;

async function hashOf(key: string): Promise<string> {
  // Loaded here, because it takes longer than a put and few puts have a key.
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(key).digest("hex").slice(0, 32);
}

/** What the draft of such a put is called in tmp/ while it is written. */
export function dedupPrefix(options: PutOptions): string {
  return options.dedupKey === undefined ? "" : "w";
}

/** Commits the draft, unless its key was seen: then returns the earlier message's id. */
export async function commitOnce(
  delivery: Delivery,
  draft: Draft,
  slice: Slice,
  { key, windowMs, sync }: DedupRequest,
): Promise<string | undefined> {
  const { site } = delivery;
  const { fs } = site;
  const hash = await hashOf(key);
  const startMs = Math.floor(draft.timeMs / windowMs) * windowMs;
  const epochs = `${startMs}.${startMs + windowMs}`;
  const keyed = site.draft(`k${hash}.${epochs}.${formatSlice(slice)}.`);
  try {
    const { inode } = await fs.stat(draft.fd);
    if (sync === "disk") await fs.sync(draft.fd);
    else await draft.close();
    if (!(await renameOnce(site.disk, draft.path, keyed))) throw removed(site);
    let winner: string | undefined;
    // Whoever looked at a rival that gave way meanwhile looks again.
    while (winner === undefined) winner = await finish(delivery, keyed, inode, sync);
    await tidy(site, windowMs);
    if (winner === draft.id) return undefined;
    await ignore(() => fs.unlink(keyed), "ENOENT");
    return winner;
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    throw removed(site, error);
  } finally {
    await draft.discard();
  }
}

function removed({ name }: Site, cause?: unknown): SpoolError {
  const message = `${name} was removed meanwhile; nothing was put`;
  return new SpoolError("TRY_AGAIN", message, "Put it again.", { cause });
}

/**
 * Steps 2 and 3 for the marked or to be marked batch at `keyed`, by anyone, any number of times.
 * Returns the id of the message that is delivered for the key; undefined where a rival that was in
 * the way has given way: then all of it can be done again.
 */
async function finish(
  delivery: Delivery,
  keyed: string,
  inode: number,
  sync: Sync,
): Promise<string | undefined> {
  const { site } = delivery;
  const { layout } = site;
  const match = KEYED.exec(keyed.slice(keyed.lastIndexOf("/") + 1));
  const [, hash = "", current = "", next = "", sliceName = ""] = match ?? [];
  const slice = parseSlice(sliceName);
  if (slice === undefined) throw new SpoolError("IO", `${keyed}: not a name of ours`);
  // A power cut must not leave the markers without their batch.
  if (sync === "disk" && !site.disk.kind.oneSync) await syncDirectory(site.fs, layout.tmp);
  for (const epoch of [current, next]) {
    const directory = `${layout.dedup}/${epoch}`;
    const rival = await mark(site, keyed, inode, directory, hash);
    if (rival === inode) continue;
    if (epoch === next) await unmark(site, `${layout.dedup}/${current}/${hash}`, inode);
    return finishRival(delivery, rival, `${directory}/${hash}`, sync);
  }
  // A power cut must not leave the message without its markers.
  if (sync === "disk") await syncMarkers(site, [current, next]);
  const placed = await delivery.deliver(keyed, slice, sync);
  if (sync === "disk") {
    await syncMarker(delivery, `${layout.dedup}/${next}/${hash}`, slice.batch, placed);
  }
  return slice.batch;
}

/** Where name changes may last in any order: these epochs' markers last first. */
async function syncMarkers({ fs, disk, layout }: Site, epochs: readonly string[]): Promise<void> {
  if (disk.kind.oneSync) return;
  for (const directory of [...epochs.map((epoch) => `${layout.dedup}/${epoch}`), layout.dedup]) {
    await ignore(() => syncDirectory(fs, directory), "ENOENT");
  }
}

/** Links `keyed`, which has this inode, as the marker; returns the inode of what is the marker now. */
async function mark(
  site: Site,
  keyed: string,
  inode: number,
  directory: string,
  hash: string,
): Promise<number> {
  const { fs } = site;
  const path = `${directory}/${hash}`;
  for (;;) {
    try {
      await fs.link(keyed, path);
      return inode;
    } catch (error) {
      if (!isErrno(error, "ENOENT", "EEXIST")) throw error;
      if (isErrno(error, "ENOENT") && (await makeDirectory(fs, directory))) continue;
    }
    // In this order: who finishes it marks it before it takes it away.
    const own = await inodeAt(site, keyed);
    const marker = await inodeAt(site, path);
    if (marker !== undefined) return marker;
    // Unmarked meanwhile; or the draft is gone, and so is what it was given up for.
    if (own === undefined) {
      throw new SpoolError("TRY_AGAIN", `${keyed}: removed by somebody`, "Put it again.");
    }
  }
}

/** The inode at a path, or undefined where nothing is. */
async function inodeAt({ fs }: Site, path: string): Promise<number | undefined> {
  try {
    return (await fs.lstat(path)).inode;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Takes the first marker back after the second one was lost to a rival. */
async function unmark(site: Site, marker: string, inode: number): Promise<void> {
  if ((await inodeAt(site, marker)) !== inode) return;
  await ignore(() => site.fs.unlink(marker), "ENOENT");
}

/** Sees to it that the batch behind the rival's marker is delivered; returns its id. */
async function finishRival(
  delivery: Delivery,
  rival: number,
  marker: string,
  sync: Sync,
): Promise<string | undefined> {
  const { site } = delivery;
  const { fs, layout } = site;
  for (const name of await fs.list(layout.tmp)) {
    const path = `${layout.tmp}/${name}`;
    if (!KEYED.test(name) || (await inodeAt(site, path)) !== rival) continue;
    return finishOther(delivery, path, rival, sync);
  }
  // It is not in tmp/ any more: it was delivered, or has given way and taken its marker along.
  // Its name is in its header.
  try {
    const id = await idInHeader(site, marker, rival);
    if (sync === "disk" && id !== undefined) await syncMarker(delivery, marker, id);
    return id;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** `finish` for the batch of another writer, who may be done with it at any moment. */
async function finishOther(...args: Parameters<typeof finish>): Promise<string | undefined> {
  try {
    return await finish(...args);
  } catch (error) {
    if (error instanceof SpoolError && error.code === "TRY_AGAIN") return undefined;
    throw error;
  }
}

/** The id of the batch at `path`, where that still has this inode. */
async function idInHeader(site: Site, path: string, inode: number): Promise<string | undefined> {
  const start = Buffer.alloc(256);
  const fd = await site.fs.open(path, "read");
  try {
    if ((await site.fs.stat(fd)).inode !== inode) return undefined;
    const count = await readAll(site.fs, fd, start, 0);
    const id = /"id":"([0-9a-z]{26})"/.exec(start.toString("latin1", 0, count))?.[1];
    if (id === undefined) throw new SpoolError("IO", `${path}: not a batch`);
    return id;
  } finally {
    await site.fs.close(fd);
  }
}

/** Makes the batch and its names durable, through any one of its names. */
async function syncMarker(
  delivery: Delivery,
  marker: string,
  batch: string,
  placed?: string,
): Promise<void> {
  const { fs, disk, layout } = delivery.site;
  try {
    const fd = await fs.open(marker, "read");
    try {
      await fs.sync(fd);
    } finally {
      await fs.close(fd);
    }
  } catch (error) {
    // It was placed: only a removal of the whole queue or topic takes the marker away so soon.
    if (placed === undefined || !isErrno(error, "ENOENT")) throw error;
  }
  if (disk.kind.oneSync) return;
  const places = await delivery.directoriesOf(batch, placed);
  for (const directory of [dirname(marker), layout.dedup, ...places]) {
    await ignore(() => syncDirectory(fs, directory), "ENOENT");
  }
}

/** For the sweeper: finishes the batch of a dead writer, or removes it where it was not marked. */
export async function finishOrDrop(delivery: Delivery, name: string): Promise<boolean> {
  const { site } = delivery;
  const { fs, layout } = site;
  const [, hash = "", current = "", next = "", sliceName = ""] = KEYED.exec(name) ?? [];
  if (parseSlice(sliceName) === undefined) return false;
  const path = `${layout.tmp}/${name}`;
  const inode = await inodeAt(site, path);
  const isMarked = async (epoch: string): Promise<boolean> =>
    inode === (await inodeAt(site, `${layout.dedup}/${epoch}/${hash}`));
  // After a power cut the second marker may be there alone: without its batch it would stand for nothing.
  if (inode !== undefined && ((await isMarked(current)) || (await isMarked(next)))) {
    await finishOther(delivery, path, inode, "disk");
  }
  await ignore(() => fs.unlink(path), "ENOENT");
  return true;
}

export const isKeyed = (name: string): boolean => KEYED.test(name);
