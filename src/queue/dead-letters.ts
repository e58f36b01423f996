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
import { formatSlice } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { REASON_SUFFIX } from "./layout.ts";
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
  const name = formatSlice(slice);
  const path = `${room.layout.dead}/${name}`;
  const atMs = await room.now();
  await room.replace(`${path}${REASON_SUFFIX}`, `${JSON.stringify({ ...reason, atMs })}\n`);
  try {
    await room.fs.rename(from, path);
    return true;
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  try {
    await room.fs.lstat(path);
  } catch {
    await ignore(() => room.fs.unlink(`${path}${REASON_SUFFIX}`), "ENOENT");
    return false;
  }
  // A reply that was lost; or a reaper took the lease away, and buried the same letter.
  const { fs, disk } = room;
  return disk.kind.shared && (await ignore(() => fs.lstat(dirname(from)), "ENOENT"));
}

/** The reason of a dead letter, or a word that it is missing or unreadable. */
export async function reasonOf(room: Room, name: string): Promise<DeathReason> {
  const path = `${room.layout.dead}/${name}${REASON_SUFFIX}`;
  try {
    const said: unknown = JSON.parse((await readFile(room.fs, path, REASON_BYTES)).toString());
    if (typeof said === "object" && said !== null && "reason" in said) return said as DeathReason;
  } catch {
    // A letter without a readable reason is still a letter.
  }
  return { reason: "unknown: its reason is missing", atMs: 0 };
}
