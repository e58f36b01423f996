/**
 * A batch that is being written in tmp/.
 *
 *   1. create   tmp/<unique>_<process>: its mtime is the disk's time, and so the batch's
 *   2. write    header and body; of a body that is streamed and takes several writes, that first, and
 *               the header last, over the room left for it
 *   3. commit   rename it to its slice in ready/ (intake.ts), or fan it out (topic/)
 *
 * A crash before 3 leaves a file in tmp/ that names its process: `gc` removes it once that process
 * is gone. A writer that takes longer than a day gives up by itself, so that whoever cannot ask the
 * process may remove the file at an age that no writer reaches (qmail's rule).
 */
import { closeQuietly, quietly, writeAll } from "../disk/durable.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { SHORT_BYTES, WRITER_DEADLINE_MS } from "../limits.ts";
import { encodeHeader, roomForHeader } from "../message/batch.ts";
import type { BatchHeader, Framing, Headers } from "../message/batch.ts";
import { Checksum } from "../message/checksum.ts";
import { timeOfId } from "../message/id.ts";
import { LAST_MS } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Site } from "./site.ts";

/** Opens a draft; makes the queue or topic again where it was removed since it was looked at. */
async function openDraft(site: Site, path: string): Promise<number> {
  try {
    return await site.fs.open(path, "create");
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    await site.makeAgain();
    return site.fs.open(path, "create");
  }
}

/** One message of a batch whose messages have headers of their own. */
export interface Part {
  readonly headers: Headers;
  /** Of the message in the body, with its framing. */
  readonly bytes: number;
}

/** What a put asks for, beside its body. */
export interface PutOptions {
  readonly headers?: Headers;
  /** 0 to 9; 9 is delivered first. Default 4. */
  readonly priority?: number;
  /** Hide it from consumers for this long, in ms. */
  readonly delayMs?: number;
  /** Hide it from consumers until then, in ms since the epoch. */
  readonly atMs?: number;
  /** Drop it when it was not delivered within this time, in ms; 0: never. */
  readonly ttlMs?: number;
  /** A second put with the same key within the queue's window is answered with the first one's id. */
  readonly dedupKey?: string;
  /** `none`: success does not mean that it is on stable storage. Default `disk`. */
  readonly sync?: "disk" | "none";
  /** How long to wait where the queue is full, in ms; 0: for ever. Default: as the queue is set. */
  readonly waitMs?: number;
}

export class Draft {
  readonly id: string;
  readonly timeMs: number;
  readonly #site: Site;
  readonly #path: string;
  readonly #fd: number;
  readonly #startedMs: number;
  readonly #checksum = new Checksum();
  /** What was appended and not written yet; at the file's start behind the header's room. */
  #block: Buffer | undefined;
  #gatheredBytes = 0;
  #writtenBytes = 0;
  #headerBytes = 0;
  #bodyBytes = 0;
  #headers: Headers = {};
  #parts: (() => readonly Part[]) | undefined;
  #isClosed = false;

  private constructor(site: Site, path: string, fd: number, block?: Buffer) {
    this.#site = site;
    this.#block = block;
    this.#path = path;
    this.#fd = fd;
    this.#startedMs = site.disk.clock.monotonicMs();
    this.id = site.disk.ids.next(site.disk.clock.now());
    this.timeMs = timeOfId(this.id);
  }

  /**
   * @param prefix  what the name in tmp/ starts with.
   * @param block   of SHORT_BYTES, for `append`; free for the next draft once this one is finished.
   */
  static async create(site: Site, prefix = "", block?: Buffer): Promise<Draft> {
    const path = site.draft(prefix);
    const fd = await openDraft(site, path);
    try {
      site.disk.clock.observe((await site.fs.stat(fd)).mtimeMs);
    } catch (error) {
      await discardFile(site, path, fd);
      throw error;
    }
    return new Draft(site, path, fd, block);
  }

  get path(): string {
    return this.#path;
  }

  get fd(): number {
    return this.#fd;
  }

  /** Headers that all its messages share. */
  get headers(): Headers {
    return this.#headers;
  }

  /** Its messages, where they have headers of their own. */
  get parts(): readonly Part[] | undefined {
    return this.#parts?.();
  }

  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  /** Adds to the body. The first call leaves room for the header. */
  async append(bytes: Uint8Array, framing: Framing, headers: Headers): Promise<void> {
    if (this.#site.disk.clock.monotonicMs() - this.#startedMs > WRITER_DEADLINE_MS) {
      throw new SpoolError("IO", `the put took longer than a day and was given up`);
    }
    const block = (this.#block ??= Buffer.allocUnsafeSlow(SHORT_BYTES));
    if (this.#headerBytes === 0) {
      this.#headerBytes = roomForHeader(this.#header(1, framing, headers, "00000000"));
      block.fill(" ", 0, this.#headerBytes);
      this.#gatheredBytes = this.#headerBytes;
    }
    this.#bodyBytes += bytes.length;
    for (let from = 0; from < bytes.length;) {
      if (this.#gatheredBytes === block.length) await this.#writeGathered(block);
      const piece = bytes.subarray(from, from + block.length - this.#gatheredBytes);
      block.set(piece, this.#gatheredBytes);
      this.#gatheredBytes += piece.length;
      from += piece.length;
    }
  }

  async #writeGathered(block: Buffer): Promise<void> {
    const bytes = block.subarray(0, this.#gatheredBytes);
    this.#checksum.update(bytes.subarray(this.#writtenBytes === 0 ? this.#headerBytes : 0));
    await writeAll(this.#site.fs, this.#fd, bytes, this.#writtenBytes);
    this.#writtenBytes += bytes.length;
    this.#gatheredBytes = 0;
  }

  /** Writes what is gathered, and the header into its room: in one call where that is all. */
  async finish(count: number, framing: Framing, headers: Headers): Promise<void> {
    this.#headers = headers;
    const block = this.#block!;
    const isAll = this.#writtenBytes === 0;
    if (isAll) this.#checksum.update(block.subarray(this.#headerBytes, this.#gatheredBytes));
    else await this.#writeGathered(block);
    const header = this.#header(count, framing, headers, this.#checksum.digest());
    const bytes = encodeHeader(header, this.#headerBytes);
    if (isAll) block.set(bytes);
    const start = isAll ? block.subarray(0, this.#gatheredBytes) : bytes;
    await writeAll(this.#site.fs, this.#fd, start, 0);
  }

  /** Writes header and body in one go, where the whole body is at hand. */
  async write(
    count: number,
    framing: Framing,
    headers: Headers,
    body: Uint8Array,
    parts?: () => readonly Part[],
  ): Promise<void> {
    this.#headers = headers;
    this.#parts = parts;
    this.#checksum.update(body);
    this.#bodyBytes = body.length;
    const header = encodeHeader(this.#header(count, framing, headers, this.#checksum.digest()));
    await writeAll(this.#site.fs, this.#fd, Buffer.concat([header, body]), 0);
  }

  #header(count: number, framing: Framing, headers: Headers, checksum: string): BatchHeader {
    const { id, timeMs } = this;
    return { id, timeMs, count, framing, length: this.#bodyBytes, headers, checksum };
  }

  /** The slice of all its messages, as these options want it. */
  slice(count: number, options: PutOptions, queueTtlMs: number): Slice {
    const ttlMs = options.ttlMs ?? queueTtlMs;
    const dueMs = Math.round(Math.max(options.atMs ?? 0, this.timeMs + (options.delayMs ?? 0)));
    const expiresMs = ttlMs > 0 ? Math.round(this.timeMs + ttlMs) : undefined;
    if (dueMs > LAST_MS || (expiresMs ?? 0) > LAST_MS) {
      throw new SpoolError("BAD_VALUE", "that time is too far in the future");
    }
    return {
      rank: 9 - (options.priority ?? 4),
      visibleMs: dueMs,
      batch: this.id,
      first: 0,
      count,
      offset: 0,
      bytes: this.#bodyBytes,
      attempts: 0,
      restAttempts: 0,
      expiresMs,
      checksum: undefined,
      replay: undefined,
    };
  }

  /**
   * For who syncs nothing, before anybody can see it: close(2) may be the first to say that its bytes were
   * lost, as ENOSPC or EDQUOT of a server. The descriptor is gone in any case.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#site.fs.close(this.#fd);
  }

  /** Gives it up: nothing is left of it. What it was renamed to meanwhile stays. */
  async discard(): Promise<void> {
    await discardFile(this.#site, this.#path, this.#isClosed ? undefined : this.#fd);
  }
}

/** Best effort: what stays is for the sweeper, and what the caller has to tell is another matter. */
async function discardFile({ fs }: Site, path: string, fd: number | undefined): Promise<void> {
  await quietly(() => fs.unlink(path));
  if (fd !== undefined) await closeQuietly(fs, fd);
}

/** Does a part of writing the draft; where that fails nothing is left of the draft. */
export async function guarded<T>(draft: Draft, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    await draft.discard();
    throw error;
  }
}
