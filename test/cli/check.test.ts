/**
 * Goal: a monitoring system is told the truth, in its own language, whatever goes wrong: exit code 0 to 3, and a line on
 * stdout that a plugin may print.
 *
 * Method: the built command line in real directories; what it prints goes through a strict reader of plugin output.
 * Messages that were put an hour ago are files with such names.
 */
import * as fs from "node:fs";

import { describe, expect } from "vitest";

import { IdSource } from "../../src/message/id.ts";
import { linesOf, NO_MOUNT, runs, SPOOL, test as base, until } from "../helpers/cli.ts";
import type { RunOptions } from "../helpers/cli.ts";
import { readPlugin } from "../helpers/plugin.ts";
import type { PluginOutput } from "../helpers/plugin.ts";

const CODES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"];

const test = base
  .extend("check", ({ cli }) => {
    /** Runs it; the exit code and the state must agree, and stderr be empty. */
    return async (args: readonly string[], options?: RunOptions): Promise<PluginOutput> => {
      const { code, stdout, stderr } = await cli.run(["check", ...args], options);
      expect(stderr).toBe("");
      const output = readPlugin(stdout);
      expect(code).toBe(CODES.indexOf(output.state));
      return output;
    };
  })
  .extend("old", ({ cli }) => {
    /** So many messages that were put an hour ago. */
    return async (count: number, queue = "q"): Promise<void> => {
      await cli.ok(["queue", "create", queue]);
      const timeMs = Date.now() - 3600_000;
      const id = new IdSource().next(timeMs);
      const bucket = `${cli.path("ready", queue)}/5-${timeMs}-${id}`;
      fs.mkdirSync(bucket);
      for (let at = 0; at < count; at++) {
        const first = String(at).padStart(7, "0");
        fs.writeFileSync(`${bucket}/5-${timeMs}-${id}-${first}-n1-o0-b1-a0`, "");
      }
    };
  });

/** Each threshold with a value that it lets through, and one that it does not. */
type Sides = readonly [option: string, fine: string, bad: string];

describe("thresholds", () => {
  test("the depth, the age: fine up to the threshold, bad above", async ({ check, old }) => {
    await old(3);
    const sides: Sides[] = [
      ["depth", "3", "2"],
      ["age", "2h", "59m"],
    ];
    for (const [option, fine, bad] of sides) {
      expect((await check(["q", `--${option}-warn`, fine])).state).toBe("OK");
      expect((await check(["q", `--${option}-warn`, bad])).state).toBe("WARNING");
      expect((await check(["q", `--${option}-crit`, fine])).state).toBe("OK");
      expect((await check(["q", `--${option}-crit`, bad])).state).toBe("CRITICAL");
      const both = [`--${option}-warn`, bad, `--${option}-crit`, fine];
      expect((await check(["q", ...both])).state).toBe("WARNING");
    }
  });

  test("dead letters: 0 is any", async ({ cli, check }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    expect((await check(["q", "--dead-crit", "0"])).state).toBe("OK");
    await cli.ok(["work", "q", "--until-empty", "--", "sh", "-c", "exit 65"]);
    const { state, text, perfdata } = await check(["q", "--dead-warn", "0", "--dead-crit", "1"]);
    expect(state).toBe("WARNING");
    expect(text).toBe("q: 0 ready, 1 dead (warning above 0)");
    expect(perfdata.get("q.dead")).toMatchObject({ value: 1, warn: "0", crit: "1", min: "0" });
    // Nothing is ready, so nothing has an age.
    expect(perfdata.has("q.oldest")).toBe(false);
    expect((await check(["q", "--dead-crit", "1"])).state).toBe("OK");
  });

  test("the lag of a topic's subscriptions, each by itself", async ({ cli, check }) => {
    for (const name of ["logs/a", "logs/b", "logs.#/c"]) await cli.ok(["subscribe", name]);
    await cli.sh("seq 3 | spool publish logs --lines");
    await cli.ok(["take", "logs/a", "-n", "3"]);
    const { state, text, long, perfdata } = await check(["logs", "--lag-warn", "2"]);
    expect(state).toBe("WARNING");
    expect(text).toMatch(/^logs\.#\/c: 3 ready, .*lag 3 \(warning above 2\).*; logs\/b: 3 ready/);
    expect(long).toHaveLength(3);
    expect(long.at(-1)).toBe("OK: logs/a: 0 ready, lag 0");
    expect(perfdata.get("logs/b.lag")).toMatchObject({ value: 3, warn: "2", crit: "" });
    expect(perfdata.get("logs.#/c.lag")?.value).toBe(3);
    expect((await check(["logs", "--lag-warn", "3"])).state).toBe("OK");
    expect((await check(["logs", "--lag-age-crit", "0"])).state).toBe("CRITICAL");
    expect((await check(["logs", "--lag-age-crit", "1h"])).state).toBe("OK");
    expect((await check(["logs/a", "--lag-age-crit", "0"])).state).toBe("OK");
  });

  test("consumers count only while something has waited", async ({ cli, check, old }) => {
    await cli.ok(["queue", "create", "empty"]);
    await cli.ok(["put", "fresh", "-m", "x"]);
    const idle = await check(["empty", "fresh", "--consumers-crit", "1"]);
    expect(idle.state).toBe("OK");
    expect(idle.perfdata.get("empty.consumers")).toMatchObject({ value: 0, crit: "" });
    await old(2);
    const { state, text, perfdata } = await check(["q", "--consumers-crit", "1"]);
    expect(state).toBe("CRITICAL");
    expect(text).toContain("0 consumers (critical below 1)");
    expect(perfdata.get("q.consumers")).toMatchObject({ value: 0, crit: "1:" });
  });

  test("a consumer that was killed is none, although its lease is there", async ({ cli }) => {
    await cli.sh("seq 3 | spool put q");
    await cli.sh("seq 3 | spool put q --lines");
    const worker = cli.start(["work", "q", "--", "sleep", "60"]);
    await cli.claimed();
    const asked = ["q", "--consumers-crit", "1", "-o", "json"];
    const consumers = async (): Promise<number | undefined> => {
      const { stdout } = await cli.run(["check", ...asked]);
      const said = JSON.parse(stdout) as {
        checks: { figures: { figure: string; value: number }[] }[];
      };
      return said.checks[0]?.figures.find(({ figure }) => figure === "consumers")?.value;
    };
    expect(await consumers()).toBe(1);
    cli.end();
    await worker.ended;
    expect(await cli.status()).toMatchObject({ consumers: 1 });
    expect(await consumers()).toBe(0);
    await until("the rest has waited", async () => {
      const { code } = await cli.run(["check", ...asked]);
      return code === 2;
    });
  });

  test("free space: a size or a share, bad below", async ({ cli, check, mount, skip }) => {
    const at = (await mount("size=8m")) ?? skip(NO_MOUNT);
    const on = ["-C", `${at}/spool`];
    await cli.ok([...on, "put", "q", "-m", "x"]);
    expect((await check([...on, "--disk-crit", "4M"])).state).toBe("OK");
    expect((await check([...on, "--disk-crit", "50%"])).state).toBe("OK");
    fs.writeFileSync(`${at}/ballast`, Buffer.alloc(6 * 1024 ** 2));
    const { state, text, perfdata } = await check([
      ...on,
      "--disk-warn",
      "50%",
      "--disk-crit",
      "1M",
    ]);
    expect(state).toBe("WARNING");
    expect(text).toMatch(/^disk: 2\.0M free \(warning below 50%\)$|^disk: 1\.9M free/);
    const free = { unit: "B", warn: "4194304:", crit: "1048576:", min: "0", max: "8388608" };
    expect(perfdata.get("disk.free")).toMatchObject(free);
    expect((await check([...on, "--disk-crit", "4M"])).state).toBe("CRITICAL");
    expect((await check([...on, "--disk-warn", "1M", "--disk-crit", "50%"])).state).toBe("UNKNOWN");
  });
});

describe("what is said", () => {
  test("one queue: one line", async ({ cli, check }) => {
    await cli.sh("seq 12 | spool put jobs --lines");
    const { text, long, perfdata } = await check([
      "jobs",
      "--depth-warn",
      "100",
      "--depth-crit",
      "1000",
    ]);
    expect(text).toMatch(/^jobs: 12 ready, oldest \S+s$/);
    expect(long).toEqual([]);
    const ready = { value: 12, unit: "", warn: "100", crit: "1000", min: "0", max: "" };
    expect(perfdata.get("jobs.ready")).toEqual(ready);
    expect(perfdata.get("jobs.oldest")).toMatchObject({ unit: "s", min: "0" });
    expect((await check(["jobs", "--age-crit", "1h30m"])).perfdata.get("jobs.oldest")?.crit).toBe(
      "5400",
    );
  });

  test("several: the worst first, each in a line behind", async ({ cli, check, old }) => {
    await old(3, "a");
    await old(5, "b");
    await cli.ok(["queue", "create", "c"]);
    const { state, text, long, perfdata } = await check(["--depth-warn", "2", "--depth-crit", "4"]);
    expect(state).toBe("CRITICAL");
    expect(text).toMatch(/^b: 5 ready \(critical above 4\), oldest 1h\d*s?; a: 3 ready \(warning/);
    expect(long.map((line) => line.slice(0, line.indexOf(":", 10)))).toEqual([
      "CRITICAL: b",
      "WARNING: a",
      expect.stringMatching(/^OK: c/),
    ]);
    expect([...perfdata.keys()].filter((label) => label.endsWith(".ready"))).toEqual([
      "a.ready",
      "b.ready",
      "c.ready",
    ]);
  });

  test("many: a sum where all is well, else the first of those that are not", async ({
    cli,
    check,
  }) => {
    for (const name of ["a", "b", "c", "d", "e", "f", "g"]) await cli.ok(["put", name, "-m", "x"]);
    const fine = await check([]);
    expect(fine.text).toMatch(/^7 queues: 7 ready, oldest /);
    expect(fine.long).toHaveLength(7);
    const bad = await check(["--depth-crit", "0"]);
    expect(bad.text).toMatch(/^a: .*; e: .*; and 2 more$/);
    expect(bad.text).not.toContain("f:");
  });

  test("a state that is known goes before one that is not", async ({ check, old }) => {
    await old(3);
    expect((await check(["q", "nosuch", "--depth-warn", "1"])).state).toBe("UNKNOWN");
    const { state, text } = await check(["nosuch", "q", "--depth-crit", "1"]);
    expect(state).toBe("CRITICAL");
    expect(text).toMatch(/^q: 3 ready .*; no such queue: nosuch {2}\[NO_QUEUE\]$/);
  });

  test("--json and plain say the same", async ({ cli, old }) => {
    await old(3);
    const json = await cli.run(["check", "q", "--depth-warn", "2", "--age-crit", "5h", "--json"]);
    expect(json).toMatchObject({ code: 1, stderr: "" });
    const said = JSON.parse(json.stdout) as { checks: [{ figures: unknown[] }] };
    expect(said).toMatchObject({
      state: "WARNING",
      exit: 1,
      checks: [{ name: "q", state: "WARNING" }],
    });
    expect(said.checks[0].figures.slice(0, 2)).toEqual([
      { figure: "ready", value: 3, warn: 2, crit: null, state: "WARNING" },
      { figure: "oldest_ms", value: expect.any(Number), warn: null, crit: 18_000_000, state: "OK" },
    ]);
    const plain = await cli.run(["check", "q", "--depth-warn", "2", "-o", "plain"]);
    expect(plain).toMatchObject({ code: 1, stderr: "" });
    expect(linesOf(plain.stdout).slice(0, 2)).toEqual([
      "STATE\tNAME\tFIGURE\tVALUE\tWARN\tCRIT\tTEXT",
      "WARNING\tq\tready\t3\t2\t\t",
    ]);
    const none = await cli.run(["check", "nosuch", "--json"]);
    expect(none).toMatchObject({ code: 3, stderr: "" });
    expect(JSON.parse(none.stdout)).toMatchObject({
      state: "UNKNOWN",
      checks: [{ name: null, code: "NO_QUEUE" }],
    });
  });
});

describe("unknown", () => {
  test("no spool, no queue, no topic, a name that is none", async ({ cli, check }) => {
    expect((await check([])).text).toMatch(/^no spool in .*\[NO_SPOOL\]$/);
    await cli.ok(["put", "q", "-m", "x"]);
    expect((await check(["nosuch"])).text).toMatch(/\[NO_QUEUE\]$/);
    expect((await check(["nosuch/sub"])).text).toMatch(/\[NO_QUEUE\]$/);
    expect((await check(["logs.*"])).text).toMatch(/\[NO_TOPIC\]$/);
    expect((await check(["-x"])).text).toMatch(/unknown option .*\[USAGE\]$/);
    expect((await check(["a b"])).text).toMatch(/\[BAD_NAME\]$/);
    expect((await check([], { env: { HOME: undefined, SPOOL_DIR: undefined } })).text).toMatch(
      /\[USAGE\]$/,
    );
    await cli.ok(["topic", "create", "t"]);
    expect((await check(["t"])).text).toMatch(/^topic t has no subscription {2}\[NO_QUEUE\]$/);
  });

  test("an empty spool is fine", async ({ cli, check }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    await cli.ok(["queue", "rm", "q", "-f"]);
    expect(await check(["--depth-crit", "1", "--lag-crit", "1"])).toMatchObject({
      state: "OK",
      text: "no queues yet",
      long: [],
    });
    expect((await check(["--disk-crit", "0"])).text).toMatch(/^disk: /);
  });

  test("thresholds that make no sense", async ({ cli, check }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    const lines: [string[], RegExp][] = [
      [
        ["--depth-warn", "10", "--depth-crit", "9"],
        /^--depth-warn 10 is above --depth-crit 9: .*USAGE/,
      ],
      [["--age-warn", "2h", "--age-crit", "5m"], /^--age-warn 2h is above --age-crit 5m/],
      [["--consumers-warn", "1", "--consumers-crit", "2"], /^--consumers-warn 1 is below/],
      [["--disk-warn", "5%", "--disk-crit", "10%"], /^--disk-warn 5% is below --disk-crit 10%/],
      [["--disk-warn", "101%"], /^--disk-warn: more than all: 101% {2}\[BAD_VALUE\]/],
      [["--depth-warn", "many"], /^--depth-warn: not a whole number: "many" {2}\[BAD_VALUE\]/],
      [["--depth-warn", ""], /^--depth-warn: not a whole number/],
      [["--depth-warn", "-1"], /not a whole number: "-1"/],
      [["--depth-warn"], /argument missing/],
      [["--age-crit", "5"], /^--age-crit: not a duration: "5"/],
      [["--dead-crit=1.5"], /^--dead-crit: not a whole number/],
      [["--lag-crit", "5"], /^only a subscription has a lag, and q is none/],
      [["--depth", "5"], /unknown option '--depth'/],
    ];
    for (const [args, line] of lines) {
      const { state, text } = await check(["q", ...args]);
      expect(text).toMatch(line);
      expect(state).toBe("UNKNOWN");
    }
    const { state } = await check(["q", "--depth-warn", "9", "--depth-crit", "9"]);
    expect(state).toBe("OK");
  });

  test("a bar and a line end in a path do not end the text", async ({ check }) => {
    const { text } = await check(["-C", "/no|where\nat all"]);
    expect(text).toMatch(/^no spool in \/no\?where\?at all/);
  });

  test("settings that cannot be read are critical: nobody can work there", async ({
    cli,
    check,
  }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    await cli.ok(["put", "other", "-m", "x"]);
    fs.writeFileSync(cli.path("queue.json"), "{");
    const { state, text, perfdata } = await check([]);
    expect(state).toBe("CRITICAL");
    expect(text).toMatch(/^q: .*\[BAD_SETTINGS\], 1 ready/);
    expect(perfdata.get("q.ready")?.value).toBe(1);
    fs.writeFileSync(`${cli.spool}/spool.json`, '{"format":99}');
    expect((await check([])).text).toMatch(/\[NEWER_FORMAT\]$/);
    fs.writeFileSync(`${cli.spool}/spool.json`, "");
    expect((await check([])).text).toMatch(/\[BAD_SETTINGS\]$/);
  });

  test("a spool that may not be read; one that may not be written to is fine", async ({
    cli,
    skip,
  }) => {
    if (process.getuid?.() !== 0 || !runs("setpriv", "--version")) skip("it takes root");
    await cli.ok(["put", "q", "-m", "x"]);
    fs.chmodSync(cli.dir, 0o755);
    const other = ["--reuid=65534", "--regid=65534", "--clear-groups", SPOOL, "check"];
    const look = async (): Promise<PluginOutput> => {
      const { stdout, stderr } = await cli.launch("setpriv", other).read().ended;
      expect(stderr).toBe("");
      return readPlugin(stdout);
    };
    expect((await look()).text).toMatch(/^q: 1 ready/);
    fs.chmodSync(`${cli.spool}/queues`, 0o700);
    expect((await look()).text).toMatch(/\[NOT_PERMITTED\]$/);
    fs.chmodSync(cli.spool, 0o700);
    expect((await look()).text).toMatch(/\[NOT_PERMITTED\]$/);
  });

  test("a queue that is removed meanwhile is nobody's bug", async ({ cli, check }) => {
    await cli.ok(["put", "stays", "-m", "x"]);
    const churn = cli.launch("/bin/sh", [
      "-c",
      "while :; do spool put q -m x; spool queue rm q -f; done >/dev/null 2>&1",
    ]);
    try {
      for (let round = 0; round < 15; round++) {
        const all = await check([]);
        expect(all.state).toBe("OK");
        expect(all.perfdata.get("stays.ready")?.value).toBe(1);
        const { state, text } = await check(["q"]);
        if (state !== "OK") expect(text).toMatch(/\[NO_QUEUE\]$/);
      }
    } finally {
      churn.group("SIGKILL");
    }
  });

  test("stdout that takes nothing", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    expect((await cli.sh("spool check q > /dev/full")).code).toBe(3);
    const piped = await cli.sh("{ spool check q --depth-crit 0; echo $? >&2; } | true");
    expect(piped.stderr.trim()).toBe("2");
  });
});

test("the counts are left to the next one, and the spool is as it was", async ({
  cli,
  check,
  old,
}) => {
  await old(700);
  await new Promise((resolve) => setTimeout(resolve, 80));
  const before = await cli.tree();
  await check(["q"]);
  expect(fs.readdirSync(`${cli.dir}/.cache/spool`)).toHaveLength(1);
  expect((await check(["q"])).perfdata.get("q.ready")?.value).toBe(700);
  expect(await cli.tree()).toEqual(before);
});

test("--help is no failure", async ({ cli }) => {
  const { code, stdout } = await cli.run(["check", "--help"]);
  expect(code).toBe(0);
  expect(stdout).toContain("--consumers-crit");
});
