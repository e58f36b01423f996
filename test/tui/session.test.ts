/**
 * Goal: the screen never waits for what will not come: it says why.
 *
 * Method: a session without a terminal, and a source that answers when the test says so.
 */
import { describe, expect, test as base } from "vitest";

import type { Ask } from "../../src/stats/detail.ts";
import { Replay } from "../../src/stats/recording.ts";
import { Told } from "../../src/stats/told.ts";
import type { Source } from "../../src/stats/told.ts";
import { Session } from "../../src/tui/session.ts";
import { sampleOf } from "../helpers/samples.ts";

class Live implements Source {
  readonly told = new Told();
  readonly silentMs = 0;
  readonly nowMs = 1000;
  readonly isRecorded = false;
  asked: Ask | undefined;
  forgive(): void {}
  want(): void {}
  ask(ask: Ask | undefined): void {
    this.asked = ask;
  }
  askAgain(): void {}
  setInterval(): void {}
  seek(): void {}
  pause(): void {}
  end(): void {}
}

const SIZE = { columns: 100, rows: 20 };

// oxlint-disable-next-line no-empty-pattern -- vitest wants a pattern
const test = base.extend("open", ({}, { onCleanup }) => {
  const open: Session[] = [];
  onCleanup(() => {
    for (const session of open) session.end();
  });
  return (source: Source) => {
    const session = new Session({
      open: () => source,
      dir: "/srv/spool",
      intervalMs: 1000,
      path: "/none",
      theme: "mono",
      isAscii: false,
      isReadonly: true,
      givenDir: undefined,
      say: () => {},
    });
    open.push(session);
    const shows = (...keys: string[]): string => {
      session.lines(SIZE);
      for (const key of keys) {
        const effect = session.key(key);
        if (typeof effect === "object" && effect.kind === "seek") session.seek(effect.byMs);
      }
      return session.lines(SIZE).join("\n");
    };
    return shows;
  };
});

const samples = [sampleOf({ name: "bad" }), sampleOf({ name: "jobs" })];

function live(): Live {
  const source = new Live();
  source.told.take({ kind: "samples", samples });
  return source;
}

describe("a screen that is frozen", () => {
  test("says of a queue that is opened then why there is nothing of it", ({ open }) => {
    const source = live();
    const shows = open(source);
    expect(shows("enter")).toMatch(/looking \.\.\./);
    const asked = source.asked!;
    const detail = { kind: "messages", rows: [], isCut: false } as const;
    source.told.take({ kind: "answered", answered: { ask: asked, atMs: 1, diskNowMs: 1, detail } });
    expect(shows("f")).toMatch(/no message is ready/);
    const other = shows("2");
    expect(other).toMatch(/frozen before this was looked at: f goes on/);
    expect(other).not.toMatch(/looking/);
    expect(shows("1")).toMatch(/no message is ready/);
    expect(shows("2", "f")).toMatch(/looking \.\.\./);
    expect(source.asked).toEqual({ kind: "workers", queue: "bad" });
  });

  test("stays so where a key is of recordings alone", ({ open }) => {
    const shows = open(live());
    for (const key of ["[", "]"]) {
      const screen = shows("f", key);
      expect(screen).toMatch(/that is of a recording/);
      expect(screen).toMatch(/FROZEN/);
      expect(shows("f")).not.toMatch(/FROZEN/);
    }
  });
});

describe("a recording", () => {
  test("has nothing of what was in a queue, and says so", ({ open }) => {
    const line = JSON.stringify({ at: 1000, told: { kind: "samples", samples } });
    const replay = new Replay([line], () => {});
    replay.seek(0);
    const shows = open(replay);
    expect(shows("enter")).toMatch(/what was in a queue is not recorded/);
    expect(shows("f", "5")).toMatch(/what was in a queue is not recorded/);
    expect(shows("]")).not.toMatch(/FROZEN/);
  });
});
