/**
 * Put: bytes become messages.
 *
 * A put that is alone writes a `whole` batch. Puts that arrive while another one waits for the disk
 * are written together, as one `records` batch with one fsync for all of them (group commit): the
 * more that is in flight, the less each of them costs. A body that is streamed, or too large to wait
 * for others, goes alone; so does one with a dedup key.
 */
import { SpoolError } from "../errors.ts";
import { BATCH_BYTES, BATCH_MESSAGES_DEFAULT } from "../limits.ts";
import { complaintAboutHeaders, encodeRecord } from "../message/batch.ts";
import type { Headers } from "../message/batch.ts";
import { commitOnce, dedupPrefix } from "./dedup.ts";
import { Draft } from "./draft.ts";
import type { PutOptions } from "./draft.ts";
import type { Intake } from "./intake.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

export type Body = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface PutResult {
  readonly id: string;
  /** True where the dedup key had been seen: `id` is that of the earlier message. */
  readonly duplicate: boolean;
}

interface Waiting {
  readonly body: Uint8Array;
  readonly headers: Headers;
  readonly resolve: (result: PutResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Puts that may share a batch: the same in all that a slice's name says. */
interface Group {
  readonly options: PutOptions;
  readonly waiting: Waiting[];
}

export class Putter {
  readonly #intake: Intake;
  readonly #groups = new Map<string, Group>();
  #isFlushing = false;

  constructor(intake: Intake) {
    this.#intake = intake;
  }

  /** Resolves when the message is safe. @throws MESSAGE_TOO_LARGE, QUEUE_FULL, DISK_FULL, … */
  async put(body: Body, options: PutOptions = {}): Promise<PutResult> {
    checkOptions(options);
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    if (!(bytes instanceof Uint8Array)) return this.#putStream(bytes, options);
    const isAlone = this.#intake.goesAlone ?? false;
    if (isAlone || bytes.length > BATCH_BYTES / 4 || options.dedupKey !== undefined) {
      return this.#putAlone(bytes, options);
    }
    return this.#putTogether(bytes, options);
  }

  #putTogether(body: Uint8Array, options: PutOptions): Promise<PutResult> {
    const { priority, delayMs, atMs, ttlMs, sync, waitMs } = options;
    const key = JSON.stringify([priority, delayMs, atMs, ttlMs, sync, waitMs]);
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, (group = { options, waiting: [] }));
    const { waiting } = group;
    const { promise, resolve, reject } = Promise.withResolvers<PutResult>();
    waiting.push({ body, headers: options.headers ?? {}, resolve, reject });
    if (!this.#isFlushing) void this.#flush();
    return promise;
  }

  /** Writes what waits, group by group, until nothing waits. Never rejects: each put is told. */
  async #flush(): Promise<void> {
    this.#isFlushing = true;
    // Whoever puts in the same turn of the event loop comes along.
    await Promise.resolve();
    for (;;) {
      const [entry] = this.#groups;
      if (entry === undefined) break;
      const [key, group] = entry;
      const { maxDepth, maxBytes } = await this.#intake.limits().catch(() => DEFAULT_SETTINGS);
      // Where there is a limit a batch is a tenth of it at the most, so that it can be kept to.
      const most = maxDepth > 0 ? Math.ceil(maxDepth / 10) : BATCH_MESSAGES_DEFAULT;
      const mostBytes = maxBytes > 0 ? Math.min(BATCH_BYTES, maxBytes / 10) : BATCH_BYTES;
      const batch = takeBatch(group.waiting, Math.min(most, BATCH_MESSAGES_DEFAULT), mostBytes);
      if (group.waiting.length === 0) this.#groups.delete(key);
      try {
        await this.#putBatch(await this.#fitting(batch), group.options);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isFlushing = false;
  }

  /** Without those that are too large, whose callers are told: the others are not to suffer. */
  async #fitting(batch: readonly Waiting[]): Promise<Waiting[]> {
    const fitting: Waiting[] = [];
    for (const one of batch) {
      try {
        await this.#checkSize(one.body.length);
        fitting.push(one);
      } catch (error) {
        one.reject(error);
      }
    }
    return fitting;
  }

  async #putBatch(batch: readonly Waiting[], options: PutOptions): Promise<void> {
    const [only] = batch;
    if (only === undefined) return;
    if (batch.length === 1) {
      const { body, headers, resolve } = only;
      resolve(await this.#putAlone(body, { ...options, headers }));
      return;
    }
    const records = batch.map(({ headers, body }) => encodeRecord(headers, body));
    const body = Buffer.concat(records);
    await this.#intake.admit(batch.length, body.length, options.waitMs);
    const { ttlMs } = await this.#intake.limits();
    const parts = batch.map(({ headers }, index) => ({ headers, bytes: records[index]!.length }));
    const draft = await Draft.create(this.#intake.site);
    const slice = await guarded(draft, async () => {
      await draft.write(batch.length, "records", {}, body, parts);
      return draft.slice(batch.length, options, ttlMs);
    });
    await this.#intake.commit(draft, slice, options.sync ?? "disk");
    for (const [index, { resolve }] of batch.entries()) {
      resolve({ id: `${draft.id}.${index}`, duplicate: false });
    }
  }

  async #putAlone(body: Uint8Array, options: PutOptions): Promise<PutResult> {
    await this.#checkSize(body.length);
    await this.#intake.admit(1, body.length, options.waitMs);
    const draft = await Draft.create(this.#intake.site, dedupPrefix(options));
    await guarded(draft, () => draft.write(1, "whole", options.headers ?? {}, body));
    return this.#commit(draft, options);
  }

  async #putStream(body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<PutResult> {
    await this.#intake.admit(1, 0, options.waitMs);
    const headers = options.headers ?? {};
    const draft = await Draft.create(this.#intake.site, dedupPrefix(options));
    await guarded(draft, async () => {
      // Also for an empty body: the first append leaves the room for the header.
      await draft.append(new Uint8Array(0), "whole", headers);
      for await (const chunk of body) {
        await this.#checkSize(draft.bodyBytes + chunk.length);
        await draft.append(chunk, "whole", headers);
      }
      // Only now is it known how large it is.
      await this.#intake.admit(1, draft.bodyBytes, options.waitMs);
      await draft.finish(1, "whole", headers);
    });
    return this.#commit(draft, options);
  }

  async #commit(draft: Draft, options: PutOptions): Promise<PutResult> {
    const { ttlMs, dedupWindowMs } = await this.#intake.limits();
    const sync = options.sync ?? "disk";
    const slice = await guarded(draft, () => draft.slice(1, options, ttlMs));
    if (options.dedupKey !== undefined) {
      const request = { key: options.dedupKey, windowMs: dedupWindowMs, sync };
      const earlier = await commitOnce(this.#intake, draft, slice, request);
      if (earlier !== undefined) return { id: earlier, duplicate: true };
    } else {
      await this.#intake.commit(draft, slice, sync);
    }
    return { id: draft.id, duplicate: false };
  }

  async #checkSize(bytes: number): Promise<void> {
    const { maxMessageBytes } = await this.#intake.limits();
    if (maxMessageBytes > 0 && bytes > maxMessageBytes) {
      throw tooLarge(this.#intake, "the message", maxMessageBytes);
    }
  }
}

export function tooLarge({ noun, site }: Intake, what: string, limit: number): SpoolError {
  const { name } = site;
  const isTopic = noun === "topic";
  const whose = isTopic ? `topic ${name} or of one of its subscriptions` : `queue ${name}`;
  const or = isTopic ? `, or spool queue set ${name}/NAME max-message=SIZE` : "";
  return new SpoolError(
    "MESSAGE_TOO_LARGE",
    `${what} is larger than ${limit} bytes, the limit of ${whose}`,
    `Raise it: spool ${noun} set ${name} max-message=SIZE${or}`,
  );
}

/** Takes from the front what fits into one batch. */
function takeBatch(waiting: Waiting[], most: number, mostBytes: number): Waiting[] {
  let bytes = 0;
  let count = 0;
  while (count < waiting.length && count < most) {
    bytes += waiting[count]!.body.length;
    if (count > 0 && bytes > mostBytes) break;
    count++;
  }
  return waiting.splice(0, count);
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

/** @throws BAD_HEADER, BAD_VALUE */
export function checkOptions(options: PutOptions): void {
  const complaint = complaintAboutHeaders(options.headers ?? {});
  if (complaint !== undefined) throw new SpoolError("BAD_HEADER", complaint);
  const { priority = 4, delayMs = 0, ttlMs = 0 } = options;
  if (!Number.isInteger(priority) || priority < 0 || priority > 9) {
    throw new SpoolError("BAD_VALUE", `not a priority: ${priority}`, "Give 0 to 9; 9 goes first.");
  }
  for (const ms of [delayMs, ttlMs, options.atMs ?? 0]) {
    if (!Number.isFinite(ms) || ms < 0) throw new SpoolError("BAD_VALUE", `not a time: ${ms}`);
  }
}
