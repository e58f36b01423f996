/**
 * Goal: what was said to be safe survives a power cut, on real file systems.
 * Method: real processes work on a disk whose every write is recorded; the record is cut at many
 * places, each cut is mounted, recovered and compared with what the processes had been told.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

import { afterAll, describe, expect, test } from "vitest";

import type { Entry } from "./block-log.ts";
import { run } from "./campaign.ts";
import { Disk } from "./crash-state.ts";
import { payloadOf, tokenOf } from "./journal.ts";
import type { Known } from "./journal.ts";
import { unknown } from "./known.ts";
import { Judge } from "./judge.ts";
import type { Copy, Observed } from "./observe.ts";
import { FS_NAMES, lacks } from "./rig.ts";

describe("a power cut", () => {
  for (const name of FS_NAMES) {
    const missing = lacks(name);
    const title = missing === undefined ? name : `${name} (skipped: ${missing})`;

    test.skipIf(missing !== undefined)(
      `loses nothing that was promised, on ${title}`,
      async () => {
        const { violations, calls } = await run(name, { seconds: 2, states: 12, seed: 7 });
        expect(calls).toBeGreaterThan(100);
        expect(violations.flatMap(({ wrong }) => unknown(name, wrong))).toEqual([]);
      },
      240_000,
    );
  }

  test.skipIf(lacks("ext4") !== undefined)(
    "is noticed where nothing is synced: so this test can fail",
    async () => {
      // Whoever else syncs anything has ext4 write down what was done before, and nothing is lost by luck.
      const roles = ["produce", "lines", "stream", "produce"];
      const plan = { seconds: 3, states: 30, seed: 7, sync: "none", order: "own", roles } as const;
      const { violations } = await run("ext4", plan);
      expect(violations.flatMap((one) => one.wrong).join("\n")).toMatch(/: lost: /);
    },
    240_000,
  );
});

describe("a state of the disk", () => {
  const directory = mkdtempSync(`${tmpdir()}/spool-power-test-`);
  afterAll(() => rmSync(directory, { recursive: true }));

  const entry = (at: number, text: string): Entry => {
    const data = Buffer.alloc(4096, text);
    return { at, bytes: 4096, data, isFlush: false, isForced: false, isDiscard: false, end: 0 };
  };
  const flush: Entry = { ...entry(0, ""), bytes: 0, data: Buffer.alloc(0), isFlush: true };
  const entries = [entry(0, "a"), flush, entry(4096, "b"), entry(8192, "c"), entry(0, "d")];

  /** The first letter of each block. */
  const stateOf = (prefix: number, seed?: number): string => {
    const [base, file] = [`${directory}/base`, `${directory}/state`];
    writeFileSync(base, Buffer.alloc(12_288, "-"));
    writeFileSync(file, "");
    new Disk(base, entries).write({ prefix, ...(seed !== undefined && { seed }) }, file);
    const image = readFileSync(file, "latin1");
    return image[0]! + image[4096]! + image[8192]!;
  };

  test("has all writes of its prefix", () => {
    expect([1, 2, 3, 4, 5].map((prefix) => stateOf(prefix))).toEqual([
      "a--",
      "a--",
      "ab-",
      "abc",
      "dbc",
    ]);
  });

  test("may lack any of what was not flushed, and nothing else", () => {
    const states = new Set(Array.from({ length: 300 }, (_, seed) => stateOf(5, seed)));
    expect([...states].toSorted()).toEqual(
      ["a--", "a-c", "ab-", "abc", "d--", "d-c", "db-", "dbc"].toSorted(),
    );
  });
});

describe("what is judged", () => {
  const put: Known = {
    what: "send",
    place: "jobs",
    tokens: ["t.s9"],
    beganAt: 10,
    beganMs: 0,
    okAt: 20,
  };
  const publish: Known = { ...put, place: "events", level: "info" };
  const drop: Known = { what: "drop", place: "jobs", tokens: ["t.s9"], beganAt: 30, beganMs: 0 };
  const inQueue = (...queues: readonly string[]): Copy[] =>
    queues.map((queue) => ({ queue, token: "t.s9", isDead: false, replay: undefined }));
  const wrongOf = (calls: readonly Known[], at: number, seen: Partial<Observed>): string[] => {
    const nothing = { places: new Set<string>(), copies: [], damaged: [], wrong: [] };
    const observed = { ...nothing, keys: new Map<string, boolean>(), limits: new Map(), ...seen };
    return new Judge(calls).violations(at, observed);
  };

  test("a message that was put is there once from its return on", () => {
    expect(wrongOf([put], 15, {})).toEqual([]);
    expect(wrongOf([put], 20, {})).toEqual(["jobs: lost: t.s9"]);
    expect(wrongOf([put], 20, { copies: inQueue("side") })).toEqual([]);
    expect(wrongOf([put], 15, { copies: inQueue("jobs", "side") })).toHaveLength(1);
  });

  test("it may be gone once it begins to be dropped", () => {
    expect(wrongOf([put, drop], 30, {})).toHaveLength(1);
    expect(wrongOf([put, drop], 31, {})).toEqual([]);
  });

  test("what is published is in all or in none", () => {
    expect(wrongOf([publish], 15, {})).toEqual([]);
    expect(wrongOf([publish], 20, {})).toHaveLength(1);
    expect(wrongOf([publish], 15, { copies: inQueue("events/all") })).toHaveLength(1);
    expect(wrongOf([publish], 20, { copies: inQueue("events/all", "events/kept") })).toEqual([]);
  });

  test("a key that was promised is known", () => {
    const keyed = { ...put, key: "k" };
    const copies = inQueue("jobs");
    expect(wrongOf([keyed], 20, { copies, keys: new Map([["k", true]]) })).toEqual([]);
    expect(wrongOf([keyed], 20, { copies, keys: new Map([["k", false]]) })).toHaveLength(1);
  });

  test("a setting is what it was set to last, or what it was being set to", () => {
    const set = (value: number, beganAt: number, more: Partial<Known>): Known => ({
      what: "set",
      place: "side",
      value,
      beganAt,
      beganMs: 0,
      ...more,
    });
    const sets = [set(1, 10, { okAt: 20 }), set(2, 30, { okAt: 40 }), set(3, 50, {})];
    const found = (at: number, value: number): string[] =>
      wrongOf(sets, at, { limits: new Map([["side", value]]) });
    expect([found(15, 0), found(15, 1), found(35, 1), found(35, 2), found(55, 3)].flat()).toEqual(
      [],
    );
    expect(found(20, 0)).toHaveLength(1);
    expect(found(45, 1)).toHaveLength(1);
    expect(found(45, 3)).toHaveLength(1);
  });

  test("what was promised is not damaged", () => {
    const damaged = [{ queue: "jobs", batch: "b" }];
    const copies = inQueue("jobs");
    expect(wrongOf([{ ...put, ids: ["b.0"] }], 15, { damaged })).toEqual([]);
    expect(wrongOf([{ ...put, ids: ["b.0"] }], 20, { copies, damaged })).toHaveLength(1);
  });

  test("a payload is told from one with a wrong byte", () => {
    const payload = payloadOf("p.1.s4000");
    expect(payload).toHaveLength(4000);
    expect(tokenOf(payload)).toBe("p.1.s4000");
    payload[3999]! ^= 1;
    expect(tokenOf(payload)).toBeUndefined();
  });
});

describe("what is known of btrfs", () => {
  const queue = "/mnt/spool/queues/jobs";
  const slice = "-1795908346799-01m8j7n8xf000cvf53phpy6pec-0000000-n2-o0-b427-a0";
  const [here, there] = [`${queue}/ready/a/5${slice}`, `${queue}/ready/b/5${slice}`];
  const pair = (one: string, other: string): string =>
    `verify: ${one}: holds messages that are also in ${other}: 0 to 1`;
  const twice = ["jobs: 2 times: t.1.s9", "jobs: 2 times: t.2.s9"];

  test("is a message in two buckets, or waiting and dead, and that it is delivered twice then", () => {
    const tooOften = "jobs: delivered too often: t.1.s9";
    expect(unknown("btrfs", [pair(here, there), ...twice, tooOften])).toEqual([]);
    expect(unknown("btrfs", [pair(here, `${queue}/dead/5${slice}`), ...twice])).toEqual([]);
  });

  test.each([
    ["two messages that were one", twice],
    ["more than verify names", [pair(here, there), ...twice, "jobs: 2 times: t.3.s9"]],
    ["three of one", [pair(here, there), "jobs: 3 times: t.1.s9"]],
    ["one that is in hand", [pair(here, `${queue}/leases/l/5${slice}`)]],
    ["one in two queues", [pair(here, here.replace("jobs", "big"))]],
    ["delivered twice, though it is there once", ["jobs: delivered too often: t.1.s9"]],
    ["a loss", [pair(here, there), "jobs: lost: t.1.s9"]],
    ["half a publish", ["events/kept: not in all: t.1.s9"]],
  ])("is not %s", (_, wrong) => {
    expect(unknown("btrfs", wrong)).not.toEqual([]);
  });

  test("is not known of others", () => {
    expect(unknown("ext4", [pair(here, there), ...twice])).toHaveLength(3);
  });
});
