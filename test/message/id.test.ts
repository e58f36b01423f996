import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { IdSource, parseMessageId, timeOfId } from "../../src/message/id.ts";
import { anyId } from "../helpers/model-slices.ts";

const NOW_MS = 1_767_225_600_000;

describe("ids", () => {
  test("of one process rise, also where the clock goes back", () => {
    const steps = fc.array(fc.integer({ min: -5000, max: 5000 }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (moves) => {
        const ids = new IdSource();
        let nowMs = NOW_MS;
        let last = "";
        for (const move of moves) {
          nowMs += move;
          const id = ids.next(nowMs);
          expect(id > last, `${id} after ${last}`).toBe(true);
          last = id;
        }
      }),
    );
  });

  test("carry the time, where the clock went on", () => {
    const times = fc.uniqueArray(fc.integer({ min: 1, max: 9_999_999_999_999 }), { maxLength: 20 });
    fc.assert(
      fc.property(times, (list) => {
        const ids = new IdSource();
        for (const ms of list.toSorted((a, b) => a - b)) expect(timeOfId(ids.next(ms))).toBe(ms);
      }),
    );
  });

  test("of one millisecond are 32,768, and then borrow the next one", () => {
    const ids = new IdSource();
    const made = Array.from({ length: 32_769 }, () => ids.next(NOW_MS));
    expect(new Set(made).size).toBe(made.length);
    expect(made.toSorted()).toEqual(made);
    expect(timeOfId(made.at(-2)!)).toBe(NOW_MS);
    expect(timeOfId(made.at(-1)!)).toBe(NOW_MS + 1);
  });

  test("of two processes differ", () => {
    expect(new IdSource().next(NOW_MS)).not.toBe(new IdSource().next(NOW_MS));
  });
});

describe("a message's id", () => {
  test("is its batch's, and its index where the batch has more", () => {
    fc.assert(
      fc.property(anyId, fc.nat({ max: 9_999_999 }), (batch, index) => {
        expect(parseMessageId(batch)).toEqual({ batch, index: 0 });
        expect(parseMessageId(`${batch}.${index}`)).toEqual({ batch, index });
      }),
    );
  });

  const id = "01kdvdna000003f9x2c7m1q8zt";

  test.for(["", "x", id.slice(1), `${id}0`, id.toUpperCase(), `${id}.`, `${id}.01`, `${id}.-1`])(
    "is not %j",
    (text) => {
      expect(parseMessageId(text)).toBeUndefined();
    },
  );

  test.for([`${id}.1.2`, `${id}.12345678`, `../${id}`, `${id}/x`, `${id}\n`, ` ${id}`])(
    "is not %j",
    (text) => {
      expect(parseMessageId(text)).toBeUndefined();
    },
  );
});
