import { basename } from "node:path";

import { describe, expect, test } from "vitest";

import { formatSlice, parseSlice } from "../../src/message/slice.ts";
import { Scanner } from "../../src/queue/scan.ts";
import { Slot } from "../../src/queue/slot.ts";
import type { Message } from "../../src/queue/message.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { all, bytesOf, Jobs, textOf } from "../helpers/model-jobs.ts";

const ROOT = "/spool/queues/jobs";

/** The paths of all slices in ready/, in order. */
function ready(jobs: Jobs): string[] {
  return jobs.disk
    .list(`${ROOT}/ready`)
    .flatMap((bucket) =>
      jobs.disk.list(`${ROOT}/ready/${bucket}`).map((name) => `${bucket}/${name}`),
    )
    .toSorted()
    .map((path) => `${ROOT}/ready/${path}`);
}

/** What a process that begins now gets, and acks. */
async function bodiesOf(jobs: Jobs): Promise<string[]> {
  const queue = await jobs.process();
  const bodies: string[] = [];
  for await (const message of queue.messages({ untilEmpty: true })) {
    bodies.push(await textOf(message));
    await message.ack();
  }
  return bodies;
}

/** Changes one byte of a file: the name keeps, the content does not. */
function damage(jobs: Jobs, path: string, at: number): void {
  const fd = jobs.disk.open(path, "read");
  const byte = Buffer.alloc(1);
  const place = at < 0 ? jobs.disk.stat(fd).bytes + at : at;
  jobs.disk.read(fd, byte, place);
  jobs.disk.write(fd, Buffer.of(byte[0]! ^ 1), place);
  jobs.disk.close(fd);
}

describe("claim", () => {
  test("takes the highest priority first, then the oldest", async () => {
    const jobs = await Jobs.open();
    for (const [body, priority] of [
      ["b1", 4],
      ["c", 0],
      ["b2", 4],
      ["a", 9],
    ] as const) {
      await jobs.queue.put(body, { priority });
      jobs.time.advance(1);
    }
    expect(await jobs.drain()).toEqual(["a", "b1", "b2", "c"]);
  });

  test("takes what was put without a delay although the clock was set back, also behind what is not due", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.put("due in 10 s", { delayMs: 10_000 });
    await jobs.queue.put("due in 11 s", { delayMs: 11_000 });
    jobs.time.advance(20_000);
    const later = await jobs.process();
    await later.put("at once");
    jobs.time.advance(-20_000);
    expect(await bodiesOf(jobs)).toEqual(["at once"]);
    jobs.time.advance(10_000);
    expect(await bodiesOf(jobs)).toEqual(["due in 10 s"]);
  });

  test("goes on with a batch that it has split, before what came after it", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.putMany().run(bytesOf("1\n2\n3\n4\n5\n6\n7\n"));
    jobs.time.advance(1);
    await jobs.queue.put("after");
    expect(await jobs.drain()).toEqual(["1", "2", "3", "4", "5", "6", "7", "after"]);
  });

  test("gives each message to exactly one of two racing consumers", async () => {
    const jobs = await Jobs.open();
    for (let n = 0; n < 20; n++) await jobs.queue.put(`${n}`);
    const taken: string[] = [];
    const consume = async (): Promise<void> => {
      const { slot } = await jobs.consumer();
      for (;;) {
        const message = await slot.next();
        if (message === undefined) return;
        taken.push(await textOf(message));
        await message.ack();
      }
    };
    await Promise.all([consume(), consume(), consume()]);
    expect(taken.toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`).toSorted());
  });

  test("answers undefined for an empty queue, and makes no lease for it", async () => {
    const jobs = await Jobs.open();
    const { slot } = await jobs.consumer();
    expect(await slot.next()).toBeUndefined();
    expect(jobs.disk.list(`${ROOT}/leases`)).toEqual([]);
  });

  test("does not see what is scheduled until it is due", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.put("later", { delayMs: 1000 });
    expect(await jobs.drain()).toEqual([]);
    jobs.time.advance(999);
    expect(await jobs.drain()).toEqual([]);
    jobs.time.advance(1);
    expect(await jobs.drain()).toEqual(["later"]);
  });

  test("finds slices that sort after the start of the next bucket in their place", async () => {
    const jobs = await Jobs.open();
    const names: string[] = [];
    for (let n = 0; n < 6; n++) {
      await jobs.queue.put(`${n}`);
      names.push(ready(jobs).at(-1)!);
      jobs.time.advance(1);
    }
    // 0, 2 and 4 stay in the first bucket; 1, 3 and 5 go to buckets of their own.
    const { disk } = jobs;
    for (const n of [1, 3, 5]) {
      const name = names[n]!.slice(names[n]!.lastIndexOf("/") + 1);
      const bucket = `${ROOT}/ready/${name.slice(0, 15)}`;
      disk.mkdir(bucket);
      disk.rename(names[n]!, `${bucket}/${name}`);
    }
    jobs.time.advance(100);
    expect(await jobs.drain()).toEqual(["0", "1", "2", "3", "4", "5"]);
  });

  test("waits for leftovers of several buckets, as far as they are due", async () => {
    const jobs = await Jobs.open();
    const put = async (body: string, delayMs: number): Promise<void> => {
      await jobs.queue.put(body, { delayMs });
    };
    await put("c", 3000);
    await put("a", 1000);
    await put("b", 2000);
    // All in the bucket of the first; and buckets in between that are empty or hold one.
    const [first] = jobs.disk.list(`${ROOT}/ready`);
    for (const path of ready(jobs)) {
      const slice = parseSlice(path.slice(path.lastIndexOf("/") + 1))!;
      jobs.disk.mkdir(`${ROOT}/ready/5-${slice.visibleMs - 500}`);
      expect(path).toContain(first!.slice(0, 2));
    }
    jobs.time.advance(2500);
    expect(await jobs.drain()).toEqual(["a", "b"]);
    jobs.time.advance(500);
    expect(await jobs.drain()).toEqual(["c"]);
  });
});

describe("a damaged batch", () => {
  test.for([
    ["its body", -1],
    ["its header", 20],
  ] as const)("in %s is a dead letter with that reason, and is in nobody's way", async ([, at]) => {
    const jobs = await Jobs.open();
    for (const body of ["before", "hurt", "after"]) {
      await jobs.queue.put(body);
      jobs.time.advance(1);
    }
    damage(jobs, ready(jobs)[1]!, at);

    expect(await jobs.drain()).toEqual(["before", "after"]);

    const [found] = await all(jobs.queue.browse("dead"));
    const { reason } = await jobs.queue.reasonOf(found!.name);
    expect(reason).toMatch(/^damaged: .*checksum/);
    expect(jobs.warnings).toEqual([expect.stringContaining("damaged")]);
    expect(await statsOf(jobs.queue)).toMatchObject({
      ready: 0,
      dead: 1,
      inFlight: 0,
      consumers: 0,
    });
    expect(jobs.disk.openFiles).toBe(0);
  });

  test("of many messages goes as one", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.putMany().run(bytesOf("1\n2\n3\n"));
    damage(jobs, ready(jobs)[0]!, -1);
    expect(await jobs.drain()).toEqual([]);
    expect(await statsOf(jobs.queue)).toMatchObject({ dead: 3 });
  });

  test("whose name says more than it holds is one too", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.put("x");
    const [path] = ready(jobs);
    const slice = parseSlice(path!.slice(path!.lastIndexOf("/") + 1))!;
    const wrong = formatSlice({ ...slice, count: 5 });
    jobs.disk.rename(path!, path!.slice(0, path!.lastIndexOf("/") + 1) + wrong);
    expect(await jobs.drain()).toEqual([]);
    expect(await statsOf(jobs.queue)).toMatchObject({ dead: 5, inFlight: 0 });
  });
});

describe("attempts", () => {
  test("are counted by nack, and end among the dead with the reason", async () => {
    const jobs = await Jobs.open({ maxAttempts: 3, backoffBaseMs: 0 });
    await jobs.queue.put("poison");
    const { slot } = await jobs.consumer();
    for (const attempt of [1, 2, 3]) {
      jobs.time.advance(100);
      const message = (await slot.next())!;
      expect(message.attempt).toBe(attempt);
      await message.nack({ reason: `it hurt ${attempt}`, exitCode: 9, stderr: "ouch" });
    }
    jobs.time.advance(100);
    expect(await slot.next()).toBeUndefined();
    const [found] = await all(jobs.queue.browse("dead"));
    expect(await jobs.queue.reasonOf(found!.name)).toMatchObject({
      reason: "it hurt 3",
      exitCode: 9,
      stderr: "ouch",
      atMs: jobs.time.nowMs - 100,
    });
  });

  test("of a crash are counted for the message in hand, not for those behind it", async () => {
    const jobs = await Jobs.open({ maxAttempts: 2 });
    await jobs.queue
      .putMany()
      .run(bytesOf(Array.from({ length: 40 }, (_, n) => `${n}\n`).join("")));
    const delivered: string[] = [];
    let crashes = 0;
    for (;;) {
      const { consumer, slot, process } = await jobs.consumer();
      let message: Message | undefined;
      while ((message = await slot.next()) !== undefined) {
        if ((await textOf(message)) === "13") break;
        delivered.push(await textOf(message));
        await message.ack();
      }
      if (message === undefined) {
        await consumer.close();
        break;
      }
      crashes++;
      jobs.gone.add(process);
      jobs.time.advance(10_000);
    }
    expect(crashes).toBe(2);
    expect(delivered.map(Number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, n) => n).filter((n) => n !== 13),
    );
    const dead: string[] = [];
    for await (const seen of jobs.queue.peek("dead")) {
      dead.push((await seen.body()).toString());
      expect((await jobs.queue.reasonOf(seen.found.name)).reason).toMatch(/attempt/);
    }
    expect(dead).toEqual(["13"]);
  });
});

describe("settling", () => {
  test("works once: what was settled, or taken away, is refused", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.put("x");
    const { slot } = await jobs.consumer();
    const message = (await slot.next())!;
    await message.ack();
    for (const act of [() => message.ack(), () => message.nack(), () => message.reject()]) {
      await expect(act()).rejects.toMatchObject({ code: "LEASE_LOST" });
    }
  });

  // Its file is closed by then, and its descriptor may be another file's.
  test("a message that was settled is not read any more", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.put("x");
    const { consumer, slot } = await jobs.consumer();
    const message = (await slot.next())!;
    await message.ack();
    await slot.close();
    await consumer.close();
    await expect(message.body()).rejects.toMatchObject({ code: "BAD_VALUE" });
  });

  test("a consumer that slept past its lease can settle nothing of it", async () => {
    const jobs = await Jobs.open({ leaseMs: 1000, backoffBaseMs: 0 });
    for (const body of ["a", "b", "c"]) await jobs.queue.put(body);
    const sleeper = await jobs.consumer();
    const held = [await sleeper.slot.next(), await sleeper.slot.next(), await sleeper.slot.next()];
    jobs.time.advance(1001);

    expect((await jobs.drain()).toSorted()).toEqual(["a", "b", "c"]);

    const acts = [held[0]!.ack(), held[1]!.nack(), held[2]!.reject()];
    for (const act of acts) await expect(act).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(await statsOf(jobs.queue)).toMatchObject({
      ready: 0,
      inFlight: 0,
      dead: 0,
      scheduled: 0,
    });
    // It goes on with a lease of its own.
    await jobs.queue.put("d");
    jobs.time.advance(100);
    await expect(sleeper.slot.next()).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(await textOf(await sleeper.slot.next())).toBe("d");
  });

  test("several in hand are settled in any order", async () => {
    const jobs = await Jobs.open({ backoffBaseMs: 0 });
    await jobs.queue.putMany().run(bytesOf("1\n2\n3\n4\n5\n6\n7\n8\n"));
    const { slot } = await jobs.consumer();
    const held: Message[] = [];
    for (let n = 0; n < 8; n++) held.push((await slot.next())!);
    await held[3]!.ack();
    await held[0]!.nack({ isCounted: false });
    await held[6]!.reject();
    await held[7]!.ack();
    for (const n of [5, 1, 4, 2]) await held[n]!.ack();
    jobs.time.advance(100);
    expect(await jobs.drain()).toEqual(["1"]);
    expect(await statsOf(jobs.queue)).toMatchObject({ inFlight: 0, dead: 1 });
  });

  test("two slots of one consumer never share a message", async () => {
    const jobs = await Jobs.open();
    await jobs.queue
      .putMany()
      .run(bytesOf(Array.from({ length: 50 }, (_, n) => `${n}\n`).join("")));
    const { consumer, slot, queue } = await jobs.consumer();
    const other = new Slot(consumer, queue.room);
    const bodies: string[] = [];
    const run = async (one: Slot): Promise<void> => {
      for (;;) {
        const message = await one.next();
        if (message === undefined) return;
        bodies.push(await textOf(message));
        await message.ack();
      }
    };
    await Promise.all([run(slot), run(other)]);
    expect(new Set(bodies).size).toBe(50);
    expect(bodies).toHaveLength(50);
  });
});

describe("time to live", () => {
  test("drops what was not delivered in time", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.put("mortal", { ttlMs: 1000 });
    await jobs.queue.put("immortal");
    jobs.time.advance(1000);
    expect(await statsOf(jobs.queue)).toMatchObject({ ready: 1, expired: 1 });
    expect(await jobs.drain()).toEqual(["immortal"]);
    expect(await statsOf(jobs.queue)).toMatchObject({ expired: 0, dead: 0 });
  });

  test("or keeps it among the dead, where the queue is set so", async () => {
    const jobs = await Jobs.open({ ttlMs: 1000, expired: "dead" });
    await jobs.queue.put("mortal");
    await jobs.queue.put("put for ever", { ttlMs: 0 });
    jobs.time.advance(1000);
    expect(await jobs.drain()).toEqual(["put for ever"]);
    const [found] = await all(jobs.queue.browse("dead"));
    expect(await jobs.queue.reasonOf(found!.name)).toMatchObject({ reason: "expired" });
  });

  test("does not end what is in hand", async () => {
    const jobs = await Jobs.open({ leaseMs: 60_000 });
    await jobs.queue.put("mortal", { ttlMs: 1000 });
    const { slot } = await jobs.consumer();
    const message = await slot.next();
    jobs.time.advance(5000);
    expect((await jobs.queue.sweep()).expired).toBe(0);
    await message!.ack();
  });
});

describe("a list of names", () => {
  test("begins at the front again some time after a race was lost", async () => {
    const jobs = await Jobs.open();
    for (const body of ["a", "b", "c", "d"]) {
      await jobs.queue.put(body);
      jobs.time.advance(1);
    }
    const { room, buckets } = jobs.queue;
    // By chance it would begin at the last one.
    const scanner = new Scanner(
      Object.create(room, { disk: { value: { ...room.disk, random: () => 0.99 } } }),
      buckets,
    );
    const [first, second] = ready(jobs).map((path) => basename(path));
    const next = async (): Promise<string | undefined> =>
      (await scanner.next(await room.now()))?.name;
    expect(await next()).toBe(first);
    scanner.lost();
    expect(await next()).not.toBe(second);
    jobs.time.advance(1000);
    expect(await next()).toBe(first);
  });
});
