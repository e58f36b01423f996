/**
 * The command line: finds the verb, loads that one command and runs it.
 *
 * Start-up is a feature: a verb loads what it needs and nothing else. What scripts call for each message
 * is in one file with the engine, because each further file costs more than its bytes; the others are
 * imported when they are called, and the list that help prints is a table of words.
 */
import { keepHeapSmall } from "./small-heap.ts";
import ack from "./commands/ack.ts";
import extend from "./commands/extend.ts";
import nack from "./commands/nack.ts";
import put from "./commands/put.ts";
import reject from "./commands/reject.ts";
import status from "./commands/status.ts";
import take from "./commands/take.ts";
import { Context } from "./context.ts";
import { fail } from "./fail.ts";
import type { Verb } from "./verb.ts";

export type VerbFactory = (context: Context) => Verb;

export type Verbs = Readonly<
  Record<string, readonly [summary: string, load: () => Awaitable<{ default: VerbFactory }>]>
>;

type Awaitable<T> = T | Promise<T>;

/** Verb, what it does, where it is. In the order in which help shows them. */
export const VERBS: Verbs = {
  put: ["add messages to a queue", () => ({ default: put })],
  take: ["take messages from a queue", () => ({ default: take })],
  ack: ["say that a claimed message is done", () => ({ default: ack })],
  nack: ["give a claimed message back for a retry", () => ({ default: nack })],
  reject: ["make a claimed message a dead letter", () => ({ default: reject })],
  extend: ["keep a claimed message longer", () => ({ default: extend })],
  work: ["run a command for each message", () => import("./commands/work.ts")],
  consume: ["stream messages to stdout", () => import("./commands/consume.ts")],
  publish: ["send messages to all subscriptions", () => import("./commands/publish.ts")],
  subscribe: ["get what is published to a topic", () => import("./commands/subscribe.ts")],
  unsubscribe: ["remove a subscription", () => import("./commands/unsubscribe.ts")],
  replay: ["deliver again from a topic's log", () => import("./commands/replay.ts")],
  peek: ["look at messages without claiming them", () => import("./commands/peek.ts")],
  status: ["show what is in the queues", () => ({ default: status })],
  top: ["watch all queues on a screen", () => import("./commands/top.ts")],
  check: ["answer a monitoring system", () => import("./commands/check.ts")],
  metrics: ["print figures for Prometheus", () => import("./commands/metrics.ts")],
  queue: ["list, make, change and remove queues", () => import("./commands/queue.ts")],
  topic: ["list, make, change and remove topics", () => import("./commands/topic.ts")],
  dlq: ["look at dead letters, redrive or drop them", () => import("./commands/dlq.ts")],
  pause: ["have consumers get nothing, for now", () => import("./commands/pause.ts")],
  resume: ["have consumers get messages again", () => import("./commands/resume.ts")],
  purge: ["throw messages away", () => import("./commands/purge.ts")],
  move: ["move messages to another queue", () => import("./commands/move.ts")],
  verify: ["check every name and every byte", () => import("./commands/verify.ts")],
  gc: ["take over from the dead, sweep, expire", () => import("./commands/gc.ts")],
  doctor: ["see whether this disk is fit for a spool", () => import("./commands/doctor.ts")],
  bench: ["see how fast a spool is on this disk", () => import("./commands/bench.ts")],
  completion: ["print a completion script for a shell", () => import("./commands/completion.ts")],
};

/** These are followed by a verb of their own. */
const NOUNS = new Set(["queue", "topic", "dlq"]);

/** Options before the verb belong to the verb: `spool -C dir put` is `spool put -C dir`. */
function verbFirst(argv: readonly string[]): string[] {
  const leading: string[] = [];
  let at = 0;
  while (at < argv.length) {
    const word = argv[at]!;
    if (/^(-C|--dir|-o|--output)$/.test(word)) leading.push(word, argv[++at] ?? "");
    else if (/^(-C.+|--dir=.*|-o.+|--output=.*|--json)$/.test(word)) leading.push(word);
    else break;
    at++;
  }
  const words = NOUNS.has(argv[at] ?? "") ? 2 : 1;
  return [...argv.slice(at, at + words), ...leading, ...argv.slice(at + words)];
}

/** Runs one command line; resolves with the exit code. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const context = new Context(env);
  try {
    return await runVerb(context, verbFirst(argv));
  } catch (error) {
    // Also of a verb whose file does not load: 1 would mean something else.
    return fail(context, error);
  }
}

async function runVerb(context: Context, words: readonly string[]): Promise<number> {
  const [verb = ""] = words;
  if (verb === "__queues") {
    const { printQueueNames } = await import("./commands/completion.ts");
    return printQueueNames(context);
  }
  if (verb === "__waiter") {
    const { waitAndTell } = await import("../bench/waiter.ts");
    await waitAndTell(words[1] ?? "", words[2] ?? "");
    return 0;
  }
  if (verb === "__sample") {
    keepHeapSmall();
    const { runSamplerProcess } = await import("../stats/sampler-process.ts");
    await runSamplerProcess();
  }
  const entry = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (entry !== undefined) {
    const { default: create } = await entry[1]();
    const call = create(context).read(words.slice(1));
    if (call !== undefined) {
      await call.verb.run(call);
      return context.exitCode;
    }
  }
  const { run } = await import("./program.ts");
  return run(context, words, VERBS);
}
