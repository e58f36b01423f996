/** How much of a slice is claimed at once. */
import type { Slice } from "../message/slice.ts";
import type { QueueSettings } from "./settings.ts";

export interface Limit {
  /** So many messages at the most. */
  readonly count: number;
  /** The first of them has no attempt left: it is buried. */
  readonly isSpent: boolean;
}

/** @param want  what the consumer has in mind. What came back from a crash goes alone. */
export function limitOf(slice: Slice, { maxAttempts }: QueueSettings, want: number): Limit {
  const { attempts, restAttempts } = slice;
  const isSpent = maxAttempts > 0 && attempts >= maxAttempts;
  const isSuspect = attempts !== restAttempts;
  return { count: isSpent || isSuspect ? 1 : want, isSpent };
}
