/**
 * Goal: who is told to stop, stops well: what runs may end and is acked, what is held goes back
 * without counting an attempt, and nothing new is begun. Who is told twice, stops now.
 *
 * Method: a worker whose commands wait for a file `go`; signals to the worker alone (SIGTERM), or to
 * the whole foreground as a terminal sends ^C.
 */
import { writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { isGone, linesIn, linesOf, test, until } from "../helpers/cli.ts";
import type { Cli, Running } from "../helpers/cli.ts";

const SLOW =
  'read -r l; echo "$l" >>began; until [ -e go ]; do sleep 0.05; done; echo "$l" >>ended';

async function began(cli: Cli, count: number): Promise<string[]> {
  return until(`${count} began`, async () => {
    const lines = await linesIn(`${cli.dir}/began`);
    return lines.length >= count && lines;
  });
}

const ways: readonly [string, (worker: Running) => void][] = [
  ["SIGTERM", (worker) => worker.kill("SIGTERM")],
  ["^C", (worker) => worker.group("SIGINT")],
  ["SIGHUP", (worker) => worker.group("SIGHUP")],
];

describe("work", () => {
  for (const [name, send] of ways) {
    test(`${name}: the commands that run may end, the rest goes back`, async ({ cli }) => {
      await cli.ok(["put", "q", "--lines"], { input: "1\n2\n3\n4\n5\n6\n" });
      const worker = cli.start(["work", "q", "-j", "2", "--", "sh", "-c", SLOW]);
      expect((await began(cli, 2)).toSorted()).toEqual(["1", "2"]);
      send(worker);
      await writeFile(`${cli.dir}/go`, "");
      const { code, signal } = await worker.ended;
      expect({ code, signal }).toEqual({ code: 0, signal: null });
      expect((await linesIn(`${cli.dir}/ended`)).toSorted()).toEqual(["1", "2"]);
      expect(await linesIn(`${cli.dir}/began`)).toHaveLength(2);
      await cli.expectStatus({ ready: 4, consumers: 0 });
      const left = await cli.lines(["peek", "q", "-n", "9", "--json"]);
      expect(left.map(({ body, attempts }) => [body, attempts])).toEqual([
        ["3", 0],
        ["4", 0],
        ["5", 0],
        ["6", 0],
      ]);
    });
  }

  test("SIGTERM: thousands that were claimed with the one in hand go back", async ({ cli }) => {
    const all = Array.from({ length: 300 }, (_, index) => String(index));
    await cli.ok(["put", "q", "--lines"], { input: `${all.join("\n")}\n` });
    // Fast ones let the claim grow; then one holds it up.
    const script =
      'read -r l; echo "$l" >>ran; [ "$l" != 60 ] || until [ -e go ]; do sleep 0.05; done';
    const worker = cli.start(["work", "q", "--", "sh", "-c", script]);
    await until("60", async () => (await linesIn(`${cli.dir}/ran`)).includes("60"));
    worker.kill("SIGTERM");
    await writeFile(`${cli.dir}/go`, "");
    expect((await worker.ended).code).toBe(0);
    expect(await linesIn(`${cli.dir}/ran`)).toEqual(all.slice(0, 61));
    await cli.expectStatus({ ready: 239 });
    const left = await cli.lines(["peek", "q", "-n", "999", "--json"]);
    expect(left.map(({ body }) => body)).toEqual(all.slice(61));
    expect(left.every(({ attempts }) => attempts === 0)).toBe(true);
    expect(await cli.ok(["consume", "q", "--until-empty"])).toBe(`${all.slice(61).join("\n")}\n`);
  });

  test("SIGTERM, and the command fails: that attempt counts", async ({ cli }) => {
    await cli.ok(["queue", "create", "q", "backoff=1h"]);
    await cli.ok(["put", "q", "-m", "x"]);
    const script = "echo x >>began; until [ -e go ]; do sleep 0.05; done; exit 3";
    const worker = cli.start(["work", "q", "--", "sh", "-c", script]);
    await began(cli, 1);
    worker.kill("SIGTERM");
    await writeFile(`${cli.dir}/go`, "");
    expect((await worker.ended).code).toBe(0);
    await cli.expectStatus({ scheduled: 1 });
    const [left] = await cli.lines(["peek", "q", "--state", "scheduled", "--json"]);
    expect(left).toMatchObject({ attempts: 1 });
  });

  test("a second signal kills the commands and all that they started", async ({ cli }) => {
    await cli.ok(["put", "q", "--lines"], { input: "1\n2\n3\n" });
    const script =
      "trap '' TERM INT; (trap '' TERM; exec sleep 60) & echo $! >>pids; echo $$ >>pids; echo x >>began; wait; wait";
    const worker = cli.start(["work", "q", "-j", "2", "--", "sh", "-c", script]);
    await began(cli, 2);
    worker.kill("SIGTERM");
    // Signals of one kind are not queued: the first must have been seen.
    await until("the first was seen", async () => {
      worker.kill("SIGTERM");
      return worker.child.exitCode !== null;
    });
    expect(await worker.ended).toMatchObject({ code: 143, signal: null });
    const pids = await linesIn(`${cli.dir}/pids`);
    expect(pids).toHaveLength(4);
    await until("they are gone", () => pids.every((pid) => isGone(Number(pid))));
    // Those two were in hand: the next consumer takes them over at once, and they count as tried.
    const left = linesOf(await cli.ok(["consume", "q", "--until-empty", "--json"])).map(
      (line) => JSON.parse(line) as { body: string; attempt: number },
    );
    expect(left.map(({ body, attempt }) => `${body}: ${attempt}`).toSorted()).toEqual([
      "1: 2",
      "2: 2",
      "3: 1",
    ]);
  });

  test("SIGTERM to one that waits for work ends it at once", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", "x"]);
    const worker = cli.start(["work", "q", "--", "sh", "-c", "echo x >>began"]);
    await began(cli, 1);
    await until("it is idle", async () => (await cli.status()).in_flight === 0);
    const startMs = performance.now();
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(1500);
  });
});

describe("consume", () => {
  test("SIGTERM: what stdout took is done, the rest stays, and it ends with 0", async ({ cli }) => {
    await cli.ok(["put", "q", "--lines"], { input: "1\n2\n3\n" });
    const consumer = cli.start(["consume", "q"]);
    await until("three lines", () => consumer.stdout === "1\n2\n3\n");
    consumer.kill("SIGTERM");
    expect((await consumer.ended).code).toBe(0);
    await cli.expectStatus({ consumers: 0 });
  });
});
