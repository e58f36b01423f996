/**
 * Listings that are kept while their directory does not change.
 *
 * A directory's mtime moves in ticks: a listing is kept only if the directory had been quiet for longer than a tick when it
 * was listed. Both by the disk's clock and since this process first saw that mtime: what it knows of the disk's clock is up
 * to a minute old, and where that was set back meanwhile what has just changed looks as if it were old. On a shared file
 * system, whose mtimes may be old, none is kept.
 */
import { isQuietAt, tickMsOf } from "../clock.ts";
import { isErrno } from "../errors.ts";
import type { Site } from "../queue/site.ts";

interface Seen {
  readonly inode: number;
  readonly mtimeMs: number;
  /** By the monotonic clock. */
  readonly sinceMs: number;
  /** Undefined: it may change yet, and be as it is now by its mtime. */
  names?: readonly string[];
}

export class Listings {
  readonly #site: Site;
  readonly #seen = new Map<string, Seen>();

  constructor(site: Site) {
    this.#site = site;
  }

  /** The names in a directory, or none where it is not there. */
  async list(path: string): Promise<readonly string[]> {
    const { fs, disk } = this.#site;
    try {
      if (disk.kind.shared) return await fs.list(path);
      const seen = await this.#look(path);
      if (seen.names !== undefined) return seen.names;
      const isLongSeen = disk.clock.monotonicMs() - seen.sinceMs > tickMsOf(seen.mtimeMs);
      const names = await fs.list(path);
      if (isLongSeen && isQuietAt(await this.#site.now(), seen.mtimeMs)) seen.names = names;
      return names;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
  }

  async #look(path: string): Promise<Seen> {
    const { fs, disk } = this.#site;
    const { inode, mtimeMs } = await fs.lstat(path);
    const kept = this.#seen.get(path);
    if (kept?.inode === inode && kept.mtimeMs === mtimeMs) return kept;
    const seen = { inode, mtimeMs, sinceMs: disk.clock.monotonicMs() };
    this.#seen.set(path, seen);
    return seen;
  }
}
