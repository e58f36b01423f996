/** Slices by chance: any that the engine could write. */
import * as fc from "fast-check";

import { BATCH_MESSAGES } from "../../src/limits.ts";
import { IdSource } from "../../src/message/id.ts";
import type { Slice } from "../../src/message/slice.ts";
import { chance } from "./model-chance.ts";

const timeMs = fc.integer({ min: 0, max: 9_999_999_999_999 });

export const anyId: fc.Arbitrary<string> = fc
  .tuple(timeMs, fc.nat({ max: 50 }), fc.nat({ max: 3 }))
  .map(([ms, skip, seed]) => {
    const ids = new IdSource(chance(seed));
    for (let n = 0; n < skip; n++) ids.next(ms);
    return ids.next(ms);
  });

const attempts = fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 9999 }));
const bytes = fc.oneof(fc.nat({ max: 1000 }), fc.nat({ max: 999_999_999_999_999 }));

export const anySlice: fc.Arbitrary<Slice> = fc
  .record({
    rank: fc.nat({ max: 9 }),
    visibleMs: timeMs,
    batch: anyId,
    first: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: BATCH_MESSAGES })),
    count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: BATCH_MESSAGES })),
    offset: bytes,
    bytes,
    attempts,
    restAttempts: attempts,
    expiresMs: fc.option(timeMs, { nil: undefined }),
    checksum: fc.option(
      fc.nat({ max: 0xffff_ffff }).map((crc) => crc.toString(16).padStart(8, "0")),
      { nil: undefined },
    ),
    replay: fc.option(anyId, { nil: undefined }),
  })
  .map((slice) => ({
    ...slice,
    count: Math.max(1, Math.min(slice.count, BATCH_MESSAGES - slice.first)),
  }))
  .map((slice) => ({
    ...slice,
    restAttempts: slice.count === 1 ? slice.attempts : slice.restAttempts,
  }));
