/** spool verify — check every name and every byte. */
import type { Command } from "commander";

import type { Finding, Verified } from "../../queue/verify.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { count, formatSize } from "../format.ts";
import { command, examples, parseQueueOrTopic } from "../options.ts";
import { Progress } from "../progress.ts";

export default function verifyCommand(context: Context): Command {
  return command("verify", "check every name and every byte")
    .description(
      "Read every name and every byte, and print what is wrong: path and problem. Changes nothing. " +
        "Exit 1 means that something was found.",
    )
    .argument("[queue...]", "these queues and topics only")
    .addHelpText("after", examples("spool verify", "spool verify jobs --json"))
    .action((names: string[], options: GlobalOptions) => verify(context, names, options));
}

async function verify(
  context: Context,
  words: readonly string[],
  options: GlobalOptions,
): Promise<void> {
  const names = words.map(parseQueueOrTopic);
  const spool = await context.open(options);
  const progress = await Progress.on(context);
  const topics = [...(await spool.topicNames()), ...(await spool.patternNames())];
  const queues = [...(await spool.queueNames()), ...(await spool.subscriptionNames())];
  const isAll = names.length === 0;
  const findings: Finding[] = [];
  let messages = 0;
  let bytes = 0;
  const add = (result: Verified): void => {
    progress.clear();
    findings.push(...result.findings);
    messages += result.messages;
    bytes += result.bytes;
  };
  for (const name of isAll ? queues : names) {
    // A name of nothing is said to be one of no queue.
    if (topics.includes(name) && !queues.includes(name)) continue;
    const queue = spool.queue(name);
    if (!isAll) await queue.settings();
    const onProgress = (read: number): void =>
      progress.show(() => `${name}: ${count(read, "message")} read`);
    add(await queue.verify(onProgress));
  }
  for (const name of isAll ? topics : names.filter((one) => topics.includes(one))) {
    add(await (await spool.topic(name)).verify());
  }
  if (context.outputOf(options) === "json") {
    await context.write(`${JSON.stringify({ messages, bytes, findings })}\n`);
  } else {
    for (const { path, problem } of findings) await context.write(`${path}: ${problem}\n`);
    context.say(
      `${count(messages, "message")}, ${formatSize(bytes)} read; ${count(findings.length, "problem")}`,
    );
  }
  if (findings.length > 0) context.exitCode = 1;
}
