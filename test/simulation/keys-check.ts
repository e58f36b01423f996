/** Keys: what has one is there once within a window, and every call with that key is told its id. */
import assert from "node:assert/strict";

import { parseMessageId, timeOfId } from "../../src/message/id.ts";
import type { History, Sent } from "./history.ts";
import { delayMs } from "./leases-check.ts";
import { shown } from "./shown.ts";

/** What the checker of messages knows of one. */
export interface Known {
  readonly isDelivered: boolean;
  /** Who had it, and what became of that. */
  readonly story: string;
}

export function checkKeys(history: History, known: (sent: Sent) => Known): void {
  if (history.isTimeStrange) return;
  const keyed = history.sent.filter(({ key }) => key !== undefined);
  for (const same of Map.groupBy(keyed, ({ to, key }) => `${to} ${key}`).values()) {
    for (const [index, one] of same.entries()) {
      for (const other of same.slice(index + 1)) {
        if (areWithinWindow(history, one, other)) once(one, other, known);
      }
    }
  }
}

function once(one: Sent, other: Sent, known: (sent: Sent) => Known): void {
  const both = [one, other];
  const told = both.map(({ body, result, id }) => `${shown(body)}: ${result} ${id}`).join("; ");
  const isOne = one.id === undefined || other.id === undefined || one.id === other.id;
  assert.ok(isOne, `one key, told of as 2 messages: ${told}`);
  const there = both.filter((sent) => known(sent).isDelivered);
  const stories = there.map((sent) => `${shown(sent.body)}: ${known(sent).story}`);
  assert.ok(there.length <= 1, `one key, delivered 2 times: ${told}; ${stories.join("; ")}`);
}

export const batchOf = (id: string): string => id.split(".")[0]!;

/**
 * What those were told of who came later with the same key: it is promised, whatever its own sender was told.
 *
 * @param bodies  what was seen anywhere, by its batch.
 * @param mayBeUnseen  true of what nobody can have got, wherever it is.
 */
export function firstsOf(
  { sent }: History,
  bodies: ReadonlyMap<string, string>,
  mayBeUnseen: (sent: Sent) => boolean,
): Set<Sent> {
  const firsts = new Set<Sent>();
  for (const { result, to, key, id = "", ended = 0, body } of sent) {
    if (result !== "duplicate") continue;
    const others = sent.filter(
      (one) => one.to === to && one.key === key && one.result !== "duplicate",
    );
    const first =
      others.find((one) => one.body === bodies.get(batchOf(id))) ??
      others.find((one) => one.id !== undefined && batchOf(one.id) === batchOf(id));
    if (first !== undefined) firsts.add(first);
    // One that was not told its id, and that nobody has got.
    const isHidden = others.some(
      (one) => one.id === undefined && one.began < ended && mayBeUnseen(one),
    );
    const told = `${shown(body)}: was told that it is there as ${id}`;
    assert.ok(first !== undefined || isHidden, `${told}, and that is nowhere`);
  }
  return firsts;
}

/** True where both were put within one window, whenever in their calls that was. */
function areWithinWindow(history: History, one: Sent, other: Sent): boolean {
  const { dedupWindowMs } = history;
  if (dedupWindowMs === Number.POSITIVE_INFINITY) return true;
  const spans = [one, other].map((sent) => spanOf(history, sent));
  const beginMs = Math.min(...spans.map(([begin]) => begin));
  return Math.max(...spans.map(([, end]) => end)) - beginMs < dedupWindowMs;
}

/** When it was put. A window counts from the message that was added, not from its duplicates. */
function spanOf(history: History, sent: Sent): [beginMs: number, endMs: number] {
  const { tickMs, lives } = history;
  const { id, result, beganMs, endedMs, process } = sent;
  const added = result === "duplicate" && id !== undefined ? parseMessageId(id) : undefined;
  if (added !== undefined) {
    const atMs = timeOfId(added.batch);
    return [atMs - tickMs, atMs + tickMs];
  }
  const endMs = endedMs ?? lives.get(process)?.endMs ?? Number.POSITIVE_INFINITY;
  return [beganMs - tickMs - delayMs(history, process), endMs];
}
