/** Goal: each key does what its help says. Method: keys one after the other, on rows by hand. */
import { readFileSync } from "node:fs";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { Sample } from "../../src/stats/sample.ts";
import { rowKey } from "../../src/stats/sample.ts";
import { BINDINGS, keysOf, keyTable } from "../../src/tui/bindings.ts";
import { COLUMNS } from "../../src/tui/columns.ts";
import type { ColumnKey } from "../../src/tui/columns.ts";
import { isAsciiOnly, THEMES, themeFor } from "../../src/tui/theme.ts";
import { arrange } from "../../src/tui/tree.ts";
import type { Arrangement } from "../../src/tui/tree.ts";
import { press, settle } from "../../src/tui/ui.ts";
import { firstUi } from "../../src/tui/ui-state.ts";
import type { Ui } from "../../src/tui/ui-state.ts";
import { sampleOf } from "../helpers/samples.ts";

const PAGE = 4;

const mapOf = (...all: readonly Partial<Sample>[]): Map<string, Sample> =>
  new Map(all.map((one) => sampleOf(one)).map((sample) => [rowKey(sample), sample]));

const SPOOL = mapOf(
  { name: "jobs", ready: 5, dead: 2 },
  { name: "mail", ready: 50 },
  { name: "logs", kind: "topic", inPerS: 3 },
  { name: "logs/alerts", kind: "subscription", ready: 7, lag: 7 },
  { name: "logs/archive", kind: "subscription", ready: 2, lag: 9 },
  { name: "lost", state: "unknown", ready: null },
);

const ALL: Arrangement = { sort: "name", isReversed: false, filter: "", folded: new Set() };
const shown = (how: Partial<Arrangement> = {}): string[] =>
  arrange(SPOOL, { ...ALL, ...how }).map(({ key }) => key);

/** The choices after some keys. */
function after(...keys: readonly string[]): Ui {
  let ui = firstUi(2000, "auto");
  for (const key of keys) ui = next(ui, key);
  return ui;
}

function next(before: Ui, key: string): Ui {
  const around = { rows: arrange(SPOOL, before), page: PAGE };
  const { ui } = press(settle(before, around), key, around);
  return settle(ui, { rows: arrange(SPOOL, ui), page: PAGE });
}

const typed = (text: string): string[] =>
  Array.from(text).map((one) => (one === " " ? "space" : one));

describe("rows", () => {
  test("are queues and topics by name, each topic followed by its subscriptions", () => {
    expect(shown()).toEqual(["jobs", "logs/", "logs/alerts", "logs/archive", "lost", "mail"]);
    expect(shown({ folded: new Set(["logs/"]) })).toEqual(["jobs", "logs/", "lost", "mail"]);
  });

  test("are sorted by any column, the unknown last in both directions", () => {
    expect(shown({ sort: "ready" })).toEqual([
      "mail",
      "logs/",
      "logs/alerts",
      "logs/archive",
      "jobs",
      "lost",
    ]);
    expect(shown({ sort: "ready", isReversed: true })).toEqual([
      "jobs",
      "logs/",
      "logs/archive",
      "logs/alerts",
      "mail",
      "lost",
    ]);
    expect(shown({ sort: "state" })[0]).toBe("lost");
  });

  test("are the same rows whatever they are sorted by", () => {
    const column = fc.constantFrom(...COLUMNS.map(({ key }) => key));
    fc.assert(
      fc.property(column, fc.boolean(), (sort: ColumnKey, isReversed) => {
        expect(shown({ sort, isReversed }).toSorted()).toEqual(shown().toSorted());
      }),
    );
  });

  test("are filtered by words, in either case, and a topic stays with what is shown of it", () => {
    expect(shown({ filter: "ARCH" })).toEqual(["logs/", "logs/archive"]);
    expect(shown({ filter: "logs !arch" })).toEqual(["logs/", "logs/alerts"]);
    expect(shown({ filter: "l" })).toEqual([
      "logs/",
      "logs/alerts",
      "logs/archive",
      "lost",
      "mail",
    ]);
    expect(shown({ filter: "none" })).toEqual([]);
    expect(shown({ filter: "!" })).toHaveLength(6);
  });

  test("of a queue and a topic of one name are two", () => {
    const both = mapOf({ name: "a" }, { name: "a", kind: "topic" });
    expect(
      arrange(both, ALL)
        .map(({ key }) => key)
        .toSorted(),
    ).toEqual(["a", "a/"]);
  });

  test("of a subscription without its topic stand alone", () => {
    const alone = mapOf({ name: "logs/a", kind: "subscription" });
    expect(arrange(alone, ALL)).toMatchObject([{ key: "logs/a", name: "logs/a" }]);
  });
});

describe("a key", () => {
  test.for<[string, readonly string[], Partial<Ui>]>([
    ["down", ["j", "down"], { cursor: "logs/alerts", at: 2 }],
    ["up", ["j", "j", "up", "k"], { at: 0 }],
    ["the ends", ["G"], { cursor: "mail", top: 2 }],
    ["home", ["end", "home"], { at: 0, top: 0 }],
    ["a screen", ["pagedown"], { at: 4, top: 1 }],
    ["and back", ["pagedown", "pageup"], { at: 0 }],
    ["half a screen", ["ctrl-d"], { at: 2 }],
    ["half a screen up", ["G", "ctrl-u"], { at: 3 }],
    ["no further than there is", ["k", "pageup"], { at: 0 }],
    ["fold", ["j", "enter"], { cursor: "logs/", folded: new Set(["logs/"]) }],
    ["unfold", ["j", "enter", "l"], { folded: new Set() }],
    ["fold from below", ["j", "j", "h"], { cursor: "logs/", folded: new Set(["logs/"]) }],
    ["no fold of a queue", ["enter", "h"], { folded: new Set() }],
    ["mark", ["space"], { marked: new Set(["jobs"]), cursor: "logs/" }],
    ["unmark", ["space", "k", "space"], { marked: new Set() }],
    ["unmark all", ["space", "space", "esc"], { marked: new Set() }],
    ["sort right", [">"], { sort: "state", isReversed: false }],
    ["sort left", ["<"], { sort: "depth" }],
    ["reverse", ["r"], { isReversed: true }],
    ["slower", ["+"], { intervalMs: 5000 }],
    ["faster", ["-", "-", "-", "-"], { intervalMs: 500 }],
    ["freeze", ["f"], { isFrozen: true }],
    ["go on", ["f", "f"], { isFrozen: false }],
    ["theme", ["t"], { theme: "dark" }],
    ["wide", ["w"], { isWide: true }],
    ["help", ["?"], { mode: "help" }],
    ["no help", ["?", "esc"], { mode: "rows" }],
    ["the sort menu", ["s", "j", "j", "enter"], { mode: "rows", sort: "ready" }],
    ["the menu, turned round", ["s", "r"], { mode: "rows", isReversed: true }],
    ["no sort menu", ["s", "j", "esc"], { mode: "rows", sort: "name" }],
    ["filter", ["/", ...typed("ma")], { mode: "filter", filter: "ma", at: 0 }],
    ["a filter that stays", ["/", ...typed("ma"), "enter"], { mode: "rows", filter: "ma" }],
    ["a filter taken back", ["/", ...typed("ma"), "backspace"], { filter: "m" }],
    ["no filter", ["/", ...typed("ma"), "esc"], { mode: "rows", filter: "" }],
    ["no filter, later", ["/", ...typed("ma"), "enter", "esc"], { filter: "" }],
    ["keys are text there", ["/", ...typed("q g")], { filter: "q g" }],
    [":sort", typed(":sort lag").concat("enter"), { mode: "rows", sort: "lag" }],
    [":sort by its title", typed(":sort IN/s").concat("enter"), { sort: "in" }],
    [":filter", typed(":filter a b").concat("enter"), { filter: "a b" }],
    [":interval", typed(":interval 90s").concat("enter"), { intervalMs: 90_000 }],
    [":theme", typed(":theme light").concat("enter"), { theme: "light" }],
    [":help", typed(":help").concat("enter"), { mode: "help" }],
    ["no command", [":", "enter"], { mode: "rows", note: "" }],
  ])("does its work: %s", ([, keys, wanted]) => {
    expect(after(...keys)).toMatchObject(wanted);
  });

  test.for([
    ":sort nothing",
    ":theme none",
    ":interval soon",
    ":interval 1ms",
    ":nothing",
    ":toString",
  ])("says what is wrong with %s", (text) => {
    const ui = after(...typed(text), "enter");
    expect(ui.note).not.toBe("");
    expect(ui).toMatchObject({ sort: "name", theme: "auto", intervalMs: 2000 });
    expect(next(ui, "j").note).toBe("");
  });

  test("that quits or suspends says so", () => {
    const around = { rows: [], page: PAGE };
    const effect = (key: string, ui = after()) => press(ui, key, around).effect;
    expect(["q", "ctrl-c", "ctrl-z", "j"].map((key) => effect(key))).toEqual([
      "quit",
      "quit",
      "suspend",
      undefined,
    ]);
    expect(effect("ctrl-c", after("/"))).toBe("quit");
    expect(effect("ctrl-c", after("?"))).toBe("quit");
    expect(effect("enter", after(...typed(":q")))).toBe("quit");
    // In the help and the menu it closes these.
    expect(effect("q", after("?"))).toBeUndefined();
  });

  test("is harmless in any order, also without rows", () => {
    const keys = BINDINGS.flatMap((binding) => binding.keys).concat(
      "enter",
      "backspace",
      "x",
      "日",
    );
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...keys), { maxLength: 40 }),
        fc.boolean(),
        (pressed, isEmpty) => {
          let ui = firstUi(2000, "auto");
          for (const key of pressed) {
            const rows = isEmpty ? [] : arrange(SPOOL, ui);
            ui = press(settle(ui, { rows, page: PAGE }), key, { rows, page: PAGE }).ui;
            const seen = isEmpty ? [] : arrange(SPOOL, ui);
            ui = settle(ui, { rows: seen, page: PAGE });
            expect(ui.at).toBeGreaterThanOrEqual(0);
            expect(ui.at).toBeLessThan(Math.max(1, seen.length));
            expect(ui.at - ui.top).toBeLessThan(PAGE);
            expect(ui.top).toBeLessThanOrEqual(ui.at);
            if (ui.cursor !== undefined) expect(ui.cursor).toBe(seen[ui.at]?.key);
          }
        },
      ),
    );
  });

  test("is on the first row, whichever that is, until somebody moves it", () => {
    const rows = arrange(mapOf({ name: "aaa" }, { name: "jobs" }), after());
    expect(settle(after(), { rows, page: PAGE }).at).toBe(0);
    expect(settle(after("G", "g"), { rows, page: PAGE }).at).toBe(0);
  });

  test("stays on its row when others come and go", () => {
    const ui = after("G");
    const rows = arrange(mapOf({ name: "aaa" }, { name: "mail" }, { name: "zzz" }), ui);
    expect(settle(ui, { rows, page: PAGE })).toMatchObject({ cursor: "mail", at: 1 });
    const gone = arrange(mapOf({ name: "aaa" }), ui);
    expect(settle(ui, { rows: gone, page: PAGE })).toMatchObject({ cursor: "aaa", at: 0 });
  });
});

describe("the table of keys", () => {
  test("has each key once", () => {
    const keys = BINDINGS.flatMap((binding) => binding.keys);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("is the one in docs/top.md", () => {
    const page = readFileSync(new URL("../../docs/top.md", import.meta.url), "utf8");
    for (const [keys, help] of keyTable()) {
      const spelled = keys
        .split(" ")
        .map((key) => `\`${key}\``)
        .join(" ");
      expect(page).toContain(`| ${spelled} | ${help} |`);
    }
    for (const { title, help } of COLUMNS) expect(page).toContain(`| ${title} | ${help} `);
  });

  test("names what a terminal sends", () => {
    expect(keysOf("jj", {})).toEqual(["j", "j"]);
    expect(keysOf(" ", {})).toEqual(["space"]);
    expect(keysOf("d", { ctrl: true })).toEqual(["ctrl-d"]);
    expect(keysOf("", { pageUp: true })).toEqual(["pageup"]);
    expect(keysOf("", { delete: true })).toEqual(["backspace"]);
  });
});

describe("a theme", () => {
  /** WCAG's relative luminance, of a colour of the 256 beyond the first sixteen. */
  function luminance(colour: number): number {
    const cube = [0, 95, 135, 175, 215, 255];
    const at = colour - 16;
    const rgb =
      colour >= 232
        ? Array<number>(3).fill(8 + 10 * (colour - 232))
        : [cube[Math.floor(at / 36)]!, cube[Math.floor(at / 6) % 6]!, cube[at % 6]!];
    const [red = 0, green = 0, blue = 0] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
  const contrast = (colour: number, ground: number): number => {
    const [one, other] = [luminance(colour) + 0.05, ground + 0.05];
    return Math.max(one, other) / Math.min(one, other);
  };

  test.for([
    ["auto", 0, 3],
    ["auto", 1, 3],
    ["dark", 0, 7],
    ["light", 1, 4.5],
  ] as const)("%s can be read on luminance %d", ([name, ground, least]) => {
    for (const colour of Object.values(THEMES[name])) {
      if (colour !== undefined) expect(contrast(colour, ground)).toBeGreaterThanOrEqual(least);
    }
  });

  test("is what the terminal says", () => {
    expect(themeFor({ TERM: "xterm-256color" })).toBe("auto");
    expect(themeFor({ NO_COLOR: "1" })).toBe("mono");
    expect(themeFor({ NO_COLOR: "" })).toBe("auto");
    expect(themeFor({ TERM: "vt100" })).toBe("mono");
    expect(themeFor({ COLORFGBG: "0;15" })).toBe("light");
    expect(themeFor({ COLORFGBG: "15;default;0" })).toBe("dark");
  });

  test("knows who has no more than ASCII", () => {
    expect(isAsciiOnly({ LANG: "en_US.UTF-8" })).toBe(false);
    expect(isAsciiOnly({ LC_ALL: "C.utf8" })).toBe(false);
    expect(isAsciiOnly({ LANG: "C" })).toBe(true);
    expect(isAsciiOnly({})).toBe(true);
  });
});
