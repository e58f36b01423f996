/**
 * CRC-32 (IEEE 802.3, the one of gzip and PNG) as eight lower-case hex digits.
 *
 * It guards against what disks do: torn, zeroed and flipped bytes. It does not guard against people.
 */
import { crc32 } from "node:zlib";

export class Checksum {
  #value = 0;

  update(bytes: Uint8Array): this {
    this.#value = crc32(bytes, this.#value);
    return this;
  }

  digest(): string {
    return this.#value.toString(16).padStart(8, "0");
  }
}

export function checksumOf(bytes: Uint8Array): string {
  return new Checksum().update(bytes).digest();
}
