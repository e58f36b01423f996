/**
 * Putting right what verify found in a queue: damaged batches, and messages that are there twice.
 *
 * As in repair-site.ts, names are moved, and nothing is replaced or lost.
 */
import { ring } from "../disk/bell.ts";
import { copyFile, linkOrCopy, NO_MORE_LINKS } from "../disk/copy.ts";
import { ignore, syncDirectory } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { formatSlice, partOf } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { BatchFile } from "./batch-file.ts";
import type { Buckets } from "./buckets.ts";
import { reasonOf } from "./dead-letters.ts";
import { REASON_SUFFIX } from "./layout.ts";
import { Lease } from "./lease.ts";
import { SiteRepair } from "./repair-site.ts";
import type { Room } from "./room.ts";

/** How long a repair may take for one slice, in ms. */
const LEASE_MS = 60_000;

/** A slice, and where it is. */
export interface Entry {
  readonly path: string;
  readonly slice: Slice;
  readonly inode: number;
  /** Of what waits. */
  readonly bucket: string | undefined;
}

/** What can be done in a queue. */
export class QueueRepair extends SiteRepair {
  readonly room: Room;
  readonly #buckets: Buckets;

  constructor(room: Room, buckets: Buckets, moved: Set<string>) {
    super(room, moved, room.layout.directories);
    this.room = room;
    this.#buckets = buckets;
  }

  /** What is damaged becomes a dead letter, and keeps its bytes. */
  async bury(path: string, slice: Slice, problem: string): Promise<string | undefined> {
    const { fs, layout } = this.room;
    const letter = `${layout.dead}/${formatSlice(slice)}`;
    if (!(await this.isWhole()) || !(await this.#isThere(path))) return undefined;
    if (!(await this.#isThere(letter))) await this.#reason(letter, `damaged: ${problem}`);
    try {
      // A link, because a rename would replace another letter of that name.
      await fs.link(path, letter);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      if (isErrno(error, "EEXIST")) return this.#dropSecondName(path, letter);
      if (!isErrno(error, ...NO_MORE_LINKS)) throw error;
      await fs.rename(path, letter);
    }
    await syncDirectory(fs, layout.dead);
    await ignore(() => fs.unlink(path), "ENOENT");
    this.moved.add(letter);
    return "moved to the dead letters";
  }

  /** A letter without a reason gets one. */
  async giveReason(letter: string): Promise<string | undefined> {
    if (!(await this.isWhole()) || !(await this.#isThere(letter))) return undefined;
    await this.#reason(letter, "unknown: its reason was missing");
    return "a reason was written: unknown";
  }

  async #reason(letter: string, reason: string): Promise<void> {
    const atMs = await this.room.now();
    await this.room.replace(`${letter}${REASON_SUFFIX}`, `${JSON.stringify({ reason, atMs })}\n`);
  }

  /** Two names of one file are one letter; two files are two. */
  async #dropSecondName(path: string, letter: string): Promise<string | undefined> {
    const { fs } = this.room;
    let isSame = false;
    await ignore(async () => {
      isSame = (await fs.lstat(path)).inode === (await fs.lstat(letter)).inode;
    }, "ENOENT");
    if (!isSame) return this.aside(path);
    await ignore(() => fs.unlink(path), "ENOENT");
    this.moved.add(letter);
    return "is a dead letter already; removed here";
  }

  async #isThere(path: string): Promise<boolean> {
    return ignore(() => this.room.fs.lstat(path), "ENOENT", "ENOTDIR");
  }

  async #isStill({ path, inode }: Entry): Promise<boolean> {
    let isOne = false;
    await ignore(
      async () => {
        isOne = (await this.room.fs.lstat(path)).inode === inode;
      },
      "ENOENT",
      "ENOTDIR",
    );
    return isOne;
  }

  /**
   * Cuts out of a waiting slice the messages that another one holds, and sets them aside; the rest
   * waits on. It is claimed for that, so that no consumer has it meanwhile:
   *
   *   1. rename   it into a lease of our own; is the other one still where it was?
   *   2. link     the parts but the first beside it, then rename it to the first: as with a nack
   *   3. rename   the part that is held twice to aside/, the others back to where they were
   *
   * A crash leaves a lease whose holder is gone, and of whose parts none or all are covered.
   */
  async cut(loser: Entry, winner: Entry): Promise<string | undefined> {
    const { room } = this;
    if (!(await this.isWhole())) return undefined;
    const lease = await Lease.open(room, LEASE_MS, "brief");
    const pathOf = (slice: Slice): string => `${lease.path}/${formatSlice(slice)}`;
    const whole = pathOf(loser.slice);
    try {
      if (!(await ignore(() => room.fs.rename(loser.path, whole), "ENOENT"))) return undefined;
      if (!(await this.#isStill(winner))) {
        await this.#giveBack(whole, loser.slice, loser.bucket);
        return undefined;
      }
      const { middle, rest } = await this.#partsOf(whole, loser.slice, winner.slice);
      const first = rest[0] ?? middle;
      const others = [...rest, middle].filter((part) => part !== first);
      for (const part of others) await linkOrCopy(room.fs, whole, pathOf(part), room.draft());
      if (others.length > 0) {
        if (!room.disk.kind.oneSync) await syncDirectory(room.fs, lease.path);
        await room.fs.rename(whole, pathOf(first));
      }
      const repair = await this.aside(pathOf(middle));
      for (const part of rest) await this.#giveBack(pathOf(part), part, loser.bucket);
      return rest.length === 0 ? repair : `messages ${span(middle)} ${repair}; the rest waits on`;
    } finally {
      await lease.close();
      await ring(room.fs, room.layout.bell);
    }
  }

  async #giveBack(path: string, slice: Slice, bucket: string | undefined): Promise<void> {
    const place = `${this.room.layout.bucket(bucket ?? "")}/${formatSlice(slice)}`;
    // Nothing may be replaced: what has that name has these messages.
    if (await this.#isThere(place)) await this.aside(path);
    else await this.#buckets.place(path, slice, bucket);
  }

  /** The messages of a slice that another one holds, and those before and behind them. */
  async #partsOf(
    path: string,
    slice: Slice,
    other: Slice,
  ): Promise<{ middle: Slice; rest: Slice[] }> {
    const end = slice.offset + slice.bytes;
    const last = slice.first + slice.count;
    const from = Math.max(slice.first, other.first);
    const to = Math.min(last, other.first + other.count);
    const file = await BatchFile.open(this.room.fs, path, slice);
    try {
      const fromAt = await file.skip(slice.offset, end, from - slice.first);
      const toAt = await file.skip(fromAt, end, to - from);
      const rest: Slice[] = [];
      if (from > slice.first) {
        const count = from - slice.first;
        rest.push(partOf(slice, slice.first, count, slice.offset, fromAt - slice.offset));
      }
      if (to < last) rest.push(partOf(slice, to, last - to, toAt, end - toAt));
      return { middle: partOf(slice, from, to - from, fromAt, toAt - fromAt), rest };
    } finally {
      await file.close();
    }
  }

  /** The same of a dead letter: nobody consumes it, so what is left of it is linked first. */
  async cutLetter(loser: Entry, winner: Entry): Promise<string | undefined> {
    const { fs, layout } = this.room;
    if (!(await this.isWhole()) || !(await this.#isStill(loser))) return undefined;
    if (!(await this.#isStill(winner))) return undefined;
    const { rest } = await this.#partsOf(loser.path, loser.slice, winner.slice);
    const { reason } = await reasonOf(this.room, formatSlice(loser.slice));
    for (const part of rest) {
      const letter = `${layout.dead}/${formatSlice(part)}`;
      if (await this.#isThere(letter)) continue;
      await this.#reason(letter, reason);
      await this.#linkLetter(loser.path, letter);
    }
    await syncDirectory(fs, layout.dead);
    const repair = await this.aside(loser.path);
    await this.aside(`${loser.path}${REASON_SUFFIX}`);
    return repair;
  }

  async #linkLetter(from: string, to: string): Promise<void> {
    const { fs } = this.room;
    try {
      await fs.link(from, to);
    } catch (error) {
      if (isErrno(error, "EEXIST", "ENOENT")) return;
      if (!isErrno(error, ...NO_MORE_LINKS)) throw error;
      const draft = this.room.draft();
      await copyFile(fs, from, draft);
      await fs.rename(draft, to);
    }
  }

  /** What sorts before its bucket goes to the right one. */
  async place(path: string, slice: Slice): Promise<string | undefined> {
    if (!(await this.isWhole())) return undefined;
    const placed = await this.#buckets.place(path, slice);
    if (placed === undefined || placed === path) return undefined;
    this.moved.add(placed);
    await ring(this.room.fs, this.room.layout.bell);
    return `moved to ${placed}`;
  }
}

const span = ({ first, count }: Slice): string => `${first} to ${first + count - 1}`;
