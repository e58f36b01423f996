/**
 * A lease: the directory that holds what one consumer has claimed, and the lock that says that the
 * consumer lives.
 *
 *   leases/<lease>.lock/   made first, removed last; its age decides whether the lease has expired
 *   leases/<lease>/        who is in here is owned; taking the lease away is one rename of this
 *
 * A lease's name is made once and never again:
 *
 *   <id>_<time to live, ms>_<process>_<host>
 *
 * The process is `none` for a lease that outlives the command that made it (`take --lease`).
 * A crash after the lock leaves a lock without a directory; the next reaper removes it.
 */
import { startHeartbeat } from "../disk/heartbeat.ts";
import type { Heartbeat } from "../disk/heartbeat.ts";
import { ignore, isDirectory, makeDirectory, syncDirectory } from "../disk/durable.ts";
import { UNKNOWN_PROCESS } from "../disk/processes.ts";
import { isErrno, leaseLost, SpoolError } from "../errors.ts";
import { LEASE_CEILING_MS, LEASE_FLOOR_MS } from "../limits.ts";
import { ID_PATTERN, timeOfId } from "../message/id.ts";
import { formatSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Room } from "./room.ts";

const NAME = new RegExp(`^(${ID_PATTERN})_(\\d{1,13})_([a-z0-9.]+)_([A-Za-z0-9-]+)$`);

export interface LeaseName {
  readonly name: string;
  readonly ttlMs: number;
  readonly process: string;
  readonly host: string;
  readonly sinceMs: number;
}

export function parseLeaseName(name: string): LeaseName | undefined {
  const [, id, ttl, process, host] = NAME.exec(name) ?? [];
  if (id === undefined) return undefined;
  return { name, ttlMs: Number(ttl), process: process!, host: host!, sinceMs: timeOfId(id) };
}

/**
 * - `beating`: a consumer that stays; its lock is refreshed while it lives;
 * - `brief`: a command that claims and settles at once; it ends when its process ends;
 * - `handed out`: `take --lease`; nobody refreshes it but `extend`.
 */
export type LeaseStyle = "beating" | "brief" | "handed out";

export class Lease {
  readonly name: string;
  readonly ttlMs: number;
  readonly #room: Room;
  #heartbeat: Heartbeat | undefined;
  readonly #lost = new AbortController();
  readonly path: string;
  /** The error of the disk that has put something in it out of reach. */
  failure: unknown;

  private constructor(room: Room, name: string, ttlMs: number) {
    this.#room = room;
    this.name = name;
    this.path = room.layout.lease(name);
    this.ttlMs = ttlMs;
  }

  /** @throws LEASE_LOST, BAD_VALUE */
  static async open(room: Room, ttlMs: number, style: LeaseStyle): Promise<Lease> {
    if (!Number.isInteger(ttlMs) || ttlMs < 1 || ttlMs > LEASE_CEILING_MS) {
      throw new SpoolError(
        "BAD_VALUE",
        `not a lease time: ${ttlMs} ms`,
        "Give a year at the most.",
      );
    }
    if (style === "beating" && ttlMs < LEASE_FLOOR_MS) {
      throw new SpoolError(
        "BAD_VALUE",
        `a lease of ${ttlMs} ms is too short for a consumer that stays`,
        `Give ${LEASE_FLOOR_MS} ms or more.`,
      );
    }
    const { clock, ids, processes } = room.disk;
    // Its time is for people only, so a clock that was not read yet will do.
    const id = ids.next(clock.isFresh() ? clock.now() : Date.now());
    const process = style === "handed out" ? UNKNOWN_PROCESS : processes.self;
    const lease = new Lease(room, `${id}_${ttlMs}_${process}_${processes.host}`, ttlMs);
    try {
      await lease.#lock(style);
    } catch (error) {
      const { fs, layout } = room;
      if (!isErrno(error, "ENOENT") || !(await isDirectory(fs, layout.ready))) throw error;
      // It slept for so long that a sweeper took its lock for an orphan.
      if (await isDirectory(fs, layout.leases)) throw leaseLost(`queue ${room.name}`, error);
      // As after a backup without empty directories.
      await room.mend();
      await lease.#lock(style);
    }
    try {
      await makeDirectory(room.fs, lease.path);
      // What is claimed must not get lost with the directory that it was claimed into.
      if (!room.disk.kind.ordered) await syncDirectory(room.fs, room.layout.leases);
    } catch (error) {
      // A full disk, say: no lock may go on beating for a lease that never came.
      await lease.#unlock();
      throw error;
    }
    return lease;
  }

  async #lock(style: LeaseStyle): Promise<void> {
    const { fs, disk, layout } = this.#room;
    const lock = layout.lock(this.name);
    if (style === "beating") {
      const read = (): Promise<number> => this.#room.readClock();
      this.#heartbeat = await startHeartbeat(fs, lock, this.ttlMs, read, (error) => {
        this.#lost.abort(error);
      });
    } else {
      await makeDirectory(fs, lock);
      disk.clock.observe((await fs.lstat(lock)).mtimeMs);
    }
  }

  /** Aborted when the heartbeat found that the lease was taken away. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** @throws LEASE_LOST where somebody has taken it away. */
  async check(): Promise<void> {
    if (!(await this.isThere())) throw leaseLost("its messages");
  }

  async isThere(): Promise<boolean> {
    return ignore(() => this.#room.fs.lstat(this.path), "ENOENT");
  }

  /**
   * Removes the lease where nothing is in it. One that holds something is left; but where it has beaten, its
   * lock goes, and so the next reaper takes it over.
   */
  async close(): Promise<void> {
    const { fs } = this.#room;
    if (await removeIfEmpty(fs.rmdir.bind(fs), this.path)) await this.#unlock();
    else await this.#heartbeat?.stop();
  }

  async #unlock(): Promise<void> {
    const { fs, layout } = this.#room;
    await this.#heartbeat?.stop();
    await removeIfEmpty(fs.rmdir.bind(fs), layout.lock(this.name));
  }

  /**
   * Stops the sign of life, and with it goes the lock of a lease that has beaten: for a consumer that is going to
   * die. What it holds is left to the next reaper.
   */
  async abandon(): Promise<void> {
    await this.#heartbeat?.stop();
  }
}

/** True where the directory is not there (any more). */
async function removeIfEmpty(rmdir: (path: string) => unknown, path: string): Promise<boolean> {
  try {
    await ignore(() => rmdir(path), "ENOENT");
    return true;
  } catch {
    // Not empty, or not ours to remove: the reaper sees to it.
    return false;
  }
}

/** Removes a handed-out lease after its last message was settled. */
export async function dropEmptyLease(room: Room, name: string): Promise<void> {
  const rmdir = room.fs.rmdir.bind(room.fs);
  if (await removeIfEmpty(rmdir, room.layout.lease(name))) {
    await removeIfEmpty(rmdir, room.layout.lock(name));
  }
}

/** Makes the lease that holds `slice` last `forMs` from now on. @throws LEASE_LOST */
export async function extendLease(
  room: Room,
  lease: LeaseName,
  slice: Slice,
  forMs: number,
): Promise<void> {
  const { fs, layout } = room;
  const nowMs = await room.now();
  const path = `${layout.lease(lease.name)}/${formatSlice(slice)}`;
  // It ends when its lock is older than its time to live, so a longer one is a lock from the future.
  const touch = (): unknown => fs.touch(layout.lock(lease.name), nowMs + forMs - lease.ttlMs);
  const isHeld = (): Promise<boolean> => ignore(() => fs.lstat(path), "ENOENT");
  // Looked at before, because others may share the lease; and after, because what is there then is
  // not taken away until the new time is over.
  const isExtended = (await isHeld()) && (await ignore(touch, "ENOENT")) && (await isHeld());
  if (!isExtended) throw leaseLost("that message");
}
