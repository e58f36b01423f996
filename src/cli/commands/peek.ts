/** spool peek — look at messages without claiming them. */
import type { Verb } from "../verb.ts";

import { parseMessageId } from "../../message/id.ts";
import type { MessageId } from "../../message/id.ts";
import { holds } from "../../message/slice.ts";
import { look } from "../../queue/browse.ts";
import type { Seen, State } from "../../queue/browse.ts";
import { STATES } from "../../queue/browse.ts";
import type { Queue } from "../../queue/queue.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { bodyJson } from "../message-json.ts";
import {
  collectId,
  command,
  examples,
  noMessage,
  parsePositive,
  parseQueue,
  queueArgument,
} from "../options.ts";

interface Options extends GlobalOptions {
  readonly n?: number;
  readonly state: State;
  readonly id?: readonly MessageId[];
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
    .option("-n <count>", "so many at the most (default 1, or all of --id)", parsePositive)
    .option("--state <state>", "which messages", STATES, "ready")
    .option("--id <id>", "only this message; may be given again", collectId)
    .after(EXAMPLES)
    .action((queue: string, options: Options) => peek(context, queue, options));
}

async function peek(context: Context, name: string, options: Options): Promise<void> {
  const spool = await context.open(options);
  const queue = spool.queue(name);
  const isJson = context.outputOf(options) === "json";
  let shown = 0;
  const { id: ids, n = ids?.length ?? 1 } = options;
  const found = ids
    ? chosen(queue, options.state, ids, context.say)
    : queue.peek(options.state, context.say);
  for await (const seen of found) {
    if (isJson) await context.write(`${JSON.stringify(await toJson(queue, seen))}\n`);
    else {
      for await (const block of seen.stream()) await context.write(block);
      await context.write("\n");
    }
    if (++shown >= n) return;
  }
  if (shown > 0) return;
  if (ids) throw noMessage(ids, `such message ${options.state} in ${name}`);
  context.exitCode = 75;
}

/** These messages alone; no other file is opened. */
async function* chosen(
  queue: Queue,
  state: State,
  ids: readonly MessageId[],
  warn: (line: string) => void,
): AsyncGenerator<Seen> {
  await queue.settings();
  for await (const found of queue.browse(state)) {
    const own = ids.filter(({ batch }) => batch === found.slice.batch);
    if (!own.some(({ index }) => holds(found.slice, index))) continue;
    for await (const seen of look(queue.room, found, warn)) {
      const index = parseMessageId(seen.id)?.index;
      if (own.some((one) => one.index === index)) yield seen;
    }
  }
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
