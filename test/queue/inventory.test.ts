/**
 * Goal: a count that was kept is the count, whoever keeps it.
 *
 * Method: a queue that is changed and counted in turn, by one who remembers, by one who takes over what another
 * one has written down, and by one who counts anew; on disks with clocks of all kinds of ticks, where each
 * directory has the same inode number, so that times alone tell.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { FileStat } from "../../src/disk/file-system.ts";
import { CountFile } from "../../src/queue/count-file.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { randomRuns } from "../helpers/model-chance.ts";
import { EXT4, MemoryDisk, NFS } from "../helpers/model-disk.ts";
import { bytesOf, Jobs } from "../helpers/model-jobs.ts";

const ROOT = "/spool/queues/jobs";

/** A view of the disk that changes what is said of directories, and calls `onList` for each that is listed. */
function viewOf(
  disk: MemoryDisk,
  said: (stat: FileStat) => FileStat,
  onList: (path: string) => void = () => {},
): MemoryDisk {
  return new Proxy(disk, {
    get: (target, name: keyof MemoryDisk) => {
      const value: unknown = target[name];
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name === "list") onList(args[0] as string);
        const answer: unknown = Reflect.apply(value, target, args);
        const isStat = name === "lstat" || name === "stat";
        if (!isStat || (answer as FileStat).kind !== "directory") return answer;
        return said(answer as FileStat);
      };
    },
  });
}

/** Times in whole ticks, and no inode numbers to tell one directory from another. */
const coarse =
  (tickMs: number) =>
  (stat: FileStat): FileStat => ({
    ...stat,
    inode: 7,
    mtimeMs: Math.floor(stat.mtimeMs / tickMs) * tickMs,
    ctimeMs: Math.floor(stat.ctimeMs / tickMs) * tickMs,
  });

let cacheDir = "";

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), "dirspool-"));
});

afterAll(() => rm(cacheDir, { recursive: true, force: true }));

const idOf = (disk: MemoryDisk): string => {
  const fd = disk.open("/spool/spool.json", "read");
  const into = Buffer.alloc(200);
  const text = into.toString("utf8", 0, disk.read(fd, into, 0));
  disk.close(fd);
  return (JSON.parse(text) as { id: string }).id;
};

/** What a process does at its end. */
function leave(jobs: Jobs, { inventory }: Queue): void {
  const file = new CountFile(cacheDir, idOf(jobs.disk), "/spool");
  expect(file.write(new Map([["jobs", inventory.known]]))).toBe(true);
}

const act = fc.oneof(
  fc.record({
    do: fc.constant("put" as const),
    delayMs: fc.constantFrom(0, 0, 30, 5000),
    ttlMs: fc.constantFrom(0, 60, 9000),
  }),
  fc.record({
    do: fc.constantFrom(
      ...(["take", "hold", "nack", "reject", "purge", "drop", "sweep"] as const),
      ...(["remake", "leave", "forget", "count"] as const),
    ),
  }),
  fc.record({
    do: fc.constant("wait" as const),
    ms: fc.constantFrom(0, 1, 9, 49, 51, 1000, 3100, 60_000),
  }),
);

type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

class Scene {
  readonly #jobs: Jobs;
  readonly #view: MemoryDisk;
  #counter: Queue;
  #drops = 0;

  private constructor(jobs: Jobs, view: MemoryDisk, counter: Queue) {
    this.#jobs = jobs;
    this.#view = view;
    this.#counter = counter;
  }

  static async open(tickMs: number, type: number): Promise<Scene> {
    const jobs = await Jobs.open({}, type);
    const view = viewOf(jobs.disk, coarse(tickMs));
    return new Scene(jobs, view, await jobs.process("counter", view));
  }

  async play(one: Act): Promise<void> {
    const { queue, time } = this.#jobs;
    if (one.do === "put") await queue.put("x", { delayMs: one.delayMs, ttlMs: one.ttlMs });
    else if (one.do === "wait") time.advance(one.ms);
    else if (one.do === "purge") await queue.purge({ max: 1 });
    else if (one.do === "drop") this.#jobs.write(`${ROOT}/drop/f${this.#drops++}`, "dropped");
    else if (one.do === "sweep") await queue.sweep();
    else if (one.do === "remake") this.#remake();
    else if (one.do === "leave") leave(this.#jobs, this.#counter);
    else if (one.do === "forget") this.#counter = await this.#process("counter");
    else if (one.do !== "count") await this.#settle(one.do);
  }

  async #settle(how: "take" | "hold" | "nack" | "reject"): Promise<void> {
    const { slot, consumer } = await this.#jobs.consumer("brief", { leaseMs: 1e9 });
    const message = await slot.next();
    if (how === "hold") return;
    if (how === "take") await message?.ack();
    else if (how === "nack") await message?.nack();
    else await message?.reject({ reason: "unwanted" });
    await slot.close();
    await consumer.close();
  }

  /** A bucket of the same name with other names in it, as a restored backup may bring it. */
  #remake(): void {
    const { disk } = this.#jobs;
    const [bucket] = disk.list(`${ROOT}/ready`);
    if (bucket === undefined) return;
    const path = `${ROOT}/ready/${bucket}`;
    const names = disk.list(path);
    for (const name of names) disk.rename(`${path}/${name}`, `${ROOT}/tmp/${name}`);
    disk.rmdir(path);
    disk.mkdir(path);
    const [lost, ...kept] = names;
    for (const name of kept) disk.rename(`${ROOT}/tmp/${name}`, `${path}/${name}`);
    if (lost !== undefined) disk.unlink(`${ROOT}/tmp/${lost}`);
  }

  #process(self: string): Promise<Queue> {
    return this.#jobs.process(self, this.#view, cacheDir);
  }

  async check(): Promise<void> {
    const anew = await statsOf(await this.#jobs.process("anew"));
    expect(await statsOf(this.#counter), "who remembers").toEqual(anew);
    expect(await statsOf(await this.#process("heir")), "who takes over").toEqual(anew);
  }
}

describe("the inventory", () => {
  test.for([
    [1, EXT4],
    [10, EXT4],
    [40, EXT4],
    [1000, EXT4],
    [10, NFS],
    [2501, NFS],
  ] as const)(
    "that remembers, or takes over, says what one says that counts anew: ticks of %i ms, type %i",
    async ([tickMs, type]) => {
      await fc.assert(
        fc.asyncProperty(fc.array(act, { maxLength: 40, size: "max" }), async (acts) => {
          const scene = await Scene.open(tickMs, type);
          for (const one of acts) {
            await scene.play(one);
            await scene.check();
          }
        }),
        randomRuns(50),
      );
    },
  );

  /** The queue of a process that says which directories it lists. */
  async function watched(jobs: Jobs, cache?: string): Promise<{ queue: Queue; lists: string[] }> {
    const lists: string[] = [];
    const view = viewOf(
      jobs.disk,
      (stat) => stat,
      (path) => lists.push(path.slice(ROOT.length + 1)),
    );
    return { queue: await jobs.process("p", view, cache), lists };
  }

  test("lists each directory once while nothing changes", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.putMany({ batchMessages: 1 }).run(bytesOf("1\n2\n3\n"));
    jobs.time.advance(1000);
    const { queue, lists } = await watched(jobs);
    for (let times = 0; times < 5; times++) expect((await statsOf(queue)).ready).toBe(3);
    const buckets = jobs.disk.list(`${ROOT}/ready`).map((bucket) => `ready/${bucket}`);
    const all = ["ready", ...buckets, "leases", "reclaim", "dead", "drop"];
    expect(lists.splice(0)).toEqual(all);
    await jobs.queue.put("4");
    jobs.time.advance(1000);
    expect((await statsOf(queue)).ready).toBe(4);
    expect(lists.filter((path) => /^ready./.test(path))).toHaveLength(1);
  });

  test("lists nothing where another process has left its counts, and only what changed since", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.putMany({ batchMessages: 1 }).run(bytesOf("1\n2\n3\n"));
    jobs.time.advance(1000);
    const first = await watched(jobs, cacheDir);
    const stats = await statsOf(first.queue);
    leave(jobs, first.queue);
    const second = await watched(jobs, cacheDir);
    expect(await statsOf(second.queue)).toEqual(stats);
    expect(second.lists).toEqual([]);
    jobs.write(`${ROOT}/drop/file`, "dropped");
    jobs.time.advance(1000);
    const third = await watched(jobs, cacheDir);
    expect((await statsOf(third.queue)).ready).toBe(4);
    expect(third.lists).toEqual(["drop"]);
  });

  test("of a shared disk is not left to others", async () => {
    const jobs = await Jobs.open({}, NFS);
    await jobs.queue.put("x");
    jobs.time.advance(10_000);
    const first = await watched(jobs, cacheDir);
    await statsOf(first.queue);
    leave(jobs, first.queue);
    const second = await watched(jobs, cacheDir);
    expect((await statsOf(second.queue)).ready).toBe(1);
    expect(second.lists).toContain("ready");
  });

  test("opens a directory to see its state, where lstat may tell of an old one", async () => {
    const jobs = await Jobs.open({}, NFS);
    await jobs.queue.put("x");
    jobs.time.advance(10_000);
    let isOld = false;
    const old = new Map<string, FileStat>();
    const stale = new Proxy(jobs.disk, {
      get: (disk, name: keyof MemoryDisk) => {
        const value: unknown = disk[name];
        if (name !== "lstat") {
          return typeof value === "function" ? (value.bind(disk) as unknown) : value;
        }
        return (path: string) => {
          if (!isOld) old.set(path, disk.lstat(path));
          return (isOld ? old.get(path) : undefined) ?? disk.lstat(path);
        };
      },
    });
    const queue = await jobs.process("p", stale);
    expect((await statsOf(queue)).ready).toBe(1);
    expect((await statsOf(queue)).ready).toBe(1);
    isOld = true;
    await jobs.queue.put("y");
    expect((await statsOf(queue)).ready).toBe(2);
  });

  test("that is asked twice at a time answers both", async () => {
    const jobs = await Jobs.open();
    const { queue } = await watched(jobs);
    for (let round = 0; round < 20; round++) {
      // Each starts a bucket of its own, so the table of buckets is made anew.
      const delayMs = 1e6 * (20 - round);
      await jobs.queue.put("x", { delayMs });
      jobs.disk.mkdir(`${ROOT}/ready/5-${1_500_000_000_000 + round * 7}`);
      jobs.time.advance(100);
      const both = await Promise.all([statsOf(queue), statsOf(queue), jobs.queue.put("y")]);
      expect(both[0].scheduled).toBe(round + 1);
      expect(both[1].scheduled).toBe(round + 1);
      jobs.time.advance(100);
      expect(await statsOf(queue)).toEqual(await statsOf(await jobs.process()));
    }
  });

  test("asks the names again where the clock was set back", async () => {
    const jobs = await Jobs.open();
    await jobs.queue.put("x", { delayMs: 10_000 });
    const nowMs = jobs.time.nowMs;
    const { inventory } = jobs.queue;
    expect((await inventory.count(nowMs + 20_000)).ready.messages).toBe(1);
    expect((await inventory.count(nowMs + 5000)).scheduled.messages).toBe(1);
    expect((await inventory.count(nowMs + 20_000)).ready.messages).toBe(1);
  });

  test("stops counting as soon as it is enough", async () => {
    const jobs = await Jobs.open();
    for (let n = 0; n < 5; n++) await jobs.queue.put("x", { delayMs: n * 10_000, priority: n });
    const nowMs = jobs.time.nowMs;
    const { ready, scheduled } = await jobs.queue.inventory.count(
      nowMs,
      (messages) => messages > 1,
    );
    expect(ready.messages + scheduled.messages).toBe(2);
  });
});
