/** Goal: a claim lists a bounded number of names. Method: 50,000 inserts, in every order of arrival. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { BUCKET_SLICES } from "../../src/limits.ts";
import type { Slice } from "../../src/message/slice.ts";
import { formatSlice } from "../../src/message/slice.ts";
import { bucketFor, bucketStartingAt, Buckets, parseBucket } from "../../src/queue/buckets.ts";
import { openSpool } from "../../src/spool.ts";
import { DiskClock } from "../../src/clock.ts";
import { chance } from "../helpers/model-chance.ts";
import { MemoryDisk, ModelTime } from "../helpers/model-disk.ts";
import { anySlice } from "../helpers/model-slices.ts";

describe("a bucket's name", () => {
  test("is its rank and the time at which it starts", () => {
    expect(parseBucket("5-1767225600000")).toEqual({
      name: "5-1767225600000",
      rank: 5,
      startMs: 1_767_225_600_000,
    });
  });

  test.for([
    "",
    "5",
    "5-",
    "5-176722560000",
    "5-17672256000000",
    "55-1767225600000",
    ".5-1767225600000",
    "5-1767225600000 ",
  ])("is not %j", (name) => {
    expect(parseBucket(name)).toBeUndefined();
  });
});

describe("the bucket for a slice", () => {
  test("is the last of its rank that starts at or before it", () => {
    fc.assert(
      fc.property(fc.array(anySlice, { maxLength: 20 }), anySlice, (others, slice) => {
        const key = bucketStartingAt(slice);
        const names = others.map((other) => bucketStartingAt(other));
        // Its own bucket may be there, and those right before and after it.
        if (others.length % 2 === 1) names.push(key);
        if (others.length % 3 === 1) names.push(bucketStartingAt({ ...slice, visibleMs: 0 }));
        const sorted = [...new Set(names)].toSorted();
        const expected = sorted.findLast((name) => name <= key && name[0] === key[0]);
        expect(bucketFor(sorted, key)).toBe(expected);
        expect(formatSlice(slice) >= key).toBe(true);
      }),
    );
  });
});

/** What 50,000 inserts make of ready/, through the engine's own code, over a disk in memory. */
async function fill(times: readonly number[], seed: number): Promise<number[]> {
  const time = new ModelTime();
  const disk = new MemoryDisk(time);
  const spool = await openSpool({
    dir: "/spool",
    parts: { fs: disk, clock: new DiskClock(() => time.nowMs), random: chance(seed) },
  });
  const { room } = spool.queue("jobs");
  await room.create();
  const buckets = new Buckets(room);
  const ids = room.disk.ids;
  for (const visibleMs of times) {
    await room.now();
    const slice: Slice = {
      rank: 5,
      visibleMs,
      batch: ids.next(time.nowMs),
      first: 0,
      count: 1,
      offset: 0,
      bytes: 1,
      attempts: 0,
      restAttempts: 0,
      expiresMs: undefined,
      checksum: undefined,
      replay: undefined,
    };
    disk.close(disk.open("/spool/draft", "create"));
    expect(await buckets.place("/spool/draft", slice)).toBeDefined();
    // A list of buckets is used for a while: let it get old now and then.
    if (slice.batch.endsWith("0")) time.advance(1);
    time.advance(1);
  }
  const sizes = disk
    .list(room.layout.ready)
    .map((name) => disk.list(room.layout.bucket(name)).length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(times.length);
  return sizes;
}

const COUNT = 50_000;
const START_MS = 1_767_225_600_000;

describe("splitting by chance", () => {
  const random = chance(7);
  test.for([
    [
      "in the order of time, a hundred in each millisecond",
      (n: number) => START_MS + Math.floor(n / 100),
    ],
    ["in random order, scheduled over a week", () => START_MS + Math.floor(random() * 604_800_000)],
    ["one each second", (n: number) => START_MS + n * 1000],
  ] as const)("keeps buckets bounded: %s", async ([, timeOf]) => {
    const times = Array.from({ length: COUNT }, (_, n) => timeOf(n));
    const sizes = await fill(times, 42);

    const mean = COUNT / sizes.length;
    expect(Math.max(...sizes)).toBeLessThan(8000);
    expect(mean).toBeGreaterThan(BUCKET_SLICES / 2);
    expect(mean).toBeLessThan(BUCKET_SLICES * 2);
  });

  test("splits what is due at the very same instant, too", async () => {
    const sizes = await fill(
      Array.from({ length: 20_000 }, () => START_MS),
      1,
    );
    expect(Math.max(...sizes)).toBeLessThan(8000);
  });

  test("splits what comes in falling order", async () => {
    const sizes = await fill(
      Array.from({ length: 20_000 }, (_, index) => START_MS + 604_800_000 - index),
      1,
    );
    expect(Math.max(...sizes)).toBeLessThan(8000);
  });
});
