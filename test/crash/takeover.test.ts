/**
 * Goal: what a dead consumer held goes back, each message once, whoever dies while it does that,
 * however many do it at once, and though its owner was only asleep and goes on.
 *
 * Method: a consumer dies holding a part of a slice, a whole slice and a slice that it had half
 * split. Reapers then die at each of their calls (every-crash.ts), or stand still at each of them
 * while another process does all of the same (every-pause.ts).
 */
import { describe, expect } from "vitest";

import { Crash } from "../helpers/crashing-file-system.ts";
import { ack, ackAll, claimed, inTurn, isLost, put, putMany } from "./acts.ts";
import { everyCrash, text } from "./every-crash.ts";
import type { Act, Verb } from "./every-crash.ts";
import { everyPause } from "./every-pause.ts";
import { test } from "./fixture.ts";
import type { Told } from "./told.ts";
import { EXT4, NFS, SOON_MS, ZFS } from "./world.ts";
import type { Process, World } from "./world.ts";

const FIVE = ["one", "two", "three", "four", "five"];
const MORE = ["six", "seven", "eight"];
/** What is at the front of a slice when its holder dies. */
const IN_HAND = ["one", "three", "single", "six"];

const before = inTurn(putMany(FIVE), put(["single"]), putMany(MORE));

/** A consumer claims all of that, and dies when it has linked but not renamed its last split. */
async function dieHolding(world: World): Promise<void> {
  let links = 0;
  const hasDied = await world.run(
    async ({ queue }: Process) => {
      const consumer = queue.consumer("brief");
      for (const want of [2, 10, 10, 1]) await consumer.claim(want);
    },
    {
      before: (_call, name) => {
        if (name === "link") links++;
        if (name === "rename" && links === 2) throw new Crash("half split");
      },
    },
  );
  const [lease] = world.list("queues/jobs/leases");
  const held = world.list(`queues/jobs/leases/${lease}`);
  expect({ hasDied, held: held.length }).toEqual({ hasDied: true, held: 5 });
}

/** After the longest lease, before anything else has had its time. */
const AFTER_LEASE_MS = 2 * 3600_000;

const holding: Omit<Verb, "life"> = { before, prepare: dieHolding, aheadMs: AFTER_LEASE_MS };
const sweep: Act = ({ queue }) => queue.sweep();

describe("a takeover that dies at any call", () => {
  test("is finished by the next process", async ({ dir }) => {
    expect(await everyCrash(dir, { ...holding, life: sweep })).toEqual([47, 53]);
  });

  test("is finished by the next process where the disk wants each sync", async ({ dir }) => {
    const zfs = { ...holding, life: sweep, type: ZFS };
    expect(await everyCrash(`${dir}/zfs`, zfs)).toEqual([59, 65]);
    const nfs = { ...holding, life: sweep, type: NFS };
    expect(await everyCrash(`${dir}/nfs`, nfs)).toEqual([63, 69]);
  });

  test("is finished where it began as a consumer started", async ({ dir }) => {
    expect(await everyCrash(dir, { ...holding, life: ackAll })).toEqual([93, 99]);
  });

  test("buries what was in hand once too often, and only that", async ({ dir }) => {
    const prepare = async (world: World, told: Told): Promise<void> => {
      await dieHolding(world);
      told.done("dead", IN_HAND);
    };
    const verb = { ...holding, prepare, settings: { maxAttempts: 1 }, life: sweep };
    expect(await everyCrash(dir, verb)).toEqual([54, 60]);
  });
});

describe("two reapers of one lease", () => {
  test("give each message back once, wherever one of them stands still", async ({ dir }) => {
    for (const type of [EXT4, NFS]) {
      const verb = { ...holding, life: sweep, type };
      expect(await everyPause(`${dir}/${type}`, verb, sweep)).toBeGreaterThan(20);
    }
  });

  test("give each message back once though the other delivers it meanwhile", async ({ dir }) => {
    for (const type of [EXT4, NFS]) {
      const verb = { ...holding, life: sweep, type };
      expect(await everyPause(`${dir}/${type}`, verb, ackAll)).toBeGreaterThan(20);
    }
  });

  test("bury what was in hand once too often once", async ({ dir }) => {
    const prepare = async (world: World, told: Told): Promise<void> => {
      await dieHolding(world);
      told.done("dead", IN_HAND);
    };
    const verb = { ...holding, prepare, settings: { maxAttempts: 1 }, life: sweep };
    expect(await everyPause(dir, verb, ackAll)).toBeGreaterThan(20);
  });
});

/** Settles each message in its own way; one that it has lost is the rival's. */
const settleAll: Act = async ({ queue }, told) => {
  for await (const message of queue.messages({ untilEmpty: true })) {
    const payload = await text(message);
    try {
      if (payload === "two") await told.to("dead", [payload], () => message.reject());
      else if (payload === "three" && message.attempt === 1) {
        await told.to("ready", [payload], () => message.nack({ delayMs: 0 }));
      } else await ack(message, told);
    } catch (error) {
      if (!isLost(error)) throw error;
      told.done("ready", [payload]);
    }
  }
};

/** The same with a claim of several, until its lease is lost. */
const ackClaim: Act = async ({ queue }, told) => {
  let payload = "";
  try {
    for await (const message of claimed(queue, 3)) {
      payload = await text(message);
      await ack(message, told);
    }
  } catch (error) {
    if (!isLost(error)) throw error;
    if (payload !== "") told.done("ready", [payload]);
  }
};

describe("a consumer that stands still at any call for less than its lease", () => {
  test("keeps what it holds, whoever reaps meanwhile", async ({ dir }) => {
    for (const type of [EXT4, NFS]) {
      const verb = { before: putMany(FIVE), life: ackAll, type };
      expect(await everyPause(`${dir}/${type}`, verb, "take all", SOON_MS)).toBeGreaterThan(20);
    }
  });
});

describe("a consumer that slept through its lease at any call", () => {
  test("has lost what it held, and settles nothing that another one has", async ({ dir }) => {
    for (const type of [EXT4, ZFS, NFS]) {
      for (const life of [settleAll, ackClaim]) {
        const verb = { before: putMany(FIVE), life, type };
        const pauses = await everyPause(`${dir}/${type}-${life.name}`, verb, "take all");
        expect(pauses).toBeGreaterThan(20);
      }
    }
  });

  // With one attempt allowed, whoever takes the lease over buries the letter that its sleeping owner
  // was just about to bury, under the same name.
  test("has buried what it rejected, or another one has, with its reason", async ({ dir }) => {
    const life: Act = async ({ queue }, told) => {
      told.begin("dead", FIVE);
      for await (const message of queue.messages({ untilEmpty: true })) {
        const payload = await text(message);
        try {
          await told.to("dead", [payload], () => message.reject());
        } catch (error) {
          if (!isLost(error)) throw error;
          told.begin("ready", [payload]);
        }
      }
    };
    for (const type of [EXT4, NFS]) {
      const verb = { before: putMany(FIVE), life, type, settings: { maxAttempts: 1 } };
      expect(await everyPause(`${dir}/${type}`, verb, "take all")).toBeGreaterThan(20);
    }
  });
});
