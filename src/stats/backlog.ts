/** The backlog of a queue as a whole: why it died, how old it is, how it grew. Only reads. */
import type { Breath } from "../clock.ts";
import { timeOfBatch } from "../message/slice.ts";
import type { Queue } from "../queue/queue.ts";
import type { AgeRow, Ask, Detail, ReasonRow } from "./detail.ts";
import type { FlowReader } from "./flow-reader.ts";
import { statsOf } from "./queue-stats.ts";

/** Each dead letter's reason is a file of its own. */
const REASONS = 20_000;

/** Names that are looked at for their age. */
const NAMES = 500_000;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Upper ends, in ms. */
const AGES: readonly number[] = [
  SECOND,
  10 * SECOND,
  MINUTE,
  10 * MINUTE,
  HOUR,
  6 * HOUR,
  DAY,
  7 * DAY,
  30 * DAY,
  Number.MAX_SAFE_INTEGER,
];

/** Dead letters by their reason, the most frequent first. */
export async function reasonRows(queue: Queue, breath: Breath): Promise<Detail> {
  const rows = new Map<string, ReasonRow>();
  let left = REASONS;
  for await (const { name, slice } of queue.browse("dead")) {
    if (left-- <= 0) break;
    await breath.take();
    const { reason, atMs } = await queue.reasonOf(name);
    const row = rows.get(reason);
    rows.set(reason, {
      reason,
      messages: (row?.messages ?? 0) + slice.count,
      firstMs: Math.min(row?.firstMs ?? atMs, atMs),
      lastMs: Math.max(row?.lastMs ?? atMs, atMs),
    });
  }
  const sorted = [...rows.values()].toSorted((one, other) => other.messages - one.messages);
  return { kind: "reasons", rows: sorted, isCut: left < 0 };
}

/** What is ready, by the time since it was put. */
export async function ageRows(queue: Queue, breath: Breath): Promise<Detail> {
  const nowMs = await queue.room.nowToLook();
  const counts = AGES.map(() => 0);
  let left = NAMES;
  for await (const { slice } of queue.browse("ready")) {
    if (left-- <= 0) break;
    await breath.take();
    const ageMs = nowMs - timeOfBatch(slice);
    counts[AGES.findIndex((upToMs) => ageMs < upToMs)]! += slice.count;
  }
  const rows: AgeRow[] = AGES.map((upToMs, at) => ({ upToMs, messages: counts[at]! }));
  return { kind: "ages", rows, isCut: left < 0 };
}

/**
 * In, out and depth over a span until now. Depth is what is there now, less what came since, plus what went: so it is
 * known for the hour that flows are kept, whether anybody looked or not. What was moved, purged or redriven
 * is no flow, and shows as if it had always been so.
 *
 * @param inflow  what comes in, where another place tells it: of a subscription its topic does.
 */
export async function graphsOf(
  queue: Queue,
  { spanMs, parts }: Extract<Ask, { kind: "graphs" }>,
  flow: FlowReader,
  inflow: readonly FlowReader[],
): Promise<Detail> {
  const stats = await statsOf(queue);
  const nowMs = await queue.room.nowToLook();
  for (const reader of new Set([flow, ...inflow])) reader.look(nowMs);
  const sum = (readers: readonly FlowReader[], kind: "in" | "out" | "dead"): number[] =>
    readers
      .map((reader) => reader.past(kind, nowMs, spanMs, parts))
      .reduce(
        (total, one) => total.map((rate, at) => rate + one[at]!),
        Array.from({ length: parts }, () => 0),
      );
  const came = sum(inflow, "in");
  const out = sum([flow], "out");
  const dead = sum([flow], "dead");
  const stepS = spanMs / parts / 1000;
  const depth = came.map(() => 0);
  let there = stats.ready + stats.scheduled + stats.inFlight;
  for (let at = parts - 1; at >= 0; at--) {
    depth[at] = Math.max(0, Math.round(there));
    there -= (came[at]! - out[at]! - dead[at]!) * stepS;
  }
  const isTold = [flow, ...inflow].some(({ hasAny }) => hasAny);
  const graphs = isTold ? { spanMs, depth, in: came, out } : { spanMs, depth: [], in: [], out: [] };
  return { kind: "graphs", graphs };
}
