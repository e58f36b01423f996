/**
 * Goal: status is right with a file of counts, with a broken one and with none, and never says a word of it.
 *
 * Method: the built command line; queues of links, which are made fast.
 */
import * as fs from "node:fs";

import { describe, expect } from "vitest";

import { IdSource } from "../../src/message/id.ts";
import { expectFailure, linesOf, NO_MOUNT, runs, SPOOL, test as base } from "../helpers/cli.ts";
import type { Cli, RunOptions } from "../helpers/cli.ts";

/** What nothing but the clock changes. */
const CLOCK = /"oldest_ms":\d+/g;

const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 80));

const test = base.extend("many", ({ cli }) => {
  /** Puts so many messages into a queue, as links of one; `status` may keep its count when this returns. */
  return async (count: number, queue = "q", on: readonly string[] = []): Promise<void> => {
    await cli.ok([...on, "queue", "create", queue]);
    const root = `${on[1] ?? cli.spool}/queues/${queue}`;
    const timeMs = Date.now() - 3600_000;
    const id = new IdSource().next(timeMs);
    const bucket = `${root}/ready/5-${timeMs}-${id}`;
    fs.mkdirSync(bucket);
    fs.writeFileSync(`${root}/tmp/file`, "");
    for (let at = 0; at < count; at++) {
      const first = String(at).padStart(7, "0");
      fs.linkSync(`${root}/tmp/file`, `${bucket}/5-${timeMs}-${id}-${first}-n1-o0-b1-a0`);
    }
    fs.unlinkSync(`${root}/tmp/file`);
    await rest();
  };
});

/** What status says, without what the clock says. Nothing else may be said. */
async function look(cli: Cli, options?: RunOptions, on: readonly string[] = []): Promise<string> {
  const { code, stdout, stderr } = await cli.run([...on, "status", "--json"], options);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return stdout.replaceAll(CLOCK, '"oldest_ms":0');
}

const readyOf = (said: string): number[] =>
  (JSON.parse(said) as { queues: { ready: number }[] }).queues.map(({ ready }) => ready);

describe("status", () => {
  test("leaves its counts in ~/.cache/spool, and sees each change", async ({ cli, many }) => {
    await many(700);
    const before = await cli.tree();
    const first = await look(cli);
    expect(readyOf(first)).toEqual([700]);
    expect(await cli.tree()).toEqual(before);
    expect(fs.readdirSync(`${cli.dir}/.cache/spool`)).toHaveLength(1);
    expect(await look(cli)).toBe(first);
    await cli.ok(["put", "q", "-m", "x"]);
    expect(readyOf(await look(cli))).toEqual([701]);
    await cli.ok(["purge", "q", "--max", "2", "-f"]);
    expect(readyOf(await look(cli))).toEqual([699]);
    await cli.ok(["queue", "rm", "q", "-f"]);
    expect(readyOf(await look(cli))).toEqual([]);
    await many(3);
    expect(readyOf(await look(cli))).toEqual([3]);
  });

  test("leaves them where XDG_CACHE_HOME says, if that is absolute", async ({ cli, many }) => {
    await many(600);
    await look(cli, { env: { XDG_CACHE_HOME: `${cli.dir}/elsewhere` } });
    expect(fs.readdirSync(`${cli.dir}/elsewhere/spool`)).toHaveLength(1);
    expect(fs.existsSync(`${cli.dir}/.cache`)).toBe(false);
    await look(cli, { env: { XDG_CACHE_HOME: "relative" } });
    expect(fs.existsSync(`${cli.dir}/relative`)).toBe(false);
    expect(fs.existsSync(`${cli.dir}/.cache`)).toBe(true);
    await look(cli, { env: { HOME: undefined, XDG_CACHE_HOME: undefined } });
  });

  test("does not mind a file that is torn, foreign, or cannot be written", async ({
    cli,
    many,
  }) => {
    await many(600);
    const said = await look(cli);
    const directory = `${cli.dir}/.cache/spool`;
    const file = `${directory}/${fs.readdirSync(directory)[0]}`;
    const whole = fs.readFileSync(file);
    for (const bytes of [
      whole.subarray(0, whole.length / 2),
      Buffer.alloc(whole.length),
      Buffer.from("{}"),
      Buffer.alloc(0),
    ]) {
      fs.writeFileSync(file, bytes);
      expect(await look(cli)).toBe(said);
      // It was mended by the way.
      expect(fs.readFileSync(file).length).toBe(whole.length);
    }
    fs.rmSync(`${cli.dir}/.cache`, { recursive: true });
    fs.writeFileSync(`${cli.dir}/.cache`, "a file");
    expect(await look(cli)).toBe(said);
    expect(await look(cli, { env: { XDG_CACHE_HOME: "/dev/null" } })).toBe(said);
    expect(await look(cli, { env: { XDG_CACHE_HOME: "/proc" } })).toBe(said);
  });

  test("may look at what it may not write to", async ({ cli, many, skip }) => {
    if (process.getuid?.() !== 0 || !runs("setpriv", "--version")) skip("it takes root");
    await many(600);
    fs.chmodSync(cli.dir, 0o755);
    const home = `${cli.dir}/theirs`;
    fs.mkdirSync(home);
    fs.chownSync(home, 65534, 65534);
    const before = await cli.tree();
    const drop = ["--reuid=65534", "--regid=65534", "--clear-groups", SPOOL, "status", "--json"];
    for (const env of [{ HOME: cli.dir }, { HOME: home }, { HOME: home }]) {
      const { stdout, stderr } = await cli.launch("setpriv", drop, { env }).read().ended;
      expect(stderr).toBe("");
      expect(readyOf(stdout)).toEqual([600]);
    }
    expect(fs.readdirSync(`${home}/.cache/spool`)).toHaveLength(1);
    expect(fs.existsSync(`${cli.dir}/.cache`)).toBe(false);
    expect(await cli.tree()).toEqual(before);
  });

  test("looks at a disk that is mounted read-only", async ({ cli, many, mount, skip }) => {
    const at = (await mount("size=4m")) ?? skip(NO_MOUNT);
    const on = ["-C", `${at}/spool`];
    await many(600, "q", on);
    if (!runs("mount", "-o", "remount,ro", at)) skip(NO_MOUNT);
    const first = await look(cli, {}, on);
    expect(readyOf(first)).toEqual([600]);
    expect(fs.readdirSync(`${cli.dir}/.cache/spool`)).toHaveLength(1);
    expect(await look(cli, {}, on)).toBe(first);
  });

  test("--watch sees each change, and leaves its counts when it ends", async ({ cli, many }) => {
    await many(600);
    const watch = cli.start(["status", "--watch", "100ms", "--json"]);
    const last = (): number | undefined => {
      const whole = watch.stdout.slice(0, watch.stdout.lastIndexOf("\n") + 1);
      const line = linesOf(whole).at(-1);
      return line === undefined ? undefined : readyOf(line)[0];
    };
    await expect.poll(last).toBe(600);
    await cli.ok(["put", "q", "-m", "x"]);
    await expect.poll(last).toBe(601);
    await cli.ok(["purge", "q", "--max", "2", "-f"]);
    await expect.poll(last).toBe(599);
    watch.kill("SIGTERM");
    expect(await watch.ended).toMatchObject({ code: 0, stderr: "" });
    expect(fs.readdirSync(`${cli.dir}/.cache/spool`)).toHaveLength(1);
  });
});

describe("a limit", () => {
  test("is kept to the message with counts of another process", async ({ cli, many }) => {
    await many(600);
    await cli.ok(["queue", "set", "q", "max-depth=602"]);
    for (const body of ["601", "602"]) await cli.ok(["put", "q", "-m", body]);
    expect(fs.readdirSync(`${cli.dir}/.cache/spool`)).toHaveLength(1);
    expectFailure(await cli.run(["put", "q", "-m", "603"]), 73, /QUEUE_FULL/);
    await cli.ok(["purge", "q", "--max", "1", "-f"]);
    await cli.ok(["put", "q", "-m", "603"]);
    expectFailure(await cli.run(["put", "q", "-m", "604"]), 73, /QUEUE_FULL/);
  });
});
