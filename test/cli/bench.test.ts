/**
 * Goal: `spool bench` says what it has measured, in the time that it was given, and leaves nothing behind, also
 * where it is killed; the spool itself is not touched.
 *
 * Method: real runs beside a spool, which is compared name by name and time by time.
 */
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { expectFailure, linesOf, NO_MOUNT, test, until } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

const SCRATCH = /^\.spool-bench-\w{6}$/;

const RESULTS = [
  "fsync",
  "put",
  "put_ms",
  "put_in_flight",
  "put_lines",
  "wake",
  "fan_out",
  "take_batches",
  "claim",
];

const NUMBER = expect.any(Number) as number;
const TEXT = expect.any(String) as string;

interface Result {
  readonly name: string;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly floor?: object;
}

/** Every name below a directory, with the time of its last change. */
function snapshot(dir: string): string[] {
  const names = readdirSync(dir, { recursive: true, encoding: "utf8" });
  return ["", ...names].map((name) => `${name} ${lstatSync(`${dir}/${name}`).mtimeMs}`).toSorted();
}

/** Starts a run that would last, and waits until it is at it. */
async function startLong(cli: Cli, ...words: string[]) {
  const running = cli.start(["bench", "--seconds", "60", ...words], { timeoutMs: 80_000 });
  await until("a scratch directory", () =>
    readdirSync(cli.dir).some((name) => SCRATCH.test(name) && existsSync(`${cli.dir}/${name}`)),
  );
  return running;
}

test("--json: one document, in about the time that it was given", async ({ cli }) => {
  const documents = await cli.lines(["bench", "--seconds", "2", "--json"]);
  expect(documents).toHaveLength(1);
  const [{ results, missing, seconds, ...rest }] = documents as [
    { results: Result[]; missing: string[]; seconds: number },
  ];
  expect(rest).toEqual({
    dir: cli.dir,
    file_system: TEXT,
    kernel: expect.stringMatching(/^Linux /) as string,
    node: expect.stringMatching(/^v\d+\./) as string,
    cores: NUMBER,
    cpu: TEXT,
  });
  // A machine that is busy with something else takes longer; one that does not look at the time, minutes.
  expect(seconds).toBeLessThan(12);
  // What there was no time for is said.
  const names = results.map(({ name }) => name);
  expect(names).toEqual(RESULTS.filter((name) => names.includes(name)));
  expect(names).toContain("fsync");
  const parts = new Set(names.map((name) => (name === "put_ms" ? "put" : name)));
  expect(parts.size + missing.length).toBe(RESULTS.length - 1);
  for (const { name, floor, ...result } of results) {
    const isLatency = name === "fsync" || name === "wake";
    const figures = {
      median: NUMBER,
      least: NUMBER,
      most: NUMBER,
      ...(isLatency && { p99: NUMBER }),
    };
    const compared = floor === undefined ? {} : { ratio: NUMBER };
    expect(result).toEqual({ what: TEXT, unit: TEXT, rounds: NUMBER, ...figures, ...compared });
    if (name === "fsync") expect(floor).toBeUndefined();
    else expect(floor).toEqual({ what: TEXT, ...figures });
    expect(result.least).toBeGreaterThan(0);
    expect(result.median).toBeGreaterThanOrEqual(result.least);
    expect(result.most).toBeGreaterThanOrEqual(result.median);
  }
});

test("leaves the spool as it is, and nothing beside it", async ({ cli }) => {
  await cli.ok(["put", "q", "-m", "x"]);
  const before = snapshot(cli.spool);
  const around = await readdir(cli.dir);
  const ended = await cli.run(["bench", "--seconds", "1"]);
  expect(ended.code).toBe(0);
  expect(ended.stdout).toContain(` in ${cli.dir}; Linux `);
  expect(ended.stdout).toMatch(/^fsync .* µs( +[\d.,]+){3}$/m);
  expect(ended.stdout).not.toContain("\u001b");
  for (const line of linesOf(ended.stderr)) expect(line).toMatch(/^spool: there was no time to /);
  expect(snapshot(cli.spool)).toEqual(before);
  expect(await readdir(cli.dir)).toEqual(around);
});

test("-o plain: a head, and a line for each", async ({ cli }) => {
  const [head = "", ...lines] = linesOf(await cli.ok(["bench", "--seconds", "1", "-o", "plain"]));
  const columns = head.split("\t");
  expect(columns.slice(0, 3)).toEqual(["NAME", "UNIT", "MEDIAN"]);
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) {
    const cells = line.split("\t");
    expect(RESULTS).toContain(cells[0]);
    expect(cells).toHaveLength(columns.length);
  }
});

test("works before there is a spool, in the nearest directory above", async ({ cli }) => {
  const ended = await cli.run(["bench", "-C", `${cli.dir}/a/b`, "--seconds", "1", "--json"]);
  expect(JSON.parse(ended.stdout)).toMatchObject({ dir: cli.dir });
  expect(await readdir(cli.dir)).toEqual([]);
});

describe.concurrent("is killed", () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    test(`by ${signal}: clears away, then dies of it`, async ({ cli }) => {
      await cli.ok(["put", "q", "-m", "x"]);
      const running = await startLong(cli);
      running.kill(signal);
      expect(await running.ended).toMatchObject({ signal, stdout: "", stderr: "" });
      expect(await readdir(cli.dir)).toEqual(["spool"]);
    });
  }

  test("with its waiting processes: they end, too", async ({ cli }) => {
    const running = await startLong(cli, "--seconds", "10");
    await until("the waiting processes", () => cli.living().length >= 3, 60_000);
    // As a terminal does it on ^C: to all of them.
    running.group("SIGINT");
    expect(await running.ended).toMatchObject({ signal: "SIGINT", stdout: "", stderr: "" });
    expect(await readdir(cli.dir)).toEqual([]);
    expect(cli.living()).toEqual([]);
  });

  test("by SIGKILL: its waiting processes end by themselves", async ({ cli }) => {
    const running = await startLong(cli, "--seconds", "10");
    await until("the waiting processes", () => cli.living().length >= 3, 60_000);
    running.kill("SIGKILL");
    expect(await running.ended).toMatchObject({ signal: "SIGKILL" });
    await until("all are gone", () => cli.living().length === 0);
  });
});

test.for(["0", "-1", "x", "1.5", "61", "", "10s"])(
  "refuses --seconds %j",
  async (text, { cli }) => {
    const ended = await cli.run(["bench", `--seconds=${text}`]);
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    expect(ended.stderr).toMatch(/^spool: /);
    expect(await readdir(cli.dir)).toEqual([]);
  },
);

test("a file where the directory should be: 66", async ({ cli }) => {
  await writeFile(`${cli.dir}/file`, "");
  expectFailure(await cli.run(["bench", "-C", `${cli.dir}/file`]), 66, /\[NO_SPOOL\]/);
});

test("a full disk: 73, and it is as empty as it was", async ({ cli, mount, skip }) => {
  const at = (await mount("size=1m")) ?? skip(NO_MOUNT);
  const ended = await cli.run(["bench", "-C", at, "--seconds", "5"]);
  expectFailure(ended, 73, /the disk is full.*\[DISK_FULL\]/);
  expect(await readdir(at)).toEqual([]);
});

test("a spool that is the root of its disk: within it, and verify is not disturbed", async ({
  cli,
  mount,
  skip,
}) => {
  const at = (await mount("size=512m")) ?? skip(NO_MOUNT);
  await cli.ok(["-C", at, "put", "q", "-m", "x"]);
  const around = await readdir(cli.dir);
  const running = cli.start(["bench", "-C", at, "--seconds", "60"], { timeoutMs: 80_000 });
  const name = await until("a scratch directory", async () =>
    (await readdir(at)).find((one) => SCRATCH.test(one)),
  );
  expect(await readdir(cli.dir)).toEqual(around);
  expect(await cli.ok(["-C", at, "verify"])).toBe("");
  running.kill("SIGTERM");
  expect(await running.ended).toMatchObject({ signal: "SIGTERM" });
  expect(await readdir(at)).toEqual(expect.not.arrayContaining([name]));
});

test("verify --repair clears what a bench that was killed has left", async ({ cli }) => {
  await cli.ok(["put", "q", "-m", "x"]);
  const left = `${cli.spool}/.spool-bench-aB3dE6`;
  await mkdir(`${left}/plain0`, { recursive: true });
  await writeFile(`${left}/plain0/file`, "");
  // It may be at it still.
  expect(await cli.ok(["verify"])).toBe("");
  const longAgo = new Date(Date.now() - 2 * 3600_000);
  await utimes(left, longAgo, longAgo);
  expect((await cli.run(["verify"])).stdout).toBe(
    `${left}: left by a doctor or a bench that was killed\n`,
  );
  expect((await cli.run(["verify", "--repair"])).code).toBe(0);
  expect(existsSync(left)).toBe(false);
  await cli.expectStatus({ ready: 1 });
});
