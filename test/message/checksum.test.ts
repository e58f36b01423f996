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
