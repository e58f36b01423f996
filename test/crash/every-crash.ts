/**
 * One verb, dying at each of its system calls in turn.
 *
 * For n = 0, 1, 2, … a fresh spool is made, `before` is lived, then the verb's life until it has made
 * n calls, then `after`. Then the next processes come: one soon after, one when all that the dead
 * left has had its time. Each sweeps and takes what there is. What they find is compared with what
 * the lives were told, and nothing may be left over. It ends with the n at which nobody died.
 */
import { expect } from "vitest";

import { dyingAfter } from "../helpers/crashing-file-system.ts";
import { Slot } from "../../src/queue/slot.ts";
import type { Message } from "../../src/queue/message.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { QueueSettings } from "../../src/queue/settings.ts";
import { Told } from "./told.ts";
import type { Place } from "./told.ts";
import { EXT4, MUCH_LATER_MS, SOON_MS, World } from "./world.ts";
import type { Process } from "./world.ts";

export type Act = (process: Process, told: Told, world: World) => Promise<unknown>;

export interface Verb {
  readonly settings?: Partial<QueueSettings>;
  /** What was there before: by a process that ends without dying. Default: an empty queue. */
  readonly before?: Act;
  /** More of the same, for what takes several processes. */
  readonly prepare?: (world: World, told: Told) => Promise<unknown>;
  readonly life: Act;
  /** The life's time, in ms from now. */
  readonly aheadMs?: number;
  /** What the next process does before it sweeps, `SOON_MS` later. */
  readonly after?: Act;
  /** True where only time tells that a lease is over: it was handed out. */
  readonly isHandedOut?: boolean;
  /** The magic number of the file system. */
  readonly type?: number;
  /** Problems that `verify` has to find in the end, as patterns. Default: none. */
  readonly findings?: readonly RegExp[];
}

/**
 * Dies at every call, twice: where its successors know that it is dead, and where only time tells.
 *
 * @returns how many calls there were to die at, each time.
 */
export async function everyCrash(dir: string, verb: Verb): Promise<[known: number, not: number]> {
  return [await crashes(`${dir}/known`, verb, true), await crashes(`${dir}/not`, verb, false)];
}

async function crashes(dir: string, verb: Verb, knowsTheDead: boolean): Promise<number> {
  for (let limit = 0; ; limit++) {
    const world = new World(`${dir}-${limit}`, knowsTheDead, verb.type ?? EXT4);
    const told = new Told();
    await world.run(async (process) => {
      await process.queue.create(settingsOf(verb));
      await verb.before?.(process, told, world);
    });
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
    await recover(world, told, verb, { where, knowsTheDead, isWhole: !hasDied });
    if (!hasDied) return limit;
  }
}

export function settingsOf({ settings = {} }: Pick<Verb, "settings">): QueueSettings {
  return { ...DEFAULT_SETTINGS, leaseMs: 3600_000, backoffBaseMs: 0, backoffCapMs: 0, ...settings };
}

export interface Before {
  /** What happened, for the message of a test that fails. */
  readonly where: string;
  readonly knowsTheDead?: boolean;
  /** True where nobody has died: then there is nothing to wait for. */
  readonly isWhole?: boolean;
  /** What was found already. */
  readonly found?: Map<string, Place[]>;
}

/** The next processes; then everything is where it may be, and nothing else is there. */
export async function recover(
  world: World,
  told: Told,
  verb: Pick<Verb, "after" | "isHandedOut" | "aheadMs" | "findings">,
  { where, knowsTheDead = false, isWhole = false, found = new Map() }: Before,
): Promise<void> {
  const { aheadMs = 0, after, isHandedOut = false, findings = [] } = verb;
  const isSound = async (queue: Queue): Promise<void> => {
    const { findings: problems } = await queue.verify();
    const said = problems.map(({ path, problem }) => `${path}: ${problem}`);
    expect(said, where).toEqual(findings.map((pattern) => expect.stringMatching(pattern)));
  };
  const isClean = (when: string): void => {
    if (knowsTheDead && !isHandedOut) expect(leftIn(world, SHORT_LIVED), when).toEqual([]);
  };
  const take = async ({ spool, queue }: Process): Promise<void> => {
    const other = (await spool.queueNames()).includes("other") ? spool.queue("other") : undefined;
    await queue.sweep();
    await other?.sweep();
    isClean(`left after a sweep, ${where}`);
    await drain(queue, "ready", found);
    if (other !== undefined) await drain(other, "other queue", found);
  };
  await world.run(
    async (process) => {
      await after?.(process, told, world);
      await take(process);
      isClean(`left soon after, ${where}`);
      if (isWhole) await isSound(process.queue);
    },
    { aheadMs: aheadMs + SOON_MS },
  );
  await world.run(
    async (process) => {
      await take(process);
      await process.queue.sweep();
      expect(leftIn(world, [...SHORT_LIVED, "ready"]), `left for ever, ${where}`).toEqual([]);
      for await (const seen of process.queue.peek("dead")) {
        note(found, (await seen.body()).toString(), "dead");
        const { reason } = await process.queue.reasonOf(seen.found.name);
        expect(reason, where).not.toMatch(/^unknown/);
      }
      await isSound(process.queue);
    },
    { aheadMs: aheadMs + MUCH_LATER_MS },
  );
  expect(told.complaints(found), where).toEqual([]);
}

/** Takes what is ready now. Unlike a program it does not wait for what others may give back. */
export async function drain(
  queue: Queue,
  place: Place,
  found: Map<string, Place[]>,
): Promise<void> {
  const consumer = queue.consumer("beating");
  const slot = new Slot(consumer, queue.room);
  for (let message = await slot.next(); message; message = await slot.next()) {
    note(found, await text(message), place);
    await message.ack();
  }
  await slot.close();
  await consumer.close();
}

function note(found: Map<string, Place[]>, payload: string, place: Place): void {
  found.set(payload, [...(found.get(payload) ?? []), place]);
}

export async function text(message: Message): Promise<string> {
  return (await message.body()).toString();
}

const SHORT_LIVED = ["tmp", "leases", "reclaim", "drop"];

/** What is in places that should be empty now, and what queues that were removed have left. */
function leftIn(world: World, places: readonly string[]): string[] {
  const left: string[] = [];
  for (const queue of world.list("queues")) {
    if (queue.startsWith(".")) left.push(queue);
    else for (const place of places) left.push(...world.list(`queues/${queue}/${place}`));
  }
  return left;
}
