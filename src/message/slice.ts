/**
 * A slice's name: the whole state of a range of messages, in one directory entry.
 *
 *   5-1767225600000-01kdvdna000003f9x2c7m1q8zt-0000000-n1000-o0-b65536-a0
 *   │ │             │                          │       │     │  │      └ attempts made so far
 *   │ │             │                          │       │     │  └ bytes of the slice in the body
 *   │ │             │                          │       │     └ byte offset of its first message in the body
 *   │ │             │                          │       └ how many messages
 *   │ │             │                          └ index of the first one in its batch
 *   │ │             └ the batch's id
 *   │ └ visible at: ms since the epoch
 *   └ rank: 9 minus the priority
 *
 * and then, where they apply, `-r` attempts of all messages but the first, `-x` the time at which
 * the messages expire, `-c` the CRC-32 of a raw file, which has no header (the drop box), `-y` the
 * id of the replay that delivers them again: what is replayed is a delivery of its own.
 * The fixed-width front sorts in the order of delivery. A name has one spelling only: any other,
 * however alike, is a foreign file. Pure; used everywhere.
 */
import { SpoolError } from "../errors.ts";
import { ATTEMPTS, BATCH_MESSAGES } from "../limits.ts";
import { frontOfId, ID_PATTERN, timeOfId } from "./id.ts";

export interface Slice {
  /** 9 minus the priority, so that the highest priority sorts first. */
  readonly rank: number;
  readonly visibleMs: number;
  readonly batch: string;
  readonly first: number;
  readonly count: number;
  readonly offset: number;
  readonly bytes: number;
  /** Attempts that were made with the first message. */
  readonly attempts: number;
  /** Attempts that were made with each of the others. */
  readonly restAttempts: number;
  readonly expiresMs: number | undefined;
  /** Of a raw file: the CRC-32 of its content. */
  readonly checksum: string | undefined;
  /** Of what is delivered again: the id of the replay. */
  readonly replay: string | undefined;
}

/** Fifteen digits: what a number in JavaScript holds exactly. */
const NUMBER = "(0|[1-9]\\d{0,14})";
const NAME = new RegExp(
  `^(\\d)-(\\d{13})-(${ID_PATTERN})-(\\d{7})-n([1-9]\\d{0,6})-o${NUMBER}-b${NUMBER}` +
    "-a(0|[1-9]\\d{0,3})(?:-r(0|[1-9]\\d{0,3}))?(?:-x(\\d{13}))?(?:-c([0-9a-f]{8}))?" +
    `(?:-y(${ID_PATTERN}))?$`,
);

const pad = (value: number, width: number): string => String(value).padStart(width, "0");

/** The last time that thirteen digits can say. */
export const LAST_MS = 9_999_999_999_999;

function checkTime(ms: number): void {
  if (!Number.isInteger(ms) || ms < 0 || ms > LAST_MS) {
    throw new SpoolError("BAD_VALUE", `not a time that can be kept: ${ms} ms`, "Give less.");
  }
}

/** @throws BAD_VALUE  where a time has no name: nothing may get a name that does not read back. */
export function formatSlice(slice: Slice): string {
  checkTime(slice.visibleMs);
  if (slice.expiresMs !== undefined) checkTime(slice.expiresMs);
  let name =
    `${slice.rank}-${pad(slice.visibleMs, 13)}-${slice.batch}-${pad(slice.first, 7)}` +
    `-n${slice.count}-o${slice.offset}-b${slice.bytes}-a${slice.attempts}`;
  if (slice.count > 1 && slice.restAttempts !== slice.attempts) name += `-r${slice.restAttempts}`;
  if (slice.expiresMs !== undefined) name += `-x${pad(slice.expiresMs, 13)}`;
  if (slice.checksum !== undefined) name += `-c${slice.checksum}`;
  if (slice.replay !== undefined) name += `-y${slice.replay}`;
  return name;
}

/** The slice that a name says, or undefined where it is not the name of one. */
export function parseSlice(name: string): Slice | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const attempts = Number(match[8]);
  const slice: Slice = {
    rank: Number(match[1]),
    visibleMs: Number(match[2]),
    batch: match[3]!,
    first: Number(match[4]),
    count: Number(match[5]),
    offset: Number(match[6]),
    bytes: Number(match[7]),
    attempts,
    restAttempts: match[9] === undefined ? attempts : Number(match[9]),
    expiresMs: match[10] === undefined ? undefined : Number(match[10]),
    checksum: match[11],
    replay: match[12],
  };
  if (slice.first + slice.count > BATCH_MESSAGES + 1) return undefined;
  if (match[9] !== undefined && (slice.count === 1 || slice.restAttempts === attempts)) {
    return undefined;
  }
  return slice;
}

/**
 * Stands before the name of a slice in reclaim/ that its old holder can no longer move, and behind that of a
 * directory there into which he can no longer link.
 */
export const FENCE = "~";

/** The slice that a name in leases/ or reclaim/ says. */
export function parseHeldName(name: string): Slice | undefined {
  return parseSlice(name.startsWith(FENCE) ? name.slice(FENCE.length) : name);
}

/** The part [first, first + count) of a slice, whose first message starts at `offset`. */
export function partOf(
  slice: Slice,
  first: number,
  count: number,
  offset: number,
  bytes: number,
): Slice {
  const isHead = first === slice.first;
  return {
    ...slice,
    first,
    count,
    offset,
    bytes,
    attempts: isHead ? slice.attempts : slice.restAttempts,
    // One message has no others: keep one spelling.
    restAttempts: count === 1 && isHead ? slice.attempts : slice.restAttempts,
  };
}

/** The same slice with one more attempt made at its first message. */
export function withAttempt(slice: Slice): Slice {
  const attempts = Math.min(slice.attempts + 1, ATTEMPTS);
  return { ...slice, attempts, restAttempts: slice.count === 1 ? attempts : slice.restAttempts };
}

/** True where the message with this index in its batch is one of the slice. */
export function holds(slice: Slice, index: number): boolean {
  return index >= slice.first && index < slice.first + slice.count;
}

/** True where `outer` holds all messages of `inner`, of the same delivery, and is another slice. */
export function covers(outer: Slice, inner: Slice): boolean {
  return (
    outer.batch === inner.batch &&
    outer.replay === inner.replay &&
    outer.first <= inner.first &&
    outer.first + outer.count >= inner.first + inner.count &&
    (outer.first !== inner.first || outer.count !== inner.count)
  );
}

/** True where no consumer may have it before some later time. */
export function isScheduled(slice: Slice, nowMs: number): boolean {
  // What was put without a delay is ready at once, whatever any clock says.
  return slice.visibleMs > nowMs && slice.visibleMs !== timeOfId(slice.batch);
}

/**
 * Of a slice's name, without taking it apart: true where it is scheduled, if it is a slice's name at all. False says nothing.
 */
export function scheduledByName(nowMs: number): (name: string) => boolean {
  // Of thirteen digits, as all times in names.
  const now = Math.min(LAST_MS, Math.floor(nowMs));
  const [visible, front] = [String(now).padStart(13, "0"), frontOfId(now)];
  // What was put before now and is visible after it was put with a delay.
  return (name) => name.slice(2, 15) > visible && name.slice(16, 26) <= front;
}

/** When its messages were put, in ms since the epoch. */
export const timeOfBatch = ({ batch }: Slice): number => timeOfId(batch);

export function isExpired(slice: Slice, nowMs: number): boolean {
  return slice.expiresMs !== undefined && slice.expiresMs <= nowMs;
}
