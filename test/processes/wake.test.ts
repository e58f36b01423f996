/**
 * Goal: who waits is woken by what another process does, soon; and who waits in vain says so.
 *
 * Method: `take --wait` in one process; a put, a `mv` into the drop box, a retry that falls due, or
 * nothing, in another.
 */
import { readdir, stat, writeFile } from "node:fs/promises";

import { expect } from "vitest";

import { expectFailure, pause, test, until } from "../helpers/cli.ts";
import type { Cli, Running } from "../helpers/cli.ts";

/** Started, and as far as anybody can see from outside: it watches the bell. */
async function waiting(cli: Cli, ...options: string[]): Promise<Running> {
  const taker = cli.start(["take", "q", "--wait", "20s", ...options]);
  await until("it watches", async () => {
    const links = await readdir(`/proc/${taker.pid}/fd`).catch(() => []);
    const text = await Promise.all(
      links.map((fd) => cli.sh(`cat /proc/${taker.pid}/fdinfo/${fd} 2>/dev/null`)),
    );
    return text.some(({ stdout }) => stdout.includes("inotify wd"));
  });
  return taker;
}

test("take --wait is woken by a put in another process within a second", async ({ cli }) => {
  await cli.ok(["queue", "create", "q"]);
  for (const body of ["first", "second", "third"]) {
    const taker = await waiting(cli);
    await cli.ok(["put", "q", "-m", body]);
    const putMs = performance.now();
    const { code, stdout } = await taker.ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: body });
    expect(performance.now() - putMs).toBeLessThan(1000);
  }
  await cli.expectStatus({});
});

test("one put wakes one of many: the others wait on", async ({ cli }) => {
  await cli.ok(["queue", "create", "q"]);
  const takers = await Promise.all([1, 2, 3].map(() => waiting(cli)));
  for (const body of ["1", "2", "3"]) await cli.ok(["put", "q", "-m", body]);
  const ended = await Promise.all(takers.map((taker) => taker.ended));
  expect(ended.map(({ stdout }) => stdout).toSorted()).toEqual(["1", "2", "3"]);
});

test("a wait that runs out ends with 75, after its time", async ({ cli }) => {
  await cli.ok(["queue", "create", "q"]);
  const startMs = performance.now();
  expectFailure(await cli.run(["take", "q", "--wait", "700ms"]), 75, /stayed empty/);
  expect(performance.now() - startMs).toBeGreaterThan(690);
  expect(performance.now() - startMs).toBeLessThan(4000);
  expectFailure(await cli.run(["take", "q"]), 75, /is empty/);
});

test("a delayed message wakes who waits for it when it is due, not before", async ({ cli }) => {
  await cli.ok(["put", "q", "-m", "later", "--delay", "1200ms"]);
  const putMs = performance.now();
  expectFailure(await cli.run(["take", "q"]), 75, /is empty/);
  expect(await cli.ok(["take", "q", "--wait", "15s"])).toBe("later");
  expect(performance.now() - putMs).toBeGreaterThan(1000);
  expect(performance.now() - putMs).toBeLessThan(4000);
});

test("a file that sh moves into the drop box is a message, once", async ({ cli }) => {
  await cli.ok(["queue", "create", "q"]);
  const drop = cli.path("drop");
  // Writing it takes time: what has a dot in front is not looked at, what is renamed is whole.
  const script = `cat >"${drop}/.new" && mv "${drop}/.new" "${drop}/report.csv"`;
  const body = `a;b\n${"1;2\n".repeat(1000)}`;
  expect(await cli.sh(script, { input: body })).toMatchObject({ code: 0 });
  expect(await cli.ok(["take", "q"])).toBe(body);
  expectFailure(await cli.run(["take", "q"]), 75, /is empty/);
  expect(await readdir(drop)).toEqual([]);
});

test("a file moved into the drop box wakes who waits already", async ({ cli }) => {
  await cli.ok(["queue", "create", "q"]);
  const taker = await waiting(cli);
  await writeFile(cli.path("tmp.txt"), "dropped");
  await cli.sh(`mv ${cli.path("tmp.txt")} ${cli.path("drop")}/x`);
  const movedMs = performance.now();
  expect(await taker.ended).toMatchObject({ code: 0, stdout: "dropped" });
  // It is not the bell that tells: the slow look does.
  expect(performance.now() - movedMs).toBeLessThan(4000);
});

test("take --wait 0 waits for ever, and ^C ends it with nothing taken", async ({ cli }) => {
  await cli.ok(["queue", "create", "q"]);
  const taker = cli.start(["take", "q", "--wait", "0"]);
  await pause(600);
  expect(taker.child.exitCode).toBeNull();
  taker.group("SIGINT");
  const { code, signal } = await taker.ended;
  expect([code, signal]).not.toEqual([0, null]);
  await cli.ok(["put", "q", "-m", "kept"]);
  expect(await cli.ok(["take", "q"])).toBe("kept");
  expect((await stat(cli.path("leases"))).isDirectory()).toBe(true);
});
