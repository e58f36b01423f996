/**
 * Goal: what others do between two calls of a put, a settling or a takeover neither loses a message nor doubles
 * it, and nobody is told what is not so.
 *
 * Method: a file system that lets a test act just before, or instead of, a chosen call.
 */
import {
  linkSync,
  lstatSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";

import { describe, expect } from "vitest";

import { DiskClock } from "../../src/clock.ts";
import { formatSlice, partOf } from "../../src/message/slice.ts";
import type { Message } from "../../src/queue/message.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { parseReceipt } from "../../src/queue/receipt.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import { extendByReceipt, settle, settleByReceipt } from "../../src/queue/settle.ts";
import { openSpool } from "../../src/spool.ts";
import type { OpenOptions } from "../../src/spool.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { test } from "../helpers/fixtures.ts";
import { AheadClock, EXT4, fullAtClose, hooked, NFS, ZFS } from "../helpers/hooked.ts";
import type { Hook } from "../helpers/hooked.ts";
import { bytesOf, textOf } from "../helpers/model-jobs.ts";

/** The queue as another process sees it, of which nobody can tell whether it lives. */
async function queueOf(
  dir: string,
  hook: Hook = () => undefined,
  { type = EXT4, ...more }: OpenOptions["parts"] & { readonly type?: number } = {},
): Promise<Queue> {
  const processes = { self: "p1", host: "elsewhere", isGone: () => false };
  const parts = { fs: hooked(type, hook), processes, ...more };
  return (await openSpool({ dir, parts })).queue("jobs");
}

async function drain(queue: Queue): Promise<string[]> {
  const bodies: string[] = [];
  for await (const message of queue.messages({ untilEmpty: true })) {
    bodies.push(await textOf(message));
    await message.ack();
  }
  return bodies.toSorted();
}

/** The first message of a claim, in the hands of a consumer that says nothing more. */
async function claimOne(
  queue: Queue,
  leaseMs = 60_000,
): Promise<{ message: Message; lease: string }> {
  const consumer = queue.consumer("handed out", { leaseMs });
  const claim = (await consumer.claim(1))!;
  return { message: (await consumer.open(claim))!, lease: consumer.lease!.name };
}

/** From now on its lease is over by the disk's clock. */
function expire(queue: Queue, lease: string): void {
  utimesSync(queue.room.layout.lock(lease), 1000, 1000);
}

const lost = { code: "LEASE_LOST" };

describe("a put", () => {
  test("whose draft is swept before it is renamed: it fails", async ({ dir, queue }) => {
    await queue.create();
    const writer = await queueOf(dir, (name, path, to) => {
      if (name === "rename" && to.includes("/ready/")) unlinkSync(path);
    });
    await expect(writer.put("x")).rejects.toMatchObject({ code: "IO" });
    expect(await drain(queue)).toEqual([]);
  });
});

describe("a put with a key", () => {
  test("beside one whose epoch has begun already: both say that one's id", async ({
    dir,
    queue,
  }) => {
    const windowMs = 3600_000;
    await queue.create({ ...DEFAULT_SETTINGS, dedupWindowMs: windowMs });
    const rival = await queueOf(dir, () => undefined, { clock: new AheadClock(windowMs) });
    let first = "";
    let markers = 0;
    const writer = await queueOf(dir, async (name, _path, to) => {
      // It has its first marker, and is about to make the second one.
      if (name !== "link" || !to.includes("/dedup/") || ++markers !== 3) return;
      first = (await rival.put("rival", { dedupKey: "k" })).id;
    });
    expect(await writer.put("x", { dedupKey: "k" })).toEqual({ id: first, duplicate: true });
    expect(await queue.put("y", { dedupKey: "k" })).toEqual({ id: first, duplicate: true });
    expect(await drain(queue)).toEqual(["rival"]);
  });
});

describe("a put with a key that syncs nothing", () => {
  test("whose bytes are refused as it is closed: it fails, and its key is not taken", async ({
    dir,
    queue,
  }) => {
    await queue.create();
    const writer = await queueOf(dir, fullAtClose(), { type: NFS });
    const once = { sync: "none", dedupKey: "k" } as const;
    await expect(writer.put("x", once)).rejects.toMatchObject({ code: "DISK_FULL" });
    expect(await queue.put("y", once)).toMatchObject({ duplicate: false });
    expect(await drain(queue)).toEqual(["y"]);
    expect(readdirSync(queue.room.layout.tmp)).toEqual([]);
  });
});

describe("who has slept past its lease, on a shared disk", () => {
  test("and buries what a reaper has buried: it is told so", async ({ dir, queue }) => {
    await queue.create({ ...DEFAULT_SETTINGS, maxAttempts: 1 });
    await queue.put("x");
    const reaper = await queueOf(dir, () => undefined, { type: NFS });
    let lease = "";
    const sleeper = await queueOf(
      dir,
      async (name, path, to) => {
        const isLetter = name === "rename" && path.includes("/leases/") && to.includes("/dead/");
        if (!isLetter) return;
        expire(queue, lease);
        await reaper.sweep();
      },
      { type: NFS },
    );
    const claimed = await claimOne(sleeper);
    ({ lease } = claimed);
    await expect(claimed.message.nack()).rejects.toMatchObject(lost);
    expect(readdirSync(queue.room.layout.dead).filter((name) => !name.includes("."))).toHaveLength(
      1,
    );
  });

  test("and gives back what a reaper has given back: it is told so", async ({ dir, queue }) => {
    await queue.create();
    await queue.put("x");
    let lease = "";
    const sleeper = await queueOf(
      dir,
      (name, path, to) => {
        if (name !== "rename" || !path.includes("/leases/") || !to.includes("/ready/")) return;
        // A reaper that happens to give it the same name.
        renameSync(queue.room.layout.lease(lease), queue.room.layout.reclaimed(lease));
        renameSync(`${queue.room.layout.reclaimed(lease)}/${basename(path)}`, to);
      },
      { type: NFS },
    );
    const claimed = await claimOne(sleeper);
    ({ lease } = claimed);
    await expect(claimed.message.nack({ delayMs: 0 })).rejects.toMatchObject(lost);
    // It is due now, give or take a tick of the clocks.
    await expect.poll(() => drain(queue), { timeout: 10_000 }).toEqual(["x"]);
  });
});

test("a put whose message is done, and its bucket removed, before that is safe: it succeeds", async ({
  dir,
  queue,
}) => {
  await queue.create();
  let isDone = false;
  const { ready } = queue.room.layout;
  const putter = await queueOf(
    dir,
    (name, path) => {
      if (name !== "open" || dirname(path) !== ready || readdirSync(path).length === 0) return;
      for (const slice of readdirSync(path)) unlinkSync(`${path}/${slice}`);
      rmdirSync(path);
      isDone = true;
    },
    { type: ZFS },
  );
  await putter.put("x");
  expect(isDone).toBe(true);
});

test("who lists the queues while one of them is removed: passes over it", async ({
  dir,
  queue,
}) => {
  await queue.create();
  for (const last of ["queue.json", "jobs"]) {
    const fs = hooked(EXT4, (name, path) => {
      if (name !== "lstat" || basename(path) !== last) return;
      rmSync(queue.room.layout.root, { recursive: true });
    });
    expect(await (await openSpool({ dir, parts: { fs } })).queueNames()).toEqual([]);
    queue.room.forgetSettings();
    await queue.create();
  }
});

test("whoever buries on a shared disk, and whose reason another one replaces before its lost reply is looked for", async ({
  dir,
  queue,
}) => {
  await queue.create();
  await queue.put("x");
  const burier = await queueOf(
    dir,
    (name, path, to) => {
      if (name !== "rename" || !to.endsWith(".reason")) return;
      renameSync(path, to);
      // A reaper that looked at the same letter before its lease ended.
      writeFileSync(`${path}.other`, '{"reason":"gave up","atMs":1}');
      renameSync(`${path}.other`, to);
    },
    { type: NFS },
  );
  const { message } = await claimOne(burier);
  await message.reject({ reason: "bad" });
  expect(await statsOf(queue)).toMatchObject({ dead: 1, inFlight: 0 });
});

describe("who nacks twice by one receipt, on a shared disk", () => {
  // By a seed of the simulation: 544752615.
  test("in one tick of its clock: the second time it is told that it was settled", async ({
    dir,
  }) => {
    const atOnce = new DiskClock(() => 5);
    const queue = await queueOf(dir, () => undefined, { type: NFS, clock: atOnce });
    await queue.create();
    await queue.put("x");
    await queue.put("y");
    const consumer = queue.consumer("handed out", { leaseMs: 60_000 });
    const receipts: string[] = [];
    // The other one keeps the lease there.
    for (let left = 2; left > 0; left--) {
      receipts.push(await (await consumer.open((await consumer.claim(1))!))!.receipt());
    }
    await consumer.leave();
    const nack = (): Promise<void> =>
      settleByReceipt(queue.room, queue.buckets, parseReceipt(receipts[0]!), (held, next) =>
        settle.nack(queue.room, held, next, { delayMs: 1000 }),
      );
    await nack();
    await expect(nack()).rejects.toMatchObject(lost);
  });
});

describe("who splits on a shared disk", () => {
  test("and its link's reply gets lost: it has what it wanted", async ({ dir, queue }) => {
    await queue.create();
    await queue.putMany().run(bytesOf("a\nb\n"));
    const splitter = await queueOf(
      dir,
      (name, path, to) => {
        if (name === "link" && to.includes("/leases/")) linkSync(path, to);
      },
      { type: NFS },
    );
    const { message } = await claimOne(splitter);
    expect(await textOf(message)).toBe("a");
    expect(await drain(queue)).toEqual(["b"]);
    await message.ack();
  });
});

describe("a reason", () => {
  test("that is there before its letter: a sweep leaves it", async ({ dir, queue }) => {
    await queue.put("x");
    const consumer = await queueOf(dir, async (name, _path, to) => {
      if (name === "rename" && to.includes("/dead/") && !to.endsWith(".reason"))
        await queue.sweep();
    });
    for await (const message of consumer.messages({ untilEmpty: true })) {
      await message.reject({ reason: "bad" });
    }
    for await (const { name } of queue.browse("dead")) {
      expect(await queue.reasonOf(name)).toMatchObject({ reason: "bad" });
    }
  });
});

describe("a reaper", () => {
  test("to whom the disk's clock was set back: it reads it anew", async ({ dir, queue }) => {
    await queue.put("x");
    const { message } = await claimOne(queue, 30_000);
    let nowMs = 0;
    const reaper = await queueOf(dir, () => undefined, { clock: new DiskClock(() => nowMs) });
    await reaper.room.readClock();
    // Too long by its own clock; by the disk's hardly any time.
    nowMs = 50_000;
    expect(await reaper.consumer("brief").claim(1)).toBeUndefined();
    await message.ack();
    expect(await drain(queue)).toEqual([]);
  });

  test("that does not see a lock which is listed: it leaves the lease", async ({ dir, queue }) => {
    await queue.put("x");
    const { message } = await claimOne(queue);
    const reaper = await queueOf(
      dir,
      (name, path) => {
        if (name !== "lstat" || !path.endsWith(".lock")) return;
        throw Object.assign(new Error("not seen yet"), { code: "ENOENT", syscall: "lstat" });
      },
      { type: NFS },
    );
    await reaper.sweep();
    await message.ack();
    expect(await drain(queue)).toEqual([]);
  });
});

/** A lease that is over, with one message and the whole it was parted from, as a split half done leaves it. */
async function halfSplit(queue: Queue): Promise<{ directory: string; P: string; Q: string }> {
  const { layout } = queue.room;
  await queue.create();
  await queue.putMany().run(bytesOf("a\nb\nc\n"));
  const consumer = queue.consumer("handed out", { leaseMs: 2000 });
  const claim = (await consumer.claim(3))!;
  const whole = claim.held.slice!;
  const { next } = await claim.file.spanAt(whole.offset, whole.offset + whole.bytes);
  await claim.file.close();
  await consumer.leave();
  const lease = consumer.lease!.name;
  const P = formatSlice(whole);
  const Q = formatSlice(partOf(whole, 0, 1, whole.offset, next - whole.offset));
  linkSync(`${layout.lease(lease)}/${P}`, `${layout.lease(lease)}/${Q}`);
  expire(queue, lease);
  return { directory: layout.reclaimed(lease), P, Q };
}

describe("a takeover of a split half done", () => {
  test("both parts of which were fenced: each comes once", async ({ dir, queue }) => {
    const { directory, P, Q } = await halfSplit(queue);
    let isDone = false;
    const reaper = await queueOf(dir, (name, path) => {
      if (isDone || name !== "list" || path !== directory) return;
      isDone = true;
      for (const one of [P, Q]) renameSync(`${directory}/${one}`, `${directory}/~${one}`);
    });
    await reaper.sweep();
    expect(isDone).toBe(true);
    expect(await drain(queue)).toEqual(["a", "b", "c"]);
  });

  test("the whole of which leaves meanwhile: each comes once", async ({ dir, queue }) => {
    const { directory, P, Q } = await halfSplit(queue);
    const reaper = await queueOf(dir, (name, path, to) => {
      // The part first, as a directory may list them.
      if (name === "list" && path === directory) {
        return readdirSync(path).toSorted((one, other) => Number(one === P) - Number(other === P));
      }
      // The holder's rename of the whole lands late, when it is not fenced yet.
      const [bucket = ""] = readdirSync(queue.room.layout.ready);
      if (name === "rename" && to === `${directory}/~${Q}` && readdirSync(directory).includes(P)) {
        renameSync(`${directory}/${P}`, `${queue.room.layout.bucket(bucket)}/${P}`);
      }
      return undefined;
    });
    await reaper.sweep();
    expect(await drain(queue)).toEqual(["a", "b", "c"]);
  });

  test("the whole of which a shared disk leaves out: each comes once", async ({ dir, queue }) => {
    const { directory, P } = await halfSplit(queue);
    const listings = { [directory]: 0, [`${directory}~`]: 0 };
    const reaper = await queueOf(
      dir,
      (name, path) => {
        if (name !== "list" || listings[path] === undefined) return undefined;
        // The second directory is looked into once before anything goes from there.
        const nth = ++listings[path];
        const isPoor = path === directory ? nth === 1 || nth === 3 : nth === 2;
        return readdirSync(path).filter((one) => !isPoor || !one.includes(P));
      },
      { type: NFS },
    );
    await reaper.sweep();
    expect(Math.min(...Object.values(listings))).toBeGreaterThan(2);
    expect(await drain(queue)).toEqual(["a", "b", "c"]);
  });
});

describe("a takeover into which a link of the old holder lands late", () => {
  // A link starts from the file, not from its name: all that can stop it is that the directory is gone.
  test.for(["a part", "the whole"])("%s: each comes once", async (what, { dir, queue }) => {
    const { directory, P, Q } = await halfSplit(queue);
    const lease = basename(directory);
    linkSync(`${queue.room.layout.lease(lease)}/${P}`, `${dir}/file`);
    let isDone = false;
    const reaper = await queueOf(dir, (name, path) => {
      if (isDone || name !== "rmdir" || path !== directory) return;
      isDone = true;
      linkSync(`${dir}/file`, `${directory}/${what === "a part" ? Q : P}`);
    });
    await reaper.sweep();
    expect(isDone).toBe(true);
    expect(await drain(queue)).toEqual(["a", "b", "c"]);
    expect(readdirSync(queue.room.layout.reclaim)).toEqual([]);
    expect(readdirSync(queue.room.layout.aside)).toEqual([]);
    expect(lstatSync(`${dir}/file`).nlink).toBe(1);
  });

  test("while another reaper gives back: each comes once", async ({ dir, queue }) => {
    const { directory, P, Q } = await halfSplit(queue);
    const lease = basename(directory);
    linkSync(`${queue.room.layout.lease(lease)}/${P}`, `${dir}/file`);
    let isDone = false;
    const reaper = await queueOf(dir, async (name, path, to) => {
      // It has seen what is there, and is slow.
      if (isDone || name !== "rename" || path !== `${directory}/~${P}`) return;
      isDone = true;
      expect(basename(dirname(to))).toBe(`${lease}~`);
      linkSync(`${dir}/file`, `${directory}/${Q}`);
      await (await queueOf(dir)).sweep();
    });
    await reaper.sweep();
    expect(isDone).toBe(true);
    expect(await drain(queue)).toEqual(["a", "b", "c"]);
    expect(readdirSync(queue.room.layout.reclaim)).toEqual([]);
  });

  test("where its reaper has died in between: it is in flight, and all is sound", async ({
    dir,
    queue,
  }) => {
    const { directory, P, Q } = await halfSplit(queue);
    const reaper = await queueOf(dir, (name, path) => {
      if (name === "rmdir" && path === directory) throw new Error("died");
    });
    await expect(reaper.sweep()).rejects.toThrow("died");
    linkSync(`${directory}~/~${P}`, `${directory}/${Q}`);
    expect(await statsOf(queue)).toMatchObject({ ready: 0, inFlight: 4 });
    expect((await queue.verify()).findings).toEqual([]);
    expect(await drain(queue)).toEqual(["a", "b", "c"]);
  });
});

describe("what NFS keeps of a removed file that somebody has open", () => {
  test("is nothing: neither a takeover, a sweep nor a verify minds it", async ({ dir, queue }) => {
    const { directory } = await halfSplit(queue);
    const { layout } = queue.room;
    const lease = layout.lease(basename(directory));
    const [bucket = ""] = readdirSync(layout.ready);
    const places = [layout.bucket(bucket), layout.ready, layout.dead, layout.tmp, layout.root];
    for (const place of places) writeFileSync(`${place}/.nfs000000000001`, "acked");
    writeFileSync(`${lease}/.nfs000000000002`, "acked");
    const warnings: string[] = [];
    const reaper = await queueOf(dir, () => undefined, { type: NFS });
    expect((await reaper.verify()).findings).toEqual([]);
    await reaper.sweep((line) => warnings.push(line));
    expect((await reaper.verify()).findings).toEqual([]);
    expect(warnings).toEqual([]);
    expect(await drain(reaper)).toEqual(["a", "b", "c"]);
    for (const place of [layout.aside, layout.reclaim]) expect(readdirSync(place)).toEqual([]);
    for (const place of places) expect(readdirSync(place)).toContain(".nfs000000000001");
  });

  test("does not hold a takeover up where it cannot be removed", async ({ dir, queue }) => {
    const { directory } = await halfSplit(queue);
    const lease = queue.room.layout.lease(basename(directory));
    writeFileSync(`${lease}/.nfs000000000002`, "acked");
    const busy = Object.assign(new Error("EBUSY"), { code: "EBUSY", syscall: "unlink" });
    const reaper = await queueOf(
      dir,
      (name, path) => {
        if (name === "unlink" && basename(path).startsWith(".nfs")) throw busy;
      },
      { type: NFS },
    );
    await reaper.sweep();
    expect(await drain(reaper)).toEqual(["a", "b", "c"]);
    expect(readdirSync(queue.room.layout.reclaim)).toEqual([]);
  });
});

describe("what is set aside where aside/ is missing", () => {
  test("goes there when its directory is safe, on a disk that wants that", async ({
    dir,
    queue,
  }) => {
    await queue.create();
    const { layout } = queue.room;
    rmdirSync(layout.aside);
    writeFileSync(`${layout.ready}/foreign`, "x");
    const calls: string[] = [];
    const sweeper = await queueOf(
      dir,
      (name, path, to) => {
        if (name === "mkdir" && path === layout.aside) calls.push("made");
        if (name === "open" && path === layout.root && to === "directory") calls.push("synced");
        if (name === "rename" && dirname(to) === layout.aside) calls.push("moved");
      },
      { type: NFS },
    );
    await sweeper.sweep();
    // The first try finds that it is missing.
    expect(calls).toEqual(["moved", "made", "synced", "moved"]);
  });
});

describe("a takeover of what a repeated call has linked anew", () => {
  test("after it was fenced: it comes once, and the takeover ends", async ({ dir, queue }) => {
    const { directory, P } = await halfSplit(queue);
    let fences = 0;
    const reaper = await queueOf(dir, (name, path) => {
      if (name !== "list" || path !== directory || !readdirSync(path).includes(`~${P}`)) return;
      // A takeover that does not end would have this test killed, and say nothing.
      if (fences++ > 9) throw new Error("it does not end");
      if (fences === 1) linkSync(`${path}/~${P}`, `${path}/${P}`);
    });
    await reaper.sweep();
    expect(fences).toBeGreaterThan(0);
    expect(await drain(queue)).toEqual(["a", "b", "c"]);
    expect(readdirSync(queue.room.layout.reclaim)).toEqual([]);
    expect(readdirSync(queue.room.layout.aside)).toEqual([]);
  });
});

describe("a lease", () => {
  test("that holds something when its consumer ends: it lasts", async ({ dir, queue }) => {
    await queue.put("x");
    const consumer = queue.consumer("handed out", { leaseMs: 60_000 });
    const claim = (await consumer.claim(1))!;
    const message = (await consumer.open(claim))!;
    await consumer.close();
    const { leases } = await (await queueOf(dir)).sweep();
    expect(leases).toBe(0);
    await message.ack();
    expect(await drain(queue)).toEqual([]);
  });

  test("of a message that was settled: its receipt extends nobody's", async ({ queue }) => {
    await queue.create();
    await queue.putMany().run(bytesOf("a\nb\n"));
    const consumer = queue.consumer("handed out", { leaseMs: 60_000 });
    const claim = (await consumer.claim(2))!;
    const receipt = parseReceipt(await (await consumer.open(claim))!.receipt());
    await claim.file.close();
    await consumer.leave();
    await settleByReceipt(queue.room, queue.buckets, receipt, (held, next) => held.ack(1, next));
    const lock = queue.room.layout.lock(receipt.lease.name);
    const { mtimeMs } = lstatSync(lock);
    await expect(extendByReceipt(queue.room, receipt, 120_000)).rejects.toMatchObject(lost);
    expect(lstatSync(lock).mtimeMs).toBe(mtimeMs);
  });

  test("taken away while it is extended: that is said", async ({ dir, queue }) => {
    await queue.put("x");
    const { message, lease } = await claimOne(queue);
    const receipt = parseReceipt(await message.receipt());
    const { layout } = queue.room;
    const other = await queueOf(dir, (name, path) => {
      if (name === "touch" && path === layout.lock(lease)) {
        renameSync(layout.lease(lease), layout.reclaimed(lease));
      }
    });
    await expect(extendByReceipt(other.room, receipt, 120_000)).rejects.toMatchObject(lost);
  });
});

describe("a queue that somebody is making", () => {
  // The other one may not have come to his last sync: what is said to be there has to last.
  test.for([
    { type: EXT4, synced: "queue.json" },
    { type: ZFS, synced: "jobs" },
  ])("is made safe by who says that it is there: $synced", async ({ type, synced }, { dir }) => {
    await (await queueOf(dir)).create();
    const calls: string[] = [];
    const other = await queueOf(dir, (name, path) => void calls.push(`${name} ${basename(path)}`), {
      type,
    });
    expect(await other.create()).toBe(false);
    const opened = calls.lastIndexOf(`open ${synced}`);
    expect(opened).toBeGreaterThan(calls.lastIndexOf("lstat queue.json"));
    expect(calls.slice(opened).some((call) => call.startsWith("sync"))).toBe(true);
  });
});
