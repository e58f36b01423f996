/** What the dead leave of a fan-out: one for each call by which it goes on. */
import type { FileSystem } from "../../src/disk/file-system.ts";
import { dyingAfter } from "../helpers/crashing-file-system.ts";
import type { TopicTold } from "./topic-told.ts";
import { begin, TopicWorld } from "./topic-world.ts";
import type { TopicAct, TopicStart } from "./topic-world.ts";
import { EXT4 } from "./world.ts";
import type { World } from "./world.ts";

const CHANGING: ReadonlySet<keyof FileSystem> = new Set(["link", "rename", "unlink"]);
const FAN_OUT = /\/(staging|aborted|committed|incoming|log)\//;

export interface Dead {
  /** Which call was its last. */
  readonly last: string;
  /** Lives this life up to there. */
  readonly prepare: (world: World, told: TopicTold) => Promise<unknown>;
}

/** A dead one for each call after which the fan-out of this act is another than before. */
export async function deadOf(act: TopicAct, start: TopicStart, type = EXT4): Promise<Dead[]> {
  const world = new TopicWorld(true, type);
  const told = await begin(world, start);
  const dead = new Map<string, Dead>();
  await world.run(async (process) => act(process, told, world), {
    before: (call, name, path) => {
      if (!CHANGING.has(name) || !FAN_OUT.test(path)) return;
      const last = `${name} ${path}`;
      // A rename that is tried again, after its bucket was made, has changed nothing before.
      dead.delete(last);
      dead.set(last, {
        last,
        prepare: (next, nextTold) =>
          next.run(async (process) => act(process, nextTold, next), { before: dyingAfter(call) }),
      });
    },
  });
  return [...dead.values()];
}
