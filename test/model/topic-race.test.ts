/**
 * Goal: whoever publishes, subscribes, replays, recovers, sleeps or dies when, a published message reaches
 * all of the subscriptions that there were, or none, and each of them once.
 * Method: up to four processes on one topic, each with jobs by chance, whose system calls take turns by
 * chance; some die, some stand still until others have undone their work. Then the history of calls,
 * returns and deliveries is checked:
 *
 *   - a publish that returned is in every subscription that was made before it began, or begins with the log;
 *   - one that failed, or was a duplicate, is in none, and not in the log;
 *   - one whose process died is in the log and in all of these, or in none of them;
 *   - none gets a message twice, or one that its filter does not take; a replay delivers all or nothing;
 *   - what the dead have left is gone after a sweep.
 */
import * as fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";

import { randomRuns } from "../helpers/model-chance.ts";
import { check, conclude } from "../helpers/model-topic-check.ts";
import { NAMES } from "../helpers/model-topic-history.ts";
import type { Level, Name } from "../helpers/model-topic-history.ts";
import { Turns } from "../helpers/model-topic-turns.ts";
import type { Fate, Pace } from "../helpers/model-topic-turns.ts";
import { TopicWorld } from "../helpers/model-topic-world.ts";
import type { Job } from "../helpers/model-topic-world.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What hundreds of runs have to come to. */
const CORNERS = [
  "died",
  "stood still",
  "recover: some",
  "sweep: some",
  "replay: 2",
  "drain: NO_QUEUE",
  "publish: TRY_AGAIN",
  "publish: DISK_FULL",
  "keyed: duplicate",
  "subscribe: undefined",
  "unsubscribe: removed",
  "unsubscribe: NO_QUEUE",
  "replay: NO_QUEUE",
];

interface Plan {
  readonly pace: Pace;
  /** What is there, with a message each before and after, when the race begins. */
  readonly first: readonly Name[];
  readonly jobs: readonly (readonly Job[])[];
  readonly fates: readonly Fate[];
  /** Others can tell who is dead. */
  readonly isPlain: boolean;
}

const name = fc.constantFrom(...NAMES);
const level = fc.constantFrom<Level>("error", "info");

const job: fc.Arbitrary<Job> = fc.oneof(
  { weight: 6, arbitrary: publishOf("publish") },
  { weight: 3, arbitrary: fc.tuple(publishOf("keyed"), fc.nat({ max: 1 })).map(withKey) },
  { weight: 4, arbitrary: fc.record({ job: fc.constant("subscribe" as const), name }) },
  { weight: 2, arbitrary: fc.record({ job: fc.constant("unsubscribe" as const), name }) },
  { weight: 1, arbitrary: fc.record({ job: fc.constant("replay" as const), name }) },
  { weight: 2, arbitrary: fc.record({ job: fc.constant("drain" as const), name }) },
  { weight: 4, arbitrary: fc.record({ job: fc.constant("recover" as const) }) },
  { weight: 1, arbitrary: fc.record({ job: fc.constant("sweep" as const) }) },
);

function publishOf<Kind extends "publish" | "keyed">(
  kind: Kind,
): fc.Arbitrary<{ job: Kind; levels: Level[] }> {
  const maxLength = kind === "keyed" ? 2 : 3;
  return fc.record({
    job: fc.constant(kind),
    levels: fc.array(level, { minLength: 1, maxLength }),
  });
}

function withKey([one, key]: [{ job: "keyed"; levels: Level[] }, number]): Job {
  return { ...one, key };
}

const fate: fc.Arbitrary<Fate> = fc
  .record({
    process: fc.nat({ max: 3 }),
    isFanOut: fc.boolean(),
    move: fc.integer({ min: 1, max: 60 }),
    jumpMs: fc.oneof(
      // It dies; it sleeps past FINISH_MS, past STAGING_MS; past REPLAY_MS or TMP_SWEEP_MS.
      { weight: 3, arbitrary: fc.constant(undefined) },
      { weight: 5, arbitrary: fc.constantFrom(3000, 31_000, 31_000, 31_000) },
      { weight: 1, arbitrary: fc.constantFrom(61 * MINUTE_MS, 37 * HOUR_MS) },
    ),
    calls: fc.constantFrom(30, 150, 600),
  })
  .map((one) => (one.isFanOut ? { ...one, move: (one.move % 25) + 1 } : one));

const plan: fc.Arbitrary<Plan> = fc.record({
  pace: fc.record({
    seed: fc.nat(),
    swap: fc.constantFrom(0.02, 0.1, 0.4, 1),
    callMs: fc.constantFrom(0.1, 1, 15),
    full: fc.constantFrom(0, 0, 0, 0, 0.01, 0.05),
  }),
  first: fc.uniqueArray(name, { maxLength: 5 }),
  jobs: fc.array(fc.array(job, { minLength: 1, maxLength: 7 }), { minLength: 2, maxLength: 4 }),
  fates: fc.array(fate, { maxLength: 4 }),
  isPlain: fc.boolean(),
});

async function race(given: Plan): Promise<TopicWorld> {
  const turns = new Turns(given.pace, given.fates);
  // Whose key was forgotten, or whose draft was swept, while it stood still is told IO.
  const isLong = given.fates.some(({ jumpMs = 0 }) => jumpMs > HOUR_MS);
  const world = new TopicWorld(turns, isLong ? ["IO"] : []);
  const beganMs = turns.time.nowMs;
  turns.onFate = (process, { jumpMs }) => {
    world.meet(jumpMs === undefined ? "died" : "stood still");
    if (jumpMs === undefined && given.isPlain) world.bury(process);
  };
  const setUp = await world.open("s");
  for (const one of given.first) {
    await world.publish(setUp, { levels: ["error"] });
    turns.advance(100);
    await world.subscribe(setUp, one);
  }
  await world.publish(setUp, { levels: ["info"] });
  const processes = [];
  for (const n of given.jobs.keys()) processes.push(await world.open(`p${n}`));
  const real = globalThis.setTimeout;
  vi.stubGlobal("setTimeout", turns.sleep);
  for (const [n, process] of processes.entries()) {
    turns.start(process.name, () => world.work(process, given.jobs[n]!));
  }
  try {
    await turns.run();
  } finally {
    vi.stubGlobal("setTimeout", real);
  }
  const tookMs = turns.time.nowMs - beganMs;
  if (given.isPlain) for (const process of processes) world.bury(process.name);

  const isFull = given.pace.full > 0;
  const isCalm = !isFull && !isLong && !world.met.has("died");
  // A link of no fan-out stays for an hour, a draft of who knows whom for a day and a half.
  const patienceMs = (given.isPlain ? 2 : 40) * HOUR_MS;
  const how = { isCalm, patienceMs, isFull, isLong, tookMs };
  check(world.history, await conclude(world, how), how);
  if (!isFull) expect(world.warnings).toEqual([]);
  world.met.set("calls", turns.calls);
  return world;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

test(
  "no race of publishers, subscribers and the dead loses a message, or delivers one twice",
  { timeout: 3_600_000 },
  async () => {
    // Loaded when it is first needed: that is no call to the disk, and would look as if all were done.
    await import("node:crypto");
    const all = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(plan, async (given) => {
        const { met } = await race(given);
        for (const [what, times] of met) all.set(what, (all.get(what) ?? 0) + times);
      }),
      randomRuns(400),
    );
    if (process.env["MODEL_TALK"] !== undefined) console.log(Object.fromEntries(all));
    if (process.env["MODEL_PATH"] !== undefined || process.env["MODEL_RUNS"] !== undefined) return;
    expect(CORNERS.filter((corner) => !all.has(corner))).toEqual([]);
  },
);
