/**
 * Who works at the same time: all slots of a worker, or one of them alone.
 *
 * A worker that dies takes down all that it had in hand, and nobody can tell afterwards which of
 * them it was: each counts as tried. A message that kills its worker each time would so drag the
 * same neighbours along, to the dead letters. So what has lost its consumers until only one attempt
 * is left is tried alone: if it was that one, it goes alone; and if it was not, it is done.
 */
export class Turnstile {
  #busy = 0;
  #alone: PromiseWithResolvers<void> | undefined;
  #onQuiet: (() => void) | undefined;

  /** Resolves when nobody works alone; undefined where that is so now. */
  get opening(): Promise<void> | undefined {
    return this.#alone?.promise;
  }

  /** Does `act` beside others, from its claim to its end. */
  async pass<T>(act: () => Promise<T>): Promise<T> {
    this.#busy++;
    try {
      return await act();
    } finally {
      this.#busy--;
      this.#onQuiet?.();
    }
  }

  /** For one who has passed: does `act` when all others have ended, while nobody else passes. */
  async alone(act: () => Promise<void>): Promise<void> {
    this.#alone = Promise.withResolvers();
    try {
      while (this.#busy > 1) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#onQuiet = resolve;
        await promise;
      }
      await act();
    } finally {
      this.#alone.resolve();
      this.#alone = undefined;
      this.#onQuiet = undefined;
    }
  }
}
