/**
 * One run of the simulation, all of which follows from its seed: which disk, how many hosts and
 * processes, what they do, and what happens to them. In the end one more process, long afterwards and in
 * peace, cleans up and takes what there is; then the checker reads the history.
 */
import assert from "node:assert/strict";

import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { DEFAULT_TOPIC_SETTINGS } from "../../src/topic/settings.ts";
import { chance } from "../helpers/model-chance.ts";
import { Actor } from "./actor.ts";
import type { ActorParts, Host } from "./actor.ts";
import { forgetWatchers } from "./bells.ts";
import { check } from "./check.ts";
import type { Found } from "./check.ts";
import { drain, inspect } from "./conclude.ts";
import { SimulatedDisk } from "./disk.ts";
import type { Chance, CrashModel } from "./disk.ts";
import { History, QUEUE, SPARE, TOPIC } from "./history.ts";
import { noteMade, sweepAll } from "./jobs.ts";
import { NO_DANGERS } from "./dangers.ts";
import type { Dangers } from "./dangers.ts";
import { Machine } from "./machine.ts";
import type { Counts } from "./machine.ts";
import { readSettings } from "./settings-jobs.ts";
import { variantOf } from "./variants.ts";
import type { Variant } from "./variants.ts";

interface Kind {
  readonly name: string;
  readonly type: number;
  readonly model: CrashModel;
  readonly isShared: boolean;
}

const KINDS: readonly Kind[] = [
  { name: "ext4", type: 0xef53, model: "ordered", isShared: false },
  { name: "btrfs", type: 0x9123683e, model: "logged", isShared: false },
  { name: "zfs", type: 0x2fc12fc1, model: "unordered", isShared: false },
  { name: "nfs", type: 0x6969, model: "unordered", isShared: true },
];

const DAY_MS = 86_400_000;
const DEDUP_WINDOW_MS = 400 * DAY_MS;

export interface RunResult {
  readonly kind: string;
  readonly counts: Counts;
  readonly messages: number;
}

export interface RunOptions {
  readonly seed: number;
  /** Told of each turn. */
  readonly trace?: (line: string) => void;
}

/** @throws what is wrong. */
export async function simulate(options: RunOptions): Promise<RunResult> {
  const run = new Run(options);
  const restore = run.machine.time.install(chance(~options.seed));
  try {
    return await run.run();
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`on ${run.what}: ${message.replaceAll("\n", " ")}`, { cause: error });
  } finally {
    forgetWatchers();
    restore();
  }
}

class Run {
  readonly machine: Machine;
  readonly #random: Chance;
  readonly #history = new History();
  readonly #hosts: readonly Host[];
  readonly #kind: Kind;
  readonly #tickMs: number;
  readonly #dangers: Dangers;
  readonly #variant: Variant;
  readonly #receipts: ActorParts["receipts"] = [];
  #processes = 0;

  constructor({ seed, trace }: RunOptions) {
    const random = chance(seed);
    this.#random = random;
    this.#variant = variantOf(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    const kind = pick(KINDS);
    this.#kind = this.#variant.isShared ? KINDS.find(({ isShared }) => isShared)! : kind;
    const tickMs = pick([1, 4, 4, 1000]);
    this.#tickMs = this.#variant.tickMs ?? tickMs;
    const pace = { swap: pick([0.05, 0.3, 0.7]), callMs: pick([0.02, 0.3, 3]) };
    this.machine = new Machine(this.#variant.pace ?? pace, random);
    const { machine } = this;
    const now = (): number => machine.diskNowMs(this.#tickMs);
    const { model, type } = this.#kind;
    // A key needs three names at once; whatever else needs one makes do with copies.
    const fewLinks = pick([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 6, 3]);
    // On btrfs a copy may last without what was done to the file that it is of: then a message is there
    // twice after a power cut (docs/guarantees.md). It has 65,535 links.
    const maxLinks = model === "logged" ? Number.POSITIVE_INFINITY : fewLinks;
    machine.use(new SimulatedDisk(model, type, now, random, maxLinks));
    machine.onPowerCut = () => {
      this.#history.cuts.push(this.#history.step());
      for (const host of this.#hosts) host.boot++;
    };
    this.#watch();
    if (trace !== undefined) machine.onTurn = trace;
    this.#hosts = (this.#kind.isShared ? ["h1", "h2"] : ["h1"]).map((name) => ({
      name,
      boot: 1,
      bootedMs: machine.time.nowMs - random() * 1e6,
    }));
    this.#dangers = {
      kill: pick([0, 0.002, 0.01, 0.05]),
      stop: pick([0, 0, 0.003]),
      powerCut: pick([0, 0.0005, 0.002, 0.01]),
      jump: pick([0, 0, 0, 0.0005]),
      lostReply: this.#kind.isShared ? pick([0, 0.01]) : 0,
      halves: pick([0, 0.3]),
      writeBack: pick([0, 0.01]),
      ...this.#variant.dangers,
    };
  }

  /** For the checker: what explains that something was lost. */
  #watch(): void {
    const history = this.#history;
    const { time } = this.machine;
    history.tickMs = this.#tickMs;
    history.dedupWindowMs = this.#variant.dedupWindowMs ?? history.dedupWindowMs;
    this.machine.onJump = () => history.jumpsMs.push(time.nowMs);
    this.machine.onEnd = (process, longestWaitMs) => {
      history.lives.set(process, { end: history.now, endMs: time.nowMs, longestWaitMs });
    };
    time.skewMs = () => this.#variant.hostSkewMs;
  }

  /** The disk and what has happened, for the message of a run that fails. */
  get what(): string {
    const { kills, stops, powerCuts, jumps } = this.machine.counts;
    return `${this.#kind.name} (${kills} crashes, ${powerCuts} power cuts, ${stops} stops, ${jumps} jumps)`;
  }

  async run(): Promise<RunResult> {
    const { machine } = this;
    machine.onTurn(`${this.#kind.name}, ${JSON.stringify(this.#dangers)}`);
    await this.#alone(NO_DANGERS, (actor) => this.#prepare(actor));
    const generations = 1 + Math.floor(this.#random() * 3);
    for (let generation = 0; generation < generations; generation++) {
      const processes = 1 + Math.floor(this.#random() * 4);
      for (let index = 0; index < processes; index++) this.#startOne();
      await machine.run(this.#dangers);
      const isCut = this.#random() < 0.2 && this.#variant.dangers.powerCut !== 0;
      if (isCut) machine.powerCut();
      const pauses = [0, 1000, 35_000, 3700_000, 2 * DAY_MS];
      machine.time.nowMs += pauses[Math.floor(this.#random() * pauses.length)]!;
      this.#nearTheWindowsEnd();
    }
    this.#history.isTimeStrange = machine.counts.jumps > 0;
    this.#history.isReplyLost = machine.counts.lostReplies > 0;
    const left = await this.#conclude();
    check(this.#history, left);
    return {
      kind: this.#kind.name,
      counts: machine.counts,
      messages: this.#history.sent.length,
    };
  }

  /** Where keys are forgotten soon: what comes next is often on both sides of such an instant. */
  #nearTheWindowsEnd(): void {
    const { dedupWindowMs: windowMs } = this.#variant;
    if (windowMs === undefined || this.#random() < 0.5) return;
    const { time } = this.machine;
    const nextMs = Math.ceil(time.nowMs / windowMs) * windowMs;
    time.nowMs = Math.max(time.nowMs, nextMs - this.#random() * 1000);
  }

  #actor(): Actor {
    const number = ++this.#processes;
    const host = this.#hosts[Math.floor(this.#random() * this.#hosts.length)]!;
    return new Actor({
      name: `p${number}`,
      number,
      host,
      machine: this.machine,
      history: this.#history,
      random: this.#random,
      receipts: this.#receipts,
      isOrderly: this.#variant.isOrderly,
    });
  }

  #startOne(): void {
    const actor = this.#actor();
    const jobs = Array.from({ length: 1 + actor.upTo(6) }, () => actor.pick(this.#variant.jobs));
    this.machine.start(actor.name, async () => {
      await actor.open();
      for (const job of jobs) {
        this.machine.onTurn(`${actor.name}: ${job.name}`);
        await job(actor);
      }
    });
  }

  async #alone(dangers: Dangers, act: (actor: Actor) => Promise<void>): Promise<void> {
    const actor = this.#actor();
    this.machine.start(actor.name, async () => {
      await actor.open();
      await act(actor);
    });
    await this.machine.run(dangers);
  }

  async #prepare(actor: Actor): Promise<void> {
    const { fs, spool, history } = actor;
    await fs.mkdir("/outside");
    const settings = {
      ...DEFAULT_SETTINGS,
      leaseMs: actor.pick([2000, 5000, 30_000]),
      maxAttempts: actor.pick([0, 2, 5]),
      backoffBaseMs: actor.pick([0, 1000]),
      dedupWindowMs: this.#variant.dedupWindowMs ?? DEDUP_WINDOW_MS,
      ...this.#variant.settings,
    };
    const { leaseMs, maxAttempts, dedupWindowMs } = settings;
    history.leaseMs = leaseMs;
    for (const place of [QUEUE, SPARE]) history.maxAttempts.set(place, maxAttempts);
    await spool.queue(QUEUE).create(settings);
    await spool.queue(SPARE).create(settings);
    const topic = await spool.topic(TOPIC);
    const retentionMs = Number.POSITIVE_INFINITY;
    await topic.create({ ...DEFAULT_TOPIC_SETTINGS, retentionMs, dedupWindowMs });
    for (const [own, level] of [["all"], ["errors", "error"]] as const) {
      const filter = level === undefined ? "" : `level=${level}`;
      await topic.subscribe(own, { settings: { ...settings, maxAttempts: 0, filter } });
      const made = history.step();
      const name = `${TOPIC}/${own}`;
      history.subscriptions.push({ name, level, from: "now", began: made, made });
    }
    const places = history.subscriptions.map(({ name }) => name);
    for (const place of [QUEUE, SPARE, TOPIC, ...places]) noteMade(actor, place);
    // A machine that has run for a while has written this back.
    for (const path of ["/", "/spool", "/outside"]) {
      const fd = await fs.open(path, "directory");
      await fs.sync(fd);
      await fs.close(fd);
    }
  }

  /** Long afterwards, when nothing that is left can be anybody's. */
  async #conclude(): Promise<ReadonlyMap<string, readonly Found[]>> {
    const left = new Map<string, Found[]>();
    const { machine } = this;
    machine.time.nowMs += 3 * DAY_MS;
    machine.diskSkewMs = Math.max(0, machine.diskSkewMs);
    // Consumers put right what they need, without any sweep; what comes out of date is for a sweep.
    const isSweptFirst = this.#random() < 0.5;
    const sweeps = isSweptFirst ? 2 : 0;
    for (let times = 0; times < sweeps; times++) {
      await this.#alone(NO_DANGERS, sweepAll);
      machine.time.nowMs += 3 * DAY_MS;
    }
    if (this.#variant.isRead) await this.#alone(NO_DANGERS, readSettings);
    await this.#alone(NO_DANGERS, async (actor) => {
      if (isSweptFirst) await inspect(actor);
      const { spool } = actor;
      for (const name of [...(await spool.queueNames()), ...(await spool.subscriptionNames())]) {
        const found: Found[] = [];
        left.set(name, found);
        await drain(actor, name, found, true);
        const queue = spool.queue(name);
        await queue.moveTo(queue, { states: ["dead"] });
        // The disk's clock may tick in seconds: what comes back now may be visible a little later.
        await actor.sleep(5000);
        await drain(actor, name, found, false);
      }
      await sweepAll(actor);
    });
    machine.time.nowMs += 3 * DAY_MS;
    await this.#alone(NO_DANGERS, sweepAll);
    await this.#alone(NO_DANGERS, (actor) => inspect(actor));
    const gone = this.#history.openSubscriptions().filter(({ name }) => !left.has(name));
    assert.deepEqual(gone, [], "a subscription is gone");
    return left;
  }
}
