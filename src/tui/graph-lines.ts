/** Depth, in and out over time, as bars. Pure. */
import type { Graphs } from "../stats/detail.ts";
import { formatCount, formatDuration, formatRate } from "./format.ts";

const BARS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_BARS = [" ", ".", ".", ":", ":", "-", "=", "#", "#"];

/** Left of a graph: its largest value. */
export const GRAPH_MARGIN = 9;

export function graphLines(
  graphs: Graphs,
  width: number,
  height: number,
  isAscii: boolean,
): string[] {
  if (graphs.depth.length === 0) return ["nobody tells what flows here"];
  const each = Math.max(3, Math.floor(height / 3));
  const count = (value: number): string => formatCount(value, false);
  const rate = (value: number): string => formatRate(value, false);
  const span = formatDuration(graphs.spanMs);
  return [
    ...graph(`depth, the last ${span}`, graphs.depth, each - 1, width, count, isAscii),
    ...graph("in, messages/s", graphs.in, each - 1, width, rate, isAscii),
    ...graph("out, messages/s", graphs.out, each - 1, width, rate, isAscii),
  ].slice(0, height);
}

function graph(
  title: string,
  values: readonly number[],
  height: number,
  width: number,
  format: (value: number) => string,
  isAscii: boolean,
): string[] {
  const bars = isAscii ? ASCII_BARS : BARS;
  const shown = values.slice(-Math.max(1, width - GRAPH_MARGIN));
  const most = Math.max(...shown, 0);
  const steps = height * (bars.length - 1);
  const lines = Array.from({ length: height }, (_, line) => {
    const below = (height - 1 - line) * (bars.length - 1);
    const text = shown.map((value) => {
      // What is there at all shows, be it ever so little beside the largest.
      const level = most === 0 ? 0 : Math.ceil((value / most) * steps);
      return bars[Math.max(0, Math.min(bars.length - 1, level - below))]!;
    });
    const label = line === 0 ? format(most) : line === height - 1 ? "0" : "";
    return `${label.padStart(GRAPH_MARGIN - 1)} ${text.join("")}`;
  });
  const now = shown.at(-1);
  return [
    `${title}: now ${now === undefined ? "?" : format(now)}, at most ${format(most)}`,
    ...lines,
  ];
}
