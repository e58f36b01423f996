/** What a spool holds after a power cut, once everything that recovers it has been there. */
import { existsSync, readdirSync } from "node:fs";
import { basename } from "node:path";

import { UNKNOWN_PROCESS } from "../../src/disk/processes.ts";
import { parseSlice } from "../../src/message/slice.ts";
import { pathOfQueue, pathOfTopic } from "../../src/names.ts";
import { look, STATES } from "../../src/queue/browse.ts";
import { parseLeaseName } from "../../src/queue/lease.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { LaterClock } from "../processes/aftermath.ts";
import { CarefulFileSystem } from "./careful.ts";
import type { Order } from "./careful.ts";
import { HANDED_OUT_MS } from "./other-roles.ts";
import { payloadOf, tokenOf } from "./journal.ts";
import type { Known } from "./journal.ts";

/** A message, as often as it is there. */
export interface Copy {
  readonly queue: string;
  readonly token: string;
  readonly isDead: boolean;
  /** Of a delivery of its own: its id. */
  readonly replay: string | undefined;
}

export interface Observed {
  /** Queues, topics and subscriptions. */
  readonly places: ReadonlySet<string>;
  readonly copies: readonly Copy[];
  /** Batches whose bytes are not what they were, and where. */
  readonly damaged: readonly { readonly queue: string; readonly batch: string }[];
  /** Whatever must not be, for a person to read. */
  readonly wrong: readonly string[];
  /** Keys that were put once more: whether they had been seen. */
  readonly keys: ReadonlyMap<string, boolean>;
  /** The setting that the workload changes, of each place. */
  readonly limits: ReadonlyMap<string, number>;
}

export interface Ways {
  /** Calls with a key that are repeated. */
  readonly again: readonly Known[];
  /** They are repeated before anything else is recovered. */
  readonly isAgainFirst: boolean;
  /** Every queue is consumed, too. */
  readonly isDrained: boolean;
  /** Who recovers it keeps to this order. */
  readonly order: Order;
}

const NONE: Observed = {
  places: new Set(),
  copies: [],
  damaged: [],
  wrong: [],
  keys: new Map(),
  limits: new Map(),
};

/** By then every lease has ended that was handed out, and every delay of the workload. */
const LATER_MS = 2 * HANDED_OUT_MS;

export async function observe(dir: string, ways: Ways): Promise<Observed> {
  if (!existsSync(`${dir}/spool.json`)) return NONE;
  const fs = ways.order === "careful" ? { fs: new CarefulFileSystem({ blocking: true }) } : {};
  const parts = { ...fs, clock: new LaterClock(LATER_MS) };
  const spool = await openSpool({ dir, create: false, blocking: true, parts });
  const wrong: string[] = [];
  const keys = new Map<string, boolean>();
  const repeat = async (): Promise<void> => {
    for (const call of ways.again) keys.set(call.key!, await putAgain(spool, call));
  };
  if (ways.isAgainFirst) await repeat();
  await collect(spool, (line) => wrong.push(line));
  if (!ways.isAgainFirst) await repeat();
  const topics = await spool.topicNames();
  const queues = [...(await spool.queueNames()), ...(await spool.subscriptionNames())];
  const seen: Seen = { copies: [], damaged: [], wrong };
  for (const queue of queues) await lookInto(spool, queue, seen);
  await verify(spool, queues, topics, seen);
  findGarbage(dir, queues, topics, wrong);
  if (ways.isDrained) for (const queue of queues) await drain(spool, queue, seen);
  const limits = new Map<string, number>();
  for (const name of queues) limits.set(name, (await spool.queue(name).settings()).maxMessageBytes);
  for (const name of topics) {
    limits.set(name, (await (await spool.topic(name)).settings()).maxMessageBytes);
  }
  return { ...seen, places: new Set([...queues, ...topics]), keys, limits };
}

/** What is collected on the way. */
interface Seen {
  readonly copies: Copy[];
  readonly damaged: { readonly queue: string; readonly batch: string }[];
  readonly wrong: string[];
}

/** The same put or publish once more; true where its key was known. */
async function putAgain(spool: Spool, call: Known): Promise<boolean> {
  const [token = ""] = call.tokens ?? [];
  const options = { dedupKey: call.key!, headers: { level: call.level ?? "" } };
  const topics = await spool.topicNames();
  const target = topics.includes(call.place)
    ? (await spool.topic(call.place)).publish(payloadOf(token), options)
    : spool.queue(call.place).put(payloadOf(token), options);
  return (await target).duplicate;
}

/** What `spool gc` does. */
async function collect(spool: Spool, warn: (line: string) => void): Promise<void> {
  await spool.clearRemoved();
  for (const name of await spool.topicNames()) {
    const topic = await spool.topic(name);
    topic.warn = warn;
    await topic.sweep();
  }
  const queues = [...(await spool.queueNames()), ...(await spool.subscriptionNames())];
  for (const name of queues) await spool.queue(name).sweep(warn);
}

async function lookInto(spool: Spool, name: string, seen: Seen): Promise<void> {
  const queue = spool.queue(name);
  for (const state of STATES) {
    for await (const found of queue.browse(state)) {
      const { slice, path } = found;
      if (state === "inflight") seen.wrong.push(`${path}: still held by a dead consumer`);
      // Once for each file, whatever is said of it.
      let said = "";
      for await (const one of look(queue.room, found, (line) => (said = line))) {
        const token = tokenOf(await one.body());
        const isDead = state === "dead";
        if (token === undefined) seen.wrong.push(`${path}: not what was put`);
        else seen.copies.push({ queue: name, token, isDead, replay: slice.replay });
      }
      if (said !== "") seen.damaged.push({ queue: name, batch: slice.batch });
    }
  }
}

async function verify(
  spool: Spool,
  queues: readonly string[],
  topics: readonly string[],
  seen: Seen,
): Promise<void> {
  const damaged = new Set(seen.damaged.map(({ batch }) => batch));
  const verified = [];
  for (const name of queues) verified.push(await spool.queue(name).verify());
  for (const name of topics) verified.push(await (await spool.topic(name)).verify());
  for (const { path, problem } of verified.flatMap(({ findings }) => findings)) {
    const batch = parseSlice(basename(path).replace(/\.reason$/, ""))?.batch ?? "";
    // It comes before its letter, and is kept for an hour.
    if (problem === "a reason without its dead letter") continue;
    if (!damaged.has(batch)) seen.wrong.push(`verify: ${path}: ${problem}`);
  }
}

/** Where nothing is once everything that was begun has been finished or undone. */
const PASSING = ["tmp", "aside", "leases", "reclaim", "drop", "incoming"];
const PASSING_IN_TOPIC = ["tmp", "aside", "staging", "aborted", "committed", "filling"];

function findGarbage(
  dir: string,
  queues: readonly string[],
  topics: readonly string[],
  wrong: string[],
): void {
  const paths = [
    ...queues.flatMap((name) => PASSING.map((of) => `${dir}/${pathOfQueue(name)}/${of}`)),
    ...topics.flatMap((name) => PASSING_IN_TOPIC.map((of) => `${dir}/${pathOfTopic(name)}/${of}`)),
  ];
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const names = readdirSync(path);
    for (const name of names) {
      if (!isYoungLock(name, names)) wrong.push(`${path}/${name}: left over`);
    }
  }
}

/**
 * The lock of a lease that was about to be handed out: the cut has left the one `mkdir` and not the other. Nobody knows
 * whether its process lives, so it goes after an hour (docs/format.md); `verify` says nothing of it until then.
 */
function isYoungLock(name: string, names: readonly string[]): boolean {
  const lease = parseLeaseName(name.replace(/\.lock$/, ""));
  const isLock = name.endsWith(".lock") && lease?.process === UNKNOWN_PROCESS;
  return isLock && !names.includes(lease.name);
}

/** What a consumer gets is what was seen there, each once. */
async function drain(spool: Spool, name: string, seen: Seen): Promise<void> {
  const expected = new Map<string, number>();
  const isHere = (copy: Copy): boolean => copy.queue === name && !copy.isDead;
  for (const { token } of seen.copies.filter(isHere)) add(expected, token, 1);
  const queue = spool.queue(name);
  for await (const one of queue.peek("scheduled")) add(expected, tokenOf(await one.body())!, -1);
  for await (const message of queue.messages({ untilEmpty: true })) {
    const token = tokenOf(await message.body());
    if (token === undefined) seen.wrong.push(`${name}: delivered what was not put: ${message.id}`);
    else add(expected, token, -1);
    await message.ack();
  }
  for (const [token, left] of expected) {
    if (left > 0) seen.wrong.push(`${name}: not delivered: ${token}`);
    // One that was scheduled when it was looked at may be due by now.
    if (left < -1) seen.wrong.push(`${name}: delivered too often: ${token}`);
  }
  for await (const found of queue.browse("dead")) {
    const { reason } = await queue.reasonOf(found.name);
    const isKnown = seen.damaged.some(({ batch }) => batch === found.slice.batch);
    if (reason.startsWith("damaged") && !isKnown) seen.wrong.push(`${found.path}: ${reason}`);
  }
}

function add(counts: Map<string, number>, token: string, by: number): void {
  counts.set(token, (counts.get(token) ?? 0) + by);
}
