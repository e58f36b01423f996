/**
 * Goal: a file that a power cut has torn, after its name was there and before its bytes were safe, is
 * never delivered: it is a dead letter with its reason, and its neighbours do not notice.
 *
 * Method: a writer dies at its fsync, which comes after the rename; its file is damaged as a disk
 * does it; the next process takes all that there is.
 */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";

import { describe, expect } from "vitest";

import { Crash } from "../helpers/crashing-file-system.ts";
import { inTurn, put, putMany } from "./acts.ts";
import { recover, settingsOf } from "./every-crash.ts";
import type { Act } from "./every-crash.ts";
import { test } from "./fixture.ts";
import { Told } from "./told.ts";
import { EXT4, World } from "./world.ts";

/** What becomes of a file whose length is known and whose blocks were not written, or the reverse. */
const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  "lost all of it": (path) => truncateSync(path, 0),
  "lost its second half": (path) => truncateSync(path, readFileSync(path).length >> 1),
  "lost its last byte": (path) => truncateSync(path, readFileSync(path).length - 1),
  "became zeros": (path) => writeFileSync(path, readFileSync(path).fill(0)),
  "became zeros in its second half": (path) => {
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0, bytes.length >> 1));
  },
  "became zeros in its last byte": (path) => {
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0, bytes.length - 1));
  },
  "has a few bytes of another file behind it": (path) => {
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from("other")]));
  },
};

const WRITES: Readonly<Record<string, { act: Act; payloads: readonly string[] }>> = {
  "one message": { act: put(["torn"]), payloads: ["torn"] },
  "many lines": {
    act: putMany(["torn 1", "torn 2", "torn 3"]),
    payloads: ["torn 1", "torn 2", "torn 3"],
  },
  "many records": {
    act: putMany(["torn 1", "torn 2"], { separator: "nul" }),
    payloads: ["torn 1", "torn 2"],
  },
};

const before = inTurn(put(["first", "second"]), putMany(["third", "fourth"]));
const behind = inTurn(put(["fifth"]), putMany(["sixth", "seventh"]));

describe.for(Object.keys(WRITES))("a file of %s", (kind) => {
  test.for(Object.keys(DAMAGES))(
    "is a dead letter and no more when it %s",
    async (how, { dir }) => {
      const world = new World(dir, true, EXT4);
      const told = new Told();
      await world.run(async (process) => {
        await process.queue.create(settingsOf({}));
        await before(process, told, world);
      });
      const { act, payloads } = WRITES[kind]!;
      const known = new Set(filesIn(`${dir}/queues/jobs/ready`));
      const hasDied = await world.run(async (process) => act(process, told, world), {
        before: (_, name) => {
          if (name === "sync") throw new Crash("at its fsync");
        },
      });
      const [torn, ...more] = filesIn(`${dir}/queues/jobs/ready`).filter(
        (path) => !known.has(path),
      );
      expect({ hasDied, more }).toEqual({ hasDied: true, more: [] });
      DAMAGES[how]!(torn!);
      told.done("nowhere", payloads);
      await world.run(async (process) => behind(process, told, world));

      await recover(
        world,
        told,
        { findings: [/dead letter: /] },
        { where: how, knowsTheDead: true },
      );

      await world.run(async ({ queue }) => {
        const reasons: string[] = [];
        for await (const { name } of queue.browse("dead")) {
          reasons.push((await queue.reasonOf(name)).reason);
        }
        expect(reasons).toEqual([expect.stringMatching(/^damaged: /)]);
      });
    },
  );
});

function filesIn(ready: string): string[] {
  return readdirSync(ready).flatMap((bucket) =>
    readdirSync(`${ready}/${bucket}`).map((name) => `${ready}/${bucket}/${name}`),
  );
}
