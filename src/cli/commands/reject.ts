/** spool reject — make a claimed message a dead letter. */
import type { Verb } from "../verb.ts";

import type { Context, GlobalOptions } from "../context.ts";
import { command, examples } from "../options.ts";
import { eachReceipt } from "../receipts.ts";

interface Options extends GlobalOptions {
  readonly reason?: string;
}

export default function rejectCommand(context: Context): Verb {
  return command("reject", "make a claimed message a dead letter")
    .description(
      "A message that was claimed with take --lease will never be done: keep it as a dead letter.",
    )
    .argument("<receipt...>", "what take --lease printed; - reads them from stdin, one a line")
    .option("--reason <text>", "why, for whoever looks at the dead letters")
    .after(examples('spool reject --reason "no such customer" "$receipt"'))
    .action((receipts: string[], options: Options) =>
      eachReceipt(context, receipts, options, (held, next) =>
        held.reject(next, { reason: options.reason ?? "rejected" }, true),
      ),
    );
}
