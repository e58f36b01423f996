/**
 * History: what a subscription wants of what is kept in the logs, as links of its own.
 *
 * Used by replay, and to fill a subscription that begins in the past. Every link has the id of the
 * replay in its name, because what is delivered again is a delivery of its own.
 */
import { isErrno } from "../errors.ts";
import { timeOfId } from "../message/id.ts";
import { DamagedError } from "../message/batch.ts";
import { isExpired } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { Warn } from "../queue/aside.ts";
import { ForeignError } from "../queue/open-batch.ts";
import type { Subscriber } from "./audience.ts";
import { GoneError, LinkSource } from "./link-source.ts";
import type { LogEntry } from "./log.ts";
import { readContents, select, withTtlOf } from "./selection.ts";
import { formatLink } from "./ticket.ts";
import type { TopicRoom } from "./topic-room.ts";

/** What is needed of a subscriber: it may be one that nobody sees yet. */
export type Reader = Omit<Subscriber, "stat">;

export interface HistoryOptions {
  /** Only what was published then or later, in ms since the epoch. */
  readonly sinceMs?: number;
  /** Only what was published before then, in ms since the epoch. */
  readonly untilMs?: number;
  /** Told of each that was not there any more when it was to be read. */
  readonly gone?: (entry: LogEntry) => void;
}

/** A log, or what will be in one. */
export interface HistorySource {
  entries(): AsyncIterable<LogEntry>;
}

export interface HistoryPart {
  readonly entry: LogEntry;
  readonly slice: Slice;
}

/** What the subscriber wants of these logs, oldest first. */
export async function* history(
  room: TopicRoom,
  sources: readonly HistorySource[],
  subscriber: Reader,
  replay: string,
  { sinceMs = Number.NEGATIVE_INFINITY, untilMs = Number.POSITIVE_INFINITY, gone }: HistoryOptions,
  warn: Warn,
): AsyncGenerator<HistoryPart> {
  for (const source of sources) {
    for await (const entry of source.entries()) {
      await room.breathe();
      const atMs = timeOfId(entry.slice.batch);
      const nowMs = await room.nowToLook();
      if (atMs < sinceMs || atMs >= untilMs || isExpired(entry.slice, nowMs)) continue;
      const parts = await partsOf(room, entry, subscriber, warn);
      if (parts === undefined) gone?.(entry);
      for (const part of parts ?? []) {
        const slice = withTtlOf(subscriber, { ...part, replay }, nowMs);
        yield { entry, slice };
      }
    }
  }
}

/** Undefined where it is not there any more: trimmed, or moved on, since it was listed. */
async function partsOf(
  { fs }: TopicRoom,
  { path, slice }: LogEntry,
  { settings, filter }: Reader,
  warn: Warn,
): Promise<Slice[] | undefined> {
  if (settings.filter === "") return [slice];
  try {
    return select(filter, slice, await readContents(fs, path, slice));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    if (!(error instanceof DamagedError) && !(error instanceof ForeignError)) throw error;
    warn(`${path}: damaged: ${error.message}; passed over`);
    return [];
  }
}

/** Links a part into the subscriber's incoming/; its path, or undefined where the entry is gone. */
export async function plant(
  room: TopicRoom,
  { incoming }: Reader,
  { entry, slice }: HistoryPart,
  tag: string,
): Promise<string | undefined> {
  const path = `${incoming}/${formatLink(slice, tag)}`;
  const source = new LinkSource(room, entry.path);
  try {
    if (!(await source.linkTo(path))) throw new SubscriptionGoneError();
    return path;
  } catch (error) {
    if (error instanceof GoneError) return undefined;
    throw error;
  } finally {
    await source.close();
  }
}

/** The subscription was removed meanwhile. */
export class SubscriptionGoneError extends Error {}
