/** What the names of queues, subscriptions and topics on a command line stand for. */
import { SpoolError } from "../errors.ts";
import { isPattern } from "../names.ts";
import type { Spool } from "../spool.ts";

/**
 * The queues and subscriptions that were named, each once: a topic stands for all that hear it. A queue need
 * not be there. @throws NO_TOPIC
 */
export async function queuesNamed(spool: Spool, names: readonly string[]): Promise<string[]> {
  const topics = new Set([...(await spool.topicNames()), ...(await spool.patternNames())]);
  const queues = new Set(await spool.queueNames());
  const all: string[] = [];
  for (const name of names) {
    if (!topics.has(name) && isPattern(name) && !name.includes("/")) {
      throw new SpoolError("NO_TOPIC", `nobody has subscribed to ${name}`);
    }
    if (queues.has(name) || !topics.has(name)) all.push(name);
    if (topics.has(name)) all.push(...(await (await spool.topic(name)).subscriptions()));
  }
  return [...new Set(all)];
}
