/**
 * Goal: what is broken or foreign in a topic's tree is told, set aside, and in nobody's way.
 *
 * Method: things are put there by hand; then the verbs of a user are run. What each part of the engine
 * does with them is in test/topic/hostile.test.ts.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, test as base } from "../helpers/cli.ts";

const SLICE = "5-1767225600000-01kdvdna000003f9x2c7m1q8zt-0000000-n1-o0-b3-a0";
const TAG = "01kdvdna000003f9x2c7m1q8zt";

/** The directory of a topic with two subscriptions. */
const test = base.extend("logs", async ({ cli }) => {
  await cli.ok(["subscribe", "logs/a"]);
  await cli.ok(["subscribe", "logs/b"]);
  return `${cli.spool}/topics/logs`;
});

describe.concurrent("damage", () => {
  test("foreign names: verify says 1 and where, gc sets them aside", async ({ cli, logs }) => {
    const places = ["staging", "committed", "aborted", "log", "subscriptions/a/incoming"];
    for (const place of places) writeFileSync(`${logs}/${place}/foreign`, "keep me");
    await cli.ok(["publish", "logs", "-m", "x"]);
    expect(await cli.ok(["take", "logs/a"])).toBe("x");
    const verified = await cli.run(["verify"]);
    expect(verified.code).toBe(1);
    expect(verified.stderr).toMatch(/; 5 problems\n$/);
    const said = linesOf(verified.stdout).toSorted();
    expect(said).toEqual(
      places.toSorted().map((one) => expect.stringContaining(`${logs}/${one}/foreign: not a`)),
    );
    const swept = await cli.run(["gc"]);
    expect(swept.code).toBe(0);
    expect(linesOf(swept.stderr)).toHaveLength(5);
    for (const line of linesOf(swept.stderr)) expect(line).toMatch(/^spool: .*; set aside as /);
    expect(readdirSync(`${logs}/aside`)).toHaveLength(4);
    expect(linesOf((await cli.run(["verify"])).stdout)).toHaveLength(5);
  });

  test("a broken queue.json: publish 78, and nobody gets it; the others go on", async ({
    cli,
    logs,
  }) => {
    await cli.ok(["publish", "logs", "-m", "before"]);
    writeFileSync(`${logs}/subscriptions/a/queue.json`, '{"filter":"level>high"}');
    const publish = await cli.run(["publish", "logs", "-m", "x"]);
    expectFailure(publish, 78, /logs\/subscriptions\/a\/queue\.json: filter: not a filter/);
    expect(await cli.ok(["take", "logs/b"])).toBe("before");
    expectFailure(await cli.run(["take", "logs/a"]), 78, /queue\.json/);
    expect(await cli.ok(["status"])).toMatch(/^logs\/a +1 /m);
    const verified = await cli.run(["verify"]);
    expect(verified).toMatchObject({ code: 1, stdout: expect.stringContaining("queue.json") });
    expect(await cli.run(["gc"])).toMatchObject({ code: 78 });
    await cli.ok(["unsubscribe", "logs/a", "-f"]);
    await cli.ok(["publish", "logs", "-m", "after"]);
    expect(await cli.ok(["take", "logs/b"])).toBe("after");
  });

  // `spool status` shows it; named by its topic it cannot be shown, because the settings are read.
  test("a broken queue.json does not hide a topic's status", async ({ cli, logs }) => {
    writeFileSync(`${logs}/subscriptions/a/queue.json`, "{");
    expect(await cli.ok(["status", "logs"])).toMatch(/^logs\/b /m);
  });

  test("a symbolic link for a subscription is not followed", async ({ cli, logs }) => {
    const elsewhere = `${cli.dir}/elsewhere`;
    mkdirSync(`${elsewhere}/incoming`, { recursive: true });
    for (const name of ["ready", "dead", "leases"]) mkdirSync(`${elsewhere}/${name}`);
    writeFileSync(`${elsewhere}/queue.json`, "{}");
    symlinkSync(elsewhere, `${logs}/subscriptions/link`);
    await cli.ok(["publish", "logs", "-m", "x"]);
    expect(await cli.ok(["status"])).not.toContain("logs/link");
    expect(await cli.ok(["take", "logs/a"])).toBe("x");
    for (const name of ["incoming", "ready"]) {
      expect(readdirSync(`${elsewhere}/${name}`)).toEqual([]);
    }
  });

  test("a file for a subscription gets nothing, and is kept", async ({ cli, logs }) => {
    writeFileSync(`${logs}/subscriptions/file`, "keep me");
    await cli.ok(["publish", "logs", "-m", "x"]);
    expect(await cli.ok(["take", "logs/a"])).toBe("x");
    expect(readFileSync(`${logs}/subscriptions/file`, "utf8")).toBe("keep me");
  });

  // ENOTDIR of its incoming/ ends both.
  test("a file for a subscription is reported by verify", async ({ cli, logs }) => {
    writeFileSync(`${logs}/subscriptions/file`, "keep me");
    expect(await cli.run(["verify"])).toMatchObject({ code: 1 });
  });

  test("a file for a subscription does not stop gc", async ({ cli, logs }) => {
    writeFileSync(`${logs}/subscriptions/file`, "keep me");
    await cli.ok(["gc", "logs"]);
  });

  test("a keyed batch with bad bytes stops no consumer", async ({ cli, logs }) => {
    await cli.ok(["publish", "logs", "-m", "x"]);
    writeFileSync(`${logs}/staging/${SLICE}.k${TAG}_none`, "xyz");
    expect(await cli.ok(["take", "logs/a"])).toBe("x");
  });

  // It is taken for one that was removed; verify does not look whether incoming/ is there.
  test("without incoming/: it is reported, or mended", async ({ cli, logs }) => {
    rmSync(`${logs}/subscriptions/a/incoming`, { recursive: true });
    await cli.ok(["publish", "logs", "-m", "x"]);
    const isThere = (await cli.run(["take", "logs/a"])).stdout === "x";
    expect(isThere || (await cli.run(["verify"])).code === 1).toBe(true);
  });

  // 64 KiB of a settings file are read, more are written.
  test("a setting that is accepted can be read again", async ({ cli, logs }) => {
    const filter = `k=${"x".repeat(70_000)}`;
    expect((await cli.run(["queue", "set", "logs/a", `filter=${filter}`])).code).toBe(64);
    await cli.ok(["publish", "logs", "-m", "x"]);
    expect(logs).toBeDefined();
  });
});
