/** spool resume — have consumers get messages again. */
import type { Verb } from "../verb.ts";

import type { Context, GlobalOptions } from "../context.ts";
import { command, examples } from "../options.ts";
import { setPaused } from "./pause.ts";

export default function resumeCommand(context: Context): Verb {
  return command("resume", "have consumers get messages again")
    .description("Undo pause: consumers that wait begin at once.")
    .argument("<queue...>", "queues, or subscriptions like logs/archive")
    .after(examples("spool resume jobs", "spool resume logs/archive mail"))
    .action((words: string[], options: GlobalOptions) => setPaused(context, words, options, false));
}
