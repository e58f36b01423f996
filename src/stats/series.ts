/**
 * Counts over time, for the last hour: by the second for two minutes, in steps of ten seconds beyond. Both are
 * rings that are written over, so one costs 6 KiB however much is counted.
 */

/** Steps of one width that follow each other, the newest over the oldest. */
class Ring {
  readonly #stepMs: number;
  readonly #counts: Float64Array;
  /** Which step is in which place. */
  readonly #steps: Uint32Array;

  constructor(stepMs: number, length: number) {
    this.#stepMs = stepMs;
    this.#counts = new Float64Array(length);
    this.#steps = new Uint32Array(length);
  }

  get spanMs(): number {
    return this.#stepMs * (this.#counts.length - 1);
  }

  add(step: number, count: number): void {
    const at = step % this.#counts.length;
    // What is older than all that is kept is not: it would stand for what is newer.
    if (step < this.#steps[at]!) return;
    if (this.#steps[at] !== step) this.#counts[at] = 0;
    this.#steps[at] = step;
    this.#counts[at]! += count;
  }

  /** Spreads a count evenly over [fromMs, toMs]. */
  spread(fromMs: number, toMs: number, count: number): void {
    const step = this.#stepMs;
    const first = Math.floor(fromMs / step);
    const last = Math.floor(toMs / step);
    if (first === last || toMs <= fromMs) {
      this.add(last, count);
      return;
    }
    for (let at = Math.max(first, last - this.#counts.length); at <= last; at++) {
      const shareMs = Math.min(toMs, (at + 1) * step) - Math.max(fromMs, at * step);
      this.add(at, (count * shareMs) / (toMs - fromMs));
    }
  }

  /** What was counted in [fromMs, toMs), of steps that lie in it by half the half. */
  sum(fromMs: number, toMs: number): number {
    const step = this.#stepMs;
    let total = 0;
    for (let at = Math.floor(fromMs / step); at * step < toMs; at++) {
      const place = at % this.#counts.length;
      if (this.#steps[place] !== at) continue;
      const shareMs = Math.min(toMs, (at + 1) * step) - Math.max(fromMs, at * step);
      total += (this.#counts[place]! * shareMs) / step;
    }
    return total;
  }
}

export class Series {
  readonly #fine = new Ring(1000, 121);
  readonly #coarse = new Ring(10_000, 361);
  /** The end of the newest that was counted, in ms since the epoch. */
  #newestMs = 0;

  /** Counts what happened in [fromMs, toMs], in ms since the epoch. */
  add(fromMs: number, toMs: number, count: number): void {
    this.#newestMs = Math.max(this.#newestMs, toMs);
    this.#fine.spread(fromMs, toMs, count);
    this.#coarse.spread(fromMs, toMs, count);
  }

  /** What was counted in [fromMs, toMs). */
  sum(fromMs: number, toMs: number): number {
    const ring = fromMs >= this.#newestMs - this.#fine.spanMs ? this.#fine : this.#coarse;
    // Beyond that is what nothing has been written over yet.
    return ring.sum(Math.max(fromMs, this.#newestMs - ring.spanMs), toMs);
  }
}
