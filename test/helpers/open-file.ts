/** What an open file of a disk in memory reads and writes, as pread(2), pwrite(2), read(2) and write(2) do. */

interface Content {
  /** As long as it was ever made; what counts are the first `bytes`. */
  data: Buffer;
  bytes: number;
}

export interface OpenFile<Inode extends Content> {
  readonly inode: Inode;
  /** In bytes: where the next one goes that brings no position. */
  at: number;
}

/** Returns how many bytes: 0 at the end. */
export function readOpen(
  file: OpenFile<Content>,
  into: Uint8Array,
  position: number | null,
): number {
  const { data, bytes } = file.inode;
  const at = position ?? file.at;
  const count = Math.max(0, Math.min(into.length, bytes - at));
  into.set(data.subarray(at, at + count));
  if (position === null) file.at += count;
  return count;
}

export function writeOpen(
  file: OpenFile<Content>,
  from: Uint8Array,
  position: number | null,
): number {
  const { inode } = file;
  const at = position ?? file.at;
  const end = at + from.length;
  if (end > inode.data.length) {
    const larger = Buffer.alloc(Math.max(end, inode.data.length * 2));
    inode.data.copy(larger);
    inode.data = larger;
  }
  inode.data.set(from, at);
  inode.bytes = Math.max(inode.bytes, end);
  if (position === null) file.at += from.length;
  return from.length;
}
