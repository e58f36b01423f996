/**
 * What the processes of the workload do with the topic `events`.
 *
 * Its subscriptions: `all`, and `errors` with a filter, are consumed; `kept` is not, and is replayed
 * to; `late.…` come and go, filled from the log or not.
 */
import { timeOfId } from "../../src/message/id.ts";
import { payloadOf } from "./journal.ts";
import { settle, upTo } from "./queue-roles.ts";
import type { Role } from "./queue-roles.ts";

const EVENTS = "events";

/** How many late subscriptions there are at once. */
const LATE = 3;

export const publish: Role = async ({ spool, journal, random, token, isOver, pause, sync }) => {
  const topic = await spool.topic(EVENTS);
  for (let round = 0; !isOver(); round++) {
    const level = random() < 0.4 ? "error" : "info";
    const headers = { level };
    const one = token(upTo(random, 6000));
    const call = { what: "send", place: EVENTS, tokens: [one], level } as const;
    if (round % 4 === 0) {
      await journal.tell(call, () => topic.publish(payloadOf(one), { headers, sync }));
    } else if (round % 4 === 1) {
      const options = { headers, sync, dedupKey: one };
      await journal.tell({ ...call, key: one }, () => topic.publish(payloadOf(one), options));
    } else if (round % 4 === 2) {
      // In one turn of the event loop, so they share a batch, and a filter cuts runs of it.
      const levels = ["error", "info", "error", "error", "info"];
      await Promise.all(
        levels.map((own) => {
          const part = { ...call, tokens: [token(upTo(random, 500))], level: own };
          return journal.tell(part, () =>
            topic.publish(payloadOf(part.tokens[0]!), { headers: { level: own }, sync }),
          );
        }),
      );
    } else {
      const tokens = Array.from({ length: 1 + upTo(random, 8) }, () => token(upTo(random, 200)));
      const input = Buffer.concat(tokens.flatMap((each) => [payloadOf(each), Buffer.from("\n")]));
      const putter = topic.publishMany({ headers, sync });
      await journal.tell({ ...call, tokens }, () => putter.run(only(input)));
    }
    await pause(100);
  }
};

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

export const consume: Role = async (life) => {
  for (let round = 0; !life.isOver(); round++) {
    const place = round % 2 === 0 ? `${EVENTS}/all` : `${EVENTS}/errors`;
    let left = 1 + upTo(life.random, 10);
    for await (const message of life.spool.queue(place).messages({ untilEmpty: true })) {
      await settle(life, place, message);
      if (--left === 0 || life.isOver()) break;
    }
    await life.pause(120);
  }
};

/** Replays, makes and removes subscriptions, sweeps. */
export const manage: Role = async ({ spool, journal, random, who, isOver, pause }) => {
  const topic = await spool.topic(EVENTS);
  const late: string[] = [];
  for (let round = 0; !isOver(); round++) {
    await pause(500);
    if (round % 4 === 1) {
      const sinceMs = await newestMs(topic.subscription("kept"));
      const call = { what: "replay", place: `${EVENTS}/kept`, sinceMs } as const;
      await journal.tell(call, () => topic.replay("kept", { sinceMs }));
    } else if (round % 4 === 3) {
      await journal.tell({ what: "other", place: EVENTS }, () => topic.sweep());
    } else {
      const name = `late.${who}.${round}`;
      const fromStart = random() < 0.7;
      const call = { what: "make", place: `${EVENTS}/${name}`, fromStart } as const;
      await journal.tell(call, () => topic.subscribe(name, { from: fromStart ? "start" : "now" }));
      late.push(name);
    }
    const old = late.length > LATE ? late.shift() : undefined;
    if (old !== undefined) {
      const call = { what: "remove", place: `${EVENTS}/${old}` } as const;
      await journal.tell(call, () => topic.unsubscribe(old));
    }
  }
};

/** The time of a recent message: what is replayed begins somewhere in the middle of the log. */
async function newestMs(queue: Parameters<typeof timesOf>[0]): Promise<number> {
  const times = await timesOf(queue);
  return times.toSorted((a, b) => a - b)[Math.max(0, times.length - 40)] ?? 0;
}

async function timesOf(queue: {
  browse(state: "ready"): AsyncIterable<{ readonly slice: { readonly batch: string } }>;
}): Promise<number[]> {
  const times: number[] = [];
  for await (const { slice } of queue.browse("ready")) times.push(timeOfId(slice.batch));
  return times;
}
