/**
 * Runs the engine and the model side by side: each act is done to both, and whatever the engine
 * answers and leaves on the disk has to be what the model says.
 *
 * Every actor is a process of its own: its own Spool, clock, ids and caches, over one disk. Time stands
 * still but for `advance`.
 */
import assert from "node:assert/strict";

import { DiskClock } from "../../src/clock.ts";
import { SpoolError } from "../../src/errors.ts";
import type { FileSystem } from "../../src/disk/file-system.ts";
import { timeOfId } from "../../src/message/id.ts";
import type { State } from "../../src/queue/browse.ts";
import { Consumer } from "../../src/queue/consumer.ts";
import { Slot } from "../../src/queue/slot.ts";
import type { Message } from "../../src/queue/message.ts";
import type { PutOptions } from "../../src/queue/draft.ts";
import { parseReceipt } from "../../src/queue/receipt.ts";
import { extendByReceipt, settle, settleByReceipt } from "../../src/queue/settle.ts";
import type { Queue } from "../../src/queue/queue.ts";
import type { QueueSettings } from "../../src/queue/settings.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { chance } from "./model-chance.ts";
import type { ModelTime } from "./model-disk.ts";
import { observe } from "./model-observe.ts";
import type { Observed } from "./model-observe.ts";
import { keyOf, ModelQueue } from "./model-queue.ts";
import type { ModelLease, ModelMessage } from "./model-queue.ts";

export type QueueName = "a" | "b";

/** How a message is settled. */
export type How =
  | { readonly do: "ack" }
  | { readonly do: "nack"; readonly delayMs?: number; readonly isCounted?: boolean }
  | { readonly do: "reject" }
  | { readonly do: "give back" };

interface InHand {
  readonly message: Message;
  readonly key: string;
  readonly lease: ModelLease;
  /** What it holds, itself first: shared with the lease's slices. */
  run: string[];
  isSettled: boolean;
}

interface Actor {
  readonly queue: QueueName;
  process: string;
  spool: Spool;
  consumer: Consumer;
  slot: Slot;
  lease: ModelLease | undefined;
  inHand: InHand[];
  /** What its slot goes on with, as far as it knows. */
  run: string[] | undefined;
  current: InHand | undefined;
  reapedMs: number;
  claimedMs: number;
  /** The world's version as its list of names saw it. */
  version: number;
}

interface Handed {
  readonly queue: QueueName;
  readonly receipt: string;
  readonly key: string;
  readonly lease: string;
}

/** What the claim of a consumer found, to be told to the model. */
interface Claimed {
  readonly run: string[];
  readonly lease: ModelLease;
}

export async function isLost(act: () => unknown): Promise<boolean> {
  try {
    await act();
    return false;
  } catch (error) {
    if (error instanceof SpoolError && error.code === "LEASE_LOST") return true;
    throw error;
  }
}

export interface Watched extends FileSystem {
  readonly openFiles: number;
}

export class World {
  readonly models: Record<QueueName, ModelQueue>;
  readonly actors: Actor[] = [];
  readonly handed: Handed[] = [];
  /** What came about, and how often: so that a test can see that it reaches every corner. */
  readonly met = new Map<string, number>();
  readonly #disk: Watched;
  readonly #time: ModelTime;
  readonly #dir: string;
  readonly #random: () => number;
  readonly #gone = new Set<string>();
  readonly #producers: Spool[] = [];
  #operator!: Spool;
  #payloads = 0;
  #processes = 0;
  #version = 0;
  /** False where somebody died, or left with files open: then files may stay open. */
  #isTidy = true;

  private constructor(
    disk: Watched,
    time: ModelTime,
    dir: string,
    seed: number,
    settings: QueueSettings,
  ) {
    this.#disk = disk;
    this.#time = time;
    this.#dir = dir;
    const random = chance(seed);
    // Buckets start often, so that there are many small ones, that overlap.
    this.#random = () => (random() < 0.2 ? random() / 1024 : random());
    this.models = { a: new ModelQueue(settings), b: new ModelQueue(settings) };
  }

  static async open(
    disk: Watched,
    time: ModelTime,
    dir: string,
    seed: number,
    settings: QueueSettings,
  ): Promise<World> {
    const world = new World(disk, time, dir, seed, settings);
    world.#operator = await world.#spool("operator");
    for (const name of ["a", "b"] as const) await world.#operator.queue(name).create(settings);
    for (const process of ["p0", "p1"]) world.#producers.push(await world.#spool(process));
    for (const queue of ["a", "a", "b"] as const) world.actors.push(await world.#actor(queue));
    return world;
  }

  #spool(process: string): Promise<Spool> {
    return openSpool({
      dir: this.#dir,
      parts: {
        fs: this.#disk,
        clock: new DiskClock(() => this.#time.nowMs),
        processes: { self: process, host: "here", isGone: (token) => this.#gone.has(token) },
        random: this.#random,
      },
    });
  }

  async #actor(queue: QueueName): Promise<Actor> {
    const process = `c${this.#processes++}`;
    const spool = await this.#spool(process);
    return { queue, process, spool, ...this.#fresh(spool, queue) };
  }

  #fresh(spool: Spool, name: QueueName): Omit<Actor, "queue" | "process" | "spool"> {
    const queue = spool.queue(name);
    const consumer = queue.consumer("brief");
    return {
      consumer,
      slot: new Slot(consumer, queue.room),
      lease: undefined,
      inHand: [],
      run: undefined,
      current: undefined,
      reapedMs: Number.NEGATIVE_INFINITY,
      claimedMs: Number.NEGATIVE_INFINITY,
      version: -1,
    };
  }

  get #nowMs(): number {
    return this.#time.nowMs;
  }

  #observe(queue: QueueName): Observed {
    return observe(this.#disk, `${this.#dir}/queues/${queue}`);
  }

  #meet(what: string, times = 1): void {
    if (times > 0) this.met.set(what, (this.met.get(what) ?? 0) + times);
  }

  #changed(): void {
    this.#version++;
  }

  advance(ms: number): void {
    this.#time.advance(ms);
    this.#changed();
  }

  // ---- putting

  #payload(bytes = 0): string {
    return `message ${this.#payloads++} ${"x".repeat(bytes)}`;
  }

  #add(
    queue: QueueName,
    id: string,
    payload: string,
    options: PutOptions,
    rank = 9 - (options.priority ?? 4),
  ): ModelMessage {
    const [batch = "", index = "0"] = id.split(".");
    const model = this.models[queue];
    const ttlMs = options.ttlMs ?? model.settings.ttlMs;
    const timeMs = timeOfId(batch);
    assert.equal(timeMs, this.#nowMs, "an id carries the time at which it was made");
    const message: ModelMessage = {
      batch,
      index: Number(index),
      id,
      payload,
      headers: options.headers ?? {},
      rank,
      visibleMs: Math.max(options.atMs ?? 0, timeMs + (options.delayMs ?? 0)),
      expiresMs: ttlMs > 0 ? timeMs + ttlMs : undefined,
      attempts: 0,
      state: "waiting",
    };
    const key = keyOf(batch, message.index);
    assert.ok(!model.messages.has(key) && !model.ended.has(key), `the id ${id} is new`);
    model.messages.set(key, message);
    return message;
  }

  async put(queue: QueueName, who: number, options: PutOptions, bytes: number): Promise<void> {
    this.#changed();
    const { dedupKey } = options;
    const model = this.models[queue];
    const payload = this.#payload(bytes);
    const seen = dedupKey === undefined ? undefined : model.seen(dedupKey, this.#nowMs);
    const result = await this.#producers[who]!.queue(queue).put(payload, options);
    assert.equal(result.duplicate, seen !== undefined);
    if (seen !== undefined) {
      this.#meet("a duplicate");
      assert.equal(result.id, seen);
      return;
    }
    this.#add(queue, result.id, payload, options);
    if (dedupKey !== undefined) model.remember(dedupKey, this.#nowMs, result.id);
  }

  /** Puts at once, of two kinds. */
  async putTogether(queue: QueueName, who: number, many: readonly PutOptions[]): Promise<void> {
    this.#changed();
    const target = this.#producers[who]!.queue(queue);
    const payloads = many.map(() => this.#payload());
    const results = await Promise.all(many.map((options, n) => target.put(payloads[n]!, options)));
    for (const [n, { id }] of results.entries()) this.#add(queue, id, payloads[n]!, many[n]!);
  }

  /** A stream of messages, some empty, cut into chunks anywhere. */
  async putMany(
    queue: QueueName,
    who: number,
    many: {
      readonly options: PutOptions;
      readonly sizes: readonly number[];
      readonly isNul: boolean;
      readonly batchMessages: number;
      readonly chunkBytes: number;
      readonly hasEnd: boolean;
    },
  ): Promise<void> {
    this.#changed();
    const separator = many.isNul ? "\0" : "\n";
    const payloads = many.sizes.map((size) => (size === 0 ? "" : this.#payload(size)));
    const text = payloads.join(separator) + (many.hasEnd ? separator : "");
    if (!many.hasEnd && payloads.at(-1) === "") payloads.pop();
    const bytes = Buffer.from(text);
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += many.chunkBytes) {
        yield bytes.subarray(at, at + many.chunkBytes);
      }
    };
    const putter = this.#producers[who]!.queue(queue).putMany({
      ...many.options,
      separator: many.isNul ? "nul" : "newline",
      batchMessages: many.batchMessages,
    });
    if (payloads.length === 0 && !many.hasEnd) return;
    const said = await putter.run(chunks());
    assert.equal(said.messages, payloads.length);
    const fresh = await this.#discover(queue);
    assert.deepEqual(
      fresh.map(({ payload }) => payload),
      payloads,
    );
    const perBatch = Map.groupBy(fresh, ({ id }) => id.split(".")[0]);
    assert.equal(perBatch.size, Math.ceil(payloads.length / many.batchMessages));
    assert.equal(said.batches, perBatch.size);
    for (const { id, payload } of fresh) this.#add(queue, id, payload, many.options);
  }

  /** The messages on the disk that the model does not know, in the order of their ids. */
  async #discover(queue: QueueName): Promise<{ id: string; payload: string }[]> {
    const { messages } = this.models[queue];
    const found: { id: string; payload: string; key: string }[] = [];
    const spool = await this.#spool("looker");
    for (const state of ["ready", "scheduled", "inflight"] as const) {
      for await (const seen of spool.queue(queue).peek(state)) {
        const [batch = "", index = "0"] = seen.id.split(".");
        const key = `${batch}.${index.padStart(7, "0")}`;
        if (messages.has(keyOf(batch, Number(index)))) continue;
        found.push({ id: seen.id, payload: (await seen.body()).toString(), key });
      }
    }
    return found.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  async drop(queue: QueueName, name: string, isEmpty: boolean): Promise<void> {
    this.#changed();
    const payload = isEmpty ? "" : this.#payload();
    const draft = `${this.#dir}/draft`;
    const fd = await this.#disk.open(draft, "create");
    await this.#disk.write(fd, Buffer.from(payload), null);
    await this.#disk.close(fd);
    await this.#disk.rename(draft, `${this.#dir}/queues/${queue}/drop/${name}`);
    this.models[queue].dropped.set(name, payload);
  }

  /** After an act that adopts what was dropped, or may: every file is a message now, or none. */
  async #adopted(queue: QueueName, isSure = true): Promise<void> {
    const model = this.models[queue];
    if (model.dropped.size === 0) return;
    const fresh = await this.#discover(queue);
    if (!isSure && fresh.length === 0) return;
    assert.deepEqual(
      fresh.map(({ payload }) => payload).toSorted(),
      [...model.dropped.values()].toSorted(),
    );
    for (const { id, payload } of fresh) this.#add(queue, id, payload, {}, 5);
    this.#meet("adopted", model.dropped.size);
    model.dropped.clear();
  }

  // ---- consuming

  /** The consumer's next message. */
  async next(who: number): Promise<void> {
    const actor = this.actors[who]!;
    const { run, current } = actor;
    const isLive = this.#isLive(actor.queue, actor.lease);
    if (run !== undefined) {
      const isInHand = current !== undefined && !current.isSettled;
      let isOver = run.length === 0 || (isInHand && run.length === 1);
      if (isInHand && run.length > 1) {
        if (!isLive) {
          assert.ok(await isLost(() => actor.slot.next()), "a slot of a lost lease goes on");
          run.length = 0;
          this.#meet("lost at detach");
          return;
        }
        this.#meet("detached");
        current.run = run.splice(0, 1);
        actor.lease!.slices.push(current.run);
        isOver = false;
      }
      actor.current = undefined;
      if (!isOver) return this.#nextOfRun(actor, run);
      actor.run = undefined;
    }
    await this.#claim(actor);
  }

  /** Several messages, each acked but the last: a consumer that is fast claims many at once. */
  async work(who: number, times: number): Promise<void> {
    for (let n = 0; n < times; n++) {
      await this.next(who);
      const actor = this.actors[who]!;
      if (actor.current === undefined || n === times - 1) return;
      await this.settle(who, actor.inHand.indexOf(actor.current), { do: "ack" });
    }
  }

  async #nextOfRun(actor: Actor, run: string[]): Promise<void> {
    const message = await actor.slot.next();
    assert.ok(message !== undefined, "the slice in hand has more messages");
    await this.#inHand(actor, message, { run, lease: actor.lease! });
  }

  async #inHand(actor: Actor, message: Message, { run, lease }: Claimed): Promise<void> {
    const key = run[0]!;
    await this.#checkMessage(actor.queue, message, key, this.#isLive(actor.queue, lease));
    actor.current = { message, key, lease, run, isSettled: false };
    actor.inHand.push(actor.current);
  }

  async #checkMessage(queue: QueueName, message: Message, key: string, isLive: boolean) {
    // With a lost lease the message may be anybody's and anywhere by now.
    if (!isLive) return;
    const expected = this.models[queue].get(key);
    assert.equal(message.id, expected.id);
    assert.equal(message.attempt, expected.attempts + 1);
    assert.deepEqual(message.headers, expected.headers);
    assert.equal((await message.body()).toString(), expected.payload);
  }

  #isLive(queue: QueueName, lease: ModelLease | undefined): boolean {
    return lease !== undefined && this.models[queue].leases.get(lease.name) === lease;
  }

  async #claim(actor: Actor): Promise<void> {
    const model = this.models[actor.queue];
    const isFresh = this.#nowMs - actor.claimedMs > 50 || actor.version === this.#version;
    actor.claimedMs = this.#nowMs;
    if (this.#nowMs - actor.reapedMs >= 5000) {
      actor.reapedMs = this.#nowMs;
      this.#reap(model, actor.lease?.name);
    }
    const believed = actor.lease;
    const wasLive = this.#isLive(actor.queue, believed);
    let message: Message | undefined;
    const wasLost = await isLost(async () => (message = await actor.slot.next()));
    // A consumer that has enough to do looks into the drop box now and then.
    await this.#adopted(actor.queue, false);
    const wanted = model.deliverable(this.#nowMs);
    const observed = this.#observe(actor.queue);
    this.#vanished(model, observed);
    if (wasLost) {
      assert.ok(believed !== undefined && !wasLive, "a lease is lost only where it was taken");
      actor.lease = undefined;
      this.#changed();
      this.#meet("lost at claim");
      return;
    }
    const { lease } = actor.consumer;
    if (lease !== undefined && lease.name !== believed?.name) {
      actor.lease = this.#leaseMade(model, lease.name, lease.ttlMs, actor.process);
    }
    if (message === undefined) {
      assert.deepEqual(
        wanted.map(([key]) => key),
        [],
        "nothing was delivered, and something was ready",
      );
      return;
    }
    const run = this.#held(model, observed, actor.lease!.name, wanted, isFresh);
    actor.lease!.slices.push(run);
    actor.run = run;
    await this.#inHand(actor, message, { run, lease: actor.lease! });
    this.#meet(run.length > 1 ? "claimed many" : "claimed one");
    if (isFresh) {
      this.#meet("claimed in order");
      this.#changed();
      actor.version = this.#version;
    } else this.#changed();
  }

  #reap(model: ModelQueue, own?: string): void {
    const before = [...model.leases.values()];
    const dead = [...model.messages.values()].filter(({ state }) => state === "dead").length;
    model.reap(this.#nowMs, (process) => this.#gone.has(process), own);
    const taken = before.filter(({ name }) => !model.leases.has(name));
    this.#meet("taken over", taken.length);
    this.#meet("taken over with many", taken.filter(({ slices }) => slices.length > 1).length);
    const deadNow = [...model.messages.values()].filter(({ state }) => state === "dead").length;
    this.#meet("dead by takeover", deadNow - dead);
  }

  #leaseMade(model: ModelQueue, name: string, ttlMs: number, process: string): ModelLease {
    assert.ok(!model.leases.has(name));
    const lease = { name, ttlMs, process, lockMs: this.#nowMs, slices: [] };
    model.leases.set(name, lease);
    return lease;
  }

  /** What a claim throws out on its way: the expired, and those whose attempts are used up. */
  #vanished(model: ModelQueue, observed: Observed, isAll = false): void {
    for (const [key, message] of model.messages) {
      if (message.state !== "waiting") continue;
      const place = observed.places.get(key);
      const isDead = place?.place === "dead";
      if (model.isExpired(message, this.#nowMs)) {
        if (isAll) assert.notEqual(place?.place, "ready", "a sweep leaves nothing expired");
        if (place === undefined && model.settings.expired === "drop") {
          model.end(key, "expired");
          this.#meet("expired");
        } else if (isDead && model.settings.expired === "dead") {
          message.state = "dead";
          this.#meet("expired to dead");
        }
      } else if (isDead && model.isSpent(message)) {
        message.state = "dead";
        this.#meet("spent");
      }
    }
  }

  /** The messages that a lease holds and did not hold: a run, from the front of the queue. */
  #held(
    model: ModelQueue,
    observed: Observed,
    lease: string,
    wanted: readonly [string, ModelMessage][],
    isFresh: boolean,
  ): string[] {
    const run = [...observed.places]
      .filter(([key, { directory }]) => directory === lease && model.get(key).state === "waiting")
      .map(([key]) => key)
      .toSorted((a, b) => model.get(a).index - model.get(b).index);
    const first = model.get(run[0]!);
    const candidates = wanted.map(([key]) => key);
    for (const [n, key] of run.entries()) {
      const message = model.get(key);
      assert.ok(candidates.includes(key), `${key} was not there to be claimed`);
      assert.equal(message.batch, first.batch);
      assert.equal(message.index, first.index + n);
      assert.equal(message.attempts, first.attempts, "a suspect goes alone");
      message.state = "held";
    }
    if (isFresh) assert.equal(run[0], candidates[0], "the first of the queue is delivered first");
    return run;
  }

  async settle(who: number, which: number, how: How): Promise<void> {
    const actor = this.actors[who]!;
    if (how.do !== "ack") this.#changed();
    const held = actor.inHand[which % Math.max(1, actor.inHand.length)];
    if (held === undefined) return;
    const { message } = held;
    const isLost_ = held.isSettled || !this.#isLive(actor.queue, held.lease);
    const act = async (): Promise<void> => {
      if (how.do === "ack") await message.ack();
      else if (how.do === "reject") await message.reject({ reason: "bad" });
      else if (how.do === "nack") await message.nack(how);
      else await message.giveBack();
    };
    const isQuiet = how.do === "give back" && (held.isSettled || held.run.length === 0);
    assert.equal(await isLost(act), isLost_ && !isQuiet, `${how.do} of ${held.key}`);
    this.#meet(isLost_ ? `${how.do} refused` : how.do);
    const wasSettled = held.isSettled;
    held.isSettled = true;
    if (wasSettled) return;
    if (isLost_) held.run.length = 0;
    else this.#settled(actor.queue, held.lease, held.run, how);
    // Now and then a settled one is settled again.
    if (which % 3 !== 0) actor.inHand = actor.inHand.filter((one) => one !== held);
  }

  /** Tells the model that the first of `run`, in a lease that lives, was settled. */
  #settled(queue: QueueName, lease: ModelLease, run: string[], how: How): void {
    const model = this.models[queue];
    if (how.do === "give back") {
      for (const key of run) model.get(key).state = "waiting";
      run.length = 0;
    } else {
      const key = run.shift()!;
      const message = model.get(key);
      if (how.do === "ack") model.end(key, "acked");
      else if (how.do === "reject") {
        message.attempts++;
        message.state = "dead";
      } else this.#nacked(queue, key, how);
    }
    if (run.length === 0) lease.slices = lease.slices.filter((slice) => slice !== run);
  }

  #nacked(queue: QueueName, key: string, how: { delayMs?: number; isCounted?: boolean }): void {
    const model = this.models[queue];
    const message = model.get(key);
    const { delayMs, isCounted = true } = how;
    const { backoffBaseMs, backoffCapMs } = model.settings;
    const longestMs = Math.min(backoffCapMs, backoffBaseMs * 2 ** message.attempts);
    if (isCounted) model.retry(key, true);
    else message.state = "waiting";
    if (message.state === "dead") return;
    const visibleMs = this.#observe(queue).places.get(key)!.slice.visibleMs;
    const pauseMs = visibleMs - this.#nowMs;
    if (delayMs !== undefined || !isCounted) assert.equal(pauseMs, delayMs ?? 0);
    else assert.ok(pauseMs >= longestMs / 2 && pauseMs <= longestMs, `a back-off of ${pauseMs}`);
    message.visibleMs = visibleMs;
  }

  /** The consumer ends in order, and comes back. */
  async close(who: number): Promise<void> {
    this.#changed();
    const actor = this.actors[who]!;
    const { run, current } = actor;
    const isLive = this.#isLive(actor.queue, actor.lease);
    let expectLost = false;
    if (run !== undefined && run.length > 0) {
      const isInHand = current !== undefined && !current.isSettled;
      const isKept = isInHand && run.length === 1;
      expectLost = !isLive && !isKept;
      if (expectLost) run.length = 0;
      else if (!isKept) {
        if (isInHand) {
          current.run = run.splice(0, 1);
          actor.lease!.slices.push(current.run);
        }
        this.#settled(actor.queue, actor.lease!, run, { do: "give back" });
      }
    }
    assert.equal(await isLost(() => actor.slot.close()), expectLost, "closing a slot");
    actor.run = undefined;
    while (actor.inHand.length > 0) {
      await this.settle(who, 1, { do: "give back" });
      actor.inHand = actor.inHand.filter(({ isSettled }) => !isSettled);
    }
    await actor.consumer.close();
    if (actor.lease !== undefined) this.models[actor.queue].leases.delete(actor.lease.name);
    Object.assign(actor, this.#fresh(actor.spool, actor.queue));
  }

  /** The consumer is killed, or its host vanishes; another one starts. */
  async die(who: number, isPlain: boolean): Promise<void> {
    this.#changed();
    this.#isTidy = false;
    const actor = this.actors[who]!;
    if (isPlain) this.#gone.add(actor.process);
    this.actors[who] = await this.#actor(actor.queue);
  }

  /** The consumer shows that it lives. */
  async beat(who: number): Promise<void> {
    const { lease, queue, spool } = this.actors[who]!;
    if (lease === undefined || !this.#isLive(queue, lease)) return;
    const { layout } = spool.queue(queue).room;
    await this.#disk.touch(layout.lock(lease.name), this.#nowMs);
    lease.lockMs = this.#nowMs;
  }

  // ---- receipts

  async take(queue: QueueName, count: number, leaseMs: number): Promise<void> {
    this.#changed();
    this.#isTidy = false;
    const model = this.models[queue];
    const spool = await this.#spool(`t${this.#processes++}`);
    const consumer = spool.queue(queue).consumer("handed out", { leaseMs });
    this.#reap(model);
    let lease: ModelLease | undefined;
    for (let taken = 0; taken < count; taken++) {
      const claim = await consumer.claim(1);
      await this.#adopted(queue);
      const wanted = model.deliverable(this.#nowMs);
      const observed = this.#observe(queue);
      this.#vanished(model, observed);
      if (consumer.lease !== undefined) {
        lease ??= this.#leaseMade(model, consumer.lease.name, leaseMs, "none");
      }
      if (claim === undefined) {
        assert.deepEqual(wanted, []);
        break;
      }
      const run = this.#held(model, observed, lease!.name, wanted, true);
      assert.equal(run.length, 1);
      lease!.slices.push(run);
      const message = (await consumer.open(claim))!;
      await this.#checkMessage(queue, message, run[0]!, true);
      this.handed.push({
        queue,
        receipt: await message.receipt(),
        key: run[0]!,
        lease: lease!.name,
      });
      await claim.file.close();
    }
    await consumer.leave();
  }

  async settleByReceipt(which: number, how: How): Promise<void> {
    this.#changed();
    const handed = this.handed[which % Math.max(1, this.handed.length)];
    if (handed === undefined || how.do === "give back") return;
    const { room, buckets } = this.#operator.queue(handed.queue);
    const model = this.models[handed.queue];
    const lease = model.leases.get(handed.lease);
    const run = lease?.slices.find(([first]) => first === handed.key);
    const wasLost = await isLost(() =>
      settleByReceipt(room, buckets, parseReceipt(handed.receipt), async (held, next) => {
        if (how.do === "ack") await held.ack(1, next);
        else if (how.do === "nack") await settle.nack(room, held, next, how);
        else await held.reject(next, { reason: "bad" }, true);
      }),
    );
    // Where replies get lost, the same act twice at the same instant may be said to have worked twice:
    // it has the same effect. Never an ack.
    const isRepeat = room.disk.kind.shared && how.do !== "ack" && lease !== undefined;
    if (!isRepeat || wasLost) {
      assert.equal(wasLost, run === undefined, `${how.do} by receipt of ${handed.key}`);
    }
    this.#meet(run === undefined ? "late receipt" : "receipt");
    if (lease === undefined || run === undefined) return;
    this.#settled(handed.queue, lease, run, how);
    if (lease.slices.length === 0) model.leases.delete(lease.name);
  }

  async extend(which: number, forMs: number): Promise<void> {
    const handed = this.handed[which % Math.max(1, this.handed.length)];
    if (handed === undefined) return;
    const { room } = this.#operator.queue(handed.queue);
    const lease = this.models[handed.queue].leases.get(handed.lease);
    const isHeld = lease?.slices.some(([first]) => first === handed.key) ?? false;
    const act = () => extendByReceipt(room, parseReceipt(handed.receipt), forMs);
    assert.equal(await isLost(act), !isHeld, `extend of ${handed.key}`);
    if (isHeld) lease!.lockMs = this.#nowMs + forMs - lease!.ttlMs;
  }

  // ---- operating

  async sweep(queue: QueueName, sweepers: number): Promise<void> {
    this.#changed();
    const model = this.models[queue];
    this.#reap(model);
    const spools = await Promise.all(
      Array.from({ length: sweepers }, (_, n) => this.#spool(`s${n}`)),
    );
    const warnings: string[] = [];
    const warn = (line: string): unknown => warnings.push(line);
    await Promise.all(spools.map((spool) => spool.queue(queue).sweep(warn)));
    assert.deepEqual(warnings, []);
    this.#vanished(model, this.#observe(queue), true);
    await this.#adopted(queue);
  }

  #eligible(queue: QueueName, states: readonly State[], beforeMs: number): string[] {
    const model = this.models[queue];
    return [...model.messages]
      .filter(([, message]) => {
        if (timeOfId(message.batch) >= beforeMs) return false;
        if (message.state === "dead") return states.includes("dead");
        if (message.state === "held" || model.isExpired(message, this.#nowMs)) return false;
        const isScheduled = model.isScheduled(message, this.#nowMs);
        return states.includes(isScheduled ? "scheduled" : "ready");
      })
      .map(([key]) => key);
  }

  async bulk(
    from: QueueName,
    to: QueueName | "nowhere",
    states: readonly State[],
    max: number,
    olderMs: number,
  ): Promise<void> {
    this.#changed();
    const source = this.#operator.queue(from);
    const beforeMs = olderMs === 0 ? Number.POSITIVE_INFINITY : this.#nowMs - olderMs;
    const eligible = this.#eligible(from, states, beforeMs);
    const options = { states, max, beforeMs };
    const act = (isDryRun: boolean): Promise<number> =>
      to === "nowhere"
        ? source.purge({ ...options, isDryRun })
        : source.moveTo(this.#operator.queue(to), { ...options, isDryRun });
    assert.equal(await act(true), Math.min(max, eligible.length), "a dry run counts");
    const count = await act(false);
    assert.ok(count >= Math.min(max, eligible.length), "all that was asked");
    // Dead letters go slice by slice.
    assert.ok(count <= max || states.includes("dead"), "no more than was asked");
    const source_ = this.models[from];
    const left = this.#observe(from).places;
    const target = to === "nowhere" ? undefined : this.#observe(to).places;
    let gone = 0;
    for (const key of eligible) {
      const message = source_.get(key);
      const isBack = from === to && left.get(key)?.place === "ready";
      if (left.has(key) && !isBack) continue;
      gone++;
      if (!isBack) source_.end(key, to === "nowhere" ? "purged" : "moved");
      if (to === "nowhere") continue;
      assert.equal(target?.get(key)?.place, "ready", `${key} is where it was moved to`);
      const { ttlMs } = source_.settings;
      const isDead = message.state === "dead";
      const expiresMs =
        message.expiresMs === undefined || ttlMs === 0 ? undefined : this.#nowMs + ttlMs;
      this.models[to].messages.set(key, {
        ...message,
        ...(isDead ? { state: "waiting", attempts: 0, visibleMs: this.#nowMs, expiresMs } : {}),
      });
      this.models[to].ended.delete(key);
    }
    assert.equal(gone, count, "as many as it said");
    const what = to === "nowhere" ? "purged" : "moved";
    this.#meet(states.includes("dead") ? `${what} the dead` : what, gone);
  }

  // ---- comparing

  /** Everything that can be seen of both queues, against the model. */
  async check(): Promise<void> {
    const fresh = await this.#spool("looker");
    for (const name of ["a", "b"] as const) {
      this.#checkDisk(name);
      await this.#checkStats(name, fresh.queue(name));
      // The operator's inventory remembers what it counted before.
      await this.#checkStats(name, this.#operator.queue(name));
      await this.#checkPeek(name, fresh.queue(name));
    }
  }

  #checkDisk(name: QueueName): void {
    const model = this.models[name];
    const { places, leases, locks, strays } = this.#observe(name);
    assert.deepEqual(strays, [], "nothing lies about");
    const expected = [...model.leases.keys()].toSorted();
    assert.deepEqual([...leases].toSorted(), expected, "leases");
    assert.deepEqual([...locks].toSorted(), expected, "locks");
    assert.deepEqual([...places.keys()].toSorted(), [...model.messages.keys()].toSorted());
    const holders = new Map<string, string>();
    for (const { name: lease, slices } of model.leases.values()) {
      for (const key of slices.flat()) holders.set(key, lease);
    }
    for (const [key, message] of model.messages) {
      const { place, directory, slice, attempts } = places.get(key)!;
      const states = { ready: "waiting", lease: "held", reclaim: "held", dead: "dead" } as const;
      assert.equal(states[place], message.state, `state of ${key}`);
      if (place === "lease") assert.equal(directory, holders.get(key), `owner of ${key}`);
      const { rank, visibleMs, expiresMs } = slice;
      assert.deepEqual(
        { attempts, rank, visibleMs, expiresMs },
        {
          attempts: message.attempts,
          rank: message.rank,
          visibleMs: message.visibleMs,
          expiresMs: message.expiresMs,
        },
        key,
      );
    }
  }

  #count(name: QueueName): Record<State | "expired", [string, ModelMessage][]> {
    const model = this.models[name];
    const groups = { ready: [], scheduled: [], inflight: [], dead: [], expired: [] } as Record<
      State | "expired",
      [string, ModelMessage][]
    >;
    for (const entry of model.messages) {
      const [, message] = entry;
      if (message.state === "dead") groups.dead.push(entry);
      else if (message.state === "held") groups.inflight.push(entry);
      else if (model.isExpired(message, this.#nowMs)) groups.expired.push(entry);
      else groups[model.isScheduled(message, this.#nowMs) ? "scheduled" : "ready"].push(entry);
    }
    return groups;
  }

  async #checkStats(name: QueueName, queue: Queue): Promise<void> {
    const model = this.models[name];
    const { ready, scheduled, inflight, dead, expired } = this.#count(name);
    const least = (times: number[]): number | undefined =>
      times.length === 0 ? undefined : Math.min(...times);
    const oldest = least(ready.map(([, { batch }]) => timeOfId(batch)));
    const nextDue = least(scheduled.map(([, { visibleMs }]) => visibleMs));
    const { bytes: _bytes, waitingBytes: _waiting, ...stats } = await statsOf(queue);
    assert.deepEqual(stats, {
      name,
      ready: ready.length + model.dropped.size,
      scheduled: scheduled.length,
      inFlight: inflight.length,
      dead: dead.length,
      expired: expired.length,
      oldestMs: oldest === undefined ? undefined : this.#nowMs - oldest,
      nextDueInMs: nextDue === undefined ? undefined : nextDue - this.#nowMs,
      consumers: model.leases.size,
      lag: undefined,
      lagMs: undefined,
    });
  }

  async #checkPeek(name: QueueName, queue: Queue): Promise<void> {
    const groups = this.#count(name);
    for (const state of ["ready", "scheduled", "inflight", "dead"] as const) {
      const seen: unknown[] = [];
      const warn = (line: string): void => assert.fail(line);
      for await (const message of queue.peek(state, warn)) {
        const { id, headers, attempts } = message;
        seen.push([id, { payload: (await message.body()).toString(), headers, attempts }]);
      }
      const byId = (list: unknown[]): unknown => Object.fromEntries(list as [string, unknown][]);
      const expected = groups[state].map(([, { id, payload, headers, attempts }]) => [
        id,
        { payload, headers, attempts },
      ]);
      assert.equal(seen.length, expected.length);
      assert.deepEqual(byId(seen), byId(expected), `what is ${state}`);
    }
  }

  /** Everything is closed, everybody is dead, and all that was put is found again, once. */
  async end(): Promise<void> {
    for (const who of this.actors.keys()) await this.close(who);
    this.advance(30 * 60_000);
    for (const name of ["a", "b"] as const) await this.sweep(name, 1);
    await this.check();
    for (const who of [0, 2]) {
      for (;;) {
        await this.next(who);
        const { current } = this.actors[who]!;
        if (current === undefined || current.isSettled) break;
        await this.settle(who, this.actors[who]!.inHand.indexOf(current), { do: "ack" });
      }
    }
    for (const who of this.actors.keys()) await this.close(who);
    await this.check();
    for (const name of ["a", "b"] as const) {
      for (const { state } of this.models[name].messages.values()) assert.equal(state, "dead");
      assert.deepEqual((await this.#operator.queue(name).verify()).findings, []);
    }
    if (this.#isTidy) assert.equal(this.#disk.openFiles, 0, "every file is closed");
  }
}
