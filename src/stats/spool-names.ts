/** Which queues, topics and subscriptions there are to be looked at. */
import { SpoolError } from "../errors.ts";
import { isPattern } from "../names.ts";
import { noQueue } from "../queue/room.ts";
import type { Spool } from "../spool.ts";

export interface SpoolNames {
  readonly queues: readonly string[];
  readonly subscriptions: readonly string[];
  /** And patterns. */
  readonly topics: readonly string[];
  /** Also those that are not to be looked at: a pattern may match them. Without patterns. */
  readonly allTopics: readonly string[];
}

/**
 * @param wanted    these alone, a topic with all of its subscriptions; empty: all.
 * @param isStrict  each that is wanted has to be there. @throws NO_QUEUE, NO_TOPIC
 */
export async function namesIn(
  spool: Spool,
  wanted: readonly string[],
  isStrict: boolean,
): Promise<SpoolNames> {
  const allTopics = await spool.topicNames();
  const all: SpoolNames = {
    queues: await spool.queueNames(),
    subscriptions: await spool.subscriptionNames(),
    topics: [...allTopics, ...(await spool.patternNames())],
    allTopics,
  };
  if (wanted.length === 0) return all;
  const chosen = new Set(wanted);
  const isChosen = (name: string): boolean => chosen.has(name);
  const names: SpoolNames = {
    queues: all.queues.filter(isChosen),
    subscriptions: all.subscriptions.filter(
      (name) => isChosen(name) || isChosen(name.slice(0, name.indexOf("/"))),
    ),
    topics: all.topics.filter(isChosen),
    allTopics,
  };
  if (isStrict) {
    const there = new Set([...names.queues, ...names.subscriptions, ...names.topics]);
    for (const name of wanted) if (!there.has(name)) throw nothingOf(name);
  }
  return names;
}

function nothingOf(name: string): SpoolError {
  return isPattern(name) && !name.includes("/")
    ? new SpoolError("NO_TOPIC", `nobody has subscribed to ${name}`)
    : noQueue(name);
}
