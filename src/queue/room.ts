/**
 * The room that all parts of a queue share: the disk below, the directory, the settings.
 *
 * Everything that a test may want to replace comes in here, once: file system, clock, process
 * table, chance. There is no state in modules.
 */
import { dirname } from "node:path";

import { makeBell } from "../disk/bell.ts";
import {
  ignore,
  makeDirectories,
  makeDirectory,
  replaceFile,
  syncDirectory,
} from "../disk/durable.ts";
import type { FileSystem } from "../disk/file-system.ts";
import type { FileSystemKind } from "../disk/kind.ts";
import type { Processes } from "../disk/processes.ts";
import { Breath } from "../clock.ts";
import type { DiskClock } from "../clock.ts";
import { isErrno, SpoolError } from "../errors.ts";
import type { IdSource } from "../message/id.ts";
import { QueueLayout } from "./layout.ts";
import { DEFAULT_SETTINGS, loadSettings, saveSettings } from "./settings.ts";
import type { QueueSettings } from "./settings.ts";

/** What a spool gives to each of its queues. */
export interface Disk {
  readonly fs: FileSystem;
  readonly kind: FileSystemKind;
  readonly clock: DiskClock;
  readonly processes: Processes;
  readonly ids: IdSource;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** How long settings that were read are used, in ms: so late does a change reach a running program. */
const SETTINGS_MS = 1000;

export class Room {
  readonly name: string;
  readonly disk: Disk;
  readonly fs: FileSystem;
  readonly layout: QueueLayout;
  #settings: QueueSettings | undefined;
  #settingsReadMs = 0;
  readonly #breath = new Breath();
  #drafts = 0;
  readonly #nonce: string;

  constructor(name: string, root: string, disk: Disk) {
    this.name = name;
    this.disk = disk;
    this.fs = disk.fs;
    this.layout = new QueueLayout(root);
    this.#nonce = Math.floor(disk.random() * 36 ** 10).toString(36);
  }

  /** The settings, as read a moment ago. @throws NO_QUEUE, BAD_SETTINGS */
  async settings(): Promise<QueueSettings> {
    const nowMs = this.disk.clock.monotonicMs();
    if (this.#settings === undefined || nowMs - this.#settingsReadMs > SETTINGS_MS) {
      this.#settings = await this.#load();
      this.#settingsReadMs = nowMs;
    }
    return this.#settings;
  }

  async #load(): Promise<QueueSettings> {
    try {
      return await loadSettings(this.disk, this.layout.settings);
    } catch (error) {
      if (isErrno(error, "ENOENT")) throw noQueue(this.name);
      throw error;
    }
  }

  /** Lets timers and other work have a turn; for every loop over messages. */
  breathe(): Promise<void> {
    return this.#breath.take();
  }

  /** Reads the settings anew at the next use. */
  forgetSettings(): void {
    this.#settings = undefined;
  }

  /** The settings; makes the queue, with the defaults, where it is not there. */
  async settingsOrCreate(): Promise<QueueSettings> {
    try {
      return await this.settings();
    } catch (error) {
      if (!(error instanceof SpoolError) || error.code !== "NO_QUEUE") throw error;
      await this.create();
      return this.settings();
    }
  }

  /** Makes the queue; true where it was not there before. Several processes may do it at once. */
  async create(settings: QueueSettings = DEFAULT_SETTINGS): Promise<boolean> {
    const { fs, layout } = this;
    // A subscription is made by subscribing to its topic, never by a put.
    if (this.name.includes("/")) throw noQueue(this.name);
    const made = await makeDirectories(fs, layout.root);
    for (const directory of layout.directories) await makeDirectory(fs, directory);
    await makeBell(fs, layout.bell);
    if (await ignore(() => fs.lstat(layout.settings), "ENOENT")) return false;
    for (const directory of [...made, layout.ready]) await syncDirectory(fs, dirname(directory));
    // Last, because it is what says that the queue is there: whoever sees it need not sync the rest.
    await saveSettings(this.disk, layout.settings, settings, this.draft());
    return true;
  }

  async save(settings: QueueSettings): Promise<void> {
    await saveSettings(this.disk, this.layout.settings, settings, this.draft());
    this.#settings = settings;
  }

  /** A fresh name in tmp/ that says which process writes there, so that its strays can be told. */
  draft(prefix = ""): string {
    const unique = `${this.#nonce}.${this.#drafts++}`;
    return `${this.layout.tmp}/${prefix}${unique}_${this.disk.processes.self}`;
  }

  /** Writes a small file, whole or not at all. */
  async replace(path: string, text: string): Promise<void> {
    await replaceFile(this.disk, path, Buffer.from(text), this.draft());
  }

  /** The disk's time, by a file made just now where the last look is too long ago. */
  async now(withinMs = 60_000): Promise<number> {
    if (!this.disk.clock.isFresh(withinMs)) await this.readClock();
    return this.disk.clock.now();
  }

  /** The same for who only looks: this host's time where no file can be made. */
  async nowToLook(): Promise<number> {
    try {
      return await this.now();
    } catch (error) {
      if (!isErrno(error, "EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT")) throw error;
      return Date.now();
    }
  }

  /** Looks at the disk's clock: makes a file and reads its mtime. */
  async readClock(): Promise<number> {
    const path = this.draft();
    const fd = await this.fs.open(path, "create");
    try {
      this.disk.clock.observe((await this.fs.stat(fd)).mtimeMs);
    } finally {
      await this.fs.close(fd);
      await this.fs.unlink(path);
    }
    return this.disk.clock.now();
  }
}

export function noQueue(name: string): SpoolError {
  return new SpoolError(
    "NO_QUEUE",
    `no such queue: ${name}`,
    name.includes("/")
      ? "Name a queue, without a slash."
      : `A queue is made by its first put, or by: spool queue create ${name}`,
  );
}
