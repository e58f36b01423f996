/**
 * One verb of a topic, standing still before each of its system calls in turn, while a rival does all
 * of its own work; then it goes on to its end.
 *
 * As topic-every-crash.ts, but nobody dies: two processes are at it at once, and the rival gets in
 * between any two calls.
 */
import { recover } from "./topic-every-crash.ts";
import type { TopicVerb } from "./topic-every-crash.ts";
import { begin, TopicWorld } from "./topic-world.ts";
import type { TopicAct } from "./topic-world.ts";
import { EXT4 } from "./world.ts";

/** By then a publish that is not committed has had its time, also where replies get lost. */
export const AFTER_STAGING_MS = 600_000;

/** @returns how many calls there were to stand still at. */
export async function everyTopicPause(
  verb: TopicVerb,
  rival: TopicAct,
  rivalAheadMs = AFTER_STAGING_MS,
): Promise<number> {
  const { knowsTheDead = false } = verb;
  for (let at = 1; ; at++) {
    const world = new TopicWorld(knowsTheDead, verb.type ?? EXT4, verb.links);
    const told = await begin(world, verb);
    await verb.prepare?.(world, told);
    const aheadMs = verb.aheadMs ?? 0;
    let where = "";
    const pause = async (before: string): Promise<void> => {
      where = `paused before call ${at}: ${before}`;
      await world.run(async (process) => rival(process, told, world), {
        aheadMs: aheadMs + rivalAheadMs,
      });
    };
    await world.run(
      async (process) => {
        await verb.life(process, told, world);
      },
      {
        aheadMs,
        before: (call, name, path) => (call === at ? pause(`${name} ${path}`) : undefined),
      },
    );
    await recover(world, told, verb, { where, knowsTheDead, consumersFirst: at % 2 === 1 });
    if (where === "") return at - 1;
  }
}
