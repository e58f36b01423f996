/** The room that all parts of a topic share: the disk below, the directory, the settings. */
import { dirname } from "node:path";

import { ignore, makeDirectories, makeDirectory, syncDirectory } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { isPattern } from "../names.ts";
import { assureSettings, loadSettings, saveSettings } from "../queue/settings-file.ts";
import { Site } from "../queue/site.ts";
import type { Disk } from "../queue/site.ts";
import { TopicLayout } from "./layout.ts";
import { DEFAULT_TOPIC_SETTINGS, TOPIC_SETTINGS } from "./settings.ts";
import type { TopicSettings } from "./settings.ts";

/** How long settings that were read are used, in ms. */
const SETTINGS_MS = 1000;

/** How often to begin again where directories are removed meanwhile. */
const TRIES = 20;

export class TopicRoom extends Site {
  readonly layout: TopicLayout;
  #settings: TopicSettings | undefined;
  #settingsReadMs = 0;
  #isSecure = false;

  constructor(name: string, root: string, disk: Disk) {
    super(name, disk);
    this.layout = new TopicLayout(root);
  }

  /** A pattern has subscriptions, but no settings; nothing is published to it. */
  get isPattern(): boolean {
    return isPattern(this.name);
  }

  /** The settings, as read a moment ago. @throws NO_TOPIC, BAD_SETTINGS */
  async settings(): Promise<TopicSettings> {
    const nowMs = this.disk.clock.monotonicMs();
    if (this.#settings === undefined || nowMs - this.#settingsReadMs > SETTINGS_MS) {
      try {
        this.#settings = await loadSettings(this.disk, this.layout.settings, TOPIC_SETTINGS);
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error;
        if (!this.isPattern) throw noTopic(this.name);
        // Nothing is published to it: it has nothing to be set.
        this.#settings = DEFAULT_TOPIC_SETTINGS;
      }
      this.#settingsReadMs = nowMs;
    }
    return this.#settings;
  }

  /** Reads the settings anew at the next use. */
  forgetSettings(): void {
    this.#settings = undefined;
  }

  /** The settings; makes the topic, with the defaults, where it is not there. */
  async settingsOrCreate(): Promise<TopicSettings> {
    try {
      const settings = await this.settings();
      if (this.isPattern) await this.create();
      else await this.#secure();
      return settings;
    } catch (error) {
      if (!(error instanceof SpoolError) || error.code !== "NO_TOPIC") throw error;
      if (await this.#isQueue()) throw isQueue(this.name);
      await this.create();
      return this.settings();
    }
  }

  /** On careful disks: whoever made the topic may have died before the name of its settings was safe. */
  async #secure(): Promise<void> {
    if (this.#isSecure || this.disk.kind.oneSync) return;
    this.#isSecure = await ignore(() => syncDirectory(this.fs, this.layout.root), "ENOENT");
  }

  /** True where there is a queue of this name: who publishes to it has most likely mistaken it. */
  #isQueue(): Promise<boolean> {
    const queue = `${dirname(dirname(this.layout.root))}/queues/${this.name}/queue.json`;
    return ignore(() => this.fs.lstat(queue), "ENOENT", "ENOTDIR");
  }

  async makeAgain(): Promise<void> {
    this.#settings = undefined;
    this.#isSecure = false;
    // Also where only some of its directories are missing, as from a backup without empty ones.
    await this.create();
  }

  override async readClock(): Promise<number> {
    return this.#again(() => super.readClock());
  }

  /** Makes those of its directories that are missing, as after a backup without empty ones. */
  async mend(): Promise<void> {
    for (const directory of this.layout.directories) {
      await ignore(() => makeDirectory(this.fs, directory), "ENOENT");
    }
    if (!this.disk.kind.ordered) {
      await ignore(() => syncDirectory(this.fs, this.layout.root), "ENOENT");
    }
  }

  /** Makes the topic; true where it was not there before. Several processes may do it at once. */
  async create(settings: TopicSettings = DEFAULT_TOPIC_SETTINGS): Promise<boolean> {
    return this.isPattern ? this.#again(() => this.#make(settings)) : this.#make(settings);
  }

  /** The directories of a pattern go and come with its subscriptions. */
  async #again<T>(act: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await act();
      } catch (error) {
        if (!isErrno(error, "ENOENT") || tries === TRIES) throw error;
        if (this.isPattern) await ignore(() => this.#make(DEFAULT_TOPIC_SETTINGS), "ENOENT");
        else await this.mend();
      }
    }
  }

  async #make(settings: TopicSettings): Promise<boolean> {
    const { fs, layout } = this;
    const made = await makeDirectories(fs, layout.root);
    for (const directory of layout.directories) await makeDirectory(fs, directory);
    // The directories of a pattern come and go with its subscriptions: they are all it has.
    const isThere = !this.isPattern && (await ignore(() => fs.lstat(layout.settings), "ENOENT"));
    if (isThere) {
      await assureSettings(this.disk, layout.settings);
      return false;
    }
    // Whoever made the directories above may have died, or failed, before their names were safe.
    const above = this.disk.kind.oneSync ? made : [layout.root, dirname(layout.root)];
    for (const directory of [...above, layout.staging]) await syncDirectory(fs, dirname(directory));
    if (this.isPattern) return made.length > 0;
    await saveSettings(this.disk, layout.settings, TOPIC_SETTINGS, settings, this.draft());
    return true;
  }

  async save(settings: TopicSettings): Promise<void> {
    await saveSettings(this.disk, this.layout.settings, TOPIC_SETTINGS, settings, this.draft());
    this.#settings = settings;
  }
}

function isQueue(name: string): SpoolError {
  return new SpoolError(
    "IS_QUEUE",
    `${name} is a queue, not a topic`,
    `Put to it: spool put ${name}. Or make a topic of that name, too: spool topic create ${name}.`,
  );
}

export function noTopic(name: string): SpoolError {
  return new SpoolError(
    "NO_TOPIC",
    `no such topic: ${name}`,
    `A topic is made by its first publish or subscribe, or by: spool topic create ${name}`,
  );
}
