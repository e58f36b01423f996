/**
 * Reading a batch: its header, and messages out of its body.
 *
 * Nothing is handed out before the checksum of the whole body has been seen to match. A body of a
 * few megabytes is read once and kept; a larger one is read through once for its checksum, and again
 * in blocks for what is asked. The file stays open meanwhile, so it does not matter what becomes
 * of its name.
 */
import { Breath } from "../clock.ts";
import { closeQuietly, readAll } from "../disk/durable.ts";
import type { Awaitable, FileSystem } from "../disk/file-system.ts";
import { isErrno, SpoolError } from "../errors.ts";
import {
  BLOCK_BYTES,
  BUFFER_BYTES,
  HEADER_BYTES,
  IN_MEMORY_BYTES,
  SHORT_BYTES,
} from "../limits.ts";
import { DamagedError, parseHeader, parseHeaders } from "../message/batch.ts";
import type { BatchHeader, Framing, Headers } from "../message/batch.ts";
import { Checksum } from "../message/checksum.ts";
import { timeOfId } from "../message/id.ts";
import type { Slice } from "../message/slice.ts";
import type { Memory } from "./memory.ts";

/** What has the name of a slice is no file at all: a directory, a symbolic link, a device. */
export class ForeignError extends Error {}

const NEWLINE = 0x0a;

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
  readonly #fd: number;
  readonly #bodyOffset: number;
  /** The body, where it is kept. */
  #body: Buffer | undefined;
  #giveBack: (() => void) | undefined;
  #users = 1;

  private constructor(fs: FileSystem, fd: number, header: BatchHeader, bodyOffset: number) {
    this.#fs = fs;
    this.#fd = fd;
    this.header = header;
    this.#bodyOffset = bodyOffset;
  }

  /**
   * Opens and checks the batch that `slice`, at `path`, is a part of.
   *
   * @param memory  whose buffers are used, and used again once the file is closed.
   * @throws ENOENT        the name is gone.
   * @throws ForeignError  it is no regular file. It was not followed, nor read.
   * @throws DamagedError  it is not what was written.
   */
  static async open(
    fs: FileSystem,
    path: string,
    slice: Slice,
    memory?: Memory,
  ): Promise<BatchFile> {
    let fd: number;
    try {
      fd = await fs.open(path, "read");
    } catch (error) {
      if (isErrno(error, "ELOOP")) throw new ForeignError("a symbolic link");
      if (isErrno(error, "ENXIO")) throw new ForeignError("a socket or a device");
      throw error;
    }
    try {
      const { kind, bytes } = await fs.stat(fd);
      if (kind !== "file") throw new ForeignError(`a ${kind}, not a file`);
      const file = await BatchFile.#read(fs, fd, bytes, slice, memory);
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
    memory: Memory | undefined,
  ): Promise<BatchFile> {
    const isSmall = fileBytes <= IN_MEMORY_BYTES;
    const kept = isSmall ? fileBytes : HEADER_BYTES;
    const whole = memory === undefined ? Buffer.allocUnsafe(kept) : memory.take(kept);
    const bytes = whole.subarray(0, kept);
    const first = bytes.subarray(0, SHORT_BYTES);
    const start = first.subarray(0, await readAll(fs, fd, first, 0));
    const { header, bodyOffset } =
      slice.checksum === undefined
        ? parseHeader(start)
        : { header: headerOfRaw(slice, slice.checksum, fileBytes), bodyOffset: 0 };
    if (header.id !== slice.batch) throw new DamagedError(`it is batch ${header.id}`);
    const expected = bodyOffset + header.length;
    if (fileBytes !== expected) {
      throw new DamagedError(`${fileBytes} bytes, and not the ${expected} that were written`);
    }
    const file = new BatchFile(fs, fd, header, bodyOffset);
    const checksum = new Checksum();
    if (isSmall) {
      checksum.update(start.subarray(bodyOffset));
      await file.#readRest(bytes, start.length, checksum);
      file.#body = bytes.subarray(bodyOffset);
      if (memory !== undefined) file.#giveBack = () => memory.giveBack(whole);
    } else {
      for await (const block of file.read(0, header.length)) checksum.update(block);
    }
    if (checksum.digest() !== header.checksum) {
      throw new DamagedError("the checksum of the body does not match");
    }
    return file;
  }

  /** Fills `into` from `from` on, in short calls, each summed while it is in the cache. */
  async #readRest(into: Buffer, from: number, checksum: Checksum): Promise<void> {
    const breath = new Breath();
    for (let at = from; at < into.length;) {
      const block = into.subarray(at, at + SHORT_BYTES);
      const count = await readAll(this.#fs, this.#fd, block, at);
      if (count === 0) throw new DamagedError("the file became shorter while it was read");
      checksum.update(block.subarray(0, count));
      at += count;
      await breath.take();
    }
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
  close(): Promise<void> | undefined {
    if (--this.#users > 0) return undefined;
    this.#body = undefined;
    this.#giveBack?.();
    return closeQuietly(this.#fs, this.#fd, this.header.length);
  }

  /** Bytes [offset, offset + bytes) of the body, in blocks. */
  async *read(offset: number, bytes: number): AsyncGenerator<Buffer> {
    if (this.#body !== undefined) {
      if (bytes > 0) yield this.#body.subarray(offset, offset + bytes);
      return;
    }
    for (let done = 0; done < bytes;) {
      // Its descriptor may be another file's by now.
      if (this.#users === 0) {
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

function headerOfRaw(slice: Slice, checksum: string, length: number): BatchHeader {
  const framing: Framing = "whole";
  const { batch: id } = slice;
  return { id, timeMs: timeOfId(id), count: 1, framing, length, headers: {}, checksum };
}
