/**
 * Goal: a claim that was handed out to other processes is settled for good or runs out; whoever dies
 * with its receipt changes nothing by halves.
 *
 * Method: one process claims and ends; another settles by the receipt and dies at each of its calls
 * (every-crash.ts). The numbers are deliberate tripwires: a new one is a new protocol.
 */
import { describe, expect } from "vitest";

import { parseReceipt } from "../../src/queue/receipt.ts";
import { extendByReceipt, settle, settleByReceipt } from "../../src/queue/settle.ts";
import { isLost, putMany } from "./acts.ts";
import { everyCrash, text } from "./every-crash.ts";
import type { Act, Verb } from "./every-crash.ts";
import { everyPause } from "./every-pause.ts";
import { test } from "./fixture.ts";
import type { Told } from "./told.ts";
import { NFS, ZFS } from "./world.ts";
import type { World } from "./world.ts";

const THREE = ["one", "two", "three"];

/** Claims the first message and hands it out. */
const handOut: Act = async ({ queue }) => {
  const consumer = queue.consumer("handed out");
  const claim = await consumer.claim(1);
  const message = claim && (await consumer.open(claim));
  expect(message && (await text(message))).toBe("one");
  await consumer.leave();
  return message?.receipt();
};

/** A verb that begins with a receipt which another process was given. */
function byReceipt(act: (receipt: ReturnType<typeof parseReceipt>) => Act): Verb {
  let receipt: ReturnType<typeof parseReceipt>;
  return {
    before: putMany(THREE),
    prepare: async (world: World, told: Told) => {
      await world.run(async (process) => {
        receipt = parseReceipt((await handOut(process, told, world)) as string);
      });
    },
    life: (process, told, world) => act(receipt)(process, told, world),
    isHandedOut: true,
  };
}

const ack = byReceipt(
  (receipt) =>
    ({ queue }, told) =>
      told.to("nowhere", ["one"], () =>
        settleByReceipt(queue.room, queue.buckets, receipt, (held, next) => held.ack(1, next)),
      ),
);

const nack = byReceipt(
  (receipt) =>
    ({ queue }, told) =>
      told.to("ready", ["one"], () =>
        settleByReceipt(queue.room, queue.buckets, receipt, (held, next) =>
          settle.nack(queue.room, held, next, {}),
        ),
      ),
);

const reject = byReceipt(
  (receipt) =>
    ({ queue }, told) =>
      told.to("dead", ["one"], () =>
        settleByReceipt(queue.room, queue.buckets, receipt, (held, next) =>
          held.reject(next, { reason: "bad" }, true),
        ),
      ),
);

const extend = byReceipt(
  (receipt) =>
    ({ queue }) =>
      extendByReceipt(queue.room, receipt, 600_000),
);

describe("a claim that was handed out", () => {
  test("runs out where its claimer dies at any call", async ({ dir }) => {
    const verb = { before: putMany(THREE), life: handOut, isHandedOut: true };
    expect(await everyCrash(dir, verb)).toEqual([23, 23]);
  });

  test("is acked for good or not at all", async ({ dir }) => {
    expect(await everyCrash(`${dir}/ext4`, ack)).toEqual([6, 6]);
    expect(await everyCrash(`${dir}/zfs`, { ...ack, type: ZFS })).toEqual([6, 6]);
    expect(await everyCrash(`${dir}/nfs`, { ...ack, type: NFS })).toEqual([7, 7]);
  });

  test("is given back once", async ({ dir }) => {
    expect(await everyCrash(`${dir}/ext4`, nack)).toEqual([12, 12]);
    expect(await everyCrash(`${dir}/zfs`, { ...nack, type: ZFS })).toEqual([18, 18]);
    expect(await everyCrash(`${dir}/nfs`, { ...nack, type: NFS })).toEqual([18, 18]);
  });

  test("is buried once, with its reason", async ({ dir }) => {
    expect(await everyCrash(dir, reject)).toEqual([18, 18]);
  });

  test("is held longer or not, and runs out in the end", async ({ dir }) => {
    expect(await everyCrash(dir, extend)).toEqual([11, 11]);
  });

  test("is settled by its receipt or lost to another one, but not both", async ({ dir }) => {
    for (const [name, verb] of Object.entries({ ack, nack, reject })) {
      const life: Act = async (process, told, world) => {
        try {
          await verb.life(process, told, world);
        } catch (error) {
          if (!isLost(error)) throw error;
          told.done("ready", ["one"]);
        }
      };
      const pauses = [
        await everyPause(`${dir}/${name}`, { ...verb, life }, "take all"),
        await everyPause(`${dir}/${name}-nfs`, { ...verb, life, type: NFS }, "take all"),
      ];
      expect(Math.min(...pauses)).toBeGreaterThan(5);
    }
  });
});
