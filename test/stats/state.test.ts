/** Goal: the one word that is shown is the most urgent that is true. Method: facts by hand and by chance. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { etaMs, isSameSample, unknownSample } from "../../src/stats/sample.ts";
import { STALL_MS, stateOf, STATES, worstState } from "../../src/stats/state.ts";
import type { Facts } from "../../src/stats/state.ts";
import { topicSample, totalsOf } from "../../src/stats/topic-summary.ts";
import { sampleOf } from "../helpers/samples.ts";

const IDLE: Facts = {
  ready: 0,
  inFlight: 0,
  dead: 0,
  oldestMs: undefined,
  inPerS: 0,
  netPerS: 0,
  doneLately: 0,
  isPaused: false,
  isFull: false,
};

const state = (facts: Partial<Facts>): string => stateOf({ ...IDLE, ...facts });

describe("the state", () => {
  test.for<[string, Partial<Facts>]>([
    ["idle", {}],
    ["idle", { inPerS: null, netPerS: null, doneLately: null }],
    ["ok", { inFlight: 1 }],
    ["ok", { ready: 5 }],
    ["ok", { ready: 5, inPerS: 100, netPerS: 4 }],
    ["ok", { ready: 5, inPerS: 100, netPerS: -4 }],
    ["ok", { ready: 0, inPerS: 100, netPerS: 0 }],
    ["growing", { ready: 5, inPerS: 100, netPerS: 6 }],
    ["growing", { ready: 5, inPerS: 0.2, netPerS: 0.2 }],
    ["draining", { ready: 5, inPerS: 100, netPerS: -6 }],
    ["draining", { ready: 5, inPerS: 0, netPerS: -0.2 }],
    ["ok", { ready: 5, inPerS: null, netPerS: null }],
    ["DLQ!", { dead: 1 }],
    ["DLQ!", { dead: 1, ready: 5, inPerS: 100, netPerS: 50 }],
    ["STALLED", { ready: 1, oldestMs: STALL_MS }],
    ["STALLED", { ready: 1, oldestMs: STALL_MS, dead: 1, inPerS: 9, netPerS: 9 }],
    ["STALLED", { ready: 1, oldestMs: STALL_MS, doneLately: null, inPerS: null, netPerS: null }],
    ["ok", { ready: 1, oldestMs: STALL_MS - 1 }],
    ["ok", { ready: 1, oldestMs: STALL_MS, doneLately: 0.01 }],
    ["PAUSED", { ready: 1, oldestMs: STALL_MS, isPaused: true }],
    ["PAUSED", { isPaused: true }],
    ["FULL", { ready: 1, oldestMs: STALL_MS, isPaused: true, isFull: true, dead: 1 }],
  ])("is %s of %j", ([wanted, facts]) => {
    expect(state(facts)).toBe(wanted);
  });

  test("of many is the most urgent", () => {
    expect(worstState([])).toBe("idle");
    expect(worstState(["ok", "growing", "idle"])).toBe("growing");
    expect(worstState(["DLQ!", "FULL", "STALLED"])).toBe("FULL");
    expect(worstState(STATES)).toBe("unknown");
  });
});

describe("the time to empty", () => {
  test("is what is ready at the pace at which it shrinks", () => {
    expect(etaMs(sampleOf({ ready: 100, inPerS: 0, outPerS: 10, netPerS: -10 }))).toBe(10_000);
  });

  test("is there only where it shrinks, and as long as the state says so", () => {
    const figure = fc.option(fc.double({ min: -1000, max: 1000, noNaN: true }));
    const share = fc.option(fc.double({ min: 0, max: 1000, noNaN: true }));
    fc.assert(
      fc.property(fc.nat(1000), share, figure, (ready, inPerS, netPerS) => {
        const eta = etaMs(sampleOf({ ready, inPerS, netPerS }));
        expect(eta !== undefined).toBe(state({ ready, inPerS, netPerS }) === "draining");
        if (eta !== undefined) expect(eta).toBeGreaterThan(0);
      }),
    );
  });
});

describe("a topic", () => {
  const one = sampleOf({
    name: "logs/a",
    kind: "subscription",
    ready: 3,
    lag: 4,
    lagMs: 500,
    oldestMs: 400,
  });
  const other = sampleOf({
    name: "logs/b",
    kind: "subscription",
    ready: 5,
    lag: 5,
    dead: 1,
    state: "DLQ!",
    atMs: 1100,
  });

  test("is the sum of its subscriptions, and the worst of them", () => {
    const topic = topicSample("logs", "topic", 7, [one, other], 1200);
    expect(topic).toMatchObject({ ready: 8, lag: 5, dead: 1, inPerS: 7, state: "DLQ!" });
    expect(topic).toMatchObject({ oldestMs: 600, lagMs: 700 });
    expect(topic).not.toHaveProperty("bytes");
  });

  test("is not known where one of them is not", () => {
    const lost = unknownSample("logs/c", "subscription", 1000, "no permission");
    const topic = topicSample("logs", "topic", 7, [one, lost], 1000);
    expect(topic).toMatchObject({ ready: null, outPerS: null, state: "unknown", lag: 4 });
  });

  test("counts once in the totals", () => {
    const topic = topicSample("logs", "topic", 7, [one, other], 1000);
    const totals = totalsOf([topic, one, other, sampleOf({ ready: 10 })]);
    expect(totals).toMatchObject({ queues: 1, topics: 1, subscriptions: 2, ready: 18, dead: 1 });
  });
});

describe("news", () => {
  test("is not that what is old grows older", () => {
    const sample = sampleOf({ ready: 1, oldestMs: 5000, lagMs: 0 });
    expect(isSameSample(sample, { ...sample, atMs: 3000, oldestMs: 7010 })).toBe(true);
    expect(isSameSample(sample, { ...sample, atMs: 3000, oldestMs: 200 })).toBe(false);
    expect(isSameSample(sample, { ...sample, lagMs: 100 })).toBe(false);
    expect(isSameSample(sample, { ...sample, ready: 2 })).toBe(false);
  });
});
