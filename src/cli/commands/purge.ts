/** spool purge — throw messages away. */
import type { Verb } from "../verb.ts";

import type { MessageId } from "../../message/id.ts";
import type { State } from "../../queue/browse.ts";
import type { BulkOptions } from "../../queue/bulk.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { count } from "../format.ts";
import {
  collectId,
  command,
  examples,
  fewerThan,
  namedAlone,
  noMessage,
  parseDuration,
  parsePositive,
  parseQueue,
  queueArgument,
} from "../options.ts";
import { Progress } from "../progress.ts";

interface Options extends GlobalOptions {
  readonly state?: State;
  readonly older?: number;
  readonly max?: number;
  readonly id?: readonly MessageId[];
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

const EXAMPLES = examples(
  "spool purge jobs -n",
  "spool purge jobs --older 7d -f",
  "spool purge jobs --state dead --max 1000 -f",
  "spool purge jobs --id 01k8xmn3h0000tq7v5c9d2f4g6 -f",
);

export default function purgeCommand(context: Context): Verb {
  return command("purge", "throw messages away")
    .description(
      "Throw away what is ready and scheduled, the next to be delivered first. What a consumer has " +
        "claimed is left alone.",
    )
    .argument(queueArgument, "the queue", parseQueue)
    .option("--state <state>", "only these", ["ready", "scheduled", "dead"])
    .option("--older <duration>", "only what was put longer ago", parseDuration)
    .option("--max <n>", "so many at the most", parsePositive)
    .option("--id <id>", "only this message; may be given again", collectId)
    .option("-n, --dry-run", "only say how many")
    .option("-f, --force", "do not ask")
    .after(EXAMPLES)
    .action((queue: string, options: Options) => purge(context, queue, options));
}

async function purge(context: Context, name: string, options: Options): Promise<void> {
  const spool = await context.open(options);
  const queue = spool.queue(name);
  await queue.settings();
  const bulk: BulkOptions = {
    ...(options.state !== undefined && { states: [options.state] }),
    ...(options.max !== undefined && { max: options.max }),
    ...(options.id !== undefined && { ids: options.id }),
    ...(options.older !== undefined && { beforeMs: (await queue.room.now()) - options.older }),
  };
  if (options.dryRun || !options.force) {
    const would = await queue.purge({ ...bulk, isDryRun: true });
    if (options.id !== undefined && would === 0)
      throw noMessage(options.id, `such message in ${name}`);
    if (options.dryRun) {
      context.say(`${count(would, "message")} would be thrown away`);
      return;
    }
    if (would > 0) await context.confirm(`throw away ${count(would, "message")} of ${name}`, false);
  }
  const progress = await Progress.on(context);
  const onProgress = (done: number): void =>
    progress.show(() => `${count(done, "message")} thrown away`);
  const purged = await queue.purge({ ...bulk, onProgress });
  progress.clear();
  if (options.id !== undefined && purged === 0)
    throw noMessage(options.id, `such message in ${name}`);
  context.say(`${count(purged, "message")} thrown away${fewerThan(namedAlone(options), purged)}`);
}
