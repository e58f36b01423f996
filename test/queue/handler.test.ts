/**
 * Goal: whatever fails in a handler's hands, each message comes to it, and comes again where it was
 * not acked.
 *
 * Method: `work` on a real directory, with one error at a chosen call.
 */
import { describe, expect } from "vitest";

import type { OpenMode } from "../../src/disk/file-system.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import type { Message } from "../../src/queue/message.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { openSpool } from "../../src/spool.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { test } from "../helpers/fixtures.ts";
import { bytesOf, textOf } from "../helpers/model-jobs.ts";

/** Says once, when it is told to, that the disk is full. */
class FullOnce extends NodeFileSystem {
  isFull = false;

  override link(from: string, to: string): void {
    if (this.isFull) {
      this.isFull = false;
      throw Object.assign(new Error("ENOSPC: link"), { code: "ENOSPC", syscall: "link" });
    }
    super.link(from, to);
  }
}

/** Handles until so many came, and a little longer, for those that are one too many. */
async function handleAll(
  queue: Queue,
  count: number,
  handler: (message: Message, text: string, isFirst: boolean) => Promise<void>,
): Promise<string[]> {
  const came: string[] = [];
  const end = new AbortController();
  await queue.work(
    async (message) => {
      const text = await textOf(message);
      came.push(text);
      if (came.length === count) setTimeout(() => end.abort(), 500);
      await handler(message, text, came.indexOf(text) === came.length - 1);
    },
    { idleMs: 30_000, signal: end.signal },
  );
  return came;
}

/** Cannot read settings where it is told so. */
class WithoutSettings extends NodeFileSystem {
  isBroken = false;

  override open(path: string, mode: OpenMode): number {
    if (this.isBroken && path.endsWith("queue.json")) {
      throw Object.assign(new Error("EIO: open"), { code: "EIO", syscall: "open" });
    }
    return super.open(path, mode);
  }
}

test("a claim that cannot read the settings has claimed nothing", async ({ dir }) => {
  const fs = new WithoutSettings();
  const queue = (await openSpool({ dir, parts: { fs } })).queue("jobs");
  await queue.put("a");
  await queue.put("b");
  const consumer = queue.consumer("beating");
  const first = await consumer.claim(1);
  queue.room.forgetSettings();
  fs.isBroken = true;
  await expect(async () => consumer.claim(1)).rejects.toMatchObject({ code: "EIO" });
  fs.isBroken = false;
  expect(await statsOf(queue)).toMatchObject({ ready: 1, inFlight: 1 });
  await first!.file.close();
  await consumer.close();
});

describe("a handler", () => {
  test("that gets no receipt, because the disk is full: its message comes again, and the others", async ({
    dir,
  }) => {
    const fs = new FullOnce();
    const queue = (await openSpool({ dir, parts: { fs } })).queue("jobs");
    await queue.putMany().run(bytesOf("a\nb\nc\nd\ne\n"));
    const came = await handleAll(queue, 6, async (message, text, isFirst) => {
      if (text !== "b" || !isFirst) return;
      fs.isFull = true;
      await message.receipt();
    });
    expect(came.toSorted()).toEqual(["a", "b", "b", "c", "d", "e"]);
  });

  test("that nacks for a time that cannot be kept: told so, and the message comes again", async ({
    queue,
  }) => {
    await queue.putMany().run(bytesOf("a\nb\n"));
    const came = await handleAll(queue, 3, async (message, text, isFirst) => {
      if (text !== "a" || !isFirst) return;
      await expect(message.nack({ delayMs: 1e14 })).rejects.toMatchObject({ code: "BAD_VALUE" });
      expect(message.isSettled).toBe(false);
      expect(await textOf(message)).toBe("a");
      await message.nack({ delayMs: 0 });
    });
    expect(came.toSorted()).toEqual(["a", "a", "b"]);
  });
});
