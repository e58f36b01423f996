/**
 * Goal: whatever consumers, producers and operators do, in whatever order, a queue is what a table of
 * messages would be. Method: random acts, done to the engine and to that table (helpers/model-queue.ts),
 * compared after each.
 *
 * A failure says its seed and path: run again with MODEL_SEED and MODEL_PATH; MODEL_RUNS for more.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { expect, test } from "vitest";

import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { QueueSettings } from "../../src/queue/settings.ts";
import { randomRuns } from "../helpers/model-chance.ts";
import { EXT4, MemoryDisk, ModelTime, NFS, TimedDisk } from "../helpers/model-disk.ts";
import { World } from "../helpers/model-world.ts";
import type { How, QueueName, Watched } from "../helpers/model-world.ts";

/** An act, with what it is called in a counterexample. */
interface Act {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly run: (world: World) => Promise<void> | void;
}

const queue = fc.constantFrom<QueueName>("a", "a", "a", "b");
const who = fc.constantFrom(0, 0, 1, 1, 2);
const producer = fc.constantFrom(0, 1);
const priority = fc.constantFrom(undefined, undefined, 0, 5, 9);
const delayMs = fc.constantFrom(undefined, undefined, undefined, 1, 1500, 8000, 90_000);
const ttlMs = fc.constantFrom(undefined, undefined, undefined, 0, 700, 9000, 120_000);
const headers = fc.constantFrom(undefined, {}, { kind: "x" }, { kind: "ü", "trace-id": "1 2" });
const how = fc.oneof(
  { weight: 4, arbitrary: fc.constant<How>({ do: "ack" }) },
  fc.constantFrom<How>({ do: "reject" }, { do: "give back" }),
  {
    weight: 3,
    arbitrary: fc.constantFrom<How>(
      { do: "nack" },
      { do: "nack", delayMs: 0 },
      { do: "nack", delayMs: 3000 },
      { do: "nack", isCounted: false },
      { do: "nack", isCounted: false, delayMs: 20 },
    ),
  },
);

/** exactOptionalPropertyTypes: what is not said is left out. */
function said<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function act<T extends readonly unknown[]>(
  weight: number,
  name: string,
  args: { [K in keyof T]: fc.Arbitrary<T[K]> },
  run: (world: World, ...args: T) => Promise<void> | void,
): { weight: number; arbitrary: fc.Arbitrary<Act> } {
  const arbitrary = fc.tuple(...(args as unknown as fc.Arbitrary<unknown>[])).map((values) => ({
    name,
    args: values,
    run: (world: World) => run(world, ...(values as unknown as T)),
    toString: () => `${name}(${values.map((value) => JSON.stringify(value)).join(", ")})`,
  }));
  return { weight, arbitrary };
}

const options = fc.record({ priority, delayMs, ttlMs, headers }).map(said);
const many = fc.record({
  options: fc.record({ priority, delayMs, ttlMs, headers }).map(said),
  sizes: fc.array(fc.constantFrom(0, 1, 5, 40), { minLength: 1, maxLength: 12 }),
  isNul: fc.boolean(),
  batchMessages: fc.constantFrom(1, 2, 5, 100),
  chunkBytes: fc.constantFrom(1, 3, 17, 1000),
  hasEnd: fc.boolean(),
});
const states = fc.constantFrom(
  ["ready", "scheduled"] as const,
  ["ready"] as const,
  ["scheduled"] as const,
  ["dead"] as const,
  ["dead", "ready"] as const,
);
const max = fc.constantFrom(1, 2, 3, 10, 1000);

const acts = fc.oneof(
  act(
    4,
    "put",
    [queue, producer, options, fc.constantFrom(0, 3, 300)],
    (world, to, from, how_, bytes) => world.put(to, from, how_, bytes),
  ),
  act(2, "put once", [queue, producer, fc.constantFrom("k1", "k2")], (world, to, from, dedupKey) =>
    world.put(to, from, { dedupKey }, 0),
  ),
  act(
    3,
    "put together",
    [queue, producer, fc.array(options, { minLength: 1, maxLength: 6 }), fc.boolean()],
    (world, to, from, each, isOne) =>
      world.putTogether(to, from, isOne ? each.map(() => ({ headers: { n: "1" } })) : each),
  ),
  act(3, "put many", [queue, producer, many], (world, to, from, how_) =>
    world.putMany(to, from, how_),
  ),
  act(
    2,
    "drop",
    [queue, fc.constantFrom("x", "y", "z.json"), fc.boolean()],
    (world, to, name, isEmpty) => world.drop(to, name, isEmpty),
  ),
  act(16, "next", [who], (world, by) => world.next(by)),
  act(12, "settle", [who, fc.nat(20), how], (world, by, which, how_) =>
    world.settle(by, which, how_),
  ),
  act(6, "work", [who, fc.constantFrom(2, 3, 7)], (world, by, times) => world.work(by, times)),
  act(2, "close", [who], (world, by) => world.close(by)),
  act(2, "die", [who, fc.boolean()], (world, by, isPlain) => world.die(by, isPlain)),
  act(2, "beat", [who], (world, by) => world.beat(by)),
  act(
    3,
    "take",
    [queue, fc.constantFrom(1, 2, 4), fc.constantFrom(1000, 20_000)],
    (world, from, count, leaseMs) => world.take(from, count, leaseMs),
  ),
  act(4, "settle by receipt", [fc.nat(20), how], (world, which, how_) =>
    world.settleByReceipt(which, how_),
  ),
  act(1, "extend", [fc.nat(20), fc.constantFrom(10, 60_000)], (world, which, forMs) =>
    world.extend(which, forMs),
  ),
  act(2, "sweep", [queue, fc.constantFrom(1, 1, 2)], (world, of, sweepers) =>
    world.sweep(of, sweepers),
  ),
  act(
    1,
    "purge",
    [queue, states, max, fc.constantFrom(0, 0, 5000)],
    (world, of, which, most, olderMs) => world.bulk(of, "nowhere", which, most, olderMs),
  ),
  act(1, "move", [queue, states, max], (world, from, which, most) =>
    world.bulk(from, from === "a" ? "b" : "a", which, most, 0),
  ),
  act(1, "redrive", [queue, max], (world, of, most) => world.bulk(of, of, ["dead"], most, 0)),
  act(
    8,
    "advance",
    [fc.constantFrom(1, 51, 1000, 5001, 11_000, 31_000, 61_000, 310_000)],
    (world, ms) => world.advance(ms),
  ),
);

const settings: fc.Arbitrary<QueueSettings> = fc
  .record({
    maxAttempts: fc.constantFrom(0, 1, 2, 3, 5),
    expired: fc.constantFrom("drop" as const, "dead" as const),
    ttlMs: fc.constantFrom(0, 0, 40_000),
    leaseMs: fc.constantFrom(10_000, 30_000),
    backoffBaseMs: fc.constantFrom(0, 1000),
    dedupWindowMs: fc.constantFrom(5000, 300_000),
  })
  .map((chosen) => ({ ...DEFAULT_SETTINGS, ...chosen }));

async function runAll(
  disk: Watched,
  time: ModelTime,
  dir: string,
  [seed, chosen, list]: readonly [number, QueueSettings, readonly Act[]],
): Promise<World> {
  const world = await World.open(disk, time, dir, seed, chosen);
  for (const one of list) {
    await one.run(world);
    await world.check();
  }
  await world.end();
  return world;
}

const CORNERS = [
  ["ack", "nack", "reject", "give back"].flatMap((how_) => [how_, `${how_} refused`]),
  ["claimed one", "claimed many", "claimed in order", "detached", "lost at claim"],
  ["taken over", "taken over with many", "dead by takeover"],
  ["expired", "expired to dead", "adopted", "a duplicate", "receipt", "late receipt"],
  ["purged", "purged the dead", "moved", "moved the dead"],
].flat();

const plan = fc.tuple(
  fc.nat(),
  settings,
  fc.array(acts, { minLength: 30, maxLength: 50, size: "max" }),
);

test.for([
  { name: "a trusted disk", type: EXT4, runs: 600 },
  { name: "a shared disk", type: NFS, runs: 150 },
])("a queue is what its model says, on $name", { timeout: 600_000 }, async ({ type, runs }) => {
  const met = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(plan, async (run) => {
      const time = new ModelTime();
      const world = await runAll(new MemoryDisk(time, type), time, "/spool", run);
      for (const [what, times] of world.met) met.set(what, (met.get(what) ?? 0) + times);
    }),
    randomRuns(runs),
  );
  if (process.env["MODEL_TALK"] !== undefined) console.log(Object.fromEntries(met));
  // What no run has met is not tested, however green.
  const rare = CORNERS.filter((corner) => !met.has(corner));
  if (process.env["MODEL_PATH"] === undefined && type === EXT4) expect(rare).toEqual([]);
});

test("a queue is what its model says, in a real directory", { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(plan, async (run) => {
      const dir = mkdtempSync(join(tmpdir(), "spool-model-"));
      const time = new ModelTime();
      const disk = new TimedDisk(time);
      try {
        await runAll(disk, time, dir, run);
      } finally {
        disk.closeAll();
        rmSync(dir, { recursive: true });
      }
    }),
    randomRuns(30),
  );
});
