/** Settling: what nack means for a queue, and acts on a message by its receipt. */
import type { Awaitable } from "../disk/file-system.ts";
import { ignore, listIfThere, renameOnce } from "../disk/durable.ts";
import { leaseLost } from "../errors.ts";
import { covers, formatSlice, parseSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { backoffMs } from "./settings.ts";
import type { Buckets } from "./buckets.ts";
import type { DeathReason } from "./dead-letters.ts";
import { Held, restOf } from "./held.ts";
import { dropEmptyLease, extendLease } from "./lease.ts";
import type { parseReceipt } from "./receipt.ts";
import type { Room } from "./room.ts";

export interface NackOptions extends Partial<Omit<DeathReason, "atMs">> {
  /** Until the next delivery, in ms. Default: the queue's back-off. */
  readonly delayMs?: number;
  /** False: this delivery does not count as an attempt. */
  readonly isCounted?: boolean;
}

/** Gives the first message of `held` back for a retry, or buries it past the queue's limit. */
async function nack(room: Room, held: Held, next: number, options: NackOptions): Promise<void> {
  const { delayMs, isCounted = true, ...reason } = options;
  const settings = await room.settings();
  const attempts = (held.slice?.attempts ?? 0) + 1;
  if (isCounted && settings.maxAttempts > 0 && attempts >= settings.maxAttempts) {
    const why = { ...reason, reason: reason.reason ?? `gave up after ${attempts} attempts` };
    await held.reject(next, why, true);
    return;
  }
  const pauseMs = delayMs ?? (isCounted ? backoffMs(settings, attempts, room.disk.random) : 0);
  await held.nack(next, Math.round((await room.now()) + pauseMs), isCounted);
}

export const settle = { nack };

type Receipt = ReturnType<typeof parseReceipt>;

/** Does `act` with what a receipt names. @throws LEASE_LOST, NO_QUEUE */
export async function settleByReceipt(
  room: Room,
  buckets: Buckets,
  { lease, slice }: Receipt,
  act: (held: Held, next: number) => Awaitable<void>,
): Promise<void> {
  await room.settings();
  const directory = room.layout.lease(lease.name);
  await splitAgain(room, directory, slice);
  const held = new Held(room, buckets, directory, slice, undefined, undefined, true);
  await act(held, slice.offset + slice.bytes);
  await dropEmptyLease(room, lease.name);
}

/**
 * A power cut may have undone the second half of the split that the receipt's slice comes from: then what it
 * was split from holds its message still, which would come back although it was acked. Where it has undone
 * the first half too, the receipt's slice is not there, and what holds the message keeps it.
 */
async function splitAgain(room: Room, directory: string, slice: Slice): Promise<void> {
  const names = await listIfThere(room.fs, directory);
  const name = formatSlice(slice);
  if (!names.includes(name)) {
    // Else, where replies get lost, what this receipt has done before would be taken for done by this call.
    if (!(await ignore(() => room.fs.lstat(`${directory}/${name}`), "ENOENT", "ENOTDIR"))) {
      throw leaseLost("that message");
    }
    return;
  }
  for (const other of names) {
    const whole = parseSlice(other);
    if (whole === undefined || !covers(whole, slice) || whole.first !== slice.first) continue;
    const rest = formatSlice(restOf(whole, slice.count, slice.offset + slice.bytes));
    await renameOnce(room.disk, `${directory}/${other}`, `${directory}/${rest}`);
  }
}

/** Makes what a receipt names last `forMs` from now. @throws LEASE_LOST, NO_QUEUE */
export async function extendByReceipt(
  room: Room,
  { lease, slice }: Receipt,
  forMs: number,
): Promise<void> {
  await room.settings();
  await extendLease(room, lease, slice, forMs);
}
