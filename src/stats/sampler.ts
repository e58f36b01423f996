/**
 * Looking at all of a spool again and again, for so much of a core and no more.
 *
 * A round looks first at what is wanted (what somebody sees), then at what changed at its last look, then at the
 * rest in turn, until its share of the interval is spent; where it ended the next one goes on. So what is seen is
 * never older than a round, and what nobody sees is as old as `completeAtMs` says. The first round is not
 * limited: who has just asked wants an answer.
 *
 * Only reads. It tells what is new, in small portions, and lets timers have their turn in between.
 */
import { Breath, monotonicMs } from "../clock.ts";
import { fromErrno, SpoolError } from "../errors.ts";
import { isPattern } from "../names.ts";
import type { Spool } from "../spool.ts";
import { clockSkewMs, diskStats } from "./disk-stats.ts";
import { QueueSampler } from "./queue-sampler.ts";
import { isSameSample, rounded, unknownSample } from "./sample.ts";
import type { Head, Sample } from "./sample.ts";
import { namesIn } from "./spool-names.ts";
import type { SpoolNames } from "./spool-names.ts";
import { StatsReader } from "./stats-reader.ts";
import { TopicFlows } from "./topic-flows.ts";
import { topicSample } from "./topic-summary.ts";

/** Of a core. */
const SHARE = 0.1;

/** What changed may take this part of a round; the rest is for those whose turn it is. */
const CHANGED_SHARE = 0.6;

/** Listing the names may take this share of the time. */
const LIST_SHARE = 0.03;

/** Rates are taken over the interval, but over no less and no more than this, in s. */
const RATE_S = { least: 5, most: 60 } as const;

/** Told at once, in samples: a message of some 30 KiB. */
const PORTION = 100;

export interface SamplerOptions {
  /** Queues, subscriptions and topics; empty: all. */
  readonly names: readonly string[];
  readonly intervalMs: number;
  /** All in every round, whatever it costs: for who looks twice and ends. */
  readonly isUnlimited?: boolean;
  readonly tell: (samples: readonly Sample[]) => void;
  readonly tellGone: (names: readonly string[]) => void;
}

export class Sampler {
  intervalMs: number;
  /** Looked at in every round, before all others. */
  wanted: readonly string[] = [];
  readonly #spool: Spool;
  readonly #options: SamplerOptions;
  readonly #reader: StatsReader;
  readonly #flows: TopicFlows;
  readonly #breath = new Breath();
  readonly #queues = new Map<string, QueueSampler>();
  readonly #last = new Map<string, Sample>();
  #changed = new Set<string>();
  #names: SpoolNames | undefined;
  /** When they were listed, and how long that took, in monotonic ms. */
  #listed = { atMs: 0, tookMs: 0 };
  /** Queues and subscriptions, and whose turn it is. */
  #ring: readonly string[] = [];
  #turn = 0;
  #turnSinceMs = Date.now();
  #complete: { readonly atMs: number; readonly tookMs: number } | undefined;
  #portion: Sample[] = [];

  constructor(spool: Spool, options: SamplerOptions) {
    this.#spool = spool;
    this.#options = options;
    this.intervalMs = options.intervalMs;
    this.#reader = new StatsReader(spool);
    this.#flows = new TopicFlows(spool);
  }

  /** @throws NO_QUEUE, NO_TOPIC  in the first round, of a name that was given; IO. */
  async round(): Promise<Head> {
    const startMs = cpuMs();
    const isFirst = this.#names === undefined;
    const names = await this.#list();
    const isUnlimited = isFirst || this.#options.isUnlimited === true;
    const limitMs = isUnlimited ? Number.POSITIVE_INFINITY : this.intervalMs * SHARE;
    const isSpent = (share: number): boolean => cpuMs() - startMs > limitMs * share;
    this.#lookAtTopics(names);
    const done = new Set<string>();
    for (const name of this.wanted) await this.#look(name, done);
    const changed = this.#changed;
    this.#changed = new Set();
    for (const name of changed) {
      if (isSpent(CHANGED_SHARE)) this.#changed.add(name);
      else await this.#look(name, done);
    }
    for (let left = this.#ring.length; left > 0 && !isSpent(1); left--) {
      await this.#look(this.#ring[this.#turn]!, done);
      this.#turn++;
      if (this.#turn >= this.#ring.length) this.#roundTrip();
    }
    if (this.#ring.length === 0) this.#roundTrip();
    this.#flush();
    return this.#head();
  }

  /** Leaves what was counted to the next process. */
  save(): void {
    this.#reader.save();
  }

  #roundTrip(): void {
    const atMs = Date.now();
    this.#complete = { atMs, tookMs: atMs - this.#turnSinceMs };
    this.#turnSinceMs = atMs;
    this.#turn = 0;
  }

  /** The names that there are, anew where that is not too much. */
  async #list(): Promise<SpoolNames> {
    const { atMs, tookMs } = this.#listed;
    const startMs = monotonicMs();
    if (this.#names !== undefined && startMs - atMs < tookMs / LIST_SHARE) return this.#names;
    const names = await namesIn(this.#spool, this.#options.names, this.#names === undefined);
    this.#listed = { atMs: startMs, tookMs: monotonicMs() - startMs };
    this.#names = names;
    this.#flows.setTopics(names.allTopics);
    const ring = [...names.queues, ...names.subscriptions];
    const there = new Set([...ring, ...names.topics]);
    this.#forget([...this.#last.keys()].filter((name) => !there.has(rowName(name))));
    this.#ring = ring;
    if (this.#turn >= ring.length) this.#turn = 0;
    return names;
  }

  /** What was published, and that there is such a topic: the rest is made of its subscriptions. */
  #lookAtTopics({ topics }: SpoolNames): void {
    const { clock } = this.#spool.disk;
    const nowMs = clock.isFresh() ? clock.now() : Date.now();
    for (const name of topics) {
      const kind = isPattern(name) ? "pattern" : "topic";
      const published = this.#flows.perSecond(name, nowMs, this.#seconds);
      const inPerS = rounded(published);
      const sample = topicSample(name, kind, inPerS, [], Date.now());
      this.#tell(`${name}/`, { ...sample, inPerS });
    }
  }

  get #seconds(): number {
    return Math.min(RATE_S.most, Math.max(RATE_S.least, this.intervalMs / 1000));
  }

  async #look(name: string, done: Set<string>): Promise<void> {
    if (done.has(name) || name.endsWith("/")) return;
    done.add(name);
    await this.#breath.take();
    let sampler = this.#queues.get(name);
    try {
      sampler ??= new QueueSampler(this.#spool, this.#reader, this.#flows, name);
      this.#queues.set(name, sampler);
      this.#tell(name, await sampler.look(this.#seconds));
    } catch (thrown) {
      const error = fromErrno(thrown);
      if (!(error instanceof SpoolError)) throw error;
      if (error.code === "NO_QUEUE") this.#forget([name]);
      else {
        const kind = name.includes("/") ? "subscription" : "queue";
        this.#tell(name, unknownSample(name, kind, Date.now(), error.message));
      }
    }
  }

  #tell(key: string, sample: Sample): void {
    const last = this.#last.get(key);
    if (last !== undefined && isSameSample(last, sample)) return;
    this.#last.set(key, sample);
    if (last !== undefined && !key.endsWith("/")) this.#changed.add(key);
    this.#portion.push(sample);
    if (this.#portion.length >= PORTION) this.#flush();
  }

  #flush(): void {
    if (this.#portion.length > 0) this.#options.tell(this.#portion);
    this.#portion = [];
  }

  #forget(keys: readonly string[]): void {
    if (keys.length === 0) return;
    this.#flush();
    for (const key of keys) {
      this.#last.delete(key);
      this.#queues.delete(key);
      this.#reader.forget(key);
    }
    this.#options.tellGone(keys);
  }

  async #head(): Promise<Head> {
    const { totalBytes, freeBytes, freeInodes } = await diskStats(this.#spool);
    return {
      atMs: Date.now(),
      totalBytes,
      freeBytes,
      ...(freeInodes === undefined ? {} : { freeInodes }),
      skewMs: clockSkewMs(this.#spool) ?? null,
      completeAtMs: this.#complete?.atMs ?? null,
      completeTookMs: this.#complete?.tookMs ?? null,
      names: this.#ring.length,
      looked: this.#queues.size,
    };
  }
}

const rowName = (key: string): string => (key.endsWith("/") ? key.slice(0, -1) : key);

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
