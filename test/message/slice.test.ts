import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  covers,
  formatSlice,
  isExpired,
  isScheduled,
  LAST_MS,
  parseSlice,
  partOf,
  scheduledByName,
  withAttempt,
} from "../../src/message/slice.ts";
import type { Slice } from "../../src/message/slice.ts";
import { timeOfId } from "../../src/message/id.ts";
import { anySlice } from "../helpers/model-slices.ts";

/** A slice of `count` lines of ten bytes each, so that every part has one spelling. */
const parts = fc
  .record({ slice: anySlice, count: fc.integer({ min: 2, max: 1000 }), cut: fc.nat() })
  .map(({ slice, count, cut }) => ({
    whole: { ...slice, first: 0, count, offset: 0, bytes: count * 10 },
    at: 1 + (cut % (count - 1)),
  }));

const headOf = (whole: Slice, count: number): Slice =>
  partOf(whole, whole.first, count, whole.offset, count * 10);
const tailOf = (whole: Slice, count: number): Slice =>
  partOf(
    whole,
    whole.first + count,
    whole.count - count,
    whole.offset + count * 10,
    whole.bytes - count * 10,
  );

describe("a slice's name", () => {
  test("reads back as the slice", () => {
    fc.assert(
      fc.property(anySlice, (slice) => {
        expect(parseSlice(formatSlice(slice))).toEqual(slice);
      }),
    );
  });

  test("has one spelling: whatever is read is written the same", () => {
    const edit = fc.record({ at: fc.nat(), text: fc.string({ unit: "grapheme", maxLength: 3 }) });
    fc.assert(
      fc.property(anySlice, fc.array(edit, { minLength: 1, maxLength: 3 }), (slice, edits) => {
        let name = formatSlice(slice);
        for (const { at, text } of edits) {
          const place = at % name.length;
          name = name.slice(0, place) + text + name.slice(place + (at % 2));
        }
        const read = parseSlice(name);
        if (read !== undefined) expect(formatSlice(read)).toBe(name);
      }),
      { numRuns: 2000 },
    );
  });

  const good = "5-1767225600000-01kdvdna000003f9x2c7m1q8zt-0000000-n10-o0-b65536-a0";

  test.for([
    ["nothing", ""],
    ["a dot file", `.${good}`],
    ["a rank of two digits", `1${good}`],
    ["a short time", good.replace("1767225600000", "176722560000")],
    ["an upper-case id", good.replace("01kdv", "01KDV")],
    ["a letter that ids lack", good.replace("01kdv", "01ldv")],
    ["no messages", good.replace("n10", "n0")],
    ["a count with a zero in front", good.replace("n10", "n010")],
    ["an offset with a zero in front", good.replace("o0", "o00")],
    ["a negative offset", good.replace("o0", "o-1")],
    ["a number that is not exact", good.replace("b65536", `b${"9".repeat(16)}`)],
    ["five digits of attempts", good.replace("a0", "a10000")],
    ["no attempts", good.replace("-a0", "")],
    ["rest attempts that are the same", `${good}-r0`],
    ["rest attempts of a single message", `${good.replace("n10", "n1")}-r3`],
    ["a short expiry", `${good}-x123`],
    ["a checksum of seven digits", `${good}-c1234567`],
    ["an upper-case checksum", `${good}-cABCDEF01`],
    ["fields in another order", `${good}-c12345678-x1767225600000`],
    ["more messages than a batch has", good.replace("0000000-n10", "9999999-n2")],
    ["something after it", `${good}.reason`],
    ["a newline after it", `${good}\n`],
    ["a path before it", `../${good}`],
    ["a path after it", `${good}/x`],
    ["a NUL after it", `${good}\0`],
  ] as const)("is refused with %s", ([, name]) => {
    expect(parseSlice(good)).toBeDefined();
    expect(parseSlice(name)).toBeUndefined();
  });

  test("fits into 255 bytes, with .reason and a dedup draft around it", () => {
    fc.assert(
      fc.property(anySlice, (slice) => {
        expect(formatSlice(slice).length).toBeLessThanOrEqual(160);
      }),
    );
  });

  test("sorts in the order of delivery: priority, time, batch, place in the batch", () => {
    fc.assert(
      fc.property(anySlice, anySlice, (a, b) => {
        const order = (s: Slice): readonly (number | string)[] => [
          s.rank,
          s.visibleMs,
          s.batch,
          s.first,
        ];
        const [left, right] = [order(a), order(b)];
        const at = left.findIndex((value, n) => value !== right[n]);
        if (at === -1) return;
        expect(formatSlice(a) < formatSlice(b)).toBe(left[at]! < right[at]!);
      }),
    );
  });
});

describe("parts of a slice", () => {
  test("together are the slice: no message twice, no byte lost", () => {
    fc.assert(
      fc.property(parts, ({ whole, at }) => {
        const [head, tail] = [headOf(whole, at), tailOf(whole, at)];
        expect(head.first + head.count).toBe(tail.first);
        expect(tail.first + tail.count).toBe(whole.first + whole.count);
        expect(head.offset + head.bytes).toBe(tail.offset);
        expect(head.bytes + tail.bytes).toBe(whole.bytes);
        for (const part of [head, tail]) {
          expect(parseSlice(formatSlice(part))).toEqual(part);
          expect(covers(whole, part)).toBe(true);
          expect(covers(part, whole)).toBe(false);
        }
        expect(covers(head, tail) || covers(tail, head)).toBe(false);
      }),
    );
  });

  test("keep each message's attempts", () => {
    fc.assert(
      fc.property(parts, ({ whole, at }) => {
        const attempts = (s: Slice): number[] =>
          Array.from({ length: s.count }, (_, n) => (n === 0 ? s.attempts : s.restAttempts));
        expect([...attempts(headOf(whole, at)), ...attempts(tailOf(whole, at))]).toEqual(
          attempts(whole),
        );
      }),
    );
  });

  test("an attempt counts for the first message alone, and stops at what a name can hold", () => {
    fc.assert(
      fc.property(parts, ({ whole }) => {
        const tried = withAttempt(whole);
        expect(tried.attempts).toBe(Math.min(whole.attempts + 1, 9999));
        expect(tried.restAttempts).toBe(whole.restAttempts);
        expect(parseSlice(formatSlice(tried))).toEqual(tried);
        const single = withAttempt(headOf(whole, 1));
        expect(single.restAttempts).toBe(single.attempts);
        expect(parseSlice(formatSlice(single))).toEqual(single);
      }),
    );
  });

  test("no slice covers itself, one of another batch, or one that it only overlaps", () => {
    fc.assert(
      fc.property(parts, anySlice, ({ whole, at }, other) => {
        expect(covers(whole, whole)).toBe(false);
        expect(covers(whole, withAttempt(whole))).toBe(false);
        if (other.batch !== whole.batch) expect(covers(whole, other)).toBe(false);
        const later = { ...tailOf(whole, at), count: whole.count };
        expect(covers(whole, later)).toBe(false);
      }),
    );
  });
});

describe("the time of a slice", () => {
  test("what was put without a delay is never scheduled, whatever the clock says", () => {
    fc.assert(
      fc.property(anySlice, fc.nat(), (slice, nowMs) => {
        const now = { ...slice, visibleMs: timeOfId(slice.batch) };
        expect(isScheduled(now, nowMs)).toBe(false);
      }),
    );
  });

  test("is told by a name's front alone where it is sure", () => {
    const nearMs = fc.double({ min: -3, max: 3, noNaN: true });
    fc.assert(
      fc.property(anySlice, fc.nat(3), nearMs, fc.boolean(), (slice, delayMs, awayMs, isDue) => {
        const putMs = timeOfId(slice.batch);
        const one = { ...slice, visibleMs: Math.min(LAST_MS, putMs + delayMs) };
        const nowMs = Math.max(0, (isDue ? one.visibleMs : putMs) + awayMs);
        const isSure = scheduledByName(nowMs)(formatSlice(one));
        expect(isSure && !isScheduled(one, nowMs)).toBe(false);
        // Nothing else is unsure than what was put after now.
        if (putMs <= Math.floor(nowMs)) expect(isSure).toBe(isScheduled(one, nowMs));
      }),
      { numRuns: 5000 },
    );
  });

  test("what is due later is scheduled until that very millisecond", () => {
    fc.assert(
      fc.property(anySlice, fc.integer({ min: 1, max: 1e9 }), (slice, delayMs) => {
        const dueMs = timeOfId(slice.batch) + delayMs;
        const later = { ...slice, visibleMs: dueMs };
        expect([isScheduled(later, dueMs - 1), isScheduled(later, dueMs)]).toEqual([true, false]);
      }),
    );
  });

  test("what expires has expired from that very millisecond on", () => {
    fc.assert(
      fc.property(anySlice, fc.integer({ min: 1, max: 1e12 }), (slice, expiresMs) => {
        const mortal = { ...slice, expiresMs };
        expect(isExpired(mortal, expiresMs - 1)).toBe(false);
        expect(isExpired(mortal, expiresMs)).toBe(true);
        expect(isExpired({ ...slice, expiresMs: undefined }, Number.MAX_SAFE_INTEGER)).toBe(false);
      }),
    );
  });
});
