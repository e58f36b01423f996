/** spool ack — say that a claimed message is done. */
import type { Verb } from "../verb.ts";

import type { Context, GlobalOptions } from "../context.ts";
import { command, examples } from "../options.ts";
import { eachReceipt } from "../receipts.ts";

const EXAMPLES = examples(
  'spool ack "$receipt"',
  "spool take jobs -n 10 --lease 5m | jq -r .receipt | spool ack -",
);

export default function ackCommand(context: Context): Verb {
  return command("ack", "say that a claimed message is done")
    .description(
      "Remove a message that was claimed with take --lease: it is done. Exit 65 means that its " +
        "lease was lost, and that another consumer may have it.",
    )
    .argument("<receipt...>", "what take --lease printed; - reads them from stdin, one a line")
    .after(EXAMPLES)
    .action((receipts: string[], options: GlobalOptions) =>
      eachReceipt(context, receipts, options, (held, next) => held.ack(1, next)),
    );
}
