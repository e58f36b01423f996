/** Goal: the checker sees each kind of wrong. Method: histories made by hand, each with one fault. */
import { expect, test } from "vitest";

import { check } from "./check.ts";
import type { Found } from "./check.ts";
import { History, QUEUE, SPARE, TOPIC } from "./history.ts";
import type { Handing, How, Sent, Subscription } from "./history.ts";

const ALL = `${TOPIC}/all`;
const ERRORS = `${TOPIC}/errors`;

class Story {
  readonly history = new History();
  readonly left = new Map<string, Found[]>([
    [QUEUE, []],
    [SPARE, []],
    [ALL, []],
    [ERRORS, []],
  ]);

  constructor() {
    this.subscribe(ALL);
    this.subscribe(ERRORS, { level: "error" });
  }

  subscribe(name: string, more: Partial<Subscription> = {}): void {
    const began = this.history.step();
    const made = this.history.step();
    const subscription: Subscription = {
      name,
      level: undefined,
      from: "now",
      began,
      made,
      ...more,
    };
    this.history.subscriptions.push(subscription);
  }

  send(to: string, body: string, more: Partial<Sent> = {}): Sent {
    const call = this.history.step();
    const sent: Sent = {
      body,
      to,
      level: "info",
      key: undefined,
      began: call,
      call,
      ended: this.history.step(),
      result: "ok",
      ...more,
    };
    this.history.sent.push(sent);
    return sent;
  }

  keep(place: string, ...bodies: string[]): void {
    const found = bodies.map((body) => ({ body, replay: undefined, id: body }));
    this.left.get(place)!.push(...found);
  }

  hand(place: string, body: string, process = "p1", since = this.history.step()): Handing {
    const at = this.history.step();
    const handing = { place, body, replay: undefined, id: body, process, since, at, settlings: [] };
    this.history.handings.push(handing);
    return handing;
  }

  settle(handing: Handing, how: How, result: "ok" | "LEASE_LOST" = "ok"): void {
    const began = this.history.step();
    handing.settlings.push({ how, began, ended: this.history.step(), result });
  }

  check(): void {
    check(this.history, this.left);
  }
}

const wrong = (tell: (story: Story) => void, what: RegExp): void => {
  const story = new Story();
  tell(story);
  expect(() => story.check()).toThrow(what);
};

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

test.each<[string, (story: Story) => void, RegExp]>([
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
