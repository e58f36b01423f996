/**
 * Goal: a repair puts a queue right, loses nothing, and may die or be overtaken anywhere.
 *
 * Method: damages are made by hand on a real disk. Each kind by itself, as a user meets it, is in
 * test/cli/verify.test.ts; here are those whose outcome depends on who holds what, and all of them at once
 * with a repair that dies, or stands still while another one does the same, before each call that changes
 * something.
 */
import * as fs from "node:fs";
import { basename, dirname } from "node:path";

import { describe, expect } from "vitest";

import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { formatSlice, parseHeldName, partOf } from "../../src/message/slice.ts";
import type { Slice } from "../../src/message/slice.ts";
import type { Finding } from "../../src/queue/finding.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { openSpool } from "../../src/spool.ts";
import { EXT4, MUCH_LATER_MS, World } from "../crash/world.ts";
import { Crash } from "../helpers/crashing-file-system.ts";
import type { Before } from "../helpers/crashing-file-system.ts";
import { test } from "../helpers/fixtures.ts";
import { pathsIn, slicesIn } from "../hostile/tree.ts";

const TEN = Array.from({ length: 10 }, (_, index) => `line ${index}`);

async function putLines(queue: Queue, lines: readonly string[]): Promise<string> {
  await queue.create();
  const before = new Set(slicesIn(queue.room.layout.ready));
  async function* input(): AsyncGenerator<Buffer> {
    yield Buffer.from(lines.map((line) => `${line}\n`).join(""));
  }
  await queue.putMany().run(input());
  return slicesIn(queue.room.layout.ready).find((path) => !before.has(path))!;
}

const sliceOf = (path: string): Slice => parseHeldName(basename(path))!;

/** A part of a slice of TEN, each line of which has 7 bytes. */
const part = (slice: Slice, first: number, count: number): Slice =>
  partOf(slice, first, count, first * 7, count * 7);

async function drain(queue: Queue): Promise<string[]> {
  const bodies: string[] = [];
  for await (const message of queue.messages({ untilEmpty: true })) {
    bodies.push((await message.body()).toString());
    await message.ack();
  }
  return bodies;
}

const repair = async (queue: Queue): Promise<readonly Finding[]> =>
  (await queue.verify({ repair: true })).findings;

const problemsOf = async (queue: Queue): Promise<string[]> =>
  (await queue.verify()).findings.map(({ problem }) => problem);

const SET_ASIDE = "was set aside; look at it and remove it";

describe("messages that are there twice", () => {
  const ranges: readonly (readonly [first: number, count: number])[] = [
    [0, 10],
    [0, 4],
    [3, 4],
    [6, 4],
    [9, 1],
  ];
  for (const place of ["bucket", "dead"]) {
    for (const [first, count] of ranges) {
      test(`${first} to ${first + count - 1}, also in ${place}: each is kept once`, async ({
        queue,
      }) => {
        const path = await putLines(queue, TEN);
        const slice = { ...part(sliceOf(path), first, count), attempts: 2, restAttempts: 2 };
        const { ready, dead } = queue.room.layout;
        const directory = place === "dead" ? dead : `${ready}/5-0000000000001`;
        fs.mkdirSync(directory, { recursive: true });
        fs.linkSync(path, `${directory}/${formatSlice(slice)}`);

        const found = await repair(queue);
        expect(found.map(({ problem }) => problem)).toContain(
          `holds messages that are also in ${directory}/${formatSlice(slice)}`,
        );
        for (const finding of found) expect(finding.repair).toBeDefined();
        const bodies = await drain(queue);
        // What was tried more often is the later one; what is a dead letter stays one.
        const kept = TEN.slice(first, first + count);
        const rest = TEN.filter((line) => !kept.includes(line));
        expect(bodies.toSorted()).toEqual(place === "dead" ? rest : TEN);
        expect(await problemsOf(queue)).toEqual([SET_ASIDE]);
      });
    }
  }

  test("by three: each is kept once", async ({ queue }) => {
    const path = await putLines(queue, TEN);
    const slice = sliceOf(path);
    for (const [first, count] of [
      [0, 5],
      [5, 5],
      [2, 6],
    ] as const) {
      fs.linkSync(path, `${dirname(path)}/${formatSlice(part(slice, first, count))}`);
    }
    await repair(queue);
    expect((await drain(queue)).toSorted()).toEqual(TEN);
  });

  test("in one bucket under two names, and as a copy: each is kept once", async ({ queue }) => {
    const path = await putLines(queue, TEN);
    fs.copyFileSync(path, `${dirname(path)}/${formatSlice({ ...sliceOf(path), visibleMs: 1 })}`);
    await repair(queue);
    expect((await drain(queue)).toSorted()).toEqual(TEN);
    expect(await problemsOf(queue)).toEqual([SET_ASIDE]);
  });

  test("held by a living consumer: that one keeps them, and settles them", async ({ queue }) => {
    const path = await putLines(queue, TEN);
    const consumer = queue.consumer("brief");
    const claim = (await consumer.claim(4))!;
    fs.linkSync(claim.held.path, path);
    const found = await repair(queue);
    expect(found).toMatchObject([
      { path, repair: expect.stringMatching(/^messages 0 to 3 set aside/) },
    ]);
    expect(fs.existsSync(claim.held.path)).toBe(true);
    await claim.held.ack(4, 28);
    await claim.file.close();
    await consumer.close();
    expect(await drain(queue)).toEqual(TEN.slice(4));
  });

  test("in two leases of the living: left to them, and said", async ({ queue }) => {
    await queue.put("x");
    const one = queue.consumer("brief");
    const other = queue.consumer("brief");
    const claim = (await one.claim(1))!;
    await queue.put("y");
    const second = (await other.claim(1))!;
    fs.linkSync(claim.held.path, `${dirname(second.held.path)}/${basename(claim.held.path)}`);
    const before = pathsIn(queue.room.layout.leases);
    expect(await repair(queue)).toEqual([
      { path: expect.any(String) as string, problem: expect.stringMatching(/^holds messages/) },
    ]);
    expect(pathsIn(queue.room.layout.leases)).toEqual(before);
    await claim.file.close();
    await second.file.close();
    await one.close();
    await other.close();
  });

  // BUG 1: a reaper that met it would loop for ever.
  test("in the lease of a dead consumer, under the name that it would come back as", async ({
    queue,
  }) => {
    await queue.put("x");
    const consumer = queue.consumer("handed out", { leaseMs: 1 });
    const claim = (await consumer.claim(1))!;
    await consumer.leave();
    const { slice } = { slice: sliceOf(claim.held.path) };
    const bucket = `${queue.room.layout.ready}/5-0000000000001`;
    fs.mkdirSync(bucket);
    const again = { ...slice, attempts: 1, restAttempts: 1 };
    fs.linkSync(claim.held.path, `${bucket}/${formatSlice(again)}`);
    ageAll(queue.room.layout.root);
    await repair(queue);
    expect(await drain(queue)).toEqual(["x"]);
  });

  test("damaged, in two files of one name: the bytes of both are kept", async ({ queue }) => {
    const path = await putLines(queue, ["precious"]);
    const other = `${queue.room.layout.ready}/5-0000000000001`;
    fs.mkdirSync(other);
    fs.copyFileSync(path, `${other}/${basename(path)}`);
    fs.appendFileSync(path, "one");
    fs.appendFileSync(`${other}/${basename(path)}`, "two");
    expect((await repair(queue)).every((finding) => finding.repair !== undefined)).toBe(true);
    const kept = slicesIn(queue.room.layout.dead).concat(pathsIn(queue.room.layout.aside));
    expect(kept.map((one) => fs.readFileSync(one, "latin1").slice(-3)).toSorted()).toEqual([
      "one",
      "two",
    ]);
  });

  test("a link half done in one lease is none of these", async ({ queue }) => {
    await putLines(queue, TEN);
    const consumer = queue.consumer("handed out");
    const { held } = (await consumer.claim(10))!;
    await consumer.leave();
    fs.linkSync(held.path, `${dirname(held.path)}/${formatSlice(part(sliceOf(held.path), 0, 1))}`);
    expect(await problemsOf(queue)).toEqual([]);
  });
});

/** Two hours ago it was. */
function ageAll(root: string): void {
  const then = Date.now() / 1000 - 7200;
  for (const path of [root, ...pathsIn(root)]) fs.lutimesSync(path, then, then);
}

describe("where the time cannot be told, because tmp/ is", () => {
  for (const what of ["missing", "a file", "a link"]) {
    test(`${what}: nothing is called dead, nor is a link followed, before it is mended`, async ({
      dir,
      queue,
    }) => {
      await queue.put("x");
      const consumer = queue.consumer("handed out", { leaseMs: 1 });
      await consumer.claim(1);
      await consumer.leave();
      const { tmp, root } = queue.room.layout;
      fs.rmdirSync(tmp);
      fs.mkdirSync(`${dir}/outside`);
      if (what === "a file") fs.writeFileSync(tmp, "");
      if (what === "a link") fs.symlinkSync(`${dir}/outside`, tmp);
      ageAll(root);
      ageAll(`${dir}/outside`);
      const { mtimeMs } = fs.statSync(`${dir}/outside`);
      const fresh = (await openSpool({ dir })).queue("jobs");
      expect(await problemsOf(fresh)).toEqual([expect.stringMatching(/^(is missing|a .*)$/)]);
      const found = (await repair(fresh)).map(({ problem }) => problem);
      expect(found).toContain("its holder is gone");
      expect(await drain(fresh)).toEqual(["x"]);
      expect(fs.statSync(`${dir}/outside`).mtimeMs).toBe(mtimeMs);
    });
  }
});

describe("what cannot be read", () => {
  test("is said, is left, and keeps nobody from the rest", async ({ dir, queue }) => {
    await queue.put("mine");
    const path = await putLines(queue, ["theirs"]);
    fs.writeFileSync(`${queue.room.layout.ready}/foreign`, "");
    class Forbidding extends NodeFileSystem {
      override open(...[name, mode]: Parameters<NodeFileSystem["open"]>): number {
        if (name !== path) return super.open(name, mode);
        throw Object.assign(new Error("EACCES"), { code: "EACCES", syscall: "open", path });
      }
    }
    const spool = await openSpool({ dir, parts: { fs: new Forbidding() } });
    expect(await repair(spool.queue("jobs"))).toMatchObject([
      { problem: "not a bucket", repair: expect.stringMatching(/^set aside as/) as string },
      { path, problem: "not readable by this user" },
    ]);
    expect(fs.existsSync(path)).toBe(true);
  });

  test("a mend that fails is said with its reason, and the others are done", async ({
    dir,
    queue,
  }) => {
    await queue.put("x");
    const { ready, reclaim } = queue.room.layout;
    fs.writeFileSync(`${ready}/one`, "");
    fs.writeFileSync(`${reclaim}/two`, "");
    class Refusing extends NodeFileSystem {
      override rename(from: string, to: string): void {
        if (!from.endsWith("/one")) {
          super.rename(from, to);
          return;
        }
        throw Object.assign(new Error("EPERM"), { code: "EPERM", syscall: "rename", path: from });
      }
    }
    const spool = await openSpool({ dir, parts: { fs: new Refusing() } });
    const found = await repair(spool.queue("jobs"));
    expect(found.map(({ path }) => basename(path))).toEqual(["two", "one"]);
    expect(found[0]!.repair).toMatch(/^set aside/);
    expect(found[1]).toMatchObject({ left: expect.stringContaining("not permitted") as string });
    expect(found[1]!.repair).toBeUndefined();
  });
});

/** A queue with one of each, of which a repair makes every kind of change. */
async function damage(world: World): Promise<void> {
  await world.run(async ({ queue }) => {
    await queue.create({ ...DEFAULT_SETTINGS, maxAttempts: 0 });
    for (const body of ["one", "two", "three"]) await queue.put(body);
    const path = await putLines(queue, TEN);
    const { ready, dead, aside, settings, drop, root } = queue.room.layout;
    const consumer = queue.consumer("brief");
    await consumer.claim(1);
    const [first = "", second = ""] = slicesIn(ready);
    const late = `${ready}/5-9999999999998`;
    fs.mkdirSync(late);
    fs.renameSync(first, `${late}/${basename(first)}`);
    const bytes = fs.readFileSync(second);
    bytes[bytes.length - 1]! ^= 1;
    fs.writeFileSync(second, bytes);
    const slice = sliceOf(path);
    fs.linkSync(path, `${late}/${formatSlice(part(slice, 3, 4))}`);
    fs.linkSync(path, `${dead}/${formatSlice(part(slice, 8, 1))}`);
    fs.linkSync(path, `${dead}/${formatSlice(part(slice, 7, 2))}`);
    fs.rmSync(settings);
    fs.rmdirSync(aside);
    fs.rmdirSync(drop);
    fs.symlinkSync("/nowhere", drop);
    fs.writeFileSync(`${root}/foreign`, "keep me");
    await consumer.leave();
  });
}

/** Each payload is delivered once, or is a dead letter, or lies where it was set aside. */
async function expectAllThere(world: World): Promise<void> {
  await world.run(
    async ({ queue }) => {
      expect((await repair(queue)).filter((one) => one.left !== undefined)).toEqual([]);
      const problems = await problemsOf(queue);
      expect(problems.filter((one) => one !== SET_ASIDE && !one.startsWith("dead letter"))).toEqual(
        [],
      );
      const bodies = await drain(queue);
      for await (const seen of queue.peek("dead")) bodies.push((await seen.body()).toString());
      const sound = bodies.toSorted();
      expect(new Set(sound).size).toBe(sound.length);
      expect(sound).toEqual(expect.arrayContaining(TEN));
      expect(sound.length).toBe(12);
      const kept = pathsIn(queue.room.layout.root)
        .filter((path) => fs.lstatSync(path).isFile())
        .map((path) => fs.readFileSync(path, "latin1"));
      // The last byte of the third is another one; what is left of it is there.
      expect(kept.some((text) => text.endsWith("\nthred"))).toBe(true);
      expect(kept).toContain("keep me");
    },
    { aheadMs: MUCH_LATER_MS },
  );
}

const CHANGES = new Set(["rename", "link", "unlink", "mkdir", "rmdir", "write", "touch"]);

/** Calls `act` before the call after `limit` calls that change something. */
function afterChanges(limit: number, act: () => Promise<void> | void): Before {
  let changes = 0;
  return (_, name) => {
    if (!CHANGES.has(name) || ++changes !== limit + 1) return undefined;
    return act();
  };
}

describe("a repair", () => {
  test("that dies before any change is finished by the next one", async ({ dir }) => {
    let limit = 0;
    for (let hasDied = true; hasDied; limit++) {
      const world = new World(`${dir}/${limit}`, true, EXT4);
      await damage(world);
      const before = afterChanges(limit, () => {
        throw new Crash("dead");
      });
      hasDied = await world.run(({ queue }) => repair(queue), { before, aheadMs: MUCH_LATER_MS });
      await expectAllThere(world);
    }
    expect(limit).toBeGreaterThan(40);
  });

  test("that stands still before any change, while another one does it all", async ({ dir }) => {
    let limit = 0;
    for (let hasMet = true; hasMet; limit++) {
      const world = new World(`${dir}/${limit}`, true, EXT4);
      await damage(world);
      hasMet = false;
      const before = afterChanges(limit, async () => {
        hasMet = true;
        await world.run(({ queue }) => repair(queue), { aheadMs: MUCH_LATER_MS });
      });
      await world.run(({ queue }) => repair(queue), { before, aheadMs: MUCH_LATER_MS });
      await expectAllThere(world);
    }
    expect(limit).toBeGreaterThan(40);
  });
});
