/** spool publish — send messages to every subscription of a topic. */
import type { Verb } from "../verb.ts";

import type { Context } from "../context.ts";
import { command, examples, parseTopic } from "../options.ts";
import { produce, withProduceOptions } from "../produce.ts";
import type { ProduceOptions } from "../produce.ts";

interface Options extends ProduceOptions {
  readonly requireSubscriber?: boolean;
}

const EXAMPLES = examples(
  "spool publish deploys -m 'web 1.4.2'",
  "dmesg | spool publish logs --lines",
  "tail -F app.log | spool publish logs.web.error --lines -H 'level: error'",
  "spool publish deploys -m web --require-subscriber || echo nobody listens",
);

export default function publishCommand(context: Context): Verb {
  const publish = command("publish", "send messages to every subscription of a topic")
    .description(
      "Send stdin, or each FILE, or TEXT as one message to all subscriptions of a topic, and print " +
        "its id. Exit 0 means that it is on the disk, in all of them; else it is in none. No " +
        "subscription is no error. The topic is made by its first publish.",
    )
    .argument("<topic>", "the topic", parseTopic)
    .argument("[file...]", "a message each; - is stdin");
  return withProduceOptions(publish)
    .option("--require-subscriber", "exit 69 where no subscription wants it")
    .after(EXAMPLES)
    .action((name: string, files: string[], options: Options) =>
      produce(context, "publish", files, options, async (isMany) => {
        const spool = await context.open(options, { create: true, blocking: !isMany });
        const topic = await spool.topic(name);
        topic.warn = context.say;
        const needsSubscriber = options.requireSubscriber ?? false;
        return {
          name,
          noun: "topic",
          put: (body, putOptions) => topic.publish(body, { ...putOptions, needsSubscriber }),
          putMany: (putOptions) => topic.publishMany({ ...putOptions, needsSubscriber }),
        };
      }),
    );
}
