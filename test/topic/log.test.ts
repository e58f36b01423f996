/** Goal: the log keeps what the retention says, and what it does costs the same however much that is. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { LOG_BUCKET_BATCHES } from "../../src/limits.ts";
import { CrashingFileSystem } from "../helpers/crashing-file-system.ts";
import { all } from "../helpers/model-jobs.ts";
import { bodiesIn, Topics } from "./fixture.ts";

const DAY_MS = 86_400_000;
const BTRFS = 0x9123683e;

/** The payloads that a subscriber from the start gets. */
async function kept(topics: Topics): Promise<string[]> {
  await topics.logs.subscribe("probe", { from: "start", settings: DEFAULT_SETTINGS });
  const bodies = await bodiesIn(topics.logs.subscription("probe"));
  await topics.logs.unsubscribe("probe");
  return bodies;
}

test("a ticket that a power cut left in committed/ and in the log goes from the first", async () => {
  // btrfs may leave both names of a rename; and a rename onto another link of a file does nothing.
  const topics = await Topics.open({ retentionMs: DAY_MS }, BTRFS);
  const queue = await topics.subscribe("a");
  await topics.logs.publish("x");
  const [logged = ""] = topics.names("log");
  const slice = logged.slice(logged.lastIndexOf("/") + 1);
  const tag = slice.split("-")[2]!;
  topics.disk.link(logged, `/spool/topics/logs/committed/${slice}.p${tag}_none`);
  const [ready = ""] = topics.names("subscriptions/a/ready");
  topics.disk.link(ready, `/spool/topics/logs/subscriptions/a/incoming/${slice}.${tag}`);
  topics.time.advance(DAY_MS / 2);
  await topics.logs.sweep();
  expect(topics.names("committed")).toEqual([]);
  expect(topics.names("subscriptions/a/incoming")).toEqual([]);
  expect(topics.names("log")).toEqual([logged]);
  expect(await bodiesIn(queue)).toEqual(["x"]);
});

describe("retention", () => {
  test("of nothing keeps nothing, with subscribers and without", async () => {
    const topics = await Topics.open();
    await topics.logs.publish("nobody hears it");
    await topics.subscribe("a");
    await topics.logs.publish("one does");
    expect(topics.names("log")).toEqual([]);
    expect(topics.names("committed")).toEqual([]);
    expect(await topics.logs.logTally()).toEqual({
      batches: 0,
      messages: 0,
      bytes: 0,
      oldestMs: Number.POSITIVE_INFINITY,
    });
  });

  test("by age: what is older is not read any more, also before it is trimmed", async () => {
    const topics = await Topics.open({ retentionMs: DAY_MS });
    await topics.logs.publish("old");
    topics.time.advance(DAY_MS / 2);
    await topics.logs.publish("young");
    topics.time.advance(DAY_MS / 2);
    expect(await kept(topics)).toEqual(["old", "young"]);
    topics.time.advance(1);
    expect(topics.names("log")).toHaveLength(2);
    expect(await kept(topics)).toEqual(["young"]);
    expect(await topics.logs.logTally()).toMatchObject({ batches: 1, messages: 1, bytes: 5 });
    expect((await topics.logs.sweep()).trimmed).toBe(1);
    expect(topics.names("log")).toHaveLength(1);
  });

  test("for ever keeps all, whoever sweeps when", async () => {
    const topics = await Topics.open({ retentionMs: Number.POSITIVE_INFINITY });
    await topics.logs.publish("x");
    topics.time.advance(10_000 * DAY_MS);
    expect((await topics.logs.sweep()).trimmed).toBe(0);
    expect(await kept(topics)).toEqual(["x"]);
  });

  test("by bytes: the oldest go first, until the rest fits", async () => {
    const topics = await Topics.open({ retentionBytes: 10 });
    for (const body of ["aaaa", "bbbb", "cccc", "dd"]) {
      topics.time.advance(DAY_MS);
      await topics.logs.publish(body);
    }
    expect((await topics.logs.sweep()).trimmed).toBe(1);
    expect(await kept(topics)).toEqual(["bbbb", "cccc", "dd"]);
    await topics.logs.publish("larger than all that is kept");
    expect((await topics.logs.sweep()).trimmed).toBe(4);
    expect(await kept(topics)).toEqual([]);
  });

  test("by both: whichever is less", async () => {
    const topics = await Topics.open({ retentionMs: DAY_MS, retentionBytes: 10 });
    await topics.logs.publish("1");
    topics.time.advance(DAY_MS + 1);
    await topics.logs.publish("2");
    expect((await topics.logs.sweep()).trimmed).toBe(1);
    await topics.logs.publish("x".repeat(9));
    expect((await topics.logs.sweep()).trimmed).toBe(0);
    await topics.logs.publish("3");
    expect((await topics.logs.sweep()).trimmed).toBe(1);
    expect(await kept(topics)).toEqual(["x".repeat(9), "3"]);
  });

  test("a change trims at once: to less, and to nothing", async () => {
    const topics = await Topics.open({ retentionMs: Number.POSITIVE_INFINITY });
    for (const body of ["one", "two", "three"]) {
      await topics.logs.publish(body);
      topics.time.advance(DAY_MS);
    }
    await topics.logs.changeSettings({ retentionMs: 1.5 * DAY_MS });
    expect(topics.names("log")).toHaveLength(1);
    await topics.logs.changeSettings({ retentionMs: 0 });
    expect(topics.disk.list("/spool/topics/logs/log")).toEqual([]);
    // Read anew by a process that had the old ones.
    expect(await kept(topics)).toEqual([]);
  });

  test("one second or more makes a publish log, as soon as its process hears of it", async () => {
    const topics = await Topics.open();
    await topics.subscribe("a");
    const other = await (await topics.process()).topic("logs");
    await other.publish("before");
    await topics.logs.changeSettings({ retentionMs: DAY_MS });
    topics.time.advance(1001);
    await other.publish("after");
    expect(await kept(topics)).toEqual(["after"]);
  });

  test("an idle consumer trims, so that a log needs no gc", async () => {
    const topics = await Topics.open({ retentionMs: DAY_MS });
    await topics.subscribe("a");
    await topics.logs.publish("x");
    topics.time.advance(2 * DAY_MS);
    await topics.logs.recover();
    expect(topics.names("log")).toEqual([]);
  });

  test("any ages and sizes: what is left is the longest end that fits", async () => {
    const step = fc.record({
      pauseMs: fc.integer({ min: 1, max: 500 }),
      bytes: fc.integer({ min: 1, max: 9 }),
    });
    const byAge = fc.integer({ min: 1, max: 1500 });
    const bySize = fc.integer({ min: 1, max: 30 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.oneof(
          fc.tuple(byAge, bySize),
          fc.tuple(byAge, fc.constant(0)),
          fc.tuple(fc.constant(0), bySize),
        ),
        async (steps, [retentionMs, retentionBytes]) => {
          const topics = await Topics.open({ retentionMs, retentionBytes });
          const sent: { atMs: number; body: string }[] = [];
          for (const { pauseMs, bytes } of steps) {
            topics.time.advance(pauseMs);
            const body = String(sent.length).repeat(bytes).slice(0, bytes);
            await topics.logs.publish(body);
            sent.push({ atMs: topics.time.nowMs, body });
          }
          await topics.logs.sweep();
          const left: string[] = [];
          let total = 0;
          for (const { atMs, body } of sent.toReversed()) {
            total += body.length;
            const isOld = retentionMs > 0 && topics.time.nowMs - atMs > retentionMs;
            if (isOld || (retentionBytes > 0 && total > retentionBytes)) break;
            left.unshift(body);
          }
          expect(await kept(topics)).toEqual(left);
          expect(topics.names("log")).toHaveLength(left.length);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("entries", () => {
  test("are the batches as they were published, oldest first, whoever was subscribed", async () => {
    const topics = await Topics.open({ retentionMs: DAY_MS });
    await topics.subscribe("errors", { filter: "level=error" });
    const many = topics.logs.publishMany({ headers: { level: "info" } });
    await many.run(
      (async function* () {
        yield Buffer.from("a\nb\n");
      })(),
    );
    topics.time.advance(1);
    await topics.logs.publish("late", { priority: 9, delayMs: 5000, ttlMs: 60_000 });
    const entries = await all(topics.logs.log.entries());
    expect(entries.map(({ slice }) => [slice.count, slice.bytes, slice.rank])).toEqual([
      [2, 4, 5],
      [1, 4, 0],
    ]);
    expect(entries[1]!.slice.visibleMs).toBe(topics.time.nowMs + 5000);
    expect(entries[1]!.slice.expiresMs).toBe(topics.time.nowMs + 60_000);
  });

  test("one copy of a batch, however many subscribe", async () => {
    const topics = await Topics.open({ retentionMs: DAY_MS });
    for (const name of ["a", "b", "c"]) await topics.subscribe(name);
    await topics.logs.publish("x");
    const [entry] = await all(topics.logs.log.entries());
    const { inode, links } = topics.disk.lstat(entry!.path);
    expect(links).toBe(4);
    for (const name of ["a", "b", "c"]) {
      const [path] = topics.names(`subscriptions/${name}/ready`);
      expect(topics.disk.lstat(path!).inode).toBe(inode);
    }
  });

  test("foreign names are passed over, and nothing of them goes", async () => {
    const topics = await Topics.open({ retentionMs: DAY_MS });
    await topics.logs.publish("x");
    const [entry] = await all(topics.logs.log.entries());
    const bucket = entry!.path.slice(0, entry!.path.lastIndexOf("/"));
    topics.disk.mkdir("/spool/topics/logs/log/foreign");
    topics.disk.link(entry!.path, "/spool/topics/logs/log/foreign/x");
    topics.disk.link(entry!.path, `${bucket}/foreign`);
    expect(await kept(topics)).toEqual(["x"]);
    topics.time.advance(2 * DAY_MS);
    await topics.logs.log.trim();
    expect(topics.names("log").map((path) => path.slice(path.lastIndexOf("/") + 1))).toEqual(
      expect.arrayContaining(["x", "foreign"]),
    );
  });
});

describe("buckets", () => {
  test("stay bounded, and to let go the oldest costs the same however much is kept", async () => {
    const topics = await Topics.open({ retentionMs: DAY_MS });
    const COUNT = 8000;
    for (let n = 0; n < COUNT; n++) {
      if (n % 10 === 0) topics.time.advance(150);
      await topics.logs.publish("x", { sync: "none" });
    }
    const buckets = topics.disk.list("/spool/topics/logs/log");
    const sizes = buckets.map((one) => topics.disk.list(`/spool/topics/logs/log/${one}`).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(COUNT);
    expect(Math.max(...sizes)).toBeLessThan(16 * LOG_BUCKET_BATCHES);
    expect(buckets.length).toBeGreaterThan(COUNT / LOG_BUCKET_BATCHES / 4);
    expect(buckets.length).toBeLessThan((COUNT / LOG_BUCKET_BATCHES) * 4);
    // No entry is older than its bucket: so what follows a young bucket need not be looked at.
    for (const bucket of buckets) {
      for (const name of topics.disk.list(`/spool/topics/logs/log/${bucket}`)) {
        expect(name.split("-")[2]! >= bucket).toBe(true);
      }
    }
    const fs = new CrashingFileSystem(topics.disk);
    const { log } = await (await topics.process("counting", fs)).topic("logs");
    fs.arm(() => {});
    expect(await log.trim()).toBe(0);
    expect(fs.calls).toBeLessThan(20);
    topics.time.advance(DAY_MS + 1);
    expect(await topics.logs.log.trim()).toBe(COUNT);
    expect(topics.disk.list("/spool/topics/logs/log")).toEqual([]);
  });
});
