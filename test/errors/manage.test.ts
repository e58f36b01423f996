/**
 * Goal: who looks after queues and meets an error has done each thing or not; who only looks changes
 * nothing.
 *
 * Method: every-error.ts.
 */
import { describe, expect, test } from "vitest";

import type { BulkOptions } from "../../src/queue/bulk.ts";
import { openSpool } from "../../src/spool.ts";
import {
  FIVE,
  five,
  idsOf,
  inTurn as actsInTurn,
  makeOther,
  put as putWhole,
  rejectFive,
} from "../crash/acts.ts";
import { settingsOf } from "../crash/every-crash.ts";
import { everyError } from "./every-error.ts";
import { queueScenario } from "./queue-scenario.ts";
import type { ErrorAct, QueueScenario } from "./queue-scenario.ts";
import { TYPES } from "./types.ts";

const purge =
  (payloads: readonly string[], options: BulkOptions = {}): ErrorAct =>
  ({ queue }, told, tries) =>
    tries.that(() => told.to("nowhere", payloads, () => queue.purge(options)));

const move =
  (payloads: readonly string[], options: BulkOptions = {}): ErrorAct =>
  ({ spool, queue }, told, tries) =>
    tries.that(() =>
      told.to("other queue", payloads, () => queue.moveTo(spool.queue("other"), options)),
    );

/** All ways to look. */
const look: ErrorAct = async ({ spool, queue }, _told, tries) => {
  await tries.that(async () => queue.inventory.count(await queue.room.nowToLook()));
  for (const state of ["ready", "scheduled", "inflight", "dead"] as const) {
    await tries.that(async () => {
      for await (const seen of queue.peek(state)) await seen.body();
    });
  }
  await tries.that(() => queue.verify());
  await tries.that(() => spool.queueNames());
  await tries.that(() => spool.subscriptionNames());
};

const changeTwice: ErrorAct = async ({ queue }, _told, tries) => {
  for (const maxAttempts of [8, 9]) {
    await tries.that(() => queue.changeSettings({ maxAttempts }));
    // Also in the process that failed: it is as the disk has it.
    const { maxAttempts: now } = await tries.value(() => queue.settings(), { maxAttempts });
    expect([5, 8, 9]).toContain(now);
  }
};

/** A whole spool, in a directory that is not there. */
const openNew: ErrorAct = async ({ queue, fs }, told, tries) => {
  const { processes, random, clock } = queue.room.disk;
  const dir = `${queue.room.layout.root}/drop/../../../../new`;
  for (const one of ["one", "two"]) {
    await tries.that(async () => {
      const spool = await openSpool({ dir, parts: { fs, processes, random, clock } });
      await spool.queue("jobs").put(one);
      told.begin("ready", []);
    });
  }
};

const LIVES: Readonly<Record<string, Omit<QueueScenario, "type">>> = {
  "all is purged": {
    before: actsInTurn(five, putWhole(["six"], { delayMs: 60_000 })),
    life: purge([...FIVE, "six"]),
  },
  "some are purged": { before: five, life: purge(["one", "two"], { max: 2 }) },
  "dead letters are purged": {
    before: actsInTurn(five, rejectFive),
    life: purge(FIVE, { states: ["dead"] }),
  },
  "one of several is purged": {
    before: five,
    life: ({ queue }, told, tries) =>
      tries.that(async () => {
        const ids = await idsOf(queue, ["three"]);
        await told.to("nowhere", ["three"], () => queue.purge({ ids }));
      }),
  },
  "one of several is given up": {
    before: five,
    life: ({ queue }, told, tries) =>
      tries.that(async () => {
        const ids = await idsOf(queue, ["three"]);
        await told.to("dead", ["three"], () => queue.giveUp(ids, "bad"));
      }),
  },
  "all is moved": {
    before: actsInTurn(makeOther, five, putWhole(["six"])),
    life: move([...FIVE, "six"]),
  },
  "some are moved": {
    before: actsInTurn(makeOther, five),
    life: move(["one", "two"], { max: 2 }),
  },
  "dead letters are delivered again": {
    before: actsInTurn(five, rejectFive),
    life: ({ queue }, told, tries) =>
      tries.that(() => told.to("ready", FIVE, () => queue.moveTo(queue, { states: ["dead"] }))),
  },
  "settings are changed": { before: five, life: changeTwice },
  "a queue is made": {
    life: ({ spool }, _told, tries) =>
      tries.that(() => spool.queue("other").create(settingsOf({}))),
    after: makeOther,
  },
  "a queue is removed": {
    before: five,
    life: ({ queue }, told, tries) =>
      tries.that(() => told.to("nowhere", FIVE, () => queue.remove())),
    after: ({ queue }) => queue.create(settingsOf({})),
  },
  "somebody looks": {
    before: actsInTurn(five, putWhole(["six"], { delayMs: 60_000 })),
    life: look,
  },
  "a spool is made": { life: openNew },
};

describe.for(TYPES)("a queue on %s", ([, type]) => {
  test.for(Object.entries(LIVES))("keeps what it has when %s", async ([, scenario]) => {
    expect(await everyError(queueScenario({ ...scenario, type }))).toBeGreaterThan(0);
  });
});
