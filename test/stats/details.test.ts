/**
 * Goal: a closer look at one queue finds what is there, however much of it is in one file, and again at the next look.
 *
 * Method: a real spool; the process's own answers, without the process.
 */
import { describe, expect } from "vitest";

import type { Queue } from "../../src/queue/queue.ts";
import type { Ask, Detail } from "../../src/stats/detail.ts";
import { Details } from "../../src/stats/details.ts";
import { test as base } from "../helpers/fixtures.ts";

const test = base.extend("look", ({ spool }) => {
  const details = new Details(spool);
  return async (ask: Ask): Promise<Detail> => (await details.answer(ask)).detail;
});

const messages = (max: number): Ask => ({ kind: "messages", queue: "jobs", state: "ready", max });

/** All of them in one batch. */
async function putLines(queue: Queue, count: number): Promise<void> {
  await queue.create();
  async function* input(): AsyncGenerator<Buffer> {
    yield Buffer.from(Array.from({ length: count }, (_, at) => `${at}\n`).join(""));
  }
  await queue.putMany({ batchMessages: 1e6, lingerMs: 60_000 }).run(input());
}

const rowsOf = (detail: Detail) => {
  if (detail.kind !== "messages") throw new Error(JSON.stringify(detail));
  return { previews: detail.rows.map(({ preview }) => preview), isCut: detail.isCut };
};

const numbers = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at));

describe("messages", () => {
  test("of a batch of very many are as many as were asked for", async ({ queue, look }) => {
    await putLines(queue, 200_000);
    expect(rowsOf(await look(messages(200)))).toEqual({ previews: numbers(200), isCut: true });
    expect(rowsOf(await look(messages(400)))).toEqual({ previews: numbers(400), isCut: true });
    expect(rowsOf(await look(messages(200)))).toEqual({ previews: numbers(200), isCut: true });
  });

  test("are all, where there are just as many", async ({ queue, look }) => {
    await putLines(queue, 200);
    expect(rowsOf(await look(messages(200)))).toEqual({ previews: numbers(200), isCut: false });
    await queue.put("more");
    expect(rowsOf(await look(messages(200)))).toEqual({ previews: numbers(200), isCut: true });
    expect(rowsOf(await look(messages(300))).previews).toEqual([...numbers(200), "more"]);
  });
});

describe("a look", () => {
  test("reads so much and no more, and the next one goes on", async ({ queue, look }) => {
    const body = Buffer.alloc(15 * 1024 * 1024, "x");
    for (let at = 0; at < 6; at++) await queue.put(body, { sync: "none" });
    const counts: unknown[] = [];
    for (let round = 0; round < 2; round++) {
      const { previews, isCut } = rowsOf(await look(messages(200)));
      counts.push([previews.length, isCut]);
    }
    expect(counts).toEqual([
      [4, true],
      [6, false],
    ]);
  });
});

describe("a message that is held", () => {
  test("says how long its lease lasts yet", async ({ queue, look }) => {
    await queue.put("x");
    await queue.consumer("handed out", { leaseMs: 60_000 }).claim(1);
    const found = await look({ kind: "messages", queue: "jobs", state: "inflight", max: 1 });
    if (found.kind !== "messages") throw new Error(found.kind);
    const { id } = found.rows[0]!;
    const seen = await look({ kind: "message", queue: "jobs", state: "inflight", id });
    const message = seen.kind === "message" ? seen.message : undefined;
    expect(message?.leaseLeftMs).toBeGreaterThan(50_000);
    expect(message?.leaseLeftMs).toBeLessThanOrEqual(60_000);
  });
});
