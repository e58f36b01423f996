/**
 * Goal: whatever call of a publisher fails, and how: what it said is published is in all subscriptions
 * that want it, once, and also after a power cut; what it said failed is in none, or in all. The same
 * for who subscribes, replays, recovers and sweeps.
 *
 * Method: every-error.ts.
 */
import { describe, expect, test } from "vitest";

import { inTurn as actsInTurn, publish as published, publishErrors } from "../crash/topic-acts.ts";
import { deadOf } from "../crash/topic-changes.ts";
import { ALL, ANY, ERROR, ERRORS, KEEP_ALL, NEW, NEW_ANY, TOPIC } from "../crash/topic-world.ts";
import { sweepAll } from "../crash/topic-world.ts";
import { ZFS } from "../crash/world.ts";
import { everyError, everyOne } from "./every-error.ts";
import {
  inTurn,
  LATER_MS,
  publish,
  publishMany,
  replay,
  subscribe,
  topicScenario,
  unsubscribe,
} from "./topic-scenario.ts";
import type { TopicErrorAct, TopicScenario } from "./topic-scenario.ts";
import { TYPES } from "./types.ts";

const FIVE = ["one", "two", "three", "four", "five"];
const three = actsInTurn(publishErrors(["one"]), published(["two"]), publishErrors(["three"]));
const withLog = { settings: KEEP_ALL, before: three };

const sweep: TopicErrorAct = (process, _told, tries) => tries.that(() => sweepAll(process));

const recoverAll: TopicErrorAct = ({ spool }, _told, tries) =>
  tries.that(() => spool.queue(ANY).room.source!.recover());

const look: TopicErrorAct = async ({ spool }, _told, tries) => {
  const topic = await spool.topic(TOPIC);
  await tries.that(() => topic.logTally());
  await tries.that(() => topic.subscriptions());
  await tries.that(() => topic.verify());
  await tries.that(() => spool.topicNames());
};

const LIVES: Readonly<Record<string, Omit<TopicScenario, "type">>> = {
  "it publishes": { life: inTurn(publish(["one"], { headers: ERROR }), publish(["two"])) },
  "it publishes, and a log is kept": { settings: KEEP_ALL, life: publish(["one", "two"]) },
  "it publishes with a key": {
    life: inTurn(publish(["once"], { headers: ERROR, dedupKey: "key" }), publish(["next"])),
  },
  "it publishes lines": { life: publishMany(FIVE, { batchMessages: 2 }) },
  "it makes its topic": { subscriptions: [ANY], life: publish(["one", "two"]) },
  "it subscribes": { life: inTurn(subscribe(NEW, "now"), publish(["next"])) },
  "it subscribes from the start": {
    ...withLog,
    fromStart: [NEW],
    life: inTurn(subscribe(NEW, "start"), publish(["next"])),
  },
  "it subscribes to a pattern": {
    subscriptions: [ALL],
    life: inTurn(subscribe(NEW_ANY, "now"), publish(["next"])),
  },
  "it unsubscribes": { before: three, life: unsubscribe(ERRORS) },
  "it replays": { ...withLog, life: replay(ALL, ["one", "two", "three"]) },
  "it sweeps": { ...withLog, life: sweep },
  "it looks": { ...withLog, life: look },
};

describe.for(TYPES)("a topic on %s", ([, type]) => {
  test.for(Object.entries(LIVES))("keeps its word when %s", async ([, scenario]) => {
    expect(await everyError(topicScenario({ ...scenario, type }), 0.4)).toBeGreaterThan(0);
  });
});

test("who finds a subscription there can rely on it, though its maker failed", async () => {
  const life = inTurn(subscribe(NEW, "now"), publish(["next"]));
  const unsynced = { code: "EINTR", kind: "directory", how: "once, then power cut" } as const;
  expect(await everyOne(topicScenario({ type: ZFS, life }), unsynced)).toBeGreaterThan(3);
});

describe.for(TYPES)("what a dead publisher left on %s", ([, type]) => {
  test.for([
    ["consumers", recoverAll],
    ["a sweeper", sweep],
  ] as const)("is finished or undone for all by %s", async ([, life]) => {
    const verb = { settings: KEEP_ALL };
    for (const { prepare } of await deadOf(published(["one"]), verb, type)) {
      const scenario = { ...verb, prepare, aheadMs: LATER_MS, life, type };
      expect(await everyError(topicScenario(scenario), 0.05)).toBeGreaterThan(0);
    }
  });
});
