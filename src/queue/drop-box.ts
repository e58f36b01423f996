/**
 * The drop box: a file that any program renames into drop/ becomes a message.
 *
 * The file itself becomes the batch, as it is: no header, one `whole` message. Its slice's name says
 * what a header would have said, the CRC-32 of its content included. So adopting it is one rename,
 * exactly once, whatever its size; and whoever dies before that leaves it in drop/. A rename within
 * drop/ goes before it, to a name used once: a program may drop the next file at the same name.
 *
 * Its program must have written it elsewhere and be done with it: that is what the rename says.
 */
import { ring } from "../disk/bell.ts";
import { isErrno } from "../errors.ts";
import { BLOCK_BYTES } from "../limits.ts";
import { Checksum } from "../message/checksum.ts";
import { ID_PATTERN, timeOfId } from "../message/id.ts";
import { LAST_MS } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { readAll } from "../disk/durable.ts";
import type { Buckets } from "./buckets.ts";
import type { Room } from "./room.ts";

/** What an adopter has named it. */
const OWN = new RegExp(`^${ID_PATTERN}~`);

/** Files that can be messages: no dot files, which programs and NFS make for themselves. */
export function isDropped(name: string): boolean {
  return !name.startsWith(".");
}

/** Adopts what lies in drop/; returns how many messages that made. */
export async function adoptDropped(room: Room, buckets: Buckets): Promise<number> {
  let adopted = 0;
  for (const name of (await room.fs.list(room.layout.drop)).toSorted()) {
    if (isDropped(name) && (await adopt(room, buckets, `${room.layout.drop}/${name}`))) adopted++;
  }
  if (adopted > 0) {
    room.flowed("in", adopted);
    await ring(room.fs, room.layout.bell);
  }
  return adopted;
}

async function adopt(room: Room, buckets: Buckets, path: string): Promise<boolean> {
  const { fs, disk } = room;
  let fd: number;
  try {
    fd = await fs.open(path, "read");
  } catch (error) {
    // Adopted by another consumer; a symbolic link or a device; not readable. `verify` reports it.
    if (isErrno(error, "ENOENT", "ELOOP", "ENXIO", "EACCES", "EPERM")) return false;
    throw error;
  }
  try {
    const { kind, bytes, inode } = await fs.stat(fd);
    if (kind !== "file") return false;
    const own = await ownName(room, path, inode);
    if (own === undefined) return false;
    const checksum = await checksumOfFile(room, fd, bytes);
    const id = disk.ids.next(await room.now());
    const { ttlMs } = await room.settings();
    const visibleMs = timeOfId(id);
    const slice: Slice = {
      rank: 5,
      visibleMs,
      batch: id,
      first: 0,
      count: 1,
      offset: 0,
      bytes,
      attempts: 0,
      restAttempts: 0,
      expiresMs: ttlMs > 0 ? Math.min(LAST_MS, visibleMs + ttlMs) : undefined,
      checksum,
      replay: undefined,
    };
    // Its program may not have synced it. The rename need not be: before it, the file is in drop/.
    await fs.sync(fd);
    const isAdopted = (await buckets.place(own, slice)) !== undefined;
    // On btrfs that sync has written down the name in drop/, and what others sync may write down the new one
    // beside it: after a power cut it would be adopted once more, as another message.
    if (isAdopted && disk.kind.oneSync && !disk.kind.ordered) await fs.sync(fd);
    return isAdopted;
  } finally {
    await fs.close(fd);
  }
}

/**
 * Gives the file a name in drop/ that no program uses twice, so that what is renamed later is what
 * was read; undefined where it is gone, or another file by now. Under that name, too, anyone may adopt it.
 */
async function ownName(room: Room, path: string, inode: number): Promise<string | undefined> {
  const { fs, disk, layout } = room;
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (OWN.test(name)) return path;
  const own = `${layout.drop}/${disk.ids.next(await room.now())}~${name.slice(0, 50)}`;
  try {
    await fs.rename(path, own);
    return (await fs.lstat(own)).inode === inode ? own : undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function checksumOfFile(room: Room, fd: number, bytes: number): Promise<string> {
  const checksum = new Checksum();
  const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(1, bytes)));
  for (let at = 0; at < bytes;) {
    const count = await readAll(room.fs, fd, block.subarray(0, bytes - at), at);
    if (count === 0) break;
    checksum.update(block.subarray(0, count));
    at += count;
  }
  return checksum.digest();
}
