/**
 * What the person at the screen has chosen, and what a key makes of it. Pure: the same choices, rows and key
 * make the same choices. Nothing in here knows of Ink, of time, or of the spool.
 */
import type { Sample } from "../stats/sample.ts";
import { answer, asked, named } from "./asking.ts";
import type { Act } from "./bindings.ts";
import { actOf, isActing } from "./bindings.ts";
import { COLUMNS } from "./columns.ts";
import type { ColumnKey } from "./columns.ts";
import { runCommand } from "./commands.ts";
import { choose, readHelp } from "./menus.ts";
import { enter, filtered } from "./inside.ts";
import type { View } from "./inside.ts";
import { pressInside } from "./inside-keys.ts";
import type { QueueAround } from "./inside-keys.ts";
import { THEME_NAMES } from "./theme.ts";
import type { Row } from "./tree.ts";
import type { Next, Ui } from "./ui-state.ts";

export interface Around {
  readonly rows: readonly Row[];
  /** How many rows the screen shows. */
  readonly page: number;
  /** Where a queue is looked at. */
  readonly inside?: QueueAround;
}

export const INTERVALS_MS: readonly number[] = [500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/** The cursor where its row is now, or where it was; and the screen where the cursor is. */
export function settle(ui: Ui, { rows, page }: Around): Ui {
  const found = ui.cursor === undefined ? 0 : rows.findIndex(({ key }) => key === ui.cursor);
  const at = Math.max(0, Math.min(found === -1 ? ui.at : found, rows.length - 1));
  const lastTop = Math.max(0, rows.length - page);
  const top = Math.max(0, Math.min(Math.max(ui.top, at - page + 1), at, lastTop));
  return { ...ui, at, top, cursor: ui.cursor === undefined ? undefined : rows[at]?.key };
}

/** One step in a recording. */
const SEEK_MS = 30_000;

export function press(before: Ui, key: string, around: Around): Next {
  const ui = { ...before, note: "" };
  if (key === "ctrl-c") return { ui, effect: "quit" };
  if (key === "ctrl-z") return { ui, effect: "suspend" };
  if (ui.mode === "filter" || ui.mode === "command" || ui.mode === "queueName")
    return type(ui, key);
  if (ui.mode === "confirm") return answer(ui, key);
  if (ui.mode === "sort") return { ui: choose(ui, key) };
  if (ui.mode === "help") return { ui: readHelp(ui, key) };
  const act = actOf(key);
  if (act === undefined) return { ui };
  if (act === "quit") return { ui, effect: "quit" };
  if (act === "earlier" || act === "later") {
    return { ui, effect: { kind: "seek", byMs: act === "later" ? SEEK_MS : -SEEK_MS } };
  }
  if (isActing(act) && ui.isReadonly)
    return { ui: { ...ui, note: "nothing is changed from here" } };
  if (ui.inside !== undefined && around.inside !== undefined && !EVERYWHERE.has(act)) {
    return pressInside(ui, ui.inside, act, around.inside);
  }
  if (isActing(act)) return asked(ui, act, { queues: chosenQueues(ui, around) });
  if (act === "copy") {
    const text = around.rows[ui.at]?.sample.name;
    return text === undefined ? { ui } : { ui, effect: { kind: "copy", text } };
  }
  return { ui: MOVES.has(act) ? move(ui, act, around) : change(ui, act, around) };
}

/** These mean the same in the list and in a queue. */
const EVERYWHERE: ReadonlySet<Act> = new Set<Act>([
  "command",
  "faster",
  "slower",
  "freeze",
  "theme",
  "wide",
  "mouse",
  "help",
]);

/** Those that are marked, or the one that the cursor is on. */
function chosenQueues(ui: Ui, { rows }: Around): Sample[] {
  const own = rows[ui.at];
  const marked = rows.filter(({ key }) => ui.marked.has(key));
  const chosen = marked.length > 0 ? marked : own === undefined ? [] : [own];
  return chosen
    .map(({ sample }) => sample)
    .filter(({ kind }) => kind === "queue" || kind === "subscription");
}

const withFilter = (ui: Ui, filter: string): Partial<Ui> =>
  ui.inside === undefined ? { filter } : { inside: filtered(ui.inside, filter) };

function type(ui: Ui, key: string): Next {
  const isFilter = ui.mode === "filter";
  if (key === "esc" || (key === "backspace" && ui.draft === "")) {
    const rows: Ui = { ...ui, mode: "rows", draft: "", plan: undefined };
    return { ui: isFilter ? { ...rows, ...withFilter(ui, "") } : rows };
  }
  if (key === "enter") {
    if (ui.mode === "queueName") return named(ui);
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
  return { ui: { ...ui, draft, ...(isFilter ? withFilter(ui, draft) : {}) } };
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
      return act !== "fold" && isQueue(row) ? open(ui, row, "messages") : fold(ui, act, row);
    case "messages":
    case "workers":
    case "reasons":
    case "ages":
    case "graphs":
      if (isQueue(row)) return open(ui, row, act);
      return { ...ui, note: "that is of a queue or a subscription" };
    case "markAll":
      return { ...ui, marked: new Set(rows.map(({ key }) => key)) };
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
    case "mouse":
      return { ...ui, isMouse: !ui.isMouse, note: ui.isMouse ? "no mouse" : "mouse" };
    case "wide":
      return { ...ui, isWide: !ui.isWide };
    case "help":
      return { ...ui, mode: "help", menuAt: 0 };
    default:
      return ui;
  }
}

const isQueue = (row: Row | undefined): row is Row =>
  row?.sample.kind === "queue" || row?.sample.kind === "subscription";

function open(ui: Ui, { sample, key }: Row, view: View): Ui {
  const { name, ready, inFlight, scheduled, dead } = sample;
  // What there is first of all.
  const state = ready
    ? "ready"
    : inFlight
      ? "inflight"
      : scheduled
        ? "scheduled"
        : dead
          ? "dead"
          : "ready";
  return { ...ui, cursor: key, inside: enter(name, view, ui.views, state) };
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
