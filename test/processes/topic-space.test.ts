/**
 * Goal: a message costs the disk once, however many subscribe; and where a file may have only so
 * many names, as few copies as can be, which nobody notices.
 *
 * Method: the real `spool publish`; blocks are counted by inode, as du(1) does. A small limit of names is
 * forced upon the process: its link(2) says EMLINK. What is on the disk is looked at, then consumed.
 */
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { lstatSync } from "node:fs";

import { expect } from "vitest";

import { test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";
import { openSpool } from "../../src/spool.ts";
import { expectSound, makeTopic, slicesOf, ticketsIn, waitingIn } from "./topic-disk.ts";
import { fated } from "./topic-fate.ts";

const PAYLOAD = randomBytes(1_000_000);

/** A header, and what a file system rounds up to. */
const OVERHEAD_BYTES = 64 * 1024;

/** Of so many subscriptions one is consumed; of all of them the bytes are verified. */
const SOME = 10;

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `logs/s${index}`);

interface Use {
  readonly files: number;
  readonly bytes: number;
  /** The names of each of them. */
  readonly links: readonly number[];
}

/** What all batches on the disk take, each inode counted once. */
async function useOf(cli: Cli): Promise<Use> {
  const paths = await readdir(cli.spool, { recursive: true });
  const batches = new Map<number, { blocks: number; nlink: number }>();
  for (const path of paths.filter((one) => /\/\d-\d{13}-[0-9a-z]{26}-\d{7}-n/.test(one))) {
    const stats = lstatSync(`${cli.spool}/${path}`);
    if (stats.isFile()) batches.set(stats.ino, stats);
  }
  const all = [...batches.values()];
  return {
    files: all.length,
    bytes: all.reduce((sum, { blocks }) => sum + blocks * 512, 0),
    links: all.map(({ nlink }) => nlink).toSorted((one, other) => other - one),
  };
}

/** Takes everything from a subscription, as a consumer does. */
async function drain(cli: Cli, subscription: string): Promise<Buffer[]> {
  const spool = await openSpool({ dir: cli.spool, tellsFlow: false });
  const bodies: Buffer[] = [];
  for await (const message of spool.queue(subscription).messages({ untilEmpty: true })) {
    bodies.push(await message.body());
    await message.ack();
  }
  return bodies;
}

/** Each of them has one message; of some it is taken, and is what was published. */
async function expectEachOnce(cli: Cli, subscriptions: readonly string[]): Promise<void> {
  const counts = await Promise.all(
    subscriptions.map(async (name) => (await waitingIn(cli, name)).length),
  );
  expect(counts).toEqual(subscriptions.map(() => 1));
  const some = subscriptions.filter((_, index) => index % SOME === 0);
  const bodies = (await Promise.all(some.map((name) => drain(cli, name)))).flat();
  expect(bodies.map((body) => body.equals(PAYLOAD))).toEqual(some.map(() => true));
}

/** What these and the one with the replay have, once and twice, is taken: only the log has it then. */
async function expectGone(cli: Cli, subscriptions: readonly string[]): Promise<void> {
  for (const name of subscriptions) {
    const bodies = await drain(cli, name);
    expect([name, bodies.length, bodies[0]?.equals(PAYLOAD)]).toEqual([name, 1, true]);
  }
  expect(await drain(cli, "logs/s0")).toHaveLength(2);
  expect(await useOf(cli)).toMatchObject({ files: 1, links: [1] });
}

test.concurrent("a hundred subscriptions: the payload is on the disk once", async ({ cli }) => {
  const subscriptions = names(100);
  await makeTopic(cli, "logs", subscriptions);
  await cli.ok(["publish", "logs"], { input: PAYLOAD });
  const { files, bytes, links } = await useOf(cli);
  expect({ files, links }).toEqual({ files: 1, links: [100] });
  expect(bytes).toBeGreaterThanOrEqual(PAYLOAD.length);
  expect(bytes).toBeLessThan(PAYLOAD.length + OVERHEAD_BYTES);
  await expectSound(cli);

  await expectEachOnce(cli, subscriptions);
  expect(await useOf(cli)).toMatchObject({ files: 1, links: [90] });
});

test.concurrent("the log, a replay and one who begins with the log: names as well, no bytes", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", names(3), { retentionMs: Number.POSITIVE_INFINITY });
  await cli.ok(["publish", "logs"], { input: PAYLOAD });
  expect(await useOf(cli)).toMatchObject({ files: 1, links: [4] });
  await cli.ok(["subscribe", "logs/late", "--from", "start"]);
  await cli.ok(["replay", "logs/s0", "--since", "-1h"]);
  const { files, bytes, links } = await useOf(cli);
  expect({ files, links }).toEqual({ files: 1, links: [6] });
  expect(bytes).toBeLessThan(PAYLOAD.length + OVERHEAD_BYTES);
  await expectGone(cli, ["logs/s1", "logs/s2", "logs/late"]);
});

const LIMIT = 7;

test.concurrent("a small limit of names: all get it once, with as few copies as can be", async ({
  cli,
}) => {
  const subscriptions = names(50);
  await makeTopic(cli, "logs", subscriptions);
  await cli.ok(["publish", "logs"], { input: PAYLOAD, env: fated({ maxLinks: LIMIT }) });
  const { files, links } = await useOf(cli);
  // One name of each is its publisher's own until all are linked: the ticket's, or the copy's in tmp/.
  expect(files).toBe(Math.ceil(50 / (LIMIT - 1)));
  expect(links).toEqual([...Array.from({ length: files - 1 }, () => LIMIT - 1), 2]);
  await expectSound(cli);
  await expectEachOnce(cli, subscriptions);
});

test.concurrent("a small limit of names, and a log: who begins with it, and a replay, get copies", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", names(10), { retentionMs: Number.POSITIVE_INFINITY });
  const env = fated({ maxLinks: LIMIT });
  await cli.ok(["publish", "logs"], { input: PAYLOAD, env });
  for (const name of ["a", "b", "c"]) {
    await cli.ok(["subscribe", `logs/${name}`, "--from", "start"], { env });
  }
  await cli.ok(["replay", "logs/s0", "--since", "-1h"], { env });
  await expectSound(cli);
  await expectGone(cli, [...names(10).slice(1), "logs/a", "logs/b", "logs/c"]);
});

test.concurrent("a small limit of names, and a publisher that dies: all get it or none, no copy is left", async ({
  cli,
}) => {
  const subscriptions = names(20);
  await makeTopic(cli, "logs", subscriptions);
  const deaths = [
    ["^link .*/incoming/", 3, false],
    ["^link .*/tmp/.* -> .*/incoming/", 8, false],
    ["^rename .*/committed/", 1, false],
    ["^rename .*/incoming/", 9, true],
    ["^unlink .*/tmp/", 2, true],
  ] as const;
  let delivered = 0;
  for (const [match, nth, isDelivered] of deaths) {
    const env = fated({ maxLinks: LIMIT, signal: "SIGKILL", match, nth });
    const { signal } = await cli.run(["publish", "logs"], { input: PAYLOAD, env });
    expect([match, signal]).toEqual([match, "SIGKILL"]);
    await cli.ok(["gc", "logs"], { env: fated({ maxLinks: LIMIT }) });
    if (isDelivered) delivered++;
    for (const name of subscriptions) {
      expect([match, name, (await waitingIn(cli, name)).length]).toEqual([match, name, delivered]);
    }
    expect(ticketsIn(cli, "logs", "tmp")).toEqual([]);
  }
  await expectSound(cli);
  expect((await useOf(cli)).files).toBe(delivered * Math.ceil(20 / (LIMIT - 1)));
  expect(await slicesOf(cli, "logs/s0")).toHaveLength(delivered);
});
