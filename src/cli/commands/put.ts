/** spool put — add messages to a queue. */
import type { Verb } from "../verb.ts";

import type { Context } from "../context.ts";
import { command, examples, parseQueue, queueArgument } from "../options.ts";
import { produce, withProduceOptions } from "../produce.ts";
import type { ProduceOptions } from "../produce.ts";

const EXAMPLES = examples(
  "spool put thumbnails -m cat.png",
  "pg_dump shop | spool put backups",
  "dmesg | spool put logs --lines",
  "find . -name '*.jpg' -print0 | spool put jobs -0",
  "spool put mail -m hello --delay 10m -H 'To: ann' --dedup order-17",
);

export default function putCommand(context: Context): Verb {
  const put = command("put", "add messages to a queue")
    .description(
      "Add stdin, or each FILE, or TEXT to a queue as one message, and print its id. " +
        "Exit 0 means that it is on the disk. The queue is made by its first put.",
    )
    .argument(queueArgument, "the queue", parseQueue)
    .argument("[file...]", "a message each; - is stdin");
  return withProduceOptions(put)
    .after(EXAMPLES)
    .action((name: string, files: string[], options: ProduceOptions) =>
      produce(context, "put", files, options, async (isMany) => {
        const spool = await context.open(options, { create: true, blocking: !isMany });
        const queue = spool.queue(name);
        return {
          name: queue.name,
          noun: "queue",
          put: (body, putOptions) => queue.put(body, putOptions),
          putMany: (putOptions) => queue.putMany(putOptions),
        };
      }),
    );
}
