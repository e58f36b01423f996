/** spool verify — check every name and every byte, and put right what is wrong. */
import type { Verb } from "../verb.ts";

import { SpoolError } from "../../errors.ts";
import type { Finding, Verified, VerifyOptions } from "../../queue/finding.ts";
import type { Queue } from "../../queue/queue.ts";
import { openToRepair } from "../../spool.ts";
import type { Spool } from "../../spool.ts";
import type { Topic } from "../../topic/topic.ts";
import { sitesOf, verifySpool } from "../../topic/verify-spool.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { count, formatSize } from "../format.ts";
import { command, examples, parseQueueOrTopic } from "../options.ts";
import { Progress } from "../progress.ts";

interface Options extends GlobalOptions {
  readonly repair?: boolean;
}

export default function verifyCommand(context: Context): Verb {
  return command("verify", "check every name and every byte")
    .description(
      "Read every name and every byte, and print what is wrong: path and problem. Changes nothing " +
        "without --repair. With it, what is wrong is put right beside the living, and no payload is " +
        "lost: what is damaged becomes a dead letter, what does not belong there goes to aside/. " +
        "Exit 1 means that something is wrong, or with --repair, that something is left for people.",
    )
    .argument("[queue...]", "these queues and topics only")
    .option("--repair", "put right what is found")
    .after(examples("spool verify", "spool verify jobs --json", "spool verify --repair"))
    .action((names: string[], options: Options) => new Verify(context, options).run(names));
}

class Verify {
  readonly #context: Context;
  readonly #options: Options;
  readonly #isRepair: boolean;
  /** Where repairs have moved things: shared, because one may be met again. */
  readonly #moved = new Set<string>();
  readonly #results = new Map<string, Verified>();

  constructor(context: Context, options: Options) {
    this.#context = context;
    this.#options = options;
    this.#isRepair = options.repair ?? false;
  }

  async run(words: readonly string[]): Promise<void> {
    const names = words.map(parseQueueOrTopic);
    const spool = await this.#open();
    const isAll = names.length === 0;
    if (isAll) this.#add("", await verifySpool(spool, this.#how()));
    const all = await sitesOf(spool);
    const topics = isAll ? all.topics : names.filter((name) => all.topics.includes(name));
    // A name of nothing is said to be one of no queue.
    const isQueue = (name: string): boolean => all.queues.includes(name) || !topics.includes(name);
    const queues = isAll ? all.queues : names.filter(isQueue);
    const progress = await Progress.on(this.#context);
    const verify = async (name: string, one: Queue | Topic): Promise<Verified> => {
      const onProgress = (read: number): void =>
        progress.show(() => `${name}: ${count(read, "message")} read`);
      const result = await one.verify({ ...this.#how(), onProgress });
      progress.clear();
      this.#add(name, result);
      return result;
    };
    const queue = async (name: string): Promise<void> => {
      if (!all.queues.includes(name)) await spool.queue(name).settings();
      await verify(name, spool.queue(name));
    };
    await eachThere(queues, isAll, queue);
    let isChanged = false;
    await eachThere(topics, isAll, async (name) => {
      const { findings } = await verify(`${name} as a topic`, await spool.topic(name));
      isChanged ||= findings.some(({ repair }) => repair !== undefined);
    });
    // Fan-outs that were finished have brought messages.
    const subscriptions = isChanged ? queues.filter((one) => one.includes("/")) : [];
    await eachThere(subscriptions, isAll, queue);
    await this.#print();
  }

  #how(): VerifyOptions {
    return { repair: this.#isRepair, moved: this.#moved };
  }

  async #open(): Promise<Spool> {
    if (!this.#isRepair) return this.#context.open(this.#options);
    const dir = this.#context.dirOf(this.#options);
    const { spool, finding } = await openToRepair(dir, this.#moved);
    if (finding) this.#add("spool.json", { findings: [finding], messages: 0, bytes: 0 });
    return spool;
  }

  #add(name: string, result: Verified): void {
    const before = this.#results.get(name)?.findings ?? [];
    const repaired = before.filter(({ repair }) => repair !== undefined);
    this.#results.set(name, { ...result, findings: [...repaired, ...result.findings] });
  }

  async #print(): Promise<void> {
    const results = [...this.#results.values()];
    const findings = results.flatMap((result) => result.findings);
    const messages = results.reduce((sum, result) => sum + result.messages, 0);
    const bytes = results.reduce((sum, result) => sum + result.bytes, 0);
    const left = findings.filter(({ repair }) => repair === undefined).length;
    if (this.#context.outputOf(this.#options) === "json") {
      await this.#context.write(`${JSON.stringify({ messages, bytes, findings })}\n`);
    } else {
      for (const finding of findings) await this.#context.write(`${this.#lineOf(finding)}\n`);
      const problems = count(findings.length, "problem");
      const rest = this.#isRepair ? `, ${findings.length - left} put right, ${left} left` : "";
      const read = `${count(messages, "message")}, ${formatSize(bytes)} read`;
      this.#context.say(`${read}; ${problems}${rest}`);
    }
    if (left > 0) this.#context.exitCode = 1;
  }

  #lineOf({ path, problem, repair, left }: Finding): string {
    const why = left === undefined ? "left" : `left: ${left}`;
    const done = this.#isRepair ? `; ${repair ?? why}` : "";
    // A name may hold anything, and a line is one finding.
    return `${path}: ${problem}${done}`.replaceAll(/\p{Cc}/gu, "?");
  }
}

/** For each of these; what was removed since it was listed is passed over, unless it was asked for. */
async function eachThere(
  names: readonly string[],
  isListed: boolean,
  act: (name: string) => Promise<void>,
): Promise<void> {
  for (const name of names) {
    try {
      await act(name);
    } catch (error) {
      const isGone = error instanceof SpoolError && /^NO_(QUEUE|TOPIC)$/.test(error.code);
      if (!isGone || !isListed) throw error;
    }
  }
}
