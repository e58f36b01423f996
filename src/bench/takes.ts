/** What it costs to take a message and to ack it: out of batches, and out of a file of its own. */
import type { Message } from "../queue/message.ts";
import type { Queue } from "../queue/queue.ts";
import type { Measured } from "./figures.ts";
import { asStream, PAYLOAD } from "./ground.ts";
import type { Ground, Part } from "./ground.ts";
import { alternate, plainRateFor, rateFor } from "./pace.ts";
import type { Begin } from "./pace.ts";

/** A queue is filled with so many lines at once. */
const LINES = 20_000;

/** Of the time for one-message slices, what may be spent on making them. */
const FILLING = 0.4;

/** One-message slices, and as many plain files, at the least and at the most. */
const LEAST_SLICES = 6;
const MOST_SLICES = 10_000;

/** Messages that are taken before it counts, and how long that may take, in ms. */
const WARM_UPS = 2000;
const WARM_UP_MS = 200;

/** A consumer that takes and acks. It knows what is left, so it never waits for more. */
class Taker {
  left = 0;
  readonly #messages: AsyncGenerator<Message>;

  constructor(queue: Queue) {
    this.#messages = queue.messages();
  }

  /** Takes the next message and acks it; false where none is left. */
  take = async (): Promise<boolean> => {
    if (this.left === 0) return false;
    this.left--;
    const { value } = (await this.#messages.next()) as IteratorYieldResult<Message>;
    await value.body();
    await value.ack();
    return true;
  };

  /** A consumer claims more at once the faster it is: until then it is not what it will be. */
  async warmUp(): Promise<void> {
    await rateFor(WARM_UP_MS, this.take, WARM_UPS);
  }

  async close(): Promise<void> {
    await this.#messages.return(undefined);
  }
}

/** Opens a consumer for a part, and closes it whatever happens: its lease beats. */
async function withTaker<T>(queue: Queue, act: (taker: Taker) => Promise<T>): Promise<T> {
  await queue.create();
  const taker = new Taker(queue);
  try {
    return await act(taker);
  } finally {
    await taker.close();
  }
}

async function fromBatches(ground: Ground, begin: Begin): Promise<Measured[]> {
  const queue = ground.spool.queue("batches");
  const plain = ground.plain();
  const lines = Buffer.from(`${PAYLOAD.toString()}\n`.repeat(LINES));
  const figures = await withTaker(queue, async (taker) => {
    const fill = async (): Promise<void> => {
      await queue.putMany().run(asStream([lines]));
      taker.left += LINES;
    };
    await fill();
    await taker.warmUp();
    return alternate(begin(), {
      ours: async (slotMs) => {
        if (taker.left < LINES) await fill();
        return rateFor(slotMs, taker.take);
      },
      floor: (slotMs) => plainRateFor(slotMs, () => plain.rename()),
    });
  });
  const what = "take + ack of each, from batches";
  return [{ name: "take_batches", what, unit: "per s", beside: "rename of one file", figures }];
}

/**
 * All files are made before the first is removed: where many were removed lately ext4 is slow to make new
 * ones. Then each round takes an equal share of them, or as many as there is time for.
 */
async function oneByOne(ground: Ground, begin: Begin): Promise<Measured[]> {
  const queue = ground.spool.queue("slices");
  const plain = ground.plain();
  const figures = await withTaker(queue, async (taker) => {
    const pace = begin();
    const leftMs = pace.leftMs * (1 - FILLING);
    do {
      for (let at = 0; at < LEAST_SLICES; at++) {
        await queue.put(PAYLOAD, { sync: "none" });
        plain.make(PAYLOAD);
        taker.left++;
      }
      await pace.breathe();
    } while (pace.leftMs > leftMs && taker.left < MOST_SLICES);
    const each = Math.ceil(taker.left / LEAST_SLICES);
    const slotMs = pace.slotMs * (1 - FILLING);
    const into = Buffer.alloc(PAYLOAD.length);
    return alternate(pace, {
      ours: () => rateFor(slotMs, taker.take, each),
      floor: () => plainRateFor(slotMs, () => plain.claim(into), each),
    });
  });
  const what = "claim + ack of one-message slices";
  const beside = "rename, open, read, close, unlink";
  return [{ name: "claim", what, unit: "per s", beside, figures }];
}

export const takes: readonly Part[] = [
  { what: "take + ack from batches", weight: 2, run: fromBatches },
  { what: "claim + ack of one-message slices", weight: 3, run: oneByOne },
];
