/**
 * Verify: what a queue and a topic have in common: their directories, tmp/, dedup/ and aside/.
 */
import { readFile } from "../disk/durable.ts";
import { FLOW_NAME } from "../disk/flow-file.ts";
import type { FileStat } from "../disk/file-system.ts";
import { isRemovedOpen } from "../disk/kind.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { HEADER_BYTES, TMP_SWEEP_MS } from "../limits.ts";
import { DamagedError, parseHeader } from "../message/batch.ts";
import { KINDS, unreadable } from "./batch-check.ts";
import { finishOrDrop, isKeyed } from "./dedup.ts";
import { FIRST, MISSING, MOVES } from "./finding.ts";
import type { Findings } from "./finding.ts";
import type { Delivery } from "./intake.ts";
import { LEFT_MS } from "./repair-site.ts";
import type { SiteRepair } from "./repair-site.ts";
import { loadSettings } from "./settings-file.ts";
import type { SettingsTable } from "./settings-file.ts";

/** What a writer calls its files in tmp/. */
const DRAFT = /^(?:w|payload-)?[0-9a-z]+\.\d+_[a-z0-9.]+$/;

export type Kind = FileStat["kind"];

export class SiteLook {
  readonly #repair: SiteRepair;
  readonly #delivery: Delivery | undefined;
  readonly #closed = new Set<string>();
  readonly findings: Findings;

  constructor(repair: SiteRepair, delivery: Delivery | undefined, findings: Findings) {
    this.#repair = repair;
    this.#delivery = delivery;
    this.findings = findings;
  }

  /** What is at a path, or undefined where nothing is, or nothing that may be looked at, which is said. */
  async statOf(path: string): Promise<FileStat | undefined> {
    try {
      return await this.#repair.site.fs.lstat(path);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      const problem = unreadable(error);
      if (!this.#closed.has(path)) this.findings.add(path, problem);
      this.#closed.add(path);
      return undefined;
    }
  }

  async kindOf(path: string): Promise<Kind | undefined> {
    return (await this.statOf(path))?.kind;
  }

  /** The names in a directory; none where it is not there, or not to be read, which is said. */
  async list(path: string): Promise<string[]> {
    try {
      const names = await this.#repair.site.fs.list(path);
      for (const name of names.filter(isUnspeakable)) {
        this.findings.addForSure(`${path}/${name}`, "a name that is no text");
      }
      return names.filter((name) => !isUnspeakable(name) && !isRemovedOpen(name)).toSorted();
    } catch (error) {
      // What is no directory is said by whoever knows that one belongs there.
      if (!isErrno(error, "ENOENT", "ENOTDIR")) this.findings.add(path, unreadable(error));
      return [];
    }
  }

  /** True where a name in it is no text: nobody here can name it, and so nobody can empty the directory. */
  async isUnspeakable(path: string): Promise<boolean> {
    try {
      return (await this.#repair.site.fs.list(path)).some(isUnspeakable);
    } catch {
      // Not there, or said elsewhere.
      return false;
    }
  }

  /**
   * Something that does not belong there.
   *
   * @param seen  what was there, where it is not by its name that it is foreign.
   */
  foreign(path: string, problem: string, seen?: FileStat): void {
    this.findings.add(path, problem, () => this.#repair.aside(path, seen));
  }

  /** Something that is needless because of another one. */
  needless(path: string, problem: string, other: string): void {
    const mend = async (): Promise<string | undefined> =>
      (await this.kindOf(other)) === undefined ? undefined : this.#repair.aside(path);
    this.findings.add(path, problem, mend, FIRST, [other]);
  }

  /** The directories that belong there; aside/ first, because all else may need it. */
  async directories(directories: readonly string[], mayBeMissing = false): Promise<void> {
    const { aside } = this.#repair.site.layout;
    const isAside = (path: string): number => (path === aside ? 0 : 1);
    for (const path of directories.toSorted((a, b) => isAside(a) - isAside(b))) {
      const kind = await this.kindOf(path);
      if (kind === "directory" || (kind === undefined && mayBeMissing)) continue;
      const problem = kind === undefined ? MISSING : `${words(kind)} where a directory belongs`;
      this.findings.add(path, problem, () => this.#repair.directory(path));
    }
  }

  /** Whatever else is beside them. */
  async others(known: readonly string[]): Promise<void> {
    const { root } = this.#repair.site.layout;
    for (const name of await this.list(root)) {
      const path = `${root}/${name}`;
      if (!known.includes(path)) this.foreign(path, "not a name of ours");
    }
  }

  /** What flows; made at the first time, and what is in its files is not worth a look. */
  async flow(): Promise<void> {
    const { flow } = this.#repair.site.layout;
    const seen = await this.statOf(flow);
    if (seen === undefined) return;
    if (seen.kind !== "directory") {
      this.foreign(flow, `${words(seen.kind)} where a directory belongs`, seen);
      return;
    }
    for (const name of await this.list(flow)) {
      const path = `${flow}/${name}`;
      const kind = await this.kindOf(path);
      if (kind === undefined) continue;
      if (!FLOW_NAME.test(name) || kind !== "file") this.foreign(path, "not a name of ours");
    }
  }

  /**
   * Settings that are missing or say nothing are the defaults again. What people wrote there and we do
   * not understand is left to them: a guess would be worse than a stop.
   */
  async settings<T>(
    path: string,
    table: SettingsTable<T>,
    holds: readonly string[],
    anew: () => Promise<T>,
  ): Promise<void> {
    const { site } = this.#repair;
    const seen = await this.statOf(path);
    try {
      await loadSettings(site.disk, path, table);
    } catch (error) {
      if (isErrno(error, "ENOENT")) {
        if (await this.#isSettled(holds)) {
          const mend = async () => this.#repair.settings(path, table, await anew());
          this.findings.add(path, MISSING, mend);
        }
        return;
      }
      const isBad = error instanceof SpoolError || isErrno(error, "ENXIO");
      const problem = error instanceof SpoolError ? error.message : unreadable(error);
      const mend = async () => this.#repair.settingsAnew(path, seen, table, await anew());
      this.findings.add(path, problem, isBad && !(await this.#isObject(path)) ? mend : undefined);
    }
  }

  async #isObject(path: string): Promise<boolean> {
    try {
      const said: unknown = JSON.parse(
        (await readFile(this.#repair.site.fs, path, HEADER_BYTES)).toString(),
      );
      return typeof said === "object" && said !== null && !Array.isArray(said);
    } catch {
      return false;
    }
  }

  /** False of what somebody may be making at this moment: nothing is in there yet. */
  async #isSettled(holds: readonly string[]): Promise<boolean> {
    const { layout } = this.#repair.site;
    // What is being made has tmp/ first: where the disk's time cannot be told, this host's will do.
    const nowMs = (await this.nowMs()) ?? Date.now();
    const madeMs = (await this.statOf(layout.root))?.mtimeMs ?? nowMs;
    if (nowMs - madeMs > LEFT_MS) return true;
    for (const directory of holds) if ((await this.list(directory)).length > 0) return true;
    return false;
  }

  /**
   * The disk's time in ms; undefined where tmp/, in which it is read, is missing or something else: then
   * nothing is called old before that is mended. A link there would be followed out of the spool.
   */
  async nowMs(): Promise<number | undefined> {
    const { site } = this.#repair;
    if ((await this.kindOf(site.layout.tmp)) !== "directory") return undefined;
    try {
      return await site.nowToLook();
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      throw error;
    }
  }

  /** By the disk's clock, in ms; what is not there has none. */
  async ageOf(path: string): Promise<number> {
    const nowMs = (await this.nowMs()) ?? Number.NEGATIVE_INFINITY;
    return nowMs - ((await this.statOf(path))?.mtimeMs ?? Number.POSITIVE_INFINITY);
  }

  /** What dead writers left in tmp/, and what never was a draft. */
  async drafts(isOther: (name: string, kind: Kind) => boolean = () => false): Promise<void> {
    const { disk, layout } = this.#repair.site;
    for (const name of await this.list(layout.tmp)) {
      const path = `${layout.tmp}/${name}`;
      const seen = await this.statOf(path);
      if (seen === undefined || isOther(name, seen.kind)) continue;
      if (seen.kind !== "file") this.foreign(path, `${words(seen.kind)}, not a draft`, seen);
      else if (!DRAFT.test(name) && !isKeyed(name)) this.foreign(path, "not a name of ours");
      else {
        const ageMs = await this.ageOf(path);
        const isGone = disk.processes.isGone(name.slice(name.lastIndexOf("_") + 1));
        if (!(isGone && ageMs > LEFT_MS) && ageMs <= TMP_SWEEP_MS) continue;
        const mend = async (): Promise<string | undefined> => {
          if (!isKeyed(name) || this.#delivery === undefined) return this.#repair.remove(path);
          const isDone = await finishOrDrop(this.#delivery, name);
          // Its slice is no name of ours.
          return isDone ? "finished, or removed where it was not marked" : this.#repair.aside(path);
        };
        this.findings.add(path, "left by a writer that is gone", mend, MOVES);
      }
    }
  }

  /** Dedup markers: links of batches whose header says the id that a second put is answered with. */
  async dedup(): Promise<void> {
    const { dedup } = this.#repair.site.layout;
    for (const epoch of await this.list(dedup)) {
      const directory = `${dedup}/${epoch}`;
      const seen = await this.statOf(directory);
      if (seen === undefined) continue;
      if (!/^\d+$/.test(epoch) || seen.kind !== "directory") {
        this.foreign(directory, "not an epoch", seen);
        continue;
      }
      for (const name of await this.list(directory)) await this.#marker(`${directory}/${name}`);
    }
  }

  async #marker(path: string): Promise<void> {
    const seen = await this.statOf(path);
    if (seen === undefined) return;
    const isHash = /^[0-9a-f]{32}$/.test(path.slice(path.lastIndexOf("/") + 1));
    if (!isHash || seen.kind !== "file") {
      this.foreign(path, "not a dedup marker", seen);
      return;
    }
    try {
      parseHeader(await readFile(this.#repair.site.fs, path, HEADER_BYTES));
    } catch (error) {
      if (error instanceof DamagedError)
        this.foreign(path, `a dedup marker: ${error.message}`, seen);
      else if (!isErrno(error, "ENOENT")) this.findings.add(path, unreadable(error));
    }
  }

  async aside(): Promise<void> {
    const { aside } = this.#repair.site.layout;
    for (const name of await this.list(aside)) {
      this.findings.add(`${aside}/${name}`, "was set aside; look at it and remove it");
    }
  }
}

const isUnspeakable = (name: string): boolean => name.includes("\ufffd");

export const words = (kind: Kind): string => (kind === "directory" ? "a directory" : KINDS[kind]);
