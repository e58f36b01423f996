/**
 * What comes behind the message in hand, in the same claim: enough of it to get ready.
 *
 * It is read and not held: only its turn makes a Message of it, and only then it is in hand. So a
 * consumer that dies while it gets ready has tried it no more than all the others behind it.
 */
import { DamagedError } from "../message/batch.ts";
import { timeOfBatch } from "../message/slice.ts";
import type { Slice } from "../message/slice.ts";
import type { BatchFile } from "./batch-file.ts";
import type { Message } from "./message.ts";

export type Upcoming = Pick<
  Message,
  "id" | "headers" | "attempt" | "enqueuedAt" | "bytes" | "stream"
>;

/** The first message of `slice`; undefined where it is damaged, which its turn will tell. */
export async function upcomingOf(file: BatchFile, slice: Slice): Promise<Upcoming | undefined> {
  try {
    const { headers, offset, bytes } = await file.spanAt(slice.offset, slice.offset + slice.bytes);
    return {
      id: idOf(file, slice.batch, slice.first),
      headers,
      attempt: slice.attempts + 1,
      enqueuedAt: new Date(timeOfBatch(slice)),
      bytes,
      stream: () => file.read(offset, bytes),
    };
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    return undefined;
  }
}

/** The id of a message: that of its batch, and its index in there where it can have neighbours. */
export function idOf({ header }: BatchFile, batch: string, index: number): string {
  return header.framing === "whole" ? batch : `${batch}.${index}`;
}
