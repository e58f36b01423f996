/** spool nack — give a claimed message back for a retry. */
import type { Verb } from "../verb.ts";

import { settle } from "../../queue/settle.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { command, examples, parseDuration } from "../options.ts";
import { eachReceipt } from "../receipts.ts";

interface Options extends GlobalOptions {
  readonly delay?: number;
  readonly count: boolean;
}

const EXAMPLES = examples(
  'spool nack "$receipt"',
  'spool nack --delay 10m "$receipt"',
  'spool nack --no-count "$receipt"',
);

export default function nackCommand(context: Context): Verb {
  return command("nack", "give a claimed message back for a retry")
    .description(
      "Give a message that was claimed with take --lease back. It is delivered again after the " +
        "queue's back-off; past the queue's max-attempts it becomes a dead letter.",
    )
    .argument("<receipt...>", "what take --lease printed; - reads them from stdin, one a line")
    .option("--delay <duration>", "instead of the queue's back-off", parseDuration)
    .option("--no-count", "this was no attempt; without --delay it is ready at once")
    .after(EXAMPLES)
    .action((receipts: string[], options: Options) =>
      eachReceipt(context, receipts, options, (held, next, room) =>
        settle.nack(room, held, next, {
          isCounted: options.count,
          ...(options.delay !== undefined && { delayMs: options.delay }),
        }),
      ),
    );
}
