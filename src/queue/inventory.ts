/**
 * Counting what is in a queue, from names alone.
 *
 * What was counted of a directory is used again while the directory has not changed (count-table.ts),
 * so a second look costs a call for each directory and not one for each name; the same for a first one,
 * where another process has left its counts (count-cache.ts).
 *
 * On a shared file system lstat may answer with what it knew a minute ago. Opening a directory asks
 * the server, on NFS at least (nfs(5), close-to-open): so it is done there, and ticks are taken for long.
 */
import { isQuietAt } from "../clock.ts";
import type { Breath } from "../clock.ts";
import { ignore } from "../disk/durable.ts";
import type { Awaitable, FileStat, FileSystem } from "../disk/file-system.ts";
import { isErrno } from "../errors.ts";
import { parseBucket } from "./buckets.ts";
import { CountTable } from "./count-table.ts";
import type { Stamp } from "./count-table.ts";
import { isDropped } from "./drop-box.ts";
import { takenFrom } from "./layout.ts";
import { parseLeaseName } from "./lease.ts";
import type { Room } from "./room.ts";
import { always, countHeld, countWaiting, Total } from "./tally.ts";
import type { Count, Tally, Waiting } from "./tally.ts";

/** On a shared disk a directory that changed less than this before it was listed may change unseen, in ms. */
const SHARED_TICK_MS = 3000;

/** So many directories that have not changed are looked at in between. */
const BREATH_DIRECTORIES = 16;

/** A directory of directories, each with a count. */
export interface KnownTree {
  /** The state in which it had these directories; undefined where that is to be looked up again. */
  readonly stamp: Stamp | undefined;
  readonly counts: CountTable;
}

export const TREES = ["ready", "leases", "reclaim"] as const;
type Tree = (typeof TREES)[number];

/** All that is known of a queue. */
export interface KnownQueue extends Readonly<Record<Tree, KnownTree>> {
  /** Of its directories dead/ and drop/. */
  readonly flat: CountTable;
}

const FLAT = ["dead", "drop"] as const;
type Flat = (typeof FLAT)[number];

export function knowNothing(): KnownQueue {
  const tree = { stamp: undefined, counts: new CountTable() };
  return { ready: tree, leases: tree, reclaim: tree, flat: new CountTable(FLAT) };
}

export interface InFlight extends Tally {
  /** Leases that are held. */
  readonly consumers: number;
}

const isBucket = (name: string): boolean => parseBucket(name) !== undefined;
const isLease = (name: string): boolean => parseLeaseName(takenFrom(name)) !== undefined;

/** How the names in a directory are summed up. */
type Summing = (names: readonly string[], nowMs: number) => Awaitable<Count>;

export class Inventory {
  readonly #room: Room;
  #known = knowNothing();
  #hasAsked = false;

  constructor(room: Room) {
    this.#room = room;
  }

  /** What was counted of directories that had been quiet. */
  get known(): KnownQueue {
    return this.#known;
  }

  /**
   * Counts what is in ready/.
   *
   * @param enough  stop as soon as ready and scheduled together say true; the sums are partial then.
   * @param breath  lets others have a turn in between.
   */
  async count(
    nowMs: number,
    enough: (messages: number, bytes: number) => boolean = () => false,
    breath?: Breath,
  ): Promise<Waiting> {
    const total = new Total();
    const { ready, scheduled } = total;
    // Where it is missing there is nothing to say about the queue.
    const counts = await this.#tree("ready", isBucket, nowMs, []);
    await this.#countAll("ready", counts, nowMs, countWaiting, breath, (index) => {
      counts.addTo(total, index);
      return enough(ready.messages + scheduled.messages, ready.bytes + scheduled.bytes);
    });
    return total;
  }

  /** Counts what is claimed, what is being given back included. */
  async inFlight(nowMs: number, breath?: Breath): Promise<InFlight> {
    const total = new Total();
    let consumers = 0;
    for (const tree of ["leases", "reclaim"] as const) {
      const counts = await this.#tree(tree, isLease, nowMs, ["ENOENT"]);
      await this.#countAll(tree, counts, nowMs, countHeld, breath, (index) => {
        if (tree === "leases") consumers++;
        counts.addTo(total, index);
        return false;
      });
    }
    const { messages, bytes, oldestMs } = total.ready;
    return { messages, bytes, oldestMs, consumers };
  }

  /** Counts the dead letters. */
  dead(nowMs: number): Promise<Tally> {
    return this.#countFlat("dead", nowMs, countHeld, []);
  }

  /** Counts the files in the drop box; a link, a directory or a device there is never delivered. */
  dropped(nowMs: number): Promise<Tally> {
    const { fs, layout } = this.#room;
    const sum = async (names: readonly string[]): Promise<Count> => {
      let messages = 0;
      for (const name of names.filter(isDropped)) {
        await ignore(async () => {
          if ((await fs.lstat(`${layout.drop}/${name}`)).kind === "file") messages++;
        }, "ENOENT");
      }
      return always({ messages, bytes: 0, oldestMs: Number.POSITIVE_INFINITY });
    };
    return this.#countFlat("drop", nowMs, sum, ["ENOENT"]);
  }

  /** Takes what another process has counted, once. */
  async #ask(): Promise<void> {
    this.#hasAsked = true;
    const { disk, name } = this.#room;
    if (disk.counts !== undefined) this.#known = (await disk.counts.recall(name)) ?? this.#known;
  }

  /** The directories in a tree, with what is known of them. @param absent  errors that say: none. */
  async #tree(
    tree: Tree,
    isOurs: (name: string) => boolean,
    nowMs: number,
    absent: readonly string[],
  ): Promise<CountTable> {
    const path = this.#room.layout[tree];
    if (!this.#hasAsked) await this.#ask();
    try {
      const stat = await this.#stat(path);
      const known = this.#known[tree];
      if (known.stamp !== undefined && isSame(known.stamp, stat)) return known.counts;
      const names = await this.#room.fs.list(path);
      const counts = known.counts.withNames(names.filter(isOurs).toSorted());
      const stamp = this.#keepable(stat, nowMs, names);
      this.#known = { ...this.#known, [tree]: { stamp, counts } };
      return counts;
    } catch (error) {
      if (isErrno(error, ...absent)) return new CountTable();
      throw error;
    }
  }

  /** Counts one directory after the other; `take` says when it is enough. */
  async #countAll(
    tree: Tree,
    counts: CountTable,
    nowMs: number,
    sum: Summing,
    breath: Breath | undefined,
    take: (index: number) => boolean,
  ): Promise<void> {
    const root = this.#room.layout[tree];
    for (const [index, name] of counts.names.entries()) {
      if (index % BREATH_DIRECTORIES === 0) await breath?.take();
      try {
        const path = `${root}/${name}`;
        // Before it is listed: what changes meanwhile changes the times, too.
        let stat = this.#stat(path);
        // There are many, and most of them are answered at once.
        if (stat instanceof Promise) stat = await stat;
        if (!counts.isTrue(index, stat, nowMs)) {
          await breath?.take();
          await this.#list(path, stat, counts, index, nowMs, sum);
        }
      } catch (error) {
        // Removed since it was listed; or nothing that holds messages.
        if (isErrno(error, "ENOENT", "ENOTDIR")) continue;
        throw error;
      }
      if (take(index)) return;
    }
  }

  async #countFlat(
    flat: Flat,
    nowMs: number,
    sum: Summing,
    absent: readonly string[],
  ): Promise<Tally> {
    if (!this.#hasAsked) await this.#ask();
    const counts = this.#known.flat;
    const index = FLAT.indexOf(flat);
    const total = new Total();
    const path = this.#room.layout[flat];
    try {
      const stat = await this.#stat(path);
      if (!counts.isTrue(index, stat, nowMs)) {
        await this.#list(path, stat, counts, index, nowMs, sum);
      }
      counts.addTo(total, index);
    } catch (error) {
      if (!isErrno(error, ...absent)) throw error;
    }
    return total.ready;
  }

  /** Counts the names in a directory that was in this state before. */
  async #list(
    path: string,
    stat: FileStat,
    counts: CountTable,
    index: number,
    nowMs: number,
    sum: Summing,
  ): Promise<void> {
    const names = await this.#room.fs.list(path);
    counts.set(index, this.#keepable(stat, nowMs, names), await sum(names, nowMs));
  }

  #stat(path: string): Awaitable<FileStat> {
    const { fs, disk } = this.#room;
    return disk.kind.shared ? statOpened(fs, path) : fs.lstat(path);
  }

  /** The state of a directory that was listed at `nowMs`; undefined where it may have changed unseen since. */
  #keepable(stat: FileStat, nowMs: number, names: readonly string[]): Stamp | undefined {
    const changedMs = Math.max(stat.mtimeMs, stat.ctimeMs);
    const isOld = !this.#room.disk.kind.shared || changedMs + SHARED_TICK_MS < nowMs;
    if (!isOld || !isQuietAt(nowMs, changedMs)) return undefined;
    this.#room.disk.counts?.cost(names.length);
    return stat;
  }
}

function isSame(one: Stamp, other: Stamp): boolean {
  const isSameTime = one.mtimeMs === other.mtimeMs && one.ctimeMs === other.ctimeMs;
  return isSameTime && one.inode === other.inode;
}

async function statOpened(fs: FileSystem, path: string): Promise<FileStat> {
  const fd = await fs.open(path, "directory");
  try {
    return await fs.stat(fd);
  } finally {
    await fs.close(fd);
  }
}
