/**
 * Putting right what verify found in any directory of a spool: a queue's, a topic's, or its own.
 *
 * Everything here moves names, and nothing is replaced: what may hold a message and is not needed goes
 * to aside/ under a name that is used once. Each step may be done by several repairs at once, because
 * its source is there once; who dies in between leaves what the next look finds.
 */
import { dirname } from "node:path";

import { NO_MORE_LINKS } from "../disk/copy.ts";
import { ignore, makeDirectory, syncDirectory } from "../disk/durable.ts";
import type { FileStat, FileSystem } from "../disk/file-system.ts";
import { isErrno } from "../errors.ts";
import { setAside } from "./aside.ts";
import { textOfSettings } from "./settings-file.ts";
import type { SettingsTable } from "./settings-file.ts";
import type { Site } from "./site.ts";

/** What the dead have left is for consumers to see to for so long; then verify names it, in ms. */
export const LEFT_MS = 60_000;

/** What can be done in any directory of a spool. */
export class SiteRepair {
  readonly site: Site;
  /** Where things were moved to. */
  readonly moved: Set<string>;
  readonly #directories: readonly string[];

  /** @param directories  those that belong there. */
  constructor(site: Site, moved: Set<string>, directories: readonly string[]) {
    this.site = site;
    this.moved = moved;
    this.#directories = directories;
  }

  /** False while something else is in place of a directory: a link would lead out of the spool. */
  async isWhole(): Promise<boolean> {
    for (const path of this.#directories) {
      if ((await this.#kindOf(path)) !== "directory") return false;
    }
    return true;
  }

  /**
   * What does not belong there goes to aside/.
   *
   * @param seen  what the look saw there: what has come there since may well belong there.
   */
  async aside(path: string, seen?: FileStat): Promise<string | undefined> {
    const target = await this.moveAside(path, seen);
    return target === undefined ? undefined : `set aside as ${target}`;
  }

  /** The same; returns where it is now. */
  protected async moveAside(path: string, seen?: FileStat): Promise<string | undefined> {
    const { aside } = this.site.layout;
    const kind = await this.#kindOf(aside);
    // A link would lead out of the spool: until it is mended nothing goes there.
    if (kind === undefined) await ignore(() => this.#makeAside(aside), "ENOENT");
    else if (kind !== "directory") return undefined;
    if (seen !== undefined && !(await this.#isStill(path, seen))) return undefined;
    const target = await setAside(this.site, path, "", () => {});
    if (target !== undefined) this.moved.add(target);
    return target;
  }

  /** What goes into it must not get lost with it. */
  async #makeAside(path: string): Promise<void> {
    const { fs, disk } = this.site;
    await makeDirectory(fs, path);
    if (!disk.kind.ordered) await syncDirectory(fs, dirname(path));
  }

  async #isStill(path: string, seen: FileStat): Promise<boolean> {
    let isSame = false;
    await ignore(async () => {
      const { kind, inode, mtimeMs } = await this.site.fs.lstat(path);
      isSame = kind === seen.kind && inode === seen.inode && mtimeMs === seen.mtimeMs;
    }, "ENOENT");
    return isSame;
  }

  /** A directory that is missing, or has something else in its place, is made again. */
  async directory(path: string): Promise<string | undefined> {
    const { fs } = this.site;
    // Within the same directory, because aside/ itself may be what is wrong.
    const away = `${path}.${Math.floor(this.site.disk.random() * 36 ** 6).toString(36)}`;
    const isMoved =
      (await this.#kindOf(path)) !== "directory" &&
      (await ignore(() => fs.rename(path, away), "ENOENT"));
    if (!(await ignore(() => makeDirectory(fs, path), "ENOENT"))) return undefined;
    await syncDirectory(fs, dirname(path));
    if (!isMoved) return "made anew";
    return `${(await this.aside(away)) ?? `moved to ${away}`}, and made anew`;
  }

  async #kindOf(path: string): Promise<string | undefined> {
    let kind: string | undefined;
    await ignore(async () => {
      ({ kind } = await this.site.fs.lstat(path));
    }, "ENOENT");
    return kind;
  }

  /** Settings that are missing are the defaults again; never in place of any that are there. */
  async settings<T>(
    path: string,
    table: SettingsTable<T>,
    settings: T = table.defaults,
  ): Promise<string | undefined> {
    const { fs } = this.site;
    if (!(await this.isWhole())) return undefined;
    const draft = this.site.draft();
    const text = textOfSettings(table, settings);
    await this.site.replace(draft, text);
    let isMade = false;
    await ignore(async () => {
      isMade = await linkOnce(fs, draft, path);
    }, "ENOENT");
    if (!isMade) return undefined;
    await syncDirectory(fs, dirname(path));
    const but = settings === table.defaults ? "" : `, but ${text.replaceAll(/\s+/g, " ").trim()}`;
    return `made again with the defaults${but}: what was set is lost, and has to be set again`;
  }

  /** The same for settings that say nothing: the file is kept. */
  async settingsAnew<T>(
    path: string,
    seen: FileStat | undefined,
    table: SettingsTable<T>,
    settings?: T,
  ): Promise<string | undefined> {
    const aside = await this.aside(path, seen);
    const made = await this.settings(path, table, settings);
    return aside === undefined ? made : `${aside}; ${made ?? "made again by somebody"}`;
  }

  /** Removes a name without a payload, or one that nobody was promised. */
  async remove(path: string): Promise<string | undefined> {
    return (await ignore(() => this.site.fs.unlink(path), "ENOENT")) ? "removed" : undefined;
  }
}

/**
 * Gives a small file that was drafted its name, where nothing has it; the draft is gone then. True where it
 * has it. A link, because it replaces nothing; where there are none, a rename after a look. @throws ENOENT
 */
export async function linkOnce(fs: FileSystem, draft: string, path: string): Promise<boolean> {
  try {
    await fs.link(draft, path);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    if (!isErrno(error, ...NO_MORE_LINKS)) throw error;
    if (await ignore(() => fs.lstat(path), "ENOENT")) return false;
    await fs.rename(draft, path);
    return true;
  } finally {
    await ignore(() => fs.unlink(draft), "ENOENT");
  }
}
