import { mkdirSync, renameSync, rmSync } from "node:fs";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";

import { describe, expect } from "vitest";

import { BellWatch, makeBell, ring } from "../../src/disk/bell.ts";
import { kindOf } from "../../src/disk/kind.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { test } from "../helpers/fixtures.ts";

const fs = new NodeFileSystem({ blocking: true });
const LONG_MS = 25_000;

/** Fails where a wait took its whole time: it was not woken. */
async function isWoken(wait: Promise<unknown>): Promise<boolean> {
  const startMs = performance.now();
  await wait;
  return performance.now() - startMs < LONG_MS / 2;
}

describe.each([
  { how: "by events", kind: kindOf(0xef53) },
  { how: "by polling, where none travel", kind: kindOf(0x6969) },
])("a wait for the bell, $how", ({ kind }) => {
  test("ends when it rings", async ({ dir }) => {
    await makeBell(fs, `${dir}/bell`);
    const watch = await BellWatch.open(`${dir}/bell`, kind, 20);
    try {
      const waiting = isWoken(watch.wait(LONG_MS));
      await ring(fs, `${dir}/bell`);
      expect(await waiting).toBe(true);
    } finally {
      await watch.close();
    }
  });

  test("ends at once when it rang since the last wait", async ({ dir }) => {
    await makeBell(fs, `${dir}/bell`);
    const watch = await BellWatch.open(`${dir}/bell`, kind, 20);
    const other = await BellWatch.open(`${dir}/bell`, kind, 20);
    try {
      const heard = other.wait(LONG_MS);
      await ring(fs, `${dir}/bell`);
      await heard;
      expect(await isWoken(watch.wait(LONG_MS))).toBe(true);
    } finally {
      await other.close();
      await watch.close();
    }
  });

  test("does not end by the echo of what was heard", async ({ dir }) => {
    await makeBell(fs, `${dir}/bell`);
    const watch = await BellWatch.open(`${dir}/bell`, kind, 20);
    try {
      for (let rings = 0; rings < 3; rings++) {
        await ring(fs, `${dir}/bell`);
        expect(await watch.wait(LONG_MS)).toBe(true);
        // chokidar tells of a change up to 60 ms after the raw event.
        expect(await watch.wait(150)).toBe(false);
      }
    } finally {
      await watch.close();
    }
  });

  test("ends once, however often it rang meanwhile", async ({ dir }) => {
    await makeBell(fs, `${dir}/bell`);
    const watch = await BellWatch.open(`${dir}/bell`, kind, 20);
    try {
      for (let rings = 0; rings < 1000; rings++) await ring(fs, `${dir}/bell`);
      await pause(150);
      expect(await watch.wait(LONG_MS)).toBe(true);
      expect(await watch.wait(150)).toBe(false);
    } finally {
      await watch.close();
    }
  });

  test.for(["bell", "directory of the bell"])(
    "ends when it rings after the %s was made anew",
    async (what, { dir }) => {
      mkdirSync(`${dir}/queue`);
      const path = `${dir}/queue/bell`;
      await makeBell(fs, path);
      const watch = await BellWatch.open(path, kind, 20);
      try {
        await ring(fs, path);
        expect(await watch.wait(LONG_MS)).toBe(true);
        // As a queue is removed.
        if (what !== "bell") {
          renameSync(`${dir}/queue`, `${dir}/aside`);
          rmSync(`${dir}/aside`, { recursive: true });
          await pause(100);
          mkdirSync(`${dir}/queue`);
        } else rmSync(path);
        await makeBell(fs, path);
        while (await watch.wait(200));
        await ring(fs, path);
        expect(await watch.wait(LONG_MS)).toBe(true);
      } finally {
        await watch.close();
      }
    },
  );

  test("ends when the signal aborts, also when it has aborted before", async ({ dir }) => {
    await makeBell(fs, `${dir}/bell`);
    const watch = await BellWatch.open(`${dir}/bell`, kind, 20);
    try {
      const stop = new AbortController();
      const waiting = isWoken(watch.wait(LONG_MS, stop.signal));
      stop.abort();
      expect(await waiting).toBe(true);
      expect(await isWoken(watch.wait(LONG_MS, stop.signal))).toBe(true);
    } finally {
      await watch.close();
    }
  });

  test("ends by itself", async ({ dir }) => {
    await makeBell(fs, `${dir}/bell`);
    const watch = await BellWatch.open(`${dir}/bell`, kind, 20);
    try {
      expect(await isWoken(watch.wait(1))).toBe(true);
    } finally {
      await watch.close();
    }
  });
});

// What chokidar reports, it reports after a stat in the thread pool and a timer of 10 ms.
test("a ring is heard in the next turn of the event loop, and so is the one after", async ({
  dir,
}) => {
  await makeBell(fs, `${dir}/bell`);
  const watch = await BellWatch.open(`${dir}/bell`, kindOf(0xef53), 20);
  try {
    for (let rings = 0; rings < 5; rings++) {
      let isOver = false;
      const waiting = watch.wait(LONG_MS).then(() => (isOver = true));
      await ring(fs, `${dir}/bell`);
      for (let turn = 0; turn < 3; turn++) await nextTurn();
      expect(isOver).toBe(true);
      await waiting;
    }
  } finally {
    await watch.close();
  }
});

test("ringing a bell that is not there fails nobody", async ({ dir }) => {
  await expect(ring(fs, `${dir}/none/bell`)).resolves.toBeUndefined();
});

test("a waiting consumer is woken by a put, and ended by its signal", async ({ queue, dir }) => {
  await queue.create();
  const stop = new AbortController();
  const bodies: string[] = [];
  const consuming = (async () => {
    for await (const message of queue.messages({ signal: stop.signal })) {
      bodies.push((await message.body()).toString());
      await message.ack();
    }
  })();
  await queue.put("first");
  await expect.poll(() => bodies).toEqual(["first"]);
  await queue.put("second");
  await expect.poll(() => bodies).toEqual(["first", "second"]);
  stop.abort();
  await consuming;
  expect(new NodeFileSystem().list(`${dir}/queues/jobs/leases`)).toEqual([]);
});
