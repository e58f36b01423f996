/**
 * One verb, standing still before each of its system calls in turn, while a rival does all of its own
 * work; then it goes on to its end.
 *
 * As every-crash.ts, but nobody dies: two processes are at it at once, and the rival gets in between
 * any two calls. If not said otherwise it comes when the leases of the other one are over.
 */
import { drain, recover, settingsOf } from "./every-crash.ts";
import type { Act, Verb } from "./every-crash.ts";
import { Told } from "./told.ts";
import type { Place } from "./told.ts";
import { EXT4, World } from "./world.ts";

const AFTER_LEASE_MS = 2 * 3600_000;

/** @returns how many calls there were to stand still at. */
export async function everyPause(
  dir: string,
  verb: Verb,
  rival: Act | "take all",
  rivalAheadMs = AFTER_LEASE_MS,
): Promise<number> {
  for (let at = 1; ; at++) {
    const world = new World(`${dir}/${at}`, false, verb.type ?? EXT4);
    const told = new Told();
    const found = new Map<string, Place[]>();
    await world.run(async (process) => {
      await process.queue.create(settingsOf(verb));
      await verb.before?.(process, told, world);
    });
    await verb.prepare?.(world, told);
    const takeAll: Act = async ({ queue }) => {
      await queue.sweep();
      await drain(queue, "ready", found);
    };
    const act = rival === "take all" ? takeAll : rival;
    const aheadMs = (verb.aheadMs ?? 0) + rivalAheadMs;
    let where = "";
    const pause = async (before: string): Promise<void> => {
      where = `paused before call ${at}: ${before}`;
      await world.run(async (process) => act(process, told, world), { aheadMs });
    };
    await world.run(
      async (process) => {
        await verb.life(process, told, world);
      },
      {
        aheadMs: verb.aheadMs ?? 0,
        before: (call, name, path) => (call === at ? pause(`${name} ${path}`) : undefined),
      },
    );
    await recover(world, told, verb, { where, found });
    if (where === "") return at - 1;
  }
}
