/**
 * The soak: real processes that put, publish, take, subscribe and sweep, for as long as one likes, while
 * they are killed, stopped and continued at random and the disk's clock is set forward and back.
 *
 * In the end all are ended, the rest is taken, and what everybody has written down is compared. Nothing
 * that was accepted may be lost, nothing comes after its ack has returned, and nothing is left: no name
 * that was not there at the start. What lives on from beginning to end must not grow.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { chance } from "../helpers/model-chance.ts";
import { gc, openLater, queuesOf, wrongIn } from "../processes/aftermath.ts";
import { Actor, living, pause } from "./actor.ts";
import type { Stage } from "./actor.ts";
import { Journal, notesIn, nowMs } from "./journal.ts";
import { KEEPER, ROLES, STEADY } from "./roles.ts";
import type { Role } from "./roles.ts";
import { processSize, Samples, treeSize } from "./sample.ts";
import type { Limit, Row } from "./sample.ts";
import { judge, REST } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export interface SoakOptions {
  /** An empty directory. */
  readonly dir: string;
  readonly forMs: number;
  readonly processes: number;
  readonly seed: number;
  /** From one look at the sizes to the next. */
  readonly sampleMs: number;
  /** How long the clock goes without being set, at the most. */
  readonly clockMs: number;
  /** A short run says nothing about what grows. */
  readonly isGrowthJudged: boolean;
}

export interface Report extends Verdict {
  readonly processes: number;
  readonly kills: number;
  readonly stops: number;
  readonly clockSteps: number;
  readonly rows: readonly Row[];
}

/** Of all queues: short enough that one who sleeps loses it. */
const LEASE_MS = 4000;
const LEASE = `lease=${LEASE_MS}ms`;

/** How far the clock is set at the most, forward or back. */
const CLOCK_MS = 60_000;

/** By then every lease has ended that somebody was given while the clock was ahead, in ms. */
const SOON_MS = 2 * CLOCK_MS + 4 * LEASE_MS;

/** What may wait longer than that: a lock that came without its lease, a reason without its letter. */
const LASTING = /\/leases\/[^/]*_none_[^/]*\.lock$|: a reason without its dead letter$/;

/**
 * Of a process: its memory may rise by a tenth of the mean, or 8 MB, in the second half of the run, and so
 * may its open files, or by two. Of the spool: what passes by twenty names.
 */
const MEMORY: Limit = { part: 0.1, least: 8 };
const FILES: Limit = { part: 0.1, least: 2 };
const PASSING: Limit = { part: 0, least: 20 };

export async function soak(options: SoakOptions): Promise<Report> {
  const { dir, seed } = options;
  const stage = await makeStage(dir, chance(seed));
  const namesBefore = namesIn(stage.spool);
  const roles = Array.from(
    { length: options.processes },
    (_, index) => ROLES[index % ROLES.length]!,
  );
  const actors = roles.map(({ name, isSteady }, index) => {
    const number = Math.floor(index / ROLES.length);
    return new Actor(stage, number === 0 ? name : `${name}${number}`, isSteady);
  });
  const keeper = new Actor(stage, KEEPER.name);
  const cast = [...actors, keeper];
  const lives = [...roles, KEEPER].map((role, index) => live(role, cast[index]!, stage));
  const samples = new Samples();
  const fate = { kills: 0, stops: 0, clockSteps: 0 };
  const endMs = nowMs() + options.forMs;
  await Promise.all([
    strike(stage, cast, fate, endMs),
    setClock(stage, `${dir}/clock`, fate, options.clockMs, endMs),
    sampleAll(stage, actors, samples, options, endMs),
  ]);
  await endAll(stage, cast, lives, dir);
  await takeRest(stage, namesBefore);
  const verdict = judge(notesIn(stage.notes), cast);
  const rows = samples.rows();
  const grown = rows
    .filter(
      ({ rise, allowed }) => options.isGrowthJudged && rise > (allowed ?? Number.POSITIVE_INFINITY),
    )
    .map(({ name, rise, unit }) => `grows: ${name} by ${rise.toFixed(1)} ${unit}`);
  const complaints = [...verdict.complaints, ...grown];
  return { ...verdict, ...fate, complaints, processes: stage.started, rows };
}

/** The directories, the queues and what everybody needs to know. */
async function makeStage(dir: string, random: () => number): Promise<Stage> {
  const notes = `${dir}/notes`;
  const spool = `${dir}/spool`;
  mkdirSync(notes, { recursive: true });
  writeFileSync(`${dir}/clock`, "0");
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: dir,
    SPOOL_DIR: spool,
    SOAK_CLOCK: `${dir}/clock`,
    NODE_OPTIONS: `--import=${new URL("clock.ts", import.meta.url).href}`,
  };
  const settings = [
    LEASE,
    "max-attempts=0",
    "backoff=100ms..2s",
    "max-depth=3000",
    "overflow=wait",
  ];
  // Twice as long as the clock is set at once; so keys are forgotten within a run.
  const keys = `dedup-window=${2 * CLOCK_MS}ms`;
  const retention = ["retention=2m", "retention-bytes=256k"];
  for (const args of [
    ["queue", "create", "jobs", ...settings, keys],
    ["topic", "create", "events", ...retention, keys],
    ...STEADY.map((name) => ["subscribe", name, ...settings]),
  ]) {
    const { status, stderr } = spawnSync(`${ROOT}/bin/spool`, args, { env, encoding: "utf8" });
    if (status !== 0) throw new Error(`spool ${args.join(" ")}: ${stderr}`);
  }
  const journal = new Journal(notes, "stage");
  return { spool, notes, env, journal, random, isOver: false, started: 0 };
}

/** One turn after the other; who was killed begins anew. */
async function live(role: Role, actor: Actor, stage: Stage): Promise<void> {
  while (!stage.isOver) {
    const startMs = nowMs();
    await role.turn(actor, stage);
    // Who fails at once shall not do so thousands of times.
    if (nowMs() - startMs < 50) await pause(200);
  }
}

interface Fate {
  kills: number;
  stops: number;
  clockSteps: number;
}

/** Kills and stops them at random. */
async function strike(
  stage: Stage,
  cast: readonly Actor[],
  fate: Fate,
  endMs: number,
): Promise<void> {
  const { random } = stage;
  const sleeping = new Set<Promise<unknown>>();
  const mortal = cast.filter(({ isSteady }) => !isSteady);
  const oneOf = (actors: readonly Actor[]): Actor => actors[Math.floor(random() * actors.length)]!;
  while (nowMs() < endMs) {
    await pause(80 + random() * 400);
    if (random() < 0.6) {
      const actor = oneOf(mortal);
      if (actor.pid === undefined) continue;
      actor.kill("SIGKILL");
      fate.kills++;
    } else {
      // One sleep in five is longer than a lease.
      const forMs = random() < 0.2 ? LEASE_MS * (1.2 + random()) : random() * 1500;
      const sleep = oneOf(cast)
        .stop(forMs)
        .then((isStopped) => {
          if (isStopped) fate.stops++;
          sleeping.delete(sleep);
        });
      sleeping.add(sleep);
    }
  }
  await Promise.all(sleeping);
}

async function setClock(
  { random }: Stage,
  path: string,
  fate: Fate,
  everyMs: number,
  endMs: number,
): Promise<void> {
  for (;;) {
    const forMs = everyMs * (0.5 + random() / 2);
    if (nowMs() + forMs > endMs) return;
    await pause(forMs);
    writeFileSync(path, String(Math.floor((random() * 2 - 1) * CLOCK_MS)));
    fate.clockSteps++;
  }
}

async function sampleAll(
  stage: Stage,
  actors: readonly Actor[],
  samples: Samples,
  { sampleMs }: SoakOptions,
  endMs: number,
): Promise<void> {
  while (nowMs() + sampleMs < endMs) {
    await pause(sampleMs);
    for (const { name, isSteady, pid } of actors) {
      const size = isSteady && pid !== undefined ? processSize(pid) : undefined;
      if (size === undefined) continue;
      samples.add(`${name}: open files`, size.fds, "", FILES);
      samples.add(`${name}: memory`, size.bytes / 2 ** 20, "MB", MEMORY);
    }
    const { passing, ready, log, dedup, names, inodes, bytes } = treeSize(stage.spool);
    samples.add("names that pass (tmp, staging, leases, …)", passing, "", PASSING);
    for (const [name, value] of Object.entries({ ready, log, dedup, names, inodes })) {
      samples.add(name, value);
    }
    samples.add("bytes", bytes / 2 ** 20, "MB");
  }
}

/** The steady ones are told to end, the others are killed; and so is what they have started. */
async function endAll(
  stage: Stage,
  cast: readonly Actor[],
  lives: readonly Promise<void>[],
  dir: string,
): Promise<void> {
  stage.isOver = true;
  const kill = (): void => {
    for (const actor of cast) if (!actor.isSteady) actor.kill("SIGKILL");
  };
  for (const actor of cast) if (actor.isSteady) actor.kill("SIGTERM");
  // Some do several things in a turn.
  const timer = setInterval(kill, 100);
  const ended = Promise.all(lives);
  const isLate = await Promise.race([ended.then(() => false), pause(30_000).then(() => true)]);
  clearInterval(timer);
  if (isLate) {
    const left = cast.filter(({ pid }) => pid !== undefined).map(({ name }) => name);
    stage.journal.say("wrong", "", `did not end when they were told to: ${left.join(", ")}`);
    for (const actor of cast) actor.kill("SIGKILL");
    await ended;
  }
  while (living(`HOME=${dir}`).length > 0) await pause(50);
}

/** Takes what is left, and looks for what should not be. */
async function takeRest(
  { spool: dir, journal }: Stage,
  namesBefore: readonly string[],
): Promise<void> {
  const soon = await openLater(dir, SOON_MS);
  for (const name of await soon.subscriptionNames()) {
    if ((STEADY as readonly string[]).includes(name)) continue;
    const [topic = "", own = ""] = name.split("/");
    await (await soon.topic(topic)).unsubscribe(own);
  }
  await gc(soon);
  for (const line of await wrongIn(soon)) {
    if (!LASTING.test(line)) journal.say("wrong", "", `after gc: ${line}`);
  }
  const jobs = soon.queue("jobs");
  await jobs.moveTo(jobs, { states: ["dead"] });
  const later = await openLater(dir);
  for (const name of await queuesOf(later)) {
    for await (const message of later.queue(name).messages({ untilEmpty: true })) {
      journal.say("got", name, (await message.body()).toString(), message.id, REST);
      await message.ack();
    }
  }
  await gc(later);
  for (const line of await wrongIn(later)) journal.say("wrong", "", `at the end: ${line}`);
  const before = new Set(namesBefore);
  const after = new Set(namesIn(dir));
  for (const name of after.difference(before)) journal.say("wrong", "", `left behind: ${name}`);
  for (const name of before.difference(after)) {
    // A pattern's filling/ goes with every look whether the pattern is still wanted.
    if (!name.endsWith("/filling")) journal.say("wrong", "", `missing: ${name}`);
  }
}

/** Without what was told of the flow, which stays for an hour. */
const namesIn = (dir: string): string[] =>
  (readdirSync(dir, { recursive: true }) as string[]).filter((name) => !/\/flow(\/|$)/.test(name));
