/** Goal: the checker sees each kind of wrong. Method: histories made by hand, each with one fault. */
import { expect, test } from "vitest";

import { QUEUE, SPARE, TOPIC } from "./history.ts";
import { ALL, ERRORS, Story, wrong } from "./story.ts";

test("a story in which nothing is wrong", () => {
  const story = new Story();
  story.send(QUEUE, "a");
  story.send(QUEUE, "b");
  story.send(QUEUE, "never told", { result: undefined });
  story.settle(story.hand(QUEUE, "a"), "ack");
  const lost = story.hand(QUEUE, "b", "p1");
  story.settle(story.hand(QUEUE, "b", "p2"), "nack");
  story.settle(lost, "ack", "LEASE_LOST");
  story.keep(SPARE, "b");
  story.send(TOPIC, "c");
  story.keep(ALL, "c");
  story.send(TOPIC, "refused", { result: "TRY_AGAIN" });
  story.send(TOPIC, "d", { level: "error" });
  story.keep(ALL, "d");
  story.keep(ERRORS, "d");
  story.check();
});

test("a duplicate's first is there, though its own sender was never told", () => {
  const story = new Story();
  story.send(QUEUE, "a", { key: "k", result: undefined });
  story.send(QUEUE, "b", { key: "k", result: "duplicate", id: "a" });
  story.keep(QUEUE, "a");
  // It was published to nobody who is there.
  story.send(TOPIC, "c", { key: "k", result: undefined });
  story.send(TOPIC, "d", { key: "k", result: "duplicate", id: "c" });
  story.history.subscriptions.splice(0);
  story.check();
});

test("a duplicate's first is lost", () => {
  wrong((story) => {
    story.send(QUEUE, "a", { key: "k", result: undefined });
    story.send(QUEUE, "b", { key: "k", result: "duplicate", id: "a" });
  }, /is there as a, and that is nowhere/);
  // Somebody had it; then a power cut took it back.
  wrong((story) => {
    story.send(QUEUE, "a", { key: "k", result: undefined });
    story.hand(QUEUE, "a");
    story.send(QUEUE, "b", { key: "k", result: "duplicate", id: "a" });
    story.history.cuts.push(story.history.step());
  }, /a: put as undefined, and lost/);
  wrong((story) => {
    story.send(TOPIC, "a", { key: "k", level: "error", result: undefined });
    story.keep(ALL, "a");
    story.send(TOPIC, "b", { key: "k", level: "error", result: "duplicate", id: "a" });
  }, /logs.app\/all got it, logs.app\/errors not/);
  wrong((story) => {
    story.send(TOPIC, "a", { key: "k", result: undefined });
    story.send(TOPIC, "b", { key: "k", result: "duplicate", id: "a" });
  }, /is there as a, and that is nowhere/);
});

test("a power cut may undo an ack", () => {
  const story = new Story();
  story.send(QUEUE, "a");
  story.settle(story.hand(QUEUE, "a"), "ack");
  story.history.cuts.push(story.history.step());
  story.settle(story.hand(QUEUE, "a"), "ack");
  story.history.cuts.push(story.history.step());
  story.keep(QUEUE, "a");
  story.check();
});

test("a power cut may undo an ack, and the lease is there as before", () => {
  const story = new Story();
  story.send(QUEUE, "a");
  const hold = { ...story.holdBy("p1", "handed out"), isLoose: true };
  const [once, again] = [story.handTo(hold, "a"), story.handTo(hold, "a")];
  story.settle(again, "ack");
  story.history.cuts.push(story.history.step());
  story.settle(once, "nack");
  story.keep(QUEUE, "a");
  story.check();
});

test("who was told that the lease is lost gives back nothing", () => {
  const givesBack = (isTold: boolean): void => {
    const story = new Story();
    for (const body of ["a", "b"]) story.send(QUEUE, body);
    const hold = story.holdBy("p1", "brief");
    hold.isMany = true;
    const [a, b] = ["a", "b"].map((body) => story.handTo(hold, body));
    story.pass(11_000);
    const next = story.holdBy("p2");
    const again = [story.handTo(next, "a", { attempt: 2 }), story.handTo(next, "b")];
    if (isTold) story.settle(a!, "ack", "LEASE_LOST");
    story.settle(b!, "give back");
    for (const one of again) story.settle(one, "ack");
    story.check();
  };
  givesBack(true);
  expect(() => givesBack(false)).toThrow(/owned it from/);
});

test("by one receipt a message is settled once, or again after a power cut", () => {
  const story = new Story();
  story.send(QUEUE, "a");
  const handing = story.hand(QUEUE, "a");
  story.settle(handing, "nack");
  story.history.cuts.push(story.history.step());
  story.settle(handing, "ack");
  story.check();
  story.settle(handing, "nack");
  expect(() => story.check()).toThrow(/settled it 3 times/);
});

test("where replies are lost, two nacks by one receipt at once may both be told that they worked", () => {
  const tell = (story: Story): void => {
    story.send(QUEUE, "a");
    const handing = story.hand(QUEUE, "a");
    const began = story.history.step();
    for (const how of ["nack", "nack"] as const) {
      handing.settlings.push({ how, began: began + 0.5, ended: began + 2, result: "ok" });
    }
    for (let step = 0; step < 2; step++) story.history.step();
    story.keep(QUEUE, "a");
  };
  const story = new Story();
  story.history.isReplyLost = true;
  tell(story);
  story.check();
  wrong(tell, /settled it 2 times/);
});

test("a power cut may undo a redrive, and leave the reason removed", () => {
  const story = new Story();
  const { history } = story;
  history.reasons.push({ place: QUEUE, letter: "5-", reason: "unknown: …" });
  history.redrives.push({ process: "p1", began: history.step() });
  expect(() => story.check()).toThrow(/no reason/);
  history.cuts.push(history.step());
  story.check();
});

test("a key is free again after its window", () => {
  const story = new Story();
  story.history.dedupWindowMs = 60_000;
  story.send(QUEUE, "a", { key: "k", id: "1" });
  story.pass(60_001);
  story.send(QUEUE, "b", { key: "k", id: "2" });
  story.keep(QUEUE, "a", "b");
  story.check();
  story.pass(30_000);
  story.send(QUEUE, "c", { key: "k", id: "1", result: "duplicate" });
  expect(() => story.check()).toThrow(/one key, told of as 2/);
});

test.each<[string, (story: Story) => void, RegExp]>([
  [
    "settings of before",
    (story) => {
      story.configure(QUEUE, 1, { isMake: true });
      story.configure(QUEUE, 2);
      story.history.foundSettings = new Map([[QUEUE, 1]]);
    },
    /jobs is set to 1/,
  ],
  [
    "settings made anew",
    (story) => {
      story.configure("q1", 1, { isMake: true });
      story.configure("q1", 2, { isMake: true });
      story.history.foundSettings = new Map([["q1", 2]]);
    },
    /q1 is set to 2/,
  ],
  [
    "a queue that is gone",
    (story) => {
      story.configure("q1", 1, { isMake: true });
      story.history.foundSettings = new Map();
    },
    /q1 is gone/,
  ],
  [
    "a dead letter without its reason",
    ({ history }) =>
      void history.reasons.push({ place: QUEUE, letter: "5-", reason: "unknown: …" }),
    /has no reason/,
  ],
  ["lost", (story) => void story.send(QUEUE, "a"), /put as .* lost/],
  [
    "lost after it was delivered, and its ack refused",
    (story) => {
      story.send(QUEUE, "a");
      story.settle(story.hand(QUEUE, "a"), "ack", "LEASE_LOST");
    },
    /lost/,
  ],
  [
    "there twice",
    (story) => {
      story.send(QUEUE, "a");
      story.keep(QUEUE, "a");
      story.keep(SPARE, "a");
    },
    /is there 2 times/,
  ],
  ["garbage", (story) => story.keep(QUEUE, "who?"), /garbage/],
  [
    "in the wrong place",
    (story) => {
      story.send(QUEUE, "a");
      story.keep(ALL, "a");
    },
    /is in logs\.app\/all/,
  ],
  [
    "two acks",
    (story) => {
      story.send(QUEUE, "a");
      const one = story.hand(QUEUE, "a", "p1", 0);
      const other = story.hand(QUEUE, "a", "p2", 0);
      story.settle(one, "ack");
      story.settle(other, "ack");
    },
    /owned it|two acks/,
  ],
  [
    "two owners",
    (story) => {
      story.send(QUEUE, "a");
      const one = story.hand(QUEUE, "a", "p1", 0);
      story.hand(QUEUE, "a", "p2");
      story.settle(one, "ack");
    },
    /claimed it before/,
  ],
  [
    "delivered after its ack",
    (story) => {
      story.send(QUEUE, "a");
      story.settle(story.hand(QUEUE, "a"), "ack");
      story.hand(QUEUE, "a", "p2");
    },
    /got it again/,
  ],
  [
    "acked, and still there",
    (story) => {
      story.send(QUEUE, "a");
      story.settle(story.hand(QUEUE, "a"), "ack");
      story.keep(QUEUE, "a");
    },
    /still there/,
  ],
  [
    "published to some",
    (story) => {
      story.send(TOPIC, "a", { level: "error", result: undefined });
      story.keep(ALL, "a");
    },
    /got it, logs\.app\/errors not/,
  ],
  [
    "published to none, and told ok",
    (story) => void story.send(TOPIC, "a"),
    /: ok; {2}got it, logs.app.all not/,
  ],
  [
    "published to who does not want it",
    (story) => {
      story.send(TOPIC, "a");
      story.keep(ALL, "a");
      story.keep(ERRORS, "a");
    },
    /does not want it/,
  ],
  [
    "refused, and there",
    (story) => {
      story.send(TOPIC, "a", { result: "TRY_AGAIN" });
      story.keep(ALL, "a");
    },
    /TRY_AGAIN/,
  ],
  [
    "half a batch of lines",
    (story) => {
      const { call } = story.send(TOPIC, "a", { result: undefined });
      story.send(TOPIC, "b", { result: undefined, call });
      story.keep(ALL, "a");
    },
    /1 of 2 lines/,
  ],
  [
    "a key twice",
    (story) => {
      story.send(QUEUE, "a", { key: "k", id: "1" });
      story.send(QUEUE, "b", { key: "k", id: "2" });
      story.keep(QUEUE, "a", "b");
    },
    /one key/,
  ],
  [
    "from the start, and not all",
    (story) => {
      story.send(TOPIC, "a");
      story.keep(ALL, "a");
      story.subscribe(`${TOPIC}/old`, { from: "start" });
    },
    /logs\.app\/old not/,
  ],
  [
    "a replay that is not all there",
    (story) => {
      story.send(TOPIC, "a");
      story.keep(ALL, "a");
      story.history.replays.push({ name: ALL, began: story.history.step(), result: 1 });
    },
    /replay/,
  ],
])("%s", (_name, tell, what) => wrong(tell, what));
