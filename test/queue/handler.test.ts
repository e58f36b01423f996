/**
 * Goal: whatever fails in a handler's hands, each message comes to it, and comes again where it was
 * not acked.
 *
 * Method: `work` on a real directory, with one error at a chosen call.
 */
import { describe, expect } from "vitest";

import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import type { Message } from "../../src/queue/message.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { openSpool } from "../../src/spool.ts";
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

/** Handles all that there is, each once more at the most; returns the payloads as they came. */
async function handleAll(
  queue: Queue,
  handler: (message: Message, text: string, isFirst: boolean) => Promise<void>,
): Promise<string[]> {
  const came: string[] = [];
  await queue.work(
    async (message) => {
      const text = await textOf(message);
      came.push(text);
      await handler(message, text, came.indexOf(text) === came.length - 1);
    },
    { idleMs: 3000 },
  );
  return came;
}

describe("a handler", () => {
  test("that gets no receipt, because the disk is full: its message comes again, and the others", async ({
    dir,
  }) => {
    const fs = new FullOnce();
    const queue = (await openSpool({ dir, parts: { fs } })).queue("jobs");
    await queue.putMany().run(bytesOf("a\nb\nc\nd\ne\n"));
    const came = await handleAll(queue, async (message, text, isFirst) => {
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
    const came = await handleAll(queue, async (message, text, isFirst) => {
      if (text !== "a" || !isFirst) return;
      await expect(message.nack({ delayMs: 1e14 })).rejects.toMatchObject({ code: "BAD_VALUE" });
      expect(message.isSettled).toBe(false);
      expect(await textOf(message)).toBe("a");
      await message.nack({ delayMs: 0 });
    });
    expect(came.toSorted()).toEqual(["a", "a", "b"]);
  });
});
