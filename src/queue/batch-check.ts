/**
 * Checking slices: is what the name says in the file, and the file what was written?
 *
 * A batch is read once for all names that it has, however often verify looks: what was whole
 * stays so, because nothing changes a batch. What is kept of it is where its messages start, which
 * the names of its slices have to agree with.
 */
import type { FileStat, FileSystem } from "../disk/file-system.ts";
import { fromErrno, isErrno, SpoolError } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import type { Slice } from "../message/slice.ts";
import type { BatchFile } from "./batch-file.ts";
import { ForeignError, openBatch } from "./open-batch.ts";

/** What things that are no regular files are called. */
export const KINDS = {
  file: "a file",
  directory: "a directory, not a file",
  symlink: "a symbolic link",
  other: "a FIFO, a socket or a device",
} as const;

/**
 * - `intact`: its messages are there;
 * - `damaged`: its bytes are not what its name says;
 * - `foreign`: no regular file;
 * - `unreadable`: it may be right;
 * - `gone`: it has moved meanwhile.
 */
export interface Check {
  readonly state: "intact" | "damaged" | "foreign" | "unreadable" | "gone";
  readonly problem: string;
  /** What was looked at. */
  readonly stat: FileStat | undefined;
}

/** A batch that was read. */
interface Known {
  readonly stat: FileStat;
  readonly id: string;
  /** Where each message starts in the body, and where the last one ends. */
  readonly starts: Float64Array;
  /** What is wrong behind those. */
  readonly problem: string | undefined;
}

/** Starts of messages that are kept at the most, 8 bytes each. */
const STARTS = 2 ** 21;

export class BatchChecker {
  readonly #fs: FileSystem;
  readonly #known = new Map<string, Known>();
  #starts = 0;

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  async check(path: string, slice: Slice): Promise<Check> {
    let stat: FileStat | undefined;
    try {
      stat = await this.#fs.lstat(path);
      if (stat.kind !== "file") return { state: "foreign", problem: KINDS[stat.kind], stat };
      const problem = complaint(slice, await this.#read(path, slice, stat));
      return problem === undefined
        ? { state: "intact", problem: "", stat }
        : { state: "damaged", problem, stat };
    } catch (error) {
      return { ...failed(error), stat };
    }
  }

  async #read(path: string, slice: Slice, stat: FileStat): Promise<Known> {
    const key = `${stat.inode} ${slice.checksum ?? ""}`;
    const known = this.#known.get(key);
    if (known !== undefined && isSame(known.stat, stat) && known.id === slice.batch) return known;
    const file = await openBatch(this.#fs, path, slice);
    try {
      const read = { stat, id: slice.batch, ...(await startsIn(file)) };
      this.#keep(key, read);
      return read;
    } finally {
      await file.close();
    }
  }

  #keep(key: string, read: Known): void {
    this.#starts += read.starts.length - (this.#known.get(key)?.starts.length ?? 0);
    this.#known.delete(key);
    this.#known.set(key, read);
    for (const [oldest, { starts }] of this.#known) {
      if (this.#starts <= STARTS) break;
      this.#known.delete(oldest);
      this.#starts -= starts.length;
    }
  }
}

const isSame = (one: FileStat, other: FileStat): boolean =>
  one.bytes === other.bytes && one.mtimeMs === other.mtimeMs;

async function startsIn(
  file: BatchFile,
): Promise<{ starts: Float64Array; problem: string | undefined }> {
  const { count, length } = file.header;
  const starts: number[] = [0];
  try {
    while (starts.length <= count) starts.push(await file.skip(starts.at(-1)!, length, 1));
    return { starts: Float64Array.from(starts), problem: undefined };
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    return { starts: Float64Array.from(starts), problem: error.message };
  }
}

/** What is wrong with a slice of a batch whose checksums match, or undefined. */
function complaint(slice: Slice, { starts, problem }: Known): string | undefined {
  const { first, count, offset, bytes } = slice;
  const end = starts[first + count];
  if (end === undefined) return problem ?? "its name says more than the batch holds";
  if (starts[first] === offset && end === offset + bytes) return undefined;
  return "its name says another place than its messages have in the batch";
}

function failed(error: unknown): Omit<Check, "stat"> {
  if (isErrno(error, "ENOENT", "ENOTDIR")) return { state: "gone", problem: "" };
  if (error instanceof ForeignError) return { state: "foreign", problem: error.message };
  if (error instanceof DamagedError) return { state: "damaged", problem: error.message };
  return { state: "unreadable", problem: unreadable(error) };
}

/** Says why something cannot be read. @throws what is no error of the disk. */
export function unreadable(thrown: unknown): string {
  if (isErrno(thrown, "EACCES", "EPERM")) return "not readable by this user";
  const error = fromErrno(thrown);
  if (!(error instanceof SpoolError)) throw thrown;
  return `cannot be read: ${error.message}`;
}
