/** Goal: the checker sees leases taken too early and attempts miscounted. Method: as in check.test.ts. */
import { expect, test } from "vitest";

import { QUEUE } from "./history.ts";
import { Story, wrong } from "./story.ts";

test("what explains that a lease was lost, and an attempt counted", () => {
  const story = new Story();
  for (const body of ["a", "b", "c", "d"]) story.send(QUEUE, body);
  const stopped = story.handTo(story.holdBy("stopped"), "a");
  const brief = story.handTo(story.holdBy("brief", "brief"), "b");
  story.handTo(story.holdBy("killed"), "c");
  const late = story.holdBy("late", "handed out");
  const extended = story.handTo(late, "d");
  story.end("killed");
  story.pass(11_000);
  late.extensions.push({ process: "p9", beganMs: story.nowMs, forMs: 9e9, endedMs: story.nowMs });
  const next = story.holdBy("next");
  const again = ["a", "b", "c", "d"].map((body) => story.handTo(next, body, { attempt: 2 }));
  for (const one of [stopped, brief, extended]) story.settle(one, "ack", "LEASE_LOST");
  for (const one of again) story.settle(one, "ack");
  story.end("stopped", 8000);
  story.check();
});

/** One that has a, b and c in hand; a is done. */
function diesWithMany(story: Story): void {
  const hold = story.holdBy("p1");
  hold.isMany = true;
  for (const body of ["a", "b", "c"]) story.send(QUEUE, body);
  const [first] = ["a", "b", "c"].map((body) => story.handTo(hold, body));
  story.settle(first!, "ack");
  story.pass(10);
  story.end("p1");
}

test("of many in hand only the first that was not acked counts", () => {
  const story = new Story();
  diesWithMany(story);
  story.settle(story.handTo(story.holdBy("p2"), "b", { attempt: 2 }), "ack");
  story.settle(story.handTo(story.holdBy("p3"), "c"), "ack");
  story.check();
});

test("who dies while he gives back what he had counts, and not who has given it back", () => {
  const dies = (isClosed: boolean): void => {
    const story = new Story();
    for (const body of ["a", "b"]) story.send(QUEUE, body);
    const hold = story.holdBy("p1");
    // B was claimed with it, and is the front once that is settled.
    story.settle(story.handTo(hold, "a"), "ack");
    hold.endedMs = story.nowMs;
    hold.isClosed = isClosed;
    story.end("p1");
    story.settle(story.handTo(story.holdBy("p2"), "b", { attempt: 2 }), "ack");
    story.check();
  };
  dies(false);
  expect(() => dies(true)).toThrow(/attempt 2 .*1 at the most/);
});

test("a jump, a power cut or a lost reply explains it", () => {
  const explained = (explain: (story: Story) => void): void => {
    const story = new Story();
    story.send(QUEUE, "a");
    story.handTo(story.holdBy("p1"), "a");
    explain(story);
    story.settle(story.handTo(story.holdBy("p2"), "a", { attempt: 2 }), "ack");
    story.check();
  };
  explained(({ history, nowMs }) => history.jumpsMs.push(nowMs));
  explained(({ history }) => history.cuts.push(history.step()));
  explained(({ history }) => void (history.isReplyLost = true));
  expect(() => explained(() => {})).toThrow(/nothing explains/);
});

test.each<[string, (story: Story) => void, RegExp]>([
  [
    "taken from one that lives",
    (story) => {
      story.send(QUEUE, "a");
      story.handTo(story.holdBy("p1"), "a");
      story.pass(60_000);
      story.settle(story.handTo(story.holdBy("p2"), "a", { attempt: 2 }), "ack");
    },
    /p1 had it .*p2 got it .*nothing explains/,
  ],
  [
    "taken before its time",
    (story) => {
      story.send(QUEUE, "a");
      story.handTo(story.holdBy("p1", "brief"), "a");
      story.pass(9000);
      story.settle(story.handTo(story.holdBy("p2"), "a", { attempt: 2 }), "ack");
    },
    /nothing explains/,
  ],
  [
    "taken although it was extended",
    (story) => {
      story.send(QUEUE, "a");
      const hold = story.holdBy("p1", "handed out");
      story.handTo(hold, "a");
      story.pass(5000);
      const { nowMs } = story;
      hold.extensions.push({ process: "p1", beganMs: nowMs, forMs: 20_000, endedMs: nowMs });
      story.pass(15_000);
      story.settle(story.handTo(story.holdBy("p2"), "a", { attempt: 2 }), "ack");
    },
    /nothing explains/,
  ],
  [
    "a settling refused",
    (story) => {
      story.send(QUEUE, "a");
      story.keep(QUEUE, "a");
      story.settle(story.handTo(story.holdBy("p1"), "a"), "ack", "LEASE_LOST");
    },
    /lost it by .*nothing explains/,
  ],
  [
    "a lease lost while more is asked for",
    (story) => {
      const hold = story.holdBy("p1");
      story.history.losses.push({ hold, at: story.history.step(), atMs: story.nowMs });
    },
    /lost its lease .*nothing explains/,
  ],
  [
    "an attempt past the limit",
    (story) => {
      story.history.maxAttempts.set(QUEUE, 1);
      story.send(QUEUE, "a");
      story.settle(story.hand(QUEUE, "a"), "nack");
      story.settle(story.handTo(story.holdBy("p2"), "a", { attempt: 2 }), "ack");
    },
    /the limit is 1/,
  ],
  [
    "an attempt that nobody made",
    (story) => {
      story.send(QUEUE, "a");
      story.settle(story.handTo(story.holdBy("p1"), "a", { attempt: 2 }), "ack");
    },
    /attempt 2 .*1 at the most/,
  ],
  [
    "a nack that does not count",
    (story) => {
      story.send(QUEUE, "a");
      story.settle(story.hand(QUEUE, "a"), "nack");
      story.settle(story.hand(QUEUE, "a", "p2"), "ack");
    },
    /does not count that p1 had it/,
  ],
  [
    "a death that does not count",
    (story) => {
      story.send(QUEUE, "a");
      story.handTo(story.holdBy("p1"), "a");
      story.pass(10);
      story.end("p1");
      story.settle(story.hand(QUEUE, "a", "p2"), "ack");
    },
    /does not count that p1 had it/,
  ],
  [
    "a death that does not count for the first of many",
    (story) => {
      diesWithMany(story);
      for (const body of ["b", "c"]) story.settle(story.hand(QUEUE, body, "p2"), "ack");
    },
    /b: attempt 1 .*does not count that p1 had it/,
  ],
  [
    "a retry in company",
    (story) => {
      story.send(QUEUE, "a");
      story.settle(story.hand(QUEUE, "a"), "nack");
      const hold = story.holdBy("p2");
      story.settle(story.handTo(hold, "a", { attempt: 2, isAlone: false }), "ack");
    },
    /others were claimed with it/,
  ],
])("%s", (_name, tell, what) => wrong(tell, what));
