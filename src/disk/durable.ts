/**
 * Durable changes to a directory.
 *
 * A new file is written
 * where no reader looks (tmp/) and then moved to its name. Two orders make that durable:
 *
 *   one sync   rename, then fsync the file. On ext4, XFS and btrfs that makes its data and every
 *              name it has durable together. A power cut between the two may leave a torn file at
 *              its name; nobody was told that it was safe, and its checksum gives it away.
 *   careful    fsync the file, rename, fsync the directory: what POSIX asks for, everywhere else.
 *
 * A crash before the rename leaves a stray in tmp/. Knows nothing of queues or messages.
 */
import { dirname } from "node:path";

import { isErrno, isOfSystem, SpoolError } from "../errors.ts";
import type { Awaitable, FileSystem } from "./file-system.ts";
import type { FileSystemKind } from "./kind.ts";

export interface Durability {
  readonly fs: FileSystem;
  readonly kind: FileSystemKind;
}

/** Writes all of `bytes` at `position`, however many calls that takes. */
export async function writeAll(
  fs: FileSystem,
  fd: number,
  bytes: Uint8Array,
  position: number | null,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const at = position === null ? null : position + done;
    const count = await fs.write(fd, done === 0 ? bytes : bytes.subarray(done), at);
    if (count === 0)
      throw new SpoolError("IO", "the disk takes no more bytes, and does not say why");
    done += count;
  }
}

/** Fills `into` from `position` on; returns how many bytes there were. */
export async function readAll(
  fs: FileSystem,
  fd: number,
  into: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const count = await fs.read(fd, done === 0 ? into : into.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** The whole of a small file. @throws ENOENT, ELOOP (a symbolic link), EISDIR. */
export async function readFile(fs: FileSystem, path: string, limit: number): Promise<Buffer> {
  const fd = await fs.open(path, "read");
  try {
    const { bytes } = await fs.stat(fd);
    const into = Buffer.allocUnsafe(Math.min(bytes, limit));
    return into.subarray(0, await readAll(fs, fd, into, 0));
  } finally {
    await fs.close(fd);
  }
}

export async function syncDirectory(fs: FileSystem, path: string): Promise<void> {
  const fd = await fs.open(path, "directory");
  try {
    await fs.sync(fd);
  } finally {
    await fs.close(fd);
  }
}

/**
 * Makes the names of files in a directory last, of files whose bytes are safe already.
 *
 * By an fsync of the directory; on btrfs by one of each file. There, one of the directory writes down its
 * names and not that they have left another directory; or that they have left it, and not the names that
 * the same files have been given in a directory that is new: after a power cut they are there twice, or not at all.
 */
export async function syncNames({ fs, kind }: Durability, directory: string): Promise<void> {
  if (kind.ordered || !kind.oneSync) {
    await syncDirectory(fs, directory);
    return;
  }
  for (const name of await fs.list(directory)) {
    // What is no file of ours is for those who look at names.
    await ignore(() => syncFile(fs, `${directory}/${name}`), "ENOENT", "ELOOP", "ENXIO", "EINVAL");
  }
}

/** Syncs a file that is not open. */
export async function syncFile(fs: FileSystem, path: string): Promise<void> {
  const fd = await fs.open(path, "read");
  try {
    await fs.sync(fd);
  } finally {
    await fs.close(fd);
  }
}

/**
 * Moves the open, fully written file `from` to its final name, durably.
 *
 * `move` does the rename and answers with the final path.
 *
 * @throws whatever fails. If the move itself had happened it is undone, so that nothing is visible;
 *   where a consumer was faster than the failing fsync, the message is delivered although the
 *   caller is told that it failed, as after any lost reply.
 */
export async function commitFile(
  disk: Durability,
  fd: number,
  from: string,
  move: () => Promise<string>,
): Promise<string> {
  if (!disk.kind.oneSync) await disk.fs.sync(fd);
  const path = await move();
  try {
    if (disk.kind.oneSync) {
      await disk.fs.sync(fd);
    } else {
      // It is gone where a consumer has taken all that was in it. Then what is safe with the next is that
      // it was emptied, and so where the file went.
      await ignore(() => syncDirectory(disk.fs, dirname(path)), "ENOENT");
      // Somebody may have made that directory and died before its own name was safe.
      await syncDirectory(disk.fs, dirname(dirname(path)));
    }
  } catch (error) {
    // What fails now is nothing beside what failed before: the caller is told of that.
    try {
      await disk.fs.rename(path, from);
    } catch {
      // A consumer was faster, or the disk fails again.
    }
    throw error;
  }
  return path;
}

/** Replaces or makes the small file `path` with exactly `bytes`, whole or not at all, durably. */
export async function replaceFile(
  disk: Durability,
  path: string,
  bytes: Uint8Array,
  draft: string,
): Promise<void> {
  const { fs } = disk;
  const fd = await fs.open(draft, "create");
  try {
    await writeAll(fs, fd, bytes, 0);
    // Always the careful order: a rename over an old file may else leave neither old nor new.
    await fs.sync(fd);
    await moveOver(disk, fd, draft, path);
    if (disk.kind.oneSync) await fs.sync(fd);
  } catch (error) {
    await quietly(() => fs.unlink(draft));
    throw error;
  } finally {
    await closeQuietly(fs, fd);
  }
  if (!disk.kind.oneSync) await syncDirectory(fs, dirname(path));
}

/** Renames the open file `from` to a name that others may make as well. */
async function moveOver(disk: Durability, fd: number, from: string, to: string): Promise<void> {
  const { fs, kind } = disk;
  try {
    await fs.rename(from, to);
  } catch (error) {
    if (!kind.shared || !isErrno(error, "ENOENT")) throw error;
    // It worked, and its reply was lost, where the file is there.
    let isDone = false;
    await ignore(async () => {
      isDone = (await fs.lstat(to)).inode === (await fs.stat(fd)).inode;
    }, "ENOENT");
    if (!isDone) throw error;
  }
}

/** Does what nothing depends on any more; where the disk fails, that has nothing to add. */
export async function quietly(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!isOfSystem(error)) throw error;
  }
}

/** Closes what was synced, only read, or is given up. The descriptor is closed in any case. */
export function closeQuietly(fs: FileSystem, fd: number, bytes?: number): Awaitable<void> {
  try {
    const closed = fs.close(fd, bytes);
    return closed instanceof Promise ? closed.catch(ofSystem) : undefined;
  } catch (error) {
    ofSystem(error);
  }
}

function ofSystem(error: unknown): void {
  if (!isOfSystem(error)) throw error;
}

/** Makes a directory; true where it was not there before. */
export async function makeDirectory(fs: FileSystem, path: string): Promise<boolean> {
  try {
    await fs.mkdir(path);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

/** False of what is something else, a symbolic link included, and where nothing is. */
export async function isDirectory(fs: FileSystem, path: string): Promise<boolean> {
  let isOne = false;
  await ignore(
    async () => {
      isOne = (await fs.lstat(path)).kind === "directory";
    },
    "ENOENT",
    "ENOTDIR",
  );
  return isOne;
}

/** Makes a directory and its missing parents; returns what was made, innermost first. */
export async function makeDirectories(fs: FileSystem, path: string): Promise<string[]> {
  try {
    return (await makeDirectory(fs, path)) ? [path] : [];
  } catch (error) {
    const parent = dirname(path);
    if (!isErrno(error, "ENOENT") || parent === path) throw error;
    const above = await makeDirectories(fs, parent);
    return (await makeDirectory(fs, path)) ? [path, ...above] : above;
  }
}

/** Does `act`, and takes these errors for "it is so already". True where it really did. */
export async function ignore(act: () => unknown, ...codes: readonly string[]): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (isErrno(error, ...codes)) return false;
    throw error;
  }
}

/** The names in a directory, or none where it is not there. */
export async function listIfThere(fs: FileSystem, path: string): Promise<string[]> {
  try {
    return await fs.list(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/**
 * Renames once, although the reply may get lost.
 *
 * A shared file system can execute a rename, lose the reply, execute it again and answer ENOENT.
 * `to` must be a name that only this caller can have made. True where the rename took place.
 */
export function renameOnce(disk: Durability, from: string, to: string): Awaitable<boolean> {
  const otherwise = (error: unknown): Awaitable<boolean> => {
    if (!isErrno(error, "ENOENT")) throw error;
    return disk.kind.shared && ignore(disk.fs.lstat.bind(disk.fs, to), "ENOENT");
  };
  try {
    const renamed = disk.fs.rename(from, to);
    return renamed instanceof Promise ? renamed.then(() => true, otherwise) : true;
  } catch (error) {
    return otherwise(error);
  }
}
