/**
 * Listings that are kept while their directory does not change.
 *
 * A directory's mtime moves in ticks: a listing is kept only if the directory had been quiet for a
 * while when it was listed. On a shared file system, whose mtimes may be old, none is kept.
 */
import { isQuietAt } from "../clock.ts";
import { isErrno } from "../errors.ts";
import type { Site } from "../queue/site.ts";

interface Kept {
  readonly inode: number;
  readonly mtimeMs: number;
  readonly names: readonly string[];
}

export class Listings {
  readonly #site: Site;
  readonly #kept = new Map<string, Kept>();

  constructor(site: Site) {
    this.#site = site;
  }

  /** The names in a directory, or none where it is not there. */
  async list(path: string): Promise<readonly string[]> {
    const { fs, disk } = this.#site;
    try {
      if (disk.kind.shared) return await fs.list(path);
      const { inode, mtimeMs } = await fs.lstat(path);
      const kept = this.#kept.get(path);
      if (kept?.inode === inode && kept.mtimeMs === mtimeMs) return kept.names;
      const names = await fs.list(path);
      if (isQuietAt(await this.#site.now(), mtimeMs))
        this.#kept.set(path, { inode, mtimeMs, names });
      else this.#kept.delete(path);
      return names;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
  }
}
