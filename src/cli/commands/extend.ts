/** spool extend — keep a claimed message longer. */
import type { Verb } from "../verb.ts";

import { parseReceipt } from "../../queue/receipt.ts";
import { extendByReceipt } from "../../queue/settle.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { command, examples, parseDuration } from "../options.ts";
import { readReceipts, settleAll } from "../receipts.ts";

interface Options extends GlobalOptions {
  readonly lease?: number;
}

export default function extendCommand(context: Context): Verb {
  return command("extend", "keep a claimed message longer")
    .description(
      "The lease of a message that was claimed with take --lease lasts that long from now on. " +
        "Messages that were claimed by one take share one lease.",
    )
    .argument("<receipt...>", "what take --lease printed; - reads them from stdin, one a line")
    .option("--lease <duration>", "how long from now (default: as it was taken)", parseDuration)
    .after(examples('spool extend --lease 10m "$receipt"'))
    .action((receipts: string[], options: Options) => extend(context, receipts, options));
}

async function extend(context: Context, words: string[], options: Options): Promise<void> {
  const spool = await context.open(options);
  await settleAll(context, await readReceipts(context, words), async (text) => {
    const receipt = parseReceipt(text);
    const { room } = spool.queue(receipt.queue);
    await extendByReceipt(room, receipt, options.lease ?? receipt.lease.ttlMs);
  });
}
