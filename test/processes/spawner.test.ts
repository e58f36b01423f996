/**
 * Goal: a command that a spawner runs is treated as one that `work` runs itself: its exit, what it is given, its
 * process group, its stderr, signals, and what becomes of it when one of the two is killed.
 *
 * Method: a real `work` is given brief messages until one of them has another parent than the worker; then
 * comes the message that counts. test/processes/work.test.ts has the same contract without a spawner.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, readFile, readlink, writeFile } from "node:fs/promises";

import { describe, expect } from "vitest";

import { PYTHON } from "../../src/cli/spawner-script.ts";
import { isGone, linesIn, linesOf, runs, test, until } from "../helpers/cli.ts";
import type { Cli, RunOptions, Running } from "../helpers/cli.ts";

/** Without it all of these would be run by `work` itself. */
const isThere = PYTHON !== undefined && runs(PYTHON, "-c", "import os; os.posix_spawnp");

const spawned = isThere ? describe.concurrent : describe.skip;

/** Runs SCRIPT for what is not a warm-up; $SPOOL_FILE is where each script finds its payload. */
const guarded = (script: string): string =>
  `case $(head -c 4 "$SPOOL_FILE") in warm) echo $PPID >>warm; exit;; esac; ${script}`;

interface Warm {
  readonly worker: Running;
  /** The pid of the spawner. */
  readonly spawner: number;
}

/** Starts `work`, and returns when it has a spawner that works. */
async function startWarm(
  cli: Cli,
  script: string,
  options: readonly string[] = [],
  run?: RunOptions,
): Promise<Warm> {
  const argv = ["work", "q", ...options, "--", "sh", "-c", guarded(script), "sh", "{}"];
  await cli.ok(["put", "q", "-m", "warm"]);
  let put = 1;
  const worker = cli.start(argv, { timeoutMs: 60_000, ...run });
  const spawner = await until("a spawner", async () => {
    const parents = await linesIn(`${cli.dir}/warm`);
    const other = parents.find((parent) => Number(parent) !== worker.pid);
    if (other === undefined && put <= parents.length) {
      await cli.ok(["put", "q", "-m", "warm"]);
      put++;
    }
    return other;
  });
  return { worker, spawner: Number(spawner) };
}

async function isDone(cli: Cli): Promise<void> {
  await until("nothing is left to do", async () => {
    const { ready, in_flight } = await cli.status();
    return ready + in_flight === 0;
  });
}

async function stop({ worker, spawner }: Warm): Promise<void> {
  worker.kill("SIGTERM");
  expect((await worker.ended).code).toBe(0);
  await until("the spawner is gone", () => isGone(spawner));
}

/** A queue whose retries are not due before the test is over. */
async function patient(cli: Cli, ...settings: readonly string[]): Promise<void> {
  await cli.ok(["queue", "create", "q", "backoff=1h", ...settings]);
}

spawned("the exit of CMD", () => {
  test("0: it is done", async ({ cli }) => {
    const warm = await startWarm(cli, "echo $PPID >ran");
    await cli.ok(["put", "q", "-m", "x"]);
    await isDone(cli);
    await stop(warm);
    expect(await linesIn(`${cli.dir}/ran`)).toEqual([String(warm.spawner)]);
    await cli.expectStatus({});
  });

  for (const [script, reason] of [
    ["exit 3", "exit 3"],
    ["kill -9 $$", "killed by SIGKILL"],
    ["kill -15 $$", "killed by SIGTERM"],
    ["kill -6 $$", "killed by SIGABRT"],
  ] as const) {
    test(`${script}: a retry, and at the last attempt a dead letter that says ${reason}`, async ({
      cli,
    }) => {
      await patient(cli, "max-attempts=2");
      const warm = await startWarm(cli, script);
      await cli.ok(["put", "q", "-m", "x"]);
      await isDone(cli);
      await cli.expectStatus({ scheduled: 1 });
      await cli.ok(["queue", "set", "q", "max-attempts=1"]);
      const id = (await cli.ok(["put", "q", "-m", "last"])).trim();
      await until("a dead letter", async () => (await cli.status()).dead === 1);
      await stop(warm);
      const [letter] = await cli.lines(["dlq", "ls", "q", "--json"]);
      expect(letter).toMatchObject({ id, attempts: 1, reason });
    });
  }

  test("65: a dead letter with the exit code and the last 4 KiB of its own stderr, which is told as it comes", async ({
    cli,
  }) => {
    await patient(cli);
    const script =
      'read -r l; case $l in noise) echo noise >&2; exit;; esac; echo early >&2; until [ -e go ]; do sleep 0.05; done; i=0; while [ $i -lt 1000 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 65';
    const warm = await startWarm(cli, script);
    await cli.ok(["put", "q", "-m", "noise"]);
    const id = (await cli.ok(["put", "q", "-m", "x"])).trim();
    await until("it is told while it runs", () => warm.worker.stderr.includes("early\n"));
    await writeFile(`${cli.dir}/go`, "");
    await isDone(cli);
    await stop(warm);
    expect(linesOf(warm.worker.stderr)).toEqual([
      "noise",
      "early",
      ...Array.from({ length: 1000 }, (_, index) => `line ${index}`),
    ]);
    const letter = JSON.parse(await cli.ok(["dlq", "show", "q", id, "--json"])) as {
      stderr: string;
    };
    expect(letter).toMatchObject({ reason: "exit 65", exit_code: 65, attempts: 1 });
    expect(letter.stderr).toHaveLength(4096);
    expect(letter.stderr.endsWith("line 998\nline 999\n")).toBe(true);
  });

  test("a dead letter has nothing of the stderr of another command", async ({ cli }) => {
    await patient(cli);
    const warm = await startWarm(
      cli,
      'read -r l; [ "$l" != noise ] || { echo no >&2; exit; }; exit 65',
    );
    await cli.ok(["put", "q", "--lines"], { input: "noise\nx\n" });
    await isDone(cli);
    await stop(warm);
    const [letter] = await cli.lines(["dlq", "ls", "q", "--json"]);
    const shown = JSON.parse(await cli.ok(["dlq", "show", "q", String(letter!["id"]), "--json"]));
    expect((shown as { stderr?: string }).stderr ?? "").toBe("");
  });

  for (const code of [126, 127]) {
    test(`${code}: the worker stops, and no attempt is counted`, async ({ cli }) => {
      const { worker } = await startWarm(cli, `exit ${code}`);
      await cli.ok(["put", "q", "-m", "x"]);
      expect((await worker.ended).code).toBe(code === 126 ? 77 : 66);
      expect(await cli.lines(["peek", "q", "--json"])).toMatchObject([{ body: "x", attempts: 0 }]);
    });
  }

  test("99: it is done, and the worker stops; what was got ready behind it did not run", async ({
    cli,
  }) => {
    const { worker } = await startWarm(
      cli,
      'read -r l; echo "$l" >>ran; [ "$l" = 20 ] && exit 99; exit 0',
    );
    const lines = Array.from({ length: 40 }, (_, index) => String(index));
    await cli.ok(["put", "q", "--lines"], { input: lines.join("\n") });
    expect((await worker.ended).code).toBe(0);
    expect(await linesIn(`${cli.dir}/ran`)).toEqual(lines.slice(0, 21));
    const left = await cli.lines(["peek", "q", "-n", "99", "--json"]);
    expect(left.map(({ body }) => body)).toEqual(lines.slice(21));
    expect(left.every(({ attempts }) => attempts === 0)).toBe(true);
    expect(readdirSync(cli.path("tmp"))).toEqual([]);
  });

  test("over --timeout: all that it has started is ended, and it is retried", async ({ cli }) => {
    await patient(cli);
    const script = "sleep 60 & echo $! >pids; echo $$ >>pids; wait";
    const warm = await startWarm(cli, script, ["--timeout", "3s"]);
    await cli.ok(["put", "q", "-m", "x"]);
    await until("it is retried", async () => (await cli.status()).scheduled === 1);
    const pids = await linesIn(`${cli.dir}/pids`);
    expect(pids).toHaveLength(2);
    await until("they are gone", () => pids.every((pid) => isGone(Number(pid))));
    await stop(warm);
  });

  test("what it leaves behind may keep its stderr, and lives on", async ({ cli }) => {
    const warm = await startWarm(cli, "sleep 60 >/dev/null & echo $! >pid");
    await cli.ok(["put", "q", "-m", "x"]);
    await isDone(cli);
    const [pid] = await linesIn(`${cli.dir}/pid`);
    expect(isGone(Number(pid))).toBe(false);
    await stop(warm);
    process.kill(Number(pid), "SIGKILL");
  });

  test("it closes its stderr and goes on: it is waited for, and can be killed", async ({ cli }) => {
    await patient(cli);
    const script = "exec 2>&-; echo $$ >pid; exec sleep 60";
    const warm = await startWarm(cli, script, ["--timeout", "3s"]);
    await cli.ok(["put", "q", "-m", "x"]);
    await until("it is retried", async () => (await cli.status()).scheduled === 1);
    const [pid] = await linesIn(`${cli.dir}/pid`);
    expect(isGone(Number(pid))).toBe(true);
    await stop(warm);
  });
});

spawned("what CMD is given", () => {
  test("the payload on stdin and in {}, byte for byte, and an environment that is only its own", async ({
    cli,
  }) => {
    const script =
      'n=$SPOOL_H_N; cat >stdin$n; cat "$1" >braces$n; [ "$1" = "$SPOOL_FILE" ] || exit 65; env -0 >env$n';
    const odd = { ODD: "a=b\n'\"$`\\ ü", EMPTY: "", SPOOL_H_SECOND: "of work" };
    const warm = await startWarm(cli, script, [], { env: odd });
    const payloads = [randomBytes(70_000), Buffer.alloc(0), Buffer.from("x\0y\n\n")];
    const ids: string[] = [];
    for (const [index, input] of payloads.entries()) {
      const headers = ["-H", `N: ${index}`, ...(index === 1 ? ["-H", "second: '1' \"2\" $3"] : [])];
      ids.push((await cli.ok(["put", "q", ...headers], { input })).trim());
      await isDone(cli);
    }
    await stop(warm);
    await cli.expectStatus({});
    for (const [index, payload] of payloads.entries()) {
      for (const name of ["stdin", "braces"]) {
        expect((await readFile(`${cli.dir}/${name}${index}`)).equals(payload)).toBe(true);
      }
      const env = new Map(
        (await readFile(`${cli.dir}/env${index}`, "utf8"))
          .split("\0")
          .filter((line) => line.includes("="))
          .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      );
      // What sh itself adds.
      for (const name of ["_", "OLDPWD", "PWD", "SHLVL", "n"]) env.delete(name);
      expect(Object.fromEntries(env)).toEqual({
        ...cli.env,
        ...odd,
        SPOOL_DIR: cli.spool,
        SPOOL_QUEUE: "q",
        SPOOL_ID: ids[index],
        SPOOL_ATTEMPT: "1",
        SPOOL_ENQUEUED_AT: expect.stringMatching(/^\d{4}-.*Z$/),
        SPOOL_FILE: expect.stringMatching(/\/tmp\/payload-/),
        SPOOL_H_N: String(index),
        SPOOL_H_SECOND: index === 1 ? "'1' \"2\" $3" : "of work",
      });
    }
    expect(readdirSync(cli.path("tmp"))).toEqual([]);
  });

  test("no signal ignored or blocked, no descriptor of ours, a process group of its own", async ({
    cli,
  }) => {
    const script =
      "grep -E '^Sig(Ign|Blk)' /proc/self/status >>signals; ls /proc/self/fd >>fds; ps -o pid=,pgid= -p $$ >>groups";
    const warm = await startWarm(cli, script);
    await cli.ok(["put", "q", "-m", "x"]);
    await cli.ok(["put", "q", "-m", "y"]);
    await isDone(cli);
    await stop(warm);
    const signals = await linesIn(`${cli.dir}/signals`);
    expect(signals).toHaveLength(4);
    for (const line of signals) {
      // Those above 31 are glibc's own: its posix_spawn ignores two of them in all children.
      expect(BigInt(`0x${line.split(/\s+/)[1]}`) & 0x7fffffffn).toBe(0n);
    }
    // What whoever runs the tests has left open is open to all.
    const usual = linesOf((await cli.sh("ls /proc/self/fd")).stdout);
    expect(await linesIn(`${cli.dir}/fds`)).toEqual([...usual, ...usual]);
    const groups = (await linesIn(`${cli.dir}/groups`)).map((line) => line.trim().split(/\s+/));
    expect(groups).toHaveLength(2);
    for (const [pid, group] of groups) expect(group).toBe(pid);
  });

  test("a script without #! is run all the same", async ({ cli }) => {
    const file = `${cli.dir}/script`;
    await writeFile(file, 'echo "$(cat)" >>ran\n');
    await chmod(file, 0o755);
    const lines = Array.from({ length: 60 }, (_, index) => String(index));
    await cli.ok(["put", "q", "--lines"], { input: lines.join("\n") });
    await cli.ok(["work", "q", "--until-empty", "--", file]);
    expect(await linesIn(`${cli.dir}/ran`)).toEqual(lines);
    await cli.expectStatus({});
  });
});

spawned("signals", () => {
  const SLOW =
    'l=$(cat); [ "$l" != fast ] || exit 0; echo "$l" >>began; until [ -e go ]; do sleep 0.05; done; echo "$l" >>ended';

  test("SIGTERM: what runs may end, what was got ready goes back untried", async ({ cli }) => {
    const warm = await startWarm(cli, SLOW);
    const fast = Array.from({ length: 30 }, () => "fast");
    await cli.ok(["put", "q", "--lines"], { input: [...fast, "1", "2", "3", "4"].join("\n") });
    await until("one is slow", async () => (await linesIn(`${cli.dir}/began`)).length > 0);
    warm.worker.kill("SIGTERM");
    await writeFile(`${cli.dir}/go`, "");
    expect((await warm.worker.ended).code).toBe(0);
    expect(await linesIn(`${cli.dir}/began`)).toHaveLength(1);
    const left = await cli.lines(["peek", "q", "-n", "9", "--json"]);
    expect(left.map(({ body, attempts }) => [body, attempts])).toEqual([
      ["2", 0],
      ["3", 0],
      ["4", 0],
    ]);
    expect(readdirSync(cli.path("tmp"))).toEqual([]);
    await until("the spawner is gone", () => isGone(warm.spawner));
  });

  test("a second one kills the command and all that it started", async ({ cli }) => {
    const script =
      "trap '' TERM INT; (trap '' TERM; exec sleep 60) & echo $! >>pids; echo $$ >>pids; echo x >>began; wait; wait";
    const { worker, spawner } = await startWarm(cli, script);
    await cli.ok(["put", "q", "-m", "x"]);
    await until("it runs", async () => (await linesIn(`${cli.dir}/began`)).length > 0);
    worker.kill("SIGTERM");
    await until("the first was seen", () => {
      worker.kill("SIGTERM");
      return worker.child.exitCode !== null;
    });
    expect(await worker.ended).toMatchObject({ code: 143, signal: null });
    const pids = [...(await linesIn(`${cli.dir}/pids`)).map(Number), spawner];
    expect(pids).toHaveLength(3);
    await until("they are gone", () => pids.every((pid) => isGone(pid)));
  });

  test("a command tells its parent to stop: that is `work`, and a SIGTERM after it is the first", async ({
    cli,
  }) => {
    const { worker } = await startWarm(cli, `kill -TERM $PPID; ${SLOW}`);
    await cli.ok(["put", "q", "--lines"], { input: "1\n2\n" });
    await until("it runs", async () => (await linesIn(`${cli.dir}/began`)).length > 0);
    worker.kill("SIGTERM");
    await writeFile(`${cli.dir}/go`, "");
    expect((await worker.ended).code).toBe(0);
    expect(await linesIn(`${cli.dir}/ended`)).toEqual(["1"]);
    await cli.expectStatus({ ready: 1 });
  });

  test("a command kills its parent: that is `work`, and it counts as tried", async ({ cli }) => {
    const { worker } = await startWarm(cli, "kill -9 $PPID; exit 0");
    await cli.ok(["put", "q", "--lines"], { input: "1\n2\n" });
    expect(await worker.ended).toMatchObject({ code: null, signal: "SIGKILL" });
    const left = linesOf(await cli.ok(["consume", "q", "--until-empty", "--json"])).map(
      (line) => JSON.parse(line) as { body: string; attempt: number },
    );
    expect(left.map(({ body, attempt }) => [body, attempt])).toEqual([
      ["1", 2],
      ["2", 1],
    ]);
  });

  test("`work` is killed: the command runs to its end, the spawner goes", async ({ cli }) => {
    const { worker, spawner } = await startWarm(cli, SLOW);
    await cli.ok(["put", "q", "-m", "x"]);
    await until("it runs", async () => (await linesIn(`${cli.dir}/began`)).length > 0);
    worker.kill("SIGKILL");
    await until("the spawner is gone", () => isGone(spawner));
    await writeFile(`${cli.dir}/go`, "");
    await until("it ends", async () => (await linesIn(`${cli.dir}/ended`)).length > 0);
  });

  test("the spawner is killed while it has nothing to do: `work` goes on without it", async ({
    cli,
  }) => {
    const { worker, spawner } = await startWarm(cli, "echo $PPID >>ran");
    await isDone(cli);
    process.kill(spawner, "SIGKILL");
    await until("it is gone", () => isGone(spawner));
    await cli.ok(["put", "q", "-m", "x"]);
    await isDone(cli);
    expect(await linesIn(`${cli.dir}/ran`)).toEqual([String(worker.pid)]);
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });

  test("-j 3: each has a spawner of its own, and all are gone at the end", async ({ cli }) => {
    const lines = Array.from({ length: 300 }, (_, index) => String(index));
    await cli.ok(["put", "q", "--lines"], { input: lines.join("\n") });
    const script = 'echo "$(cat)" >>ran; echo $PPID >>parents';
    const argv = ["work", "q", "-j", "3", "--until-empty", "--", "sh", "-c", script];
    const worker = cli.start(argv, { timeoutMs: 60_000 });
    expect((await worker.ended).code).toBe(0);
    expect((await linesIn(`${cli.dir}/ran`)).toSorted()).toEqual(lines.toSorted());
    const parents = new Set((await linesIn(`${cli.dir}/parents`)).map(Number));
    parents.delete(worker.pid);
    expect(parents.size).toBeLessThanOrEqual(3);
    await until("all are gone", () => [...parents].every((pid) => isGone(pid)));
    await cli.expectStatus({});
  });
});

test.skipIf(!isThere)(
  "the spawner has no terminal, and nothing of our environment",
  async ({ cli }) => {
    const warm = await startWarm(cli, "true", [], {
      env: { PYTHONPATH: "/nowhere", LD_DEBUG: "" },
    });
    const stat = readFileSync(`/proc/${warm.spawner}/stat`, "latin1");
    const [, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    expect(session).toBe(String(warm.spawner));
    const env = readFileSync(`/proc/${warm.spawner}/environ`, "latin1").split("\0");
    expect(env.filter((line) => line !== "" && !/^(PATH|LC_CTYPE)=/.test(line))).toEqual([]);
    expect(await readlink(`/proc/${warm.spawner}/exe`)).toMatch(/python/);
    await stop(warm);
  },
);
