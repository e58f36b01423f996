/** spool status — show what is in the queues. */
import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import type { Spool } from "../../spool.ts";
import type { QueueStats } from "../../stats/queue-stats.ts";
import { StatsReader } from "../../stats/stats-reader.ts";
import { parseDurationMs } from "../../units.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { formatAge, formatSize, plain, table } from "../format.ts";
import { queuesNamed } from "../named-queues.ts";
import { command, examples, parseQueueOrTopic } from "../options.ts";
import { onSignals } from "../signals.ts";

interface Options extends GlobalOptions {
  readonly watch?: number | true;
}

const HEAD = [
  "QUEUE",
  "READY",
  "SCHEDULED",
  "IN FLIGHT",
  "DEAD",
  "OLDEST",
  "LAG",
  "BEHIND",
  "BYTES",
  "CONSUMERS",
];

const EXAMPLES = examples(
  "spool status",
  "spool status jobs --json | jq '.queues[0].ready'",
  "spool status --watch 5s",
);

export default function statusCommand(context: Context): Verb {
  return command("status", "show what is in the queues")
    .description(
      "A line for each queue and subscription: messages ready now, visible later, claimed and given up; " +
        "how long the oldest ready one has waited; bytes; consumers that hold a lease. Of a subscription: " +
        "LAG, the messages that it is behind, and BEHIND, since when the oldest of them was published.",
    )
    .argument("[queue...]", "these queues, or all subscriptions of these topics")
    .option("--watch [interval]", "again and again, every 2s or as often as it says", parseInterval)
    .after(EXAMPLES)
    .action((names: string[], options: Options) => status(context, names, options));
}

function parseInterval(text: string): number {
  if (/^\d/.test(text)) return parseDurationMs(text);
  const hint = "Name the queues first: spool status QUEUE --watch";
  throw new SpoolError("USAGE", `not an interval: ${text}`, hint);
}

async function status(context: Context, words: readonly string[], options: Options): Promise<void> {
  const names = words.map(parseQueueOrTopic);
  const isNamed = names.length > 0;
  const spool = await context.open(options);
  const reader = new StatsReader(spool);
  if (options.watch === undefined) {
    const stats = await collect(spool, reader, names);
    await context.write(render(context, stats, options, { isNamed, isStream: false }));
    reader.save();
    return;
  }
  const everyMs = options.watch === true ? 2000 : options.watch;
  if (everyMs < 100) throw new SpoolError("BAD_VALUE", "--watch: 100ms at the least");
  const stop = new AbortController();
  const restore = onSignals(stop);
  const isScreen = context.outputOf(options) === "human" && (await context.isTerminal(1));
  while (!stop.signal.aborted) {
    const stats = await collect(spool, reader, names);
    const text = render(context, stats, options, { isNamed, isStream: true });
    await context.write(isScreen ? `\x1b[H\x1b[2J${text}` : text);
    await pause(everyMs, stop.signal);
  }
  reader.save();
  restore();
}

async function collect(
  spool: Spool,
  reader: StatsReader,
  names: readonly string[],
): Promise<QueueStats[]> {
  if (names.length === 0) return reader.all();
  const stats: QueueStats[] = [];
  for (const name of await queuesNamed(spool, names)) stats.push(await reader.of(name));
  return stats;
}

function render(
  context: Context,
  stats: readonly QueueStats[],
  options: Options,
  { isNamed, isStream }: { readonly isNamed: boolean; readonly isStream: boolean },
): string {
  const output = context.outputOf(options);
  if (output === "json") {
    const at = isStream ? { at: new Date().toISOString() } : {};
    return `${JSON.stringify({ ...at, queues: stats.map(toJson) })}\n`;
  }
  if (output === "plain") return plain(HEAD, stats.map(toPlain));
  if (stats.length === 0 && !isNamed) return "No queues yet. Try: spool put hello -m world\n";
  return table(HEAD, stats.map(toRow));
}

function toJson(stats: QueueStats): Record<string, unknown> {
  return {
    queue: stats.name,
    ready: stats.ready,
    scheduled: stats.scheduled,
    in_flight: stats.inFlight,
    dead: stats.dead,
    expired: stats.expired,
    oldest_ms: stats.oldestMs ?? null,
    next_due_in_ms: stats.nextDueInMs ?? null,
    lag: stats.lag ?? null,
    lag_ms: stats.lagMs ?? null,
    bytes: stats.bytes,
    consumers: stats.consumers,
  };
}

function toRow(stats: QueueStats): string[] {
  return [
    stats.name,
    String(stats.ready),
    String(stats.scheduled),
    String(stats.inFlight),
    String(stats.dead),
    stats.oldestMs === undefined ? "-" : formatAge(stats.oldestMs),
    stats.lag === undefined ? "-" : String(stats.lag),
    stats.lagMs === undefined ? "-" : formatAge(stats.lagMs),
    formatSize(stats.bytes),
    String(stats.consumers),
  ];
}

function toPlain(stats: QueueStats): string[] {
  const row = toRow(stats);
  row[5] = stats.oldestMs === undefined ? "" : String(stats.oldestMs);
  row[6] = String(stats.lag ?? "");
  row[7] = String(stats.lagMs ?? "");
  row[8] = String(stats.bytes);
  return row;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
