/**
 * Goal: at every instant at most one lease owns a message, nothing is lost, and at most one ack of it
 * ever succeeds, in any order of system calls, whoever is killed when, and even where a lock is
 * judged wrongly: a reaper takes live consumers for dead at any moment.
 * Method: consumers, a producer, a mover and reapers over one disk, whose calls take turns by chance; the
 * directory is looked at after each call.
 */
import assert from "node:assert/strict";

import * as fc from "fast-check";
import { expect, test } from "vitest";

import { Slot } from "../../src/queue/slot.ts";
import { randomRuns } from "../helpers/model-chance.ts";
import { EXT4, NFS } from "../helpers/model-disk.ts";
import { bytesOf, Jobs } from "../helpers/model-jobs.ts";
import { observe } from "../helpers/model-observe.ts";
import { keyOf } from "../helpers/model-queue.ts";
import { Interleaved } from "../helpers/model-race.ts";
import { isLost } from "../helpers/model-world.ts";

const ROOT = "/spool/queues/jobs";

interface Plan {
  readonly seed: number;
  readonly batch: number;
  readonly singles: number;
  /** What each consumer does with its messages, in turn. */
  readonly habits: readonly (readonly ("ack" | "nack" | "reject" | "hold" | "give back")[])[];
  /** How often a reaper wrongly takes a live consumer for dead. */
  readonly wrong: number;
  readonly killAt: number | undefined;
  readonly maxAttempts: number;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  seed: fc.nat(),
  batch: fc.integer({ min: 1, max: 7 }),
  singles: fc.nat({ max: 2 }),
  habits: fc.array(
    fc.array(fc.constantFrom("ack", "ack", "ack", "nack", "reject", "hold", "give back"), {
      minLength: 1,
      maxLength: 5,
    }),
    { minLength: 1, maxLength: 3 },
  ),
  wrong: fc.constantFrom(0, 0.3, 1),
  killAt: fc.option(fc.nat({ max: 150 }), { nil: undefined }),
  maxAttempts: fc.constantFrom(0, 2, 3),
});

async function race(type: number, given: Plan): Promise<Map<string, number>> {
  const { seed, habits, wrong } = given;
  const jobs = await Jobs.open({ maxAttempts: given.maxAttempts, backoffBaseMs: 0 }, type);
  const { disk } = jobs;
  await jobs.queue
    .putMany()
    .run(bytesOf(Array.from({ length: given.batch }, () => "x\n").join("")));
  for (let n = 0; n < given.singles; n++) await jobs.queue.put(`single ${n}`);
  const put = new Set(observe(disk, ROOT).places.keys());
  const acks = new Map<string, number>();
  const met = new Map<string, number>();
  const meet = (what: string): void => void met.set(what, (met.get(what) ?? 0) + 1);
  const turns = new Interleaved(seed);

  // Now and then a reaper sees a lock as old that is not.
  let judged = 0;
  const reapers = [];
  for (const name of ["r0", "r1"]) {
    const fs = turns.process(disk, name, (stat, path) => {
      const isWrong = String(path).endsWith(".lock") && ++judged % 10 < wrong * 10;
      return isWrong ? { ...stat, mtimeMs: stat.mtimeMs - 3600_000 } : stat;
    });
    reapers.push({ name, queue: await jobs.process(name, fs) });
  }
  for (const { name, queue } of reapers) {
    await queue.settings();
    turns.start(name, async () => {
      for (let times = 0; times < 3; times++) {
        const { leases } = await queue.sweep(() => assert.fail("something was set aside"));
        if (leases > 0) meet("taken over");
      }
    });
  }
  for (const [n, habit] of habits.entries()) {
    const name = `c${n}`;
    const queue = await jobs.process(name, turns.process(disk, name));
    await queue.settings();
    const consumer = queue.consumer("brief");
    const slot = new Slot(consumer, queue.room);
    turns.start(name, async () => {
      const held = [];
      for (let step = 0; step < 8; step++) {
        let message: Awaited<ReturnType<Slot["next"]>>;
        if (await isLost(async () => (message = await slot.next()))) {
          meet("lost");
          continue;
        }
        if (message === undefined) break;
        const [batch = "", index = "0"] = message.id.split(".");
        const key = keyOf(batch, Number(index));
        const how = habit[step % habit.length]!;
        if (how === "hold") held.push({ message, key });
        else if (how === "ack") {
          if (await isLost(() => message!.ack())) meet("ack refused");
          else acks.set(key, (acks.get(key) ?? 0) + 1);
        } else if (how === "nack") meet((await isLost(() => message!.nack())) ? "refused" : how);
        else if (how === "reject") meet((await isLost(() => message!.reject())) ? "refused" : how);
        else await isLost(() => message!.giveBack());
      }
      for (const { message, key } of held) {
        if (await isLost(() => message.ack())) meet("ack refused");
        else acks.set(key, (acks.get(key) ?? 0) + 1);
      }
      await isLost(() => slot.close());
      await consumer.close();
    });
  }
  if (given.killAt !== undefined) turns.killAt(given.killAt, "c0");
  turns.onCall = () => {
    // An ack that has happened and was not yet told is one that is gone from the disk.
    const { places } = observe(disk, ROOT, false);
    for (const key of places.keys()) {
      assert.ok(put.has(key));
      assert.equal(acks.get(key), undefined, `${key} was acked, and is still there`);
    }
  };
  await turns.run();

  // The dead are buried, and what is left is there, once.
  if (given.killAt !== undefined && turns.isKilled("c0")) {
    meet("killed");
    jobs.gone.add("c0");
  }
  // A reason whose letter never came is left for an hour.
  jobs.time.advance(2 * 3600_000);
  await jobs.queue.sweep(() => assert.fail("something was set aside"));
  const { places, leases, locks, strays } = observe(disk, ROOT);
  assert.deepEqual([[...leases], [...locks], strays], [[], [], []]);
  for (const times of acks.values()) assert.equal(times, 1, "acked once");
  const missing = [...put].filter((key) => !places.has(key) && !acks.has(key));
  // Who is killed between an ack and being told of it has acked.
  assert.ok(missing.length <= (turns.isKilled("c0") ? 1 : 0), `lost: ${missing.join()}`);
  assert.deepEqual((await jobs.queue.verify()).findings, []);
  return met;
}

test.for([
  { name: "a trusted disk", type: EXT4, runs: 800 },
  { name: "a shared disk", type: NFS, runs: 300 },
])(
  "no race loses a message or has it acked twice, on $name",
  { timeout: 600_000 },
  async ({ type, runs }) => {
    const all = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(plan, async (given) => {
        const met = await race(type, given);
        for (const [what, times] of met) all.set(what, (all.get(what) ?? 0) + times);
      }),
      randomRuns(runs),
    );
    if (process.env["MODEL_TALK"] !== undefined) console.log(Object.fromEntries(all));
    if (process.env["MODEL_PATH"] !== undefined) return;
    const corners = ["taken over", "lost", "ack refused", "nack", "reject", "refused", "killed"];
    expect(corners.filter((corner) => !all.has(corner))).toEqual([]);
  },
);
