import { readdirSync, rmdirSync, statSync } from "node:fs";

import { describe, expect } from "vitest";

import { Lease } from "../../src/queue/lease.ts";
import { openSpool } from "../../src/spool.ts";
import { test } from "../helpers/fixtures.ts";

describe("a lease", () => {
  test("with a heartbeat outlives its time to live", async ({ dir, queue }) => {
    await queue.create();
    await queue.put("x");
    const consumer = queue.consumer("beating", { leaseMs: 2000 });
    const claim = (await consumer.claim(1))!;
    const lock = `${dir}/queues/jobs/leases/${consumer.lease!.name}.lock`;
    const madeMs = statSync(lock).mtimeMs;
    // Beats come every 666 ms: by the fourth it has lived longer than two seconds.
    await expect
      .poll(() => statSync(lock).mtimeMs - madeMs, { timeout: 10_000 })
      .toBeGreaterThan(2000);

    const { leases } = await (await openSpool({ dir })).queue("jobs").sweep();

    expect(leases).toBe(0);
    expect(consumer.lease!.lost.aborted).toBe(false);
    await (await consumer.open(claim))!.ack();
    await claim.file.close();
    await consumer.close();
    expect(readdirSync(`${dir}/queues/jobs/leases`)).toEqual([]);
  });

  test("says that it is lost where its lock was taken away", async ({ queue }) => {
    await queue.create();
    const lease = await Lease.open(queue.room, 2000, "beating");
    rmdirSync(queue.room.layout.lock(lease.name));
    await expect.poll(() => lease.lost.aborted, { timeout: 10_000 }).toBe(true);
    expect(lease.lost.reason).toMatchObject({ code: "LEASE_LOST" });
    await lease.close();
  });

  test("is too short for a heartbeat below two seconds", async ({ queue }) => {
    await queue.create();
    const opening = Lease.open(queue.room, 1999, "beating");
    await expect(opening).rejects.toMatchObject({ code: "BAD_VALUE" });
  });

  test("of a command that ends lives without a heartbeat, for its time", async ({ dir, queue }) => {
    await queue.create();
    const lease = await Lease.open(queue.room, 30_000, "handed out");
    expect(readdirSync(`${dir}/queues/jobs/leases`).toSorted()).toEqual([
      lease.name,
      `${lease.name}.lock`,
    ]);
    expect((await queue.sweep()).leases).toBe(0);
    await queue.room.fs.touch(queue.room.layout.lock(lease.name), Date.now() - 31_000);
    expect((await queue.sweep()).leases).toBe(1);
    expect(readdirSync(`${dir}/queues/jobs/leases`)).toEqual([]);
    await expect(lease.check()).rejects.toMatchObject({ code: "LEASE_LOST" });
  });

  test("that is closed is gone, with its lock; closing it again is nothing", async ({
    dir,
    queue,
  }) => {
    await queue.create();
    const lease = await Lease.open(queue.room, 5000, "brief");
    await lease.close();
    await lease.close();
    expect(readdirSync(`${dir}/queues/jobs/leases`)).toEqual([]);
  });
});
