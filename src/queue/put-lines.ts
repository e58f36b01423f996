/**
 * Put many: a stream of bytes, cut at each newline or NUL.
 *
 * A batch is closed when it holds enough messages or bytes, or when its first byte has waited for
 * `lingerMs`. It is written as the bytes come, so a line of any length needs no more memory than
 * a block; and while one batch is being synced the next ones are written.
 */
import { RECORD_BYTES, SHORT_BYTES } from "../limits.ts";
import { encodeRecord } from "../message/batch.ts";
import { fittingLines, NEWLINE } from "../message/lines.ts";
import type { Lines } from "../message/lines.ts";
import { fromErrno, SpoolError } from "../errors.ts";
import { boundsOf } from "./bounds.ts";
import type { Bounds } from "./bounds.ts";
import { Commits } from "./commits.ts";
import type { PutManyResult } from "./commits.ts";
import { Draft, guarded } from "./draft.ts";
import type { PutOptions } from "./draft.ts";
import { tooLarge } from "./intake.ts";
import type { Intake } from "./intake.ts";
import { Linger } from "./linger.ts";
import { checkOptions } from "./put.ts";

/** A line that grows beyond this goes to the file before its end is seen, in bytes. */
const SPILL_BYTES = 1024 * 1024;

/** Input is looked at in pieces of this size, in bytes: what ends a batch is sought in one of them. */
const PIECE_BYTES = 256 * 1024;

/** So late does a change of a limit reach a batch that is open, in ms. */
const BOUNDS_MS = 1000;

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
  readonly #framing: "lines" | "records";
  readonly #commits: Commits;
  #draft: Draft | undefined;
  #block: Buffer | undefined;
  #bounds: Bounds | undefined;
  #boundsMs = 0;
  /** Of the batch that is open. */
  readonly #linger: Linger;
  #messages = 0;
  /** Bytes of the message that has not ended yet. */
  #openBytes = 0;
  /** The beginning of that message, as far as it is not in the draft yet. */
  #pieces: Uint8Array[] = [];
  #heldBytes = 0;
  /** True where its beginning is in the draft: the batch cannot be closed now. */
  #spilled = false;

  constructor(intake: Intake, options: PutManyOptions) {
    checkOptions(options);
    this.#intake = intake;
    this.#options = options;
    // A line holds no newline, so the newlines themselves can frame it; anything else needs lengths.
    this.#framing = options.separator === "nul" ? "records" : "lines";
    this.#linger = new Linger(options.lingerMs ?? 100);
    this.#commits = new Commits(options.onProgress ?? (() => {}));
  }

  /** How many from the front are safe on the disk so far, also after a failure; of the others some may be. */
  get safe(): PutManyResult {
    return this.#commits.safe;
  }

  /**
   * Puts every message of the stream. A last one without its separator counts.
   *
   * @throws as put; what was safe before is in `safe` and stays.
   */
  async run(input: AsyncIterable<Uint8Array>): Promise<PutManyResult> {
    const iterator = input[Symbol.asyncIterator]();
    try {
      let next = iterator.next();
      for (;;) {
        // A batch that holds no whole message cannot be closed, nor one that ends in the middle of one.
        const isOpen = this.#messages > 0 && !this.#spilled;
        const step = await (isOpen ? this.#linger.orOver(next) : next);
        if (step === "over") {
          await this.#close();
          continue;
        }
        if (step.done) break;
        await this.#add(step.value);
        this.#commits.check();
        next = iterator.next();
      }
      await this.#end();
      await this.#commits.settle();
      this.#commits.check();
    } catch (error) {
      await this.#commits.settle();
      await this.#takeDraft()?.discard();
      throw fromErrno(error);
    }
    return this.safe;
  }

  get #isLines(): boolean {
    return this.#framing === "lines";
  }

  async #add(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const bounds = await this.#boundsNow();
      let rest = chunk.subarray(at, at + PIECE_BYTES);
      while (rest.length > 0) {
        const done = this.#isLines
          ? await this.#addLines(rest, bounds)
          : await this.#addRecord(rest, bounds);
        rest = rest.subarray(done);
        if (this.#isFull(bounds)) await this.#close();
      }
    }
  }

  /** Asked anew for each batch, while there is none, and now and then. */
  async #boundsNow(): Promise<Bounds> {
    const nowMs = this.#intake.site.disk.clock.monotonicMs();
    const isRecent = this.#messages > 0 && nowMs - this.#boundsMs < BOUNDS_MS;
    if (this.#bounds !== undefined && isRecent) return this.#bounds;
    this.#boundsMs = nowMs;
    this.#bounds = boundsOf(await this.#intake.limits(), this.#options.batchMessages);
    return this.#bounds;
  }

  #isFull({ messages, bytes }: Bounds): boolean {
    if (this.#openBytes > 0 || this.#messages === 0) return false;
    return this.#messages >= messages || this.#draft!.bodyBytes >= bytes;
  }

  /** Adds whole lines until the batch is full, or the beginning of one; returns how many bytes. */
  async #addLines(piece: Uint8Array, bounds: Bounds): Promise<number> {
    const end = piece.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      await this.#hold(piece, bounds);
      return piece.length;
    }
    const { messages, bytes } = this.#fitting(piece.subarray(0, end), bounds);
    this.#messages += messages;
    this.#openBytes = 0;
    this.#spilled = false;
    if (this.#heldBytes > 0) await this.#appendHeld();
    await this.#append(piece.subarray(0, bytes));
    return bytes;
  }

  /** How many of these whole lines the open batch takes. @throws MESSAGE_TOO_LARGE */
  #fitting(lines: Uint8Array, { messages, bytes, messageBytes }: Bounds): Lines {
    const room = {
      messages: messages - this.#messages,
      bytes: bytes - (this.#draft?.bodyBytes ?? 0) - this.#heldBytes,
    };
    let openBytes = this.#openBytes;
    // No line is longer than all of them and what came before.
    if (messageBytes === 0 || openBytes + lines.length <= messageBytes) {
      return fittingLines(lines, room);
    }
    return fittingLines(lines, room, (lineBytes) => {
      this.#checkSize(openBytes + lineBytes, messageBytes);
      openBytes = 0;
    });
  }

  /** Adds one message, or the beginning of one; returns how many bytes, its separator included. */
  async #addRecord(piece: Uint8Array, bounds: Bounds): Promise<number> {
    const end = piece.indexOf(0);
    if (end === -1) {
      await this.#hold(piece, bounds);
      return piece.length;
    }
    this.#checkSize(this.#openBytes + end, bounds.messageBytes);
    await this.#endRecord(piece.subarray(0, end));
    return end + 1;
  }

  async #endRecord(tail: Uint8Array): Promise<void> {
    const payload = this.#pieces.length === 0 ? tail : Buffer.concat([...this.#pieces, tail]);
    this.#pieces = [];
    this.#heldBytes = 0;
    this.#openBytes = 0;
    this.#messages++;
    await this.#append(encodeRecord({}, payload));
  }

  /** Keeps the beginning of a message that has not ended; a long line goes to the disk already. */
  async #hold(piece: Uint8Array, { messageBytes }: Bounds): Promise<void> {
    this.#pieces.push(Buffer.from(piece));
    this.#heldBytes += piece.length;
    this.#openBytes += piece.length;
    this.#checkSize(this.#openBytes, messageBytes);
    if (!this.#isLines) {
      if (this.#openBytes > RECORD_BYTES) throw tooLongForRecord();
    } else if (this.#spilled || this.#openBytes > SPILL_BYTES) {
      this.#spilled = true;
      await this.#appendHeld();
    }
  }

  async #appendHeld(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#heldBytes = 0;
    for (const piece of pieces) await this.#append(piece);
  }

  async #append(bytes: Uint8Array): Promise<void> {
    if (this.#draft === undefined) {
      await this.#intake.admit(1, bytes.length, this.#options.waitMs);
      this.#block ??= Buffer.allocUnsafeSlow(SHORT_BYTES);
      this.#draft = await Draft.create(this.#intake.site, "", this.#block);
      this.#linger.start();
    }
    await this.#draft.append(bytes, this.#framing, this.#options.headers ?? {});
  }

  /** The open batch, which is closed or given up now. */
  #takeDraft(): Draft | undefined {
    const draft = this.#draft;
    this.#linger.stop();
    this.#draft = undefined;
    this.#messages = 0;
    return draft;
  }

  /** The end of the input: the last message may lack its separator. */
  async #end(): Promise<void> {
    if (this.#openBytes > 0) {
      if (this.#isLines) await this.#addLines(Uint8Array.of(NEWLINE), await this.#boundsNow());
      else await this.#endRecord(new Uint8Array(0));
    }
    await this.#close();
  }

  /** Commits the open batch; its fsync may go on while the next one is filled. */
  async #close(): Promise<void> {
    const messages = this.#messages;
    const draft = this.#takeDraft();
    if (draft === undefined) return;
    await this.#commits.room();
    const { headers = {}, waitMs, sync = "disk" } = this.#options;
    const slice = await guarded(draft, async () => {
      const { ttlMs } = await this.#intake.limits();
      // Only now is it known what it holds; the batches that are being synced count already.
      await this.#intake.admit(messages, draft.bodyBytes, waitMs);
      await draft.finish(messages, this.#framing, headers);
      return draft.slice(messages, this.#options, ttlMs);
    });
    this.#commits.add(this.#intake.commit(draft, slice, sync), messages, draft.bodyBytes);
  }

  #checkSize(bytes: number, limit: number): void {
    if (limit > 0 && bytes > limit) throw tooLarge(this.#intake, "a message", limit);
  }
}
