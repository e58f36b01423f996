/**
 * Time.
 *
 * The spool's time is the disk's: the mtime that the file system gives to a file just made. Several
 * hosts share it, whatever their own clocks say. Between two looks at the disk it advances with
 * this process's monotonic clock, which nobody can step.
 */

/** Changes closer together than this may have one mtime, in ms. */
const TICK_MS = 50;

/** The same where mtimes are in whole seconds (ext3, ext4 with small inodes), or two (FAT). */
const COARSE_TICK_MS = 3000;

/** After so long, in ms, a change has another mtime than this one. */
export const tickMsOf = (mtimeMs: number): number =>
  mtimeMs % 1000 === 0 ? COARSE_TICK_MS : TICK_MS;

/**
 * True where what was read at `nowMs` of a file or directory with this mtime can be kept: a later
 * change would have another mtime.
 */
export function isQuietAt(nowMs: number, mtimeMs: number): boolean {
  return mtimeMs + tickMsOf(mtimeMs) < nowMs;
}

/** Milliseconds that only ever go forward; their zero means nothing. */
export type MonotonicMs = () => number;

/** Not performance.now(), whose first call loads six modules of Node. */
export const monotonicMs: MonotonicMs = () => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
};

/** A turn for everything else, now and then: short calls are synchronous and leave no gap. */
export class Breath {
  #lastMs = monotonicMs();

  /** A promise only where it is time for it. */
  take(): Promise<void> | undefined {
    return monotonicMs() - this.#lastMs < BREATH_MS ? undefined : this.#breathe();
  }

  /** It was just taken: the loop has waited for something. */
  taken(): void {
    this.#lastMs = monotonicMs();
  }

  async #breathe(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.taken();
  }
}

/** How long a loop may keep the event loop for itself, in ms. */
const BREATH_MS = 20;

export class DiskClock {
  readonly #monotonicMs: MonotonicMs;
  #offsetMs: number | undefined;
  #seenAtMs = 0;

  constructor(spanMs: MonotonicMs = monotonicMs) {
    this.#monotonicMs = spanMs;
  }

  /** Takes the mtime of a file that was made just now. */
  observe(mtimeMs: number): void {
    this.#seenAtMs = this.#monotonicMs();
    this.#offsetMs = mtimeMs - this.#seenAtMs;
  }

  /** True where the disk was looked at within `withinMs`, so that `now` may be asked. */
  isFresh(withinMs = 60_000): boolean {
    return this.#offsetMs !== undefined && this.#monotonicMs() - this.#seenAtMs < withinMs;
  }

  /** The disk's time now, in whole milliseconds since the epoch. */
  now(): number {
    if (this.#offsetMs === undefined) throw new Error("the disk's clock was never read");
    return Math.floor(this.#monotonicMs() + this.#offsetMs);
  }

  /** Milliseconds since some instant, for measuring spans within this process. */
  monotonicMs(): number {
    return this.#monotonicMs();
  }
}
