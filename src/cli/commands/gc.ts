/** spool gc — take over from the dead, sweep, expire. */
import type { Command } from "commander";

import type { Context, GlobalOptions } from "../context.ts";
import { plain, table } from "../format.ts";
import { command, examples, parseQueue } from "../options.ts";

const HEAD = ["QUEUE", "LEASES", "RECLAIMED", "DEAD", "EXPIRED", "STRAYS", "KEYS", "DROPPED"];

export default function gcCommand(context: Context): Command {
  return command("gc", "take over from the dead, sweep, expire")
    .description(
      "Give back what dead consumers held, remove what dead writers left, drop what has expired, adopt\n" +
        "what lies in drop/, forget old dedup keys. Consumers do the first two by themselves; run this\n" +
        "from cron for queues that have none.",
    )
    .argument("[queue...]", "these queues only")
    .addHelpText("after", examples("spool gc", "spool gc jobs --json"))
    .action((names: string[], options: GlobalOptions) => gc(context, names, options));
}

async function gc(
  context: Context,
  names: readonly string[],
  options: GlobalOptions,
): Promise<void> {
  for (const name of names) parseQueue(name);
  const spool = await context.open(options);
  const output = context.outputOf(options);
  const rows: string[][] = [];
  for (const name of names.length > 0 ? names : await spool.queueNames()) {
    const swept = await spool.queue(name).sweep(context.say);
    if (output === "json") await context.write(`${JSON.stringify({ queue: name, ...swept })}\n`);
    const { leases, reclaimed, dead, expired, strays, keys, dropped } = swept;
    rows.push([name, ...[leases, reclaimed, dead, expired, strays, keys, dropped].map(String)]);
  }
  if (output !== "json") await context.write((output === "plain" ? plain : table)(HEAD, rows));
}
