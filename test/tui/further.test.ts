/**
 * Goal: a message is found by its words wherever it is in a long queue, and nobody is told that there is none where there
 * may be.
 *
 * Method: a queue that answers as the process does that looks, with as many messages as are asked for.
 */
import { describe, expect, test } from "vitest";

import type { Detail, MessageRow } from "../../src/stats/detail.ts";
import { askOf, enter, filtered, settleInside, turn } from "../../src/tui/inside.ts";
import type { Inside } from "../../src/tui/inside.ts";
import { contentOf, insideBelow, insideLines } from "../../src/tui/inside-lines.ts";
import { painter } from "../../src/tui/theme.ts";
import { insideFrame } from "../helpers/inside-frame.ts";

const PAGE = 20;

const row = (at: number): MessageRow => ({
  id: `01m8jztkjg0008faw5pgd1hbg7.${at}`,
  enqueuedMs: 1,
  visibleMs: 1,
  attempts: 0,
  priority: 4,
  bytes: 5,
  preview: `line ${at}.`,
});

/** The first of so many, as they are asked for. */
function answer(inside: Inside, count: number): Detail {
  const ask = askOf(inside, 0);
  const max = ask.kind === "messages" ? ask.max : 0;
  const rows = Array.from({ length: Math.min(max, count) }, (_, at) => row(at));
  return { kind: "messages", rows, isCut: count > max };
}

function shown(inside: Inside, detail: Detail) {
  const frame = insideFrame(inside, detail, { page: PAGE });
  const content = contentOf(frame);
  const around = { table: content.table, lines: 0, page: PAGE };
  const settled = settleInside(inside, around);
  const after = { ...frame, inside: settled };
  return {
    around,
    settled,
    keys: content.table!.rows.map(({ key }) => key),
    lines: insideLines(after, content, painter("mono")),
    below: insideBelow(after, content)
      .map(({ text }) => text)
      .join("  "),
  };
}

/** Until it asks for no more by itself. */
function atRest(start: Inside, count: number): ReturnType<typeof shown> {
  let inside = start;
  for (let round = 0; round < 50; round++) {
    const now = shown(inside, answer(inside, count));
    if (now.settled.max === inside.max) return now;
    inside = now.settled;
  }
  throw new Error("it asks on and on");
}

const jobs = enter("jobs", "messages", {}, "ready");

describe("words", () => {
  test("are looked for beyond the messages that are shown", () => {
    const { keys, below } = atRest(filtered(jobs, "7999."), 29_800);
    expect(keys).toEqual([row(7999).id]);
    expect(below).toContain("1/1 of the first 10000");
  });

  test("that are in none so far: that is said, and the next key looks further", () => {
    const first = atRest(filtered(jobs, "29799."), 29_800);
    expect(first.keys).toEqual([]);
    expect(first.below).toContain("0/0 of the first 10000");
    expect(first.lines.join("\n")).toMatch(
      /none of the first 10000 has these words: G looks further/,
    );
    const further = turn(first.settled, "last", first.around)!;
    expect(further.max).toBeGreaterThan(10_000);
    const second = atRest(further, 29_800);
    const third = atRest(turn(second.settled, "down", second.around)!, 29_800);
    expect(third.keys).toEqual([row(29_799).id]);
  });

  test("while it looks further it says so", () => {
    const inside = { ...filtered(jobs, "29799."), max: 800 };
    const { lines } = shown(inside, answer({ ...inside, max: 200 }, 29_800));
    expect(lines.join("\n")).toMatch(/none of the first 200 has these words: looking further/);
  });

  test("that are in no message at all: that is said", () => {
    const { lines, below } = atRest(filtered(jobs, "nowhere"), 300);
    expect(lines.join("\n")).toMatch(/nothing with these words/);
    expect(below).toMatch(/0\/0$/);
  });

  test("that are in many are looked for no further than the screen holds", () => {
    expect(atRest(filtered(jobs, "line"), 29_800).settled.max).toBe(200);
  });

  test("no more: what nobody looks at is not read again and again", () => {
    const { settled } = atRest(filtered(jobs, "7999."), 29_800);
    expect(filtered(settled, "").max).toBe(200);
    const onIt = turn(settled, "down", shown(settled, answer(settled, 29_800)).around)!;
    expect(onIt.max).toBeGreaterThan(10_000);
  });
});

describe("the end", () => {
  test("asks for more, once for each answer, and never where there are none", () => {
    let inside = jobs;
    const end = (answered: Inside, count: number): number => {
      const { around, settled } = shown({ ...inside, max: answered.max }, answer(answered, count));
      inside = turn({ ...settled, max: inside.max }, "last", around)!;
      return inside.max;
    };
    expect(end(jobs, 500)).toBe(400);
    expect(end(jobs, 500)).toBe(400);
    expect(end({ ...jobs, max: 400 }, 500)).toBe(600);
    expect(end({ ...jobs, max: 600 }, 500)).toBe(600);
  });
});
