/**
 * Goal: who purges, moves or redrives and dies at any call has done it to each message or not.
 *
 * Method: every-crash.ts. The numbers are deliberate tripwires: a new one is a new protocol.
 */
import { describe, expect } from "vitest";

import type { BulkOptions } from "../../src/queue/bulk.ts";
import { ack, claimed, FIVE, five, idsOf, inTurn, makeOther, put, rejectFive } from "./acts.ts";
import { everyCrash, text } from "./every-crash.ts";
import type { Act } from "./every-crash.ts";
import { test } from "./fixture.ts";
import { NFS } from "./world.ts";

const purge =
  (payloads: readonly string[], options: BulkOptions = {}): Act =>
  ({ queue }, told) =>
    told.to("nowhere", payloads, () => queue.purge(options));

const move =
  (payloads: readonly string[], options: BulkOptions = {}): Act =>
  ({ spool, queue }, told) =>
    told.to("other queue", payloads, () => queue.moveTo(spool.queue("other"), options));

/** Two of a batch, of which neither stands at its end. */
const CHOSEN = ["two", "four"];

describe("who acts on messages by their ids and dies at any call", () => {
  test("has thrown each of them away or not, and no other", async ({ dir }) => {
    const life: Act = async ({ queue }, told) => {
      const ids = await idsOf(queue, CHOSEN);
      await told.to("nowhere", CHOSEN, () => queue.purge({ ids }));
    };
    expect(await everyCrash(`${dir}/ext4`, { before: five, life })).toEqual([42, 42]);
    expect(await everyCrash(`${dir}/nfs`, { before: five, life, type: NFS })).toEqual([76, 76]);
  });

  test("has moved each of them or not, and no other", async ({ dir }) => {
    const life: Act = async ({ spool, queue }, told) => {
      const ids = await idsOf(queue, CHOSEN);
      await told.to("other queue", CHOSEN, () => queue.moveTo(spool.queue("other"), { ids }));
    };
    const before = inTurn(makeOther, five);
    expect(await everyCrash(`${dir}/ext4`, { before, life })).toEqual([52, 52]);
    expect(await everyCrash(`${dir}/nfs`, { before, life, type: NFS })).toEqual([96, 96]);
  });

  test("has made a dead letter of each of them or not, and of no other", async ({ dir }) => {
    const life: Act = async ({ queue }, told) => {
      const ids = await idsOf(queue, CHOSEN);
      await told.to("dead", CHOSEN, () => queue.giveUp(ids, "bad"));
    };
    expect(await everyCrash(`${dir}/ext4`, { before: five, life })).toEqual([76, 76]);
    expect(await everyCrash(`${dir}/nfs`, { before: five, life, type: NFS })).toEqual([120, 120]);
  });

  test("has made ready what was scheduled or not", async ({ dir }) => {
    const before = inTurn(five, put(["six"], { delayMs: 60_000 }));
    const life: Act = ({ queue }, told) =>
      told.to("ready", ["six"], () => queue.moveTo(queue, { states: ["scheduled"], isNow: true }));
    expect(await everyCrash(dir, { before, life })).toEqual([12, 12]);
  });
});

describe("a purge that dies at any call", () => {
  test("has removed each slice or not", async ({ dir }) => {
    const before = inTurn(five, put(["six"], { delayMs: 60_000 }));
    const life = purge([...FIVE, "six"]);
    expect(await everyCrash(dir, { before, life })).toEqual([14, 14]);
  });

  test("has removed as many as it should or none", async ({ dir }) => {
    const life = purge(["one", "two"], { max: 2 });
    expect(await everyCrash(dir, { before: five, life })).toEqual([16, 16]);
  });

  test("has removed each dead letter, and leaves no reason behind", async ({ dir }) => {
    const verb = { before: inTurn(five, rejectFive), life: purge(FIVE, { states: ["dead"] }) };
    expect(await everyCrash(dir, verb)).toEqual([15, 15]);
  });

  test("has removed what another one has claimed, or not", async ({ dir }) => {
    const claim: Act = async ({ queue }) => queue.consumer("brief").claim(3);
    const life = purge(FIVE, { states: ["inflight", "ready"] });
    expect(await everyCrash(dir, { before: inTurn(five, claim), life })).toEqual([15, 15]);
  });
});

describe("a move that dies at any call", () => {
  test("has moved each slice or not", async ({ dir }) => {
    const before = inTurn(makeOther, five, put(["six"]));
    const verb = { before, life: move([...FIVE, "six"]) };
    expect(await everyCrash(`${dir}/ext4`, verb)).toEqual([24, 24]);
    expect(await everyCrash(`${dir}/nfs`, { ...verb, type: NFS })).toEqual([34, 34]);
  });

  test("has moved as many as it should or none", async ({ dir }) => {
    const verb = { before: inTurn(makeOther, five), life: move(["one", "two"], { max: 2 }) };
    expect(await everyCrash(`${dir}/ext4`, verb)).toEqual([33, 33]);
    expect(await everyCrash(`${dir}/nfs`, { ...verb, type: NFS })).toEqual([56, 56]);
  });

  test("makes the queue that it moves to", async ({ dir }) => {
    const verb = { before: five, life: move(FIVE), after: makeOther };
    expect(await everyCrash(dir, verb)).toEqual([47, 47]);
  });
});

describe("a redrive that dies at any call", () => {
  test("has made each dead letter a message or not, and leaves no reason behind", async ({
    dir,
  }) => {
    const before = inTurn(five, rejectFive);
    const life: Act = ({ queue }, told) =>
      told.to("ready", FIVE, () => queue.moveTo(queue, { states: ["dead"] }));
    expect(await everyCrash(dir, { before, life })).toEqual([21, 21]);
  });

  test("leaves what was acked where it is: nowhere", async ({ dir }) => {
    const settle: Act = async ({ queue }, told) => {
      for await (const message of claimed(queue, 5)) {
        const payload = await text(message);
        if (payload === "two") await told.to("dead", [payload], () => message.reject());
        else await ack(message, told);
      }
    };
    const life: Act = ({ queue }, told) =>
      told.to("ready", ["two"], () => queue.moveTo(queue, { states: ["dead"] }));
    expect(await everyCrash(dir, { before: inTurn(five, settle), life })).toEqual([13, 13]);
  });
});
