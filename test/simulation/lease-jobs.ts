/** Jobs that take their time, for the runs that have them (variants.ts): leases end, and are kept up. */
import type { LeaseStyle } from "../../src/queue/lease.ts";
import type { Message } from "../../src/queue/message.ts";
import { parseReceipt } from "../../src/queue/receipt.ts";
import { extendByReceipt } from "../../src/queue/settle.ts";
import { Slot } from "../../src/queue/slot.ts";
import type { Actor } from "./actor.ts";
import type { Extension, Hold } from "./history.ts";
import { anyPlace, byReceipt, noting, quietly, settleOne, sweepAll, take, work } from "./jobs.ts";
import type { Job } from "./jobs.ts";
import { put, putLines } from "./send-jobs.ts";

/** One message, for up to three times its lease; a receipt is extended meanwhile. */
async function holdLong(actor: Actor): Promise<void> {
  const name = anyPlace(actor);
  await quietly(actor, name, async () => {
    const queue = actor.spool.queue(name);
    const style = actor.pick<LeaseStyle>(["brief", "beating", "beating", "handed out"]);
    const { leaseMs } = await queue.settings();
    const hold = actor.holding(name, style, leaseMs, actor.history.step());
    const consumer = queue.consumer(style, { leaseMs });
    await noting(actor, hold, async () => {
      const slot = new Slot(consumer, queue.room, 1 + actor.upTo(3));
      const message = await slot.next();
      if (message !== undefined) {
        const handing = await actor.handed(message, hold);
        await slot.close();
        if (style === "handed out") await keepUp(actor, message, hold);
        else await actor.sleep(actor.upTo(3 * leaseMs));
        await settleOne(actor, handing, message);
      }
      actor.ended(hold);
      await (style === "handed out" ? consumer.leave() : consumer.close());
      actor.closed(hold);
    });
  });
}

async function keepUp(actor: Actor, message: Message, { ttlMs, extensions }: Hold): Promise<void> {
  // Nobody else has it: whoever settled by it would end this, too.
  const receipt = parseReceipt(await message.receipt());
  const { room } = actor.spool.queue(receipt.queue);
  for (let times = 1 + actor.upTo(3); times > 0; times--) {
    await actor.sleep(actor.upTo(ttlMs * 0.9));
    const extension: Extension = { process: actor.name, beganMs: actor.nowMs, forMs: ttlMs };
    extensions.push(extension);
    await extendByReceipt(room, receipt, ttlMs);
    extension.endedMs = actor.nowMs;
  }
  await actor.sleep(actor.upTo(ttlMs));
}

/** Somebody who comes later: leases are looked at then. */
async function takeLater(actor: Actor): Promise<void> {
  await actor.sleep(actor.upTo(10_000));
  await take(actor);
}

export const PATIENT: readonly Job[] = [holdLong, holdLong, holdLong, takeLater, takeLater];

/** Hardly anything else, so that leases are made, looked at and taken over all the time. */
export const LEASES: readonly Job[] = [
  ...PATIENT,
  ...PATIENT,
  put,
  putLines,
  putLines,
  take,
  take,
  work,
  byReceipt,
  sweepAll,
];
