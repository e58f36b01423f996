/** spool subscribe — make a queue that gets what is published to a topic. */
import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import { DEFAULT_SETTINGS, SUBSCRIPTION_SETTINGS } from "../../queue/settings.ts";
import { parseSetting } from "../../queue/settings-file.ts";
import { parseTimeMs } from "../../units.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { count } from "../format.ts";
import { command, examples, parseSubscription, subscriptionArgument } from "../options.ts";
import type { SubscriptionName } from "../options.ts";
import { parseWords, settingsHelp } from "../settings.ts";
import { explainNoLog } from "../topic-hints.ts";

interface Options extends GlobalOptions {
  readonly from?: string;
  readonly filter?: string;
}

const EXAMPLES = examples(
  "spool subscribe logs/archive",
  "spool subscribe logs/alerts --filter 'level=error,app^=web'",
  "spool subscribe 'logs.*.error/alerts' max-attempts=3",
  "spool subscribe logs/audit --from start",
  "spool subscribe logs/recent --from -1h",
);

const FILTER_HELP = `
A filter is a list of terms over headers, all of which must hold:
  level=error  level=error|fatal  level!=debug    is, is one of, is not
  app^=web  app$=-1  app*=eb                      starts with, ends with, contains
  size>=100  size<4                               as numbers
  trace  !trace                                   is there, is not there

In a topic's name * is one word between dots, # any number of them, > at the end one or more.`;

export default function subscribeCommand(context: Context): Verb {
  return command("subscribe", "make a queue that gets what is published to a topic")
    .description(
      "From now on every message that is published to the topic comes to TOPIC/NAME, too, which every " +
        "verb takes like a queue: take, work, consume, peek, status, dlq. Consumers of one subscription " +
        "share its messages. To do it again changes nothing.",
    )
    .argument(subscriptionArgument, "the topic, or a pattern, and a name", parseSubscription)
    .argument("[setting...]", "settings of its queue, like max-attempts=3")
    .option("--from <start>", "now, start (all that the topic's log keeps), or a time")
    .option("--filter <expression>", "only messages whose headers fit")
    .after(`${EXAMPLES}\n${FILTER_HELP}\n${settingsHelp(SUBSCRIPTION_SETTINGS)}`)
    .action((name: SubscriptionName, words: string[], options: Options) =>
      subscribe(context, name, words, options),
    );
}

async function subscribe(
  context: Context,
  { topic: topicName, subscription }: SubscriptionName,
  words: readonly string[],
  options: Options,
): Promise<void> {
  const filter = options.filter ?? "";
  if (filter !== "" && words.some((word) => word.startsWith("filter="))) {
    throw new SpoolError("USAGE", "--filter and filter= exclude each other");
  }
  const settings = {
    ...DEFAULT_SETTINGS,
    ...parseWords(SUBSCRIPTION_SETTINGS, words),
    ...(filter !== "" && parseSetting(SUBSCRIPTION_SETTINGS, "filter", filter)),
  };
  const from = parseFrom(options.from ?? "now");
  const spool = await context.open(options, { create: true });
  const topic = await spool.topic(topicName);
  topic.warn = context.say;
  const messages = await topic.subscribe(subscription, { from, settings });
  const name = `${topicName}/${subscription}`;
  if (messages === undefined) refuseChange(name, words, options);
  if (context.outputOf(options) === "json") {
    const isNew = messages !== undefined;
    await context.write(
      `${JSON.stringify({ subscription: name, created: isNew, messages: messages ?? 0 })}\n`,
    );
  } else if (from !== "now") {
    context.say(`${name} begins with ${count(messages ?? 0, "message")} of the log`);
    if (messages === 0) await explainNoLog(context, topic);
  }
}

function parseFrom(text: string): "now" | "start" | number {
  return text === "now" || text === "start" ? text : parseTimeMs(text, Date.now());
}

/** To subscribe again is no error, unless it was to change something. */
function refuseChange(name: string, words: readonly string[], options: Options): void {
  const filter = options.filter === undefined ? [] : [`filter='${options.filter}'`];
  const changes = [...words, ...filter];
  if (changes.length > 0) {
    throw new SpoolError(
      "USAGE",
      `subscription ${name} is there already`,
      `Change it with: spool queue set ${name} ${changes.join(" ")}`,
    );
  }
  if (options.from !== undefined && options.from !== "now") {
    throw new SpoolError(
      "USAGE",
      `subscription ${name} is there already`,
      `Deliver again with: spool replay ${name}${options.from === "start" ? "" : ` --since ${options.from}`}`,
    );
  }
}
