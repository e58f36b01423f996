/** Chance that can be repeated: mulberry32, as good as a test needs. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Runs, seed and path of a random test, from the environment: for long runs and for repeats. */
export function randomRuns(runs: number): { numRuns: number; seed?: number; path?: string } {
  const { MODEL_RUNS, MODEL_SEED, MODEL_PATH } = process.env;
  return {
    numRuns: MODEL_RUNS === undefined ? runs : Number(MODEL_RUNS),
    ...(MODEL_SEED === undefined ? {} : { seed: Number(MODEL_SEED) }),
    ...(MODEL_PATH === undefined ? {} : { path: MODEL_PATH }),
  };
}
