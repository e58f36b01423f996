/**
 * Goal: what was once broken stays mended.
 *
 * Method: for each defect the shortest way to it, on a real directory where nothing else is needed.
 */
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  unlinkSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { describe, expect } from "vitest";

import { DiskClock } from "../../src/clock.ts";
import type { FileSystem } from "../../src/disk/file-system.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { formatSlice, partOf } from "../../src/message/slice.ts";
import type { Message } from "../../src/queue/message.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { parseReceipt } from "../../src/queue/receipt.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { QueueSettings } from "../../src/queue/settings.ts";
import { extendByReceipt, settleByReceipt } from "../../src/queue/settle.ts";
import { Slot } from "../../src/queue/slot.ts";
import { openSpool } from "../../src/spool.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { test } from "../helpers/fixtures.ts";
import { EXT4, hooked } from "../helpers/hooked.ts";
import { bytesOf, Jobs, textOf } from "../helpers/model-jobs.ts";

const DAY_MS = 86_400_000;
const TOO_LATE_MS = 300_000 * DAY_MS;
const badValue = { code: "BAD_VALUE" };
const full = { code: "QUEUE_FULL" };

async function create(queue: Queue, settings: Partial<QueueSettings>): Promise<void> {
  await queue.create({ ...DEFAULT_SETTINGS, ...settings });
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n));

/** Acks all that is ready; returns the payloads in the order of delivery. */
async function drain(queue: Queue): Promise<string[]> {
  const bodies: string[] = [];
  for await (const message of queue.messages({ untilEmpty: true })) {
    bodies.push(await textOf(message));
    await message.ack();
  }
  return bodies;
}

/** The next message, waited for, and acked. */
async function ackNext(queue: Queue): Promise<string> {
  for await (const message of queue.messages({ idleMs: 10_000 })) {
    const body = await textOf(message);
    await message.ack();
    return body;
  }
  throw new Error("nothing came");
}

describe("a time", () => {
  test("of a put that is no whole number: it is delivered", async ({ queue }) => {
    await queue.put("x", { delayMs: 0.5 });
    await queue.put("y", { delayMs: 0.5, ttlMs: 60_000.25 });
    expect([await ackNext(queue), await ackNext(queue)]).toEqual(["x", "y"]);
    expect((await queue.verify()).findings).toEqual([]);
  });

  test("of a nack that is no whole number: it is delivered again", async ({ queue }) => {
    await queue.create();
    await queue.putMany().run(bytesOf("a\nb\n"));
    for await (const message of queue.messages()) {
      await message.nack({ delayMs: 10.5 });
      break;
    }
    expect([await ackNext(queue), await ackNext(queue)].toSorted()).toEqual(["a", "b"]);
    expect((await queue.verify()).findings).toEqual([]);
  });

  test("of a nack that no name can say: it is refused and stays", async ({ dir, queue }) => {
    await queue.create();
    await queue.putMany().run(bytesOf("a\nb\n"));
    for await (const message of queue.messages()) {
      await expect(message.nack({ delayMs: TOO_LATE_MS })).rejects.toMatchObject(badValue);
      break;
    }
    expect((await queue.verify()).findings).toEqual([]);
    const other = (await openSpool({ dir })).queue("jobs");
    expect((await drain(other)).toSorted()).toEqual(["a", "b"]);
  });

  test("of a put that no name can say: it is refused and leaves nothing", async ({ queue }) => {
    await queue.create();
    for (const options of [
      { delayMs: TOO_LATE_MS },
      { atMs: TOO_LATE_MS },
      { ttlMs: TOO_LATE_MS },
      { delayMs: TOO_LATE_MS, dedupKey: "k" },
    ]) {
      await expect(queue.put("x", options)).rejects.toMatchObject(badValue);
      const lines = queue.putMany(options).run(bytesOf("x\n"));
      await expect(lines).rejects.toMatchObject(badValue);
    }
    expect(readdirSync(queue.room.layout.tmp)).toEqual([]);
    expect(await statsOf(queue)).toMatchObject({ ready: 0, scheduled: 0, dead: 0 });
    await queue.put("y");
    expect(await drain(queue)).toEqual(["y"]);
  });

  test("of a lease that is over a year: it is refused and the message stays", async ({ queue }) => {
    await queue.put("x");
    for (const leaseMs of [367 * DAY_MS, TOO_LATE_MS, 2000.5]) {
      await expect(queue.messages({ leaseMs }).next()).rejects.toMatchObject(badValue);
      const claim = queue.consumer("handed out", { leaseMs }).claim(1);
      await expect(claim).rejects.toMatchObject(badValue);
    }
    expect(await statsOf(queue)).toMatchObject({ ready: 1, inFlight: 0, consumers: 0 });
    expect(await drain(queue)).toEqual(["x"]);
  });
});

describe("many messages in hand at once", () => {
  for (const ticks of [0, 1, 2, 3, 4, 6, 8, 12]) {
    test(`each acked ${ticks} ticks later, beside the next one: it is acked, and delivered once`, async ({
      queue,
    }) => {
      await queue.create();
      const lines = numbers(64);
      await queue.putMany().run(bytesOf(`${lines.join("\n")}\n`));
      const seen: Promise<string>[] = [];
      const pending: Promise<void>[] = [];
      const ackLate = async (message: Message): Promise<void> => {
        for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
        await message.ack();
      };
      for await (const message of queue.messages({ untilEmpty: true })) {
        seen.push(textOf(message));
        pending.push(ackLate(message));
      }
      await Promise.all(pending);
      expect((await Promise.all(seen)).toSorted()).toEqual(lines.toSorted());
      expect(await statsOf(queue)).toMatchObject({ ready: 0, scheduled: 0, inFlight: 0, dead: 0 });
    });
  }
});

describe("thousands of messages of one instant", () => {
  test("in many buckets: it delivers each once, in the order of the puts", async () => {
    const jobs = await Jobs.open();
    let draws = 0;
    // One put in sixteen starts a bucket, or cuts one in two.
    const random = (): number => [0.0001, 0.0015][draws++ % 16] ?? 0.5;
    const clock = new DiskClock(() => jobs.time.nowMs);
    const processes = { self: "p", host: "here", isGone: () => false };
    const parts = { fs: jobs.disk, clock, processes, random };
    const queue = (await openSpool({ dir: "/spool", parts })).queue("jobs");
    const bodies = numbers(3000);
    const atMs = jobs.time.nowMs + 60_000;
    for (const body of bodies) await queue.put(body, { atMs });
    expect(jobs.disk.list("/spool/queues/jobs/ready").length).toBeGreaterThan(100);
    expect(await drain(queue)).toEqual([]);
    jobs.time.advance(61_000);
    expect(await drain(queue)).toEqual(bodies);
  });
});

describe("a symbolic link", () => {
  /** A directory outside the spool that holds what might be messages, and a file that is none. */
  async function outside(dir: string, queue: Queue): Promise<string> {
    const path = `${dir}/outside`;
    mkdirSync(path);
    writeFileSync(`${path}/file`, "not ours");
    await queue.put("outside");
    const [bucket] = readdirSync(queue.room.layout.ready);
    const [name] = readdirSync(queue.room.layout.bucket(bucket!));
    renameSync(`${queue.room.layout.bucket(bucket!)}/${name}`, `${path}/${name}`);
    // So that the next put looks for another one.
    rmdirSync(queue.room.layout.bucket(bucket!));
    return path;
  }

  test("with a lease's name: it is not followed", async ({ dir, queue }) => {
    const target = await outside(dir, queue);
    const before = readdirSync(target);
    for (const process of ["none", "b12345678.n1.p2.s3"]) {
      const name = `01kdvdna000003f9x2c7m1q8zt_1_${process}_elsewhere`;
      symlinkSync(target, queue.room.layout.lease(name));
    }
    await queue.put("before");
    const warnings: string[] = [];
    await queue.sweep((line) => warnings.push(line));
    expect(warnings.length).toBeGreaterThan(0);
    await queue.sweep();
    expect(readdirSync(target)).toEqual(before);
    await queue.put("after");
    expect(await drain(queue)).toEqual(["before", "after"]);
    expect(readdirSync(target)).toEqual(before);
  });

  test("with a bucket's name: it is not followed", async ({ dir, queue }) => {
    const target = await outside(dir, queue);
    const before = readdirSync(target);
    const names = [0, 1].map((ms) => `5-${String(ms).padStart(13, "0")}`);
    for (const name of names) symlinkSync(target, queue.room.layout.bucket(name));
    await queue.sweep();
    expect(readdirSync(target)).toEqual(before);
    expect(readdirSync(queue.room.layout.ready)).not.toEqual(expect.arrayContaining(names));
    await queue.put("x");
    expect(await drain(queue)).toEqual(["x"]);
    expect(readdirSync(target)).toEqual(before);
  });

  test("with the name of a put's bucket: it takes no message away", async ({ dir, queue }) => {
    const target = await outside(dir, queue);
    const before = readdirSync(target);
    symlinkSync(target, queue.room.layout.bucket("5-0000000000000"));
    const other = (await openSpool({ dir })).queue("jobs");
    await other.put("x");
    expect(readdirSync(target)).toEqual(before);
    expect(await drain(other)).toEqual(["x"]);
  });
});

describe("puts of one tick", () => {
  test("one of them too large: it alone is refused", async ({ queue }) => {
    await create(queue, { maxMessageBytes: 5 });
    const bodies = ["one", "two", "three!", "four"];
    const puts = await Promise.allSettled(bodies.map((body) => queue.put(body)));
    const statuses = puts.map((put) => put.status);
    expect(statuses).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    expect(puts[2]).toMatchObject({ reason: { code: "MESSAGE_TOO_LARGE" } });
    expect(await drain(queue)).toEqual(["one", "two", "four"]);
  });

  test("each of which fits alone: it waits for a consumer, and goes in", async ({ queue }) => {
    await create(queue, { maxBytes: 10, overflow: "wait" });
    await expect(queue.put("x".repeat(11))).rejects.toMatchObject(full);
    const bodies = ["a", "b", "c", "d"].map((letter) => letter.repeat(6));
    const puts = Promise.all(bodies.map((body) => queue.put(body)));
    const seen: string[] = [];
    for await (const message of queue.messages({ idleMs: 10_000 })) {
      seen.push(await textOf(message));
      await message.ack();
      if (seen.length === 4) break;
    }
    await puts;
    expect(seen).toEqual(bodies);
  });
});

describe("a stream larger than max-bytes", () => {
  for (const overflow of ["reject", "wait"] as const) {
    test(`overflow ${overflow}: it is refused and leaves nothing`, async ({ queue }) => {
      await create(queue, { maxBytes: 10, overflow });
      await expect(queue.put(bytesOf("123456", "789012"))).rejects.toMatchObject(full);
      const keyed = queue.put(bytesOf("123456", "789012"), { dedupKey: "k" });
      await expect(keyed).rejects.toMatchObject(full);
      expect(readdirSync(queue.room.layout.tmp)).toEqual([]);
      await queue.put(bytesOf("12345", "67890"), { dedupKey: "k" });
      expect(await drain(queue)).toEqual(["1234567890"]);
    });
  }
});

describe("keys", () => {
  test("without gc: it forgets those of past windows", async () => {
    const jobs = await Jobs.open({ dedupWindowMs: 1000 });
    for (const key of numbers(30)) {
      await jobs.queue.put(key, { dedupKey: key });
      expect(await jobs.queue.put("again", { dedupKey: key })).toMatchObject({ duplicate: true });
      expect(jobs.disk.list("/spool/queues/jobs/dedup").length).toBeLessThanOrEqual(6);
      jobs.time.advance(1000);
    }
    expect(await jobs.drain()).toEqual(numbers(30));
  });
});

describe("a lease", () => {
  test("extended by a receipt while its consumer lives: it is not lost", async ({ dir, queue }) => {
    await queue.put("x");
    const messages = queue.messages({ leaseMs: 2000 });
    const message = (await messages.next()).value!;
    const receipt = parseReceipt(await message.receipt());
    const lock = queue.room.layout.lock(receipt.lease.name);
    const other = (await openSpool({ dir })).queue("jobs");
    await extendByReceipt(other.room, receipt, 60_000);
    for (let beat = 0; beat < 2; beat++) {
      const { mtimeMs } = lstatSync(lock);
      const poll = expect.poll(() => lstatSync(lock).mtimeMs, { timeout: 10_000 });
      await poll.not.toBe(mtimeMs);
    }
    expect(message.lost.aborted).toBe(false);
    expect(await other.sweep()).toMatchObject({ leases: 0 });
    await message.ack();
    await messages.return(undefined);
    expect(await statsOf(queue)).toMatchObject({ ready: 0, inFlight: 0, consumers: 0 });
  });

  test("that looks expired: it is not taken away by its own consumer", async ({ queue }) => {
    await queue.put("x");
    const consumer = queue.consumer("brief", { leaseMs: 2000 });
    const slot = new Slot(consumer, queue.room);
    const message = (await slot.next())!;
    utimesSync(queue.room.layout.lock(consumer.lease!.name), 1000, 1000);
    expect(await slot.next()).toBeUndefined();
    expect(await consumer.hasMore()).toBe(false);
    await message.ack();
    await slot.close();
    await consumer.close();
    expect(await statsOf(queue)).toMatchObject({ ready: 0, inFlight: 0, consumers: 0 });
  });
});

describe("a reason", () => {
  for (const text of ['{"reason":"x"}', '{"reason":"x","atMs":"now"}', '{"atMs":1}', "null"]) {
    test(`${text}: it is read as unknown`, async ({ queue }) => {
      await queue.put("x");
      for await (const message of queue.messages({ untilEmpty: true })) await message.reject();
      const { dead } = queue.room.layout;
      const [name, reason] = readdirSync(dead).toSorted();
      expect(reason).toBe(`${name}.reason`);
      writeFileSync(`${dead}/${reason}`, text);
      const unknown = { reason: expect.stringContaining("unknown") as string, atMs: 0 };
      expect(await queue.reasonOf(name!)).toEqual(unknown);
    });
  }
});

describe("a takeover", () => {
  test("beside a rename of the old holder that lands late: it gives each back once", async ({
    dir,
    queue,
  }) => {
    const { layout } = queue.room;
    await queue.create();
    await queue.putMany().run(bytesOf(`${numbers(10).join("\n")}\n`));
    const consumer = queue.consumer("handed out", { leaseMs: 2000 });
    const claim = (await consumer.claim(10))!;
    const whole = claim.held.slice!;
    expect(whole).toMatchObject({ first: 0, count: 10 });
    const { next } = await claim.file.spanAt(whole.offset, whole.offset + whole.bytes);
    await claim.file.close();
    await consumer.leave();
    // It has linked the first part of a split, and begun to rename the rest away.
    const lease = consumer.lease!.name;
    const P = formatSlice(whole);
    const Q = formatSlice(partOf(whole, 0, 1, whole.offset, next - whole.offset));
    const rest = formatSlice(partOf(whole, 1, 9, next, whole.bytes - (next - whole.offset)));
    linkSync(`${layout.lease(lease)}/${P}`, `${layout.lease(lease)}/${Q}`);
    utimesSync(layout.lock(lease), 1000, 1000);

    const reclaimed = layout.reclaimed(lease);
    const bucket = layout.bucket(P.slice(0, 15));
    mkdirSync(bucket, { recursive: true });
    let listings = 0;
    const moves: string[] = [];
    const below = new NodeFileSystem({ blocking: true });
    const fs = new Proxy<FileSystem>(below, {
      get(_, method: keyof FileSystem) {
        if (method === "list") {
          return async (path: string): Promise<string[]> => {
            const names = await below.list(path);
            if (path === reclaimed && listings++ === 0) {
              expect(names.toSorted()).toEqual([P, Q].toSorted());
              renameSync(`${reclaimed}/${P}`, `${bucket}/${rest}`);
            }
            return names;
          };
        }
        if (method === "rename") {
          return (from: string, to: string) => {
            if (from.startsWith(reclaimed) && !to.startsWith(reclaimed)) moves.push(from);
            return below.rename(from, to);
          };
        }
        return below[method].bind(below) as unknown;
      },
    });
    const reaper = (await openSpool({ dir, parts: { fs } })).queue("jobs");
    await reaper.sweep();

    expect(listings).toBeGreaterThan(1);
    expect(moves.map((from) => basename(from))).toEqual([`~${Q}`]);
    expect(readdirSync(layout.reclaim)).toEqual([]);
    expect((await drain(reaper)).toSorted()).toEqual(numbers(10));
    expect(await statsOf(reaper)).toMatchObject({ ready: 0, inFlight: 0, dead: 0 });
  });
});

type Receipt = ReturnType<typeof parseReceipt>;

describe("a receipt", () => {
  /** The receipt of a, the first of three lines, and the directory of its lease. */
  async function handOut(queue: Queue): Promise<{ receipt: Receipt; whole: string; dir: string }> {
    await queue.create();
    await queue.putMany().run(bytesOf("a\nb\nc\n"));
    const consumer = queue.consumer("handed out", { leaseMs: 60_000 });
    const claim = (await consumer.claim(3))!;
    const whole = formatSlice(claim.held.slice!);
    const message = (await consumer.open(claim))!;
    const receipt = parseReceipt(await message.receipt());
    await claim.file.close();
    await consumer.leave();
    return { receipt, whole, dir: queue.room.layout.lease(receipt.lease.name) };
  }

  async function ack(queue: Queue, receipt: Receipt): Promise<void> {
    await settleByReceipt(queue.room, queue.buckets, receipt, (held, next) => held.ack(1, next));
  }

  test("of a split that a power cut has undone by half: acked is acked", async ({ queue }) => {
    const { receipt, whole, dir } = await handOut(queue);
    // It was linked and renamed; what is left is the link.
    const rest = readdirSync(dir).find((name) => name !== formatSlice(receipt.slice))!;
    renameSync(`${dir}/${rest}`, `${dir}/${whole}`);

    await ack(queue, receipt);
    utimesSync(queue.room.layout.lock(receipt.lease.name), 1000, 1000);
    expect((await drain(queue)).toSorted()).toEqual(["b", "c"]);
  });

  test("of a split that a power cut has undone: refused, and nothing is lost", async ({
    queue,
  }) => {
    const { receipt, whole, dir } = await handOut(queue);
    const [first, ...others] = readdirSync(dir);
    renameSync(`${dir}/${first}`, `${dir}/${whole}`);
    for (const name of others) unlinkSync(`${dir}/${name}`);

    await expect(ack(queue, receipt)).rejects.toThrow(
      expect.objectContaining({ code: "LEASE_LOST" }),
    );
    utimesSync(queue.room.layout.lock(receipt.lease.name), 1000, 1000);
    expect((await drain(queue)).toSorted()).toEqual(["a", "b", "c"]);
  });
});

describe("a claim whose file cannot be opened", () => {
  for (const code of ["EACCES", "EMFILE", "EIO"]) {
    test(`for ${code}: it goes back, and no attempt is counted`, async ({ dir, queue }) => {
      await queue.put("x");
      let failures = 3;
      const fs = hooked(EXT4, (name, path) => {
        if (failures === 0 || name !== "open" || !path.includes("/leases/")) return undefined;
        failures--;
        throw Object.assign(new Error(code), { code, syscall: "open", path });
      });
      const broken = (await openSpool({ dir, parts: { fs } })).queue("jobs");
      for (let left = 3; left > 0; left--) {
        const consumer = broken.consumer("brief");
        await expect(async () => consumer.claim(1)).rejects.toMatchObject({ code });
        await consumer.close();
        expect(await statsOf(queue)).toMatchObject({ ready: 1, inFlight: 0, consumers: 0 });
      }
      for await (const message of queue.messages({ untilEmpty: true })) {
        expect(message.attempt).toBe(1);
        await message.ack();
      }
    });
  }
});

describe("a program that meets many names", () => {
  test("keeps none that nobody has in hand", async ({ spool }) => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const kept = spool.queue("kept");
    const met = numbers(1000).map((name) => new WeakRef(spool.queue(`topic/${name}`)));
    // What was looked at in this turn is kept to its end.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(met.filter((one) => one.deref() !== undefined).length).toBeLessThan(10);
    expect(spool.queue("kept")).toBe(kept);
  });
});

describe("a takeover beside another one", () => {
  test("that removes its second directory meanwhile: it makes it again", async ({ dir, queue }) => {
    await queue.put("x");
    const consumer = queue.consumer("handed out", { leaseMs: 2000 });
    const claim = (await consumer.claim(1))!;
    await claim.file.close();
    const { layout } = queue.room;
    const second = layout.outOfReach(consumer.lease!.name);
    await consumer.leave();
    utimesSync(layout.lock(consumer.lease!.name), 1000, 1000);
    mkdirSync(second);
    let isRemoved = false;
    const fs = hooked(EXT4, (name, path) => {
      if (name === "list" && path === second && !isRemoved) {
        isRemoved = true;
        rmdirSync(second);
      }
    });
    const other = (await openSpool({ dir, parts: { fs } })).queue("jobs");
    expect(await other.sweep()).toMatchObject({ leases: 1, reclaimed: 1 });
    expect(isRemoved).toBe(true);
    expect(await drain(queue)).toEqual(["x"]);
  });
});
