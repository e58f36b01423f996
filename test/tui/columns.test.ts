/**
 * Goal: whatever is in the rows and however narrow the screen, no line is wider than it, and nothing that is
 * not known looks like 0.
 *
 * Method: rows and sizes by chance; widths as a terminal has them, by string-width.
 */
import { stripVTControlCharacters } from "node:util";

import * as fc from "fast-check";
import stringWidth from "string-width";
import { describe, expect, test } from "vitest";

import { STATES } from "../../src/stats/state.ts";
import type { Sample } from "../../src/stats/sample.ts";
import { totalsOf } from "../../src/stats/topic-summary.ts";
import { cellsOf, COLUMNS, placeColumns } from "../../src/tui/columns.ts";
import type { Look } from "../../src/tui/columns.ts";
import { cut, fit, formatCount, formatNet, formatRate, sparkline } from "../../src/tui/format.ts";
import { LEAST, linesOf } from "../../src/tui/lines.ts";
import { THEME_NAMES } from "../../src/tui/theme.ts";
import { arrange } from "../../src/tui/tree.ts";
import { settle } from "../../src/tui/ui.ts";
import { firstUi } from "../../src/tui/ui-state.ts";
import { sampleOf } from "../helpers/samples.ts";

const LOOK: Look = { nowMs: 1000, isWide: false, isAscii: false, depthsOf: () => [] };

const cellOf = (sample: Partial<Sample>, key: string, look: Partial<Look> = {}): string => {
  const column = COLUMNS.find((one) => one.key === key)!;
  return column.cell(sampleOf(sample), { ...LOOK, ...look });
};

const count = fc.option(fc.oneof(fc.nat(2000), fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER)));
const rate = fc.option(fc.double({ min: 0, max: 1e9, noNaN: true }));
const net = fc.option(fc.double({ min: -1e9, max: 1e9, noNaN: true }));

const samples = fc
  .array(
    fc.record({
      name: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,60}(\/[a-z]{1,40})?$/),
      state: fc.constantFrom(...STATES),
      ready: count,
      inFlight: count,
      scheduled: count,
      dead: count,
      oldestMs: count,
      inPerS: rate,
      outPerS: rate,
      netPerS: net,
      lag: count,
      lagMs: count,
      workers: count,
      bytes: count,
      error: fc.string({ unit: "grapheme", minLength: 1 }),
    }),
    { maxLength: 8 },
  )
  .map((all) =>
    all.map((one) => sampleOf({ ...one, kind: one.name.includes("/") ? "subscription" : "queue" })),
  );

const sizes = fc.record({
  columns: fc.integer({ min: 1, max: 260 }),
  rows: fc.integer({ min: 1, max: 30 }),
});

describe("a screen", () => {
  test("has as many lines as it has, and none is wider", () => {
    const mode = fc.constantFrom("rows", "filter", "command", "sort", "help" as const);
    fc.assert(
      fc.property(
        samples,
        sizes,
        mode,
        fc.constantFrom(...THEME_NAMES),
        fc.record({ isWide: fc.boolean(), isAscii: fc.boolean(), isFrozen: fc.boolean() }),
        fc.record({
          draft: fc.string({ unit: "grapheme" }),
          dir: fc.string({ unit: "grapheme" }),
          silentMs: fc.constantFrom(0, 9999),
          failure: fc.option(fc.string({ unit: "grapheme" }), { nil: undefined }),
          menuAt: fc.nat(COLUMNS.length - 1),
        }),
        (all, size, at, theme, looks, { draft, dir, silentMs, failure, menuAt }) => {
          const known = new Map(all.map((sample) => [sample.name, sample]));
          const first = { ...firstUi(2000, theme), ...looks, mode: at, draft, menuAt };
          const rows = arrange(known, first);
          const ui = settle(first, { rows, page: Math.max(1, size.rows - 5) });
          const lines = linesOf({
            size,
            ui,
            rows,
            longestName: 30,
            totals: totalsOf(known.values()),
            dir,
            head: undefined,
            nowMs: 5000,
            clock: "12:34:56",
            intervalMs: 2000,
            silentMs,
            failure,
            ...looks,
            look: { ...LOOK, ...looks, depthsOf: () => [1, 2, Number.NaN] },
          });
          expect(lines.length).toBeLessThanOrEqual(size.rows);
          if (size.columns >= LEAST.columns && size.rows >= LEAST.rows) {
            expect(lines).toHaveLength(size.rows);
          }
          for (const line of lines) {
            const text = stripVTControlCharacters(line);
            expect(text).not.toMatch(/\p{Cc}/u);
            expect(stringWidth(text), JSON.stringify(text)).toBeLessThanOrEqual(size.columns);
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe("columns", () => {
  const keysAt = (width: number, longest = 20, isWide = false): string[] =>
    placeColumns(width, longest, isWide).map(({ column }) => column.key);

  test("are never wider than the screen, and their cells as wide as they are", () => {
    fc.assert(
      fc.property(
        samples,
        fc.integer({ min: 40, max: 400 }),
        fc.nat(200),
        fc.boolean(),
        (all, width, longest, isWide) => {
          const placed = placeColumns(width, longest, isWide);
          const total = placed.reduce((sum, one) => sum + one.width + 1, 1);
          expect(total).toBeLessThanOrEqual(width);
          for (const sample of all) {
            const cells = cellsOf(placed, sample, { ...LOOK, isWide }, sample.name);
            expect(cells.map((cell) => stringWidth(cell))).toEqual(placed.map((one) => one.width));
          }
        },
      ),
    );
  });

  test("go in the order of what they are worth", () => {
    expect(keysAt(40)).toEqual(["name", "state", "ready"]);
    expect(keysAt(80)).toEqual(expect.arrayContaining(["name", "state", "ready", "in", "out"]));
    expect(keysAt(300)).toEqual(COLUMNS.map(({ key }) => key));
    let before: string[] = [];
    for (let width = 40; width <= 300; width++) {
      const keys = keysAt(width);
      // Those of the same rank come together; a narrower one may fit where a more important one does not.
      expect(keys.length).toBeGreaterThanOrEqual(Math.min(before.length, 3));
      before = keys;
    }
  });

  test("leave a name whole where there is room", () => {
    const name = (width: number): number => placeColumns(width, 38, false)[0]!.width;
    expect(name(40)).toBe(19);
    expect(name(300)).toBe(38);
  });
});

describe("a figure", () => {
  test("that nobody knows is ?, and one that there is not is -", () => {
    for (const { key } of COLUMNS) {
      if (["name", "state", "depth", "eta"].includes(key)) continue;
      const all = { ready: null, inFlight: null, scheduled: null, dead: null, oldestMs: null };
      const more = { inPerS: null, outPerS: null, netPerS: null, lag: null, lagMs: null };
      expect(cellOf({ ...all, ...more, workers: null, bytes: null }, key)).toBe("?");
    }
    for (const key of ["oldest", "lag", "behind", "eta"]) expect(cellOf({}, key)).toBe("-");
  });

  test("is short, or whole where it is wide", () => {
    expect(formatCount(99_999, false)).toBe("99999");
    expect(formatCount(100_000, false)).toBe("100k");
    expect(formatCount(999_999, false)).toBe("1.0M");
    expect(formatCount(12_345_678, false)).toBe("12M");
    expect(formatCount(12_345_678, true)).toBe("12345678");
    expect([0, 0.3, 9.96, 1234.5, 250_000].map((one) => formatRate(one, false))).toEqual([
      "0",
      "0.3",
      "10",
      "1235",
      "250k",
    ]);
    expect([3, -0.5, 0, -200].map((one) => formatNet(one, false))).toEqual([
      "+3.0",
      "-0.5",
      "0",
      "-200",
    ]);
  });

  test("of an age grows from look to look", () => {
    expect(cellOf({ oldestMs: 5000 }, "oldest", { nowMs: 4000 })).toBe("8s");
    expect(cellOf({ lagMs: 0 }, "behind", { nowMs: 4000 })).toBe("0s");
  });

  test("never takes more than seven characters", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e15, noNaN: true }), (value) => {
        expect(formatCount(value, false).length).toBeLessThanOrEqual(6);
        expect(formatRate(value, false).length).toBeLessThanOrEqual(6);
        expect(formatNet(-value, false).length).toBeLessThanOrEqual(7);
      }),
    );
  });
});

describe("text", () => {
  test("is cut and filled to a width, whatever it is made of", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(30), (text, width) => {
        expect(stringWidth(cut(text, width))).toBeLessThanOrEqual(width);
        expect(stringWidth(fit(text, width))).toBe(width);
      }),
    );
    expect(cut("archive", 4)).toBe("arc…");
    expect(cut("日本語", 4)).toBe("日…");
    expect(cut("a\x1b[31mb\nc", 20)).toBe("a [31mb c");
  });

  test("of bars is as wide as asked", () => {
    expect(sparkline([0, 1, 2, 4], 6, false)).toBe("  ▁▃▅█");
    expect(sparkline([0, 1, 2, 4], 4, true)).toBe(".-+#");
    expect(sparkline([Number.NaN, 0], 3, false)).toBe("  ▁");
    expect(sparkline([], 3, false)).toBe("   ");
  });
});
