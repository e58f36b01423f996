import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { parseFilter } from "../../src/message/filter.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { textOf } from "../helpers/model-jobs.ts";
import { bodiesIn, drain, Topics } from "./fixture.ts";

const HOUR_MS = 3_600_000;
const FOREVER = { retentionMs: Number.POSITIVE_INFINITY };

describe("replay", () => {
  test("delivers again what the log keeps, to one subscription", async () => {
    const topics = await Topics.open(FOREVER);
    const [a, b] = [await topics.subscribe("a"), await topics.subscribe("b")];
    await topics.logs.publish("1");
    await topics.logs.publish("2");
    await drain(a);
    await drain(b);
    expect(await topics.logs.replay("a", { isDryRun: true })).toBe(2);
    expect(await bodiesIn(a)).toEqual([]);
    expect(await topics.logs.replay("a")).toBe(2);
    expect(await bodiesIn(b)).toEqual([]);
    expect(await drain(a)).toEqual(["1", "2"]);
    expect([...topics.names("staging"), ...topics.names("committed")]).toEqual([]);
    expect(topics.names("subscriptions/a/incoming")).toEqual([]);
    expect(topics.disk.openFiles).toBe(0);
  });

  test("twice is twice, and each is to be had once", async () => {
    const topics = await Topics.open(FOREVER);
    const a = await topics.subscribe("a");
    await topics.logs.publish("x");
    expect(await topics.logs.replay("a")).toBe(1);
    expect(await topics.logs.replay("a")).toBe(1);
    expect(await bodiesIn(a)).toEqual(["x", "x", "x"]);
    expect((await a.verify()).findings).toEqual([]);
    expect(await drain(a)).toEqual(["x", "x", "x"]);
  });

  test("while the original is in flight: both are settled, each on its own", async () => {
    const topics = await Topics.open(FOREVER);
    const a = await topics.subscribe("a", { backoffBaseMs: 0, backoffCapMs: 0 });
    await topics.logs.publish("x");
    for await (const original of a.messages({ untilEmpty: true })) {
      await topics.logs.replay("a");
      const other = (await topics.process()).queue("logs/a");
      for await (const again of other.messages({ untilEmpty: true })) {
        expect(again.id).toBe(original.id);
        expect(await textOf(again)).toBe("x");
        expect(await statsOf(a)).toMatchObject({ ready: 0, inFlight: 2 });
        await again.nack();
        break;
      }
      await original.ack();
      break;
    }
    expect(await statsOf(a)).toMatchObject({ ready: 1, inFlight: 0, dead: 0 });
    expect(await drain(a)).toEqual(["x"]);
  });

  test("beside a dead letter of the same message, which stays one", async () => {
    const topics = await Topics.open(FOREVER);
    const a = await topics.subscribe("a");
    await topics.logs.publish("x");
    for await (const message of a.messages({ untilEmpty: true }))
      await message.reject({ reason: "no" });
    await topics.logs.replay("a");
    for await (const message of a.messages({ untilEmpty: true }))
      await message.reject({ reason: "no" });
    expect(await statsOf(a)).toMatchObject({ ready: 0, dead: 2 });
    expect(await a.moveTo(a, { states: ["dead"] })).toBe(2);
    expect(await drain(a)).toEqual(["x", "x"]);
  });

  test("takes the time between since, inclusive, and until, exclusive", async () => {
    const topics = await Topics.open(FOREVER);
    const a = await topics.subscribe("a");
    const { nowMs } = topics.time;
    for (const body of ["0", "1", "2", "3"]) {
      await topics.logs.publish(body);
      topics.time.advance(1000);
    }
    await drain(a);
    await topics.logs.replay("a", { sinceMs: nowMs + 1000, untilMs: nowMs + 3000 });
    expect(await drain(a)).toEqual(["1", "2"]);
    expect(await topics.logs.replay("a", { sinceMs: nowMs + 3001 })).toBe(0);
    expect(await topics.logs.replay("a", { untilMs: nowMs })).toBe(0);
    expect(await topics.logs.replay("a", { sinceMs: nowMs + 2, untilMs: nowMs + 1 })).toBe(0);
  });

  test("leaves out what has expired; what a subscription's ttl ends lives anew", async () => {
    const topics = await Topics.open(FOREVER);
    const a = await topics.subscribe("a", { ttlMs: 5000 });
    await topics.logs.publish("own", { ttlMs: 1000 });
    await topics.logs.publish("its");
    topics.time.advance(10_000);
    expect(await bodiesIn(a)).toEqual([]);
    expect(await topics.logs.replay("a")).toBe(1);
    topics.time.advance(4999);
    expect(await bodiesIn(a)).toEqual(["its"]);
    topics.time.advance(1);
    expect(await bodiesIn(a)).toEqual([]);
  });

  test("of a pattern takes the logs of all topics that it matches", async () => {
    const topics = await Topics.open(FOREVER);
    const web = await topics.topic("logs.web", FOREVER);
    await (await topics.topic("other", FOREVER)).publish("not this");
    const pattern = await topics.spool.topic("logs.#");
    await pattern.subscribe("p");
    const queue = topics.spool.queue("logs.#/p");
    await topics.logs.publish("1");
    await web.publish("2");
    await drain(queue);
    expect(await pattern.replay("p")).toBe(2);
    expect((await drain(queue)).toSorted()).toEqual(["1", "2"]);
  });

  test("to nobody is refused, and nothing stays", async () => {
    const topics = await Topics.open(FOREVER);
    await topics.logs.publish("x");
    await expect(topics.logs.replay("none")).rejects.toMatchObject({ code: "NO_QUEUE" });
    expect(topics.names("staging")).toEqual([]);
    expect(topics.disk.list("/spool/topics/logs/subscriptions")).toEqual([]);
  });

  test("any batches, any filter: what it takes of them, in their order", async () => {
    const level = fc.constantFrom("error", "info");
    const filters = fc.constantFrom("", "level=error", "!level", "level!=error");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(level, { minLength: 1, maxLength: 4 }), { maxLength: 4 }),
        filters,
        async (batches, filter) => {
          const topics = await Topics.open(FOREVER);
          const wanted: string[] = [];
          for (const [at, levels] of batches.entries()) {
            topics.time.advance(1);
            const bodies = levels.map((one, n) => ({
              headers: { level: one },
              body: `${at}.${n}`,
            }));
            await Promise.all(
              bodies.map(({ headers, body }) => topics.logs.publish(body, { headers })),
            );
            const takes = parseFilter(filter);
            wanted.push(...bodies.filter(({ headers }) => takes(headers)).map(({ body }) => body));
          }
          const settings = { ...DEFAULT_SETTINGS, filter };
          expect(await topics.logs.subscribe("a", { from: "start", settings })).toBe(wanted.length);
          const a = topics.logs.subscription("a");
          expect(await drain(a)).toEqual(wanted);
          expect(await topics.logs.replay("a")).toBe(wanted.length);
          expect(await drain(a)).toEqual(wanted);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("subscribe", () => {
  test("begins now, at the start of the log, or at a time", async () => {
    const topics = await Topics.open(FOREVER);
    await topics.logs.publish("old");
    topics.time.advance(HOUR_MS);
    await topics.logs.publish("young");
    const { nowMs } = topics.time;
    const settings = DEFAULT_SETTINGS;
    expect(await topics.logs.subscribe("now")).toBe(0);
    expect(await topics.logs.subscribe("start", { from: "start", settings })).toBe(2);
    expect(await topics.logs.subscribe("time", { from: nowMs, settings })).toBe(1);
    expect(await topics.logs.subscribe("later", { from: nowMs + 1, settings })).toBe(0);
    await topics.logs.publish("new");
    const bodies = (name: string) => bodiesIn(topics.logs.subscription(name));
    expect(await bodies("now")).toEqual(["new"]);
    expect(await bodies("start")).toEqual(["old", "young", "new"]);
    expect(await bodies("time")).toEqual(["young", "new"]);
    expect(await bodies("later")).toEqual(["new"]);
  });

  test("again changes nothing, wherever it was to begin", async () => {
    const topics = await Topics.open(FOREVER);
    const a = await topics.subscribe("a", { maxAttempts: 3, filter: "k=v" });
    await topics.logs.publish("x", { headers: { k: "v" } });
    expect(await topics.logs.subscribe("a")).toBeUndefined();
    const again = { from: "start" as const, settings: DEFAULT_SETTINGS };
    expect(await topics.logs.subscribe("a", again)).toBeUndefined();
    topics.time.advance(2000);
    expect(await a.settings()).toMatchObject({ maxAttempts: 3, filter: "k=v" });
    expect(await bodiesIn(a)).toEqual(["x"]);
  });

  test("after unsubscribe begins anew: nothing of the old one is there", async () => {
    const topics = await Topics.open();
    const a = await topics.subscribe("a", { maxAttempts: 3 });
    await topics.logs.publish("x");
    await topics.logs.unsubscribe("a");
    await expect(topics.logs.unsubscribe("a")).rejects.toMatchObject({ code: "NO_QUEUE" });
    await topics.logs.publish("to nobody");
    expect(topics.disk.list("/spool/topics/logs/subscriptions")).toEqual([]);
    topics.time.advance(2000);
    await topics.subscribe("a");
    await topics.logs.publish("y");
    expect(await bodiesIn(a)).toEqual(["y"]);
    expect(await a.settings()).toMatchObject({ maxAttempts: 5 });
  });

  test("makes the topic; a pattern goes with its last subscription", async () => {
    const topics = await Topics.open();
    await (await topics.spool.topic("new")).subscribe("a");
    const pattern = await topics.spool.topic("new.*");
    await pattern.subscribe("p");
    await pattern.subscribe("q");
    expect(await topics.spool.topicNames()).toEqual(["logs", "new"]);
    expect(await topics.spool.subscriptionNames()).toEqual(["new.*/p", "new.*/q", "new/a"]);
    await pattern.unsubscribe("p");
    expect(await topics.spool.patternNames()).toEqual(["new.*"]);
    await pattern.unsubscribe("q");
    expect(await topics.spool.patternNames()).toEqual([]);
    expect(topics.disk.list("/spool/topics").toSorted()).toEqual(["logs", "new"]);
  });

  test.for(["", ".a", "-a", "a/b", "a b", "..", "*", "ä", "x".repeat(129)])(
    "%j is no name for one",
    async (name) => {
      const topics = await Topics.open();
      for (const act of [
        () => topics.logs.subscribe(name),
        () => topics.logs.unsubscribe(name),
        () => topics.logs.replay(name),
      ]) {
        await expect((async () => act())()).rejects.toMatchObject({ code: "BAD_NAME" });
      }
      expect(topics.disk.list("/spool/topics/logs/subscriptions")).toEqual([]);
    },
  );
});
