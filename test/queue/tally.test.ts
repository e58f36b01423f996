/** Goal: a sum says what the names say, and for how long. Method: names by chance, counted one by one. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { IdSource, timeOfId } from "../../src/message/id.ts";
import { FENCE, formatSlice, isExpired, isScheduled } from "../../src/message/slice.ts";
import type { Slice } from "../../src/message/slice.ts";
import { countHeld, countWaiting } from "../../src/queue/tally.ts";
import type { Waiting } from "../../src/queue/tally.ts";
import { randomRuns } from "../helpers/model-chance.ts";

const START_MS = 1_767_225_600_000;

/** Times are few, so that they meet. */
const anyMs = fc.integer({ min: 0, max: 12 }).map((step) => START_MS + step);

const anySlice = fc
  .record({
    putMs: anyMs,
    delayMs: fc.constantFrom(0, 0, 1, 3, 7),
    expiresMs: fc.option(anyMs, { nil: undefined }),
    attempts: fc.constantFrom(0, 0, 1, 4),
    count: fc.constantFrom(1, 1, 5),
    bytes: fc.nat(1000),
  })
  .map(({ putMs, delayMs, expiresMs, attempts, count, bytes }): Slice => ({
    rank: 5,
    visibleMs: putMs + delayMs,
    batch: new IdSource().next(putMs),
    first: 0,
    count,
    offset: 0,
    bytes,
    attempts,
    restAttempts: attempts,
    expiresMs,
    checksum: undefined,
    replay: undefined,
  }));

const foreign = fc.constantFrom("", "x", ".nfs0001", "5-1767225600000", "..", "~");

/** The same by the book: each slice asked for itself. */
function byTheBook(slices: readonly Slice[], nowMs: number): Waiting {
  const sum = (those: readonly Slice[]) => ({
    messages: those.reduce((total, { count }) => total + count, 0),
    bytes: those.reduce((total, { bytes }) => total + bytes, 0),
    oldestMs: Math.min(...those.map(({ batch }) => timeOfId(batch))),
  });
  const alive = slices.filter((slice) => !isExpired(slice, nowMs));
  const scheduled = alive.filter((slice) => isScheduled(slice, nowMs));
  return {
    ready: sum(alive.filter((slice) => !isScheduled(slice, nowMs))),
    scheduled: sum(scheduled),
    retrying: sum(scheduled.filter(({ attempts }) => attempts > 0)),
    expired: sum(slices.filter((slice) => isExpired(slice, nowMs))),
    nextDueMs: Math.min(...scheduled.map(({ visibleMs }) => visibleMs)),
  };
}

describe("a count", () => {
  test("of what waits is what each slice says, from one time until another", () => {
    const scene = fc.record({
      slices: fc.array(anySlice, { maxLength: 8 }),
      strangers: fc.array(foreign, { maxLength: 3 }),
      nowMs: anyMs,
    });
    let longest = 0;
    fc.assert(
      fc.property(scene, ({ slices, strangers, nowMs }) => {
        const names = [...strangers, ...slices.map(formatSlice)];
        const { fromMs, untilMs, ...said } = countWaiting(names, nowMs);
        expect(said).toEqual(byTheBook(slices, nowMs));
        expect(fromMs).toBeLessThanOrEqual(nowMs);
        expect(untilMs).toBeGreaterThan(nowMs);
        const first = Math.max(fromMs, START_MS - 3);
        const end = Math.min(untilMs, START_MS + 25);
        for (let atMs = first; atMs < end; atMs++) {
          expect(said).toEqual(byTheBook(slices, atMs));
        }
        if (slices.length > 3) longest = Math.max(longest, end - first);
      }),
      randomRuns(600),
    );
    // It is no use where it holds for the moment only.
    expect(longest).toBeGreaterThan(10);
  });

  test("of what is held knows no clock, and fenced slices", () => {
    fc.assert(
      fc.property(fc.array(anySlice), fc.array(foreign), (slices, strangers) => {
        const names = slices.map((slice, at) => (at % 2 ? FENCE : "") + formatSlice(slice));
        const { ready, fromMs, untilMs } = countHeld([...names, ...strangers]);
        const all = slices.map((slice) => ({ ...slice, expiresMs: undefined, visibleMs: 0 }));
        expect(ready).toEqual(byTheBook(all, START_MS).ready);
        expect([fromMs, untilMs]).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
      }),
      randomRuns(200),
    );
  });
});
