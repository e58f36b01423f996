/** Parsers of options and arguments, and the options that commands share. */

import { SpoolError } from "../errors.ts";
import { parseMessageId } from "../message/id.ts";
import type { MessageId } from "../message/id.ts";
import { checkName, checkQueueName, checkSubscriptionName, checkTopicName } from "../names.ts";
import { parseCount, parseDurationMs } from "../units.ts";
import { Verb } from "./verb.ts";

export const parseQueue = (text: string): string => checkQueueName(text);

export const parseTopic = (text: string): string => checkName(text);

/** A topic's name, or a pattern. */
export const parseTopicOrPattern = (text: string): string => checkTopicName(text);

/** A queue's or a topic's name, or a pattern. */
export const parseQueueOrTopic = (text: string): string =>
  text.includes("/") ? checkQueueName(text) : checkTopicName(text);

export interface SubscriptionName {
  readonly topic: string;
  readonly subscription: string;
}

export const parseSubscription = (text: string): SubscriptionName => checkSubscriptionName(text);

export const parseDuration = (text: string): number => parseDurationMs(text);

export function parsePositive(text: string): number {
  const value = parseCount(text);
  if (value === 0) throw new SpoolError("BAD_VALUE", `not a positive number: ${text}`);
  return value;
}

/** `-H 'Name: value'`, any number of times. */
export function collectHeader(
  text: string,
  before: Record<string, string> = {},
): Record<string, string> {
  const at = text.indexOf(":");
  if (at < 1) {
    throw new SpoolError(
      "BAD_HEADER",
      `not a header: ${JSON.stringify(text)}`,
      "Give it like -H 'Content-Type: text/plain'.",
    );
  }
  return { ...before, [text.slice(0, at).trim()]: text.slice(at + 1).trim() };
}

export function parseId(text: string): MessageId {
  const id = parseMessageId(text);
  if (id !== undefined) return id;
  throw new SpoolError("USAGE", `not a message id: ${text}`, "Ids are in peek --json, and dlq ls.");
}

/** `--id ID`, any number of times. */
export const collectId = (text: string, before: readonly MessageId[] = []): MessageId[] => [
  ...before,
  parseId(text),
];

/** So many ids are named in an error. */
const NAMED = 3;

/** The error of who asks for messages by their ids, and none of them is there. */
export function noMessage(ids: readonly MessageId[], what: string): SpoolError {
  const said = namesOf(ids);
  const more = said.length > NAMED ? `, and ${said.length - NAMED} more` : "";
  return new SpoolError("NO_MESSAGE", `no ${what}: ${said.slice(0, NAMED).join(", ")}${more}`);
}

/** The ids, where nothing else says how many are meant. */
export function namedAlone(options: {
  readonly id?: readonly MessageId[];
  readonly max?: number;
  readonly older?: number;
}): readonly MessageId[] | undefined {
  return options.max === undefined && options.older === undefined ? options.id : undefined;
}

/** What is to be said where something was done with fewer messages than were named; else nothing. */
export function fewerThan(ids: readonly MessageId[] | undefined, done: number): string {
  const missing = namesOf(ids ?? []).length - done;
  return missing > 0 ? `; not there, or in flight: ${missing}` : "";
}

const namesOf = (ids: readonly MessageId[]): string[] => [
  ...new Set(ids.map(({ batch, index }) => (index === 0 ? batch : `${batch}.${index}`))),
];

/** A noun with verbs of its own, which have the options. */
export function noun(name: string, summary: string): Verb {
  return new Verb(name, summary);
}

/** A command with the options that all commands have. */
export function command(name: string, summary: string): Verb {
  return noun(name, summary)
    .option("-C, --dir <dir>", "the spool (default: $SPOOL_DIR, else ~/.local/state/spool)")
    .option("-o, --output <format>", "how to print", ["human", "json", "plain"])
    .option("--json", "short for --output json");
}

/** Examples under a command's help; each line is one command. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`;
}

export const queueArgument = "<queue>";
export const subscriptionArgument = "<topic/name>";
