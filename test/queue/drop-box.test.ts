import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";

import * as fc from "fast-check";
import { describe, expect, test as plain } from "vitest";

import { statsOf } from "../../src/stats/queue-stats.ts";
import { openSpool } from "../../src/spool.ts";
import { CrashingFileSystem } from "../helpers/crashing-file-system.ts";
import { EXT4, MemoryDisk, ModelTime } from "../helpers/model-disk.ts";
import { randomRuns } from "../helpers/model-chance.ts";
import { all, Jobs } from "../helpers/model-jobs.ts";
import { Interleaved } from "../helpers/model-race.ts";
import { test } from "../helpers/fixtures.ts";

describe("the drop box", () => {
  test("makes a message of each file, whatever is in it", async ({ dir, queue }) => {
    await queue.create();
    const drop = `${dir}/queues/jobs/drop`;
    const bytes = Buffer.from([0, 1, 2, 10, 255]);
    writeFileSync(`${drop}/a.bin`, bytes);
    writeFileSync(`${drop}/b empty`, "");
    writeFileSync(`${drop}/-c\nnew line`, '{"format":1}\n');
    expect(await statsOf(queue)).toMatchObject({ ready: 3 });

    const bodies: string[] = [];
    for await (const message of queue.messages({ untilEmpty: true })) {
      bodies.push((await message.body()).toString("hex"));
      expect(message.headers).toEqual({});
      await message.ack();
    }

    const expected = [bytes, Buffer.alloc(0), Buffer.from('{"format":1}\n')];
    expect(bodies.toSorted()).toEqual(expected.map((body) => body.toString("hex")).toSorted());
    expect(readdirSync(drop)).toEqual([]);
    expect((await queue.verify()).findings).toEqual([]);
  });

  plain.each([
    ["btrfs", 0x9123683e, true],
    ["ext4", EXT4, false],
  ])("on %s syncs a file when it has its new name, or not", async (_, type, isSynced) => {
    const disk = new CrashingFileSystem(new MemoryDisk(new ModelTime(), type));
    const queue = (await openSpool({ dir: "/spool", parts: { fs: disk } })).queue("jobs");
    await queue.create();
    const fd = await disk.open("/spool/queues/jobs/drop/x", "create");
    await disk.close(fd);
    const calls: string[] = [];
    disk.arm((_call, name) => void calls.push(name));
    await queue.sweep();
    expect(calls.lastIndexOf("sync") > calls.lastIndexOf("rename")).toBe(isSynced);
  });

  test("leaves alone what is no plain file, and dot files", async ({ dir, queue }) => {
    await queue.create();
    const drop = `${dir}/queues/jobs/drop`;
    writeFileSync(`${dir}/secret`, "secret");
    symlinkSync(`${dir}/secret`, `${drop}/symlink`);
    mkdirSync(`${drop}/directory`);
    writeFileSync(`${drop}/directory/file`, "x");
    writeFileSync(`${drop}/.hidden`, "x");
    execFileSync("mkfifo", [`${drop}/fifo`]);

    const { dropped } = await queue.sweep();

    expect(dropped).toBe(0);
    expect(readdirSync(drop).toSorted()).toEqual([".hidden", "directory", "fifo", "symlink"]);
    const problems = (await queue.verify()).findings.map(({ path }) => path.slice(drop.length + 1));
    expect(problems.toSorted()).toEqual([".hidden", "directory", "fifo", "symlink"]);
    expect(await all(queue.browse("ready"))).toEqual([]);
  });

  test("delivers a file that was changed after its adoption to nobody", async ({ dir, queue }) => {
    await queue.create();
    const drop = `${dir}/queues/jobs/drop`;
    writeFileSync(`${drop}/x`, "hello");
    await queue.sweep();
    const [found] = await all(queue.browse("ready"));
    writeFileSync(found!.path, "hellO");
    for await (const _ of queue.messages({ untilEmpty: true })) expect.fail("delivered");
    expect(await statsOf(queue)).toMatchObject({ dead: 1 });
  });

  test("takes a queue's time to live", async ({ dir, spool }) => {
    const queue = spool.queue("jobs");
    await queue.create();
    await queue.changeSettings({ ttlMs: 60_000 });
    renameSync(makeFile(dir, "x"), `${dir}/queues/jobs/drop/x`);
    await queue.sweep();
    const [found] = await all(queue.browse("ready"));
    expect(found!.slice.expiresMs).toBe(found!.slice.visibleMs + 60_000);
  });

  // A program may drop the next file at the name of the last one, at any moment.
  plain(
    "adopts each file once, whole, whoever else adopts and whatever comes at the same name",
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(), async (seed) => {
          const jobs = await Jobs.open();
          const race = new Interleaved(seed);
          const sent = ["one", "the second", "3"];
          const toCome = new Set(sent);
          for (const name of ["s0", "s1"]) {
            const queue = await jobs.process(name, race.process(jobs.disk, name));
            await queue.settings();
            race.start(name, async () => {
              // As long as the program waits for its name, somebody sweeps: else it would wait for ever.
              for (let sweeps = 0; sweeps < 2 || toCome.size > 0; sweeps++)
                await queue.sweep((line) => expect.fail(line));
            });
          }
          const { disk } = jobs;
          const program = race.process(disk, "program");
          for (const body of sent) jobs.write(`/spool/${body}`, body);
          race.start("program", async () => {
            for (const body of sent) {
              // Where the last one is still there it would be replaced: as with any rename.
              while (disk.list("/spool/queues/jobs/drop").includes("x"))
                await program.lstat("/spool");
              await program.rename(`/spool/${body}`, "/spool/queues/jobs/drop/x");
              toCome.delete(body);
            }
          });
          await race.run();
          expect((await jobs.drain()).toSorted()).toEqual(sent.toSorted());
          expect(jobs.warnings).toEqual([]);
        }),
        randomRuns(300),
      );
    },
  );
});

function makeFile(dir: string, text: string): string {
  writeFileSync(`${dir}/made`, text);
  return `${dir}/made`;
}
