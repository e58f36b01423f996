/**
 * Takeover: what a dead consumer held goes back.
 *
 *   1. rename   leases/<lease> to reclaim/<lease>. From here on every path that the old holder knows
 *               is gone: it can neither ack, nor nack, nor split, should it wake up
 *   2. rename   each slice to ~<slice>, until a listing shows no other. A call that the holder had
 *               begun before 1 may still land here (the kernel had looked its directory up already);
 *               after this no rename can, because the name that it starts from is gone
 *   3. unlink   each slice that is covered by another one of its batch (a half-done link)
 *   4. rename   each that is left to reclaim/<lease>~, and rmdir reclaim/<lease>. A link that the holder had
 *               begun may land even after 2: it starts from the file, not from its name. So as long as
 *               there is something in there all begins again; and once the directory is gone it cannot
 *   5. rename   each slice to ready/ with one more attempt at its first message, the one that was in
 *               hand; or to dead/, past the queue's limit
 *   6. rmdir    reclaim/<lease>~
 *
 * Any number of processes may do 2 to 6 at once, and each may die anywhere: every step happens once, because its
 * source is there once. Nothing leaves before no slice can come any more. The lock decides *when* to take over, the
 * rename in 1 *who* owns: a lock that is judged wrongly costs a redelivery, never two owners. Who does it: a consumer as it starts, when it is idle and now and then; and `spool gc`.
 */
import { ring } from "../disk/bell.ts";
import { ignore, isDirectory, listIfThere, makeDirectory, syncDirectory } from "../disk/durable.ts";
import { isRemovedOpen } from "../disk/kind.ts";
import { isErrno } from "../errors.ts";
import { ORPHAN_SWEEP_MS } from "../limits.ts";
import { covers, FENCE, parseHeldName, withAttempt } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { needDirectory, setAside } from "./aside.ts";
import type { Warn } from "./aside.ts";
import type { Buckets } from "./buckets.ts";
import { bury } from "./dead-letters.ts";
import { LOCK_SUFFIX, takenFrom } from "./layout.ts";
import { parseLeaseName } from "./lease.ts";
import type { LeaseName } from "./lease.ts";
import type { Room } from "./room.ts";

export interface ReclaimResult {
  readonly leases: number;
  readonly messages: number;
  readonly dead: number;
}

/** True where `name` is a slice that covers this one. */
function isCoveredBy(name: string, slice: Slice): boolean {
  const other = parseHeldName(name);
  return other !== undefined && covers(other, slice);
}

const fenced = (path: string, name: string): string =>
  `${path.slice(0, -name.length)}${FENCE}${name}`;

export class Reclaimer {
  readonly #room: Room;
  readonly #buckets: Buckets;
  readonly #warn: Warn;
  #result = { leases: 0, messages: 0, dead: 0 };

  constructor(room: Room, buckets: Buckets, warn: Warn) {
    this.#room = room;
    this.#buckets = buckets;
    this.#warn = warn;
  }

  /** Takes over every lease but `own` that has expired, and finishes what other reapers left. */
  async run(own?: string): Promise<ReclaimResult> {
    this.#result = { leases: 0, messages: 0, dead: 0 };
    const { fs, layout } = this.#room;
    const names = await listIfThere(fs, layout.leases);
    const all = new Set(names);
    const locks = new Set(names.filter((name) => name.endsWith(LOCK_SUFFIX)));
    for (const name of names) {
      const lease = parseLeaseName(name);
      if (lease === undefined || name === own || !(await this.hasExpired(lease))) continue;
      await this.#takeOver(lease);
      locks.delete(name + LOCK_SUFFIX);
    }
    for (const lock of locks) {
      const name = lock.slice(0, -LOCK_SUFFIX.length);
      if (!all.has(name)) await this.#removeOrphan(name);
    }
    const taken = (await listIfThere(fs, layout.reclaim)).map(takenFrom);
    for (const name of new Set(taken)) await this.#giveBack(name);
    return this.#result;
  }

  /** By the disk's clock; at once where its holder ran on this host and is plainly gone. */
  async hasExpired(lease: LeaseName): Promise<boolean> {
    const { fs, disk, layout } = this.#room;
    if (disk.processes.isGone(lease.process)) return true;
    try {
      const lock = layout.lock(lease.name);
      const isOld = async (): Promise<boolean> =>
        (await this.#room.now()) - (await fs.lstat(lock)).mtimeMs > lease.ttlMs;
      if (!(await isOld())) return false;
      // Before a lease is taken away the disk's clock is read anew: it may have been set back.
      await this.#room.readClock();
      return await isOld();
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
    // Its lock was made before it and goes after it. But a shared disk may show things late.
    const again = await fs.list(layout.leases);
    return again.includes(lease.name) && !again.includes(lease.name + LOCK_SUFFIX);
  }

  async #takeOver({ name }: LeaseName): Promise<void> {
    const { fs, layout } = this.#room;
    await needDirectory(this.#room, layout.reclaim, this.#warn);
    try {
      await fs.rename(layout.lease(name), layout.reclaimed(name));
      this.#result.leases++;
    } catch (error) {
      // Another reaper was faster, or it was closed.
      if (!isErrno(error, "ENOENT")) throw error;
    }
    await ignore(() => fs.rmdir(layout.lock(name)), "ENOENT", "ENOTEMPTY", "EEXIST");
  }

  /** A lock whose lease never came, or went before it. */
  async #removeOrphan(name: string): Promise<void> {
    const { fs, disk, layout } = this.#room;
    const lease = parseLeaseName(name);
    const lock = layout.lock(name);
    try {
      const ageMs = (await this.#room.now()) - (await fs.lstat(lock)).mtimeMs;
      const isGone = lease !== undefined && disk.processes.isGone(lease.process);
      if (!isGone && ageMs < Math.max(lease?.ttlMs ?? 0, ORPHAN_SWEEP_MS)) return;
      await fs.rmdir(lock);
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR")) throw error;
    }
  }

  /** Steps 2 to 6. */
  async #giveBack(name: string): Promise<void> {
    const { layout } = this.#room;
    const first = layout.reclaimed(name);
    const second = layout.outOfReach(name);
    await this.#empty(first, (slices) => this.#moveOn(first, second, slices));
    await this.#empty(second, async (slices) => {
      for (const [file, slice] of slices) await this.#giveBackSlice(`${second}/${file}`, slice);
    });
  }

  /** Step 4. */
  async #moveOn(first: string, second: string, slices: Map<string, Slice>): Promise<void> {
    if (slices.size === 0) return;
    const { fs, disk, layout } = this.#room;
    for (;;) {
      const isNew = await makeDirectory(fs, second);
      if (!isNew) await needDirectory(this.#room, second, this.#warn);
      // What goes into it must not get lost with it, whoever made it.
      if (!disk.kind.ordered) await syncDirectory(fs, layout.reclaim);
      const there = isNew ? [] : await this.#namesIn(second);
      // Another reaper has emptied and removed it meanwhile: then it is made again.
      if (there !== undefined && (await this.#moveAll(first, second, slices, there))) return;
    }
  }

  /** False where the second directory is gone. */
  async #moveAll(
    first: string,
    second: string,
    slices: Map<string, Slice>,
    there: readonly string[],
  ): Promise<boolean> {
    const { fs } = this.#room;
    for (const [name, slice] of slices) {
      // A link that came late, of what has gone before it.
      const isLate = there.some((other) => other === name || isCoveredBy(other, slice));
      const path = `${first}/${name}`;
      const act = isLate ? () => fs.unlink(path) : () => fs.rename(path, `${second}/${name}`);
      if (!(await ignore(act, "ENOENT")) && !(await isDirectory(fs, second))) return false;
    }
    return true;
  }

  /** Does `act` with the slices of a directory, each fenced, until nothing is in there; removes it then. */
  async #empty(
    directory: string,
    act: (slices: Map<string, Slice>) => Promise<void>,
  ): Promise<void> {
    const { fs } = this.#room;
    let before: string | undefined;
    for (;;) {
      const slices = await this.#sort(directory);
      if (slices === undefined) return;
      await this.#secure(directory);
      await act(slices);
      try {
        await fs.rmdir(directory);
        return;
      } catch (error) {
        if (isErrno(error, "ENOENT", "ENOTDIR")) return;
        if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error;
      }
      // What is still there after two rounds cannot be given back: a name that no program can say, one that NFS keeps
      // for who has it open, or another link of what is in its place. All of it is kept, and nobody waits for it.
      const left = (await listIfThere(fs, directory)).toSorted().join("\n");
      if (left !== "" && left === before) {
        await setAside(this.#room, directory, "cannot be given back", this.#warn);
        return;
      }
      before = left;
    }
  }

  /** Where name changes may last in any order: what the holder split, and what it dropped, lasts first. */
  async #secure(directory: string): Promise<void> {
    const { fs, disk } = this.#room;
    if (!disk.kind.oneSync) await ignore(() => syncDirectory(fs, directory), "ENOENT");
  }

  /** Steps 2 and 3: the names that are left with their slices; undefined where the lease is gone. */
  async #sort(directory: string): Promise<Map<string, Slice> | undefined> {
    const { fs } = this.#room;
    for (;;) {
      const names = await this.#namesIn(directory);
      if (names === undefined) return undefined;
      const slices = new Map<string, Slice>();
      let isFenced = true;
      for (const name of names) {
        const path = `${directory}/${name}`;
        const slice = parseHeldName(name);
        if (slice === undefined) await this.#dropForeign(path, name);
        else if (name.startsWith(FENCE)) slices.set(name, slice);
        else isFenced = false;
      }
      if (isFenced) return this.#withoutCovered(directory, slices);
      for (const name of names) {
        const slice = parseHeldName(name);
        if (slice === undefined || name.startsWith(FENCE)) continue;
        // What a fenced slice covers is a link half done. Others are fenced, the widest first, so that none is dropped
        // before what covers it can no longer leave. One that is fenced was linked anew: a rename would do nothing.
        const isCovered =
          slices.has(FENCE + name) || [...slices.values()].some((other) => covers(other, slice));
        const isWidest = !names.some((other) => isCoveredBy(other, slice));
        const path = `${directory}/${name}`;
        if (isCovered) await ignore(() => fs.unlink(path), "ENOENT");
        else if (isWidest) await ignore(() => fs.rename(path, fenced(path, name)), "ENOENT");
      }
    }
  }

  async #withoutCovered(directory: string, slices: Map<string, Slice>): Promise<typeof slices> {
    const all = [...slices];
    for (const [name, slice] of all) {
      if (!all.some(([, other]) => covers(other, slice))) continue;
      await ignore(() => this.#room.fs.unlink(`${directory}/${name}`), "ENOENT");
      slices.delete(name);
    }
    return slices;
  }

  async #namesIn(directory: string): Promise<string[] | undefined> {
    try {
      return await this.#listSurely(directory);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      if (!isErrno(error, "ENOTDIR")) throw error;
      await setAside(this.#room, directory, "not a lease", this.#warn);
      return undefined;
    }
  }

  async #dropForeign(path: string, name: string): Promise<void> {
    const { fs, disk } = this.#room;
    // An ack that was half done: see Held.
    if (name.startsWith(".gone-")) await ignore(() => fs.unlink(path), "ENOENT");
    else if (disk.kind.shared && isRemovedOpen(name)) {
      // It was acked. Where the one who has it open is on this host NFS does not let it go.
      await ignore(() => fs.unlink(path), "ENOENT", "EBUSY", "EISDIR", "EPERM");
    } else await setAside(this.#room, path, "not a message", this.#warn);
  }

  /** A shared disk may leave names out while others change: list until two listings agree. */
  async #listSurely(directory: string): Promise<string[]> {
    const { fs, disk } = this.#room;
    let names = await fs.list(directory);
    while (disk.kind.shared) {
      const again = await fs.list(directory);
      if (again.toSorted().join("\n") === names.toSorted().join("\n")) break;
      names = again;
    }
    return names;
  }

  async #giveBackSlice(path: string, slice: Slice): Promise<void> {
    const { maxAttempts } = await this.#room.settings();
    const tried = withAttempt(slice);
    if (tried.count === 1 && maxAttempts > 0 && tried.attempts >= maxAttempts) {
      const reason = `its consumer died or was lost, at attempt ${tried.attempts}`;
      if (await bury(this.#room, path, tried, { reason })) this.#result.dead++;
      return;
    }
    if ((await this.#buckets.place(path, tried)) === undefined) return;
    this.#result.messages += slice.count;
    await ring(this.#room.fs, this.#room.layout.bell);
  }
}
