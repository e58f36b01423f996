/** spool topic — list, make, change and remove topics. */
import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import { describeSettings } from "../../queue/settings-file.ts";
import { DEFAULT_TOPIC_SETTINGS, TOPIC_SETTINGS } from "../../topic/settings.ts";
import type { Topic } from "../../topic/topic.ts";
import { noTopic } from "../../topic/topic-room.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { count, formatAge, formatSize, plain, table } from "../format.ts";
import { command, examples, noun, parseTopic, parseTopicOrPattern } from "../options.ts";
import { parseWords, settingsHelp } from "../settings.ts";

interface RemoveOptions extends GlobalOptions {
  readonly force?: boolean;
}

const HELP = settingsHelp(TOPIC_SETTINGS);

export default function topicCommand(context: Context): Verb {
  const topic = noun("topic", "list, make, change and remove topics").after(
    examples(
      "spool topic ls",
      "spool topic create logs retention=7d retention-bytes=10G",
      "spool topic set logs retention=forever",
      "spool topic show logs",
      "spool topic rm logs -f",
    ) +
      "\n" +
      HELP,
  );
  const settings = "settings, like retention=7d";
  topic.command(
    command("ls", "list the topics").action((options: GlobalOptions) => list(context, options)),
  );
  topic.command(
    command("create", "make a topic")
      .argument("<topic>", "the topic", parseTopic)
      .argument("[setting...]", settings)
      .after(HELP)
      .action((name: string, words: string[], options: GlobalOptions) =>
        create(context, name, words, options),
      ),
  );
  topic.command(
    command("set", "change settings of a topic")
      .argument("<topic>", "the topic", parseTopic)
      .argument("<setting...>", settings)
      .after(HELP)
      .action((name: string, words: string[], options: GlobalOptions) =>
        set(context, name, words, options),
      ),
  );
  topic.command(
    command("show", "print settings, log and subscriptions of a topic")
      .argument("<topic>", "the topic, or a pattern", parseTopicOrPattern)
      .action((name: string, options: GlobalOptions) => show(context, name, options)),
  );
  topic.command(
    command("rm", "remove a topic, its subscriptions and its log")
      .argument("<topic>", "the topic, or a pattern", parseTopicOrPattern)
      .option("-f, --force", "do not ask")
      .action((name: string, options: RemoveOptions) => remove(context, name, options)),
  );
  return topic;
}

async function open(
  context: Context,
  name: string,
  options: GlobalOptions,
  isCreating = false,
): Promise<Topic> {
  const spool = await context.open(options, { create: isCreating });
  const topic = await spool.topic(name);
  topic.warn = context.say;
  return topic;
}

async function list(context: Context, options: GlobalOptions): Promise<void> {
  const spool = await context.open(options);
  const names = [...(await spool.topicNames()), ...(await spool.patternNames())];
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
  const settings = { ...DEFAULT_TOPIC_SETTINGS, ...parseWords(TOPIC_SETTINGS, words) };
  const topic = await open(context, name, options, true);
  const isNew = await topic.create(settings);
  if (!isNew && words.length > 0) {
    throw new SpoolError(
      "USAGE",
      `topic ${name} is there already`,
      `Change it with: spool topic set ${name} ${words.join(" ")}`,
    );
  }
}

async function set(
  context: Context,
  name: string,
  words: readonly string[],
  options: GlobalOptions,
): Promise<void> {
  const change = parseWords(TOPIC_SETTINGS, words);
  const topic = await open(context, name, options);
  await topic.changeSettings(change);
}

async function show(context: Context, name: string, options: GlobalOptions): Promise<void> {
  const topic = await open(context, name, options);
  const settings = describeSettings(TOPIC_SETTINGS, await topic.settings());
  const { batches, messages, bytes, oldestMs } = await topic.logTally();
  const subscriptions = await topic.subscriptions();
  if (topic.room.isPattern && subscriptions.length === 0) throw noTopic(name);
  const output = context.outputOf(options);
  const ageMs = batches === 0 ? undefined : (await topic.room.nowToLook()) - oldestMs;
  if (output === "json") {
    const log = { batches, messages, bytes, oldest_ms: ageMs ?? null };
    await context.write(`${JSON.stringify({ topic: name, ...settings, log, subscriptions })}\n`);
    return;
  }
  const isPlain = output === "plain";
  // Nothing is published to a pattern: it has subscriptions only.
  const shown = topic.room.isPattern ? [] : Object.entries(settings);
  const rows = shown.map(([key, value]) => [key, String(value)]);
  const size = isPlain ? String(bytes) : formatSize(bytes);
  const age = ageMs === undefined ? "" : `, the oldest ${formatAge(ageMs)} ago`;
  rows.push([
    "log",
    isPlain ? `${messages} ${size}` : `${count(messages, "message")}, ${size}${age}`,
  ]);
  if (topic.room.isPattern) rows.pop();
  for (const one of subscriptions) rows.push(["subscription", one]);
  await context.write((isPlain ? plain : table)(["SETTING", "VALUE"], rows));
}

async function remove(context: Context, name: string, options: RemoveOptions): Promise<void> {
  const topic = await open(context, name, options);
  await topic.settings();
  const own = await topic.members();
  const what = `remove topic ${name}, its log and ${count(own.length, "subscription")}`;
  await context.confirm(what, options.force);
  await topic.remove();
}
