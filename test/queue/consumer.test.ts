/**
 * Goal: what happens between a look and a wait is not waited for, and an idle consumer holds nothing.
 *
 * Method: a consumer by hand, and turns of the event loop instead of time: a ring in this process is heard in the
 * next turn, whatever else the machine does. Where a wait could end by itself soon, the disk is taken for NFS
 * and polled once in 25 s.
 */
import { readdirSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";

import { expect } from "vitest";

import type { Consumer } from "../../src/queue/consumer.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { openSpool } from "../../src/spool.ts";
import { test } from "../helpers/fixtures.ts";
import { hooked, NFS } from "../helpers/hooked.ts";
import { textOf } from "../helpers/model-jobs.ts";

const LONG_MS = 25_000;

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await nextTurn();
}

/** Claims one message and acks it. */
async function takeOne(consumer: Consumer): Promise<string | undefined> {
  const claim = await consumer.claim(1);
  const message = claim && (await consumer.open(claim));
  if (message === undefined) return undefined;
  const text = await textOf(message);
  await message.ack();
  await claim?.file.close();
  return text;
}

/** One that has found nothing, and listens. */
async function listening(queue: Queue): Promise<Consumer> {
  const consumer = queue.consumer("beating");
  expect(await takeOne(consumer)).toBeUndefined();
  await consumer.wait(LONG_MS);
  expect(await takeOne(consumer)).toBeUndefined();
  return consumer;
}

test("what is put between the last look and the watch is not waited for", async ({ dir }) => {
  const parts = { fs: hooked(NFS, () => undefined) };
  const queue = (await openSpool({ dir, parts })).queue("jobs");
  await queue.create();
  const consumer = queue.consumer("brief", { pollMs: LONG_MS });
  try {
    expect(await takeOne(consumer)).toBeUndefined();
    await queue.put("between");
    const startMs = performance.now();
    await consumer.wait(LONG_MS);
    expect(performance.now() - startMs).toBeLessThan(LONG_MS / 2);
    expect(await takeOne(consumer)).toBe("between");
  } finally {
    await consumer.close();
  }
});

test("a put ends the wait in the next turn of the event loop, also one that came before it", async ({
  queue,
}) => {
  await queue.create();
  const consumer = await listening(queue);
  try {
    for (const body of ["1", "2", "3", "4"]) {
      let isOver = false;
      const wait = (): Promise<unknown> => consumer.wait(LONG_MS).then(() => (isOver = true));
      const early = Number(body) % 2 === 0 ? wait() : undefined;
      await queue.put(body, { sync: "none" });
      await turns();
      const waiting = early ?? wait();
      await turns();
      expect(isOver).toBe(true);
      await waiting;
      expect(await takeOne(consumer)).toBe(body);
      expect(await takeOne(consumer)).toBeUndefined();
    }
  } finally {
    await consumer.close();
  }
});

test("slots that wait together are woken together", async ({ queue }) => {
  await queue.create();
  const consumer = await listening(queue);
  try {
    let woken = 0;
    const wait = (): Promise<unknown> => consumer.wait(LONG_MS).then(() => woken++);
    const slots = [wait().then(wait), wait(), wait()];
    await turns();
    await queue.put("x", { sync: "none" });
    await turns();
    expect(woken).toBe(3);
    const late = wait();
    await queue.put("y", { sync: "none" });
    await turns();
    expect(woken).toBe(5);
    await Promise.all([...slots, late]);
  } finally {
    await consumer.close();
  }
});

test("finds what was dropped a moment after it looked into the drop box", async ({
  dir,
  queue,
}) => {
  await queue.create();
  const consumer = await listening(queue);
  try {
    for (const body of ["1", "2"]) {
      writeFileSync(`${dir}/file`, body);
      renameSync(`${dir}/file`, `${dir}/queues/jobs/drop/file`);
      expect(await takeOne(consumer)).toBe(body);
      expect(await takeOne(consumer)).toBeUndefined();
    }
  } finally {
    await consumer.close();
  }
});

test("keeps no file open while it waits: what was acked gives its blocks back", async ({
  dir,
  queue,
}) => {
  await queue.create();
  const consumer = await listening(queue);
  const held = (): string[] =>
    readdirSync("/proc/self/fd").flatMap((fd) => {
      try {
        const path = readlinkSync(`/proc/self/fd/${fd}`);
        return path.startsWith(dir) ? [path] : [];
      } catch {
        return [];
      }
    });
  try {
    await queue.put("x");
    expect(await takeOne(consumer)).toBe("x");
    const waiting = consumer.wait(LONG_MS);
    await turns();
    expect(held()).toEqual([]);
    await waiting;
  } finally {
    await consumer.close();
  }
});
