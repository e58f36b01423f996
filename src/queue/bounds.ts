/** How much may go into one batch of a stream. */
import { BATCH_BYTES, STREAM_MESSAGES } from "../limits.ts";
import type { Limits } from "./intake.ts";

export interface Bounds {
  /** Messages at which it is closed. */
  readonly messages: number;
  /** Bytes at which it is closed. */
  readonly bytes: number;
  /** Of one message; 0: no limit. */
  readonly messageBytes: number;
}

/** @param asked  messages in one batch, as whoever puts wants it. */
export function boundsOf({ maxMessageBytes, maxDepth, maxBytes }: Limits, asked?: number): Bounds {
  // Where there is a limit a batch is a tenth of it at the most, so that it can be kept to.
  const most = maxDepth > 0 ? Math.ceil(maxDepth / 10) : Number.POSITIVE_INFINITY;
  return {
    messages: Math.min(asked ?? STREAM_MESSAGES, most),
    bytes: maxBytes > 0 ? Math.min(BATCH_BYTES, maxBytes / 10) : BATCH_BYTES,
    messageBytes: maxMessageBytes,
  };
}
