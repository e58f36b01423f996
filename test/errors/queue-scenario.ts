/**
 * Lives with a queue, what they are told, and how that is compared with what the next processes find.
 */
import { expect } from "vitest";

import type { Queue } from "../../src/queue/queue.ts";
import { Told } from "../crash/told.ts";
import type { Place } from "../crash/told.ts";
import { drain, recover, settingsOf } from "../crash/every-crash.ts";
import type { Act, Verb } from "../crash/every-crash.ts";
import { MUCH_LATER_MS, SOON_MS } from "../crash/world.ts";
import type { Process, World } from "../crash/world.ts";
import type { ErrorWorld } from "./error-world.ts";
import type { Run, Scenario } from "./every-error.ts";
import type { Tries } from "./tries.ts";

/** Also what has to outlive a power cut: what was said to be put, and nobody has begun to remove. */
export class QueueTold extends Told {
  readonly #safe = new Set<string>();

  override begin(place: Place, payloads: readonly string[]): void {
    super.begin(place, payloads);
    if (place === "nowhere") for (const payload of payloads) this.#safe.delete(payload);
  }

  override done(place: Place, payloads: readonly string[]): void {
    super.done(place, payloads);
    for (const payload of payloads) {
      if (place === "nowhere") this.#safe.delete(payload);
      else this.#safe.add(payload);
    }
  }

  /** After a power cut an act that was not synced may be undone: it is in its old place or in its new one. */
  complaintsAfterPowerCut(found: ReadonlyMap<string, readonly Place[]>): string[] {
    const complaints = [...this.#safe]
      .filter((payload) => !found.has(payload))
      .map((payload) => `${payload}: lost`);
    for (const [payload, places] of found) {
      if (places.length > 1) complaints.push(`${payload}: found ${places.join(" and ")}`);
    }
    return complaints;
  }
}

export type ErrorAct = (process: Process, told: QueueTold, tries: Tries) => Promise<unknown>;

export interface QueueScenario extends Pick<
  Verb,
  "settings" | "before" | "aheadMs" | "isHandedOut" | "findings"
> {
  readonly type: number;
  /** More of what was there before, for what takes several processes. */
  readonly prepare?: (world: World, told: Told) => Promise<unknown>;
  readonly life: ErrorAct;
  /** What the next process does before it sweeps. */
  readonly after?: Act;
  readonly exitCodes?: readonly number[];
  readonly isStrict?: boolean;
  /** False where a life's acts are not compared after a power cut. Default true. */
  readonly cutsPower?: boolean;
}

export function queueScenario(given: QueueScenario): Scenario<QueueTold> {
  const { type, before, prepare, life, aheadMs = 0, exitCodes = [], cutsPower = true } = given;
  return {
    isStrict: given.isStrict ?? false,
    type,
    aheadMs,
    exitCodes,
    begin: async (world) => {
      const told = new QueueTold();
      await world.run(async (process) => {
        await process.queue.create(settingsOf(given));
        await before?.(process, told, world);
      });
      await prepare?.(world, told);
      return told;
    },
    live: life,
    judge: (world, told, { where, knowsTheDead }) =>
      recover(world, told, given, { where, knowsTheDead }),
    ...(cutsPower && { judgeAfterPowerCut: (...args) => judgeAfterPowerCut(given, ...args) }),
  };
}

async function judgeAfterPowerCut(
  { after, aheadMs = 0 }: QueueScenario,
  world: ErrorWorld,
  told: QueueTold,
  { where }: Run,
): Promise<void> {
  const found = new Map<string, Place[]>();
  const take = async (process: Process): Promise<void> => {
    const { spool, queue } = process;
    for (const name of await spool.queueNames()) {
      await spool.queue(name).sweep();
      await drain(spool.queue(name), name === queue.name ? "ready" : "other queue", found);
    }
  };
  await world.run(
    async (process) => {
      // What is not said to be made may be gone.
      await process.queue.room.settingsOrCreate();
      await after?.(process, told, world);
      await take(process);
    },
    { aheadMs: aheadMs + SOON_MS },
  );
  await world.run(
    async (process) => {
      await take(process);
      await process.queue.sweep();
      await noteDead(process.queue, found);
      for (const place of ["tmp", "leases", "reclaim", "drop", "ready"]) {
        expect(world.list(`queues/jobs/${place}`), `${place}, ${where}`).toEqual([]);
      }
    },
    { aheadMs: aheadMs + MUCH_LATER_MS },
  );
  expect(told.complaintsAfterPowerCut(found), where).toEqual([]);
}

/** What is torn was not said to be safe: what is missing of that is told as lost. */
async function noteDead(queue: Queue, found: Map<string, Place[]>): Promise<void> {
  for await (const seen of queue.peek("dead")) {
    const { reason } = await queue.reasonOf(seen.found.name);
    if (reason.startsWith("damaged")) continue;
    const payload = (await seen.body()).toString();
    found.set(payload, [...(found.get(payload) ?? []), "dead"]);
  }
}
