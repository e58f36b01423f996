/**
 * Goal: what does not belong in a topic's tree is never followed or delivered, and in nobody's way.
 *
 * Method: things are put there by hand, on a real disk; then all that others do must go on.
 */
import * as fs from "node:fs";

import { describe, expect } from "vitest";

import type { Spool } from "../../src/spool.ts";
import type { Topic } from "../../src/topic/topic.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { test as base } from "../helpers/fixtures.ts";
import { bodiesIn, drain } from "./fixture.ts";

const SLICE = "5-1767225600000-01kdvdna000003f9x2c7m1q8zt-0000000-n1-o0-b3-a0";
const TAG = "01kdvdna000003f9x2c7m1q8zt";

const test = base
  .extend("logs", async ({ spool }) => {
    const logs = await spool.topic("logs");
    await logs.subscribe("good");
    return logs;
  })
  .extend("root", ({ dir }) => `${dir}/topics/logs`);

/** Everything that must go on: publish, take, sweep, verify, replay, subscribe. */
async function goesOn(spool: Spool, logs: Topic, warnings: string[] = []): Promise<void> {
  logs.warn = (line) => void warnings.push(line);
  await logs.publish("x");
  expect(await drain(logs.subscription("good"))).toEqual(["x"]);
  await logs.recover();
  await logs.replay("good");
  await logs.subscribe("late", { from: "start" });
  await logs.unsubscribe("late");
  for (const name of await spool.subscriptionNames()) await statsOf(spool.queue(name));
}

const problems = async (topic: Topic): Promise<string[]> =>
  (await topic.verify()).findings.map(({ path, problem }) => `${path}: ${problem}`);

describe("a foreign name", () => {
  test.for(["staging", "committed", "aborted", "log"])(
    "in %s/ is passed over, reported, and set aside",
    async (place, { spool, logs, root }) => {
      fs.writeFileSync(`${root}/${place}/foreign`, "keep me");
      await goesOn(spool, logs);
      expect(await problems(logs)).toEqual([expect.stringContaining(`${place}/foreign: not a`)]);
      const warnings: string[] = [];
      logs.warn = (line) => void warnings.push(line);
      await logs.sweep();
      expect(warnings).toEqual([expect.stringMatching(/foreign: .*; set aside as .*\/aside\//)]);
      expect(fs.readdirSync(`${root}/${place}`)).toEqual([]);
      const [aside] = fs.readdirSync(`${root}/aside`);
      expect(fs.readFileSync(`${root}/aside/${aside}`, "utf8")).toBe("keep me");
      await goesOn(spool, logs);
      expect(await problems(logs)).toEqual([expect.stringContaining("was set aside")]);
    },
  );

  test("in a bucket of the log, and in incoming/", async ({ spool, logs, root }) => {
    await logs.changeSettings({ retentionMs: 60_000 });
    await logs.publish("kept");
    await drain(logs.subscription("good"));
    const [bucket] = fs.readdirSync(`${root}/log`);
    fs.writeFileSync(`${root}/log/${bucket}/foreign`, "");
    fs.writeFileSync(`${root}/subscriptions/good/incoming/foreign`, "");
    expect((await problems(logs)).toSorted()).toEqual([
      expect.stringContaining(`log/${bucket}/foreign: not a name of ours`),
      expect.stringContaining("good/incoming/foreign: not a name of ours"),
    ]);
    await logs.sweep();
    expect(fs.readdirSync(`${root}/aside`)).toHaveLength(1);
    expect(fs.readdirSync(`${root}/subscriptions/good/aside`)).toHaveLength(1);
    await logs.replay("good");
    expect(await bodiesIn(spool.queue("logs/good"))).toEqual(["kept"]);
  });

  test("of a link that no fan-out stands for is never delivered", async ({ logs, root }) => {
    fs.writeFileSync(`${root}/subscriptions/good/incoming/${SLICE}.${TAG}`, "xyz");
    await logs.publish("x");
    await logs.recover();
    expect(await drain(logs.subscription("good"))).toEqual(["x"]);
    expect(await problems(logs)).toEqual([expect.stringContaining("a link of no fan-out")]);
    // Its tag is from long ago.
    expect((await logs.sweep()).strays).toBe(1);
    expect(fs.readdirSync(`${root}/subscriptions/good/incoming`)).toEqual([]);
  });

  test.for(["a b", ".hidden", "-x", "ä"])(
    "of a directory in subscriptions/, %j, gets nothing",
    async (name, { spool, logs, root }) => {
      fs.mkdirSync(`${root}/subscriptions/${name}/incoming`, { recursive: true });
      fs.writeFileSync(`${root}/subscriptions/${name}/queue.json`, "{}");
      await goesOn(spool, logs);
      expect(await logs.subscriptions()).toEqual(["logs/good"]);
      expect(await spool.subscriptionNames()).toEqual(["logs/good"]);
      expect(fs.readdirSync(`${root}/subscriptions/${name}/incoming`)).toEqual([]);
      await logs.sweep();
      expect(fs.readdirSync(`${root}/subscriptions`)).toEqual(["good"]);
      expect(fs.readdirSync(`${root}/aside`)).toEqual([expect.stringMatching(/^.*\.[0-9a-z]+$/)]);
    },
  );

  // Neither Topic.verify nor Topic.sweep lists subscriptions/ for what is none.
  test("in subscriptions/ is reported", async ({ logs, root }) => {
    fs.mkdirSync(`${root}/subscriptions/a b`);
    expect(await problems(logs)).toEqual([expect.stringContaining("subscriptions/a b")]);
  });
});

describe("a file in subscriptions/", () => {
  test("gets nothing, and publish, take and replay go on", async ({ spool, logs, root }) => {
    fs.writeFileSync(`${root}/subscriptions/file`, "keep me");
    await goesOn(spool, logs);
    expect(await logs.subscriptions()).toEqual(["logs/good"]);
    expect(fs.readFileSync(`${root}/subscriptions/file`, "utf8")).toBe("keep me");
  });

  // listIfThere(incoming) and listIfThere(root) throw ENOTDIR.
  test("is reported by verify", async ({ logs, root }) => {
    fs.writeFileSync(`${root}/subscriptions/file`, "keep me");
    expect(await problems(logs)).toEqual([expect.stringContaining("subscriptions/file")]);
  });

  test("does not stop gc", async ({ logs, root }) => {
    fs.writeFileSync(`${root}/subscriptions/file`, "keep me");
    await logs.sweep();
  });

  // Undoer.linksOf throws ENOTDIR: nobody can finish or undo anything of this topic any more.
  test("does not stop what finishes a dead publisher's fan-out", async ({ logs, root }) => {
    fs.writeFileSync(`${root}/subscriptions/file`, "keep me");
    fs.writeFileSync(`${root}/committed/${SLICE}.p${TAG}_none`, "");
    await logs.recover();
  });
});

describe("a symbolic link", () => {
  test("in subscriptions/ is not followed by a publish", async ({ dir, spool, logs, root }) => {
    const elsewhere = `${dir}/elsewhere`;
    fs.mkdirSync(elsewhere);
    for (const name of fs.readdirSync(`${root}/subscriptions/good`)) {
      if (name !== "queue.json") fs.mkdirSync(`${elsewhere}/${name}`);
    }
    fs.writeFileSync(`${elsewhere}/queue.json`, "{}");
    fs.symlinkSync(elsewhere, `${root}/subscriptions/link`);
    await goesOn(spool, logs);
    expect(await logs.subscriptions()).toEqual(["logs/good"]);
    expect(await spool.subscriptionNames()).toEqual(["logs/good"]);
    expect(fs.readdirSync(`${elsewhere}/incoming`)).toEqual([]);
    expect(fs.readdirSync(`${elsewhere}/ready`)).toEqual([]);
  });

  test("in subscriptions/ does not stop gc", async ({ dir, logs, root }) => {
    fs.mkdirSync(`${dir}/elsewhere`);
    fs.symlinkSync(`${dir}/elsewhere`, `${root}/subscriptions/link`);
    await logs.sweep();
  });

  // Audience.#topics lists topics/ and takes what has a pattern's name, whatever it is.
  test("with a pattern's name in topics/ is not followed", async ({ dir, spool, logs }) => {
    const pattern = await spool.topic("#");
    await pattern.subscribe("p");
    const elsewhere = `${dir}/elsewhere`;
    await spool.disk.fs.rename(`${dir}/topics/#`, elsewhere);
    fs.symlinkSync(elsewhere, `${dir}/topics/#`);
    await logs.publish("x");
    expect(fs.readdirSync(`${elsewhere}/subscriptions/p/ready`)).toEqual([]);
  });

  test("for one topic's subscriptions/ does not hide all others", async ({
    dir,
    spool,
    logs,
    root,
  }) => {
    await logs.create();
    await (await spool.topic("other")).subscribe("x");
    await spool.disk.fs.rename(`${root}/subscriptions`, `${dir}/elsewhere`);
    fs.symlinkSync(`${dir}/elsewhere`, `${root}/subscriptions`);
    expect(await spool.subscriptionNames()).toContain("other/x");
  });

  test.for(["staging", "committed", "aborted"])(
    "with a ticket's name in %s/ is not followed",
    async (place, { dir, spool, logs, root }) => {
      fs.writeFileSync(`${dir}/secret`, "secret");
      fs.symlinkSync(`${dir}/secret`, `${root}/${place}/${SLICE}.p${TAG}_none`);
      await goesOn(spool, logs);
      await logs.sweep();
      expect(await bodiesIn(logs.subscription("good"))).not.toContain("secret");
      expect(fs.readFileSync(`${dir}/secret`, "utf8")).toBe("secret");
      expect(fs.readdirSync(`${root}/${place}`)).toEqual([]);
    },
  );

  test("in the log is not followed by a replay", async ({ dir, logs, root }) => {
    await logs.changeSettings({ retentionMs: Number.POSITIVE_INFINITY });
    fs.writeFileSync(`${dir}/secret`, "secret");
    fs.mkdirSync(`${root}/log/${TAG}`);
    fs.symlinkSync(`${dir}/secret`, `${root}/log/${TAG}/${SLICE}`);
    expect(await problems(logs)).toEqual([expect.stringContaining("a symbolic link")]);
    await logs.replay("good");
    expect(await drain(logs.subscription("good"))).toEqual([]);
    expect(fs.readFileSync(`${dir}/secret`, "utf8")).toBe("secret");
  });
});

describe("a directory with a ticket's name", () => {
  // unlink(2) of it fails: it ends the run, before what is to be finished behind it.
  test("in aborted/ or committed/ does not stop gc", async ({ logs, root }) => {
    for (const place of ["aborted", "committed"]) {
      fs.mkdirSync(`${root}/${place}/${SLICE}.p${TAG}_none`);
    }
    await logs.sweep();
  });
});

describe("bad bytes", () => {
  test("in the log: a replay with a filter passes them over and says so", async ({
    logs,
    root,
  }) => {
    await logs.changeSettings({ retentionMs: Number.POSITIVE_INFINITY });
    await logs.publish("fine", { headers: { k: "v" } });
    await drain(logs.subscription("good"));
    await logs.subscription("good").changeSettings({ filter: "k" });
    fs.mkdirSync(`${root}/log/${TAG}`);
    fs.writeFileSync(`${root}/log/${TAG}/${SLICE}`, "xyz");
    const warnings: string[] = [];
    logs.warn = (line) => void warnings.push(line);
    expect(await logs.replay("good")).toBe(1);
    expect(warnings).toEqual([expect.stringMatching(/damaged: .*passed over/)]);
    expect(await drain(logs.subscription("good"))).toEqual(["fine"]);
    expect(await problems(logs)).toEqual([expect.stringContaining("no batch header")]);
  });

  // #takeOver throws DamagedError, which is shown as a bug of ours (exit 70).
  test("in a keyed batch that nobody finished stop nobody", async ({ logs, root }) => {
    fs.writeFileSync(`${root}/staging/${SLICE}.k${TAG}_none`, "xyz");
    await logs.recover();
    await logs.sweep();
  });

  test("in a subscription's queue.json: nobody gets what not all can get; then all do", async ({
    spool,
    logs,
    root,
  }) => {
    const file = `${root}/subscriptions/good/queue.json`;
    await logs.subscribe("other");
    fs.writeFileSync(file, "{");
    await expect(logs.publish("x")).rejects.toMatchObject({ code: "BAD_SETTINGS", exitCode: 78 });
    expect(await drain(spool.queue("logs/other"))).toEqual([]);
    for (const place of ["tmp", "staging", "committed"]) {
      expect(fs.readdirSync(`${root}/${place}`)).toEqual([]);
    }
    expect(await logs.recover()).toBe(0);
    await logs.sweep();
    expect((await spool.queue("logs/good").verify()).findings).toEqual([
      expect.objectContaining({ path: file }),
    ]);
    fs.writeFileSync(file, "{}");
    await logs.publish("y");
    expect(await bodiesIn(spool.queue("logs/good"))).toEqual(["y"]);
    expect(await bodiesIn(spool.queue("logs/other"))).toEqual(["y"]);
  });

  test("in topic.json: said, with its path; verify goes on", async ({ dir, root, logs }) => {
    fs.writeFileSync(`${root}/topic.json`, '{"retention":"soon"}');
    const { openSpool } = await import("../../src/spool.ts");
    const fresh = await (await openSpool({ dir, tellsFlow: false })).topic("logs");
    await expect(fresh.publish("x")).rejects.toMatchObject({
      code: "BAD_SETTINGS",
      message: expect.stringContaining("topic.json: retention: not a duration") as string,
    });
    expect(await problems(fresh)).toEqual([expect.stringContaining("not a duration")]);
    expect(await drain(logs.subscription("good"))).toEqual([]);
  });
});

describe("what is missing", () => {
  test("subscriptions/, staging/ and the rest are reported", async ({ logs, root }) => {
    for (const name of ["staging", "committed", "aborted", "log", "dedup"])
      fs.rmSync(`${root}/${name}`, { recursive: true });
    const found = await problems(logs);
    for (const name of ["staging", "committed", "aborted", "log", "dedup"]) {
      expect(found).toContain(`${root}/${name}: is missing`);
    }
  });

  // A link that finds no directory is taken for a subscription that was removed.
  test("incoming/: the subscription still gets everything", async ({ logs, root }) => {
    fs.rmSync(`${root}/subscriptions/good/incoming`, { recursive: true });
    await logs.publish("x").catch(() => "or the publish fails");
    await logs.publish("y").catch(() => "or the publish fails");
    const bodies = await bodiesIn(logs.subscription("good"));
    const isSaid = (await problems(logs)).some((one) => one.includes("incoming"));
    expect(fs.existsSync(`${root}/subscriptions/good/incoming`) || isSaid).toBe(true);
    expect(bodies).toEqual(["x", "y"]);
  });
});
