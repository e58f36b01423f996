/**
 * Putting right what verify found in a queue: damaged batches, and messages that are there twice.
 *
 * As in repair-site.ts, names are moved, and nothing is replaced or lost.
 */
import { dirname } from "node:path";

import { ring } from "../disk/bell.ts";
import { copyFile, linkOrCopy, NO_MORE_LINKS } from "../disk/copy.ts";
import { ignore, syncDirectory, syncFile } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { formatSlice, partOf } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { openBatch } from "./open-batch.ts";
import type { Buckets } from "./buckets.ts";
import { reasonOf } from "./dead-letters.ts";
import { REASON_SUFFIX } from "./layout.ts";
import { Lease } from "./lease.ts";
import { span } from "./overlaps.ts";
import type { Placed } from "./overlaps.ts";
import { linkOnce, SiteRepair } from "./repair-site.ts";
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
    await this.#syncName(letter);
    await ignore(() => fs.unlink(path), "ENOENT");
    this.moved.add(letter);
    return "moved to the dead letters";
  }

  /** A letter without a reason gets one. */
  async giveReason(letter: string): Promise<string | undefined> {
    const path = `${letter}${REASON_SUFFIX}`;
    if (!(await this.isWhole()) || !(await this.#isThere(letter))) return undefined;
    if (await this.#isThere(path)) return undefined;
    const draft = this.room.draft();
    const atMs = await this.room.now();
    const reason = { reason: "unknown: its reason was missing", atMs };
    await this.room.replace(draft, `${JSON.stringify(reason)}\n`);
    // Whoever buries it, or a list that came too late, may have the true one there: it stays.
    if (!(await linkOnce(this.room.fs, draft, path))) return undefined;
    await this.#syncName(path);
    return "a reason was written: unknown";
  }

  /** On btrfs no directory that holds slices is synced: see syncNames. */
  async #syncName(path: string): Promise<void> {
    const { fs, disk } = this.room;
    if (disk.kind.oneSync) await ignore(() => syncFile(fs, path), "ENOENT");
    else await syncDirectory(fs, dirname(path));
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

  async #areStill(entries: readonly Placed[]): Promise<Placed[]> {
    const still: Placed[] = [];
    for (const entry of entries) if (await this.#isStill(entry)) still.push(entry);
    return still;
  }

  /**
   * Cuts out of a waiting slice the messages that others hold, and sets them aside; the rest waits on.
   * It is claimed for that, so that no consumer has it meanwhile:
   *
   *   1. rename   it into a lease of our own; are the others still where they were?
   *   2. link     the parts but the first beside it, then rename it to the first: as with a nack
   *   3. rename   the parts that are held twice to aside/, the others back to where they were
   *   4. look     again: another repair may have taken ours for a consumer's lease, and made way for it
   *
   * A crash leaves a lease whose holder is gone, and of whose parts none or all are covered.
   */
  async cut(loser: Entry, winners: readonly Placed[]): Promise<string | undefined> {
    const { room } = this;
    if (!(await this.isWhole())) return undefined;
    const lease = await Lease.open(room, LEASE_MS, "brief");
    const pathOf = (slice: Slice): string => `${lease.path}/${formatSlice(slice)}`;
    const whole = pathOf(loser.slice);
    try {
      if (!(await ignore(() => room.fs.rename(loser.path, whole), "ENOENT"))) return undefined;
      const still = await this.#areStill(winners);
      if (still.length === 0) {
        await this.#giveBack(whole, loser.slice, loser.bucket);
        return undefined;
      }
      const { twice, rest } = await this.#partsOf(whole, loser.slice, still);
      const [first = loser.slice, ...others] = [...rest, ...twice.map(({ part }) => part)];
      for (const part of others) await linkOrCopy(room.disk, whole, pathOf(part), room.draft());
      if (others.length > 0) {
        if (!room.disk.kind.oneSync) await syncDirectory(room.fs, lease.path);
        await room.fs.rename(whole, pathOf(first));
        // No part may leave before it is safe that they are parts.
        if (!room.disk.kind.oneSync) await syncDirectory(room.fs, lease.path);
      }
      const done: string[] = [];
      for (const { part, winner } of twice) {
        const target = await this.moveAside(pathOf(part));
        if (target === undefined) continue;
        // What a consumer held it settles; what else has moved may have made way for ours.
        if (winner.place === "held" || (await this.#isStill(winner))) {
          const what = others.length === 0 ? "" : `messages ${span(part)} `;
          done.push(`${what}set aside as ${target}`);
        } else await this.#giveBack(target, part, loser.bucket);
      }
      for (const part of rest) await this.#giveBack(pathOf(part), part, loser.bucket);
      const [one, ...more] = done;
      if (one === undefined) return undefined;
      const parts = more.length === 0 ? one : `${one}, and ${more.length} more parts`;
      return rest.length === 0 ? parts : `${parts}; the rest waits on`;
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

  /** The messages of a slice that others hold, and those that it alone has. */
  async #partsOf(
    path: string,
    slice: Slice,
    others: readonly Placed[],
  ): Promise<{ twice: { part: Slice; winner: Placed }[]; rest: Slice[] }> {
    const last = slice.first + slice.count;
    const twice: { part: Slice; winner: Placed }[] = [];
    const rest: Slice[] = [];
    let from = slice.first;
    let at = slice.offset;
    const file = await openBatch(this.room.fs, path, slice);
    const upTo = async (end: number): Promise<Slice | undefined> => {
      const to = Math.min(end, last);
      if (to <= from) return undefined;
      const toAt = await file.skip(at, slice.offset + slice.bytes, to - from);
      const part = partOf(slice, from, to - from, at, toAt - at);
      [from, at] = [to, toAt];
      return part;
    };
    try {
      for (const winner of others.toSorted((a, b) => a.slice.first - b.slice.first)) {
        const { first, count } = winner.slice;
        const before = await upTo(first);
        if (before) rest.push(before);
        const part = await upTo(first + count);
        if (part) twice.push({ part, winner });
      }
      const behind = await upTo(last);
      if (behind) rest.push(behind);
      return { twice, rest };
    } finally {
      await file.close();
    }
  }

  /** The same of a dead letter: nobody consumes it, so what is left of it is linked first. */
  async cutLetter(loser: Entry, winners: readonly Placed[]): Promise<string | undefined> {
    const { layout } = this.room;
    if (!(await this.isWhole()) || !(await this.#isStill(loser))) return undefined;
    const still = await this.#areStill(winners);
    if (still.length === 0) return undefined;
    const { rest } = await this.#partsOf(loser.path, loser.slice, still);
    const { reason } = await reasonOf(this.room, formatSlice(loser.slice));
    for (const part of rest) {
      const letter = `${layout.dead}/${formatSlice(part)}`;
      if (!(await this.#isThere(letter))) {
        await this.#reason(letter, reason);
        await this.#linkLetter(loser.path, letter);
      }
      await this.#syncName(letter);
    }
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
