/**
 * Goal: what flows through a queue can be read, whoever makes it flow, and costs nobody a message.
 *
 * Method: real spools; the real command line for one-shot puts and takes; files that are written by hand.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";

import { describe, expect } from "vitest";

import type { Message } from "../../src/queue/message.ts";
import { WINDOW_S } from "../../src/disk/flow-file.ts";
import { FlowReader } from "../../src/stats/flow-reader.ts";
import type { Flow } from "../../src/stats/flow-reader.ts";
import { Series } from "../../src/stats/series.ts";
import { openSpool } from "../../src/spool.ts";
import { SPOOL } from "../helpers/cli.ts";
import { test as base } from "../helpers/fixtures.ts";
import { bytesOf } from "../helpers/model-jobs.ts";

const test = base
  .extend("spool", ({ dir }) => openSpool({ dir }))
  .extend("queue", ({ spool }) => spool.queue("jobs"));

const NOTHING: Flow = { in: 0, out: 0, dead: 0, back: 0 };

/** Messages of the last 100 s, what is about to be told included. */
async function flowIn(directory: string): Promise<Flow> {
  await new Promise((resolve) => setTimeout(resolve, 1200));
  return countsOf(directory);
}

function countsOf(directory: string): Flow {
  const reader = new FlowReader(directory);
  const nowMs = Date.now() + 4000;
  reader.look(nowMs);
  const { in: in_, out, dead, back } = reader.perSecond(nowMs, 100);
  const count = (rate: number): number => Math.round(rate * 100);
  return { in: count(in_), out: count(out), dead: count(dead), back: count(back) };
}

const windowNow = (): number => Math.floor(Date.now() / 1000 / WINDOW_S) * WINDOW_S;

describe("what flows", () => {
  test("is told by commands as they end", async ({ dir }) => {
    const spool = (...words: string[]): string =>
      execFileSync(SPOOL, ["-C", dir, ...words], { encoding: "utf8" });
    const receipt = (): string => JSON.parse(spool("take", "jobs", "--lease", "60s")).receipt;
    for (let n = 0; n < 5; n++) spool("put", "jobs", "-m", String(n));
    spool("take", "jobs", "-n", "2");
    spool("ack", receipt());
    spool("nack", receipt(), "--delay", "0s");
    spool("reject", receipt());
    expect(countsOf(`${dir}/queues/jobs/flow`)).toEqual({ in: 5, out: 3, dead: 1, back: 1 });
  });

  test("is told by a program about once a second, all that it did in one line", async ({
    dir,
    queue,
  }) => {
    await queue.putMany().run(bytesOf("a\nb\nc\nd\n"));
    const handle = async (message: Message): Promise<void> => message.ack();
    for await (const message of queue.messages({ untilEmpty: true })) await handle(message);
    const directory = `${dir}/queues/jobs/flow`;
    expect(await flowIn(directory)).toEqual({ ...NOTHING, in: 4, out: 4 });
    const [name] = fs.readdirSync(directory);
    expect(fs.readFileSync(`${directory}/${name}`, "utf8").split("\n").length).toBeLessThanOrEqual(
      3,
    );
  });

  test("through a topic is told by its publishers", async ({ dir, spool }) => {
    const topic = await spool.topic("logs");
    await topic.subscribe("a");
    await topic.publish("one");
    await topic.publish("two", { dedupKey: "k" });
    await topic.publish("two", { dedupKey: "k" });
    expect(await flowIn(`${dir}/topics/logs/flow`)).toEqual({ ...NOTHING, in: 2 });
  });

  test("goes untold where it cannot be told, and nothing else happens", async ({ dir, queue }) => {
    await queue.create();
    const elsewhere = `${dir}/elsewhere`;
    fs.mkdirSync(elsewhere);
    fs.symlinkSync(elsewhere, `${dir}/queues/jobs/flow`);
    await queue.put("a");
    expect(await flowIn(`${dir}/queues/jobs/flow`)).toEqual(NOTHING);
    expect(fs.readdirSync(elsewhere)).toEqual([]);
  });

  test("of more than an hour ago is removed by who begins a window", async ({ dir, queue }) => {
    await queue.create();
    const directory = `${dir}/queues/jobs/flow`;
    fs.mkdirSync(directory);
    const old = [windowNow() - 6 * WINDOW_S, windowNow() - 5 * WINDOW_S];
    for (const from of old) fs.writeFileSync(`${directory}/${from}-other`, "");
    await queue.put("a");
    await flowIn(directory);
    const there = fs.readdirSync(directory).filter((name) => name.endsWith("-other"));
    expect(there).toEqual([`${old[1]}-other`]);
  });

  test("is read though lines are torn, foreign, or not there yet as a whole", ({ dir }) => {
    const file = `${dir}/${windowNow()}-here`;
    const reader = new FlowReader(dir);
    const count = (): number => {
      reader.look(Date.now());
      return Math.round(100 * reader.perSecond(Date.now() + 4000, 100).in);
    };
    const at = Date.now() - windowNow() * 1000;
    expect(count()).toBe(0);
    fs.writeFileSync(file, `${at} 0 p1 3 0 0 0\nno line\n${at} 0 p1 -1 0 0 0\n${at} 0 p1 4`);
    fs.writeFileSync(`${dir}/foreign`, `${at} 0 p1 100 0 0 0\n`);
    fs.mkdirSync(`${dir}/${windowNow()}-directory`);
    fs.symlinkSync(`${dir}/foreign`, `${dir}/${windowNow()}-link`);
    expect(count()).toBe(3);
    fs.appendFileSync(file, "0 0 0 0\n");
    expect(count()).toBe(43);
    expect([...reader.byProcess()]).toEqual([
      ["p1", { ...NOTHING, in: 43, sinceMs: windowNow() * 1000 + at }],
    ]);
  });

  test("is no damage to verify, and what is foreign there is", async ({ dir, queue }) => {
    await queue.put("a");
    await flowIn(`${dir}/queues/jobs/flow`);
    const look = (): string[] => {
      const { stdout } = spawnVerify(dir);
      return stdout.split("\n").filter((line) => line.includes("/flow/"));
    };
    expect(look()).toEqual([]);
    fs.writeFileSync(`${dir}/queues/jobs/flow/strange`, "");
    expect(look()).toHaveLength(1);
  });
});

function spawnVerify(dir: string): { readonly stdout: string } {
  try {
    return { stdout: execFileSync(SPOOL, ["-C", dir, "verify"], { encoding: "utf8" }) };
  } catch (error) {
    return error as { readonly stdout: string };
  }
}

describe("a series", () => {
  test("spreads a count over its span, and forgets what is older than an hour", () => {
    const series = new Series();
    const start = 1_800_000_000_000;
    series.add(start, start + 10_000, 100);
    expect(series.sum(start, start + 10_000)).toBeCloseTo(100);
    expect(series.sum(start + 2000, start + 5000)).toBeCloseTo(30);
    expect(series.sum(start + 2500, start + 3000)).toBeCloseTo(5);
    series.add(start + 600_000, start + 600_000, 7);
    expect(series.sum(start, start + 10_000)).toBeCloseTo(100);
    expect(series.sum(start, start + 610_000)).toBeCloseTo(107);
    series.add(start + 4_000_000, start + 4_000_000, 1);
    expect(series.sum(start, start + 10_000)).toBe(0);
  });

  test("keeps what it has when something late of long ago comes", () => {
    const series = new Series();
    const start = 1_800_000_000_000;
    series.add(start, start, 5);
    series.add(start - 121_000, start - 121_000, 9);
    expect(series.sum(start, start + 1000)).toBe(5);
  });
});
