/**
 * Goal: whatever call a writer dies at, what it was told is safe is delivered once, what it was not
 * told is delivered once or not at all, whole, and nothing of it stays in tmp/.
 *
 * Method: every-crash.ts. The numbers are deliberate tripwires: a new one is a new protocol.
 */
import { describe, expect } from "vitest";

import type { FileSystem } from "../../src/disk/file-system.ts";
import { dyingAfter } from "../helpers/crashing-file-system.ts";
import { test } from "./fixture.ts";
import { FIVE, inTurn, LARGE, pieces, put, putMany } from "./acts.ts";
import { everyCrash, settingsOf } from "./every-crash.ts";
import type { Act } from "./every-crash.ts";
import { Told } from "./told.ts";
import { EXT4, NFS, World, ZFS } from "./world.ts";
import type { Process } from "./world.ts";

const putStreamed =
  (payload: string): Act =>
  ({ queue }, told) =>
    told.to("ready", [payload], () => queue.put(pieces(Buffer.from(payload))));

describe("a writer that dies at any call", () => {
  test("loses and doubles nothing of a put", async ({ dir }) => {
    expect(await everyCrash(dir, { life: put(["one", "two"]) })).toEqual([23, 23]);
  });

  test("loses and doubles nothing of a put that makes its queue", async ({ dir }) => {
    const life: Act = ({ spool }, told) =>
      told.to("other queue", ["one"], () => spool.queue("other").put("one"));
    const after: Act = ({ spool }) => spool.queue("other").create();
    expect(await everyCrash(dir, { life, after })).toEqual([40, 40]);
  });

  test("loses and doubles nothing of a streamed put", async ({ dir }) => {
    const life = putStreamed("streamed");
    expect(await everyCrash(`${dir}/small`, { life })).toEqual([14, 14]);
    const large = putStreamed(LARGE[0]!);
    expect(await everyCrash(`${dir}/large`, { life: large })).toEqual([16, 16]);
  });

  test("loses and doubles nothing of puts that share a file", async ({ dir }) => {
    const life: Act = async ({ queue }, told) => {
      const puts = FIVE.map((one) => told.to("ready", [one], () => queue.put(one)));
      const failed = (await Promise.allSettled(puts)).find(({ status }) => status === "rejected");
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    };
    expect(await everyCrash(dir, { life })).toEqual([14, 14]);
  });

  test("loses and doubles nothing of many lines", async ({ dir }) => {
    const life = putMany(FIVE, { batchMessages: 2 });
    expect(await everyCrash(`${dir}/small`, { life })).toEqual([30, 30]);
    const large = putMany(LARGE, { batchMessages: 2 });
    expect(await everyCrash(`${dir}/large`, { life: large })).toEqual([28, 28]);
  });

  test("loses and doubles nothing of many that end with a NUL", async ({ dir }) => {
    const life = putMany(FIVE, { batchMessages: 2, separator: "nul" });
    expect(await everyCrash(dir, { life })).toEqual([30, 30]);
  });

  test("loses and doubles nothing of a put with a delay", async ({ dir }) => {
    const life = put(["late"], { delayMs: 60_000 });
    expect(await everyCrash(dir, { life })).toEqual([14, 14]);
  });

  test("loses and doubles nothing where the file system wants each sync", async ({ dir }) => {
    const life = put(["one", "two"]);
    expect(await everyCrash(`${dir}/zfs`, { life, type: ZFS })).toEqual([44, 44]);
    expect(await everyCrash(`${dir}/nfs`, { life, type: NFS })).toEqual([45, 45]);
  });
});

/** Who does not know whether it was done does it again: that is what the key is for. */
const putOnce = put(["once"], { dedupKey: "key" });

/** Success says that the message is there now, whoever had begun to put it. */
const putAgain = inTurn(putOnce, async ({ queue }) => {
  const { ready } = await queue.inventory.count(await queue.room.now());
  expect(ready.messages, "messages after the second put").toBe(1);
});

describe("a writer with a dedup key that dies at any call", () => {
  test("puts once in all when the next process puts again", async ({ dir }) => {
    const verb = { life: putOnce, after: putAgain };
    expect(await everyCrash(`${dir}/ext4`, { ...verb, type: EXT4 })).toEqual([28, 28]);
    expect(await everyCrash(`${dir}/zfs`, { ...verb, type: ZFS })).toEqual([58, 58]);
    expect(await everyCrash(`${dir}/nfs`, { ...verb, type: NFS })).toEqual([59, 59]);
  });

  test("puts once in all or not at all when nobody puts again", async ({ dir }) => {
    expect(await everyCrash(dir, { life: putOnce })).toEqual([28, 28]);
  });

  // The second put starts in the next epoch, so it shares only one marker with the first.
  test("puts once in all across the epochs of the keys", async ({ dir }) => {
    const windowMs = 300_000;
    const again: Act = async (_, told, world) => {
      const aheadMs = windowMs - (Date.now() % windowMs) + 1000;
      await world.run((process) => Promise.resolve(putAgain(process, told, world)), { aheadMs });
    };
    expect(await everyCrash(dir, { life: putOnce, after: again })).toEqual([28, 28]);
  });

  // The first writer dies after each of its links and renames, the second one at every call while
  // it finishes what the first has left, and the third one has to succeed.
  test("puts once in all when the second writer dies, too", async ({ dir }) => {
    const crashes: [number, number][] = [];
    for (const limit of await changesOf(`${dir}/probe`, putOnce)) {
      crashes.push(
        await everyCrash(`${dir}/${limit}`, {
          prepare: (world, told) =>
            world.run(lifeOf(putOnce, told, world), { before: dyingAfter(limit) }),
          life: putOnce,
          after: putAgain,
        }),
      );
    }
    expect(crashes).toEqual([
      [28, 28],
      [28, 28],
      [26, 26],
      [34, 34],
      [34, 34],
      [32, 32],
      [34, 34],
      [34, 34],
      [32, 32],
      [27, 27],
      [27, 27],
    ]);
  });

  test("puts once in all when a sweeper was there in between", async ({ dir }) => {
    const crashes: [number, number][] = [];
    for (const limit of await changesOf(`${dir}/probe`, putOnce)) {
      crashes.push(
        await everyCrash(`${dir}/${limit}`, {
          prepare: (world, told) =>
            world.run(lifeOf(putOnce, told, world), { before: dyingAfter(limit) }),
          life: ({ queue }) => queue.sweep(),
          after: putAgain,
        }),
      );
    }
    expect(crashes).toEqual([
      [20, 17],
      [20, 17],
      [20, 17],
      [36, 17],
      [36, 17],
      [34, 17],
      [36, 17],
      [36, 17],
      [34, 19],
      [18, 18],
      [18, 18],
    ]);
  });

  test("puts once in all or not at all when the sweeper dies, too", async ({ dir }) => {
    const crashes: [number, number][] = [];
    for (const limit of await changesOf(`${dir}/probe`, putOnce)) {
      crashes.push(
        await everyCrash(`${dir}/${limit}`, {
          prepare: (world, told) =>
            world.run(lifeOf(putOnce, told, world), { before: dyingAfter(limit) }),
          life: ({ queue }) => queue.sweep(),
          aheadMs: 40 * 3600_000,
        }),
      );
    }
    expect(crashes).toEqual([
      [20, 21],
      [20, 21],
      [22, 23],
      [42, 43],
      [42, 43],
      [40, 41],
      [42, 43],
      [42, 43],
      [40, 41],
      [24, 24],
      [24, 24],
    ]);
  });
});

const lifeOf = (act: Act, told: Told, world: World) => (process: Process) =>
  Promise.resolve(act(process, told, world));

/** After which calls of this act the directory tree is another than before. */
async function changesOf(dir: string, act: Act): Promise<number[]> {
  const world = new World(dir, true, EXT4);
  await world.run(({ queue }) => queue.create(settingsOf({})));
  const changing: ReadonlySet<keyof FileSystem> = new Set(["link", "rename", "mkdir", "unlink"]);
  const calls: number[] = [];
  await world.run(lifeOf(act, new Told(), world), {
    before: (call, name) => {
      if (changing.has(name)) calls.push(call);
    },
  });
  return calls;
}
