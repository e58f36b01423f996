/**
 * Dead letters: messages that were given up, each with its reason beside it.
 *
 *   dead/<slice>           the message, one a slice where that was possible
 *   dead/<slice>.reason    why, when, and what its consumer said last: a JSON object
 *
 * The reason is written first, so a crash between the two leaves a reason without a letter, which
 * the next attempt uses or `gc` removes. Both names follow from the message, so several processes
 * that bury the same letter at once do the same.
 */
import { dirname } from "node:path";

import { ignore, readFile } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { formatSlice, LAST_MS } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { REASON_SUFFIX } from "./layout.ts";
import { needDirectory } from "./aside.ts";
import type { Room } from "./room.ts";

export interface DeathReason {
  /** One line for people. */
  readonly reason: string;
  /** When it was given up: ms since the epoch, by the disk's clock. */
  readonly atMs: number;
  readonly exitCode?: number;
  readonly signal?: string;
  /** The last bytes that the command wrote to stderr. */
  readonly stderr?: string;
}

const REASON_BYTES = 64 * 1024;

/** Moves `from` to dead/; false where it is not there any more. */
export async function bury(
  room: Room,
  from: string,
  slice: Slice,
  reason: Omit<DeathReason, "atMs">,
): Promise<boolean> {
  const isBuried = await moveToDead(room, from, slice, reason);
  if (isBuried) room.flowed("dead", slice.count);
  return isBuried;
}

async function moveToDead(
  room: Room,
  from: string,
  slice: Slice,
  reason: Omit<DeathReason, "atMs">,
): Promise<boolean> {
  const { fs, disk } = room;
  const path = `${room.layout.dead}/${formatSlice(slice)}`;
  // Who comes too late leaves the reason alone: it may be that of a letter on its way.
  if (!(await ignore(() => fs.lstat(from), "ENOENT"))) return false;
  const atMs = await room.now();
  await needDirectory(room, room.layout.dead, () => {});
  await writeReason(room, `${path}${REASON_SUFFIX}`, { ...reason, atMs });
  if (await ignore(() => fs.rename(from, path), "ENOENT")) return true;
  // Somebody was faster; or, on a shared disk, it worked and the reply was lost. Not so where a
  // reaper took the lease away, and buried the same letter.
  const isBuried = disk.kind.shared && (await ignore(() => fs.lstat(path), "ENOENT"));
  return isBuried && (await ignore(() => fs.lstat(dirname(from)), "ENOENT"));
}

/**
 * On a shared disk the reply of its rename may be lost, and another one who buries the same letter may have
 * put his over it since: one is as good as the other.
 */
async function writeReason(room: Room, path: string, reason: DeathReason): Promise<void> {
  try {
    await room.replace(path, `${JSON.stringify(reason)}\n`);
  } catch (error) {
    if (!room.disk.kind.shared || !isErrno(error, "ENOENT")) throw error;
    if (!(await ignore(() => room.fs.lstat(path), "ENOENT"))) throw error;
  }
}

export function isReason(said: unknown): said is DeathReason {
  if (typeof said !== "object" || said === null) return false;
  if (!("reason" in said) || !("atMs" in said) || typeof said.reason !== "string") return false;
  const { atMs } = said;
  return Number.isInteger(atMs) && Math.abs(Number(atMs)) <= LAST_MS;
}

/** The reason of a dead letter, or a word that it is missing or unreadable. */
export async function reasonOf(room: Room, name: string): Promise<DeathReason> {
  const path = `${room.layout.dead}/${name}${REASON_SUFFIX}`;
  try {
    const said: unknown = JSON.parse((await readFile(room.fs, path, REASON_BYTES)).toString());
    if (isReason(said)) return said;
  } catch {
    // A letter without a readable reason is still a letter.
  }
  return { reason: "unknown: its reason is missing", atMs: 0 };
}
