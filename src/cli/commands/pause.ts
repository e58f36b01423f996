/** spool pause — have consumers get nothing. */
import type { Verb } from "../verb.ts";

import type { Context, GlobalOptions } from "../context.ts";
import { command, examples, parseQueue } from "../options.ts";

export default function pauseCommand(context: Context): Verb {
  return command("pause", "have consumers get nothing, for now")
    .description(
      "From now on consumers get nothing from these queues and subscriptions, as if they were empty. " +
        "What is put and published goes in as before; what is claimed already may be finished. Consumers " +
        "that run notice it within a second; those that wait go on waiting.",
    )
    .argument("<queue...>", "queues, or subscriptions like logs/archive")
    .after(examples("spool pause jobs", "spool pause logs/archive mail", "spool resume jobs"))
    .action((words: string[], options: GlobalOptions) => setPaused(context, words, options, true));
}

/** All of them, or, where one is not there, none. */
export async function setPaused(
  context: Context,
  words: readonly string[],
  options: GlobalOptions,
  isPaused: boolean,
): Promise<void> {
  const names = words.map(parseQueue);
  const spool = await context.open(options);
  const queues = names.map((name) => spool.queue(name));
  for (const queue of queues) await queue.settings();
  for (const queue of queues) await queue.changeSettings({ isPaused });
}
