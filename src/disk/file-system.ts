/**
 * The seam to the file system: one method, one system call.
 *
 * Nothing else in the engine touches a disk, so a test can stand in for it: count calls, die at the
 * n-th, forget what was not synced, or run many processes at once under a scheduler. For that a
 * method may answer at once or with a promise. The engine always awaits; Node's own implementation
 * answers at once wherever a call is short, because the thread pool costs more than the call.
 *
 * Errors are Node's: an Error with `code`, `syscall` and `path`.
 */

export type Awaitable<T> = T | Promise<T>;

/**
 * Goes on with `next`: at once where `value` is there. For the few paths that each message takes,
 * where a dozen promises for calls that answer at once would cost more than the calls.
 */
export function chain<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/**
 * - `read`: an existing file, never through a symbolic link, never waiting for a FIFO's writer;
 * - `create`: a new file for writing; EEXIST where the name is taken;
 * - `truncate`: an existing file, which is empty afterwards;
 * - `directory`: a directory, to sync it.
 */
export type OpenMode = "read" | "create" | "truncate" | "directory";

export interface FileStat {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly bytes: number;
  readonly mtimeMs: number;
  /** Nobody can set it: it tells a directory that was changed and given its old mtime again. */
  readonly ctimeMs: number;
  readonly inode: number;
  readonly links: number;
}

export interface DiskSpace {
  /** The file system's magic number, as statfs(2) gives it. */
  readonly type: number;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** 0 where the file system makes inodes as it needs them; `freeInodes` says nothing then. */
  readonly totalInodes: number;
  readonly freeInodes: number;
}

export interface FileSystem {
  open(path: string, mode: OpenMode): Awaitable<number>;
  /** Bytes read, 0 at the end. `position` null reads on from where the file descriptor stands. */
  read(fd: number, into: Uint8Array, position: number | null): Awaitable<number>;
  /** Bytes written: possibly fewer than asked. */
  write(fd: number, from: Uint8Array, position: number | null): Awaitable<number>;
  /** fsync(2) of a file or a directory. */
  sync(fd: number): Awaitable<void>;
  /** `bytes`: how much this may free, where it is the last that holds a file. That can take long. */
  close(fd: number, bytes?: number): Awaitable<void>;
  /** fstat(2). */
  stat(fd: number): Awaitable<FileStat>;
  lstat(path: string): Awaitable<FileStat>;
  /** The names in a directory; ENOTDIR where the path itself is a symbolic link. */
  list(path: string): Awaitable<string[]>;
  rename(from: string, to: string): Awaitable<void>;
  link(from: string, to: string): Awaitable<void>;
  unlink(path: string): Awaitable<void>;
  mkdir(path: string): Awaitable<void>;
  rmdir(path: string): Awaitable<void>;
  /** lutimes(3) with this time for both: never through a symbolic link. */
  touch(path: string, atMs: number): Awaitable<void>;
  space(path: string): Awaitable<DiskSpace>;
}
