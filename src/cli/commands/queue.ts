/** spool queue — list, make, change and remove queues. */
import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import { noQueue } from "../../queue/room.ts";
import type { Spool } from "../../spool.ts";
import { DEFAULT_SETTINGS, QUEUE_SETTINGS } from "../../queue/settings.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { command, examples, noun, parseQueue, queueArgument } from "../options.ts";
import { parseWords, settingsHelp, showSettings } from "../settings.ts";

interface RemoveOptions extends GlobalOptions {
  readonly force?: boolean;
}

const SETTINGS_HELP = settingsHelp(QUEUE_SETTINGS);

export default function queueCommand(context: Context): Verb {
  const queue = noun("queue", "list, make, change and remove queues").after(
    examples(
      "spool queue create jobs max-attempts=3 lease=5m",
      "spool queue set jobs backoff=10s..1h max-depth=100000",
      "spool queue show jobs",
      "spool queue rm jobs -f",
    ) +
      "\n" +
      SETTINGS_HELP,
  );
  const settings = "settings, like max-attempts=3";
  queue.command(
    command("ls", "list the queues").action((options: GlobalOptions) => list(context, options)),
  );
  queue.command(
    command("create", "make a queue")
      .argument(queueArgument, "the queue", parseQueue)
      .argument("[setting...]", settings)
      .after(SETTINGS_HELP)
      .action((name: string, words: string[], options: GlobalOptions) =>
        create(context, name, words, options),
      ),
  );
  queue.command(
    command("set", "change settings of a queue")
      .argument(queueArgument, "the queue", parseQueue)
      .argument("<setting...>", settings)
      .after(SETTINGS_HELP)
      .action((name: string, words: string[], options: GlobalOptions) =>
        set(context, name, words, options),
      ),
  );
  queue.command(
    command("show", "print the settings of a queue")
      .argument(queueArgument, "the queue", parseQueue)
      .action((name: string, options: GlobalOptions) => show(context, name, options)),
  );
  queue.command(
    command("rm", "remove a queue and everything in it")
      .argument(queueArgument, "the queue", parseQueue)
      .option("-f, --force", "do not ask")
      .action((name: string, options: RemoveOptions) => remove(context, name, options)),
  );
  return queue;
}

/** `-C` may stand before or after the verb of the noun. */
async function open(context: Context, options: GlobalOptions, isCreating = false): Promise<Spool> {
  return context.open(options, { create: isCreating });
}

async function list(context: Context, options: GlobalOptions): Promise<void> {
  const names = await (await open(context, options)).queueNames();
  const isJson = context.outputOf(options) === "json";
  await context.write(
    isJson ? `${JSON.stringify(names)}\n` : names.map((name) => `${name}\n`).join(""),
  );
}

async function create(
  context: Context,
  name: string,
  words: readonly string[],
  options: GlobalOptions,
): Promise<void> {
  const settings = { ...DEFAULT_SETTINGS, ...parseWords(QUEUE_SETTINGS, words) };
  if (name.includes("/")) throw noQueue(name);
  const spool = await open(context, options, true);
  const isNew = await spool.queue(name).create(settings);
  if (!isNew && words.length > 0) {
    throw new SpoolError(
      "USAGE",
      `queue ${name} is there already`,
      `Change it with: spool queue set ${name} ${words.join(" ")}`,
    );
  }
}

async function set(
  context: Context,
  name: string,
  words: readonly string[],
  options: GlobalOptions,
): Promise<void> {
  const spool = await open(context, options);
  const queue = spool.queue(name);
  await queue.changeSettings(parseWords(queue.room.table, words));
}

async function show(context: Context, name: string, options: GlobalOptions): Promise<void> {
  const spool = await open(context, options);
  const { room } = spool.queue(name);
  await showSettings(context, options, { queue: name }, room.table, await room.settings());
}

async function remove(context: Context, name: string, options: RemoveOptions): Promise<void> {
  const spool = await open(context, options);
  const queue = spool.queue(name);
  await queue.settings();
  await context.confirm(`remove queue ${name} and everything in it`, options.force);
  const [topic = "", subscription] = name.split("/");
  if (subscription === undefined) await queue.remove();
  else await (await spool.topic(topic)).unsubscribe(subscription);
}
