/**
 * The real file system, through node:fs.
 *
 * Short calls are synchronous: measured, the thread pool makes each of them about four times as
 * slow (docs/decisions.md). Calls that may take long, a large transfer or an fsync of a slow disk, go to
 * the pool so that a program that uses the library keeps running; a one-shot command has nothing else to
 * do and asks for `blocking`.
 */
import * as fs from "node:fs";

import { monotonicMs } from "../clock.ts";
import { SHORT_BYTES } from "../limits.ts";
import type { Awaitable, DiskSpace, FileStat, FileSystem, OpenMode } from "./file-system.ts";

/** Where the last fsync took less than this the next one is waited for right here, in ms. */
const SHORT_SYNC_MS = 0.5;

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
  /** What the last fsync took, and how many there are in the thread pool. */
  #syncMs = Number.POSITIVE_INFINITY;
  #syncs = 0;

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

  /** On a fast disk the way to the pool and back would be a third of it; syncs that overlap stay there. */
  sync(fd: number): Awaitable<void> {
    if (!this.#blocking && (this.#syncs > 0 || this.#syncMs > SHORT_SYNC_MS)) {
      return this.#syncInPool(fd);
    }
    const startMs = monotonicMs();
    fs.fsyncSync(fd);
    this.#syncMs = monotonicMs() - startMs;
  }

  #syncInPool(fd: number): Promise<void> {
    const startMs = monotonicMs();
    this.#syncs++;
    return new Promise((resolve, reject) => {
      fs.fsync(fd, (error) => {
        this.#syncs--;
        this.#syncMs = monotonicMs() - startMs;
        if (error) reject(error);
        else resolve();
      });
    });
  }

  close(fd: number): void;
  close(fd: number, bytes?: number): Awaitable<void>;
  close(fd: number, bytes = 0): Awaitable<void> {
    if (this.#blocking || bytes <= SHORT_BYTES) {
      fs.closeSync(fd);
      return;
    }
    return new Promise((resolve, reject) => {
      fs.close(fd, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
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
    const { type, bsize, blocks, bavail, files, ffree } = fs.statfsSync(path);
    const [totalBytes, freeBytes] = [blocks * bsize, bavail * bsize];
    return { type, totalBytes, freeBytes, totalInodes: files, freeInodes: ffree };
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
