/** Giving messages up by hand: dead letters are made of what waits, by the messages' ids. */
import type { MessageId } from "../message/id.ts";
import type { Found } from "./browse.ts";
import type { Buckets } from "./buckets.ts";
import { eachOf } from "./bulk.ts";
import type { Held } from "./held.ts";
import { beside, claiming, offsetsIn } from "./isolate.ts";
import type { Room } from "./room.ts";

/** Makes dead letters of these messages, where they wait. Returns how many. */
export async function giveUp(
  room: Room,
  buckets: Buckets,
  ids: readonly MessageId[],
  reason: string,
): Promise<number> {
  const reject = async (found: Found): Promise<number> => {
    let done = 0;
    const onDone = (): void => void done++;
    for (let left: Found | undefined = found; left !== undefined;) {
      const own: Found = left;
      left = await claiming(room, buckets, own, (held) =>
        rejectSome(room, held, own, reason, onDone),
      );
    }
    return done;
  };
  return eachOf(room, buckets, {}, ids, reject);
}

/** As many as a brief lease, which nobody extends, has time for; returns the rest of them, given back. */
async function rejectSome(
  room: Room,
  held: Held,
  found: Found,
  reason: string,
  onDone: () => void,
): Promise<Found | undefined> {
  const { clock } = room.disk;
  const { leaseMs } = await room.settings();
  const untilMs = clock.monotonicMs() + leaseMs / 2;
  for (let slice = held.slice; slice !== undefined; slice = held.slice) {
    const here = { ...found, path: held.path, slice };
    const [next] = (await offsetsIn(room, here, slice.first + 1)) ?? [];
    // Damaged: whoever claims it next says so.
    if (next === undefined) return held.giveBack().then(() => undefined);
    await held.reject(next, { reason }, false);
    onDone();
    // Behind the first, so that each claim comes further, however slow the disk is.
    const rest = held.slice;
    if (rest !== undefined && clock.monotonicMs() > untilMs)
      return held.giveBack().then(() => beside(found, rest));
  }
  return undefined;
}
