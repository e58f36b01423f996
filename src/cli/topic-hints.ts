/** What is said where a topic's log has nothing to give. */
import { isPattern } from "../names.ts";
import type { Topic } from "../topic/topic.ts";
import type { Context } from "./context.ts";

export async function explainNoLog(context: Context, { name, log }: Topic): Promise<void> {
  if (isPattern(name) || (await log.isKept())) return;
  context.say(`topic ${name} keeps no log; see: spool topic set ${name} retention=7d`);
}
