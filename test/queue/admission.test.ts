import { describe, expect, test } from "vitest";

import { statsOf } from "../../src/stats/queue-stats.ts";
import { bytesOf, Jobs } from "../helpers/model-jobs.ts";
import type { MemoryDisk } from "../helpers/model-disk.ts";

const full = { code: "QUEUE_FULL" };

describe("max-depth", () => {
  test("counts what is ready and scheduled, not what is claimed", async () => {
    const jobs = await Jobs.open({ maxDepth: 2 });
    await jobs.queue.put("ready");
    await jobs.queue.put("scheduled", { delayMs: 60_000 });
    await expect(jobs.queue.put("one too many")).rejects.toMatchObject(full);
    const { slot } = await jobs.consumer();
    await slot.next();
    await jobs.queue.put("there is room");
    expect(await statsOf(jobs.queue)).toMatchObject({ ready: 1, scheduled: 1, inFlight: 1 });
  });

  test("is kept to by puts that are in flight together, and by a stream of lines", async () => {
    const jobs = await Jobs.open({ maxDepth: 3 });
    const puts = await Promise.allSettled(["a", "b", "c", "d"].map((body) => jobs.queue.put(body)));
    expect(puts.map(({ status }) => status).toSorted()).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
    ]);
    expect(await jobs.drain()).toEqual(["a", "b", "c"]);
    const many = jobs.queue.putMany();
    await expect(many.run(bytesOf("1\n2\n3\n4\n5\n"))).rejects.toMatchObject(full);
    expect((await statsOf(jobs.queue)).ready).toBe(many.safe.messages);
    expect(many.safe.messages).toBeLessThanOrEqual(3);
  });

  test("refuses a stream before it is read", async () => {
    const jobs = await Jobs.open({ maxDepth: 1 });
    await jobs.queue.put("x");
    let isRead = false;
    const stream = (async function* () {
      isRead = true;
      yield Buffer.from("x");
    })();
    await expect(jobs.queue.put(stream)).rejects.toMatchObject(full);
    expect(isRead).toBe(false);
  });

  test("does not count what has expired", async () => {
    const jobs = await Jobs.open({ maxDepth: 1 });
    await jobs.queue.put("mortal", { ttlMs: 1000 });
    jobs.time.advance(1000);
    await jobs.queue.put("x");
  });
});

describe("max-bytes", () => {
  test("counts the bytes that wait", async () => {
    const jobs = await Jobs.open({ maxBytes: 100 });
    await jobs.queue.put("x".repeat(60));
    await expect(jobs.queue.put("x".repeat(41))).rejects.toMatchObject(full);
    await jobs.queue.put("x".repeat(40));
  });
});

describe("min-free", () => {
  test("refuses a put that would leave too little", async () => {
    const jobs = await Jobs.open({ minFreeBytes: 1000 });
    const bound = new Proxy(jobs.disk, {
      get: (disk, name: keyof MemoryDisk) => {
        if (name === "space") return () => ({ ...disk.space(), freeBytes: 1500 });
        const value: unknown = disk[name];
        return typeof value === "function" ? (value.bind(disk) as unknown) : value;
      },
    });
    const queue = await jobs.process("p", bound);
    await queue.put("x".repeat(500));
    await expect(queue.put("x".repeat(501))).rejects.toMatchObject({
      code: "DISK_FULL",
      message: expect.stringContaining("1500 bytes are free"),
    });
  });
});

describe("overflow", () => {
  test("wait: a put waits for its consumers, and goes in", async () => {
    const jobs = await Jobs.open({ maxDepth: 1, overflow: "wait" });
    await jobs.queue.put("first");
    let isIn = false;
    const waiting = jobs.queue.put("second").then(() => (isIn = true));
    // Another turn or two of its loop: it does not give up.
    await expect.poll(() => statsOf(jobs.queue)).toMatchObject({ ready: 1 });
    expect(isIn).toBe(false);
    jobs.time.advance(1000);
    expect(await jobs.drain()).toEqual(["first"]);
    jobs.time.advance(1000);
    await waiting;
    expect(await jobs.drain()).toEqual(["second"]);
  });

  test("a put may say how long it waits", async () => {
    const jobs = await Jobs.open({ maxDepth: 1 });
    await jobs.queue.put("first");
    // Time passes while they wait.
    const ticking = setInterval(() => jobs.time.advance(40_000), 5);
    try {
      const waiting = jobs.queue.put("second", { waitMs: 60_000 });
      await expect(waiting).rejects.toMatchObject(full);
      const many = jobs.queue.putMany({ waitMs: 60_000 }).run(bytesOf("third\n"));
      await expect(many).rejects.toMatchObject(full);
    } finally {
      clearInterval(ticking);
    }
    expect(jobs.disk.list("/spool/queues/jobs/tmp")).toEqual([]);
  });
});
