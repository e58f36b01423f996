/** spool replay — deliver again from the topic's log. */
import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import type { ReplayOptions } from "../../topic/replay.ts";
import { parseTimeMs } from "../../units.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { count } from "../format.ts";
import { command, examples, parseSubscription, subscriptionArgument } from "../options.ts";
import type { SubscriptionName } from "../options.ts";
import { explainNoLog } from "../topic-hints.ts";
import { Progress } from "../progress.ts";

interface Options extends GlobalOptions {
  readonly since?: string;
  readonly until?: string;
  readonly dryRun?: boolean;
}

const EXAMPLES = examples(
  "spool replay logs/archive -n",
  "spool replay logs/archive --since -1h",
  "spool replay logs/archive --since 2027-01-31T09:00:00Z --until 2027-01-31T10:00:00Z",
);

export default function replayCommand(context: Context): Verb {
  return command("replay", "deliver again from the topic's log")
    .description(
      "Deliver again to one subscription what the topic's log keeps, all of it or nothing. What still " +
        "waits there is delivered twice then. The topic's retention says how far back that goes; the " +
        "subscription's filter applies as it is now.",
    )
    .argument(subscriptionArgument, "the subscription", parseSubscription)
    .option("--since <time>", "only what was published then or later")
    .option("--until <time>", "only what was published before then")
    .option("-n, --dry-run", "only say how many")
    .after(EXAMPLES)
    .action((name: SubscriptionName, options: Options) => replay(context, name, options));
}

async function replay(
  context: Context,
  { topic: topicName, subscription }: SubscriptionName,
  options: Options,
): Promise<void> {
  const { since, until, dryRun = false } = options;
  const nowMs = Date.now();
  const window: ReplayOptions = {
    ...(since !== undefined && { sinceMs: parseTimeMs(since, nowMs) }),
    ...(until !== undefined && { untilMs: parseTimeMs(until, nowMs) }),
  };
  if ((window.sinceMs ?? 0) > (window.untilMs ?? Number.POSITIVE_INFINITY)) {
    throw new SpoolError("BAD_VALUE", "--since is later than --until: that is never");
  }
  const spool = await context.open(options);
  const topic = await spool.topic(topicName);
  topic.warn = context.say;
  const progress = await Progress.on(context);
  const messages = await topic.replay(subscription, {
    ...window,
    isDryRun: dryRun,
    onProgress: (linked) => progress.show(() => `${count(linked, "message")} linked`),
  });
  progress.clear();
  const name = `${topicName}/${subscription}`;
  if (context.outputOf(options) === "json") {
    await context.write(`${JSON.stringify({ subscription: name, messages, dry_run: dryRun })}\n`);
    return;
  }
  const done = dryRun ? "would be delivered again" : "delivered again";
  context.say(`${count(messages, "message")} ${done} to ${name}`);
  if (messages === 0) await explainNoLog(context, topic);
}
