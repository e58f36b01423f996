/**
 * Goal: a put that said success outlives a power cut also where somebody else, who died over it, made
 * the spool, the queue or a directory.
 *
 * Method: on the simulated disk, which keeps what was synced and nothing else; one process stops for
 * ever behind a chosen call, another one puts, the power goes.
 */
import { expect, test } from "vitest";

import type { Spool } from "../../src/spool.ts";
import { behind, BTRFS, EXT4, NFS, OneByOne, SPOOL, ZFS } from "./one-by-one.ts";

const JOBS = `${SPOOL}/queues/jobs`;
const KINDS = [EXT4, BTRFS, ZFS, NFS];

const putFirst = (spool: Spool): Promise<unknown> => spool.queue("jobs").put("first");

async function put(machine: OneByOne): Promise<void> {
  const spool = await machine.spool();
  await spool.queue("jobs").put("second");
}

/** What consumers get after the power went. */
async function afterPowerCut(machine: OneByOne): Promise<string[]> {
  machine.powerCut(0);
  return machine.drain("jobs");
}

test.for(KINDS)("on $name: the spool's directory was made by a dead one", async (kind) => {
  const machine = new OneByOne(kind);
  await machine.begin(behind("mkdir", SPOOL), putFirst);
  await put(machine);
  expect(await afterPowerCut(machine)).toEqual(["second"]);
});

test.for(KINDS)("on $name: the queue was made by a dead one", async (kind) => {
  const machine = new OneByOne(kind);
  await machine.begin(behind("rename", `${JOBS}/queue.json`), putFirst);
  await put(machine);
  expect(await afterPowerCut(machine)).toContain("second");
});

test.for(KINDS)("on $name: directories that were missing are made again", async (kind) => {
  const machine = new OneByOne(kind);
  const spool = await machine.spool();
  await spool.queue("jobs").create();
  for (const name of ["ready", "tmp", "dead", "reclaim", "leases"]) {
    machine.change("rmdir", `${JOBS}/${name}`);
  }
  machine.syncAll("/");
  await put(machine);
  expect(await afterPowerCut(machine)).toEqual(["second"]);
});

test.for(KINDS)("on $name: a publish is in all or in none, recovered or not", async (kind) => {
  const machine = new OneByOne(kind);
  const topic = await (await machine.spool()).topic("logs");
  await topic.create();
  for (const name of ["one", "two"]) await topic.subscribe(name);
  // It dies when it has made both visible, and none of that is safe.
  const publish = async (spool: Spool): Promise<unknown> =>
    (await spool.topic("logs")).publish("x");
  await machine.begin(behind("rename", "subscriptions/two/ready/"), publish);
  await (await (await machine.spool()).topic("logs")).recover();
  // Somebody takes it, and is promised that it is gone: that much is safe.
  expect(await machine.drain("logs/one")).toEqual(["x"]);
  machine.syncAll(`${SPOOL}/topics/logs/subscriptions/one`);
  machine.powerCut(0);
  expect(await machine.drain("logs/two")).toEqual(["x"]);
});

test.for(KINDS)("on $name: a duplicate of a dead one's put is there", async (kind) => {
  const machine = new OneByOne(kind);
  await (await machine.spool()).queue("jobs").create();
  machine.syncAll("/");
  const putAs = (body: string) => (spool: Spool) =>
    spool.queue("jobs").put(body, { dedupKey: "k" });
  let told: unknown;
  const goOn = await machine.pause(
    (call) => call === "sync",
    async (spool) => {
      told = await putAs("second")(spool);
    },
  );
  // It has delivered, and nobody has made that safe.
  await machine.begin(behind("rename", `${JOBS}/ready/`), putAs("first"));
  await goOn();
  expect(told).toMatchObject({ duplicate: true });
  machine.powerCut(0);
  machine.later(3 * 24 * 3600_000);
  expect(await machine.drain("jobs")).toEqual(["first"]);
});
