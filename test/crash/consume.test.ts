/**
 * Goal: whatever call a consumer dies at, nothing is lost that it had not begun to settle, nothing
 * comes back once its ack, reject or nack to the dead had resolved, and its neighbours in the same
 * file are neither lost nor doubled.
 *
 * Method: every-crash.ts. The numbers are deliberate tripwires: a new one is a new protocol.
 */
import { describe, expect } from "vitest";

import { test } from "./fixture.ts";
import { ack, ackAll, claimed, inTurn, put, putMany } from "./acts.ts";
import { everyCrash, text } from "./every-crash.ts";
import type { Act } from "./every-crash.ts";
import { NFS, ZFS } from "./world.ts";

const FIVE = ["one", "two", "three", "four", "five"];
const five = putMany(FIVE);

/** Claims one message of a slice of five, acks it, and leaves the rest to others. */
const ackFirst: Act = async ({ queue }, told) => {
  for await (const message of claimed(queue, 1)) await ack(message, told);
};

/** Claims the whole slice, gives each back for a retry but the middle one. */
const nackMost: Act = async ({ queue }, told) => {
  for await (const message of claimed(queue, 5)) {
    const payload = await text(message);
    if (payload === "three") await ack(message, told);
    else await told.to("ready", [payload], () => message.nack({ reason: "busy" }));
  }
};

/** Takes whole claims, and reads what is next before it acks, as the command `consume` does. */
const copyAll: Act = async ({ queue }, told) => {
  const consumer = queue.consumer("brief", { isTransient: true });
  for (let claim; (claim = await consumer.claim(9)) !== undefined;) {
    const { held, file } = claim;
    const { count, offset, bytes } = held.slice!;
    const lines = (await file.buffer(offset, bytes)).toString();
    await consumer.readAhead();
    await told.to("nowhere", lines.trimEnd().split("\n"), async () =>
      held.ack(count, offset + bytes),
    );
    await file.close();
  }
  await consumer.close();
};

/** Calls to die at, for ack, split and nack. */
const CAREFUL: Readonly<Record<string, readonly [number, number][]>> = {
  ZFS: [
    [65, 65],
    [38, 38],
    [60, 60],
  ],
  NFS: [
    [68, 68],
    [39, 39],
    [60, 60],
  ],
};

describe("a consumer that dies at any call", () => {
  test("acks a message for good or gets it again", async ({ dir }) => {
    const before = put(["one", "two"]);
    expect(await everyCrash(dir, { before, life: ackAll })).toEqual([39, 39]);
  });

  test("acks each of many messages in one file for good or gets it again", async ({ dir }) => {
    expect(await everyCrash(dir, { before: five, life: ackAll })).toEqual([46, 46]);
  });

  test("acks claims for good or gets them again, and reads ahead", async ({ dir }) => {
    const before = putMany(FIVE, { batchMessages: 2 });
    expect(await everyCrash(dir, { before, life: copyAll })).toEqual([37, 37]);
  });

  test("acks each of one claim for good or gets it again", async ({ dir }) => {
    const life: Act = async ({ queue }, told) => {
      for await (const message of claimed(queue, 5)) await ack(message, told);
    };
    expect(await everyCrash(dir, { before: five, life })).toEqual([26, 26]);
  });

  test("splits a slice without loss or a double", async ({ dir }) => {
    expect(await everyCrash(dir, { before: five, life: ackFirst })).toEqual([25, 25]);
  });

  test("gives the first, the next and the last message back", async ({ dir }) => {
    expect(await everyCrash(dir, { before: five, life: nackMost })).toEqual([33, 33]);
  });

  test("buries what has failed too often, with its reason", async ({ dir }) => {
    const life: Act = async ({ queue }, told) => {
      // Dying with a message at the front of its claim is an attempt, too, and one too many.
      told.begin("dead", FIVE.slice(0, 1));
      for await (const message of claimed(queue, 5)) {
        const payload = await text(message);
        const at = FIVE.indexOf(payload);
        told.begin("dead", FIVE.slice(at, at + 2));
        await told.to("dead", [payload], () => message.nack({ reason: "bad" }));
      }
    };
    const verb = { before: five, settings: { maxAttempts: 1 }, life };
    expect(await everyCrash(dir, verb)).toEqual([70, 70]);
  });

  test("rejects one of many, with its reason", async ({ dir }) => {
    const life: Act = async ({ queue }, told) => {
      for await (const message of claimed(queue, 5)) {
        const payload = await text(message);
        const isBad = payload === "two" || payload === "five";
        if (isBad) await told.to("dead", [payload], () => message.reject({ reason: "bad" }));
        else await ack(message, told);
      }
    };
    expect(await everyCrash(dir, { before: five, life })).toEqual([43, 43]);
  });

  test("settles messages in another order than it got them", async ({ dir }) => {
    const life: Act = async ({ queue }, told) => {
      const messages = queue.messages({ untilEmpty: true });
      const inHand = [];
      for await (const message of messages) {
        // The first claim is of one message, the next of two: then two of one slice are in hand.
        if ((await text(message)) === "one") await ack(message, told);
        else inHand.push(message);
        if (inHand.length === 3) break;
        if (inHand.length === 2) for (const one of inHand.toReversed()) await ack(one, told);
      }
    };
    expect(await everyCrash(dir, { before: five, life })).toEqual([44, 44]);
  });

  test("gives back what it holds when it is told to stop", async ({ dir }) => {
    const attempts = new Set<number>();
    const life: Act = async ({ queue }, told) => {
      for await (const message of queue.messages({ untilEmpty: true })) {
        if ((await text(message)) === "two") break;
        await ack(message, told);
      }
      for await (const { attempts: made } of queue.peek("ready")) attempts.add(made);
    };
    expect(await everyCrash(dir, { before: five, life })).toEqual([54, 54]);
    expect(attempts).toEqual(new Set([0]));
  });

  test("works through a queue with several handlers at once", async ({ dir }) => {
    const life: Act = async ({ queue }, told) => {
      const handle = async (message: Parameters<typeof ack>[0]): Promise<void> =>
        ack(message, told);
      await queue.work(handle, { untilEmpty: true, concurrency: 2 });
    };
    const before = inTurn(five, put(["six"]));
    expect(await everyCrash(dir, { before, life })).toEqual([62, 62]);
  });

  for (const [name, type] of Object.entries({ ZFS, NFS })) {
    test(`does all of that where the file system wants each sync (${name})`, async ({ dir }) => {
      const verb = { before: five, type };
      const crashes = [
        await everyCrash(`${dir}/ack`, { ...verb, life: ackAll }),
        await everyCrash(`${dir}/split`, { ...verb, life: ackFirst }),
        await everyCrash(`${dir}/nack`, { ...verb, life: nackMost }),
      ];
      expect(crashes).toEqual(CAREFUL[name]);
    });
  }
});
