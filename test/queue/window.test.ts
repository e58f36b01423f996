/**
 * Goal: with several messages in hand each is settled once, in whatever order and way, and acks that
 * are not awaited share a rename.
 *
 * Method: a real directory whose calls are counted; and random orders of all ways to settle, beside
 * what is in the queue at the end.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { describe, expect } from "vitest";

import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import type { Message } from "../../src/queue/message.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { openSpool } from "../../src/spool.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { test } from "../helpers/fixtures.ts";
import { EXT4, hooked } from "../helpers/hooked.ts";
import { bytesOf, textOf } from "../helpers/model-jobs.ts";

const lines = (count: number): string =>
  Array.from({ length: count }, (_, at) => `${at}\n`).join("");

async function filled(queue: Queue, count: number): Promise<void> {
  await queue.create({ ...DEFAULT_SETTINGS, maxAttempts: 0 });
  await queue.putMany().run(bytesOf(lines(count)));
}

async function drain(queue: Queue): Promise<string[]> {
  const bodies: string[] = [];
  for await (const message of queue.messages({ untilEmpty: true })) {
    bodies.push(await textOf(message));
    await message.ack();
  }
  return bodies;
}

class Counting extends NodeFileSystem {
  renames = 0;

  override rename(from: string, to: string): void {
    this.renames++;
    super.rename(from, to);
  }
}

const byNumber = (bodies: readonly string[]): string[] =>
  bodies.toSorted((a, b) => Number(a) - Number(b));

const numbered = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at));

describe("messages in hand", () => {
  test("that are acked together share a rename", async ({ dir }) => {
    const fs = new Counting();
    const queue = (await openSpool({ dir, parts: { fs } })).queue("jobs");
    await filled(queue, 3000);
    fs.renames = 0;
    const acks: Promise<void>[] = [];
    const bodies: string[] = [];
    for await (const message of queue.messages({ untilEmpty: true, prefetch: 100 })) {
      bodies.push(await textOf(message));
      acks.push(message.ack());
    }
    await Promise.all(acks);
    expect(bodies).toEqual(numbered(3000));
    // Claims of 1, 2, 4, … are a rename and a split each; all acks of a window are one.
    expect(fs.renames).toBeLessThan(150);
    expect(await statsOf(queue)).toMatchObject({ ready: 0, inFlight: 0 });
  });

  test("are acked before their ack resolves, though nobody asks for another one", async ({
    queue,
  }) => {
    await filled(queue, 10);
    const messages = queue.messages({ prefetch: 100 });
    const first = (await messages.next()).value as Message;
    await first.ack();
    // The slice of the other nine, or none of it: the claim was of one message.
    expect(await statsOf(queue)).toMatchObject({ inFlight: 0, ready: 9 });
    await messages.return(undefined);
    expect(await drain(queue)).toEqual(numbered(10).slice(1));
  });

  test("go back when the loop ends, but those that were settled", async ({ queue }) => {
    await filled(queue, 50);
    let count = 0;
    for await (const message of queue.messages({ prefetch: 8 })) {
      if (count % 3 === 0) void message.ack();
      if (++count === 40) break;
    }
    const acked = new Set(numbered(40).filter((_, at) => at % 3 === 0));
    expect(byNumber(await drain(queue))).toEqual(numbered(50).filter((one) => !acked.has(one)));
  });

  test("say that the lease was lost, each of them", async ({ dir, queue }) => {
    await filled(queue, 64);
    const acks: Promise<unknown>[] = [];
    const other = (await openSpool({ dir })).queue("jobs");
    let isTaken = false;
    for await (const message of queue.messages({ untilEmpty: true, prefetch: 16 })) {
      if (!isTaken && (await statsOf(queue)).inFlight >= 8) {
        isTaken = true;
        const { leases, reclaim } = queue.room.layout;
        const [lease] = readdirSync(leases).filter((name) => !name.endsWith(".lock"));
        await new NodeFileSystem().rename(`${leases}/${lease}`, `${reclaim}/${lease}`);
        const lost = message.ack();
        await expect(lost).rejects.toMatchObject({ code: "LEASE_LOST" });
        continue;
      }
      acks.push(message.ack().catch((error: unknown) => error));
    }
    await Promise.all(acks);
    expect(isTaken).toBe(true);
    await other.sweep();
    expect(await drain(other)).toEqual([]);
    expect(await statsOf(queue)).toMatchObject({ ready: 0, inFlight: 0, dead: 0 });
  });

  test("of a lease that is lost, the first not acked: the loop goes on with a new lease", async ({
    queue,
  }) => {
    await filled(queue, 40);
    const refused: unknown[] = [];
    const bodies: string[] = [];
    const { leases, reclaim } = queue.room.layout;
    for await (const message of queue.messages({ untilEmpty: true, prefetch: 3 })) {
      bodies.push(await textOf(message));
      if (bodies.length === 12) {
        const [lease] = readdirSync(leases).filter((name) => !name.endsWith(".lock"));
        await new NodeFileSystem().rename(`${leases}/${lease}`, `${reclaim}/${lease}`);
      }
      // Those of a window of which the first is never acked before the lease is lost.
      if (bodies.length <= 9 || bodies.length >= 12) {
        message.ack().catch((error: unknown) => refused.push(error));
      }
    }
    expect(refused.length).toBeGreaterThan(0);
    for (const error of refused) expect(error).toMatchObject({ code: "LEASE_LOST" });
    await queue.sweep();
    const left = await drain(queue);
    expect(new Set([...bodies, ...left]).size).toBe(40);
    expect(await statsOf(queue)).toMatchObject({ ready: 0, inFlight: 0, dead: 0 });
  });

  test("that an error of the disk puts out of reach end the loop with it", async ({ dir }) => {
    let isBroken = false;
    const fs = hooked(EXT4, (name, path) => {
      if (!isBroken || name !== "rename" || !path.includes("/leases/")) return undefined;
      throw Object.assign(new Error("EIO"), { code: "EIO", syscall: "rename", path });
    });
    const queue = (await openSpool({ dir, parts: { fs } })).queue("jobs");
    await filled(queue, 50);
    const told: unknown[] = [];
    const loop = async (): Promise<void> => {
      let count = 0;
      for await (const message of queue.messages({ untilEmpty: true, prefetch: 8 })) {
        isBroken = ++count > 20;
        message.ack().catch((error: unknown) => told.push(error));
      }
    };
    await expect(loop()).rejects.toMatchObject({ code: "IO" });
    expect(told.length).toBeGreaterThan(0);
    isBroken = false;
    await queue.sweep();
    const left = await drain((await openSpool({ dir })).queue("jobs"));
    expect(left.length).toBeGreaterThanOrEqual(30);
    expect(new Set(left).size).toBe(left.length);
  });

  test("in any order, settled in any way: each is where it belongs", async () => {
    const acts = [
      "ack",
      "ack",
      "ack",
      "nack",
      "reject",
      "receipt",
      "keep",
      "ack and wait",
    ] as const;
    const property = fc.asyncProperty(
      fc.array(fc.constantFrom(...acts), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      async (plan, prefetch, seed) => {
        const dir = mkdtempSync(join(tmpdir(), "dirspool-"));
        try {
          await settleAll(dir, plan, prefetch, seed);
        } finally {
          rmSync(dir, { recursive: true });
        }
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });
});

type Plan = readonly ("ack" | "nack" | "reject" | "receipt" | "keep" | "ack and wait")[];

/** Hands out as many messages as the plan is long, and settles each as it says, some of them later. */
async function settleAll(dir: string, plan: Plan, prefetch: number, seed: number): Promise<void> {
  const queue = (await openSpool({ dir })).queue("jobs");
  await filled(queue, plan.length + 5);
  const promises: Promise<unknown>[] = [];
  const later: (() => void)[] = [];
  const expected = { acked: new Set<string>(), dead: new Set<string>(), back: new Set<string>() };
  let at = 0;
  const settle = (message: Message, body: string, act: Plan[number]): void => {
    if (act === "ack" || act === "ack and wait") {
      expected.acked.add(body);
      promises.push(message.ack());
    } else if (act === "nack") {
      expected.back.add(body);
      promises.push(message.nack({ delayMs: 3_600_000 }));
    } else if (act === "reject") {
      expected.dead.add(body);
      promises.push(message.reject());
    } else if (act === "receipt") promises.push(message.receipt());
  };
  for await (const message of queue.messages({ untilEmpty: true, prefetch })) {
    if (at === plan.length) break;
    const act = plan[at++]!;
    const body = await textOf(message);
    if ((seed >> (at % 31)) & 1) later.push(() => settle(message, body, act));
    else settle(message, body, act);
    if (act === "ack and wait") await promises.at(-1);
    if (later.length > 3) later.splice((seed + at) % later.length, 1)[0]!();
  }
  // The loop is over: what was not settled went back, and can be settled no more.
  await Promise.all(promises);
  const { dead, scheduled, ready, inFlight } = await statsOf(queue);
  expect({ dead, scheduled, inFlight }).toEqual({
    dead: expected.dead.size,
    scheduled: expected.back.size,
    inFlight: 0,
  });
  const left = await drain(queue);
  expect(left.length).toBe(ready);
  const settled = [...expected.acked, ...expected.dead, ...expected.back];
  expect(byNumber([...left, ...settled])).toEqual(numbered(plan.length + 5));
}
