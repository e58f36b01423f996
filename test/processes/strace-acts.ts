/** What a real `spool` is killed at: each verb that changes something, and what must come of it. */
import type { Ended } from "../helpers/cli.ts";
import { appears, goes, moves, stays } from "./strace-deeds.ts";
import type { Act } from "./strace-deeds.ts";
import type { Spool } from "../../src/spool.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";

const put =
  (...payloads: readonly string[]) =>
  async (spool: Spool): Promise<void> => {
    for (const one of payloads) await spool.queue("q").put(one);
  };

/** One file of all. */
const putTogether =
  (...payloads: readonly string[]) =>
  (spool: Spool): Promise<unknown> =>
    Promise.all(payloads.map((one) => spool.queue("q").put(one)));

const SUBSCRIPTIONS = ["logs/a", "logs/b", "logs/c"];

/** A topic with a log and three subscriptions. */
async function makeTopic(spool: Spool): Promise<void> {
  const topic = await spool.topic("logs");
  await topic.create({ ...DEFAULT_TOPIC_SETTINGS, retentionMs: Number.POSITIVE_INFINITY });
  for (const name of ["a", "b", "c"]) await topic.subscribe(name);
}

const published =
  (...payloads: readonly string[]) =>
  async (spool: Spool): Promise<void> => {
    await makeTopic(spool);
    for (const one of payloads) await (await spool.topic("logs")).publish(one);
  };

/** One that is in the log, and that nobody waits for any more. */
async function consumed(spool: Spool): Promise<void> {
  await published("m1", "m2")(spool);
  for (const name of SUBSCRIPTIONS) {
    for await (const message of spool.queue(name).messages({ untilEmpty: true })) {
      await message.ack();
    }
  }
}

async function buried(spool: Spool): Promise<void> {
  await put("d1", "d2")(spool);
  for await (const message of spool.queue("q").messages({ untilEmpty: true })) {
    await message.reject();
  }
}

const isThere = (...names: readonly string[]): string[] => names.map((name) => `is there: ${name}`);
const inAll = (payload: string): string[] => [
  ...SUBSCRIPTIONS.map((name) => `${name}: ${payload}`),
  `logs log: ${payload}`,
];
const topicStays = stays(...isThere(...SUBSCRIPTIONS));
const hasPrinted = ({ stdout }: Ended): boolean => stdout.endsWith("\n");

const PUTS: readonly Act[] = [
  {
    name: "put, the first of a spool",
    args: ["put", "q", "-m", "m1"],
    deeds: [appears("q: m1")],
    isSaid: hasPrinted,
    always: true,
  },
  {
    name: "put",
    args: ["put", "q"],
    input: "m2",
    before: put("m1"),
    deeds: [appears("q: m2"), stays("q: m1")],
    isSaid: hasPrinted,
    always: true,
  },
  {
    name: "put --lines",
    args: ["put", "q", "--lines", "--batch", "2"],
    input: "l1\nl2\nl3\nl4\nl5\n",
    before: put("m1"),
    deeds: [stays("q: m1"), appears("q: l1", "q: l2"), appears("q: l3", "q: l4"), appears("q: l5")],
  },
  {
    name: "put --dedup, and again",
    args: ["put", "q", "-m", "m1", "--dedup", "key"],
    before: (spool) => spool.queue("q").create(),
    deeds: [appears("q: m1")],
    isSaid: () => true,
    again: true,
  },
];

const TAKES: readonly Act[] = [
  {
    name: "take",
    args: ["take", "q"],
    before: put("m1", "m2"),
    deeds: [{ ...goes("q: m1"), needs: "m1" }, stays("q: m2")],
    always: true,
  },
  {
    name: "take of one of many",
    args: ["take", "q"],
    before: putTogether("l1", "l2", "l3"),
    deeds: [{ ...goes("q: l1"), needs: "l1" }, stays("q: l2"), stays("q: l3")],
    always: true,
  },
  {
    name: "take --lease",
    args: ["take", "q", "-n", "2", "--lease", "1h"],
    before: putTogether("l1", "l2", "l3"),
    deeds: [stays("q: l1"), stays("q: l2"), stays("q: l3")],
    lasting: /\/leases\//,
  },
  {
    name: "consume",
    args: ["consume", "q", "--until-empty"],
    before: async (spool) => {
      await putTogether("l1", "l2")(spool);
      await put("m1")(spool);
    },
    deeds: ["l1", "l2", "m1"].map((one) => ({ ...goes(`q: ${one}`), needs: one })),
  },
  {
    name: "work -- true",
    args: ["work", "q", "--until-empty", "--", "true"],
    before: async (spool) => {
      await putTogether("l1", "l2")(spool);
      await put("m1")(spool);
    },
    deeds: [goes("q: l1"), goes("q: l2"), goes("q: m1")],
    hasChild: true,
  },
];

const BY_RECEIPT: readonly Act[] = [
  { name: "ack", args: ["ack"], deeds: [goes("q: l1"), stays("q: l2"), stays("q: l3")] },
  {
    name: "nack",
    args: ["nack"],
    deeds: [stays("q: l1"), stays("q: l2"), stays("q: l3")],
  },
  {
    name: "reject",
    args: ["reject"],
    deeds: [moves("q: l1", "q dead: l1"), stays("q: l2"), stays("q: l3")],
  },
  {
    name: "extend",
    args: ["extend", "--lease", "2h"],
    deeds: [stays("q: l1"), stays("q: l2"), stays("q: l3")],
  },
].map((act) => ({
  ...act,
  before: putTogether("l1", "l2", "l3"),
  leased: 2,
  // A reason comes before its letter, and waits an hour for it.
  lasting: /\/leases\/|: a reason without its dead letter$/,
}));

const BULK: readonly Act[] = [
  {
    name: "move",
    args: ["move", "q", "other"],
    before: put("m1", "m2"),
    deeds: [moves("q: m1", "other: m1"), moves("q: m2", "other: m2")],
  },
  {
    name: "move of one of many",
    args: ["move", "q", "other", "--max", "1"],
    before: putTogether("l1", "l2", "l3"),
    deeds: [moves("q: l1", "other: l1"), stays("q: l2"), stays("q: l3")],
  },
  {
    name: "dlq redrive",
    args: ["dlq", "redrive", "q"],
    before: buried,
    deeds: [moves("q dead: d1", "q: d1"), moves("q dead: d2", "q: d2")],
    lasting: /: a reason without its dead letter$/,
  },
  {
    name: "dlq drop",
    args: ["dlq", "drop", "q", "-f"],
    before: buried,
    deeds: [goes("q dead: d1"), goes("q dead: d2")],
    lasting: /: a reason without its dead letter$/,
  },
  {
    name: "purge",
    args: ["purge", "q", "-f"],
    before: put("m1", "m2"),
    deeds: [goes("q: m1"), goes("q: m2")],
  },
  {
    name: "queue rm",
    args: ["queue", "rm", "q", "-f"],
    before: put("m1", "m2"),
    deeds: [goes("q: m1", "q: m2")],
  },
];

const TOPICS: readonly Act[] = [
  {
    name: "publish",
    args: ["publish", "logs", "-m", "m2"],
    before: published("m1"),
    deeds: [appears(...inAll("m2")), stays(...inAll("m1")), topicStays],
    isSaid: hasPrinted,
    always: true,
  },
  {
    name: "publish --lines",
    args: ["publish", "logs", "--lines", "--batch", "2"],
    input: "l1\nl2\nl3\n",
    before: makeTopic,
    deeds: [appears(...inAll("l1"), ...inAll("l2")), appears(...inAll("l3")), topicStays],
  },
  {
    name: "publish --dedup, and again",
    args: ["publish", "logs", "-m", "m1", "--dedup", "key"],
    before: makeTopic,
    deeds: [appears(...inAll("m1")), topicStays],
    isSaid: () => true,
    again: true,
  },
  {
    name: "subscribe, the first of a spool",
    args: ["subscribe", "logs/a"],
    deeds: [appears(...isThere("logs/a"))],
    isSaid: ({ code }) => code === 0,
  },
  {
    name: "subscribe --from start",
    args: ["subscribe", "logs/new", "--from", "start"],
    before: published("m1", "m2"),
    deeds: [
      appears(...isThere("logs/new"), "logs/new: m1", "logs/new: m2"),
      stays(...inAll("m1"), ...inAll("m2")),
      topicStays,
    ],
  },
  {
    name: "unsubscribe",
    args: ["unsubscribe", "logs/a", "-f"],
    before: published("m1"),
    deeds: [
      goes(...isThere("logs/a"), "logs/a: m1"),
      stays(...isThere("logs/b", "logs/c"), ...inAll("m1").slice(1)),
    ],
  },
  {
    name: "replay",
    args: ["replay", "logs/a"],
    before: consumed,
    deeds: [appears("logs/a: m1", "logs/a: m2"), stays("logs log: m1", "logs log: m2"), topicStays],
  },
  {
    name: "topic rm",
    args: ["topic", "rm", "logs", "-f"],
    before: published("m1"),
    deeds: [goes(...isThere(...SUBSCRIPTIONS), ...inAll("m1"))],
  },
];

/** A put, a worker, two publishers and a subscriber have died before it, each in the middle. */
const GC: Act = {
  name: "gc, after the death of others",
  args: ["gc"],
  before: async (spool) => {
    await putTogether("l1", "l2")(spool);
    await published("m1")(spool);
    await (await spool.topic("logs")).publish("m2");
  },
  deaths: [
    { args: ["put", "q", "-m", "lost"], at: /^rename queues\/q\/tmp/ },
    { args: ["put", "q", "-m", "k1", "--dedup", "k1"], at: /^rename queues\/q\/tmp\/@ .*ready/ },
    {
      args: ["work", "q", "--until-empty", "--", "true"],
      at: /^(rename|unlink) queues\/q\/leases/,
    },
    { args: ["publish", "logs", "-m", "lost"], at: /^rename topics\/logs\/staging/ },
    { args: ["publish", "logs", "-m", "m3"], at: /^rename topics\/logs\/subscriptions/ },
    {
      args: ["subscribe", "logs/new", "--from", "start"],
      at: /^rename \S+ \S+\/subscriptions\/new$/,
    },
    { args: ["unsubscribe", "logs/c", "-f"], at: /^rmdir / },
  ],
  deeds: [
    stays("q: l1", "q: l2", "q: k1"),
    stays(...isThere("logs/a", "logs/b")),
    ...["m1", "m2", "m3"].map((one) =>
      stays(`logs/a: ${one}`, `logs/b: ${one}`, `logs log: ${one}`),
    ),
  ],
};

export const ACTS: readonly Act[] = [...PUTS, ...TAKES, ...BY_RECEIPT, ...BULK, ...TOPICS, GC];
