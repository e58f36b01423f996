/**
 * Goal: what Prometheus reads is in its format to the letter, says what status says and nothing that nobody knows; and
 * a file for the textfile collector is there whole, or as it was.
 *
 * Method: the built command line in real directories; what it prints goes through a strict reader of the format.
 */
import * as fs from "node:fs";

import { describe, expect } from "vitest";

import {
  expectFailure,
  linesOf,
  NO_MOUNT,
  pause,
  runs,
  SPOOL,
  test as base,
} from "../helpers/cli.ts";
import { readExposition } from "../helpers/exposition.ts";
import type { Scrape } from "../helpers/exposition.ts";

const test = base.extend("scrape", ({ cli }) => {
  return async (...args: readonly string[]): Promise<Scrape> => {
    return readExposition(await cli.ok(["metrics", ...args]));
  };
});

/** Those that are about the spool as a whole, in their order. */
const OF_SPOOL = [
  "dirspool_up",
  "dirspool_build_info",
  "dirspool_scrape_duration_seconds",
  "dirspool_disk_size_bytes",
  "dirspool_disk_free_bytes",
  "dirspool_disk_free_inodes",
];

describe("figures", () => {
  test("say what status says, and leave out what nobody knows", async ({ cli, scrape }) => {
    await cli.sh("seq 3 | spool put jobs --lines");
    await cli.ok(["put", "jobs", "-m", "later", "--delay", "1h"]);
    await cli.ok(["take", "jobs", "--lease", "1h"]);
    await cli.ok(["put", "mail", "-m", "x"]);
    await cli.ok(["work", "mail", "--until-empty", "--", "sh", "-c", "exit 65"]);
    const all = await scrape();
    const messages = (queue: string): unknown =>
      all
        .of("dirspool_messages")
        .filter(({ labels }) => labels["queue"] === queue)
        .map(({ labels, value }) => [labels["state"], value]);
    expect(messages("jobs")).toEqual([
      ["ready", 2],
      ["scheduled", 1],
      ["in_flight", 1],
      ["dead", 0],
      ["expired", 0],
    ]);
    expect(messages("mail")).toContainEqual(["dead", 1]);
    const jobs = { queue: "jobs" };
    expect(all.value("dirspool_consumers", jobs)).toBe(1);
    const said = JSON.parse(await cli.ok(["status", "jobs", "--json"])) as {
      queues: [{ bytes: number; oldest_ms: number }];
    };
    const [{ bytes, oldest_ms: oldestMs }] = said.queues;
    expect(all.value("dirspool_payload_bytes", jobs)).toBe(bytes);
    const age = all.value("dirspool_oldest_ready_age_seconds", jobs) ?? -1;
    expect(age).toBeGreaterThan(0);
    expect(age * 1000).toBeLessThanOrEqual(oldestMs);
    // Nothing is ready in mail, and a queue has no lag.
    expect(all.value("dirspool_oldest_ready_age_seconds", { queue: "mail" })).toBeUndefined();
    expect(all.metrics).not.toContain("dirspool_lag_messages");
    expect(all.value("dirspool_up")).toBe(1);
    expect(all.value("dirspool_build_info", { version: "0.1.0" })).toBe(1);
    expect(Math.abs(all.value("dirspool_clock_skew_seconds") ?? 99)).toBeLessThan(2);
    const [free, size] = ["free", "size"].map(
      (what) => all.value(`dirspool_disk_${what}_bytes`) ?? 0,
    );
    expect(free).toBeGreaterThan(0);
    expect(size).toBeGreaterThan(free!);
    expect(all.value("dirspool_scrape_duration_seconds")).toBeGreaterThan(0);
    expect(new Set(all.series.map(({ labels }) => labels["spool"]))).toEqual(new Set([cli.spool]));
  });

  test("of a topic: its subscriptions, those of patterns too", async ({ cli, scrape }) => {
    for (const name of ["logs/a", "logs.#/b", "other/c"]) await cli.ok(["subscribe", name]);
    await cli.ok(["publish", "logs", "-m", "x"]);
    const all = await scrape("logs");
    const lags = all.of("dirspool_lag_messages").map(({ labels: { queue, topic }, value }) => {
      return { queue, topic, value };
    });
    expect(lags).toEqual([
      { queue: "logs.#/b", topic: "logs.#", value: 1 },
      { queue: "logs/a", topic: "logs", value: 1 },
    ]);
    expect(all.value("dirspool_lag_seconds", { queue: "logs/a" })).toBeGreaterThan(0);
    // Of one that is not behind that is known: it is 0.
    expect((await scrape("other/c")).value("dirspool_lag_seconds")).toBe(0);
  });

  test("stand in the same order each time", async ({ cli, scrape }) => {
    for (const name of ["b", "a", "a.b", "A"]) await cli.ok(["put", name, "-m", "x"]);
    await cli.ok(["subscribe", "t/s"]);
    const shape = ({ series }: Scrape): string[] =>
      series.map(({ metric, labels }) => `${metric} ${JSON.stringify(labels)}`);
    const first = await scrape();
    expect(shape(await scrape())).toEqual(shape(first));
    expect(first.of("dirspool_queue_up").map(({ labels }) => labels["queue"])).toEqual([
      "A",
      "a",
      "a.b",
      "b",
      "t/s",
    ]);
  });

  test("an empty spool has a disk and no queue", async ({ cli, scrape }) => {
    await cli.ok(["queue", "create", "q"]);
    await cli.ok(["queue", "rm", "q", "-f"]);
    expect((await scrape()).metrics.filter((one) => one !== "dirspool_clock_skew_seconds")).toEqual(
      OF_SPOOL,
    );
  });

  test("a path with anything in it is escaped", async ({ cli, scrape }) => {
    const odd = `${cli.dir}/a "b"\\n\\\nc|d`;
    await cli.ok(["-C", odd, "put", "q", "-m", "x"]);
    const all = await scrape("-C", odd);
    expect(all.value("dirspool_up", { spool: odd })).toBe(1);
  });

  test("--json is the same", async ({ cli, scrape }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    const { metrics } = JSON.parse(await cli.ok(["metrics", "--json"])) as {
      metrics: { name: string; type: string; samples: { labels: object; value: number }[] }[];
    };
    const text = await scrape();
    expect(metrics.map(({ name }) => name)).toEqual(text.metrics);
    const ready = metrics.find(({ name }) => name === "dirspool_messages")?.samples[0];
    expect(ready).toEqual({ labels: { spool: cli.spool, queue: "q", state: "ready" }, value: 1 });
  });

  test("a file system without inodes of its own says nothing of them", async ({
    cli,
    mount,
    skip,
  }) => {
    const at = (await mount("size=4m,nr_inodes=40")) ?? skip(NO_MOUNT);
    await cli.ok(["-C", `${at}/spool`, "put", "q", "-m", "x"]);
    const free = async (): Promise<number | undefined> =>
      readExposition(await cli.ok(["metrics", "-C", `${at}/spool`])).value(
        "dirspool_disk_free_inodes",
      );
    expect(await free()).toBeLessThan(40);
    // None left is a figure, and not "unknown".
    try {
      for (let at1 = 0; ; at1++) fs.writeFileSync(`${at}/${at1}`, "");
    } catch {
      expect(await free()).toBe(0);
    }
    if (!runs("umount", at)) skip(NO_MOUNT);
    const other = (await mount("size=4m,nr_inodes=0")) ?? skip(NO_MOUNT);
    await cli.ok(["-C", `${other}/spool`, "put", "q", "-m", "x"]);
    expect(await free()).toBeUndefined();
  });
});

describe("what cannot be read", () => {
  test("a spool: dirspool_up is 0, and the exit code says why", async ({ cli }) => {
    const ended = await cli.run(["metrics"]);
    expectFailure(ended, 66, /\[NO_SPOOL\]/);
    const all = readExposition(ended.stdout);
    expect(all.value("dirspool_up")).toBe(0);
    expect(all.metrics).toEqual(OF_SPOOL.slice(0, 3));
    await cli.ok(["put", "q", "-m", "x"]);
    fs.writeFileSync(`${cli.spool}/spool.json`, '{"format":99}');
    const newer = await cli.run(["metrics"]);
    expectFailure(newer, 78, /\[NEWER_FORMAT\]/);
    expect(readExposition(newer.stdout).value("dirspool_up")).toBe(0);
  });

  test("a queue that was named: its dirspool_queue_up is 0, the others are there", async ({
    cli,
  }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    const ended = await cli.run(["metrics", "nosuch", "q", "logs.*"]);
    expect(ended.code).toBe(66);
    expect(ended.stderr).toContain("[NO_QUEUE]");
    expect(ended.stderr).toContain("[NO_TOPIC]");
    const all = readExposition(ended.stdout);
    expect(all.value("dirspool_up")).toBe(1);
    expect(all.value("dirspool_queue_up", { queue: "nosuch" })).toBe(0);
    expect(all.value("dirspool_messages", { queue: "nosuch", state: "ready" })).toBeUndefined();
    expect(all.value("dirspool_messages", { queue: "q", state: "ready" })).toBe(1);
  });

  test("one directory of a queue", async ({ cli, skip }) => {
    if (process.getuid?.() !== 0 || !runs("setpriv", "--version")) skip("it takes root");
    for (const name of ["bad", "good"]) await cli.ok(["put", name, "-m", "x"]);
    fs.chmodSync(cli.dir, 0o755);
    fs.chmodSync(cli.path("ready", "bad"), 0o700);
    const other = ["--reuid=65534", "--regid=65534", "--clear-groups", SPOOL, "metrics"];
    const ended = await cli.launch("setpriv", other).read().ended;
    expectFailure(ended, 77, /\[NOT_PERMITTED\]/);
    const all = readExposition(ended.stdout);
    expect(all.value("dirspool_up")).toBe(1);
    expect(all.value("dirspool_queue_up", { queue: "bad" })).toBe(0);
    expect(all.value("dirspool_messages", { queue: "good", state: "ready" })).toBe(1);
    // It may not make a file there to read the disk's clock.
    expect(all.metrics).not.toContain("dirspool_clock_skew_seconds");
  });

  test("settings: the figures are there all the same", async ({ cli, scrape }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    fs.writeFileSync(cli.path("queue.json"), "{");
    expect((await scrape()).value("dirspool_messages", { state: "ready" })).toBe(1);
  });

  test("a queue that is removed meanwhile is left out", async ({ cli, scrape }) => {
    await cli.ok(["put", "stays", "-m", "x"]);
    const churn = cli.launch("/bin/sh", [
      "-c",
      "while :; do spool put q -m x; spool queue rm q -f; done >/dev/null 2>&1",
    ]);
    try {
      for (let round = 0; round < 15; round++) {
        expect((await scrape()).value("dirspool_queue_up", { queue: "stays" })).toBe(1);
      }
    } finally {
      churn.group("SIGKILL");
    }
  });

  test("wrong usage prints nothing", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    for (const [args, line] of [
      [["a b"], /BAD_NAME/],
      [["--nosuch"], /USAGE/],
      [["--textfile", "x.txt"], /"x\.txt": it does not end in \.prom {2}\[BAD_VALUE\]/],
      [["--textfile", "x.prom/"], /BAD_VALUE/],
      [["--textfile", "x.prom", "--json"], /USAGE/],
    ] as const) {
      const ended = await cli.run(["metrics", ...args]);
      expect(ended.stderr).toMatch(line);
      expect(ended.stdout).toBe("");
      expect(ended.code).toBe(64);
    }
    expect(fs.readdirSync(cli.dir).filter((name) => name.includes("prom"))).toEqual([]);
  });
});

describe("--textfile", () => {
  test("is whole, for everybody to read, and prints nothing", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    fs.mkdirSync(`${cli.dir}/node`);
    const path = `${cli.dir}/node/spool.prom`;
    const quiet = { code: 0, stdout: "", stderr: "" };
    const run = `umask 077; exec spool metrics --textfile ${path}`;
    expect(await cli.sh(run)).toMatchObject(quiet);
    expect(fs.statSync(path).mode & 0o777).toBe(0o644);
    expect(readExposition(fs.readFileSync(path, "utf8")).value("dirspool_up")).toBe(1);
    await cli.ok(["put", "q", "-m", "y"]);
    // Relative to where it was started.
    expect(await cli.run(["metrics", "--textfile", "node/spool.prom"])).toMatchObject(quiet);
    const ready = { queue: "q", state: "ready" };
    expect(readExposition(fs.readFileSync(path, "utf8")).value("dirspool_messages", ready)).toBe(2);
    expect(fs.readdirSync(`${cli.dir}/node`)).toEqual(["spool.prom"]);
  });

  test("is never seen half written, whoever else writes it", async ({ cli }) => {
    for (const name of ["a", "b", "c"]) await cli.ok(["put", name, "-m", "x"]);
    const path = `${cli.dir}/spool.prom`;
    const loop = `for i in 1 2 3 4 5; do spool metrics --textfile ${path} || exit 1; done`;
    const writers = [cli.sh(loop), cli.sh(loop)];
    const ended = Promise.all(writers);
    const done = ended.then(() => "done");
    let reads = 0;
    while ((await Promise.race([done, pause(1)])) !== "done") {
      if (!fs.existsSync(path)) continue;
      expect(readExposition(fs.readFileSync(path, "utf8")).of("dirspool_queue_up")).toHaveLength(3);
      reads++;
    }
    for (const { code, stderr } of await ended)
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(reads).toBeGreaterThan(10);
    expect(fs.readdirSync(cli.dir).filter((name) => name.includes("prom"))).toEqual(["spool.prom"]);
  });

  test("says that the spool is gone, rather than what was once there", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    const path = `${cli.dir}/spool.prom`;
    await cli.ok(["metrics", "--textfile", path]);
    fs.renameSync(cli.spool, `${cli.dir}/moved`);
    expectFailure(await cli.run(["metrics", "--textfile", path]), 66, /NO_SPOOL/);
    const all = readExposition(fs.readFileSync(path, "utf8"));
    expect(all.value("dirspool_up")).toBe(0);
    expect(all.of("dirspool_messages")).toEqual([]);
  });

  test("leaves the old file, and nothing else, where it fails", async ({ cli, mount, skip }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    const to = (path: string): Promise<Awaited<ReturnType<typeof cli.run>>> =>
      cli.run(["metrics", "--textfile", path]);
    expectFailure(
      await to(`${cli.dir}/nosuch/x.prom`),
      66,
      /nosuch: no such directory {2}\[NO_FILE\]/,
    );
    expectFailure(await to("/dev/null/x.prom"), 66, /NO_FILE/);
    fs.mkdirSync(`${cli.dir}/dir/x.prom`, { recursive: true });
    expectFailure(await to(`${cli.dir}/dir/x.prom`), 66, /a directory, not a file/);
    expect(fs.readdirSync(`${cli.dir}/dir`)).toEqual(["x.prom"]);
    const at = (await mount("size=8k")) ?? skip(NO_MOUNT);
    fs.writeFileSync(`${at}/x.prom`, Buffer.alloc(6000, "o"));
    expectFailure(await to(`${at}/x.prom`), 73, /\[DISK_FULL\]/);
    expect(fs.readdirSync(at)).toEqual(["x.prom"]);
    expect(fs.readFileSync(`${at}/x.prom`, "latin1")).toBe("o".repeat(6000));
  });

  test("replaces a link, and does not write through it", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    fs.writeFileSync(`${cli.dir}/precious`, "precious");
    fs.symlinkSync(`${cli.dir}/precious`, `${cli.dir}/x.prom`);
    await cli.ok(["metrics", "--textfile", `${cli.dir}/x.prom`]);
    expect(fs.readFileSync(`${cli.dir}/precious`, "utf8")).toBe("precious");
    expect(fs.lstatSync(`${cli.dir}/x.prom`).isFile()).toBe(true);
  });
});

test("promtool agrees, where it is installed", async ({ cli, skip }) => {
  if (!runs("promtool", "--version")) skip("promtool is not installed");
  await cli.ok(["put", "q", "-m", "x"]);
  await cli.ok(["subscribe", "logs.*/s"]);
  // It complains of names, of units and of missing help, too.
  const { code, stdout, stderr } = await cli.sh("spool metrics | promtool check metrics");
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("the reader is strict", () => {
  const good = '# HELP a b\n# TYPE a gauge\na{x="1"} 1\n';
  expect(readExposition(good).value("a")).toBe(1);
  for (const bad of [
    good.trimEnd(),
    good.replace("gauge", "gage"),
    good.replace("# HELP a b\n", ""),
    good.replace("a{", "b{"),
    good.replace("} 1", "} 1 1700000000"),
    good.replace('"1"', '"\\x"'),
    good.replace('"1"', '"""'),
    good.replace("} 1", "} U"),
    good + linesOf(good).at(-1)! + "\n",
    good + good,
    `${good}# HELP c d\n# TYPE c gauge\n`,
  ]) {
    expect(() => readExposition(bad), bad).toThrow(Error);
  }
});
