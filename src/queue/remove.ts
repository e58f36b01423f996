/**
 * Removing a queue: one rename takes it away from everybody, and what follows is only cleaning.
 *
 *   1. rename   queues/<queue> to queues/.removed-<unique>
 *   2. remove   everything in there
 *
 * A crash between the two leaves a tree that nobody uses; the next removal or sweep beside it clears
 * it. Several processes may do that at once.
 */
import { dirname } from "node:path";

import { ignore, listIfThere } from "../disk/durable.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { isErrno } from "../errors.ts";
import { noQueue } from "./room.ts";
import type { Room } from "./room.ts";

const REMOVED = /^\.removed-[0-9a-z]+$/;

/** @throws NO_QUEUE */
export async function removeQueue(room: Room): Promise<void> {
  const { fs, disk, layout } = room;
  const unique = Math.floor(disk.random() * 36 ** 8).toString(36);
  const removed = `${dirname(layout.root)}/.removed-${unique}`;
  const isMine = await ignore(() => fs.rename(layout.root, removed), "ENOENT");
  await clearRemoved(room);
  if (!isMine) throw noQueue(room.name);
}

/** Clears what is left of removed queues beside this one; returns how many there were. */
export async function clearRemoved({ fs, layout }: Room): Promise<number> {
  const directory = dirname(layout.root);
  let cleared = 0;
  for (const name of await listIfThere(fs, directory)) {
    if (!REMOVED.test(name)) continue;
    await removeTree(fs, `${directory}/${name}`);
    cleared++;
  }
  return cleared;
}

async function removeTree(fs: FileSystem, path: string): Promise<void> {
  try {
    if ((await fs.lstat(path)).kind !== "directory") {
      await fs.unlink(path);
      return;
    }
    for (const name of await fs.list(path)) await removeTree(fs, `${path}/${name}`);
    await fs.rmdir(path);
  } catch (error) {
    // Somebody else is clearing it, too; what he leaves is for the next sweep.
    if (!isErrno(error, "ENOENT", "ENOTEMPTY", "EEXIST")) throw error;
  }
}
