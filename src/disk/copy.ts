/**
 * One more name for a file that never changes: a link, or a copy where there can be no link.
 *
 * A crash leaves a copy in tmp/, or one whose name nobody made.
 */
import { dirname } from "node:path";

import { isErrno } from "../errors.ts";
import { BLOCK_BYTES } from "../limits.ts";
import { closeQuietly, ignore, quietly, readAll, syncNames, writeAll } from "./durable.ts";
import type { Durability } from "./durable.ts";
import type { FileSystem } from "./file-system.ts";

/** What link(2) says where a file system has no (more) links for a file. */
export const NO_MORE_LINKS = ["EMLINK", "EPERM", "ENOTSUP", "EOPNOTSUPP", "EXDEV"] as const;

/**
 * Links `from` to `to`, a name that only this caller can make. Where the file system has no (more)
 * links for it, `to` is a copy: of a file that never changes, one is as good as the other.
 *
 * @throws ENOENT, and what the disk throws.
 */
export async function linkOrCopy(
  disk: Durability,
  from: string,
  to: string,
  draft: string,
): Promise<void> {
  const { fs } = disk;
  try {
    await fs.link(from, to);
  } catch (error) {
    // A link whose reply was lost and that was sent again.
    if (isErrno(error, "EEXIST")) return;
    if (!isErrno(error, ...NO_MORE_LINKS)) throw error;
    await copyFile(fs, from, draft);
    // On btrfs a link never outlasts a power cut without the name that it was made of; a copy may.
    if (!disk.kind.ordered) await syncNames(disk, dirname(from));
    await renameCopy(disk, draft, to);
  }
}

async function renameCopy({ fs, kind }: Durability, from: string, to: string): Promise<void> {
  try {
    await fs.rename(from, to);
  } catch (error) {
    // It worked, and its reply was lost, where the copy is there.
    const isDone = kind.shared && isErrno(error, "ENOENT");
    if (!isDone || !(await ignore(() => fs.lstat(to), "ENOENT"))) throw error;
  }
}

/** Copies a file that never changes, and syncs the copy. @throws EEXIST, and what the disk throws. */
export async function copyFile(fs: FileSystem, from: string, to: string): Promise<void> {
  const source = await fs.open(from, "read");
  try {
    await copyFrom(fs, source, to);
  } finally {
    await fs.close(source);
  }
}

async function copyFrom(fs: FileSystem, source: number, to: string): Promise<void> {
  const target = await fs.open(to, "create");
  try {
    const block = Buffer.allocUnsafe(BLOCK_BYTES);
    for (let at = 0; ;) {
      const count = await readAll(fs, source, block, at);
      if (count === 0) break;
      await writeAll(fs, target, block.subarray(0, count), at);
      at += count;
    }
    await fs.sync(target);
  } catch (error) {
    await quietly(() => fs.unlink(to));
    throw error;
  } finally {
    await closeQuietly(fs, target);
  }
}
