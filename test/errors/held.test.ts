/**
 * Goal: who has met an error at a settling meets it again where it goes on, and not the same message
 * for ever; a lease outlives errors of its heartbeat.
 *
 * Method: as every-error.ts, with errors at chosen calls.
 */
import { describe, expect, test, vi } from "vitest";

import { put as putWhole, putMany } from "../crash/acts.ts";
import { text } from "../crash/every-crash.ts";
import { NFS } from "../crash/world.ts";
import { ack } from "./acts.ts";
import { everyError, everyOne } from "./every-error.ts";
import { queueScenario } from "./queue-scenario.ts";
import type { ErrorAct } from "./queue-scenario.ts";
import { TYPES } from "./types.ts";

const five = putMany(["one", "two", "three", "four", "five"]);

/** A program that gives each message back first, and acks it where that failed. */
const nackOrAck: ErrorAct = async ({ queue }, told, tries) => {
  const tried = new Set<string>();
  await tries.that(async () => {
    for await (const message of queue.messages({ untilEmpty: true })) {
      const payload = await text(message);
      if (tried.has(payload)) await ack(message, told, tries);
      else {
        tried.add(payload);
        await tries.that(() => told.to("ready", [payload], () => message.nack({ delayMs: 0 })));
      }
    }
  });
};

/** Holds a message over several heartbeats, of which one fails, and acks it. */
const beats: ErrorAct = async ({ queue }, told, tries) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  try {
    const consumer = queue.consumer("beating", { leaseMs: 6000 });
    await tries.that(async () => {
      const claim = await consumer.claim(1);
      const message = (await consumer.open(claim!))!;
      for (let beat = 0; beat < 3; beat++) await vi.advanceTimersByTimeAsync(2100);
      await ack(message, told, tries);
      await claim!.file.close();
    });
    await tries.that(() => consumer.close());
  } finally {
    vi.useRealTimers();
  }
};

describe.for(TYPES)("on %s", ([, type]) => {
  test("a message whose settling failed is settled once", async () => {
    const scenario = queueScenario({ type, before: five, life: nackOrAck });
    expect(await everyError(scenario, 3)).toBeGreaterThan(0);
  });

  test("a lease outlives an error of its heartbeat", async () => {
    const scenario = queueScenario({ type, before: putWhole(["one"]), life: beats });
    expect(await everyError(scenario)).toBeGreaterThan(0);
  });
});

test("a lease outlives a lost reply to what reads the clock", async () => {
  const scenario = queueScenario({ type: NFS, before: putWhole(["one"]), life: beats });
  const lost = { code: "ENOENT", kind: "unlink", how: "once" } as const;
  // At least one for each beat.
  expect(await everyOne(scenario, lost)).toBeGreaterThan(3);
});
