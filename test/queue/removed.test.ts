/**
 * Goal: what is removed while somebody looks at it or sweeps it is passed over: there is none of that name, and
 * that is all that anybody says.
 *
 * Method: the removal comes before the n-th call, for every n.
 */
import { describe, expect } from "vitest";

import { SpoolError } from "../../src/errors.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { test } from "../helpers/fixtures.ts";
import { EXT4, hooked, NFS } from "../helpers/hooked.ts";
import { bytesOf } from "../helpers/model-jobs.ts";

interface Story {
  readonly make: (spool: Spool) => Promise<unknown>;
  readonly remove: (spool: Spool) => Promise<unknown>;
  /** Returns what it found amiss. */
  readonly act: (spool: Spool) => Promise<unknown>;
}

/** Runs the act once for each of its calls; returns how many these were. */
async function atEveryCall(dir: string, type: number, { make, remove, act }: Story) {
  for (let at = 0; ; at++) {
    const path = `${dir}/${type}-${at}`;
    const other = await openSpool({ dir: path, tellsFlow: false });
    await make(other);
    let calls = 0;
    const fs = hooked(type, async () => {
      if (calls++ === at) await remove(other);
    });
    const processes = { self: "p1", host: "elsewhere", isGone: () => false };
    const spool = await openSpool({ dir: path, parts: { fs, processes } });
    const offset = calls;
    calls = 0;
    let said: unknown;
    try {
      said = await act(spool);
    } catch (error) {
      const isNone = error instanceof SpoolError && /^NO_(QUEUE|TOPIC)$/.test(error.code);
      said = isNone ? undefined : error;
    }
    expect([at, said]).toEqual([at, undefined]);
    if (calls <= at && offset <= at) return at;
  }
}

/** Something in each of its directories. */
async function fill(spool: Spool, name: string, send: (body: string) => Promise<unknown>) {
  const queue = spool.queue(name);
  for (const body of ["one", "two", "three"]) await send(body);
  const consumer = queue.consumer("handed out", { leaseMs: 60_000 });
  await (await consumer.open((await consumer.claim(1))!))!.reject();
  const claim = (await consumer.claim(1))!;
  await claim.file.close();
  await consumer.leave();
}

async function makeQueue(spool: Spool): Promise<void> {
  const queue = spool.queue("jobs");
  await queue.create();
  await fill(spool, "jobs", async (body) => queue.putMany().run(bytesOf(`${body}\n`)));
}

async function makeTopic(spool: Spool): Promise<void> {
  const topic = await spool.topic("logs");
  await topic.create();
  await topic.subscribe("one");
  await fill(spool, "logs/one", async (body) => topic.publish(body));
}

const ACTS: Readonly<Record<string, (name: string) => Story["act"]>> = {
  sweeps: (name) => async (spool) => void (await spool.queue(name).sweep()),
  counts: (name) => async (spool) => void (await statsOf(spool.queue(name))),
  verifies: (name) => async (spool) => {
    const { findings } = await spool.queue(name).verify();
    return findings.length === 0 ? undefined : findings;
  },
};

describe.for(Object.keys(ACTS))("who %s", (verb) => {
  test("a queue that is removed meanwhile: there is none", async ({ dir }) => {
    for (const type of [EXT4, NFS]) {
      const remove = (spool: Spool) => spool.queue("jobs").remove();
      const story = { make: makeQueue, remove, act: ACTS[verb]!("jobs") };
      expect(await atEveryCall(dir, type, story)).toBeGreaterThan(10);
    }
  });

  test("a subscription that is removed meanwhile: there is none", async ({ dir }) => {
    const remove = async (spool: Spool) => (await spool.topic("logs")).unsubscribe("one");
    const story = { make: makeTopic, remove, act: ACTS[verb]!("logs/one") };
    expect(await atEveryCall(dir, EXT4, story)).toBeGreaterThan(10);
  });
});

describe.for(["sweeps", "counts"])("who %s", (verb) => {
  test("a subscription that is made anew meanwhile: that one", async ({ dir }) => {
    const remove = async (spool: Spool) => {
      const topic = await spool.topic("logs");
      await topic.unsubscribe("one");
      await topic.subscribe("one");
    };
    const story = { make: makeTopic, remove, act: ACTS[verb]!("logs/one") };
    expect(await atEveryCall(dir, EXT4, story)).toBeGreaterThan(10);
  });
});

describe("who sweeps or verifies a topic that is removed meanwhile", () => {
  const remove = async (spool: Spool) => (await spool.topic("logs")).remove();
  const acts: readonly Story["act"][] = [
    async (spool) => void (await (await spool.topic("logs")).sweep()),
    async (spool) => {
      const { findings } = await (await spool.topic("logs")).verify();
      return findings.length === 0 ? undefined : findings;
    },
  ];

  test.for(acts)("is told that there is none", async (act, { dir }) => {
    expect(await atEveryCall(dir, EXT4, { make: makeTopic, remove, act })).toBeGreaterThan(10);
  });
});
