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

import { ignore, listIfThere, renameOnce, syncDirectory } from "../disk/durable.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { isErrno } from "../errors.ts";
import { noQueue } from "./room.ts";
import type { Room } from "./room.ts";
import type { Site } from "./site.ts";

export const REMOVED = /^\.removed-[0-9a-z]+$/;

/** @throws NO_QUEUE */
export async function removeQueue(room: Room): Promise<void> {
  if (!(await removeSite(room))) throw noQueue(room.name);
}

/** Takes a queue or a topic away and clears it; false where it was not there. */
export async function removeSite({
  fs,
  disk,
  layout,
}: Pick<Site, "fs" | "disk"> & { readonly layout: { readonly root: string } }): Promise<boolean> {
  const unique = Math.floor(disk.random() * 36 ** 8).toString(36);
  const directory = dirname(layout.root);
  const isMine = await renameOnce(disk, layout.root, `${directory}/.removed-${unique}`);
  await clearRemoved(fs, directory);
  return isMine;
}

/** Clears what is left in a directory of what was removed there; returns how many there were. */
export async function clearRemoved(fs: FileSystem, directory: string): Promise<number> {
  const removed = (await listIfThere(fs, directory)).filter((name) => REMOVED.test(name));
  // A power cut must not bring the name back, with half of what was in there.
  if (removed.length > 0) await ignore(() => syncDirectory(fs, directory), "ENOENT");
  for (const name of removed) await removeTree(fs, `${directory}/${name}`);
  return removed.length;
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
