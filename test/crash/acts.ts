/** What lives consist of: puts and settlings whose outcome is told. */
import { SpoolError } from "../../src/errors.ts";
import { SHORT_BYTES } from "../../src/limits.ts";
import { parseMessageId } from "../../src/message/id.ts";
import type { MessageId } from "../../src/message/id.ts";
import type { PutOptions } from "../../src/queue/draft.ts";
import type { LeaseStyle } from "../../src/queue/lease.ts";
import type { Message } from "../../src/queue/message.ts";
import type { PutManyOptions } from "../../src/queue/put-lines.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { settingsOf, text } from "./every-crash.ts";
import type { Act } from "./every-crash.ts";
import type { Told } from "./told.ts";

/** One after the other, each message in a file of its own. */
export function put(payloads: readonly string[], options: PutOptions = {}): Act {
  return async ({ queue }, told) => {
    for (const one of payloads) await told.to("ready", [one], () => queue.put(one, options));
  };
}

/** Many messages, several in a file; told by its progress. */
export function putMany(payloads: readonly string[], options: PutManyOptions = {}): Act {
  return async ({ queue }, told) => {
    told.begin("ready", payloads);
    const onProgress = ({ messages }: { messages: number }): void => {
      told.done("ready", payloads.slice(0, messages));
    };
    const end = options.separator === "nul" ? "\0" : "\n";
    const input = Buffer.from(payloads.map((one) => one + end).join(""));
    await queue.putMany({ ...options, onProgress }).run(pieces(input));
  };
}

/** The ids of these payloads: as people read them off a listing. */
export async function idsOf(queue: Queue, payloads: readonly string[]): Promise<MessageId[]> {
  const ids: MessageId[] = [];
  for await (const seen of queue.peek("ready")) {
    if (payloads.includes(String(await seen.body()))) ids.push(parseMessageId(seen.id)!);
  }
  return ids;
}

/** Of three bytes, so that nothing begins or ends with one; what is large, in a few. */

// oxlint-disable-next-line require-await
export async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  const size = bytes.length < 1000 ? 3 : Math.ceil(bytes.length / 7);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Takes and acks all that there is, as a program does. */
export const ackAll: Act = async ({ queue }, told) => {
  for await (const message of queue.messages({ untilEmpty: true })) await ack(message, told);
};

export async function ack(message: Message, told: Told): Promise<void> {
  await told.to("nowhere", [await text(message)], () => message.ack());
}

/** The messages of one claim, each in hand when the one before is settled. */
export async function* claimed(
  queue: Queue,
  want: number,
  style: LeaseStyle = "brief",
): AsyncGenerator<Message> {
  const consumer = queue.consumer(style);
  const claim = await consumer.claim(want);
  for (;;) {
    const message = claim && (await consumer.open(claim));
    if (message === undefined) break;
    yield message;
  }
  await claim?.file.close();
  await consumer.close();
}

export const inTurn =
  (...acts: readonly Act[]): Act =>
  async (...given) => {
    for (const act of acts) await act(...given);
  };

export const isLost = (error: unknown): boolean =>
  error instanceof SpoolError && error.code === "LEASE_LOST";

/** More than one write takes, each. */
export const LARGE = ["a", "b", "c"].map((one) => one.repeat(SHORT_BYTES + 1000));

export const FIVE = ["one", "two", "three", "four", "five"];
export const five = putMany(FIVE);

export const rejectFive: Act = async ({ queue }, told) => {
  for await (const message of queue.messages({ untilEmpty: true })) {
    await told.to("dead", [await text(message)], () => message.reject({ reason: "bad" }));
  }
};

export const makeOther: Act = ({ spool }) => spool.queue("other").create(settingsOf({}));
