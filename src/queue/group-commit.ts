/**
 * Group commit: puts that are in flight at the same time share one file and one fsync.
 *
 * A put that is alone is written at once. What arrives while another one waits for the disk is
 * written together, as one `records` batch: the more that is in flight, the less each of them costs.
 * Each put costs a few hundred nanoseconds here, so nothing is done for each that can be done for
 * all: no promise but the caller's, no buffer of its own, limits asked once a batch.
 */
import { fromErrno } from "../errors.ts";
import { BATCH_BYTES, BATCH_MESSAGES_DEFAULT } from "../limits.ts";
import { encodeRecords } from "../message/batch.ts";
import type { RecordBytes } from "../message/batch.ts";
import { Draft, guarded } from "./draft.ts";
import type { Part, PutOptions } from "./draft.ts";
import type { Intake, Limits } from "./intake.ts";
import { tooLarge } from "./intake.ts";
import type { PutResult } from "./put.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

interface Waiting extends RecordBytes {
  readonly resolve: (result: PutResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Puts that may share a batch: the same in all that a slice's name says. */
interface Group {
  readonly options: PutOptions;
  waiting: Waiting[];
}

/** Puts one that turned out to be alone. */
type PutAlone = (body: Uint8Array, options: PutOptions) => Promise<PutResult>;

export class GroupCommit {
  readonly #intake: Intake;
  readonly #putAlone: PutAlone;
  readonly #groups = new Map<string, Group>();
  #isFlushing = false;

  constructor(intake: Intake, putAlone: PutAlone) {
    this.#intake = intake;
    this.#putAlone = putAlone;
  }

  /** @param options  checked, and without a key. */
  put(payload: Uint8Array, options: PutOptions): Promise<PutResult> {
    const key = groupOf(options);
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, (group = { options, waiting: [] }));
    const { waiting } = group;
    const { headers } = options;
    const promise = new Promise<PutResult>((resolve, reject) => {
      waiting.push({ payload, headers, resolve, reject });
    });
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
      const limits = await this.#intake.limits().catch(() => DEFAULT_SETTINGS);
      const batch = takeBatch(group, limits);
      // What is left goes behind the other groups: none waits for ever for one that never ends.
      this.#groups.delete(key);
      if (group.waiting.length > 0) this.#groups.set(key, group);
      try {
        await this.#putBatch(batch, group.options);
      } catch (thrown) {
        const error = fromErrno(thrown);
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isFlushing = false;
  }

  /** Without those that are too large, whose callers are told: the others are not to suffer. */
  async #putBatch(all: readonly Waiting[], options: PutOptions): Promise<void> {
    const { maxMessageBytes, ttlMs } = await this.#intake.limits();
    const batch = maxMessageBytes > 0 ? this.#fitting(all, maxMessageBytes) : all;
    const [only] = batch;
    if (only === undefined) return;
    if (batch.length === 1) {
      const { payload, headers = {}, resolve } = only;
      resolve(await this.#putAlone(payload, { ...options, headers }));
      return;
    }
    const { bytes, lengths } = encodeRecords(batch);
    await this.#intake.admit(batch.length, bytes.length, options.waitMs);
    const draft = await Draft.create(this.#intake.site);
    const slice = await guarded(draft, async () => {
      const parts = (): Part[] =>
        batch.map(({ headers = {} }, at) => ({ headers, bytes: lengths[at]! }));
      await draft.write(batch.length, "records", {}, bytes, parts);
      return draft.slice(batch.length, options, ttlMs);
    });
    await this.#intake.commit(draft, slice, options.sync ?? "disk");
    for (let at = 0; at < batch.length; at++) {
      batch[at]!.resolve({ id: `${draft.id}.${at}`, duplicate: false });
    }
  }

  #fitting(batch: readonly Waiting[], maxMessageBytes: number): readonly Waiting[] {
    return batch.filter(({ payload, reject }) => {
      const isFitting = payload.length <= maxMessageBytes;
      if (!isFitting) reject(tooLarge(this.#intake, "the message", maxMessageBytes));
      return isFitting;
    });
  }
}

function groupOf(options: PutOptions): string {
  const { priority, delayMs, atMs, ttlMs, sync, waitMs } = options;
  const isPlain = (priority ?? delayMs ?? atMs ?? ttlMs ?? sync ?? waitMs) === undefined;
  return isPlain ? "" : JSON.stringify([priority, delayMs, atMs, ttlMs, sync, waitMs]);
}

/** Takes from the front what fits into one batch. */
function takeBatch(group: Group, { maxDepth, maxBytes }: Limits): Waiting[] {
  // Where there is a limit a batch is a tenth of it at the most, so that it can be kept to.
  const ofDepth = maxDepth > 0 ? Math.ceil(maxDepth / 10) : BATCH_MESSAGES_DEFAULT;
  const most = Math.min(ofDepth, BATCH_MESSAGES_DEFAULT);
  const mostBytes = maxBytes > 0 ? Math.min(BATCH_BYTES, maxBytes / 10) : BATCH_BYTES;
  const { waiting } = group;
  let bytes = 0;
  let count = 0;
  while (count < waiting.length && count < most) {
    bytes += waiting[count]!.payload.length;
    if (count > 0 && bytes > mostBytes) break;
    count++;
  }
  if (count < waiting.length) return waiting.splice(0, count);
  group.waiting = [];
  return waiting;
}
