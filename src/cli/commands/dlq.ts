/** spool dlq — look at dead letters, redrive, drop or add them. */
import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import { parseMessageId } from "../../message/id.ts";
import { holds } from "../../message/slice.ts";
import type { Seen } from "../../queue/browse.ts";
import { look } from "../../queue/browse.ts";
import type { BulkOptions } from "../../queue/bulk.ts";
import type { Queue } from "../../queue/queue.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { count, formatAge, plain, table } from "../format.ts";
import { bodyJson } from "../message-json.ts";
import {
  command,
  examples,
  fewerThan,
  noMessage,
  noun,
  parseDuration,
  parseId,
  parsePositive,
  parseQueue,
  queueArgument,
} from "../options.ts";
import { Progress } from "../progress.ts";

interface Options extends GlobalOptions {
  readonly max?: number;
  readonly to?: string;
  readonly older?: number;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly reason?: string;
}

const EXAMPLES = examples(
  "spool dlq ls jobs",
  "spool dlq show jobs 01k8xmn3h0000tq7v5c9d2f4g6",
  "spool dlq redrive jobs --max 100",
  "spool dlq drop jobs --older 30d -f",
  "spool dlq add jobs 01k8xmn3h0000tq7v5c9d2f4g6 --reason 'sent twice'",
);

export default function dlqCommand(context: Context): Verb {
  const dlq = noun("dlq", "look at dead letters, redrive, drop or add them").after(EXAMPLES);
  const id = "only these messages";
  dlq.command(
    command("ls", "list dead letters with their reason")
      .argument(queueArgument, "the queue", parseQueue)
      .action((queue: string, options: Options) => list(context, queue, options)),
  );
  dlq.command(
    command("show", "print a dead letter: reason, last stderr, headers, payload")
      .argument(queueArgument, "the queue", parseQueue)
      .argument("<id>", "the message")
      .action((queue: string, message: string, options: Options) =>
        show(context, queue, message, options),
      ),
  );
  dlq.command(
    command("redrive", "make dead letters ready again, with no attempts counted")
      .argument(queueArgument, "the queue", parseQueue)
      .argument("[id...]", id)
      .option("--max <n>", "so many at the most", parsePositive)
      .option("--to <queue>", "into another queue", parseQueue)
      .option("--older <duration>", "only what was put longer ago", parseDuration)
      .option("-n, --dry-run", "only say how many")
      .action((queue: string, ids: string[], options: Options) =>
        redrive(context, queue, ids, options),
      ),
  );
  dlq.command(
    command("drop", "throw dead letters away")
      .argument(queueArgument, "the queue", parseQueue)
      .argument("[id...]", id)
      .option("--max <n>", "so many at the most", parsePositive)
      .option("--older <duration>", "only what was put longer ago", parseDuration)
      .option("-n, --dry-run", "only say how many")
      .option("-f, --force", "do not ask")
      .action((queue: string, ids: string[], options: Options) =>
        drop(context, queue, ids, options),
      ),
  );
  dlq.command(
    command("add", "make dead letters of messages that are ready or scheduled")
      .argument(queueArgument, "the queue", parseQueue)
      .argument("<id...>", "these messages")
      .option("--reason <text>", "why, for whoever looks at them")
      .action((queue: string, ids: string[], options: Options) =>
        add(context, queue, ids, options),
      ),
  );
  return dlq;
}

async function open(context: Context, name: string, options: Options): Promise<Queue> {
  const spool = await context.open(options);
  const queue = spool.queue(name);
  await queue.settings();
  return queue;
}

async function list(context: Context, name: string, options: Options): Promise<void> {
  const queue = await open(context, name, options);
  const nowMs = await queue.room.now();
  const output = context.outputOf(options);
  const rows: string[][] = [];
  for await (const { slice, name: file } of queue.browse("dead")) {
    const { reason, atMs } = await queue.reasonOf(file);
    const id = slice.first === 0 ? slice.batch : `${slice.batch}.${slice.first}`;
    if (output === "json") {
      const died = new Date(atMs).toISOString();
      const line = { id, messages: slice.count, attempts: slice.attempts, reason, died_at: died };
      await context.write(`${JSON.stringify(line)}\n`);
    } else {
      const age = output === "plain" ? String(nowMs - atMs) : formatAge(Math.max(0, nowMs - atMs));
      rows.push([id, String(slice.count), String(slice.attempts), age, reason]);
    }
  }
  if (output === "json" || (output === "human" && rows.length === 0)) return;
  const head = ["ID", "MESSAGES", "ATTEMPTS", "DIED", "REASON"];
  await context.write((output === "plain" ? plain : table)(head, rows));
}

async function show(context: Context, name: string, id: string, options: Options): Promise<void> {
  const wanted = parseId(id);
  const queue = await open(context, name, options);
  for await (const found of queue.browse("dead")) {
    if (found.slice.batch !== wanted.batch || !holds(found.slice, wanted.index)) continue;
    const death = await queue.reasonOf(found.name);
    for await (const seen of look(queue.room, found, context.say)) {
      if (parseMessageId(seen.id)?.index !== wanted.index) continue;
      await print(context, seen, death, options);
      return;
    }
    throw new SpoolError("NO_MESSAGE", `${id}: ${death.reason}; its payload cannot be read`);
  }
  throw new SpoolError("NO_MESSAGE", `no dead letter ${id} in queue ${name}`);
}

async function print(
  context: Context,
  seen: Seen,
  death: Awaited<ReturnType<Queue["reasonOf"]>>,
  options: Options,
): Promise<void> {
  const died = new Date(death.atMs).toISOString();
  if (context.outputOf(options) === "json") {
    const { atMs: _, exitCode, ...rest } = death;
    const shown = {
      id: seen.id,
      attempts: seen.attempts,
      died_at: died,
      ...rest,
      ...(exitCode !== undefined && { exit_code: exitCode }),
      headers: seen.headers,
      enqueued_at: seen.enqueuedAt.toISOString(),
      ...bodyJson(await seen.body()),
    };
    await context.write(`${JSON.stringify(shown)}\n`);
    return;
  }
  const lines = [
    `id        ${seen.id}`,
    `reason    ${death.reason}`,
    `died      ${died}`,
    `attempts  ${seen.attempts}`,
    `enqueued  ${seen.enqueuedAt.toISOString()}`,
    ...Object.entries(seen.headers).map(([name, value]) => `header    ${name}: ${value}`),
  ];
  if (death.stderr) lines.push("stderr:", death.stderr.trimEnd());
  await context.write(`${lines.join("\n")}\n\n`);
  for await (const block of seen.stream()) await context.write(block);
  await context.write("\n");
}

async function bulkOptions(queue: Queue, ids: string[], options: Options): Promise<BulkOptions> {
  const wanted = ids.map(parseId);
  return {
    states: ["dead"],
    ...(wanted.length > 0 && { ids: wanted }),
    ...(options.max !== undefined && { max: options.max }),
    ...(options.older !== undefined && { beforeMs: (await queue.room.now()) - options.older }),
    ...(options.dryRun && { isDryRun: true }),
  };
}

async function redrive(
  context: Context,
  name: string,
  ids: string[],
  options: Options,
): Promise<void> {
  const spool = await context.open(options);
  const queue = spool.queue(name);
  await queue.settings();
  const target = spool.queue(options.to ?? name);
  const progress = await Progress.on(context);
  const moved = await queue.moveTo(target, {
    ...(await bulkOptions(queue, ids, options)),
    onProgress: (done) => progress.show(() => `${count(done, "message")} redriven`),
  });
  progress.clear();
  if (ids.length > 0 && moved === 0) throw noneOf(ids, name);
  context.say(
    `${count(moved, "message")} ${options.dryRun ? "would be" : ""} redriven`.replace("  ", " "),
  );
}

async function drop(
  context: Context,
  name: string,
  ids: string[],
  options: Options,
): Promise<void> {
  const queue = await open(context, name, options);
  const bulk = await bulkOptions(queue, ids, options);
  const would = await queue.purge({ ...bulk, isDryRun: true });
  if (ids.length > 0 && would === 0) throw noneOf(ids, name);
  if (options.dryRun) {
    context.say(`${count(would, "message")} would be dropped`);
    return;
  }
  if (would > 0)
    await context.confirm(`drop ${count(would, "dead letter")} of ${name}`, options.force);
  context.say(`${count(await queue.purge(bulk), "message")} dropped`);
}

async function add(context: Context, name: string, ids: string[], options: Options): Promise<void> {
  const queue = await open(context, name, options);
  const wanted = ids.map(parseId);
  const added = await queue.giveUp(wanted, options.reason ?? "given up by hand");
  if (added === 0) throw noMessage(wanted, `such message ready or scheduled in ${name}`);
  context.say(`${count(added, "message")} given up: dead letters now${fewerThan(wanted, added)}`);
}

function noneOf(ids: readonly string[], name: string): SpoolError {
  return new SpoolError("NO_MESSAGE", `no dead letter ${ids.join(", ")} in queue ${name}`);
}
