/**
 * The columns of the main list: what each shows, how it sorts, and which of them a narrow screen keeps. Pure.
 *
 * `?` is a figure that nobody knows, `-` one that there is not. Neither is 0, and both sort behind every number.
 */
import { etaMs } from "../stats/sample.ts";
import type { Sample } from "../stats/sample.ts";
import { STATES } from "../stats/state.ts";
import {
  fit,
  formatAge,
  formatCount,
  formatNet,
  formatRate,
  formatSize,
  sparkline,
} from "./format.ts";
import { glyphOf } from "./theme.ts";

export interface Look {
  /** By this host's clock: ages are counted up to here, in ms. */
  readonly nowMs: number;
  readonly isWide: boolean;
  readonly isAscii: boolean;
  /** How many were ready, the oldest first; NaN where nobody knows. */
  readonly depthsOf: (sample: Sample) => readonly number[];
}

export type ColumnKey =
  | "name"
  | "state"
  | "ready"
  | "inflight"
  | "scheduled"
  | "dead"
  | "oldest"
  | "in"
  | "out"
  | "net"
  | "eta"
  | "lag"
  | "behind"
  | "workers"
  | "bytes"
  | "depth";

export interface Column {
  readonly key: ColumnKey;
  readonly title: string;
  /** For people: what it is. */
  readonly help: string;
  /** How wide it is; the name takes what is left. */
  readonly width: number;
  /** The same where all digits are shown. */
  readonly wideWidth?: number;
  /** Those with the highest go first where there is no room. */
  readonly rank: number;
  readonly isLeft?: boolean;
  readonly cell: (sample: Sample, look: Look) => string;
  /** A number or text to sort by; undefined where there is none. */
  readonly order: (sample: Sample) => number | string | undefined;
  /** True where the largest is what one looks for. */
  readonly isDescending?: boolean;
}

type Figure = number | null | undefined;

const shown = (figure: Figure, format: (value: number) => string): string =>
  figure === null ? "?" : figure === undefined ? "-" : format(figure);

const known = (figure: Figure): number | undefined => figure ?? undefined;

function ageOf(figure: Figure, { atMs }: Sample, { nowMs }: Look): string {
  return shown(figure, (ms) => formatAge(ms === 0 ? 0 : ms + Math.max(0, nowMs - atMs)));
}

function numbers(
  key: ColumnKey,
  title: string,
  help: string,
  rank: number,
  of: (sample: Sample) => Figure,
  format: (value: number, isWide: boolean) => string = formatCount,
): Column {
  return {
    key,
    title,
    help,
    rank,
    width: 7,
    wideWidth: 11,
    cell: (sample, { isWide }) => shown(of(sample), (value) => format(value, isWide)),
    order: (sample) => known(of(sample)),
    isDescending: true,
  };
}

export const COLUMNS: readonly Column[] = [
  {
    key: "name",
    title: "QUEUE",
    help: "queue; topic, with its subscriptions under it",
    width: 12,
    rank: 0,
    isLeft: true,
    cell: ({ name }) => name,
    order: ({ name }) => name,
  },
  {
    key: "state",
    title: "STATE",
    help: "how it does, in a word",
    width: 10,
    rank: 1,
    isLeft: true,
    cell: ({ state }, { isAscii }) => `${glyphOf(state, isAscii)} ${state}`,
    order: ({ state }) => STATES.indexOf(state),
  },
  numbers("ready", "READY", "messages that a consumer could have now", 1, ({ ready }) => ready),
  numbers("inflight", "INFLT", "claimed, in flight", 9, ({ inFlight }) => inFlight),
  numbers("scheduled", "SCHED", "visible later", 11, ({ scheduled }) => scheduled),
  numbers("dead", "DEAD", "dead letters", 4, ({ dead }) => dead),
  {
    key: "oldest",
    title: "OLDEST",
    help: "how long the oldest ready message has waited",
    width: 6,
    rank: 5,
    cell: (sample, look) => ageOf(sample.oldestMs, sample, look),
    order: ({ oldestMs }) => known(oldestMs),
    isDescending: true,
  },
  numbers("in", "IN/s", "messages a second that come", 3, ({ inPerS }) => inPerS, formatRate),
  numbers(
    "out",
    "OUT/s",
    "messages a second that are done",
    3,
    ({ outPerS }) => outPerS,
    formatRate,
  ),
  numbers(
    "net",
    "NET",
    "how fast it grows (+) or shrinks (-)",
    7,
    ({ netPerS }) => netPerS,
    formatNet,
  ),
  {
    key: "eta",
    title: "ETA",
    help: "until nothing is ready, at this pace; only where it shrinks",
    width: 5,
    rank: 8,
    cell: (sample) => shown(etaMs(sample), formatAge),
    order: etaMs,
    isDescending: true,
  },
  numbers(
    "lag",
    "LAG",
    "of a subscription: messages behind; of a topic: the most",
    6,
    ({ lag }) => lag,
  ),
  {
    key: "behind",
    title: "BEHIND",
    help: "of a subscription: since when the oldest of these was published",
    width: 6,
    rank: 12,
    cell: (sample, look) => ageOf(sample.lagMs, sample, look),
    order: ({ lagMs }) => known(lagMs),
    isDescending: true,
  },
  {
    ...numbers("workers", "WRK", "consumers that hold a lease", 10, ({ workers }) => workers),
    width: 5,
  },
  {
    key: "bytes",
    title: "BYTES",
    help: "payload that is ready, scheduled or in flight",
    width: 6,
    rank: 13,
    cell: ({ bytes }) => shown(bytes, formatSize),
    order: ({ bytes }) => known(bytes),
    isDescending: true,
  },
  {
    key: "depth",
    title: "DEPTH",
    help: "how many were ready, a bar for each look",
    width: 16,
    rank: 14,
    isLeft: true,
    cell: (sample, look) => sparkline(look.depthsOf(sample), 16, look.isAscii),
    order: ({ ready }) => known(ready),
    isDescending: true,
  },
];

export const columnOf = (key: ColumnKey): Column => COLUMNS.find((column) => column.key === key)!;

export interface Placed {
  readonly column: Column;
  readonly width: number;
}

/** The mark of a row. */
export const MARGIN = 2;

/** Columns up to this are worth more than a name that is not cut. */
const ESSENTIAL_RANK = 3;

/** A name so long goes before the other columns, and one up to the next is shown whole where room is left. */
const NAME_WIDTH = { first: 24, plain: 40, wide: 128 } as const;

/** What fits into so many columns of a terminal, with a blank between each; the name takes what is left. */
export function placeColumns(width: number, longestName: number, isWide: boolean): Placed[] {
  const widthIn = (column: Column): number =>
    isWide ? (column.wideWidth ?? column.width) : column.width;
  const wanted = Math.min(longestName, isWide ? NAME_WIDTH.wide : NAME_WIDTH.plain);
  const name = columnOf("name");
  const least = Math.min(name.width, width - MARGIN);
  let left = width - MARGIN - least;
  const kept = new Set([name]);
  const forName = Math.max(0, Math.min(wanted, NAME_WIDTH.first) - least);
  for (const column of COLUMNS.toSorted((one, other) => one.rank - other.rank)) {
    const cost = widthIn(column) + 1;
    const reserved = column.rank > ESSENTIAL_RANK ? forName : 0;
    if (column === name || cost > left - reserved) continue;
    kept.add(column);
    left -= cost;
  }
  const nameWidth = least + Math.max(0, Math.min(left, wanted - least));
  return COLUMNS.filter((column) => kept.has(column)).map((column) => ({
    column,
    width: column === name ? nameWidth : widthIn(column),
  }));
}

/** The cells of a row, each as wide as its column; without the margin. */
export function cellsOf(
  placed: readonly Placed[],
  sample: Sample,
  look: Look,
  name: string,
): string[] {
  return placed.map(({ column, width }) => {
    const text = column.key === "name" ? name : column.cell(sample, look);
    return fit(text, width, column.isLeft !== true, look.isAscii);
  });
}
