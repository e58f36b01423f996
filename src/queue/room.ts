/**
 * The room that all parts of a queue share: the disk below, the directory, the settings.
 *
 * Everything that a test may want to replace comes in here, once: file system, clock, process
 * table, chance. There is no state in modules.
 */
import { dirname } from "node:path";

import type { Awaitable } from "../disk/file-system.ts";
import { makeBell } from "../disk/bell.ts";
import {
  ignore,
  isDirectory,
  makeDirectories,
  makeDirectory,
  syncDirectory,
} from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { QueueLayout } from "./layout.ts";
import { DEFAULT_SETTINGS, QUEUE_SETTINGS, SUBSCRIPTION_SETTINGS } from "./settings.ts";
import type { QueueSettings } from "./settings.ts";
import { assureSettings, loadSettings, saveSettings } from "./settings-file.ts";
import type { SettingsTable } from "./settings-file.ts";
import { Site } from "./site.ts";
import type { Disk } from "./site.ts";

/** How long settings that were read are used, in ms: so late does a change reach a running program. */
const SETTINGS_MS = 1000;

/** What feeds a queue from outside, as a topic its subscriptions. */
export interface Source {
  /** Puts right what dead ones left on their way into the queue. Returns how much that was. */
  recover(): Promise<number>;
}

export class Room extends Site {
  readonly layout: QueueLayout;
  readonly source: Source | undefined;
  #settings: QueueSettings | undefined;
  #settingsReadMs = 0;
  #isSecure = false;

  constructor(name: string, root: string, disk: Disk, source?: Source) {
    super(name, disk);
    this.layout = new QueueLayout(root);
    this.source = source;
  }

  /** A subscription is a queue with a slash in its name. */
  get isSubscription(): boolean {
    return this.name.includes("/");
  }

  /** The settings that there are. */
  get table(): SettingsTable<QueueSettings> {
    return this.isSubscription ? SUBSCRIPTION_SETTINGS : QUEUE_SETTINGS;
  }

  /** The settings, as read a moment ago. @throws NO_QUEUE, BAD_SETTINGS */
  settings(): Awaitable<QueueSettings> {
    const nowMs = this.disk.clock.monotonicMs();
    const isKept = this.#settings !== undefined && nowMs - this.#settingsReadMs <= SETTINGS_MS;
    return isKept ? this.#settings! : this.#read(nowMs);
  }

  async #read(nowMs: number): Promise<QueueSettings> {
    const settings = await this.#load();
    this.#settings = settings;
    this.#settingsReadMs = nowMs;
    return settings;
  }

  async #load(): Promise<QueueSettings> {
    try {
      return await loadSettings(this.disk, this.layout.settings, this.table);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      throw (await this.#isTopic()) ? isTopic(this.name) : noQueue(this.name);
    }
  }

  /** Reads the settings anew at the next use. */
  forgetSettings(): void {
    this.#settings = undefined;
  }

  /** True while consumers get nothing; then it is asked anew each time, since whoever resumes it rings once. */
  async isPaused(): Promise<boolean> {
    const { isPaused } = await this.settings();
    if (isPaused) this.forgetSettings();
    return isPaused;
  }

  /** True where there is a topic of this name: who asks for a queue has most likely mistaken it. */
  #isTopic(): Promise<boolean> {
    if (this.isSubscription) return Promise.resolve(false);
    const topic = `${dirname(dirname(this.layout.root))}/topics/${this.name}/topic.json`;
    return ignore(() => this.fs.lstat(topic), "ENOENT", "ENOTDIR");
  }

  /** The settings; makes the queue, with the defaults, where it is not there. */
  async settingsOrCreate(): Promise<QueueSettings> {
    try {
      const settings = await this.settings();
      await this.#secure();
      return settings;
    } catch (error) {
      if (!(error instanceof SpoolError) || error.code !== "NO_QUEUE") throw error;
      await this.create();
      return this.settings();
    }
  }

  /** On careful disks: whoever made the queue may have died before the name of its settings was safe. */
  async #secure(): Promise<void> {
    if (this.#isSecure || this.disk.kind.oneSync) return;
    this.#isSecure = await ignore(() => syncDirectory(this.fs, this.layout.root), "ENOENT");
  }

  async makeAgain(): Promise<void> {
    this.forgetSettings();
    this.#isSecure = false;
    await this.settingsOrCreate();
    await this.mend();
  }

  /** Makes those of its directories that are missing, as after a backup without empty ones. */
  async mend(): Promise<void> {
    await this.#makeDirectories();
    // What goes into a directory must not get lost with it.
    if (!this.disk.kind.ordered) await syncDirectory(this.fs, this.layout.root);
  }

  async #makeDirectories(): Promise<void> {
    for (const directory of this.layout.directories) await makeDirectory(this.fs, directory);
  }

  /** Makes the queue; true where it was not there before. Several processes may do it at once. */
  async create(settings: QueueSettings = DEFAULT_SETTINGS): Promise<boolean> {
    const { fs, layout } = this;
    // A subscription is made by subscribing to its topic, never by a put.
    if (this.isSubscription) throw noQueue(this.name);
    const made = await makeDirectories(fs, layout.root);
    await this.#makeDirectories();
    await makeBell(fs, layout.bell);
    if (await ignore(() => fs.lstat(layout.settings), "ENOENT")) {
      await assureSettings(this.disk, layout.settings);
      return false;
    }
    // Whoever made the directories above may have died, or failed, before their names were safe.
    const above = this.disk.kind.oneSync ? made : [layout.root, dirname(layout.root)];
    for (const directory of [...above, layout.ready]) await syncDirectory(fs, dirname(directory));
    // Last, because it is what says that the queue is there: whoever sees it need not sync the rest.
    await saveSettings(this.disk, layout.settings, QUEUE_SETTINGS, settings, this.draft());
    return true;
  }

  /** Directories may be missing, as from a backup without empty ones: then they are made again. */
  override async readClock(): Promise<number> {
    try {
      return await super.readClock();
    } catch (error) {
      const { fs, layout } = this;
      if (!isErrno(error, "ENOENT") || !(await isDirectory(fs, layout.ready))) throw error;
      await this.mend();
      return super.readClock();
    }
  }

  async save(settings: QueueSettings): Promise<void> {
    const { layout, disk } = this;
    await saveSettings(disk, layout.settings, this.table, settings, this.draft());
    this.#settings = settings;
  }
}

function isTopic(name: string): SpoolError {
  return new SpoolError(
    "IS_TOPIC",
    `${name} is a topic, not a queue`,
    `Publish to it: spool publish ${name}. Or name a subscription: ${name}/NAME.`,
  );
}

export function noQueue(name: string): SpoolError {
  return name.includes("/")
    ? new SpoolError(
        "NO_QUEUE",
        `no such subscription: ${name}`,
        `A subscription is made by: spool subscribe ${name}`,
      )
    : new SpoolError(
        "NO_QUEUE",
        `no such queue: ${name}`,
        `A queue is made by its first put, or by: spool queue create ${name}`,
      );
}
