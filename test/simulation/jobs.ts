/** What simulated processes do: every act of the library, and of the verbs that are made of it. */
import { SpoolError } from "../../src/errors.ts";
import type { LeaseStyle } from "../../src/queue/lease.ts";
import type { Message } from "../../src/queue/message.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { parseReceipt } from "../../src/queue/receipt.ts";
import { settle, settleByReceipt, extendByReceipt } from "../../src/queue/settle.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { Slot } from "../../src/queue/slot.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import type { Actor } from "./actor.ts";
import { PATTERN, QUEUE, SPARE, TOPIC } from "./history.ts";
import type { Extension, Handing, Hold, Redrive, Subscription } from "./history.ts";
import { drop, publish, publishLines, put, putLines } from "./send-jobs.ts";

/** It is there, with what settings have by default. */
export function noteMade(actor: Actor, place: string): void {
  const { now } = actor.history;
  const value = place === TOPIC ? 0 : DEFAULT_SETTINGS.backoffCapMs;
  const call = { place, value, isMake: true, process: actor.name, began: now, ended: now };
  actor.history.configured.push({ ...call, result: "ok" });
}

export type Job = (actor: Actor) => Promise<void>;

async function subscribe(actor: Actor): Promise<void> {
  const isPattern = actor.random() < 0.3;
  const topic = await actor.spool.topic(isPattern ? PATTERN : TOPIC);
  const { history } = actor;
  const own = `s${history.name()}`;
  const subscription: Subscription = {
    name: `${topic.name}/${own}`,
    level: actor.random() < 0.3 ? "error" : undefined,
    from: actor.random() < 0.5 ? "now" : "start",
    began: history.step(),
  };
  history.subscriptions.push(subscription);
  const { from, level } = subscription;
  const filter = level === undefined ? "" : `level=${level}`;
  const settings = { ...DEFAULT_SETTINGS, filter, maxAttempts: 0, backoffBaseMs: 0 };
  const outcome = await actor.told(
    () => topic.subscribe(own, { from, settings }),
    "TRY_AGAIN",
    "NO_QUEUE",
  );
  if (typeof outcome === "number") {
    noteMade(actor, subscription.name);
    subscription.made = history.step();
  }
  if (subscription.made === undefined) subscription.closing = history.step();
}

async function unsubscribe(actor: Actor): Promise<void> {
  const open = actor.history.openSubscriptions().filter(({ name }) => /\/s\d+$/.test(name));
  if (open.length === 0) return;
  const subscription = actor.pick(open);
  subscription.closing = actor.history.step();
  const [topic = "", own = ""] = subscription.name.split("/");
  const one = await actor.spool.topic(topic);
  await actor.told(() => one.unsubscribe(own), "NO_QUEUE");
}

/** Only to those that begin now: there, what a replay brings is told from the rest by its tag. */
async function replay(actor: Actor): Promise<void> {
  const open = actor.history.openSubscriptions().filter(({ from }) => from === "now");
  if (open.length === 0) return;
  const { name } = actor.pick(open);
  const [topic = "", own = ""] = name.split("/");
  const one = await actor.spool.topic(topic);
  const replayed = { name, began: actor.history.step() };
  actor.history.replays.push(replayed);
  const result = await actor.told(() => one.replay(own), "TRY_AGAIN", "NO_QUEUE", "IO");
  Object.assign(replayed, { ended: actor.history.step(), result });
}

export async function settleOne(actor: Actor, handing: Handing, message: Message): Promise<void> {
  const chance = actor.random();
  if (chance < 0.7) await actor.settle(handing, "ack", () => message.ack());
  else if (chance < 0.85) {
    const delayMs = actor.random() < 0.5 ? 0 : actor.upTo(2000);
    await actor.settle(handing, "nack", () => message.nack({ delayMs }));
  } else if (chance < 0.9) await actor.settle(handing, "reject", () => message.reject());
}

/** Takes what is there as `take` and `consume` do, and settles it or not, in order or not. */
async function takeFrom(actor: Actor, queue: Queue): Promise<void> {
  const style = actor.pick<LeaseStyle>(["brief", "beating", "handed out"]);
  const { leaseMs } = await queue.settings();
  const since = actor.history.step();
  const hold = actor.holding(queue.name, style, leaseMs, since);
  await noting(actor, hold, () => takeBy(actor, queue, hold));
}

/** Writes down that a consumer lost its lease while it did this. */
export async function noting(actor: Actor, hold: Hold, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof SpoolError && error.code === "LEASE_LOST") {
      actor.history.losses.push({ hold, at: actor.history.now, atMs: actor.nowMs });
    }
    throw error;
  }
}

async function takeBy(actor: Actor, queue: Queue, hold: Hold): Promise<void> {
  const { style, ttlMs: leaseMs } = hold;
  const consumer = queue.consumer(style, { leaseMs });
  const want = 1 + actor.upTo(8);
  const slot = new Slot(consumer, queue.room, want);
  const unsettled: { readonly message: Message; readonly handing: Handing }[] = [];
  const handedOut: typeof unsettled = [];
  const handOut = async (message: Message, handing: Handing): Promise<void> => {
    const text = await message.receipt();
    // What the dead come to after their last call counts for nothing, as for their handings.
    if (!actor.machine.isDead(actor.name)) actor.receipts.push({ text, handing });
    await message.leave();
  };
  for (let taken = 0; taken < want; taken++) {
    const message = await slot.next(want - taken);
    if (message === undefined) break;
    const handing = await actor.handed(message, hold);
    if (actor.random() < 0.2) await actor.sleep(actor.upTo(leaseMs * 1.5));
    if (style === "handed out") {
      if (actor.isOrderly) handedOut.push({ message, handing });
      else await handOut(message, handing);
    } else if (actor.random() < 0.8) await settleOne(actor, handing, message);
    else unsettled.push({ message, handing });
  }
  for (const { message, handing } of unsettled) {
    if (actor.random() < 0.5) await settleOne(actor, handing, message);
    if (message.isSettled) continue;
    await actor.settle(handing, "give back", () => message.giveBack());
  }
  actor.ended(hold);
  await slot.close();
  for (const { message, handing } of handedOut) await handOut(message, handing);
  await (style === "handed out" ? consumer.leave() : consumer.close());
  actor.closed(hold);
}

export function anyPlace(actor: Actor): string {
  const names = [QUEUE, QUEUE, SPARE, ...actor.history.openSubscriptions().map(({ name }) => name)];
  return actor.pick(names);
}

/** A consumer is told when its lease is lost, or its queue is gone. */
export async function quietly(actor: Actor, name: string, act: () => Promise<void>): Promise<void> {
  const isGoing = (): boolean =>
    actor.history.subscriptions.some((one) => one.name === name && one.closing !== undefined);
  try {
    await act();
  } catch (error) {
    const code = error instanceof SpoolError ? error.code : (error as { code?: unknown }).code;
    const isExpected = code === "LEASE_LOST" || code === "NO_QUEUE";
    if (!isExpected && !(isGoing() && (code === "ENOENT" || code === "IO"))) throw error;
  }
}

export async function take(actor: Actor): Promise<void> {
  const name = anyPlace(actor);
  await quietly(actor, name, () => takeFrom(actor, actor.spool.queue(name)));
}

/** A worker's loop, until it is empty, with several handlers at once. */
export async function work(actor: Actor): Promise<void> {
  const name = anyPlace(actor);
  const since = actor.history.step();
  const hold = actor.holding(name, "beating", actor.history.leaseMs, since);
  const handler = async (message: Message): Promise<void> => {
    const handing = await actor.handed(message, hold);
    if (actor.random() < 0.2) await actor.sleep(actor.upTo(3000));
    if (actor.random() < 0.1) {
      // The worker does this, and is told what became of it.
      handing.settlings.push({ how: "nack", began: actor.history.now });
      throw new Error("not now");
    }
    await settleOne(actor, handing, message);
    if (!message.isSettled) await actor.settle(handing, "ack", () => message.ack());
  };
  const options = { untilEmpty: true, concurrency: 1 + actor.upTo(3), maxMessages: 12 };
  await quietly(actor, name, async () => {
    await actor.spool.queue(name).work(handler, options);
    actor.ended(hold);
    actor.closed(hold);
  });
}

/** Somebody who has a receipt: often late, often more than once. */
export async function byReceipt(actor: Actor): Promise<void> {
  if (actor.receipts.length === 0) return;
  const { text, handing } = actor.pick(actor.receipts);
  const receipt = parseReceipt(text);
  const { room, buckets } = actor.spool.queue(receipt.queue);
  if (actor.random() < 0.2) {
    const extension: Extension = { process: actor.name, beganMs: actor.nowMs, forMs: 5000 };
    handing.hold.extensions.push(extension);
    await quietly(actor, receipt.queue, async () => {
      await extendByReceipt(room, receipt, extension.forMs);
      extension.endedMs = actor.nowMs;
    });
  } else if (actor.random() < 0.6) {
    await actor.settle(handing, "ack", () =>
      settleByReceipt(room, buckets, receipt, (held, next) => held.ack(1, next)),
    );
  } else {
    await actor.settle(handing, "nack", () =>
      settleByReceipt(room, buckets, receipt, (held, next) => settle.nack(room, held, next, {})),
    );
  }
}

async function move(actor: Actor): Promise<void> {
  const [from, to] = actor.random() < 0.5 ? [QUEUE, SPARE] : [SPARE, QUEUE];
  const max = 1 + actor.upTo(10);
  const hold = actor.holding(from, "brief", actor.history.leaseMs);
  await quietly(actor, from, async () => {
    await actor.spool.queue(from).moveTo(actor.spool.queue(to), { max });
    actor.ended(hold);
    actor.closed(hold);
  });
}

export async function redrive(actor: Actor): Promise<void> {
  const queue = actor.spool.queue(QUEUE);
  const redriven: Redrive = { process: actor.name, began: actor.history.now };
  actor.history.redrives.push(redriven);
  await queue.moveTo(queue, { states: ["dead"] });
  redriven.ended = actor.history.now;
}

/** `spool gc`. */
export async function sweepAll(actor: Actor): Promise<void> {
  const { spool } = actor;
  await spool.clearRemoved();
  for (const name of [...(await spool.topicNames()), ...(await spool.patternNames())]) {
    await (await spool.topic(name)).sweep();
  }
  for (const name of [...(await spool.queueNames()), ...(await spool.subscriptionNames())]) {
    await quietly(actor, name, async () => {
      await spool.queue(name).sweep();
    });
  }
}

/** Those who only look must never stumble over what moves. */
async function lookAround(actor: Actor): Promise<void> {
  const name = anyPlace(actor);
  const queue = actor.spool.queue(name);
  await quietly(actor, name, async () => {
    await statsOf(queue);
    for await (const seen of queue.peek(actor.pick(["ready", "inflight", "dead", "scheduled"]))) {
      await seen.body();
    }
    await queue.verify();
  });
}

/** Jobs, each as often as it is here. */
export const JOBS: readonly Job[] = [
  put,
  put,
  put,
  putLines,
  putLines,
  drop,
  publish,
  publish,
  publish,
  publishLines,
  subscribe,
  unsubscribe,
  replay,
  take,
  take,
  take,
  take,
  work,
  work,
  byReceipt,
  byReceipt,
  move,
  redrive,
  sweepAll,
  lookAround,
];
