/**
 * The log of block writes, as dm-log-writes and qemu's blklogwrites write it.
 *
 *   sector 0    magic, version, number of entries, sector size: 64, 64, 64, 32 bits, little endian
 *   then        each entry: sector, sectors, flags, a length that only marks have, 64 bits each,
 *               padded to a sector; and the data, as many sectors, but none of a discard
 *
 * Entries are written in order, so the size of the growing log is a clock: what a call has caused to
 * be written and flushed lies below the size that the log has when the call returns, and what it
 * causes lies at or above the size that the log had before.
 */
import { readFileSync } from "node:fs";

const MAGIC = 0x6a736677736872n;
const FLUSH = 1;
const FUA = 2;
const DISCARD = 4;

export interface Entry {
  /** Bytes of the image. */
  readonly at: number;
  readonly bytes: number;
  readonly data: Buffer;
  readonly isFlush: boolean;
  /** Durable by itself. */
  readonly isForced: boolean;
  readonly isDiscard: boolean;
  /** The log's size with it. */
  readonly end: number;
}

export function readBlockLog(path: string): Entry[] {
  const log = readFileSync(path);
  if (log.readBigUInt64LE(0) !== MAGIC) throw new Error(`${path}: not a log of writes`);
  const count = Number(log.readBigUInt64LE(16));
  const sector = log.readUInt32LE(24);
  const number = (at: number): number => Number(log.readBigUInt64LE(at));
  const entries: Entry[] = [];
  for (let at = sector; entries.length < count;) {
    const flags = number(at + 16);
    const bytes = number(at + 8) * sector;
    const isDiscard = (flags & DISCARD) !== 0;
    const data = isDiscard ? Buffer.alloc(0) : log.subarray(at + sector, at + sector + bytes);
    const end = at + sector + data.length;
    entries.push({
      at: number(at) * sector,
      bytes,
      data,
      isFlush: (flags & FLUSH) !== 0,
      isForced: (flags & FUA) !== 0,
      isDiscard,
      end,
    });
    at = end;
  }
  return entries;
}
