/**
 * Goal: what a publisher left half done is finished or undone by others, by several at the same time
 * as well; all subscriptions get it or none, each once. A publisher that only slept is told.
 *
 * Method: the real `spool publish`, which kills or stops itself at a call of its fan-out. To others its
 * begin looks a minute old, older than STAGING_MS: what it reads as the disk's time is late by that.
 */
import { readdir } from "node:fs/promises";

import { expect } from "vitest";

import { expectFailure, pause, ROOT, test, until } from "../helpers/cli.ts";
import type { Cli, Running } from "../helpers/cli.ts";
import { chance } from "../helpers/model-chance.ts";
import { parseTicket } from "../../src/topic/ticket.ts";
import {
  expectSound,
  leftovers,
  makeTopic,
  stopped,
  sweptOf,
  ticketsIn,
  waitingIn,
  watching,
} from "./topic-disk.ts";
import { fated } from "./topic-fate.ts";

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const OLD_MS = 60_000;

/** What changes a name, and the bell: whatever others can see of a fan-out. */
const CHANGE = "^(link|rename|unlink|utimes|mkdir) ";

const SUBSCRIPTIONS = ["logs/s0", "logs/s1", "logs/s2", "logs/s3", "logs/s4", "*/pattern"] as const;

/** What every subscription holds; it must be the same in all. */
async function waitingInAll(cli: Cli): Promise<string[]> {
  const [first, ...others] = SUBSCRIPTIONS;
  const waiting = await waitingIn(cli, first);
  for (const name of others) expect([name, await waitingIn(cli, name)]).toEqual([name, waiting]);
  expect(new Set(waiting).size).toBe(waiting.length);
  return waiting;
}

/** The messages of the fan-outs whose tickets are there. */
function batchesIn(cli: Cli, directory: string, kind?: string): string[] {
  const tickets = ticketsIn(cli, "logs", directory).map((name) => parseTicket(name)!);
  return tickets
    .filter((ticket) => kind === undefined || ticket.kind === kind)
    .map(({ slice }) => `${slice!.batch}.0`);
}

/** A process that recovers whenever it is told to, and says how much it was. */
async function recoverer(cli: Cli): Promise<() => Promise<number>> {
  const script = `${ROOT}/test/processes/topic-library.ts`;
  const orders = JSON.stringify({ topic: "logs" });
  const args = [script, `${ROOT}/dist/lib`, "recover", "", "", orders];
  const options = { stdio: ["pipe", "pipe", "pipe"], timeoutMs: 60_000 } as const;
  const running = cli.launch(process.execPath, args, { ...options, stdio: [...options.stdio] });
  running.read();
  const said = (count: number): Promise<string> =>
    until("it has answered", () => {
      const lines = running.stdout.split("\n");
      return lines.length > count + 1 && (lines[count] ?? "");
    });
  await said(0);
  let turns = 0;
  return async () => {
    running.child.stdin!.write("\n");
    return Number(await said(++turns));
  };
}

async function collect(cli: Cli): Promise<number> {
  const { finished, undone } = sweptOf(await cli.ok(["gc", "logs", "--json"]));
  return finished + undone;
}

test("two that finish the same dead publishers' fan-outs at the same time: each once, in all", async ({
  cli,
}) => {
  console.log(`topic-recovery: SEED=${SEED}`);
  const random = chance(SEED);
  await makeTopic(cli, "logs", SUBSCRIPTIONS, { retentionMs: Number.POSITIVE_INFINITY });
  const recoverers = await Promise.all([recoverer(cli), recoverer(cli)]);
  const collectors = [() => collect(cli), () => collect(cli)];
  let promised: string[] = [];
  let [left, together] = [0, 0];
  const ROUNDS = 8;
  for (let round = 0; round < ROUNDS; round++) {
    const die = (index: number): Promise<string> => {
      const nth = 2 + Math.floor(random() * 20);
      const key = index === 0 ? ["--dedup", `${round}`] : [];
      const env = fated({ signal: "SIGKILL", match: CHANGE, nth });
      const body = `${round}-${index}`;
      return cli.run(["publish", "logs", "-m", body, ...key], { env }).then(({ stdout }) => stdout);
    };
    const said = (await Promise.all([0, 1, 2, 3].map((index) => die(index)))).filter(Boolean);
    // From its commit on, or with a key from its begin on, it has to come; before, it must not.
    const decided = [...batchesIn(cli, "committed"), ...batchesIn(cli, "staging", "keyed")];
    const hopeless = batchesIn(cli, "staging", "publish");
    left += decided.length + hopeless.length;

    const acts = round % 2 === 0 ? collectors : recoverers;
    const counts = await Promise.all(acts.map((act) => act()));
    if (counts.every((count) => count > 0)) together++;

    const waiting = new Set(await waitingInAll(cli));
    promised = [...promised, ...decided, ...said.map((id) => `${id.trim()}.0`)];
    expect(promised.filter((id) => !waiting.has(id))).toEqual([]);
    expect(hopeless.filter((id) => waiting.has(id))).toEqual([]);
    expect(await leftovers(cli)).toEqual([]);
  }
  const log = (await readdir(`${cli.spool}/topics/logs/log`, { recursive: true })).filter((name) =>
    name.includes("/"),
  );
  console.log(
    `topic-recovery: ${left} left half done in ${ROUNDS} rounds, ` +
      `in ${together} of them both did something; ${log.length} delivered`,
  );
  expect(left).toBeGreaterThan(ROUNDS);
  expect(together).toBeGreaterThan(0);
  expect(log).toHaveLength((await waitingInAll(cli)).length);
  await expectSound(cli);
}, 60_000);

/** Starts a publisher that stops itself there, and waits until it has. */
async function sleeper(cli: Cli, match: string, nth: number, ...more: string[]): Promise<Running> {
  const env = fated({ signal: "SIGSTOP", match, nth, behindMs: OLD_MS });
  const publisher = cli.start(["publish", "logs", "-m", "slept", ...more], { env });
  await stopped(publisher);
  return publisher;
}

const SLEEPS = [
  ["before its first link", "^link .*/incoming/", 1],
  ["between two links", "^link .*/incoming/", 4],
  ["before its commit", "^rename .*/staging/.* -> .*/committed/", 1],
] as const;

for (const [when, match, nth] of SLEEPS) {
  test.concurrent(`a publisher that slept ${when} and was undone: TRY_AGAIN, and nobody has it`, async ({
    cli,
  }) => {
    await makeTopic(cli, "logs", SUBSCRIPTIONS);
    const publisher = await sleeper(cli, match, nth);
    expect(ticketsIn(cli, "logs", "staging")).toHaveLength(1);
    expect(await collect(cli)).toBe(1);
    expect(await waitingInAll(cli)).toEqual([]);
    publisher.kill("SIGCONT");
    const ended = await publisher.ended;
    expectFailure(ended, 75, /took too long and was undone; nobody got it/);
    expect(ended.stdout).toBe("");
    expect(await waitingInAll(cli)).toEqual([]);
    await expectSound(cli);
    // And now it comes through.
    const id = (await cli.ok(["publish", "logs", "-m", "again"])).trim();
    expect(await waitingInAll(cli)).toEqual([`${id}.0`]);
  });
}

const LATE_SLEEPS = [
  ["just after its commit", "^rename .*/incoming/", 1, []],
  ["while it became visible", "^rename .*/incoming/", 4, []],
  ["before it let its ticket go", "^unlink .*/committed/", 1, []],
  ["before its links, having a key", "^link .*/incoming/", 4, ["--dedup", "key"]],
] as const;

for (const [when, match, nth, more] of LATE_SLEEPS) {
  test.concurrent(`a publisher that slept ${when} and was finished: all have it, once`, async ({
    cli,
  }) => {
    await makeTopic(cli, "logs", SUBSCRIPTIONS);
    const publisher = await sleeper(cli, match, nth, ...more);
    expect(await collect(cli)).toBe(1);
    const waiting = await waitingInAll(cli);
    expect(waiting).toHaveLength(1);
    publisher.kill("SIGCONT");
    const { code, stdout, stderr } = await publisher.ended;
    expect({ code, stderr, id: `${stdout.trim()}.0` }).toEqual({
      code: 0,
      stderr: "",
      id: waiting[0],
    });
    expect(await waitingInAll(cli)).toEqual(waiting);
    await expectSound(cli);
  });
}

test.concurrent("a publisher that sleeps for a moment only is left alone", async ({ cli }) => {
  await makeTopic(cli, "logs", SUBSCRIPTIONS);
  const env = fated({ signal: "SIGSTOP", match: "^link .*/incoming/", nth: 4 });
  const publisher = cli.start(["publish", "logs", "-m", "slept"], { env });
  await stopped(publisher);
  expect(await collect(cli)).toBe(0);
  expect(ticketsIn(cli, "logs", "staging")).toHaveLength(1);
  publisher.kill("SIGCONT");
  const { code, stdout } = await publisher.ended;
  expect(code).toBe(0);
  expect(await waitingInAll(cli)).toEqual([`${stdout.trim()}.0`]);
});

test.concurrent("one that died as it recovered: the next goes on", async ({ cli }) => {
  await makeTopic(cli, "logs", SUBSCRIPTIONS);
  for (const at of [2, 5]) {
    for (const [match, isVisible] of [
      ["^rename .*/incoming/", true],
      ["^rename .*/staging/.* -> .*/committed/", false],
    ] as const) {
      const before = await waitingInAll(cli);
      const dying = fated({ signal: "SIGKILL", match, nth: 1 });
      await cli.run(["publish", "logs", "-m", `${at}`], { env: dying });
      const env = fated({
        signal: "SIGKILL",
        match: "^(rename|unlink) .*/(incoming|aborted)/",
        nth: at,
      });
      const { signal } = await cli.run(["gc", "logs"], { env });
      expect(signal).toBe("SIGKILL");
      expect(await collect(cli)).toBe(1);
      expect(await waitingInAll(cli)).toHaveLength(before.length + (isVisible ? 1 : 0));
    }
  }
  await expectSound(cli);
});

test.concurrent("an idle consumer of one subscription finishes it for all, and undoes for all", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", SUBSCRIPTIONS);
  const [first, ...others] = SUBSCRIPTIONS;
  const consumer = cli.start(["consume", first]);
  await watching(consumer);
  const die = (body: string, match: string): Promise<unknown> => {
    const env = fated({ signal: "SIGKILL", match, nth: 3 });
    return cli.run(["publish", "logs", "-m", body], { env });
  };
  await die("undone", "^link .*/incoming/");
  await die("finished", "^rename .*/incoming/");
  // Nobody rings: the next time that it looks by itself is soon enough.
  await until("the others have it", async () => {
    const waiting = await Promise.all(others.map((name) => waitingIn(cli, name)));
    return waiting.every((ids) => ids.length === 1);
  });
  await until("it has it, too", () => consumer.stdout === "finished\n");
  await until("nothing is left", async () => {
    const left = await leftovers(cli);
    return left.every((path) => path.includes("/leases/"));
  });
  await pause(100);
  expect(consumer.stdout).toBe("finished\n");
  consumer.kill("SIGTERM");
  expect((await consumer.ended).code).toBe(0);
});
