/**
 * Time.
 *
 * The spool's time is the disk's: the mtime that the file system gives to a file just made. Several
 * hosts share it, whatever their own clocks say. Between two looks at the disk it advances with
 * this process's monotonic clock, which nobody can step.
 */

/** Milliseconds that only ever go forward; their zero means nothing. */
export type MonotonicMs = () => number;

export class DiskClock {
  readonly #monotonicMs: MonotonicMs;
  #offsetMs: number | undefined;
  #seenAtMs = 0;

  constructor(monotonicMs: MonotonicMs = () => performance.now()) {
    this.#monotonicMs = monotonicMs;
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
