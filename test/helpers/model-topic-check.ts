/** What must be true of a topic's history once all is quiet: see test/model/topic-race.test.ts. */
import assert from "node:assert/strict";

import { STAGING_MS } from "../../src/limits.ts";
import { timeOfId } from "../../src/message/id.ts";
import { Slot } from "../../src/queue/slot.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import { keyOf, NAMES, SUBSCRIPTIONS } from "./model-topic-history.ts";
import type { History, Life, Publish, Replay } from "./model-topic-history.ts";
import { TOPIC, TOPICS } from "./model-topic-world.ts";
import type { Process, TopicWorld } from "./model-topic-world.ts";

/** Body to id, of all that the log has in the end. */
export type Kept = ReadonlyMap<string, string>;

/** All processes are dead or done: one more cleans up, and takes what there is. */
export async function conclude(world: TopicWorld, { isCalm, patienceMs }: Given): Promise<Kept> {
  const last = await world.open("last");
  // Where nobody died, nothing has to wait until it is so old that it can be nobody's.
  if (isCalm) {
    world.turns.advance(STAGING_MS + 1000);
    await cleanUp(world, last, true);
  }
  world.turns.advance(patienceMs);
  await cleanUp(world, last, false);
  for (const name of NAMES) await world.drain(last, name);
  const topic = await last.spool.topic(TOPIC);
  await topic.subscribe("audit", { from: "start" });
  const kept = new Map<string, string>();
  const queue = topic.subscription("audit");
  const slot = new Slot(queue.consumer("brief"), queue.room);
  for (let message = await slot.next(); message; message = await slot.next()) {
    const body = (await message.body()).toString();
    assert.ok(!kept.has(body), `${body} is twice in the log`);
    kept.set(body, message.id);
    await message.ack();
  }
  return kept;
}

async function cleanUp(world: TopicWorld, last: Process, isEarly: boolean): Promise<void> {
  for (let times = 0; times < 2; times++) await world.clean(last, "sweep");
  for (const name of TOPICS) {
    const topic = await last.spool.topic(name);
    for (const { queue } of await topic.members()) await queue.sweep();
    checkDirectories(world, `/spool/topics/${name.replace("*", "+")}`, isEarly);
    if (name === TOPIC) assert.deepEqual((await topic.verify()).findings, []);
    for (const { queue } of await topic.members()) {
      assert.deepEqual((await queue.verify()).findings, []);
    }
  }
}

function checkDirectories(world: TopicWorld, root: string, isEarly: boolean): void {
  const left: string[] = [];
  const look = (path: string, isWrong: (name: string) => boolean = () => true): void => {
    for (const name of world.list(path)) if (isWrong(name)) left.push(`${path}/${name}`);
  };
  for (const part of ["tmp", "filling", "aborted", "committed", "aside"]) look(`${root}/${part}`);
  // A replay to a pattern whose directories go meanwhile may leave its ticket there for an hour.
  if (!isEarly || !root.includes("+")) look(`${root}/staging`);
  look(`${root}/subscriptions`, (name) => name.startsWith("."));
  for (const name of world.list(`${root}/subscriptions`)) {
    const own = `${root}/subscriptions/${name}`;
    for (const part of ["tmp", "incoming", "leases", "reclaim", "aside"]) look(`${own}/${part}`);
  }
  assert.deepEqual(left, [], "nothing is left");
}

export interface Given {
  /** Nobody died, and no call failed. */
  readonly isCalm: boolean;
  /** How old things must be that nobody can be asked about. */
  readonly patienceMs: number;
  /** Some calls found the disk full: then what was published is visible later, and may not be in the log yet. */
  readonly isFull: boolean;
  /** Somebody stood still for so long that its draft was swept, or its key forgotten, by others. */
  readonly isLong: boolean;
  readonly tookMs: number;
}

export function check(history: History, kept: Kept, given: Given): void {
  for (const publish of history.publishes) {
    checkKept(publish, kept, given);
    for (const life of history.lives) checkDelivery(life, publish, kept, given);
  }
  for (const replay of history.replays) checkReplay(history, replay, given);
  for (const { acked, name } of history.lives) {
    for (const [key, times] of acked) assert.equal(times, 1, `${name} got ${key} twice`);
  }
  checkKeys(history, kept, given);
}

/** True where its caller was told that nobody got it. */
function isRefused({ result, key }: Publish, { isLong }: Given): boolean {
  if (key === undefined) return result === "TRY_AGAIN" || result === "DISK_FULL";
  // With a key and a full disk it may have been promised already: whoever tries again is answered with
  // its id. And a key is forgotten by others while its publisher sleeps for an hour.
  return (result === "TRY_AGAIN" || result === "duplicate") && !isLong;
}

function checkKept(publish: Publish, kept: Kept, given: Given): void {
  const { body, result, id = "" } = publish;
  if (result === "ok") assert.equal(kept.get(body), id, `${body} is in the log`);
  if (isRefused(publish, given))
    assert.ok(!kept.has(body), `${body}: ${result}, and is in the log`);
  if (result !== "duplicate" || given.isLong) return;
  assert.ok([...kept.values()].includes(id), `${body}: a duplicate of ${id}, which nobody has`);
}

const wants = ({ name }: Life | Replay, { level }: Publish): boolean =>
  (SUBSCRIPTIONS[name].level ?? level) === level;

const isToTheEnd = ({ closed }: Life): boolean => closed === Number.POSITIVE_INFINITY;

function checkDelivery(life: Life, publish: Publish, kept: Kept, given: Given): void {
  const { body, result, id = "" } = publish;
  const { name, made, closed } = life;
  const isHanded = life.handed.has(body);
  const isThere = isHanded || life.left.has(id.includes(".") ? id : `${id}.0`);
  const told = `${body}: ${result ?? "died"}; ${name}`;
  if (isHanded) {
    assert.ok(wants(life, publish), `${told} got it, and does not want it`);
    assert.ok(!isRefused(publish, given), `${told} got it`);
  }
  if (made === undefined || !wants(life, publish)) return;
  const isFromStart = SUBSCRIPTIONS[name].from === "start";
  const isForIt = isFromStart || publish.began > made;
  if (isForIt && isToTheEnd(life)) {
    const has = kept.has(body);
    assert.equal(isHanded, has, `${told} ${has ? "does not have" : "has"} it`);
  } else if (isForIt && isVisibleAt(publish, closed) && !given.isFull) {
    assert.ok(isThere, `${told} had not got it when it was removed`);
  }
}

/** With a key it is promised when it is told; whoever is at it may still be on the way. */
function isVisibleAt({ key, result, ended }: Publish, step: number): boolean {
  return key === undefined && result === "ok" && ended! < step;
}

function checkReplay(history: History, replay: Replay, { isFull }: Given): void {
  const { life, tag, result, began, name } = replay;
  if (life === undefined || !isToTheEnd(life)) return;
  const got = new Set<string>();
  for (const { body } of history.publishes) if (life.handed.has(keyOf(body, tag))) got.add(body);
  if (tag === undefined) got.clear();
  if (typeof result === "string") assert.equal(got.size, 0, `a replay to ${name}: ${result}`);
  if (typeof result === "number") assert.equal(got.size, result, `of a replay to ${name}`);
  if (typeof result === "string" || isFull || (result === undefined && got.size === 0)) return;
  for (const publish of history.publishes) {
    const isIn = isVisibleAt(publish, began) && wants(replay, publish);
    if (isIn) assert.ok(got.has(publish.body), `a replay to ${name} is without ${publish.body}`);
  }
}

/** A key is delivered once within its window. Markers are forgotten after three windows. */
function checkKeys({ publishes }: History, kept: Kept, { tookMs }: Given): void {
  const { dedupWindowMs } = DEFAULT_TOPIC_SETTINGS;
  if (tookMs > 3 * dedupWindowMs) return;
  const seen = new Map<string, number[]>();
  for (const { body, key } of publishes) {
    const id = kept.get(body);
    if (key === undefined || id === undefined) continue;
    const times = seen.get(key) ?? [];
    for (const ms of times) {
      const apartMs = Math.abs(ms - timeOfId(id));
      assert.ok(apartMs > dedupWindowMs, `${key} twice within ${apartMs} ms`);
    }
    seen.set(key, [...times, timeOfId(id)]);
  }
}
