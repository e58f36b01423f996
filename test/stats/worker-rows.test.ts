/**
 * Goal: whoever holds messages is in the list, also while they are taken from him, with the pace at which he works.
 *
 * Method: real leases, half of a takeover by hand, and flow that is told by hand.
 */
import * as fs from "node:fs";

import { describe, expect } from "vitest";

import { WINDOW_S } from "../../src/disk/flow-file.ts";
import type { Queue } from "../../src/queue/queue.ts";
import type { WorkerRow } from "../../src/stats/detail.ts";
import { Details } from "../../src/stats/details.ts";
import { test as base } from "../helpers/fixtures.ts";

const test = base.extend("workers", ({ spool }) => async (): Promise<readonly WorkerRow[]> => {
  const { detail } = await new Details(spool).answer({ kind: "workers", queue: "jobs" });
  if (detail.kind !== "workers") throw new Error(JSON.stringify(detail));
  return detail.rows;
});

/** The name of a new lease that holds so many messages. */
async function hold(queue: Queue, count: number): Promise<string> {
  for (let at = 0; at < count; at++) await queue.put("x");
  const consumer = queue.consumer("handed out", { leaseMs: 60_000 });
  for (let at = 0; at < count; at++) await consumer.claim(1);
  return consumer.lease!.name;
}

/** As this process would have told it. */
function tell(queue: Queue, agoMs: number, spanMs: number, acked: number): void {
  const atMs = Date.now() - agoMs;
  const fromS = Math.floor(atMs / 1000 / WINDOW_S) * WINDOW_S;
  const { flow } = queue.room.layout;
  fs.mkdirSync(flow, { recursive: true });
  const line = `${atMs - fromS * 1000} ${spanMs} p7 0 ${acked} 0 0\n`;
  fs.appendFileSync(`${flow}/${fromS}-here`, line);
}

/** A lease of process p7, since so long ago. */
async function leaseOfP7(queue: Queue): Promise<void> {
  const name = await hold(queue, 1);
  const { layout } = queue.room;
  const other = name.replace("_none_", "_p7_");
  fs.renameSync(layout.lease(name), layout.lease(other));
  fs.renameSync(layout.lock(name), layout.lock(other));
}

describe("a lease", () => {
  test("that is being taken over is there yet, with all that it holds", async ({
    queue,
    workers,
  }) => {
    const name = await hold(queue, 3);
    const { layout } = queue.room;
    expect(await workers()).toMatchObject([{ lease: name, messages: 3 }]);
    fs.renameSync(layout.lease(name), `${layout.reclaim}/${name}`);
    expect(await workers()).toMatchObject([{ lease: name, messages: 3, attempts: 0 }]);
    fs.rmdirSync(layout.lock(name));
    expect(await workers()).toMatchObject([{ lease: name, messages: 3, leftMs: 0 }]);
    fs.mkdirSync(`${layout.reclaim}/${name}~`);
    const [first] = fs.readdirSync(`${layout.reclaim}/${name}`);
    fs.renameSync(`${layout.reclaim}/${name}/${first}`, `${layout.reclaim}/${name}~/~${first}`);
    expect(await workers()).toMatchObject([{ lease: name, messages: 3, leftMs: 0 }]);
  });
});

describe("the pace of a process", () => {
  test("is of what it has lived, where that is less than a minute", async ({ queue, workers }) => {
    await leaseOfP7(queue);
    tell(queue, 0, 9000, 90);
    tell(queue, 9000, 1000, 10);
    const [row] = await workers();
    expect(row!.outPerS).toBeGreaterThan(8);
    expect(row!.outPerS).toBeLessThan(11);
  });

  test("is of the last minute, however long it has lived", async ({ queue, workers }) => {
    await leaseOfP7(queue);
    tell(queue, 100_000, 1000, 500);
    tell(queue, 0, 1000, 120);
    const [row] = await workers();
    // The first is not in it, but says that the minute was a whole one; its lease is young.
    expect(row!.outPerS).toBeCloseTo(2, 5);
  });
});
