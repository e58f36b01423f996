/**
 * Goal: what is told of the message behind the one in hand is what that message is when its turn comes; and it
 * is not in hand before.
 *
 * Method: batches of each framing are worked off, looking ahead at each message.
 */
import { describe, expect } from "vitest";

import type { Message } from "../../src/queue/message.ts";
import type { Queue } from "../../src/queue/queue.ts";
import type { Upcoming } from "../../src/queue/upcoming.ts";
import { test } from "../helpers/fixtures.ts";
import { bytesOf, textOf } from "../helpers/model-jobs.ts";

type Seen = Pick<Upcoming, "id" | "attempt" | "headers" | "bytes"> & {
  readonly atMs: number;
  readonly text: string;
};

async function look(message: Upcoming): Promise<Seen> {
  const { id, attempt, headers, bytes, enqueuedAt } = message;
  const blocks: Buffer[] = [];
  for await (const block of message.stream()) blocks.push(block);
  const text = Buffer.concat(blocks).toString();
  return { id, attempt, headers, bytes, atMs: enqueuedAt.getTime(), text };
}

async function lookBehind(message: Message): Promise<Seen | undefined> {
  let seen: Seen | undefined;
  await message.behind(async (next) => {
    seen = await look(next);
  });
  return seen;
}

/** Works all off; returns, for each message, what was told of it before. */
async function workOff(
  queue: Queue,
  settle: (message: Message) => Promise<unknown> = (message) => message.ack(),
): Promise<{ came: string[]; told: number }> {
  const came: string[] = [];
  let ahead: Seen | undefined;
  let told = 0;
  await queue.work(
    async (message) => {
      const seen = await look(message);
      if (ahead !== undefined) {
        expect(seen).toEqual(ahead);
        told++;
      }
      came.push(seen.text);
      ahead = await lookBehind(message);
      await settle(message);
    },
    { untilEmpty: true },
  );
  return { came, told };
}

const TEXTS = Array.from({ length: 50 }, (_, index) => `text ${index}`);

describe("what is behind a message", () => {
  test("is the next line of a batch, and nothing behind the last", async ({ queue }) => {
    await queue.putMany().run(bytesOf(`${TEXTS.join("\n")}\n`));
    const { came, told } = await workOff(queue);
    expect(came).toEqual(TEXTS);
    // Not at the first of each claim: 1, 2, 4, and so on.
    expect(told).toBeGreaterThan(TEXTS.length / 2);
  });

  test("is the next record, with its own headers", async ({ queue }) => {
    await Promise.all(TEXTS.map((text, index) => queue.put(text, { headers: { n: `${index}` } })));
    const { came, told } = await workOff(queue);
    expect(came.toSorted()).toEqual(TEXTS.toSorted());
    expect(told).toBeGreaterThan(0);
  });

  test("is the same after a nack or a reject of the one in hand", async ({ queue }) => {
    await queue.putMany().run(bytesOf(`${TEXTS.join("\n")}\n`));
    const { came, told } = await workOff(queue, async (message) => {
      const number = Number((await textOf(message)).split(" ")[1]);
      if (number % 3 === 1) await message.nack({ delayMs: 3600_000 });
      else if (number % 3 === 2) await message.reject();
      else await message.ack();
    });
    expect(came).toEqual(TEXTS);
    expect(told).toBeGreaterThan(TEXTS.length / 2);
  });

  test("is not in another claim", async ({ queue }) => {
    for (const text of ["a", "b", "c"]) await queue.put(text);
    expect(await workOff(queue)).toEqual({ came: ["a", "b", "c"], told: 0 });
  });

  test("is nothing once the message is settled", async ({ queue }) => {
    await queue.putMany().run(bytesOf("a\nb\nc\nd\n"));
    const behind: (string | undefined)[] = [];
    await queue.work(
      async (message) => {
        await message.ack();
        behind.push((await lookBehind(message))?.text);
      },
      { untilEmpty: true },
    );
    expect(behind).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("is not tried by being looked at", async ({ queue }) => {
    await queue.putMany().run(bytesOf("a\nb\nc\nd\n"));
    const stop = new AbortController();
    await queue.work(
      async (message) => {
        const next = await lookBehind(message);
        await message.ack();
        if (next !== undefined) stop.abort();
      },
      { signal: stop.signal },
    );
    const attempts: number[] = [];
    for await (const message of queue.messages({ untilEmpty: true })) {
      attempts.push(message.attempt);
      await message.ack();
    }
    expect(attempts.length).toBeGreaterThan(0);
    expect(new Set(attempts)).toEqual(new Set([1]));
  });
});
