/**
 * Reading from slices' names what a count needs, and nothing else.
 *
 * There may be a million names, so no object is made for one: a skimmer reads one after the other, and says what
 * the last one said. It takes exactly the names that `parseSlice` takes (slice.ts has the grammar).
 */
import { BATCH_MESSAGES } from "../limits.ts";
import { FENCE } from "./slice.ts";

/** The value of a character of an id; 32 and more of any other. */
const DIGITS = new Uint8Array(128).fill(99);
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
for (let value = 0; value < ALPHABET.length; value++) DIGITS[ALPHABET.charCodeAt(value)] = value;

const NO_NUMBER = -1;
const ZERO = 48;
const DASH = 45;
const FENCE_CODE = FENCE.charCodeAt(0);
const [N, O, B, A, R, X, C, Y] = Array.from("nobarxcy", (letter) => letter.charCodeAt(0));

export class Skimmer {
  visibleMs = 0;
  /** When its batch was put. */
  timeMs = 0;
  count = 0;
  bytes = 0;
  attempts = 0;
  /** Infinity where it never expires. */
  expiresMs = Number.POSITIVE_INFINITY;
  #name = "";
  #at = 0;

  /** True where it is the name of a slice. */
  read(name: string): boolean {
    this.#name = name;
    this.#at = 0;
    return this.#readAll();
  }

  /** The same of a name in leases/ or reclaim/. */
  readHeld(name: string): boolean {
    this.#name = name;
    this.#at = name.charCodeAt(0) === FENCE_CODE ? 1 : 0;
    return this.#readAll();
  }

  #readAll(): boolean {
    if (this.#fixed(1) === NO_NUMBER || !this.#dash()) return false;
    this.visibleMs = this.#fixed(13);
    if (this.visibleMs === NO_NUMBER || !this.#dash()) return false;
    this.timeMs = this.#id();
    if (this.timeMs === NO_NUMBER || !this.#dash()) return false;
    const first = this.#fixed(7);
    if (first === NO_NUMBER) return false;
    this.count = this.#field(N, 7);
    if (this.count < 1 || first + this.count > BATCH_MESSAGES + 1) return false;
    if (this.#field(O, 15) === NO_NUMBER) return false;
    this.bytes = this.#field(B, 15);
    if (this.bytes === NO_NUMBER) return false;
    this.attempts = this.#field(A, 4);
    return this.attempts !== NO_NUMBER && this.#readRest();
  }

  /** What not every name has. */
  #readRest(): boolean {
    this.expiresMs = Number.POSITIVE_INFINITY;
    if (this.#at === this.#name.length) return true;
    if (this.#isNext(R)) {
      const rest = this.#field(R, 4);
      // One spelling: only where it says something.
      if (rest === NO_NUMBER || this.count === 1 || rest === this.attempts) return false;
    }
    if (this.#isNext(X)) {
      this.#at += 2;
      this.expiresMs = this.#fixed(13);
      if (this.expiresMs === NO_NUMBER) return false;
    }
    if (this.#isNext(C)) {
      this.#at += 2;
      if (!this.#checksum()) return false;
    }
    if (this.#isNext(Y)) {
      this.#at += 2;
      if (this.#id() === NO_NUMBER) return false;
    }
    return this.#at === this.#name.length;
  }

  #dash(): boolean {
    return this.#name.charCodeAt(this.#at++) === DASH;
  }

  #isNext(letter: number | undefined): boolean {
    const at = this.#at;
    return this.#name.charCodeAt(at) === DASH && this.#name.charCodeAt(at + 1) === letter;
  }

  /** So many digits. */
  #fixed(width: number): number {
    let value = 0;
    for (const end = this.#at + width; this.#at < end; this.#at++) {
      const digit = this.#name.charCodeAt(this.#at) - ZERO;
      // Also of what is not there, which is not a number.
      if (!(digit >= 0 && digit <= 9)) return NO_NUMBER;
      value = value * 10 + digit;
    }
    return value;
  }

  /** `-`, a letter, and a number of so many digits at the most, without a zero before it. */
  #field(letter: number | undefined, width: number): number {
    if (!this.#isNext(letter)) return NO_NUMBER;
    const start = this.#at + 2;
    let at = start;
    let value = 0;
    for (; at < start + width; at++) {
      const digit = this.#name.charCodeAt(at) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    this.#at = at;
    const isPadded = this.#name.charCodeAt(start) === ZERO && at > start + 1;
    return at === start || isPadded ? NO_NUMBER : value;
  }

  /** An id; returns its time. */
  #id(): number {
    let timeMs = 0;
    const start = this.#at;
    for (let at = start; at < start + 26; at++) {
      const value = DIGITS[this.#name.charCodeAt(at)] ?? 99;
      if (value > 31) return NO_NUMBER;
      if (at < start + 10) timeMs = timeMs * 32 + value;
    }
    this.#at = start + 26;
    return timeMs;
  }

  /** Eight hexadecimal digits. */
  #checksum(): boolean {
    const end = this.#at + 8;
    for (; this.#at < end; this.#at++) {
      const code = this.#name.charCodeAt(this.#at);
      const isHex = (code >= ZERO && code <= ZERO + 9) || (code >= 97 && code <= 102);
      if (!isHex) return false;
    }
    return true;
  }
}
