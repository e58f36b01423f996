/**
 * Waiting until something may have changed.
 *
 * After a commit the writer touches the queue's `bell`; a waiting consumer watches that one file
 * with chokidar. An event is a hint to look again, never news of what changed: events get lost
 * without a word, so every wait also ends by itself after a while. Where the file system carries
 * no events between hosts, the watch polls.
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
  readonly #watcher: FSWatcher;
  #rung = false;
  #wake: (() => void) | undefined;

  private constructor(watcher: FSWatcher) {
    this.#watcher = watcher;
    const hear = (): void => {
      this.#rung = true;
      this.#wake?.();
    };
    watcher.on("all", hear);
    // A watch that breaks leaves the slow re-check.
    watcher.on("error", hear);
  }

  /** Starts to watch; what changes from the moment this resolves is heard. */
  static async open(path: string, kind: FileSystemKind, pollMs: number): Promise<BellWatch> {
    const { watch } = await import("chokidar");
    const watcher = watch(path, {
      usePolling: kind.shared,
      interval: pollMs,
      ignoreInitial: true,
      followSymlinks: false,
      atomic: false,
    });
    const bell = new BellWatch(watcher);
    await new Promise<void>((resolve) => {
      watcher.once("ready", () => resolve());
    });
    return bell;
  }

  /** Resolves when the bell rang since the last call, after `ms`, or when `signal` aborts. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    if (!this.#rung && !signal?.aborted) {
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
    this.#rung = false;
  }

  async close(): Promise<void> {
    await this.#watcher.close();
  }
}
