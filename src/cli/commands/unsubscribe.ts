/** spool unsubscribe — remove a subscription. */
import type { Verb } from "../verb.ts";

import { statsOf } from "../../stats/queue-stats.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { count } from "../format.ts";
import { command, examples, parseSubscription, subscriptionArgument } from "../options.ts";
import type { SubscriptionName } from "../options.ts";

interface Options extends GlobalOptions {
  readonly force?: boolean;
}

export default function unsubscribeCommand(context: Context): Verb {
  return command("unsubscribe", "remove a subscription")
    .description(
      "Remove a subscription and what waits in it. Asks where that is anything. Other subscriptions " +
        "keep what they have.",
    )
    .argument(subscriptionArgument, "the subscription", parseSubscription)
    .option("-f, --force", "do not ask")
    .after(examples("spool unsubscribe logs/archive", "spool unsubscribe logs/old -f"))
    .action((name: SubscriptionName, options: Options) => unsubscribe(context, name, options));
}

async function unsubscribe(
  context: Context,
  { topic: topicName, subscription }: SubscriptionName,
  options: Options,
): Promise<void> {
  const spool = await context.open(options);
  const topic = await spool.topic(topicName);
  const { name, ready, scheduled, inFlight, dead } = await statsOf(
    topic.subscription(subscription),
  );
  const messages = ready + scheduled + inFlight + dead;
  if (messages > 0) {
    const what = `remove subscription ${name} and ${count(messages, "message")} in it`;
    await context.confirm(what, options.force);
  }
  await topic.unsubscribe(subscription);
}
