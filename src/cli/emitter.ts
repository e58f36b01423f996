/**
 * Writing the messages of a claim to stdout, and acking exactly those that stdout has taken.
 *
 * The kernel says how many bytes a pipe took before its reader went away. A message that was taken
 * whole is acked; the one that was cut, and all after it, go back.
 */
import { writeOut } from "../disk/stdio.ts";
import { isErrno, SpoolError } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import { timeOfId } from "../message/id.ts";
import type { Slice } from "../message/slice.ts";
import type { BatchFile, Span } from "../queue/batch-file.ts";
import type { Claim } from "../queue/claimer.ts";
import { PipeClosed, STDOUT } from "./context.ts";
import type { Context } from "./context.ts";
import { messageJson } from "./message-json.ts";

/** Payloads are collected up to this before they are written, in bytes. */
const WRITE_BYTES = 256 * 1024;

const NEWLINE = 0x0a;

/** Where a message ends: in what was written, and in its batch. */
interface End {
  readonly written: number;
  readonly next: number;
}

export interface EmitOptions {
  readonly separator: "\n" | "\0";
  readonly isJson: boolean;
  /** What else there is to do while stdout takes the first of what is written. */
  readonly meanwhile: () => Promise<void>;
}

export class Emitter {
  readonly #context: Context;
  readonly #separator: Buffer;
  readonly #isJson: boolean;
  readonly #meanwhile: () => Promise<void>;

  constructor(context: Context, { separator, isJson, meanwhile }: EmitOptions) {
    this.#context = context;
    this.#separator = Buffer.from(separator);
    this.#isJson = isJson;
    this.#meanwhile = meanwhile;
  }

  /** @throws PipeClosed, IO: what was taken is acked, the rest went back. LEASE_LOST. */
  async emit({ held, file }: Claim): Promise<void> {
    const slice = held.slice!;
    const out = new Out(this.#meanwhile);
    let failure: unknown;
    const ends: End[] = [];
    // Lines lie in the batch just as they are wanted on stdout.
    const isLines = file.header.framing === "lines" && this.#separator[0] === NEWLINE;
    const isCopied = isLines && !this.#isJson;
    try {
      if (isCopied) await copyLines(file, slice, out);
      else await this.#emitEach(file, slice, out, ends);
    } catch (error) {
      failure = error;
    }
    try {
      if (failure === undefined) {
        await held.ack(slice.count, slice.offset + slice.bytes);
        return;
      }
      const last = isCopied ? await countLines(file, slice, out) : lastTaken(ends, out.taken);
      if (last.count > 0) await held.ack(last.count, last.next);
      if (!(failure instanceof DamagedError)) {
        await held.giveBack();
        throw failure;
      }
      this.#context.say(`${held.path}: damaged: ${failure.message}; moved to the dead letters`);
      await held.bury({ reason: `damaged: ${failure.message}` });
    } finally {
      await file.close();
    }
  }

  async #emitEach(file: BatchFile, slice: Slice, out: Out, ends: End[]): Promise<void> {
    const end = slice.offset + slice.bytes;
    for (let at = slice.offset, index = 0; index < slice.count; index++) {
      const span = await file.spanAt(at, end);
      at = span.next;
      if (this.#isJson) {
        await out.add(await lineOfJson(file, slice, index, span));
      } else {
        for await (const block of file.read(span.offset, span.bytes)) await out.add(block);
        await out.add(this.#separator);
      }
      ends.push({ written: out.added, next: at });
    }
    await out.flush();
  }
}

async function copyLines(file: BatchFile, slice: Slice, out: Out): Promise<void> {
  for await (const block of file.read(slice.offset, slice.bytes)) await out.add(block);
  await out.flush();
}

async function lineOfJson(
  file: BatchFile,
  slice: Slice,
  index: number,
  span: Span,
): Promise<Buffer> {
  const isWhole = file.header.framing === "whole";
  const shown = await messageJson({
    id: isWhole ? slice.batch : `${slice.batch}.${slice.first + index}`,
    attempt: (index === 0 ? slice.attempts : slice.restAttempts) + 1,
    headers: span.headers,
    enqueuedAt: new Date(timeOfId(slice.batch)),
    bytes: span.bytes,
    body: () => file.buffer(span.offset, span.bytes),
  });
  return Buffer.from(`${JSON.stringify(shown)}\n`);
}

interface TakenMessages {
  readonly count: number;
  readonly next: number;
}

function lastTaken(ends: readonly End[], taken: number): TakenMessages {
  const done = ends.filter(({ written }) => written <= taken);
  return { count: done.length, next: done.at(-1)?.next ?? 0 };
}

/** How many lines were taken whole, of what was copied as it lies in the batch. */
async function countLines(file: BatchFile, slice: Slice, { taken }: Out): Promise<TakenMessages> {
  let count = 0;
  let next = slice.offset;
  let at = slice.offset;
  for await (const block of file.read(slice.offset, taken)) {
    for (let end = block.indexOf(NEWLINE); end !== -1; end = block.indexOf(NEWLINE, end + 1)) {
      count++;
      next = at + end + 1;
    }
    at += block.length;
  }
  return { count, next };
}

/** Stdout, which counts what was given to it and what it took. */
class Out {
  /** Bytes that were given. */
  added = 0;
  /** Bytes that the kernel took. */
  taken = 0;
  #pieces: Buffer[] = [];
  #waiting = 0;
  #meanwhile: (() => Promise<void>) | undefined;

  constructor(meanwhile: () => Promise<void>) {
    this.#meanwhile = meanwhile;
  }

  async add(bytes: Buffer): Promise<void> {
    this.added += bytes.length;
    this.#pieces.push(bytes);
    this.#waiting += bytes.length;
    if (this.#waiting >= WRITE_BYTES) await this.flush();
  }

  /** @throws PipeClosed, IO */
  async flush(): Promise<void> {
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#waiting = 0;
    const writing = writeOut(STDOUT, bytes);
    const meanwhile = this.#meanwhile?.();
    this.#meanwhile = undefined;
    // What was taken counts first, whatever becomes of that.
    meanwhile?.catch(() => {});
    try {
      const taken = await writing;
      this.taken += taken;
      if (taken < bytes.length) throw new PipeClosed();
      await meanwhile;
    } catch (error) {
      if (!isErrno(error, "ENOSPC", "EIO", "EBADF", "EFBIG")) throw error;
      const message = "stdout takes no more; what it did not take stays in the queue";
      throw new SpoolError("IO", message, "", { cause: error });
    }
  }
}
