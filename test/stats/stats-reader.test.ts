/**
 * Goal: whoever looks again, in this process or the next one, sees what is there, and lists only what has changed.
 *
 * Method: real directories; a file system that tells what is listed; backlogs made of links.
 */
import * as fs from "node:fs";

import { describe, expect } from "vitest";

import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { IdSource } from "../../src/message/id.ts";
import { openSpool } from "../../src/spool.ts";
import type { Spool } from "../../src/spool.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { StatsReader } from "../../src/stats/stats-reader.ts";
import { test as base } from "../helpers/fixtures.ts";

const test = base
  .extend("cacheDir", ({ dir }) => `${dir}/cache`)
  .extend("process", ({ dir, cacheDir }) => {
    return (options: { cacheDir?: string } = { cacheDir }) => openProcess(`${dir}/spool`, options);
  });

interface Process {
  readonly spool: Spool;
  readonly reader: StatsReader;
  /** What it has listed, relative to the spool. */
  readonly lists: string[];
}

async function openProcess(dir: string, options: { cacheDir?: string }): Promise<Process> {
  const lists: string[] = [];
  class Watched extends NodeFileSystem {
    override list(path: string): string[] {
      lists.push(path.slice(dir.length + 1));
      return super.list(path);
    }
  }
  const spool = await openSpool({ dir, ...options, parts: { fs: new Watched() } });
  return { spool, reader: new StatsReader(spool), lists };
}

/** A bucket of so many messages, which are links of one empty file; returns its path. */
async function fill(spool: Spool, name: string, count: number): Promise<string> {
  const queue = spool.queue(name);
  await queue.create();
  const { layout } = queue.room;
  const timeMs = Date.now() - 3600_000;
  const id = new IdSource().next(timeMs);
  const bucket = layout.bucket(`5-${timeMs}-${id}`);
  fs.mkdirSync(bucket);
  fs.writeFileSync(`${layout.tmp}/file`, "");
  for (let at = 0; at < count; at++) {
    const first = String(at).padStart(7, "0");
    fs.linkSync(`${layout.tmp}/file`, `${bucket}/5-${timeMs}-${id}-${first}-n1-o0-b10-a0`);
  }
  fs.unlinkSync(`${layout.tmp}/file`);
  return bucket;
}

/** Longer than a tick: what was listed after it may be kept. */
const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 80));

const figures = (reader: StatsReader): Promise<unknown> =>
  reader.all().then((all) => all.map(({ name, ready, dead, bytes }) => [name, ready, dead, bytes]));

describe("a reader", () => {
  test("says what statsOf says, of all queues and of one", async ({ process }) => {
    const { spool, reader } = await process();
    await fill(spool, "b", 3);
    await fill(spool, "a", 2);
    await (await spool.topic("logs")).subscribe("all");
    await rest();
    const all = await reader.all();
    expect(all.map(({ name }) => name)).toEqual(["a", "b", "logs/all"]);
    for (const stats of all) {
      const one = await reader.of(stats.name);
      const anew = await statsOf((await process()).spool.queue(stats.name));
      for (const other of [one, anew]) {
        expect({ ...other, oldestMs: 0, lagMs: 0 }).toEqual({ ...stats, oldestMs: 0, lagMs: 0 });
      }
    }
    await expect(reader.of("none")).rejects.toMatchObject({ code: "NO_QUEUE" });
  });

  test("in the next process lists only what has changed", async ({ process }) => {
    const first = await process();
    const bucket = await fill(first.spool, "a", 600);
    await fill(first.spool, "b", 20);
    await rest();
    const want = [
      ["a", 600, 0, 6000],
      ["b", 20, 0, 200],
    ];
    expect(await figures(first.reader)).toEqual(want);
    first.reader.save();

    const second = await process();
    expect(await figures(second.reader)).toEqual(want);
    expect(second.lists.filter((path) => path.startsWith("queues/"))).toEqual([]);

    const [name] = fs.readdirSync(bucket);
    fs.unlinkSync(`${bucket}/${name}`);
    const third = await process();
    expect(await figures(third.reader)).toEqual([["a", 599, 0, 5990], want[1]]);
    const changed = third.lists.filter((path) => path.startsWith("queues/"));
    expect(changed).toEqual([bucket.slice(bucket.indexOf("queues/"))]);
  });

  test("is not deceived by a directory that got its old mtime back", async ({ process }) => {
    const { spool, reader } = await process();
    const bucket = await fill(spool, "a", 5);
    const seconds = 1_700_000_000.125;
    fs.utimesSync(bucket, seconds, seconds);
    await rest();
    expect(await figures(reader)).toEqual([["a", 5, 0, 50]]);
    const [name] = fs.readdirSync(bucket);
    fs.unlinkSync(`${bucket}/${name}`);
    fs.utimesSync(bucket, seconds, seconds);
    expect(fs.statSync(bucket).mtimeMs).toBe(1000 * seconds);
    expect(await figures(reader)).toEqual([["a", 4, 0, 40]]);
  });

  test("is not deceived by a bucket that was made again", async ({ process }) => {
    const { spool, reader } = await process();
    const bucket = await fill(spool, "a", 600);
    await rest();
    expect(await figures(reader)).toEqual([["a", 600, 0, 6000]]);
    reader.save();
    for (let round = 1; round < 20; round++) {
      // The next directory has its inode on most file systems.
      const keep = `${bucket}.keep`;
      fs.renameSync(bucket, keep);
      const names = fs.readdirSync(keep).slice(round);
      fs.mkdirSync(bucket);
      for (const name of names) fs.renameSync(`${keep}/${name}`, `${bucket}/${name}`);
      fs.rmSync(keep, { recursive: true });
      const ready = names.length;
      expect(await figures(reader)).toEqual([["a", ready, 0, 10 * ready]]);
      const next = await process();
      expect(await figures(next.reader)).toEqual([["a", ready, 0, 10 * ready]]);
      if (round % 5 === 0) await rest();
      next.reader.save();
    }
  });

  test("of one queue leaves the counts of the others where they are", async ({ process }) => {
    const first = await process();
    await fill(first.spool, "a", 600);
    const bucket = await fill(first.spool, "b", 600);
    await rest();
    await first.reader.all();
    first.reader.save();
    const [name] = fs.readdirSync(bucket);
    fs.unlinkSync(`${bucket}/${name}`);
    await rest();
    const second = await process();
    expect((await second.reader.of("b")).ready).toBe(599);
    second.reader.save();
    const third = await process();
    await third.reader.all();
    expect(third.lists.filter((path) => path.startsWith("queues/"))).toEqual([]);
  });

  test("forgets queues that are gone", async ({ process, cacheDir }) => {
    const first = await process();
    await fill(first.spool, "gone", 600);
    await fill(first.spool, "stays", 600);
    await rest();
    await first.reader.all();
    first.reader.save();
    const [file = ""] = fs.readdirSync(cacheDir);
    const before = fs.statSync(`${cacheDir}/${file}`).size;
    const second = await process();
    await second.spool.queue("gone").remove();
    await fill(second.spool, "stays", 600);
    await rest();
    expect(await figures(second.reader)).toEqual([["stays", 1200, 0, 12_000]]);
    second.reader.save();
    expect(fs.readFileSync(`${cacheDir}/${file}`).includes('"gone"')).toBe(false);
    expect(fs.statSync(`${cacheDir}/${file}`).size).toBeLessThan(before);
  });

  test("writes nothing for little, and nothing twice", async ({ process, cacheDir }) => {
    const { spool, reader } = await process();
    await fill(spool, "a", 400);
    await rest();
    await reader.all();
    reader.save();
    expect(fs.existsSync(cacheDir)).toBe(false);
    await fill(spool, "a", 400);
    await rest();
    await reader.all();
    reader.save();
    const [file = ""] = fs.readdirSync(cacheDir);
    fs.unlinkSync(`${cacheDir}/${file}`);
    await reader.all();
    reader.save();
    expect(fs.readdirSync(cacheDir)).toEqual([]);
  });

  test("keeps nothing for others where it is not told where", async ({ process, dir }) => {
    const { spool, reader } = await process({});
    await fill(spool, "a", 600);
    await rest();
    await reader.all();
    reader.save();
    expect(fs.readdirSync(dir)).toEqual(["spool"]);
  });

  test("writes nowhere but there, whatever the spool says its id is", async ({ process, dir }) => {
    const first = await process();
    await fill(first.spool, "a", 600);
    fs.writeFileSync(`${dir}/spool/spool.json`, '{"format":1,"id":"../../escaped"}');
    await rest();
    const { reader } = await process();
    expect(await figures(reader)).toEqual([["a", 600, 0, 6000]]);
    reader.save();
    expect(fs.readdirSync(dir)).toEqual(["spool"]);
  });

  test("lets timers have their turn while it counts", async ({ process, dir }) => {
    const { spool } = await process();
    for (let at = 0; at < 40; at++) await fill(spool, "a", 1);
    class Slow extends NodeFileSystem {
      override list(path: string): string[] {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        return super.list(path);
      }
    }
    const slow = await openSpool({ dir: `${dir}/spool`, parts: { fs: new Slow() } });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    expect((await new StatsReader(slow).of("a")).ready).toBe(40);
    clearInterval(timer);
    // A turn each 20 ms or so, of 200 at the least.
    expect(turns).toBeGreaterThan(3);
  });

  test("says that a queue is gone where it goes while it is looked at", async ({
    process,
    dir,
  }) => {
    const { spool, reader } = await process();
    await fill(spool, "a", 1);
    await fill(spool, "b", 1);
    const gone = spool.queue("b").room;
    const real = gone.nowToLook.bind(gone);
    gone.nowToLook = async () => {
      fs.rmSync(`${dir}/spool/queues/b`, { recursive: true });
      return real();
    };
    expect((await reader.all()).map(({ name }) => name)).toEqual(["a"]);
    expect((await reader.of("a")).ready).toBe(1);
    await spool.queue("a").remove();
    await expect(reader.of("a")).rejects.toMatchObject({ code: "NO_QUEUE" });
    await fill(spool, "a", 2);
    expect((await reader.of("a")).ready).toBe(2);
  });
});

test("a queue that cannot be looked at hides no other, and one that was not named may be missing", async ({
  process,
}) => {
  const { spool, reader } = await process();
  for (const name of ["a", "b", "c"]) await spool.queue(name).put("x");
  fs.rmSync(spool.queue("b").room.layout.ready, { recursive: true });
  const seen: string[] = [];
  for await (const look of reader.each()) {
    seen.push(
      "error" in look ? `${look.name} ${look.error.code}` : `${look.name} ${look.stats.ready}`,
    );
    // It was listed.
    if (look.name === "b") await spool.queue("c").remove();
  }
  expect(seen).toEqual(["a 1", "b IO"]);
  const named: string[] = [];
  for await (const look of reader.each(["c", "a"])) {
    named.push("error" in look ? `${look.name} ${look.error.code}` : look.name);
  }
  expect(named).toEqual(["c NO_QUEUE", "a"]);
  await expect(reader.all()).rejects.toMatchObject({ code: "IO" });
});
