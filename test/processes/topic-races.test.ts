/**
 * Goal: a subscription that somebody was told is there stays there, whole, however slow another process
 * is that met an earlier one of the same name: one that was removed, or that a dead process began.
 *
 * Method: the slow process stops itself at a call of the test's choice, the world goes on, and it is
 * continued.
 */
import { readdir } from "node:fs/promises";

import { expect } from "vitest";

import { expectFailure, linesOf, pause, ROOT, test, until } from "../helpers/cli.ts";
import type { Cli, Running } from "../helpers/cli.ts";
import { openSpool } from "../../src/spool.ts";
import { expectSound, makeTopic, stopped, waitingIn } from "./topic-disk.ts";
import { fated } from "./topic-fate.ts";

const FOREVER = { retentionMs: Number.POSITIVE_INFINITY };

/** Starts `spool ARGS`, which stops itself there, and waits until it has. */
async function slow(cli: Cli, args: readonly string[], match: string, nth = 1): Promise<Running> {
  const running = cli.start(args, { env: fated({ signal: "SIGSTOP", match, nth }) });
  await stopped(running);
  return running;
}

/** As a program does that uses the library: it asks nobody. */
async function unsubscribe(cli: Cli, name: string): Promise<void> {
  const spool = await openSpool({ dir: cli.spool, tellsFlow: false });
  await (await spool.topic("logs")).unsubscribe(name);
}

async function publish(cli: Cli, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    ids.push(`${(await cli.ok(["publish", "logs", "-m", `${index}`])).trim()}.0`);
  }
  return ids.toSorted();
}

/** Leaves a subscription that a process began to fill and did not live to end. */
async function beginAndDie(cli: Cli, name: string): Promise<void> {
  const env = fated({ signal: "SIGKILL", match: "^link .*/incoming/", nth: 2 });
  const { signal } = await cli.run(["subscribe", name, "--from", "start"], { env });
  expect(signal).toBe("SIGKILL");
}

/** So long has one who could go on to get far enough. */
const PATIENCE_MS = 3000;

const REMOVAL = "^rename .*/filling/a~.* -> .*/\\.removed-";

for (const [who, args] of [["gc", ["gc", "logs"]]] as const) {
  test.concurrent(`what ${who} removes is what the dead began, not what was made since`, async ({
    cli,
  }) => {
    await makeTopic(cli, "logs", ["logs/other"], FOREVER);
    const ids = await publish(cli, 3);
    await beginAndDie(cli, "logs/a");
    const remover = await slow(cli, args, REMOVAL);
    const again = cli.start(["subscribe", "logs/a", "--from", "start"]);
    // It may wait for the one that removes, as long as that lives.
    await Promise.race([again.ended, pause(PATIENCE_MS)]);
    remover.kill("SIGCONT");
    expect(await remover.ended).toMatchObject({ code: 0, stderr: "" });
    expect((await again.ended).code).toBe(0);
    const [last = ""] = await publish(cli, 1);
    const waiting = await waitingIn(cli, "logs/a");
    expect(waiting).toEqual(expect.arrayContaining([...ids, last]));
    expect(waiting).toHaveLength(ids.length + 1);
    await expectSound(cli);
  });
}

test.concurrent("what was finished while a publisher looked at who fills it is not removed", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", [], FOREVER);
  const ids = await publish(cli, 3);
  const maker = await slow(
    cli,
    ["subscribe", "logs/a", "--from", "start"],
    "^link .*/incoming/",
    2,
  );
  const publisher = await slow(cli, ["publish", "logs", "-m", "slow"], `^ask ${maker.pid}$`);
  maker.kill("SIGCONT");
  expect((await maker.ended).code).toBe(0);
  publisher.kill("SIGCONT");
  const { code, stdout } = await publisher.ended;
  expect(code).toBe(0);
  expect(await waitingIn(cli, "logs/a")).toEqual([...ids, `${stdout.trim()}.0`]);
  await expectSound(cli);
});

for (const from of ["now", "start"] as const) {
  test.concurrent(`one that was made from ${from} while another one was filled: nothing comes of the slower`, async ({
    cli,
  }) => {
    await makeTopic(cli, "logs", [], FOREVER);
    const ids = await publish(cli, 3);
    const first = await slow(
      cli,
      ["subscribe", "logs/a", "--from", "start"],
      "^link .*/incoming/",
      2,
    );
    await cli.ok(["subscribe", "logs/a", "--from", from]);
    first.kill("SIGCONT");
    expectFailure(await first.ended, 64, /logs\/a is there already/);
    const later = await publish(cli, 1);
    const wanted = from === "now" ? later : [...ids, ...later];
    expect(await waitingIn(cli, "logs/a")).toEqual(wanted);
    await expectSound(cli);
  });
}

/** Publishes a batch of which `level=even` takes three runs, and stops before the second link. */
async function slowBatch(cli: Cli): Promise<Running> {
  const script = `${ROOT}/test/processes/topic-library.ts`;
  const orders = JSON.stringify({ topic: "logs" });
  const args = [script, `${ROOT}/dist/lib`, "batch", `${cli.dir}/log`, "batch", orders];
  const env = fated({ signal: "SIGSTOP", match: "^link .*/subscriptions/a/incoming/", nth: 2 });
  const running = cli.launch(process.execPath, args, { env }).read();
  await stopped(running);
  return running;
}

test.concurrent("one that is removed and made again between two parts of a batch: both or none", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", []);
  await cli.ok(["subscribe", "logs/a", "--filter", "level=even"]);
  const publisher = await slowBatch(cli);
  await cli.ok(["unsubscribe", "logs/a"]);
  await cli.ok(["subscribe", "logs/a", "--filter", "level=even"]);
  publisher.kill("SIGCONT");
  expect(await publisher.ended).toMatchObject({ code: 0, stderr: "" });
  expect([0, 3]).toContain((await waitingIn(cli, "logs/a")).length);
  await expectSound(cli);
});

test.concurrent("the same, made again with the log and without a filter: all of it, once", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", [], FOREVER);
  await cli.ok(["subscribe", "logs/a", "--filter", "level=even"]);
  const publisher = await slowBatch(cli);
  await cli.ok(["unsubscribe", "logs/a"]);
  const again = cli.start(["subscribe", "logs/a", "--from", "start"]);
  await until("publishers can see it", async () => {
    const names = await readdir(`${cli.spool}/topics/logs/filling`);
    return names.some((name) => name.startsWith("a~"));
  });
  publisher.kill("SIGCONT");
  expect(await publisher.ended).toMatchObject({ code: 0, stderr: "" });
  expect((await again.ended).code).toBe(0);
  const waiting = await waitingIn(cli, "logs/a");
  expect(waiting.map((id) => id.slice(id.indexOf(".")))).toEqual([".0", ".1", ".2", ".3", ".4"]);
  await expectSound(cli);
});

test.concurrent("a replay into one that is removed and made again: all of it or nothing", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", ["logs/a"], FOREVER);
  await publish(cli, 4);
  const replay = ["replay", "logs/a", "--since", "-1h"];
  const replayer = await slow(cli, replay, "^link .*/incoming/", 3);
  await unsubscribe(cli, "a");
  await cli.ok(["subscribe", "logs/a"]);
  replayer.kill("SIGCONT");
  const { code } = await replayer.ended;
  expect([code, (await waitingIn(cli, "logs/a")).length]).toEqual(code === 0 ? [0, 4] : [code, 0]);
  await expectSound(cli);
});

test.concurrent("the last of a pattern is removed as another is made: it is made, and so is the next", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", ["logs.*/a"]);
  const remover = await slow(cli, ["unsubscribe", "logs.*/a"], "^rmdir .*/logs\\.\\+/tmp$");
  await cli.ok(["subscribe", "logs.*/b"]);
  remover.kill("SIGCONT");
  expect((await remover.ended).code).toBe(0);
  await cli.ok(["subscribe", "logs.*/c"], { timeoutMs: 5000 });
  await cli.ok(["gc"]);
  const id = (await cli.ok(["publish", "logs.web", "-m", "news"])).trim();
  for (const name of ["logs.*/b", "logs.*/c"]) {
    expect(await waitingIn(cli, name)).toEqual([`${id}.0`]);
  }
  await expectSound(cli);
});

test.concurrent("a pattern that is removed as empty while its first subscription is made: it is made", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", []);
  const maker = await slow(cli, ["subscribe", "logs.*/a"], "^mkdir .*/logs\\.\\+/subscriptions$");
  await cli.ok(["gc"]);
  maker.kill("SIGCONT");
  expect(await maker.ended).toMatchObject({ code: 0, stderr: "" });
  expect(await waitingIn(cli, "logs.*/a")).toEqual([]);
  await expectSound(cli);
});

test.concurrent("one that dies as it takes over a keyed publish: the next leaves none of the old links", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", ["logs/a", "logs/b", "logs/c"]);
  const dying = fated({ signal: "SIGKILL", match: "^link .*/incoming/", nth: 3 });
  await cli.run(["publish", "logs", "-m", "kept", "--dedup", "key"], { env: dying });
  const env = fated({ signal: "SIGKILL", match: "^unlink .*/incoming/" });
  expect((await cli.run(["gc", "logs"], { env })).signal).toBe("SIGKILL");
  await cli.ok(["gc"]);
  for (const name of ["logs/a", "logs/b", "logs/c"]) {
    expect(await waitingIn(cli, name)).toHaveLength(1);
  }
  await expectSound(cli);
});

test.concurrent("gc, while a subscription is removed: no error", async ({ cli }) => {
  await makeTopic(cli, "logs", ["logs/a", "logs/b"]);
  const gc = await slow(cli, ["gc", "--json"], "^unlink .*/topics/logs/tmp/");
  await unsubscribe(cli, "a");
  gc.kill("SIGCONT");
  const { code, stdout, stderr } = await gc.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(linesOf(stdout).map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { topic: "logs" },
    { queue: "logs/b" },
  ]);
});
