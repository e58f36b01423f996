/** spool move — move messages to another queue. */
import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import type { MessageId } from "../../message/id.ts";
import type { State } from "../../queue/browse.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { count } from "../format.ts";
import {
  collectId,
  command,
  examples,
  fewerThan,
  namedAlone,
  noMessage,
  parseDuration,
  parsePositive,
  parseQueue,
} from "../options.ts";
import { Progress } from "../progress.ts";

interface Options extends GlobalOptions {
  readonly state?: State;
  readonly older?: number;
  readonly max?: number;
  readonly id?: readonly MessageId[];
  readonly now?: boolean;
  readonly dryRun?: boolean;
}

const EXAMPLES = examples(
  "spool move jobs jobs-slow",
  "spool move jobs parked --state scheduled",
  "spool move jobs jobs-retry --max 100 -n",
  "spool move jobs jobs --now               # what waits for a retry is tried now",
);

export default function moveCommand(context: Context): Verb {
  return command("move", "move messages to another queue")
    .description(
      "Move what is ready and scheduled to another queue of the spool, as it is: with its id, its " +
        "time, its priority and its attempts. Each is one rename: nothing is lost, nothing is twice.",
    )
    .argument("<from>", "the queue that they are in", parseQueue)
    .argument("<to>", "the queue that they go to; made where it is not there", parseQueue)
    .option("--state <state>", "only these", ["ready", "scheduled", "dead"])
    .option("--older <duration>", "only what was put longer ago", parseDuration)
    .option("--max <n>", "so many at the most", parsePositive)
    .option("--id <id>", "only this message; may be given again", collectId)
    .option("--now", "only what is scheduled, and make it ready at once; TO may be the same queue")
    .option("-n, --dry-run", "only say how many")
    .after(EXAMPLES)
    .action((from: string, to: string, options: Options) => move(context, from, to, options));
}

async function move(context: Context, from: string, to: string, options: Options): Promise<void> {
  const { now: isNow = false, state = isNow ? "scheduled" : undefined } = options;
  if (from === to && !isNow)
    throw new SpoolError("USAGE", `${from}: from and to are the same queue`);
  if (isNow && state !== "scheduled")
    throw new SpoolError("USAGE", `--now is for what is scheduled, not for --state ${state}`);
  const spool = await context.open(options);
  const queue = spool.queue(from);
  await queue.settings();
  const progress = await Progress.on(context);
  const moved = await queue.moveTo(spool.queue(to), {
    onProgress: (done) => progress.show(() => `${count(done, "message")} moved`),
    ...(state !== undefined && { states: [state] }),
    ...(options.id !== undefined && { ids: options.id }),
    isNow,
    ...(options.max !== undefined && { max: options.max }),
    ...(options.older !== undefined && { beforeMs: (await queue.room.now()) - options.older }),
    ...(options.dryRun && { isDryRun: true }),
  });
  progress.clear();
  if (options.id !== undefined && moved === 0)
    throw noMessage(options.id, `such message in ${from}`);
  const fewer = fewerThan(namedAlone(options), moved);
  if (from === to) {
    const done = options.dryRun ? "would be made ready" : "made ready";
    context.say(`${count(moved, "message")} ${done}${fewer}`);
    return;
  }
  const done = options.dryRun ? "would be moved" : "moved";
  context.say(`${count(moved, "message")} ${done} to ${to}${fewer}`);
}
