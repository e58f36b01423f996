import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { DamagedError } from "../../src/message/batch.ts";
import type { Headers } from "../../src/message/batch.ts";
import { parseFilter } from "../../src/message/filter.ts";
import { covers } from "../../src/message/slice.ts";
import type { Slice } from "../../src/message/slice.ts";
import { openBatch } from "../../src/queue/open-batch.ts";
import { Draft } from "../../src/queue/draft.ts";
import { encodeRecord } from "../../src/message/batch.ts";
import { readContents, select } from "../../src/topic/selection.ts";
import { Topics } from "./fixture.ts";

interface One {
  readonly headers: Headers;
  readonly body: string;
}

/** A batch with these messages, as the group commit writes it; its path and its slice. */
async function batchOf(
  topics: Topics,
  messages: readonly One[],
): Promise<{ path: string; slice: Slice; draft: Draft }> {
  await topics.logs.room.now();
  const draft = await Draft.create(topics.logs.room);
  const records = messages.map(({ headers, body }) => encodeRecord(headers, Buffer.from(body)));
  const parts = messages.map(({ headers }, at) => ({ headers, bytes: records[at]!.length }));
  await draft.write(messages.length, "records", {}, Buffer.concat(records), () => parts);
  return { path: draft.path, slice: draft.slice(messages.length, {}, 0), draft };
}

/** What a consumer finds in a part of a batch. */
async function read({ disk }: Topics, path: string, part: Slice): Promise<One[]> {
  const file = await openBatch(disk, path, part);
  const found: One[] = [];
  const end = part.offset + part.bytes;
  let at = part.offset;
  for (let n = 0; n < part.count; n++) {
    const { headers, offset, bytes, next } = await file.spanAt(at, end);
    found.push({ headers, body: (await file.buffer(offset, bytes)).toString() });
    at = next;
  }
  expect(at).toBe(end);
  await file.close();
  return found;
}

const message = fc.record({
  headers: fc.oneof(
    fc.constant({}),
    fc.constantFrom("error", "warn", "info").map((level) => ({ level })),
    fc.record({ level: fc.constantFrom("error", "warn"), app: fc.constantFrom("web", "ü") }),
  ) as fc.Arbitrary<Headers>,
  body: fc.string({ unit: "grapheme", maxLength: 10 }),
});
const filters = fc.constantFrom("level=error", "level!=error", "app", "!level", "level", "", "x=y");

describe("the runs of a batch that a filter takes", () => {
  test("are all that it takes and no more, each as long as can be, where they are read", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { minLength: 1, maxLength: 12 }),
        filters,
        fc.boolean(),
        async (messages, text, isFromDisk) => {
          const topics = await Topics.open();
          const { path, slice, draft } = await batchOf(topics, messages);
          const filter = parseFilter(text);
          const contents = isFromDisk ? await readContents(topics.disk, path, slice) : draft;

          const runs = select(filter, slice, contents);

          const wanted = messages.filter(({ headers }) => filter(headers));
          const found = await Promise.all(runs.map((run) => read(topics, path, run)));
          expect(found.flat()).toEqual(wanted);
          for (const [at, run] of runs.entries()) {
            const next = runs[at + 1];
            // Not only disjoint: one that follows at once would be of the same run.
            if (next) expect(run.first + run.count).toBeLessThan(next.first);
            if (runs.length > 1) expect(covers(slice, run)).toBe(true);
          }
          if (wanted.length === messages.length) expect(runs).toEqual([slice]);
          await draft.discard();
          expect(topics.disk.openFiles).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("of a part of a batch count from where it begins", async () => {
    const topics = await Topics.open();
    const levels = ["error", "info", "error", "error", "info", "error"];
    const messages = levels.map((level, n) => ({ headers: { level }, body: `${n}` }));
    const { path, slice, draft } = await batchOf(topics, messages);
    const all = await readContents(topics.disk, path, slice);
    const bytes = all.parts!.map((part) => part.bytes);
    const sum = (from: number, to: number): number =>
      bytes.slice(from, to).reduce((total, one) => total + one, 0);
    const tail = { ...slice, first: 1, count: 5, offset: sum(0, 1), bytes: sum(1, 6) };

    const contents = await readContents(topics.disk, path, tail);
    const runs = select(parseFilter("level=error"), tail, contents);

    expect(contents.parts).toHaveLength(5);
    expect(runs.map(({ first, count }) => [first, count])).toEqual([
      [2, 2],
      [5, 1],
    ]);
    const found = await Promise.all(runs.map((run) => read(topics, path, run)));
    expect(found.flat().map(({ body }) => body)).toEqual(["2", "3", "5"]);
    await draft.discard();
  });

  test("keep what the name of the slice says beside: time, expiry, priority, replay", async () => {
    const topics = await Topics.open();
    const messages = ["x", "y", "x"].map((level) => ({ headers: { level }, body: level }));
    const { slice, draft } = await batchOf(topics, messages);
    const replay = draft.id;
    const rich = { ...slice, rank: 0, visibleMs: 5, expiresMs: 9, replay };
    const runs = select(parseFilter("level=x"), rich, draft);
    for (const run of runs) expect(run).toMatchObject({ rank: 0, visibleMs: 5, expiresMs: 9 });
    expect(runs.map((run) => run.replay)).toEqual([replay, replay]);
    await draft.discard();
  });
});

describe("a batch whose messages share their headers", () => {
  test.for([
    ["level=error", true],
    ["level=info", false],
  ] as const)("%s: all of it or nothing, and its body is not read", async ([text, isTaken]) => {
    const topics = await Topics.open();
    await topics.logs.room.now();
    const draft = await Draft.create(topics.logs.room);
    await draft.write(2, "lines", { level: "error" }, Buffer.from("a\nb\n"));
    const slice = draft.slice(2, {}, 0);
    // A body that cannot be read: no matter, the header line says it all.
    topics.disk.write(draft.fd, Buffer.from("!"), topics.disk.stat(draft.fd).bytes - 2);

    const contents = await readContents(topics.disk, draft.path, slice);

    expect(contents).toEqual({ headers: { level: "error" }, parts: undefined });
    expect(select(parseFilter(text), slice, contents)).toEqual(isTaken ? [slice] : []);
    await draft.discard();
  });

  test("that is no batch is refused, and nothing stays open", async () => {
    const topics = await Topics.open();
    const { path, slice, draft } = await batchOf(topics, [{ headers: {}, body: "x" }]);
    topics.disk.write(draft.fd, Buffer.from("garbage"), 0);
    await expect(readContents(topics.disk, path, slice)).rejects.toThrow(DamagedError);
    await draft.discard();
    expect(topics.disk.openFiles).toBe(0);
  });
});
