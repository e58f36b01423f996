/** What was known at some time: what is drawn. */
import type { Answered } from "../stats/detail.ts";
import type { Head, Sample } from "../stats/sample.ts";
import type { Source } from "../stats/told.ts";

export interface Seen {
  readonly samples: ReadonlyMap<string, Sample>;
  readonly head: Head | undefined;
  readonly answered: Answered | undefined;
  readonly nowMs: number;
}

export function seenNow({ told: { samples, head, answered }, nowMs }: Source): Seen {
  return { samples, head, answered, nowMs };
}

/** The same, and it stays so. */
export function seenForGood(source: Source): Seen {
  return { ...seenNow(source), samples: new Map(source.told.samples) };
}
