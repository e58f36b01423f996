import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { parseFilter } from "../../src/message/filter.ts";
import { parseMessageId } from "../../src/message/id.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { CrashingFileSystem } from "../helpers/crashing-file-system.ts";
import { bytesOf } from "../helpers/model-jobs.ts";
import { bodiesIn, drain, readyIn, Topics } from "./fixture.ts";

describe("publish", () => {
  test("reaches every subscription, with one id, its headers and its bytes", async () => {
    const topics = await Topics.open();
    const queues = [await topics.subscribe("a"), await topics.subscribe("b")];
    const { id, duplicate } = await topics.logs.publish("hello", { headers: { kind: "x" } });
    expect(duplicate).toBe(false);
    for (const queue of queues) {
      expect(await readyIn(queue)).toEqual([
        { id, body: "hello", headers: { topic: "logs", kind: "x" } },
      ]);
    }
  });

  test("of bytes, of nothing, and of a stream", async () => {
    const topics = await Topics.open();
    const queue = await topics.subscribe("a");
    await topics.logs.publish(Uint8Array.of(0x61, 0, 10));
    await topics.logs.publish("");
    await topics.logs.publish(bytesOf("one ", "", "two"));
    expect(await bodiesIn(queue)).toEqual(["a\0\n", "", "one two"]);
  });

  test("with no subscription leaves nothing, and is no error", async () => {
    const topics = await Topics.open();
    await topics.logs.publish("x");
    await topics.subscribe("late");
    expect(await bodiesIn(topics.logs.subscription("late"))).toEqual([]);
    for (const place of ["tmp", "staging", "committed", "aborted", "log"]) {
      expect(topics.names(place)).toEqual([]);
    }
    expect(topics.disk.openFiles).toBe(0);
  });

  test("to a pattern is refused", async () => {
    const topics = await Topics.open();
    const pattern = await topics.spool.topic("logs.*");
    await expect(pattern.publish("x")).rejects.toMatchObject({ code: "BAD_NAME" });
    expect(() => pattern.publishMany()).toThrow(expect.objectContaining({ code: "BAD_NAME" }));
  });

  test.for([
    [{ headers: { "bad name": "x" } }, "BAD_HEADER"],
    [{ priority: 10 }, "BAD_VALUE"],
    [{ delayMs: 1e13 }, "BAD_VALUE"],
  ] as const)("with %j is refused for all: %s", async ([options, code]) => {
    const topics = await Topics.open();
    const queue = await topics.subscribe("a");
    await expect(topics.logs.publish("x", options)).rejects.toMatchObject({ code });
    expect(await bodiesIn(queue)).toEqual([]);
    expect([...topics.names("tmp"), ...topics.names("staging")]).toEqual([]);
    expect(topics.disk.openFiles).toBe(0);
  });

  test("in flight at once: one batch for all, of which each gets what its filter takes", async () => {
    const headers = fc.record({
      level: fc.constantFrom("error", "info"),
      n: fc.constantFrom("1", "2"),
    });
    const filters = ["", "level=error", "level!=error,n=2", "!level"];
    await fc.assert(
      fc.asyncProperty(fc.array(headers, { minLength: 2, maxLength: 8 }), async (list) => {
        const topics = await Topics.open();
        const queues = await Promise.all(
          filters.map((filter, at) => topics.subscribe(`s${at}`, { filter })),
        );
        const sent = list.map((one, at) => ({ headers: one, body: `${at}` }));
        const results = await Promise.all(
          sent.map(({ headers: own, body }) => topics.logs.publish(body, { headers: own })),
        );
        expect(new Set(results.map(({ id }) => parseMessageId(id)!.batch)).size).toBe(1);
        for (const [at, queue] of queues.entries()) {
          const takes = parseFilter(filters[at]!);
          const wanted = sent.flatMap(({ headers: own, body }, index) =>
            takes(own)
              ? [{ id: results[index]!.id, headers: { topic: "logs", ...own }, body }]
              : [],
          );
          expect(await readyIn(queue)).toEqual(wanted);
          expect(await drain(queue)).toEqual(wanted.map(({ body }) => body));
        }
      }),
      { numRuns: 60 },
    );
  });

  test("to the patterns that match its topic, and to no others", async () => {
    const topics = await Topics.open();
    const web = await topics.topic("logs.web");
    for (const name of ["logs.*", "logs.>", "#", "logs.#", "other.*", "*.web.*"]) {
      await (await topics.spool.topic(name)).subscribe("p");
    }
    await web.publish("x");
    await topics.logs.publish("y");
    const bodies = async (name: string): Promise<string[]> => bodiesIn(topics.spool.queue(name));
    expect(await bodies("logs.*/p")).toEqual(["x"]);
    expect(await bodies("logs.*.#/p")).toEqual(["x"]);
    expect(await bodies("#/p")).toEqual(["x", "y"]);
    expect(await bodies("logs.#/p")).toEqual(["x", "y"]);
    expect(await bodies("other.*/p")).toEqual([]);
    expect(await bodies("*.web.*/p")).toEqual([]);
    expect(await web.subscriptions()).toEqual(["#/p", "logs.#/p", "logs.*.#/p", "logs.*/p"]);
  });

  test("a dedup key: once for all subscriptions, the id for whoever comes again", async () => {
    const topics = await Topics.open({ dedupWindowMs: 10_000 });
    const [a, b] = [await topics.subscribe("a"), await topics.subscribe("b", { filter: "k=v" })];
    const first = await topics.logs.publish("x", { dedupKey: "k" });
    const again = await topics.logs.publish("y", { dedupKey: "k", headers: { k: "v" } });
    const other = await topics.logs.publish(bytesOf("z"), { dedupKey: "k2", headers: { k: "v" } });
    expect(again).toEqual({ id: first.id, duplicate: true });
    expect(other.duplicate).toBe(false);
    expect(await bodiesIn(a)).toEqual(["x", "z"]);
    expect(await bodiesIn(b)).toEqual(["z"]);
    topics.time.advance(20_000);
    expect((await topics.logs.publish("x", { dedupKey: "k" })).duplicate).toBe(false);
    topics.time.advance(60_000);
    expect((await topics.logs.sweep()).keys).toBeGreaterThan(0);
    expect(topics.names("dedup")).toEqual([]);
  });
});

describe("time and priority", () => {
  test("a delay and a priority hold in each subscription", async () => {
    const topics = await Topics.open();
    const queues = [await topics.subscribe("a"), await topics.subscribe("b")];
    await topics.logs.publish("later", { delayMs: 60_000 });
    await topics.logs.publish("at", { atMs: topics.time.nowMs + 30_000 });
    await topics.logs.publish("low", { priority: 0 });
    await topics.logs.publish("plain");
    await topics.logs.publish("high", { priority: 9 });
    for (const queue of queues) {
      expect(await bodiesIn(queue)).toEqual(["high", "plain", "low"]);
      expect(await statsOf(queue)).toMatchObject({ scheduled: 2, nextDueInMs: 30_000 });
    }
    topics.time.advance(60_000);
    for (const queue of queues) {
      expect(await drain(queue)).toEqual(["high", "plain", "at", "later", "low"]);
    }
  });

  test("a time to live: the message's own, else the topic's, else the subscription's", async () => {
    const topics = await Topics.open();
    const mortal = await topics.subscribe("mortal", { ttlMs: 5000 });
    const patient = await topics.subscribe("patient");
    await topics.logs.publish("none");
    await topics.logs.publish("own", { ttlMs: 1000 });
    await topics.logs.publish("longer", { ttlMs: 20_000 });
    topics.time.advance(1000);
    expect(await bodiesIn(mortal)).toEqual(["none", "longer"]);
    topics.time.advance(4000);
    expect(await bodiesIn(mortal)).toEqual(["longer"]);
    expect(await bodiesIn(patient)).toEqual(["none", "longer"]);
    await topics.logs.changeSettings({ ttlMs: 2000 });
    await topics.logs.publish("of the topic");
    topics.time.advance(1999);
    expect(await bodiesIn(patient)).toEqual(["none", "longer", "of the topic"]);
    topics.time.advance(1);
    expect(await bodiesIn(patient)).toEqual(["none", "longer"]);
    expect(await bodiesIn(mortal)).toEqual(["longer"]);
  });

  test("what expired in one subscription is swept there, and stays in the other", async () => {
    const topics = await Topics.open();
    const mortal = await topics.subscribe("mortal", { ttlMs: 1000, expired: "dead" });
    const patient = await topics.subscribe("patient");
    await topics.logs.publish("x");
    topics.time.advance(1000);
    expect(await mortal.sweep()).toMatchObject({ expired: 1 });
    expect(await statsOf(mortal)).toMatchObject({ ready: 0, dead: 1 });
    expect(await drain(patient)).toEqual(["x"]);
  });
});

describe("order", () => {
  test("one program's publishes arrive in the order in which it made them, in each subscription", async () => {
    const topics = await Topics.open();
    const all = await topics.subscribe("all");
    const even = await topics.subscribe("even", { filter: "parity=even" });
    const sent: string[] = [];
    const publishes: Promise<unknown>[] = [];
    // Some wait for the one before, some do not: batches of one and of many.
    for (let n = 0; n < 40; n++) {
      const body = `${n}`;
      sent.push(body);
      const headers = { parity: n % 2 === 0 ? "even" : "odd" };
      publishes.push(topics.logs.publish(body, { headers }));
      if (n % 5 === 0) await Promise.all(publishes);
      if (n % 3 === 0) topics.time.advance(1);
    }
    await Promise.all(publishes);
    expect(await drain(all)).toEqual(sent);
    expect(await drain(even)).toEqual(sent.filter((body) => Number(body) % 2 === 0));
  });

  test("of a program that waits for each is kept, whatever it sends in between", async () => {
    const topics = await Topics.open({ retentionMs: 60_000 });
    const queue = await topics.subscribe("a");
    const sent: string[] = [];
    for (let n = 0; n < 30; n++) {
      if (n % 4 === 1) {
        await topics.logs.publishMany({ batchMessages: 2 }).run(bytesOf(`${n}a\n${n}b\n${n}c\n`));
        sent.push(`${n}a`, `${n}b`, `${n}c`);
      } else {
        const how = n % 4 === 2 ? { dedupKey: `${n}` } : {};
        await topics.logs.publish(n % 4 === 3 ? bytesOf(`${n}`) : `${n}`, how);
        sent.push(`${n}`);
      }
    }
    expect(await drain(queue)).toEqual(sent);
    await topics.logs.replay("a");
    expect(await drain(queue)).toEqual(sent);
  });

  test("is kept where the sync of the first takes longest: nobody sees a later one before it", async () => {
    const topics = await Topics.open();
    const queue = await topics.subscribe("a");
    const fs = new CrashingFileSystem(topics.disk);
    const logs = await (await topics.process("slow", fs)).topic("logs");
    const { promise: isSynced, resolve: sync } = Promise.withResolvers<void>();
    let syncs = 0;
    fs.arm((_call, name) => (name === "sync" && ++syncs === 1 ? isSynced : undefined));
    const many = logs.publishMany({ batchMessages: 1 }).run(bytesOf("1\n2\n3\n"));
    await expect.poll(() => syncs).toBeGreaterThan(1);
    // The others could go on by now.
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await bodiesIn(queue)).toEqual([]);
    sync();
    await many;
    expect(await bodiesIn(queue)).toEqual(["1", "2", "3"]);
  });
});

describe("publish many", () => {
  test.for([
    ["newline", "\n"],
    ["nul", "\0"],
  ] as const)("cuts at each %s, for every subscription", async ([separator, byte]) => {
    const texts = ["one", "", "x".repeat(5000), "last"];
    const topics = await Topics.open();
    const a = await topics.subscribe("a", { filter: "of=all" });
    const none = await topics.subscribe("none", { filter: "!of" });
    const options = { separator, batchMessages: 3, headers: { of: "all" } };
    const many = topics.logs.publishMany(options);
    expect(await many.run(bytesOf(texts.join(byte)))).toMatchObject({ messages: 4, batches: 2 });
    expect(await drain(a)).toEqual(texts);
    expect(await bodiesIn(none)).toEqual([]);
  });

  test("keeps what was safe where a message is too large", async () => {
    const topics = await Topics.open({ maxMessageBytes: 4 });
    const queue = await topics.subscribe("a");
    const many = topics.logs.publishMany({ batchMessages: 1 });
    await expect(many.run(bytesOf("one\ntwo\n", "three\nfour\n"))).rejects.toMatchObject({
      code: "MESSAGE_TOO_LARGE",
    });
    expect(many.safe).toMatchObject({ messages: 2 });
    expect(await drain(queue)).toEqual(["one", "two"]);
    expect([...topics.names("tmp"), ...topics.names("staging")]).toEqual([]);
  });
});
