/**
 * Goal: subscriptions may come and go while others publish. One that was there from before a publish
 * began until after it said success has it; nobody gets a message twice or a part of a batch; one
 * that begins with the log gets all that it keeps and all that follows, once; and of one that was
 * removed nothing is left, without any recovery.
 *
 * Method: two publishers and several makers of subscriptions for some seconds, each maker a process
 * that makes one, looks after a moment what it got, and removes it. What they wrote down is compared.
 */
import { mkdir, readdir } from "node:fs/promises";

import { expect } from "vitest";

import { linesIn, ROOT, test } from "../helpers/cli.ts";
import type { Cli } from "../helpers/cli.ts";
import { expectSound, fullId, idsOf, makeTopic, slicesOf, waitingIn } from "./topic-disk.ts";
import type { Orders, Published, Watched } from "./topic-library.ts";

const STORM_MS = 4000;

/** Of a batch of five these are three runs: a subscription has as many names of it, or none. */
const FILTER = "level=even";

interface Seen {
  readonly published: readonly Published[];
  readonly watched: readonly Watched[];
}

/** Runs these for a while, each until its time is over; then reads what they wrote. */
async function run(cli: Cli, roles: Readonly<Record<string, Partial<Orders>>>): Promise<Seen> {
  await mkdir(`${cli.dir}/log`);
  const endings = Object.entries(roles).map(async ([who, orders]) => {
    const script = `${ROOT}/test/processes/topic-library.ts`;
    const role = who.startsWith("publish") ? "publish" : "watch";
    const all = JSON.stringify({ topic: "logs", forMs: STORM_MS, ...orders });
    const args = [script, `${ROOT}/dist/lib`, role, `${cli.dir}/log/${who}`, who, all];
    const { code, stderr } = await cli.launch(process.execPath, args, { timeoutMs: 30_000 }).read()
      .ended;
    expect({ who, code, stderr }).toEqual({ who, code: 0, stderr: "" });
  });
  await Promise.all(endings);
  const notes: (Published | Watched)[] = [];
  for (const name of await readdir(`${cli.dir}/log`)) {
    const lines = await linesIn(`${cli.dir}/log/${name}`);
    notes.push(...lines.map((line) => JSON.parse(line) as Published | Watched));
  }
  return {
    published: notes.filter((note) => note.what === "published"),
    watched: notes.filter((note) => note.what === "watched"),
  };
}

/** What a subscription got, each message as often as it got it. */
const gotOf = ({ slices, taken }: Watched): string[] => [
  ...taken.map((id) => fullId(id)),
  ...slices.flatMap((name) => idsOf(name)),
];

/** Those that the subscription must have: of publishes that began and ended while it was there. */
function owedTo({ name, fromNs, untilNs }: Watched, published: readonly Published[]): string[] {
  // Who begins with the log is owed what was published before it was there as well.
  const sinceNs = name.startsWith("start") ? 0 : fromNs;
  return published
    .filter(({ beganNs, saidNs }) => beganNs >= sinceNs && saidNs <= untilNs)
    .map(({ id }) => fullId(id));
}

/** What is wrong with what one subscription got. */
function complaintsOf(watched: Watched, published: readonly Published[]): string[] {
  const got = gotOf(watched);
  const unique = new Set(got);
  const wanted = /^(some|shared)/.test(watched.name)
    ? published.filter(({ level }) => level === "even")
    : published;
  const missing = owedTo(watched, wanted).filter((id) => !unique.has(id));
  const halves = halvesOf(watched, unique, wanted);
  return [
    ...(unique.size < got.length ? [`${watched.name}: ${got.length - unique.size} twice`] : []),
    ...missing.map((id) => `${watched.name}: ${id} is missing`),
    ...halves.map((batch) => `${watched.name}: a part of ${batch}`),
  ];
}

/** Batches of which it has a part, though their publish was over. */
function halvesOf(
  { untilNs }: Watched,
  got: ReadonlySet<string>,
  wanted: readonly Published[],
): string[] {
  const over = wanted.filter(({ saidNs }) => saidNs <= untilNs).map(({ id }) => fullId(id));
  const batches = Map.groupBy(over, (id) => id.slice(0, id.indexOf(".")));
  return [...batches.entries()]
    .filter(([, ids]) => new Set(ids.map((id) => got.has(id))).size > 1)
    .map(([batch]) => batch);
}

async function expectOnly(cli: Cli, ...subscriptions: string[]): Promise<void> {
  const names = await readdir(`${cli.spool}/topics/logs/subscriptions`);
  expect(names.toSorted()).toEqual(subscriptions.map((name) => name.slice("logs/".length)));
  await expectSound(cli);
}

test("subscriptions come and go while others publish: what was there has it, once and whole", async ({
  cli,
}) => {
  const steady = ["logs/steady", "logs/steady2"];
  await makeTopic(cli, "logs", [...steady, "*/pattern"]);
  const { published, watched } = await run(cli, {
    publish1: {},
    publish2: {},
    all: { pauseMs: 40 },
    taker: { pauseMs: 60, takes: true },
    some: { pauseMs: 40, filter: FILTER },
    "shared-1": { pauseMs: 20, name: "shared", isShared: true, filter: FILTER },
    "shared-2": { pauseMs: 20, name: "shared", isShared: true, filter: FILTER },
  });
  const full = watched.filter((one) => gotOf(one).length > 0);
  console.log(
    `topic-churn: ${published.length} published, ${watched.length} subscriptions came and went, ` +
      `${full.length} of them got something`,
  );
  expect(published.length).toBeGreaterThan(50);
  expect(full.length).toBeGreaterThan(10);
  expect(watched.flatMap((one) => complaintsOf(one, published))).toEqual([]);
  // Nobody was killed: what was said is all that there is.
  const all = published.map(({ id }) => fullId(id)).toSorted();
  for (const name of [...steady, "*/pattern"]) {
    expect([name, await waitingIn(cli, name)]).toEqual([name, all]);
  }
  await expectOnly(cli, ...steady);
}, 60_000);

test("subscriptions that begin with the log, made while others publish: all of it, once", async ({
  cli,
}) => {
  await makeTopic(cli, "logs", ["logs/steady"], { retentionMs: Number.POSITIVE_INFINITY });
  const { published, watched } = await run(cli, {
    publish1: { pauseMs: 20 },
    publish2: { pauseMs: 20 },
    "start-1": { pauseMs: 40, from: "start" },
    "start-2": { pauseMs: 40, from: "start" },
    "start-3": { pauseMs: 40, from: "start", topic: "#" },
  });
  console.log(
    `topic-churn: ${published.length} published, ${watched.length} began with the log, ` +
      `with ${watched.at(-1)?.slices.length} names at the end`,
  );
  expect(watched.length).toBeGreaterThan(5);
  expect(watched.flatMap((one) => complaintsOf(one, published))).toEqual([]);
  const all = published.map(({ id }) => fullId(id)).toSorted();
  expect(await waitingIn(cli, "logs/steady")).toEqual(all);
  // Each batch costs the disk one file, of which the log and the subscription have a name each.
  expect(await slicesOf(cli, "logs/steady")).toHaveLength(
    new Set(all.map((id) => id.split(".")[0])).size,
  );
  await expectOnly(cli, "logs/steady");
  // The directory of a pattern goes with its last subscription.
  expect(await readdir(`${cli.spool}/topics`)).toEqual(["logs"]);
}, 60_000);
