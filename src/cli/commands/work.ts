/** spool work — run a command for each message. */
import type { Verb } from "../verb.ts";

import { writeOut } from "../../disk/stdio.ts";
import { fromErrno, SpoolError } from "../../errors.ts";
import type { Message } from "../../queue/message.ts";
import type { Queue } from "../../queue/queue.ts";
import { STDERR } from "../context.ts";
import type { Context, GlobalOptions } from "../context.ts";
import {
  command,
  examples,
  parseDuration,
  parsePositive,
  parseQueue,
  queueArgument,
} from "../options.ts";
import type { Outcome } from "../command.ts";
import { paused, waitsPaused } from "../paused.ts";
import { CommandRunner, NoPayload } from "../run-command.ts";
import { onSignals } from "../signals.ts";
import { PYTHON } from "../spawner-script.ts";

interface Options extends GlobalOptions {
  readonly jobs?: number;
  readonly timeout?: number;
  readonly untilEmpty?: boolean;
  readonly once?: boolean;
  readonly lease?: number;
  readonly verbose?: boolean;
}

const EXAMPLES = `${examples(
  "spool work jobs -- ./resize.sh {}",
  "spool work mail -j 4 --timeout 1m -- sendmail -t",
  "spool work jobs --until-empty -- sh -c 'echo \"$SPOOL_ID: $(cat)\"'",
)}

What the exit of CMD means: 0 done; 65 or 100 dead letter; 99 done, and stop; 126 or 127 CMD cannot
be run, stop; any other, a signal or the time-out: retry after the queue's back-off.`;

export default function workCommand(context: Context): Verb {
  return command("work", "run a command for each message")
    .description(
      "Run CMD for each message: payload on stdin, {} is the path of a file that holds it. " +
        "Environment: SPOOL_DIR SPOOL_QUEUE SPOOL_ID SPOOL_ATTEMPT SPOOL_ENQUEUED_AT SPOOL_FILE, and " +
        "SPOOL_H_<NAME> for each header. ^C or SIGTERM: the commands that run may end; a second one " +
        "kills them.",
    )
    .argument(queueArgument, "the queue", parseQueue)
    .argument("<cmd...>", "the command and its arguments, after --")
    .option("-j, --jobs <n>", "commands at once (default 1)", parsePositive)
    .option("--timeout <duration>", "a command that takes longer is killed", parseDuration)
    .option("--until-empty", "end when nothing is ready")
    .option("--once", "end after one message")
    .option("--lease <duration>", "instead of the queue's lease time", parseDuration)
    .option("-v, --verbose", "a line on stderr for each message")
    .after(EXAMPLES)
    .action((queue: string, cmd: string[], options: Options) => work(context, queue, cmd, options));
}

async function work(
  context: Context,
  name: string,
  argv: readonly string[],
  options: Options,
): Promise<void> {
  const spool = await context.open(options, { blocking: false });
  const queue = spool.queue(name);
  const worker = new CommandWorker(context, queue, spool.dir, argv, options);
  await worker.run();
}

class CommandWorker {
  readonly #context: Context;
  readonly #queue: Queue;
  readonly #argv: readonly string[];
  readonly #options: Options;
  readonly #stop = new AbortController();
  readonly #runner: CommandRunner;
  /** What commands said on their stderr has been passed on. */
  #told: Promise<unknown> = Promise.resolve();
  #failure: unknown;

  constructor(
    context: Context,
    queue: Queue,
    dir: string,
    argv: readonly string[],
    options: Options,
  ) {
    this.#context = context;
    this.#queue = queue;
    this.#argv = argv;
    this.#options = options;
    const { jobs = 1, once = false, timeout: timeoutMs } = options;
    this.#runner = new CommandRunner({
      argv,
      env: { ...context.env, SPOOL_DIR: dir, SPOOL_QUEUE: queue.name },
      timeoutMs,
      jobs,
      isOnce: once,
      python: PYTHON,
      draft: () => queue.room.draft("payload-"),
      onStderr: (bytes) => {
        // What is large is written in the background, and two such would overtake each other.
        this.#told = this.#told.then(() => writeOut(STDERR, bytes, true)).catch(() => {});
      },
      onAsked: () => this.#stop.abort(),
      onKilled: () => {
        context.say("a command's parent was killed, and so is this");
        process.kill(process.pid, "SIGKILL");
        // The first process of a container cannot be killed from within.
        process.exit(137);
      },
    });
  }

  async run(): Promise<void> {
    const { jobs = 1, untilEmpty = false, once = false, lease } = this.#options;
    // What else stops us is no signal: the first one after that is not the second.
    const told = new AbortController();
    if ((await this.#queue.settings()).isPaused) {
      this.#context.say(waitsPaused(this.#queue.name));
    }
    const restore = onSignals(told, () => this.#runner.kill());
    try {
      const handled = await this.#queue.work((message) => this.#handle(message), {
        concurrency: once ? 1 : jobs,
        signal: AbortSignal.any([told.signal, this.#stop.signal]),
        untilEmpty,
        warn: this.#context.say,
        onError: (error, message) => this.#report(error, message),
        ...(once && { maxMessages: 1 }),
        ...(lease !== undefined && { leaseMs: lease }),
      });
      if (this.#failure !== undefined) throw this.#failure;
      if (once && untilEmpty && handled === 0) {
        const { isPaused } = await this.#queue.settings();
        if (isPaused) throw paused(this.#queue.name);
        throw new SpoolError("EMPTY", `queue ${this.#queue.name} is empty`);
      }
    } finally {
      restore();
      this.#runner.close();
      await this.#told;
    }
  }

  #report(error: unknown, message: Message | undefined): void {
    const what = message === undefined ? "" : `message ${message.id}: `;
    this.#context.say(`${what}${error instanceof Error ? error.message : String(error)}`);
    // A single message whose ack was refused was not done by us.
    if (error instanceof SpoolError && this.#options.once) this.#failure ??= error;
  }

  /** Runs the command; where it could not even be given its payload all work stops. */
  async #handle(message: Message): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = await this.#runner.run(message);
    } catch (error) {
      if (!(error instanceof NoPayload)) throw error;
      await message.giveBack();
      this.#failure ??= fromErrno(error.cause);
      this.#stop.abort();
      return;
    }
    await this.#settle(message, outcome);
  }

  async #settle(message: Message, outcome: Outcome): Promise<void> {
    const { code, signal, stderr } = outcome;
    const reason = describe(outcome);
    if (this.#options.verbose) {
      this.#context.say(`${message.id} attempt ${message.attempt}: ${reason}`);
    }
    const details = {
      reason,
      stderr,
      ...(code !== null && { exitCode: code }),
      ...(signal !== null && { signal }),
    };
    if (code === 126 || code === 127) {
      await message.giveBack();
      this.#failure ??= cannotRun(this.#argv[0] ?? "", code);
      this.#stop.abort();
    } else if (code === 65 || code === 100) await message.reject(details);
    else if (code === 0 || code === 99) {
      await message.ack();
      if (code === 99) this.#stop.abort();
    } else await message.nack(details);
  }
}

function describe({ code, signal, hasTimedOut }: Outcome): string {
  if (hasTimedOut) return "timed out";
  return code === null ? `killed by ${signal}` : `exit ${code}`;
}

function cannotRun(file: string, code: number): SpoolError {
  return code === 127
    ? new SpoolError("NO_FILE", `${file}: command not found`, "The messages stay as they were.")
    : new SpoolError("NOT_PERMITTED", `${file}: cannot be run`, "Is it executable?");
}
