/** A screen with one queue on it, of which this was found. */
import type { Answered, Detail } from "../../src/stats/detail.ts";
import { totalsOf } from "../../src/stats/topic-summary.ts";
import { askOf } from "../../src/tui/inside.ts";
import type { Inside } from "../../src/tui/inside.ts";
import type { InsideFrame } from "../../src/tui/inside-lines.ts";
import { sampleOf } from "./samples.ts";

export function insideFrame(
  inside: Inside,
  detail: Detail,
  changes: Partial<InsideFrame> = {},
): InsideFrame {
  const answered: Answered = { ask: askOf(inside, 10), atMs: 5, diskNowMs: 1e12, detail };
  const head = { freeBytes: null, totalBytes: null, skewMs: null, atMs: 5, names: 1, looked: 1 };
  return {
    inside,
    sample: sampleOf({ name: inside.queue, ready: 5, dead: 2 }),
    answered,
    isRecorded: false,
    columns: 80,
    page: 20,
    dir: "/srv/spool",
    nowMs: 10,
    clock: "12:34:56",
    head: { ...head, completeAtMs: null, completeTookMs: null },
    totals: totalsOf([]),
    intervalMs: 1000,
    isFrozen: false,
    silentMs: 0,
    failure: undefined,
    isWide: false,
    isAscii: false,
    ...changes,
  };
}
