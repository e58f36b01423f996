/**
 * Goal: a repair of a topic finishes what was promised, undoes what was not, and keeps the log.
 *
 * Method: damages are made by hand on a real disk, two hours ago. Each kind by itself, as a user meets it,
 * is in test/cli/verify.test.ts; here are those that depend on more than one file.
 */
import * as fs from "node:fs";
import { basename } from "node:path";

import { describe, expect } from "vitest";

import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import type { Topic } from "../../src/topic/topic.ts";
import { test as base } from "../helpers/fixtures.ts";
import { openSpool, openToRepair } from "../../src/spool.ts";
import { verifySpool } from "../../src/topic/verify-spool.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { CrashingFileSystem } from "../helpers/crashing-file-system.ts";
import type { Spool } from "../../src/spool.ts";
import { DEAD_PROCESS, pathsIn, slicesIn } from "../hostile/tree.ts";
import { drain } from "./fixture.ts";

const ID = "01kdvdna000003f9x2c7m1q8zt";

/** A topic that keeps a log, with two subscriptions. */
const test = base
  .extend("logs", async ({ spool }) => {
    const logs = await spool.topic("logs");
    await logs.create({ ...DEFAULT_TOPIC_SETTINGS, retentionMs: Number.POSITIVE_INFINITY });
    await logs.subscribe("a");
    await logs.subscribe("b");
    return logs;
  })
  .extend("root", ({ dir }) => `${dir}/topics/logs`);

async function repair(logs: Topic): Promise<string[]> {
  const { root } = logs.room.layout;
  const then = Date.now() / 1000 - 7200;
  for (const path of pathsIn(root)) fs.lutimesSync(path, then, then);
  const { findings } = await logs.verify({ repair: true });
  return findings.map(({ problem, repair: done = "left" }) => `${problem}; ${done}`);
}

const problems = async (logs: Topic): Promise<string[]> =>
  (await logs.verify()).findings.map(({ problem }) => problem);

/** Takes one back to where it was before it was visible in `a`: committed, its publisher dead. */
function unfinish(root: string, directory: string): void {
  const [path = ""] = slicesIn(`${root}/subscriptions/a/ready`);
  const name = basename(path);
  fs.renameSync(path, `${root}/subscriptions/a/incoming/${name}.${ID}`);
  const [logged = ""] = slicesIn(`${root}/log`);
  fs.renameSync(logged, `${root}/${directory}/${name}.p${ID}_${DEAD_PROCESS}`);
}

describe("a fan-out of a dead publisher", () => {
  test("that was committed is finished", async ({ logs, root }) => {
    await logs.publish("x");
    unfinish(root, "committed");
    expect(await repair(logs)).toEqual([expect.stringMatching(/^was committed.*; finished/)]);
    expect(await drain(logs.subscription("a"))).toEqual(["x"]);
    expect(slicesIn(`${root}/log`)).toHaveLength(1);
    expect(await problems(logs)).toEqual([]);
  });

  for (const directory of ["staging", "aborted"]) {
    test(`that is in ${directory}/ is undone`, async ({ logs, root }) => {
      await logs.publish("x");
      unfinish(root, directory);
      expect(await repair(logs)).toEqual([expect.stringMatching(/; finished, or undone/)]);
      expect(await drain(logs.subscription("a"))).toEqual([]);
      expect(await drain(logs.subscription("b"))).toEqual(["x"]);
      expect(await problems(logs)).toEqual([]);
    });
  }

  test("whose ticket is lost: the last name of the batch is kept", async ({ dir, logs, root }) => {
    await logs.publish("x");
    await drain(logs.subscription("b"));
    unfinish(root, "committed");
    fs.rmSync(`${root}/committed`, { recursive: true });
    expect(await repair(logs)).toEqual([
      "is missing; made anew",
      expect.stringMatching(/^a link of no fan-out; set aside as /),
    ]);
    const [kept = ""] = pathsIn(`${root}/subscriptions/a/aside`);
    expect(fs.readFileSync(kept, "latin1")).toMatch(/\nx$/);
    expect(dir).toBeDefined();
  });
});

describe("the log", () => {
  test("has each batch once, in the right bucket", async ({ logs, root }) => {
    for (const body of ["one", "two"]) await logs.publish(body);
    const [first = "", second = ""] = slicesIn(`${root}/log`);
    const late = `${root}/log/7zzzzzzzzz0000000000000000`;
    fs.mkdirSync(late);
    fs.renameSync(first, `${late}/${basename(first)}`);
    fs.linkSync(second, `${late}/${basename(second)}`);
    expect(await repair(logs)).toEqual([
      expect.stringMatching(/^is in the log already, as .*; set aside as /),
      expect.stringMatching(/^is older than its bucket, .*; moved to /),
    ]);
    await logs.subscribe("late", { from: "start" });
    expect(await drain(logs.subscription("late"))).toEqual(["one", "two"]);
  });

  test("is not let go where topic.json was lost", async ({ logs, root }) => {
    await logs.publish("x");
    fs.rmSync(`${root}/topic.json`);
    await repair(logs);
    await logs.sweep();
    expect((await logs.settings()).retentionMs).toBe(Number.POSITIVE_INFINITY);
    expect(slicesIn(`${root}/log`)).toHaveLength(1);
  });
});

/** The same spool for a verify that stands still once, before this directory is listed, while `act` is done. */
async function meeting(dir: string, path: string, act: () => Promise<unknown>): Promise<Spool> {
  const below = new CrashingFileSystem(new NodeFileSystem());
  const spool = await openSpool({ dir, parts: { fs: below } });
  let isArmed = true;
  below.arm((_, name, it) => {
    if (!isArmed || name !== "list" || it !== path) return undefined;
    isArmed = false;
    return (async () => void (await act()))();
  });
  return spool;
}

describe("beside the living", () => {
  test("a queue that came in an old empty directory stays", async ({ dir, spool }) => {
    const path = `${dir}/queues/later`;
    fs.mkdirSync(path, { recursive: true });
    fs.utimesSync(path, 1000, 1000);
    const late = await meeting(dir, `${dir}/topics`, () => spool.queue("later").put("promised"));
    const { findings } = await verifySpool(late, { repair: true });
    expect(findings).toEqual([]);
    expect(await drain(spool.queue("later"))).toEqual(["promised"]);
  });

  test("a subscription that came in place of an empty directory stays", async ({
    dir,
    logs,
    root,
  }) => {
    fs.mkdirSync(`${root}/subscriptions/x`);
    const late = await meeting(dir, `${root}/filling`, async () => {
      fs.rmdirSync(`${root}/subscriptions/x`);
      await logs.subscribe("x");
      await logs.publish("promised");
    });
    const { findings } = await (await late.topic("logs")).verify({ repair: true });
    expect(findings).toEqual([]);
    expect(await drain(logs.subscription("x"))).toEqual(["promised"]);
  });

  test("one of two in the log stays where the other one has gone", async ({ dir, logs, root }) => {
    await logs.publish("x");
    const [first = ""] = slicesIn(`${root}/log`);
    const other = `${root}/log/0`.padEnd(`${root}/log/`.length + 26, "0");
    fs.mkdirSync(other);
    fs.linkSync(first, `${other}/${basename(first)}`);
    const late = await meeting(dir, `${root}/aside`, () =>
      Promise.resolve(fs.rmSync(other, { recursive: true })),
    );
    expect((await (await late.topic("logs")).verify({ repair: true })).findings).toEqual([]);
    expect(slicesIn(`${root}/log`)).toEqual([first]);
  });

  test("an aside/ that is a link is not followed, for spool.json neither", async ({
    dir,
    logs,
  }) => {
    expect(logs).toBeDefined();
    fs.writeFileSync(`${dir}/spool.json`, "garbage");
    fs.mkdirSync(`${dir}/outside`);
    fs.symlinkSync(`${dir}/outside`, `${dir}/aside`);
    const moved = new Set<string>();
    const { finding } = await openToRepair(dir, moved);
    expect(finding).toMatchObject({ repair: expect.stringMatching(/^set aside as /) as string });
    expect(fs.readdirSync(`${dir}/outside`)).toEqual([]);
    expect(fs.lstatSync(`${dir}/aside`).isDirectory()).toBe(true);
  });
});
