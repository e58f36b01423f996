/** Looking at what is there, by state, without claiming anything. */
import { listIfThere } from "../disk/durable.ts";
import { isErrno } from "../errors.ts";
import { DamagedError } from "../message/batch.ts";
import type { Headers } from "../message/batch.ts";
import { timeOfId } from "../message/id.ts";
import { isExpired, isScheduled, parseHeldName } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { BatchFile } from "./batch-file.ts";
import { ForeignError, openBatch } from "./open-batch.ts";
import type { Buckets } from "./buckets.ts";
import { takenFrom } from "./layout.ts";
import { parseLeaseName } from "./lease.ts";
import type { LeaseName } from "./lease.ts";
import type { Room } from "./room.ts";

export type State = "ready" | "scheduled" | "inflight" | "dead";

export const STATES: readonly State[] = ["ready", "scheduled", "inflight", "dead"];

export interface Found {
  readonly name: string;
  readonly slice: Slice;
  readonly path: string;
  readonly state: State;
  /** Who holds it, where it is in flight. */
  readonly lease?: LeaseName;
}

/** The slices in a state, in the order of their names. What vanishes meanwhile is left out. */
export async function* browse(room: Room, buckets: Buckets, state: State): AsyncGenerator<Found> {
  const { layout } = room;
  if (state === "dead") {
    yield* slicesIn(room, layout.dead, state);
  } else if (state === "inflight") {
    for (const directory of [layout.leases, layout.reclaim]) {
      for (const name of (await listIfThere(room.fs, directory)).toSorted()) {
        const lease = parseLeaseName(takenFrom(name));
        if (lease !== undefined) yield* slicesIn(room, `${directory}/${name}`, state, lease);
      }
    }
  } else {
    const nowMs = await room.nowToLook();
    for (const bucket of await buckets.list()) {
      for await (const found of slicesIn(room, layout.bucket(bucket), state)) {
        if (isExpired(found.slice, nowMs)) continue;
        if (isScheduled(found.slice, nowMs) === (state === "scheduled")) yield found;
      }
    }
  }
}

async function* slicesIn(
  room: Room,
  directory: string,
  state: State,
  lease?: LeaseName,
): AsyncGenerator<Found> {
  for (const name of (await listIfThere(room.fs, directory)).toSorted()) {
    const slice = parseHeldName(name);
    if (slice === undefined) continue;
    const found = { name, slice, path: `${directory}/${name}`, state };
    yield lease === undefined ? found : { ...found, lease };
  }
}

/** One message that was looked at. */
export interface Seen {
  readonly id: string;
  readonly state: State;
  readonly found: Found;
  readonly headers: Headers;
  readonly enqueuedAt: Date;
  readonly visibleAt: Date;
  readonly attempts: number;
  readonly bytes: number;
  body(): Promise<Buffer>;
  stream(): AsyncGenerator<Buffer>;
}

/** The messages of what was found; the file is open while they are looked at. */
export async function* look(
  room: Room,
  found: Found,
  warn: (line: string) => void,
): AsyncGenerator<Seen> {
  const { slice, path, state } = found;
  let file: BatchFile;
  try {
    file = await openBatch(room.fs, path, slice);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    if (!(error instanceof DamagedError) && !(error instanceof ForeignError)) throw error;
    warn(`${path}: ${error.message}`);
    return;
  }
  try {
    const end = slice.offset + slice.bytes;
    for (let index = 0, at = slice.offset; index < slice.count; index++) {
      const span = await file.spanAt(at, end);
      at = span.next;
      const isWhole = file.header.framing === "whole";
      yield {
        id: isWhole ? slice.batch : `${slice.batch}.${slice.first + index}`,
        state,
        found,
        headers: span.headers,
        enqueuedAt: new Date(timeOfId(slice.batch)),
        visibleAt: new Date(slice.visibleMs),
        attempts: index === 0 ? slice.attempts : slice.restAttempts,
        bytes: span.bytes,
        body: () => file.buffer(span.offset, span.bytes),
        stream: () => file.read(span.offset, span.bytes),
      };
    }
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    warn(`${path}: ${error.message}`);
  } finally {
    await file.close();
  }
}
