/** Samples of queues that there are not. */
import type { Sample } from "../../src/stats/sample.ts";

export function sampleOf(changes: Partial<Sample> = {}): Sample {
  return {
    name: "jobs",
    kind: "queue",
    state: "ok",
    atMs: 1000,
    ready: 0,
    inFlight: 0,
    scheduled: 0,
    dead: 0,
    inPerS: 0,
    outPerS: 0,
    netPerS: 0,
    workers: 0,
    bytes: 0,
    ...changes,
  };
}
