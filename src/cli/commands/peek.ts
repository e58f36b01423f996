/** spool peek — look at messages without claiming them. */
import type { Verb } from "../verb.ts";

import type { Seen, State } from "../../queue/browse.ts";
import { STATES } from "../../queue/browse.ts";
import type { Queue } from "../../queue/queue.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { bodyJson } from "../message-json.ts";
import { command, examples, parsePositive, parseQueue, queueArgument } from "../options.ts";

interface Options extends GlobalOptions {
  readonly n: number;
  readonly state: State;
}

const EXAMPLES = examples(
  "spool peek jobs",
  "spool peek jobs -n 5 --json",
  "spool peek jobs --state dead --json | jq -r .reason",
);

export default function peekCommand(context: Context): Verb {
  return command("peek", "look at messages without claiming them")
    .description(
      "Write payloads to stdout, the next one to be delivered first; nothing is changed.",
    )
    .argument(queueArgument, "the queue", parseQueue)
    .option("-n <count>", "so many at the most", parsePositive, 1)
    .option("--state <state>", "which messages", STATES, "ready")
    .after(EXAMPLES)
    .action((queue: string, options: Options) => peek(context, queue, options));
}

async function peek(context: Context, name: string, options: Options): Promise<void> {
  const spool = await context.open(options);
  const queue = spool.queue(name);
  const isJson = context.outputOf(options) === "json";
  let shown = 0;
  for await (const seen of queue.peek(options.state, context.say)) {
    if (isJson) await context.write(`${JSON.stringify(await toJson(queue, seen))}\n`);
    else {
      for await (const block of seen.stream()) await context.write(block);
      await context.write("\n");
    }
    if (++shown >= options.n) return;
  }
  if (shown === 0) context.exitCode = 75;
}

async function toJson(queue: Queue, seen: Seen): Promise<Record<string, unknown>> {
  const { lease, name } = seen.found;
  const death = seen.state === "dead" ? await queue.reasonOf(name) : undefined;
  return {
    id: seen.id,
    state: seen.state,
    attempts: seen.attempts,
    headers: seen.headers,
    enqueued_at: seen.enqueuedAt.toISOString(),
    ...(seen.state === "scheduled" && { visible_at: seen.visibleAt.toISOString() }),
    ...(lease && { lease: lease.name, host: lease.host }),
    ...(death && { reason: death.reason, died_at: new Date(death.atMs).toISOString() }),
    ...bodyJson(await seen.body()),
  };
}
