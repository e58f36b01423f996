/** How many were ready at the last looks, by name: what the bars are drawn from. */
import type { Sample } from "../stats/sample.ts";

const LOOKS = 16;

export class DepthHistory {
  readonly #rings = new Map<string, Float32Array>();
  #looks = 0;

  /** Takes one look at all; a topic has none, it is its subscriptions. */
  push(samples: ReadonlyMap<string, Sample>): void {
    const at = this.#looks++ % LOOKS;
    for (const [key, { kind, ready }] of samples) {
      if (kind === "topic" || kind === "pattern") continue;
      let ring = this.#rings.get(key);
      if (ring === undefined) {
        ring = new Float32Array(LOOKS).fill(Number.NaN);
        this.#rings.set(key, ring);
      }
      ring[at] = ready ?? Number.NaN;
    }
    for (const [key, ring] of this.#rings) {
      if (!samples.has(key)) this.#rings.delete(key);
      // Nothing, for whoever was not there this time.
      else if (samples.get(key)!.ready === null) ring[at] = Number.NaN;
    }
  }

  /** The oldest first. @param keys  whose sum it is. */
  of(keys: readonly string[]): number[] {
    const rings = keys.map((key) => this.#rings.get(key)).filter((ring) => ring !== undefined);
    return Array.from({ length: LOOKS }, (_, index) => {
      const at = (this.#looks + index) % LOOKS;
      return rings.length === 0 ? Number.NaN : rings.reduce((sum, ring) => sum + ring[at]!, 0);
    });
  }
}
