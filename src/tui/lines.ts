/**
 * The screen as lines of text: as many as it has, none wider than it is. Pure; Ink only writes them.
 */
import { keyTable } from "./bindings.ts";
import { cellsOf, COLUMNS, MARGIN, placeColumns } from "./columns.ts";
import type { Look, Placed } from "./columns.ts";
import { cut, fit, formatCount } from "./format.ts";
import { headLines, joinParts } from "./head.ts";
import type { HeadLook } from "./head.ts";
import { insideBelow, insideLines } from "./inside-lines.ts";
import type { Content, InsideFrame } from "./inside-lines.ts";
import { commandLine, inDir } from "./plans.ts";
import { inverse, painted, painter, roleOf } from "./theme.ts";
import type { Paint, Part } from "./theme.ts";
import type { Row } from "./tree.ts";
import type { Ui } from "./ui-state.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export const LEAST: Size = { columns: 40, rows: 8 };

/** Lines that are no rows: the head, the titles, and the last one. */
const FRAME_LINES = 5;

export const pageOf = ({ rows }: Size): number => Math.max(1, rows - FRAME_LINES);

export interface Frame extends HeadLook {
  readonly size: Size;
  readonly ui: Ui;
  readonly rows: readonly Row[];
  readonly longestName: number;
  readonly look: Look;
  /** What was given as -C: commands are run with it, and so are shown with it. */
  readonly givenDir?: string | undefined;
  /** Where a queue is looked at: that, and what there is to see. */
  readonly inside?: { readonly frame: InsideFrame; readonly content: Content };
}

export function linesOf(frame: Frame): string[] {
  const { size, ui } = frame;
  if (size.columns < LEAST.columns || size.rows < LEAST.rows) return tooSmall(size);
  const paint = painter(ui.theme);
  const page = pageOf(size);
  const lines =
    frame.inside !== undefined && !isMenu(ui)
      ? insideLines(frame.inside.frame, frame.inside.content, paint)
      : listLines(frame, page, paint);
  while (lines.length < size.rows - 1) lines.push("");
  if (ui.mode === "confirm") lines.splice(size.rows - 3, 2, ...questionOf(frame, paint));
  return [...lines, lastLine(frame, paint)];
}

const isMenu = ({ mode }: Ui): boolean => mode === "help" || mode === "sort";

function listLines(frame: Frame, page: number, paint: Paint): string[] {
  const { size, ui, isAscii } = frame;
  const placed = placeColumns(size.columns, frame.longestName, ui.isWide);
  const shown = isMenu(ui) ? menuOf(frame, page) : rowsOf(frame, placed, page, paint);
  return [
    ...headLines(frame, size.columns).map((parts) => painted(parts, paint)),
    titles(placed, ui, isAscii, paint),
    ...shown,
  ];
}

/** What would be done, and the same as a command line. */
function questionOf({ ui: { plan }, size, isAscii, givenDir }: Frame, paint: Paint): string[] {
  if (plan === undefined || "withQueue" in plan) return [];
  const [command = [], ...more] = plan.commands;
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  return [
    paint("title", cut(`${plan.question}?`, size.columns, isAscii)),
    cut(`$ ${commandLine(inDir(givenDir, command))}${others}`, size.columns, isAscii),
  ];
}

function tooSmall({ columns, rows }: Size): string[] {
  const text = `too small: ${columns}x${rows}, needs ${LEAST.columns}x${LEAST.rows}`;
  const lines = [cut(text, columns, true), cut("q quits", columns, true)];
  return lines.slice(0, Math.max(1, rows));
}

function titles(placed: readonly Placed[], ui: Ui, isAscii: boolean, paint: Paint): string {
  const arrow = (isDescending: boolean): string =>
    isAscii ? (isDescending ? "v" : "^") : isDescending ? "↓" : "↑";
  const cells = placed.map(({ column, width }) => {
    const { key, title, isLeft = false, isDescending = false } = column;
    const mark = key === ui.sort ? arrow(isDescending !== ui.isReversed) : "";
    return fit(title + mark, width, !isLeft, isAscii);
  });
  return paint("title", " ".repeat(MARGIN) + cells.join(" "));
}

function rowsOf(
  { ui, rows, look, size, head }: Frame,
  placed: readonly Placed[],
  page: number,
  paint: Paint,
): string[] {
  if (rows.length === 0) {
    const nothing = ui.filter === "" ? "no queues yet: spool put hello -m world" : "no such name";
    return [cut(`  ${head === undefined ? "" : nothing}`, size.columns)];
  }
  return rows
    .slice(ui.top, ui.top + page)
    .map((row, index) => rowLine(row, ui, placed, look, paint, ui.top + index === ui.at));
}

function rowLine(
  row: Row,
  ui: Ui,
  placed: readonly Placed[],
  look: Look,
  paint: Paint,
  isHere: boolean,
): string {
  const mark = ui.marked.has(row.key) ? "*" : isHere ? ">" : " ";
  const cells = cellsOf(placed, row.sample, look, indented(row, look.isAscii));
  // Reversed, the colours of a theme could be anything.
  if (isHere) return inverse(`${mark} ${cells.join(" ")}`);
  const role = roleOf(row.sample.state);
  const text = cells.map((cell, index) =>
    placed[index]!.column.key === "state" ? paint(role, cell) : cell,
  );
  return `${mark} ${text.join(" ")}`;
}

function indented({ name, parent, isFolded }: Row, isAscii: boolean): string {
  if (parent !== undefined) return `  ${name}`;
  if (isFolded === undefined) return name;
  const sign = isAscii ? (isFolded ? "+" : "-") : isFolded ? "▸" : "▾";
  return `${sign} ${name}`;
}

/** The help, or what there is to sort by. */
function menuOf({ ui, size, isAscii }: Frame, page: number): string[] {
  const isHelp = ui.mode === "help";
  const entries = isHelp
    ? [...keyTable(ui.isReadonly), ...COLUMNS.map(({ title, help }) => [title, help] as const)]
    : COLUMNS.map(({ key, help }) => [key, help] as const);
  const wide = Math.max(...entries.map(([left]) => left.length)) + 2;
  const lines = entries.map(([left, right], index) => {
    const isHere = !isHelp && index === ui.menuAt;
    const line = fit(
      `${isHere ? ">" : " "} ${left.padEnd(wide)}${right}`,
      size.columns,
      false,
      isAscii,
    );
    return isHere ? inverse(line) : line.trimEnd();
  });
  const top = isHelp
    ? Math.min(ui.menuAt, Math.max(0, lines.length - page))
    : Math.max(0, ui.menuAt - page + 1);
  return lines.slice(top, top + page);
}

function lastLine(frame: Frame, paint: Paint): string {
  const { ui, size, isAscii } = frame;
  const only = (text: string): string => cut(text, size.columns, isAscii);
  switch (ui.mode) {
    case "filter":
      return `${cut(`/${ui.draft}`, size.columns - 1, isAscii)}${inverse(" ")}`;
    case "command":
      return `${cut(`:${ui.draft}`, size.columns - 1, isAscii)}${inverse(" ")}`;
    case "queueName": {
      const question = ui.plan === undefined ? "" : ui.plan.question;
      return `${cut(`${question}: ${ui.draft}`, size.columns - 1, isAscii)}${inverse(" ")}`;
    }
    case "confirm":
      return only("y does it, any other key does not");
    case "sort":
      return only("sort by: Enter takes it, r turns it round, Esc goes back");
    case "help":
      return only("up and down scroll, Esc goes back");
    default:
      return painted(joinParts(saidBelow(frame), size.columns, isAscii), paint);
  }
}

const KEYS_BELOW = ["? help", "q quit", "/ filter", "s sort", "f freeze", "w wide"];
const KEYS_INSIDE = ["? help", "Esc back", "1-5 views", "Tab next", "Space mark", "v pager"];

function saidBelow({ ui, rows, inside }: Frame): Part[] {
  if (inside !== undefined) {
    return [
      ...(ui.note === "" ? [] : [{ text: ui.note, role: "warn" } as const]),
      ...insideBelow(inside.frame, inside.content),
      ...KEYS_INSIDE.map((text): Part => ({ text, role: "quiet" })),
    ];
  }
  const error = rows[ui.at]?.sample.error;
  const parts: Part[] = [];
  if (ui.note !== "") parts.push({ text: ui.note, role: "warn" });
  else if (error !== undefined) parts.push({ text: `! ${error}`, role: "bad" });
  if (ui.filter !== "") parts.push({ text: `filter: ${ui.filter}` });
  if (ui.marked.size > 0) parts.push({ text: markedSums(ui, rows) });
  parts.push({ text: `${rows.length === 0 ? 0 : ui.at + 1}/${rows.length}` });
  parts.push(...KEYS_BELOW.map((text): Part => ({ text, role: "quiet" })));
  return parts;
}

/** Of those that are in the list now. */
function markedSums({ marked, isWide }: Ui, rows: readonly Row[]): string {
  const chosen = rows.filter(({ key }) => marked.has(key));
  const sum = (of: (row: Row) => number | null): string => {
    const figures = chosen.map(of);
    if (figures.includes(null)) return "?";
    return formatCount(
      figures.reduce<number>((total, one) => total + (one ?? 0), 0),
      isWide,
    );
  };
  const ready = sum(({ sample }) => sample.ready);
  return `${marked.size} marked: ready ${ready}, dead ${sum(({ sample }) => sample.dead)}`;
}
