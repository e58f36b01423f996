/**
 * spool check — a plugin for Nagios, Icinga and whatever else runs their plugins.
 *
 * Such a system shows stdout and looks at exit codes 0 to 3, and at no other. So what goes wrong in here, a command
 * line that does not parse included, is UNKNOWN, in a line on stdout.
 */
import type { Verb } from "../verb.ts";

import { fromErrno, SpoolError } from "../../errors.ts";
import type { Room } from "../../queue/room.ts";
import type { Spool } from "../../spool.ts";
import { diskStats } from "../../stats/disk-stats.ts";
import { countLiving } from "../../stats/living-consumers.ts";
import type { QueueStats } from "../../stats/queue-stats.ts";
import { StatsReader } from "../../stats/stats-reader.ts";
import { PipeClosed } from "../context.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { fail } from "../fail.ts";
import { count } from "../format.ts";
import { CONSUMERS, DISK, formatSpan, LAGS, MEASURES } from "../measures.ts";
import type { QueueMeasure } from "../measures.ts";
import { queuesNamed } from "../named-queues.ts";
import { command, examples, parseQueueOrTopic } from "../options.ts";
import { toJson, toPlain, toPlugin } from "../plugin-output.ts";
import type { Part, Report } from "../plugin-output.ts";
import { hasLimits, judge, limitsOf, sayFigure, STATES, worstOf } from "../thresholds.ts";
import type { Figure, Limits, Words } from "../thresholds.ts";

type Options = GlobalOptions & Words;

type LimitsOf = ReadonlyMap<QueueMeasure, Limits>;

/**
 * A queue without consumers is in trouble only when its oldest message has been ready for longer than this, in ms: who
 * waits at an empty queue may hold no lease, and takes this long at the most to notice a message.
 */
const UNNOTICED_MS = 5000;

const UNKNOWN = STATES.indexOf("UNKNOWN");

const EXAMPLES = examples(
  "spool check jobs --depth-warn 1000 --depth-crit 10000 --age-warn 5m --age-crit 1h",
  "spool check jobs --dead-warn 0 --consumers-crit 1      # any dead letter; nobody at work",
  "spool check logs --lag-age-crit 10m                    # all subscriptions of a topic",
  "spool check --dead-crit 0 --disk-warn 10% --disk-crit 1G",
);

export default function checkCommand(context: Context): Verb {
  return command("check", "answer a monitoring system")
    .description(
      "A plugin for Nagios, Icinga and the like: one line with performance data, and the exit code 0 OK, " +
        "1 WARNING, 2 CRITICAL or 3 UNKNOWN, which every failure is, too. The worst state wins; of several " +
        "queues each has a line of its own behind the first. A figure is bad above its threshold (N: " +
        "a count, D: a duration like 5m); consumers and free space are bad below it.",
    )
    .argument("[queue...]", "these queues, or all subscriptions of these topics; default all")
    .option("--depth-warn <n>", "more messages are ready than this")
    .option("--depth-crit <n>", "the same, critical")
    .option("--age-warn <d>", "the oldest ready message was put longer ago than this")
    .option("--age-crit <d>", "the same, critical")
    .option("--dead-warn <n>", "more dead letters than this")
    .option("--dead-crit <n>", "the same, critical")
    .option("--lag-warn <n>", "a subscription is more messages behind than this")
    .option("--lag-crit <n>", "the same, critical")
    .option("--lag-age-warn <d>", "a subscription is behind for longer than this")
    .option("--lag-age-crit <d>", "the same, critical")
    .option(
      "--consumers-warn <n>",
      "fewer consumers than this, while something has been ready for 5s",
    )
    .option("--consumers-crit <n>", "the same, critical")
    .option("--disk-warn <size>", "less free space on the spool's disk than this: 1G, 10%")
    .option("--disk-crit <size>", "the same, critical")
    .after(EXAMPLES)
    .refuse((why) =>
      answer(context, {}, { parts: [failed(new SpoolError("USAGE", why))], summary: "" }),
    )
    .action(async (words: string[], options: Options) => {
      await answer(context, options, await examine(context, words, options));
    });
}

async function answer(context: Context, options: Options, report: Report): Promise<void> {
  context.exitCode = STATES.indexOf(worstOf(report.parts));
  const output = context.outputOf(options);
  const text = { human: toPlugin, json: toJson, plain: toPlain }[output](report);
  try {
    await context.write(text);
  } catch (error) {
    // Who went away has the exit code all the same.
    if (error instanceof PipeClosed) return;
    fail(context, error);
    context.exitCode = UNKNOWN;
  }
}

/** Looks at everything. Never fails: what it cannot tell is said. */
async function examine(
  context: Context,
  words: readonly string[],
  options: Options,
): Promise<Report> {
  try {
    const limits = new Map(MEASURES.map((measure) => [measure, limitsOf(measure, options)]));
    const names = words.map(parseQueueOrTopic);
    const spool = await context.open(options);
    const disk = hasLimits(DISK, options) ? [await lookAtDisk(spool, options)] : [];
    const reader = new StatsReader(spool);
    const parts: Part[] = [];
    const chosen = names.length === 0 ? undefined : await queuesOf(spool, names, options, parts);
    const found: QueueStats[] = [];
    for await (const look of reader.each(chosen)) {
      if ("stats" in look) found.push(look.stats);
      const part = "error" in look ? failed(look.error) : await partOf(spool, look.stats, limits);
      // Removed while it was looked at: fine, unless it was named.
      if (part.code !== "NO_QUEUE" || chosen !== undefined) parts.push(part);
    }
    reader.save();
    return { parts: [...parts, ...disk], summary: summaryOf(found) };
  } catch (thrown) {
    return { parts: [failed(errorOf(context, thrown))], summary: "" };
  }
}

/** What is to be said of it on stdout; of a bug the stack goes to stderr. */
function errorOf(context: Context, thrown: unknown): SpoolError {
  const error = fromErrno(thrown);
  if (error instanceof SpoolError) return error;
  fail(context, error);
  return new SpoolError("BUG", "this is a bug of dirspool, and stderr has more");
}

function failed(error: SpoolError): Part {
  const text = `${error.message}  [${error.code}]`;
  return { name: "", state: "UNKNOWN", text, figures: [], code: error.code };
}

function summaryOf(found: readonly QueueStats[]): string {
  if (found.length === 0) return "no queues yet";
  const ready = found.reduce((sum, one) => sum + one.ready, 0);
  const ages = found.flatMap(({ oldestMs }) => oldestMs ?? []);
  const oldest = ages.length === 0 ? "" : `, oldest ${formatSpan(Math.max(...ages))}`;
  return `${count(found.length, "queue")}: ${ready} ready${oldest}`;
}

async function lookAtDisk(spool: Spool, options: Options): Promise<Part> {
  const { freeBytes, totalBytes } = await diskStats(spool);
  const limits = limitsOf(DISK, options, totalBytes);
  const figure = { ...judge(DISK, freeBytes, limits), whole: totalBytes };
  return { name: "disk", state: figure.state, text: sayFigure(figure), figures: [figure] };
}

/** What the names stand for. A name, or a threshold, that stands for nothing would be fine for ever: it is a part of its own. */
async function queuesOf(
  spool: Spool,
  names: readonly string[],
  options: Options,
  parts: Part[],
): Promise<string[]> {
  const all = new Set<string>();
  for (const name of names) {
    try {
      const queues = await queuesNamed(spool, [name]);
      if (queues.length === 0) {
        throw new SpoolError("NO_QUEUE", `topic ${name} has no subscription`);
      }
      for (const queue of queues) all.add(queue);
    } catch (error) {
      if (!(error instanceof SpoolError)) throw error;
      parts.push(failed(error));
    }
  }
  const isLagAsked = LAGS.some((measure) => hasLimits(measure, options));
  if (isLagAsked && parts.length === 0 && ![...all].some((name) => name.includes("/"))) {
    const what = `only a subscription has a lag, and ${[...all].join(", ")} is none`;
    parts.push(failed(new SpoolError("USAGE", what)));
  }
  return [...all];
}

async function partOf(spool: Spool, stats: QueueStats, limits: LimitsOf): Promise<Part> {
  const { name } = stats;
  try {
    const { room } = spool.queue(name);
    const consumers = stats.consumers === 0 ? 0 : await countLiving(room);
    const figures = figuresOf({ ...stats, consumers }, limits);
    const said = figures.filter(({ measure, value, state }) => {
      return state !== "OK" || measure.isSaid(value);
    });
    const trouble = await settingsTrouble(room);
    const text = [...(trouble === undefined ? [] : [trouble]), ...said.map(sayFigure)].join(", ");
    const state = trouble === undefined ? worstOf(figures) : "CRITICAL";
    return { name, state, text, figures };
  } catch (thrown) {
    const error = fromErrno(thrown);
    if (error instanceof SpoolError) return failed(error);
    throw error;
  }
}

function figuresOf(stats: QueueStats, limits: LimitsOf): Figure[] {
  const isWaiting = (stats.oldestMs ?? 0) > UNNOTICED_MS;
  return MEASURES.flatMap((measure) => {
    const value = measure.of(stats);
    if (value === undefined) return [];
    const isIdle = measure === CONSUMERS && !isWaiting;
    return [judge(measure, value, isIdle ? {} : (limits.get(measure) ?? {}))];
  });
}

/** Where the settings cannot be read nobody puts or takes, and the figures look as if nothing were wrong. */
async function settingsTrouble(room: Room): Promise<string | undefined> {
  try {
    await room.settings();
    return undefined;
  } catch (error) {
    if (error instanceof SpoolError && error.code === "BAD_SETTINGS") {
      return `${error.message}  [${error.code}]`;
    }
    throw error;
  }
}
