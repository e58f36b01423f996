/**
 * Goal: a closer look at one queue finds what is there, however much of it is in one file, and again at the next look.
 *
 * Method: a real spool; the process's own answers, without the process.
 */
import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect } from "vitest";

import { IdSource } from "../../src/message/id.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { openSpool } from "../../src/spool.ts";
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

describe("a dead letter of several messages", () => {
  test("says so at each of them", async ({ queue, look }) => {
    await putLines(queue, 3);
    await queue.changeSettings({ expired: "dead" });
    async function* input(): AsyncGenerator<Buffer> {
      yield Buffer.from("a\nb\nc\n");
    }
    await queue.putMany({ ttlMs: 1 }).run(input());
    await queue.put("alone", { ttlMs: 1 });
    await sleep(20);
    await queue.sweep();
    const found = await look({ kind: "messages", queue: "jobs", state: "dead", max: 9 });
    const rows = found.kind === "messages" ? found.rows : [];
    expect(rows.map(({ preview, letter }) => [preview, letter?.messages])).toEqual([
      ["a", 3],
      ["b", 3],
      ["c", 3],
      ["alone", undefined],
    ]);
    expect(new Set(rows.map(({ letter }) => letter?.name)).size).toBe(2);
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

/** Dead letters that are links of one file, and cannot be read. */
async function bury(queue: Queue, count: number): Promise<void> {
  await queue.create();
  const { dead, tmp } = queue.room.layout;
  fs.mkdirSync(dead, { recursive: true });
  fs.writeFileSync(`${tmp}/file`, "");
  const id = new IdSource().next(Date.now());
  for (let at = 0; at < count; at++) {
    const first = String(at).padStart(7, "0");
    fs.linkSync(`${tmp}/file`, `${dead}/5-${Date.now()}-${id}-${first}-n1-o0-b10-a1`);
  }
  fs.unlinkSync(`${tmp}/file`);
}

describe("a look at very many", () => {
  // A beat is told between two turns: without one it would be said that the disk does not answer.
  for (const ask of [
    { kind: "messages", queue: "jobs", state: "dead", max: 200, reason: "exit 65" },
    { kind: "message", queue: "jobs", state: "dead", id: "01k8xmn3h0000tq7v5c9d2f4g6" },
  ] satisfies Ask[]) {
    test(`leaves turns for others: ${ask.kind}`, async ({ dir }) => {
      const spool = await openSpool({ dir, blocking: true, tellsFlow: false });
      await bury(spool.queue("jobs"), 10);
      const details = new Details(spool);
      // It is time for one.
      await sleep(30);
      let turns = 0;
      const beat = (): void => {
        turns++;
        pending = setImmediate(beat);
      };
      let pending = setImmediate(beat);
      await details.answer(ask);
      clearImmediate(pending);
      expect(turns).toBeGreaterThan(0);
    });
  }
});

describe("what cannot be read", () => {
  test("is looked at again, and nothing else is", async ({ queue, look }) => {
    await queue.put("sound");
    await queue.put("hurt");
    const paths: string[] = [];
    for await (const { path } of queue.browse("ready")) paths.push(path);
    const [sound = "", hurt = ""] = paths;
    const bytes = fs.readFileSync(hurt);
    fs.writeFileSync(hurt, bytes.toReversed());
    expect(rowsOf(await look(messages(9))).previews).toEqual([
      "sound",
      expect.stringMatching(/^\(damaged: /),
    ]);
    fs.writeFileSync(hurt, bytes);
    fs.writeFileSync(sound, "");
    expect(rowsOf(await look(messages(9))).previews).toEqual(["sound", "hurt"]);
  });
});
