/**
 * Goal: what `work` asks of a command, and what it gives it, is as the contract says: exit codes,
 * environment, stdin, `{}`.
 *
 * Method: one real `spool work` for each row of the table, over one message; then `status`, `peek`
 * and `dlq` say what became of it.
 */
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { expectFailure, isGone, linesIn, linesOf, test, until } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";

/** Retries are not due before the test is over. */
async function putOne(cli: Cli, body = "payload"): Promise<string> {
  await cli.ok(["queue", "create", "q", "backoff=1h", "max-attempts=2"]);
  return (await cli.ok(["put", "q"], { input: body })).trim();
}

describe.concurrent("the exit of CMD", () => {
  test("0: it is done", async ({ cli }) => {
    await putOne(cli);
    await cli.ok(["work", "q", "--until-empty", "--", "sh", "-c", "exit 0"]);
    await cli.expectStatus({});
  });

  for (const script of ["exit 75", "exit 111", "exit 3", "exit 1", "kill -9 $$", "kill -15 $$"]) {
    test(`${script}: a retry after the back-off, and at the last attempt a dead letter`, async ({
      cli,
    }) => {
      await putOne(cli);
      await cli.ok(["work", "q", "--until-empty", "--", "sh", "-c", script]);
      await cli.expectStatus({ scheduled: 1 });
      const [waiting] = await cli.lines(["peek", "q", "--state", "scheduled", "--json"]);
      expect(waiting).toMatchObject({ attempts: 1, body: "payload" });
      const waitMs = Date.parse(String(waiting!["visible_at"])) - Date.now();
      expect(waitMs).toBeGreaterThan(25 * 60_000);
      expect(waitMs).toBeLessThan(61 * 60_000);

      await cli.ok(["queue", "set", "q", "max-attempts=1"]);
      const id = (await cli.ok(["put", "q", "-m", "last"])).trim();
      await cli.ok(["work", "q", "--until-empty", "--", "sh", "-c", script]);
      await cli.expectStatus({ scheduled: 1, dead: 1 });
      const [letter] = await cli.lines(["dlq", "ls", "q", "--json"]);
      const reason = script.startsWith("exit")
        ? script
        : `killed by ${script.includes("9") ? "SIGKILL" : "SIGTERM"}`;
      expect(letter).toMatchObject({ id, attempts: 1, reason });
    });
  }

  test("over --timeout: all that it has started is ended, and it is retried", async ({ cli }) => {
    await putOne(cli);
    const script = "sleep 60 & echo $! >pids; echo $$ >>pids; wait";
    await cli.ok(["work", "q", "--until-empty", "--timeout", "300ms", "--", "sh", "-c", script]);
    await cli.expectStatus({ scheduled: 1 });
    const pids = await linesIn(`${cli.dir}/pids`);
    expect(pids).toHaveLength(2);
    await until("they are gone", () => pids.every((pid) => isGone(Number(pid))));
  });

  test("over --timeout and deaf to SIGTERM: it is killed", async ({ cli }) => {
    await putOne(cli);
    const script = "trap '' TERM; echo $$ >pid; while :; do sleep 1; done";
    await cli.ok(["work", "q", "--until-empty", "--timeout", "200ms", "--", "sh", "-c", script]);
    await cli.expectStatus({ scheduled: 1 });
    const [pid] = await linesIn(`${cli.dir}/pid`);
    expect(isGone(Number(pid))).toBe(true);
  });

  for (const code of [65, 100]) {
    test(`${code}: a dead letter now, with exit code and the last 4 KiB of stderr`, async ({
      cli,
    }) => {
      const id = await putOne(cli);
      const script = `i=0; while [ $i -lt 1000 ]; do echo "line $i" >&2; i=$((i+1)); done; exit ${code}`;
      const ended = await cli.run(["work", "q", "--until-empty", "--", "sh", "-c", script]);
      expect(ended.code).toBe(0);
      const said = linesOf(ended.stderr).filter((line) => line.startsWith("line "));
      expect(said).toHaveLength(1000);
      await cli.expectStatus({ dead: 1 });
      const letter = JSON.parse(await cli.ok(["dlq", "show", "q", id, "--json"])) as {
        stderr: string;
      };
      expect(letter).toMatchObject({
        id,
        attempts: 1,
        reason: `exit ${code}`,
        exit_code: code,
        body: "payload",
      });
      expect(letter.stderr).toHaveLength(4096);
      expect(letter.stderr.endsWith("line 998\nline 999\n")).toBe(true);
      await cli.ok(["dlq", "redrive", "q"]);
      await cli.expectStatus({ ready: 1 });
      expect(await cli.ok(["take", "q"])).toBe("payload");
    });
  }

  test("a stderr that is read slowly comes whole, and in order", async ({ cli }) => {
    await putOne(cli);
    const work = "spool work q --until-empty -- sh -c 'seq 300000 >&2'";
    const script = `${work} 2>&1 >/dev/null | (sleep 1; cat) >said`;
    expect((await cli.sh(script)).code).toBe(0);
    const said = await readFile(`${cli.dir}/said`, "utf8");
    const lines = Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`);
    expect(said === lines.join("")).toBe(true);
  });

  test("99: it is done, and the worker stops", async ({ cli }) => {
    await cli.ok(["put", "q", "--lines"], { input: "1\n2\n3\n4\n5\n" });
    const script = 'read -r l; echo "$l" >>ran; [ "$l" = 2 ] && exit 99; exit 0';
    await cli.ok(["work", "q", "--", "sh", "-c", script]);
    expect(await linesIn(`${cli.dir}/ran`)).toEqual(["1", "2"]);
    await cli.expectStatus({ ready: 3 });
    const left = await cli.lines(["peek", "q", "-n", "9", "--json"]);
    expect(left.map(({ body, attempts }) => [body, attempts])).toEqual([
      ["3", 0],
      ["4", 0],
      ["5", 0],
    ]);
  });

  for (const { what, argv, exit } of [
    { what: "126", argv: ["sh", "-c", "exit 126"], exit: 77 },
    { what: "127", argv: ["sh", "-c", "exit 127"], exit: 66 },
    { what: "no such command", argv: ["./nowhere"], exit: 66 },
    { what: "not executable", argv: ["./file"], exit: 77 },
    { what: "a directory", argv: ["."], exit: 77 },
  ]) {
    test(`${what}: the worker stops, and no attempt is counted`, async ({ cli }) => {
      await writeFile(`${cli.dir}/file`, "#!/bin/sh\n", { mode: 0o644 });
      await cli.ok(["put", "q", "--lines"], { input: "1\n2\n3\n" });
      const ended = await cli.run(["work", "q", "--", ...argv]);
      expectFailure(ended, exit, /^spool: .*(not found|cannot be run)/m);
      await cli.expectStatus({ ready: 3 });
      const left = await cli.lines(["peek", "q", "-n", "9", "--json"]);
      expect(left.map(({ body, attempts }) => [body, attempts])).toEqual([
        ["1", 0],
        ["2", 0],
        ["3", 0],
      ]);
    });
  }
});

describe.concurrent("what CMD is given", () => {
  const binary = randomBytes(70_000);

  test("the payload on stdin and in {}, byte for byte; and what names it", async ({ cli }) => {
    await cli.ok(["queue", "create", "jobs"]);
    const headers = ["-H", "Content-Type: text/x; a=b", "-H", "x-2-ü: 1: 2"];
    const put = await cli.run(["put", "jobs", ...headers], { input: binary });
    const wide = put.code === 0 ? put : undefined;
    const id = (
      wide?.stdout ?? (await cli.ok(["put", "jobs", ...headers.slice(0, 2)], { input: binary }))
    ).trim();
    const script =
      'cat >stdin; cat "$1" >braces; cat "$SPOOL_FILE" >file; [ "$1" = "$SPOOL_FILE" ] || exit 65; env -0 >env';
    await cli.ok(["work", "jobs", "--until-empty", "--", "sh", "-c", script, "sh", "{}"]);
    await cli.expectStatus({}, "jobs");
    for (const name of ["stdin", "braces", "file"]) {
      expect((await readFile(`${cli.dir}/${name}`)).equals(binary)).toBe(true);
    }
    const env = Object.fromEntries(
      (await readFile(`${cli.dir}/env`, "utf8"))
        .split("\0")
        .filter((line) => line.includes("="))
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    expect(env).toMatchObject({
      SPOOL_DIR: cli.spool,
      SPOOL_QUEUE: "jobs",
      SPOOL_ID: id,
      SPOOL_ATTEMPT: "1",
      SPOOL_H_CONTENT_TYPE: "text/x; a=b",
      HOME: cli.dir,
    });
    const agoMs = Date.now() - Date.parse(env["SPOOL_ENQUEUED_AT"]!);
    expect(agoMs).toBeGreaterThan(-1000);
    expect(agoMs).toBeLessThan(30_000);
    expect(await cli.sh(`ls ${cli.path("tmp", "jobs")}`)).toMatchObject({ code: 0, stdout: "" });
  });

  test("its attempt, counted; and a command may leave its stdin unread", async ({ cli }) => {
    await cli.ok(["queue", "create", "q", "backoff=1ms"]);
    await cli.ok(["put", "q"], { input: binary });
    const script = 'echo "$SPOOL_ATTEMPT" >>attempts; [ "$SPOOL_ATTEMPT" = 3 ]';
    await cli.ok(["work", "q", "--once", "--", "sh", "-c", script]);
    await cli.ok(["work", "q", "--once", "--", "sh", "-c", script]);
    await cli.ok(["work", "q", "--once", "--", "sh", "-c", script]);
    expect(await linesIn(`${cli.dir}/attempts`)).toEqual(["1", "2", "3"]);
    await cli.expectStatus({});
  });

  test("an empty payload, as an empty file", async ({ cli }) => {
    await cli.ok(["put", "q", "-m", ""]);
    const script = 'test -f "$1" && test ! -s "$1" && wc -c >size';
    await cli.ok(["work", "q", "--until-empty", "--", "sh", "-c", script, "sh", "{}"]);
    await cli.expectStatus({});
    expect((await linesIn(`${cli.dir}/size`)).map((line) => line.trim())).toEqual(["0"]);
  });

  test("each message of a -0 batch its own bytes, newlines and all", async ({ cli }) => {
    await cli.ok(["put", "q", "-0"], { input: "a\nb\0\0c\r\n\0d" });
    const script = 'printf "<"; cat; printf ">"';
    const out = await cli.ok(["work", "q", "--until-empty", "--", "sh", "-c", script]);
    expect(out).toBe("<a\nb><><c\r\n><d>");
  });
});
