/** spool consume — stream messages to stdout. */
import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import { STREAM_MESSAGES } from "../../limits.ts";
import { keepHeapSmall } from "../small-heap.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { Emitter } from "../emitter.ts";
import { command, examples, parseDuration, parseQueue, queueArgument } from "../options.ts";
import { waitsPaused } from "../paused.ts";
import { onSignals } from "../signals.ts";

interface Options extends GlobalOptions {
  readonly 0?: boolean;
  readonly untilEmpty?: boolean;
  readonly lease?: number;
}

const EXAMPLES = examples(
  "spool consume logs >> all.log",
  "spool consume logs --until-empty | grep -c error",
  "spool consume jobs --json | jq -r .body",
);

export default function consumeCommand(context: Context): Verb {
  return command("consume", "stream messages to stdout")
    .description(
      "Write the payload of each message to stdout, each followed by a newline, and ack what stdout " +
        "has taken. Waits for more until it is told to stop. What a closed pipe did not take stays.",
    )
    .argument(queueArgument, "the queue", parseQueue)
    .option("-0", "a NUL after each payload instead of a newline")
    .option("--until-empty", "end when nothing is ready")
    .option("--lease <duration>", "instead of the queue's lease time", parseDuration)
    .after(EXAMPLES)
    .action((queue: string, options: Options) => consume(context, queue, options));
}

async function consume(context: Context, name: string, options: Options): Promise<void> {
  keepHeapSmall();
  context.needStdout();
  const spool = await context.open(options, { blocking: false });
  const queue = spool.queue(name);
  if ((await queue.settings()).isPaused) context.say(waitsPaused(name));
  const stop = new AbortController();
  const restore = onSignals(stop);
  const consumer = queue.consumer("beating", {
    warn: context.say,
    isTransient: true,
    ...(options.lease !== undefined && { leaseMs: options.lease }),
  });
  const emitter = new Emitter(context, {
    separator: options[0] ? "\0" : "\n",
    isJson: context.outputOf(options) === "json",
    meanwhile: () => consumer.readAhead(),
  });
  let isLost = false;
  try {
    while (!stop.signal.aborted) {
      try {
        const claim = await consumer.claim(STREAM_MESSAGES);
        isLost = false;
        if (claim !== undefined) {
          await emitter.emit(claim);
          continue;
        }
      } catch (error) {
        if (!(error instanceof SpoolError) || error.code !== "LEASE_LOST") throw error;
        // Others have its messages now. An ack finds it, and the next claim once more: then there is a new lease.
        if (!isLost) context.say(`${error.message}; going on with a new lease`);
        isLost = true;
        continue;
      }
      if (!options.untilEmpty) await consumer.wait(Number.POSITIVE_INFINITY, stop.signal);
      else if (!(await consumer.hasMore())) return;
    }
  } finally {
    await consumer.close();
    restore();
  }
}
