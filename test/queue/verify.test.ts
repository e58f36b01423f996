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

import type { FileStat } from "../../src/disk/file-system.ts";
import { NodeFileSystem } from "../../src/disk/node-file-system.ts";
import { formatSlice, parseHeldName, partOf } from "../../src/message/slice.ts";
import type { Slice } from "../../src/message/slice.ts";
import type { Finding } from "../../src/queue/finding.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/settings.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { openSpool } from "../../src/spool.ts";
import { sitesOf, verifySpool } from "../../src/topic/verify-spool.ts";
import { EXT4, MUCH_LATER_MS, World } from "../crash/world.ts";
import { Crash, CrashingFileSystem } from "../helpers/crashing-file-system.ts";
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

/** The same queue for a verify that stands still once, before such a call, while `act` is done. */
async function meeting(
  { dir, queue }: { dir: string; queue: Queue },
  call: string,
  isIt: (path: string) => boolean,
  act: () => unknown,
): Promise<Queue> {
  const below = new CrashingFileSystem(new NodeFileSystem());
  const spool = await openSpool({ dir, parts: { fs: below } });
  let isArmed = true;
  below.arm((_, name, path) => {
    if (!isArmed || name !== call || !isIt(path)) return undefined;
    isArmed = false;
    return (async () => void (await act()))();
  });
  return spool.queue(queue.name);
}

async function rejectOne(queue: Queue): Promise<void> {
  await queue.put("dead");
  for await (const message of queue.messages({ untilEmpty: true })) {
    await message.reject({ reason: "the true one" });
  }
}

const reasonIn = (queue: Queue): string =>
  pathsIn(queue.room.layout.dead).find((path) => path.endsWith(".reason"))!;

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
        expect(found.map(({ problem }) => problem)).toContainEqual(
          expect.stringContaining(
            `holds messages that are also in ${directory}/${formatSlice(slice)}: `,
          ),
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
    expect(found.map(({ repair: done }) => done)).toEqual([
      expect.stringMatching(/^set aside as/),
      expect.stringMatching(/^messages 0 to 3 set aside/),
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

  test("of a directory that may be listed, and not be entered: each name is said", async ({
    dir,
    spool,
    queue,
  }) => {
    await rejectOne(queue);
    await putLines(queue, TEN);
    await queue.consumer("handed out").claim(3);
    await (await spool.topic("logs")).subscribe("a");
    const { root, ready } = queue.room.layout;
    const own = pathsIn(dir).filter((path) => fs.lstatSync(path).isDirectory());
    expect(own).toEqual(expect.arrayContaining([root, ready]));
    for (const closed of own) {
      const forbid = (path: string): void => {
        if (!path.startsWith(`${closed}/`)) return;
        throw Object.assign(new Error("EACCES"), { code: "EACCES", syscall: "lstat", path });
      };
      class Closed extends NodeFileSystem {
        override open(...[path, mode]: Parameters<NodeFileSystem["open"]>): number {
          forbid(path);
          return super.open(path, mode);
        }
        override lstat(path: string): FileStat {
          forbid(path);
          return super.lstat(path);
        }
        override list(path: string): string[] {
          forbid(path);
          return super.list(path);
        }
      }
      const late = await openSpool({ dir, parts: { fs: new Closed() } });
      const findings = [...(await verifySpool(late)).findings];
      const { queues, topics } = await sitesOf(late);
      for (const name of queues) findings.push(...(await late.queue(name).verify()).findings);
      for (const name of topics) {
        findings.push(...(await (await late.topic(name)).verify()).findings);
      }
      const said = findings.filter(({ path }) => path.startsWith(`${closed}/`));
      expect(said.length > 0, closed).toBe(fs.readdirSync(closed).length > 0);
      for (const { problem } of said) expect(problem).toMatch(/not readable by this user$/);
    }
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

describe("beside the living, where a list was true before", () => {
  test("a reason that came after the list of dead/ stays", async ({ dir, queue }) => {
    await rejectOne(queue);
    const path = reasonIn(queue);
    const text = fs.readFileSync(path, "utf8");
    fs.rmSync(path);
    for (const directory of [queue.room.layout.drop, queue.room.layout.tmp]) {
      const late = await meeting(
        { dir, queue },
        "list",
        (it) => it === directory,
        () => {
          fs.writeFileSync(path, text);
        },
      );
      expect(await repair(late)).toEqual([]);
      expect(fs.readFileSync(path, "utf8")).toBe(text);
    }
  });

  test("a letter whose reason the list has missed is none without", async ({ dir, queue }) => {
    await rejectOne(queue);
    const path = reasonIn(queue);
    const text = fs.readFileSync(path, "utf8");
    fs.rmSync(path);
    const isLetter = (it: string): boolean => `${it}.reason` === path;
    const late = await meeting({ dir, queue }, "open", isLetter, () => {
      fs.writeFileSync(path, text);
    });
    expect(await problemsOf(late)).toEqual([]);
  });

  for (const call of ["link", "rename"]) {
    test(`two repairs, one standing before a ${call}: no message is cut off by both`, async ({
      dir,
      queue,
    }) => {
      const path = await putLines(queue, TEN);
      const bucket = `${queue.room.layout.ready}/5-0000000000001`;
      fs.mkdirSync(bucket);
      const slice = { ...part(sliceOf(path), 3, 4), attempts: 2, restAttempts: 2 };
      fs.linkSync(path, `${bucket}/${formatSlice(slice)}`);
      const isOurs = (it: string): boolean => it.startsWith(`${queue.room.layout.leases}/`);
      const first = await meeting({ dir, queue }, call, isOurs, () => repair(queue));
      await repair(first);
      await repair(queue);
      expect((await drain(queue)).toSorted()).toEqual(TEN);
    });
  }

  test("a bucket, a file and settings that came in place of what was none stay", async ({
    dir,
    queue,
  }) => {
    await queue.create();
    const { ready, drop, settings, aside } = queue.room.layout;
    fs.symlinkSync("/nowhere", `${ready}/5-0000000000001`);
    fs.symlinkSync("/nowhere", `${drop}/data.json`);
    fs.writeFileSync(settings, "{");
    const late = await meeting(
      { dir, queue },
      "list",
      (it) => it === aside,
      () => {
        fs.rmSync(`${ready}/5-0000000000001`);
        fs.mkdirSync(`${ready}/5-0000000000001`);
        for (const [path, text] of [
          [`${drop}/data.json`, "x"],
          [settings, '{"max-attempts":77}'],
        ] as const) {
          fs.writeFileSync(`${dir}/new`, text);
          fs.renameSync(`${dir}/new`, path);
        }
      },
    );
    expect((await repair(late)).filter((found) => found.repair !== undefined)).toEqual([]);
    expect(fs.readFileSync(settings, "utf8")).toBe('{"max-attempts":77}');
    expect(fs.readdirSync(ready)).toEqual(["5-0000000000001"]);
    expect(await drain(queue)).toEqual(["x"]);
  });

  test("what is given back, or removed as a whole, was not wrong", async ({ dir, queue }) => {
    const { layout } = queue.room;
    const path = await putLines(queue, TEN);
    // Listed in ready/, then in a lease; at the end it waits again.
    const consumer = queue.consumer("brief");
    let claim: Awaited<ReturnType<typeof consumer.claim>>;
    const isLeases = (it: string): boolean => it === layout.leases;
    const claimed = await meeting({ dir, queue }, "list", isLeases, async () => {
      claim = await consumer.claim(10);
      const { dead } = layout;
      const last = await meeting(
        { dir, queue },
        "list",
        (it) => it === dead,
        () => {},
      );
      expect(last).toBeDefined();
    });
    const below = claimed.room.fs as CrashingFileSystem;
    const before = below.list.bind(below);
    below.list = async (it) => {
      if (it === layout.drop) fs.renameSync(claim!.held.path, path);
      return before(it);
    };
    expect(await problemsOf(claimed)).toEqual([]);
    await claim!.file.close();
    fs.rmdirSync(layout.drop);
    const removed = await meeting(
      { dir, queue },
      "list",
      (it) => it === layout.aside,
      () => queue.remove(),
    );
    expect(await problemsOf(removed)).toEqual([]);
  });

  test("a reason just made, without its letter, is no finding", async ({ queue }) => {
    await rejectOne(queue);
    const path = reasonIn(queue);
    fs.rmSync(path.slice(0, -".reason".length));
    expect(await problemsOf(queue)).toEqual([]);
    const ago = Date.now() / 1000 - 120;
    fs.utimesSync(path, ago, ago);
    expect(await problemsOf(queue)).toEqual(["a reason without its dead letter"]);
  });
});

describe("many that are there twice", () => {
  test("each other one a dead letter: cut at one look", async ({ dir, queue }) => {
    const lines = Array.from({ length: 240 }, (_, index) => `line ${String(index).padStart(3)}`);
    const path = await putLines(queue, lines);
    const { dead } = queue.room.layout;
    for (let first = 0; first < 240; first += 2) {
      const slice = partOf(sliceOf(path), first, 1, first * 9, 9);
      fs.linkSync(path, `${dead}/${formatSlice(slice)}`);
      fs.writeFileSync(`${dead}/${formatSlice(slice)}.reason`, '{"reason":"x","atMs":1}');
    }
    const fresh = (await openSpool({ dir })).queue("jobs");
    const found = await repair(fresh);
    expect(found).toHaveLength(1);
    expect(found[0]!.repair).toMatch(/^messages 0 set aside as .* 119 more parts; the rest waits/);
    expect(await drain(fresh)).toEqual(lines.filter((_, index) => index % 2 === 1));
  });

  test("so many names of one message: one finding each", async ({ queue }) => {
    const path = await putLines(queue, TEN);
    for (let visibleMs = 1; visibleMs <= 300; visibleMs++) {
      fs.linkSync(path, `${dirname(path)}/${formatSlice({ ...sliceOf(path), visibleMs })}`);
    }
    const problems = await problemsOf(queue);
    expect(problems.filter((problem) => problem.startsWith("holds messages"))).toHaveLength(300);
  });
});
