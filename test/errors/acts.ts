/** What lives consist of: acts that may fail, and what is told of them then. */
import type { PutOptions } from "../../src/queue/draft.ts";
import type { LeaseStyle } from "../../src/queue/lease.ts";
import type { Message } from "../../src/queue/message.ts";
import type { PutManyOptions } from "../../src/queue/put-lines.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { text } from "../crash/every-crash.ts";
import { pieces } from "../crash/acts.ts";
import type { Place } from "../crash/told.ts";
import type { ErrorAct, QueueTold } from "./queue-scenario.ts";
import type { Tries } from "./tries.ts";

/** One after the other; what failed is nowhere, unless it is said that it may be there all the same. */
export function put(payloads: readonly string[], options: PutOptions = {}): ErrorAct {
  return async ({ queue }, told, tries) => {
    for (const one of payloads) await putOne(queue, one, options, told, tries);
  };
}

/** At once, so that they share a file. */
export function putTogether(payloads: readonly string[], options: PutOptions = {}): ErrorAct {
  return ({ queue }, told, tries) =>
    Promise.all(payloads.map((one) => putOne(queue, one, options, told, tries)));
}

export async function putOne(
  queue: Queue,
  payload: string,
  options: PutOptions,
  told: QueueTold,
  tries: Tries,
): Promise<void> {
  const place: Place = queue.name === "other" ? "other queue" : "ready";
  told.begin(place, [payload]);
  if (await tries.that(() => queue.put(payload, options))) told.done(place, [payload]);
  // A key that is marked is finished by whoever comes next.
  else if (options.dedupKey === undefined) told.done("nowhere", [payload]);
}

export function putStreamed(payload: string): ErrorAct {
  return async ({ queue }, told, tries) => {
    told.begin("ready", [payload]);
    const isPut = await tries.that(() => queue.put(pieces(Buffer.from(payload))));
    told.done(isPut ? "ready" : "nowhere", [payload]);
  };
}

/** Many messages, several in a file; told by its progress. Of what is behind, some may be there. */
export function putMany(payloads: readonly string[], options: PutManyOptions = {}): ErrorAct {
  return async ({ queue }, told, tries) => {
    told.begin("ready", payloads);
    const onProgress = ({ messages }: { messages: number }): void => {
      told.done("ready", payloads.slice(0, messages));
    };
    const end = options.separator === "nul" ? "\0" : "\n";
    const input = Buffer.from(payloads.map((one) => one + end).join(""));
    const putter = queue.putMany({ ...options, onProgress });
    await tries.that(() => putter.run(pieces(input)));
  };
}

/** Takes and acks all that there is, as a program does. */
export const ackAll: ErrorAct = async ({ queue }, told, tries) => {
  await tries.that(async () => {
    for await (const message of queue.messages({ untilEmpty: true })) {
      await ack(message, told, tries);
    }
  });
};

export async function ack(message: Message, told: QueueTold, tries: Tries): Promise<void> {
  const payload = await text(message);
  await tries.that(() => told.to("nowhere", [payload], () => message.ack()));
}

/** Does `act` with each message of one claim, and closes what is open, whatever fails. */
export function withClaimed(
  want: number,
  act: (message: Message, told: QueueTold, tries: Tries) => Promise<unknown>,
  style: LeaseStyle = "brief",
): ErrorAct {
  return async ({ queue }, told, tries) => {
    const consumer = queue.consumer(style);
    await tries.that(async () => {
      const claim = await consumer.claim(want);
      if (claim === undefined) return;
      try {
        for (;;) {
          const message = await consumer.open(claim);
          if (message === undefined) return;
          const { slice } = claim.held;
          await act(message, told, tries);
          // It failed: whoever comes next has it.
          if (claim.held.slice === slice) return;
        }
      } finally {
        await claim.file.close();
      }
    });
    await tries.that(() => consumer.close());
  };
}

export const inTurn =
  (...acts: readonly ErrorAct[]): ErrorAct =>
  async (...given) => {
    for (const act of acts) await act(...given);
  };
