/**
 * Reading a batch that was opened: its header, and messages out of its body.
 *
 * A body of a few megabytes is kept in memory; a larger one is read in blocks for what is asked, from the
 * file that stays open meanwhile, so it does not matter what becomes of its name.
 */
import { closeQuietly, readAll } from "../disk/durable.ts";
import type { Awaitable, FileSystem } from "../disk/file-system.ts";
import { SpoolError } from "../errors.ts";
import { BLOCK_BYTES, BUFFER_BYTES } from "../limits.ts";
import { DamagedError, parseHeaders } from "../message/batch.ts";
import type { BatchHeader, Headers } from "../message/batch.ts";
import type { Slice } from "../message/slice.ts";

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

/** What a batch file is made of once it was opened. */
export interface BatchParts {
  readonly fs: FileSystem;
  /** Undefined where it is closed already: the body is all that is needed. */
  readonly fd: number | undefined;
  readonly header: BatchHeader;
  /** Where the body starts in the file, in bytes. */
  readonly bodyOffset: number;
  /** The whole of it, where it is kept in memory. */
  readonly body?: Buffer;
  /** Told when nobody needs the body any more. */
  readonly giveBack?: (() => void) | undefined;
}

export class BatchFile {
  readonly header: BatchHeader;
  readonly #fs: FileSystem;
  #fd: number | undefined;
  readonly #bodyOffset: number;
  /** The body, where it is kept. */
  #body: Buffer | undefined;
  readonly #giveBack: (() => void) | undefined;
  #users = 1;

  /** For open-batch.ts, which has checked it. */
  constructor({ fs, fd, header, bodyOffset, body, giveBack }: BatchParts) {
    this.#fs = fs;
    this.#fd = fd;
    this.header = header;
    this.#bodyOffset = bodyOffset;
    this.#body = body;
    this.#giveBack = giveBack;
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
    this.#giveBack?.();
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) return closeQuietly(this.#fs, fd, this.header.length);
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
