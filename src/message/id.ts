/**
 * Batch ids: 26 characters that sort by time, like a ULID (github.com/ulid/spec).
 *
 *   10 characters  milliseconds since the epoch, by the disk's clock
 *    3 characters  a count within that millisecond and process
 *   13 characters  65 random bits, drawn once a process
 *
 * in Crockford's base 32, lower case. Ids of one process always rise, also when the clock is set
 * back. A message's id is its batch's id, followed by `.` and its index where the batch holds more
 * than a single `whole` message.
 */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

export const ID_PATTERN = "[0-9a-hjkmnp-tv-z]{26}";

const ID = new RegExp(`^(${ID_PATTERN})(?:\\.(0|[1-9]\\d{0,6}))?$`);

function encode(value: number, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest = Math.floor(rest / 32)) {
    text = ALPHABET[rest % 32] + text;
  }
  return text;
}

export class IdSource {
  readonly #tail: string;
  #lastMs = 0;
  #count = 0;

  /** @param random  uniform in [0, 1), as Math.random. */
  constructor(random: () => number = Math.random) {
    this.#tail =
      encode(Math.floor(random() * 32 ** 7), 7) + encode(Math.floor(random() * 32 ** 6), 6);
  }

  /** The next id at `nowMs`, or just after the last one where the clock has not moved on. */
  next(nowMs: number): string {
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs;
      this.#count = 0;
    } else if (++this.#count >= 32 ** 3) {
      this.#lastMs++;
      this.#count = 0;
    }
    return encode(this.#lastMs, 10) + encode(this.#count, 3) + this.#tail;
  }
}

/** The time in a batch's id, in milliseconds since the epoch. */
export function timeOfId(id: string): number {
  let ms = 0;
  for (let at = 0; at < 10; at++) ms = ms * 32 + ALPHABET.indexOf(id[at] ?? "0");
  return ms;
}

/** How the id of a batch of this time begins: what is put later begins with one that is above it. */
export const frontOfId = (ms: number): string => encode(ms, 10);

export interface MessageId {
  readonly batch: string;
  readonly index: number;
}

/** A message's id, taken apart; undefined where it is none. The batch's id alone is its first. */
export function parseMessageId(text: string): MessageId | undefined {
  const [, batch, index] = ID.exec(text) ?? [];
  return batch === undefined ? undefined : { batch, index: Number(index ?? 0) };
}
