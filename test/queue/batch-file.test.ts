/**
 * Goal: whatever a disk does to a batch, nobody is handed a payload that was not sent. Method: batches
 * of every framing, in real files, torn anywhere and altered anywhere.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";

import * as fc from "fast-check";
import { describe, expect } from "vitest";

import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { IN_MEMORY_BYTES } from "../../src/limits.ts";
import { DamagedError, encodeHeader, encodeRecord, encodeWhole } from "../../src/message/batch.ts";
import type { Framing, Headers } from "../../src/message/batch.ts";
import { checksumOf } from "../../src/message/checksum.ts";
import type { Slice } from "../../src/message/slice.ts";
import { ForeignError, openBatch } from "../../src/queue/open-batch.ts";
import { test } from "../helpers/fixtures.ts";

const fs = new NodeFileSystem({ blocking: true });
const ID = "01kdvdna000003f9x2c7m1q8zt";
const TIME_MS = 1_767_225_600_000;

interface Sent {
  readonly headers: Headers;
  readonly payload: Buffer;
}

interface Batch {
  readonly bytes: Buffer;
  readonly slice: Slice;
  readonly sent: readonly Sent[];
}

function batchOf(framing: Framing, headers: Headers, sent: readonly Sent[], raw = false): Batch {
  const body = Buffer.concat(
    sent.map((message) => {
      if (framing === "records") return encodeRecord(message.headers, message.payload);
      return framing === "lines"
        ? Buffer.concat([message.payload, Buffer.from("\n")])
        : message.payload;
    }),
  );
  const checksum = checksumOf(body);
  const header = {
    id: ID,
    timeMs: TIME_MS,
    count: sent.length,
    framing,
    length: body.length,
    headers,
    checksum,
  };
  return {
    bytes: raw ? body : Buffer.concat([encodeHeader(header), body]),
    slice: {
      rank: 5,
      visibleMs: TIME_MS,
      batch: ID,
      first: 0,
      count: sent.length,
      offset: 0,
      bytes: body.length,
      attempts: 0,
      restAttempts: 0,
      expiresMs: undefined,
      checksum: raw ? checksum : undefined,
      replay: undefined,
    },
    sent: sent.map((message) => ({ ...message, headers: { ...headers, ...message.headers } })),
  };
}

const payload = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const line = payload.map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0x0a)));
const headers = fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), fc.string(), {
  maxKeys: 2,
  noNullPrototype: true,
});
const listOf = (one: fc.Arbitrary<Sent>): fc.Arbitrary<Sent[]> =>
  fc.array(one, { minLength: 1, maxLength: 8 });

const anyBatch: fc.Arbitrary<Batch> = fc.oneof(
  fc
    .tuple(headers, payload)
    .map(([own, bytes]) => batchOf("whole", own, [{ headers: {}, payload: bytes }])),
  fc
    .tuple(headers, listOf(line.map((bytes) => ({ headers: {}, payload: bytes }))))
    .map(([own, sent]) => batchOf("lines", own, sent)),
  fc
    .tuple(headers, listOf(fc.record({ headers, payload })))
    .map(([own, sent]) => batchOf("records", own, sent)),
);

/** What a consumer of this slice would be given. */
async function readAll(path: string, slice: Slice): Promise<Sent[]> {
  const file = await openBatch(fs, path, slice);
  const end = slice.offset + slice.bytes;
  const given: Sent[] = [];
  try {
    for (let at = slice.offset, n = 0; n < slice.count; n++) {
      const span = await file.spanAt(at, end);
      at = span.next;
      given.push({ headers: span.headers, payload: await file.buffer(span.offset, span.bytes) });
    }
  } finally {
    await file.close();
  }
  return given;
}

describe("a batch file", () => {
  test("gives back what was put, message by message", async ({ dir }) => {
    await fc.assert(
      fc.asyncProperty(anyBatch, async ({ bytes, slice, sent }) => {
        writeFileSync(`${dir}/batch`, bytes);
        expect(await readAll(`${dir}/batch`, slice)).toEqual(sent);
      }),
    );
  });

  test("gives any part of it: what skip finds is where a slice starts", async ({ dir }) => {
    await fc.assert(
      fc.asyncProperty(anyBatch, fc.nat(), fc.nat(), async ({ bytes, slice, sent }, from, to) => {
        writeFileSync(`${dir}/batch`, bytes);
        const first = from % sent.length;
        const count = 1 + (to % (sent.length - first));
        const file = await openBatch(fs, `${dir}/batch`, slice);
        const offset = await file.skip(0, slice.bytes, first);
        const end = await file.skip(offset, slice.bytes, count);
        await file.close();
        const part = { ...slice, first, count, offset, bytes: end - offset };
        expect(await readAll(`${dir}/batch`, part)).toEqual(sent.slice(first, first + count));
      }),
    );
  });

  // What a disk does to a file: it loses the end, changes one byte, or zeroes a part.
  const damage = fc.record({
    kind: fc.constantFrom("torn", "altered", "zeroed", "longer"),
    at: fc.nat(),
    by: fc.integer({ min: 1, max: 255 }),
  });

  test("that is torn or altered anywhere is never read", async ({ dir }) => {
    await fc.assert(
      fc.asyncProperty(anyBatch, damage, async ({ bytes, slice }, { kind, at, by }) => {
        const place = at % bytes.length;
        let damaged = Buffer.from(bytes);
        if (kind === "torn") damaged = damaged.subarray(0, place);
        else if (kind === "longer") damaged = Buffer.concat([damaged, Buffer.alloc(by)]);
        else if (kind === "zeroed") damaged.fill(0, place);
        else damaged[place]! ^= by;
        fc.pre(!damaged.equals(bytes));
        writeFileSync(`${dir}/batch`, damaged);
        await expect(openBatch(fs, `${dir}/batch`, slice)).rejects.toThrow(DamagedError);
      }),
      { numRuns: 1500 },
    );
  });

  test("from the drop box is guarded by its name alone", async ({ dir }) => {
    const sent = [{ headers: {}, payload: Buffer.from("hello") }];
    const { bytes, slice } = batchOf("whole", {}, sent, true);
    writeFileSync(`${dir}/raw`, bytes);
    expect(await readAll(`${dir}/raw`, slice)).toEqual(sent);
    for (const other of ["hellO", "hell", "", "hello!"]) {
      writeFileSync(`${dir}/raw`, other);
      await expect(openBatch(fs, `${dir}/raw`, slice)).rejects.toThrow(DamagedError);
    }
  });

  test("of another id, or with fewer messages or bytes than the name says, is damaged", async ({
    dir,
  }) => {
    const { bytes, slice } = batchOf("lines", {}, [{ headers: {}, payload: Buffer.from("x") }]);
    writeFileSync(`${dir}/batch`, bytes);
    for (const wrong of [
      { batch: "01kdvdna000003f9x2c7m1q8zs" },
      { count: 2 },
      { first: 1 },
      { bytes: 3 },
      { offset: 1 },
    ]) {
      const open = openBatch(fs, `${dir}/batch`, { ...slice, ...wrong });
      await expect(open).rejects.toThrow(DamagedError);
    }
  });

  test("is read in blocks where it is large, and its checksum is seen first", async ({ dir }) => {
    const big = Buffer.alloc(IN_MEMORY_BYTES + 70_000, "0123456789abcdef\n");
    const bytes = encodeWhole(ID, TIME_MS, {}, big);
    const { slice } = batchOf("whole", {}, [{ headers: {}, payload: big }]);
    writeFileSync(`${dir}/batch`, bytes);
    const [given] = await readAll(`${dir}/batch`, slice);
    expect(given!.payload.equals(big)).toBe(true);
    bytes[bytes.length - 3]! ^= 1;
    writeFileSync(`${dir}/batch`, bytes);
    await expect(openBatch(fs, `${dir}/batch`, slice)).rejects.toThrow("checksum of the body");
  });

  test("finds its lines also where it is large", async ({ dir }) => {
    const long = Buffer.alloc(600_000, "y");
    const sent = Array.from({ length: 15 }, (_, n) => ({
      headers: {},
      payload: n % 2 ? long : Buffer.from(`line ${n}`),
    }));
    sent.push(...Array.from({ length: 15 }, () => ({ headers: {}, payload: long })));
    const batch = batchOf("lines", {}, sent);
    expect(batch.bytes.length).toBeGreaterThan(IN_MEMORY_BYTES);
    writeFileSync(`${dir}/batch`, batch.bytes);
    expect(await readAll(`${dir}/batch`, batch.slice)).toEqual(sent);
  });

  test("is never followed or read where it is no file", async ({ dir }) => {
    const { bytes, slice } = batchOf("whole", {}, [{ headers: {}, payload: Buffer.from("x") }]);
    writeFileSync(`${dir}/batch`, bytes);
    symlinkSync(`${dir}/batch`, `${dir}/symlink`);
    mkdirSync(`${dir}/directory`);
    execFileSync("mkfifo", [`${dir}/fifo`]);
    for (const name of ["symlink", "directory", "fifo"]) {
      const open = async () => openBatch(fs, `${dir}/${name}`, slice);
      await expect(open()).rejects.toThrow(ForeignError);
    }
    const open = async () => openBatch(fs, `${dir}/none`, slice);
    await expect(open()).rejects.toMatchObject({ code: "ENOENT" });
  });
});
