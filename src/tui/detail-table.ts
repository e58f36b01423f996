/** The views of a queue as tables: columns, and a row for each message, worker, reason or age. Pure. */
import type { AgeRow, Answered, MessageRow, ReasonRow, WorkerRow } from "../stats/detail.ts";
import {
  cut,
  fit,
  formatAge,
  formatCount,
  formatDuration,
  formatRate,
  formatSize,
  widthOf,
} from "./format.ts";
import { viewStateOf } from "./inside.ts";
import type { Inside } from "./inside.ts";

export interface DetailColumn {
  readonly title: string;
  /** How wide it is; 0: what is left. */
  readonly width: number;
  readonly isLeft?: boolean;
  /** The highest of these is left out first where the screen is narrow. */
  readonly spare?: number;
}

export interface DetailRow {
  readonly key: string;
  readonly cells: readonly string[];
  readonly orders: readonly (number | string)[];
  /** The row as it was found. */
  readonly of: MessageRow | WorkerRow | ReasonRow | AgeRow;
}

export interface DetailTable {
  readonly columns: readonly DetailColumn[];
  readonly rows: readonly DetailRow[];
  /** How many were found, with those that the filter leaves out. */
  readonly found: number;
  /** There are more of them on the disk. */
  readonly isCut: boolean;
}

interface Cell<T> extends DetailColumn {
  readonly cell: (row: T) => string;
  readonly order: (row: T) => number | string;
}

interface Look {
  /** The disk's clock, in ms. */
  readonly nowMs: number;
  readonly isWide: boolean;
  readonly isAscii: boolean;
}

const age = (fromMs: number, { nowMs }: Look): string => formatAge(Math.max(0, nowMs - fromMs));

function messageColumns({ state }: Inside, look: Look): Cell<MessageRow>[] {
  const columns: Cell<MessageRow>[] = [
    { title: "ID", width: 32, isLeft: true, cell: ({ id }) => id, order: ({ id }) => id },
    {
      title: "AGE",
      width: 5,
      cell: ({ enqueuedMs }) => age(enqueuedMs, look),
      order: ({ enqueuedMs }) => -enqueuedMs,
    },
    {
      title: "TRIES",
      width: 5,
      spare: 1,
      cell: (row) => String(row.attempts),
      order: (row) => row.attempts,
    },
    {
      title: "PRIO",
      width: 4,
      spare: 3,
      cell: (row) => String(row.priority),
      order: (row) => row.priority,
    },
    {
      title: "BYTES",
      width: 6,
      spare: 2,
      cell: (row) => formatSize(row.bytes),
      order: (row) => row.bytes,
    },
  ];
  if (state === "scheduled") {
    const dueIn = ({ visibleMs }: MessageRow): number => visibleMs - look.nowMs;
    columns.push({
      title: "DUE IN",
      width: 6,
      cell: (row) => formatAge(Math.max(0, dueIn(row))),
      order: dueIn,
    });
  }
  if (state === "inflight") {
    columns.push(
      {
        title: "HELD BY",
        width: 20,
        isLeft: true,
        cell: ({ holder = "?" }) => holder,
        order: ({ holder = "" }) => holder,
      },
      {
        title: "FOR",
        width: 5,
        cell: ({ heldSinceMs = look.nowMs }) => age(heldSinceMs, look),
        order: ({ heldSinceMs = 0 }) => -heldSinceMs,
      },
    );
  }
  if (state === "dead") {
    columns.push({
      title: "REASON",
      width: 28,
      isLeft: true,
      cell: ({ reason = "?" }) => reason,
      order: ({ reason = "" }) => reason,
    });
  }
  const { preview } = { preview: ({ preview: text }: MessageRow) => text };
  return [...columns, { title: "PAYLOAD", width: 0, isLeft: true, cell: preview, order: preview }];
}

function workerColumns(look: Look): Cell<WorkerRow>[] {
  const left = ({ leftMs, isGone }: WorkerRow): string =>
    isGone ? "dead" : leftMs <= 0 ? "over" : formatAge(leftMs);
  return [
    {
      title: "WORKER",
      width: 28,
      isLeft: true,
      cell: (row) => row.holder,
      order: (row) => row.holder,
    },
    {
      title: "SINCE",
      width: 6,
      cell: ({ sinceMs }) => age(sinceMs, look),
      order: ({ sinceMs }) => -sinceMs,
    },
    {
      title: "HOLDS",
      width: 7,
      cell: ({ messages }) => formatCount(messages, look.isWide),
      order: ({ messages }) => messages,
    },
    { title: "TRIES", width: 5, cell: (row) => String(row.attempts), order: (row) => row.attempts },
    { title: "LEASE", width: 6, cell: left, order: ({ leftMs }) => leftMs },
    {
      title: "OUT/s",
      width: 7,
      cell: ({ outPerS }) => (outPerS === undefined ? "?" : formatRate(outPerS, look.isWide)),
      order: ({ outPerS = -1 }) => outPerS,
    },
    {
      title: "LEASE NAME",
      width: 0,
      isLeft: true,
      cell: (row) => row.lease,
      order: (row) => row.lease,
    },
  ];
}

function reasonColumns(look: Look): Cell<ReasonRow>[] {
  const when = (ms: number): string => (ms === 0 ? "?" : age(ms, look));
  return [
    {
      title: "DEAD",
      width: 8,
      cell: ({ messages }) => formatCount(messages, look.isWide),
      order: ({ messages }) => messages,
    },
    { title: "FIRST", width: 6, cell: (row) => when(row.firstMs), order: (row) => -row.firstMs },
    { title: "LAST", width: 6, cell: (row) => when(row.lastMs), order: (row) => -row.lastMs },
    {
      title: "REASON",
      width: 0,
      isLeft: true,
      cell: (row) => row.reason,
      order: (row) => row.reason,
    },
  ];
}

function ageColumns(rows: readonly AgeRow[], look: Look): Cell<AgeRow>[] {
  const most = Math.max(1, ...rows.map(({ messages }) => messages));
  const total = rows.reduce((sum, { messages }) => sum + messages, 0);
  const bar = ({ messages }: AgeRow): string =>
    (look.isAscii ? "#" : "█").repeat(Math.ceil((messages / most) * 40));
  const upTo = ({ upToMs }: AgeRow): string =>
    upToMs > 1e12 ? "longer" : `under ${formatDuration(upToMs)}`;
  return [
    { title: "READY FOR", width: 10, isLeft: true, cell: upTo, order: ({ upToMs }) => upToMs },
    {
      title: "MESSAGES",
      width: 9,
      cell: ({ messages }) => formatCount(messages, look.isWide),
      order: ({ messages }) => messages,
    },
    {
      title: "SHARE",
      width: 6,
      cell: ({ messages }) => (total === 0 ? "-" : `${Math.round((100 * messages) / total)} %`),
      order: ({ messages }) => messages,
    },
    { title: "OF ALL", width: 0, isLeft: true, cell: bar, order: ({ messages }) => messages },
  ];
}

/** What was answered, as a table; undefined where it is none, or was not to this question. */
export function tableOf(answered: Answered, inside: Inside, look: Look): DetailTable | undefined {
  const { detail } = answered;
  switch (detail.kind) {
    case "messages":
      return made(messageColumns(inside, look), detail.rows, ({ id }) => id, detail.isCut, inside);
    case "workers":
      return made(workerColumns(look), detail.rows, ({ lease }) => lease, false, inside);
    case "reasons":
      return made(reasonColumns(look), detail.rows, ({ reason }) => reason, detail.isCut, inside);
    case "ages": {
      const columns = ageColumns(detail.rows, look);
      return made(columns, detail.rows, ({ upToMs }) => String(upToMs), detail.isCut, inside);
    }
    default:
      return undefined;
  }
}

function made<T extends DetailRow["of"]>(
  columns: readonly Cell<T>[],
  found: readonly T[],
  keyOf: (row: T) => string,
  isCut: boolean,
  inside: Inside,
): DetailTable {
  const { sort, isReversed, filter } = viewStateOf(inside);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = found.map((of): DetailRow => ({
    key: keyOf(of),
    cells: columns.map(({ cell }) => cell(of)),
    orders: columns.map(({ order }) => order(of)),
    of,
  }));
  const shown = rows.filter(({ cells }) => {
    const text = cells.join(" ").toLowerCase();
    return words.every((word) =>
      word.startsWith("!") ? !text.includes(word.slice(1)) : text.includes(word),
    );
  });
  const by = columns.findIndex(({ title }) => title === sort);
  if (by !== -1) {
    shown.sort((one, other) => {
      const [left, right] = [one.orders[by]!, other.orders[by]!];
      return left < right ? -1 : left > right ? 1 : 0;
    });
  }
  if (isReversed) shown.reverse();
  return { columns, rows: shown, found: found.length, isCut };
}

/** A row's cells, or the titles, on one line of this width; columns that do not fit are left out from the end. */
export function rowText(
  columns: readonly DetailColumn[],
  cells: readonly string[],
  width: number,
  isAscii: boolean,
): string {
  let left = width;
  const texts: string[] = [];
  // The last one takes what is left; without any room for it there is none.
  for (const [index, column] of columns.entries()) {
    const own = column.width === 0 ? left : Math.min(column.width, left);
    if (own <= 0) break;
    texts.push(fit(cells[index] ?? "", own, column.isLeft !== true, isAscii));
    left -= own + 1;
  }
  const text = texts.join(" ").trimEnd();
  return widthOf(text) > width ? cut(text, width, isAscii) : text;
}
