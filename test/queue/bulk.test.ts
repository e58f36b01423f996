/**
 * Goal: acting on messages by their ids acts on them alone, and costs what they and the names in the queue cost, not one
 * times the other.
 *
 * Method: the calls of the disk are counted, for few and for many neighbours of one batch. What a person sees of it is
 * tried in test/cli/one-message.test.ts.
 */
import { describe, expect, test } from "vitest";

import { DiskClock } from "../../src/clock.ts";
import { parseMessageId } from "../../src/message/id.ts";
import type { MessageId } from "../../src/message/id.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { openSpool } from "../../src/spool.ts";
import { CrashingFileSystem } from "../helpers/crashing-file-system.ts";
import { EXT4, MemoryDisk, ModelTime } from "../helpers/model-disk.ts";

describe("what a purge by ids costs", () => {
  test("is one look at the queue and one cut for neighbours, however many they are", async () => {
    const few = await callsOf((index) => index >= 100 && index < 102);
    const many = await callsOf((index) => index >= 100 && index < 400);
    expect(many).toEqual(few);
    expect(few.get("list")).toBeLessThan(10);
  });

  test("grows with the cuts, not with the cuts and all there is", async () => {
    const calls = await callsOf((index) => index % 5 === 0);
    expect(calls.get("list")).toBeLessThan(10);
    // A claim for so many of them, and for each of the hundred two cuts and its end.
    expect(calls.get("rename")).toBeLessThan(2.2 * 100);
  });
});

test("an id that is given twice is one message", async () => {
  const queue = (await openSpool({ dir: "/spool", parts: { fs: disk() } })).queue("jobs");
  await queue.putMany({}).run(lines(3));
  const [, second] = await idsOf(queue);
  expect(await queue.purge({ ids: [second!, second!] })).toBe(1);
  expect((await idsOf(queue)).map(({ index }) => index)).toEqual([0, 2]);
});

describe("what somebody has in hand", () => {
  /** The first of three, and how it is given back. */
  const inHand = async () => {
    const queue = (await openSpool({ dir: "/spool", parts: { fs: disk() } })).queue("jobs");
    await queue.putMany({}).run(lines(3));
    const [id] = await idsOf(queue);
    const consumer = queue.consumer("brief");
    const claim = await consumer.claim(1);
    const message = await consumer.open(claim!);
    const giveBack = async (): Promise<void> => {
      await message!.giveBack();
      await consumer.close();
    };
    return { queue, id: id!, giveBack };
  };

  test("and gives back in a moment is found", async () => {
    const { queue, id, giveBack } = await inHand();
    setTimeout(() => void giveBack(), 30);
    expect(await queue.purge({ ids: [id] })).toBe(1);
    expect((await idsOf(queue)).map(({ index }) => index)).toEqual([1, 2]);
  });

  test("and keeps is left alone", async () => {
    const { queue, id, giveBack } = await inHand();
    expect(await queue.giveUp([id], "bad")).toBe(0);
    await giveBack();
    expect(await idsOf(queue)).toHaveLength(3);
  });
});

test("each claim gives up one at the least, however slow the disk is", async () => {
  const fs = disk();
  let nowMs = 0;
  const clock = new DiskClock(() => nowMs);
  const queue = (await openSpool({ dir: "/spool", parts: { fs, clock } })).queue("jobs");
  await queue.create({ ...DEFAULT_SETTINGS, leaseMs: 1000 });
  await queue.putMany({}).run(lines(5));
  const ids = await idsOf(queue);
  fs.arm((call) => {
    nowMs += 600;
    if (call > 5000) throw new Error("it goes round for ever");
  });
  expect(await queue.giveUp(ids, "bad")).toBe(5);
});

test("many are given up by as many leases as they need, which nobody extends", async () => {
  const fs = disk();
  let nowMs = 0;
  const clock = new DiskClock(() => nowMs);
  const queue = (await openSpool({ dir: "/spool", parts: { fs, clock } })).queue("jobs");
  await queue.create({ ...DEFAULT_SETTINGS, leaseMs: 1000 });
  await queue.putMany({}).run(lines(100));
  const ids = await idsOf(queue);
  const begun: number[] = [];
  const lasted: number[] = [];
  fs.arm((_call, name, path) => {
    nowMs += 10;
    if (!path.includes("/leases/")) return;
    if (name === "mkdir") begun.push(nowMs);
    if (name === "rmdir") lasted.push(nowMs - begun.at(-1)!);
  });
  expect(await queue.giveUp(ids, "bad")).toBe(100);
  fs.arm(() => {});
  expect(begun.length).toBeGreaterThan(5);
  expect(Math.max(...lasted)).toBeLessThan(1000);
});

const disk = (): CrashingFileSystem =>
  new CrashingFileSystem(new MemoryDisk(new ModelTime(), EXT4));

/** Of a purge of these of 500 messages in one batch: calls by their names. */
async function callsOf(isWanted: (index: number) => boolean): Promise<Map<string, number>> {
  const fs = disk();
  const queue = (await openSpool({ dir: "/spool", parts: { fs } })).queue("jobs");
  await queue.putMany({}).run(lines(500));
  const wanted: MessageId[] = [];
  for (const id of await idsOf(queue)) if (isWanted(id.index)) wanted.push(id);
  const calls = new Map<string, number>();
  fs.arm((_call, name) => void calls.set(name, (calls.get(name) ?? 0) + 1));
  expect(await queue.purge({ ids: wanted })).toBe(wanted.length);
  fs.arm(() => {});
  const left = await idsOf(queue);
  expect(left).toHaveLength(500 - wanted.length);
  expect(left.some(({ index }) => isWanted(index))).toBe(false);
  return calls;
}

async function idsOf(queue: Queue): Promise<MessageId[]> {
  const ids: MessageId[] = [];
  for await (const { id } of queue.peek("ready")) ids.push(parseMessageId(id)!);
  return ids;
}

// oxlint-disable-next-line require-await
async function* lines(count: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < count; at++) yield Buffer.from(`${at}\n`);
}
