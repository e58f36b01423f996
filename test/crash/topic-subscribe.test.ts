/**
 * Goal: a subscriber that dies at any call has its subscription, with all that belongs there, once; or
 * it has none, and nothing of it stays. The same for who unsubscribes, and for who removes the topic.
 *
 * Method: topic-every-crash.ts. The numbers are deliberate tripwires: a new one is a new protocol.
 */
import { describe, expect, test } from "vitest";

import { inTurn, publish, publishErrors, subscribe, unsubscribe } from "./topic-acts.ts";
import { everyTopicCrash } from "./topic-every-crash.ts";
import { thereIs } from "./topic-told.ts";
import {
  ALL,
  ANY,
  ERRORS,
  HOUR_MS,
  KEEP_ALL,
  LOG,
  NEW,
  NEW_ANY,
  NEW_ERRORS,
  TOPIC,
} from "./topic-world.ts";
import type { TopicAct } from "./topic-world.ts";
import { NFS, ZFS } from "./world.ts";

/** Three batches in the log, one of which only some want. */
const three = inTurn(publishErrors(["one"]), publish(["two"]), publishErrors(["three"]));

const withLog = { settings: KEEP_ALL, before: three };

describe("a subscriber that dies at any call", () => {
  test("has a subscription or none", async () => {
    const verb = { life: subscribe(NEW, "now") };
    expect(await everyTopicCrash(verb)).toEqual([30, 30]);
  });

  test("has one when the next process subscribes again", async () => {
    const after = inTurn(subscribe(NEW, "now"), publish(["next"]));
    expect(await everyTopicCrash({ life: subscribe(NEW, "now"), after })).toEqual([30, 30]);
  });

  test("has all of the log or none of it", async () => {
    const verb = { ...withLog, fromStart: [NEW], life: subscribe(NEW, "start") };
    expect(await everyTopicCrash(verb)).toEqual([63, 63]);
  });

  test("has all of the log when the next process subscribes again", async () => {
    const after = inTurn(publish(["next"]), subscribe(NEW, "start"), publish(["last"]));
    const life = subscribe(NEW, "start");
    const verb = { ...withLog, fromStart: [NEW], life, after, afterMs: 2 * HOUR_MS };
    expect(await everyTopicCrash(verb)).toEqual([63, 63]);
  });

  test("has what it wants of the log, where the disk wants each sync", async () => {
    const after = inTurn(publish(["next"]), publishErrors(["last"]));
    const life = subscribe(NEW_ERRORS, "start");
    const verb = { ...withLog, fromStart: [NEW_ERRORS], life, after };
    expect(await everyTopicCrash({ ...verb, type: ZFS })).toEqual([84, 84]);
    expect(await everyTopicCrash({ ...verb, type: NFS })).toEqual([85, 85]);
  });

  test("has a subscription to a pattern or none", async () => {
    const verb = { subscriptions: [ALL], life: subscribe(NEW_ANY, "now") };
    expect(await everyTopicCrash(verb)).toEqual([43, 43]);
    const after = inTurn(subscribe(NEW_ANY, "now"), publish(["next"]));
    expect(await everyTopicCrash({ ...verb, after })).toEqual([43, 43]);
  });

  test("has all of the logs of a pattern or none of them", async () => {
    const life = subscribe(NEW_ANY, "start");
    const verb = { ...withLog, subscriptions: [ALL, ERRORS], fromStart: [NEW_ANY], life };
    expect(await everyTopicCrash(verb)).toEqual([104, 104]);
  });
});

describe("who unsubscribes and dies at any call", () => {
  test("has a whole subscription or none", async () => {
    const verb = { before: three, life: unsubscribe(ERRORS), after: publishErrors(["next"]) };
    expect(await everyTopicCrash(verb)).toEqual([46, 46]);
  });

  test("has a whole subscription to a pattern or none, and no pattern with the last", async () => {
    const verb = { before: three, life: unsubscribe(ANY), after: publishErrors(["next"]) };
    expect(await everyTopicCrash(verb)).toEqual([62, 62]);
  });
});

describe("who unsubscribes from a pattern, the last one, and dies at any call", () => {
  test("is followed by who subscribes to it again", async () => {
    const after = inTurn(subscribe(NEW_ANY, "now"), publish(["next"]));
    expect(await everyTopicCrash({ life: unsubscribe(ANY), after })).toEqual([53, 53]);
  });
});

describe("who removes a topic and dies at any call", () => {
  test("has a whole topic or none", async () => {
    const life: TopicAct = async ({ spool }, told) => {
      const topic = await spool.topic(TOPIC);
      const places = [ALL, ERRORS, LOG].map((name) => thereIs(name));
      await told.to(told.begin(places, -1), () => topic.remove());
    };
    expect(await everyTopicCrash({ ...withLog, life })).toEqual([130, 130]);
  });
});
