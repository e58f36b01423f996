import { describe, expect, test } from "vitest";

import { BATCH_BYTES } from "../../src/limits.ts";
import { parseMessageId, timeOfId } from "../../src/message/id.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { all, bytesOf, Jobs, textOf } from "../helpers/model-jobs.ts";

describe("put", () => {
  test("makes a message that is delivered with its headers", async () => {
    const jobs = await Jobs.open();
    const { id } = await jobs.queue.put("hello", { headers: { kind: "x" } });

    const { slot } = await jobs.consumer();
    const message = await slot.next();

    expect(message).toMatchObject({ id, headers: { kind: "x" }, attempt: 1, bytes: 5 });
    expect(await textOf(message)).toBe("hello");
    expect(timeOfId(id)).toBe(jobs.time.nowMs);
  });

  test("of bytes, of nothing, and of a stream", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.put(Uint8Array.of(0, 255, 10));
    await jobs.queue.put("");
    await jobs.queue.put(bytesOf());
    await jobs.queue.put(bytesOf("one ", "", "two"));
    const sizes = (await all(jobs.queue.peek("ready"))).map(({ bytes }) => bytes);
    expect(sizes).toEqual([3, 0, 0, 7]);
  });

  test("puts that are in flight at once share a batch, each with its own id and headers", async () => {
    const jobs = await Jobs.open();
    const results = await Promise.all(
      ["a", "b", "c"].map((body) => jobs.queue.put(body, { headers: { body } })),
    );
    const batches = new Set(results.map(({ id }) => parseMessageId(id)!.batch));
    expect(batches.size).toBe(1);
    const seen = await all(jobs.queue.peek("ready"));
    expect(seen.map(({ id }) => id)).toEqual(results.map(({ id }) => id));
    expect(seen.map(({ headers }) => headers["body"])).toEqual(["a", "b", "c"]);
  });

  test("large ones do not share: a batch stays small enough to be read whole", async () => {
    const jobs = await Jobs.open();
    const big = "x".repeat(BATCH_BYTES / 4);
    const results = await Promise.all(Array.from({ length: 6 }, () => jobs.queue.put(big)));
    const batches = new Set(results.map(({ id }) => parseMessageId(id)!.batch));
    expect(batches.size).toBeGreaterThan(1);
  });

  test("one with options of its own does not wait until others pause", async () => {
    // A batch is a tenth of the limit: one message of these.
    const jobs = await Jobs.open({ maxBytes: 10_000 });
    const done: string[] = [];
    const putOn = async (name: string): Promise<void> => {
      for (let n = 0; n < 4; n++) {
        await jobs.queue.put("x".repeat(600));
        done.push(name);
      }
    };
    const urgent = async (): Promise<void> => {
      await jobs.queue.put("now", { priority: 9 });
      done.push("urgent");
    };
    await Promise.all([putOn("a"), putOn("b"), putOn("c"), urgent()]);
    expect(done.indexOf("urgent")).toBeLessThan(3);
  });

  test("one that fails fails alone, and leaves nothing", async () => {
    const jobs = await Jobs.open({ maxMessageBytes: 10 });
    const failing = bytesOf("0123456789", "0");
    await expect(jobs.queue.put(failing)).rejects.toMatchObject({ code: "MESSAGE_TOO_LARGE" });
    await expect(jobs.queue.put("01234567890")).rejects.toMatchObject({
      code: "MESSAGE_TOO_LARGE",
    });
    await jobs.queue.put("0123456789");
    expect(jobs.disk.list("/spool/queues/jobs/tmp")).toEqual([]);
    expect(jobs.disk.openFiles).toBe(0);
    expect(await statsOf(jobs.queue)).toMatchObject({ ready: 1 });
  });

  test.for([
    [{ priority: 10 }, "BAD_VALUE"],
    [{ priority: -1 }, "BAD_VALUE"],
    [{ priority: 1.5 }, "BAD_VALUE"],
    [{ delayMs: -1 }, "BAD_VALUE"],
    [{ ttlMs: Number.NaN }, "BAD_VALUE"],
    [{ atMs: Number.POSITIVE_INFINITY }, "BAD_VALUE"],
    [{ delayMs: 1e13 }, "BAD_VALUE"],
    [{ headers: { "bad name": "x" } }, "BAD_HEADER"],
  ] as const)("with %j is refused: %s", async ([options, code]) => {
    const jobs = await Jobs.open();
    await expect(jobs.queue.put("x", options)).rejects.toMatchObject({ code });
    expect(jobs.disk.list("/spool/queues/jobs/tmp")).toEqual([]);
    expect(jobs.disk.openFiles).toBe(0);
  });

  test("a stream that breaks leaves nothing", async () => {
    const jobs = await Jobs.open();
    const broken = (async function* () {
      yield Buffer.from("half");
      throw new Error("the pipe broke");
    })();
    await expect(jobs.queue.put(broken)).rejects.toThrow("the pipe broke");
    expect(jobs.disk.list("/spool/queues/jobs/tmp")).toEqual([]);
    expect(jobs.disk.openFiles).toBe(0);
  });
});

describe("put many", () => {
  test.for([
    ["newline", "\n"],
    ["nul", "\0"],
  ] as const)("cuts at each %s, wherever the chunks end", async ([separator, byte]) => {
    const text = ["one", "", "three\r", "x".repeat(5000), "last"].join(byte);
    for (const size of [1, 2, 7, 10_000]) {
      const jobs = await Jobs.open();
      const chunks = text.match(new RegExp(`[\\s\\S]{1,${size}}`, "g")) ?? [];
      const many = jobs.queue.putMany({ separator, batchMessages: 2, headers: { of: "all" } });
      expect(await many.run(bytesOf(...chunks))).toMatchObject({ messages: 5, batches: 3 });
      expect(await jobs.drain()).toEqual(text.split(byte));
    }
  });

  test("of nothing puts nothing", async () => {
    const jobs = await Jobs.open();
    expect(await jobs.queue.putMany().run(bytesOf())).toEqual({
      messages: 0,
      bytes: 0,
      batches: 0,
    });
    expect(jobs.disk.list("/spool/queues/jobs/ready")).toEqual([]);
  });

  test("keeps what was safe where a line is too long, and says how much", async () => {
    const jobs = await Jobs.open({ maxMessageBytes: 4 });
    const many = jobs.queue.putMany({ batchMessages: 1 });
    const lines = bytesOf("one\ntwo\n", "three\nfour\n");
    await expect(many.run(lines)).rejects.toMatchObject({ code: "MESSAGE_TOO_LARGE" });
    expect(many.safe).toMatchObject({ messages: 2, batches: 2 });
    expect(await jobs.drain()).toEqual(["one", "two"]);
    expect(jobs.disk.list("/spool/queues/jobs/tmp")).toEqual([]);
  });

  test("a message waits no longer than it may for others to share its batch", async () => {
    const jobs = await Jobs.open();
    const { promise: seen, resolve: look } = Promise.withResolvers<void>();
    const lines = (async function* () {
      yield Buffer.from("first\nhalf of the sec");
      await seen;
      yield Buffer.from("ond\n");
    })();
    const many = jobs.queue.putMany({ lingerMs: 1, onProgress: () => look() });
    expect(await many.run(lines)).toMatchObject({ messages: 2, batches: 2 });
    expect(await jobs.drain()).toEqual(["first", "half of the second"]);
  });
});
