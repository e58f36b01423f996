/**
 * The lock that says "alive".
 *
 * A lock is a directory whose mtime is refreshed while its holder lives; proper-lockfile makes it
 * and keeps it. The lock never says "mine": every name is used once and nobody ever acquires the
 * lock of another, so none of the ways in which a lock can be handed out twice can hurt.
 *
 * proper-lockfile stamps with this host's clock. Here the file system that it is given stamps
 * with the disk's clock instead, so that all hosts agree on a lock's age.
 */
import { leaseLost } from "../errors.ts";
import { makeDirectory } from "./durable.ts";
import type { Awaitable, FileSystem } from "./file-system.ts";

type Callback<T = void> = (error: unknown, value?: T) => void;

/** proper-lockfile's view of one lock: its own times outside, the disk's inside. */
class StampingFileSystem {
  readonly #fs: FileSystem;
  readonly #diskNowMs: () => Awaitable<number>;
  #given: Date | undefined;

  constructor(fs: FileSystem, diskNowMs: () => Awaitable<number>) {
    this.#fs = fs;
    this.#diskNowMs = diskNowMs;
  }

  mkdir = (path: string, done: Callback): void => {
    // Its name is used once: one that is there was made by us, and the reply was lost.
    settle(async () => void (await makeDirectory(this.#fs, path)), done);
  };

  rmdir = (path: string, done: Callback): void => {
    settle(async () => this.#fs.rmdir(path), done);
  };

  /** For its exit handler: best effort, like all that a dying process does. */
  rmdirSync = (path: string): void => {
    void this.#fs.rmdir(path);
  };

  stat = (path: string, done: Callback<{ mtime: Date }>): void => {
    settle(async () => {
      const { mtimeMs } = await this.#fs.lstat(path);
      // Nobody else acquires this lock: only one that is gone is lost. `extend` may have touched it.
      return { mtime: this.#given ?? new Date(mtimeMs) };
    }, done);
  };

  utimes = (path: string, _atime: Date, mtime: Date, done: Callback): void => {
    settle(async () => {
      const nowMs = await this.#diskNowMs();
      await this.#fs.touch(path, nowMs);
      this.#given = mtime;
    }, done);
  };
}

function settle<T>(act: () => Promise<T>, done: Callback<T>): void {
  act().then(
    (value) => done(null, value),
    (error: unknown) => done(error),
  );
}

export interface Heartbeat {
  /** Stops the heartbeat and removes the lock. */
  stop(): Promise<void>;
}

/** Loads what the first heartbeat needs: for who has time now, and may not have it then. */
export async function loadHeartbeat(): Promise<void> {
  await import("proper-lockfile");
}

/**
 * Makes the lock directory `lockPath` and refreshes it three times in each `ttlMs`.
 *
 * @param diskNowMs  the disk's time, read anew at each beat.
 * @param onLost     told once, when the lock was found gone or was not refreshed in time.
 */
export async function startHeartbeat(
  fs: FileSystem,
  lockPath: string,
  ttlMs: number,
  diskNowMs: () => Awaitable<number>,
  onLost: (error: Error) => void,
): Promise<Heartbeat> {
  const { lock } = (await import("proper-lockfile")).default;
  const release = await lock(lockPath, {
    lockfilePath: lockPath,
    realpath: false,
    fs: new StampingFileSystem(fs, diskNowMs),
    stale: ttlMs,
    update: ttlMs / 3,
    onCompromised: (cause) => onLost(leaseLost("its messages", cause)),
  });
  return {
    stop: async () => {
      try {
        await release();
      } catch {
        // Lost or released already: there is nothing left to stop.
      }
    },
  };
}
