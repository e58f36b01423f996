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
 * *finishes* it: it repeats 2 and 3 for that batch. Each step is idempotent and 3 can happen only
 * once, because its source is there only once. So the key's message is delivered exactly once,
 * whoever dies when, and every put that says success has seen to it that it is durable.
 */
import { ring } from "../disk/bell.ts";
import { ignore, listIfThere, makeDirectory, syncDirectory } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { formatSlice, parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Buckets } from "./buckets.ts";
import type { Draft, PutOptions } from "./draft.ts";
import type { Room } from "./room.ts";

export interface DedupRequest {
  readonly key: string;
  readonly windowMs: number;
  readonly sync: "disk" | "none";
}

/** tmp/k<hash>.<this epoch>.<next epoch>.<slice>.… : all that a stranger needs to finish it. */
const KEYED = /^k([0-9a-f]{32})\.(\d+)\.(\d+)\.([^._]+)\./;

async function hashOf(key: string): Promise<string> {
  // Loaded here, because it takes longer than a put and few puts have a key.
  const { createHash } = await import("node:crypto");
  return createHash("sha256").update(key).digest("hex").slice(0, 32);
}

/** What the draft of such a put is called in tmp/ while it is written. */
export function dedupPrefix(options: PutOptions): string {
  return options.dedupKey === undefined ? "" : "w";
}

/** Commits the draft, unless its key was seen: then returns the earlier message's id. */
export async function commitOnce(
  room: Room,
  buckets: Buckets,
  draft: Draft,
  slice: Slice,
  { key, windowMs, sync }: DedupRequest,
): Promise<string | undefined> {
  const { fs } = room;
  const hash = await hashOf(key);
  const startMs = Math.floor(draft.timeMs / windowMs) * windowMs;
  const epochs = `${startMs}.${startMs + windowMs}`;
  const keyed = room.draft(`k${hash}.${epochs}.${formatSlice(slice)}.`);
  try {
    if (sync === "disk") await fs.sync(draft.fd);
    await fs.rename(draft.path, keyed);
    const outcome = await finish(room, buckets, keyed, sync);
    if (outcome.winner === draft.id) return undefined;
    await ignore(() => fs.unlink(keyed), "ENOENT");
    return outcome.winner;
  } finally {
    await ignore(() => fs.unlink(draft.path), "ENOENT");
    await fs.close(draft.fd);
  }
}

/** Steps 2 and 3 for the marked or to be marked batch at `keyed`, by anyone, any number of times. */
async function finish(
  room: Room,
  buckets: Buckets,
  keyed: string,
  sync: "disk" | "none",
): Promise<{ winner: string }> {
  const { fs, layout } = room;
  const match = KEYED.exec(keyed.slice(keyed.lastIndexOf("/") + 1));
  const [, hash = "", current = "", next = "", sliceName = ""] = match ?? [];
  const slice = parseSlice(sliceName);
  if (slice === undefined) throw new SpoolError("IO", `${keyed}: not a name of ours`);
  for (const epoch of [current, next]) {
    const rival = await mark(room, keyed, `${layout.dedup}/${epoch}`, hash);
    if (rival === undefined) continue;
    if (epoch === next) await unmark(room, `${layout.dedup}/${current}/${hash}`, keyed);
    return { winner: await finishRival(room, buckets, rival, sync) };
  }
  const placed = await buckets.place(keyed, slice);
  if (placed !== undefined) await ring(fs, layout.bell);
  if (sync === "disk") await syncMarker(room, `${layout.dedup}/${next}/${hash}`, placed?.path);
  return { winner: slice.batch };
}

/** Links `keyed` as the marker; undefined where it is the marker now, else the rival's inode. */
async function mark(
  room: Room,
  keyed: string,
  directory: string,
  hash: string,
): Promise<{ inode: number; path: string } | undefined> {
  const { fs } = room;
  const path = `${directory}/${hash}`;
  for (;;) {
    try {
      await fs.link(keyed, path);
      return undefined;
    } catch (error) {
      if (isErrno(error, "ENOENT")) {
        if (await makeDirectory(fs, directory)) continue;
        // Somebody else has finished this batch: its markers are there, its draft is not.
        if (!(await ignore(() => fs.lstat(keyed), "ENOENT"))) return undefined;
        continue;
      }
      if (!isErrno(error, "EEXIST")) throw error;
    }
    const marker = await fs.lstat(path);
    let mine: { inode: number };
    try {
      mine = await fs.lstat(keyed);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
    return marker.inode === mine.inode ? undefined : { inode: marker.inode, path };
  }
}

/** Takes the first marker back after the second one was lost to a rival. */
async function unmark(room: Room, marker: string, keyed: string): Promise<void> {
  const { fs } = room;
  try {
    const mine = await fs.lstat(keyed);
    if ((await fs.lstat(marker)).inode === mine.inode) await fs.unlink(marker);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** Sees to it that the batch behind the rival's marker is delivered; returns its id. */
async function finishRival(
  room: Room,
  buckets: Buckets,
  rival: { inode: number; path: string },
  sync: "disk" | "none",
): Promise<string> {
  const { fs, layout } = room;
  for (const name of await fs.list(layout.tmp)) {
    if (!KEYED.test(name)) continue;
    const path = `${layout.tmp}/${name}`;
    try {
      if ((await fs.lstat(path)).inode !== rival.inode) continue;
    } catch (error) {
      if (isErrno(error, "ENOENT")) continue;
      throw error;
    }
    return (await finish(room, buckets, path, sync)).winner;
  }
  // It is not in tmp/ any more: it was delivered. Its name is in its header.
  if (sync === "disk") await syncMarker(room, rival.path, undefined);
  return idInHeader(room, rival.path);
}

async function idInHeader(room: Room, path: string): Promise<string> {
  const start = Buffer.alloc(256);
  const fd = await room.fs.open(path, "read");
  try {
    const count = await room.fs.read(fd, start, 0);
    const id = /"id":"([0-9a-z]{26})"/.exec(start.toString("latin1", 0, count))?.[1];
    if (id === undefined) throw new SpoolError("IO", `${path}: not a batch`);
    return id;
  } finally {
    await room.fs.close(fd);
  }
}

/** Makes the batch and its names durable, through any one of its names. */
async function syncMarker(room: Room, marker: string, placed: string | undefined): Promise<void> {
  const { fs, disk } = room;
  const fd = await fs.open(marker, "read");
  try {
    await fs.sync(fd);
  } finally {
    await fs.close(fd);
  }
  if (disk.kind.oneSync) return;
  await syncDirectory(fs, marker.slice(0, marker.lastIndexOf("/")));
  await syncDirectory(fs, room.layout.dedup);
  if (placed !== undefined) await syncDirectory(fs, placed.slice(0, placed.lastIndexOf("/")));
}

/** For the sweeper: finishes the batch of a dead writer, or removes it where it was not marked. */
export async function finishOrDrop(room: Room, buckets: Buckets, name: string): Promise<boolean> {
  const { fs, layout } = room;
  const [, hash = "", current = "", , sliceName = ""] = KEYED.exec(name) ?? [];
  if (parseSlice(sliceName) === undefined) return false;
  const path = `${layout.tmp}/${name}`;
  try {
    const mine = await fs.lstat(path);
    const marker = await fs.lstat(`${layout.dedup}/${current}/${hash}`);
    if (marker.inode === mine.inode) {
      await finish(room, buckets, path, "disk");
      await ignore(() => fs.unlink(path), "ENOENT");
      return true;
    }
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  await ignore(() => fs.unlink(path), "ENOENT");
  return true;
}

/** Removes the epochs that no put looks at any more. Returns how many markers went. */
export async function forgetKeys(room: Room, windowMs: number, nowMs: number): Promise<number> {
  const { fs, layout } = room;
  // An epoch later than needed: a writer may be late.
  const oldestMs = nowMs - 3 * windowMs;
  let forgotten = 0;
  for (const epoch of await listIfThere(fs, layout.dedup)) {
    if (!/^\d+$/.test(epoch) || Number(epoch) >= oldestMs) continue;
    const directory = `${layout.dedup}/${epoch}`;
    for (const name of await listIfThere(fs, directory)) {
      if (await ignore(() => fs.unlink(`${directory}/${name}`), "ENOENT")) forgotten++;
    }
    await ignore(() => fs.rmdir(directory), "ENOENT", "ENOTEMPTY");
  }
  return forgotten;
}

export const isKeyed = (name: string): boolean => KEYED.test(name);
