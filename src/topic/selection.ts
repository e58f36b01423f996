/** Which parts of a batch a filter takes. */
import type { FileSystem } from "../disk/file-system.ts";
import { readAll } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { HEADER_BYTES } from "../limits.ts";
import { parseHeader } from "../message/batch.ts";
import type { BatchHeader, Headers } from "../message/batch.ts";
import type { Filter } from "../message/filter.ts";
import { LAST_MS, partOf } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import { ForeignError, openBatch } from "../queue/open-batch.ts";
import type { Part } from "../queue/draft.ts";
import type { QueueSettings } from "../queue/settings.ts";

/** What a selection needs to know of a batch. */
export interface Contents {
  /** Headers that all its messages share. */
  readonly headers: Headers;
  /** Its messages, where they have headers of their own. */
  readonly parts: readonly Part[] | undefined;
}

/** The longest runs of messages that the filter takes, in order; one name each is enough. */
export function select(filter: Filter, slice: Slice, { headers, parts }: Contents): Slice[] {
  if (parts === undefined) return filter(headers) ? [slice] : [];
  const runs: Slice[] = [];
  let count = 0;
  let bytes = 0;
  let index = slice.first;
  let offset = slice.offset;
  const close = (): void => {
    if (count > 0) runs.push(partOf(slice, index - count, count, offset - bytes, bytes));
    count = 0;
    bytes = 0;
  };
  for (const part of parts) {
    const isTaken = filter({ ...headers, ...part.headers });
    if (!isTaken) close();
    index++;
    offset += part.bytes;
    if (isTaken) {
      count++;
      bytes += part.bytes;
    }
  }
  close();
  return runs.length === 1 && runs[0]!.count === slice.count ? [slice] : runs;
}

/** @throws ENOENT; DamagedError, ForeignError where it is no batch. */
export async function readContents(fs: FileSystem, path: string, slice: Slice): Promise<Contents> {
  const { headers, framing } = await readHeader(fs, path);
  if (framing !== "records") return { headers, parts: undefined };
  const file = await openBatch(fs, path, slice);
  try {
    const parts: Part[] = [];
    const end = slice.offset + slice.bytes;
    for (let at = slice.offset; at < end;) {
      const span = await file.spanAt(at, end);
      parts.push({ headers: span.headers, bytes: span.next - at });
      at = span.next;
    }
    return { headers, parts };
  } finally {
    await file.close();
  }
}

async function readHeader(fs: FileSystem, path: string): Promise<BatchHeader> {
  let fd: number;
  try {
    fd = await fs.open(path, "read");
  } catch (error) {
    if (isErrno(error, "ELOOP", "ENXIO")) throw new ForeignError("a link or a device");
    throw error;
  }
  try {
    const { kind, bytes } = await fs.stat(fd);
    if (kind !== "file") throw new ForeignError(`a ${kind}, not a file`);
    const start = Buffer.allocUnsafe(Math.min(bytes, HEADER_BYTES));
    return parseHeader(start.subarray(0, await readAll(fs, fd, start, 0))).header;
  } finally {
    await fs.close(fd);
  }
}

/** A message that brings no time to live has that of the subscription. */
export function withTtlOf(
  { settings }: { readonly settings: Pick<QueueSettings, "ttlMs"> },
  slice: Slice,
  fromMs: number,
): Slice {
  if (slice.expiresMs !== undefined || settings.ttlMs === 0) return slice;
  return { ...slice, expiresMs: Math.min(LAST_MS, fromMs + settings.ttlMs) };
}
