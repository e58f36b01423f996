/**
 * Goal: what programs read (`--json`, `-o plain`) has exactly the shape that it had: a key that
 * changes or goes breaks somebody's script, and fails here.
 *
 * Method: each verb's output is matched key by key. A new key is added here on purpose.
 */
import { describe, expect } from "vitest";

import { linesOf, test } from "../helpers/cli.ts";

const ID = expect.stringMatching(/^[0-9a-z]{26}(\.\d+)?$/) as string;
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;
const NUMBER = expect.any(Number) as number;

describe.concurrent("--json", () => {
  test("put", async ({ cli }) => {
    const one = await cli.lines(["put", "q", "-m", "x", "--json", "--dedup", "k"]);
    expect(one).toEqual([{ id: ID, queue: "q", duplicate: false }]);
    expect(await cli.lines(["put", "q", "-m", "x", "--json", "--dedup", "k"])).toEqual([
      { ...one[0], duplicate: true },
    ]);
    const many = await cli.ok(["put", "q", "--lines", "--json"], { input: "a\nb\n" });
    expect(JSON.parse(many)).toEqual({ queue: "q", messages: 2, bytes: 4, batches: 1 });
  });

  test("take, take --lease, consume", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "text", "-H", "Type: a: b"]);
    await cli.ok(["put", "q"], { input: Buffer.of(0xff, 0) });
    await cli.ok(["put", "q", "--lines"], { input: "a\nb\n" });
    const common = { id: ID, attempt: 1, headers: {}, enqueued_at: TIME };
    expect(await cli.lines(["take", "q", "--json"])).toEqual([
      { ...common, headers: { Type: "a: b" }, body: "text" },
    ]);
    const receipt = expect.stringMatching(/^q:[^:]+:[^:]+$/) as string;
    expect(await cli.lines(["take", "q", "--lease", "1h"])).toEqual([
      { ...common, receipt, body_base64: "/wA=" },
    ]);
    expect(await cli.lines(["consume", "q", "--until-empty", "--json"])).toEqual([
      { ...common, body: "a" },
      { ...common, body: "b" },
    ]);
  });

  test("peek in every state", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "dead"]);
    await cli.ok(["work", "q", "--once", "--", "sh", "-c", "exit 65"]);
    await cli.ok(["put", "q", "-m", "held"]);
    await cli.ok(["take", "q", "--lease", "1h"]);
    await cli.ok(["put", "q", "-m", "later", "--delay", "1h"]);
    await cli.ok(["put", "q", "-m", "now"]);
    const of = (state: string, attempts = 0): object => ({
      id: ID,
      state,
      attempts,
      headers: {},
      enqueued_at: TIME,
    });
    const peek = (state: string): Promise<Record<string, unknown>[]> =>
      cli.lines(["peek", "q", "--state", state, "--json"]);
    expect(await peek("ready")).toEqual([{ ...of("ready"), body: "now" }]);
    expect(await peek("scheduled")).toEqual([
      { ...of("scheduled"), visible_at: TIME, body: "later" },
    ]);
    const lease = expect.any(String) as string;
    expect(await peek("inflight")).toEqual([
      { ...of("inflight"), lease, host: expect.any(String) as string, body: "held" },
    ]);
    expect(await peek("dead")).toEqual([
      { ...of("dead", 1), reason: "exit 65", died_at: TIME, body: "dead" },
    ]);
    expect(await cli.run(["peek", "empty", "--json"])).toMatchObject({ code: 66 });
    await cli.ok(["queue", "create", "empty"]);
    expect(await cli.run(["peek", "empty", "--json"])).toMatchObject({ code: 75, stdout: "" });
  });

  test("status, queue, gc, verify, doctor", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "four"]);
    await cli.ok(["put", "q", "-m", "x", "--delay", "1h"]);
    expect(await cli.lines(["status", "--json"])).toEqual([
      {
        queues: [
          {
            queue: "q",
            ready: 1,
            scheduled: 1,
            in_flight: 0,
            dead: 0,
            expired: 0,
            oldest_ms: NUMBER,
            next_due_in_ms: NUMBER,
            lag: null,
            lag_ms: null,
            bytes: 5,
            consumers: 0,
          },
        ],
      },
    ]);
    await cli.ok(["queue", "create", "empty"]);
    expect(await cli.lines(["status", "empty", "--json"])).toMatchObject([
      { queues: [{ oldest_ms: null, next_due_in_ms: null }] },
    ]);
    expect(await cli.lines(["queue", "ls", "--json"])).toEqual([["empty", "q"]]);
    expect(await cli.lines(["queue", "show", "q", "--json"])).toEqual([
      {
        queue: "q",
        lease: "30s",
        "max-attempts": 5,
        backoff: "1s..5m",
        "max-depth": 0,
        "max-bytes": "0",
        "min-free": "0",
        overflow: "reject",
        "max-message": "0",
        ttl: "0",
        expired: "drop",
        "dedup-window": "5m",
        paused: "no",
      },
    ]);
    const swept = { leases: 0, reclaimed: 0, dead: 0, expired: 0, strays: 0, keys: 0, dropped: 0 };
    expect(await cli.lines(["gc", "--json"])).toEqual([
      { queue: "empty", ...swept },
      { queue: "q", ...swept },
    ]);
    expect(await cli.lines(["verify", "--json"])).toEqual([
      { messages: 2, bytes: 5, findings: [] },
    ]);
    const [{ checks }] = (await cli.lines(["doctor", "--json"])) as [{ checks: object[] }];
    expect(checks.length).toBeGreaterThan(5);
    for (const check of checks) {
      expect(Object.keys(check)).toEqual(["name", "verdict", "detail"]);
    }
  });

  test("dlq", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x", "-H", "A: b"]);
    await cli.ok(["work", "q", "--once", "--", "sh", "-c", "echo why >&2; exit 100"]);
    const [letter] = await cli.lines(["dlq", "ls", "q", "--json"]);
    expect(letter).toEqual({ id: ID, messages: 1, attempts: 1, reason: "exit 100", died_at: TIME });
    expect(await cli.lines(["dlq", "show", "q", String(letter!["id"]), "--json"])).toEqual([
      {
        id: letter!["id"],
        attempts: 1,
        died_at: TIME,
        reason: "exit 100",
        exit_code: 100,
        stderr: "why\n",
        headers: { A: "b" },
        enqueued_at: TIME,
        body: "x",
      },
    ]);
  });

  test("status --watch: one object a line, each with its time, until it is stopped", async ({
    cli,
  }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    const script = "spool status --watch 100ms --json | head -3";
    const lines = linesOf((await cli.sh(script)).stdout);
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      expect(JSON.parse(line)).toMatchObject({ at: TIME, queues: [{ ready: 1 }] });
    }
  });
});

describe.concurrent("-o plain", () => {
  test("a line of heads, then cells between tabs, figures without units", async ({ cli }) => {
    await cli.ok(["put", "q"], { input: "x".repeat(20_000) });
    const rows = (text: string): string[][] => linesOf(text).map((line) => line.split("\t"));
    const status = rows(await cli.ok(["status", "-o", "plain"]));
    expect(status[0]).toEqual([
      "QUEUE",
      "READY",
      "SCHEDULED",
      "IN FLIGHT",
      "DEAD",
      "OLDEST",
      "LAG",
      "BEHIND",
      "BYTES",
      "CONSUMERS",
    ]);
    expect(status[1]).toEqual([
      "q",
      "1",
      "0",
      "0",
      "0",
      expect.stringMatching(/^\d+$/),
      "",
      "",
      "20000",
      "0",
    ]);
    expect(rows(await cli.ok(["gc", "-o", "plain"]))[1]).toEqual([
      "q",
      ...Array.from({ length: 7 }, () => "0"),
    ]);
    expect(rows(await cli.ok(["queue", "show", "q", "-o", "plain"]))[1]).toEqual(["lease", "30s"]);
    expect(rows(await cli.ok(["dlq", "ls", "q", "-o", "plain"]))).toEqual([
      ["ID", "MESSAGES", "ATTEMPTS", "DIED", "REASON"],
    ]);
  });

  test("for people: columns, and units", async ({ cli }) => {
    expect(await cli.ok(["put", "q"], { input: "x".repeat(20_000) })).toMatch(/^[0-9a-z]{26}\n$/);
    expect(await cli.ok(["status"])).toMatch(
      /^QUEUE {2}READY {2}SCHEDULED .*\nq +1 +0 +0 +0 +\d+s +- +- +19\.5k +0\n$/,
    );
  });
});
