/** Goal: topics, their log, replay and lag from the shell, for people and for programs. */
import { describe, expect } from "vitest";

import { expectFailure, linesOf, test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

const NUMBER = expect.any(Number) as number;

const take = async (cli: Cli, name: string): Promise<string[]> =>
  linesOf(await cli.ok(["consume", name, "--until-empty"]));

describe.concurrent("topic", () => {
  test("create, set, show, ls, rm", async ({ cli }) => {
    const create = ["topic", "create", "logs", "retention=7d", "retention-bytes=10G"];
    expect(await cli.run(create)).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expectFailure(await cli.run(create), 64, /topic logs is there already/);
    await cli.ok(["topic", "create", "logs"]);
    await cli.ok(["topic", "set", "logs", "retention=forever", "ttl=1h"]);
    await cli.ok(["subscribe", "logs/a"]);
    await cli.ok(["subscribe", "logs.#/p"]);
    await cli.ok(["topic", "create", "other"]);
    await cli.ok(["publish", "logs", "-l"], { input: "a\nbc\n" });
    expect(await cli.lines(["topic", "show", "logs", "--json"])).toEqual([
      {
        topic: "logs",
        retention: "forever",
        "retention-bytes": "10G",
        "max-message": "0",
        "min-free": "0",
        ttl: "1h",
        "dedup-window": "5m",
        log: { batches: 1, messages: 2, bytes: 5, oldest_ms: NUMBER },
        subscriptions: ["logs.#/p", "logs/a"],
      },
    ]);
    expect(await cli.lines(["topic", "show", "other", "--json"])).toMatchObject([
      { log: { batches: 0, messages: 0, bytes: 0, oldest_ms: null }, subscriptions: [] },
    ]);
    const human = await cli.ok(["topic", "show", "logs"]);
    expect(human).toMatch(/^SETTING +VALUE\nretention +forever\n/);
    expect(human).toMatch(/^log +2 messages, 5, the oldest \d+s ago$/m);
    expect(human).toMatch(/^subscription +logs\.#\/p\nsubscription +logs\/a\n$/m);
    const plain = linesOf(await cli.ok(["topic", "show", "logs", "-o", "plain"]));
    expect(plain).toEqual(
      expect.arrayContaining(["retention\tforever", "log\t2 5", "subscription\tlogs/a"]),
    );
    expect(await cli.ok(["topic", "ls"])).toBe("logs\nother\nlogs.#\n");
    expect(await cli.lines(["topic", "ls", "--json"])).toEqual([["logs", "other", "logs.#"]]);
    const asked = await cli.run(["topic", "rm", "logs"]);
    expectFailure(asked, 64, /remove topic logs, its log and 1 subscription: not without -f/);
    expect(await cli.run(["topic", "rm", "logs", "-f"])).toMatchObject({ code: 0, stdout: "" });
    expectFailure(
      await cli.run(["topic", "rm", "logs", "-f"]),
      66,
      /no such topic: logs.*NO_TOPIC/,
    );
    expect(await cli.ok(["topic", "ls"])).toBe("other\nlogs.#\n");
    expect(await take(cli, "logs.#/p")).toEqual(["a", "bc"]);
  });

  test("what is set holds: ttl, max-message, less retention", async ({ cli }) => {
    await cli.ok(["topic", "create", "logs", "max-message=4", "retention=1d"]);
    await cli.ok(["subscribe", "logs/a"]);
    expectFailure(
      await cli.run(["publish", "logs", "-m", "12345"]),
      65,
      /larger than 4 bytes, the limit of topic logs.*\[MESSAGE_TOO_LARGE\]/,
    );
    await cli.ok(["publish", "logs", "-m", "1234"]);
    await cli.ok(["topic", "set", "logs", "ttl=1ms", "max-message=0"]);
    await cli.ok(["publish", "logs", "-m", "gone at once"]);
    expect(await take(cli, "logs/a")).toEqual(["1234"]);
    await cli.ok(["topic", "set", "logs", "retention=0"]);
    expect(await cli.lines(["topic", "show", "logs", "--json"])).toMatchObject([
      { log: { batches: 0, messages: 0 } },
    ]);
    const { stderr } = await cli.run(["replay", "logs/a"]);
    expect(stderr).toMatch(/^spool: 0 messages delivered again to logs\/a\n/);
  });

  test("gc trims the log, and says how much", async ({ cli }) => {
    await cli.ok(["topic", "create", "logs", "retention-bytes=10"]);
    for (const text of ["aaaa", "bbbb", "cccc"]) await cli.ok(["publish", "logs", "-m", text]);
    expect(await cli.lines(["gc", "logs", "--json"])).toMatchObject([
      { topic: "logs", trimmed: 1 },
    ]);
    await cli.ok(["subscribe", "logs/a", "--from", "start"]);
    expect(await take(cli, "logs/a")).toEqual(["bbbb", "cccc"]);
  });
});

describe.concurrent("replay", () => {
  test("says how many, delivers them, to one; -n only says", async ({ cli }) => {
    await cli.ok(["topic", "create", "logs", "retention=1d"]);
    for (const name of ["logs/a", "logs/b"]) await cli.ok(["subscribe", name]);
    for (const text of ["1", "2"]) await cli.ok(["publish", "logs", "-m", text]);
    for (const name of ["logs/a", "logs/b"]) await take(cli, name);
    expect(await cli.run(["replay", "logs/a", "-n"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "spool: 2 messages would be delivered again to logs/a\n",
    });
    await cli.expectStatus({}, "logs/a");
    expect(await cli.lines(["replay", "logs/a", "--dry-run", "--json"])).toEqual([
      { subscription: "logs/a", messages: 2, dry_run: true },
    ]);
    expect(await cli.lines(["replay", "logs/a", "--json"])).toEqual([
      { subscription: "logs/a", messages: 2, dry_run: false },
    ]);
    expect((await cli.run(["replay", "logs/a"])).stderr).toBe(
      "spool: 2 messages delivered again to logs/a\n",
    );
    await cli.expectStatus({ ready: 4 }, "logs/a");
    await cli.expectStatus({}, "logs/b");
    expect(await take(cli, "logs/a")).toEqual(["1", "1", "2", "2"]);
    expect(await cli.ok(["verify"])).toBe("");
  });

  test("--since and --until: times and ages", async ({ cli }) => {
    await cli.ok(["topic", "create", "logs", "retention=1d"]);
    await cli.ok(["subscribe", "logs/a"]);
    await cli.ok(["publish", "logs", "-m", "1"]);
    const between = new Date().toISOString();
    await cli.ok(["publish", "logs", "-m", "2"]);
    const count = async (...words: string[]): Promise<unknown> => {
      const [said] = await cli.lines(["replay", "logs/a", "-n", "--json", ...words]);
      return said!["messages"];
    };
    expect(await count("--since", between)).toBe(1);
    expect(await count("--until", between)).toBe(1);
    expect(await count("--since", "-1h", "--until", between)).toBe(1);
    expect(await count("--since", "-1h")).toBe(2);
    expect(await count("--until", "-1h")).toBe(0);
    expect(await count("--since", "2090-01-01T00:00:00Z")).toBe(0);
    await take(cli, "logs/a");
    await cli.ok(["replay", "logs/a", "--since", between]);
    expect(await take(cli, "logs/a")).toEqual(["2"]);
  });

  test("while the original is in flight: its receipt still acks it alone", async ({ cli }) => {
    await cli.ok(["topic", "create", "logs", "retention=1d"]);
    await cli.ok(["subscribe", "logs/a"]);
    const id = (await cli.ok(["publish", "logs", "-m", "x"])).trim();
    const [held] = await cli.lines(["take", "logs/a", "--lease", "1h"]);
    await cli.ok(["replay", "logs/a"]);
    const [again] = await cli.lines(["take", "logs/a", "--lease", "1h"]);
    expect([held!["id"], again!["id"]]).toEqual([id, id]);
    expect(again!["receipt"]).not.toBe(held!["receipt"]);
    await cli.ok(["ack", String(held!["receipt"])]);
    await cli.expectStatus({ in_flight: 1 }, "logs/a");
    await cli.ok(["nack", String(again!["receipt"]), "--delay", "1h"]);
    await cli.expectStatus({ scheduled: 1 }, "logs/a");
  });
});

describe.concurrent("status", () => {
  const lagOf = async (cli: Cli, name: string): Promise<unknown[]> => {
    const { queues } = JSON.parse(await cli.ok(["status", name, "--json"])) as {
      queues: [Record<string, unknown>];
    };
    return [queues[0]["lag"], queues[0]["lag_ms"]];
  };

  test("lag and lag_ms: ready, in flight and to be retried; 0 when all is done", async ({
    cli,
  }) => {
    await cli.ok(["subscribe", "logs/a", "backoff=1h..1h"]);
    expect(await lagOf(cli, "logs/a")).toEqual([0, 0]);
    const began = Date.now();
    for (const text of ["retried", "held", "ready"]) await cli.ok(["publish", "logs", "-m", text]);
    await cli.ok(["publish", "logs", "-m", "later", "--delay", "1h"]);
    await cli.run(["work", "logs/a", "--once", "--", "false"]);
    const [held] = await cli.lines(["take", "logs/a", "--lease", "1h"]);
    const published = Date.now();
    await cli.expectStatus({ ready: 1, scheduled: 2, in_flight: 1 }, "logs/a");
    const [lag, lagMs] = await lagOf(cli, "logs/a");
    expect(lag).toBe(3);
    expect(lagMs).toBeGreaterThan(0);
    expect(lagMs).toBeLessThanOrEqual(Date.now() - began);
    await cli.ok(["take", "logs/a"]);
    await cli.ok(["ack", String(held!["receipt"])]);
    // Behind is counted from the publish, however long a retry is put off.
    const [one, oneMs] = await lagOf(cli, "logs/a");
    expect(one).toBe(1);
    expect(oneMs).toBeGreaterThanOrEqual(Date.now() - published - 50);
    await cli.ok(["purge", "logs/a", "-f"]);
    expect(await lagOf(cli, "logs/a")).toEqual([0, 0]);
  });

  test("of a topic shows all its subscriptions; of a queue there is no lag", async ({ cli }) => {
    await cli.ok(["subscribe", "logs/a"]);
    await cli.ok(["subscribe", "logs/b"]);
    await cli.ok(["subscribe", "logs.#/p"]);
    await cli.ok(["subscribe", "other/x"]);
    await cli.ok(["put", "jobs", "-m", "x"]);
    const names = async (...words: string[]): Promise<string[]> => {
      const said = JSON.parse(await cli.ok(["status", "--json", ...words])) as {
        queues: { queue: string }[];
      };
      return said.queues.map(({ queue }) => queue);
    };
    expect(await names("logs")).toEqual(["logs.#/p", "logs/a", "logs/b"]);
    expect(await names("logs/b")).toEqual(["logs/b"]);
    expect(await names("jobs", "logs.>/p".replace(">", "#"))).toEqual(["jobs", "logs.#/p"]);
    expect(await names()).toEqual(["jobs", "logs.#/p", "logs/a", "logs/b", "other/x"]);
    expect(await lagOf(cli, "jobs")).toEqual([null, null]);
    expectFailure(await cli.run(["status", "logs/none"]), 66, /no such subscription: logs\/none/);
    expectFailure(await cli.run(["status", "nothing"]), 66, /\[NO_QUEUE\]/);
    await cli.ok(["topic", "create", "alone"]);
    expect(await names("alone")).toEqual([]);
  });

  test("for people and for programs: LAG and BEHIND", async ({ cli }) => {
    await cli.ok(["subscribe", "logs/a"]);
    await cli.ok(["publish", "logs", "-m", "x"]);
    await cli.ok(["put", "jobs", "-m", "x"]);
    expect(await cli.ok(["status"])).toMatch(
      /^QUEUE .* OLDEST {2}LAG {2}BEHIND {2}BYTES {2}CONSUMERS\njobs .* - +- .*\nlogs\/a .* 1 +\d+s .*\n$/,
    );
    const [head, jobs, logs] = linesOf(await cli.ok(["status", "-o", "plain"])).map((line) =>
      line.split("\t"),
    );
    const at = head!.indexOf("LAG");
    expect(head![at + 1]).toBe("BEHIND");
    expect(jobs!.slice(at, at + 2)).toEqual(["", ""]);
    expect(logs!.slice(at, at + 2)).toEqual(["1", expect.stringMatching(/^\d+$/)]);
  });
});
