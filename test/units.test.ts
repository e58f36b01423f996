import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  formatBytes,
  formatDuration,
  parseBytes,
  parseCount,
  parseDurationMs,
  parseTimeMs,
} from "../src/units.ts";

const badValue = expect.objectContaining({ code: "BAD_VALUE" });

describe("durations", () => {
  test.for([
    ["0", 0],
    ["500ms", 500],
    ["90s", 90_000],
    ["10m", 600_000],
    ["1h30m", 5_400_000],
    ["7d", 604_800_000],
    ["1w", 604_800_000],
    ["1.5h", 5_400_000],
    ["0.1s", 100],
    ["1m1ms", 60_001],
  ] as const)("%s is %i ms", ([text, ms]) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  test.for(["", "10", "-1h", "1 h", "1y", "h", "1h ", "1e3s", "1h-30m", "½h", "1H", "1,5h", "∞"])(
    "%j is refused",
    (text) => {
      expect(() => parseDurationMs(text)).toThrow(badValue);
    },
  );

  test("read back as they were written", () => {
    fc.assert(
      fc.property(fc.nat({ max: 1e13 }), (ms) => {
        expect(parseDurationMs(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});

describe("sizes", () => {
  test.for([
    ["0", 0],
    ["1", 1],
    ["64k", 65_536],
    ["64K", 65_536],
    ["10M", 10_485_760],
    ["1G", 1_073_741_824],
    ["1.5k", 1536],
    ["2TiB", 2_199_023_255_552],
    ["7b", 7],
  ] as const)("%s is %i bytes", ([text, bytes]) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.for(["", "-1", "k", "1kk", "1 k", "1p", "0x10", "1e3", "1,5k"])("%j is refused", (text) => {
    expect(() => parseBytes(text)).toThrow(badValue);
  });

  test("read back as they were written", () => {
    const sizes = fc.oneof(
      fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      fc.nat({ max: 4096 }).map((n) => n * 1024 ** 3),
    );
    fc.assert(
      fc.property(sizes, (bytes) => {
        expect(parseBytes(formatBytes(bytes))).toBe(bytes);
      }),
    );
  });
});

describe("counts", () => {
  test.for(["", "-1", "1.5", "1k", " 1", "1e3", "9".repeat(16), "ten"])("%j is refused", (text) => {
    expect(() => parseCount(text)).toThrow(badValue);
  });

  test("are what they say", () => {
    fc.assert(
      fc.property(fc.nat(), (n) => {
        expect(parseCount(String(n))).toBe(n);
      }),
    );
  });
});

describe("times", () => {
  const NOW_MS = Date.UTC(2027, 0, 31, 12);

  test.for([
    ["2027-01-31T09:00:00Z", Date.UTC(2027, 0, 31, 9)],
    ["2027-01-31 09:00:00Z", Date.UTC(2027, 0, 31, 9)],
    ["2027-01-31T09:00:00.250Z", Date.UTC(2027, 0, 31, 9, 0, 0, 250)],
    ["2027-01-31T09:00+02:00", Date.UTC(2027, 0, 31, 7)],
    ["2027-01-31", Date.UTC(2027, 0, 31)],
    ["-1h", Date.UTC(2027, 0, 31, 11)],
    ["-0", Date.UTC(2027, 0, 31, 12)],
  ] as const)("%s is read", ([text, ms]) => {
    expect(parseTimeMs(text, NOW_MS)).toBe(ms);
  });

  test.for([
    "",
    "now",
    "1",
    "2027",
    "2027-13-01",
    "2027-01-31T25:00:00Z",
    "01/02/2027",
    "-",
    "+1h",
  ])("%j is refused", (text) => {
    expect(() => parseTimeMs(text, NOW_MS)).toThrow(badValue);
  });
});
