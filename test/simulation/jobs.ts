/** What simulated processes do: every act of the library, and of the verbs that are made of it. */
import { SpoolError } from "../../src/errors.ts";
import type { SpoolErrorCode } from "../../src/errors.ts";
import type { LeaseStyle } from "../../src/queue/lease.ts";
import type { Message } from "../../src/queue/message.ts";
import { ignore, syncDirectory, writeAll } from "../../src/disk/durable.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { parseReceipt } from "../../src/queue/receipt.ts";
import { settle, settleByReceipt, extendByReceipt } from "../../src/queue/settle.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { Slot } from "../../src/queue/slot.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import type { Actor } from "./actor.ts";
import { PATTERN, QUEUE, SPARE, TOPIC } from "./history.ts";
import type { Handing, Level, Sent, Subscription } from "./history.ts";

export type Job = (actor: Actor) => Promise<void>;

const LEVELS: readonly Level[] = ["error", "info"];

/** All that a put or publish may say, with nothing having come of it. */
const REFUSALS: readonly SpoolErrorCode[] = ["TRY_AGAIN"];

function told(actor: Actor, sent: Sent, outcome: unknown): void {
  sent.ended = actor.history.step();
  if (typeof outcome === "string") sent.result = outcome as SpoolErrorCode;
  else {
    const { id, duplicate } = outcome as { id?: string; duplicate?: boolean };
    sent.result = duplicate === true ? "duplicate" : "ok";
    if (id !== undefined) sent.id = id;
  }
}

function putOptions(actor: Actor): { priority?: number; delayMs?: number } {
  return {
    ...(actor.random() < 0.2 ? { priority: actor.upTo(10) } : {}),
    ...(actor.random() < 0.2 ? { delayMs: actor.upTo(3000) } : {}),
  };
}

/** One message, several in flight at once, or one with a key. */
async function put(actor: Actor): Promise<void> {
  const queue = actor.spool.queue(QUEUE);
  const one = async (): Promise<void> => {
    const key = actor.random() < 0.3 ? `k${actor.upTo(3)}` : undefined;
    const [sent] = actor.sending(QUEUE, [actor.body()], { key });
    const options = { ...putOptions(actor), ...(key === undefined ? {} : { dedupKey: key }) };
    const outcome = await actor.told(() => queue.put(sent!.body, options), ...REFUSALS);
    told(actor, sent!, outcome);
  };
  const count = actor.random() < 0.3 ? 2 + actor.upTo(4) : 1;
  await Promise.all(Array.from({ length: count }, one));
}

async function* lines(actor: Actor, sent: readonly Sent[]): AsyncGenerator<Uint8Array> {
  for (const { body } of sent) {
    yield Buffer.from(`${body}\n`);
    if (actor.random() < 0.1) await actor.sleep(actor.upTo(300));
  }
}

async function putLines(actor: Actor): Promise<void> {
  const bodies = Array.from({ length: 1 + actor.upTo(12) }, () => actor.body());
  const sent = actor.sending(QUEUE, bodies);
  const putter = actor.spool.queue(QUEUE).putMany({ batchMessages: 1 + actor.upTo(8) });
  const outcome = await actor.told(() => putter.run(lines(actor, sent)));
  for (const one of sent) told(actor, one, outcome);
}

/** A program that knows nothing of spools renames a file into the drop box. */
async function drop(actor: Actor): Promise<void> {
  const [sent] = actor.sending(QUEUE, [actor.body()]);
  const name = `${sent!.call}`;
  const { fs } = actor;
  const outside = `/outside/${name}`;
  const inside = `/spool/queues/${QUEUE}/drop/${name}`;
  const fd = await fs.open(outside, "create");
  await writeAll(fs, fd, Buffer.from(sent!.body), 0);
  await fs.sync(fd);
  // Not there any more: it worked, and its reply was lost.
  await ignore(() => fs.rename(outside, inside), "ENOENT");
  await fs.sync(fd);
  await fs.close(fd);
  await syncDirectory(fs, `/spool/queues/${QUEUE}/drop`);
  told(actor, sent!, {});
}

async function publish(actor: Actor): Promise<void> {
  const topic = await actor.spool.topic(TOPIC);
  const one = async (): Promise<void> => {
    const level = actor.pick(LEVELS);
    const key = actor.random() < 0.25 ? `t${actor.upTo(3)}` : undefined;
    const [sent] = actor.sending(TOPIC, [actor.body()], { level, key });
    const options = { headers: { level }, ...(key === undefined ? {} : { dedupKey: key }) };
    const outcome = await actor.told(() => topic.publish(sent!.body, options), ...REFUSALS);
    told(actor, sent!, outcome);
  };
  const count = actor.random() < 0.3 ? 2 + actor.upTo(3) : 1;
  await Promise.all(Array.from({ length: count }, one));
}

async function publishLines(actor: Actor): Promise<void> {
  const topic = await actor.spool.topic(TOPIC);
  const level = actor.pick(LEVELS);
  const bodies = Array.from({ length: 1 + actor.upTo(6) }, () => actor.body());
  const sent = actor.sending(TOPIC, bodies, { level });
  const batchMessages = bodies.length;
  const putter = topic.publishMany({ headers: { level }, batchMessages, lingerMs: 60_000 });
  const outcome = await actor.told(() => putter.run(lines(actor, sent)), ...REFUSALS);
  for (const one of sent) told(actor, one, outcome);
}

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
  if (typeof outcome === "number") subscription.made = history.step();
  else subscription.closing = history.step();
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

async function settleOne(actor: Actor, handing: Handing, message: Message): Promise<void> {
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
  const consumer = queue.consumer(style, { leaseMs });
  const want = 1 + actor.upTo(8);
  const slot = new Slot(consumer, queue.room, want);
  const unsettled: { readonly message: Message; readonly handing: Handing }[] = [];
  for (let taken = 0; taken < want; taken++) {
    const message = await slot.next(want - taken);
    if (message === undefined) break;
    const handing = await actor.handed(message, since);
    if (actor.random() < 0.2) await actor.sleep(actor.upTo(leaseMs * 1.5));
    if (style === "handed out") {
      const text = await message.receipt();
      actor.receipts.push({ text, handing });
      await message.leave();
    } else if (actor.random() < 0.8) await settleOne(actor, handing, message);
    else unsettled.push({ message, handing });
  }
  for (const { message, handing } of unsettled) {
    if (actor.random() < 0.5) await settleOne(actor, handing, message);
    if (message.isSettled) continue;
    await actor.settle(handing, "give back", () => message.giveBack());
  }
  await slot.close();
  await (style === "handed out" ? consumer.leave() : consumer.close());
}

function anyPlace(actor: Actor): string {
  const names = [QUEUE, QUEUE, SPARE, ...actor.history.openSubscriptions().map(({ name }) => name)];
  return actor.pick(names);
}

/** A consumer is told when its lease is lost, or its queue is gone. */
async function quietly(actor: Actor, name: string, act: () => Promise<void>): Promise<void> {
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

async function take(actor: Actor): Promise<void> {
  const name = anyPlace(actor);
  await quietly(actor, name, () => takeFrom(actor, actor.spool.queue(name)));
}

/** A worker's loop, until it is empty, with several handlers at once. */
async function work(actor: Actor): Promise<void> {
  const name = anyPlace(actor);
  const since = actor.history.step();
  const handler = async (message: Message): Promise<void> => {
    const handing = await actor.handed(message, since);
    if (actor.random() < 0.2) await actor.sleep(actor.upTo(3000));
    if (actor.random() < 0.1) throw new Error("not now");
    await settleOne(actor, handing, message);
    if (!message.isSettled) await actor.settle(handing, "ack", () => message.ack());
  };
  const options = { untilEmpty: true, concurrency: 1 + actor.upTo(3), maxMessages: 12 };
  await quietly(actor, name, async () => {
    await actor.spool.queue(name).work(handler, options);
  });
}

/** Somebody who has a receipt: often late, often more than once. */
async function byReceipt(actor: Actor): Promise<void> {
  if (actor.receipts.length === 0) return;
  const { text, handing } = actor.pick(actor.receipts);
  const receipt = parseReceipt(text);
  const { room, buckets } = actor.spool.queue(receipt.queue);
  if (actor.random() < 0.2) {
    const extend = (): Promise<void> => extendByReceipt(room, receipt, 5000);
    await quietly(actor, receipt.queue, extend);
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
  await quietly(actor, from, async () => {
    await actor.spool.queue(from).moveTo(actor.spool.queue(to), { max });
  });
}

async function redrive(actor: Actor): Promise<void> {
  const queue = actor.spool.queue(QUEUE);
  await queue.moveTo(queue, { states: ["dead"] });
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
