/**
 * Goal: a replay that dies at any call has delivered all that the log keeps once more, or nothing; and
 * a log that is trimmed by who dies has what the retention keeps.
 *
 * Method: topic-every-crash.ts. The numbers are deliberate tripwires: a new one is a new protocol.
 */
import { describe, expect, test } from "vitest";

import { inTurn, publish, publishErrors, replay } from "./topic-acts.ts";
import { everyTopicCrash } from "./topic-every-crash.ts";
import { placeIn } from "./topic-told.ts";
import { ALL, ANY, ERRORS, KEEP_ALL, LOG, TOPIC } from "./topic-world.ts";
import type { TopicAct } from "./topic-world.ts";
import { NFS, ZFS } from "./world.ts";

const THREE = ["one", "two", "three"];
const withLog = {
  settings: KEEP_ALL,
  before: inTurn(publishErrors(["one"]), publish(["two"]), publishErrors(["three"])),
};

describe("a replay that dies at any call", () => {
  test("has delivered all again or nothing", async () => {
    const verb = { ...withLog, life: replay(ALL, THREE) };
    expect(await everyTopicCrash(verb)).toEqual([56, 56]);
  });

  test("has delivered all again or nothing where the disk wants each sync", async () => {
    const verb = { ...withLog, life: replay(ALL, THREE) };
    expect(await everyTopicCrash({ ...verb, type: ZFS })).toEqual([61, 61]);
    expect(await everyTopicCrash({ ...verb, type: NFS })).toEqual([67, 67]);
  });

  test("has delivered what a filter takes or nothing", async () => {
    const verb = { ...withLog, life: replay(ERRORS, ["one", "three"]) };
    expect(await everyTopicCrash(verb)).toEqual([66, 66]);
  });

  test("has delivered all again to a pattern or nothing", async () => {
    const verb = { ...withLog, life: replay(ANY, THREE) };
    expect(await everyTopicCrash(verb)).toEqual([71, 71]);
  });

  test("has delivered all again, or nothing, where a file may have few names", async () => {
    const verb = { ...withLog, life: replay(ALL, THREE), links: 3 };
    expect(await everyTopicCrash(verb)).toEqual([95, 95]);
  });

  test("does it once more when the next process replays again", async () => {
    const verb = { ...withLog, life: replay(ALL, THREE), after: replay(ALL, THREE) };
    expect(await everyTopicCrash(verb)).toEqual([56, 56]);
  });
});

/** Keeps no more than so many bytes of the log. */
const trimTo =
  (retentionBytes: number, gone: readonly string[]): TopicAct =>
  async ({ spool }, told) => {
    const topic = await spool.topic(TOPIC);
    const deed = told.begin(
      gone.map((one) => placeIn(LOG, one)),
      -1,
    );
    await told.to(deed, () => topic.changeSettings({ retentionBytes }));
  };

describe("a log that is trimmed by who dies at any call", () => {
  test("has lost the oldest or none", async () => {
    expect(await everyTopicCrash({ ...withLog, life: trimTo(8, ["one"]) })).toEqual([19, 19]);
  });

  test("has lost all or none", async () => {
    expect(await everyTopicCrash({ ...withLog, life: trimTo(1, THREE) })).toEqual([21, 21]);
  });
});
