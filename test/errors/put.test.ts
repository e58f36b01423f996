/**
 * Goal: whatever call of a writer fails, and how: what it said is put is there, once, and also after a
 * power cut; what it said failed is nowhere; each error has its exit code; nothing is left open or over.
 *
 * Method: every-error.ts.
 */
import { describe, expect, test } from "vitest";

import { inTurn, put, putMany, putOne, putStreamed, putTogether } from "./acts.ts";
import { FIVE, LARGE } from "../crash/acts.ts";
import { EXT4 } from "../crash/world.ts";
import { everyError, everyOne } from "./every-error.ts";
import { queueScenario } from "./queue-scenario.ts";
import type { ErrorAct, QueueScenario } from "./queue-scenario.ts";
import { TYPES } from "./types.ts";

/** The other queue is made by its first put. */
const putInOther: ErrorAct = async ({ spool }, told, tries) => {
  await putOne(spool.queue("other"), "one", {}, told, tries);
  await putOne(spool.queue("other"), "two", {}, told, tries);
};

const LIVES: Readonly<Record<string, Omit<QueueScenario, "type">>> = {
  "a put": { life: put(["one", "two"]) },
  "a put that makes its queue": {
    life: putInOther,
    after: async ({ spool }) => spool.queue("other").create(),
  },
  "a streamed put": { life: inTurn(putStreamed("streamed"), put(["next"])) },
  "a streamed put of several writes": { life: putStreamed(LARGE[0]!) },
  "puts that share a file": { life: inTurn(putTogether(FIVE), putTogether(["six", "seven"])) },
  "puts in two files at once": {
    life: (...given) =>
      Promise.all([
        putTogether(["one", "two"])(...given),
        putTogether(["six"], { priority: 9 })(...given),
      ]),
  },
  "many lines": { life: putMany(FIVE, { batchMessages: 2 }) },
  "many lines of several writes": { life: putMany(LARGE, { batchMessages: 2 }) },
  "many that end with a NUL": { life: putMany(FIVE, { batchMessages: 2, separator: "nul" }) },
  "a put with a delay": { life: put(["late"], { delayMs: 60_000 }) },
  "a put with a key": { life: inTurn(put(["once"], { dedupKey: "key" }), put(["next"])) },
  "a put with limits": {
    settings: { maxDepth: 10, maxBytes: 1000, minFreeBytes: 1 },
    life: put(["one", "two"]),
  },
};

describe.for(TYPES)("a writer on %s", ([, type]) => {
  test.for(Object.entries(LIVES))("keeps its word in %s", async ([, scenario]) => {
    expect(await everyError(queueScenario({ ...scenario, type, isStrict: true }))).toBeGreaterThan(
      0,
    );
  });
});

test("a writer gives up where the disk takes no bytes and does not say why", async () => {
  const scenario = queueScenario({ type: EXT4, life: put(["one", "two"]) });
  const silent = { code: "nothing", kind: "write", how: "persistent" } as const;
  expect(await everyOne(scenario, silent)).toBeGreaterThan(0);
});
