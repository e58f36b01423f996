/** spool gc — take over from the dead, sweep, expire. */
import type { Verb } from "../verb.ts";

import { fromErrno, SpoolError } from "../../errors.ts";
import type { Spool } from "../../spool.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { plain, table } from "../format.ts";
import { command, examples, parseQueueOrTopic } from "../options.ts";

const HEAD = ["QUEUE", "LEASES", "RECLAIMED", "DEAD", "EXPIRED", "STRAYS", "KEYS", "DROPPED"];
const TOPIC_HEAD = ["TOPIC", "FINISHED", "UNDONE", "STRAYS", "KEYS", "TRIMMED"];

export default function gcCommand(context: Context): Verb {
  return command("gc", "take over from the dead, sweep, expire")
    .description(
      "Give back what dead consumers held, finish or undo what dead publishers began, remove what dead " +
        "writers left, drop what has expired, trim the logs of topics, adopt what lies in drop/, forget " +
        "old dedup keys. Consumers do the first three by themselves; run this from cron for queues that " +
        "have none.",
    )
    .argument("[queue...]", "these queues and topics only")
    .after(examples("spool gc", "spool gc jobs --json", "spool gc logs logs/archive"))
    .action((names: string[], options: GlobalOptions) => new Gc(context, options).run(names));
}

class Gc {
  readonly #context: Context;
  readonly #options: GlobalOptions;
  readonly #queues: string[][] = [];
  readonly #topics: string[][] = [];

  constructor(context: Context, options: GlobalOptions) {
    this.#context = context;
    this.#options = options;
  }

  async run(words: readonly string[]): Promise<void> {
    const names = words.map(parseQueueOrTopic);
    const spool = await this.#context.open(this.#options);
    const allTopics = [...(await spool.topicNames()), ...(await spool.patternNames())];
    const allQueues = [...(await spool.queueNames()), ...(await spool.subscriptionNames())];
    const isAll = names.length === 0;
    if (isAll) await spool.clearRemoved();
    const topics = isAll ? allTopics : names.filter((name) => allTopics.includes(name));
    // A name of nothing is said to be one of no queue.
    const isQueue = (name: string): boolean => allQueues.includes(name) || !topics.includes(name);
    const queues = isAll ? allQueues : names.filter(isQueue);
    const how = { isOne: queues.length + topics.length === 1, isAll };
    // Topics first: what they finish is in the queues then.
    for (const name of topics) await this.#each(name, how, () => this.#topic(spool, name));
    for (const name of queues) await this.#each(name, how, () => this.#queue(spool, name));
    const output = this.#context.outputOf(this.#options);
    if (output === "json") return;
    const show = output === "plain" ? plain : table;
    if (this.#topics.length === 0 || queues.length > 0) {
      await this.#context.write(show(HEAD, this.#queues));
    }
    if (this.#topics.length > 0) {
      await this.#context.write(
        `${queues.length > 0 ? "\n" : ""}${show(TOPIC_HEAD, this.#topics)}`,
      );
    }
  }

  /** One that cannot be swept does not keep us from the others. */
  async #each(
    name: string,
    { isOne, isAll }: { readonly isOne: boolean; readonly isAll: boolean },
    act: () => Promise<void>,
  ): Promise<void> {
    try {
      await act();
    } catch (thrown) {
      const error = fromErrno(thrown);
      if (!(error instanceof SpoolError)) throw thrown;
      // Removed since it was listed.
      if (isAll && /^NO_(QUEUE|TOPIC)$/.test(error.code)) return;
      if (isOne) throw thrown;
      this.#context.say(`${name}: ${error.message}  [${error.code}]`);
      this.#context.exitCode = error.exitCode;
    }
  }

  async #queue(spool: Spool, name: string): Promise<void> {
    const swept = await spool.queue(name).sweep(this.#context.say);
    const { leases, reclaimed, dead, expired, strays, keys, dropped } = swept;
    await this.#json({ queue: name, ...swept });
    const counts = [leases, reclaimed, dead, expired, strays, keys, dropped];
    this.#queues.push([name, ...counts.map(String)]);
  }

  async #topic(spool: Spool, name: string): Promise<void> {
    const topic = await spool.topic(name);
    topic.warn = this.#context.say;
    const swept = await topic.sweep();
    const { finished, undone, strays, keys, trimmed } = swept;
    await this.#json({ topic: name, ...swept });
    this.#topics.push([name, ...[finished, undone, strays, keys, trimmed].map(String)]);
  }

  async #json(line: Record<string, unknown>): Promise<void> {
    if (this.#context.outputOf(this.#options) !== "json") return;
    await this.#context.write(`${JSON.stringify(line)}\n`);
  }
}
