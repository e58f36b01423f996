/**
 * CRC-32 (IEEE 802.3, the one of gzip and PNG) as eight lower-case hex digits.
 *
 * It guards against what disks do: torn, zeroed and flipped bytes. It does not guard against people.
 *
 * zlib's is the fastest, but loading zlib takes longer than a put. So what is small is summed here, with
 * the usual table (RFC 1952, appendix), until something large has come.
 */
import type { crc32 } from "node:zlib";

/** Up to so many bytes the table is faster than loading zlib. */
const SMALL_BYTES = 16 * 1024;

/** The reversed polynomial. */
const POLYNOMIAL = 0xedb88320;

const TABLE = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  TABLE[byte] = value;
}

function sum(bytes: Uint8Array, before: number): number {
  let value = ~before;
  for (let at = 0; at < bytes.length; at++) {
    value = (value >>> 8) ^ TABLE[(value ^ bytes[at]!) & 0xff]!;
  }
  return ~value >>> 0;
}

export class Checksum {
  static #zlib: typeof crc32 | undefined;
  #value = 0;

  update(bytes: Uint8Array): this {
    if (bytes.length > SMALL_BYTES) Checksum.#zlib ??= process.getBuiltinModule("node:zlib").crc32;
    this.#value = (Checksum.#zlib ?? sum)(bytes, this.#value);
    return this;
  }

  digest(): string {
    return this.#value.toString(16).padStart(8, "0");
  }
}

export function checksumOf(bytes: Uint8Array): string {
  return new Checksum().update(bytes).digest();
}
