/**
 * One process that uses the library: `node topic-library.ts LIB ROLE LOG WHO JSON`.
 *
 *   publish   one message, one with a key, five in flight at once; and again
 *   batch     five in one batch, as they share it in `publish`, and no more
 *   watch     makes a subscription, looks after a while at what it got, removes it; and again
 *   recover   finishes and undoes what the dead left, for each line of stdin, and says how much it was
 *
 * What it was told and what it saw it writes to LOG, one line of JSON at a time, appended: so a kill
 * loses nothing that was said. Times are of the machine's monotonic clock, the same for all processes.
 */
import { appendFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";

/** A publish that said success. */
export interface Published {
  readonly what: "published";
  readonly token: string;
  readonly id: string;
  /** Its header of that name. */
  readonly level: string;
  readonly beganNs: number;
  readonly saidNs: number;
}

/** A subscription that was there all the time between these two, and what it held at the end. */
export interface Watched {
  readonly what: "watched";
  readonly name: string;
  readonly fromNs: number;
  readonly untilNs: number;
  /** The names of its slices; of those that were consumed, the ids. */
  readonly slices: readonly string[];
  readonly taken: readonly string[];
}

export interface Orders {
  readonly topic: string;
  /** Ends by itself after this long, in ms. */
  readonly forMs?: number;
  /** Between one turn and the next, at the most, in ms. */
  readonly pauseMs?: number;
  /** Of who watches. */
  readonly from?: "now" | "start";
  readonly filter?: string;
  /** What its subscriptions are called: with a number, or all the same, which others may make, too. */
  readonly name?: string;
  readonly isShared?: boolean;
  /** Consumes what it got before it looks. */
  readonly takes?: boolean;
}

const [, , lib = "", role = "", log = "", who = "", orders = "{}"] = process.argv;
const { openSpool } = (await import(`${lib}/index.js`)) as typeof import("../../src/index.ts");
const { DEFAULT_SETTINGS } = (await import(
  `${lib}/queue/settings.js`
)) as typeof import("../../src/queue/settings.ts");

const { topic: topicName, forMs = 3600_000, pauseMs = 5, ...ways } = JSON.parse(orders) as Orders;
const spool = await openSpool({ dir: process.env["SPOOL_DIR"]! });
const topic = await spool.topic(topicName);
const endMs = performance.now() + forMs;
const nowNs = (): number => Number(process.hrtime.bigint());

const say = (note: Published | Watched): void => appendFileSync(log, `${JSON.stringify(note)}\n`);
const pause = (): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.random() * pauseMs));

async function publishOne(token: string, level: string, dedupKey?: string): Promise<void> {
  const beganNs = nowNs();
  const { id } = await topic.publish(token, {
    headers: { level },
    ...(dedupKey !== undefined && { dedupKey }),
  });
  say({ what: "published", token, id, level, beganNs, saidNs: nowNs() });
}

async function publish(): Promise<void> {
  for (let round = 0; performance.now() < endMs; round++) {
    const token = `${who}-${round}`;
    if (round % 3 === 0) await publishOne(token, "even");
    else if (round % 3 === 1) await publishOne(token, "even", token);
    else await publishBatch(token);
    await pause();
  }
}

/** In one turn of the event loop, so they share a batch. */
async function publishBatch(token: string): Promise<void> {
  const levels = ["even", "odd", "even", "odd", "even"];
  await Promise.all(levels.map((level, index) => publishOne(`${token}-${index}`, level)));
}

async function watch(): Promise<void> {
  const { from = "now", filter = "", name = who, isShared = false } = ways;
  for (let round = 0; performance.now() < endMs; round++) {
    const own = isShared ? name : `${name}-${round}`;
    const made = await topic.subscribe(own, { from, settings: { ...DEFAULT_SETTINGS, filter } });
    const fromNs = nowNs();
    await pause();
    // Whoever has made it removes it: who has not, only tried to make it meanwhile.
    if (made !== undefined) await look(own, fromNs);
  }
}

async function look(name: string, fromNs: number): Promise<void> {
  const queue = topic.subscription(name);
  const taken: string[] = [];
  const untilNs = nowNs();
  if (ways.takes) {
    for await (const message of queue.messages({ untilEmpty: true })) {
      taken.push(message.id);
      await message.ack();
    }
  }
  const { ready } = queue.room.layout;
  const slices = readdirSync(ready).flatMap((bucket) => readdirSync(`${ready}/${bucket}`));
  say({ what: "watched", name, fromNs, untilNs, slices, taken });
  await topic.unsubscribe(name);
}

async function recover(): Promise<void> {
  console.log("ready");
  for await (const _ of createInterface(process.stdin)) console.log(await topic.recover());
}

const ROLES: Readonly<Record<string, () => Promise<void>>> = {
  publish,
  batch: () => publishBatch(who),
  watch,
  recover,
};
await ROLES[role]!();
