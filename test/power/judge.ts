/**
 * What must hold after a power cut at some size of the log of block writes.
 *
 * A call that had returned by then is a promise. One that had begun may have happened. Nothing is
 * asked of the engine but what it says itself of its files; what was promised is in the journals.
 *
 *   sent      is in its place exactly once, unless a drop of it had begun; never twice
 *   publish   is in all subscriptions that were there and want it, or in none
 *   made      is there, unless its removal had begun; filled from the start it has what the log has
 *   replay    each has all that had been published when it began, or is not there
 *   set       a setting is what it was last set to, or what it was being set to
 *   key       that was promised is known; one that was not is there exactly once when put again
 *   damage    only of what was promised to nobody, and never in a subscription
 */
import { timeOfId } from "../../src/message/id.ts";
import type { Known } from "./journal.ts";
import type { Copy, Observed } from "./observe.ts";

/** Queues between which messages are moved. */
const FAMILY: Readonly<Record<string, readonly string[]>> = {
  jobs: ["jobs", "side"],
  big: ["big"],
};
const TOPIC = "events";
const FIXED = ["events/all", "events/errors", "events/kept"];

export class Judge {
  readonly #calls: readonly Known[];
  /** The first drop of a token that began in a place. */
  readonly #dropped = new Map<string, number>();

  constructor(calls: readonly Known[]) {
    this.#calls = calls;
    for (const { what, place, tokens = [], beganAt } of calls) {
      if (what !== "drop") continue;
      for (const token of tokens) {
        const key = `${place} ${token}`;
        this.#dropped.set(key, Math.min(beganAt, this.#dropped.get(key) ?? beganAt));
      }
    }
  }

  /** Calls with a key whose answer is worth to be asked for: the last promised ones, and all under way. */
  worthRepeating(at: number): Known[] {
    const keyed = this.#calls.filter(({ key, beganAt }) => key !== undefined && beganAt <= at);
    const isPromised = ({ okAt = Infinity }: Known): boolean => okAt <= at;
    const promised = keyed.filter(isPromised).toSorted((a, b) => b.okAt! - a.okAt!);
    return [...promised.slice(0, 3), ...keyed.filter((call) => !isPromised(call))];
  }

  /** How many promises had been made. */
  promisesBy(at: number): number {
    return this.#calls.filter(({ okAt = Infinity }) => okAt <= at).length;
  }

  /** Everything that is wrong with what was found. */
  violations(at: number, observed: Observed): string[] {
    const moment = new Moment(this.#calls, this.#dropped, at, observed);
    return [...observed.wrong, ...moment.violations()];
  }
}

class Moment {
  readonly #calls: readonly Known[];
  readonly #dropped: ReadonlyMap<string, number>;
  readonly #at: number;
  readonly #observed: Observed;
  /** How often a token is in a queue: as it was put, and delivered again. */
  readonly #plain = new Map<string, number>();
  readonly #again = new Map<string, number>();
  readonly #wrong: string[] = [];

  constructor(
    calls: readonly Known[],
    dropped: ReadonlyMap<string, number>,
    at: number,
    observed: Observed,
  ) {
    this.#calls = calls;
    this.#dropped = dropped;
    this.#at = at;
    this.#observed = observed;
    for (const { queue, token, replay } of observed.copies) {
      const counts = replay === undefined ? this.#plain : this.#again;
      const key = `${queue} ${token}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }

  violations(): string[] {
    for (const call of this.#calls) {
      if (call.beganAt > this.#at) continue;
      if (call.what === "make") this.#made(call);
      else if (call.what === "send" && call.place === TOPIC) this.#published(call);
      else if (call.what === "send") this.#put(call);
      else if (call.what === "replay") this.#replayed(call);
      if (call.key !== undefined) this.#keyed(call);
    }
    this.#settings();
    this.#damage();
    return this.#wrong;
  }

  #isPromised({ okAt = Infinity }: Known): boolean {
    return okAt <= this.#at;
  }

  #isDropped(place: string, token: string): boolean {
    return (this.#dropped.get(`${place} ${token}`) ?? Infinity) < this.#at;
  }

  /** A key that was put again makes a promise of its own. */
  #isRepeated(call: Known): boolean {
    return call.key !== undefined && this.#observed.keys.has(call.key);
  }

  #put(call: Known): void {
    for (const token of call.tokens ?? []) {
      const queues = FAMILY[call.place]!;
      const count = sum(queues.map((queue) => this.#plain.get(`${queue} ${token}`) ?? 0));
      if (count > 1) this.#wrong.push(`${call.place}: ${count} times: ${token}`);
      const must = this.#isPromised(call) || this.#isRepeated(call);
      if (must && count === 0 && !this.#isDropped(call.place, token)) {
        this.#wrong.push(`${call.place}: lost: ${token}`);
      }
    }
  }

  #keyed(call: Known): void {
    const wasKnown = this.#observed.keys.get(call.key!);
    if (wasKnown === false && this.#isPromised(call)) {
      this.#wrong.push(`${call.place}: the key is forgotten: ${call.key}`);
    }
  }

  #published(call: Known): void {
    for (const token of call.tokens ?? []) {
      const audience = [...FIXED, ...this.#lateFor(call)].filter(
        (queue) => queue !== "events/errors" || call.level === "error",
      );
      const counts = audience.map((queue) => ({ queue, count: this.#countIn(queue, token) }));
      for (const { queue, count } of counts) {
        if (count > 1) this.#wrong.push(`${queue}: ${count} times: ${token}`);
      }
      const sure = counts.filter(({ queue }) => !this.#isDropped(queue, token));
      const missing = sure.filter(({ count }) => count === 0).map(({ queue }) => queue);
      const must = this.#isPromised(call) || this.#isRepeated(call);
      if (missing.length > 0 && (must || counts.some(({ count }) => count > 0))) {
        const why = must ? "lost" : "not in all";
        this.#wrong.push(`${missing.join(", ")}: ${why}: ${token}`);
      }
      const unwanted = this.#countIn("events/errors", token);
      if (call.level !== "error" && unwanted > 0) this.#wrong.push(`errors: unwanted: ${token}`);
    }
  }

  /** What fills a subscription from the log is a delivery of its own; there it counts as the first. */
  #countIn(queue: string, token: string): number {
    const plain = this.#plain.get(`${queue} ${token}`) ?? 0;
    return FIXED.includes(queue) ? plain : plain + (this.#again.get(`${queue} ${token}`) ?? 0);
  }

  /** The late subscriptions that must have what a call published. */
  #lateFor(call: Known): string[] {
    const isLate = (make: Known): boolean =>
      make.what === "make" && make.place.startsWith(`${TOPIC}/`) && !FIXED.includes(make.place);
    return this.#calls.filter(isLate).flatMap((make) => {
      if (!this.#observed.places.has(make.place)) return [];
      const sawIt = (make.okAt ?? Infinity) <= call.beganAt;
      const isInLog = make.fromStart && this.#isPromised(call);
      return sawIt || isInLog ? [make.place] : [];
    });
  }

  #made(call: Known): void {
    const isRemoved = this.#calls.some(
      ({ what, place, beganAt }) => what === "remove" && place === call.place && beganAt < this.#at,
    );
    if (this.#isPromised(call) && !isRemoved && !this.#observed.places.has(call.place)) {
      this.#wrong.push(`${call.place}: it was made, and is not there`);
    }
  }

  /** All that was promised before the replay began, or nothing at all. */
  #replayed(call: Known): void {
    const own = this.#observed.copies.filter((copy) => this.#isOf(copy, call));
    if (own.length === 0 && !this.#isPromised(call)) return;
    const counts = new Map<string, number>();
    for (const { token } of own) counts.set(token, (counts.get(token) ?? 0) + 1);
    for (const [token, count] of counts) {
      if (count > 1) this.#wrong.push(`${call.place}: replayed ${count} times: ${token}`);
    }
    for (const { what, place, okAt = Infinity, ids = [], tokens = [] } of this.#calls) {
      if (what !== "send" || place !== TOPIC || okAt > call.beganAt) continue;
      const [id] = ids;
      if (id === undefined || timeOfId(id) < call.sinceMs!) continue;
      for (const token of tokens) {
        if (!counts.has(token)) this.#wrong.push(`${call.place}: not replayed: ${token}`);
      }
    }
  }

  /** One process replays, one call after the other: the time in the delivery's id tells them apart. */
  #isOf({ queue, replay }: Copy, call: Known): boolean {
    if (queue !== call.place || replay === undefined) return false;
    const calls = this.#calls.filter(({ what, place }) => what === "replay" && place === queue);
    const madeMs = timeOfId(replay) + CLOCK_MS;
    const latest = calls
      .filter(({ beganMs }) => beganMs <= madeMs)
      .toSorted(byBegin)
      .at(-1);
    return latest === call;
  }

  #settings(): void {
    const sets = this.#calls.filter(({ what, beganAt }) => what === "set" && beganAt <= this.#at);
    for (const [place, calls] of Map.groupBy(sets, (call) => call.place)) {
      const found = this.#observed.limits.get(place);
      // That it is there is another promise.
      if (found === undefined) continue;
      const promised = calls.filter((call) => this.#isPromised(call)).map(({ value = 0 }) => value);
      const last = Math.max(0, ...promised);
      const isBegun = calls.some(({ value = 0 }) => value === found && value > last);
      if (found !== last && !isBegun) this.#wrong.push(`${place}: set to ${last}, and is ${found}`);
    }
  }

  #damage(): void {
    const promised = new Set<string>();
    for (const call of this.#calls) {
      if (!this.#isPromised(call)) continue;
      for (const id of call.ids ?? []) promised.add(id.split(".")[0]!);
    }
    for (const { queue, batch } of this.#observed.damaged) {
      if (promised.has(batch)) this.#wrong.push(`${queue}: damaged, though promised: ${batch}`);
      if (queue.includes("/")) this.#wrong.push(`${queue}: damaged in a subscription: ${batch}`);
    }
  }
}

/** The disk's clock may lag behind the host's by a tick. */
const CLOCK_MS = 20;

const byBegin = (one: Known, other: Known): number => one.beganMs - other.beganMs;

const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);
