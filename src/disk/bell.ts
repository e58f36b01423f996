/**
 * Waiting until something may have changed.
 *
 * After a commit the writer touches the queue's `bell`; a waiting consumer watches that one file
 * with chokidar. An event is a hint to look again, never news of what changed: events get lost
 * without a word, so every wait also ends by itself after a while. Where the file system carries
 * no events between hosts, the watch polls.
 *
 * It is chokidar's `raw` events that wake: they come straight from the kernel. A `change` says the
 * same 10 to 60 ms later, because chokidar looks at the file first, holds the event back in case
 * an empty file is about to be written, and lets one through in 50 ms. What rings while nobody
 * waits sets a flag, and nothing more: a bell rung thousands of times a second costs who is busy little.
 */
import type { FSWatcher } from "chokidar";

import { isErrno } from "../errors.ts";
import { ignore } from "./durable.ts";
import type { FileSystem } from "./file-system.ts";
import type { FileSystemKind } from "./kind.ts";

/** Rings: a waiting consumer will look again. Never fails a commit that has already happened. */
export async function ring(fs: FileSystem, path: string): Promise<void> {
  try {
    try {
      await fs.touch(path, Date.now());
    } catch (error) {
      if (!isErrno(error, "EPERM", "EACCES")) throw error;
      // Only its owner may set a time; whoever may write can truncate what is empty anyway.
      await fs.close(await fs.open(path, "truncate"));
    }
  } catch {
    // A bell that is missing or not ours to touch costs a waiter its slow re-check, not a message.
  }
}

/** Makes the bell where it is missing. */
export async function makeBell(fs: FileSystem, path: string): Promise<void> {
  await ignore(async () => fs.close(await fs.open(path, "create")), "EEXIST");
}

export class BellWatch {
  #watcher: FSWatcher | undefined;
  #isRung = false;
  /** True where a raw event has said all that there is to say about the last change. */
  #isKnown = false;
  #wake: (() => void) | undefined;

  private constructor() {}

  /** Starts to watch; what changes from the moment this resolves is heard. */
  static async open(path: string, kind: FileSystemKind, pollMs: number): Promise<BellWatch> {
    const { watch } = await import("chokidar");
    const bell = new BellWatch();
    const watcher = watch(path, {
      usePolling: kind.shared,
      interval: pollMs,
      ignoreInitial: true,
      followSymlinks: false,
      atomic: false,
      // Then chokidar need not look: no stat, no timers. A poll is its look, and only that.
      ignored: () => bell.#isKnown && !kind.shared,
    });
    bell.#watcher = watcher;
    watcher.on("raw", (event) => {
      // Where a name has changed, the bell may be another file now: chokidar sees to that.
      bell.#isKnown = event === "change";
      bell.#hear();
    });
    watcher.on("all", (event) => {
      // Not the echo of a raw event, which was heard, and answered by now.
      if (event !== "change" || !bell.#isKnown) bell.#hear();
    });
    // A watch that breaks leaves the slow re-check.
    watcher.on("error", () => bell.#hear());
    await new Promise<void>((resolve) => {
      watcher.once("ready", () => resolve());
    });
    return bell;
  }

  #hear(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /**
   * Resolves when the bell rang since the last call, after `ms`, or when `signal` aborts. True where
   * it rang.
   */
  async wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    if (!this.#isRung && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
        signal?.addEventListener("abort", this.#wake, { once: true });
      });
      if (this.#wake) signal?.removeEventListener("abort", this.#wake);
    }
    this.#wake = undefined;
    const isRung = this.#isRung;
    this.#isRung = false;
    return isRung;
  }

  async close(): Promise<void> {
    await this.#watcher?.close();
  }
}
