/**
 * Put: bytes become messages.
 *
 * A put that is alone writes a `whole` batch; those in flight together share one (group-commit.ts).
 * A body that is streamed, or too large to wait for others, goes alone; so does one with a dedup key.
 */
import { fromErrno, SpoolError } from "../errors.ts";
import { BATCH_BYTES } from "../limits.ts";
import { complaintAboutHeaders } from "../message/batch.ts";
import { commitOnce, dedupPrefix } from "./dedup.ts";
import { Draft, guarded } from "./draft.ts";
import type { PutOptions } from "./draft.ts";
import { GroupCommit } from "./group-commit.ts";
import { tooLarge } from "./intake.ts";
import type { Intake } from "./intake.ts";

export type Body = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface PutResult {
  readonly id: string;
  /** True where the dedup key had been seen: `id` is that of the earlier message. */
  readonly duplicate: boolean;
}

/** A put without options: there is nothing to be checked. */
const PLAIN: PutOptions = {};

export class Putter {
  readonly #intake: Intake;
  readonly #group: GroupCommit;

  constructor(intake: Intake) {
    this.#intake = intake;
    this.#group = new GroupCommit(intake, (body, options) => this.#putAlone(body, options));
  }

  /** Resolves when the message is safe. @throws MESSAGE_TOO_LARGE, QUEUE_FULL, DISK_FULL, … */
  put(body: Body, options: PutOptions = PLAIN): Promise<PutResult> {
    try {
      if (options !== PLAIN) checkOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const isWhole = bytes instanceof Uint8Array;
    const isAlone = (this.#intake.goesAlone ?? false) || options.dedupKey !== undefined;
    if (isWhole && !isAlone && bytes.length <= BATCH_BYTES / 4) {
      return this.#group.put(bytes, options);
    }
    return this.#putAs(bytes, options);
  }

  async #putAs(body: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions) {
    try {
      if (body instanceof Uint8Array) return await this.#putAlone(body, options);
      return await this.#putStream(body, options);
    } catch (error) {
      throw fromErrno(error);
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

/** @throws BAD_HEADER, BAD_VALUE */
export function checkOptions(options: PutOptions): void {
  const { headers } = options;
  const complaint = headers && complaintAboutHeaders(headers);
  if (complaint !== undefined) throw new SpoolError("BAD_HEADER", complaint);
  const { priority = 4, delayMs = 0, ttlMs = 0 } = options;
  if (!Number.isInteger(priority) || priority < 0 || priority > 9) {
    throw new SpoolError("BAD_VALUE", `not a priority: ${priority}`, "Give 0 to 9; 9 goes first.");
  }
  for (const ms of [delayMs, ttlMs, options.atMs ?? 0]) {
    if (!Number.isFinite(ms) || ms < 0) throw new SpoolError("BAD_VALUE", `not a time: ${ms}`);
  }
}
