/**
 * Messages one by one, for `for await`.
 *
 * One lease holds them. When the loop ends, what is held goes back, without counting an attempt. Where the
 * lease was taken away (a suspended laptop) a new one is made: then only the messages that were in hand are
 * lost, and their acks fail.
 */
import { fromErrno, SpoolError } from "../errors.ts";
import { CLAIM_MESSAGES } from "../limits.ts";
import type { Buckets } from "./buckets.ts";
import { Consumer } from "./consumer.ts";
import type { Message } from "./message.ts";
import { Patience } from "./patience.ts";
import type { ConsumeOptions } from "./patience.ts";
import type { Room } from "./room.ts";
import { isLost, nextOf, Slot } from "./slot.ts";

/** Messages one by one. Settle each; asking for the next one leaves an unsettled one in hand. */
export async function* messagesOf(
  room: Room,
  buckets: Buckets,
  options: ConsumeOptions,
): AsyncGenerator<Message> {
  await room.settings();
  const consumer = new Consumer(room, buckets, "beating", options);
  const slot = new Slot(consumer, room, 1, prefetchOf(options));
  const patience = new Patience(consumer, room, options);
  try {
    try {
      while (!options.signal?.aborted) {
        // What could not be settled would be handed out again and again.
        if (consumer.failure !== undefined) throw consumer.failure;
        const next = nextOf(slot);
        const message = next instanceof Promise ? await next : next;
        if (message !== undefined) {
          yield message;
          patience.renew();
        } else if (!(await patience.wait())) {
          return;
        }
      }
    } finally {
      try {
        await giveBack(slot);
      } finally {
        await consumer.close();
      }
    }
  } catch (error) {
    throw fromErrno(error);
  }
}

function prefetchOf({ prefetch = 1 }: ConsumeOptions): number {
  if (Number.isInteger(prefetch) && prefetch >= 1 && prefetch <= CLAIM_MESSAGES) return prefetch;
  throw new SpoolError("BAD_VALUE", `not a prefetch: ${prefetch}`, `Give 1 to ${CLAIM_MESSAGES}.`);
}

async function giveBack(slot: Slot): Promise<void> {
  const acts = [() => slot.close(), ...slot.inHand.map((message) => () => message.giveBack())];
  let failure: unknown;
  for (const act of acts) {
    try {
      await act();
    } catch (error) {
      if (!isLost(error)) failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}
