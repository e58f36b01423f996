/** spool take — take messages from a queue. */
import type { Verb } from "../verb.ts";

import { monotonicMs } from "../../clock.ts";
import { writeOut } from "../../disk/stdio.ts";
import { isErrno, SpoolError } from "../../errors.ts";
import type { Consumer } from "../../queue/consumer.ts";
import { Slot } from "../../queue/slot.ts";
import type { Message } from "../../queue/message.ts";
import type { Queue } from "../../queue/queue.ts";
import { paused } from "../paused.ts";
import { PipeClosed, STDOUT } from "../context.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { messageJson } from "../message-json.ts";
import {
  command,
  examples,
  parseDuration,
  parsePositive,
  parseQueue,
  queueArgument,
} from "../options.ts";

interface Options extends GlobalOptions {
  readonly n?: number;
  readonly wait?: number;
  readonly lease?: number;
}

const EXAMPLES = examples(
  "spool take jobs",
  'while m=$(spool take jobs); do echo "$m"; done',
  "spool take jobs --wait 30s",
  "spool take jobs --lease 5m | jq -r .receipt",
);

export default function takeCommand(context: Context): Verb {
  return command("take", "take messages from a queue")
    .description(
      "Claim a message, write its payload to stdout byte for byte, and ack it when stdout has " +
        "taken it all. With --lease: claim only, and print a line of JSON with its receipt, for " +
        "ack, nack, reject and extend. Exit 75 means that there was nothing.",
    )
    .argument(queueArgument, "the queue", parseQueue)
    .option("-n <count>", "so many at the most", parsePositive)
    .option("--wait <duration>", "wait for one that long (0: for ever)", parseDuration)
    .option("--lease <duration>", "claim without ack; it comes back after this time", parseDuration)
    .after(EXAMPLES)
    .action((queue: string, options: Options) => take(context, queue, options));
}

async function take(context: Context, name: string, options: Options): Promise<void> {
  context.needStdout();
  const spool = await context.open(options);
  const queue = spool.queue(name);
  await queue.settings();
  if (options.lease === 0) throw new SpoolError("BAD_VALUE", "a lease of 0 is none");
  const consumer = queue.consumer(options.lease === undefined ? "brief" : "handed out", {
    warn: context.say,
    ...(options.lease !== undefined && { leaseMs: options.lease }),
  });
  const taken =
    options.lease === undefined
      ? await takeNow(context, queue, consumer, options)
      : await claimOnly(context, queue, consumer, options);
  if (taken === 0) throw await nothing(queue, options);
}

async function nothing(queue: Queue, { wait }: Options): Promise<SpoolError> {
  if ((await queue.settings()).isPaused) return paused(queue.name);
  const why = wait === undefined ? "is empty" : "stayed empty";
  return new SpoolError("EMPTY", `queue ${queue.name} ${why}`);
}

/** Messages until there are enough, or none came in time. */
async function* upTo(
  queue: Queue,
  consumer: Consumer,
  { n = 1, wait }: Options,
): AsyncGenerator<Message> {
  const slot = new Slot(consumer, queue.room, n);
  const deadlineMs = wait ? monotonicMs() + wait : Number.POSITIVE_INFINITY;
  let taken = 0;
  try {
    while (taken < n) {
      const message = await slot.next(n - taken);
      if (message !== undefined) {
        taken++;
        yield message;
        continue;
      }
      const leftMs = deadlineMs - monotonicMs();
      if (wait === undefined || taken > 0 || leftMs <= 0) {
        if (taken === 0 && (await consumer.hasMore())) continue;
        return;
      }
      await consumer.wait(leftMs);
    }
  } finally {
    await slot.close();
  }
}

async function takeNow(
  context: Context,
  queue: Queue,
  consumer: Consumer,
  options: Options,
): Promise<number> {
  let taken = 0;
  try {
    for await (const message of upTo(queue, consumer, options)) {
      try {
        await print(context, message, options);
      } catch (error) {
        await message.giveBack();
        throw error;
      }
      await message.ack();
      taken++;
    }
  } finally {
    await consumer.close();
  }
  return taken;
}

async function print(context: Context, message: Message, options: Options): Promise<void> {
  if (context.outputOf(options) === "json") {
    await context.write(`${JSON.stringify(await messageJson(message))}\n`);
    return;
  }
  for await (const block of message.stream()) {
    try {
      if ((await writeOut(STDOUT, block, true)) < block.length) throw new PipeClosed();
    } catch (error) {
      if (!isErrno(error, "ENOSPC", "EIO", "EBADF", "EFBIG")) throw error;
      throw new SpoolError("IO", `stdout did not take message ${message.id}: it stays`, "", {
        cause: error,
      });
    }
  }
}

async function claimOnly(
  context: Context,
  queue: Queue,
  consumer: Consumer,
  options: Options,
): Promise<number> {
  const claimed: Message[] = [];
  try {
    for await (const message of upTo(queue, consumer, options)) claimed.push(message);
    for (const message of claimed) {
      const receipt = await message.receipt();
      await context.write(`${JSON.stringify({ receipt, ...(await messageJson(message)) })}\n`);
      await message.leave();
    }
  } catch (error) {
    // Whoever did not get the receipts cannot settle: they go back at once, not after the lease.
    for (const message of claimed) await message.giveBack();
    await consumer.close();
    throw error;
  }
  await (claimed.length === 0 ? consumer.close() : consumer.leave());
  return claimed.length;
}
