/** Processes that use one topic, each doing its jobs one after the other, all writing one history. */
import { DiskClock } from "../../src/clock.ts";
import { ignore } from "../../src/disk/durable.ts";
import { SpoolError } from "../../src/errors.ts";
import type { SpoolErrorCode } from "../../src/errors.ts";
import { parseSlice } from "../../src/message/slice.ts";
import { Slot } from "../../src/queue/slot.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { QueueSettings } from "../../src/queue/settings.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import { parseLink } from "../../src/topic/ticket.ts";
import { Crash } from "./crashing-file-system.ts";
import { chance } from "./model-chance.ts";
import { History, keyOf, SUBSCRIPTIONS } from "./model-topic-history.ts";
import type { Level, Life, Name, Publish, Replay } from "./model-topic-history.ts";
import { placeOf } from "./model-topic-place.ts";
import type { Turns } from "./model-topic-turns.ts";

export const TOPIC = "logs.app";
export const TOPICS = [TOPIC, "logs.*"] as const;

export type Job =
  | { readonly job: "publish"; readonly levels: readonly Level[] }
  | { readonly job: "keyed"; readonly levels: readonly Level[]; readonly key: number }
  | { readonly job: "subscribe" | "unsubscribe" | "replay" | "drain"; readonly name: Name }
  | { readonly job: "recover" | "sweep" };

/** One process: what it has open, and what it is about. */
export class Process {
  readonly name: string;
  readonly spool: Spool;
  bodies = 0;
  /** The life that it last made visible, and the one that it last claimed from. */
  opened: Life | undefined;
  claimed: Life | undefined;
  replay: Replay | undefined;
  isSubscribing = false;

  constructor(name: string, spool: Spool) {
    this.name = name;
    this.spool = spool;
  }
}

export class TopicWorld {
  readonly history = new History();
  readonly turns: Turns;
  readonly warnings: string[] = [];
  /** What came about, and how often: so that a test can see that it reaches every corner. */
  readonly met = new Map<string, number>();
  readonly #mayFail: readonly "IO"[];
  readonly #gone = new Set<string>();
  readonly #processes = new Map<string, Process>();

  constructor(turns: Turns, mayFail: readonly "IO"[]) {
    this.turns = turns;
    this.#mayFail = mayFail;
    turns.before = (_, name, from) => {
      const place = name === "rename" ? placeOf(from) : undefined;
      if (place?.part !== "" || place.isFilling || this.history.current(place.name) === undefined)
        return;
      this.history.closes(place.name, this.#idsIn(from));
    };
    turns.after = (process, name, from, to) => {
      if (name === "rename") this.#renamed(this.#processes.get(process)!, from, to);
      else if (name === "land") this.#linked(this.#processes.get(process)!, to);
    };
  }

  meet(what: string): void {
    this.met.set(what, (this.met.get(what) ?? 0) + 1);
  }

  #renamed(process: Process, from: string, to: string): void {
    const place = placeOf(to);
    if (place === undefined || place.isFilling) return;
    if (place.part === "") process.opened = this.history.opens(place.name);
    const isClaim = place.part === "leases" && placeOf(from)?.part === "ready";
    if (isClaim) process.claimed = this.history.current(place.name);
  }

  #linked(process: Process, to: string): void {
    const place = placeOf(to);
    if (place?.part !== "incoming") return;
    const link = parseLink(place.rest);
    if (link?.slice.replay !== link?.tag) return;
    if (process.isSubscribing) this.history.fills.add(link!.tag);
    else if (process.replay !== undefined) process.replay.tag = link!.tag;
  }

  /** The ids of all messages that are ready or held; what was delivered again is left out. */
  #idsIn(root: string): Set<string> {
    const ids = new Set<string>();
    for (const part of ["ready", "leases", "reclaim"]) {
      for (const directory of this.list(`${root}/${part}`)) {
        for (const name of this.list(`${root}/${part}/${directory}`)) {
          const slice = parseSlice(name);
          if (slice === undefined || this.#replayOf(slice.replay) !== undefined) continue;
          for (let n = 0; n < slice.count; n++) ids.add(`${slice.batch}.${slice.first + n}`);
        }
      }
    }
    return ids;
  }

  list(path: string): string[] {
    try {
      return this.turns.disk.list(path);
    } catch {
      return [];
    }
  }

  /** Whoever fills a subscription delivers for the first time. */
  #replayOf(replay: string | undefined): string | undefined {
    return replay !== undefined && this.history.fills.has(replay) ? undefined : replay;
  }

  async open(name: string): Promise<Process> {
    const random = chance(this.#processes.size + 1);
    const spool = await openSpool({
      dir: "/spool",
      parts: {
        fs: this.turns.process(name),
        clock: new DiskClock(() => this.turns.time.nowMs),
        processes: { self: name, host: "here", isGone: (token) => this.#gone.has(token) },
        // New buckets are to come now and then, not once in 512 times.
        random: () => random() ** 3,
      },
    });
    const process = new Process(name, spool);
    this.#processes.set(name, process);
    const topic = await spool.topic(TOPIC);
    topic.warn = (line) => this.warnings.push(line);
    await topic.create({ ...DEFAULT_TOPIC_SETTINGS, retentionMs: Number.POSITIVE_INFINITY });
    return process;
  }

  /** From now on everybody can tell that it is dead. */
  bury(name: string): void {
    this.#gone.add(name);
  }

  async work(process: Process, jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      switch (job.job) {
        case "publish":
        case "keyed":
          await this.publish(process, job);
          break;
        case "subscribe":
          await this.subscribe(process, job.name);
          break;
        case "unsubscribe":
          await this.unsubscribe(process, job.name);
          break;
        case "replay":
          await this.replay(process, job.name);
          break;
        case "drain":
          await this.drain(process, job.name);
          break;
        default:
          await this.clean(process, job.job);
      }
    }
  }

  /** All at once: as one batch, where they have no key. */
  async publish(
    process: Process,
    job: { readonly levels: readonly Level[]; readonly key?: number },
  ): Promise<void> {
    const topic = await process.spool.topic(TOPIC);
    const calls = job.levels.map(async (level) => {
      const key = job.key === undefined ? undefined : `key ${job.key}`;
      const body = `${process.name}.${process.bodies++}`;
      const publish: Publish = { body, level, key, began: this.history.step() };
      this.history.publishes.push(publish);
      const options = { headers: { level }, ...(key === undefined ? {} : { dedupKey: key }) };
      const told = await this.#told(() => topic.publish(body, options), "TRY_AGAIN");
      publish.ended = this.history.step();
      publish.result = typeof told === "string" ? told : told.duplicate ? "duplicate" : "ok";
      if (typeof told === "object") publish.id = told.id;
      this.meet(`${key === undefined ? "publish" : "keyed"}: ${publish.result}`);
    });
    await all(calls);
  }

  async subscribe(process: Process, name: Name): Promise<void> {
    const { topic, level, from } = SUBSCRIPTIONS[name];
    const settings: QueueSettings = {
      ...DEFAULT_SETTINGS,
      filter: level === undefined ? "" : `level=${level}`,
      maxAttempts: 0,
      backoffBaseMs: 0,
    };
    const one = await process.spool.topic(topic);
    process.opened = undefined;
    process.isSubscribing = true;
    const told = await this.#told(() => one.subscribe(name, { from, settings }), "TRY_AGAIN");
    process.isSubscribing = false;
    if (typeof told === "number") process.opened!.made = this.history.step();
    this.meet(`subscribe: ${typeof told === "number" ? "made" : told}`);
  }

  async unsubscribe(process: Process, name: Name): Promise<void> {
    const one = await process.spool.topic(SUBSCRIPTIONS[name].topic);
    const told = await this.#told(() => one.unsubscribe(name), "NO_QUEUE");
    this.meet(`unsubscribe: ${told ?? "removed"}`);
  }

  async replay(process: Process, name: Name): Promise<void> {
    const one = await process.spool.topic(SUBSCRIPTIONS[name].topic);
    const replay: Replay = { name, life: this.history.current(name), began: this.history.step() };
    this.history.replays.push(replay);
    process.replay = replay;
    const told = await this.#told(() => one.replay(name), "NO_QUEUE", "TRY_AGAIN");
    process.replay = undefined;
    replay.result = told;
    this.meet(`replay: ${typeof told === "number" ? Math.min(told, 2) : told}`);
  }

  async clean(process: Process, how: "recover" | "sweep"): Promise<void> {
    for (const name of TOPICS) {
      const topic = await process.spool.topic(name);
      const told = await this.#told(async () => {
        if (how === "recover") return topic.recoverFeeds();
        const { finished, undone } = await topic.sweep();
        return finished + undone;
      });
      if (Number(told) > 0) this.meet(`${how}: some`);
    }
  }

  /** Takes and acks what there is. */
  async drain(process: Process, name: Name): Promise<void> {
    const queue = process.spool.queue(`${SUBSCRIPTIONS[name].topic}/${name}`);
    const consumer = queue.consumer("brief", { warn: (line) => this.warnings.push(line) });
    const slot = new Slot(consumer, queue.room);
    const told = await this.#told(
      () =>
        orGone(async () => {
          while (await this.#take(process, slot));
          await slot.close();
        }),
      "LEASE_LOST",
      "NO_QUEUE",
    );
    if (told !== undefined) this.meet(`drain: ${told}`);
    await this.#told(() => consumer.close(), "LEASE_LOST", "NO_QUEUE");
  }

  async #take(process: Process, slot: Slot): Promise<boolean> {
    const message = await slot.next();
    if (message === undefined) return false;
    const replay = this.#replayOf(message.held.slice?.replay);
    const { handed, acked } = process.claimed!;
    const key = keyOf((await message.body()).toString(), replay);
    handed.set(key, (handed.get(key) ?? 0) + 1);
    await message.ack();
    acked.set(key, (acked.get(key) ?? 0) + 1);
    this.meet("ack");
    return true;
  }

  /** What a call returns, or the code of an error that it may fail with. @throws all others, Crash. */
  async #told<T, Code extends SpoolErrorCode>(
    act: () => Promise<T>,
    ...codes: Code[]
  ): Promise<T | Code | "DISK_FULL" | "IO"> {
    try {
      return await act();
    } catch (error) {
      const expected: SpoolErrorCode[] = [...codes, ...this.#mayFail, "DISK_FULL"];
      if (error instanceof SpoolError && expected.includes(error.code)) return error.code as Code;
      // The queue's own calls, and recovery, give the disk's errors as they are.
      const { code } = error as { code?: unknown };
      if (code === "ENOSPC") return "DISK_FULL";
      if (code === "ENOENT" && this.#mayFail.includes("IO")) return "IO";
      throw error;
    }
  }
}

/** Its queue was removed while it was looked at; what is made of that is the queue's business. */
async function orGone(act: () => Promise<void>): Promise<"NO_QUEUE" | undefined> {
  return (await ignore(act, "ENOENT")) ? undefined : "NO_QUEUE";
}

/** Waits for all of them, also where one fails; the death of the process is told last. */
async function all(calls: readonly Promise<void>[]): Promise<void> {
  const failures = (await Promise.allSettled(calls)).flatMap((one) =>
    one.status === "rejected" ? [one.reason as unknown] : [],
  );
  const worst = failures.find((error) => !(error instanceof Crash)) ?? failures[0];
  if (worst !== undefined) throw worst;
}
