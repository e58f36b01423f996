/**
 * Goal: no order of steps of a publisher, of two who recover, of one who sweeps links and of one who makes
 * a subscription from start delivers a message to some only, twice, or after it was called undone.
 * Method: every state of that protocol is visited, for one message and three subscriptions.
 */
import { describe, expect, test } from "vitest";

import { ALL_RULES, explore } from "../helpers/model-topic-states.ts";
import type { Rules } from "../helpers/model-topic-states.ts";

describe("the fan-out of one message", () => {
  test.for([
    { name: "without a key", isKeyed: false, states: 41_474 },
    { name: "with a key", isKeyed: true, states: 129_315 },
  ])(
    "no order of steps delivers it to some, or twice, $name",
    { timeout: 120_000 },
    ({ isKeyed, states }) => {
      const explored = explore({ ...ALL_RULES, isKeyed });

      expect(explored.wrong).toBeUndefined();
      expect(explored.ends).toBeGreaterThan(0);
      // A tripwire: whoever changes the protocol here looks at what that changed.
      expect(explored.states).toBe(states);
    },
  );

  test.for<[rule: string, without: Partial<Rules>, wrong: string]>([
    ["only links with its tag are promoted", { tagged: false, isKeyed: true }, "delivered twice"],
    ["subscriptions are listed once it is staged", { listsWhenStaged: false }, "delivered to some"],
    ["nothing is promoted before the commit", { commits: false }, "told ok, not delivered"],
    [
      "it cannot commit any more when its links go",
      { renamesFirst: false },
      "told ok, not delivered",
    ],
    ["nor can one that is taken over", { renamesFirst: false, isKeyed: true }, "delivered to some"],
    [
      "it stays in committed/ until all are promoted",
      { promotesFirst: false },
      "delivered to some",
    ],
    [
      "a subscription from start waits for what is under way",
      { settles: false },
      "delivered to some",
    ],
    [
      "who waits looks at staging/ before committed/",
      { settlesInOrder: false },
      "delivered to some",
    ],
    ["what came as a publish is dropped again", { drops: false }, "delivered twice"],
    [
      "who sweeps links looks at staging/ before committed/",
      { sweepsInOrder: false },
      "told ok, not delivered",
    ],
  ])("it needs the rule that %s", { timeout: 120_000 }, ([, without, wrong]) => {
    expect(explore({ ...ALL_RULES, ...without }).wrong).toBe(wrong);
  });
});
