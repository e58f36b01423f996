/**
 * A file system on which a process can die, or stand still, at any of its calls.
 *
 * Each method counts, asks `before` and then does what the file system below does. Where `before`
 * throws, the call has not happened, and neither does any later one: the process is no more.
 * Where it answers with a promise the process stands still until that is settled.
 */
import type {
  Awaitable,
  DiskSpace,
  FileStat,
  FileSystem,
  OpenMode,
} from "../../src/disk/file-system.ts";

/** The process is dead. Nothing in the engine may mistake this for an error of the disk. */
export class Crash extends Error {}

/** @param call  1 for the first one; `name` is its method's, `path` what it is about, if anything. */
export type Before = (call: number, name: keyof FileSystem, path: string) => Awaitable<void>;

/** The process dies instead of doing call `limit + 1`. */
export function dyingAfter(limit: number): Before {
  return (call) => {
    if (call > limit) throw new Crash(`at call ${call}`);
  };
}

export class CrashingFileSystem implements FileSystem {
  calls = 0;
  isDead = false;
  /** What the last call was, for the message of a test that fails. */
  last = "";
  #before: Before = () => {};
  readonly #below: FileSystem;
  readonly #open = new Set<number>();

  constructor(below: FileSystem) {
    this.#below = below;
  }

  /** From here on calls are counted, and `before` decides. */
  arm(before: Before): void {
    this.calls = 0;
    this.#before = before;
  }

  /** Closes what the dead left open, as the kernel does. */
  async end(): Promise<void> {
    this.isDead = true;
    for (const fd of this.#open) await this.#below.close(fd);
    this.#open.clear();
  }

  #call<T>(name: keyof FileSystem, path: string, act: () => Awaitable<T>): Awaitable<T> {
    if (this.isDead) throw new Crash("dead already");
    this.calls++;
    this.last = `${name} ${path}`;
    let pause: Awaitable<void>;
    try {
      pause = this.#before(this.calls, name, path);
    } catch (error) {
      this.isDead = true;
      throw error;
    }
    return pause === undefined ? act() : pause.then(act);
  }

  open(path: string, mode: OpenMode): Awaitable<number> {
    return this.#call("open", path, async () => {
      const fd = await this.#below.open(path, mode);
      this.#open.add(fd);
      return fd;
    });
  }

  read(fd: number, into: Uint8Array, position: number | null): Awaitable<number> {
    return this.#call("read", "", () => this.#below.read(fd, into, position));
  }

  write(fd: number, from: Uint8Array, position: number | null): Awaitable<number> {
    return this.#call("write", "", () => this.#below.write(fd, from, position));
  }

  sync(fd: number): Awaitable<void> {
    return this.#call("sync", "", () => this.#below.sync(fd));
  }

  close(fd: number): Awaitable<void> {
    return this.#call("close", "", () => {
      this.#open.delete(fd);
      return this.#below.close(fd);
    });
  }

  stat(fd: number): Awaitable<FileStat> {
    return this.#call("stat", "", () => this.#below.stat(fd));
  }

  lstat(path: string): Awaitable<FileStat> {
    return this.#call("lstat", path, () => this.#below.lstat(path));
  }

  list(path: string): Awaitable<string[]> {
    return this.#call("list", path, () => this.#below.list(path));
  }

  rename(from: string, to: string): Awaitable<void> {
    return this.#call("rename", `${from} -> ${to}`, () => this.#below.rename(from, to));
  }

  link(from: string, to: string): Awaitable<void> {
    return this.#call("link", `${from} -> ${to}`, () => this.#below.link(from, to));
  }

  unlink(path: string): Awaitable<void> {
    return this.#call("unlink", path, () => this.#below.unlink(path));
  }

  mkdir(path: string): Awaitable<void> {
    return this.#call("mkdir", path, () => this.#below.mkdir(path));
  }

  rmdir(path: string): Awaitable<void> {
    return this.#call("rmdir", path, () => this.#below.rmdir(path));
  }

  touch(path: string, atMs: number): Awaitable<void> {
    return this.#call("touch", path, () => this.#below.touch(path, atMs));
  }

  space(path: string): Awaitable<DiskSpace> {
    return this.#call("space", path, () => this.#below.space(path));
  }
}
