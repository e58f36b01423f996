/**
 * Goal: lines are counted and cut exactly, whatever the bytes, their length and their alignment.
 *
 * Method: any bytes, with many newlines and their neighbours among them, against a loop.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";

import { countNewlines, fittingLines } from "../../src/message/lines.ts";

/** Bytes that differ from a newline in one bit, or by one, are the ones to be mistaken for it. */
const byte = fc.oneof(
  fc.constant(0x0a),
  fc.constantFrom(0x0b, 0x09, 0x8a, 0x00, 0xff, 0x80, 0x7f),
  fc.integer({ min: 0, max: 255 }),
);
const bytes = fc
  .tuple(fc.array(byte, { maxLength: 200 }), fc.integer({ min: 0, max: 30 }), fc.nat(7))
  .map(([some, times, skipped]) =>
    Buffer.concat(Array.from({ length: times + 1 }, () => Buffer.from(some))).subarray(skipped),
  );

test("newlines are counted, wherever the bytes begin and end", () => {
  fc.assert(
    fc.property(bytes, (some) => {
      expect(countNewlines(some)).toBe(some.filter((one) => one === 0x0a).length);
    }),
    { numRuns: 1000 },
  );
});

test("newlines alone are counted, more than a byte can sum", () => {
  for (const length of [0, 1, 31, 32, 33, 4032, 4033, 100_000]) {
    expect(countNewlines(Buffer.alloc(length, "\n"))).toBe(length);
    expect(countNewlines(Buffer.alloc(length, "x"))).toBe(0);
  }
});

test("lines are taken until there is no room, one at least, and each is told where that is asked", () => {
  const room = fc.record({ messages: fc.integer({ max: 9 }), bytes: fc.integer({ max: 400 }) });
  fc.assert(
    fc.property(bytes, room, (some, limit) => {
      const lines = Buffer.concat([some, Buffer.from("\n")]);
      const lengths: number[] = [];
      let from = 0;
      while (from < lines.length) {
        if (lengths.length > 0 && (lengths.length >= limit.messages || from >= limit.bytes)) break;
        const end = lines.indexOf(0x0a, from);
        lengths.push(end - from);
        from = end + 1;
      }
      const expected = { messages: lengths.length, bytes: from };
      expect(fittingLines(lines, limit)).toEqual(expected);
      const told: number[] = [];
      expect(fittingLines(lines, limit, (length) => told.push(length))).toEqual(expected);
      expect(told).toEqual(lengths);
    }),
    { numRuns: 1000 },
  );
});
