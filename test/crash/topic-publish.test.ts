/**
 * Goal: whatever call a publisher dies at, what it was told is published is in every subscription that
 * wants it, once; what it was not told is in all of them or in none, whole; and nothing is left over.
 *
 * Method: topic-every-crash.ts. The numbers are deliberate tripwires: a new one is a new protocol.
 */
import { describe, expect, test } from "vitest";

import { pieces } from "./acts.ts";
import { publish, publishErrors, publishMany, publishTogether } from "./topic-acts.ts";
import { everyTopicCrash } from "./topic-every-crash.ts";
import { ALL, ANY, ERROR, ERRORS, KEEP_ALL, TOPIC } from "./topic-world.ts";
import type { TopicAct } from "./topic-world.ts";
import { NFS, ZFS } from "./world.ts";

const FIVE = ["one", "two", "three", "four", "five"];

describe("a publisher that dies at any call", () => {
  test("reaches all or none", async () => {
    expect(await everyTopicCrash({ life: publishErrors(["one"]) })).toEqual([88, 88]);
  });

  test("reaches all or none where the file system wants each sync", async () => {
    const life = publishErrors(["one"]);
    expect(await everyTopicCrash({ life, type: ZFS })).toEqual([138, 138]);
    expect(await everyTopicCrash({ life, type: NFS })).toEqual([163, 163]);
  });

  test("reaches all and the log, or none", async () => {
    const verb = { settings: KEEP_ALL, life: publishErrors(["one"]) };
    expect(await everyTopicCrash(verb)).toEqual([94, 94]);
  });

  test("reaches all and the log, or none, where each sync is wanted", async () => {
    const verb = { settings: KEEP_ALL, life: publish(["one"]), type: NFS };
    expect(await everyTopicCrash(verb)).toEqual([156, 156]);
  });

  test("makes its topic for whom a pattern brings, or does not", async () => {
    const verb = { subscriptions: [ANY], life: publish(["one"]) };
    expect(await everyTopicCrash(verb)).toEqual([81, 81]);
  });

  test("makes its topic for nobody", async () => {
    const after: TopicAct = publish(["two"]);
    const verb = { subscriptions: [], life: publish(["one"]), after };
    expect(await everyTopicCrash(verb)).toEqual([56, 56]);
  });

  test("reaches all or none with what it streams", async () => {
    const life: TopicAct = async ({ spool }, told) => {
      const topic = await spool.topic(TOPIC);
      const body = pieces(Buffer.from("streamed"));
      const deed = told.begin(told.hearersOf("streamed", ERROR));
      await told.to(deed, () => topic.publish(body, { headers: ERROR }));
    };
    expect(await everyTopicCrash({ life })).toEqual([88, 88]);
  });

  test("reaches all or none with each of many lines", async () => {
    const life = publishMany(FIVE, { batchMessages: 2 });
    expect(await everyTopicCrash({ life })).toEqual([151, 151]);
  });

  test("reaches who wants them with what shares a file", async () => {
    const life = publishTogether({ one: ERROR, two: {}, three: ERROR, four: ERROR, five: {} });
    expect(await everyTopicCrash({ life })).toEqual([92, 92]);
  });
});

describe("a publisher that dies where a file may have few names", () => {
  test("reaches all or none by copies", async () => {
    const life = publishErrors(["one"]);
    expect(await everyTopicCrash({ life, links: 1 })).toEqual([121, 121]);
    expect(await everyTopicCrash({ life, links: 2 })).toEqual([116, 116]);
  });

  test("reaches all or none by links of copies", async () => {
    const subscriptions = [ALL, ERRORS, `${TOPIC}/more`, `${TOPIC}/most`, ANY];
    const verb = { settings: KEEP_ALL, subscriptions, life: publishErrors(["one"]), links: 3 };
    expect(await everyTopicCrash(verb)).toEqual([154, 154]);
  });

  test("reaches all or none with a dedup key", async () => {
    const life = publish(["once"], { headers: ERROR, dedupKey: "key" });
    expect(await everyTopicCrash({ life, after: life, links: 3 })).toEqual([131, 131]);
  });
});

/** Who does not know whether it was done does it again: that is what the key is for. */
const publishOnce = publish(["once"], { headers: ERROR, dedupKey: "key" });

describe("a publisher with a dedup key that dies at any call", () => {
  test("reaches all, once, when the next process publishes again", async () => {
    const verb = { life: publishOnce, after: publishOnce };
    expect(await everyTopicCrash(verb)).toEqual([103, 103]);
    expect(await everyTopicCrash({ ...verb, type: NFS })).toEqual([203, 203]);
  });

  test("reaches all and the log, once, when the next process publishes again", async () => {
    const verb = { settings: KEEP_ALL, life: publishOnce, after: publishOnce };
    expect(await everyTopicCrash(verb)).toEqual([109, 109]);
  });

  test("reaches all or none when nobody publishes again", async () => {
    expect(await everyTopicCrash({ life: publishOnce })).toEqual([103, 103]);
  });
});
