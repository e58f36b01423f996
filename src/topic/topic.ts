/** A topic: what is published to it goes to each of its subscriptions, every one of which is a queue. */
import { dirname } from "node:path";

import { ignore, listIfThere } from "../disk/durable.ts";
import { fromErrno, SpoolError } from "../errors.ts";
import type { Headers } from "../message/batch.ts";
import { parseFilter } from "../message/filter.ts";
import { checkName, isPattern, matchesTopic, topicOfDirectory } from "../names.ts";
import type { Warn } from "../queue/aside.ts";
import type { PutOptions } from "../queue/draft.ts";
import type { Intake } from "../queue/intake.ts";
import { Putter } from "../queue/put.ts";
import type { Body, PutResult } from "../queue/put.ts";
import { ManyPutter } from "../queue/put-lines.ts";
import type { PutManyOptions } from "../queue/put-lines.ts";
import type { Queue } from "../queue/queue.ts";
import { removeSite } from "../queue/remove.ts";
import { noQueue } from "../queue/room.ts";
import { DEFAULT_SETTINGS } from "../queue/settings.ts";
import { sweepDrafts } from "../queue/sweep.ts";
import type { Verified, VerifyOptions } from "../queue/finding.ts";
import { Audience } from "./audience.ts";
import type { Member } from "./audience.ts";
import { FanOut, noSubscriber } from "./fan-out.ts";
import { incomingOf } from "./layout.ts";
import { Log } from "./log.ts";
import type { LogTally } from "./log.ts";
import { TopicIntake } from "./publish.ts";
import { Recovery } from "./recover.ts";
import { Replayer } from "./replay.ts";
import type { ReplayOptions } from "./replay.ts";
import type { TopicSettings } from "./settings.ts";
import { Subscribing, unsubscribe } from "./subscribe.ts";
import type { Feed } from "./fill.ts";
import type { SubscribeOptions } from "./subscribe.ts";
import { sweepBegun, sweepTopic } from "./sweep.ts";
import type { TopicParts, TopicSweepResult } from "./sweep.ts";
import { noTopic } from "./topic-room.ts";
import type { TopicRoom } from "./topic-room.ts";
import { Undoer } from "./undo.ts";
import { verifyTopic } from "./verify.ts";

/** What a topic needs of its spool. */
export interface Neighbours {
  queue(name: string): Queue;
  topic(name: string): Topic;
}

/** How often idle consumers look whether the log is to be trimmed, in ms. */
const TRIM_MS = 60_000;

/** How often consumers of a pattern look after all the topics that it matches, in ms. */
const FEEDS_MS = 10_000;

export class Topic implements Feed {
  readonly name: string;
  /** For the parts of this package; not for programs that use it. */
  readonly room: TopicRoom;
  readonly log: Log;
  /** Told of what could not be used or not be finished now, one line each. */
  warn: Warn = () => {};
  readonly #neighbours: Neighbours;
  readonly #audience: Audience;
  readonly #fanOut: FanOut;
  readonly #undoer: Undoer;
  readonly #recovery: Recovery;
  readonly #intake: Intake;
  readonly #putter: Putter;
  #demanding: { readonly intake: Intake; readonly putter: Putter } | undefined;
  #trimmedMs: number;
  #feedsMs = Number.NEGATIVE_INFINITY;
  #told = "";

  constructor(room: TopicRoom, neighbours: Neighbours) {
    const warn: Warn = (line) => {
      // What cannot be finished is met again at each look.
      if (line !== this.#told) this.warn(line);
      this.#told = line;
    };
    this.name = room.name;
    this.room = room;
    this.log = new Log(room);
    this.#neighbours = neighbours;
    this.#audience = new Audience(room, (name) => neighbours.queue(name));
    this.#fanOut = new FanOut(room, this.#audience, this.log, warn);
    this.#undoer = new Undoer(room, this.#audience, warn);
    this.#recovery = new Recovery(room, this.#audience, this.#fanOut, this.#undoer, warn);
    this.#intake = new TopicIntake(room, this.#audience, this.#fanOut, this.#undoer);
    this.#putter = new Putter(this.#intake);
    this.#trimmedMs = room.disk.clock.monotonicMs();
  }

  /**
   * Sends a message to every subscription that wants it, with the header `topic` if it has none. When this resolves it is on stable storage in
   * all of them (unless `sync: "none"`); when it throws, in none.
   *
   * @throws BAD_HEADER, MESSAGE_TOO_LARGE, QUEUE_FULL, DISK_FULL, IO; TRY_AGAIN where it took so long
   *   that somebody has undone it; NO_SUBSCRIBER where that was asked for.
   */
  async publish(
    body: Body,
    options: PutOptions & { readonly needsSubscriber?: boolean } = {},
  ): Promise<PutResult> {
    checkName(this.name);
    const { needsSubscriber = false, ...given } = options;
    const putOptions = { ...given, headers: this.#headers(given.headers) };
    try {
      if (!needsSubscriber) return await this.#putter.put(body, putOptions);
      // What has a key is promised as soon as its key is marked: then nobody can refuse it.
      if (options.dedupKey !== undefined) await this.#needSubscriber(putOptions.headers);
      return await this.#needing().putter.put(body, putOptions);
    } catch (error) {
      throw fromErrno(error);
    }
  }

  /** Publishes every line of a stream, or what ends with a NUL; `run` it. */
  publishMany(options: PutManyOptions & { readonly needsSubscriber?: boolean } = {}): ManyPutter {
    checkName(this.name);
    const { needsSubscriber = false, ...given } = options;
    const putOptions = { ...given, headers: this.#headers(given.headers) };
    return new ManyPutter(needsSubscriber ? this.#needing().intake : this.#intake, putOptions);
  }

  #needing(): { readonly intake: Intake; readonly putter: Putter } {
    if (this.#demanding === undefined) {
      const parts = [this.room, this.#audience, this.#fanOut, this.#undoer] as const;
      const intake = new TopicIntake(...parts, true);
      this.#demanding = { intake, putter: new Putter(intake) };
    }
    return this.#demanding;
  }

  /** Who has subscribed to a pattern wants to know what it matched. */
  #headers(given: Headers = {}): Headers {
    return { topic: this.name, ...given };
  }

  async #needSubscriber(headers: Headers): Promise<void> {
    const subscribers = await this.#audience.subscribers();
    if (!subscribers.some(({ filter }) => filter(headers))) throw noSubscriber(this.name);
  }

  /**
   * Makes a subscription, which gets what is published from now on, and what the log keeps where it is
   * to begin earlier. Returns with how many of these it begins; undefined where it is there.
   */
  async subscribe(
    name: string,
    { from = "now", settings = DEFAULT_SETTINGS }: Partial<SubscribeOptions> = {},
  ): Promise<number | undefined> {
    const queue = this.subscription(checkName(name));
    parseFilter(settings.filter);
    try {
      const subscribing = new Subscribing(this.room, queue, this.warn);
      return await subscribing.run({ from, settings }, () => this.feeds());
    } catch (error) {
      throw fromErrno(error);
    }
  }

  /** Removes a subscription and all that waits in it. @throws NO_QUEUE */
  async unsubscribe(name: string): Promise<void> {
    await unsubscribe(this.room, this.subscription(checkName(name)));
  }

  /** A subscription's queue, by its own name; it need not be there. */
  subscription(name: string): Queue {
    return this.#neighbours.queue(`${this.name}/${name}`);
  }

  /** Delivers again what the log keeps, to one subscription; returns how many messages. @throws NO_QUEUE */
  async replay(name: string, options: ReplayOptions = {}): Promise<number> {
    const queue = this.subscription(checkName(name));
    await queue.settings();
    await this.room.settingsOrCreate();
    const incoming = incomingOf(queue.room.layout);
    const subscriber = await this.#audience.look({ name: queue.name, queue, incoming });
    if (subscriber === undefined) throw noQueue(queue.name);
    const logs = (await this.feeds()).map(({ log }) => log);
    const replayer = new Replayer(this.room, this.#audience, this.#fanOut, this.#undoer, this.warn);
    try {
      return await replayer.run(subscriber, logs, options);
    } catch (error) {
      throw fromErrno(error);
    }
  }

  /** The topics that its subscriptions hear: itself, or each that the pattern matches. */
  async feeds(): Promise<readonly Topic[]> {
    if (!this.room.isPattern) return [this];
    const feeds: Topic[] = [];
    for (const directory of await listIfThere(this.room.fs, dirname(this.room.layout.root))) {
      const topic = topicOfDirectory(directory);
      if (topic === undefined || isPattern(topic) || !matchesTopic(this.name, topic)) continue;
      feeds.push(this.#neighbours.topic(topic));
    }
    return feeds;
  }

  /** Its own subscriptions, those that are being made included. */
  async members(): Promise<Member[]> {
    const all = await this.#audience.members();
    return all.filter(({ name }) => name.startsWith(`${this.name}/`));
  }

  /** The names of all subscriptions that hear it, those to patterns included; sorted. */
  async subscriptions(): Promise<string[]> {
    const names: string[] = [];
    for (const { name, queue, live } of await this.#audience.members()) {
      // Nobody can name it yet.
      if (live !== undefined) continue;
      const isMade = await ignore(() => this.room.fs.lstat(queue.room.layout.settings), "ENOENT");
      if (isMade) names.push(name);
    }
    return names.toSorted();
  }

  /** @throws NO_TOPIC */
  settings(): Promise<TopicSettings> {
    return this.room.settings();
  }

  /** Makes the topic; false where it was there already, with the settings it had. */
  async create(settings?: TopicSettings): Promise<boolean> {
    checkName(this.name);
    return this.room.create(settings);
  }

  async changeSettings(change: Partial<TopicSettings>): Promise<void> {
    await this.room.save({ ...(await this.room.settings()), ...change });
    await this.log.trim();
  }

  /** Counts what the log keeps. */
  logTally(): Promise<LogTally> {
    return this.log.tally();
  }

  /** Removes the topic, its subscriptions and its log. @throws NO_TOPIC */
  async remove(): Promise<void> {
    if (!(await removeSite(this.room))) throw noTopic(this.name);
  }

  /** Finishes or undoes what dead publishers left; returns how much that was. */
  async recover(): Promise<number> {
    const { finished, undone } = await this.#recovery.run();
    const swept = (await sweepDrafts(this.#intake)) + (await sweepBegun(this.room));
    const nowMs = this.room.disk.clock.monotonicMs();
    if (nowMs - this.#trimmedMs > TRIM_MS && !this.room.isPattern) {
      this.#trimmedMs = nowMs;
      await this.#trimIfThere();
    }
    return finished + undone + swept;
  }

  async #trimIfThere(): Promise<void> {
    try {
      await this.log.trim();
    } catch (error) {
      if (!(error instanceof SpoolError) || error.code !== "NO_TOPIC") throw error;
    }
  }

  /** The same for all that its subscriptions hear. */
  async recoverFeeds(): Promise<number> {
    let recovered = await this.recover();
    const nowMs = this.room.disk.clock.monotonicMs();
    if (!this.room.isPattern || nowMs - this.#feedsMs < FEEDS_MS) return recovered;
    this.#feedsMs = nowMs;
    let failure: unknown;
    for (const feed of await this.feeds()) {
      await this.room.breathe();
      try {
        recovered += await feed.recover();
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return recovered;
  }

  #parts(): TopicParts {
    const members = (): Promise<Member[]> => this.members();
    const feeds = (): Promise<readonly Topic[]> => this.feeds();
    const { room, log, warn } = this;
    const [recovery, delivery] = [this.#recovery, this.#intake];
    return { room, log, warn, recovery, delivery, members, feeds };
  }

  sweep(): Promise<TopicSweepResult> {
    return sweepTopic(this.#parts());
  }

  /** Reads every name and byte of the topic itself; its subscriptions are queues. */
  verify(options?: VerifyOptions): Promise<Verified> {
    return verifyTopic(this.#parts(), options);
  }
}
