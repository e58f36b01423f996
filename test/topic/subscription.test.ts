/** Goal: a subscription is a queue of its own: settings, retries, dead letters, filter; and moves between two. */
import { describe, expect, test } from "vitest";

import type { Queue } from "../../src/queue/queue.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import type { MemoryDisk } from "../helpers/model-disk.ts";
import { all, textOf } from "../helpers/model-jobs.ts";
import { bodiesIn, drain, Topics } from "./fixture.ts";

/** Takes one message and fails at it; its body. */
async function fail(queue: Queue, how: "nack" | "reject"): Promise<string> {
  for await (const message of queue.messages({ untilEmpty: true })) {
    const body = await textOf(message);
    await (how === "nack" ? message.nack() : message.reject({ reason: "no good" }));
    return body;
  }
  throw new Error("there is none");
}

/** The disk of a file system that knows no links. */
function withoutLinks(disk: MemoryDisk): MemoryDisk {
  return new Proxy(disk, {
    get: (target, name: keyof MemoryDisk) => {
      const value: unknown = target[name];
      if (name !== "link") {
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      }
      return () => {
        throw Object.assign(new Error("EPERM: link"), { code: "EPERM", syscall: "link" });
      };
    },
  });
}

const counts = async (queue: Queue): Promise<number[]> => {
  const { ready, scheduled, inFlight, dead } = await statsOf(queue);
  return [ready, scheduled, inFlight, dead];
};

describe("each subscription has its own", () => {
  test("attempts, back-off and dead letters", async () => {
    const topics = await Topics.open();
    const strict = await topics.subscribe("strict", { maxAttempts: 1 });
    const slow = await topics.subscribe("slow", { backoffBaseMs: 60_000, backoffCapMs: 60_000 });
    const fine = await topics.subscribe("fine");
    await topics.logs.publish("x");
    await fail(strict, "nack");
    await fail(slow, "nack");
    expect(await counts(strict)).toEqual([0, 0, 0, 1]);
    expect(await counts(slow)).toEqual([0, 1, 0, 0]);
    expect(await counts(fine)).toEqual([1, 0, 0, 0]);
    const [letter] = await all(strict.peek("dead"));
    expect(letter).toMatchObject({ attempts: 1 });
    topics.time.advance(60_000);
    expect(await drain(slow)).toEqual(["x"]);
    expect(await drain(fine)).toEqual(["x"]);
    expect(await counts(strict)).toEqual([0, 0, 0, 1]);
  });

  test("dead letters to redrive, which go to it alone", async () => {
    const topics = await Topics.open();
    const [a, b] = [await topics.subscribe("a"), await topics.subscribe("b")];
    await topics.logs.publish("x");
    await fail(a, "reject");
    await fail(b, "reject");
    expect(await a.moveTo(a, { states: ["dead"] })).toBe(1);
    expect(await counts(a)).toEqual([1, 0, 0, 0]);
    expect(await counts(b)).toEqual([0, 0, 0, 1]);
    expect(await drain(a)).toEqual(["x"]);
  });

  test("lag: what is ready, claimed or to be retried, and since when; 0 when all is done", async () => {
    const topics = await Topics.open();
    const queue = await topics.subscribe("a", { backoffBaseMs: 60_000, backoffCapMs: 60_000 });
    const lag = async (): Promise<unknown[]> => {
      const stats = await statsOf(queue);
      return [stats.lag, stats.lagMs];
    };
    expect(await lag()).toEqual([0, 0]);
    await topics.logs.publish("to be retried");
    topics.time.advance(1000);
    await topics.logs.publish("ready");
    await topics.logs.publish("later", { delayMs: 3_600_000 });
    topics.time.advance(1000);
    expect(await lag()).toEqual([2, 2000]);
    await fail(queue, "nack");
    topics.time.advance(1000);
    expect(await counts(queue)).toEqual([1, 2, 0, 0]);
    expect(await lag()).toEqual([2, 3000]);
    for await (const message of queue.messages({ untilEmpty: true })) {
      expect(await textOf(message)).toBe("ready");
      expect(await counts(queue)).toEqual([0, 2, 1, 0]);
      expect(await lag()).toEqual([2, 3000]);
      await message.ack();
    }
    expect(await lag()).toEqual([1, 3000]);
    topics.time.advance(60_000);
    await fail(queue, "reject");
    expect(await lag()).toEqual([0, 0]);
    const jobs = topics.spool.queue("jobs");
    await jobs.put("x");
    expect(await statsOf(jobs)).toMatchObject({ lag: undefined, lagMs: undefined });
  });

  test("consumers, who share its messages", async () => {
    const topics = await Topics.open();
    const queue = await topics.subscribe("a");
    await topics.logs.publishMany({ batchMessages: 3 }).run(
      (async function* () {
        yield Buffer.from("1\n2\n3\n4\n5\n6\n");
      })(),
    );
    const other = (await topics.process()).queue("logs/a");
    const taken: string[][] = [[], []];
    const streams = [queue, other].map((one) => one.messages({ untilEmpty: true }));
    for (let turn = 0; turn < 12; turn++) {
      const { value } = await streams[turn % 2]!.next();
      if (value === undefined) continue;
      taken[turn % 2]!.push(await textOf(value));
      await value.ack();
    }
    expect(taken.flat().toSorted()).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(Math.min(...taken.map(({ length }) => length))).toBeGreaterThan(0);
  });
});

describe("a filter", () => {
  test("is changed for what is published from then on, also by a process that runs", async () => {
    const topics = await Topics.open({ retentionMs: 3_600_000 });
    const queue = await topics.subscribe("a", { filter: "level=error" });
    const running = await (await topics.process()).topic("logs");
    const publish = (level: string, body: string) => running.publish(body, { headers: { level } });
    await publish("error", "1");
    await publish("info", "2");
    topics.time.advance(1000);
    await queue.changeSettings({ filter: "level=info" });
    await publish("error", "3");
    await publish("info", "4");
    topics.time.advance(1000);
    await queue.changeSettings({ filter: "" });
    await publish("error", "5");
    expect(await drain(queue)).toEqual(["1", "4", "5"]);
    await queue.changeSettings({ filter: "level=info" });
    topics.time.advance(2000);
    expect(await topics.logs.replay("a")).toBe(2);
    expect(await drain(queue)).toEqual(["2", "4"]);
  });

  test("that is none is refused, and nothing is made", async () => {
    const topics = await Topics.open();
    await expect(topics.subscribe("a", { filter: "level>x" })).rejects.toMatchObject({
      code: "BAD_VALUE",
    });
    expect(topics.disk.list("/spool/topics/logs/subscriptions")).toEqual([]);
  });
});

describe("from one subscription to another of the topic", () => {
  test("move: the same message in both is there twice then, each to be had once", async () => {
    const topics = await Topics.open();
    const [a, b] = [await topics.subscribe("a"), await topics.subscribe("b")];
    await topics.logs.publish("x");
    await topics.logs.publish("y");
    expect(await a.moveTo(b, {})).toBe(2);
    expect(await counts(a)).toEqual([0, 0, 0, 0]);
    expect(await bodiesIn(b)).toEqual(["x", "x", "y", "y"]);
    expect((await b.verify()).findings).toEqual([]);
    expect(await drain(b)).toEqual(["x", "x", "y", "y"]);
  });

  test("move there and back, again and again: nothing vanishes, nothing loops", async () => {
    const topics = await Topics.open();
    const [a, b] = [await topics.subscribe("a"), await topics.subscribe("b")];
    await Promise.all(["1", "2", "3"].map((body) => topics.logs.publish(body)));
    for (let round = 0; round < 3; round++) {
      topics.time.advance(1);
      expect(await a.moveTo(b, {})).toBe(round === 0 ? 3 : 6);
      expect(await b.moveTo(a, {})).toBe(6);
    }
    expect(await counts(b)).toEqual([0, 0, 0, 0]);
    expect((await a.verify()).findings).toEqual([]);
    expect((await drain(a)).toSorted()).toEqual(["1", "1", "2", "2", "3", "3"]);
  });

  test("move of what is there twice, where no file has two names: nothing vanishes", async () => {
    const topics = await Topics.open({ retentionMs: 60_000 });
    const fs = withoutLinks(topics.disk);
    const spool = await topics.process("p", fs);
    const logs = await spool.topic("logs");
    await logs.subscribe("a");
    const [a, jobs] = [logs.subscription("a"), spool.queue("jobs")];
    await logs.publish("x");
    await logs.replay("a");
    expect(await bodiesIn(a)).toEqual(["x", "x"]);
    expect(await a.moveTo(jobs, {})).toBe(2);
    expect(await bodiesIn(jobs)).toEqual(["x", "x"]);
  });

  test("redrive of what is dead twice: each is a delivery of its own", async () => {
    const topics = await Topics.open({ retentionMs: 60_000 });
    const [a, b] = [await topics.subscribe("a"), await topics.subscribe("b", { filter: "none" })];
    await topics.logs.publish("x");
    await topics.logs.replay("a");
    await fail(a, "reject");
    await fail(a, "reject");
    expect(await a.moveTo(b, { states: ["dead"] })).toBe(2);
    expect((await a.verify()).findings).toEqual([]);
    expect((await b.verify()).findings).toEqual([]);
    expect(await drain(b)).toEqual(["x", "x"]);
  });

  test("move of a part of a batch leaves the rest", async () => {
    const topics = await Topics.open();
    const [a, b] = [await topics.subscribe("a"), await topics.subscribe("b")];
    await Promise.all(["1", "2", "3"].map((body) => topics.logs.publish(body)));
    expect(await a.moveTo(b, { max: 2 })).toBe(2);
    expect(await bodiesIn(a)).toEqual(["3"]);
    expect((await bodiesIn(b)).toSorted()).toEqual(["1", "1", "2", "2", "3"]);
    expect((await b.verify()).findings).toEqual([]);
  });

  test("redrive: a dead letter of one becomes a message of the other, beside its own", async () => {
    const topics = await Topics.open();
    const [a, b] = [await topics.subscribe("a"), await topics.subscribe("b")];
    await topics.logs.publish("x");
    await fail(a, "reject");
    await fail(b, "reject");
    expect(await a.moveTo(b, { states: ["dead"] })).toBe(1);
    expect(await counts(a)).toEqual([0, 0, 0, 0]);
    expect(await counts(b)).toEqual([1, 0, 0, 1]);
    expect(await b.moveTo(b, { states: ["dead"] })).toBe(1);
    expect(await drain(b)).toEqual(["x", "x"]);
    expect(topics.names("subscriptions/a/dead")).toEqual([]);
  });

  test("both, into one queue: each arrives", async () => {
    const topics = await Topics.open();
    const [a, b] = [await topics.subscribe("a"), await topics.subscribe("b")];
    await topics.logs.publish("x");
    const jobs = topics.spool.queue("jobs");
    await a.moveTo(jobs, {});
    await b.moveTo(jobs, {});
    expect(await drain(jobs)).toEqual(["x", "x"]);
  });

  test("to one that is not there is refused, and nothing is moved", async () => {
    const topics = await Topics.open();
    const a = await topics.subscribe("a");
    await topics.logs.publish("x");
    await expect(a.moveTo(topics.logs.subscription("none"), {})).rejects.toMatchObject({
      code: "NO_QUEUE",
    });
    expect(await bodiesIn(a)).toEqual(["x"]);
    await expect(topics.spool.queue("logs/none").put("x")).rejects.toMatchObject({
      code: "NO_QUEUE",
    });
    expect(topics.disk.list("/spool/topics/logs/subscriptions")).toEqual(["a"]);
  });
});
