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
import { chain } from "../disk/file-system.ts";
import type { Awaitable } from "../disk/file-system.ts";
import { isErrno, isOfSystem, leaseLost, SpoolError } from "../errors.ts";
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
import type { Room } from "./room.ts";
import type { Candidate, Scanner } from "./scan.ts";

export interface Claim {
  readonly held: Held;
  /** The claimer's to share; the holder closes it. */
  readonly file: BatchFile;
}

/** Nothing came of that one: there may be another. */
const AGAIN = "again";
type Outcome = Claim | typeof AGAIN | undefined;

export class Claimer {
  readonly #room: Room;
  readonly #buckets: Buckets;
  readonly #scanner: Scanner;
  readonly #warn: Warn;
  /** The batch that was read last: its other slices are often next. */
  #last: BatchFile | undefined;

  constructor(room: Room, buckets: Buckets, scanner: Scanner, warn: Warn) {
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
  claim(lease: Lease, want: number): Awaitable<Claim | undefined> {
    for (;;) {
      const outcome = chain(this.#room.breathe(), () => this.#try(lease, want));
      if (outcome instanceof Promise) return this.#goOn(outcome, lease, want);
      if (outcome !== AGAIN) return outcome;
    }
  }

  async #goOn(first: Promise<Outcome>, lease: Lease, want: number): Promise<Claim | undefined> {
    let outcome = await first;
    while (outcome === AGAIN) {
      await this.#room.breathe();
      outcome = await this.#try(lease, want);
    }
    return outcome;
  }

  #try(lease: Lease, want: number): Awaitable<Outcome> {
    return chain(this.#room.now(), (nowMs) =>
      chain(this.#scanner.next(nowMs), (candidate) => {
        if (candidate === undefined) return undefined;
        if (isExpired(candidate.slice, nowMs)) return this.#expire(candidate);
        return chain(this.#take(lease, candidate), (held) =>
          held === undefined ? AGAIN : this.#use(held, candidate, want),
        );
      }),
    );
  }

  async #expire(candidate: Candidate): Promise<Outcome> {
    await expire(this.#room, this.#pathOf(candidate), candidate.slice, this.#warn);
    return AGAIN;
  }

  /** Steps 2 and 3. */
  #use(held: Held, candidate: Candidate, want: number): Awaitable<Outcome> {
    return chain(this.#open(held, candidate.slice), (file) =>
      file === undefined ? AGAIN : this.#trim({ held, file }, candidate, want),
    );
  }

  async close(): Promise<void> {
    await this.#last?.close();
    this.#last = undefined;
  }

  #pathOf({ bucket, name }: Candidate): string {
    return `${this.#room.layout.bucket(bucket)}/${name}`;
  }

  /** Step 1; undefined where another consumer was faster. */
  #take(lease: Lease, candidate: Candidate): Awaitable<Held | undefined> {
    const path = `${lease.path}/${candidate.name}`;
    const taken = (): Held =>
      new Held(this.#room, this.#buckets, lease.path, candidate.slice, candidate.bucket, path);
    const otherwise = async (error: unknown): Promise<Held | undefined> =>
      (await this.#isTaken(lease, path, error)) ? taken() : undefined;
    try {
      const renamed = this.#room.fs.rename(this.#pathOf(candidate), path);
      return renamed instanceof Promise ? renamed.then(taken, otherwise) : taken();
    } catch (error) {
      return otherwise(error);
    }
  }

  /** The slice is gone, or my lease is. Or it worked, and the reply was lost on the way. */
  async #isTaken(lease: Lease, path: string, error: unknown): Promise<boolean> {
    if (!isErrno(error, "ENOENT")) throw error;
    await lease.check();
    if (this.#room.disk.kind.shared && (await isThere(this.#room, path))) return true;
    this.#scanner.lost();
    return false;
  }

  /** Step 2. */
  #open(held: Held, slice: Slice): Awaitable<BatchFile | undefined> {
    try {
      if (this.#last?.header.id === slice.batch) {
        this.#last.checkSlice(slice);
        return this.#last.share();
      }
      const file = BatchFile.open(this.#room.fs, held.path, slice);
      if (!(file instanceof Promise)) return this.#keep(file);
      return file.then(
        (opened) => this.#keep(opened),
        (error: unknown) => this.#notOpened(held, error),
      );
    } catch (error) {
      return this.#notOpened(held, error);
    }
  }

  #keep(file: BatchFile): Awaitable<BatchFile> {
    const last = this.#last;
    this.#last = file;
    file.share();
    return chain(last?.close(), () => file);
  }

  async #notOpened(held: Held, error: unknown): Promise<undefined> {
    if (isErrno(error, "ENOENT")) throw leaseLost(`queue ${this.#room.name}`, error);
    if (error instanceof ForeignError) {
      await setAside(this.#room, held.path, error.message, this.#warn);
    } else if (error instanceof DamagedError) await this.#buryDamaged(held, error);
    else throw await this.#givenBack(held, error);
  }

  /** Nobody has seen it: it goes back, and this is no attempt. What fails now is nothing beside the error. */
  async #givenBack(held: Held, error: unknown): Promise<unknown> {
    try {
      await held.giveBack();
    } catch (second) {
      if (!isOfSystem(second) && !(second instanceof SpoolError)) throw second;
    }
    return error;
  }

  async #buryDamaged(held: Held, error: DamagedError): Promise<void> {
    this.#warn(`${held.path}: damaged: ${error.message}; moved to the dead letters`);
    await held.bury({ reason: `damaged: ${error.message}` });
  }

  /** Step 3. */
  #trim(claim: Claim, candidate: Candidate, want: number): Awaitable<Outcome> {
    return chain(this.#room.settings(), ({ maxAttempts }) => {
      const { attempts, restAttempts, count } = candidate.slice;
      const isSpent = maxAttempts > 0 && attempts >= maxAttempts;
      const isSuspect = attempts !== restAttempts;
      const most = isSpent || isSuspect ? 1 : want;
      if (count <= most && !isSpent) return claim;
      return this.#split(claim, candidate, most, isSpent);
    });
  }

  async #split(
    claim: Claim,
    { bucket, slice }: Candidate,
    count: number,
    isSpent: boolean,
  ): Promise<Outcome> {
    const { held, file } = claim;
    try {
      const end = slice.offset + slice.bytes;
      const next = slice.count > count ? await file.skip(slice.offset, end, count) : end;
      if (slice.count > count) {
        // What is behind it is next in the order of delivery, ahead of all that was listed.
        const rest = await held.split(count, next);
        this.#scanner.putBack({ name: formatSlice(rest), bucket, slice: rest });
      }
      if (!isSpent) return claim;
      await held.reject(next, { reason: `gave up after ${slice.attempts} attempts` }, false);
    } catch (error) {
      if (!(error instanceof DamagedError)) {
        await file.close();
        throw await this.#givenBack(held, error);
      }
      await this.#buryDamaged(held, error);
    }
    await file.close();
    return AGAIN;
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
