/**
 * Opening a batch, and checking it.
 *
 * Nothing is handed out before the checksum of the whole body has been seen to match. A body of a
 * few megabytes is read once and kept; a larger one is read through once for its checksum, and again
 * in blocks for what is asked.
 */
import { closeQuietly, readAll } from "../disk/durable.ts";
import { chain } from "../disk/file-system.ts";
import type { Awaitable, FileSystem } from "../disk/file-system.ts";
import { isErrno } from "../errors.ts";
import { HEADER_BYTES, IN_MEMORY_BYTES, SHORT_BYTES } from "../limits.ts";
import { DamagedError, parseHeader } from "../message/batch.ts";
import type { BatchHeader, Framing, ParsedHeader } from "../message/batch.ts";
import { Checksum, checksumOf } from "../message/checksum.ts";
import { timeOfId } from "../message/id.ts";
import type { Slice } from "../message/slice.ts";
import { BatchFile } from "./batch-file.ts";
import type { Memory } from "./memory.ts";

/** What has the name of a slice is no file at all: a directory, a symbolic link, a device. */
export class ForeignError extends Error {}

/** What is read beyond a slice in the hope that it is all of its batch: more than most headers take. */
const FRONT_BYTES = 1024;

/** Blocks in which the rest of a larger one is read, in bytes: in the thread pool, while the last is summed. */
const CHECK_BYTES = 512 * 1024;

/** Up to this a batch is read at one go, without a look at how large it is, in bytes. */
const SMALL_BYTES = 64 * 1024;

/**
 * Opens and checks the batch that `slice`, at `path`, is a part of.
 *
 * @param memory  whose buffers are used, and used again once the file is closed.
 * @throws ENOENT        the name is gone.
 * @throws ForeignError  it is no regular file. It was not followed.
 * @throws DamagedError  it is not what was written.
 */
export function openBatch(
  fs: FileSystem,
  path: string,
  slice: Slice,
  memory?: Memory,
): Awaitable<BatchFile> {
  const read = (fd: number): Awaitable<BatchFile> => new Opening(fs, fd, slice, memory).run();
  try {
    const opened = fs.open(path, "read");
    return typeof opened === "number" ? read(opened) : opened.then(read, notOpened);
  } catch (error) {
    return notOpened(error);
  }
}

class Opening {
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #slice: Slice;
  readonly #memory: Memory | undefined;

  constructor(fs: FileSystem, fd: number, slice: Slice, memory: Memory | undefined) {
    this.#fs = fs;
    this.#fd = fd;
    this.#slice = slice;
    this.#memory = memory;
  }

  /** Most batches are small: one read gets all of it, and shows by its end that it was all. */
  run(): Awaitable<BatchFile> {
    const { offset, bytes } = this.#slice;
    const wanted = offset + bytes + FRONT_BYTES;
    if (wanted > SMALL_BYTES) return this.#asLarge();
    const start = Buffer.allocUnsafe(wanted);
    try {
      const read = this.#fs.read(this.#fd, start, 0);
      if (typeof read === "number") return this.#asSmall(start.subarray(0, read));
      return read.then(
        (count) => this.#asSmall(start.subarray(0, count)),
        () => this.#asLarge(),
      );
    } catch {
      // A directory, say.
      return this.#asLarge();
    }
  }

  /** @param bytes  what a read got; whatever is not just as it should be is looked at as a whole. */
  #asSmall(bytes: Buffer): Awaitable<BatchFile> {
    let file: BatchFile;
    try {
      const { header, bodyOffset } = parse(bytes, this.#slice, bytes.length);
      const body = bytes.subarray(bodyOffset);
      if (header.length !== body.length || checksumOf(body) !== header.checksum) {
        return this.#asLarge();
      }
      file = new BatchFile({ fs: this.#fs, fd: undefined, header, bodyOffset, body });
      file.checkSlice(this.#slice);
    } catch {
      return this.#asLarge();
    }
    return chain(closeQuietly(this.#fs, this.#fd), () => file);
  }

  /** By its size; it says what is wrong. */
  async #asLarge(): Promise<BatchFile> {
    try {
      const { kind, bytes } = await this.#fs.stat(this.#fd);
      if (kind !== "file") throw new ForeignError(`a ${kind}, not a file`);
      const file = await this.#read(bytes);
      file.checkSlice(this.#slice);
      return file;
    } catch (error) {
      await closeQuietly(this.#fs, this.#fd);
      throw error;
    }
  }

  async #read(fileBytes: number): Promise<BatchFile> {
    const memory = this.#memory;
    const isKept = fileBytes <= IN_MEMORY_BYTES;
    const kept = isKept ? fileBytes : HEADER_BYTES;
    const whole = memory === undefined ? Buffer.allocUnsafe(kept) : memory.take(kept);
    const bytes = whole.subarray(0, kept);
    const first = bytes.subarray(0, SHORT_BYTES);
    const start = first.subarray(0, await readAll(this.#fs, this.#fd, first, 0));
    const { header, bodyOffset } = parse(start, this.#slice, fileBytes);
    const expected = bodyOffset + header.length;
    if (fileBytes !== expected) {
      throw new DamagedError(`${fileBytes} bytes, and not the ${expected} that were written`);
    }
    const parts = { fs: this.#fs, fd: this.#fd, header, bodyOffset };
    const checksum = new Checksum();
    let file: BatchFile;
    if (isKept) {
      checksum.update(start.subarray(bodyOffset));
      await this.#readRest(bytes, start.length, checksum);
      const giveBack = memory && (() => memory.giveBack(whole));
      file = new BatchFile({ ...parts, body: bytes.subarray(bodyOffset), giveBack });
    } else {
      file = new BatchFile(parts);
      for await (const block of file.read(0, header.length)) checksum.update(block);
    }
    if (checksum.digest() !== header.checksum) {
      throw new DamagedError("the checksum of the body does not match");
    }
    return file;
  }

  /** Fills `into` from `from` on; each block is summed while the next one is being read. */
  async #readRest(into: Buffer, from: number, checksum: Checksum): Promise<void> {
    let pending = this.#readBlock(into, from);
    for (let at = from; at < into.length;) {
      const block = await pending;
      at += block.length;
      if (at < into.length) pending = this.#readBlock(into, at);
      checksum.update(block);
    }
  }

  /** @throws DamagedError  where there is none. */
  async #readBlock(into: Buffer, at: number): Promise<Buffer> {
    const block = into.subarray(at, at + CHECK_BYTES);
    const count = await readAll(this.#fs, this.#fd, block, at);
    if (count < block.length) throw new DamagedError("the file became shorter while it was read");
    return block;
  }
}

function notOpened(error: unknown): never {
  if (isErrno(error, "ELOOP")) throw new ForeignError("a symbolic link");
  if (isErrno(error, "ENXIO")) throw new ForeignError("a socket or a device");
  throw error;
}

/** @throws DamagedError */
function parse(start: Buffer, slice: Slice, fileBytes: number): ParsedHeader {
  const parsed =
    slice.checksum === undefined
      ? parseHeader(start)
      : { header: headerOfRaw(slice, slice.checksum, fileBytes), bodyOffset: 0 };
  if (parsed.header.id !== slice.batch) throw new DamagedError(`it is batch ${parsed.header.id}`);
  return parsed;
}

function headerOfRaw(slice: Slice, checksum: string, length: number): BatchHeader {
  const framing: Framing = "whole";
  const { batch: id } = slice;
  return { id, timeMs: timeOfId(id), count: 1, framing, length, headers: {}, checksum };
}
