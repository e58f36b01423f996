/**
 * Claim: who renames it, owns it.
 *
 *   1. rename   ready/<bucket>/<slice> into my lease. Of all competitors one succeeds
 *   2. check    the batch: damaged bytes become a dead letter, what is no file is set aside
 *   3. split    where the slice holds more than is wanted, or its first message has to go alone
 *
 * A crash after 1 leaves the slice in the lease, from where it goes back. A message whose attempts
 * are used up is found here, at the front of a slice that came back from a crash, and buried.
 */
import { isErrno, isOfSystem, leaseLost } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import { formatSlice, isExpired } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { setAside } from "./aside.ts";
import type { Warn } from "./aside.ts";
import { BatchFile, ForeignError } from "./batch-file.ts";
import type { Buckets } from "./buckets.ts";
import { bury } from "./dead-letters.ts";
import { Held } from "./held.ts";
import type { Lease } from "./lease.ts";
import type { Memory } from "./memory.ts";
import type { Room } from "./room.ts";
import type { Candidate, Scanner } from "./scan.ts";

/** Batches that may be on their way out at once. */
const CLOSING = 2;

export interface Claim {
  readonly held: Held;
  /** The claimer's to share; the holder closes it. */
  readonly file: BatchFile;
}

export class Claimer {
  readonly #room: Room;
  readonly #buckets: Buckets;
  readonly #scanner: Scanner;
  readonly #warn: Warn;
  /** The batch that was read last: its other slices are often next. */
  #last: BatchFile | undefined;
  /** One that was read before anybody has claimed it. */
  #ahead: BatchFile | undefined;
  readonly #closing: Promise<void>[] = [];

  readonly #memory: Memory | undefined;

  constructor(room: Room, buckets: Buckets, scanner: Scanner, warn: Warn, memory?: Memory) {
    this.#memory = memory;
    this.#room = room;
    this.#buckets = buckets;
    this.#scanner = scanner;
    this.#warn = warn;
  }

  /**
   * Claims the next slice, `want` messages of it at the most; undefined where nothing is ready.
   *
   * @throws LEASE_LOST
   */
  async claim(lease: Lease, want: number): Promise<Claim | undefined> {
    for (;;) {
      await this.#room.breathe();
      const nowMs = await this.#room.now();
      const candidate = await this.#scanner.next(nowMs);
      if (candidate === undefined) return undefined;
      if (isExpired(candidate.slice, nowMs)) {
        await expire(this.#room, this.#pathOf(candidate), candidate.slice, this.#warn);
        continue;
      }
      const held = await this.#take(lease, candidate);
      if (held === undefined) continue;
      const claim = await this.#open(held, candidate.slice);
      if (claim !== undefined && (await this.#trim(claim, candidate, want))) return claim;
    }
  }

  /**
   * Reads and checks what is likely to be claimed next, while the caller is busy with what it has.
   *
   * It stays where it is: anybody may claim it, and if this process dies no attempt is counted. What
   * was read holds for whoever claims it, since a batch never changes.
   */
  async readAhead(): Promise<void> {
    try {
      const nowMs = await this.#room.now();
      const candidate = await this.#scanner.next(nowMs);
      if (candidate === undefined) return;
      this.#scanner.putBack(candidate);
      const { slice } = candidate;
      const isRead = [this.#last, this.#ahead].some((file) => file?.header.id === slice.batch);
      if (isRead || isExpired(slice, nowMs)) return;
      const path = this.#pathOf(candidate);
      const file = await BatchFile.open(this.#room.fs, path, slice, this.#memory);
      await this.#release(this.#ahead);
      this.#ahead = file;
    } catch (error) {
      // It is gone; or whoever claims it finds out the same, and says so.
      const isKnown = error instanceof DamagedError || error instanceof ForeignError;
      if (!isKnown && !isOfSystem(error)) throw error;
    }
  }

  async close(): Promise<void> {
    await this.#release(this.#last);
    await this.#release(this.#ahead);
    this.#last = undefined;
    this.#ahead = undefined;
    await Promise.all(this.#closing.splice(0));
  }

  /** Lets go of a batch. If that frees it, it takes a while, and nothing depends on it. */
  async #release(file: BatchFile | undefined): Promise<void> {
    const closing = file?.close();
    if (closing === undefined) return;
    // It is awaited later; until then nobody else would see it fail.
    closing.catch(() => {});
    this.#closing.push(closing);
    if (this.#closing.length > CLOSING) await this.#closing.shift();
  }

  #pathOf({ bucket, name }: Candidate): string {
    return `${this.#room.layout.bucket(bucket)}/${name}`;
  }

  /** Step 1; undefined where another consumer was faster. */
  async #take(lease: Lease, candidate: Candidate): Promise<Held | undefined> {
    const { fs, disk } = this.#room;
    const path = `${lease.path}/${candidate.name}`;
    try {
      await fs.rename(this.#pathOf(candidate), path);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      // The slice is gone, or my lease is. Or it worked, and the reply was lost on the way.
      await lease.check();
      if (!disk.kind.shared || !(await isThere(this.#room, path))) return undefined;
    }
    return new Held(this.#room, this.#buckets, lease.path, candidate.slice, candidate.bucket);
  }

  /** Step 2. */
  async #open(held: Held, slice: Slice): Promise<Claim | undefined> {
    try {
      if (this.#last?.header.id === slice.batch) {
        this.#last.checkSlice(slice);
        return { held, file: this.#last.share() };
      }
      const file = await this.#fileOf(held, slice);
      await this.#release(this.#last);
      this.#last = file;
      return { held, file: file.share() };
    } catch (error) {
      if (isErrno(error, "ENOENT")) throw leaseLost(`queue ${this.#room.name}`, error);
      if (error instanceof ForeignError) {
        await setAside(this.#room, held.path, error.message, this.#warn);
        return undefined;
      }
      if (!(error instanceof DamagedError)) throw error;
      await this.#buryDamaged(held, error);
      return undefined;
    }
  }

  /** Checked already where it was read ahead, which is not to say that this slice of it is right. */
  async #fileOf(held: Held, slice: Slice): Promise<BatchFile> {
    const ahead = this.#ahead;
    if (ahead?.header.id !== slice.batch) {
      return BatchFile.open(this.#room.fs, held.path, slice, this.#memory);
    }
    ahead.checkSlice(slice);
    this.#ahead = undefined;
    return ahead;
  }

  async #buryDamaged(held: Held, error: DamagedError): Promise<void> {
    this.#warn(`${held.path}: damaged: ${error.message}; moved to the dead letters`);
    await held.bury({ reason: `damaged: ${error.message}` });
  }

  /** Step 3. False where nothing is left to deliver. */
  async #trim({ held, file }: Claim, { bucket, slice }: Candidate, want: number): Promise<boolean> {
    const { maxAttempts } = await this.#room.settings();
    const isSpent = maxAttempts > 0 && slice.attempts >= maxAttempts;
    const isSuspect = slice.attempts !== slice.restAttempts;
    const count = isSpent || isSuspect ? 1 : want;
    try {
      const end = slice.offset + slice.bytes;
      const next = slice.count > count ? await file.skip(slice.offset, end, count) : end;
      if (slice.count > count) {
        // What is behind it is next in the order of delivery, ahead of all that was listed.
        const rest = await held.split(count, next);
        this.#scanner.putBack({ name: formatSlice(rest), bucket, slice: rest });
      }
      if (!isSpent) return true;
      await held.reject(next, { reason: `gave up after ${slice.attempts} attempts` }, false);
    } catch (error) {
      if (!(error instanceof DamagedError)) {
        await file.close();
        throw error;
      }
      await this.#buryDamaged(held, error);
    }
    await file.close();
    return false;
  }
}

async function isThere(room: Room, path: string): Promise<boolean> {
  try {
    await room.fs.lstat(path);
    return true;
  } catch {
    return false;
  }
}

/** What becomes of a slice whose time to live is over: as the queue is set. True where it went. */
export async function expire(room: Room, path: string, slice: Slice, warn: Warn): Promise<boolean> {
  const { expired } = await room.settings();
  if (expired === "dead") return bury(room, path, slice, { reason: "expired" });
  try {
    await room.fs.unlink(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    const isFile = isErrno(error, "EPERM") && (await room.fs.lstat(path)).kind === "file";
    if (isFile || !isErrno(error, "EISDIR", "EPERM")) throw error;
    await setAside(room, path, "a directory, not a file", warn);
    return false;
  }
}
