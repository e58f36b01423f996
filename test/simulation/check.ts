/**
 * What must be true of a history once all is quiet. It knows calls, returns, what consumers were
 * handed, and what was found in the end; nothing of the engine.
 */
import assert from "node:assert/strict";

import { QUEUE, SPARE, TOPIC } from "./history.ts";
import type { Handing, History, Sent, Settling, Subscription } from "./history.ts";
import { checkAttempts } from "./attempts-check.ts";
import type { Delivery } from "./attempts-check.ts";
import { batchOf, checkKeys, firstsOf } from "./keys-check.ts";
import type { Known } from "./keys-check.ts";
import { checkLeases } from "./leases-check.ts";
import { checkSettings } from "./settings-check.ts";
import { shown } from "./shown.ts";

/** What the last process found: the messages of each queue and subscription. */
export type Left = ReadonlyMap<string, readonly Found[]>;

export interface Found {
  readonly body: string;
  readonly replay: string | undefined;
  readonly id: string;
  /** Not of what was a dead letter. */
  readonly delivery?: Delivery | undefined;
}

export function check(history: History, left: Left): void {
  new Checker(history, left).run();
}

class Checker {
  readonly #history: History;
  readonly #left: Left;
  readonly #sent: Map<string, Sent>;
  /** Deliveries by place and body. What is moved between the queues stays one message. */
  readonly #handings = new Map<string, Handing[]>();
  readonly #found = new Map<string, Found[]>();
  /** Somebody else was told that these are there. */
  #firsts: ReadonlySet<Sent> = new Set();

  constructor(history: History, left: Left) {
    this.#history = history;
    this.#left = left;
    this.#sent = new Map(history.sent.map((sent) => [sent.body, sent]));
  }

  run(): void {
    for (const handing of this.#history.handings) {
      this.#known(handing.place, handing.body);
      add(this.#handings, this.#keyOf(handing.place, handing), handing);
    }
    for (const [place, found] of this.#left) {
      for (const one of found) {
        this.#known(place, one.body);
        add(this.#found, this.#keyOf(place, one), one);
      }
    }
    for (const key of new Set([...this.#handings.keys(), ...this.#found.keys()]))
      this.#oneOwner(key);
    const seen = [...this.#history.handings, ...[...this.#left.values()].flat()];
    const bodies = new Map(seen.map(({ id, body }) => [batchOf(id), body]));
    this.#firsts = firstsOf(this.#history, bodies, (sent) => this.#mayBeUnseen(sent));
    for (const sent of this.#history.sent) {
      if (sent.to === TOPIC) this.#inSubscriptions(sent);
      else this.#inQueue(sent);
    }
    this.#batches();
    this.#replays();
    checkKeys(this.#history, (sent) => this.#knownOf(sent));
    checkLeases(this.#history, this.#handings);
    const last = [...this.#found].flatMap(([key, [found]]): [string, Delivery][] =>
      found?.delivery === undefined ? [] : [[key, found.delivery]],
    );
    checkAttempts(this.#history, this.#handings, new Map(last));
    checkSettings(this.#history);
  }

  /** Nothing is delivered that nobody sent, and nothing elsewhere than it was sent to. */
  #known(place: string, body: string): void {
    const sent = this.#sent.get(body);
    assert.ok(sent !== undefined, `${place}: garbage was delivered: ${shown(body)}`);
    const to = place === SPARE ? QUEUE : (this.#subscription(place)?.name ?? place);
    const isTopic = to.includes("/");
    assert.equal(isTopic ? TOPIC : to, sent.to, `${shown(body)} is in ${place}`);
  }

  #subscription(place: string): Subscription | undefined {
    return this.#history.subscriptions.find(({ name }) => name === place);
  }

  #keyOf(place: string, one: { body: string; replay: string | undefined }): string {
    if (!place.includes("/")) return `${QUEUE}\n${one.body}`;
    const isAgain = this.#subscription(place)?.from === "now" && one.replay !== undefined;
    return `${place}\n${one.body}${isAgain ? `\n${one.replay}` : ""}`;
  }

  #wasCut(from: number, to: number): boolean {
    return this.#history.cuts.some((cut) => cut >= from && cut <= to);
  }

  /**
   * One owner at a time; what was acked never comes again, but after a power cut.
   *
   * Being handed a message proves nothing: its lease may be lost already, and its settling will be
   * refused. One that works proves that it was owned all the while; so does a consumer that began
   * later that it claimed later.
   */
  #oneOwner(key: string): void {
    const handings = this.#handings.get(key) ?? [];
    const found = this.#found.get(key) ?? [];
    const what = shown(key);
    assert.ok(
      found.length <= 1,
      `${what}: is there ${found.length} times: ${found.map(({ id }) => id).join(", ")}; ${this.#story(key)}`,
    );
    for (const one of handings) {
      const settled = this.#worked(one);
      // A power cut takes a settling back; then it may be done again.
      const isAgain = settled.some(
        (again, index) =>
          index > 0 &&
          !this.#wasCut(settled[index - 1]!.began, again.began) &&
          !this.#isSameNack(settled[index - 1]!, again),
      );
      assert.ok(
        !isAgain,
        `${what}: ${one.process} settled it ${settled.length} times; ${this.#story(key)}`,
      );
      for (const { how, began, ended } of settled) {
        const told = `${what}: ${one.process} had it at ${one.at}, ${how} at ${began} to ${ended} worked`;
        for (const other of handings) {
          if (other === one) continue;
          // A power cut undoes that it was settled, and that its lease was taken over: then the first
          // one's receipt is as good as it was.
          const ownedAt = this.#lastOwned(other);
          const [first, last] = ownedAt < began ? [ownedAt, began] : [began, ownedAt];
          const isUndone = this.#wasCut(first, last);
          const isOwner = other.at < began && ownedAt > one.at && !isUndone;
          assert.ok(
            !isOwner,
            `${told}, and ${other.process} owned it from ${other.at} on; ${this.#story(key)}`,
          );
          const isTaken =
            other.since > one.at && other.at < began && !this.#wasCut(other.at, began);
          assert.ok(!isTaken, `${told}, but ${other.process} claimed it before, by ${other.at}`);
          if (how !== "ack" || this.#wasCut(began, other.at)) continue;
          assert.ok(other.since < ended!, `${told}; ${other.process} got it again at ${other.at}`);
        }
        if (how !== "ack" || found.length === 0) continue;
        assert.ok(this.#wasCut(began, Number.POSITIVE_INFINITY), `${told}, and it is still there`);
      }
    }
    this.#oneAck(what, handings);
  }

  /**
   * Two who nack by one receipt in the same instant rename to one name: on a network each may take
   * the other's rename for its own, whose reply was lost. It was done once, as both wanted it.
   */
  #isSameNack(first: Settling, again: Settling): boolean {
    const isAtOnce = first.ended === undefined || again.began < first.ended;
    return this.#history.isReplyLost && isAtOnce && first.how === "nack" && again.how === "nack";
  }

  /** Until when it certainly was in this one's hands; -1 where that is not known at all. */
  #lastOwned(handing: Handing): number {
    return Math.max(-1, ...this.#worked(handing).map(({ began }) => began));
  }

  /** Who was told that the lease is lost, by what he settled before, gives back nothing, and is told nothing more. */
  #worked({ settlings, hold }: Handing): Settling[] {
    const losses = this.#history.handings
      .filter((other) => other.hold === hold)
      .flatMap((other) => other.settlings.filter(({ result }) => result === "LEASE_LOST"))
      .map(({ ended = Number.POSITIVE_INFINITY }) => ended);
    const lostAt = Math.min(Number.POSITIVE_INFINITY, ...losses);
    return settlings.filter(
      ({ how, result, began }) => result === "ok" && !(how === "give back" && lostAt < began),
    );
  }

  #oneAck(what: string, handings: readonly Handing[]): void {
    const acks = handings
      .flatMap(({ settlings }) => settlings)
      .filter(({ how, result }) => how === "ack" && result === "ok")
      .toSorted((one, other) => one.began - other.began);
    for (const [index, ack] of acks.entries()) {
      const before = acks[index - 1];
      const isAgain = before !== undefined && !this.#wasCut(before.began, ack.ended!);
      assert.ok(!isAgain, `${what}: two acks worked, at ${before?.began} and ${ack.began}`);
    }
  }

  /**
   * Somebody may have taken it away for good: an ack was begun that was not refused. Where replies are lost, one that was
   * refused, too: it worked, its reply was lost, and by the time that was seen the lease had been taken over.
   */
  #mayBeAcked(key: string): boolean {
    const { isReplyLost } = this.#history;
    return (this.#handings.get(key) ?? []).some(({ settlings }) =>
      settlings.some(
        ({ how, result }) =>
          how === "ack" &&
          (result === "ok" || result === undefined || (isReplyLost && result === "LEASE_LOST")),
      ),
    );
  }

  /** Who had it, and what became of that. */
  #story(key: string): string {
    const told = (this.#handings.get(key) ?? []).map(({ process, at, id, settlings }) => {
      const acts = settlings.map(({ how, began, result }) => `${how} at ${began}: ${result}`);
      return `${process} had ${id} at ${at} (${acts.join(", ")})`;
    });
    return told.join("; ") || "nobody had it";
  }

  #isThere(key: string): boolean {
    return this.#found.has(key);
  }

  /**
   * It is there, or somebody has had it. What nobody was promised may be undone by a power cut, also where
   * somebody has had it by then: that does not count.
   */
  #isDelivered(sent: Sent, key: string): boolean {
    const isSure = this.#isPromised(sent) || !this.#wasCut(sent.began, Number.POSITIVE_INFINITY);
    if (isSure) return this.#wasThere(key);
    const cut = this.#history.cuts.at(-1) ?? -1;
    return this.#isThere(key) || (this.#handings.get(key) ?? []).some(({ at }) => at > cut);
  }

  #isPromised(sent: Sent): boolean {
    return sent.result === "ok" || this.#firsts.has(sent);
  }

  /** True of what is published to nobody who is there in the end. */
  #mayBeUnseen(sent: Sent): boolean {
    return sent.to === TOPIC && !this.#history.openSubscriptions().some((one) => isFor(one, sent));
  }

  #wasThere(key: string): boolean {
    return this.#isThere(key) || this.#handings.has(key);
  }

  #inQueue(sent: Sent): void {
    const key = `${QUEUE}\n${sent.body}`;
    const isKept = this.#isThere(key) || this.#mayBeAcked(key);
    if (this.#isPromised(sent))
      assert.ok(isKept, `${shown(sent.body)}: put as ${sent.id}, and lost: ${this.#story(key)}`);
    if (sent.result === "TRY_AGAIN" || sent.result === "duplicate") {
      assert.ok(!this.#wasThere(key), `${shown(sent.body)}: ${sent.result}, and is there`);
    }
  }

  #inSubscriptions(sent: Sent): void {
    const { body, result, key: dedup } = sent;
    const has: string[] = [];
    const lacks: string[] = [];
    for (const one of this.#history.subscriptions) {
      const key = `${one.name}\n${body}`;
      const isWanted = wants(one, sent);
      const wasThere = this.#wasThere(key);
      if (wasThere) assert.ok(isWanted, `${one.name} got ${shown(body)}, and does not want it`);
      const isOpen = one.made !== undefined && one.closing === undefined;
      if (!isOpen || !isWanted) {
        if (wasThere && dedup === undefined && result === "TRY_AGAIN") {
          assert.fail(`${one.name} got ${shown(body)}, of which was said: ${result}`);
        }
        continue;
      }
      if (!isFor(one, sent)) {
        const isTooLate = wasThere && result === "ok" && sent.ended! < one.began;
        // Its key may have been promised, and be finished later.
        if (dedup === undefined) {
          assert.ok(!isTooLate, `${one.name} got ${shown(body)}, published before it was there`);
        }
        continue;
      }
      const isDelivered = this.#isDelivered(sent, key);
      if (isDelivered) has.push(one.name);
      else if (!wasThere) lacks.push(one.name);
      if (isDelivered) {
        const isKept = this.#isThere(key) || this.#mayBeAcked(key);
        assert.ok(isKept, `${one.name} had ${shown(body)}, and lost it: ${this.#story(key)}`);
      }
    }
    const told = `${shown(body)}: ${result ?? "not told"}`;
    const some = `${told}; ${has.join(", ")} got it, ${lacks.join(", ")} not: ${has.map((name) => this.#story(`${name}\n${body}`)).join("; ")}`;
    assert.ok(has.length === 0 || lacks.length === 0, some);
    if (this.#isPromised(sent)) assert.equal(lacks.length, 0, some);
    const isRefused = result === "TRY_AGAIN" && dedup === undefined;
    if (isRefused || result === "duplicate") assert.equal(has.length, 0, some);
  }

  /** Lines that were published as one batch are in a subscription all or not at all. */
  #batches(): void {
    for (const call of Map.groupBy(this.#history.sent, (sent) => sent.call).values()) {
      if (call[0]!.to !== TOPIC || call.length === 1) continue;
      for (const { name } of this.#history.openSubscriptions()) {
        const handed = call.some(({ body }) => this.#handings.has(`${name}\n${body}`));
        // What nobody was promised may be undone by a power cut, also where some of it was seen before.
        const { result, began } = call[0]!;
        if (handed && result !== "ok" && this.#wasCut(began, Number.POSITIVE_INFINITY)) continue;
        const there = call.filter(({ body }) => this.#wasThere(`${name}\n${body}`));
        const isAll = there.length === 0 || there.length === call.length;
        assert.ok(isAll, `${name} has ${there.length} of ${call.length} lines of a batch`);
      }
    }
  }

  #knownOf(sent: Sent): Known {
    const { to, body } = sent;
    const places = to === TOPIC ? this.#history.subscriptions.map(({ name }) => name) : [QUEUE];
    return {
      isDelivered: places.some((place) => this.#isDelivered(sent, `${place}\n${body}`)),
      story: places.map((place) => this.#story(`${place}\n${body}`)).join("; "),
    };
  }

  /** A replay brings all of what was published before it and kept, or nothing. */
  #replays(): void {
    for (const { name, result, began } of this.#history.replays) {
      const subscription = this.#subscription(name);
      if (typeof result !== "number" || subscription?.closing !== undefined) continue;
      // It has a tag of its own, which its caller is not told: some tag must have all of them.
      const tags = new Map<string, Set<string>>();
      for (const key of [...this.#handings.keys(), ...this.#found.keys()]) {
        const [place, body = "", tag] = key.split("\n");
        if (place !== name || tag === undefined) continue;
        const bodies = tags.get(tag) ?? new Set();
        tags.set(tag, bodies.add(body));
      }
      const wanted = this.#history.sent.filter(
        ({ to, ended, result: told, level, key }) =>
          to === TOPIC &&
          told === "ok" &&
          key === undefined &&
          ended! < began &&
          (subscription?.level ?? level) === level,
      );
      const isOne = [...tags.values()].some(
        (bodies) => bodies.size === result && wanted.every(({ body }) => bodies.has(body)),
      );
      assert.ok(isOne || result === 0, `a replay of ${result} to ${name} is not all there`);
      if (result === 0) assert.equal(wanted.length, 0, `a replay to ${name} brought nothing`);
    }
  }
}

const wants = ({ level }: Subscription, sent: Sent): boolean =>
  level === undefined || level === sent.level;

/** It is to get this. */
const isFor = (one: Subscription, sent: Sent): boolean =>
  wants(one, sent) && (one.from === "start" || one.made! < sent.began);

function add<T>(map: Map<string, T[]>, key: string, one: T): void {
  const known = map.get(key) ?? [];
  if (known.push(one) === 1) map.set(key, known);
}
