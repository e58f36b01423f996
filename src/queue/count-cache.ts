/**
 * Counts that outlive the process: what one has counted of a spool's queues, the next one takes over.
 *
 * It saves calls and nothing else: what is taken over is compared with each directory before it is
 * believed (count-table.ts). Any number of processes may leave theirs at the same time; the last one's stay.
 * Who removes the file loses nothing.
 */
import { readFile } from "../disk/durable.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { ID_PATTERN } from "../message/id.ts";
import { CountFile } from "./count-file.ts";
import type { Counts } from "./count-file.ts";
import type { Inventory, KnownQueue } from "./inventory.ts";

/** Fewer names than this are listed as fast as a file is read. */
const WORTH_NAMES = 500;

const ID = new RegExp(`^${ID_PATTERN}$`);

export class CountCache {
  readonly #fs: FileSystem;
  readonly #dir: string;
  readonly #directory: string;
  #file: CountFile | undefined;
  /** What was in the file. */
  #found: Counts = new Map();
  #loading: Promise<void> | undefined;
  /** Names that were listed since it was written. */
  #listed = 0;

  /** @param dir  the spool. @param directory  of the user's own, for files like this. */
  constructor(fs: FileSystem, dir: string, directory: string) {
    this.#fs = fs;
    this.#dir = dir;
    this.#directory = directory;
  }

  /** What another process has counted of a queue. */
  async recall(name: string): Promise<KnownQueue | undefined> {
    await (this.#loading ??= this.#load());
    return this.#found.get(name);
  }

  /** So many names had to be listed for what is known now. */
  cost(names: number): void {
    this.#listed += names;
  }

  /**
   * Leaves what was counted to the next process, where it is worth that. Never fails.
   *
   * @param isAll  there are no other queues than these: what was known of others is dropped.
   */
  save(inventories: ReadonlyMap<string, Inventory>, isAll = false): void {
    if (this.#file === undefined || this.#listed < WORTH_NAMES) return;
    this.#listed = 0;
    if (isAll) this.#found.clear();
    for (const [name, { known }] of inventories) this.#found.set(name, known);
    this.#file.write(this.#found);
  }

  async #load(): Promise<void> {
    const id = await this.#idOfSpool();
    if (id === undefined) return;
    this.#file = new CountFile(this.#directory, id, this.#dir);
    this.#found = this.#file.read();
  }

  async #idOfSpool(): Promise<string | undefined> {
    try {
      const text = (await readFile(this.#fs, `${this.#dir}/spool.json`, 4096)).toString();
      const { id } = JSON.parse(text) as { readonly id?: unknown };
      return typeof id === "string" && ID.test(id) ? id : undefined;
    } catch {
      // Removed or broken since it was opened: then it has no name for its counts.
      return undefined;
    }
  }
}
