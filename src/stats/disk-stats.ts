/** The disk under a spool: how much room there is, and how far its clock is from this host's. Reads only. */
import type { Spool } from "../spool.ts";

export interface DiskStats {
  readonly totalBytes: number;
  /** What a user without privileges may still write. */
  readonly freeBytes: number;
  /** Undefined where the file system makes inodes as it needs them. */
  readonly freeInodes: number | undefined;
}

export async function diskStats(spool: Spool): Promise<DiskStats> {
  const { totalBytes, freeBytes, totalInodes, freeInodes } = await spool.disk.fs.space(spool.dir);
  return { totalBytes, freeBytes, freeInodes: totalInodes === 0 ? undefined : freeInodes };
}

/**
 * How far this host's clock is ahead of the disk's, in ms; undefined where nobody has looked at the disk's,
 * as in a spool that has no queues, or may not be written to.
 */
export function clockSkewMs({ disk }: Spool): number | undefined {
  return disk.clock.isFresh() ? Date.now() - disk.clock.now() : undefined;
}
