/**
 * What docs/guarantees.md says of btrfs, and nothing more: a message may be there twice after a power cut, once
 * waiting and once as a dead letter or in the bucket that it was in before.
 *
 * `verify` must name both files, one batch in one queue: that is how `--repair` finds them. Whatever is there
 * twice beyond what it names is a violation, as is a third copy.
 */
import { basename } from "node:path";

import { parseSlice } from "../../src/message/slice.ts";
import type { FsName } from "./rig.ts";

const PAIR = /^verify: (\S+): holds messages that are also in (\S+): (\d+)(?: to (\d+))?$/;
const TWICE = /^(\S+): 2 times: (\S+)$/;
const TOO_OFTEN = /^(\S+): delivered too often: (\S+)$/;

/** Violations of one state that are no known ones. */
export function unknown(fs: FsName, wrong: readonly string[]): string[] {
  if (fs !== "btrfs") return [...wrong];
  /** How many messages are there twice, by what `verify` says. */
  const named = new Map<string, number>();
  const rest = wrong.filter((line) => {
    const [, one = "", other = "", first, last = first] = PAIR.exec(line) ?? [];
    const queue = queueOf(one);
    if (queue === undefined || queue !== queueOf(other) || !isOnePair(one, other)) return true;
    named.set(queue, (named.get(queue) ?? 0) + Number(last) - Number(first) + 1);
    return false;
  });
  const twice = new Set<string>();
  const left = rest.filter((line) => {
    const [, queue = "", token = ""] = TWICE.exec(line) ?? [];
    const count = named.get(queue) ?? 0;
    if (count === 0) return true;
    named.set(queue, count - 1);
    twice.add(token);
    return false;
  });
  // Who takes it gets both.
  return left.filter((line) => !twice.has(TOO_OFTEN.exec(line)?.[2] ?? ""));
}

/** The place that the judge speaks of: messages are moved between `jobs` and `side`. */
function queueOf(path: string): string | undefined {
  const [, topic, subscription] = /\/topics\/([^/]+)\/subscriptions\/([^/]+)\//.exec(path) ?? [];
  if (topic !== undefined) return `${topic}/${subscription}`;
  const name = /\/queues\/([^/]+)\//.exec(path)?.[1];
  return name === "side" ? "jobs" : name;
}

function isOnePair(one: string, other: string): boolean {
  const isReady = (path: string): boolean => path.includes("/ready/");
  const isDead = (path: string): boolean => path.includes("/dead/");
  const [batch, same] = [one, other].map((path) => parseSlice(basename(path))?.batch);
  return (
    batch !== undefined &&
    batch === same &&
    ((isReady(one) && (isReady(other) || isDead(other))) || (isDead(one) && isReady(other)))
  );
}
