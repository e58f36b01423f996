/**
 * Consumers that live.
 *
 * A dead one's lease stays until somebody takes it over, and where all consumers are dead nobody does. So who
 * asks whether anybody is there may not count leases alone. Judges as a takeover does (queue/reclaim.ts), with one
 * difference: it makes no file to read the clock anew, so a clock that was set back can make it wrong for a while.
 */
import { listIfThere } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { parseLeaseName } from "../queue/lease.ts";
import type { LeaseName } from "../queue/lease.ts";
import type { Room } from "../queue/room.ts";

/** How many leases there are whose holder is not plainly gone and whose time is not over. */
export async function countLiving(room: Room): Promise<number> {
  const nowMs = await room.nowToLook();
  let living = 0;
  for (const name of await listIfThere(room.fs, room.layout.leases)) {
    const lease = parseLeaseName(name);
    if (lease !== undefined && (await isAlive(room, lease, nowMs))) living++;
  }
  return living;
}

async function isAlive(
  { disk, fs, layout }: Room,
  lease: LeaseName,
  nowMs: number,
): Promise<boolean> {
  if (disk.processes.isGone(lease.process)) return false;
  try {
    return nowMs - (await fs.lstat(layout.lock(lease.name))).mtimeMs <= lease.ttlMs;
  } catch (error) {
    // Closed since it was listed.
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
