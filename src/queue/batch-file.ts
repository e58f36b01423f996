/**
 * Reading a batch: its header, and messages out of its body.
 *
 * Nothing is handed out before the checksum of the whole body has been seen to match. A body of a
 * few megabytes is read once and kept; a larger one is read through once for its checksum, and again
 * in blocks for what is asked. The file stays open meanwhile, so it does not matter what becomes
 * of its name.
 */
import { closeQuietly, readAll } from "../disk/durable.ts";
import { chain } from "../disk/file-system.ts";
import type { Awaitable, FileSystem } from "../disk/file-system.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { BLOCK_BYTES, BUFFER_BYTES, HEADER_BYTES, IN_MEMORY_BYTES } from "../limits.ts";
import { DamagedError, parseHeader, parseHeaders } from "../message/batch.ts";
import type { BatchHeader, Framing, Headers, ParsedHeader } from "../message/batch.ts";
import { Checksum, checksumOf } from "../message/checksum.ts";
import { timeOfId } from "../message/id.ts";
import type { Slice } from "../message/slice.ts";

/** What has the name of a slice is no file at all: a directory, a symbolic link, a device. */
export class ForeignError extends Error {}

const NEWLINE = 0x0a;

/** What is read ahead of a slice in the hope that it is all of its batch: more than most headers take. */
const FRONT_BYTES = 1024;

/** Up to this a batch is read at one go, without a look at how large it is, in bytes. */
const SMALL_BYTES = 64 * 1024;

/** One message's place in a body. */
export interface Span {
  readonly headers: Headers;
  /** Of the payload, in the body, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  /** Where the next message starts. */
  readonly next: number;
}

export class BatchFile {
  readonly header: BatchHeader;
  readonly #fs: FileSystem;
  /** Undefined once it is closed: of a small batch as soon as it was read. */
  #fd: number | undefined;
  readonly #bodyOffset: number;
  /** The body, where it is kept. */
  #body: Buffer | undefined;
  #users = 1;

  private constructor(
    fs: FileSystem,
    fd: number | undefined,
    header: BatchHeader,
    bodyOffset: number,
  ) {
    this.#fs = fs;
    this.#fd = fd;
    this.header = header;
    this.#bodyOffset = bodyOffset;
  }

  /**
   * Opens and checks the batch that `slice`, at `path`, is a part of.
   *
   * @throws ENOENT        the name is gone.
   * @throws ForeignError  it is no regular file. It was not followed.
   * @throws DamagedError  it is not what was written.
   */
  static open(fs: FileSystem, path: string, slice: Slice): Awaitable<BatchFile> {
    try {
      const opened = fs.open(path, "read");
      if (typeof opened === "number") return BatchFile.#opened(fs, opened, slice);
      return opened.then((fd) => BatchFile.#opened(fs, fd, slice), notOpened);
    } catch (error) {
      return notOpened(error);
    }
  }

  /** Most batches are small: one read gets all of it, and shows by its end that it was all. */
  static #opened(fs: FileSystem, fd: number, slice: Slice): Awaitable<BatchFile> {
    const wanted = slice.offset + slice.bytes + FRONT_BYTES;
    if (wanted > SMALL_BYTES) return BatchFile.#stated(fs, fd, slice);
    const start = Buffer.allocUnsafe(wanted);
    try {
      const read = fs.read(fd, start, 0);
      if (typeof read !== "number") {
        return read.then(
          (count) => BatchFile.#small(fs, fd, start.subarray(0, count), slice),
          () => BatchFile.#stated(fs, fd, slice),
        );
      }
      return BatchFile.#small(fs, fd, start.subarray(0, read), slice);
    } catch {
      // A directory, say.
      return BatchFile.#stated(fs, fd, slice);
    }
  }

  /** @param bytes  what a read got; whatever is not just as it should be is looked at as a whole. */
  static #small(fs: FileSystem, fd: number, bytes: Buffer, slice: Slice): Awaitable<BatchFile> {
    let file: BatchFile;
    try {
      const { header, bodyOffset } = parse(bytes, slice, bytes.length);
      if (header.length !== bytes.length - bodyOffset) return BatchFile.#stated(fs, fd, slice);
      file = new BatchFile(fs, undefined, header, bodyOffset);
      file.#body = bytes.subarray(bodyOffset);
      if (checksumOf(file.#body) !== header.checksum) return BatchFile.#stated(fs, fd, slice);
      file.checkSlice(slice);
    } catch {
      return BatchFile.#stated(fs, fd, slice);
    }
    return chain(closeQuietly(fs, fd), () => file);
  }

  static async #stated(fs: FileSystem, fd: number, slice: Slice): Promise<BatchFile> {
    try {
      const { kind, bytes } = await fs.stat(fd);
      if (kind !== "file") throw new ForeignError(`a ${kind}, not a file`);
      const file = await BatchFile.#read(fs, fd, bytes, slice);
      file.checkSlice(slice);
      return file;
    } catch (error) {
      await closeQuietly(fs, fd);
      throw error;
    }
  }

  static async #read(
    fs: FileSystem,
    fd: number,
    fileBytes: number,
    slice: Slice,
  ): Promise<BatchFile> {
    const isSmall = fileBytes <= IN_MEMORY_BYTES;
    const start = Buffer.allocUnsafe(Math.min(fileBytes, isSmall ? fileBytes : HEADER_BYTES));
    const count = await readAll(fs, fd, start, 0);
    const { header, bodyOffset } = parse(start.subarray(0, count), slice, fileBytes);
    const expected = bodyOffset + header.length;
    if (fileBytes !== expected) {
      throw new DamagedError(`${fileBytes} bytes, and not the ${expected} that were written`);
    }
    const file = new BatchFile(fs, fd, header, bodyOffset);
    const checksum = new Checksum();
    if (isSmall) checksum.update((file.#body = start.subarray(bodyOffset)));
    else for await (const block of file.read(0, header.length)) checksum.update(block);
    if (checksum.digest() !== header.checksum) {
      throw new DamagedError("the checksum of the body does not match");
    }
    return file;
  }

  /** @throws DamagedError  where the name of the slice says what the batch does not hold. */
  checkSlice(slice: Slice): void {
    const { count, length, framing } = this.header;
    const { offset } = slice;
    const [last, end] = [slice.first + slice.count, offset + slice.bytes];
    if (last > count || end > length) {
      throw new DamagedError(`its name says more than the ${count} messages that it holds`);
    }
    // Names are under no checksum: one that lies would cut a message, or join two.
    let isRight = (slice.first === 0) === (offset === 0) && (last === count) === (end === length);
    if (framing === "lines" && this.#body !== undefined) {
      isRight &&= offset === 0 || this.#body[offset - 1] === NEWLINE;
      isRight &&= this.#body[end - 1] === NEWLINE;
    }
    if (!isRight) throw new DamagedError("its name does not say where its messages begin and end");
  }

  /** One more holder, who will close it too. */
  share(): this {
    this.#users++;
    return this;
  }

  /** A promise only where there is something to wait for. */
  close(): Awaitable<void> {
    if (--this.#users > 0) return;
    this.#body = undefined;
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) return closeQuietly(this.#fs, fd);
  }

  /** Bytes [offset, offset + bytes) of the body, in blocks. */
  async *read(offset: number, bytes: number): AsyncGenerator<Buffer> {
    if (this.#body !== undefined) {
      if (bytes > 0) yield this.#body.subarray(offset, offset + bytes);
      return;
    }
    for (let done = 0; done < bytes;) {
      // Its descriptor may be another file's by now.
      if (this.#fd === undefined) {
        throw new SpoolError("BAD_VALUE", "a message was read after it was settled or passed by");
      }
      const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, bytes - done));
      const count = await readAll(this.#fs, this.#fd, block, this.#bodyOffset + offset + done);
      if (count === 0) throw new DamagedError("the file became shorter while it was read");
      done += count;
      yield block.subarray(0, count);
    }
  }

  /** The same in one piece. @throws BAD_VALUE where it is too large for one Buffer. */
  async buffer(offset: number, bytes: number): Promise<Buffer> {
    if (this.#body !== undefined) return this.#body.subarray(offset, offset + bytes);
    if (bytes > BUFFER_BYTES) {
      throw new SpoolError("BAD_VALUE", `${bytes} bytes do not fit into memory`, "Stream them.");
    }
    const blocks: Buffer[] = [];
    for await (const block of this.read(offset, bytes)) blocks.push(block);
    return Buffer.concat(blocks);
  }

  /** The message that starts at `offset`; `end` is where its slice ends. @throws DamagedError */
  spanAt(offset: number, end: number): Awaitable<Span> {
    const { framing, headers } = this.header;
    if (framing === "whole") return { headers, offset, bytes: end - offset, next: end };
    if (framing !== "lines") return this.#recordAt(offset, end);
    const span = (at: number): Span => ({ headers, offset, bytes: at - offset, next: at + 1 });
    const at = this.#newlineFrom(offset, end);
    return typeof at === "number" ? span(at) : at.then(span);
  }

  async #recordAt(offset: number, end: number): Promise<Span> {
    const { headers } = this.header;
    const front = await this.buffer(offset, Math.min(8, end - offset));
    const headersBytes = front.length < 8 ? end : front.readUInt32BE(0);
    const bytes = front.length < 8 ? 0 : front.readUInt32BE(4);
    const start = offset + 8 + headersBytes;
    if (start + bytes > end) throw new DamagedError("a record is longer than its batch");
    const own = parseHeaders(await this.buffer(offset + 8, headersBytes));
    return { headers: { ...headers, ...own }, offset: start, bytes, next: start + bytes };
  }

  /** Where the message `count` messages after the one at `offset` starts. */
  async skip(offset: number, end: number, count: number): Promise<number> {
    let at = offset;
    if (this.header.framing === "lines") {
      for (let left = count; left > 0; left--) at = (await this.#newlineFrom(at, end)) + 1;
    } else {
      for (let left = count; left > 0; left--) at = (await this.spanAt(at, end)).next;
    }
    return at;
  }

  #newlineFrom(offset: number, end: number): Awaitable<number> {
    if (this.#body === undefined) return this.#readToNewline(offset, end);
    const found = this.#body.indexOf(NEWLINE, offset);
    if (found === -1 || found >= end) throw new DamagedError("a line has no end");
    return found;
  }

  async #readToNewline(offset: number, end: number): Promise<number> {
    let at = offset;
    for await (const block of this.read(offset, end - offset)) {
      const found = block.indexOf(NEWLINE);
      if (found !== -1) return at + found;
      at += block.length;
    }
    throw new DamagedError("a line has no end");
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
