/** spool metrics — print figures for Prometheus. */
import { dirname, resolve } from "node:path";

import type { Verb } from "../verb.ts";

import { monotonicMs } from "../../clock.ts";
import { replaceTextFile } from "../../disk/text-file.ts";
import { fromErrno, isErrno, SpoolError } from "../../errors.ts";
import type { Spool } from "../../spool.ts";
import { clockSkewMs, diskStats } from "../../stats/disk-stats.ts";
import { countLiving } from "../../stats/living-consumers.ts";
import type { QueueStats } from "../../stats/queue-stats.ts";
import { StatsReader } from "../../stats/stats-reader.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { Exposition } from "../exposition.ts";
import { queuesNamed } from "../named-queues.ts";
import { command, examples, parseQueueOrTopic } from "../options.ts";

interface Options extends GlobalOptions {
  readonly textfile?: string;
}

/** In the order in which they stand. */
const METRICS = {
  up: { name: "dirspool_up", help: "1 where the spool could be read." },
  build: { name: "dirspool_build_info", help: "1, with the version of the spool command." },
  scrape: {
    name: "dirspool_scrape_duration_seconds",
    help: "How long it took to collect this.",
  },
  size: { name: "dirspool_disk_size_bytes", help: "Size of the file system under the spool." },
  free: {
    name: "dirspool_disk_free_bytes",
    help: "Free bytes there, for users without privileges.",
  },
  inodes: { name: "dirspool_disk_free_inodes", help: "Free inodes there." },
  skew: {
    name: "dirspool_clock_skew_seconds",
    help: "How far the clock of this host is ahead of the clock of the disk.",
  },
  queueUp: { name: "dirspool_queue_up", help: "1 where the queue or subscription could be read." },
  messages: {
    name: "dirspool_messages",
    help: "Messages: ready now, scheduled for later, in_flight, dead letters, expired and not yet swept.",
  },
  oldest: {
    name: "dirspool_oldest_ready_age_seconds",
    help: "Since the oldest ready message was put; absent where none is ready.",
  },
  bytes: {
    name: "dirspool_payload_bytes",
    help: "Payload that is ready, scheduled or in flight, with its framing.",
  },
  consumers: { name: "dirspool_consumers", help: "Leases whose holders live." },
  lag: {
    name: "dirspool_lag_messages",
    help: "Of a subscription: messages that were published and no consumer is done with.",
  },
  lagAge: {
    name: "dirspool_lag_seconds",
    help: "Since the oldest of these was published; 0 where there is none.",
  },
} as const;

const EXAMPLES = examples(
  "spool metrics",
  "spool metrics jobs logs                        # a queue, all subscriptions of a topic",
  "spool metrics --textfile /var/lib/node_exporter/textfile/spool.prom",
);

export default function metricsCommand(context: Context): Verb {
  return command("metrics", "print figures for Prometheus")
    .description(
      "What status shows, the disk's free space and its clock, in the text format of Prometheus (0.0.4). " +
        "What nobody knows is left out. A spool that cannot be read is dirspool_up 0, and so said before " +
        "the exit code says why.",
    )
    .argument("[queue...]", "these queues, or all subscriptions of these topics; default all")
    .option(
      "--textfile <file>",
      "replace this file, which ends in .prom, for the textfile collector of node_exporter",
      parseTextfile,
    )
    .after(EXAMPLES)
    .action((words: string[], options: Options) => metrics(context, words, options));
}

function parseTextfile(text: string): string {
  if (text.endsWith(".prom")) return text;
  throw new SpoolError(
    "BAD_VALUE",
    `--textfile ${JSON.stringify(text)}: it does not end in .prom`,
    "The textfile collector reads no other files.",
  );
}

async function metrics(
  context: Context,
  words: readonly string[],
  options: Options,
): Promise<void> {
  const startMs = monotonicMs();
  const { textfile } = options;
  const isJson = context.outputOf(options) === "json";
  if (textfile !== undefined && isJson) {
    throw new SpoolError("USAGE", "--textfile and --json", "The textfile collector reads no JSON.");
  }
  const names = words.map(parseQueueOrTopic);
  const page = new Exposition(Object.values(METRICS), { spool: resolve(context.dirOf(options)) });
  page.add(METRICS.build, 1, { version: context.version });
  const failures: SpoolError[] = [];
  const isUp = await attempt(failures, () => collect(context, options, names, page, failures));
  page.add(METRICS.up, isUp ? 1 : 0);
  page.add(METRICS.scrape, Math.round((monotonicMs() - startMs) * 1000) / 1e6);
  if (textfile === undefined) await context.write(isJson ? page.toJson() : page.toText());
  else replace(textfile, page.toText());
  const [first, ...others] = failures;
  for (const { message, code } of others) context.say(`${message}  [${code}]`);
  if (first !== undefined) throw first;
}

/** True where it worked; else why not is in `failures`. Only a bug is thrown. */
async function attempt(failures: SpoolError[], act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (thrown) {
    const error = fromErrno(thrown);
    if (!(error instanceof SpoolError)) throw error;
    failures.push(error);
    return false;
  }
}

async function collect(
  context: Context,
  options: Options,
  names: readonly string[],
  page: Exposition,
  failures: SpoolError[],
): Promise<void> {
  const spool = await context.open(options);
  const { totalBytes, freeBytes, freeInodes } = await diskStats(spool);
  page.add(METRICS.size, totalBytes);
  page.add(METRICS.free, freeBytes);
  page.add(METRICS.inodes, freeInodes);
  const reader = new StatsReader(spool);
  const chosen = names.length === 0 ? undefined : await queuesOf(spool, names, failures);
  for await (const look of reader.each(chosen)) {
    const labels = labelsOf(look.name);
    if ("error" in look) failures.push(look.error);
    const isUp =
      "stats" in look && (await attempt(failures, () => addQueue(spool, page, look.stats, labels)));
    page.add(METRICS.queueUp, isUp ? 1 : 0, labels);
  }
  reader.save();
  const skewMs = clockSkewMs(spool);
  page.add(METRICS.skew, skewMs === undefined ? undefined : skewMs / 1000);
}

/** What the names stand for. That nobody has subscribed to one says nothing of the spool. */
async function queuesOf(
  spool: Spool,
  names: readonly string[],
  failures: SpoolError[],
): Promise<string[]> {
  const all = new Set<string>();
  for (const name of names) {
    try {
      for (const queue of await queuesNamed(spool, [name])) all.add(queue);
    } catch (error) {
      if (!(error instanceof SpoolError) || error.code !== "NO_TOPIC") throw error;
      failures.push(error);
    }
  }
  return [...all];
}

/** A subscription has its topic in a label of its own, to sum over. */
function labelsOf(queue: string): Record<string, string> {
  const [topic = "", subscription] = queue.split("/");
  return subscription === undefined ? { queue } : { queue, topic };
}

async function addQueue(
  spool: Spool,
  page: Exposition,
  stats: QueueStats,
  labels: Record<string, string>,
): Promise<void> {
  // First, because it may fail: then there is nothing of this queue.
  const living = stats.consumers === 0 ? 0 : await countLiving(spool.queue(stats.name).room);
  const { ready, scheduled, inFlight, dead, expired } = stats;
  for (const [state, count] of Object.entries({
    ready,
    scheduled,
    in_flight: inFlight,
    dead,
    expired,
  })) {
    page.add(METRICS.messages, count, { ...labels, state });
  }
  const seconds = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : ms / 1000;
  page.add(METRICS.oldest, seconds(stats.oldestMs), labels);
  page.add(METRICS.bytes, stats.bytes, labels);
  page.add(METRICS.consumers, living, labels);
  page.add(METRICS.lag, stats.lag, labels);
  page.add(METRICS.lagAge, seconds(stats.lagMs), labels);
}

/** @throws NO_FILE where that cannot be a file; what the system says */
function replace(path: string, text: string): void {
  try {
    replaceTextFile(path, text);
  } catch (error) {
    const cause = { cause: error };
    if (isErrno(error, "ENOENT", "ENOTDIR")) {
      throw new SpoolError(
        "NO_FILE",
        `${dirname(path)}: no such directory`,
        "Make it first.",
        cause,
      );
    }
    if (isErrno(error, "EISDIR")) {
      throw new SpoolError("NO_FILE", `${path}: a directory, not a file`, "", cause);
    }
    throw error;
  }
}
