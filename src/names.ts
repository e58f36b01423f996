/**
 * Names of queues, topics and subscriptions, and what they stand for on the disk. Pure.
 *
 *   jobs                  a queue
 *   logs                  a topic
 *   logs/archive          a subscription
 *   logs.*.error/alerts   a subscription to every topic that the pattern matches
 *
 * In a pattern, words are what dots separate; `*` is one word, `#` any number of them, also none
 * (as in RabbitMQ), and `>` at the end one or more (as in NATS), which is kept as `*.#`. On the disk
 * a `*` is a `+`, because some file systems know no `*`.
 */
import { quote, SpoolError } from "./errors.ts";
import { NAME_BYTES } from "./limits.ts";

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const WORD = /^[A-Za-z0-9_-]*$/;

export const isName = (name: string): boolean => NAME.test(name) && name.length <= NAME_BYTES;

export const isPattern = (topic: string): boolean => /[*#]/.test(topic);

function badName(name: string, hint?: string): SpoolError {
  return new SpoolError(
    "BAD_NAME",
    `not a name: ${quote(name)}`,
    hint ?? `Use letters, digits, "." "_" "-", ${NAME_BYTES} at most, no leading "." or "-".`,
  );
}

/** Checks one name. @throws BAD_NAME */
export function checkName(name: string): string {
  if (!isName(name)) throw badName(name);
  return name;
}

/** Checks a topic's name, or a pattern, of which it returns the one spelling. @throws BAD_NAME */
export function checkTopicName(name: string): string {
  if (!/[*#>]/.test(name)) return checkName(name);
  const words = name.replace(/(^|\.)>$/, "$1*.#").split(".");
  const isSound = words.every((word) => word === "*" || word === "#" || WORD.test(word));
  const pattern = words.join(".");
  if (!isSound || words[0] === "" || words[0]?.startsWith("-") || pattern.length > NAME_BYTES) {
    throw badName(name, 'In a pattern, "*" and "#" stand alone between dots: logs.*.error, logs.#');
  }
  return pattern;
}

/** Checks a queue's name: `jobs`, or `logs/archive` for a subscription. @throws BAD_NAME */
export function checkQueueName(name: string): string {
  const [first = "", second, ...more] = name.split("/");
  if (more.length > 0) throw badName(name);
  if (second === undefined) {
    if (!isName(first)) throw badName(name);
    return first;
  }
  if (!isName(second)) throw badName(name);
  try {
    return `${checkTopicName(first)}/${second}`;
  } catch (error) {
    throw isPattern(first) || first.includes(">") ? error : badName(name);
  }
}

/** A subscription's topic, or pattern, and its own name. @throws BAD_NAME */
export function checkSubscriptionName(name: string): { topic: string; subscription: string } {
  const [topic = "", subscription] = checkQueueName(name).split("/");
  if (subscription === undefined) {
    throw badName(name, "A subscription is named by its topic and its own name: logs/archive");
  }
  return { topic, subscription };
}

/** Where a queue lives, relative to the spool. */
export function pathOfQueue(name: string): string {
  const [queue = "", subscription] = checkQueueName(name).split("/");
  return subscription === undefined
    ? `queues/${queue}`
    : `${pathOfTopic(queue)}/subscriptions/${subscription}`;
}

/** Where a topic, or a pattern, lives, relative to the spool. */
export function pathOfTopic(name: string): string {
  return `topics/${checkTopicName(name).replaceAll("*", "+")}`;
}

/** The topic, or pattern, that has this directory in topics/; undefined where it is none of ours. */
export function topicOfDirectory(directory: string): string | undefined {
  const name = directory.replaceAll("+", "*");
  try {
    return !directory.includes("*") && checkTopicName(name) === name ? name : undefined;
  } catch {
    return undefined;
  }
}

/** True where a pattern matches a topic's name. */
export function matchesTopic(pattern: string, topic: string): boolean {
  const words = topic.split(".");
  // How many words the pattern's words so far can stand for.
  let reached = new Set([0]);
  for (const wanted of pattern.split(".")) {
    const next = new Set<number>();
    for (const at of reached) {
      if (wanted === "#") for (let end = at; end <= words.length; end++) next.add(end);
      else if (at < words.length && (wanted === "*" || wanted === words[at])) next.add(at + 1);
    }
    reached = next;
  }
  return reached.has(words.length);
}
