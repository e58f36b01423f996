/**
 * Goal: `spool top` where there is no screen: text and JSON with the figures of status, and rates that are those
 * of whoever made messages flow, one-shot commands included.
 *
 * Method: the real command line. Producers and workers count themselves, and say what they did in each second.
 */
import { readFileSync, writeFileSync } from "node:fs";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly ready: number | null;
  readonly in_flight: number | null;
  readonly scheduled: number | null;
  readonly dead: number | null;
  readonly in_per_s: number | null;
  readonly out_per_s: number | null;
  readonly net_per_s: number | null;
  readonly eta_ms?: number;
  readonly lag?: number;
  readonly bytes?: number;
  readonly consumers: number | null;
  readonly error?: string;
}

interface Document {
  readonly at: string;
  readonly totals: Readonly<Record<string, number>>;
  readonly rows: readonly Row[];
}

const topOf = async (cli: Cli, ...words: string[]): Promise<Document> => {
  const args = ["top", "--json", "--interval", "100ms", ...words];
  return JSON.parse(await cli.ok(args)) as Document;
};

const rowOf = ({ rows }: Document, name: string): Row => rows.find((row) => row.name === name)!;

describe("without a terminal", () => {
  test("it is status, once", async ({ cli }) => {
    await cli.ok(["put", "jobs", "-m", "x"]);
    await cli.ok(["put", "mail", "-m", "x"]);
    const all = await cli.ok(["top"]);
    expect(all).toMatch(/^QUEUE +READY +SCHEDULED/);
    expect(linesOf(all)).toHaveLength(3);
    expect(linesOf(await cli.ok(["top", "mail"]))).toHaveLength(2);
    expect(
      await cli.ok(["-C", cli.spool, "top", "mail"], { env: { SPOOL_DIR: "/none" } }),
    ).toContain("mail");
  });

  test("names that are not there are errors, as with status", async ({ cli }) => {
    await cli.ok(["put", "jobs", "-m", "x"]);
    for (const how of [[], ["--once"], ["--json"]]) {
      expectFailure(await cli.run(["top", "none", ...how]), 66, /no such queue: none/);
    }
    expectFailure(await cli.run(["top", "--once", "a.*"]), 66, /nobody has subscribed to a\.\*/);
    expectFailure(
      await cli.run(["top", "--once"], { env: { SPOOL_DIR: "/none" } }),
      66,
      /no spool/,
    );
    expectFailure(await cli.run(["top", "--interval", "1ms"]), 64, /100ms at the least/);
    expect((await cli.run(["top", "--theme", "pink"])).code).toBe(64);
  });
});

describe("--json", () => {
  test("has the figures of status", async ({ cli }) => {
    await cli.sh(`
      printf 'a\\nb\\nc\\n' | spool put jobs --lines
      spool put later -m x --delay 1h
      spool take jobs --lease 1m
      spool reject $(spool take jobs --lease 1m | sed 's/.*"receipt":"\\([^"]*\\)".*/\\1/')
      spool subscribe logs/all; spool subscribe '*/x'
      spool publish logs -m x
    `);
    const said = await topOf(cli);
    const { queues } = JSON.parse(await cli.ok(["status", "--json"])) as {
      queues: (Row & { queue: string })[];
    };
    for (const one of queues) {
      const { queue, ready, in_flight, scheduled, dead, consumers } = one;
      const row = rowOf(said, queue);
      expect(row).toMatchObject({ ready, in_flight, scheduled, dead, consumers });
      expect(row.bytes).toBe(one.bytes);
      expect(row.lag ?? null).toBe(one.lag);
    }
    expect(rowOf(said, "logs")).toMatchObject({ kind: "topic", ready: 1 });
    expect(rowOf(said, "*")).toMatchObject({ kind: "pattern", ready: 1 });
    expect(said.totals).toMatchObject({
      queues: 2,
      topics: 2,
      subscriptions: 2,
      ready: 3,
      dead: 1,
    });
    expect(said.totals).toMatchObject({ in_flight: 1, scheduled: 1 });
  });

  test("has what was asked for, a topic with its subscriptions", async ({ cli }) => {
    await cli.sh(
      "spool put jobs -m x; spool subscribe logs/a; spool subscribe logs/b; spool subscribe z/c",
    );
    const names = (said: Document): string[] => said.rows.map(({ name }) => name);
    expect(names(await topOf(cli, "logs"))).toEqual(["logs", "logs/a", "logs/b"]);
    expect(names(await topOf(cli, "logs/b", "jobs"))).toEqual(["jobs", "logs/b"]);
  });

  test("says in a word how each does", async ({ cli }) => {
    await cli.sh(`
      spool put full -m x; spool queue set full max-depth=1
      spool queue create big max-bytes=2; spool put big -m xx
      spool put paused -m x; spool pause paused
      spool put bad -m x; spool reject $(spool take bad --lease 1m | sed 's/.*"receipt":"\\([^"]*\\)".*/\\1/')
      spool queue create idle
    `);
    const said = await topOf(cli);
    const states = Object.fromEntries(said.rows.map(({ name, state }) => [name, state]));
    expect(states).toEqual({
      full: "FULL",
      big: "FULL",
      paused: "PAUSED",
      bad: "DLQ!",
      idle: "idle",
    });
  });

  test("says of what it cannot read that it does not know, and shows the rest", async ({ cli }) => {
    await cli.ok(["put", "jobs", "-m", "x"]);
    await cli.ok(["put", "broken", "-m", "x"]);
    writeFileSync(cli.path("queue.json", "broken"), "{");
    const said = await topOf(cli);
    expect(rowOf(said, "jobs").ready).toBe(1);
    const { state, ready, in_per_s, error } = rowOf(said, "broken");
    expect({ state, ready, in_per_s }).toEqual({ state: "unknown", ready: null, in_per_s: null });
    expect(error).toMatch(/queue\.json/);
    const text = await cli.ok(["top", "--once", "--interval", "100ms"]);
    expect(text).toMatch(/^broken +unknown +\? +\?/m);
  });

  test("does not take a flow that nobody tells for none", async ({ cli }) => {
    await cli.ok(["put", "jobs", "-m", "x"]);
    await cli.sh(`rm -r '${cli.path("flow", "jobs")}'`);
    expect(rowOf(await topOf(cli), "jobs")).toMatchObject({
      in_per_s: null,
      out_per_s: null,
      ready: 1,
    });
  });
});

describe("text", () => {
  test("has a line for each row, a subscription under its topic, and all columns", async ({
    cli,
  }) => {
    await cli.sh("spool put jobs -m x; spool subscribe logs/a; spool publish logs -m x");
    const [head, ...lines] = linesOf(await cli.ok(["top", "--once", "--interval", "100ms"]));
    expect(head).toMatch(/^QUEUE +STATE +READY .* ETA +LAG +BEHIND +WRK +BYTES$/);
    expect(lines.map((line) => line.slice(0, 6).trimEnd())).toEqual(["jobs", "logs", "  a"]);
    const tabs = linesOf(await cli.ok(["top", "-o", "plain", "--interval", "100ms"]));
    expect(tabs.map((line) => line.split("\t")[0])).toEqual(["QUEUE", "jobs", "logs", "logs/a"]);
  });
});

/** A program that puts or acks as fast as it is told, and writes what it did, and when, to a file. */
const PROGRAM = `
import { writeFileSync } from "node:fs";
const [kind, lib, dir, out, perS, ms] = process.argv.slice(2);
const { openSpool } = await import(lib);
const queue = (await openSpool({ dir })).queue("jobs");
const done = [];
const end = Date.now() + Number(ms);
const save = () => writeFileSync(out, JSON.stringify(done));
if (kind === "put") {
  const start = Date.now();
  for (let n = 0; Date.now() < end; ) {
    const due = ((Date.now() - start) / 1000) * Number(perS);
    for (; n < due; n++) { await queue.put("x", { sync: "none" }); done.push(Date.now()); }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  save();
} else {
  const stop = setTimeout(() => { save(); process.exit(); }, Number(ms));
  for await (const message of queue.messages()) { await message.ack(); done.push(Date.now()); }
}
`;

describe("rates", () => {
  test("are what 4 producers and 8 workers count themselves", async ({ cli }) => {
    writeFileSync(`${cli.dir}/program.mjs`, PROGRAM);
    await cli.ok(["queue", "create", "jobs"]);
    const lib = new URL("../../dist/lib/index.js", import.meta.url).pathname;
    const kinds = [
      ...Array.from({ length: 4 }, () => "put"),
      ...Array.from({ length: 8 }, () => "ack"),
    ];
    const options = { timeoutMs: 60_000 };
    const all = kinds.map((kind, index) =>
      cli.launch(
        process.execPath,
        [`${cli.dir}/program.mjs`, kind, lib, cli.spool, `${cli.dir}/${index}.json`, "50", "20000"],
        options,
      ),
    );
    // The rates are of the 5 s before it ends, less what is not told yet: all of that has to be flow.
    await new Promise((resolve) => setTimeout(resolve, 8000));
    const said = JSON.parse(
      await cli.ok(["top", "--once", "--json", "--interval", "5s"]),
    ) as Document;
    await Promise.all(all.map(({ ended }) => ended));
    const endMs = Date.parse(said.at) - 1500;
    const counted = (kind: string): number => {
      const times = kinds.flatMap((one, index) =>
        one === kind
          ? (JSON.parse(readFileSync(`${cli.dir}/${index}.json`, "utf8")) as number[])
          : [],
      );
      return times.filter((at) => at > endMs - 5000 && at <= endMs).length / 5;
    };
    const { in_per_s, out_per_s } = rowOf(said, "jobs");
    const off = { in: in_per_s! / counted("put") - 1, out: out_per_s! / counted("ack") - 1 };
    console.log(
      `in ${in_per_s}/s, counted ${counted("put")}/s; out ${out_per_s}/s, counted ${counted("ack")}/s`,
    );
    expect(Math.abs(off.in)).toBeLessThan(0.1);
    expect(Math.abs(off.out)).toBeLessThan(0.1);
  });

  test("count what one-shot commands put and take", async ({ cli }) => {
    await cli.sh(
      "for n in 1 2 3 4 5 6; do spool put jobs -m x; done; spool take jobs; spool take jobs",
    );
    // Over 5 s, of which the last 1.5 are not looked at yet.
    const said = JSON.parse(await cli.ok(["top", "--json", "--interval", "1600ms"])) as Document;
    const { in_per_s, out_per_s } = rowOf(said, "jobs");
    expect(in_per_s).toBeGreaterThan(0);
    expect(in_per_s).toBeLessThanOrEqual(6 / 5);
    expect(out_per_s).toBeGreaterThan(0);
  });

  test("of a subscription are its topic's, or with a filter what came of it", async ({ cli }) => {
    await cli.sh("spool subscribe logs/all; spool subscribe logs/bad --filter level=error");
    const top = cli.start(["top", "--json", "--interval", "5s"]);
    const publish =
      "for n in 1 2 3 4 5 6; do spool publish logs -m x -H 'level: error' >/dev/null; spool publish logs -m x >/dev/null; sleep 0.3; done";
    await cli.sh(publish);
    const said = JSON.parse((await top.ended).stdout) as Document;
    expect(rowOf(said, "logs").in_per_s).toBe(rowOf(said, "logs/all").in_per_s);
    expect(rowOf(said, "logs").in_per_s).toBeGreaterThan(0);
    const { in_per_s, net_per_s } = rowOf(said, "logs/bad");
    expect(in_per_s).toBeGreaterThan(0);
    expect(net_per_s).toBe(in_per_s);
  });
});
