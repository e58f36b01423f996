/**
 * Links of one batch, as many as are wanted.
 *
 * A file may have only so many names (65 000 on ext4). Where they are used up a copy takes its
 * place, and the links after that are links of the copy: of a file that never changes, one is as
 * good as the other. A file system that knows no links at all gets a copy for each.
 */
import { copyFile, NO_MORE_LINKS } from "../disk/copy.ts";
import { ignore, renameOnce } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import type { Site } from "../queue/site.ts";

/** The file to be linked is gone: the fan-out was undone, or taken over, by somebody else. */
export class GoneError extends Error {}

export class LinkSource {
  readonly #site: Site;
  #path: string;
  /** Copies that are open, so that their names can be made durable, and their names in tmp/. */
  readonly #copies: { readonly fd: number; readonly path: string }[] = [];

  constructor(site: Site, path: string) {
    this.#site = site;
    this.#path = path;
  }

  /**
   * Makes `to`, a name that only this caller makes; false where its directory is gone.
   *
   * @throws GoneError, and what the disk throws.
   */
  async linkTo(to: string): Promise<boolean> {
    const { fs } = this.#site;
    try {
      await fs.link(this.#path, to);
      return true;
    } catch (error) {
      // A link whose reply was lost and that was sent again.
      if (isErrno(error, "EEXIST")) return true;
      if (isErrno(error, "ENOENT")) return this.#isTargetGone();
      if (!isErrno(error, ...NO_MORE_LINKS)) throw error;
    }
    return this.#copyTo(to);
  }

  async #isTargetGone(): Promise<false> {
    if (await ignore(() => this.#site.fs.lstat(this.#path), "ENOENT")) return false;
    throw new GoneError(`${this.#path} is gone`);
  }

  async #copyTo(to: string): Promise<boolean> {
    const { fs } = this.#site;
    const copy = this.#site.draft();
    try {
      await copyFile(fs, this.#path, copy);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return this.#isTargetGone();
      throw error;
    }
    try {
      // EEXIST: it was linked, the reply was lost, and it was sent again.
      await ignore(() => fs.link(copy, to), "EEXIST");
    } catch (error) {
      const isMoved =
        isErrno(error, ...NO_MORE_LINKS) && (await renameOnce(this.#site.disk, copy, to));
      if (isMoved) return true;
      await ignore(() => fs.unlink(copy), "ENOENT");
      if (isErrno(error, ...NO_MORE_LINKS)) return false;
      if (isErrno(error, "ENOENT")) return false;
      throw error;
    }
    this.#copies.push({ fd: await fs.open(copy, "read"), path: copy });
    this.#path = copy;
    return true;
  }

  /** Makes the names of the copies durable, as an fsync of the batch does with its own. */
  async sync(): Promise<void> {
    for (const { fd } of this.#copies) await this.#site.fs.sync(fd);
  }

  async close(): Promise<void> {
    const { fs } = this.#site;
    for (const { fd, path } of this.#copies.splice(0)) {
      await fs.close(fd);
      await ignore(() => fs.unlink(path), "ENOENT");
    }
  }
}
