/**
 * Goal: who stands still at any call and then goes on spoils nothing that others did meanwhile, and is
 * told the truth: what was undone was published to nobody, what was not is everywhere, once.
 *
 * Method: topic-every-pause.ts. The disk's time goes as far as the rival wants it; the sleeper does not
 * know.
 */
import { describe, expect, test } from "vitest";

import {
  inTurn,
  publish,
  publishErrors,
  publishTogether,
  replay,
  subscribe,
  unsubscribe,
} from "./topic-acts.ts";
import { everyTopicPause } from "./topic-every-pause.ts";
import { placeIn, thereIs } from "./topic-told.ts";
import {
  ALL,
  ANY,
  drainAll,
  ERROR,
  ERRORS,
  HOUR_MS,
  KEEP_ALL,
  LOG,
  NEW,
  NEW_ANY,
  sweepAll,
  TOPIC,
  TYPES,
} from "./topic-world.ts";
import type { TopicAct } from "./topic-world.ts";
import { EXT4, NFS, SOON_MS } from "./world.ts";

const AFTER_REPLAY_MS = 2 * HOUR_MS;
/** By then a publish has had its time, and its key is still known. */
const WITHIN_WINDOW_MS = 200_000;
/** By then a draft in tmp/ has had its time. */
const AFTER_DRAFT_MS = 40 * HOUR_MS;

const publishOne = publishErrors(["one"]);
const publishOnce = publish(["once"], { headers: ERROR, dedupKey: "key" });
const three = inTurn(publishErrors(["a"]), publish(["b"]), publishErrors(["c"]));
const withLog = { settings: KEEP_ALL, before: three };

// Those that `fails` stands at wait for what is wrong to be mended.

describe("a publisher that stands still at any call", () => {
  test.for(TYPES)("has published to all or to nobody, and knows it, on %s", async ([, type]) => {
    const verb = { settings: KEEP_ALL, life: publishOne, type };
    expect(await everyTopicPause(verb, sweepAll)).toBeGreaterThan(60);
  });

  test("has published to all or to nobody, and knows it, when all drafts are old", async () => {
    const verb = { settings: KEEP_ALL, life: publishOne };
    expect(await everyTopicPause(verb, sweepAll, AFTER_DRAFT_MS)).toBeGreaterThan(60);
  });

  test("knows it for each of those who share a file", async () => {
    const life = publishTogether({ one: ERROR, two: {}, three: ERROR });
    expect(await everyTopicPause({ life }, sweepAll)).toBeGreaterThan(60);
  });

  test("knows it where a file may have few names", async () => {
    const verb = { life: publishOne, links: 2 };
    expect(await everyTopicPause(verb, sweepAll)).toBeGreaterThan(60);
    expect(await everyTopicPause({ ...verb, links: 1 }, sweepAll)).toBeGreaterThan(60);
  });

  test("has published once when consumers take what there is, soon or late", async () => {
    const verb = { settings: KEEP_ALL, life: publishOne };
    expect(await everyTopicPause(verb, drainAll, SOON_MS)).toBeGreaterThan(60);
    expect(await everyTopicPause(verb, drainAll)).toBeGreaterThan(60);
  });

  test("reaches a subscriber who comes meanwhile, or does not", async () => {
    for (const name of [NEW, NEW_ANY]) {
      const rival: TopicAct = async (process, told, world) => {
        await subscribe(name, "now")(process, told, world);
        told.begin([placeIn(name, "one")]);
      };
      const verb = { life: publishOne, after: publish(["next"]) };
      expect(await everyTopicPause(verb, rival, SOON_MS)).toBeGreaterThan(60);
    }
  });

  test("reaches all who stay when one goes", async () => {
    const verb = { life: publishOne, after: publishErrors(["next"]) };
    for (const name of [ALL, ERRORS, ANY]) {
      expect(await everyTopicPause(verb, unsubscribe(name), SOON_MS)).toBeGreaterThan(60);
    }
  });

  test("reaches who unsubscribes and subscribes again, or does not", async () => {
    const again: TopicAct = async (process, told, world) => {
      told.begin([placeIn(ALL, "one")], -1);
      await inTurn(unsubscribe(ALL), subscribe(ALL, "now"))(process, told, world);
    };
    const verb = { subscriptions: [ERRORS, ALL], life: publish(["one"]) };
    expect(await everyTopicPause(verb, again, SOON_MS)).toBeGreaterThan(40);
  });

  test("is in the log once when that is trimmed meanwhile", async () => {
    const verb = { ...withLog, life: publishOne };
    const trim: TopicAct = async ({ spool }, told) => {
      const topic = await spool.topic(TOPIC);
      told.done([placeIn(LOG, "a"), placeIn(LOG, "b")], -1);
      // Where the new one is there already they are the next to go.
      told.begin([placeIn(LOG, "c"), placeIn(LOG, "one")], -1);
      await topic.changeSettings({ retentionBytes: 1 });
      await topic.changeSettings({ retentionBytes: 0 });
    };
    expect(await everyTopicPause(verb, trim, SOON_MS)).toBeGreaterThan(60);
  });
});

describe("a publisher with a dedup key that stands still at any call", () => {
  test.for(TYPES)("has published once when it is taken over, on %s", async ([, type]) => {
    const verb = { settings: KEEP_ALL, life: publishOnce, type };
    expect(await everyTopicPause(verb, sweepAll)).toBeGreaterThan(60);
  });

  test("has published once when another publishes the same meanwhile", async () => {
    for (const type of [EXT4, NFS]) {
      const verb = { life: publishOnce, type };
      expect(await everyTopicPause(verb, publishOnce, SOON_MS)).toBeGreaterThan(60);
    }
  });

  test("has published once when others take it over and publish it again", async () => {
    const rival = inTurn(publishOnce, sweepAll, drainAll);
    const verb = { life: publishOnce };
    expect(await everyTopicPause(verb, rival, WITHIN_WINDOW_MS)).toBeGreaterThan(60);
  });
});

describe("a publisher that stands still at any call while one subscribes from the start", () => {
  test("is heard once by that one, too, or by nobody", async () => {
    for (const type of [EXT4, NFS]) {
      const verb = { ...withLog, fromStart: [NEW], life: publishOne, type };
      expect(await everyTopicPause(verb, subscribe(NEW, "start"))).toBeGreaterThan(60);
    }
    const verb = { ...withLog, fromStart: [NEW_ANY], life: publishOne };
    expect(await everyTopicPause(verb, subscribe(NEW_ANY, "start"))).toBeGreaterThan(60);
  });

  test("is heard once with a dedup key", async () => {
    const verb = { ...withLog, fromStart: [NEW], life: publishOnce };
    expect(await everyTopicPause(verb, subscribe(NEW, "start"))).toBeGreaterThan(60);
  });
});

describe("who stands still at any call while a topic is removed", () => {
  const remove: TopicAct = async ({ spool }, told) => {
    const topic = await spool.topic(TOPIC);
    await told.to(told.begin([thereIs(ALL), thereIs(ERRORS)], -1), () => topic.remove());
  };

  test("has published to all that are left or to nobody, and knows it", async () => {
    for (const type of [EXT4, NFS]) {
      const verb = { life: publishOne, after: publish(["next"]), type };
      expect(await everyTopicPause(verb, remove, SOON_MS)).toBeGreaterThan(60);
    }
  });

  test("has published to all that are left or to nobody with a dedup key", async () => {
    expect(await everyTopicPause({ life: publishOnce }, remove, SOON_MS)).toBeGreaterThan(60);
  });

  test("has a subscription or none, and knows it", async () => {
    const verb = { fromStart: [NEW], life: subscribe(NEW, "start"), after: publish(["next"]) };
    const rival: TopicAct = async (process, told, world) => {
      // Where it was made already it goes, too.
      told.begin([thereIs(NEW)], -1);
      await remove(process, told, world);
    };
    expect(await everyTopicPause(verb, rival, SOON_MS)).toBeGreaterThan(30);
  });
});

describe("a replay that stands still at any call", () => {
  const life = replay(ALL, ["a", "b", "c"]);

  test("has delivered all again, once, beside another replay", async () => {
    for (const type of [EXT4, NFS]) {
      const verb = { ...withLog, life, type };
      expect(await everyTopicPause(verb, life, SOON_MS)).toBeGreaterThan(40);
    }
  });

  test("has delivered all again, once, beside consumers", async () => {
    expect(await everyTopicPause({ ...withLog, life }, drainAll, SOON_MS)).toBeGreaterThan(40);
  });

  test("has delivered all again or nothing beside who unsubscribes", async () => {
    expect(await everyTopicPause({ ...withLog, life }, unsubscribe(ALL), SOON_MS)).toBeGreaterThan(
      40,
    );
  });

  test("has delivered all again or nothing, and knows it, when others recover", async () => {
    for (const type of [EXT4, NFS]) {
      const verb = { ...withLog, life, type };
      expect(await everyTopicPause(verb, sweepAll, AFTER_REPLAY_MS)).toBeGreaterThan(40);
    }
  });
});
