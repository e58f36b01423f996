/** What `spool top` prints where there is no screen: its rows as text, or as one JSON document. Pure. */
import { etaMs } from "../stats/sample.ts";
import type { Head, Sample } from "../stats/sample.ts";
import { totalsOf } from "../stats/topic-summary.ts";
import { COLUMNS } from "../tui/columns.ts";
import type { Look } from "../tui/columns.ts";
import type { Row } from "../tui/tree.ts";
import type { Output } from "./context.ts";
import { plain, table } from "./format.ts";

/** Nothing is known of how it was. */
const COLUMNS_ONCE = COLUMNS.filter(({ key }) => key !== "depth");

export function renderTop(
  output: Output,
  rows: readonly Row[],
  head: Head,
  intervalMs: number,
): string {
  if (output === "json") return `${JSON.stringify(toJson(rows, head, intervalMs))}\n`;
  const titles = COLUMNS_ONCE.map(({ title }) => title);
  const look: Look = { nowMs: head.atMs, isWide: true, isAscii: true, depthsOf: () => [] };
  const cells = rows.map((row) => cellsIn(row, look, output === "plain"));
  return output === "plain" ? plain(titles, cells) : table(titles, cells);
}

/** Words, without what a screen shows beside them. */
function cellsIn({ sample, name, parent }: Row, look: Look, isPlain: boolean): string[] {
  const shown = parent === undefined || isPlain ? sample.name : `  ${name}`;
  return COLUMNS_ONCE.map((column) => {
    if (column.key === "name") return shown;
    if (column.key === "state") return sample.state;
    return column.cell(sample, look);
  });
}

function toJson(rows: readonly Row[], head: Head, intervalMs: number): Record<string, unknown> {
  const totals = totalsOf(rows.map(({ sample }) => sample));
  return {
    at: new Date(head.atMs).toISOString(),
    interval_ms: intervalMs,
    disk: {
      total_bytes: head.totalBytes,
      free_bytes: head.freeBytes,
      free_inodes: head.freeInodes ?? null,
    },
    clock_skew_ms: head.skewMs,
    totals: {
      queues: totals.queues,
      topics: totals.topics,
      subscriptions: totals.subscriptions,
      ready: totals.ready,
      in_flight: totals.inFlight,
      scheduled: totals.scheduled,
      dead: totals.dead,
      in_per_s: totals.inPerS,
      out_per_s: totals.outPerS,
    },
    rows: rows.map(({ sample }) => rowJson(sample)),
  };
}

/** A figure that nobody knows is null; one that there cannot be is left out. */
function rowJson(sample: Sample): Record<string, unknown> {
  return {
    name: sample.name,
    kind: sample.kind,
    state: sample.state,
    ready: sample.ready,
    in_flight: sample.inFlight,
    scheduled: sample.scheduled,
    dead: sample.dead,
    oldest_ms: sample.oldestMs,
    in_per_s: sample.inPerS,
    out_per_s: sample.outPerS,
    net_per_s: sample.netPerS,
    eta_ms: etaMs(sample),
    lag: sample.lag,
    lag_ms: sample.lagMs,
    bytes: sample.bytes,
    consumers: sample.workers,
    error: sample.error,
  };
}
