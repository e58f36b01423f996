/**
 * Lives with a topic of three subscriptions, what they are told, and how that is compared with what
 * the next processes find: as in crash/topic-every-crash.ts.
 */
import type { PutOptions } from "../../src/queue/draft.ts";
import type { PutManyOptions } from "../../src/queue/put-lines.ts";
import { pieces } from "../crash/acts.ts";
import { recover } from "../crash/topic-every-crash.ts";
import type { TopicVerb } from "../crash/topic-every-crash.ts";
import { placeIn, thereIs } from "../crash/topic-told.ts";
import type { TopicTold } from "../crash/topic-told.ts";
import { begin, HOUR_MS, parted, settingsOf, TOPIC, wantsOf } from "../crash/topic-world.ts";
import type { Process } from "../crash/world.ts";
import type { ErrorWorld } from "./error-world.ts";
import type { Scenario } from "./every-error.ts";
import type { Tries } from "./tries.ts";

interface Told {
  readonly world: ErrorWorld;
  readonly topic: TopicTold;
}

export type TopicErrorAct = (process: Process, told: Told, tries: Tries) => Promise<unknown>;

export interface TopicScenario extends Omit<TopicVerb, "life" | "links" | "knowsTheDead"> {
  readonly type: number;
  readonly life: TopicErrorAct;
  readonly exitCodes?: readonly number[];
}

export function topicScenario(given: TopicScenario): Scenario<Told> {
  const { type, life, prepare, aheadMs = 0, exitCodes = [] } = given;
  const verb: TopicVerb = { isStraying: true, ...given, life: async () => {} };
  const judge: Scenario<Told>["judge"] = (world, { topic }, { where, knowsTheDead }) =>
    recover(world, topic, verb, { where, knowsTheDead, consumersFirst: false });
  return {
    type,
    aheadMs,
    exitCodes,
    begin: async (world) => {
      const topic = await begin(world, given);
      await prepare?.(world, topic);
      return { world, topic };
    },
    live: life,
    judge,
    judgeAfterPowerCut: judge,
  };
}

/** Calls after which a publish may say that it failed, and have taken place: docs/guarantees.md. */
const LAST_CALLS: readonly (string | undefined)[] = ["sync", "directory", "close"];

/** One after the other; one that failed is nowhere, unless it has a key or failed as it was synced. */
export function publish(payloads: readonly string[], options: PutOptions = {}): TopicErrorAct {
  return async ({ spool }, { topic: told, world }, tries) => {
    const topic = await tries.value(() => spool.topic(TOPIC), undefined);
    for (const one of payloads) {
      const { dedupKey } = options;
      const places = told.hearersOf(one, options.headers);
      const deed = dedupKey === undefined ? told.begin(places) : told.once(dedupKey, places);
      const isDone = await tries.that(() => topic!.publish(one, options));
      if (isDone) deed.outcome = "done";
      const isOpen = dedupKey !== undefined || LAST_CALLS.includes(world.disk.faultKind);
      if (!isDone && !isOpen) deed.outcome = "undone";
    }
  };
}

/** Many messages, several in a file; told by its progress. Of what is behind, some may be there. */
export function publishMany(payloads: readonly string[], options: PutManyOptions): TopicErrorAct {
  return async ({ spool }, { topic: told }, tries) => {
    const deeds = payloads.map((one) => told.begin(told.hearersOf(one, options.headers)));
    const onProgress = ({ messages }: { messages: number }): void => {
      for (const deed of deeds.slice(0, messages)) deed.outcome = "done";
    };
    const input = Buffer.from(payloads.map((one) => `${one}\n`).join(""));
    await tries.that(async () => {
      const topic = await spool.topic(TOPIC);
      await topic.publishMany({ ...options, onProgress }).run(pieces(input));
    });
  };
}

/** Who fails does it again: then it is there, whoever was first. */
export function subscribe(name: string, from: "now" | "start"): TopicErrorAct {
  return async ({ spool }, { topic: told }, tries) => {
    for (let turn = 0; turn < 2; turn++) {
      const isMade = await tries.that(async () => {
        const [topic, own] = await parted(spool, name);
        const deed = told.once(`subscribe ${name}`, [thereIs(name)]);
        await topic.subscribe(own, { from, settings: settingsOf(name) });
        deed.outcome = "done";
      });
      told.hears(name, wantsOf(name));
      if (isMade) return;
    }
  };
}

export function unsubscribe(name: string): TopicErrorAct {
  return async ({ spool }, { topic: told }, tries) => {
    await tries.that(async () => {
      const [topic, own] = await parted(spool, name);
      const deed = told.begin([thereIs(name)], -1);
      await topic.unsubscribe(own);
      deed.outcome = "done";
    });
  };
}

/** Delivers again what the log keeps, which is these. */
export function replay(name: string, payloads: readonly string[]): TopicErrorAct {
  return async ({ spool }, { topic: told }, tries) => {
    await tries.that(async () => {
      const [topic, own] = await parted(spool, name);
      const deed = told.begin(payloads.map((one) => placeIn(name, one)));
      await topic.replay(own);
      deed.outcome = "done";
    });
  };
}

export const inTurn =
  (...acts: readonly TopicErrorAct[]): TopicErrorAct =>
  async (...given) => {
    for (const act of acts) await act(...given);
  };

export const LATER_MS = 2 * HOUR_MS;
