/**
 * Disks for the models: time is a number that a test moves, so nobody sleeps.
 *
 * `MemoryDisk` keeps everything in memory and behaves as POSIX does (test/model/disk.test.ts holds it
 * against a real one). `TimedDisk` is a real directory whose mtimes are the test's.
 */
import type { DiskSpace, FileStat, FileSystem, OpenMode } from "../../src/disk/file-system.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { readOpen, writeOpen } from "./open-file.ts";
import type { OpenFile } from "./open-file.ts";

/** The time of a test, in ms since the epoch: the disk's and every process's monotonic clock. */
export class ModelTime {
  // Not a whole second: that would look like a file system that knows no other.
  nowMs = 1_767_225_600_123;

  advance(ms: number): void {
    this.nowMs += ms;
  }
}

/** statfs's magic numbers, of a disk that is trusted with all and of one that is not. */
export const EXT4 = 0xef53;
export const NFS = 0x6969;

interface Inode {
  readonly number: number;
  readonly kind: FileStat["kind"];
  readonly entries: Map<string, Inode>;
  data: Buffer;
  bytes: number;
  mtimeMs: number;
  ctimeMs: number;
  links: number;
}

function fail(code: string, syscall: string, path: string, dest?: string): never {
  const error = new Error(`${code}: ${syscall} '${path}'`);
  throw Object.assign(error, { code, syscall, path, ...(dest === undefined ? {} : { dest }) });
}

export class MemoryDisk implements FileSystem {
  readonly #time: ModelTime;
  readonly #type: number;
  readonly #root: Inode;
  readonly #fds = new Map<number, OpenFile<Inode>>();
  #inodes = 0;
  #nextFd = 3;

  constructor(time: ModelTime, type = EXT4) {
    this.#time = time;
    this.#type = type;
    this.#root = this.#make("directory");
  }

  get openFiles(): number {
    return this.#fds.size;
  }

  #make(kind: FileStat["kind"]): Inode {
    return {
      number: ++this.#inodes,
      kind,
      entries: new Map(),
      data: Buffer.alloc(0),
      bytes: 0,
      mtimeMs: this.#time.nowMs,
      ctimeMs: this.#time.nowMs,
      links: 1,
    };
  }

  /** The directory and the last name of a path. */
  #parent(path: string, syscall: string): { directory: Inode; name: string } {
    const names: string[] = [];
    for (const name of path.split("/")) {
      if (name === "..") names.pop();
      else if (name !== "" && name !== ".") names.push(name);
    }
    const name = names.pop() ?? "";
    let directory = this.#root;
    for (const step of names) {
      const next = directory.entries.get(step);
      if (next === undefined) fail("ENOENT", syscall, path);
      if (next.kind !== "directory") fail("ENOTDIR", syscall, path);
      directory = next;
    }
    return { directory, name };
  }

  #find(path: string, syscall: string): Inode {
    const { directory, name } = this.#parent(path, syscall);
    if (name === "") return this.#root;
    return directory.entries.get(name) ?? fail("ENOENT", syscall, path);
  }

  #opened(fd: number, syscall: string): OpenFile<Inode> {
    return this.#fds.get(fd) ?? fail("EBADF", syscall, `fd ${fd}`);
  }

  #touched(...inodes: Inode[]): void {
    for (const inode of inodes) inode.mtimeMs = inode.ctimeMs = this.#time.nowMs;
  }

  open(path: string, mode: OpenMode): number {
    let inode: Inode;
    if (mode === "create") {
      const { directory, name } = this.#parent(path, "open");
      if (name === "" || directory.entries.has(name)) fail("EEXIST", "open", path);
      inode = this.#make("file");
      directory.entries.set(name, inode);
      this.#touched(directory);
    } else {
      inode = this.#find(path, "open");
      if (mode === "directory" && inode.kind !== "directory") fail("ENOTDIR", "open", path);
      if (inode.kind === "symlink") fail("ELOOP", "open", path);
    }
    const fd = this.#nextFd++;
    this.#fds.set(fd, { inode, at: 0 });
    return fd;
  }

  read(fd: number, into: Uint8Array, position: number | null): number {
    const file = this.#opened(fd, "read");
    if (file.inode.kind === "directory") fail("EISDIR", "read", `fd ${fd}`);
    return readOpen(file, into, position);
  }

  write(fd: number, from: Uint8Array, position: number | null): number {
    const file = this.#opened(fd, "write");
    this.#touched(file.inode);
    return writeOpen(file, from, position);
  }

  sync(fd: number): void {
    this.#opened(fd, "fsync");
  }

  close(fd: number): void {
    this.#opened(fd, "close");
    this.#fds.delete(fd);
  }

  stat(fd: number): FileStat {
    return statOf(this.#opened(fd, "fstat").inode);
  }

  lstat(path: string): FileStat {
    return statOf(this.#find(path, "lstat"));
  }

  list(path: string): string[] {
    const inode = this.#find(path, "scandir");
    if (inode.kind !== "directory") fail("ENOTDIR", "scandir", path);
    return [...inode.entries.keys()];
  }

  rename(from: string, to: string): void {
    const source = this.#parent(from, "rename");
    const target = this.#parent(to, "rename");
    const inode = source.directory.entries.get(source.name) ?? fail("ENOENT", "rename", from, to);
    const old = target.directory.entries.get(target.name);
    if (old === inode) return;
    if (old !== undefined) {
      const isDirectory = inode.kind === "directory";
      if (isDirectory && old.kind !== "directory") fail("ENOTDIR", "rename", from, to);
      if (!isDirectory && old.kind === "directory") fail("EISDIR", "rename", from, to);
      if (old.entries.size > 0) fail("ENOTEMPTY", "rename", from, to);
      old.links--;
    }
    source.directory.entries.delete(source.name);
    target.directory.entries.set(target.name, inode);
    this.#touched(source.directory, target.directory);
  }

  link(from: string, to: string): void {
    const source = this.#find(from, "link");
    const { directory, name } = this.#parent(to, "link");
    if (directory.entries.has(name)) fail("EEXIST", "link", from, to);
    if (source.kind === "directory") fail("EPERM", "link", from, to);
    directory.entries.set(name, source);
    source.links++;
    this.#touched(directory);
  }

  unlink(path: string): void {
    const { directory, name } = this.#parent(path, "unlink");
    const inode = directory.entries.get(name) ?? fail("ENOENT", "unlink", path);
    if (inode.kind === "directory") fail("EISDIR", "unlink", path);
    directory.entries.delete(name);
    inode.links--;
    this.#touched(directory);
  }

  mkdir(path: string): void {
    const { directory, name } = this.#parent(path, "mkdir");
    if (name === "" || directory.entries.has(name)) fail("EEXIST", "mkdir", path);
    directory.entries.set(name, this.#make("directory"));
    this.#touched(directory);
  }

  rmdir(path: string): void {
    const { directory, name } = this.#parent(path, "rmdir");
    const inode = directory.entries.get(name) ?? fail("ENOENT", "rmdir", path);
    if (inode.kind !== "directory") fail("ENOTDIR", "rmdir", path);
    if (inode.entries.size > 0) fail("ENOTEMPTY", "rmdir", path);
    directory.entries.delete(name);
    this.#touched(directory);
  }

  touch(path: string, atMs: number): void {
    const inode = this.#find(path, "utimes");
    inode.mtimeMs = atMs;
    inode.ctimeMs = this.#time.nowMs;
  }

  space(): DiskSpace {
    const inodes = { totalInodes: 2 ** 21, freeInodes: 2 ** 20 };
    return { type: this.#type, totalBytes: 2 ** 40, freeBytes: 2 ** 39, ...inodes };
  }
}

function statOf({ kind, bytes, mtimeMs, ctimeMs, number, links }: Inode): FileStat {
  return { kind, bytes, mtimeMs, ctimeMs, inode: number, links };
}

/** A real directory, all of whose mtimes are the test's time. Nothing is synced: nothing crashes. */
export class TimedDisk implements FileSystem {
  readonly #time: ModelTime;
  readonly #fs = new NodeFileSystem({ blocking: true });
  readonly #stamps = new Map<number, number>();
  readonly #fds = new Set<number>();

  constructor(time: ModelTime) {
    this.#time = time;
  }

  get openFiles(): number {
    return this.#fds.size;
  }

  /** Closes what the dead have left open. */
  closeAll(): void {
    for (const fd of this.#fds) this.#fs.close(fd);
    this.#fds.clear();
  }

  #stamp(path: string): void {
    this.#stamps.set(this.#fs.lstat(path).inode, this.#time.nowMs);
  }

  #stampParents(...paths: string[]): void {
    for (const path of paths) this.#stamp(path.slice(0, path.lastIndexOf("/")));
  }

  #told(stat: FileStat): FileStat {
    const stampMs = this.#stamps.get(stat.inode) ?? stat.mtimeMs;
    return { ...stat, mtimeMs: stampMs, ctimeMs: stampMs };
  }

  open(path: string, mode: OpenMode): number {
    const fd = this.#fs.open(path, mode);
    this.#fds.add(fd);
    if (mode === "create") {
      this.#stamp(path);
      this.#stampParents(path);
    }
    return fd;
  }

  read(fd: number, into: Uint8Array, position: number | null): number {
    return this.#fs.read(fd, into, position) as number;
  }

  write(fd: number, from: Uint8Array, position: number | null): number {
    this.#stamps.set(this.#fs.stat(fd).inode, this.#time.nowMs);
    return this.#fs.write(fd, from, position) as number;
  }

  sync(): void {}

  close(fd: number): void {
    this.#fds.delete(fd);
    this.#fs.close(fd);
  }

  stat(fd: number): FileStat {
    return this.#told(this.#fs.stat(fd));
  }

  lstat(path: string): FileStat {
    return this.#told(this.#fs.lstat(path));
  }

  list(path: string): string[] {
    return this.#fs.list(path);
  }

  rename(from: string, to: string): void {
    this.#fs.rename(from, to);
    this.#stampParents(from, to);
  }

  link(from: string, to: string): void {
    this.#fs.link(from, to);
    this.#stampParents(to);
  }

  unlink(path: string): void {
    this.#fs.unlink(path);
    this.#stampParents(path);
  }

  mkdir(path: string): void {
    this.#fs.mkdir(path);
    this.#stamp(path);
    this.#stampParents(path);
  }

  rmdir(path: string): void {
    this.#fs.rmdir(path);
    this.#stampParents(path);
  }

  touch(path: string, atMs: number): void {
    this.#fs.touch(path, atMs);
    this.#stamps.set(this.#fs.lstat(path).inode, atMs);
  }

  space(path: string): DiskSpace {
    return { ...this.#fs.space(path), type: EXT4 };
  }
}
