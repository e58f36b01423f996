/**
 * Goal: a subscription is made whole, and once, beside who publishes, sweeps and subscribes meanwhile;
 * nobody takes away what somebody else has made.
 *
 * Method: topic-every-pause.ts.
 */
import { describe, expect, test } from "vitest";

import { Crash } from "../helpers/crashing-file-system.ts";
import {
  inTurn,
  publish,
  publishErrors,
  publishTogether,
  subscribe,
  unsubscribe,
} from "./topic-acts.ts";
import { everyTopicPause } from "./topic-every-pause.ts";
import type { TopicTold } from "./topic-told.ts";
import {
  ALL,
  ANY,
  drainAll,
  ERROR,
  HOUR_MS,
  KEEP_ALL,
  NEW,
  NEW_ANY,
  NEW_ERRORS,
  sweepAll,
} from "./topic-world.ts";
import { EXT4, NFS, SOON_MS } from "./world.ts";
import type { World } from "./world.ts";

const AFTER_REPLAY_MS = 2 * HOUR_MS;

const publishOne = publishErrors(["one"]);
const three = inTurn(publishErrors(["a"]), publish(["b"]), publishErrors(["c"]));
const withLog = { settings: KEEP_ALL, before: three };

describe("a subscriber from the start that stands still at any call", () => {
  test("has all, once, that is published meanwhile", async () => {
    for (const type of [EXT4, NFS]) {
      const verb = { ...withLog, fromStart: [NEW], life: subscribe(NEW, "start"), type };
      expect(await everyTopicPause(verb, publishOne, SOON_MS)).toBeGreaterThan(50);
    }
    const verb = { ...withLog, fromStart: [NEW_ANY], life: subscribe(NEW_ANY, "start") };
    expect(await everyTopicPause(verb, publishOne, SOON_MS)).toBeGreaterThan(50);
  });

  test("has all that it wants, once, of what shares a file", async () => {
    const together = publishTogether({ one: ERROR, two: {}, three: ERROR });
    const life = subscribe(NEW_ERRORS, "start");
    const verb = { ...withLog, fromStart: [NEW_ERRORS], life };
    expect(await everyTopicPause(verb, together, SOON_MS)).toBeGreaterThan(50);
  });

  test("has all or none of it when others sweep for long", async () => {
    const life = subscribe(NEW, "start");
    const verb = { ...withLog, fromStart: [NEW], life, after: publish(["next"]) };
    expect(await everyTopicPause(verb, sweepAll, AFTER_REPLAY_MS)).toBeGreaterThan(50);
  });

  test("leaves alone what another one has made at its name", async () => {
    const verb = { ...withLog, fromStart: [NEW], life: subscribe(NEW, "start") };
    expect(await everyTopicPause(verb, makeNew, AFTER_REPLAY_MS)).toBeGreaterThan(50);
  });
});

/** Subscribes from the start, and is there from then on. */
const makeNew = inTurn(subscribe(NEW, "start"), publish(["next"]));

describe("who comes upon a subscription half made by the dead, and stands still at any call", () => {
  const half = { ...withLog, fromStart: [NEW], prepare: dieMaking, knowsTheDead: true };

  test("leaves alone what another one has made there, as it publishes", async () => {
    // Late, because who subscribes from the start waits for a publish that is under way.
    expect(await everyTopicPause({ ...half, life: publishOne }, makeNew)).toBeGreaterThan(60);
  });

  test("leaves alone what another one has made there, as it sweeps", async () => {
    expect(await everyTopicPause({ ...half, life: sweepAll }, makeNew, SOON_MS)).toBeGreaterThan(
      60,
    );
  });

  test("leaves alone what another one has made there, as it subscribes", async () => {
    const life = subscribe(NEW, "start");
    // Drained, so that it is seen where the sleeper makes it once more.
    const rival = inTurn(makeNew, drainAll);
    expect(await everyTopicPause({ ...half, life }, rival, SOON_MS)).toBeGreaterThan(50);
  });
});

/** A subscriber dies with all but the last step done. */
async function dieMaking(world: World, told: TopicTold): Promise<void> {
  const isLast = (name: string, path: string): boolean =>
    name === "rename" && path.includes("/filling/") && path.endsWith("/subscriptions/new");
  const hasDied = await world.run(
    async (process) => subscribe(NEW, "start")(process, told, world),
    {
      before: (_call, name, path) => {
        if (isLast(name, path)) throw new Crash("half made");
      },
    },
  );
  expect(hasDied).toBe(true);
}

describe("the last subscriber of a pattern, who goes and stands still at any call", () => {
  const verb = { subscriptions: [ALL, ANY], life: unsubscribe(ANY), after: publish(["next"]) };

  test("takes nothing from who subscribes to it meanwhile", async () => {
    const rival = subscribe(NEW_ANY, "now");
    expect(await everyTopicPause(verb, rival, SOON_MS)).toBeGreaterThan(30);
  });

  test("takes nothing from it beside others who sweep", async () => {
    expect(await everyTopicPause(verb, sweepAll, SOON_MS)).toBeGreaterThan(30);
  });
});
