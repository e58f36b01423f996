/** The screen while one queue is looked at, as lines of text. Pure. */
import { etaMs } from "../stats/sample.ts";
import type { Sample } from "../stats/sample.ts";
import type { Answered } from "../stats/detail.ts";
import { rowText, tableOf } from "./detail-table.ts";
import type { DetailTable } from "./detail-table.ts";
import { cut, fit, formatAge, formatCount, formatNet, formatRate, widthOf } from "./format.ts";
import { GRAPH_MARGIN, graphLines } from "./graph-lines.ts";
import { diskLine, joinParts } from "./head.ts";
import type { HeadLook } from "./head.ts";
import { MESSAGE_STATES, VIEWS, viewStateOf } from "./inside.ts";
import type { Inside } from "./inside.ts";
import { messageLines } from "./message-lines.ts";
import { narrowed } from "./narrow.ts";
import { glyphOf, inverse, painted, roleOf } from "./theme.ts";
import type { Paint, Part } from "./theme.ts";

/** Of a reason so much is to be seen beside the views, in columns. */
const REASON = 20;

export interface InsideFrame extends HeadLook {
  readonly inside: Inside;
  readonly sample: Sample | undefined;
  /** The last answer, where it was to what is looked at now. */
  readonly answered: Answered | undefined;
  /** What is shown was recorded. */
  readonly isRecorded: boolean;
  readonly columns: number;
  readonly page: number;
}

/** What there is to be moved in: for who handles keys and for who draws. */
export interface Content {
  readonly table: DetailTable | undefined;
  /** Of a message, or graphs. */
  readonly text: readonly string[] | undefined;
}

export const graphParts = (columns: number): number => Math.max(10, columns - GRAPH_MARGIN);

export function contentOf(frame: InsideFrame): Content {
  const { answered, inside, columns, page, isWide, isAscii } = frame;
  if (answered === undefined) return { table: undefined, text: undefined };
  const { detail } = answered;
  const nowMs = answered.diskNowMs + Math.max(0, frame.nowMs - answered.atMs);
  switch (detail.kind) {
    case "failed":
      return { table: undefined, text: [`! ${detail.message}`] };
    case "message":
      if (detail.message === undefined) {
        const text = [`it is not there any more, or not ${saidOf(inside.state)}`];
        return { table: undefined, text };
      }
      return {
        table: undefined,
        text: messageLines(detail.message, inside.format, nowMs, columns),
      };
    case "graphs":
      return { table: undefined, text: graphLines(detail.graphs, columns, page + 1, isAscii) };
    default: {
      const table = tableOf(answered, inside, { nowMs, isWide, isAscii });
      return { table: table && narrowed(table, columns - 2), text: undefined };
    }
  }
}

/** All but the last line: the caller's. */
export function insideLines(frame: InsideFrame, { table, text }: Content, paint: Paint): string[] {
  const { columns, isAscii, page, inside } = frame;
  const line = (parts: readonly Part[]): string =>
    painted(joinParts(parts, columns, isAscii), paint);
  const lines = [line(titleOf(frame)), line(figuresOf(frame)), line(tabsOf(frame))];
  if (text !== undefined) {
    const shown = text.slice(inside.scroll, inside.scroll + page + 1);
    return [...lines, ...shown.map((one) => cut(one, columns, isAscii))];
  }
  if (table === undefined) {
    return [...lines, "", cut(`  ${awaitedOf(frame)}`, columns, isAscii)];
  }
  const arrow = titleMark(inside, isAscii);
  const titles = table.columns.map(({ title }) => title + arrow(title));
  lines.push(paint("title", `  ${rowText(table.columns, titles, columns - 2, isAscii)}`));
  if (table.rows.length === 0) {
    return [...lines, cut(`  ${nothingOf(frame, table)}`, columns, isAscii)];
  }
  for (const [index, row] of table.rows.slice(inside.top, inside.top + page).entries()) {
    const isHere = inside.top + index === inside.at;
    const mark = inside.marked.has(row.key) ? "*" : isHere ? ">" : " ";
    const cells = rowText(table.columns, row.cells, columns - 2, isAscii);
    lines.push(
      isHere ? inverse(fit(`${mark} ${cells}`, columns, false, isAscii)) : `${mark} ${cells}`,
    );
  }
  return lines;
}

/** Why nothing is shown: what will never come is not waited for. */
function awaitedOf({ isRecorded, isFrozen }: InsideFrame): string {
  if (isRecorded) return "what was in a queue is not recorded";
  return isFrozen ? "frozen before this was looked at: f goes on" : "looking ...";
}

function titleMark(inside: Inside, isAscii: boolean): (title: string) => string {
  const { sort, isReversed } = viewStateOf(inside);
  const arrows = isAscii ? ["^", "v"] : ["↑", "↓"];
  return (title) => (title === sort ? arrows[isReversed ? 1 : 0]! : "");
}

const saidOf = (state: string): string => (state === "inflight" ? "in flight" : state);

function nothingOf({ inside, isFrozen }: InsideFrame, { found, isCut }: DetailTable): string {
  if (viewStateOf(inside).filter !== "") {
    if (inside.view !== "messages" || !isCut) return "nothing with these words";
    const none = `none of the first ${found} has these words`;
    if (isFrozen) return none;
    if (found >= inside.max) return `${none}: G looks further`;
    // Of one reason it may be that no more files are looked into.
    return inside.reason === undefined ? `${none}: looking further ...` : none;
  }
  if (inside.view === "messages") return `no message is ${saidOf(inside.state)}`;
  if (inside.view === "workers") return "nobody holds a lease";
  return inside.view === "reasons" ? "no dead letters" : "nothing";
}

function titleOf({ inside, sample, clock, isFrozen, isAscii }: InsideFrame): Part[] {
  const state: Part[] =
    sample === undefined
      ? [{ text: "it is not there any more", role: "bad" }]
      : [{ text: `${glyphOf(sample.state, isAscii)} ${sample.state}`, role: roleOf(sample.state) }];
  return [
    { text: inside.queue, role: "title" },
    ...state,
    ...(isFrozen ? [{ text: "FROZEN", role: "warn" } as const] : []),
    ...(inside.message === undefined ? [] : [{ text: inside.message }]),
    { text: clock, role: "quiet" },
  ];
}

function figuresOf(frame: InsideFrame): Part[] {
  const { sample, isWide } = frame;
  // A disk that does not answer is more than any figure.
  const [silent] = diskLine(frame);
  if (silent?.role === "bad" && silent.text.startsWith("!")) return [silent];
  if (sample === undefined) return [{ text: "" }];
  const number = (value: number | null): string =>
    value === null ? "?" : formatCount(value, isWide);
  const rate = (value: number | null, format = formatRate): string =>
    value === null ? "?" : format(value, isWide);
  const eta = etaMs(sample);
  return [
    { text: `ready ${number(sample.ready)}` },
    { text: `in flight ${number(sample.inFlight)}` },
    { text: `scheduled ${number(sample.scheduled)}` },
    { text: `dead ${number(sample.dead)}`, role: sample.dead ? "warn" : undefined },
    { text: `in ${rate(sample.inPerS)}/s` },
    { text: `out ${rate(sample.outPerS)}/s` },
    { text: `net ${rate(sample.netPerS, formatNet)}/s` },
    ...(eta === undefined ? [] : [{ text: `empty in ${formatAge(eta)}` }]),
    ...(typeof sample.oldestMs === "number"
      ? [{ text: `oldest ${formatAge(sample.oldestMs + Math.max(0, frame.nowMs - sample.atMs))}` }]
      : []),
    ...(typeof sample.lag === "number" ? [{ text: `lag ${number(sample.lag)}` }] : []),
  ];
}

const bracketed = (text: string, isHere: boolean): Part =>
  isHere ? { text: `[${text}]`, role: "title" } : { text: ` ${text} `, role: "quiet" };

/** The views, and what is chosen in this one, which is always seen: where it is narrow it is said with fewer words. */
function tabsOf(frame: InsideFrame): Part[] {
  const { inside, columns, isAscii } = frame;
  const views = VIEWS.map((view, index) => bracketed(`${index + 1} ${view}`, view === inside.view));
  const here = views[VIEWS.indexOf(inside.view)]!;
  const numbers = views.map((part, index) =>
    part === here ? part : bracketed(String(index + 1), false),
  );
  const { all, chosen } = choicesOf(inside);
  const reason = inside.reason === undefined ? "" : `of "${inside.reason}"`;
  const lengthOf = (parts: readonly Part[]): number =>
    parts.reduce((sum, { text }) => sum + widthOf(text) + 2, reason === "" ? -2 : 0);
  const room = columns - Math.min(widthOf(reason), REASON);
  const shortest = [here, ...chosen];
  const ways = [
    [...views, ...all],
    [...numbers, ...all],
    [...numbers, ...chosen],
  ];
  const parts = ways.find((way) => lengthOf(way) <= room) ?? shortest;
  if (reason === "") return parts;
  return [...parts, { text: cut(reason, columns - lengthOf(parts), isAscii) }];
}

/** What `Tab` goes through in a view; and of that what is shown now. */
function choicesOf({ view, state, message, format }: Inside): { all: Part[]; chosen: Part[] } {
  if (message !== undefined) {
    const as = [{ text: `as ${format}: Tab` }];
    return { all: as, chosen: as };
  }
  if (view !== "messages") return { all: [], chosen: [] };
  const bar: Part = { text: "|", role: "quiet" };
  const all = MESSAGE_STATES.map((one) => bracketed(saidOf(one), one === state));
  return { all: [bar, ...all], chosen: [bar, bracketed(saidOf(state), true)] };
}

/** On the last line: where the cursor is, and what can be done. */
export function insideBelow({ inside }: InsideFrame, { table }: Content): Part[] {
  const parts: Part[] = [];
  const { filter } = viewStateOf(inside);
  if (filter !== "") parts.push({ text: `filter: ${filter}` });
  if (inside.marked.size > 0) parts.push({ text: `${inside.marked.size} marked` });
  if (table !== undefined) {
    const { length } = table.rows;
    const isSearch = inside.view === "messages" && filter !== "";
    const more = !table.isCut ? "" : isSearch ? ` of the first ${table.found}` : ", and more";
    parts.push({ text: `${length === 0 ? 0 : inside.at + 1}/${length}${more}` });
  }
  return parts;
}
