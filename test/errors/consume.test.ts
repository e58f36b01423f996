/**
 * Goal: whatever call of a consumer fails, and how: what it did not settle is there again, once; what
 * it was told is settled stays so; where its settling failed the message is where it was or where it
 * should go, and nowhere else; the other messages go on to be consumed.
 *
 * Method: every-error.ts.
 */
import { describe, expect, test } from "vitest";

import { parseReceipt } from "../../src/queue/receipt.ts";
import { extendByReceipt, settle, settleByReceipt } from "../../src/queue/settle.ts";
import { put as putWhole, putMany } from "../crash/acts.ts";
import { text } from "../crash/every-crash.ts";
import type { Act } from "../crash/every-crash.ts";
import type { World } from "../crash/world.ts";
import { ack, ackAll, withClaimed } from "./acts.ts";
import { everyError } from "./every-error.ts";
import { queueScenario } from "./queue-scenario.ts";
import type { ErrorAct, QueueScenario } from "./queue-scenario.ts";
import type { Told } from "../crash/told.ts";
import { TYPES } from "./types.ts";

const FIVE = ["one", "two", "three", "four", "five"];
const five = putMany(FIVE);
const HOUR_MS = 3600_000;

/** Of a slice of five: one acked, the next nacked, the next rejected; the others are left. */
const settleEach: ErrorAct = withClaimed(3, async (message, told, tries) => {
  const payload = await text(message);
  if (payload === "two") await tries.that(() => told.to("ready", [payload], () => message.nack()));
  else if (payload === "three") {
    await tries.that(() => told.to("dead", [payload], () => message.reject({ reason: "bad" })));
  } else await ack(message, told, tries);
});

const work: ErrorAct = async ({ queue }, told, tries) => {
  await tries.that(() =>
    queue.work(
      async (message) => {
        const payload = await text(message);
        told.begin("nowhere", [payload]);
        await message.ack();
        told.done("nowhere", [payload]);
      },
      { untilEmpty: true, concurrency: 2, onError: (error) => void tries.errors.push(error) },
    ),
  );
};

/** The receipt of "one", which another process has claimed for others to settle. */
const receipts = new WeakMap<Told, string>();

async function handOut(world: World, told: Told): Promise<void> {
  await world.run(async ({ queue }) => {
    const consumer = queue.consumer("handed out");
    const claim = await consumer.claim(1);
    const message = await consumer.open(claim!);
    receipts.set(told, await message!.receipt());
    await message!.leave();
    await claim!.file.close();
    await consumer.leave();
  });
}

type Settle = (receipt: ReturnType<typeof parseReceipt>) => ErrorAct;

function byReceipt(settleOne: Settle): Omit<QueueScenario, "type"> {
  const life: ErrorAct = (process, told, tries) =>
    Promise.resolve(settleOne(parseReceipt(receipts.get(told)!))(process, told, tries));
  return { before: five, prepare: handOut, life, isHandedOut: true };
}

/** What dead consumers hold: one in hand of a part of a slice, and a whole one. */
async function dieHolding(world: World): Promise<void> {
  await world.run(async ({ queue }) => {
    const consumer = queue.consumer("brief");
    for (const want of [2, 1]) await consumer.claim(want);
  });
}

const drop: Act = async (_, told, world) => {
  for (const name of ["one", "two"]) {
    const fd = await world.disk.open(`${world.dir}/${name}`, "create");
    await world.disk.write(fd, Buffer.from(name), 0);
    await world.disk.close(fd);
    await world.disk.rename(`${world.dir}/${name}`, `${world.dir}/queues/jobs/drop/${name}`);
  }
  told.done("ready", ["one", "two"]);
};

const sweep: ErrorAct = ({ queue }, _told, tries) => tries.that(() => queue.sweep());

const mayExpire =
  (payloads: readonly string[], place: "nowhere" | "dead") =>
  async (_: World, told: Told): Promise<void> =>
    told.done(place, payloads);

const LIVES: Readonly<Record<string, Omit<QueueScenario, "type">>> = {
  "all is acked": { before: putWhole(["one", "two"]), life: ackAll },
  "all of one file is acked": { before: five, life: ackAll },
  "one of each is settled": { before: five, life: settleEach },
  "several handlers work": { before: five, life: work },
  "what failed too often is buried": {
    before: five,
    settings: { maxAttempts: 1 },
    // Who dies with it in hand has tried it.
    prepare: async (_, told) => told.begin("dead", ["one"]),
    life: withClaimed(5, async (message, told, tries) => {
      const at = FIVE.indexOf(await text(message));
      // Dying with a message in hand is an attempt, too, and one too many.
      told.begin("dead", FIVE.slice(at, at + 2));
      await tries.that(() => told.to("dead", [FIVE[at]!], () => message.nack({ reason: "bad" })));
    }),
  },
  "a receipt is acked": byReceipt(
    (receipt) =>
      ({ queue }, told, tries) =>
        tries.that(() =>
          told.to("nowhere", ["one"], () =>
            settleByReceipt(queue.room, queue.buckets, receipt, (held, next) => held.ack(1, next)),
          ),
        ),
  ),
  "a receipt is nacked": byReceipt(
    (receipt) =>
      ({ queue }, told, tries) =>
        tries.that(() =>
          told.to("ready", ["one"], () =>
            settleByReceipt(queue.room, queue.buckets, receipt, (held, next) =>
              settle.nack(queue.room, held, next, {}),
            ),
          ),
        ),
  ),
  "a receipt is rejected": byReceipt(
    (receipt) =>
      ({ queue }, told, tries) =>
        tries.that(() =>
          told.to("dead", ["one"], () =>
            settleByReceipt(queue.room, queue.buckets, receipt, (held, next) =>
              held.reject(next, { reason: "bad" }, true),
            ),
          ),
        ),
  ),
  "a receipt is extended": byReceipt(
    (receipt) =>
      ({ queue }, _told, tries) =>
        tries.that(() => extendByReceipt(queue.room, receipt, 600_000)),
  ),
  "what the dead held is taken over": {
    before: five,
    prepare: dieHolding,
    aheadMs: 2 * HOUR_MS,
    life: ackAll,
  },
  "what the dead held is swept": {
    before: five,
    prepare: dieHolding,
    aheadMs: 2 * HOUR_MS,
    life: sweep,
  },
  "what the dead held is buried": {
    before: five,
    settings: { maxAttempts: 1 },
    prepare: async (world, told) => {
      await dieHolding(world);
      told.done("dead", ["one", "three"]);
    },
    aheadMs: 2 * HOUR_MS,
    life: sweep,
  },
  "what expired is dropped": {
    before: putWhole(["late"], { ttlMs: 60_000 }),
    prepare: mayExpire(["late"], "nowhere"),
    aheadMs: 2 * HOUR_MS,
    life: ackAll,
  },
  "what expired is buried": {
    before: putWhole(["late"], { ttlMs: 60_000 }),
    settings: { expired: "dead" },
    prepare: mayExpire(["late"], "dead"),
    aheadMs: 2 * HOUR_MS,
    life: sweep,
  },
  "what was dropped in is adopted": { before: drop, life: ackAll },
  "what was dropped in is swept up": { before: drop, life: sweep },
};

describe.for(TYPES)("a consumer on %s", ([, type]) => {
  test.for(Object.entries(LIVES))("loses and doubles nothing when %s", async ([, scenario]) => {
    expect(await everyError(queueScenario({ ...scenario, type }))).toBeGreaterThan(0);
  });
});
