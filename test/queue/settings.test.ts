import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";

import * as fc from "fast-check";
import { describe, expect } from "vitest";

import { kindOf } from "../../src/disk/kind.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import {
  backoffMs,
  DEFAULT_SETTINGS,
  SUBSCRIPTION_SETTINGS as TABLE,
} from "../../src/queue/settings.ts";
import type { QueueSettings } from "../../src/queue/settings.ts";
import {
  describeSettings,
  loadSettings,
  parseSetting,
  saveSettings,
} from "../../src/queue/settings-file.ts";
import { test } from "../helpers/fixtures.ts";

const disk = { fs: new NodeFileSystem({ blocking: true }), kind: kindOf(0) };
const badValue = expect.objectContaining({ code: "BAD_VALUE" });
const ms = fc.integer({ min: 1000, max: 1e10 });
const count = fc.nat({ max: 999_999_999 });

const anySettings: fc.Arbitrary<QueueSettings> = fc
  .record({
    leaseMs: fc.integer({ min: 1, max: 1e10 }),
    maxAttempts: count,
    backoffBaseMs: fc.nat({ max: 1e9 }),
    backoffCapMs: fc.nat({ max: 1e9 }),
    maxDepth: count,
    maxBytes: count,
    minFreeBytes: count.map((n) => n * 1024),
    overflow: fc.constantFrom("reject" as const, "wait" as const),
    maxMessageBytes: count,
    ttlMs: fc.nat({ max: 1e10 }),
    expired: fc.constantFrom("drop" as const, "dead" as const),
    dedupWindowMs: ms,
    isPaused: fc.boolean(),
    filter: fc.constantFrom("", "level=error,app^=web"),
  })
  .map((chosen) => ({ ...chosen, backoffCapMs: chosen.backoffBaseMs + chosen.backoffCapMs }));

describe("settings", () => {
  test("each reads back as it is shown", () => {
    fc.assert(
      fc.property(anySettings, (settings) => {
        let read = DEFAULT_SETTINGS;
        for (const [name, value] of Object.entries(describeSettings(TABLE, settings))) {
          read = { ...read, ...parseSetting(TABLE, name, String(value)) };
        }
        expect(read).toEqual(settings);
      }),
    );
  });

  test("each has a name for people, and all of them are described", () => {
    const named = Object.keys(TABLE.settings).flatMap((name) =>
      Object.keys(
        parseSetting(TABLE, name, String(describeSettings(TABLE, DEFAULT_SETTINGS)[name])),
      ),
    );
    expect(named.toSorted()).toEqual(Object.keys(DEFAULT_SETTINGS).toSorted());
  });

  test("that are saved are loaded; the file holds what differs from the defaults", async ({
    dir,
  }) => {
    await fc.assert(
      fc.asyncProperty(anySettings, async (settings) => {
        await saveSettings(disk, `${dir}/queue.json`, TABLE, settings, `${dir}/draft`);
        expect(await loadSettings(disk, `${dir}/queue.json`, TABLE)).toEqual(settings);
      }),
      { numRuns: 30 },
    );
    await saveSettings(
      disk,
      `${dir}/queue.json`,
      TABLE,
      { ...DEFAULT_SETTINGS, maxAttempts: 3 },
      `${dir}/d`,
    );
    expect(JSON.parse(readFileSync(`${dir}/queue.json`, "utf8"))).toEqual({ "max-attempts": 3 });
  });

  test.for([
    ["lease", "0"],
    ["lease", "10"],
    ["lease", "-1s"],
    ["max-attempts", "-1"],
    ["max-attempts", "many"],
    ["backoff", "5m..1s"],
    ["backoff", "1s.."],
    ["backoff", ""],
    ["max-bytes", "1x"],
    ["overflow", "explode"],
    ["expired", "DROP"],
    ["dedup-window", "10ms"],
    ["ttl", "soon"],
    ["no-such", "1"],
    ["__proto__", "1"],
    ["toString", "1"],
    ["", ""],
  ] as const)("%s=%s is refused", ([name, value]) => {
    expect(() => parseSetting(TABLE, name, value)).toThrow(badValue);
  });

  test.for([
    "",
    "{",
    "[]",
    "null",
    "1",
    '{"lease":null}',
    '{"lease":{"ms":1}}',
    '{"lease":"10"}',
    '{"leese":"10s"}',
    '{"max-attempts":-1}',
    '{"max-attempts":1.5}',
  ])("a file that says %s is refused, and named", async (text, { dir }) => {
    writeFileSync(`${dir}/queue.json`, text);
    await expect(loadSettings(disk, `${dir}/queue.json`, TABLE)).rejects.toMatchObject({
      code: "BAD_SETTINGS",
      message: expect.stringContaining(`${dir}/queue.json`),
    });
  });

  test("a directory or a symbolic link is refused", async ({ dir }) => {
    mkdirSync(`${dir}/directory`);
    symlinkSync("/etc/passwd", `${dir}/symlink`);
    for (const name of ["directory", "symlink"]) {
      await expect(loadSettings(disk, `${dir}/${name}`, TABLE)).rejects.toMatchObject({
        code: "BAD_SETTINGS",
      });
    }
  });
});

describe("back-off", () => {
  const settings = { ...DEFAULT_SETTINGS, backoffBaseMs: 1000, backoffCapMs: 60_000 };

  test.for([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [6, 32_000],
    [7, 60_000],
    [50, 60_000],
    [9999, 60_000],
  ] as const)(
    "after attempt %i is %i ms at the most, and half of it at least",
    ([attempts, most]) => {
      expect(backoffMs(settings, attempts, () => 0)).toBe(most / 2);
      expect(backoffMs(settings, attempts, () => 1 - 2 ** -53)).toBe(most);
    },
  );

  test("is spread by chance", () => {
    const pauses = new Set(Array.from({ length: 50 }, () => backoffMs(settings, 3, Math.random)));
    expect(pauses.size).toBeGreaterThan(20);
  });

  test("of nothing is nothing", () => {
    expect(backoffMs({ ...settings, backoffBaseMs: 0 }, 5, Math.random)).toBe(0);
  });
});
