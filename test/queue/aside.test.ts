/** Goal: what is not ours is set aside: never delivered, never followed, never in the way. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";

import { describe, expect } from "vitest";

import { formatSlice } from "../../src/message/slice.ts";
import type { Slice } from "../../src/message/slice.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { statsOf } from "../../src/stats/queue-stats.ts";
import { all } from "../helpers/model-jobs.ts";
import { test } from "../helpers/fixtures.ts";

/** The name of a slice that sorts before that of a message just put. */
async function planted(queue: Queue): Promise<{ path: string; name: string }> {
  await queue.put("real");
  const [found] = await all(queue.browse("ready"));
  const batch = "01000000000000000000000000";
  const slice: Slice = { ...found!.slice, batch, visibleMs: found!.slice.visibleMs };
  const name = formatSlice(slice);
  return { path: `${found!.path.slice(0, found!.path.lastIndexOf("/"))}/${name}`, name };
}

async function consume(queue: Queue): Promise<{ bodies: string[]; warnings: string[] }> {
  const bodies: string[] = [];
  const warnings: string[] = [];
  const warn = (line: string): void => void warnings.push(line);
  for await (const message of queue.messages({ untilEmpty: true, warn })) {
    bodies.push((await message.body()).toString());
    await message.ack();
  }
  return { bodies, warnings };
}

describe("what has the name of a slice", () => {
  test.for(["symlink", "directory", "fifo", "socket"])(
    "and is a %s is set aside, reported, and the next one is delivered",
    async (kind, { dir, queue }) => {
      const { path, name } = await planted(queue);
      writeFileSync(`${dir}/secret`, "secret");
      if (kind === "symlink") symlinkSync(`${dir}/secret`, path);
      else if (kind === "directory") {
        mkdirSync(path);
        writeFileSync(`${path}/precious`, "keep me");
      } else if (kind === "fifo") execFileSync("mkfifo", [path]);
      else {
        // A path of a socket has 107 bytes at the most: it is made elsewhere.
        const server = createServer().listen(`${dir}/s`);
        await once(server, "listening");
        execFileSync("mv", [`${dir}/s`, path]);
        server.close();
      }

      const { bodies, warnings } = await consume(queue);

      expect(bodies).toEqual(["real"]);
      expect(warnings).toEqual([expect.stringContaining("set aside")]);
      expect(existsSync(path)).toBe(false);
      const [aside] = readdirSync(`${dir}/queues/jobs/aside`);
      expect(aside).toContain(name.slice(0, 40));
      expect(readFileSync(`${dir}/secret`, "utf8")).toBe("secret");
      if (kind === "directory") {
        expect(readFileSync(`${dir}/queues/jobs/aside/${aside}/precious`, "utf8")).toBe("keep me");
      }
      expect(await statsOf(queue)).toMatchObject({ ready: 0, inFlight: 0, dead: 0, consumers: 0 });
    },
  );

  test("and is a foreign file is a dead letter: it may be a message", async ({ queue }) => {
    const { path } = await planted(queue);
    writeFileSync(path, "not a batch\n");
    expect((await consume(queue)).bodies).toEqual(["real"]);
    expect(await statsOf(queue)).toMatchObject({ dead: 1 });
  });
});

describe("what has any other name", () => {
  test("is passed over by consumers, and set aside by the sweeper", async ({ dir, queue }) => {
    const { path } = await planted(queue);
    const bucket = path.slice(0, path.lastIndexOf("/"));
    const ready = `${dir}/queues/jobs/ready`;
    writeFileSync(`${bucket}/.hidden`, "x");
    writeFileSync(`${bucket}/core`, "x");
    writeFileSync(`${ready}/README`, "x");
    mkdirSync(`${ready}/5-1`);
    writeFileSync(`${ready}/5-0000000000001`, "a file with a bucket's name");
    writeFileSync(`${dir}/queues/jobs/leases/junk`, "x");
    mkdirSync(`${dir}/queues/jobs/reclaim/junk`);
    writeFileSync(`${dir}/queues/jobs/reclaim/junk/thing`, "x");

    expect(await statsOf(queue)).toMatchObject({ ready: 1 });
    expect((await consume(queue)).bodies).toEqual(["real"]);
    const warnings: string[] = [];
    await queue.sweep((line) => warnings.push(line));

    expect(readdirSync(ready).filter((name) => !bucket.endsWith(name))).toEqual([]);
    expect(readdirSync(`${dir}/queues/jobs/aside`)).toHaveLength(6);
    expect(warnings.length).toBeGreaterThanOrEqual(5);
    for (const line of warnings) expect(line).toMatch(/^\/.*: .*; set aside as \//);
    // What lies among the leases is not touched, and reported.
    const { findings } = await queue.verify();
    expect(findings.map(({ problem }) => problem)).toContain("not a lease");
  });
});

describe("without aside/, as after a backup without empty directories", () => {
  test("what is foreign is set aside all the same", async ({ dir, queue }) => {
    const { path } = await planted(queue);
    mkdirSync(path);
    rmdirSync(`${dir}/queues/jobs/aside`);
    expect(await consume(queue)).toMatchObject({
      bodies: ["real"],
      warnings: [expect.stringContaining("set aside")],
    });
    expect(readdirSync(`${dir}/queues/jobs/aside`)).toHaveLength(1);
  });

  test("a link in place of reclaim/ leads no lease out of the spool", async ({ dir, queue }) => {
    await queue.put("x");
    const consumer = queue.consumer("handed out", { leaseMs: 1000 });
    const claim = await consumer.claim(1);
    await claim!.file.close();
    await consumer.leave();
    const { layout } = queue.room;
    utimesSync(layout.lock(consumer.lease!.name), 1000, 1000);
    mkdirSync(`${dir}/elsewhere`);
    for (const path of [layout.aside, layout.reclaim]) rmdirSync(path);
    symlinkSync(`${dir}/elsewhere`, layout.reclaim);
    const warnings: string[] = [];
    await queue.sweep((line) => void warnings.push(line));
    expect(readdirSync(`${dir}/elsewhere`)).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining("set aside")]);
    expect((await consume(queue)).bodies).toEqual(["x"]);
  });

  test("and leases/: a consumer makes them again", async ({ queue }) => {
    await queue.put("x");
    for (const path of [queue.room.layout.aside, queue.room.layout.leases]) rmdirSync(path);
    expect((await consume(queue)).bodies).toEqual(["x"]);
  });
});

test("a long name in any script is set aside", async ({ dir, queue }) => {
  await queue.put("x");
  mkdirSync(`${dir}/queues/jobs/ready/${"界".repeat(85)}`);
  await queue.sweep();
  expect((await consume(queue)).bodies).toEqual(["x"]);
});
