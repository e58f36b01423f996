/**
 * Goal: what goes into which batch depends on the messages and the limits alone, not on how the input
 * was cut; and a message that is too large is found wherever it is.
 *
 * Method: any messages, in any pieces, against a loop over the messages.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";

import { BATCH_BYTES, SHORT_BYTES } from "../../src/limits.ts";
import { bytesOf, Jobs } from "../helpers/model-jobs.ts";

interface Limits {
  readonly batchMessages: number;
  /** Of a batch's body; 0: as always. */
  readonly batchBytes: number;
  readonly maxMessageBytes: number;
}

interface Expected {
  /** Of each batch that is closed before the end or before what is too large. */
  readonly batches: readonly (readonly string[])[];
  readonly isRefused: boolean;
}

function expectedOf(messages: readonly string[], limits: Limits, frameBytes: number): Expected {
  const batches: string[][] = [];
  let open: string[] = [];
  let openBytes = 0;
  for (const message of messages) {
    if (limits.maxMessageBytes > 0 && message.length > limits.maxMessageBytes) {
      return { batches, isRefused: true };
    }
    open.push(message);
    openBytes += message.length + frameBytes;
    if (open.length >= limits.batchMessages || openBytes >= (limits.batchBytes || BATCH_BYTES)) {
      batches.push(open);
      open = [];
      openBytes = 0;
    }
  }
  if (open.length > 0) batches.push(open);
  return { batches, isRefused: false };
}

/** Of a length, told apart by their first letters. */
const messages = fc
  .array(
    fc.oneof(
      { weight: 20, arbitrary: fc.nat(120) },
      { weight: 1, arbitrary: fc.integer({ min: 2 * SHORT_BYTES - 9, max: 2 * SHORT_BYTES + 9 }) },
    ),
    { maxLength: 60 },
  )
  .map((lengths) => lengths.map((length, at) => `${at}`.padEnd(length, "+")));

const limits = fc.record({
  batchMessages: fc.integer({ min: 1, max: 20 }),
  batchBytes: fc.constantFrom(0, 0, 500, 200_000),
  maxMessageBytes: fc.constantFrom(0, 0, 100, 2 * SHORT_BYTES),
});

const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(700_000)), {
  minLength: 1,
  maxLength: 20,
});

function* cut(text: string, lengths: readonly number[]): Generator<string> {
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const length = lengths[turn % lengths.length]!;
    yield text.slice(at, at + length);
    at += length;
  }
}

test.for([
  ["newline", "\n", 1],
  ["nul", "\0", 10],
] as const)("a stream cut at each %s", async ([separator, byte, frameBytes]) => {
  const putting = fc.asyncProperty(
    messages,
    limits,
    sizes,
    fc.boolean(),
    async (all, { batchMessages, batchBytes, maxMessageBytes }, lengths, isEnded) => {
      const expected = expectedOf(all, { batchMessages, batchBytes, maxMessageBytes }, frameBytes);
      // A tenth of it is what a batch may have; all of it has to have room.
      const maxBytes = 10 * batchBytes;
      const total = all.reduce((sum, { length }) => sum + length + frameBytes, 0);
      fc.pre(maxBytes === 0 || total < maxBytes);
      const jobs = await Jobs.open({ maxBytes, maxMessageBytes });
      const text = all.join(byte) + (isEnded || all.at(-1) === "" ? byte : "");
      const many = jobs.queue.putMany({ separator, batchMessages, lingerMs: 1e9 });
      const run = many.run(bytesOf(...(all.length === 0 ? [] : cut(text, lengths))));
      if (expected.isRefused)
        await expect(run).rejects.toMatchObject({ code: "MESSAGE_TOO_LARGE" });
      else await run;
      const safe = expected.batches.flat();
      expect(many.safe).toMatchObject({ messages: safe.length, batches: expected.batches.length });
      expect(await jobs.drain()).toEqual(safe);
      expect(jobs.disk.list("/spool/queues/jobs/tmp")).toEqual([]);
    },
  );
  await fc.assert(putting, { numRuns: 200 });
});

test("a line that outgrows memory's share goes to the disk before its end, and its batch ends with it", async () => {
  const jobs = await Jobs.open();
  const long = "x".repeat(BATCH_BYTES + 5);
  const pieces = ["first\n", ...cut(`${long}\nlast\n`, [100_000])];
  const many = jobs.queue.putMany({ lingerMs: 1e9 });
  expect(await many.run(bytesOf(...pieces))).toMatchObject({ messages: 3, batches: 2 });
  expect(await jobs.drain()).toEqual(["first", long, "last"]);
});
