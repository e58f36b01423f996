/** How long an open batch waits for more: then it is closed, and what it holds is not kept waiting. */

/** The longest that a timer can wait, in ms. */
const TIMER_MS = 2 ** 31 - 1;

export class Linger {
  readonly #limitMs: number;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  #interrupt: (() => void) | undefined;

  constructor(limitMs: number) {
    this.#limitMs = Math.min(limitMs, TIMER_MS);
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#isOver = true;
      this.#interrupt?.();
    }, this.#limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#isOver = false;
    this.#interrupt = undefined;
  }

  /** What comes first: `next`, or the end of the time. */
  orOver<T>(next: Promise<T>): Promise<T | "over"> {
    if (this.#isOver) return Promise.resolve("over");
    // Not a race, which costs twice as much: most input comes in pieces of 64 KiB, fast.
    return new Promise((resolve, reject) => {
      this.#interrupt = () => resolve("over");
      next.then(resolve, reject);
    });
  }
}
