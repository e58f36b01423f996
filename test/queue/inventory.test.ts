/** Goal: a count from the cache is the count. Method: a queue that is changed and counted in turn. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { statsOf } from "../../src/stats/queue-stats.ts";
import { randomRuns } from "../helpers/model-chance.ts";
import type { MemoryDisk } from "../helpers/model-disk.ts";
import { bytesOf, Jobs } from "../helpers/model-jobs.ts";

describe("the inventory", () => {
  test("that remembers says what one says that counts anew", async () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant("put"),
        delayMs: fc.constantFrom(0, 0, 30, 5000),
        ttlMs: fc.constantFrom(0, 60, 9000),
      }),
      fc.record({ do: fc.constantFrom("take", "purge", "count", "count") }),
      fc.record({ do: fc.constant("wait"), ms: fc.constantFrom(0, 1, 49, 51, 1000, 60_000) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
        const jobs = await Jobs.open();
        const counter = await jobs.process();
        const { slot } = await jobs.consumer("brief", { leaseMs: 1e9 });
        for (const act of steps) {
          if (act.do === "put" && "delayMs" in act) {
            await jobs.queue.put("x", { delayMs: act.delayMs, ttlMs: act.ttlMs });
          } else if (act.do === "wait" && "ms" in act) jobs.time.advance(act.ms);
          else if (act.do === "take") await (await slot.next())?.ack().catch(() => {});
          else if (act.do === "purge") await jobs.queue.purge({ max: 1 });
          const remembered = await statsOf(counter);
          expect(remembered).toEqual(await statsOf(await jobs.process()));
        }
      }),
      randomRuns(100),
    );
  });

  test("reads a bucket's names once while nothing changes", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.putMany({ batchMessages: 1 }).run(bytesOf("1\n2\n3\n"));
    jobs.time.advance(1000);
    let lists = 0;
    const counting = new Proxy(jobs.disk, {
      get: (disk, name: keyof MemoryDisk) => {
        const value: unknown = disk[name];
        if (name !== "list")
          return typeof value === "function" ? (value.bind(disk) as unknown) : value;
        return (path: string) => {
          if (/\/ready\/./.test(path)) lists++;
          return disk.list(path);
        };
      },
    });
    const queue = await jobs.process("p", counting);
    for (let times = 0; times < 5; times++) expect((await statsOf(queue)).ready).toBe(3);
    const before = lists;
    expect(before).toBe(jobs.disk.list("/spool/queues/jobs/ready").length);
    await jobs.queue.put("4");
    jobs.time.advance(1000);
    expect((await statsOf(queue)).ready).toBe(4);
    expect(lists).toBeGreaterThan(before);
  });

  test("stops counting as soon as it is enough", async () => {
    const jobs = await Jobs.open();
    for (let n = 0; n < 5; n++) await jobs.queue.put("x", { delayMs: n * 10_000, priority: n });
    const nowMs = jobs.time.nowMs;
    const { ready, scheduled } = await jobs.queue.inventory.count(
      nowMs,
      (messages) => messages > 1,
    );
    expect(ready.messages + scheduled.messages).toBe(2);
  });
});
