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

  /** What does not belong there goes to aside/. */
  async aside(path: string): Promise<string | undefined> {
    const { aside } = this.site.layout;
    const kind = await this.#kindOf(aside);
    // A link would lead out of the spool: until it is mended nothing goes there.
    if (kind === undefined) await ignore(() => makeDirectory(this.site.fs, aside), "ENOENT");
    else if (kind !== "directory") return undefined;
    const target = await setAside(this.site, path, "", () => {});
    if (target === undefined) return undefined;
    this.moved.add(target);
    return `set aside as ${target}`;
  }

  /** A directory that is missing, or has something else in its place, is made again. */
  async directory(path: string): Promise<string | undefined> {
    const { fs, layout } = this.site;
    // Within the same directory, because aside/ itself may be what is wrong; the next look finds it.
    const away = `${path}.${Math.floor(this.site.disk.random() * 36 ** 6).toString(36)}`;
    const isMoved =
      (await this.#kindOf(path)) !== "directory" &&
      (await ignore(() => fs.rename(path, away), "ENOENT"));
    if (!(await ignore(() => makeDirectory(fs, path), "ENOENT"))) return undefined;
    await syncDirectory(fs, layout.root);
    return isMoved ? `moved to ${away}, and made anew` : "made anew";
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
    await this.site.replace(draft, textOfSettings(table, settings));
    try {
      await fs.link(draft, path);
    } catch (error) {
      if (isErrno(error, "EEXIST", "ENOENT")) return undefined;
      if (!isErrno(error, ...NO_MORE_LINKS)) throw error;
      await fs.rename(draft, path);
    } finally {
      await ignore(() => fs.unlink(draft), "ENOENT");
    }
    await syncDirectory(fs, dirname(path));
    return "made again with the defaults: what was set is lost, and has to be set again";
  }

  /** The same for settings that say nothing: the file is kept. */
  async settingsAnew<T>(
    path: string,
    table: SettingsTable<T>,
    settings?: T,
  ): Promise<string | undefined> {
    const aside = await this.aside(path);
    const made = await this.settings(path, table, settings);
    return aside === undefined ? made : `${aside}; ${made ?? "made again by somebody"}`;
  }

  /** Removes a name without a payload, or one that nobody was promised. */
  async remove(path: string): Promise<string | undefined> {
    return (await ignore(() => this.site.fs.unlink(path), "ENOENT")) ? "removed" : undefined;
  }
}
