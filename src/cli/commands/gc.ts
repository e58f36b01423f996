/** spool gc — take over from the dead, sweep, expire. */
import type { Command } from "commander";

import { fromErrno, SpoolError } from "../../errors.ts";
import type { SweepResult } from "../../queue/sweep.ts";
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
  const all = names.length > 0 ? names : await spool.queueNames();
  for (const name of all) {
    let swept: SweepResult;
    try {
      swept = await spool.queue(name).sweep(context.say);
    } catch (thrown) {
      const error = fromErrno(thrown);
      if (all.length === 1 || !(error instanceof SpoolError)) throw thrown;
      // One queue that cannot be swept does not keep us from the others.
      context.say(`${name}: ${error.message}  [${error.code}]`);
      context.exitCode = error.exitCode;
      continue;
    }
    if (output === "json") await context.write(`${JSON.stringify({ queue: name, ...swept })}\n`);
    const { leases, reclaimed, dead, expired, strays, keys, dropped } = swept;
    rows.push([name, ...[leases, reclaimed, dead, expired, strays, keys, dropped].map(String)]);
  }
  if (output !== "json") await context.write((output === "plain" ? plain : table)(HEAD, rows));
}
