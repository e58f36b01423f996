/**
 * One verb of a topic, dying at each of its system calls in turn.
 *
 * As every-crash.ts: for n = 0, 1, 2, … a topic is made, and the verb's life is lived until it has
 * made n calls. Then the next processes come, one soon after and one when all that the dead left has
 * had its time. They sweep, and take what there is in each subscription; every other time consumers
 * come before anybody sweeps, and recover by themselves. What they find is compared with what was told.
 */
import { expect } from "vitest";

import { dyingAfter } from "../helpers/crashing-file-system.ts";
import type { TopicTold } from "./topic-told.ts";
import { thereIs } from "./topic-told.ts";
import {
  begin,
  drainAll,
  findingsIn,
  leftIn,
  readLog,
  sweepAll,
  TopicWorld,
} from "./topic-world.ts";
import type { TopicAct, TopicStart } from "./topic-world.ts";
import { EXT4, MUCH_LATER_MS, SOON_MS } from "./world.ts";
import type { Process, World } from "./world.ts";

export interface TopicVerb extends TopicStart {
  /** More of what was there before, for what takes several processes. */
  readonly prepare?: (world: World, told: TopicTold) => Promise<unknown>;
  readonly life: TopicAct;
  /** The life's time, in ms from now. */
  readonly aheadMs?: number;
  /** What the next process does before it sweeps. */
  readonly after?: TopicAct;
  /** When that is, in ms after the life. */
  readonly afterMs?: number;
  /** Of two at once: whether it is known of others who is dead. Default: only time tells. */
  readonly knowsTheDead?: boolean;
  /** True where links of no fan-out may stay for their hour. */
  readonly isStraying?: boolean;
  /** The magic number of the file system. */
  readonly type?: number;
  /** How many names a file may have. Default: as many as it likes. */
  readonly links?: number;
}

/**
 * Dies at every call, twice: where its successors know that it is dead, and where only time tells.
 *
 * @returns how many calls there were to die at, each time.
 */
export async function everyTopicCrash(verb: TopicVerb): Promise<[known: number, not: number]> {
  return [await topicCrashes(verb, true), await topicCrashes(verb, false)];
}

async function topicCrashes(verb: TopicVerb, knowsTheDead: boolean): Promise<number> {
  for (let limit = 0; ; limit++) {
    const world = new TopicWorld(knowsTheDead, verb.type ?? EXT4, verb.links);
    const told = await begin(world, verb);
    await verb.prepare?.(world, told);
    let where = "";
    const hasDied = await world.run(
      async (process) => {
        try {
          await verb.life(process, told, world);
        } finally {
          where = `${knowsTheDead ? "known" : "unknown"} to be dead before call ${limit + 1}: ${process.fs.last}`;
        }
      },
      { before: dyingAfter(limit), aheadMs: verb.aheadMs ?? 0 },
    );
    await recover(world, told, verb, { where, knowsTheDead, consumersFirst: limit % 2 === 1 });
    if (!hasDied) return limit;
  }
}

export interface Outcome {
  /** What happened, for the message of a test that fails. */
  readonly where: string;
  readonly knowsTheDead: boolean;
  /** Nobody sweeps before consumers have taken what they found. */
  readonly consumersFirst: boolean;
}

/** The next processes; then everything is where it may be, and nothing else is there. */
export async function recover(
  world: World,
  told: TopicTold,
  verb: TopicVerb,
  { where, knowsTheDead, consumersFirst }: Outcome,
): Promise<void> {
  const { aheadMs = 0, after, afterMs = SOON_MS, isStraying = false } = verb;
  // Where it is known who is dead, all is well as soon as somebody has come by.
  const isSoon = knowsTheDead && !isStraying;
  await world.run(
    async (process) => {
      await after?.(process, told, world);
      if (consumersFirst) await drainAll(process, told);
      if (isSoon || !consumersFirst) await sweepAll(process);
      if (isSoon) await isWell(process);
    },
    { aheadMs: aheadMs + afterMs },
  );
  if (!isSoon) {
    await world.run(
      async (process) => {
        await sweepAll(process);
        await isWell(process);
      },
      { aheadMs: aheadMs + MUCH_LATER_MS },
    );
  }
  expect(told.complaints(), where).toEqual([]);

  async function isWell(process: Process): Promise<void> {
    const { spool } = process;
    expect(leftIn(world), `left after a sweep, ${where}`).toEqual([]);
    await drainAll(process, told);
    expect(leftIn(world), `left by a consumer, ${where}`).toEqual([]);
    for (const name of await spool.subscriptionNames()) told.found.set(thereIs(name), 1);
    if (verb.settings !== undefined) await readLog(spool, told.found);
    expect(await findingsIn(spool), where).toEqual([]);
  }
}
