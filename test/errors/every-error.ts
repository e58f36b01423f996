/**
 * One life of a process, in which one of its system calls fails; and which of its calls, with which of
 * the errors that the call can give.
 *
 * A first life, in which nothing fails, says how many calls there are, and of which kinds. Then, for
 * each call and each error: a fresh world, the same life with that error, at that call alone or at all
 * later ones of its kind as well. The life goes on after an error, as a program would. At its end no
 * descriptor is open, and each error that came out has its exit code. Then the next processes come, or
 * the power fails first, and what is there is compared with what the life was told.
 *
 * Each run costs a few milliseconds and there are a hundred thousand of them: so a part of them, the
 * same each time, is run; all with ERRORS_ALL=1.
 */
import { expect } from "vitest";

import type { Process } from "../crash/world.ts";
import { ErrorWorld } from "./error-world.ts";
import { exitCodesOf, faultsOf } from "./faults.ts";
import type { Fault } from "./faults.ts";
import type { FaultyDisk, Plan } from "./faulty-disk.ts";
import { exitCodeOf, lineOf, Tries } from "./tries.ts";

/** What there is to know of one run, for those who judge what it left. */
export interface Run {
  /** What happened, for the message of a test that fails. */
  readonly where: string;
  readonly fault: Fault | undefined;
  readonly knowsTheDead: boolean;
}

export interface Scenario<T> {
  readonly type: number;
  /** What was there before; it returns where the history of calls and returns is written. */
  begin(world: ErrorWorld): Promise<T>;
  /** The life in which a call fails. */
  live(process: Process, told: T, tries: Tries): Promise<unknown>;
  /** Its time, in ms from the start. */
  readonly aheadMs?: number;
  /** True: a name may outlive the directory that it is in; @see DurableNames. */
  readonly isStrict?: boolean;
  /** Exit codes that it may also end with. */
  readonly exitCodes?: readonly number[];
  /** What the next processes find. */
  judge(world: ErrorWorld, told: T, run: Run): Promise<unknown>;
  /** The same where the power failed. */
  judgeAfterPowerCut?(world: ErrorWorld, told: T, run: Run): Promise<unknown>;
}

type How = "once" | "persistent" | "once, then power cut" | "persistent, then power cut";

interface One {
  readonly code: string;
  readonly kind: string;
  readonly how: How;
}

interface Case extends Plan {
  readonly kind: string;
  readonly fault: Fault;
  readonly how: How;
  /** How much more often it is chosen than others. */
  readonly weight: number;
}

/** A life that takes longer, in ms, waits for something that never comes. */
const LIFE_MS = 8000;

/** So many of the runs that went wrong are shown. */
const SHOWN = Number(process.env["ERRORS_SHOWN"] ?? 5);

/** About so many runs of one scenario are made where not all are asked for. */
const SAMPLE = Number(process.env["ERRORS_SAMPLE"] ?? 60);

/** All runs of a scenario, or a sample of them, or a part of that; returns how many there were. */
export async function everyError<T>(scenario: Scenario<T>, part = 1): Promise<number> {
  const cases = await casesOf(scenario);
  const isAll = process.env["ERRORS_ALL"] !== undefined;
  return runAll(scenario, isAll ? cases : sample(cases, Math.ceil(SAMPLE * part)));
}

/** All runs of a scenario with one error at calls of one kind: for a bug that was found by chance. */
export async function everyOne<T>(
  scenario: Scenario<T>,
  { code, kind, how }: One,
): Promise<number> {
  const cases = await casesOf(scenario);
  const isMeant = (one: Case): boolean =>
    one.kind === kind && one.fault.code === code && one.how === how;
  return runAll(scenario, cases.filter(isMeant));
}

async function runAll<T>(scenario: Scenario<T>, chosen: readonly Case[]): Promise<number> {
  const complaints: string[] = [];
  for (const [index, one] of chosen.entries()) {
    const complaint = await runOne(scenario, one, index % 2 === 0);
    if (complaint !== undefined) complaints.push(complaint);
  }
  const some = complaints.slice(0, SHOWN).join("\n\n");
  expect(complaints.length, `of ${chosen.length} runs these were wrong:\n${some}\n`).toBe(0);
  return chosen.length;
}

async function casesOf<T>(scenario: Scenario<T>): Promise<Case[]> {
  const world = new ErrorWorld(scenario.type, true);
  const told = await scenario.begin(world);
  const tries = new Tries();
  await live(scenario, world, told, tries, undefined);
  expect(tries.errors.map(lineOf), "errors though nothing failed").toEqual([]);
  const isShared = scenario.type === NFS;
  await scenario.judge(world, told, {
    where: "nothing failed",
    fault: undefined,
    knowsTheDead: true,
  });
  const ways: How[] = ["once", "persistent"];
  if (scenario.judgeAfterPowerCut) ways.push("once, then power cut", "persistent, then power cut");
  return world.disk.seen.flatMap((kind, index) =>
    faultsOf(kind, isShared).flatMap((fault, pick) =>
      ways.map((how) => ({
        kind,
        fault,
        call: index + 1,
        pick,
        isPersistent: how.startsWith("persistent"),
        how,
        weight: weightOf(kind, fault, how),
      })),
    ),
  );
}

/** One fsync that fails, and a lost reply, are the rarest and say the most. */
function weightOf(kind: string, fault: Fault, how: How): number {
  if (how.startsWith("persistent")) return 1;
  if (fault.how === "after") return 4;
  return kind === "sync" ? 8 : 1;
}

/** Every so many, in steps that come by all calls, errors and ways alike; by the telling ones more often. */
function sample(all: readonly Case[], size: number): Case[] {
  const cases = all.flatMap((one) => Array.from({ length: one.weight }, () => one));
  const step = cases.length / size;
  const chosen = Array.from({ length: size }, (_, at) => {
    // A low-discrepancy jitter: else the stride would meet the same errors again and again.
    const jitter = (at * 0.618_033_988_75) % 1;
    return cases[Math.min(cases.length - 1, Math.floor((at + jitter) * step))]!;
  });
  return [...new Set(chosen)];
}

async function live<T>(
  scenario: Scenario<T>,
  world: ErrorWorld,
  told: T,
  tries: Tries,
  plan: Plan | undefined,
): Promise<void> {
  const { disk } = world;
  await world.run(
    async (process) => {
      disk.arm(plan, !scenario.isStrict);
      const before = disk.openFiles;
      await inTime(() => scenario.live(process, told, tries), disk);
      expect(disk.openFiles - before, "descriptors left open").toBe(0);
    },
    { aheadMs: scenario.aheadMs ?? 0 },
  );
}

async function inTime(life: () => Promise<unknown>, disk: FaultyDisk): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("it waits for ever")), LIFE_MS);
  try {
    await Promise.race([life(), promise]);
  } finally {
    clearTimeout(timer);
    disk.disarm();
  }
}

/** What was wrong with one run, if anything. */
async function runOne<T>(
  scenario: Scenario<T>,
  plan: Case,
  knowsTheDead: boolean,
): Promise<string | undefined> {
  const world = new ErrorWorld(scenario.type, knowsTheDead);
  const told = await scenario.begin(world);
  const tries = new Tries();
  const { disk } = world;
  try {
    await live(scenario, world, told, tries, plan);
    const { fault } = disk;
    const where = `${plan.how}: ${disk.where}`;
    const allowed = [...(fault ? exitCodesOf(fault) : []), ...(scenario.exitCodes ?? [])];
    for (const error of tries.errors) {
      expect(allowed, `${where}: ${lineOf(error)}`).toContain(exitCodeOf(error));
      expect(lineOf(error), where).not.toContain("\n");
    }
    const isCut = plan.how.endsWith("power cut");
    const run = { where, fault, knowsTheDead };
    if (isCut) await scenario.judgeAfterPowerCut!(await world.afterPowerCut(), told, run);
    else await scenario.judge(world, told, run);
    return undefined;
  } catch (error) {
    const dead = knowsTheDead ? "known" : "unknown";
    const { message } = error as Error;
    return `${plan.how}: ${disk.where}, error ${plan.pick}, the dead ${dead}:\n  ${message}`;
  }
}

export const NFS = 0x6969;
