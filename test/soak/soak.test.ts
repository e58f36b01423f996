/**
 * Goal: the soak, of which the long form is run by hand, works; and 20 seconds of it lose nothing.
 *
 * Method: test/soak/run.ts, for a short time. SEED=… repeats its choices, though not the machine's timing.
 */
import { describe, expect, test as plain } from "vitest";

import { test } from "../helpers/fixtures.ts";
import { soak } from "./run.ts";
import { Samples, slopeOf } from "./sample.ts";
import { judge } from "./verdict.ts";
import type { Note } from "./journal.ts";

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

test("twenty seconds of kills, sleeps and a clock that is set: nothing lost, nothing left", async ({
  dir,
}) => {
  console.log(`soak: SEED=${SEED}`);
  const report = await soak({
    dir,
    forMs: 20_000,
    processes: 12,
    seed: SEED,
    sampleMs: 500,
    clockMs: 6000,
    isGrowthJudged: false,
  });
  const { processes, kills, stops, clockSteps, accepted, deliveries, again, acks } = report;
  console.log(
    `soak: ${processes} processes, ${kills} kills, ${stops} stops, ${clockSteps} clock steps; ` +
      `${accepted} accepted, ${deliveries} deliveries, ${again} again, ${acks} acks`,
  );
  expect(report.complaints).toEqual([]);
  // There was a soak, on however busy a machine.
  expect(kills).toBeGreaterThan(10);
  expect(stops).toBeGreaterThan(3);
  expect(accepted).toBeGreaterThan(30);
  expect(acks).toBeGreaterThan(3);
}, 120_000);

describe("what it finds", () => {
  const note = (
    what: Note["what"],
    queue: string,
    token: string,
    more: Partial<Note> = {},
  ): Note => ({
    what,
    queue,
    token,
    id: "id",
    who: "taker.1",
    at: 0,
    ...more,
  });
  const done = [note("put", "jobs", "a"), note("got", "jobs", "a"), note("acked", "jobs", "a")];

  plain("nothing, where nothing is wrong", () => {
    expect(judge(done, []).complaints).toEqual([]);
  });

  plain.each([
    ["lost", [note("put", "jobs", "a")]],
    ["lost", [note("put", "events", "a"), note("got", "events/work", "a")]],
    ["acked twice", [...done, note("acked", "jobs", "a")]],
    ["after its ack", [...done, note("got", "jobs", "a", { at: 20_000 })]],
    [
      "two owners",
      [
        note("got", "jobs", "a"),
        note("got", "jobs", "a", { who: "work.1", at: 5000 }),
        note("acked", "jobs", "a", { at: 9000 }),
      ],
    ],
    ["two messages", [...done, note("got", "jobs", "a", { id: "another" })]],
    ["undone, and there", [note("undone", "events", "a"), note("got", "*/all", "a")]],
    ["in 1 of 3", [note("got", "*/all", "a")]],
    ["wrong", [note("wrong", "", "exit 70")]],
  ] as const)("%s", (what, notes) => {
    expect(judge(notes, []).complaints.join("\n")).toContain(what);
  });

  plain("what grows, and not what only swings", () => {
    expect(slopeOf([1, 2, 3, 4])).toBeCloseTo(1);
    const samples = new Samples();
    for (let index = 0; index < 40; index++) {
      samples.add("grows", index, "", { part: 0, least: 2 });
      samples.add("swings", index % 4, "", { part: 0, least: 2 });
    }
    const grown = samples.rows().filter(({ rise, allowed }) => rise > allowed!);
    expect(grown.map(({ name }) => name)).toEqual(["grows"]);
  });
});
