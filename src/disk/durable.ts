/**
 * Durable changes to a directory.
 *
 * All that the spool promises about power cuts is promised in this file. A new file is written
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

import { isErrno } from "../errors.ts";
import { BLOCK_BYTES } from "../limits.ts";
import type { FileSystem } from "./file-system.ts";
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
    done += await fs.write(fd, done === 0 ? bytes : bytes.subarray(done), at);
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
      await syncDirectory(disk.fs, dirname(path));
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
    await fs.rename(draft, path);
  } catch (error) {
    await ignore(fs.unlink.bind(fs, draft), "ENOENT");
    throw error;
  } finally {
    await fs.close(fd);
  }
  await syncDirectory(fs, dirname(path));
}

/** What link(2) says where a file system has no (more) links for a file. */
export const NO_MORE_LINKS = ["EMLINK", "EPERM", "ENOTSUP", "EOPNOTSUPP", "EXDEV"] as const;

/**
 * Links `from` to `to`, a name that only this caller can make. Where the file system has no (more)
 * links for it, `to` is a copy: of a file that never changes, one is as good as the other.
 *
 * @throws ENOENT, and what the disk throws.
 */
export async function linkOrCopy(
  fs: FileSystem,
  from: string,
  to: string,
  draft: string,
): Promise<void> {
  try {
    await fs.link(from, to);
  } catch (error) {
    // A link whose reply was lost and that was sent again.
    if (isErrno(error, "EEXIST")) return;
    if (!isErrno(error, ...NO_MORE_LINKS)) throw error;
    await copyFile(fs, from, draft);
    await fs.rename(draft, to);
  }
}

/** Copies a file that never changes, and syncs the copy. @throws EEXIST, and what the disk throws. */
export async function copyFile(fs: FileSystem, from: string, to: string): Promise<void> {
  const source = await fs.open(from, "read");
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
    await ignore(() => fs.unlink(to), "ENOENT");
    throw error;
  } finally {
    await fs.close(source);
    await fs.close(target);
  }
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
export async function renameOnce(disk: Durability, from: string, to: string): Promise<boolean> {
  try {
    await disk.fs.rename(from, to);
    return true;
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    return disk.kind.shared && (await ignore(disk.fs.lstat.bind(disk.fs, to), "ENOENT"));
  }
}
