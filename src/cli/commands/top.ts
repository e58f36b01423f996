/** spool top — watch all queues on a screen. */
import { setTimeout as sleep } from "node:timers/promises";

import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import type { SpoolErrorCode } from "../../errors.ts";
import { openRecording, Recorder, Replay } from "../../stats/recording.ts";
import { RemoteSampler } from "../../stats/remote-sampler.ts";
import { Sampler } from "../../stats/sampler.ts";
import type { Failure, FromSampler } from "../../stats/sampler-messages.ts";
import type { Source } from "../../stats/told.ts";
import { rowKey } from "../../stats/sample.ts";
import type { Head, Sample } from "../../stats/sample.ts";
import { LEAST_INTERVAL_MS } from "../../tui/commands.ts";
import { isAsciiOnly, THEME_NAMES, themeFor } from "../../tui/theme.ts";
import type { ThemeName } from "../../tui/theme.ts";
import { arrange } from "../../tui/tree.ts";
import { parseDurationMs } from "../../units.ts";
import { STDIN, STDOUT } from "../context.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { command, examples, parseQueueOrTopic } from "../options.ts";
import { keepHeapSmall } from "../small-heap.ts";
import { renderTop } from "../top-output.ts";
import statusCommand from "./status.ts";

interface Options extends GlobalOptions {
  readonly once?: boolean;
  readonly interval?: number;
  readonly theme?: ThemeName;
  readonly readonly?: boolean;
  readonly record?: string;
  readonly replay?: string;
}

const INTERVAL_MS = 2000;

const EXAMPLES = examples(
  "spool top",
  "spool top jobs logs                      # a queue, a topic with all of its subscriptions",
  "spool top --interval 10s --theme light",
  "spool top --record night.top > /dev/null &",
  "spool top --replay night.top",
  "spool top --once --interval 5s           # the list as text, with the rates of 5 s",
  "spool top --json | jq '.rows[] | select(.state == \"STALLED\")'",
);

export default function topCommand(context: Context): Verb {
  return command("top", "watch all queues on a screen")
    .description(
      "A row for each queue and topic, and under a topic its subscriptions: what is ready, claimed, scheduled " +
        "and dead; how old the oldest is; messages a second that come and go, what follows from that, and how " +
        "it does in a word. ? shows the keys, q quits. Where there is no terminal, or TERM is dumb, it is " +
        "spool status, once.",
    )
    .argument("[queue...]", "these queues, or all subscriptions of these topics; default all")
    .option("--once", "print the list once, as text, after one interval")
    .option("--interval <duration>", "how often to look (default 2s)", parseInterval)
    .option("--theme <name>", "colours; by default as the terminal seems to be", THEME_NAMES)
    .option("--readonly", "look only: no key changes anything")
    .option("--record <file>", "keep what is seen in a new file, also without a terminal")
    .option("--replay <file>", "show what was recorded; [ and ] go back and on")
    .after(EXAMPLES)
    .action((words: string[], options: Options) => top(context, words, options));
}

function parseInterval(text: string): number {
  const ms = parseDurationMs(text);
  if (ms >= LEAST_INTERVAL_MS) return ms;
  throw new SpoolError("BAD_VALUE", `--interval: ${LEAST_INTERVAL_MS}ms at the least`);
}

async function top(context: Context, words: readonly string[], options: Options): Promise<void> {
  const names = words.map(parseQueueOrTopic);
  const isText = options.once === true || context.outputOf(options) !== "human";
  refuse(options, isText);
  if (isText) return printOnce(context, names, options);
  const isScreen =
    context.env["TERM"] !== "dumb" &&
    (await context.isTerminal(STDIN)) &&
    (await context.isTerminal(STDOUT));
  if (!isScreen && options.replay !== undefined) {
    throw new SpoolError("USAGE", "--replay needs a terminal");
  }
  if (!isScreen && options.record !== undefined) return record(context, names, options);
  if (!isScreen) return printStatus(context, names, options);
  keepHeapSmall();
  const { showTop } = await import("../../tui/main.tsx");
  const look = {
    intervalMs: options.interval ?? INTERVAL_MS,
    theme: options.theme ?? themeFor(context.env),
    isAscii: isAsciiOnly(context.env),
    path: process.argv[1]!,
    givenDir: options.dir,
    say: context.say,
  };
  if (options.replay !== undefined) {
    const { dir, lines } = openRecording(options.replay);
    const open = (onNews: () => void): Source => new Replay(lines, onNews, names);
    return ended(await showTop({ ...look, open, dir, isReadonly: true }));
  }
  const dir = context.dirOf(options);
  const recorder = options.record === undefined ? undefined : new Recorder(options.record, dir);
  const open = (onNews: () => void): Source =>
    new RemoteSampler({ ...taskOf(context, names, options), onNews, ...recordTo(recorder) });
  const complaint = (): string | undefined => recorder?.failure;
  const isReadonly = options.readonly ?? false;
  try {
    ended(await showTop({ ...look, open, dir, isReadonly, complaint }));
  } finally {
    recorder?.end();
  }
}

/** What would be ignored is not taken. */
function refuse({ replay, record: file, interval }: Options, isText: boolean): void {
  if (replay !== undefined && (isText || file !== undefined)) {
    throw new SpoolError("USAGE", "--replay is for the screen alone");
  }
  if (replay !== undefined && interval !== undefined) {
    throw new SpoolError("USAGE", "--interval: a recording has its own pace");
  }
  if (file !== undefined && isText) {
    throw new SpoolError("USAGE", "--record is not for --once and --json, which look twice");
  }
}

const recordTo = (recorder: Recorder | undefined) =>
  recorder === undefined ? {} : { record: (told: FromSampler) => recorder.take(told) };

function taskOf(context: Context, names: readonly string[], options: Options) {
  return {
    program: [process.argv[1]!, "__sample"],
    dir: context.dirOf(options),
    cacheDir: context.cacheDir,
    names,
    intervalMs: options.interval ?? INTERVAL_MS,
  };
}

function ended(failure: Failure | undefined): void {
  if (failure === undefined) return;
  throw new SpoolError(failure.code as SpoolErrorCode, failure.message, failure.hint);
}

/** Without a screen, until it is told to end. */
async function record(context: Context, names: readonly string[], options: Options): Promise<void> {
  const recorder = new Recorder(options.record!, context.dirOf(options));
  let end = (): void => {};
  const failure = await new Promise<Failure | undefined>((resolve) => {
    const onNews = (): void => {
      const { isOver, failure: why } = source.told;
      if (isOver) resolve(why);
      if (recorder.failure !== undefined) {
        resolve({ code: "DISK_FULL", message: recorder.failure, hint: "" });
      }
    };
    const source = new RemoteSampler({
      ...taskOf(context, names, options),
      onNews,
      ...recordTo(recorder),
    });
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
      process.once(signal, () => resolve(undefined));
    }
    end = () => source.end();
  });
  end();
  recorder.end();
  ended(failure);
}

async function printStatus(
  context: Context,
  names: readonly string[],
  { dir }: Options,
): Promise<void> {
  const where = dir === undefined ? [] : ["-C", dir];
  const call = statusCommand(context).read([...where, "--", ...names]);
  await call!.verb.run(call!);
}

/** Looks twice, with one interval in between. */
async function printOnce(
  context: Context,
  names: readonly string[],
  options: Options,
): Promise<void> {
  const samples = new Map<string, Sample>();
  const intervalMs = options.interval ?? INTERVAL_MS;
  const spool = await context.open(options);
  const sampler = new Sampler(spool, {
    names,
    intervalMs,
    isUnlimited: true,
    tell: (news) => {
      for (const sample of news) samples.set(rowKey(sample), sample);
    },
    tellGone: (keys) => {
      for (const key of keys) samples.delete(key);
    },
  });
  await sampler.round();
  await sleep(intervalMs);
  const head: Head = await sampler.round();
  sampler.save();
  const all = { sort: "name", isReversed: false, filter: "", folded: new Set<string>() } as const;
  const rows = arrange(samples, all);
  await context.write(renderTop(context.outputOf(options), rows, head, intervalMs));
}
