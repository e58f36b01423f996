/** Goal: a publish that may not come in is in no subscription; one that may is in all of them. */
import { describe, expect, test } from "vitest";

import { statsOf } from "../../src/stats/queue-stats.ts";
import type { MemoryDisk } from "../helpers/model-disk.ts";
import { bytesOf } from "../helpers/model-jobs.ts";
import { bodiesIn, drain, Topics } from "./fixture.ts";

const full = { code: "QUEUE_FULL", exitCode: 73 };
const tooLarge = { code: "MESSAGE_TOO_LARGE", exitCode: 65 };

describe("a subscription that is full", () => {
  test("refuses for all, and nobody has it", async () => {
    const topics = await Topics.open({ retentionMs: 60_000 });
    const small = await topics.subscribe("small", { maxDepth: 1 });
    const large = await topics.subscribe("large");
    await topics.logs.publish("first");
    await expect(topics.logs.publish("second")).rejects.toMatchObject({
      ...full,
      message: expect.stringContaining("logs/small") as string,
    });
    expect(await bodiesIn(small)).toEqual(["first"]);
    expect(await bodiesIn(large)).toEqual(["first"]);
    expect(await topics.logs.logTally()).toMatchObject({ messages: 1 });
    expect([...topics.names("tmp"), ...topics.names("staging")]).toEqual([]);
    await drain(small);
    await topics.logs.publish("third");
    expect(await bodiesIn(large)).toEqual(["first", "third"]);
  });

  test("of a pattern refuses, too", async () => {
    const topics = await Topics.open();
    const pattern = await topics.spool.topic("#");
    await pattern.subscribe("small");
    await pattern.subscription("small").changeSettings({ maxDepth: 1 });
    const own = await topics.subscribe("a");
    await topics.logs.publish("first");
    await expect(topics.logs.publish("second")).rejects.toMatchObject(full);
    expect(await bodiesIn(own)).toEqual(["first"]);
  });

  test("is kept to by publishes that are in flight together, and by a stream", async () => {
    const topics = await Topics.open();
    const small = await topics.subscribe("small", { maxDepth: 3 });
    const large = await topics.subscribe("large");
    const publishes = await Promise.allSettled(
      ["a", "b", "c", "d"].map((body) => topics.logs.publish(body)),
    );
    expect(publishes.filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect(await drain(small)).toEqual(["a", "b", "c"]);
    const many = topics.logs.publishMany();
    const lines = Array.from({ length: 40 }, (_, n) => `${n}\n`);
    await expect(many.run(bytesOf(...lines))).rejects.toMatchObject(full);
    // Batches of one, four of which may be under way when the limit is met.
    expect(many.safe.messages).toBeLessThanOrEqual(3 + 4);
    expect((await statsOf(small)).ready).toBe(many.safe.messages);
    expect((await statsOf(large)).ready).toBe(3 + many.safe.messages);
  });

  test("of bytes: counts its own bytes", async () => {
    const topics = await Topics.open();
    const small = await topics.subscribe("small", { maxBytes: 100 });
    await topics.logs.publish("x".repeat(60));
    await expect(topics.logs.publish("x".repeat(41))).rejects.toMatchObject(full);
    await expect(topics.logs.publish("x".repeat(101))).rejects.toMatchObject(full);
    expect((await statsOf(small)).ready).toBe(1);
  });

  test("overflow=wait holds the publish up for all, until there is room", async () => {
    const topics = await Topics.open();
    const small = await topics.subscribe("small", { maxDepth: 1, overflow: "wait" });
    const large = await topics.subscribe("large");
    await topics.logs.publish("first");
    let isIn = false;
    const waiting = topics.logs.publish("second").then(() => (isIn = true));
    await expect.poll(() => bodiesIn(large)).toEqual(["first"]);
    expect(isIn).toBe(false);
    expect(await drain(small)).toEqual(["first"]);
    topics.time.advance(1000);
    await waiting;
    expect(await bodiesIn(large)).toEqual(["first", "second"]);
    expect(await bodiesIn(small)).toEqual(["second"]);
  });

  test("a publish may say how long it waits", async () => {
    const topics = await Topics.open();
    const small = await topics.subscribe("small", { maxDepth: 1 });
    await topics.logs.publish("first");
    const ticking = setInterval(() => topics.time.advance(40_000), 5);
    try {
      const waiting = topics.logs.publish("second", { waitMs: 60_000 });
      await expect(waiting).rejects.toMatchObject(full);
    } finally {
      clearInterval(ticking);
    }
    expect(await bodiesIn(small)).toEqual(["first"]);
    expect(topics.names("tmp")).toEqual([]);
  });
});

describe("max-message", () => {
  test("of the topic, and of a subscription where that is tighter, holds for all", async () => {
    const topics = await Topics.open({ maxMessageBytes: 10 });
    const queue = await topics.subscribe("a");
    await topics.logs.publish("0123456789");
    await expect(topics.logs.publish("01234567890")).rejects.toMatchObject({
      ...tooLarge,
      hint: expect.stringContaining("spool topic set logs max-message=SIZE") as string,
    });
    await expect(topics.logs.publish(bytesOf("0123456789", "0"))).rejects.toMatchObject(tooLarge);
    const strict = await topics.subscribe("strict", { maxMessageBytes: 3 });
    topics.time.advance(1001);
    await expect(topics.logs.publish("0123")).rejects.toMatchObject(tooLarge);
    await topics.logs.publish("012");
    expect(await bodiesIn(queue)).toEqual(["0123456789", "012"]);
    expect(await bodiesIn(strict)).toEqual(["012"]);
    expect(topics.names("tmp")).toEqual([]);
    expect(topics.disk.openFiles).toBe(0);
  });

  test("says that it may be a subscription's, and how to raise that", async () => {
    const topics = await Topics.open();
    await topics.subscribe("strict", { maxMessageBytes: 3 });
    await expect(topics.logs.publish("0123")).rejects.toMatchObject({
      message: expect.stringContaining("of one of its subscriptions") as string,
      hint: expect.stringContaining("spool queue set logs/NAME max-message=SIZE") as string,
    });
  });
});

describe("min-free", () => {
  /** A process whose disk has so much left. */
  async function withFree(topics: Topics, freeBytes: number) {
    const bound = new Proxy(topics.disk, {
      get: (disk, name: keyof MemoryDisk) => {
        if (name === "space") return () => ({ ...disk.space(), freeBytes });
        const value: unknown = disk[name];
        return typeof value === "function" ? (value.bind(disk) as unknown) : value;
      },
    });
    return (await topics.process("p", bound)).topic("logs");
  }

  test.for(["topic", "subscription"])(
    "of the %s refuses a publish that would leave too little",
    async (of) => {
      const topics = await Topics.open(of === "topic" ? { minFreeBytes: 1000 } : {});
      const queue = await topics.subscribe("a", of === "topic" ? {} : { minFreeBytes: 1000 });
      const other = await topics.subscribe("b");
      const logs = await withFree(topics, 1500);
      await logs.publish("x".repeat(500));
      await expect(logs.publish("x".repeat(501))).rejects.toMatchObject({
        code: "DISK_FULL",
        exitCode: 73,
        message: expect.stringContaining("1500 bytes are free") as string,
        hint: expect.stringContaining("min-free=SIZE") as string,
      });
      expect(await bodiesIn(queue)).toHaveLength(1);
      expect(await bodiesIn(other)).toHaveLength(1);
    },
  );
});

describe("a subscriber that must be there", () => {
  const needs = { needsSubscriber: true };
  const nobody = { code: "NO_SUBSCRIBER", exitCode: 69 };

  test("refuses what nobody wants, and nothing stays", async () => {
    const topics = await Topics.open({ retentionMs: 1000 });
    await expect(topics.logs.publish("x", needs)).rejects.toMatchObject(nobody);
    const queue = await topics.subscribe("a", { filter: "level=error" });
    await expect(topics.logs.publish("x", needs)).rejects.toMatchObject(nobody);
    await topics.logs.publish("y", { ...needs, headers: { level: "error" } });
    expect(await bodiesIn(queue)).toEqual(["y"]);
    expect(topics.names("log")).toHaveLength(1);
    for (const place of ["tmp", "staging", "committed", "aborted"]) {
      expect(topics.names(place)).toEqual([]);
    }
    expect(topics.disk.openFiles).toBe(0);
  });

  test("refuses a stream of messages, too", async () => {
    const topics = await Topics.open();
    const many = topics.logs.publishMany(needs);
    await expect(many.run(bytesOf("a\nb\n"))).rejects.toMatchObject(nobody);
    expect(many.safe.messages).toBe(0);
  });

  test("refuses what has a dedup key, too, and does not remember the key", async () => {
    const topics = await Topics.open();
    const keyed = { ...needs, dedupKey: "k" };
    await expect(topics.logs.publish("x", keyed)).rejects.toMatchObject(nobody);
    expect(topics.names("dedup")).toEqual([]);
    const queue = await topics.subscribe("a");
    expect((await topics.logs.publish("x", keyed)).duplicate).toBe(false);
    expect((await topics.logs.publish("x", keyed)).duplicate).toBe(true);
    expect(await bodiesIn(queue)).toEqual(["x"]);
  });
});
