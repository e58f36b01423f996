/** What the lives of a topic consist of: publishes and the like whose outcome is told. */
import type { Headers } from "../../src/message/batch.ts";
import type { PutOptions } from "../../src/queue/draft.ts";
import type { PutManyOptions } from "../../src/queue/put-lines.ts";
import { pieces } from "./acts.ts";
import { placeIn, thereIs } from "./topic-told.ts";
import { ERROR, parted, settingsOf, TOPIC, wantsOf } from "./topic-world.ts";
import type { TopicAct } from "./topic-world.ts";

/** One after the other, each message in a file of its own. */
export function publish(payloads: readonly string[], options: PutOptions = {}): TopicAct {
  return async ({ spool }, told) => {
    const topic = await spool.topic(TOPIC);
    for (const one of payloads) {
      const places = told.hearersOf(one, options.headers);
      const { dedupKey } = options;
      const deed = dedupKey === undefined ? told.begin(places) : told.once(dedupKey, places);
      await told.to(deed, () => topic.publish(one, options));
    }
  };
}

/** At once, so that they share a file; each with its own headers. */
export function publishTogether(messages: Readonly<Record<string, Headers>>): TopicAct {
  return async ({ spool }, told) => {
    const topic = await spool.topic(TOPIC);
    const all = Object.entries(messages).map(([payload, headers]) =>
      told.to(told.begin(told.hearersOf(payload, headers)), () =>
        topic.publish(payload, { headers }),
      ),
    );
    const failed = (await Promise.allSettled(all)).find(({ status }) => status === "rejected");
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
  };
}

/** Many messages, several in a file; told by its progress. */
export function publishMany(payloads: readonly string[], options: PutManyOptions): TopicAct {
  return async ({ spool }, told) => {
    const deeds = payloads.map((one) => told.begin(told.hearersOf(one, options.headers)));
    const onProgress = ({ messages }: { messages: number }): void => {
      for (const deed of deeds.slice(0, messages)) deed.outcome = "done";
    };
    const input = Buffer.from(payloads.map((one) => `${one}\n`).join(""));
    const topic = await spool.topic(TOPIC);
    await topic.publishMany({ ...options, onProgress }).run(pieces(input));
  };
}

export const publishErrors = (payloads: readonly string[]): TopicAct =>
  publish(payloads, { headers: ERROR });

/** Who does it again, whoever that is, does the same. */
export function subscribe(name: string, from: "now" | "start"): TopicAct {
  return async ({ spool }, told) => {
    const [topic, own] = await parted(spool, name);
    const deed = told.once(`subscribe ${name}`, [thereIs(name)]);
    await told.to(deed, () => topic.subscribe(own, { from, settings: settingsOf(name) }));
    told.hears(name, wantsOf(name));
  };
}

export function unsubscribe(name: string): TopicAct {
  return async ({ spool }, told) => {
    const [topic, own] = await parted(spool, name);
    await told.to(told.begin([thereIs(name)], -1), () => topic.unsubscribe(own));
  };
}

/** Delivers again what the log keeps, which is these. */
export function replay(name: string, payloads: readonly string[]): TopicAct {
  return async ({ spool }, told) => {
    const [topic, own] = await parted(spool, name);
    const deed = told.begin(payloads.map((one) => placeIn(name, one)));
    await told.to(deed, () => topic.replay(own));
  };
}

export const inTurn =
  (...acts: readonly TopicAct[]): TopicAct =>
  async (...given) => {
    for (const act of acts) await act(...given);
  };
