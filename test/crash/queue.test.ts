/**
 * Goal: a spool, a queue and its settings are there, in whole, or not; and what sweeps dies without
 * leaving more to sweep.
 *
 * Method: every-crash.ts. The numbers are deliberate tripwires: a new one is a new protocol.
 */
import { describe, expect } from "vitest";

import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { openSpool } from "../../src/spool.ts";
import { Crash, CrashingFileSystem, dyingAfter } from "../helpers/crashing-file-system.ts";
import { ackAll, inTurn, put, putMany } from "./acts.ts";
import { everyCrash, settingsOf, text } from "./every-crash.ts";
import type { Act } from "./every-crash.ts";
import { everyPause } from "./every-pause.ts";
import { test } from "./fixture.ts";
import type { Told } from "./told.ts";
import { NFS } from "./world.ts";
import type { World } from "./world.ts";

const FIVE = ["one", "two", "three", "four", "five"];
const five = putMany(FIVE);
const sweep: Act = ({ queue }) => queue.sweep();

describe("who makes a spool and dies at any call", () => {
  test("leaves one that the next process opens or makes", async ({ dir }) => {
    let crashes = 0;
    for (; ; crashes++) {
      const spoolDir = `${dir}/${crashes}`;
      const fs = new CrashingFileSystem(new NodeFileSystem({ blocking: true }));
      fs.arm(dyingAfter(crashes));
      const opened = openSpool({ dir: spoolDir, parts: { fs } });
      const hasDied = await opened.then(
        () => false,
        (error: unknown) => error instanceof Crash,
      );
      await fs.end();

      const queue = (await openSpool({ dir: spoolDir, blocking: true })).queue("jobs");
      await queue.put("one");
      for await (const message of queue.messages({ untilEmpty: true })) {
        expect(await text(message)).toBe("one");
        await message.ack();
      }
      if (!hasDied) break;
    }
    expect(crashes).toBe(13);
  });
});

describe("who makes a queue and dies at any call", () => {
  test("leaves one that the next process makes whole", async ({ dir }) => {
    const life: Act = ({ spool }) => spool.queue("other").create(settingsOf({}));
    const after: Act = async ({ spool }, told) => {
      await spool.queue("other").create(settingsOf({}));
      await told.to("other queue", ["one"], () => spool.queue("other").put("one"));
      expect((await spool.queue("other").settings()).leaseMs).toBe(3600_000);
      expect((await spool.queue("other").verify()).findings).toEqual([]);
    };
    expect(await everyCrash(dir, { life, after })).toEqual([24, 24]);
  });

  test("leaves the settings as they were or as they should be", async ({ dir }) => {
    let isSaved = false;
    const life: Act = async ({ queue }) => {
      isSaved = false;
      await queue.changeSettings({ maxAttempts: 9 });
      isSaved = true;
    };
    const after: Act = async ({ queue }) => {
      const { maxAttempts } = await queue.settings();
      expect(isSaved ? [9] : [5, 9]).toContain(maxAttempts);
    };
    expect(await everyCrash(dir, { before: five, life, after })).toEqual([10, 10]);
  });
});

describe("who removes a queue and dies at any call", () => {
  const before = inTurn(five, put(["six"]), async ({ queue }) => {
    const claim = await queue.consumer("brief").claim(2);
    await claim!.held.reject(4, { reason: "bad" }, true);
  });
  const all = [...FIVE, "six"];
  const life: Act = ({ queue }, told) => told.to("nowhere", all, () => queue.remove());

  const prepare = async (_: World, told: Told): Promise<void> => told.done("dead", ["one"]);

  test("leaves all of it or nothing, and the next to remove clears the rest", async ({ dir }) => {
    const after: Act = async ({ spool, queue }) => {
      // Now by hand, as its user would: it is there as a whole, or there is no such queue.
      if ((await spool.queueNames()).includes("jobs")) return;
      await expect(queue.remove()).rejects.toThrow("no such queue");
      expect(graves(await spool.disk.fs.list(`${spool.dir}/queues`))).toEqual([]);
      await queue.create(settingsOf({}));
    };
    expect(await everyCrash(dir, { before, prepare, life, after })).toEqual([55, 55]);
  });

  test("leaves nothing that a sweep of another queue does not clear", async ({ dir }) => {
    const after: Act = async ({ spool, queue }) => {
      await spool.queue("other").create();
      await spool.queue("other").sweep();
      expect(graves(await spool.disk.fs.list(`${spool.dir}/queues`))).toEqual([]);
      await queue.create(settingsOf({}));
    };
    expect(await everyCrash(dir, { before, prepare, life, after })).toEqual([55, 55]);
  });
});

const graves = (names: readonly string[]): string[] => names.filter((name) => name.startsWith("."));

describe("a file in the drop box", () => {
  const drop: Act = async (_, told, world) => {
    for (const name of ["one", "two"]) {
      const fd = world.disk.open(`${world.dir}/${name}`, "create");
      await world.disk.write(fd, Buffer.from(name), 0);
      world.disk.close(fd);
      world.disk.rename(`${world.dir}/${name}`, `${world.dir}/queues/jobs/drop/${name}`);
    }
    told.done("ready", ["one", "two"]);
  };

  test("becomes a message once, at whatever call its adopter dies", async ({ dir }) => {
    expect(await everyCrash(`${dir}/sweep`, { before: drop, life: sweep })).toEqual([38, 38]);
    expect(await everyCrash(`${dir}/all`, { before: drop, life: ackAll })).toEqual([62, 62]);
  });

  test("becomes a message once, at whatever call its adopter stands still", async ({ dir }) => {
    expect(await everyPause(dir, { before: drop, life: sweep }, sweep)).toBeGreaterThan(20);
  });
});

describe("a sweep that dies at any call", () => {
  /** A lease with a claim, a draft, a keyed draft that is marked, a reason without its letter. */
  const leave = async (world: World, told: Told): Promise<void> => {
    await world.run(async (process) => put(["short"], { ttlMs: 60_000 })(process, told, world));
    told.done("dead", ["short"]);
    const rejectOne: Act = async ({ queue }) => {
      const claim = await queue.consumer("brief").claim(1);
      await claim!.held.reject(4, { reason: "bad" }, true);
    };
    await dieAt(world, told, put(["torn"]), "write", 1);
    await dieAt(world, told, put(["once"], { dedupKey: "key" }), "link", 2);
    await dieAt(world, told, rejectOne, "rename", 4);
    const fd = world.disk.open(`${world.dir}/queues/jobs/ready/foreign`, "create");
    world.disk.close(fd);
  };

  async function dieAt(world: World, told: Told, act: Act, call: string, nth: number) {
    let seen = 0;
    const hasDied = await world.run(async (process) => act(process, told, world), {
      before: (_, name) => {
        if (name === call && ++seen === nth) throw new Crash(name);
      },
    });
    expect(hasDied).toBe(true);
  }

  test("is finished by the next one", async ({ dir }) => {
    const settings = { expired: "dead" as const, dedupWindowMs: 1000 };
    const findings = [/was set aside/];
    const verb = { before: five, prepare: leave, life: sweep, settings, findings };
    const later = { ...verb, aheadMs: 40 * 3600_000 };
    expect(await everyCrash(`${dir}/ext4`, later)).toEqual([47, 60]);
    expect(await everyCrash(`${dir}/nfs`, { ...later, type: NFS })).toEqual([64, 77]);
    // Two at once, before the drafts of those who may live have had their time.
    expect(
      await everyPause(`${dir}/pause`, { ...verb, aheadMs: 2 * 3600_000 }, sweep),
    ).toBeGreaterThan(20);
  });
});
