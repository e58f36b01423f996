import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { statsOf } from "../../src/stats/queue-stats.ts";
import { all, bytesOf, Jobs } from "../helpers/model-jobs.ts";
import { randomRuns } from "../helpers/model-chance.ts";
import { Interleaved } from "../helpers/model-race.ts";

const WINDOW_MS = 10_000;

describe("a dedup key", () => {
  test("delivers once, and answers with the first one's id", async () => {
    const jobs = await Jobs.open();
    const first = await jobs.queue.put("x", { dedupKey: "k" });
    const second = await jobs.queue.put(bytesOf("y"), { dedupKey: "k" });
    const other = await jobs.queue.put("z", { dedupKey: "other" });
    expect(second).toEqual({ id: first.id, duplicate: true });
    expect(other.duplicate).toBe(false);
    expect(await jobs.drain()).toEqual(["x", "z"]);
  });

  test("is still known when its message was acked or purged", async () => {
    const jobs = await Jobs.open();
    const { id } = await jobs.queue.put("x", { dedupKey: "k" });
    await jobs.drain();
    expect(await jobs.queue.put("x", { dedupKey: "k" })).toEqual({ id, duplicate: true });
  });

  test("is that of one queue", async () => {
    const jobs = await Jobs.open();
    const other = await Jobs.open();
    await jobs.queue.put("x", { dedupKey: "k" });
    expect((await other.queue.put("x", { dedupKey: "k" })).duplicate).toBe(false);
  });

  test.for(["", "../../x", "a/b", "\0", "ü", "k".repeat(10_000)])(
    "may be anything: %j",
    async (dedupKey) => {
      const jobs = await Jobs.open();
      await jobs.queue.put("x", { dedupKey });
      expect((await jobs.queue.put("x", { dedupKey })).duplicate).toBe(true);
    },
  );

  test("is remembered for one window at least and two at the most, wherever in an epoch it came", async () => {
    const into = fc.nat({ max: WINDOW_MS - 1 });
    const later = fc.integer({ min: 0, max: 3 * WINDOW_MS });
    await fc.assert(
      fc.asyncProperty(into, later, fc.boolean(), async (startMs, pauseMs, isSwept) => {
        const jobs = await Jobs.open({ dedupWindowMs: WINDOW_MS });
        jobs.time.advance(startMs);
        const { id } = await jobs.queue.put("x", { dedupKey: "k" });
        jobs.time.advance(pauseMs);
        if (isSwept) await jobs.queue.sweep();
        const again = await (await jobs.process()).put("x", { dedupKey: "k" });
        if (pauseMs < WINDOW_MS) expect(again).toEqual({ id, duplicate: true });
        if (pauseMs >= 2 * WINDOW_MS) expect(again.duplicate).toBe(false);
      }),
      randomRuns(100),
    );
  });

  test("is forgotten by the sweeper, file and all", async () => {
    const jobs = await Jobs.open({ dedupWindowMs: WINDOW_MS });
    await jobs.queue.put("x", { dedupKey: "k" });
    jobs.time.advance(6 * WINDOW_MS);
    expect((await jobs.queue.sweep()).keys).toBe(2);
    expect(jobs.disk.list("/spool/queues/jobs/dedup")).toEqual([]);
  });
});

describe("puts that race with one key", () => {
  // Two or three writers, each at an instant of its own around the end of an epoch, whose system
  // calls take turns by chance; any of them may be killed.
  test("deliver once, and all agree on the id", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 2, maxLength: 3 }),
        fc.option(fc.nat({ max: 60 }), { nil: undefined }),
        fc.nat(),
        async (offsets, killAt, seed) => {
          const jobs = await Jobs.open({ dedupWindowMs: WINDOW_MS });
          jobs.time.advance(WINDOW_MS - (jobs.time.nowMs % WINDOW_MS));
          const race = new Interleaved(seed);
          const startMs = jobs.time.nowMs;
          const said: { id: string; duplicate: boolean }[] = [];
          for (const [n, offsetMs] of offsets.entries()) {
            const fs = race.process(jobs.disk, `w${n}`, (stat) => ({
              ...stat,
              mtimeMs: startMs + offsetMs * 100,
            }));
            const queue = await jobs.process(`w${n}`, fs);
            await queue.settings();
            race.start(`w${n}`, async () => {
              said.push(await queue.put(`${n}`, { dedupKey: "k" }));
            });
          }
          if (killAt !== undefined) race.killAt(killAt, "w0");
          await race.run();
          if (killAt !== undefined) jobs.gone.add("w0");
          await jobs.queue.sweep();
          const last = await jobs.queue.put("last", { dedupKey: "k" });
          const isKilled = said.length < offsets.length;
          if (said.length > 0) expect(last.duplicate).toBe(true);
          expect(new Set([...said, last].map(({ id }) => id)).size).toBe(1);
          if (!isKilled) expect(said.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
          expect(await statsOf(jobs.queue)).toMatchObject({ ready: 1 });
          const seen = await all(jobs.queue.peek("ready"));
          expect(seen.map(({ id }) => id)).toEqual([last.id]);
        },
      ),
      randomRuns(1000),
    );
  });
});
