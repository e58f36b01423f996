/**
 * Goal: nothing is acked that nobody got, and nothing is put that nobody gave: with streams that are
 * closed, full, or cut.
 *
 * Method: the shell closes them, `head` cuts them, /dev/full is full.
 */
import { expect } from "vitest";

import { expectFailure, linesOf, SPOOL, test } from "../helpers/cli.ts";

const FULL = 20_000;

/** Enough for a pipe to be full many times. */
const BODIES = Array.from({ length: FULL }, (_, index) => `${index}`.padEnd(100, "."));

test("put with its stdin closed: 64, and no message", async ({ cli }) => {
  await cli.ok(["queue", "create", "q"]);
  for (const verb of ["put q", "put q -l", "put q -0", "put q -"]) {
    expectFailure(await cli.sh(`spool ${verb} <&-`), 64, /stdin is closed: nothing was put/);
  }
  await cli.expectStatus({});
  // What needs no stdin goes on without.
  await cli.sh("spool put q -m x <&-");
  await cli.expectStatus({ ready: 1 });
});

test("put of /dev/null is an empty message, and --lines of it none", async ({ cli }) => {
  await cli.sh("spool put q </dev/null; spool put q --lines </dev/null; spool put q -0 </dev/null");
  await cli.expectStatus({ ready: 1 });
  expect((await cli.run(["take", "q"])).out).toHaveLength(0);
  await cli.expectStatus({});
});

test("take and consume with stdout closed: 74, and the message stays", async ({ cli }) => {
  await cli.ok(["put", "q", "-m", "kept"]);
  for (const verb of ["take q", "consume q --until-empty", "take q --lease 1m", "take q --json"]) {
    expectFailure(await cli.sh(`spool ${verb} >&-`), 74, /stdout is closed/);
  }
  await cli.expectStatus({ ready: 1 });
  expect(await cli.lines(["peek", "q", "--json"])).toMatchObject([{ attempts: 0 }]);
});

test("take and consume into /dev/full: 74, and the message stays", async ({ cli }) => {
  await cli.ok(["put", "q", "-m", "kept"]);
  await cli.ok(["put", "q", "--lines"], { input: "a\nb\n" });
  const verbs = [
    "take q",
    "take q -n 3",
    "take q --json",
    "take q --lease 1m",
    "consume q --until-empty",
    "consume q --until-empty --json",
    "consume q --until-empty -0",
  ];
  for (const verb of verbs) {
    expectFailure(await cli.sh(`spool ${verb} >/dev/full`), 74, /stdout/);
    await cli.expectStatus({ ready: 3 });
  }
  const seen = await cli.lines(["peek", "q", "-n", "9", "--json"]);
  expect(seen.map(({ body, attempts }) => [body, attempts])).toEqual([
    ["kept", 0],
    ["a", 0],
    ["b", 0],
  ]);
});

test("what only reads, into /dev/full: 74, and it is not the spool's disk that is full", async ({
  cli,
}) => {
  await cli.ok(["put", "q", "-m", "x"]);
  for (const verb of ["status", "peek q", "verify --json", "queue ls", "help put"]) {
    const ended = await cli.sh(`spool ${verb} >/dev/full`);
    if (verb === "help put") continue;
    expectFailure(ended, 74, /stdout/);
  }
});

test("put into /dev/full: the message is safe, and it says so", async ({ cli }) => {
  const ended = await cli.sh("spool put q -m x >/dev/full");
  expectFailure(ended, 74, /message \S+ is safe/);
  await cli.expectStatus({ ready: 1 });
});

test("consume | head -1: it ends quietly, and what was not taken stays, in order", async ({
  cli,
}) => {
  await cli.ok(["put", "q", "--lines", "--batch", "3000"], { input: `${BODIES.join("\n")}\n` });
  for (const options of ["", "--json"]) {
    const before = (await cli.status()).ready;
    const ended = await cli
      .launch("bash", [
        "-c",
        `spool consume q --until-empty ${options} | head -1; echo "\${PIPESTATUS[0]}"`,
      ])
      .read().ended;
    expect(ended.stderr).toBe("");
    const [line = "", code] = linesOf(ended.stdout);
    expect(code).toBe("0");
    const first = options === "" ? line : (JSON.parse(line) as { body: string }).body;
    expect(first).toBe(BODIES[FULL - before]);
    const { ready, in_flight, scheduled, dead } = await cli.status();
    expect({ in_flight, scheduled, dead }).toEqual({ in_flight: 0, scheduled: 0, dead: 0 });
    // At least one was taken; and no more than the pipe and what head reads at once can hold.
    expect(ready).toBeLessThan(before);
    expect(ready).toBeGreaterThan(before - 3000);
  }
  const { ready } = await cli.status();
  const rest = linesOf(await cli.ok(["consume", "q", "--until-empty"]));
  expect(rest).toEqual(BODIES.slice(FULL - ready));
});

test("take | true of a large message: it ends quietly, and the message stays", async ({ cli }) => {
  await cli.ok(["put", "q"], { input: "x".repeat(2_000_000) });
  const script = "spool take q | true; echo ${PIPESTATUS[0]}";
  const ended = await cli.launch("bash", ["-c", script]).read().ended;
  expect(ended).toMatchObject({ stdout: "0\n", stderr: "" });
  await cli.expectStatus({ ready: 1 });
  expect((await cli.run(["take", "q"])).out).toHaveLength(2_000_000);
});

test("put --lines whose writer dies: the lines that were whole are there", async ({ cli }) => {
  const script = `(printf 'a\\nb\\n'; kill -9 $(exec sh -c 'echo $PPID')) | spool put q --lines`;
  expect(await cli.sh(script)).toMatchObject({ code: 0 });
  expect(await cli.ok(["consume", "q", "--until-empty"])).toBe("a\nb\n");
});

test("NO_COLOR or not, on no terminal there is no escape sequence", async ({ cli }) => {
  await cli.ok(["put", "q", "--lines", "-v"], { input: "a\nb\n" });
  for (const args of [["status"], ["help"], ["help", "put"], ["verify"], ["nope"], ["doctor"]]) {
    const { stdout, stderr } = await cli.run(args, { env: { FORCE_COLOR: "1" } });
    expect(stdout + stderr).not.toContain("\u001b");
  }
});

test("bin/spool leaves data on stdout and all else on stderr", async ({ cli }) => {
  const put = await cli.run(["put", "q", "-m", "x"]);
  expect(put).toMatchObject({ code: 0, stderr: "" });
  expect(put.stdout).toMatch(/^[0-9a-z]{26}\n$/);
  const lines = await cli.run(["put", "q", "--lines", "-v"], { input: "a\n" });
  expect(lines).toMatchObject({ code: 0, stdout: "" });
  expect(lines.stderr).toMatch(/^spool: 1 message, /);
  expect(await cli.run(["take", "q"])).toMatchObject({ code: 0, stdout: "x", stderr: "" });
  expect(await cli.launch(SPOOL, ["purge", "q", "-f"]).read().ended).toMatchObject({
    code: 0,
    stdout: "",
    stderr: "spool: 1 message thrown away\n",
  });
});
