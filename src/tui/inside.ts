/**
 * Inside one queue: which of its views is shown, and what a key makes of that. Pure, as ui.ts.
 *
 * Each view keeps its own sort, filter and marks while the program runs, whichever queue is looked at.
 */
import type { State } from "../stats/detail.ts";
import type { Ask } from "../stats/detail.ts";
import type { Act } from "./bindings.ts";
import type { DetailTable } from "./detail-table.ts";

export type View = "messages" | "workers" | "reasons" | "ages" | "graphs";

export const VIEWS: readonly View[] = ["messages", "workers", "reasons", "ages", "graphs"];

export const MESSAGE_STATES: readonly State[] = ["ready", "scheduled", "inflight", "dead"];

/** Spans of the graphs, in ms. */
export const SPANS_MS: readonly number[] = [60_000, 900_000, 3_600_000];

export const FORMATS = ["text", "json", "hex"] as const;
export type Format = (typeof FORMATS)[number];

/** Asked for at first; and so many more each time that the cursor comes to the end. */
const MESSAGES = 200;

/** Where a filter leaves less than a screen, so many are looked at without a key; and so many more with each key at the end. */
const SEARCHED = 10_000;

/** A view as it was left. */
export interface ViewState {
  /** Title of the column to sort by; undefined: as they come. Not all states have all columns. */
  readonly sort: string | undefined;
  readonly isReversed: boolean;
  readonly filter: string;
}

export interface Inside {
  readonly queue: string;
  readonly view: View;
  /** In `messages`: of which state. */
  readonly state: State;
  /** In `messages`, of dead letters: of this reason alone. */
  readonly reason: string | undefined;
  readonly max: number;
  readonly spanMs: number;
  /** A message that is open. */
  readonly message: string | undefined;
  readonly format: Format;
  /** The row that the cursor is on; undefined: the first. */
  readonly cursor: string | undefined;
  readonly at: number;
  readonly top: number;
  /** First line of the message that is shown. */
  readonly scroll: number;
  readonly marked: ReadonlySet<string>;
  readonly views: Readonly<Partial<Record<View, ViewState>>>;
}

const AS_IT_COMES: ViewState = { sort: undefined, isReversed: false, filter: "" };

export const viewStateOf = ({ views, view }: Inside): ViewState => views[view] ?? AS_IT_COMES;

export function enter(queue: string, view: View, views: Inside["views"], state: State): Inside {
  return {
    queue,
    view,
    state,
    reason: undefined,
    max: MESSAGES,
    spanMs: SPANS_MS[0]!,
    message: undefined,
    format: "text",
    cursor: undefined,
    at: 0,
    top: 0,
    scroll: 0,
    marked: new Set(),
    views,
  };
}

/** What the process that looks has to be asked for this. @param parts  how wide a graph is. */
export function askOf(inside: Inside, parts: number): Ask {
  const { queue, view, state, reason, max, spanMs, message } = inside;
  if (message !== undefined) return { kind: "message", queue, state, id: message };
  if (view === "messages") {
    return { kind: "messages", queue, state, max, ...(reason === undefined ? {} : { reason }) };
  }
  return view === "graphs" ? { kind: "graphs", queue, spanMs, parts } : { kind: view, queue };
}

export interface InsideAround {
  readonly table: DetailTable | undefined;
  /** Lines of the message that is open. */
  readonly lines: number;
  readonly page: number;
}

/** The cursor where its row is now. */
export function settleInside(inside: Inside, { table, lines, page }: InsideAround): Inside {
  const rows = table?.rows ?? [];
  const found =
    inside.cursor === undefined ? 0 : rows.findIndex(({ key }) => key === inside.cursor);
  const at = Math.max(0, Math.min(found === -1 ? inside.at : found, rows.length - 1));
  const lastTop = Math.max(0, rows.length - page);
  const top = Math.max(0, Math.min(Math.max(inside.top, at - page + 1), at, lastTop));
  const scroll = Math.max(0, Math.min(inside.scroll, lines - page));
  return { ...inside, at, top, scroll, max: searchedOf(inside, table, page) };
}

/** True where all that was asked for has come, and there are more. */
const hasMore = ({ view, max }: Inside, table: DetailTable | undefined): boolean =>
  view === "messages" && table !== undefined && table.isCut && table.found >= max;

/** More by itself, a few times as many each time, where the filter leaves less than the screen holds. */
function searchedOf(inside: Inside, table: DetailTable | undefined, page: number): number {
  const { max } = inside;
  if (viewStateOf(inside).filter === "" || !hasMore(inside, table) || max >= SEARCHED) return max;
  return table!.rows.length >= page ? max : Math.min(SEARCHED, max * 4);
}

const first = (inside: Inside): Inside => ({ ...inside, cursor: undefined, at: 0, top: 0 });

export function show(inside: Inside, view: View): Inside {
  if (view === inside.view && inside.message === undefined) return inside;
  return first({ ...inside, view, message: undefined, reason: undefined, marked: new Set() });
}

/** One step back; undefined: out of the queue. */
export function back(inside: Inside): Inside | undefined {
  if (inside.message !== undefined) return { ...inside, message: undefined, scroll: 0 };
  if (inside.marked.size > 0) return { ...inside, marked: new Set() };
  if (viewStateOf(inside).filter !== "") return filtered(inside, "");
  if (inside.reason !== undefined) return show({ ...inside, view: "messages" }, "reasons");
  return undefined;
}

export function withView(inside: Inside, change: Partial<ViewState>): Inside {
  const state = { ...viewStateOf(inside), ...change };
  return { ...inside, views: { ...inside.views, [inside.view]: state } };
}

/** By what is typed behind a `/`. */
export function filtered(inside: Inside, filter: string): Inside {
  const own = withView(inside, { filter });
  // What was found far behind is looked at no more, unless the cursor is there.
  return filter === "" && inside.cursor === undefined ? { ...own, max: MESSAGES } : own;
}

/** What an act that changes nothing on the disk makes of it; undefined: it means nothing here. */
export function turn(inside: Inside, act: Act, around: InsideAround): Inside | undefined {
  if (inside.message !== undefined) return read(inside, act, around);
  const rows = around.table?.rows ?? [];
  const moved = moveBy(act, around.page, rows.length);
  if (moved !== undefined) return move(inside, moved, around.table);
  switch (act) {
    case "toggle":
    case "unfold":
      return openRow(inside, rows[inside.at]);
    case "next":
      return nextOf(inside);
    case "reverse":
      return withView(inside, { isReversed: !viewStateOf(inside).isReversed });
    case "sortLeft":
    case "sortRight": {
      const titles = around.table?.columns.map(({ title }) => title) ?? [];
      const by = act === "sortLeft" ? -1 : 1;
      const now = titles.indexOf(viewStateOf(inside).sort ?? "");
      const at = now === -1 && by === -1 ? 0 : now;
      const sort = titles[(at + by + titles.length) % Math.max(1, titles.length)];
      return withView(inside, { sort, isReversed: false });
    }
    case "mark":
      return markRow(inside, around.table);
    case "markAll":
      return { ...inside, marked: new Set(rows.map(({ key }) => key)) };
    default:
      return undefined;
  }
}

/** By how many rows, where it is an act that moves. */
function moveBy(act: Act, page: number, count: number): number | undefined {
  const half = Math.max(1, Math.floor(page / 2));
  const by: Partial<Record<Act, number>> = {
    up: -1,
    down: 1,
    pageUp: -page,
    pageDown: page,
    halfUp: -half,
    halfDown: half,
    first: -count,
    last: count,
  };
  return by[act];
}

function move(inside: Inside, by: number, table: DetailTable | undefined): Inside {
  const rows = table?.rows ?? [];
  const at = Math.max(0, Math.min(inside.at + by, rows.length - 1));
  const cursor = at === 0 ? undefined : rows[at]?.key;
  if (at < rows.length - 1 || !hasMore(inside, table)) return { ...inside, at, cursor };
  const more = viewStateOf(inside).filter === "" ? MESSAGES : SEARCHED;
  return { ...inside, at, cursor, max: inside.max + more };
}

function read(inside: Inside, act: Act, { page, lines }: InsideAround): Inside | undefined {
  const moved = moveBy(act, page, lines);
  if (moved !== undefined) return { ...inside, scroll: Math.max(0, inside.scroll + moved) };
  if (act !== "next") return undefined;
  const format = FORMATS[(FORMATS.indexOf(inside.format) + 1) % FORMATS.length]!;
  return { ...inside, format, scroll: 0 };
}

function openRow(inside: Inside, row: DetailTable["rows"][number] | undefined): Inside {
  if (row === undefined) return inside;
  if (inside.view === "messages") return { ...inside, message: row.key, scroll: 0 };
  if (inside.view !== "reasons") return inside;
  return { ...show(inside, "messages"), state: "dead", reason: row.key };
}

function nextOf(inside: Inside): Inside {
  if (inside.view === "messages") {
    const at = (MESSAGE_STATES.indexOf(inside.state) + 1) % MESSAGE_STATES.length;
    const state = MESSAGE_STATES[at]!;
    return first({ ...inside, state, reason: undefined, max: MESSAGES, marked: new Set() });
  }
  if (inside.view !== "graphs") return inside;
  return { ...inside, spanMs: SPANS_MS[(SPANS_MS.indexOf(inside.spanMs) + 1) % SPANS_MS.length]! };
}

function markRow(inside: Inside, table: DetailTable | undefined): Inside {
  const key = table?.rows[inside.at]?.key;
  if (key === undefined) return inside;
  const marked = new Set(inside.marked);
  if (!marked.delete(key)) marked.add(key);
  return move({ ...inside, marked }, 1, table);
}
