/**
 * Goal: publish, subscribe and unsubscribe do from the shell what their help says.
 *
 * Method: real processes; what arrived is read with `consume`, as a user would.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

const ID = /^[0-9a-z]{26}$/;

const consume = async (cli: Cli, name: string): Promise<string[]> =>
  linesOf(await cli.ok(["consume", name, "--until-empty"]));

describe.concurrent("publish", () => {
  test("of -m, stdin, files: an id a message, to every subscription", async ({ cli }) => {
    for (const name of ["logs/a", "logs/b"]) await cli.ok(["subscribe", name]);
    await writeFile(`${cli.dir}/one`, "file one");
    await writeFile(`${cli.dir}/-two`, "file two");
    expect((await cli.ok(["publish", "logs", "-m", "text"])).trim()).toMatch(ID);
    expect((await cli.ok(["publish", "logs"], { input: "stdin" })).trim()).toMatch(ID);
    const files = ["publish", "logs", "--", "one", "-", "-two"];
    const ids = linesOf(await cli.ok(files, { input: "in between" }));
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(3);
    const all = ["text", "stdin", "file one", "in between", "file two"];
    expect(await consume(cli, "logs/a")).toEqual(all);
    expect(await consume(cli, "logs/b")).toEqual(all);
  });

  test("keeps any bytes, and nothing at all", async ({ cli }) => {
    await cli.ok(["subscribe", "logs/a"]);
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => n % 256));
    await cli.ok(["publish", "logs"], { input: bytes });
    await cli.ok(["publish", "logs", "-m", ""]);
    expect((await cli.run(["take", "logs/a"])).out.equals(bytes)).toBe(true);
    expect((await cli.run(["take", "logs/a"])).out).toHaveLength(0);
  });

  test("-l: each line; -0: each NUL; quiet, but -v and --json say how many", async ({ cli }) => {
    await cli.ok(["subscribe", "logs/a"]);
    await writeFile(`${cli.dir}/lines`, "one\ntwo\nthree");
    const lines = await cli.run(["publish", "logs", "-l", "lines"]);
    expect(lines).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const nul = await cli.run(["publish", "logs", "-0", "-v"], { input: "a\nb\0c\0" });
    expect(nul).toMatchObject({ code: 0, stdout: "" });
    expect(nul.stderr).toMatch(/^spool: 2 messages, .* in 1 file\n$/);
    const json = await cli.ok(["publish", "logs", "-l", "--batch", "1", "--json"], {
      input: "x\ny\n",
    });
    expect(JSON.parse(json)).toEqual({ topic: "logs", messages: 2, bytes: 4, batches: 2 });
    const taken = await cli.ok(["consume", "logs/a", "--until-empty", "-0"]);
    expect(taken).toBe("one\0two\0three\0a\nb\0c\0x\0y\0");
  });

  test("-H, -p, --delay, --at, --ttl", async ({ cli }) => {
    await cli.ok(["subscribe", "logs/a"]);
    await cli.ok(["publish", "logs", "-m", "low", "-p", "0", "-H", "A: 1", "-H", "B:two: 2"]);
    await cli.ok(["publish", "logs", "-m", "high", "-p", "9", "--ttl", "1h"]);
    await cli.ok(["publish", "logs", "-m", "gone", "--ttl", "1ms"]);
    await cli.ok(["publish", "logs", "-m", "later", "--delay", "1h"]);
    await cli.ok(["publish", "logs", "-m", "much later", "--at", "2090-01-01T00:00:00Z"]);
    const status = await cli.status("logs/a");
    expect(status).toMatchObject({ queue: "logs/a", ready: 2, scheduled: 2, dead: 0 });
    expect(await cli.lines(["consume", "logs/a", "--until-empty", "--json"])).toMatchObject([
      { body: "high", headers: {} },
      { body: "low", headers: { A: "1", B: "two: 2" } },
    ]);
  });

  test("--dedup: once, and the id again", async ({ cli }) => {
    await cli.ok(["subscribe", "logs/a"]);
    const publish = ["publish", "logs", "-m", "x", "--dedup", "k", "--json"];
    const [first] = await cli.lines(publish);
    const [again] = await cli.lines(publish);
    expect(first).toEqual({ id: first!["id"], topic: "logs", duplicate: false });
    expect(again).toEqual({ ...first, duplicate: true });
    expect(await consume(cli, "logs/a")).toEqual(["x"]);
  });

  test("to nobody is no error; with --require-subscriber it is 69", async ({ cli }) => {
    await cli.ok(["publish", "logs", "-m", "x"]);
    const needed = ["publish", "logs", "--require-subscriber"];
    expectFailure(await cli.run([...needed, "-m", "x"]), 69, /nobody has subscribed.*\[NO_SUBS/);
    await cli.ok(["subscribe", "logs/errors", "--filter", "level=error"]);
    expectFailure(await cli.run([...needed, "-m", "x"]), 69, /it was not published/);
    await cli.ok([...needed, "-m", "y", "-H", "level: error"]);
    const lines = await cli.run([...needed, "-l"], { input: "a\nb\n" });
    expect(lines).toMatchObject({ code: 69, stdout: "" });
    expect(lines.stderr).toMatch(/^spool: 0 messages are safe in logs; the rest may not be$/m);
    expect(await consume(cli, "logs/errors")).toEqual(["y"]);
  });

  test("where a subscription is full: 73, nobody has it; --wait waits", async ({ cli }) => {
    await cli.ok(["subscribe", "logs/small", "max-depth=1"]);
    await cli.ok(["subscribe", "logs/large"]);
    await cli.ok(["publish", "logs", "-m", "first"]);
    const publish = ["publish", "logs", "-m", "second"];
    expectFailure(await cli.run(publish), 73, /logs\/small is full \(max-depth=1\).*\[QUEUE_FULL/);
    expectFailure(await cli.run([...publish, "--wait", "200ms"]), 73, /is full/);
    await cli.expectStatus({ ready: 1 }, "logs/large");
    const waiting = cli.start([...publish, "--wait", "0"]);
    expect(await cli.ok(["take", "logs/small"])).toBe("first");
    expect(await waiting.ended).toMatchObject({ code: 0 });
    expect(await consume(cli, "logs/large")).toEqual(["first", "second"]);
    expect(await consume(cli, "logs/small")).toEqual(["second"]);
  });

  test("a pattern hears every topic that it matches; topics need not be there", async ({ cli }) => {
    await cli.ok(["subscribe", "logs.*.error/alerts"]);
    await cli.ok(["subscribe", "logs.>/all"]);
    await cli.ok(["subscribe", "#.error/any", "--filter", "app=web"]);
    await cli.ok(["publish", "logs.web.error", "-m", "1", "-H", "app: web"]);
    await cli.ok(["publish", "logs.db.error", "-m", "2", "-H", "app: db"]);
    await cli.ok(["publish", "logs.web", "-m", "3"]);
    await cli.ok(["publish", "logs", "-m", "4"]);
    expect(await consume(cli, "logs.*.error/alerts")).toEqual(["1", "2"]);
    expect(await consume(cli, "logs.>/all")).toEqual(["1", "2", "3"]);
    expect(await consume(cli, "#.error/any")).toEqual(["1"]);
    expect(await cli.ok(["topic", "ls"])).toBe(
      "logs\nlogs.db.error\nlogs.web\nlogs.web.error\n#.error\nlogs.*.#\nlogs.*.error\n",
    );
  });
});

describe.concurrent("subscribe", () => {
  test("is quiet; again, nothing changes; another wish is refused", async ({ cli }) => {
    const subscribe = ["subscribe", "logs/a"];
    expect(await cli.run([...subscribe, "max-attempts=3", "lease=1m"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "",
    });
    await cli.ok(["publish", "logs", "-m", "x"]);
    expect(await cli.run(subscribe)).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expectFailure(await cli.run([...subscribe, "lease=9s"]), 64, /logs\/a is there already/);
    const filter = await cli.run([...subscribe, "--filter", "k=v"]);
    expectFailure(filter, 64, /spool queue set logs\/a filter='k=v'/);
    expectFailure(await cli.run([...subscribe, "--from", "-1h"]), 64, /replay logs\/a --since -1h/);
    const [shown] = await cli.lines(["queue", "show", "logs/a", "--json"]);
    expect(shown).toMatchObject({ queue: "logs/a", "max-attempts": 3, lease: "1m", filter: "" });
    expect(await consume(cli, "logs/a")).toEqual(["x"]);
  });

  test("--json says whether it is new, and how many it begins with", async ({ cli }) => {
    await cli.ok(["topic", "create", "logs", "retention=1d"]);
    await cli.ok(["publish", "logs", "-l"], { input: "a\nb\n" });
    const first = ["subscribe", "logs/a", "--from", "start", "--json"];
    expect(await cli.lines(first)).toEqual([
      { subscription: "logs/a", created: true, messages: 2 },
    ]);
    expect(await cli.lines(["subscribe", "logs/a", "--json"])).toEqual([
      { subscription: "logs/a", created: false, messages: 0 },
    ]);
    expect(await cli.lines(["subscribe", "logs.>/p", "--json"])).toEqual([
      { subscription: "logs.*.#/p", created: true, messages: 0 },
    ]);
  });

  test("--from now, start, a time, an age", async ({ cli }) => {
    await cli.ok(["topic", "create", "logs", "retention=forever"]);
    await cli.ok(["publish", "logs", "-m", "old"]);
    const between = new Date().toISOString();
    await cli.ok(["publish", "logs", "-m", "young"]);
    for (const [name, from] of [
      ["now", "now"],
      ["start", "start"],
      ["time", between],
      ["age", "-1h"],
      ["future", "2090-01-01T00:00:00Z"],
    ] as const) {
      const { code, stdout, stderr } = await cli.run(["subscribe", `logs/${name}`, "--from", from]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
      if (from === "now") expect(stderr).toBe("");
      else expect(stderr).toMatch(/^spool: logs\/\w+ begins with [012] messages? of the log\n$/);
    }
    await cli.ok(["publish", "logs", "-m", "new"]);
    expect(await consume(cli, "logs/now")).toEqual(["new"]);
    expect(await consume(cli, "logs/start")).toEqual(["old", "young", "new"]);
    expect(await consume(cli, "logs/time")).toEqual(["young", "new"]);
    expect(await consume(cli, "logs/age")).toEqual(["old", "young", "new"]);
    expect(await consume(cli, "logs/future")).toEqual(["new"]);
  });

  test("--from start where no log is kept says why it begins with nothing", async ({ cli }) => {
    await cli.ok(["publish", "logs", "-m", "x"]);
    const { code, stderr } = await cli.run(["subscribe", "logs/a", "--from", "start"]);
    expect(code).toBe(0);
    expect(stderr).toContain("keeps no log; see: spool topic set logs retention=7d");
  });

  test("--filter and filter= choose by headers; queue set changes and clears it", async ({
    cli,
  }) => {
    await cli.ok(["subscribe", "logs/a", "--filter", 'level=error|fatal,app^="web,"']);
    await cli.ok(["subscribe", "logs/b", "filter=!level", "max-attempts=2"]);
    const publish = (text: string, ...headers: string[]): Promise<string> =>
      cli.ok(["publish", "logs", "-m", text, ...headers.flatMap((header) => ["-H", header])]);
    await publish("1", "level: fatal", "app: web,1");
    await publish("2", "level: fatal", "app: web1");
    await publish("3");
    expect(await consume(cli, "logs/a")).toEqual(["1"]);
    expect(await consume(cli, "logs/b")).toEqual(["3"]);
    await cli.ok(["queue", "set", "logs/a", "filter=size>=10"]);
    await publish("4", "size: 9");
    await publish("5", "size: 10");
    await cli.ok(["queue", "set", "logs/a", "filter="]);
    await publish("6");
    expect(await consume(cli, "logs/a")).toEqual(["5", "6"]);
    expect(await cli.ok(["queue", "show", "logs/b"])).toMatch(/^filter +!level$/m);
  });
});

describe.concurrent("unsubscribe", () => {
  test("asks where something waits; -f does not; what is empty just goes", async ({ cli }) => {
    for (const name of ["logs/full", "logs/held", "logs/dead", "logs/later", "logs/keeps"]) {
      await cli.ok(["subscribe", name, "max-attempts=1"]);
    }
    await cli.ok(["publish", "logs", "-m", "x"]);
    await cli.ok(["subscribe", "logs/empty"]);
    await cli.ok(["take", "logs/held", "--lease", "1h"]);
    await cli.run(["work", "logs/dead", "--once", "--", "false"]);
    await cli.ok(["take", "logs/later"]);
    await cli.ok(["put", "logs/later", "-m", "y", "--delay", "1h"]);
    for (const name of ["logs/full", "logs/held", "logs/dead", "logs/later"]) {
      const asked = await cli.run(["unsubscribe", name]);
      expectFailure(asked, 64, new RegExp(`${name} and 1 message in it: not without -f`));
    }
    for (const name of ["logs/full", "logs/held", "logs/dead", "logs/later"]) {
      const done = await cli.run(["unsubscribe", name, "-f"]);
      expect(done).toMatchObject({ code: 0, stdout: "", stderr: "" });
    }
    await cli.ok(["unsubscribe", "logs/empty"]);
    expect(await consume(cli, "logs/keeps")).toEqual(["x"]);
    expectFailure(await cli.run(["unsubscribe", "logs/empty"]), 66, /no such subscription: logs/);
    expect(existsSync(`${cli.spool}/topics/logs/subscriptions/full`)).toBe(false);
  });

  test("of a pattern's last one takes the pattern away", async ({ cli }) => {
    await cli.ok(["subscribe", "logs.>/a"]);
    await cli.ok(["unsubscribe", "logs.*.#/a"]);
    expect(await cli.ok(["topic", "ls"])).toBe("");
  });

  test("a receipt of it is lost, not a crash", async ({ cli }) => {
    await cli.ok(["subscribe", "logs/a"]);
    await cli.ok(["publish", "logs", "-m", "x"]);
    const [held] = await cli.lines(["take", "logs/a", "--lease", "1h"]);
    await cli.ok(["unsubscribe", "logs/a", "-f"]);
    const ack = await cli.run(["ack", String(held!["receipt"])]);
    expect([65, 66]).toContain(ack.code);
    expectFailure(ack, ack.code!, /\[(LEASE_LOST|NO_QUEUE)\]/);
  });
});
