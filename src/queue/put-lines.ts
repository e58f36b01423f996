/**
 * Put many: a stream of bytes, cut at each newline or NUL.
 *
 * A batch is closed when it holds enough messages or bytes, or when its first byte has waited for
 * `lingerMs`. It is written as the bytes come, so a line of any length needs no more memory than
 * a block; and while one batch is being synced the next ones are written.
 */
import { BATCH_BYTES, BATCH_MESSAGES_DEFAULT, RECORD_BYTES } from "../limits.ts";
import { encodeRecord } from "../message/batch.ts";
import type { Framing } from "../message/batch.ts";
import { fromErrno, SpoolError } from "../errors.ts";
import { Draft, guarded } from "./draft.ts";
import type { PutOptions } from "./draft.ts";
import { tooLarge } from "./intake.ts";
import type { Intake } from "./intake.ts";
import { checkOptions } from "./put.ts";

/** Batches that may wait for their fsync at once. */
const SYNCS_IN_FLIGHT = 4;

/** A line that grows beyond this goes to the file before its end is seen, in bytes. */
const SPILL_BYTES = 1024 * 1024;

export interface PutManyOptions extends Omit<PutOptions, "dedupKey"> {
  /** The byte that ends a message. Default: newline. */
  readonly separator?: "newline" | "nul";
  /** Messages in one batch at the most. */
  readonly batchMessages?: number;
  /** How long a message may wait for others to share its batch, in ms. Default 100. */
  readonly lingerMs?: number;
  /** Told after each commit how many messages and payload bytes, from the front, are safe so far. */
  readonly onProgress?: (safe: PutManyResult) => void;
}

export interface PutManyResult {
  readonly messages: number;
  readonly bytes: number;
  readonly batches: number;
}

function tooLongForRecord(): SpoolError {
  return new SpoolError(
    "MESSAGE_TOO_LARGE",
    `a NUL-separated message is larger than ${RECORD_BYTES} bytes`,
    "Put it alone, from its own file.",
  );
}

export class ManyPutter {
  readonly #intake: Intake;
  readonly #options: PutManyOptions;
  readonly #byte: number;
  readonly #framing: Framing;
  readonly #syncing = new Set<Promise<boolean>>();
  /** Whether all batches that were closed so far are safe. */
  #isAllSafe = Promise.resolve(true);
  #draft: Draft | undefined;
  #messages = 0;
  /** Bytes of the message that has not ended yet. */
  #openBytes = 0;
  #deadlineMs = 0;
  #failure: unknown;
  #safe = { messages: 0, bytes: 0, batches: 0 };
  /** The beginning of that message, as far as it is not in the file yet. */
  #pieces: Uint8Array[] = [];
  /** True where its beginning is in the file: the batch cannot be closed now. */
  #spilled = false;

  constructor(intake: Intake, options: PutManyOptions) {
    checkOptions(options);
    this.#intake = intake;
    this.#options = options;
    this.#byte = options.separator === "nul" ? 0 : 0x0a;
    // A line holds no newline, so the newlines themselves can frame it; anything else needs lengths.
    this.#framing = options.separator === "nul" ? "records" : "lines";
  }

  /** How many from the front are safe on the disk so far, also after a failure; of the others some may be. */
  get safe(): PutManyResult {
    return this.#safe;
  }

  /**
   * Puts every message of the stream. A last one without its separator counts.
   *
   * @throws as put; what was safe before is in `safe` and stays.
   */
  async run(input: AsyncIterable<Uint8Array>): Promise<PutManyResult> {
    const lingerMs = this.#options.lingerMs ?? 100;
    const iterator = input[Symbol.asyncIterator]();
    try {
      let next = iterator.next();
      for (;;) {
        const step = await this.#within(next, lingerMs);
        if (step === "lingered") {
          await this.#close();
          continue;
        }
        if (step.done) break;
        await this.#add(step.value);
        if (this.#failure !== undefined) throw this.#failure;
        next = iterator.next();
      }
      await this.#end();
      await this.#isAllSafe;
      if (this.#failure !== undefined) throw this.#failure;
    } catch (error) {
      await this.#isAllSafe;
      await this.#draft?.discard();
      this.#draft = undefined;
      throw fromErrno(error);
    }
    return this.#safe;
  }

  /** The next piece of input, or word that the open batch has lingered long enough. */
  async #within<T>(next: Promise<T>, lingerMs: number): Promise<T | "lingered"> {
    if (this.#draft === undefined || this.#spilled || this.#messages === 0) return next;
    const left = this.#deadlineMs - this.#intake.site.disk.clock.monotonicMs();
    const { promise, resolve } = Promise.withResolvers<"lingered">();
    const timer = setTimeout(resolve, Math.min(left, lingerMs), "lingered");
    try {
      return await Promise.race([next, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #add(chunk: Uint8Array): Promise<void> {
    const { maxMessageBytes, maxDepth, maxBytes } = await this.#intake.limits();
    // Where there is a limit a batch is a tenth of it at the most, so that it can be kept to.
    const asked = this.#options.batchMessages ?? BATCH_MESSAGES_DEFAULT;
    const limit = maxDepth > 0 ? Math.min(asked, Math.ceil(maxDepth / 10)) : asked;
    const limitBytes = maxBytes > 0 ? Math.min(BATCH_BYTES, maxBytes / 10) : BATCH_BYTES;
    const isLines = this.#framing === "lines";
    let from = 0;
    let start = 0;
    for (let at = chunk.indexOf(this.#byte); at !== -1; at = chunk.indexOf(this.#byte, at + 1)) {
      this.#checkSize(this.#openBytes + at - start, maxMessageBytes);
      this.#openBytes = 0;
      this.#spilled = false;
      this.#messages++;
      start = at + 1;
      if (!isLines) await this.#appendRecord(chunk.subarray(from, at));
      const bytes = this.#bytes + (isLines ? start - from : 0);
      if (this.#messages >= limit || bytes >= limitBytes) {
        if (isLines) await this.#appendLines(chunk.subarray(from, start));
        from = start;
        await this.#close();
      }
      if (!isLines) from = start;
    }
    if (start > from) await this.#appendLines(chunk.subarray(from, start));
    if (start < chunk.length) await this.#hold(chunk.subarray(start), maxMessageBytes);
  }

  /** Keeps the beginning of a message that has not ended; a long line goes to the disk already. */
  async #hold(piece: Uint8Array, maxMessageBytes: number): Promise<void> {
    this.#pieces.push(Buffer.from(piece));
    this.#openBytes += piece.length;
    this.#checkSize(this.#openBytes, maxMessageBytes);
    if (this.#framing === "records") {
      if (this.#openBytes > RECORD_BYTES) throw tooLongForRecord();
    } else if (this.#spilled || this.#openBytes > SPILL_BYTES) {
      this.#spilled = true;
      await this.#appendLines(new Uint8Array(0));
    }
  }

  /** Payload bytes in the open batch, in the file or held. */
  get #bytes(): number {
    return this.#draft?.bodyBytes ?? 0;
  }

  async #appendLines(lines: Uint8Array): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    for (const piece of pieces) await this.#append(piece);
    if (lines.length > 0) await this.#append(lines);
  }

  async #appendRecord(tail: Uint8Array): Promise<void> {
    const payload = this.#pieces.length === 0 ? tail : Buffer.concat([...this.#pieces, tail]);
    this.#pieces = [];
    await this.#append(encodeRecord({}, payload));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    if (this.#draft === undefined) {
      await this.#intake.admit(1, bytes.length, this.#options.waitMs);
      this.#draft = await Draft.create(this.#intake.site);
      this.#deadlineMs =
        this.#intake.site.disk.clock.monotonicMs() + (this.#options.lingerMs ?? 100);
    }
    await this.#draft.append(bytes, this.#framing, this.#options.headers ?? {});
  }

  /** The end of the input: the last message may lack its separator. */
  async #end(): Promise<void> {
    if (this.#openBytes > 0) {
      this.#messages++;
      if (this.#framing === "lines") await this.#appendLines(Uint8Array.of(this.#byte));
      else await this.#appendRecord(new Uint8Array(0));
      this.#openBytes = 0;
    }
    await this.#close();
  }

  /** Commits the open batch; its fsync may go on while the next one is filled. */
  async #close(): Promise<void> {
    const draft = this.#draft;
    if (draft === undefined) return;
    const messages = this.#messages;
    this.#draft = undefined;
    this.#messages = 0;
    const headers = this.#options.headers ?? {};
    const { ttlMs } = await this.#intake.limits();
    const slice = await guarded(draft, async () => {
      // Only now is it known what it holds; the batches that are being synced count already.
      await this.#intake.admit(messages, draft.bodyBytes, this.#options.waitMs);
      await draft.finish(messages, this.#framing, headers);
      return draft.slice(messages, this.#options, ttlMs);
    });
    const commit = this.#intake.commit(draft, slice, this.#options.sync ?? "disk").then(
      () => true,
      (error: unknown) => {
        this.#failure ??= error;
        return false;
      },
    );
    const before = this.#isAllSafe;
    // What comes behind a batch that failed is not counted: who goes on counts from the front.
    this.#isAllSafe = commit.then(async (isSafe) => {
      if (!(await before) || !isSafe) return false;
      this.#count(messages, draft.bodyBytes);
      return true;
    });
    const tracked = commit.finally(() => this.#syncing.delete(tracked));
    this.#syncing.add(tracked);
    if (this.#syncing.size >= SYNCS_IN_FLIGHT) await Promise.race(this.#syncing);
  }

  #count(messages: number, bytes: number): void {
    const safe = this.#safe;
    this.#safe = {
      messages: safe.messages + messages,
      bytes: safe.bytes + bytes,
      batches: safe.batches + 1,
    };
    this.#options.onProgress?.(this.#safe);
  }

  #checkSize(bytes: number, limit: number): void {
    if (limit > 0 && bytes > limit) throw tooLarge(this.#intake, "a message", limit);
  }
}
