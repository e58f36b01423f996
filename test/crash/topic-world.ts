/**
 * A topic with three subscribers, one of whom wants only some of the messages and one of whom hears it
 * through a pattern; where they live; what can be left over of their lives; and how to look at all that there is.
 */
import type { Headers } from "../../src/message/batch.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { QueueSettings } from "../../src/queue/settings.ts";
import { Slot } from "../../src/queue/slot.ts";
import type { Queue } from "../../src/queue/queue.ts";
import type { Spool } from "../../src/spool.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import type { TopicSettings } from "../../src/topic/settings.ts";
import type { Topic } from "../../src/topic/topic.ts";
import { Crash } from "../helpers/crashing-file-system.ts";
import { MemoryDisk, ModelTime } from "../helpers/model-disk.ts";
import { text } from "./every-crash.ts";
import { add, placeIn, thereIs, TopicTold } from "./topic-told.ts";
import { EXT4, NFS, SOON_MS, World } from "./world.ts";
import type { Life, LifeOptions, Process } from "./world.ts";

export const TOPIC = "logs.web";
export const PATTERN = "logs.*";
export const ALL = `${TOPIC}/all`;
/** Only what has level=error. */
export const ERRORS = `${TOPIC}/errors`;
export const ANY = `${PATTERN}/any`;
/** Made in the course of the life. */
export const NEW = `${TOPIC}/new`;
export const NEW_ERRORS = `${TOPIC}/new-errors`;
export const NEW_ANY = `${PATTERN}/new`;
/** What the log keeps, as if it were a subscription. */
export const LOG = "the log";

export const ERROR = { level: "error" };
export const KEEP_ALL: Partial<TopicSettings> = { retentionMs: Number.POSITIVE_INFINITY };

// Most errors here are answers of the disk, and vitest's long stacks cost more than all else.
Error.stackTraceLimit = 5;

/** A file system that needs one sync and is not shared, and one of the other kind. */
export const TYPES = [
  ["ext4", EXT4],
  ["nfs", NFS],
] as const;

export const HOUR_MS = 3600_000;

export type TopicAct = (process: Process, told: TopicTold, world: World) => Promise<unknown>;

export interface TopicStart {
  /** Default: no log. */
  readonly settings?: Partial<TopicSettings>;
  /** Who has subscribed from the start. Default: ALL, ERRORS and ANY. */
  readonly subscriptions?: readonly string[];
  /** Who has, once it is there, also what was published before it came. */
  readonly fromStart?: readonly string[];
  /** What was there before: by a process that ends without dying. */
  readonly before?: TopicAct;
}

/** Whose name ends with "errors" wants nothing else. */
const wantsErrors = (subscription: string): boolean => subscription.endsWith("errors");

export function wantsOf(subscription: string): (headers: Headers) => boolean {
  return wantsErrors(subscription) ? ({ level }) => level === "error" : () => true;
}

export function settingsOf(subscription: string): QueueSettings {
  const filter = wantsErrors(subscription) ? "level=error" : "";
  return { ...DEFAULT_SETTINGS, leaseMs: HOUR_MS, backoffBaseMs: 0, backoffCapMs: 0, filter };
}

/** The topic that a subscription is of, and its own name. */
export async function parted(spool: Spool, subscription: string): Promise<[Topic, string]> {
  const slash = subscription.indexOf("/");
  return [await spool.topic(subscription.slice(0, slash)), subscription.slice(slash + 1)];
}

/** Makes the topic and its subscribers. */
export async function begin(
  world: World,
  { settings, subscriptions = [ALL, ERRORS, ANY], fromStart = [], before }: TopicStart,
): Promise<TopicTold> {
  const told = new TopicTold();
  await world.run(async (process) => {
    if (settings !== undefined) {
      const topic = await process.spool.topic(TOPIC);
      await topic.create({ ...DEFAULT_TOPIC_SETTINGS, ...settings });
      told.hears(LOG);
      told.done([thereIs(LOG)]);
    }
    for (const name of subscriptions) {
      const [topic, own] = await parted(process.spool, name);
      await topic.subscribe(own, { settings: settingsOf(name) });
      told.hears(name, wantsOf(name));
      told.done([thereIs(name)]);
    }
    for (const name of fromStart) told.hears(name, wantsOf(name));
    await before?.(process, told, world);
  });
  return told;
}

/**
 * A world in memory: a topic has many directories, and thousands of topics are made here. The disk's
 * time goes on with each call, by a second from process to process, and to where a life says it is.
 */
export class TopicWorld extends World {
  readonly #time: ModelTime;
  readonly #startMs: number;

  /** @param links  how many names a file may have. */
  constructor(knowsTheDead: boolean, type: number, links = Number.POSITIVE_INFINITY) {
    const time = new ModelTime();
    super("/spool", knowsTheDead, type, new FewLinksDisk(time, type, links));
    this.#time = time;
    this.#startMs = time.nowMs;
  }

  override async run(life: Life, { aheadMs = 0, before }: LifeOptions = {}): Promise<boolean> {
    const time = this.#time;
    time.nowMs = Math.max(time.nowMs + SOON_MS, this.#startMs + aheadMs);
    let circle = "";
    const hasDied = await super.run(life, {
      before: (call, name, path) => {
        time.advance(CALL_MS);
        if (call > LIFE_CALLS) throw new Crash((circle = `in circles: ${name} ${path}`));
        return before?.(call, name, path);
      },
    });
    if (circle !== "") throw new Error(circle);
    return hasDied;
  }
}

/** No life here needs so many calls. */
const LIFE_CALLS = 5000;

/** What a call takes, as the clocks of the processes have it. */
const CALL_MS = 0.1;

class FewLinksDisk extends MemoryDisk {
  readonly #links: number;

  constructor(time: ModelTime, type: number, links: number) {
    super(time, type);
    this.#links = links;
  }

  override link(from: string, to: string): void {
    super.link(from, to);
    // A name that is taken is said first, as Linux does.
    if (this.lstat(to).links <= this.#links) return;
    this.unlink(to);
    throw Object.assign(new Error(`EMLINK: too many links, link '${from}'`), { code: "EMLINK" });
  }
}

/** Sweeps all that there is, as `gc` does. */
export async function sweepAll({ spool }: Pick<Process, "spool">): Promise<void> {
  for (const name of await topicsOf(spool)) await (await spool.topic(name)).sweep();
  for (const name of await spool.subscriptionNames()) await spool.queue(name).sweep();
}

export async function topicsOf(spool: Spool): Promise<string[]> {
  return [...(await spool.topicNames()), ...(await spool.patternNames())];
}

/** Takes what is ready in every subscription; each consumer first puts right what the dead left. */
export async function drainAll(
  { spool }: Pick<Process, "spool">,
  { found }: Pick<TopicTold, "found">,
): Promise<void> {
  for (const name of await spool.subscriptionNames()) await drain(spool.queue(name), found);
}

/** Takes what is ready now. Unlike a program it does not wait for what others may give back. */
export async function drain(queue: Queue, found: Map<string, number>): Promise<void> {
  const consumer = queue.consumer("brief");
  const slot = new Slot(consumer, queue.room);
  for (let message = await slot.next(); message; message = await slot.next()) {
    add(found, placeIn(queue.name, await text(message)));
    await message.ack();
  }
  await slot.close();
  await consumer.close();
}

/** What the log holds, as a subscriber finds it who begins at the start. */
export async function readLog(spool: Spool, found: Map<string, number>): Promise<void> {
  if (!(await spool.topicNames()).includes(TOPIC)) return;
  found.set(thereIs(LOG), 1);
  const topic = await spool.topic(TOPIC);
  await topic.subscribe("audit", { from: "start" });
  const seen = new Map<string, number>();
  await drain(topic.subscription("audit"), seen);
  await topic.unsubscribe("audit");
  for (const [place, times] of seen) add(found, `${LOG}${place.slice(place.indexOf(":"))}`, times);
}

/** What is wrong anywhere, by its own account. */
export async function findingsIn(spool: Spool): Promise<string[]> {
  const said: string[] = [];
  const all: { verify(): ReturnType<Queue["verify"]> }[] = [];
  for (const name of await topicsOf(spool)) all.push(await spool.topic(name));
  for (const name of await spool.subscriptionNames()) all.push(spool.queue(name));
  for (const one of all) {
    const { findings } = await one.verify();
    said.push(...findings.map(({ path, problem }) => `${path}: ${problem}`));
  }
  return said;
}

const OF_TOPIC = ["tmp", "staging", "aborted", "committed", "filling"];
const OF_SUBSCRIPTION = ["tmp", "incoming", "leases", "reclaim", "drop"];

/**
 * What is in places that should be empty now: fan-outs and drafts, subscriptions that were never made
 * or are removed, patterns that nobody uses.
 */
export function leftIn(world: World): string[] {
  const left: string[] = [];
  const lookInto = (path: string, places: readonly string[]): void => {
    for (const place of places) {
      for (const name of listIn(world, `${path}/${place}`)) left.push(`${path}/${place}/${name}`);
    }
  };
  for (const directory of listIn(world, "topics")) {
    const path = `topics/${directory}`;
    if (directory.startsWith(".")) left.push(path);
    else {
      lookInto(path, OF_TOPIC);
      const names = listIn(world, `${path}/subscriptions`);
      if (names.length === 0 && directory.includes("+")) left.push(path);
      for (const name of names) {
        const own = `${path}/subscriptions/${name}`;
        if (name.startsWith(".")) left.push(own);
        else lookInto(own, OF_SUBSCRIPTION);
      }
    }
  }
  return left;
}

/** The names in a directory; none where it is not there. */
export function listIn(world: World, path: string): string[] {
  try {
    return world.list(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
