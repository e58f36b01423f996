/**
 * Goal: what was recorded, with a screen or without, is seen again as it was, at its pace, forward and back.
 *
 * Method: a recording of a spool that changes; and one that was written by hand, half an hour long.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { describe, expect } from "vitest";

import { Replay } from "../../src/stats/recording.ts";
import { expectFailure, until } from "../helpers/cli.ts";
import { sampleOf } from "../helpers/samples.ts";
import { hasTmux, NO_TMUX, test as base } from "../helpers/terminal.ts";

const test = base.extend("file", ({ cli }) => `${cli.dir}/night.top`);

/** A queue whose depth is the minutes since the beginning. */
function recorded(minutes: number): string {
  const startMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  const lines: unknown[] = [{ recording: 1, at: startMs, dir: "/srv/spool" }];
  for (let minute = 0; minute < minutes; minute++) {
    const at = startMs + minute * 60_000;
    const samples = [sampleOf({ name: "jobs", ready: minute, atMs: at })];
    lines.push({ at, told: { kind: "samples", samples } });
    const head = { atMs: at, freeBytes: 1e9, totalBytes: 1e10, skewMs: 0, names: 1, looked: 1 };
    const complete = { completeAtMs: at, completeTookMs: 1 };
    lines.push({ at, told: { kind: "round", head: { ...head, ...complete } } });
  }
  return `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`;
}

describe("a recording", () => {
  test("is played with its own time, on and back, and stands still", async ({
    terminal,
    file,
    skip,
  }) => {
    if (!hasTmux) skip(NO_TMUX);
    // What is cut off at the end was being written.
    writeFileSync(file, `${recorded(30)}{"at":`);
    const screen = terminal();
    screen.run(`TZ=UTC spool top --replay ${file}`);
    await screen.shows(/^> jobs .* 0 /m);
    await screen.shows(/03:04:0\d.* \/srv\/spool/);
    screen.keys("]", "]", "]", "]");
    await screen.shows(/03:06:\d\d/);
    await screen.shows(/^> jobs +\S+ \S+ +2 /m);
    screen.keys("[", "[");
    await screen.shows(/^> jobs +\S+ \S+ +1 /m);
    screen.keys("f");
    const still = await screen.shows(/FROZEN/);
    screen.keys("R");
    await screen.shows(/nothing is changed from here/);
    expect(screen.screen).toContain(/\d\d:\d\d:\d\d/.exec(still)![0]);
    screen.keys("q");
    await screen.shows(/^bash-[\d.]+[#$]\s*$/m);
  });

  test("of a screen is as it was", async ({ cli, terminal, file, skip }) => {
    if (!hasTmux) skip(NO_TMUX);
    await cli.ok(["put", "jobs", "-m", "x"]);
    const screen = terminal();
    screen.run(`spool top --interval 500ms --record ${file}`);
    await screen.shows(/^> jobs/m);
    await cli.ok(["put", "late", "-m", "x"]);
    await screen.shows(/^ {2}late/m);
    screen.keys("q");
    await screen.shows(/^bash-[\d.]+[#$]\s*$/m);
    await cli.ok(["queue", "rm", "late", "-f"]);
    screen.run(`spool top --replay ${file}`);
    await screen.shows(/^> jobs/m);
    screen.keys("]");
    await screen.shows(/^ {2}late/m);
  });

  test("is made without a terminal, until it is told to end", async ({ cli, file }) => {
    await cli.ok(["put", "jobs", "-m", "x"]);
    const running = cli.start(["top", "--interval", "500ms", "--record", file]);
    await until("recorded", () => existsSync(file) && readFileSync(file, "utf8").includes("round"));
    running.kill("SIGTERM");
    expect((await running.ended).code).toBe(0);
    const [first, ...rest] = readFileSync(file, "utf8").trim().split("\n");
    expect(JSON.parse(first!)).toMatchObject({ recording: 1, dir: cli.spool });
    expect(rest.map((line) => (JSON.parse(line) as { told: { kind: string } }).told.kind)).toEqual(
      expect.arrayContaining(["samples", "round"]),
    );
  });

  test("is never written over, and no other file is taken for one", async ({ cli, file }) => {
    await cli.ok(["put", "jobs", "-m", "x"]);
    writeFileSync(file, "mine\n");
    expectFailure(await cli.run(["top", "--record", file]), 64, /night.top is there already/);
    expect(readFileSync(file, "utf8")).toBe("mine\n");
    expectFailure(await cli.run(["top", "--replay", file]), 64, /--replay needs a terminal/);
    expectFailure(await cli.run(["top", "--replay", file, "--json"]), 64, /for the screen alone/);
    for (const how of ["--once", "--json"]) {
      const refused = await cli.run(["top", how, "--record", `${cli.dir}/other`]);
      expectFailure(refused, 64, /--record is not for --once/);
    }
    const paced = await cli.run(["top", "--replay", file, "--interval", "5s"]);
    expectFailure(paced, 64, /--interval: a recording/);
    expect(existsSync(`${cli.dir}/other`)).toBe(false);
    const elsewhere = { env: { SPOOL_DIR: "/none" } };
    for (const words of [["none"], []]) {
      const failed = await cli.run(["top", ...words, "--record", `${cli.dir}/other`], elsewhere);
      expectFailure(failed, 66, /no spool/);
      // The next try is not refused for this one.
      expect(existsSync(`${cli.dir}/other`)).toBe(false);
    }
    const none = await cli.run(["top", "--record", `${cli.dir}/no/such`]);
    expectFailure(none, 64, /--record: ENOENT/);
  });

  test("that is none: that is said", async ({ terminal, cli, file, skip }) => {
    if (!hasTmux) skip(NO_TMUX);
    writeFileSync(file, "mine\n");
    const screen = terminal();
    screen.run(`spool top --replay ${file}; echo "exit $?"`);
    await screen.shows(/night.top is no recording of spool top/);
    await screen.shows(/exit 64/);
    expect(existsSync(cli.spool)).toBe(false);
  });

  test("is shown of those that are named, a topic with its subscriptions", () => {
    const names = ["exp", "jobs", "logs", "logs/all", "logs2"];
    const samples = names.map((name) => {
      const kind = name.includes("/") ? "subscription" : name === "logs" ? "topic" : "queue";
      return sampleOf({ name, kind });
    });
    const lines = [JSON.stringify({ at: 1, told: { kind: "samples", samples } })];
    const shown = (wanted: readonly string[]): string[] => {
      const replay = new Replay(lines, () => {}, wanted);
      replay.seek(0);
      replay.end();
      return [...replay.told.samples.values()].map(({ name }) => name);
    };
    expect(shown([])).toEqual(names);
    expect(shown(["exp", "logs"])).toEqual(["exp", "logs", "logs/all"]);
    expect(() => new Replay(lines, () => {}, ["expo"])).toThrow(/the recording has no expo/);
  });

  test("is played on past lines that are damaged, wherever they are", () => {
    const good = { at: 1000, told: { kind: "samples", samples: [sampleOf({ name: "good" })] } };
    const late = { at: 2000, told: { kind: "samples", samples: [sampleOf({ name: "late" })] } };
    const bad: unknown[] = [
      null,
      7,
      [],
      { at: 1500 },
      { told: good.told },
      { at: "1500", told: good.told },
      { at: 1e300, told: good.told },
      { at: 1500, told: null },
      { at: 1500, told: { kind: "other" } },
      { at: 1500, told: { kind: "samples" } },
      { at: 1500, told: { kind: "samples", samples: [null] } },
      { at: 1500, told: { kind: "samples", samples: [{ name: "half" }] } },
      {
        at: 1500,
        told: { kind: "samples", samples: [{ ...sampleOf({ name: "odd" }), ready: "7" }] },
      },
      { at: 1500, told: { kind: "samples", samples: [sampleOf({ name: "\u001B[2J" })] } },
      { at: 1500, told: { kind: "gone", keys: 5 } },
      { at: 1500, told: { kind: "round", head: { atMs: 1500 } } },
      { at: 1500, told: { kind: "failed", isOver: true } },
    ];
    const damaged = ["", "{", ...bad.map((line) => JSON.stringify(line))];
    const [first, last] = [good, late].map((line) => JSON.stringify(line)) as [string, string];
    const replay = new Replay([...damaged, first, ...damaged, last, ...damaged], () => {});
    expect(Math.floor(replay.nowMs / 500)).toBe(2);
    replay.seek(60_000);
    replay.end();
    expect(replay.nowMs).toBe(2000);
    expect([...replay.told.samples.keys()]).toEqual(["good", "late"]);
    expect(replay.told).toMatchObject({ head: undefined, isOver: false });
  });
});
