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
import type { BatchFile } from "./batch-file.ts";
import { ForeignError, openBatch } from "./open-batch.ts";
import type { Buckets } from "./buckets.ts";
import { expire } from "./expire.ts";
import { Held } from "./held.ts";
import type { Lease } from "./lease.ts";
import { limitOf } from "./limit.ts";
import type { Limit } from "./limit.ts";
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
        // Read before anything is claimed: what fails then has changed nothing.
        return chain(this.#room.settings(), (settings) => {
          if (settings.isPaused) return this.#pause(candidate);
          const limit = limitOf(candidate.slice, settings, want);
          return chain(this.#take(lease, candidate), (held) =>
            held === undefined ? AGAIN : this.#use(held, candidate, limit),
          );
        });
      }),
    );
  }

  /** Nothing for now. Whoever resumes the queue rings: then the settings have to be read anew. */
  #pause(candidate: Candidate): undefined {
    this.#scanner.putBack(candidate);
    this.#room.forgetSettings();
  }

  async #expire(candidate: Candidate): Promise<Outcome> {
    await expire(this.#room, this.#pathOf(candidate), candidate.slice, this.#warn);
    return AGAIN;
  }

  /** Steps 2 and 3. */
  #use(held: Held, candidate: Candidate, limit: Limit): Awaitable<Outcome> {
    return chain(this.#open(held, candidate.slice), (file) => {
      if (file === undefined) return AGAIN;
      const isWhole = candidate.slice.count <= limit.count && !limit.isSpent;
      return isWhole ? { held, file } : this.#split({ held, file }, candidate, limit);
    });
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
      const file = await openBatch(this.#room.fs, path, slice, this.#memory);
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
  #release(file: BatchFile | undefined): Awaitable<void> {
    const closing = file?.close();
    if (!(closing instanceof Promise)) return;
    // It is awaited later; until then nobody else would see it fail.
    closing.catch(() => {});
    this.#closing.push(closing);
    if (this.#closing.length > CLOSING) return this.#closing.shift();
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
      const file = this.#fileOf(held, slice);
      if (!(file instanceof Promise)) return this.#keep(file);
      return file.then(
        (opened) => this.#keep(opened),
        (error: unknown) => this.#notOpened(held, error),
      );
    } catch (error) {
      return this.#notOpened(held, error);
    }
  }

  /** Checked already where it was read ahead, which is not to say that this slice of it is right. */
  #fileOf(held: Held, slice: Slice): Awaitable<BatchFile> {
    const ahead = this.#ahead;
    if (ahead?.header.id !== slice.batch) {
      return openBatch(this.#room.fs, held.path, slice, this.#memory);
    }
    ahead.checkSlice(slice);
    this.#ahead = undefined;
    return ahead;
  }

  #keep(file: BatchFile): Awaitable<BatchFile> {
    const last = this.#last;
    this.#last = file;
    file.share();
    return chain(this.#release(last), () => file);
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
  async #split(
    claim: Claim,
    { bucket, slice }: Candidate,
    { count, isSpent }: Limit,
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
