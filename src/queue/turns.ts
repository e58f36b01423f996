/** One act after the other: the first at once, and each of the others when the one before it has ended. */
import type { Awaitable } from "../disk/file-system.ts";

export class Turns {
  #last: Promise<void> | undefined;

  take<T>(act: () => Awaitable<T>): Awaitable<T> {
    const done = this.#last === undefined ? act() : this.#last.then(act);
    if (done instanceof Promise) {
      const turn: Promise<void> = done.then(
        () => this.#end(turn),
        () => this.#end(turn),
      );
      this.#last = turn;
    }
    return done;
  }

  #end(turn: Promise<void>): void {
    if (this.#last === turn) this.#last = undefined;
  }

  /** Resolves when all that was begun has ended. */
  async end(): Promise<void> {
    await this.#last;
  }
}
