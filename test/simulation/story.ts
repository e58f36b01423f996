/** A history made by hand, for the tests of the checker. */
import type { LeaseStyle } from "../../src/queue/lease.ts";
import { expect } from "vitest";

import { check } from "./check.ts";
import type { Found } from "./check.ts";
import { History, QUEUE, SPARE, TOPIC } from "./history.ts";
import type { Configured, Handing, Hold, How, Sent, Subscription } from "./history.ts";

export const ALL = `${TOPIC}/all`;
export const ERRORS = `${TOPIC}/errors`;

export class Story {
  readonly history = new History();
  nowMs = 1e12;
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
      process: "p1",
      beganMs: this.nowMs,
      endedMs: this.nowMs,
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

  /** Of a lease nothing is known, unless `holdBy` made it. */
  hand(place: string, body: string, process = "p1", since = this.history.step()): Handing {
    return this.handTo({ ...this.#hold(place, process, "brief", since), isLoose: true }, body);
  }

  handTo(hold: Hold, body: string, more: Partial<Handing> = {}): Handing {
    const handing: Handing = {
      place: hold.place,
      body,
      replay: undefined,
      id: body,
      process: hold.process,
      since: hold.since,
      at: this.history.step(),
      atMs: this.nowMs,
      attempt: 1,
      isAlone: true,
      hold,
      settlings: [],
      ...more,
    };
    this.history.handings.push(handing);
    return handing;
  }

  /** A consumer with a lease of ten seconds. */
  holdBy(process: string, style: LeaseStyle = "beating", place = QUEUE): Hold {
    const hold = this.#hold(place, process, style, this.history.step());
    this.history.holds.push(hold);
    return hold;
  }

  #hold(place: string, process: string, style: LeaseStyle, since: number): Hold {
    const { nowMs: sinceMs } = this;
    const ttlMs = 10_000;
    return { place, process, style, ttlMs, since, sinceMs, extensions: [], isLoose: false };
  }

  /** A process ends; once it had to wait for this long. */
  end(process: string, longestWaitMs = 0): void {
    this.history.lives.set(process, { end: this.history.step(), endMs: this.nowMs, longestWaitMs });
  }

  pass(ms: number): void {
    this.nowMs += ms;
  }

  configure(place: string, value: number, more: Partial<Configured> = {}): void {
    const began = this.history.step();
    const ended = this.history.step();
    const call = { place, value, isMake: false, process: "p1", began, ended };
    this.history.configured.push({ ...call, result: "ok", ...more });
  }

  settle(handing: Handing, how: How, result: "ok" | "LEASE_LOST" = "ok"): void {
    const began = this.history.step();
    handing.settlings.push({
      how,
      began,
      ended: this.history.step(),
      endedMs: this.nowMs,
      result,
    });
  }

  check(): void {
    check(this.history, this.left);
  }
}

/** Fails where the checker does not say that. */
export const wrong = (tell: (story: Story) => void, what: RegExp): void => {
  const story = new Story();
  tell(story);
  expect(() => story.check()).toThrow(what);
};
