/** What put and publish share: options, input, and how they report. */
import type { Verb } from "./verb.ts";

import { closeFd, isDirectory, openForReading, readChunks, readUpTo } from "../disk/stdio.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { BATCH_MESSAGES } from "../limits.ts";
import type { PutOptions } from "../queue/draft.ts";
import type { Body, PutResult } from "../queue/put.ts";
import type { ManyPutter, PutManyOptions } from "../queue/put-lines.ts";
import { parseTimeMs } from "../units.ts";
import { STDIN } from "./context.ts";
import type { Context, GlobalOptions } from "./context.ts";
import { count, formatSize } from "./format.ts";
import { collectHeader, parseDuration, parsePositive } from "./options.ts";
import { Progress } from "./progress.ts";

/** Input up to this is read whole and written in one call, in bytes. */
const SMALL_BYTES = 256 * 1024;

export interface ProduceOptions extends GlobalOptions {
  readonly message?: string;
  readonly lines?: boolean;
  readonly 0?: boolean;
  readonly header?: Record<string, string>;
  readonly priority?: number;
  readonly delay?: number;
  readonly at?: string;
  readonly ttl?: number;
  readonly dedup?: string;
  readonly sync?: "disk" | "none";
  readonly batch?: number;
  readonly linger?: number;
  readonly wait?: number;
  readonly verbose?: boolean;
}

function parsePriority(text: string): number {
  if (!/^[0-9]$/.test(text)) {
    throw new SpoolError("BAD_VALUE", `not a priority: ${text}`, "Give 0 to 9; 9 goes first.");
  }
  return Number(text);
}

/** Where messages go: a queue or a topic. */
export interface Target {
  readonly name: string;
  readonly noun: "queue" | "topic";
  put(body: Body, options: PutOptions): Promise<PutResult>;
  putMany(options: PutManyOptions): ManyPutter;
}

/** The options of put and publish. */
export function withProduceOptions(command: Verb): Verb {
  return command
    .option("-m, --message <text>", "the message itself")
    .option("-l, --lines", "each line is a message")
    .option("-0", "each message ends with a NUL")
    .option("-H, --header <line>", "a header, like 'Type: text/plain'; repeatable", collectHeader)
    .option("-p, --priority <0-9>", "9 goes first (default 4)", parsePriority)
    .option("--delay <duration>", "hide it from consumers for this long", parseDuration)
    .option("--at <time>", "hide it from consumers until then")
    .option("--ttl <duration>", "it expires when nobody took it within this time", parseDuration)
    .option("--dedup <key>", "a second put with the same key adds nothing")
    .option("--sync <mode>", "disk: success means on stable storage", ["disk", "none"])
    .option("--batch <n>", "with -l, -0: messages in one file (default 30000)", parsePositive)
    .option("--linger <duration>", "with -l, -0: wait for more that long (100ms)", parseDuration)
    .option("--wait <duration>", "where the queue is full, wait (0: for ever)", parseDuration)
    .option("-v, --verbose", "with -l, -0: a summary on stderr");
}

/** @param open  opens where it goes; `isMany`: a stream of messages, not one. */
export async function produce(
  context: Context,
  verb: string,
  files: readonly string[],
  options: ProduceOptions,
  open: (isMany: boolean) => Promise<Target>,
): Promise<void> {
  const isMany = Boolean(options.lines ?? options[0]);
  checkUsage(verb, files, options, isMany);
  if (options.message === undefined && (files.length === 0 || files.includes("-"))) {
    context.needStdin();
    if (await context.isTerminal(STDIN)) context.say("reading from the terminal; ^D ends it");
  }
  const target = await open(isMany);
  const putOptions = toPutOptions(options);
  const sources = files.length === 0 ? ["-"] : files;
  if (isMany) {
    await putMany(context, target, sources, options, putOptions);
    return;
  }
  if (options.message !== undefined) {
    await report(context, target, options.message, options, putOptions);
    return;
  }
  for (const source of sources) {
    await withInput(source, async (fd) => {
      const start = await readUpTo(fd, SMALL_BYTES);
      const body = start.length < SMALL_BYTES ? start : joined(start, fd);
      await report(context, target, body, options, putOptions);
    });
  }
}

function checkUsage(
  verb: string,
  files: readonly string[],
  options: ProduceOptions,
  isMany: boolean,
): void {
  const usage = (message: string): SpoolError =>
    new SpoolError("USAGE", message, `See: spool help ${verb}`);
  if (options.message !== undefined && files.length > 0)
    throw usage("-m and FILE exclude each other");
  if (options.message !== undefined && isMany) throw usage("-m and --lines exclude each other");
  if (options.lines && options[0]) throw usage("--lines and -0 exclude each other");
  if (isMany && options.dedup !== undefined) throw usage("--dedup goes with one message");
  if (options.dedup !== undefined && files.length > 1) throw usage("--dedup goes with one message");
  if (!isMany && (options.batch ?? options.linger) !== undefined) {
    throw usage("--batch and --linger go with --lines or -0");
  }
  if ((options.batch ?? 1) > BATCH_MESSAGES) throw usage(`--batch is ${BATCH_MESSAGES} at most`);
}

function toPutOptions(options: ProduceOptions): PutOptions {
  const { header, priority, delay, at, ttl, dedup, sync, wait } = options;
  return {
    ...(header && { headers: header }),
    ...(priority !== undefined && { priority }),
    ...(delay !== undefined && { delayMs: delay }),
    ...(at !== undefined && { atMs: parseTimeMs(at, Date.now()) }),
    ...(ttl !== undefined && { ttlMs: ttl }),
    ...(dedup !== undefined && { dedupKey: dedup }),
    ...(sync !== undefined && { sync }),
    ...(wait !== undefined && { waitMs: wait }),
  };
}

async function report(
  context: Context,
  target: Target,
  body: Body,
  options: ProduceOptions,
  putOptions: PutOptions,
): Promise<void> {
  const { id, duplicate } = await target.put(body, putOptions);
  const isJson = context.outputOf(options) === "json";
  const said = isJson ? JSON.stringify({ id, [target.noun]: target.name, duplicate }) : id;
  try {
    await context.write(`${said}\n`);
  } catch (error) {
    if (!(error instanceof SpoolError)) throw error;
    throw new SpoolError("IO", `message ${id} is safe, but stdout did not take its id`, "", {
      cause: error,
    });
  }
}

async function* joined(start: Buffer, fd: number): AsyncGenerator<Buffer> {
  yield start;
  yield* readChunks(fd);
}

async function withInput(source: string, act: (fd: number) => Promise<void>): Promise<void> {
  if (source === "-") {
    await act(STDIN);
    return;
  }
  let fd: number;
  try {
    fd = openForReading(source);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) {
      throw new SpoolError("NO_FILE", `${source}: no such file`, "", { cause: error });
    }
    throw error;
  }
  try {
    if (isDirectory(fd)) throw new SpoolError("NO_FILE", `${source}: a directory, not a file`);
    await act(fd);
  } finally {
    closeFd(fd);
  }
}

async function putMany(
  context: Context,
  target: Target,
  sources: readonly string[],
  options: ProduceOptions,
  putOptions: PutOptions,
): Promise<void> {
  const progress = await Progress.on(context);
  const putter = target.putMany({
    ...putOptions,
    separator: options[0] ? "nul" : "newline",
    ...(options.batch !== undefined && { batchMessages: options.batch }),
    ...(options.linger !== undefined && { lingerMs: options.linger }),
    onProgress: ({ messages, bytes }) =>
      progress.show(() => `${count(messages, "message")}, ${formatSize(bytes)} safe`),
  });
  try {
    for (const source of sources) {
      await withInput(source, async (fd) => void (await putter.run(readChunks(fd))));
    }
  } catch (error) {
    progress.clear();
    context.say(
      `${count(putter.safe.messages, "message")} are safe in ${target.name}; the rest may not be`,
    );
    throw error;
  }
  progress.clear();
  await summarise(context, target, putter, options);
}

async function summarise(
  context: Context,
  target: Target,
  { safe }: ManyPutter,
  options: ProduceOptions,
): Promise<void> {
  if (context.outputOf(options) === "json") {
    await context.write(`${JSON.stringify({ [target.noun]: target.name, ...safe })}\n`);
  } else if (options.verbose) {
    const files = count(safe.batches, "file");
    context.say(`${count(safe.messages, "message")}, ${formatSize(safe.bytes)}, in ${files}`);
  }
}
