/**
 * A slice that is held in a lease, and what its holder can do with it.
 *
 * The first message of a held slice is the one in hand; the others wait behind it. So after a crash
 * the names in the lease say exactly which messages were being worked on. Every change is one
 * rename or unlink that commits, at most one link before it, all inside the lease; and they name
 * the lease, so a holder whose lease was taken away gets ENOENT and changes nothing:
 *
 *   ack       rename [f,e) to [f+k,e); of all that is left: unlink
 *   split     link [f,f+k), then rename [f,e) to ready/ as [f+k,e)
 *   detach    link [f,f+1), then rename [f,e) to [f+1,e): two slices of one lease
 *   nack      link [f+1,e), then rename [f,e) to ready/ as [f,f+1), tried once more
 *   reject    link [f+1,e), then rename [f,e) to dead/ as [f,f+1)
 *   give back rename [f,e) to ready/ as it is
 *
 * Dying between link and rename leaves a slice that is covered by another one of the same batch;
 * whoever takes the lease over drops it first.
 */
import { ring } from "../disk/bell.ts";
import { linkOrCopy } from "../disk/copy.ts";
import { ignore, quietly, renameOnce, syncDirectory } from "../disk/durable.ts";
import { chain } from "../disk/file-system.ts";
import type { Awaitable, FileSystem } from "../disk/file-system.ts";
import { isErrno, leaseLost } from "../errors.ts";
import { formatSlice, partOf, withAttempt } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Buckets } from "./buckets.ts";
import { bury } from "./dead-letters.ts";
import type { DeathReason } from "./dead-letters.ts";
import type { Room } from "./room.ts";

export class Held {
  readonly #room: Room;
  readonly #buckets: Buckets;
  readonly #lease: string;
  /** The bucket that it came from: what goes back unchanged goes there. */
  readonly #bucket: string | undefined;
  #slice: Slice | undefined;
  #isLost = false;
  /** The last that was named, and its path. */
  #named: Slice | undefined;
  #path = "";
  /** It was linked from a whole, which may still be at its old name after a power cut. */
  #isUnsure: boolean;
  /** After a power cut it is in the lease, and not where it was claimed. */
  #isClaimSafe = false;

  /**
   * @param lease     the path of the lease's directory.
   * @param path      the slice's own, where it is known.
   * @param isUnsure  it may have been split off, by somebody who did not sync that.
   */
  constructor(
    room: Room,
    buckets: Buckets,
    lease: string,
    slice: Slice,
    bucket?: string,
    path?: string,
    isUnsure = false,
  ) {
    this.#isUnsure = isUnsure;
    if (path !== undefined) {
      this.#path = path;
      this.#named = slice;
    }
    this.#room = room;
    this.#buckets = buckets;
    this.#lease = lease;
    this.#slice = slice;
    this.#bucket = bucket;
  }

  /** What is still held; undefined when all of it was settled. */
  get slice(): Slice | undefined {
    return this.#slice;
  }

  get path(): string {
    return this.#pathOf(this.#held());
  }

  /** Done with the first `count` messages; the one after them starts at `next`. */
  ack(count: number, next: number): Awaitable<void> {
    const slice = this.#held();
    const isAll = count >= slice.count;
    const rest = isAll ? undefined : restOf(slice, count, next);
    const from = this.#pathOf(slice);
    const done =
      rest === undefined
        ? this.#remove(from)
        : renameOnce(this.#room.disk, from, this.#pathOf(rest));
    return chain(done, (isDone) => {
      if (!isDone) throw this.#lostNow();
      this.#slice = rest;
      this.#room.flowed("out", isAll ? slice.count : count);
    });
  }

  /** Keeps the first `count` messages and gives the rest, which starts at `next`, back. */
  async split(count: number, next: number): Promise<Slice> {
    const slice = this.#held();
    const head = headOf(slice, count, next);
    const rest = restOf(slice, count, next);
    await this.#linked(slice, head, () => this.#place(slice, rest, this.#bucket));
    this.#slice = head;
    this.#isUnsure = true;
    await ring(this.#room.fs, this.#room.layout.bell);
    return rest;
  }

  /** Makes the first message a held slice of its own; this one goes on with the rest. */
  async detach(next: number): Promise<Held> {
    const slice = this.#held();
    const head = headOf(slice, 1, next);
    const rest = restOf(slice, 1, next);
    await this.#linked(slice, head, async () => {
      if (!(await renameOnce(this.#room.disk, this.#pathOf(slice), this.#pathOf(rest)))) {
        throw this.#lostNow();
      }
    });
    this.#slice = rest;
    return new Held(this.#room, this.#buckets, this.#lease, head, this.#bucket, undefined, true);
  }

  /** The first message goes back, visible at `visibleMs`; `isCounted` where this was an attempt. */
  async nack(next: number, visibleMs: number, isCounted: boolean): Promise<void> {
    const slice = this.#held();
    const head = headOf(slice, 1, next);
    // Before anything is linked: a time that cannot be kept is refused here.
    formatSlice({ ...head, visibleMs });
    const back = { ...(isCounted ? withAttempt(head) : head), visibleMs };
    const rest = slice.count === 1 ? undefined : restOf(slice, 1, next);
    await this.#linked(slice, rest, () => this.#place(slice, back));
    this.#slice = rest;
    this.#room.flowed("back", 1);
    this.#isUnsure = true;
    await ring(this.#room.fs, this.#room.layout.bell);
  }

  /** The first message becomes a dead letter, after one more attempt where `isCounted`. */
  async reject(next: number, reason: Omit<DeathReason, "atMs">, isCounted: boolean): Promise<void> {
    const slice = this.#held();
    const rest = slice.count === 1 ? undefined : restOf(slice, 1, next);
    const head = headOf(slice, 1, next);
    const letter = isCounted ? withAttempt(head) : head;
    await this.#linked(slice, rest, async () => {
      await this.secure();
      if (!(await bury(this.#room, this.#pathOf(slice), letter, reason))) throw this.#lostNow();
    });
    this.#slice = rest;
    this.#isUnsure = true;
  }

  /** All of it, as it is, becomes dead letters: its file is damaged. */
  async bury(reason: Omit<DeathReason, "atMs">): Promise<void> {
    const slice = this.#held();
    await this.secure();
    if (!(await bury(this.#room, this.#pathOf(slice), slice, reason))) throw this.#lostNow();
    this.#slice = undefined;
  }

  /** Gives all of it back, as it was: no attempt is counted. */
  async giveBack(): Promise<void> {
    const slice = this.#slice;
    if (slice === undefined) return;
    this.#slice = undefined;
    await this.#place(slice, slice, this.#bucket);
    await ring(this.#room.fs, this.#room.layout.bell);
  }

  #held(): Slice {
    if (this.#slice !== undefined) return this.#slice;
    throw leaseLost(
      this.#isLost ? `queue ${this.#room.name}` : "a message that was settled already",
    );
  }

  #pathOf(slice: Slice): string {
    // An ack names the rest, which is what the next ack renames.
    if (slice !== this.#named) {
      this.#path = `${this.#lease}/${formatSlice(slice)}`;
      this.#named = slice;
    }
    return this.#path;
  }

  #lostNow(): Error {
    this.#isLost = true;
    this.#slice = undefined;
    return leaseLost(`queue ${this.#room.name}`);
  }

  /**
   * Links a part, if there is one, and then commits.
   *
   * Where that fails and both names are there, nothing more is done with them: a rename of the whole
   * to the part's name would do nothing, and say success. Who takes the lease over drops the part.
   */
  async #linked(slice: Slice, part: Slice | undefined, commit: () => Promise<unknown>) {
    try {
      if (part !== undefined) await this.#link(slice, part);
      await commit();
    } catch (error) {
      if (part !== undefined && (await this.#mayBeThere(part))) this.#slice = undefined;
      throw error;
    }
  }

  async #mayBeThere(part: Slice): Promise<boolean> {
    try {
      return await ignore(() => this.#room.fs.lstat(this.#pathOf(part)), "ENOENT");
    } catch {
      return true;
    }
  }

  /** Links a part beside the whole, and makes it last where the order might not. */
  async #link(slice: Slice, part: Slice): Promise<void> {
    const { disk } = this.#room;
    try {
      // A link may outlast a power cut without the claim of what it was made of.
      this.#isUnsure ||= !this.#isClaimSafe;
      await this.secure();
      await linkOrCopy(disk, this.#pathOf(slice), this.#pathOf(part), this.#room.draft());
      this.#isUnsure = true;
      await this.secure();
    } catch (error) {
      if (isErrno(error, "ENOENT")) throw this.#lostNow();
      throw error;
    }
  }

  /**
   * Makes what was done in the lease last, where the disk may keep name changes in any order: else,
   * after a power cut, what is moved away now may also be in the whole that it was split from.
   *
   * @throws LEASE_LOST
   */
  async secure(): Promise<void> {
    const { fs, disk } = this.#room;
    if (disk.kind.oneSync || !this.#isUnsure) return;
    if (!(await ignore(() => syncDirectory(fs, this.#lease), "ENOENT"))) throw this.#lostNow();
    this.#isUnsure = false;
    this.#isClaimSafe = true;
  }

  async #place(slice: Slice, as: Slice, bucket?: string): Promise<void> {
    await this.secure();
    const placed = await this.#buckets.place(this.#pathOf(slice), as, bucket);
    if (placed === undefined) throw this.#lostNow();
  }

  /** Unlinks; where a reply may get lost, through a name that tells whose unlink it was. */
  #remove(path: string): Awaitable<boolean> {
    const { fs, disk } = this.#room;
    return disk.kind.shared ? this.#removeOnce(path) : unlinkIfThere(fs, path);
  }

  async #removeOnce(path: string): Promise<boolean> {
    const { fs, disk } = this.#room;
    const gone = `${this.#lease}/.gone-${Math.floor(disk.random() * 36 ** 10).toString(36)}`;
    if (!(await renameOnce(disk, path, gone))) return false;
    // It is acked already; who takes the lease over drops what stays.
    await quietly(() => fs.unlink(gone));
    return true;
  }
}

function unlinkIfThere(fs: FileSystem, path: string): Awaitable<boolean> {
  const otherwise = (error: unknown): boolean => {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  };
  try {
    const unlinked = fs.unlink(path);
    return unlinked instanceof Promise ? unlinked.then(() => true, otherwise) : true;
  } catch (error) {
    return otherwise(error);
  }
}

function headOf(slice: Slice, count: number, next: number): Slice {
  return partOf(slice, slice.first, count, slice.offset, next - slice.offset);
}

/** What is left of a slice behind its first `count` messages; `next` is where that begins in the batch. */
export function restOf(slice: Slice, count: number, next: number): Slice {
  const bytes = slice.bytes - (next - slice.offset);
  return partOf(slice, slice.first + count, slice.count - count, next, bytes);
}
