/**
 * Verify: reads every name and every byte of a queue, and says what is wrong. Changes nothing.
 *
 * A living spool moves while it is read: a finding counts only if its path is still there at the end.
 */
import { ignore, listIfThere } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import { covers, parseHeldName, parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { BatchFile, ForeignError } from "./batch-file.ts";
import { bucketStartingAt, parseBucket } from "./buckets.ts";
import { isDropped } from "./drop-box.ts";
import { LOCK_SUFFIX, REASON_SUFFIX } from "./layout.ts";
import { parseLeaseName } from "./lease.ts";
import type { Room } from "./room.ts";

export interface Finding {
  readonly path: string;
  readonly problem: string;
}

export interface Verified {
  readonly findings: readonly Finding[];
  readonly messages: number;
  readonly bytes: number;
}

const MISSING = "is missing";

export class Verifier {
  readonly #room: Room;
  readonly #onProgress: (messages: number) => void;
  #findings: Finding[] = [];
  #messages = 0;
  #bytes = 0;
  /** Batches whose bytes were read already, by id and by whether a header says so. */
  readonly #read = new Set<string>();
  readonly #slices = new Map<string, { slice: Slice; path: string }[]>();

  constructor(room: Room, onProgress: (messages: number) => void = () => {}) {
    this.#room = room;
    this.#onProgress = onProgress;
  }

  async run(): Promise<Verified> {
    const { layout } = this.#room;
    await this.#settings();
    for (const bucket of await listIfThere(this.#room.fs, layout.ready)) await this.#bucket(bucket);
    for (const name of await listIfThere(this.#room.fs, layout.leases)) await this.#lease(name);
    for (const name of await listIfThere(this.#room.fs, layout.reclaim)) {
      await this.#directory(`${layout.reclaim}/${name}`, false);
    }
    await this.#directory(layout.dead, true);
    await this.#dropBox();
    for (const name of await listIfThere(this.#room.fs, layout.aside)) {
      this.#find(`${layout.aside}/${name}`, "was set aside; look at it and remove it");
    }
    await this.#overlaps();
    const findings: Finding[] = [];
    for (const finding of this.#findings) {
      if (finding.problem === MISSING || (await this.#kindOf(finding.path))) findings.push(finding);
    }
    return { findings, messages: this.#messages, bytes: this.#bytes };
  }

  #find(path: string, problem: string): void {
    this.#findings.push({ path, problem });
  }

  async #settings(): Promise<void> {
    try {
      await this.#room.settings();
    } catch (error) {
      if (!(error instanceof SpoolError)) throw error;
      this.#find(this.#room.layout.settings, error.code === "NO_QUEUE" ? MISSING : error.message);
    }
    for (const directory of this.#room.layout.directories) {
      const kind = await this.#kindOf(directory);
      if (kind !== "directory") this.#find(directory, kind ?? MISSING);
    }
  }

  /** What is at a path, or undefined where nothing is. */
  async #kindOf(path: string): Promise<string | undefined> {
    try {
      const { kind } = await this.#room.fs.lstat(path);
      return kind;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  async #bucket(name: string): Promise<void> {
    const path = this.#room.layout.bucket(name);
    if (parseBucket(name) === undefined || (await this.#kindOf(path)) !== "directory") {
      if (await this.#kindOf(path)) this.#find(path, "not a bucket");
      return;
    }
    await this.#directory(path, false, name);
  }

  async #lease(name: string): Promise<void> {
    const path = `${this.#room.layout.leases}/${name}`;
    if (parseLeaseName(name.endsWith(LOCK_SUFFIX) ? name.slice(0, -LOCK_SUFFIX.length) : name)) {
      if (!name.endsWith(LOCK_SUFFIX)) await this.#directory(path, false);
      return;
    }
    this.#find(path, "not a lease");
  }

  async #directory(directory: string, isDead: boolean, bucket?: string): Promise<void> {
    let names: string[];
    try {
      names = await this.#room.fs.list(directory);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return;
      if (!isErrno(error, "ENOTDIR")) throw error;
      this.#find(directory, "a file where a directory belongs");
      return;
    }
    const all = new Set(names);
    for (const name of names) {
      const path = `${directory}/${name}`;
      const slice = isHeld(directory) ? parseHeldName(name) : parseSlice(name);
      if (slice !== undefined) await this.#slice(path, slice, isDead, bucket);
      else if (isDead && name.endsWith(REASON_SUFFIX)) {
        if (!all.has(name.slice(0, -REASON_SUFFIX.length))) {
          this.#find(path, "a reason without its dead letter");
        }
      } else this.#find(path, "not a name of ours");
      if (isDead && slice !== undefined && !all.has(name + REASON_SUFFIX)) {
        this.#find(path, "a dead letter without its reason");
      }
    }
  }

  async #slice(path: string, slice: Slice, isDead: boolean, bucket?: string): Promise<void> {
    if (bucket !== undefined && bucketStartingAt(slice) < bucket) {
      this.#find(path, `sorts before the start of its bucket, ${bucket}`);
    }
    const delivery = `${slice.batch} ${slice.replay ?? ""}`;
    const known = this.#slices.get(delivery) ?? [];
    if (known.push({ slice, path }) === 1) this.#slices.set(delivery, known);
    this.#messages += slice.count;
    this.#bytes += slice.bytes;
    this.#onProgress(this.#messages);
    if (this.#read.has(slice.batch)) return;
    try {
      const file = await BatchFile.open(this.#room.fs, path, slice);
      try {
        await file.skip(slice.offset, slice.offset + slice.bytes, slice.count);
      } finally {
        await file.close();
      }
      if (slice.first === 0 && slice.count === file.header.count) this.#read.add(slice.batch);
    } catch (error) {
      if (isErrno(error, "ENOENT")) {
        this.#messages -= slice.count;
        this.#bytes -= slice.bytes;
      } else if (error instanceof DamagedError || error instanceof ForeignError) {
        // A damaged dead letter is where it belongs; it is still worth knowing.
        this.#find(path, isDead ? `dead letter: ${error.message}` : error.message);
      } else throw error;
    }
  }

  async #dropBox(): Promise<void> {
    const { drop } = this.#room.layout;
    for (const name of await listIfThere(this.#room.fs, drop)) {
      const path = `${drop}/${name}`;
      const kind = await this.#kindOf(path);
      if (kind === undefined) continue;
      if (kind === "file" && isDropped(name)) {
        if (!(await this.#isReadable(path))) this.#find(path, "not readable by this user");
        continue;
      }
      this.#find(path, isDropped(name) ? `a ${kind}: it will not be delivered` : "a dot file");
    }
  }

  async #isReadable(path: string): Promise<boolean> {
    const { fs } = this.#room;
    return ignore(async () => fs.close(await fs.open(path, "read")), "EACCES", "EPERM");
  }

  /** One message in two places, unless it has moved while we read. */
  async #overlaps(): Promise<void> {
    for (const places of this.#slices.values()) {
      for (const [index, one] of places.entries()) {
        for (const other of places.slice(index + 1)) {
          if (!overlap(one.slice, other.slice) || isHalfDone(one, other)) continue;
          const both = [await this.#kindOf(one.path), await this.#kindOf(other.path)];
          if (both.includes(undefined)) continue;
          this.#find(one.path, `holds messages that are also in ${other.path}`);
        }
      }
    }
  }
}

const isHeld = (directory: string): boolean => /\/(leases|reclaim)\/[^/]+$/.test(directory);

function overlap(one: Slice, other: Slice): boolean {
  return one.first < other.first + other.count && other.first < one.first + one.count;
}

/** Within one lease, a covered slice is a link half done: the recovery rule drops it. */
function isHalfDone(
  one: { slice: Slice; path: string },
  other: { slice: Slice; path: string },
): boolean {
  const directory = (path: string): string => path.slice(0, path.lastIndexOf("/"));
  return (
    isHeld(directory(one.path)) &&
    directory(one.path) === directory(other.path) &&
    (covers(one.slice, other.slice) || covers(other.slice, one.slice))
  );
}
