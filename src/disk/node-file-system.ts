/**
 * The real file system, through node:fs.
 *
 * Short calls are synchronous: measured, the thread pool makes each of them about four times as
 * slow (docs/decisions.md). Calls that may take long, an fsync or a large transfer, go to the pool so
 * that a program that uses the library keeps running; a one-shot command has nothing else to do
 * and asks for `blocking`.
 */
import * as fs from "node:fs";

import type { Awaitable, DiskSpace, FileStat, FileSystem, OpenMode } from "./file-system.ts";

/** A transfer above this goes to the thread pool, in bytes. */
const SHORT_BYTES = 128 * 1024;

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } =
  fs.constants;

const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
  create: O_WRONLY | O_CREAT | O_EXCL,
  truncate: O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK,
  directory: O_RDONLY | O_DIRECTORY,
};

export class NodeFileSystem implements FileSystem {
  readonly #blocking: boolean;

  constructor(options: { readonly blocking?: boolean } = {}) {
    this.#blocking = options.blocking ?? false;
  }

  open(path: string, mode: OpenMode): number {
    return fs.openSync(path, FLAGS[mode], 0o666);
  }

  read(fd: number, into: Uint8Array, position: number | null): Awaitable<number> {
    if (this.#blocking || into.length <= SHORT_BYTES) {
      return fs.readSync(fd, into, 0, into.length, position);
    }
    return new Promise((resolve, reject) => {
      fs.read(fd, into, 0, into.length, position, (error, bytes) => {
        if (error) reject(error);
        else resolve(bytes);
      });
    });
  }

  write(fd: number, from: Uint8Array, position: number | null): Awaitable<number> {
    if (this.#blocking || from.length <= SHORT_BYTES) {
      return fs.writeSync(fd, from, 0, from.length, position);
    }
    return new Promise((resolve, reject) => {
      fs.write(fd, from, 0, from.length, position, (error, bytes) => {
        if (error) reject(error);
        else resolve(bytes);
      });
    });
  }

  sync(fd: number): Awaitable<void> {
    if (this.#blocking) {
      fs.fsyncSync(fd);
      return;
    }
    return new Promise((resolve, reject) => {
      fs.fsync(fd, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  close(fd: number): void {
    fs.closeSync(fd);
  }

  stat(fd: number): FileStat {
    return toStat(fs.fstatSync(fd));
  }

  lstat(path: string): FileStat {
    return toStat(fs.lstatSync(path));
  }

  list(path: string): string[] {
    // A symbolic link would lead out of the spool.
    if (!fs.lstatSync(path).isDirectory()) throw notDirectory(path);
    return fs.readdirSync(path);
  }

  rename(from: string, to: string): void {
    fs.renameSync(from, to);
  }

  link(from: string, to: string): void {
    fs.linkSync(from, to);
  }

  unlink(path: string): void {
    fs.unlinkSync(path);
  }

  mkdir(path: string): void {
    fs.mkdirSync(path);
  }

  rmdir(path: string): void {
    fs.rmdirSync(path);
  }

  touch(path: string, atMs: number): void {
    fs.lutimesSync(path, atMs / 1000, atMs / 1000);
  }

  space(path: string): DiskSpace {
    const { type, bsize, blocks, bavail, ffree } = fs.statfsSync(path);
    return { type, totalBytes: blocks * bsize, freeBytes: bavail * bsize, freeInodes: ffree };
  }
}

function notDirectory(path: string): Error {
  const details = { code: "ENOTDIR", syscall: "scandir", path };
  return Object.assign(new Error(`ENOTDIR: not a directory, scandir '${path}'`), details);
}

const KINDS: Readonly<Record<number, FileStat["kind"]>> = {
  [fs.constants.S_IFREG]: "file",
  [fs.constants.S_IFDIR]: "directory",
  [fs.constants.S_IFLNK]: "symlink",
};

function toStat(stats: fs.Stats): FileStat {
  const kind = KINDS[stats.mode & fs.constants.S_IFMT] ?? "other";
  const { size: bytes, mtimeMs, ctimeMs, ino: inode, nlink: links } = stats;
  return { kind, bytes, mtimeMs, ctimeMs, inode, links };
}
