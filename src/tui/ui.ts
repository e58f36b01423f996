/**
 * What the person at the screen has chosen, and what a key makes of it. Pure: the same choices, rows and key
 * make the same choices. Nothing in here knows of Ink, of time, or of the spool.
 */
import type { Act } from "./bindings.ts";
import { actOf } from "./bindings.ts";
import { COLUMNS } from "./columns.ts";
import type { ColumnKey } from "./columns.ts";
import { runCommand } from "./commands.ts";
import { THEME_NAMES } from "./theme.ts";
import type { ThemeName } from "./theme.ts";
import type { Arrangement, Row } from "./tree.ts";

type Mode = "rows" | "filter" | "command" | "sort" | "help";

export interface Ui extends Arrangement {
  readonly mode: Mode;
  /** What is being typed: a filter or a command. */
  readonly draft: string;
  /**
   * The row that the cursor stays on while others come and go; undefined: it stays on the first one, whichever
   * that is, until somebody moves it.
   */
  readonly cursor: string | undefined;
  /** Where the cursor is. */
  readonly at: number;
  /** The first row that is shown. */
  readonly top: number;
  readonly marked: ReadonlySet<string>;
  readonly intervalMs: number;
  readonly isFrozen: boolean;
  readonly theme: ThemeName;
  readonly isWide: boolean;
  /** In a menu or the help: which line. */
  readonly menuAt: number;
  /** One line for the person, until the next key. */
  readonly note: string;
}

export type Effect = "quit" | "suspend";

export interface Next {
  readonly ui: Ui;
  readonly effect?: Effect;
}

export interface Around {
  readonly rows: readonly Row[];
  /** How many rows the screen shows. */
  readonly page: number;
}

export const INTERVALS_MS: readonly number[] = [500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

export function firstUi(intervalMs: number, theme: ThemeName): Ui {
  return {
    mode: "rows",
    sort: "name",
    isReversed: false,
    filter: "",
    folded: new Set(),
    draft: "",
    cursor: undefined,
    at: 0,
    top: 0,
    marked: new Set(),
    intervalMs,
    isFrozen: false,
    theme,
    isWide: false,
    menuAt: 0,
    note: "",
  };
}

/** The cursor where its row is now, or where it was; and the screen where the cursor is. */
export function settle(ui: Ui, { rows, page }: Around): Ui {
  const found = ui.cursor === undefined ? 0 : rows.findIndex(({ key }) => key === ui.cursor);
  const at = Math.max(0, Math.min(found === -1 ? ui.at : found, rows.length - 1));
  const lastTop = Math.max(0, rows.length - page);
  const top = Math.max(0, Math.min(Math.max(ui.top, at - page + 1), at, lastTop));
  return { ...ui, at, top, cursor: ui.cursor === undefined ? undefined : rows[at]?.key };
}

export function press(before: Ui, key: string, around: Around): Next {
  const ui = { ...before, note: "" };
  if (key === "ctrl-c") return { ui, effect: "quit" };
  if (key === "ctrl-z") return { ui, effect: "suspend" };
  if (ui.mode === "filter" || ui.mode === "command") return type(ui, key);
  if (ui.mode === "sort") return { ui: choose(ui, key) };
  if (ui.mode === "help") return { ui: readHelp(ui, key) };
  const act = actOf(key);
  if (act === undefined) return { ui };
  if (act === "quit") return { ui, effect: "quit" };
  return { ui: MOVES.has(act) ? move(ui, act, around) : change(ui, act, around) };
}

function type(ui: Ui, key: string): Next {
  const isFilter = ui.mode === "filter";
  if (key === "esc" || (key === "backspace" && ui.draft === "")) {
    return { ui: { ...ui, mode: "rows", draft: "", ...(isFilter ? { filter: "" } : {}) } };
  }
  if (key === "enter") {
    const rows: Ui = { ...ui, mode: "rows", draft: "" };
    return isFilter ? { ui: rows } : runCommand(rows, ui.draft);
  }
  const typed = key === "space" ? " " : Array.from(key).length === 1 ? key : "";
  const draft =
    key === "ctrl-u"
      ? ""
      : key === "backspace"
        ? Array.from(ui.draft).slice(0, -1).join("")
        : ui.draft + typed;
  return { ui: { ...ui, draft, ...(isFilter ? { filter: draft } : {}) } };
}

function choose(ui: Ui, key: string): Ui {
  const act = actOf(key);
  if (key === "enter" || key === "space" || key === "right") {
    return { ...ui, mode: "rows", sort: COLUMNS[ui.menuAt]!.key, isReversed: false };
  }
  if (key === "esc" || act === "quit" || act === "sortMenu") return { ...ui, mode: "rows" };
  if (act === "reverse") return { ...ui, mode: "rows", isReversed: !ui.isReversed };
  return { ...ui, menuAt: step(ui.menuAt, act, COLUMNS.length) };
}

/** As many lines as there may be are left to whoever draws. */
function readHelp(ui: Ui, key: string): Ui {
  const act = actOf(key);
  if (key === "esc" || key === "enter" || act === "quit" || act === "help") {
    return { ...ui, mode: "rows", menuAt: 0 };
  }
  return { ...ui, menuAt: step(ui.menuAt, act, 100) };
}

function step(at: number, act: Act | undefined, count: number): number {
  const by: Partial<Record<Act, number>> = {
    up: -1,
    down: 1,
    pageUp: -5,
    pageDown: 5,
    halfUp: -3,
    halfDown: 3,
  };
  if (act === "first") return 0;
  if (act === "last") return count - 1;
  return Math.max(0, Math.min(at + ((act && by[act]) ?? 0), count - 1));
}

const MOVES: ReadonlySet<Act> = new Set<Act>([
  "up",
  "down",
  "pageUp",
  "pageDown",
  "halfUp",
  "halfDown",
  "first",
  "last",
]);

function move(ui: Ui, act: Act, { rows, page }: Around): Ui {
  const half = Math.max(1, Math.floor(page / 2));
  const by: Partial<Record<Act, number>> = {
    up: -1,
    down: 1,
    pageUp: -page,
    pageDown: page,
    halfUp: -half,
    halfDown: half,
    first: -rows.length,
    last: rows.length,
  };
  const at = Math.max(0, Math.min(ui.at + (by[act] ?? 0), rows.length - 1));
  return { ...ui, at, cursor: at === 0 ? undefined : rows[at]?.key };
}

function change(ui: Ui, act: Act, { rows }: Around): Ui {
  const row = rows[ui.at];
  switch (act) {
    case "toggle":
    case "fold":
    case "unfold":
      return fold(ui, act, row);
    case "filter":
      return { ...ui, mode: "filter", draft: ui.filter };
    case "command":
      return { ...ui, mode: "command", draft: "" };
    case "clear":
      return ui.filter === "" ? { ...ui, marked: new Set() } : { ...ui, filter: "" };
    case "sortMenu":
      return { ...ui, mode: "sort", menuAt: COLUMNS.findIndex(({ key }) => key === ui.sort) };
    case "sortLeft":
    case "sortRight":
      return sortBeside(ui, act === "sortLeft" ? -1 : 1);
    case "reverse":
      return { ...ui, isReversed: !ui.isReversed };
    case "mark":
      return row === undefined ? ui : mark(ui, row, rows);
    case "faster":
    case "slower":
      return { ...ui, intervalMs: nextInterval(ui.intervalMs, act === "slower") };
    case "freeze":
      return { ...ui, isFrozen: !ui.isFrozen };
    case "theme": {
      const theme = THEME_NAMES[(THEME_NAMES.indexOf(ui.theme) + 1) % THEME_NAMES.length]!;
      return { ...ui, theme, note: `theme ${theme}` };
    }
    case "wide":
      return { ...ui, isWide: !ui.isWide };
    case "help":
      return { ...ui, mode: "help", menuAt: 0 };
    default:
      return ui;
  }
}

function fold(ui: Ui, act: "toggle" | "fold" | "unfold", row: Row | undefined): Ui {
  // From a subscription its topic is folded, and the cursor goes there.
  const key = row?.parent !== undefined && act === "fold" ? row.parent : row?.key;
  if (key === undefined || (row?.parent === undefined && row?.isFolded === undefined)) return ui;
  if (row.parent !== undefined && act !== "fold") return ui;
  const folded = new Set(ui.folded);
  const isFolding = act === "fold" || (act === "toggle" && !folded.has(key));
  if (isFolding) folded.add(key);
  else folded.delete(key);
  return { ...ui, folded, cursor: key };
}

function sortBeside(ui: Ui, by: number): Ui {
  const keys: ColumnKey[] = COLUMNS.map(({ key }) => key);
  const sort = keys[(keys.indexOf(ui.sort) + by + keys.length) % keys.length]!;
  return { ...ui, sort, isReversed: false };
}

/** And on to the next row, so that a few are marked by a few keys. */
function mark(ui: Ui, { key }: Row, rows: readonly Row[]): Ui {
  const marked = new Set(ui.marked);
  if (!marked.delete(key)) marked.add(key);
  const at = Math.min(ui.at + 1, rows.length - 1);
  return { ...ui, marked, at, cursor: rows[at]?.key };
}

function nextInterval(ms: number, isSlower: boolean): number {
  return isSlower
    ? (INTERVALS_MS.find((one) => one > ms) ?? ms)
    : (INTERVALS_MS.findLast((one) => one < ms) ?? ms);
}
