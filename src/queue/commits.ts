/**
 * Batches of one stream that are on their way to the disk: several at once, since a disk syncs
 * together what waits for it, and counted from the front.
 */

/** Batches that may wait for their fsync at once. */
const AT_ONCE = 4;

export interface PutManyResult {
  readonly messages: number;
  readonly bytes: number;
  readonly batches: number;
}

export class Commits {
  readonly #onProgress: (safe: PutManyResult) => void;
  readonly #open = new Set<Promise<boolean>>();
  /** Whether all that were added so far are safe. */
  #isAllSafe = Promise.resolve(true);
  #failure: unknown;
  #safe: PutManyResult = { messages: 0, bytes: 0, batches: 0 };

  constructor(onProgress: (safe: PutManyResult) => void) {
    this.#onProgress = onProgress;
  }

  /** What is safe on the disk; of what is behind a batch that failed, nothing is counted. */
  get safe(): PutManyResult {
    return this.#safe;
  }

  /** Resolves when another one may be added. */
  async room(): Promise<void> {
    while (this.#open.size >= AT_ONCE) await Promise.race(this.#open);
  }

  /** Adds the commit of the next batch. */
  add(commit: Promise<void>, messages: number, bytes: number): void {
    const done = commit.then(
      () => true,
      (error: unknown) => {
        this.#failure ??= error;
        return false;
      },
    );
    const before = this.#isAllSafe;
    this.#isAllSafe = done.then(async (isSafe) => {
      if (!(await before) || !isSafe) return false;
      this.#count(messages, bytes);
      return true;
    });
    const open = done.finally(() => this.#open.delete(open));
    this.#open.add(open);
  }

  /** @throws what the first one that failed threw. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when none is on its way any more, whether they failed or not. */
  async settle(): Promise<void> {
    await this.#isAllSafe;
  }

  #count(messages: number, bytes: number): void {
    const { safe } = this;
    this.#safe = {
      messages: safe.messages + messages,
      bytes: safe.bytes + bytes,
      batches: safe.batches + 1,
    };
    this.#onProgress(this.#safe);
  }
}
