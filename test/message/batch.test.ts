import { crc32 } from "node:zlib";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { HEADER_BYTES } from "../../src/limits.ts";
import {
  complaintAboutHeaders,
  DamagedError,
  encodeHeader,
  encodeRecord,
  encodeWhole,
  parseHeader,
  parseHeaders,
  roomForHeader,
} from "../../src/message/batch.ts";
import type { BatchHeader } from "../../src/message/batch.ts";
import { anyId } from "../helpers/model-slices.ts";

const anyHeaders = fc.dictionary(fc.string(), fc.string({ unit: "grapheme" }), {
  maxKeys: 5,
  noNullPrototype: true,
});
const anyHeader: fc.Arbitrary<BatchHeader> = fc.record({
  id: anyId,
  timeMs: fc.nat({ max: 9_999_999_999_999 }),
  count: fc.integer({ min: 1, max: 9_999_999 }),
  framing: fc.constantFrom("whole" as const, "lines" as const, "records" as const),
  length: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  headers: anyHeaders,
  checksum: fc.nat().map((crc) => crc.toString(16).padStart(8, "0")),
});

describe("a batch's header", () => {
  test("reads back, with what follows it left alone", () => {
    fc.assert(
      fc.property(anyHeader, fc.nat({ max: 1000 }), fc.uint8Array(), (header, roomBytes, body) => {
        const bytes = encodeHeader(header, roomBytes);
        const read = parseHeader(Buffer.concat([bytes, body]));
        expect(read.header).toEqual(header);
        expect(read.bodyOffset).toBe(bytes.length);
        expect(bytes.indexOf("\n")).toBe(bytes.length - 1);
      }),
    );
  });

  test("fits exactly into the room that was left for it", () => {
    fc.assert(
      fc.property(anyHeader, (header) => {
        const room = roomForHeader({ ...header, count: 1, length: 0 });
        expect(encodeHeader(header, room).length).toBe(room);
      }),
    );
  });

  test("no torn or altered header is read", () => {
    const damage = fc.record({
      isTorn: fc.boolean(),
      at: fc.nat(),
      by: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(anyHeader, damage, (header, { isTorn, at, by }) => {
        const bytes = encodeHeader(header);
        const place = at % (bytes.length - 1);
        if (!isTorn) bytes[place]! ^= by;
        const start = isTorn ? bytes.subarray(0, place) : bytes;
        expect(() => parseHeader(start)).toThrow(DamagedError);
      }),
      { numRuns: 2000 },
    );
  });

  test("of a newer format, or with an unknown codec, is refused as such", () => {
    const bytes = encodeWhole("01kdvdna000003f9x2c7m1q8zt", 1, {}, Buffer.from("x"));
    const text = bytes.toString("latin1", 0, bytes.indexOf("\n"));
    // Its own checksum guards it, so it has to be made anew.
    const made = (from: string, to: string): Buffer => {
      const front = text.slice(0, text.lastIndexOf(',"self"')).replace(from, to);
      const sum = encodeSelf(front);
      return Buffer.from(`${front},"self":"${sum}"}\n`);
    };
    expect(() => parseHeader(made('"format":1', '"format":2'))).toThrow("batch format 2");
    expect(() => parseHeader(made('"codec":"none"', '"codec":"zstd"'))).toThrow("codec zstd");
  });

  test("is refused where there is none", () => {
    for (const bytes of ["", "\n", "hello\n", "{}\n", '{"self":"00000000"}\n', " ".repeat(5000)]) {
      expect(() => parseHeader(Buffer.from(bytes))).toThrow(DamagedError);
    }
    expect(() => parseHeader(Buffer.alloc(HEADER_BYTES))).toThrow(DamagedError);
  });
});

function encodeSelf(front: string): string {
  // A header line with this front would end in this checksum.
  return crc32(Buffer.from(front)).toString(16).padStart(8, "0");
}

describe("a record", () => {
  test("says how long its headers and its payload are", () => {
    fc.assert(
      fc.property(anyHeaders, fc.uint8Array(), (headers, payload) => {
        const bytes = encodeRecord(headers, payload);
        const [front, length] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4)];
        expect(parseHeaders(bytes.subarray(8, 8 + front))).toEqual(headers);
        expect(bytes.subarray(8 + front)).toEqual(Buffer.from(payload));
        expect(length).toBe(payload.length);
      }),
    );
  });

  test.for(["", "x", "[]", "null", "1", '"x"', '{"a":1}', '{"a":null}', '{"a":{}}', '["x"]'])(
    "has no headers in %j",
    (json) => {
      expect(() => parseHeaders(Buffer.from(json))).toThrow(DamagedError);
    },
  );
});

describe("headers that a caller gives", () => {
  test.for([
    {},
    { "Content-Type": "text/plain; charset=utf-8" },
    { "x-trace_id.1": "ünïcode ✓" },
    { empty: "" },
    { tab: "a\tb" },
  ])("will do: %j", (headers) => {
    expect(complaintAboutHeaders(headers)).toBeUndefined();
  });

  test.for([
    [{ "": "x" }, "header name"],
    [{ "a b": "x" }, "header name"],
    [{ "a:b": "x" }, "header name"],
    [{ ümlaut: "x" }, "header name"],
    [{ ["x".repeat(129)]: "x" }, "header name"],
    [{ a: "one\ntwo" }, "one line"],
    [{ a: "one\rtwo" }, "one line"],
    [{ a: "nul\0" }, "one line"],
    [{ a: 1 as unknown as string }, "one line"],
    [{ a: "x".repeat(33_000) }, "at most"],
    [{ a: "é".repeat(17_000) }, "at most"],
  ] as const)("are refused: %j", ([headers, why]) => {
    expect(complaintAboutHeaders(headers)).toContain(why);
  });
});
