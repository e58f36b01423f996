import { crc32 } from "node:zlib";

import * as fc from "fast-check";
import { expect, test } from "vitest";

import { Checksum, checksumOf } from "../../src/message/checksum.ts";

test("is CRC-32: the check value of the standard", () => {
  expect(checksumOf(Buffer.from("123456789"))).toBe("cbf43926");
});

test("has eight digits, also of nothing", () => {
  expect(checksumOf(Buffer.alloc(0))).toBe("00000000");
  expect(checksumOf(Buffer.from("codding"))).toMatch(/^[0-9a-f]{8}$/);
});

test("is the same in pieces", () => {
  const sum = new Checksum().update(Buffer.from("1234")).update(Buffer.from("56789"));
  expect(sum.digest()).toBe("cbf43926");
});

// What is large makes zlib's be used from then on: so the small ones go first.
test.for([300, 40_000])("of pieces of up to %d bytes is zlib's", (maxLength) => {
  const piece = fc.uint8Array({ maxLength, size: "max" });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 4 }), (pieces) => {
      const sum = new Checksum();
      for (const one of pieces) sum.update(one);
      const all = Buffer.concat(pieces);
      expect(sum.digest()).toBe(crc32(all).toString(16).padStart(8, "0"));
      expect(checksumOf(all)).toBe(sum.digest());
    }),
  );
});
