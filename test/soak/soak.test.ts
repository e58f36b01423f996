/**
 * Goal: the soak, of which the long form is run by hand, works; and 20 seconds of it lose nothing.
 *
 * Method: test/soak/run.ts, for a short time. SEED=… repeats its choices, though not the machine's timing.
 */
import { describe, expect, test as plain } from "vitest";

import { test } from "../helpers/fixtures.ts";
import { soak } from "./run.ts";
import { Samples, slopeOf } from "./sample.ts";
import { judge, REST } from "./verdict.ts";
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
  const { processes, kills, stops, clockSteps, accepted, deliveries, again, acks, backs, dropped } =
    report;
  console.log(
    `soak: ${processes} processes, ${kills} kills, ${stops} stops, ${clockSteps} clock steps; ` +
      `${accepted} accepted, ${deliveries} deliveries, ${again} again, ${acks} acks, ${backs} backs, ` +
      `${dropped} dropped`,
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

  const nacked = [
    note("put", "jobs", "a"),
    note("got", "jobs", "a", { at: 1 }),
    note("back", "jobs", "a", { at: 3, since: 2 }),
  ];

  plain.each([
    ["comes again and may be acked", note("acking", "jobs", "a", { who: "work.1", at: 5 })],
    ["is left in the end", note("got", "jobs", "a", { who: REST, at: 5 })],
  ])("nothing, where what was nacked %s", (_, last) => {
    const again = note("got", "jobs", "a", { who: last.who, at: 4 });
    expect(judge([...nacked, again, last], []).complaints).toEqual([]);
  });

  plain("a delivery by one who was killed before he acked, and then by another, is no loss", () => {
    const killed = [
      note("got", "jobs", "a", { who: "work.1" }),
      note("killed", "", "", { who: "work.1", at: 1 }),
      note("got", "jobs", "a", { at: 5000 }),
      note("acking", "jobs", "a", { at: 5001 }),
    ];
    expect(judge(killed, []).complaints).toEqual([]);
    expect(judge(killed, []).dropped).toBe(1);
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
    [
      "lost after it was given back by taker.1: jobs a",
      [
        note("put", "jobs", "a"),
        note("got", "jobs", "a", { at: 1 }),
        note("back", "jobs", "a", { at: 3, since: 2 }),
      ],
    ],
    [
      // Whoever had it before the nack cannot have acked it.
      "lost after it was given back by taker.1: jobs a",
      [
        note("put", "jobs", "a"),
        note("got", "jobs", "a", { who: "work.1", at: 1 }),
        note("acking", "jobs", "a", { who: "work.1", at: 2 }),
        note("got", "jobs", "a", { at: 5000 }),
        note("back", "jobs", "a", { at: 5002, since: 5001 }),
      ],
    ],
    [
      "lost in the hand of work.1",
      [
        note("put", "jobs", "a"),
        note("got", "jobs", "a", { who: "work.1" }),
        note("killed", "", "", { who: "work.1", at: 1 }),
      ],
    ],
    [
      // Its command went on; nobody was left to ack.
      "lost in the hand of worker.1",
      [
        note("got", "jobs", "a", { who: "worker.1" }),
        note("killed", "", "", { who: "worker.1", at: 1 }),
        note("acking", "jobs", "a", { who: "worker.1", at: 400 }),
      ],
    ],
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
