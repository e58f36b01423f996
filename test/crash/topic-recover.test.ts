/**
 * Goal: what a dead publisher left half done is finished or undone for all of its subscribers, whoever
 * dies while doing that, and however many do it at once.
 *
 * Method: a publisher dies at each call by which a fan-out goes on (topic-changes.ts). Then sweepers
 * and consumers die at each of their calls (topic-every-crash.ts), or stand still at each of them while
 * another process does all of the same (topic-every-pause.ts).
 */
import { describe, expect, test } from "vitest";

import { inTurn, publish, publishErrors, replay } from "./topic-acts.ts";
import { deadOf } from "./topic-changes.ts";
import { everyTopicCrash } from "./topic-every-crash.ts";
import type { TopicVerb } from "./topic-every-crash.ts";
import { AFTER_STAGING_MS, everyTopicPause } from "./topic-every-pause.ts";
import { ALL, ANY, drainAll, HOUR_MS, KEEP_ALL, TYPES } from "./topic-world.ts";
import type { TopicAct } from "./topic-world.ts";

const publishOnce = publish(["once"], { dedupKey: "key" });

const withLog = { settings: KEEP_ALL, before: inTurn(publishErrors(["one"]), publish(["two"])) };

/** By then a replay has had its time. */
const AFTER_REPLAY_MS = 2 * HOUR_MS;

/** A recoverer dies at each of its calls after each of these dead. */
async function everyRecovery(act: TopicAct, verb: Omit<TopicVerb, "prepare">) {
  const crashes: [number, number][] = [];
  for (const { last, prepare } of await deadOf(act, verb, verb.type)) {
    try {
      crashes.push(await everyTopicCrash({ ...verb, prepare }));
    } catch (error) {
      throw new Error(`the first died after: ${last}`, { cause: error });
    }
  }
  return crashes;
}

/** As a consumer of a subscription does it, for all topics that it hears. */
const recoverAll: TopicAct = async ({ spool }) => spool.queue(ANY).room.source!.recover();

describe("a recovery that dies at any call", () => {
  test("undoes or finishes a publish", async () => {
    const verb = { settings: KEEP_ALL, life: recoverAll, aheadMs: AFTER_STAGING_MS };
    expect(await everyRecovery(publish(["one"]), verb)).toEqual([
      [46, 58],
      [47, 59],
      [48, 60],
      [57, 61],
      [51, 55],
      [45, 49],
      [13, 13],
    ]);
  });

  test("finishes a publish with a dedup key", async () => {
    const verb = { life: recoverAll, aheadMs: AFTER_STAGING_MS, isStraying: true };
    expect(await everyRecovery(publishOnce, verb)).toEqual([
      [108, 116],
      [109, 117],
      [110, 118],
      [47, 55],
      [41, 49],
      [35, 43],
      [13, 13],
    ]);
  });

  test("undoes or finishes a replay", async () => {
    const verb = { ...withLog, life: recoverAll, aheadMs: AFTER_REPLAY_MS };
    expect(await everyRecovery(replay(ALL, ["one", "two"]), verb)).toEqual([
      [30, 44],
      [31, 45],
      [32, 46],
      [43, 52],
      [42, 51],
      [29, 38],
      [13, 13],
    ]);
  });
});

/** One recoverer stands still at each of its calls, after each of these dead, while another recovers. */
async function everyRivalry(act: TopicAct, verb: TopicVerb, rival: TopicAct): Promise<number> {
  let pauses = 0;
  for (const { last, prepare } of await deadOf(act, verb, verb.type)) {
    try {
      pauses += await everyTopicPause({ ...verb, prepare }, rival, 0);
    } catch (error) {
      throw new Error(`the first died after: ${last}`, { cause: error });
    }
  }
  return pauses;
}

describe("two recoverers of one publisher", () => {
  const late = { life: recoverAll, aheadMs: AFTER_STAGING_MS };

  test.for(TYPES)("undo or finish it once, wherever one stands still, on %s", async ([, type]) => {
    const verb = { ...late, settings: KEEP_ALL, type };
    expect(await everyRivalry(publish(["one"]), verb, recoverAll)).toBeGreaterThan(100);
  });

  test("undo or finish it once while consumers take what is there", async () => {
    const verb = { ...late, settings: KEEP_ALL };
    expect(await everyRivalry(publish(["one"]), verb, drainAll)).toBeGreaterThan(100);
  });

  test("finish it once where it has a dedup key", async () => {
    expect(await everyRivalry(publishOnce, late, drainAll)).toBeGreaterThan(100);
  });

  test("undo or finish a replay once", async () => {
    const verb = { ...withLog, ...late, aheadMs: AFTER_REPLAY_MS };
    expect(await everyRivalry(replay(ALL, ["one", "two"]), verb, recoverAll)).toBeGreaterThan(100);
  });
});
