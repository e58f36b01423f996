/**
 * Receipts: `<queue>:<lease>:<slice>`, one claimed message of one lease.
 *
 * What it names is gone as soon as the message was settled or the lease was taken over, so a late
 * receipt can do no harm. It is checked like any name from outside before it becomes a path.
 */
import { SpoolError } from "../errors.ts";
import { parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { checkQueueName } from "../names.ts";
import { parseLeaseName } from "./lease.ts";
import type { LeaseName } from "./lease.ts";

export function formatReceipt(receipt: { queue: string; lease: string; slice: string }): string {
  return `${receipt.queue}:${receipt.lease}:${receipt.slice}`;
}

/** @throws BAD_RECEIPT */
export function parseReceipt(text: string): { queue: string; lease: LeaseName; slice: Slice } {
  const [queue = "", leaseText = "", sliceText = "", ...more] = text.split(":");
  const lease = parseLeaseName(leaseText);
  const slice = parseSlice(sliceText);
  if (lease === undefined || slice?.count !== 1 || more.length > 0) {
    const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
    throw new SpoolError("BAD_RECEIPT", `not a receipt: ${shown}`, "Give what take --lease said.");
  }
  return { queue: checkQueueName(queue), lease, slice };
}
